use super::*;

fn check(table: &[(ScheduleSpec, &str, &str, &[&str])]) {
    for (spec, start, end, wanted) in table {
        assert_eq!(times(spec, start, end), *wanted, "{spec:?}");
    }
}

#[test]
fn intervals_count_from_1970() {
    check(&[
        (every(3600, 0), "2024-03-10T01:00:00", "2024-03-10T03:00:00", &["2024-03-10T02:00:00", "2024-03-10T03:00:00"]),
        (every(3600, 900), "2024-03-10", "2024-03-10T02:00:00", &["2024-03-10T00:15:00", "2024-03-10T01:15:00"]),
        (every(604_800, 0), "2024-03-01", "2024-03-15", &["2024-03-07", "2024-03-14"]),
        (every(604_800, 4 * 86_400), "2024-03-01", "2024-03-15", &["2024-03-04", "2024-03-11"]),
        (in_zone("America/New_York", every(86_400, 0)), "2024-03-09", "2024-03-11", &["2024-03-10", "2024-03-11"]),
        (every(604_800, 4 * 86_400), "1969-12-01", "1970-01-13", &["1970-01-05", "1970-01-12"]),
    ]);
}

#[test]
fn calendars_match_where_all_fields_do() {
    check(&[
        (calendars(&[""]), "2024-03-09", "2024-03-11", &["2024-03-10", "2024-03-11"]),
        (
            calendars(&["minute */20; hour 9-10"]),
            "2024-03-09T09:30:00",
            "2024-03-10",
            &["2024-03-09T09:40:00", "2024-03-09T10:00:00", "2024-03-09T10:20:00", "2024-03-09T10:40:00"],
        ),
        (
            calendars(&["second 5,10-30/10; minute *; hour *"]),
            "2024-03-09T10:00:00",
            "2024-03-09T10:01:05",
            &[
                "2024-03-09T10:00:05",
                "2024-03-09T10:00:10",
                "2024-03-09T10:00:20",
                "2024-03-09T10:00:30",
                "2024-03-09T10:01:05",
            ],
        ),
        (calendars(&["minute 10/25"]), "2024-03-09", "2024-03-10", &["2024-03-09T00:10:00", "2024-03-09T00:35:00"]),
        (
            calendars(&["weekday mon-fri; hour 12"]),
            "2024-03-08",
            "2024-03-12",
            &["2024-03-08T12:00:00", "2024-03-11T12:00:00"],
        ),
        (calendars(&["day 13; weekday 5"]), "2023-01-01", "2024-09-30", &["2023-01-13", "2023-10-13", "2024-09-13"]),
        (calendars(&["month feb; day 29"]), "2023-01-01", "2033-01-01", &["2024-02-29", "2028-02-29", "2032-02-29"]),
        (
            calendars(&["year 2025,2027-2030/2; month december; day 31; hour 23; minute 59; second 59"]),
            "2024-01-01",
            "2035-01-01",
            &["2025-12-31T23:59:59", "2027-12-31T23:59:59", "2029-12-31T23:59:59"],
        ),
        (calendars(&["month 2; day 30"]), "2024-01-01", "2101-01-01", &[]),
        (calendars(&["year 2099; month feb; day 29"]), "2024-01-01", "2101-01-01", &[]),
    ]);
}

