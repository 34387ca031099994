//! Cron lines of schedules: 5 fields, 6 with a year behind them, 7 with seconds before them as well; names such as
//! `@daily`; `@every 90m/10m`. `TZ=` or `CRON_TZ=` may stand before it all, and a comment behind `#`.
//!
//! This is not the dialect of cron workflows (`crate::cron`): both days must match here, Sunday may be 7, names may be
//! longer, and `@every` counts from 1970 rather than from the run before.

use super::canonical;
use super::error::SpecError;
use crate::duration;
use evertide_proto::schedule::{CalendarSpec, IntervalSpec, StructuredCalendarSpec};

/// What a line stands for.
pub(super) enum Line {
    /// The times of a calendar, in the time zone with that name, which is empty if none is given.
    Calendar { calendar: StructuredCalendarSpec, time_zone: String },
    /// The times of an interval, which has no time zone.
    Interval(IntervalSpec),
}

/// Reads a line.
pub(super) fn read(line: &str) -> Result<Line, SpecError> {
    let line = line.trim();
    let (time_zone, rest) = match line.strip_prefix("TZ=").or_else(|| line.strip_prefix("CRON_TZ=")) {
        Some(named) => named.split_once(' ').ok_or(SpecError::CronOnlyTimeZone)?,
        None => ("", line),
    };
    let (rest, comment) = rest.split_once('#').unwrap_or((rest, ""));
    let rest = rest.trim();
    if rest.starts_with("@every") {
        return Ok(Line::Interval(interval(rest)?));
    }
    let mut texts = fields(predefined(rest).unwrap_or(rest))?;
    texts.comment = comment.trim().to_owned();
    Ok(Line::Calendar { calendar: canonical::structured(&texts)?, time_zone: time_zone.to_owned() })
}

fn predefined(name: &str) -> Option<&'static str> {
    match name {
        "@yearly" | "@annually" => Some("0 0 1 1 *"),
        "@monthly" => Some("0 0 1 * *"),
        "@weekly" => Some("0 0 * * 0"),
        "@daily" | "@midnight" => Some("0 0 * * *"),
        "@hourly" => Some("0 * * * *"),
        _ => None,
    }
}

fn fields(text: &str) -> Result<CalendarSpec, SpecError> {
    let mut parts: Vec<&str> = text.split_whitespace().take(8).collect();
    let second = if parts.len() == 7 { parts.remove(0) } else { "" };
    let [minute, hour, day_of_month, month, day_of_week, ref year @ ..] = parts[..] else {
        return Err(SpecError::CronFields);
    };
    if year.len() > 1 {
        return Err(SpecError::CronFields);
    }
    Ok(CalendarSpec {
        second: second.to_owned(),
        minute: minute.to_owned(),
        hour: hour.to_owned(),
        day_of_month: day_of_month.to_owned(),
        month: month.to_owned(),
        year: year.concat(),
        day_of_week: day_of_week.to_owned(),
        comment: String::new(),
    })
}

/// Reads `@every interval` and `@every interval/phase`.
fn interval(text: &str) -> Result<IntervalSpec, SpecError> {
    let (_, lengths) = text.split_once(' ').ok_or(SpecError::NoInterval)?;
    let (interval, phase) = lengths.split_once('/').unwrap_or((lengths, ""));
    let phase = if phase.is_empty() { None } else { Some(length(phase)?) };
    Ok(IntervalSpec { interval: Some(length(interval)?), phase })
}

fn length(text: &str) -> Result<prost_types::Duration, SpecError> {
    let length_ns = duration::parse_with_days(text).ok_or_else(|| SpecError::Duration(text.to_owned()))?;
    Ok(duration::from_ns(length_ns))
}
