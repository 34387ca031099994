//! Time zone data that users upload, and specs that leave nothing to find.

use super::*;
use proptest::prelude::*;

/// Time zone data (TZif, version 2) of a clock that changes at these times (unix seconds) to these offsets (seconds), and
/// goes on by a rule.
fn zone_data(first_offset_s: i32, changes: &[(i64, i32)], rule: &str) -> Vec<u8> {
    let offsets: Vec<i32> =
        std::iter::once(first_offset_s).chain(changes.iter().map(|(_, offset_s)| *offset_s)).collect();
    let block = |data: &mut Vec<u8>, version_2: bool| {
        let (changes, offsets) = if version_2 { (changes, &offsets[..]) } else { (&changes[..0], &offsets[..1]) };
        data.extend_from_slice(b"TZif2");
        data.extend_from_slice(&[0; 15]);
        for count in [0, 0, 0, changes.len(), offsets.len(), 4] {
            data.extend_from_slice(&(count as u32).to_be_bytes());
        }
        changes.iter().for_each(|(time, _)| data.extend_from_slice(&time.to_be_bytes()));
        (1..=changes.len()).for_each(|place| data.push(place as u8));
        for offset_s in offsets {
            data.extend_from_slice(&offset_s.to_be_bytes());
            data.extend_from_slice(&[0, 0]);
        }
        data.extend_from_slice(b"XYZ\0");
    };
    let mut data = Vec::new();
    block(&mut data, false);
    block(&mut data, true);
    data.extend_from_slice(format!("\n{rule}\n").as_bytes());
    data
}

fn with_zone_data(data: Vec<u8>, spec: ScheduleSpec) -> ScheduleSpec {
    ScheduleSpec { timezone_data: data.into(), timezone_name: "Custom/Zone".to_owned(), ..spec }
}

#[test]
fn uploaded_time_zone_data_is_used() {
    let change_s = at("2024-06-01T10:00:00") / SECOND_NS;
    let data = zone_data(3600, &[(change_s, 5400)], "XYZ-1:30");
    let spec = with_zone_data(data, calendars(&["hour 9; minute 45"]));
    assert_eq!(
        times(&spec, "2024-05-31", "2024-06-03"),
        ["2024-05-31T08:45:00", "2024-06-01T08:45:00", "2024-06-02T08:15:00"]
    );
    assert_eq!(compile(&spec).canonical().timezone_name, "Custom/Zone");
}

#[test]
fn time_zone_data_excludes_a_time_zone_in_cron_lines() {
    let spec = with_zone_data(zone_data(0, &[], "UTC0"), cron(&["TZ=Custom/Zone 0 9 * * *"]));
    assert_eq!(Spec::compile(&spec).err(), Some(SpecError::ConflictingTimeZones));
}

#[test]
fn what_is_no_time_zone_data_is_refused() {
    let refusal =
        |data: Vec<u8>| Spec::compile(&with_zone_data(data, every(60, 0))).err().map(|error| error.to_string());
    assert_eq!(refusal(b"nonsense".to_vec()).as_deref(), Some("malformed time zone information"));
    let large = "time zone data of 32769 bytes exceeds 32768 bytes";
    assert_eq!(refusal(vec![0; 32 * 1024 + 1]).as_deref(), Some(large));
}

#[test]
fn exclusions_that_leave_nothing_do_not_search_for_ever() {
    let never = |excluded: &[&str]| ScheduleSpec {
        exclude_calendar: excluded.iter().map(|text| calendar(text)).collect(),
        ..every(1, 0)
    };
    // Whole days are passed over at once, so that the search comes to its end.
    let all = never(&["second *; minute *; hour *"]);
    assert_eq!(compile(&all).next_time(at("2024-01-01"), ""), Ok(None));
    // Even and odd seconds are not.
    let halves = compile(&never(&["second */2; minute *; hour *", "second 1/2; minute *; hour *"]));
    assert_eq!(halves.next_time(at("2024-01-01"), ""), Err(TooManyExclusions));
    let mut times = halves.times_after(at("2024-01-01"), "");
    assert_eq!((times.next(), times.next()), (Some(Err(TooManyExclusions)), None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is uploaded is refused or gives times that ascend.
    #[test]
    fn no_time_zone_data_breaks_a_spec(
        first_offset_s: i32,
        changes in prop::collection::vec((0..4_200_000_000_i64, -100_000..100_000_i32), 0..40),
        rule in prop::sample::select(&["", "XYZ0", "XYZ-25", "XYZ-1ABC,M3.5.0,M10.5.0/3", "XYZ1ABC-20,J1/-167,J365/167", "\u{1}"][..]),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        is_sorted: bool,
    ) {
        let mut changes = changes;
        if is_sorted {
            changes.sort_unstable();
        }
        let first_offset_s = if is_sorted { first_offset_s % 90_000 } else { first_offset_s };
        let mut data = zone_data(first_offset_s, &changes, rule);
        for (place, byte) in &mutations {
            let place = place.index(data.len());
            data[place] = *byte;
        }
        if let Ok(spec) = Spec::compile(&with_zone_data(data, calendars(&["hour 2; minute */15"]))) {
            let times: Vec<_> = spec.times_after(0, "").map(Result::unwrap).take(500).collect();
            prop_assert!(times.windows(2).all(|pair| pair[0].nominal_ns < pair[1].nominal_ns));
        }
    }
}
