//! Properties of all specs. The oracle walks through time and asks jiff what the clock shows; for lines that are cron
//! schedules as well, the rules of cron workflows, which search in quite another way, must agree.

use super::*;
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// Zones whose clocks jump by an hour, by half an hour, at midnight, and not at all.
const ZONES: [&str; 7] = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Beirut",
    "America/Santiago",
    "Australia/Lord_Howe",
];

/// Those whose clocks jump by whole hours and not at midnight. At the others the search for cron schedules, which moves on by
/// days and hours, passes over times.
const PLAIN_ZONES: &[&str] = ZONES.split_at(4).0;

/// Days at which one of those clocks changes.
const DAYS: [&str; 8] =
    ["2024-03-09", "2024-11-02", "2024-03-30", "2024-10-26", "2024-04-06", "2024-10-05", "2024-09-07", "2023-03-25"];

fn a_field(least: i32, greatest: i32) -> impl Strategy<Value = Vec<Range>> {
    let range = (least..=greatest, 0..=greatest, 1..=greatest.min(9)).prop_map(move |(start, length, step)| Range {
        start,
        end: (start + length).min(greatest),
        step,
    });
    prop_oneof![
        2 => Just(vec![Range { start: least, end: greatest, step: 1 }]),
        2 => prop::collection::vec(range, 1..3),
    ]
}

fn a_calendar() -> impl Strategy<Value = StructuredCalendarSpec> {
    let second = prop_oneof![Just(vec![Range::default()]), a_field(0, 59)];
    (second, a_field(0, 59), a_field(0, 23), a_field(1, 31), a_field(0, 6)).prop_map(
        |(second, minute, hour, day_of_month, day_of_week)| StructuredCalendarSpec {
            second,
            minute,
            hour,
            day_of_month,
            month: vec![Range { start: 1, end: 12, step: 1 }],
            year: Vec::new(),
            day_of_week,
            comment: String::new(),
        },
    )
}

/// Whether a calendar matches a time, asked of jiff.
fn is_shown(calendar: &StructuredCalendarSpec, zone: &TimeZone, unix_s: i64) -> bool {
    let shown = Timestamp::from_second(unix_s).unwrap().to_zoned(zone.clone());
    let is_in = |ranges: &[Range], value: i8| {
        let value = i32::from(value);
        ranges.iter().any(|r| (r.start..=r.end.max(r.start)).contains(&value) && (value - r.start) % r.step.max(1) == 0)
    };
    is_in(&calendar.second, shown.second())
        && is_in(&calendar.minute, shown.minute())
        && is_in(&calendar.hour, shown.hour())
        && is_in(&calendar.day_of_month, shown.day())
        && is_in(&calendar.month, shown.month())
        && is_in(&calendar.day_of_week, shown.weekday().to_sunday_zero_offset())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn times_are_those_that_the_clock_shows(
        calendars in prop::collection::vec(a_calendar(), 0..3),
        excluded in prop::collection::vec(a_calendar(), 0..2),
        interval_s in prop::option::of(1000..100_000_i64),
        zone in prop::sample::select(&ZONES[..]),
        day in prop::sample::select(&DAYS[..]),
        second_of_day in 0..86_400_i64,
    ) {
        const HOURS: i64 = 20;
        let spec = in_zone(zone, ScheduleSpec {
            structured_calendar: calendars.clone(),
            exclude_structured_calendar: excluded.clone(),
            interval: interval_s.map(|interval_s| interval(interval_s, interval_s / 3)).into_iter().collect(),
            ..Default::default()
        });
        let zone = TimeZone::get(zone).unwrap();
        let start_s = at(day) / SECOND_NS + second_of_day;
        let seconds = start_s + 1..=start_s + HOURS * 3600;
        let wanted: Vec<i64> = seconds.clone().filter(|unix_s| {
            let is_interval = interval_s.is_some_and(|interval_s| (unix_s - interval_s / 3) % interval_s == 0);
            (is_interval || calendars.iter().any(|calendar| is_shown(calendar, &zone, *unix_s)))
                && !excluded.iter().any(|calendar| is_shown(calendar, &zone, *unix_s))
        }).collect();
        let spec = compile(&spec);
        let found: Vec<i64> = spec
            .times_after(start_s * SECOND_NS, "")
            .map_while(Result::ok)
            .map(|time| time.nominal_ns / SECOND_NS)
            .take_while(|unix_s| unix_s <= seconds.end())
            .collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn a_cron_line_agrees_with_the_cron_schedule_of_a_workflow(
        minute in prop::sample::select(&["0", "30", "*/20", "5,50", "10-40/15"][..]),
        hour in prop::sample::select(&["*", "2", "0", "1-3", "*/5", "23"][..]),
        (day, weekday) in prop::sample::select(&[("*", "*"), ("1,15,30", "*"), ("*", "MON-FRI"), ("*/7", "*"), ("31", "?*")][..]),
        month in prop::sample::select(&["*", "MAR,OCT", "*/3", "2"][..]),
        zone in prop::sample::select(PLAIN_ZONES),
        day_of_start in prop::sample::select(&DAYS[..]),
    ) {
        let line = format!("TZ={zone} {minute} {hour} {day} {month} {}", weekday.trim_start_matches('?'));
        let (spec, cron) = (compile(&cron(&[&line])), crate::cron::parse(&line).unwrap());
        let start_ns = at(day_of_start);
        let wanted: Vec<i64> = std::iter::successors(cron.next_after(start_ns), |ns| cron.next_after(*ns)).take(60).collect();
        let found: Vec<i64> = spec.times_after(start_ns, "").map_while(Result::ok).map(|time| time.nominal_ns).take(60).collect();
        prop_assert_eq!(found, wanted, "{}", line);
    }

    #[test]
    fn the_next_time_is_a_function_of_the_time_before(
        calendar in a_calendar(),
        interval_s in 60..100_000_i64,
        jitter_s in 0..5000_i64,
        start_s in 0..2_000_000_000_i64,
    ) {
        let spec = compile(&ScheduleSpec {
            structured_calendar: vec![calendar],
            interval: vec![interval(interval_s, 0)],
            jitter: Some(from_ns(jitter_s * SECOND_NS)),
            ..Default::default()
        });
        let in_a_row: Vec<_> = spec.times_after(start_s * SECOND_NS, "seed").map(Result::unwrap).take(50).collect();
        let mut after_ns = start_s * SECOND_NS;
        for time in &in_a_row {
            prop_assert_eq!(spec.next_time(after_ns, "seed"), Ok(Some(*time)));
            prop_assert!((0..=jitter_s * SECOND_NS).contains(&(time.actual_ns - time.nominal_ns)));
            after_ns = time.actual_ns; // No nominal time is passed over on the way.
        }
        prop_assert!(in_a_row.windows(2).all(|pair| pair[0].actual_ns < pair[1].nominal_ns));
    }

    #[test]
    fn whatever_is_written_is_read_or_refused(line in "[0-9*,/@#A-Za-z= -]{0,30}", text in "[0-9*,/a-z -]{0,8}") {
        for spec in [cron(&[&line]), calendars(&[&format!("hour {text}; weekday {text}")])] {
            if let Ok(compiled) = Spec::compile(&spec) {
                let canonical = compiled.canonical().clone();
                prop_assert_eq!(compile(&canonical).canonical().clone(), canonical);
            }
        }
    }
}
