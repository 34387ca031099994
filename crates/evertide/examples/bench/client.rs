//! Clients and workers of the measured load, over plain gRPC.

use anyhow::Context;
use evertide_proto::command::command::Attributes;
use evertide_proto::command::{
    Command, CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
    StartTimerCommandAttributes,
};
use evertide_proto::common::{ActivityType, WorkflowExecution, WorkflowType};
use evertide_proto::enums::{HistoryEventFilterType, UpdateWorkflowExecutionLifecycleStage as Stage};
use evertide_proto::prost_types::{Any, Duration as ProtoDuration};
use evertide_proto::protocol::Message;
use evertide_proto::protocol::message::SequencingId;
use evertide_proto::taskqueue::{StickyExecutionAttributes, TaskQueue};
use evertide_proto::update::{Acceptance, Input, Meta, Outcome, Request, Response, WaitPolicy, outcome::Value};
use evertide_proto::workflowservice as ws;
use evertide_proto::workflowservice::workflow_service_client::WorkflowServiceClient;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};

type Client = WorkflowServiceClient<Channel>;

/// Pollers that wait on each queue.
const POLLERS: usize = 8;
/// Activities of one workflow that runs them in sequence.
const ACTIVITIES: i64 = 10;

/// A load: clients to call with, workers that answer.
#[derive(Debug)]
pub(crate) struct Load {
    clients: Vec<Client>,
    workers: Vec<JoinHandle<()>>,
    kind: Kind,
    callers: usize,
    answered: Arc<AtomicUsize>,
}

/// What the callers want of a server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Workflows that complete in their first task.
    Noop,
    /// Updates of one idle workflow for each caller.
    Update,
    /// Workflows that run [`ACTIVITIES`] activities one after another.
    Activities,
    /// Workflows that stay open and wait for nothing.
    Open,
    /// Nothing: workers only.
    Nothing,
}

impl Kind {
    /// How figures are named after it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Noop => "noop",
            Self::Update => "update",
            Self::Activities => "activities",
            Self::Open => "open",
            Self::Nothing => "nothing",
        }
    }
}

async fn connect(address: &str) -> anyhow::Result<Client> {
    let endpoint = Endpoint::from_shared(address.to_owned())?.tcp_nodelay(true);
    Ok(WorkflowServiceClient::new(endpoint.connect().await?).accept_compressed(CompressionEncoding::Gzip))
}

fn with_deadline<T>(request: T, seconds: u64) -> tonic::Request<T> {
    let mut request = tonic::Request::new(request);
    request.set_timeout(Duration::from_secs(seconds));
    request
}

fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue { name: name.to_owned(), ..TaskQueue::default() })
}

impl Load {
    /// Callers and workers for this kind of work, ready to begin.
    pub(crate) async fn new(address: &str, callers: usize, kind: Kind) -> anyhow::Result<Self> {
        let mut load = Self::idle(kind, callers);
        for _ in 0..callers.min(4) {
            load.clients.push(connect(address).await?);
        }
        let worker = connect(address).await?;
        for queue_name in ["bench", "bench-sticky"] {
            for _ in 0..POLLERS {
                load.workers.push(tokio::spawn(work(worker.clone(), queue_name, kind, load.answered.clone())));
            }
        }
        match kind {
            Kind::Update => load.warm_up().await?,
            Kind::Activities => {
                load.workers.extend((0..POLLERS).map(|_| tokio::spawn(work_on_activities(worker.clone()))));
            }
            Kind::Noop | Kind::Open | Kind::Nothing => {}
        }
        Ok(load)
    }

    /// Pollers that wait for nothing.
    pub(crate) async fn pollers(address: &str, count: usize) -> anyhow::Result<Self> {
        let mut load = Self::idle(Kind::Nothing, 0);
        for _ in 0..count {
            let client = connect(address).await?;
            load.workers.push(tokio::spawn(work(client, "bench-idle", Kind::Nothing, load.answered.clone())));
        }
        Ok(load)
    }

    fn idle(kind: Kind, callers: usize) -> Self {
        Self { clients: Vec::new(), workers: Vec::new(), kind, callers, answered: Arc::default() }
    }

    /// One idle workflow for each caller, which its worker has in its cache.
    async fn warm_up(&self) -> anyhow::Result<()> {
        for caller in 0..self.callers {
            self.start(caller, &update_workflow_id(self.callers, caller)).await?;
        }
        for caller in 0..self.callers {
            self.once(caller, usize::MAX - caller).await?;
        }
        Ok(())
    }

