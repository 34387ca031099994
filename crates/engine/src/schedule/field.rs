//! The fields of a calendar: their values, their texts and their ranges.

use super::error::{FieldError, FieldProblem};
use evertide_proto::schedule::Range;
use std::ops::RangeInclusive;

/// The years that a calendar can name; no schedule is due after the last one.
pub(super) const YEARS: RangeInclusive<i32> = 2000..=2100;

/// What a field is for, and what may stand in it.
pub(super) struct Field {
    name: &'static str,
    least: i32,
    greatest: i32,
    /// Names of the values, from `first_name` on.
    names: &'static [&'static str],
    first_name: i32,
    /// How many letters of a name are enough.
    shortest_name: usize,
}

pub(super) const SECOND: Field = Field::numbers("Second", 0, 59);
pub(super) const MINUTE: Field = Field::numbers("Minute", 0, 59);
pub(super) const HOUR: Field = Field::numbers("Hour", 0, 23);
pub(super) const DAY_OF_MONTH: Field = Field::numbers("DayOfMonth", 1, 31);
pub(super) const MONTH: Field = Field {
    names: &[
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ],
    first_name: 1,
    shortest_name: 3,
    ..Field::numbers("Month", 1, 12)
};
pub(super) const YEAR: Field = Field::numbers("Year", *YEARS.start(), *YEARS.end());
/// As texts have it, where Sunday is both 0 and 7.
pub(super) const DAY_OF_WEEK: Field = Field {
    names: &["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"],
    shortest_name: 2,
    ..Field::numbers("DayOfWeek", 0, 7)
};
/// As structured calendars have it.
pub(super) const STRUCTURED_DAY_OF_WEEK: Field = Field::numbers("DayOfWeek", 0, 6);

/// The number that texts have for Sunday beside 0.
const SUNDAY_AS_SEVEN: i32 = 7;

impl Field {
    const fn numbers(name: &'static str, least: i32, greatest: i32) -> Self {
        Self { name, least, greatest, names: &[], first_name: 0, shortest_name: 1 }
    }

    fn error(&self, problem: FieldProblem) -> FieldError {
        FieldError { field: self.name, least: self.least, greatest: self.greatest, problem }
    }

    /// What is wrong with the ranges of a structured calendar.
    pub(super) fn check(&self, ranges: &[Range]) -> Vec<FieldError> {
        let values = self.least..=self.greatest;
        let mut problems = Vec::new();
        for range in ranges {
            if !values.contains(&range.start) {
                problems.push(self.error(FieldProblem::Start));
            }
            if range.end != 0 && (range.end < range.start || range.end > self.greatest) {
                problems.push(self.error(FieldProblem::End));
            }
            if range.step < 0 {
                problems.push(self.error(FieldProblem::Step));
            }
        }
        problems
    }

    /// Reads the ranges of a text: items between commas, each `*`, `value` or `value-value`, with or without `/step`. A
    /// single value with a step goes on to the greatest.
    pub(super) fn read(&self, text: &str) -> Result<Vec<Range>, FieldError> {
        let mut ranges = Vec::new();
        for item in text.split(',') {
            let (values, step) = match item.split_once('/') {
                Some((_, step)) if step.contains('/') => return Err(self.error(FieldProblem::Slashes)),
                Some((_, "")) => return Err(self.error(FieldProblem::NoStep)),
                Some((values, step)) => (values, Some(self.step(step)?)),
                None => (item, None),
            };
            let (start, end) = self.bounds(values, step.is_some())?;
            self.push(&mut ranges, Range { start, end, step: step.unwrap_or(1) });
        }
        Ok(ranges)
    }

    fn step(&self, text: &str) -> Result<i32, FieldError> {
        text.parse().ok().filter(|step| *step > 0).ok_or_else(|| self.error(FieldProblem::Step))
    }

    fn bounds(&self, text: &str, has_step: bool) -> Result<(i32, i32), FieldError> {
        if text == "*" {
            return Ok((self.least, self.greatest));
        }
        match text.split_once('-') {
            Some((_, end)) if end.contains('-') => Err(self.error(FieldProblem::Dashes)),
            Some((start, end)) => {
                let start = self.value(start, self.least).ok_or_else(|| self.error(FieldProblem::Start))?;
                let end = self.value(end, start).ok_or_else(|| self.error(FieldProblem::End))?;
                Ok((start, end))
            }
            None => {
                let start = self.value(text, self.least).ok_or_else(|| self.error(FieldProblem::Value))?;
                Ok((start, if has_step { self.greatest } else { start }))
            }
        }
    }

    /// A number or (the beginning of) a name, if it is a value of the field and no less than `least`.
    fn value(&self, text: &str, least: i32) -> Option<i32> {
        let lower = text.to_ascii_lowercase();
        let names = self.names.iter().zip(self.first_name..);
        let named = names.filter(|_| text.len() >= self.shortest_name).find(|(name, _)| name.starts_with(&lower));
        let value = named.map(|(_, value)| value).or_else(|| text.parse().ok())?;
        (least..=self.greatest).contains(&value).then_some(value)
    }

    /// Adds a range, in which Sunday becomes 0 where it is 7: as a range of its own if the range cannot say so.
    fn push(&self, ranges: &mut Vec<Range>, mut range: Range) {
        if range.end == SUNDAY_AS_SEVEN && self.greatest == SUNDAY_AS_SEVEN {
            let is_hit = (SUNDAY_AS_SEVEN - range.start) % range.step == 0;
            let has_sunday_already = range.step == 1 && range.start <= 1;
            if is_hit && !has_sunday_already {
                ranges.push(Range { start: 0, end: 0, step: 1 });
            }
            if range.start == SUNDAY_AS_SEVEN {
                return;
            }
            range.start = if is_hit && has_sunday_already { 0 } else { range.start };
            range.end = SUNDAY_AS_SEVEN - 1;
        }
        ranges.push(range);
    }
}
