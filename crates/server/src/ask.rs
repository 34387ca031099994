//! What is asked of executions, and who hears the answer.

use std::fmt;
use std::sync::Arc;

use evertide_engine::address::Address;
use evertide_engine::effects::{QueryAnswer, UpdateSignal};
use evertide_engine::execution::Execution;
use evertide_engine::reply::Reply;
use evertide_engine::request::{Create, Request};
use evertide_engine::workflow::ResetBase;
use evertide_proto::history::HistoryEvent;
use evertide_proto::workflowservice::ResetWorkflowExecutionRequest;
use evertide_store::{QueueKey, RunKey};
use tokio::sync::{oneshot, watch};

use crate::address::ChainKey;
use crate::fault::Failure;
use crate::history::{EventCache, TaskHistory};
use crate::matching::Task;
use crate::polls::Waiting;
use crate::slots::Slot;

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
    /// A request over the id, which may make a run.
    Create(Box<Create>),
    /// A reset of a workflow; refused as moved if the run is not as the base says any more.
    Reset { request: Box<ResetWorkflowExecutionRequest>, base: Box<ResetBase> },
    /// Look at a run. The answer comes when what was seen is durable.
    Look { run_id: String, look: Box<dyn FnOnce(&RunView<'_>) + Send> },
    /// Wait until the run has that event id or has closed.
    Await { run_id: String, event_id: i64 },
    /// Remove a run; an open one only if that is meant.
    Delete { run_id: String, even_open: bool },
}

impl Ask {
    pub(crate) fn run_id(&self) -> &str {
        match self {
            Self::Run { run_id, .. }
            | Self::Look { run_id, .. }
            | Self::Await { run_id, .. }
            | Self::Delete { run_id, .. } => run_id,
            Self::Create(_) | Self::Reset { .. } => "",
        }
    }
}

/// A run as a reader sees it.
#[derive(Debug)]
pub struct RunView<'a> {
    /// Its names.
    pub run: &'a Arc<Address>,
    /// Its key in the store.
    pub run_key: RunKey,
    /// Its state.
    pub exec: &'a Execution,
    pub(crate) events: &'a EventCache,
}

impl RunView<'_> {
    /// Events `from_event_id..until_event_id`, at most `limit`, if they are in memory.
    #[must_use]
    pub fn cached_events(&self, from_event_id: i64, until_event_id: i64, limit: usize) -> Option<Vec<HistoryEvent>> {
        self.events.slice(from_event_id, until_event_id, limit)
    }
}

/// Who is answered, and how.
pub(crate) enum Respond {
    /// Nobody.
    Nobody,
    /// A caller outside.
    Caller(oneshot::Sender<Result<Answer, Failure>>),
    /// A poll that came for this task.
    Poll { queue: QueueKey, waiting: Box<Waiting>, task: Box<Task> },
    /// The sender of a message.
    Sender { source: Arc<Address>, id: i64 },
    /// The due times, which took out this run.
    Timers { run_key: RunKey, run: Arc<Address>, waking: Slot },
    /// Something else inside the server.
    Call(Box<dyn FnOnce(Result<Answer, Failure>) + Send>),
}

impl Respond {
    /// Whether somebody still waits for the answer.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self, Self::Caller(caller) if caller.is_closed())
    }
}

/// The answer of an execution.
#[derive(Debug, Default)]
pub struct Answer {
    /// What the rules say.
    pub reply: Reply,
    /// The run that answered: the new one if the request made one.
    pub run: Arc<Address>,
    /// The workflow task that the reply hands out, taken out of it, with its history as far as that was at hand.
    pub task: Option<TaskHistory>,
    /// Where to hear more, if the reply says that there will be more.
    pub wait: Option<Wait>,
}

impl Answer {
    /// An answer that says no more than which run has answered.
    pub(crate) fn of(run: Arc<Address>) -> Self {
        Self { run, ..Self::default() }
    }
}

/// What is still to come after an answer.
#[derive(Debug)]
pub enum Wait {
    /// How an update goes on; ends without a completion if the server loses the update.
    Update(UpdateNews),
    /// How a query ends; ends without an answer if the server loses the query.
    Query(oneshot::Receiver<QueryAnswer>),
}

/// News of an update: the newest is what counts, since it says how far the update is.
#[derive(Debug)]
pub struct UpdateNews(watch::Receiver<Option<UpdateSignal>>);

impl UpdateNews {
    /// The next news; none if there will be no more.
    pub async fn recv(&mut self) -> Option<UpdateSignal> {
        loop {
            self.0.changed().await.ok()?;
            let newest = self.0.borrow_and_update().clone();
            if newest.is_some() {
                return newest;
            }
        }
    }
}

/// Tells news of an update to all who follow it.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpdateSender(watch::Sender<Option<UpdateSignal>>);

impl UpdateSender {
    /// Hears what is told from now on.
    pub(crate) fn follow(&self) -> UpdateNews {
        UpdateNews(self.0.subscribe())
    }

    /// Whether anybody listens.
    pub(crate) fn is_live(&self) -> bool {
        self.0.receiver_count() > 0
    }

    pub(crate) fn tell(&self, signal: UpdateSignal) {
        self.0.send_replace(Some(signal));
    }
}
