//! Polls for tasks, and queries that are sent to whoever polls.

use std::sync::Arc;
use std::time::Duration;

use evertide_engine::token::{TaskKind, TaskToken};
use evertide_engine::workflow::{QueryAnswer, QueueRef};
use evertide_proto::history::History;
use evertide_proto::query::WorkflowQuery;
use evertide_proto::workflowservice::{PollActivityTaskQueueResponse, PollWorkflowTaskQueueResponse};
use evertide_store::QueueKey;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::fault::{Failure, Fault};
use crate::history::{HistoryRead, TASK_PAGE_EVENTS, WorkflowTaskPage};
use crate::matching::{Poll, PollEnd, QueryOffer, QueueKind, STICKY_ATTENDED_NS, Waiting};
use crate::node::Node;
use crate::shard::RunRef;
use crate::shell::{Shell, start_job};
use crate::work::Work;

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
pub enum Asked {
    /// With an answer.
    Answered(QueryAnswer),
    /// No worker has polled the queue lately (only for sticky queues, and at once).
    Unattended,
    /// Nobody answered in time.
    TimedOut,
}

impl Shell {
    /// A poll joins its queue; its end comes through the channel in `waiting`.
    fn poll(&self, key: &QueueKey, waiting: Waiting) {
        let (found, wants_refill) = self.matching.poll(key, waiting, self.clock.world_ns());
        self.see_to_held_back();
        if wants_refill {
            self.work.push(Work::Refill(key.clone()));
        }
        if let Some(job) = found.and_then(start_job) {
            self.submit(job);
        }
    }
}

/// A poll that was handed in without waiting for its end. Dropping it takes it back.
#[derive(Debug)]
pub struct OpenPoll {
    guard: PollGuard,
    end: oneshot::Receiver<Result<PollEnd, Failure>>,
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
            PollEnd::Workflow(history) => Ok(Polled::Workflow(Box::new(history.into_page(&self.guard.shell)?))),
            PollEnd::Activity(task) => Ok(Polled::Activity(task)),
            PollEnd::Query(_) | PollEnd::Empty => Ok(Polled::Empty),
        }))
    }
}

/// Takes a poll out of its queue when whoever polls has gone.
#[derive(Debug)]
struct PollGuard {
    shell: Arc<Shell>,
    key: QueueKey,
    id: u64,
}

impl PollGuard {
    fn cancel(&self) -> bool {
        self.shell.matching.cancel(&self.key, self.id)
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
        self.shell.matching.withdraw(&self.key, &self.query_id);
        self.shell.queries.forget(&self.query_id);
        self.shell.skip_time();
    }
}

impl Node {
    /// Hands in a poll without waiting for its end; for nodes that are driven by steps. Queries are not for it.
    #[must_use]
    pub fn open_poll(&self, kind: QueueKind, poll: Poll) -> OpenPoll {
        let (answer, end) = oneshot::channel();
        let key = kind.key(&poll.namespace_id, &poll.queue.name);
        let id = self.shell.next_poll_id();
        let guard = PollGuard { shell: self.shell.clone(), key, id };
        self.shell.poll(&guard.key, Waiting { id, poll, answer });
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

    async fn poll(&self, kind: QueueKind, poll: Poll, until: Instant) -> Result<PollEnd, Failure> {
        if *self.stopping.borrow() {
            return Ok(PollEnd::Empty);
        }
        let key = kind.key(&poll.namespace_id, &poll.queue.name);
        let (answer, mut end) = oneshot::channel();
        let id = self.shell.next_poll_id();
        let guard = PollGuard { shell: self.shell.clone(), key, id };
        self.shell.poll(&guard.key, Waiting { id, poll, answer });
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
    async fn query_page(&self, offer: QueryOffer, whole_history: bool) -> Result<WorkflowTaskPage, Failure> {
        let QueryOffer { query_id, run, query, task, .. } = offer;
        let token = TaskToken {
            kind: TaskKind::Query.into(),
            namespace_id: run.namespace_id.clone(),
            workflow_id: run.workflow_id.clone(),
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
            let read = HistoryRead::Forward { from_event_id: 1, max_events: TASK_PAGE_EVENTS };
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
        run: &RunRef,
        queue: &QueueRef,
        query: WorkflowQuery,
        task: Box<PollWorkflowTaskQueueResponse>,
        until: Instant,
    ) -> Asked {
        let key = QueueKind::Workflow.key(&run.namespace_id, &queue.name);
        let since_ns = self.shell.clock.world_ns() - STICKY_ATTENDED_NS;
        if queue.is_sticky() && !self.shell.matching.is_attended(&key, since_ns) {
            return Asked::Unattended;
        }
        let query_id = self.new_uuid();
        let answer = self.shell.queries.expect(query_id.clone());
        let guard = QueryGuard { shell: self.shell.clone(), key, query_id: query_id.clone() };
        let offer = QueryOffer { query_id, run: run.clone(), query, task };
        if let Some(found) = self.shell.matching.ask(&guard.key, offer, self.shell.clock.world_ns()) {
            self.shell.hand_out(found);
        }
        match timeout_at(until, answer).await {
            Ok(Ok(answer)) => Asked::Answered(answer),
            Ok(Err(_)) | Err(_) => Asked::TimedOut,
        }
    }
}
