//! The times of one calendar.
//!
//! A calendar matches a time if the clock on the wall of its time zone then shows a date and time that all of its fields
//! accept. So a local time that a change of the clock leaves out never matches, and one that it repeats matches twice. The
//! search goes through the stretches between two changes of the clock, in each of which local time is the time of UTC plus
//! an offset.

use super::field::YEARS;
use evertide_proto::schedule::{Range, StructuredCalendarSpec};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

/// More than any clock is ahead of UTC or behind it, in seconds.
const OFFSET_MAX_S: i64 = 26 * 3600;

/// The fields of a calendar as sets of accepted values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    seconds: Values,
    minutes: Values,
    hours: Values,
    days_of_month: Values,
    months: Values,
    /// From 0 for Sunday.
    days_of_week: Values,
    /// Counted from the first of [`YEARS`]; none if any year is accepted.
    years: Option<u128>,
}

/// A set of numbers below 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Values(u64);

impl Values {
    /// The values of ranges that were checked.
    fn of(ranges: &[Range]) -> Self {
        Self(values(ranges).fold(0, |bits, value| bits | 1 << value))
    }

    fn has(self, value: i8) -> bool {
        self.0 >> value & 1 == 1
    }

    /// The least value from this one on.
    fn from(self, value: i8) -> Option<i8> {
        let rest = self.0 >> value << value;
        (rest != 0).then(|| rest.trailing_zeros() as i8) // Below 64.
    }

    /// Whether all numbers below `count` are in it.
    fn is_all_below(self, count: u32) -> bool {
        self.0.trailing_ones() >= count
    }
}

fn values(ranges: &[Range]) -> impl Iterator<Item = i32> {
    ranges.iter().flat_map(|range| {
        let step = usize::try_from(range.step).unwrap_or(1).max(1);
        (range.start..=range.end).step_by(step)
    })
}

impl Calendar {
    /// A calendar in its canonical form.
    pub(super) fn compile(calendar: &StructuredCalendarSpec) -> Self {
        let first_year = *YEARS.start();
        let years = values(&calendar.year).fold(0, |bits, year| bits | 1_u128 << (year - first_year));
        Self {
            seconds: Values::of(&calendar.second),
            minutes: Values::of(&calendar.minute),
            hours: Values::of(&calendar.hour),
            days_of_month: Values::of(&calendar.day_of_month),
            months: Values::of(&calendar.month),
            days_of_week: Values::of(&calendar.day_of_week),
            years: (!calendar.year.is_empty()).then_some(years),
        }
    }

    /// The first time after this one that matches, in unix seconds. None if there is none in the years of calendars.
    pub(super) fn next_after(&self, unix_s: i64, zone: &TimeZone) -> Option<i64> {
        let mut at = unix_s.checked_add(1)?;
        loop {
            let stretch = Stretch::at(at, zone)?;
            let found = self.next_shown(stretch.shown(at)?).and_then(|shown| stretch.time_of(shown));
            let Some(end) = stretch.end else { return found };
            if found.is_some_and(|found| found < end) {
                return found;
            }
            // Behind a stretch that long no clock goes back to before the start of the search, and none reaches what was
            // found long before it is due: the stretches between have nothing to find.
            at = if end >= at.checked_add(2 * OFFSET_MAX_S)? { end.max(found? - 2 * OFFSET_MAX_S) } else { end };
        }
    }

    /// If the calendar matches a time, the time until which it is sure to match every second from there on.
    pub(super) fn matches_until(&self, unix_s: i64, zone: &TimeZone) -> Option<i64> {
        let stretch = Stretch::at(unix_s, zone)?;
        let shown = stretch.shown(unix_s)?;
        if !self.accepts(shown) {
            return None;
        }
        let (hour, minute, second) = (i64::from(shown.hour()), i64::from(shown.minute()), i64::from(shown.second()));
        let until = if !self.seconds.is_all_below(60) {
            unix_s + 1
        } else if !self.minutes.is_all_below(60) {
            unix_s + 60 - second
        } else if !self.hours.is_all_below(24) {
            unix_s + 3600 - 60 * minute - second
        } else {
            unix_s + 86_400 - 3600 * hour - 60 * minute - second
        };
        Some(stretch.end.map_or(until, |end| until.min(end)))
    }

