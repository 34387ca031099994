use super::*;

fn check(table: &[(ScheduleSpec, &str, &str, &[&str])]) {
    for (spec, start, end, wanted) in table {
        assert_eq!(times(spec, start, end), *wanted, "{spec:?}");
    }
}

#[test]
fn calendars_are_of_the_clock_of_a_time_zone() {
    check(&[
        (
            in_zone("America/New_York", calendars(&["hour 9"])),
            "2024-03-09",
            "2024-03-11",
            &["2024-03-09T14:00:00", "2024-03-10T13:00:00"],
        ),
        (
            cron(&["TZ=Asia/Tokyo 0 9 * * *", "CRON_TZ=Asia/Tokyo 0 18 * * *"]),
            "2024-03-08",
            "2024-03-09",
            &["2024-03-08T09:00:00", "2024-03-09"],
        ),
        (
            in_zone("Pacific/Kiritimati", calendars(&["weekday sun"])),
            "2024-03-01",
            "2024-03-12",
            &["2024-03-02T10:00:00", "2024-03-09T10:00:00"],
        ),
    ]);
}

#[test]
fn what_a_clock_leaves_out_does_not_match() {
    check(&[
        (
            in_zone("America/New_York", calendars(&["hour 2; minute 30"])),
            "2024-03-09",
            "2024-03-12",
            &["2024-03-09T07:30:00", "2024-03-11T06:30:00"],
        ),
        (
            in_zone("America/New_York", calendars(&["hour *; minute */30"])),
            "2024-03-10T06:30:00",
            "2024-03-10T07:30:00",
            &["2024-03-10T07:00:00", "2024-03-10T07:30:00"],
        ),
        (
            cron(&["TZ=Asia/Beirut 0 0 * * *"]),
            "2024-03-29T23:00:00",
            "2024-04-02",
            &["2024-03-31T21:00:00", "2024-04-01T21:00:00"],
        ),
        // Samoa had no 30th of December in that year.
        (
            in_zone("Pacific/Apia", calendars(&["month 12; day 29-31"])),
            "2011-12-01",
            "2012-06-01",
            &["2011-12-29T10:00:00", "2011-12-30T10:00:00"],
        ),
    ]);
}

#[test]
fn what_a_clock_repeats_matches_twice() {
    check(&[
        (
            in_zone("America/New_York", calendars(&["hour 1; minute 30"])),
            "2024-11-02T12:00:00",
            "2024-11-04T12:00:00",
            &["2024-11-03T05:30:00", "2024-11-03T06:30:00", "2024-11-04T06:30:00"],
        ),
        (
            cron(&["TZ=Europe/Berlin 30 2 * * *"]),
            "2024-10-26T12:00:00",
            "2024-10-28T12:00:00",
            &["2024-10-27T00:30:00", "2024-10-27T01:30:00", "2024-10-28T01:30:00"],
        ),
        // Lord Howe Island's clock goes back by half an hour.
        (
            cron(&["TZ=Australia/Lord_Howe 45 1 * * *"]),
            "2024-04-06T12:00:00",
            "2024-04-07T16:00:00",
            &["2024-04-06T14:45:00", "2024-04-06T15:15:00", "2024-04-07T15:15:00"],
        ),
        (
            cron(&["TZ=America/New_York 15,45 1 * * *"]),
            "2024-11-03T05:45:00",
            "2024-11-03T07:00:00",
            &["2024-11-03T06:15:00", "2024-11-03T06:45:00"],
        ),
    ]);
}

#[test]
fn a_time_far_away_is_found_behind_all_changes_of_the_clock() {
    let far = in_zone("Europe/Berlin", calendars(&["year 2099; month 7; day 1; hour 12"]));
    check(&[(far, "2024-01-01", "2101-01-01", &["2099-07-01T10:00:00"])]);
}
