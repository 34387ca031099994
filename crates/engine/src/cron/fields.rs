//! The five fields of a schedule, and the next time that they all hold for.

use super::clock::{self, Reading};
use super::error::CronError;
use jiff::tz::TimeZone;
use std::str::FromStr;

/// How many years ahead a time is looked for. The 29th of February is never further away than eight, and then not found.
const YEARS_AHEAD: i64 = 5;

const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;
const HOUR_SECONDS: i64 = 3600;
const MINUTE_SECONDS: i64 = 60;

/// What a field is for, and what may stand in it.
struct Range {
    name: &'static str,
    least: u32,
    greatest: u32,
    /// Names of the values, from the least on.
    names: &'static [&'static str],
}

const MINUTE: Range = Range { name: "minute", least: 0, greatest: 59, names: &[] };
const HOUR: Range = Range { name: "hour", least: 0, greatest: 23, names: &[] };
const DAY_OF_MONTH: Range = Range { name: "day of month", least: 1, greatest: 31, names: &[] };
const MONTH: Range = Range {
    name: "month",
    least: 1,
    greatest: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const DAY_OF_WEEK: Range =
    Range { name: "day of week", least: 0, greatest: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The values that a field accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    /// One bit for each value.
    accepted: u64,
    /// Whether it was written with a star that stands for every value.
    is_star: bool,
}

impl Field {
    fn accepts(self, value: i64) -> bool {
        self.accepted >> value & 1 == 1
    }
}

/// The fields of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    minute: Field,
    hour: Field,
    day_of_month: Field,
    month: Field,
    day_of_week: Field,
}

impl FromStr for Fields {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day_of_month, month, day_of_week] = parts[..] else {
            return Err(CronError::FieldCount(parts.len()));
        };
        Ok(Self {
            minute: MINUTE.field(minute)?,
            hour: HOUR.field(hour)?,
            day_of_month: DAY_OF_MONTH.field(day_of_month)?,
            month: MONTH.field(month)?,
            day_of_week: DAY_OF_WEEK.field(day_of_week)?,
        })
    }
}

impl Range {
    /// Reads a field: items between commas.
    fn field(&self, text: &str) -> Result<Field, CronError> {
        let mut field = Field { accepted: 0, is_star: false };
        for item in text.split(',').filter(|item| !item.is_empty()) {
            let read =
                self.item(item).ok_or_else(|| CronError::BadField { field: self.name, text: item.to_owned() })?;
            field.accepted |= read.accepted;
            field.is_star |= read.is_star;
        }
        Ok(field)
    }

