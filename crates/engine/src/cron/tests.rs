use super::*;
use jiff::Timestamp;

fn nanoseconds(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_nanosecond().try_into().unwrap()
}

fn shown(time_ns: i64) -> String {
    Timestamp::from_nanosecond(time_ns.into()).unwrap().to_string()
}

/// The times that follow a time, as many as the table has; fewer if there are no more.
fn following(schedule: &str, from: &str, count: usize) -> Vec<String> {
    let cron = parse(schedule).unwrap_or_else(|error| panic!("{schedule}: {error}"));
    let first = cron.next_after(nanoseconds(from));
    std::iter::successors(first, |time_ns| cron.next_after(*time_ns)).take(count).map(shown).collect()
}

fn check_table(table: &[(&str, &str, [&str; 3])]) {
    for (schedule, from, wanted) in table {
        assert_eq!(following(schedule, from, wanted.len()), wanted, "{schedule} after {from}");
    }
}

#[test]
fn fields_say_when() {
    check_table(&[
        ("* * * * *", "2024-01-01T00:00:00Z", ["2024-01-01T00:01:00Z", "2024-01-01T00:02:00Z", "2024-01-01T00:03:00Z"]),
        (
            "* * * * *",
            "2024-01-01T00:00:59.999Z",
            ["2024-01-01T00:01:00Z", "2024-01-01T00:02:00Z", "2024-01-01T00:03:00Z"],
        ),
        (
            "*/5 2-4 * JAN MON,FRI",
            "2024-01-01T04:50:00Z",
            ["2024-01-01T04:55:00Z", "2024-01-05T02:00:00Z", "2024-01-05T02:05:00Z"],
        ),
        ("0 0 1 1 *", "2024-06-01T00:00:00Z", ["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
        (
            "0 0 29 2 *",
            "2024-03-01T00:00:00Z",
            ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z", "2036-02-29T00:00:00Z"],
        ),
        (
            "0 0 31 * *",
            "2024-03-31T00:00:00Z",
            ["2024-05-31T00:00:00Z", "2024-07-31T00:00:00Z", "2024-08-31T00:00:00Z"],
        ),
        (
            "0 12 13 * FRI",
            "2024-09-01T00:00:00Z",
            ["2024-09-06T12:00:00Z", "2024-09-13T12:00:00Z", "2024-09-20T12:00:00Z"],
        ),
        (
            "0 12 13 * *",
            "2024-09-14T00:00:00Z",
            ["2024-10-13T12:00:00Z", "2024-11-13T12:00:00Z", "2024-12-13T12:00:00Z"],
        ),
        (
            "0 12 */2 * FRI",
            "2024-09-01T00:00:00Z",
            ["2024-09-01T12:00:00Z", "2024-09-03T12:00:00Z", "2024-09-05T12:00:00Z"],
        ),
        (
            "30 5/6 * * *",
            "2024-09-01T00:00:00Z",
            ["2024-09-01T05:30:00Z", "2024-09-01T11:30:00Z", "2024-09-01T17:30:00Z"],
        ),
        ("0 0 * * ?", "2024-09-01T00:00:00Z", ["2024-09-02T00:00:00Z", "2024-09-03T00:00:00Z", "2024-09-04T00:00:00Z"]),
        (
            "10-20/5,40 1 * * *",
            "2024-09-01T01:05:00Z",
            ["2024-09-01T01:10:00Z", "2024-09-01T01:15:00Z", "2024-09-01T01:20:00Z"],
        ),
    ]);
}

#[test]
fn descriptors_say_when() {
    check_table(&[
        ("@yearly", "2024-02-01T00:00:00Z", ["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
        ("@monthly", "2024-02-01T00:00:00Z", ["2024-03-01T00:00:00Z", "2024-04-01T00:00:00Z", "2024-05-01T00:00:00Z"]),
        ("@weekly", "2024-02-01T00:00:00Z", ["2024-02-04T00:00:00Z", "2024-02-11T00:00:00Z", "2024-02-18T00:00:00Z"]),
        ("@midnight", "2024-02-01T00:00:00Z", ["2024-02-02T00:00:00Z", "2024-02-03T00:00:00Z", "2024-02-04T00:00:00Z"]),
        ("@hourly", "2024-02-01T00:00:00Z", ["2024-02-01T01:00:00Z", "2024-02-01T02:00:00Z", "2024-02-01T03:00:00Z"]),
        (
            "@every 90m",
            "2024-02-01T00:00:00.7Z",
            ["2024-02-01T01:30:00Z", "2024-02-01T03:00:00Z", "2024-02-01T04:30:00Z"],
        ),
        (
            "@every 1.9s",
            "2024-02-01T00:00:00.7Z",
            ["2024-02-01T00:00:01Z", "2024-02-01T00:00:02Z", "2024-02-01T00:00:03Z"],
        ),
        (
            "@every 1ms",
            "2024-02-01T00:00:00Z",
            ["2024-02-01T00:00:01Z", "2024-02-01T00:00:02Z", "2024-02-01T00:00:03Z"],
        ),
    ]);
}

#[test]
fn the_clock_of_a_time_zone_jumps() {
    check_table(&[
        (
            "CRON_TZ=Europe/Berlin 0 12 * * *",
            "2024-03-30T12:00:00Z",
            ["2024-03-31T10:00:00Z", "2024-04-01T10:00:00Z", "2024-04-02T10:00:00Z"],
        ),
        (
            "TZ=Asia/Kolkata 0 0 * * *",
            "2024-03-30T12:00:00Z",
            ["2024-03-30T18:30:00Z", "2024-03-31T18:30:00Z", "2024-04-01T18:30:00Z"],
        ),
        (
            "TZ=America/New_York 30 2 * * *",
            "2024-03-09T12:00:00Z",
            ["2024-03-11T06:30:00Z", "2024-03-12T06:30:00Z", "2024-03-13T06:30:00Z"],
        ),
        (
            "TZ=America/New_York 30 1 * * *",
            "2024-11-02T12:00:00Z",
            ["2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z", "2024-11-04T06:30:00Z"],
        ),
        (
            "TZ=America/New_York 0 3 * * *",
            "2024-03-09T12:00:00Z",
            ["2024-03-10T07:00:00Z", "2024-03-11T07:00:00Z", "2024-03-12T07:00:00Z"],
        ),
        (
            "TZ=Europe/Berlin 30 2 * * *",
            "2024-10-26T12:00:00Z",
            ["2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z", "2024-10-28T01:30:00Z"],
        ),
        (
            "TZ=America/Sao_Paulo 0 0 * * *",
            "2018-11-03T12:00:00Z",
            ["2018-11-05T02:00:00Z", "2018-11-06T02:00:00Z", "2018-11-07T02:00:00Z"],
        ),
        (
            "TZ=America/Sao_Paulo 30 0 * * *",
            "2018-11-03T12:00:00Z",
            ["2018-11-05T02:30:00Z", "2018-11-06T02:30:00Z", "2018-11-07T02:30:00Z"],
        ),
        (
            "TZ=Australia/Lord_Howe 15 2 * * *",
            "2024-10-05T12:00:00Z",
            ["2024-10-06T15:15:00Z", "2024-10-07T15:15:00Z", "2024-10-08T15:15:00Z"],
        ),
        (
            "TZ=Australia/Lord_Howe 45 1 * * *",
            "2024-04-06T12:00:00Z",
            ["2024-04-06T14:45:00Z", "2024-04-06T15:15:00Z", "2024-04-07T15:15:00Z"],
        ),
    ]);
}

#[test]
fn a_zone_can_leave_out_a_day() {
    let times = following("TZ=Pacific/Apia 0 0 30 12 *", "2011-12-01T00:00:00Z", 1);
    assert_eq!(times, ["2012-12-29T10:00:00Z"]);
}

#[test]
fn some_schedules_never_come_due() {
    assert!(following("0 0 31 2 *", "2024-03-31T00:00:00Z", 1).is_empty());
    assert!(following(", * * * *", "2024-03-31T00:00:00Z", 1).is_empty());
    assert_eq!(parse("* * * * *").unwrap().next_after(i64::MAX), None);
    assert_eq!(parse("@every 1h").unwrap().next_after(i64::MAX), None);
}

#[test]
fn what_is_no_schedule_is_refused() {
    let field = |field, text: &str| CronError::BadField { field, text: text.to_owned() };
    let table = [
        ("", CronError::Empty),
        ("nonsense", CronError::FieldCount(1)),
        ("* * * *", CronError::FieldCount(4)),
        ("* * * * * *", CronError::FieldCount(6)),
        ("60 * * * *", field("minute", "60")),
        ("0 24 * * *", field("hour", "24")),
        ("0 0 0 * *", field("day of month", "0")),
        ("0 0 * 13 *", field("month", "13")),
        ("0 0 * * 7", field("day of week", "7")),
        ("0 0 * * monday", field("day of week", "monday")),
        ("5-1 * * * *", field("minute", "5-1")),
        ("1-2-3 * * * *", field("minute", "1-2-3")),
        ("*/0 * * * *", field("minute", "*/0")),
        ("1/2/3 * * * *", field("minute", "1/2/3")),
        ("1,x * * * *", field("minute", "x")),
        ("-1 * * * *", field("minute", "-1")),
        ("99999999999 * * * *", field("minute", "99999999999")),
        ("@every x", CronError::UnknownDescriptor("@every x".to_owned())),
        ("@every  1h", CronError::UnknownDescriptor("@every  1h".to_owned())),
        ("@sometimes", CronError::UnknownDescriptor("@sometimes".to_owned())),
        ("@Daily", CronError::UnknownDescriptor("@Daily".to_owned())),
        ("CRON_TZ=Nowhere/Town 0 0 * * *", CronError::UnknownTimeZone("Nowhere/Town".to_owned())),
        ("TZ=Europe/Berlin", CronError::FieldCount(0)),
    ];
    for (schedule, wanted) in table {
        assert_eq!(parse(schedule).err(), Some(wanted), "{schedule}");
    }
}

#[test]
fn requests_are_told_that_a_schedule_is_invalid() {
    let now_ns = nanoseconds("2024-01-01T00:00:00Z");
    assert_eq!(check("", now_ns), Ok(()));
    assert_eq!(check("TZ=Europe/Berlin @daily", now_ns), Ok(()));
    assert_eq!(check("nonsense", now_ns), Err(Rejection::invalid("invalid CronSchedule.")));
    let never = "invalid CronSchedule, no time can be found to satisfy the schedule";
    assert_eq!(check("0 0 31 2 *", now_ns), Err(Rejection::invalid(never)));
}

#[test]
fn a_run_waits_for_whole_seconds() {
    let table = [
        // A first run: the schedule counts from now.
        ("* * * * *", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", 60),
        ("* * * * *", "2024-01-01T00:00:10.3Z", "2024-01-01T00:00:10.3Z", 50),
        ("@every 1h", "2024-01-01T00:00:10.3Z", "2024-01-01T00:00:10.3Z", 3600),
        // A run that ended before its successor is due, when it is due, and long after.
        ("*/5 * * * *", "2024-01-01T00:00:00Z", "2024-01-01T00:01:00Z", 240),
        ("*/5 * * * *", "2024-01-01T00:00:00Z", "2024-01-01T00:05:00Z", 0),
        ("*/5 * * * *", "2024-01-01T00:00:00Z", "2024-01-01T00:12:30Z", 150),
        ("@every 5m", "2024-01-01T00:00:30.9Z", "2024-01-01T00:01:00Z", 270),
        ("@every 5m", "2024-01-01T00:00:30Z", "2024-01-01T00:05:30Z", 0),
        ("@every 5m", "2024-01-01T00:00:30Z", "2024-01-01T00:12:30.001Z", 180),
        // The schedule is ahead of the clock.
        ("*/5 * * * *", "2024-01-01T00:05:00Z", "2024-01-01T00:04:58.5Z", 2),
    ];
    for (schedule, scheduled, now, wanted_seconds) in table {
        let backoff_ns = parse(schedule).unwrap().backoff_ns(nanoseconds(scheduled), nanoseconds(now));
        assert_eq!(backoff_ns, Some(wanted_seconds * SECOND_NS), "{schedule}: {scheduled}, {now}");
    }
    assert_eq!(parse("0 0 31 2 *").unwrap().backoff_ns(0, 0), None);
}

#[test]
fn a_long_pause_is_skipped_at_once() {
    let every_second = parse("@every 1s").unwrap();
    assert_eq!(every_second.backoff_ns(0, nanoseconds("2024-01-01T00:00:00.5Z")), Some(SECOND_NS));
}