#[test]
fn structured_calendars_are_taken_as_they_are() {
    let any = StructuredCalendarSpec {
        second: vec![Range::default()],
        minute: vec![Range::default()],
        hour: vec![Range::default()],
        day_of_month: vec![Range { start: 1, end: 31, step: 0 }],
        month: vec![Range { start: 1, end: 12, step: 0 }],
        day_of_week: vec![Range { start: 0, end: 6, step: 0 }],
        ..Default::default()
    };
    let only = |calendar: &StructuredCalendarSpec| ScheduleSpec {
        structured_calendar: vec![calendar.clone()],
        ..Default::default()
    };
    let leap_years = vec![Range { start: 2024, end: 2032, step: 4 }];
    check(&[
        (only(&StructuredCalendarSpec::default()), "2024-03-09", "2030-01-01", &[]),
        (only(&StructuredCalendarSpec { second: vec![], ..any.clone() }), "2024-03-09", "2030-01-01", &[]),
        (only(&any), "2024-03-09", "2024-03-11", &["2024-03-10", "2024-03-11"]),
        (
            only(&StructuredCalendarSpec { hour: vec![Range { start: 3, end: 0, step: 0 }], ..any.clone() }),
            "2024-03-09",
            "2024-03-11",
            &["2024-03-09T03:00:00", "2024-03-10T03:00:00"],
        ),
        (
            only(&StructuredCalendarSpec {
                day_of_month: vec![Range { start: 1, end: 0, step: 0 }],
                month: vec![Range { start: 1, end: 0, step: 0 }],
                year: leap_years,
                ..any
            }),
            "2024-01-01",
            "2101-01-01",
            &["2028-01-01", "2032-01-01"],
        ),
    ]);
}

#[test]
fn cron_lines_say_when() {
    check(&[
        (cron(&["0 0 13 * FRI"]), "2024-01-01", "2025-12-31", &["2024-09-13", "2024-12-13", "2025-06-13"]),
        (cron(&["0 0 1 JAN,JUL * 2025"]), "2024-01-01", "2027-01-01", &["2025-01-01", "2025-07-01"]),
        (
            cron(&["15 30 10 1 3 * 2024-2026"]),
            "2024-01-01",
            "2030-01-01",
            &["2024-03-01T10:30:15", "2025-03-01T10:30:15", "2026-03-01T10:30:15"],
        ),
        (
            cron(&["*/30 * * * * * *"]),
            "2024-03-09T10:00:00",
            "2024-03-09T10:01:00",
            &["2024-03-09T10:00:30", "2024-03-09T10:01:00"],
        ),
        (cron(&["0 9 * * 7 # sunday"]), "2024-03-08", "2024-03-18", &["2024-03-10T09:00:00", "2024-03-17T09:00:00"]),
        (cron(&["@yearly"]), "2024-01-01", "2026-01-01", &["2025-01-01", "2026-01-01"]),
        (cron(&["@annually"]), "2024-06-01", "2025-06-01", &["2025-01-01"]),
        (cron(&["@monthly"]), "2024-01-15", "2024-03-15", &["2024-02-01", "2024-03-01"]),
        (cron(&["@weekly"]), "2024-03-01", "2024-03-12", &["2024-03-03", "2024-03-10"]),
        (cron(&["@daily", "@midnight"]), "2024-03-01", "2024-03-03", &["2024-03-02", "2024-03-03"]),
        (cron(&["@hourly"]), "2024-03-01T10:30:00", "2024-03-01T11:00:00", &["2024-03-01T11:00:00"]),
        (
            cron(&["@every 1h30m/10m"]),
            "2024-03-01T10:00:00",
            "2024-03-01T14:00:00",
            &["2024-03-01T10:40:00", "2024-03-01T12:10:00", "2024-03-01T13:40:00"],
        ),
        (cron(&["@every 1d"]), "2024-03-01T10:00:00", "2024-03-03", &["2024-03-02", "2024-03-03"]),
    ]);
}