    /// What its callers want.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// How many workflow tasks its workers have answered.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    fn client(&self, caller: usize) -> Client {
        self.clients[caller % self.clients.len()].clone()
    }

    async fn start(&self, caller: usize, workflow_id: &str) -> anyhow::Result<String> {
        let request = ws::StartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: workflow_id.to_owned(),
            workflow_type: Some(WorkflowType { name: "bench".to_owned() }),
            task_queue: queue("bench"),
            request_id: workflow_id.to_owned(),
            ..ws::StartWorkflowExecutionRequest::default()
        };
        let answer = self.client(caller).start_workflow_execution(with_deadline(request, 10)).await?;
        Ok(answer.into_inner().run_id)
    }

    /// One unit of work, from the caller's side.
    pub(crate) async fn once(&self, caller: usize, serial: usize) -> anyhow::Result<()> {
        match self.kind {
            Kind::Noop | Kind::Activities => self.run_once(caller, serial).await,
            Kind::Update => self.update_once(caller, serial).await,
            Kind::Open => self.start(caller, &format!("open-{serial}-{}", std::process::id())).await.map(drop),
            Kind::Nothing => Ok(()),
        }
    }

    /// From start to result.
    async fn run_once(&self, caller: usize, serial: usize) -> anyhow::Result<()> {
        let workflow_id = format!("{}-{}-{caller}-{serial}-{}", self.kind.name(), self.callers, std::process::id());
        let run_id = self.start(caller, &workflow_id).await?;
        let mut token = bytes::Bytes::new();
        loop {
            let request = ws::GetWorkflowExecutionHistoryRequest {
                namespace: "default".to_owned(),
                execution: Some(WorkflowExecution { workflow_id: workflow_id.clone(), run_id: run_id.clone() }),
                wait_new_event: true,
                history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
                next_page_token: token,
                ..ws::GetWorkflowExecutionHistoryRequest::default()
            };
            let answer = self.client(caller).get_workflow_execution_history(with_deadline(request, 30)).await?;
            let page = answer.into_inner();
            if page.history.is_some_and(|h| !h.events.is_empty()) {
                return Ok(());
            }
            token = page.next_page_token;
        }
    }

    async fn update_once(&self, caller: usize, serial: usize) -> anyhow::Result<()> {
        let workflow_id = update_workflow_id(self.callers, caller);
        let request = ws::UpdateWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(WorkflowExecution { workflow_id, ..WorkflowExecution::default() }),
            wait_policy: Some(WaitPolicy { lifecycle_stage: Stage::Completed.into() }),
            request: Some(Request {
                meta: Some(Meta { update_id: format!("u-{serial}"), identity: "bench".to_owned() }),
                input: Some(Input { name: "bench".to_owned(), ..Input::default() }),
                ..Request::default()
            }),
            ..ws::UpdateWorkflowExecutionRequest::default()
        };
        match self.client(caller).update_workflow_execution(with_deadline(request, 30)).await {
            Ok(answer) => {
                answer.into_inner().outcome.context("the update was not completed")?;
                Ok(())
            }
            // A run takes a limited number of updates; go on with another run of the same id.
            Err(status) if status.code() == tonic::Code::FailedPrecondition => self.renew(caller).await,
            Err(status) => Err(status.into()),
        }
    }

    async fn renew(&self, caller: usize) -> anyhow::Result<()> {
        let workflow_id = update_workflow_id(self.callers, caller);
        let request = ws::TerminateWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.clone(), ..Default::default() }),
            ..ws::TerminateWorkflowExecutionRequest::default()
        };
        self.client(caller).terminate_workflow_execution(with_deadline(request, 10)).await?;
        let request = ws::StartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id,
            workflow_type: Some(WorkflowType { name: "bench".to_owned() }),
            task_queue: queue("bench"),
            ..ws::StartWorkflowExecutionRequest::default()
        };
        self.client(caller).start_workflow_execution(with_deadline(request, 10)).await?;
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.abort();
        }
    }
}

fn update_workflow_id(callers: usize, caller: usize) -> String {
    format!("update-{caller}-of-{callers}-{}", std::process::id())
}

