//! Polls for tasks, and queries that are sent to whoever polls.

use std::sync::Arc;
use std::time::Duration;

use evertide_engine::address::Address;
use evertide_engine::effects::QueryAnswer;
use evertide_engine::task_queue::QueueRef;
use evertide_engine::token::{TaskKind, TaskToken};
use evertide_proto::history::History;
use evertide_proto::query::WorkflowQuery;
use evertide_proto::workflowservice::{PollActivityTaskQueueResponse, PollWorkflowTaskQueueResponse};
use evertide_store::QueueKey;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::fault::{Failure, Fault};
use crate::history::{HistoryRead, WorkflowTaskPage};
use crate::matching::{Poll, QueueKind, STICKY_ATTENDED_NS};
use crate::node::Node;
use crate::polls::{PollEnd, PollSender, Waiting};
use crate::queries::QueryOffer;
use crate::shell::Shell;

/// How long a poll whose time is up waits for a task that is being started for it.
const GRACE: Duration = Duration::from_millis(500);

/// How a poll ended.
#[derive(Debug)]
pub enum Polled {
    /// Without a task.
    Empty,
    /// With a workflow task, or with a query (then `response.query` is set).
    Workflow(Box<WorkflowTaskPage>),
    /// With an activity task.
    Activity(Box<PollActivityTaskQueueResponse>),
}

/// How a query that was sent to a worker by itself ended.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerAnswer {
    /// With an answer.
    Answered(QueryAnswer),
    /// No worker has polled the queue lately (only for sticky queues, and at once).
    Unattended,
    /// Nobody answered in time.
    TimedOut,
}

/// A poll that was handed in without waiting for its end. Dropping it takes it back.
#[derive(Debug)]
pub struct OpenPoll {
    guard: PollGuard,
    end: PollReceiver,
}

impl OpenPoll {
    /// Whether the poll has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !self.end.is_empty()
    }

    /// How the poll ended, if it has: with a task, or without one because it was ended from outside.
    pub fn take(&mut self) -> Option<Result<Polled, Failure>> {
        let end = match self.end.try_recv() {
            Ok(end) => end,
            Err(oneshot::error::TryRecvError::Empty) => return None,
            Err(oneshot::error::TryRecvError::Closed) => Err(Fault::Stopping.into()),
        };
        Some(end.and_then(|end| match end {
            PollEnd::Workflow(history) => Ok(Polled::Workflow(Box::new(history.into_page(&*self.guard.shell.store)?))),
            PollEnd::Activity(task) => Ok(Polled::Activity(task)),
            PollEnd::Query(_) | PollEnd::Empty => Ok(Polled::Empty),
        }))
    }
}

type PollReceiver = oneshot::Receiver<Result<PollEnd, Failure>>;

/// Takes a poll out of its queue when whoever polls has gone.
#[derive(Debug)]
struct PollGuard {
    shell: Arc<Shell>,
    key: QueueKey,
    id: u64,
}

impl PollGuard {
    fn cancel(&self) -> bool {
        self.shell.queues.cancel(&self.key, self.id)
    }
}

impl Drop for PollGuard {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Takes a query back when whoever asks has gone.
#[derive(Debug)]
struct QueryGuard {
    shell: Arc<Shell>,
    key: QueueKey,
    query_id: String,
}

impl Drop for QueryGuard {
    fn drop(&mut self) {
        self.shell.queues.withdraw(&self.key, &self.query_id);
        self.shell.queries.forget(&self.query_id);
        self.shell.time.skip();
    }
}

impl Node {
    /// Hands in a poll without waiting for its end; for nodes that are driven by steps. Queries are not for it.
    #[must_use]
    pub fn open_poll(&self, kind: QueueKind, poll: Poll) -> OpenPoll {
        let (guard, end) = self.join_queue(kind, poll);
        OpenPoll { guard, end }
    }

    /// Waits for a workflow task or a query, at most until then.
    ///
    /// # Errors
    /// The server fails.
    pub async fn poll_workflow_task(&self, poll: Poll, until: Instant) -> Result<Polled, Failure> {
        let whole_history = !poll.queue.is_sticky();
        match self.poll(QueueKind::Workflow, poll, until).await? {
            PollEnd::Workflow(history) => Ok(Polled::Workflow(Box::new(self.task_page(history).await?))),
            PollEnd::Query(offer) => match self.query_page(offer, whole_history).await {
                Ok(page) => Ok(Polled::Workflow(Box::new(page))),
                Err(Failure::Rejected(_)) => Ok(Polled::Empty), // The run is gone; its query ends by its deadline.
                Err(fault) => Err(fault),
            },
            PollEnd::Activity(_) | PollEnd::Empty => Ok(Polled::Empty),
        }
    }