    /// Reads `*`, `value`, `value-value` and each of them with `/step`. A single value with a step goes on to the greatest.
    fn item(&self, item: &str) -> Option<Field> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (item, None),
        };
        let bounds: Vec<&str> = range.split('-').collect();
        let is_star = matches!(bounds[0], "*" | "?");
        let (start, mut end) = match bounds[..] {
            _ if is_star => (self.least, self.greatest),
            [only] => (self.value(only)?, self.value(only)?),
            [first, last] => (self.value(first)?, self.value(last)?),
            _ => return None,
        };
        if step.is_some() && bounds.len() == 1 {
            end = self.greatest;
        }
        let step = step.unwrap_or(1);
        if start < self.least || end > self.greatest || start > end || step == 0 {
            return None;
        }
        let accepted = (start..=end).step_by(step as usize).fold(0, |bits, value| bits | 1 << value);
        Some(Field { accepted, is_star: is_star && step == 1 })
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().zip(self.least..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        named.map(|(_, value)| value).or_else(|| number(text))
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

impl Fields {
    /// The first time from this one on that the fields accept, in unix seconds.
    ///
    /// From the month down to the minute, a value that does not fit is moved on until it fits, and what is below it goes back
    /// to its start; when a value comes round, all the fields above are looked at again.
    pub(super) fn next_from(&self, unix_seconds: i64, time_zone: &TimeZone) -> Option<i64> {
        if self.all().iter().any(|field| field.accepted == 0) {
            return None; // Looking for it minute by minute would find that out as well.
        }
        let mut search = Search { at: unix_seconds, moved: false, time_zone };
        let last_year = search.reading()?.year + YEARS_AHEAD;
        while search.reading()?.year <= last_year {
            let fits = self.fit_month(&mut search)?
                && self.fit_day(&mut search)?
                && self.fit_hour(&mut search)?
                && self.fit_minute(&mut search)?
                && self.fit_second(&mut search)?;
            if fits {
                return Some(search.at);
            }
        }
        None
    }

    fn all(&self) -> [Field; 5] {
        [self.minute, self.hour, self.day_of_month, self.month, self.day_of_week]
    }

    /// Moves on to a month that fits; false if a new year began.
    fn fit_month(&self, search: &mut Search<'_>) -> Option<bool> {
        loop {
            let shown = search.reading()?;
            if self.month.accepts(shown.month) {
                return Some(true);
            }
            if !search.moved {
                search.set(Reading { day: 1, hour: 0, minute: 0, second: 0, ..shown })?;
            }
            let shown = search.reading()?;
            search.set(Reading { month: shown.month + 1, ..shown })?;
            if search.reading()?.month == 1 {
                return Some(false);
            }
        }
    }

    /// Moves on to a day that fits; false if a new month began.
    fn fit_day(&self, search: &mut Search<'_>) -> Option<bool> {
        loop {
            let shown = search.reading()?;
            if self.accepts_day(shown) {
                return Some(true);
            }
            if !search.moved {
                search.set(Reading { hour: 0, minute: 0, second: 0, ..shown })?;
            }
            let (before, shown) = (search.at, search.reading()?);
            search.set(Reading { day: shown.day + 1, ..shown })?;
            // Where the clock jumps at midnight, the start of the day may be shown as an hour before or after it.
            let hour = search.reading()?.hour;
            let to_midnight_hours = if hour > 12 { 24 - hour } else { -hour };
            search.at += to_midnight_hours * HOUR_SECONDS;
            if search.at <= before {
                // A zone left out a whole day, so that setting the clock to it went back.
                search.at = before + DAY_SECONDS;
            }
            if search.reading()?.day == 1 {
                return Some(false);
            }
        }
    }

    fn accepts_day(&self, shown: Reading) -> bool {
        let day_of_month = self.day_of_month.accepts(shown.day);
        let day_of_week = self.day_of_week.accepts(shown.weekday);
        if self.day_of_month.is_star || self.day_of_week.is_star {
            day_of_month && day_of_week
        } else {
            day_of_month || day_of_week
        }
    }

    /// Moves on to an hour that fits; false if a new day began.
    fn fit_hour(&self, search: &mut Search<'_>) -> Option<bool> {
        loop {
            let shown = search.reading()?;
            if self.hour.accepts(shown.hour) {
                return Some(true);
            }
            if !search.moved {
                search.set(Reading { minute: 0, second: 0, ..shown })?;
            }
            search.at += HOUR_SECONDS;
            if search.reading()?.hour == 0 {
                return Some(false);
            }
        }
    }

    /// Moves on to a minute that fits; false if a new hour began.
    fn fit_minute(&self, search: &mut Search<'_>) -> Option<bool> {
        loop {
            let shown = search.reading()?;
            if self.minute.accepts(shown.minute) {
                return Some(true);
            }
            if !search.moved {
                search.moved = true;
                search.at -= search.at.rem_euclid(MINUTE_SECONDS);
            }
            search.at += MINUTE_SECONDS;
            if search.reading()?.minute == 0 {
                return Some(false);
            }
        }
    }

    /// Moves on to the start of a minute; false if that is a new minute.
    fn fit_second(&self, search: &mut Search<'_>) -> Option<bool> {
        let second = search.reading()?.second;
        if second == 0 {
            return Some(true);
        }
        search.moved = true;
        search.at += MINUTE_SECONDS - second;
        Some(false)
    }
}

/// A time that is moved on.
struct Search<'a> {
    at: i64,
    /// Whether it was moved on at all, so that what is below the moved value is at its start already.
    moved: bool,
    time_zone: &'a TimeZone,
}

impl Search<'_> {
    fn reading(&self) -> Option<Reading> {
        clock::read(self.at, self.time_zone)
    }

    fn set(&mut self, shown: Reading) -> Option<()> {
        self.moved = true;
        self.at = clock::set(shown, self.time_zone)?;
        Some(())
    }
}
