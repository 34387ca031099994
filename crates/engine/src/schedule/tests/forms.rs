use super::*;

/// The ranges of calendars as text: `second minute hour day month year weekday`, `*` being every value.
fn shown_calendar(calendar: &StructuredCalendarSpec) -> String {
    let shown = |ranges: &[Range], least: i32, greatest: i32| {
        let shown = ranges.iter().map(|range| match (range.start, range.end, range.step) {
            (start, end, 1) if (start, end) == (least, greatest) => "*".to_owned(),
            (start, end, 1) if start == end => start.to_string(),
            (start, end, step) => format!("{start}-{end}/{step}"),
        });
        let shown: Vec<String> = shown.collect();
        if shown.is_empty() { "-".to_owned() } else { shown.join(",") }
    };
    let fields = [
        shown(&calendar.second, 0, 59),
        shown(&calendar.minute, 0, 59),
        shown(&calendar.hour, 0, 23),
        shown(&calendar.day_of_month, 1, 31),
        shown(&calendar.month, 1, 12),
        shown(&calendar.year, 2000, 2100),
        shown(&calendar.day_of_week, 0, 6),
    ];
    let comment = if calendar.comment.is_empty() { String::new() } else { format!(" # {}", calendar.comment) };
    fields.join(" ") + &comment
}

fn shown_form(spec: &ScheduleSpec) -> String {
    let canonical = compile(spec).canonical().clone();
    assert_eq!(compile(&canonical).canonical(), &canonical, "a canonical form is its own");
    assert!(canonical.calendar.is_empty() && canonical.cron_string.is_empty() && canonical.exclude_calendar.is_empty());
    let seconds = |length: &Option<prost_types::Duration>| length.as_ref().map_or(0, |length| length.seconds);
    let intervals = canonical.interval.iter().map(|i| format!("every {}+{}", seconds(&i.interval), seconds(&i.phase)));
    let calendars = canonical.structured_calendar.iter().map(shown_calendar);
    let excluded = canonical.exclude_structured_calendar.iter().map(|c| format!("not {}", shown_calendar(c)));
    let zone = Some(canonical.timezone_name.clone()).filter(|name| !name.is_empty());
    let parts: Vec<String> = calendars.chain(intervals).chain(excluded).chain(zone).collect();
    parts.join("; ")
}

#[test]
fn calendars_become_structured() {
    let table = [
        ("", "0 0 0 * * - *"),
        (
            "second */10; minute 5,7-9; hour 9-17/2; weekday mon-fri; month jan,Mar; comment why",
            "0-59/10 5,7-9/1 9-17/2 * 1,3 - 1-5/1 # why",
        ),
        ("weekday 7,tue-thu", "0 0 0 * * - 0,2-4/1"),
        ("weekday 5-7", "0 0 0 * * - 0,5-6/1"),
        ("weekday 1-7/2", "0 0 0 * * - 0,1-6/2"),
        ("weekday 3-7/3", "0 0 0 * * - 3-6/3"),
        ("weekday 1-7", "0 0 0 * * - *"),
        ("weekday *", "0 0 0 * * - *"),
        ("year 2025-2030/5", "0 0 0 * * 2025-2030/5 *"),
        ("year *", "0 0 0 * * - *"),
        ("month september; weekday sa", "0 0 0 * 9 - 6"),
        ("hour  5 ", "0 0 5 * * - *"),
    ];
    for (texts, wanted) in table {
        assert_eq!(shown_form(&calendars(&[texts])), wanted, "{texts}");
    }
}

#[test]
fn cron_lines_become_structured() {
    let table = [
        ("30 6 * * 1-5", "0 30 6 * * - 1-5/1"),
        ("0 0 1 1 * 2030", "0 0 0 1 1 2030 *"),
        ("5 4 3 2 1 * 2030", "5 4 3 2 1 2030 *"),
        ("@weekly", "0 0 0 * * - 0"),
        ("@hourly", "0 0 * * * - *"),
        ("  0 5 * * * # five o'clock ", "0 0 5 * * - * # five o'clock"),
        ("@every 1h/5m", "every 3600+300"),
        ("@every 1d", "every 86400+0"),
        ("TZ=Europe/Berlin 0 9 * * *", "0 0 9 * * - *; Europe/Berlin"),
        ("TZ=Europe/Berlin @every 1h", "every 3600+0"),
    ];
    for (line, wanted) in table {
        assert_eq!(shown_form(&cron(&[line])), wanted, "{line}");
    }
}

#[test]
fn structured_calendars_come_first_then_calendars_then_cron_lines() {
    let hour = |start, end| Range { start, end, step: 0 };
    let three = StructuredCalendarSpec { hour: vec![hour(3, 0), hour(5, 7)], ..Default::default() };
    let spec = ScheduleSpec {
        structured_calendar: vec![three.clone()],
        cron_string: vec!["0 1 * * *".to_owned(), "@every 30s".to_owned()],
        interval: vec![interval(60, 5)],
        exclude_calendar: vec![calendar("month dec")],
        exclude_structured_calendar: vec![three],
        ..calendars(&["hour 2"])
    };
    let wanted = "- - 3,5-7/1 - - - -; 0 0 2 * * - *; 0 0 1 * * - *; every 60+5; every 30+0; \
                  not - - 3,5-7/1 - - - -; not 0 0 0 * 12 - *";
    assert_eq!(shown_form(&spec), wanted);
}

#[test]
fn what_needs_no_canonical_form_stays() {
    let spec = ScheduleSpec {
        jitter: Some(from_ns(5 * SECOND_NS)),
        start_time: Some(timestamp(1)),
        end_time: Some(timestamp(2)),
        ..in_zone("UTC", every(60, 0))
    };
    assert_eq!(compile(&spec).canonical(), &spec);
}
