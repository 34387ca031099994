//! A worker of a few lines for workflows that need no code: their commands are made from the number of the task alone.
//!
//! It caches workflows as SDKs do: once it has answered for a run, it gets only the news of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use evertide_client::proto::command::command::Attributes;
use evertide_client::proto::command::{
    Command, CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
    StartTimerCommandAttributes,
};
use evertide_client::proto::common::ActivityType;
use evertide_client::proto::enums::TaskQueueKind;
use evertide_client::proto::prost_types;
use evertide_client::proto::taskqueue::{StickyExecutionAttributes, TaskQueue};
use evertide_client::proto::workflowservice::{
    PollActivityTaskQueueRequest, PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse,
    RespondActivityTaskCompletedRequest, RespondWorkflowTaskCompletedRequest,
};
use evertide_client::{Client, Result};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// The task queue of all workflows and activities here.
pub(crate) const QUEUE: &str = "q";
/// Where the news of workflows comes that the worker knows.
const STICKY_QUEUE: &str = "q-known";
/// A day.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
/// How many poll each queue at once.
const POLLERS: usize = 2;

/// How a workflow goes on: its commands, given its id and the number of its task, from 0.
pub(crate) trait Decide: Fn(&Task<'_>) -> Vec<Command> + Send + Sync + 'static {}

impl<D: Fn(&Task<'_>) -> Vec<Command> + Send + Sync + 'static> Decide for D {}

/// Sleeps for thirty days and runs an activity, so many times.
pub(crate) fn month_after_month(number: usize, months: usize) -> Vec<Command> {
    if number == 2 * months {
        vec![done()]
    } else if number.is_multiple_of(2) {
        vec![timer(number, 30 * DAY)]
    } else {
        vec![activity(number)]
    }
}

/// A workflow task.
#[derive(Debug)]
pub(crate) struct Task<'t> {
    /// The workflow.
    pub(crate) workflow_id: &'t str,
    /// How many tasks of the run there were before.
    pub(crate) number: usize,
    /// When it was scheduled, by the server's clock.
    pub(crate) scheduled: Option<prost_types::Timestamp>,
}

/// A worker, until it is dropped.
pub(crate) fn work(client: &Client, decide: impl Decide) -> JoinSet<()> {
    let worker = Arc::new(Worker { client: client.clone(), decide, seen: Mutex::default() });
    let mut pollers = JoinSet::new();
    for n in 0..2 * POLLERS {
        let (worker, sticky) = (worker.clone(), n % 2 == 1);
        pollers.spawn(async move { while worker.workflow_task(sticky).await.is_ok() {} });
    }
    for _ in 0..POLLERS {
        let worker = worker.clone();
        pollers.spawn(async move { while worker.activity_task().await.is_ok() {} });
    }
    pollers
}

struct Worker<D> {
    client: Client,
    decide: D,
    /// How many tasks there were, by run id.
    seen: Mutex<HashMap<String, usize>>,
}

impl<D: Decide> Worker<D> {
    async fn workflow_task(&self, sticky: bool) -> Result<()> {
        let poll = PollWorkflowTaskQueueRequest {
            namespace: self.client.namespace().to_owned(),
            task_queue: Some(if sticky { sticky_queue() } else { queue() }),
            ..PollWorkflowTaskQueueRequest::default()
        };
        let task = self.client.call(poll).await?;
        if task.task_token.is_empty() {
            tokio::task::yield_now().await; // A server that stops has no tasks, and says so at once.
            return Ok(());
        }
        let commands = self.decide(&task).await;
        let known = StickyExecutionAttributes {
            worker_task_queue: Some(sticky_queue()),
            schedule_to_start_timeout: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
        };
        let answer = RespondWorkflowTaskCompletedRequest {
            namespace: self.client.namespace().to_owned(),
            task_token: task.task_token,
            commands,
            sticky_attributes: Some(known),
            ..RespondWorkflowTaskCompletedRequest::default()
        };
        self.client.call(answer).await.map(drop)
    }

    async fn decide(&self, task: &PollWorkflowTaskQueueResponse) -> Vec<Command> {
        let Some(execution) = &task.workflow_execution else { return Vec::new() };
        let mut seen = self.seen.lock().await;
        let count = seen.entry(execution.run_id.clone()).or_default();
        *count += 1;
        let (workflow_id, number) = (execution.workflow_id.as_str(), *count - 1);
        drop(seen);
        (self.decide)(&Task { workflow_id, number, scheduled: task.scheduled_time })
    }

    async fn activity_task(&self) -> Result<()> {
        let poll = PollActivityTaskQueueRequest {
            namespace: self.client.namespace().to_owned(),
            task_queue: Some(queue()),
            ..PollActivityTaskQueueRequest::default()
        };
        let task = self.client.call(poll).await?;
        if task.task_token.is_empty() {
            tokio::task::yield_now().await;
            return Ok(());
        }
        let answer = RespondActivityTaskCompletedRequest {
            namespace: self.client.namespace().to_owned(),
            task_token: task.task_token,
            ..RespondActivityTaskCompletedRequest::default()
        };
        self.client.call(answer).await.map(drop)
    }
}

fn queue() -> TaskQueue {
    TaskQueue { name: QUEUE.to_owned(), ..TaskQueue::default() }
}

fn sticky_queue() -> TaskQueue {
    TaskQueue { name: STICKY_QUEUE.to_owned(), kind: TaskQueueKind::Sticky.into(), normal_name: QUEUE.to_owned() }
}

fn command(attributes: impl Into<Attributes>) -> Command {
    let attributes = attributes.into();
    Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() }
}

/// Sleeps. The number tells timers of a workflow apart.
pub(crate) fn timer(number: usize, length: Duration) -> Command {
    command(StartTimerCommandAttributes {
        timer_id: number.to_string(),
        start_to_fire_timeout: length.try_into().ok(), // None, which no server takes, for more than the protocol can say.
    })
}

/// Runs an activity.
pub(crate) fn activity(number: usize) -> Command {
    command(ScheduleActivityTaskCommandAttributes {
        activity_id: number.to_string(),
        activity_type: Some(ActivityType { name: "act".to_owned() }),
        task_queue: Some(queue()),
        start_to_close_timeout: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        ..ScheduleActivityTaskCommandAttributes::default()
    })
}

/// Completes the workflow.
pub(crate) fn done() -> Command {
    command(CompleteWorkflowExecutionCommandAttributes::default())
}
