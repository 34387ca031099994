//! Schedules: when they are due, what is then started, skipped or kept waiting, and the execution that keeps all that.
//!
//! A [`Spec`] says when. It is compiled from the protocol's `ScheduleSpec`, whose texts (calendars, cron lines) it turns
//! into the canonical form that DescribeSchedule shows, and its next time is a function of the time before. [`due`] takes
//! the times of a span that has passed, [`overlap`] decides what becomes of starts while an earlier workflow runs, and
//! [`policy`] holds the defaults, the pause and the limit on actions. These know nothing of who keeps a schedule.
//!
//! A schedule is an execution of its own kind. [`decide()`] does what is due and what clients ask; it starts and ends
//! workflows by messages, and hears from those it waits for when they close. [`describe`] is what is shown of it.

mod advance;
mod answers;
mod calendar;
mod canonical;
mod cron_line;
mod decide;
mod delivery;
pub mod describe;
mod draft;
pub mod due;
mod error;
mod field;
pub mod overlap;
pub mod policy;
mod request;
mod spec;
mod state;
#[cfg(test)]
mod tests;

pub use decide::{Request, create, decide};
pub use error::{FieldError, FieldProblem, SpecError};
pub use spec::{ScheduledTime, Spec, Times, TooManyExclusions};
pub use state::{
    Backfill, Carried, Change, ChangeEntry, Definition, EndOf, Identity, Progress, Record, Running, Start, State,
};

use crate::message::Delivery;

/// What a decision over a schedule did.
pub type Written = crate::effects::Written<Execution>;
/// A schedule that a decision made.
pub type New = crate::effects::New<Execution>;
/// What a decision over a schedule id did.
pub type Made = crate::effects::Made<Execution>;

/// A schedule as the shell holds it. All of it is durable.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Execution {
    /// Its state.
    pub state: State,
}

impl Execution {
    /// The message of that number with all that its target must know; none if it has been answered.
    #[must_use]
    pub fn delivery(&self, id: i64) -> Option<Delivery> {
        delivery::delivery(&self.state, id)
    }
}
