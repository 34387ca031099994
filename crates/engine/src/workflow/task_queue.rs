//! Names of task queues.

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