    /// Waits for an activity task, at most until then.
    ///
    /// # Errors
    /// The server fails.
    pub async fn poll_activity_task(&self, poll: Poll, until: Instant) -> Result<Polled, Failure> {
        match self.poll(QueueKind::Activity, poll, until).await? {
            PollEnd::Activity(task) => Ok(Polled::Activity(task)),
            PollEnd::Workflow(_) | PollEnd::Query(_) | PollEnd::Empty => Ok(Polled::Empty),
        }
    }

    /// Waits for a Nexus task, at most until then; there are none yet.
    ///
    /// # Errors
    /// The server fails.
    pub async fn poll_nexus_task(&self, poll: Poll, until: Instant) -> Result<Polled, Failure> {
        self.poll(QueueKind::Nexus, poll, until).await?;
        Ok(Polled::Empty)
    }

    /// A poll joins its queue: returns what takes it back, and where its end comes.
    fn join_queue(&self, kind: QueueKind, poll: Poll) -> (PollGuard, PollReceiver) {
        let (answer, end) = PollSender::channel();
        let key = kind.key(&poll.namespace_id, &poll.queue.name);
        let id = self.shell.next_poll_id();
        let guard = PollGuard { shell: self.shell.clone(), key, id };
        if let Some(job) = self.shell.dispatch.poll(&guard.key, Waiting { id, poll, answer }) {
            self.shell.submit(job);
        }
        (guard, end)
    }

    async fn poll(&self, kind: QueueKind, poll: Poll, until: Instant) -> Result<PollEnd, Failure> {
        if *self.stopping.borrow() {
            return Ok(PollEnd::Empty);
        }
        let (guard, mut end) = self.join_queue(kind, poll);
        match timeout_at(until, &mut end).await {
            Ok(end) => end.unwrap_or_else(|_| Err(Fault::Stopping.into())),
            Err(_) if guard.cancel() => Ok(PollEnd::Empty),
            // It has been matched: its task comes with the next commit.
            Err(_) => match timeout_at(until + GRACE, end).await {
                Ok(end) => end.unwrap_or_else(|_| Err(Fault::Stopping.into())),
                Err(_) => Ok(PollEnd::Empty),
            },
        }
    }

    /// A query as a worker gets it.
    async fn query_page(&self, offer: Box<QueryOffer>, whole_history: bool) -> Result<WorkflowTaskPage, Failure> {
        let QueryOffer { query_id, run, query, task } = *offer;
        let token = TaskToken {
            kind: TaskKind::Query.into(),
            namespace_id: run.namespace_id.clone(),
            workflow_id: run.id.clone(),
            run_id: run.run_id.clone(),
            query_id,
            ..TaskToken::default()
        };
        let mut response: PollWorkflowTaskQueueResponse = *task;
        response.task_token = token.to_bytes();
        response.query = Some(query);
        let mut page = WorkflowTaskPage { run: Arc::new(run.clone()), ..WorkflowTaskPage::default() };
        let mut events = Vec::new();
        if whole_history {
            let read =
                HistoryRead::Forward { from_event_id: 1, max_events: self.shell.limits.task_history_page_size.max(1) };
            let history = self.history(&run, read).await?;
            page.until_event_id = history.next_event_id;
            let next = history.events.last().map_or(1, |e| e.event_id + 1);
            page.next_event_id = if next < history.next_event_id { next } else { 0 };
            events = history.events;
        }
        response.history = Some(History { events });
        page.response = response;
        Ok(page)
    }

    /// Sends a query to whoever polls a queue, and waits for the answer, at most until then. `task` is the answer to the
    /// poll without history, token and query.
    pub async fn ask_worker(
        &self,
        run: &Address,
        queue: &QueueRef,
        query: WorkflowQuery,
        task: Box<PollWorkflowTaskQueueResponse>,
        until: Instant,
    ) -> WorkerAnswer {
        let key = QueueKind::Workflow.key(&run.namespace_id, &queue.name);
        let since_ns = self.shell.clock.world_ns() - STICKY_ATTENDED_NS;
        if queue.is_sticky() && !self.shell.queues.is_attended(&key, since_ns) {
            return WorkerAnswer::Unattended;
        }
        let query_id = self.new_uuid();
        let offer = QueryOffer { query_id: query_id.clone(), run: run.clone(), query, task };
        let answer = self.shell.queries.open(offer);
        let guard = QueryGuard { shell: self.shell.clone(), key, query_id: query_id.clone() };
        self.shell.dispatch.ask(&guard.key, query_id);
        match timeout_at(until, answer).await {
            Ok(Ok(answer)) => WorkerAnswer::Answered(answer),
            Ok(Err(_)) | Err(_) => WorkerAnswer::TimedOut,
        }
    }
}