#[test]
fn a_spec_is_the_union_of_its_parts_without_its_exclusions() {
    let mixed = ScheduleSpec {
        interval: vec![interval(12 * 3600, 0)],
        cron_string: vec!["0 12 * * *".to_owned(), "30 7 * * *".to_owned()],
        ..calendars(&["hour 6"])
    };
    let without = |excluded: &[&str], spec: ScheduleSpec| ScheduleSpec {
        exclude_calendar: excluded.iter().map(|text| calendar(text)).collect(),
        ..spec
    };
    check(&[
        (
            mixed.clone(),
            "2024-03-09",
            "2024-03-10",
            &["2024-03-09T06:00:00", "2024-03-09T07:30:00", "2024-03-09T12:00:00", "2024-03-10"],
        ),
        (without(&["minute *; hour 7-12"], mixed), "2024-03-09", "2024-03-10", &["2024-03-09T06:00:00", "2024-03-10"]),
        (
            without(&["weekday sat,sun; hour *"], calendars(&["hour 12"])),
            "2024-03-08",
            "2024-03-12",
            &["2024-03-08T12:00:00", "2024-03-11T12:00:00"],
        ),
        (
            without(&["day 9"], calendars(&["hour 0,12"])),
            "2024-03-08T12:00:00",
            "2024-03-10",
            &["2024-03-09T12:00:00", "2024-03-10"],
        ),
        (
            in_zone("Asia/Tokyo", without(&["hour 9"], every(12 * 3600, 0))),
            "2024-03-09",
            "2024-03-11",
            &["2024-03-09T12:00:00", "2024-03-10T12:00:00"],
        ),
        (ScheduleSpec::default(), "2024-03-09", "2101-01-01", &[]),
    ]);
}

#[test]
fn start_and_end_bound_a_spec() {
    let bounded = |start: &str, end: &str| ScheduleSpec {
        start_time: Some(timestamp(at(start))),
        end_time: Some(timestamp(at(end))),
        ..every(3600, 0)
    };
    check(&[
        (
            bounded("2024-03-09T02:00:00", "2024-03-09T03:00:00"),
            "2024-03-09",
            "2024-03-10",
            &["2024-03-09T02:00:00", "2024-03-09T03:00:00"],
        ),
        (
            bounded("2024-03-09T02:00:00.001", "2024-03-09T03:59:59.9"),
            "2024-03-09",
            "2024-03-10",
            &["2024-03-09T03:00:00"],
        ),
        (bounded("2024-03-09T05:00:00", "2024-03-09T02:00:00"), "2024-03-09", "2024-03-10", &[]),
    ]);
}

#[test]
fn nothing_is_due_after_2100() {
    let yearly = compile(&cron(&["@yearly"]));
    let last = yearly.times_after(at("2099-06-01"), "").map(Result::unwrap).last().unwrap();
    assert_eq!(shown(last.nominal_ns), "2100-01-01");
    assert_eq!(compile(&every(1, 0)).next_time(i64::MAX, ""), Ok(None));
    let absurd =
        ScheduleSpec { start_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }), ..every(1, 0) };
    assert_eq!(compile(&absurd).next_time(i64::MIN, ""), Ok(None));
    assert_eq!(compile(&every(300_000_000_000, 0)).next_time(at("2024-01-01"), ""), Ok(None));
}

#[test]
fn jitter_puts_a_time_off_but_not_to_the_next_one() {
    let spec = compile(&ScheduleSpec { jitter: Some(from_ns(3600 * SECOND_NS)), ..cron(&["*/10 * * * *"]) });
    let of = |seed: &'static str| spec.times_after(at("2024-01-01"), seed).map(Result::unwrap).take(200);
    assert_eq!(of("a").collect::<Vec<_>>(), of("a").collect::<Vec<_>>());
    assert_ne!(of("a").collect::<Vec<_>>(), of("b").collect::<Vec<_>>());
    let delays: Vec<i64> = of("a").map(|time| time.actual_ns - time.nominal_ns).collect();
    assert!(delays.iter().all(|delay_ns| (0..600 * SECOND_NS).contains(delay_ns)));
    assert!(delays.iter().any(|delay_ns| *delay_ns > 300 * SECOND_NS) && delays.iter().any(|ns| *ns < 300 * SECOND_NS));
    let short = compile(&ScheduleSpec { jitter: Some(from_ns(SECOND_NS)), ..cron(&["@yearly"]) });
    assert!(short.times_after(0, "a").map(Result::unwrap).all(|time| time.actual_ns - time.nominal_ns < SECOND_NS));
}