/// A poller: takes workflow tasks and answers them.
async fn work(mut client: Client, queue_name: &'static str, kind: Kind, answered: Arc<AtomicUsize>) {
    loop {
        let request = ws::PollWorkflowTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: queue(queue_name),
            identity: "bench".to_owned(),
            ..ws::PollWorkflowTaskQueueRequest::default()
        };
        let Ok(answer) = client.poll_workflow_task_queue(with_deadline(request, 70)).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let task = answer.into_inner();
        if task.task_token.is_empty() {
            continue;
        }
        // As in an SDK the poller polls on while the answer is on its way. An answer can come too late (the workflow was
        // terminated); the next poll goes on.
        let (mut answering, answered) = (client.clone(), answered.clone());
        tokio::spawn(async move {
            let _ = answering.respond_workflow_task_completed(with_deadline(answer_of(task, kind), 10)).await;
            answered.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// A poller: takes activity tasks and completes them.
async fn work_on_activities(mut client: Client) {
    loop {
        let request = ws::PollActivityTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: queue("bench"),
            identity: "bench".to_owned(),
            ..ws::PollActivityTaskQueueRequest::default()
        };
        let Ok(answer) = client.poll_activity_task_queue(with_deadline(request, 70)).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let task_token = answer.into_inner().task_token;
        if task_token.is_empty() {
            continue;
        }
        let mut answering = client.clone();
        tokio::spawn(async move {
            let request = ws::RespondActivityTaskCompletedRequest {
                namespace: "default".to_owned(),
                task_token,
                identity: "bench".to_owned(),
                ..ws::RespondActivityTaskCompletedRequest::default()
            };
            let _ = answering.respond_activity_task_completed(with_deadline(request, 10)).await;
        });
    }
}

fn command(attributes: Attributes) -> Command {
    Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() }
}

fn complete() -> Command {
    command(CompleteWorkflowExecutionCommandAttributes::default().into())
}

/// The next activity of the sequence, or its end.
fn next_activity(task: &ws::PollWorkflowTaskQueueResponse) -> Command {
    // Each activity adds three events and those of the workflow task behind it; the first task starts at the third event.
    let done = (task.started_event_id - 3) / 6;
    if done >= ACTIVITIES {
        return complete();
    }
    let activity = ScheduleActivityTaskCommandAttributes {
        activity_id: done.to_string(),
        activity_type: Some(ActivityType { name: "bench".to_owned() }),
        task_queue: queue("bench"),
        start_to_close_timeout: Some(ProtoDuration { seconds: 60, nanos: 0 }),
        ..ScheduleActivityTaskCommandAttributes::default()
    };
    command(activity.into())
}

fn answer_of(task: ws::PollWorkflowTaskQueueResponse, kind: Kind) -> ws::RespondWorkflowTaskCompletedRequest {
    let commands = match kind {
        Kind::Noop => vec![complete()],
        Kind::Activities => vec![next_activity(&task)],
        Kind::Update if task.previous_started_event_id == 0 => vec![command(
            StartTimerCommandAttributes {
                timer_id: "t".to_owned(),
                start_to_fire_timeout: Some(ProtoDuration { seconds: 3600, nanos: 0 }),
            }
            .into(),
        )],
        Kind::Update | Kind::Open | Kind::Nothing => Vec::new(),
    };
    let sticky = matches!(kind, Kind::Update | Kind::Activities).then(|| StickyExecutionAttributes {
        worker_task_queue: queue("bench-sticky"),
        schedule_to_start_timeout: Some(ProtoDuration { seconds: 10, nanos: 0 }),
    });
    ws::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token.clone(),
        commands,
        messages: task.messages.iter().flat_map(accept_and_complete).collect(),
        sticky_attributes: sticky,
        identity: "bench".to_owned(),
        ..ws::RespondWorkflowTaskCompletedRequest::default()
    }
}

fn accept_and_complete(message: &Message) -> Vec<Message> {
    let update_id = message.protocol_instance_id.clone();
    let sequencing = match message.sequencing_id {
        Some(SequencingId::EventId(id)) => id,
        _ => 0,
    };
    let acceptance = Acceptance {
        accepted_request_message_id: message.id.clone(),
        accepted_request_sequencing_event_id: sequencing,
        ..Acceptance::default()
    };
    let response = Response {
        meta: Some(Meta { update_id: update_id.clone(), identity: "bench".to_owned() }),
        outcome: Some(Outcome { value: Some(Value::Success(Default::default())) }),
    };
    let with_body = |name: &str, body: Option<Any>| Message {
        id: format!("{update_id}/{name}"),
        protocol_instance_id: update_id.clone(),
        body,
        ..Message::default()
    };
    vec![with_body("accept", Any::from_msg(&acceptance).ok()), with_body("complete", Any::from_msg(&response).ok())]
}
