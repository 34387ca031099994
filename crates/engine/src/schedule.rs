//! The rules of schedules: when they are due, and what is then started, skipped or kept waiting.
//!
//! A [`Spec`] says when. It is compiled from the protocol's `ScheduleSpec`, whose texts (calendars, cron lines) it turns
//! into the canonical form that DescribeSchedule shows, and its next time is a function of the time before. [`due`] takes
//! the times of a span that has passed, [`overlap`] decides what becomes of starts while an earlier workflow runs, and
//! [`policy`] holds the defaults, the pause and the limit on actions.
//!
//! Nothing here knows who keeps a schedule or who starts its workflows.

mod calendar;
mod canonical;
mod cron_line;
pub mod due;
mod error;
mod field;
pub mod overlap;
pub mod policy;
mod spec;

pub use error::{FieldError, FieldProblem, SpecError};
pub use spec::{ScheduledTime, Spec, Times, TooManyExclusions};

#[cfg(test)]
mod tests;