    fn accepts(&self, shown: DateTime) -> bool {
        self.seconds.has(shown.second())
            && self.minutes.has(shown.minute())
            && self.hours.has(shown.hour())
            && self.accepts_year(shown.year())
            && self.months.has(shown.month())
            && self.accepts_day(shown.date())
    }

    fn accepts_year(&self, year: i16) -> bool {
        let Some(years) = self.years else { return true };
        u32::try_from(i32::from(year) - YEARS.start()).is_ok_and(|place| place < u128::BITS && years >> place & 1 == 1)
    }

    /// Whether a day of an accepted month is accepted.
    fn accepts_day(&self, date: Date) -> bool {
        self.days_of_month.has(date.day()) && self.days_of_week.has(date.weekday().to_sunday_zero_offset())
    }

    /// The first accepted date and time that is not before this one.
    fn next_shown(&self, from: DateTime) -> Option<DateTime> {
        let date = self.next_date(from.date())?;
        if date == from.date()
            && let Some((hour, minute, second)) = self.next_time(from.hour(), from.minute(), from.second())
        {
            return Some(date.at(hour, minute, second, 0));
        }
        let date = if date == from.date() { self.next_date(date.tomorrow().ok()?)? } else { date };
        Some(date.at(self.hours.from(0)?, self.minutes.from(0)?, self.seconds.from(0)?, 0))
    }

    /// The first accepted time of a day that is not before this one.
    fn next_time(&self, hour: i8, minute: i8, second: i8) -> Option<(i8, i8, i8)> {
        if self.hours.has(hour) {
            if self.minutes.has(minute)
                && let Some(second) = self.seconds.from(second)
            {
                return Some((hour, minute, second));
            }
            if let Some(minute) = self.minutes.from(minute + 1) {
                return Some((hour, minute, self.seconds.from(0)?));
            }
        }
        Some((self.hours.from(hour + 1)?, self.minutes.from(0)?, self.seconds.from(0)?))
    }

    /// The first accepted date that is not before this one.
    fn next_date(&self, from: Date) -> Option<Date> {
        let (mut year, mut month, mut day) = (from.year(), from.month(), from.day());
        while i32::from(year) <= *YEARS.end() {
            while self.accepts_year(year)
                && let Some(next) = self.months.from(month)
            {
                if next != month {
                    (month, day) = (next, 1);
                }
                if let Some(date) = self.next_day(Date::new(year, month, 1).ok()?, day) {
                    return Some(date);
                }
                (month, day) = (month + 1, 1);
            }
            (year, month, day) = (year + 1, 1, 1);
        }
        None
    }

    /// The first accepted date of a month from this day on.
    fn next_day(&self, first_of_month: Date, mut day: i8) -> Option<Date> {
        while let Some(next) = self.days_of_month.from(day) {
            let date = first_of_month.with().day(next).build().ok()?; // None behind the month's last day.
            if self.accepts_day(date) {
                return Some(date);
            }
            day = next + 1;
        }
        None
    }
}

/// A stretch of time in which a clock is the same time ahead of UTC.
struct Stretch {
    offset: Offset,
    /// Where the next stretch begins, in unix seconds.
    end: Option<i64>,
}

impl Stretch {
    fn at(unix_s: i64, zone: &TimeZone) -> Option<Self> {
        let time = Timestamp::from_second(unix_s).ok()?;
        let end = zone.following(time).next().map(|transition| transition.timestamp().as_second());
        Some(Self { offset: zone.to_offset(time), end })
    }

    /// What the clock shows at a time of the stretch.
    fn shown(&self, unix_s: i64) -> Option<DateTime> {
        Some(self.offset.to_datetime(Timestamp::from_second(unix_s).ok()?))
    }

    /// When the clock would show this.
    fn time_of(&self, shown: DateTime) -> Option<i64> {
        Some(self.offset.to_timestamp(shown).ok()?.as_second())
    }
}
