//! What polls of this server are answered with, and what they ask of the run that a task belongs to.

use evertide_engine::request::Request;
use evertide_engine::task_queue::{QueueRef, StartTask, TaskClass};
use evertide_proto::workflowservice::PollActivityTaskQueueResponse;
use evertide_store::QueueKey;
use tokio::sync::oneshot;

use crate::fault::Failure;
use crate::history::TaskHistory;
use crate::matching::{self, Matching, PollAnswer, QueueKind, TaskRow};
use crate::queries::QueryOffer;

/// How a poll ends.
#[derive(Debug)]
pub(crate) enum PollEnd {
    /// Without a task.
    Empty,
    /// With a workflow task, and its history if that was at hand.
    Workflow(TaskHistory),
    /// With an activity task.
    Activity(Box<PollActivityTaskQueueResponse>),
    /// With a query.
    Query(Box<QueryOffer>),
}

/// The way back to whoever polls.
#[derive(Debug)]
pub(crate) struct PollSender(oneshot::Sender<Result<PollEnd, Failure>>);

/// A poll that waits.
pub(crate) type Waiting = matching::Waiting<PollSender>;
/// A poll and a task that found each other.
pub(crate) type Match = matching::Match<PollSender>;
/// All task queues.
pub(crate) type TaskQueues = Matching<PollSender>;

impl PollSender {
    /// A way back, and where the end of the poll comes.
    pub(crate) fn channel() -> (Self, oneshot::Receiver<Result<PollEnd, Failure>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    pub(crate) fn send(self, end: Result<PollEnd, Failure>) {
        // Whoever has gone meanwhile gets its task again after the task's timeout.
        let _ = self.0.send(end);
    }
}

impl PollAnswer for PollSender {
    fn is_live(&self) -> bool {
        !self.0.is_closed()
    }

    fn end_empty(self) {
        self.send(Ok(PollEnd::Empty));
    }
}

/// What a poll asks of the run that a task belongs to.
pub(crate) fn start_request(key: &QueueKey, row: &TaskRow, waiting: &Waiting) -> Request {
    let start = StartTask {
        scheduled_event_id: row.scheduled_event_id,
        stamp: row.stamp,
        identity: waiting.poll.identity.clone(),
        request_id: waiting.poll.request_id.clone(),
        queue: QueueRef { name: key.name.clone(), normal_name: row.normal_name.clone() },
        worker_version: waiting.poll.worker_version.clone(),
    };
    let class = if key.kind == QueueKind::Activity as u8 { TaskClass::Activity } else { TaskClass::Workflow };
    Request::Start(class, start)
}
