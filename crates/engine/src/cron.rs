//! Cron schedules of workflows, in the dialect of the Go library robfig/cron.
//!
//! A schedule has five fields (minute, hour, day of month, month, day of week) or is a descriptor such as `@daily` or
//! `@every 90m`. `CRON_TZ=` or `TZ=` and a time zone's name may stand before it; without one its times are in UTC. If both
//! days are restricted, either of them is enough.
//!
//! The fields hold for the clock on the wall. Where it jumps forward, what falls into the gap does not happen on that day;
//! where it goes back, what falls into the repeated hour happens in each of the two. This is the clock's arithmetic of that
//! library step by step, because a schedule that moves to this server must not shift.

mod clock;
mod error;
mod fields;

pub use error::CronError;

use crate::Rejection;
use crate::duration::{self, SECOND_NS};
use crate::time_zone;
use fields::Fields;
use jiff::tz::TimeZone;

/// A cron schedule.
#[derive(Clone, Debug)]
pub struct Cron {
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    /// Again after a fixed time of whole seconds.
    Every { delay_ns: i64 },
    /// When the clock of a time zone shows what the fields say.
    Clock { fields: Fields, time_zone: TimeZone },
}

/// Reads a schedule.
pub fn parse(schedule: &str) -> Result<Cron, CronError> {
    if schedule.is_empty() {
        return Err(CronError::Empty);
    }
    let (time_zone, rest) = match schedule.strip_prefix("CRON_TZ=").or_else(|| schedule.strip_prefix("TZ=")) {
        Some(named) => {
            let (name, rest) = named.split_once(' ').ok_or(CronError::FieldCount(0))?;
            let zone = time_zone::named(name).ok_or_else(|| CronError::UnknownTimeZone(name.to_owned()))?;
            (zone, rest.trim())
        }
        None => (TimeZone::UTC, schedule),
    };
    if let Some(length) = rest.strip_prefix("@every ") {
        let delay_ns = duration::parse(length).ok_or_else(|| CronError::UnknownDescriptor(rest.to_owned()))?;
        let whole_ns = delay_ns.max(SECOND_NS) / SECOND_NS * SECOND_NS;
        return Ok(Cron { rule: Rule::Every { delay_ns: whole_ns } });
    }
    let fields = if rest.starts_with('@') { descriptor(rest)? } else { rest.parse()? };
    Ok(Cron { rule: Rule::Clock { fields, time_zone } })
}

fn descriptor(name: &str) -> Result<Fields, CronError> {
    match name {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => return Err(CronError::UnknownDescriptor(name.to_owned())),
    }
    .parse()
}

impl Cron {
    /// The first time of the schedule after this one, in unix nanoseconds, always a whole second. None if there is none
    /// within five years, or if it is beyond what nanoseconds of 64 bits can tell.
    #[must_use]
    pub fn next_after(&self, time_ns: i64) -> Option<i64> {
        let second = time_ns.div_euclid(SECOND_NS);
        match &self.rule {
            Rule::Every { delay_ns } => second.checked_mul(SECOND_NS)?.checked_add(*delay_ns),
            Rule::Clock { fields, time_zone } => fields.next_from(second + 1, time_zone)?.checked_mul(SECOND_NS),
        }
    }

    /// How long a run that begins or follows now has to wait for its time, in nanoseconds, rounded up to a whole second.
    ///
    /// `scheduled_ns` is when the schedule last came due: the execution time of the run before, or now for a first run. The
    /// next time is the first after it that is not past. None if there is none.
    #[must_use]
    pub fn backoff_ns(&self, scheduled_ns: i64, now_ns: i64) -> Option<i64> {
        let next_ns = if now_ns < scheduled_ns { scheduled_ns } else { self.next_not_past(scheduled_ns, now_ns)? };
        round_up(next_ns.checked_sub(now_ns)?, SECOND_NS)
    }

    /// The first time after `scheduled_ns` that is not before `now_ns`, which is no earlier.
    fn next_not_past(&self, scheduled_ns: i64, now_ns: i64) -> Option<i64> {
        match &self.rule {
            Rule::Every { delay_ns } => {
                let first_ns = self.next_after(scheduled_ns)?;
                let late_ns = now_ns.checked_sub(first_ns)?.max(0);
                first_ns.checked_add(round_up(late_ns, *delay_ns)?)
            }
            Rule::Clock { .. } => self.next_after(scheduled_ns.max(now_ns.saturating_sub(1))),
        }
    }
}

/// The least multiple of `unit` that is not below `number`, both being positive.
fn round_up(number: i64, unit: i64) -> Option<i64> {
    number.checked_add(unit - 1).map(|above| above / unit * unit)
}

/// Refuses a schedule that cannot be read or never comes due. No schedule at all is accepted.
pub fn check(schedule: &str, now_ns: i64) -> Result<(), Rejection> {
    if schedule.is_empty() {
        return Ok(());
    }
    let cron = parse(schedule).map_err(|_| Rejection::invalid("invalid CronSchedule."))?;
    match cron.next_after(now_ns) {
        Some(_) => Ok(()),
        None => Err(Rejection::invalid("invalid CronSchedule, no time can be found to satisfy the schedule")),
    }
}

#[cfg(test)]
mod tests;
