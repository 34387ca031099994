//! Names of executions: what an execution is, and which one.

use crate::rejection::Rejection;

/// A kind of executions. Its number is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A workflow.
    #[default]
    Workflow = 0,
    /// A schedule.
    Schedule = 2,
    // The numbers that are kept for kinds to come: Activity = 1, Batch = 3, Operation = 4, Deployment = 5.
}

impl Kind {
    /// The number that is stored for it.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The kind that a number is stored for; none if this version knows none.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Workflow, Self::Schedule].into_iter().find(|kind| kind.number() == number)
    }
}

/// Names an execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Namespace id (not name).
    pub namespace_id: String,
    /// What it is. Executions of two kinds may have the same id.
    pub kind: Kind,
    /// Its id: the workflow id of a workflow.
    pub id: String,
    /// Its run id; where an execution is looked for, empty means the current run.
    pub run_id: String,
}

impl Address {
    /// The current run of a workflow id.
    pub fn workflow(namespace_id: impl Into<String>, workflow_id: impl Into<String>) -> Self {
        Self { namespace_id: namespace_id.into(), id: workflow_id.into(), ..Self::default() }
    }

    /// The schedule of that id.
    pub fn schedule(namespace_id: impl Into<String>, schedule_id: impl Into<String>) -> Self {
        Self { kind: Kind::Schedule, ..Self::workflow(namespace_id, schedule_id) }
    }

    /// What a caller hears when there is no such execution.
    #[must_use]
    pub fn not_found(&self) -> Rejection {
        match (self.kind, self.run_id.as_str()) {
            (Kind::Workflow, "") => Rejection::workflow_not_found(&self.id),
            (Kind::Workflow, run_id) => Rejection::run_not_found(&self.id, run_id),
            (Kind::Schedule, _) => Rejection::not_found(format!("schedule not found for ID: {}", self.id)),
        }
    }
}
