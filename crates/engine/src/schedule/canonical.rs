//! The canonical form of a spec: all texts are structured calendars and intervals, and every range says its end and step.
//!
//! Given structured calendars come first, then calendars, then cron lines.

use super::cron_line::{self, Line};
use super::error::{FieldError, SpecError};
use super::field::{self, Field};
use crate::duration::{self, SECOND_NS};
use evertide_proto::schedule::{CalendarSpec, IntervalSpec, Range, ScheduleSpec, StructuredCalendarSpec};
use prost_types::Duration;

/// The longest comment of a calendar, bytes.
const COMMENT_MAX_BYTES: usize = 200;

/// The most calendars, intervals, cron lines and exclusions of one spec together. Each of them takes part in every search.
const ENTRIES_MAX: usize = 1000;

/// The longest length of time of the protocol, seconds: ten thousand years.
const PROTOCOL_DURATION_MAX_S: i64 = 315_576_000_000;

/// Turns a spec into its canonical form, or says why it cannot be. The time zone is only checked against those of the lines.
pub(super) fn canonical(spec: &ScheduleSpec) -> Result<ScheduleSpec, SpecError> {
    check_size(spec)?;
    for interval in &spec.interval {
        check_duration("interval", interval.interval.as_ref())?;
        check_duration("phase", interval.phase.as_ref())?;
    }
    let mut made = spec.clone();
    for texts in std::mem::take(&mut made.calendar) {
        made.structured_calendar.push(structured(&texts)?);
    }
    for texts in std::mem::take(&mut made.exclude_calendar) {
        made.exclude_structured_calendar.push(structured(&texts)?);
    }
    take_cron_lines(&mut made)?;
    for calendar in made.structured_calendar.iter_mut().chain(&mut made.exclude_structured_calendar) {
        check_calendar(calendar)?;
        fields_mut(calendar).into_iter().flatten().for_each(fill_in);
    }
    made.interval.iter().try_for_each(check_interval)?;
    Ok(made)
}

fn check_size(spec: &ScheduleSpec) -> Result<(), SpecError> {
    let count = spec.structured_calendar.len()
        + spec.calendar.len()
        + spec.cron_string.len()
        + spec.interval.len()
        + spec.exclude_calendar.len()
        + spec.exclude_structured_calendar.len();
    if count > ENTRIES_MAX { Err(SpecError::TooLarge { count, max: ENTRIES_MAX }) } else { Ok(()) }
}

/// Turns cron lines into calendars and intervals. All of them must name one time zone, or none of them any; it becomes the
/// spec's own.
fn take_cron_lines(spec: &mut ScheduleSpec) -> Result<(), SpecError> {
    let mut time_zone = None;
    for line in std::mem::take(&mut spec.cron_string) {
        let named = match cron_line::read(&line)? {
            Line::Calendar { calendar, time_zone } => {
                spec.structured_calendar.push(calendar);
                time_zone
            }
            Line::Interval(interval) => {
                spec.interval.push(interval);
                String::new()
            }
        };
        if time_zone.get_or_insert_with(|| named.clone()) != &named {
            return Err(SpecError::ConflictingTimeZones);
        }
    }
    let Some(named) = time_zone.filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    if !spec.timezone_data.is_empty() || !(spec.timezone_name.is_empty() || spec.timezone_name == named) {
        return Err(SpecError::ConflictingTimeZones);
    }
    spec.timezone_name = named;
    Ok(())
}

/// Reads a calendar of texts. Without a text, second, minute and hour are 0 and all else is any; any year is no range.
pub(super) fn structured(texts: &CalendarSpec) -> Result<StructuredCalendarSpec, SpecError> {
    let mut problems = Vec::new();
    let mut ranges = |field: &Field, text: &str, default: &str| {
        let text = if text.trim().is_empty() { default } else { text.trim() };
        field.read(text).unwrap_or_else(|problem| {
            problems.push(problem);
            Vec::new()
        })
    };
    let made = StructuredCalendarSpec {
        second: ranges(&field::SECOND, &texts.second, "0"),
        minute: ranges(&field::MINUTE, &texts.minute, "0"),
        hour: ranges(&field::HOUR, &texts.hour, "0"),
        day_of_week: ranges(&field::DAY_OF_WEEK, &texts.day_of_week, "*"),
        day_of_month: ranges(&field::DAY_OF_MONTH, &texts.day_of_month, "*"),
        month: ranges(&field::MONTH, &texts.month, "*"),
        year: if matches!(texts.year.trim(), "" | "*") { Vec::new() } else { ranges(&field::YEAR, &texts.year, "") },
        comment: texts.comment.clone(),
    };
    if problems.is_empty() { Ok(made) } else { Err(SpecError::Texts(problems)) }
}

fn check_calendar(calendar: &StructuredCalendarSpec) -> Result<(), SpecError> {
    let problems: Vec<FieldError> = [
        field::SECOND.check(&calendar.second),
        field::MINUTE.check(&calendar.minute),
        field::HOUR.check(&calendar.hour),
        field::DAY_OF_MONTH.check(&calendar.day_of_month),
        field::MONTH.check(&calendar.month),
        field::YEAR.check(&calendar.year),
        field::STRUCTURED_DAY_OF_WEEK.check(&calendar.day_of_week),
    ]
    .concat();
    if !problems.is_empty() {
        return Err(SpecError::Ranges(problems));
    }
    if calendar.comment.len() > COMMENT_MAX_BYTES { Err(SpecError::LongComment) } else { Ok(()) }
}

fn fields_mut(calendar: &mut StructuredCalendarSpec) -> [&mut Vec<Range>; 7] {
    let StructuredCalendarSpec { second, minute, hour, day_of_month, month, year, day_of_week, .. } = calendar;
    [second, minute, hour, day_of_month, month, year, day_of_week]
}

/// Without an end a range is its start alone, without a step it takes every value.
fn fill_in(range: &mut Range) {
    range.end = range.end.max(range.start);
    range.step = range.step.max(1);
}

fn check_duration(name: &'static str, length: Option<&Duration>) -> Result<(), SpecError> {
    let Some(Duration { seconds, nanos }) = length else { return Ok(()) };
    let is_sound = seconds.unsigned_abs() <= PROTOCOL_DURATION_MAX_S.unsigned_abs()
        && i64::from(*nanos).abs() < SECOND_NS
        && seconds.signum() * i64::from(nanos.signum()) >= 0;
    if is_sound { Ok(()) } else { Err(SpecError::BadDuration(name)) }
}

fn check_interval(interval: &IntervalSpec) -> Result<(), SpecError> {
    let interval_ns = duration::to_ns(interval.interval.as_ref());
    let phase_ns = duration::to_ns(interval.phase.as_ref());
    if interval_ns < SECOND_NS {
        Err(SpecError::SmallInterval)
    } else if phase_ns < 0 {
        Err(SpecError::NegativePhase)
    } else if phase_ns >= interval_ns {
        Err(SpecError::LargePhase)
    } else {
        Ok(())
    }
}
