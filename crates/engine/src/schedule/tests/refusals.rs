use super::*;

fn refusal(spec: &ScheduleSpec) -> String {
    match Spec::compile(spec) {
        Ok(_) => panic!("{spec:?} is accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn calendars_that_cannot_be_are_refused() {
    let table = [
        ("second 60", "Second is not in range [0-59]"),
        ("minute -1", "Minute Start is not in range [0-59]"),
        ("day 0", "DayOfMonth is not in range [1-31]"),
        ("month foo", "Month is not in range [1-12]"),
        ("month ja", "Month is not in range [1-12]"),
        ("weekday 8", "DayOfWeek is not in range [0-7]"),
        ("weekday m", "DayOfWeek is not in range [0-7]"),
        ("year 1999", "Year is not in range [2000-2100]"),
        ("year 2101", "Year is not in range [2000-2100]"),
        ("hour 5-3", "Hour End is before Start or not in range [0-23]"),
        ("hour */0", "Hour has invalid Step"),
        ("hour */x", "Hour has invalid Step"),
        ("hour 1/", "Hour missing step value"),
        ("hour 1/2/3", "Hour has too many slashes"),
        ("hour 1-2-3", "Hour has too many dashes"),
        ("hour 1,", "Hour is not in range [0-23]"),
        ("hour 99999999999", "Hour is not in range [0-23]"),
        ("hour 25; second 61", "Second is not in range [0-59], Hour is not in range [0-23]"),
    ];
    for (texts, wanted) in table {
        assert_eq!(refusal(&calendars(&[texts])), wanted, "{texts}");
        let excluding = ScheduleSpec { exclude_calendar: vec![calendar(texts)], ..Default::default() };
        assert_eq!(refusal(&excluding), wanted, "excluded {texts}");
    }
    let comment = format!("comment {}", "x".repeat(201));
    assert_eq!(refusal(&calendars(&[&comment])), "invalid calendar spec: comment is too long");
}

#[test]
fn structured_calendars_that_cannot_be_are_refused() {
    let hour =
        |start, end, step| StructuredCalendarSpec { hour: vec![Range { start, end, step }], ..Default::default() };
    let table = [
        (hour(24, 0, 0), "invalid calendar spec: Hour Start is not in range [0-23]"),
        (hour(3, 1, 0), "invalid calendar spec: Hour End is before Start or not in range [0-23]"),
        (hour(3, 5, -1), "invalid calendar spec: Hour has invalid Step"),
        (
            hour(-1, -2, -3),
            "invalid calendar spec: Hour Start is not in range [0-23], \
             Hour End is before Start or not in range [0-23], Hour has invalid Step",
        ),
    ];
    for (structured, wanted) in table {
        let spec = ScheduleSpec { structured_calendar: vec![structured.clone()], ..Default::default() };
        assert_eq!(refusal(&spec), wanted);
        let excluding = ScheduleSpec { exclude_structured_calendar: vec![structured], ..Default::default() };
        assert_eq!(refusal(&excluding), wanted);
    }
}

#[test]
fn intervals_that_cannot_be_are_refused() {
    assert_eq!(
        refusal(&ScheduleSpec { interval: vec![IntervalSpec::default()], ..Default::default() }),
        "interval is too small"
    );
    assert_eq!(refusal(&every(1, 2)), "phase cannot be greater than Interval");
    assert_eq!(refusal(&every(2, 2)), "phase cannot be greater than Interval");
    assert_eq!(refusal(&every(5, -1)), "phase is negative");
    assert_eq!(refusal(&every(-5, 0)), "interval is too small");
    let odd = |seconds, nanos| ScheduleSpec {
        interval: vec![IntervalSpec { interval: Some(prost_types::Duration { seconds, nanos }), phase: None }],
        ..Default::default()
    };
    for spec in [odd(1, -1), odd(i64::MAX, 0), odd(i64::MIN, 0), odd(1, 1_000_000_000), odd(1, i32::MIN)] {
        assert_eq!(refusal(&spec), "interval is not a valid duration");
    }
}

#[test]
fn cron_lines_that_cannot_be_are_refused() {
    let table: [(&[&str], &str); 16] = [
        (&["foo"], "CronString does not have 5-7 fields"),
        (&["* * * *"], "CronString does not have 5-7 fields"),
        (&["* * * * * * * *"], "CronString does not have 5-7 fields"),
        (&["* * * * * * * * * * * * *"], "CronString does not have 5-7 fields"),
        (&["@fortnightly"], "CronString does not have 5-7 fields"),
        (&[""], "CronString does not have 5-7 fields"),
        (&["60 * * * *"], "Minute is not in range [0-59]"),
        (&["@every"], "CronString does not have interval after @every"),
        (&["@every soon"], "time: invalid duration \"soon\""),
        (&["@every 10ms"], "interval is too small"),
        (&["@every 1m/2m"], "phase cannot be greater than Interval"),
        (&["TZ=Europe/Berlin"], "CronString has time zone but missing fields"),
        (&["TZ=Nowhere/X * * * * *"], "unknown time zone Nowhere/X"),
        (&["TZ=Europe/Berlin * * * * *", "TZ=Europe/Paris * * * * *"], "conflicting timezone names"),
        (&["TZ=Europe/Berlin * * * * *", "* * * * *"], "conflicting timezone names"),
        (&["TZ=Europe/Berlin * * * * *", "@every 1h"], "conflicting timezone names"),
    ];
    for (lines, wanted) in table {
        assert_eq!(refusal(&cron(lines)), wanted, "{lines:?}");
    }
    let berlin = cron(&["TZ=Europe/Berlin * * * * *"]);
    assert_eq!(refusal(&in_zone("Europe/Paris", berlin.clone())), "conflicting timezone names");
    compile(&in_zone("Europe/Berlin", berlin));
}

#[test]
fn unknown_time_zones_are_refused() {
    for name in ["Nowhere/X", "../etc/passwd", "/etc/localtime", "Europe/Berlin\0", "\u{1f30d}"] {
        assert_eq!(refusal(&in_zone(name, every(60, 0))), format!("unknown time zone {name}"));
    }
}

#[test]
fn a_spec_has_a_limit() {
    let entries = |count: usize| ScheduleSpec {
        cron_string: vec!["@daily".to_owned(); count - 1],
        exclude_calendar: vec![calendar("hour 5")],
        ..Default::default()
    };
    compile(&entries(1000));
    assert_eq!(refusal(&entries(1001)), "1001 calendars, intervals, cron strings and exclusions exceed 1000");
}
