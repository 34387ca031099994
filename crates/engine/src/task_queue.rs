//! Task queues, and the tasks on them: what an execution dispatches, and what a poller takes.

use evertide_proto::common::{Priority, WorkerVersionStamp};
use evertide_proto::enums::TaskQueueKind;
use evertide_proto::taskqueue::TaskQueue;

/// A task queue as a dispatch names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct QueueRef {
    /// Name on which workers poll.
    pub name: String,
    /// The workflow's normal queue if `name` is sticky, else empty.
    pub normal_name: String,
}

impl QueueRef {
    /// Whether this is a worker's own queue.
    #[must_use]
    pub fn is_sticky(&self) -> bool {
        !self.normal_name.is_empty()
    }

    /// As the protocol writes it in events.
    #[must_use]
    pub fn to_proto(&self) -> TaskQueue {
        let kind = if self.is_sticky() { TaskQueueKind::Sticky } else { TaskQueueKind::Normal };
        TaskQueue { name: self.name.clone(), kind: kind.into(), normal_name: self.normal_name.clone() }
    }
}

/// Which workers take a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskClass {
    /// Those that run workflow code.
    Workflow,
    /// Those that run activities.
    Activity,
}

/// A task for whoever polls that queue. The truth is the execution's state: a dispatch that the state no longer asks for
/// is dropped when it is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    /// Whose task it is.
    pub class: TaskClass,
    /// Where workers poll for it.
    pub queue: QueueRef,
    /// Which task of the execution: the id of its scheduled event, if the execution has a history.
    pub scheduled_event_id: i64,
    /// Which putting of it on a queue: an older entry is stale.
    pub stamp: i64,
    /// How long it lasts.
    pub lasts: Lasts,
    /// Order within the queue.
    pub priority: Option<Priority>,
}

/// How long a task on a queue lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// Until it is taken: a crash must not lose it.
    Durably,
    /// Until a crash, or until nobody wants it any more because the execution has given it up by this time.
    Until {
        /// From now on, nanoseconds; 0 if there is no such time.
        timeout_ns: i64,
    },
}

/// What a poller takes, and who it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StartTask {
    /// Which task.
    pub scheduled_event_id: i64,
    /// Which putting of it on a queue.
    pub stamp: i64,
    /// Identity of the worker.
    pub identity: String,
    /// Request id of the poll: a repeat gets the same answer.
    pub request_id: String,
    /// The queue that was polled.
    pub queue: QueueRef,
    /// Build of the worker, as it said.
    pub worker_version: Option<WorkerVersionStamp>,
}
