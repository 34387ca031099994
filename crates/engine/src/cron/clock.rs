//! The clock on the wall of a time zone, to the second.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const SECONDS_PER_DAY: i64 = 86_400;

/// What the clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) year: i64,
    /// From 1 to 12.
    pub(super) month: i64,
    /// From 1 to 31.
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    /// From 0 for Sunday to 6.
    pub(super) weekday: i64,
}

/// How far the zone's clock is ahead of UTC at a time, in seconds.
fn offset_seconds(unix_seconds: i64, time_zone: &TimeZone) -> Option<i64> {
    Some(time_zone.to_offset(Timestamp::from_second(unix_seconds).ok()?).seconds().into())
}

/// What the clock shows at a time; none outside the years that the calendar covers.
pub(super) fn read(unix_seconds: i64, time_zone: &TimeZone) -> Option<Reading> {
    let local = unix_seconds + offset_seconds(unix_seconds, time_zone)?;
    let (days, second_of_day) = (local.div_euclid(SECONDS_PER_DAY), local.rem_euclid(SECONDS_PER_DAY));
    let date = epoch().checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    Some(Reading {
        year: date.year().into(),
        month: date.month().into(),
        day: date.day().into(),
        hour: second_of_day / 3600,
        minute: second_of_day / 60 % 60,
        second: second_of_day % 60,
        weekday: date.weekday().to_sunday_zero_offset().into(),
    })
}

/// The time at which the clock shows this date and time. A month or day too many counts on into the next year or month.
///
/// Where the clock jumps forward there is no such time, and where it goes back there are two: then it is the time that the
/// offset from UTC makes which holds that much before or after.
pub(super) fn set(shown: Reading, time_zone: &TimeZone) -> Option<i64> {
    let months = shown.month - 1;
    let year = i16::try_from(shown.year + months.div_euclid(12)).ok()?;
    let first = Date::new(year, (months.rem_euclid(12) + 1) as i8, 1).ok()?; // From 1 to 12.
    let days = i64::from(first.since(epoch()).ok()?.get_days()) + shown.day - 1;
    let local = days * SECONDS_PER_DAY + shown.hour * 3600 + shown.minute * 60 + shown.second;
    let guess = offset_seconds(local, time_zone)?;
    if guess == 0 {
        return Some(local);
    }
    Some(local - offset_seconds(local - guess, time_zone)?)
}

fn epoch() -> Date {
    Date::constant(1970, 1, 1)
}
