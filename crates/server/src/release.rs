//! What follows from a decision once it is durable, as values.

use std::sync::Arc;

use evertide_engine::address::Address;
use evertide_engine::effects::{QueryAnswer, UpdateSignal};
use evertide_engine::message::Delivery;
use evertide_proto::taskqueue::TaskQueueConfig;
use evertide_store::{BacklogChange, QueueKey, RunKey};
use prost::Message;
use tokio::sync::oneshot;

use crate::ask::{Answer, Respond, UpdateSender};
use crate::commit::{CommitQueue, Release};
use crate::fault::{Failure, Fault};
use crate::matching::Task;
use crate::polls::{PollEnd, Waiting};
use crate::registry::Registered;
use crate::work::Work;

/// One thing that happens once a commit is durable, or is told to have failed.
pub(crate) enum Effect {
    /// The namespaces have changed.
    Namespaces(Arc<Registered>),
    /// The settings of a task queue have changed.
    QueueConfig { queue: QueueKey, version: u64, config: Box<TaskQueueConfig> },
    /// When a run is to be woken next; 0 for never.
    Wake { run_key: RunKey, run: Arc<Address>, at_ns: i64 },
    /// A task that no poll waited for.
    Task { queue: QueueKey, task: Task },
    /// A poll has ended.
    Poll { waiting: Box<Waiting>, end: Result<PollEnd, Failure> },
    /// A request is answered.
    Answer { respond: Respond, result: Result<Answer, Failure> },
    /// News of an update.
    Update { waiters: UpdateSender, signal: UpdateSignal },
    /// The answer to a query.
    Query { waiter: oneshot::Sender<QueryAnswer>, answer: QueryAnswer },
    /// A message to another execution, with who sends it and its number.
    Message { source: Arc<Address>, id: i64, delivery: Box<Delivery> },
    /// What else to do.
    Work(Work),
}

impl std::fmt::Debug for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effect").finish_non_exhaustive()
    }
}

/// What one decision sets off, in the order in which it happens.
pub(crate) type Effects = Vec<Effect>;

/// Decisions on their way to the store.
pub(crate) type Commits = CommitQueue<Effects>;

impl Effect {
    pub(crate) fn answer(respond: Respond, result: impl Into<Result<Answer, Failure>>) -> Self {
        Self::Answer { respond, result: result.into() }
    }

    pub(crate) fn fail(respond: Respond, failure: impl Into<Failure>) -> Self {
        Self::Answer { respond, result: Err(failure.into()) }
    }
}

impl Release for Effects {
    fn number_tasks(&mut self, next_task_id: &mut i64) -> Vec<BacklogChange> {
        let mut rows = Vec::new();
        for effect in self {
            let Effect::Task { queue, task } = effect else { continue };
            task.id = *next_task_id;
            *next_task_id += 1;
            if task.durable {
                let bytes = task.row.encode_to_vec().into();
                rows.push(BacklogChange::Put { queue: queue.clone(), task_id: task.id, task: bytes });
            }
        }
        rows
    }
}

/// What is left of the effects of a decision that will never be durable: whoever waits for it is told.
pub(crate) fn failed(effects: Effects, fault: &Fault) -> Effects {
    effects.into_iter().filter_map(|effect| fail(effect, fault)).collect()
}

fn fail(effect: Effect, fault: &Fault) -> Option<Effect> {
    let failure = || Failure::from(fault.clone());
    match effect {
        Effect::Poll { waiting, .. } | Effect::Work(Work::PollAgain(_, waiting)) => {
            Some(Effect::Poll { waiting, end: Err(failure()) })
        }
        Effect::Answer { respond, .. } => Some(Effect::fail(respond, failure())),
        // The chain that it would unblock is gone as well.
        Effect::Work(Work::Unblock { .. }) => None,
        Effect::Work(work) => Some(Effect::Work(work)),
        // Waiters of updates and queries hear it by the end of their channels; the rest is derived from what is stored.
        Effect::Namespaces(_)
        | Effect::QueueConfig { .. }
        | Effect::Wake { .. }
        | Effect::Task { .. }
        | Effect::Update { .. }
        | Effect::Query { .. }
        | Effect::Message { .. } => None,
    }
}
