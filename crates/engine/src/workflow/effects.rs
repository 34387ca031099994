//! What a decision did: changes for the store, effects for the world.

use crate::rejection::Rejection;
use crate::workflow::change::{Change, Record};
use crate::workflow::reply::{Decided, Reply};
use crate::workflow::state::Execution;
use crate::workflow::task_queue::QueueRef;
use crate::workflow::volatile::QueryAnswer;
use evertide_proto::common::Priority;
use evertide_proto::update::Outcome;

/// What a decision did: to be made durable, then released.
#[derive(Debug, Default)]
pub struct Written {
    /// For the store; empty if nothing durable changed.
    pub changes: Vec<Change>,
    /// For the world, after the commit.
    pub effects: Effects,
}

impl Written {
    /// The changes as the store's record.
    #[must_use]
    pub fn into_record(self) -> (Record, Effects) {
        (Record::new(self.changes), self.effects)
    }
}

/// What is to happen in the world once a decision is durable. Each effect can be derived again from the state, so
/// none is lost in a crash.
#[derive(Debug, Default)]
pub struct Effects {
    /// Tasks for pollers.
    pub dispatches: Vec<Dispatch>,
    /// Numbers of messages in the outbox that are to be delivered now.
    pub messages: Vec<i64>,
    /// Updates whose waiters have something to hear.
    pub updates: Vec<(String, UpdateSignal)>,
    /// Queries that have been answered.
    pub queries: Vec<(String, QueryAnswer)>,
    /// The next run of the chain, made in the same commit.
    pub successor: Option<Box<NewRun>>,
    /// What lists show of the run has changed.
    pub visibility: bool,
}

/// A task for whoever polls that queue. The truth is the run's state: a dispatch that the state no longer asks for is
/// dropped when it is taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Dispatch {
    /// A workflow task.
    Workflow {
        /// Where workers poll for it.
        queue: QueueRef,
        /// Which task.
        scheduled_event_id: i64,
        /// Which putting of it on a queue.
        stamp: i64,
        /// A speculative task is not worth a durable backlog row.
        speculative: bool,
        /// Order within the queue.
        priority: Option<Priority>,
    },
    /// An attempt of an activity.
    Activity {
        /// Name of the queue where workers poll for it.
        queue: String,
        /// Which activity.
        scheduled_event_id: i64,
        /// Which attempt.
        stamp: i64,
        /// Order within the queue.
        priority: Option<Priority>,
    },
}

/// What the waiters of an update are told.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateSignal {
    /// A worker has accepted it.
    Accepted,
    /// It is finished, by success, failure or rejection.
    Completed(Outcome),
    /// It will not be finished.
    Aborted(Rejection),
}

/// A run that a decision made.
#[derive(Debug)]
pub struct NewRun {
    /// The run.
    pub exec: Execution,
    /// Its first changes and effects.
    pub written: Written,
}

/// What a decision over a workflow id did.
#[derive(Debug)]
pub struct ChainOutcome {
    /// To the current run, if it was touched. Commit it before the new run.
    pub current: Option<Written>,
    /// The run it made, which is now the current one.
    pub new: Option<Box<NewRun>>,
    /// The answer. A refusal may come with something written: a request that meets a limit of the current run ends it.
    pub decided: Decided,
}

impl ChainOutcome {
    /// An answer, and nothing else.
    pub(super) fn answer(reply: Reply) -> Self {
        Self { current: None, new: None, decided: Ok(reply) }
    }

    /// A decision over the current run.
    pub(super) fn of_current((written, decided): (Written, Decided)) -> Self {
        Self { current: Some(written), new: None, decided }
    }

    /// A new run, in place of the current one if that was ended for it.
    pub(super) fn of_new(current: Option<Written>, new: NewRun, reply: Reply) -> Self {
        Self { current, new: Some(Box::new(new)), decided: Ok(reply) }
    }
}

impl From<Rejection> for ChainOutcome {
    fn from(rejection: Rejection) -> Self {
        Self { current: None, new: None, decided: Err(rejection) }
    }
}
