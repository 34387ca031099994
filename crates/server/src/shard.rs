//! Executions in memory: where decisions are made.
//!
//! A shard holds the chains (all runs of one workflow id) that hash to it, behind one lock. Under that lock a request is
//! decided, its changes become the writes of one commit, and the commit joins the queue: so the order of commits is the
//! order of decisions. Nothing under the lock waits for the store. What is not in memory is read by a worker while the
//! chain is marked as loading and its requests are parked.

mod chain;
mod deciding;
mod entry;
mod loading;
mod step;

pub(crate) use chain::{Chain, Current, Shard};
pub(crate) use entry::{Entry, HistoryWatcher};
pub(crate) use loading::{Want, decode_record, store_fault};
pub(crate) use step::{Release, Step, start_request};

use std::fmt;
use std::sync::Arc;

use evertide_engine::workflow::{ChainRequest, Execution, QueryAnswer, Reply, Request, ResetBase, UpdateSignal};
use evertide_proto::history::HistoryEvent;
use evertide_proto::workflowservice::ResetWorkflowExecutionRequest;
use evertide_store::{QueueKey, RunKey};
use tokio::sync::{mpsc, oneshot};

use crate::fault::Failure;
use crate::history::TaskHistory;
use crate::matching::{Task, Waiting};

/// Names a chain: all runs of one workflow id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChainKey {
    pub(crate) namespace_id: String,
    pub(crate) workflow_id: String,
}

/// Names a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunRef {
    /// Namespace id (not name).
    pub namespace_id: String,
    /// Workflow id.
    pub workflow_id: String,
    /// Run id; where a run is looked for, empty means the current one.
    pub run_id: String,
}

impl RunRef {
    /// The current run of a workflow id.
    pub fn current(namespace_id: impl Into<String>, workflow_id: impl Into<String>) -> Self {
        Self { namespace_id: namespace_id.into(), workflow_id: workflow_id.into(), run_id: String::new() }
    }

    pub(crate) fn chain(&self) -> ChainKey {
        ChainKey { namespace_id: self.namespace_id.clone(), workflow_id: self.workflow_id.clone() }
    }
}

/// A request on its way to an execution.
pub(crate) struct Job {
    pub(crate) key: Arc<ChainKey>,
    pub(crate) ask: Ask,
    pub(crate) respond: Respond,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What is asked of an execution.
pub(crate) enum Ask {
    /// A request to one run; an empty run id means the current one.
    Run { run_id: String, request: Box<Request> },
    /// A request that may make a run.
    Chain(Box<ChainRequest>),
    /// A reset; refused as moved if the run is not as the base says any more.
    Reset { request: Box<ResetWorkflowExecutionRequest>, base: Box<ResetBase> },
    /// Look at a run. The answer comes when what was seen is durable.
    Look { run_id: String, look: Box<dyn FnOnce(&RunView<'_>) + Send> },
    /// Wait until the run has that event id or has closed.
    Await { run_id: String, event_id: i64 },
    /// Remove a run; an open one only if that is meant.
    Delete { run_id: String, even_open: bool },
}

/// A run as a reader sees it.
#[derive(Debug)]
pub struct RunView<'a> {
    /// Its names.
    pub run: &'a Arc<RunRef>,
    /// Its key in the store.
    pub run_key: RunKey,
    /// Its state.
    pub exec: &'a Execution,
    pub(crate) entry: &'a Entry,
}

impl RunView<'_> {
    /// Events `from_event_id..until_event_id`, at most `limit`, if they are in memory.
    #[must_use]
    pub fn cached_events(&self, from_event_id: i64, until_event_id: i64, limit: usize) -> Option<Vec<HistoryEvent>> {
        self.entry.events.slice(from_event_id, until_event_id, limit)
    }
}

/// Who is answered, and how.
pub(crate) enum Respond {
    /// Nobody.
    Nobody,
    /// A caller outside.
    Caller(oneshot::Sender<Result<Answer, Failure>>),
    /// A poll that came for this task.
    Poll { queue: QueueKey, waiting: Box<Waiting>, task: Task },
    /// The sender of a message.
    Sender { source: Arc<RunRef>, id: i64 },
    /// The due times, which took out this run.
    Timers { run_key: RunKey, run: Arc<RunRef> },
}

/// The answer of an execution.
#[derive(Debug, Default)]
pub struct Answer {
    /// What the rules say.
    pub reply: Reply,
    /// The run that answered: the new one if the request made one.
    pub run: Arc<RunRef>,
    /// The workflow task that the reply hands out, taken out of it, with its history as far as that was at hand.
    pub task: Option<TaskHistory>,
    /// Where to hear more, if the reply says that there will be more.
    pub wait: Option<Wait>,
}

/// What is still to come after an answer.
#[derive(Debug)]
pub enum Wait {
    /// How an update goes on; ends without a completion if the server loses the update.
    Update(mpsc::UnboundedReceiver<UpdateSignal>),
    /// How a query ends; ends without an answer if the server loses the query.
    Query(oneshot::Receiver<QueryAnswer>),
}
