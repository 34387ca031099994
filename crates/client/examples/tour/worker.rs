//! A worker for the tour: a few workflows, written against the protocol, so that the tour needs no SDK.
//!
//! Real workflows are written with an SDK. This one reads each workflow's whole history and decides from that alone.

use evertide_client::payload::{from_payload, to_payload};
use evertide_client::proto::command::command::Attributes as Do;
use evertide_client::proto::command::{self, Command};
use evertide_client::proto::common::{ActivityType, Payload, Payloads};
use evertide_client::proto::enums::{CommandType, QueryResultType, TaskQueueKind};
use evertide_client::proto::failure::Failure;
use evertide_client::proto::history::HistoryEvent;
use evertide_client::proto::history::history_event::Attributes as Happened;
use evertide_client::proto::prost::{Message as _, Name};
use evertide_client::proto::prost_types::{Any, Duration};
use evertide_client::proto::protocol::Message;
use evertide_client::proto::protocol::message::SequencingId;
use evertide_client::proto::query::{WorkflowQuery, WorkflowQueryResult};
use evertide_client::proto::taskqueue::TaskQueue;
use evertide_client::proto::update::{Acceptance, Outcome, Rejection, Request, Response, outcome};
use evertide_client::proto::workflowservice::{
    PollActivityTaskQueueRequest, PollActivityTaskQueueResponse, PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse, RespondQueryTaskCompletedRequest, RespondWorkflowTaskCompletedRequest,
};
use evertide_client::{Client, Result};

/// Runs the workflows of a task queue until it is dropped.
pub async fn run(client: Client, task_queue: String) -> Result<()> {
    loop {
        let poll = PollWorkflowTaskQueueRequest {
            namespace: client.namespace().to_owned(),
            task_queue: Some(queue(&task_queue)),
            identity: client.identity().to_owned(),
            ..Default::default()
        };
        let task = client.call(poll).await?;
        if task.task_token.is_empty() {
            continue;
        }
        match answer(&client, &task).await {
            Err(error) if !is_outdated(&error) => return Err(error),
            _ => {}
        }
    }
}

/// Whether a task was gone by the time it was answered, as when its workflow was terminated, or whether something came
/// in that it did not know of, so that there will be another.
fn is_outdated(error: &evertide_client::Error) -> bool {
    error.is_not_found() || error.to_string().contains("UnhandledCommand")
}

/// The next activity of a task queue, to be completed by whoever has its token.
pub async fn next_activity(client: &Client, task_queue: &str) -> Result<PollActivityTaskQueueResponse> {
    loop {
        let poll = PollActivityTaskQueueRequest {
            namespace: client.namespace().to_owned(),
            task_queue: Some(queue(task_queue)),
            identity: client.identity().to_owned(),
            ..Default::default()
        };
        let task = client.call(poll).await?;
        if !task.task_token.is_empty() {
            return Ok(task);
        }
    }
}

fn queue(name: &str) -> TaskQueue {
    TaskQueue { name: name.to_owned(), kind: TaskQueueKind::Normal.into(), ..Default::default() }
}

async fn answer(client: &Client, task: &PollWorkflowTaskQueueResponse) -> Result<()> {
    let order = State::of(task);
    if let Some(query) = &task.query {
        let result = order.query(query);
        let answer = RespondQueryTaskCompletedRequest {
            task_token: task.task_token.clone(),
            completed_type: result.result_type,
            query_result: result.answer,
            error_message: result.error_message,
            namespace: client.namespace().to_owned(),
            ..Default::default()
        };
        return client.call(answer).await.map(drop);
    }
    let mut turn = Turn { order, commands: Vec::new(), messages: Vec::new() };
    for message in &task.messages {
        turn.update(message);
    }
    turn.decide(task.workflow_type.as_ref().map_or("", |workflow| &workflow.name))?;
    let query_results = task.queries.iter().map(|(id, query)| (id.clone(), turn.order.query(query))).collect();
    let answer = RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token.clone(),
        identity: client.identity().to_owned(),
        namespace: client.namespace().to_owned(),
        commands: turn.commands,
        messages: turn.messages,
        query_results,
        ..Default::default()
    };
    client.call(answer).await.map(drop)
}

/// What the history of a workflow tells.
#[derive(Default)]
struct State {
    input: Vec<Payload>,
    task_queue: Option<TaskQueue>,
    approved_by: Option<String>,
    items: Vec<u32>,
    cancelled: bool,
    timer_started: bool,
    activity: Activity,
}

#[derive(Default)]
enum Activity {
    #[default]
    NotAsked,
    Asked,
    Completed(Option<Payloads>),
    Failed(Failure),
}

impl State {
    fn of(task: &PollWorkflowTaskQueueResponse) -> Self {
        let mut state = Self::default();
        task.history.iter().flat_map(|history| &history.events).for_each(|event| state.apply(event));
        state
    }

    fn apply(&mut self, event: &HistoryEvent) {
        match event.attributes.as_ref() {
            Some(Happened::WorkflowExecutionStartedEventAttributes(started)) => {
                self.input = started.input.clone().unwrap_or_default().payloads;
                self.task_queue = started.task_queue.clone();
            }
            Some(Happened::WorkflowExecutionSignaledEventAttributes(signal)) if signal.signal_name == "approve" => {
                self.approved_by = first(signal.input.as_ref());
            }
            Some(Happened::WorkflowExecutionUpdateAcceptedEventAttributes(update)) => {
                self.items.extend(update.accepted_request.as_ref().and_then(item));
            }
            Some(Happened::WorkflowExecutionCancelRequestedEventAttributes(_)) => self.cancelled = true,
            Some(Happened::TimerStartedEventAttributes(_)) => self.timer_started = true,
            Some(Happened::ActivityTaskScheduledEventAttributes(_)) => self.activity = Activity::Asked,
            Some(Happened::ActivityTaskCompletedEventAttributes(done)) => {
                self.activity = Activity::Completed(done.result.clone());
            }
            Some(Happened::ActivityTaskFailedEventAttributes(failed)) => {
                self.activity = Activity::Failed(failed.failure.clone().unwrap_or_default());
            }
            _ => {}
        }
    }

    fn query(&self, query: &WorkflowQuery) -> WorkflowQueryResult {
        match (query.query_type.as_str(), payloads(&self.items)) {
            ("items", Ok(answer)) => WorkflowQueryResult {
                result_type: QueryResultType::Answered.into(),
                answer: Some(answer),
                ..Default::default()
            },
            (other, _) => WorkflowQueryResult {
                result_type: QueryResultType::Failed.into(),
                error_message: format!("no query {other}"),
                ..Default::default()
            },
        }
    }
}

/// The answer to one workflow task as it grows.
struct Turn {
    order: State,
    commands: Vec<Command>,
    messages: Vec<Message>,
}

impl Turn {
    /// Accepts and completes an update, or refuses one without an item.
    fn update(&mut self, message: &Message) {
        let body = message.body.as_ref().and_then(|body| Request::decode(body.value.as_slice()).ok());
        let Some(request) = body else { return };
        let meta = request.meta.clone();
        let sequencing_event_id = match message.sequencing_id {
            Some(SequencingId::EventId(id)) => id,
            _ => 0,
        };
        let Some(item) = item(&request).filter(|item| *item > 0) else {
            let failure = Failure { message: "an item must be more than nothing".into(), ..Default::default() };
            let rejection = Rejection {
                rejected_request_message_id: message.id.clone(),
                rejected_request_sequencing_event_id: sequencing_event_id,
                rejected_request: Some(request),
                failure: Some(failure),
            };
            self.reply(message, "reject", &rejection, false);
            return;
        };
        self.order.items.push(item);
        let acceptance = Acceptance {
            accepted_request_message_id: message.id.clone(),
            accepted_request_sequencing_event_id: sequencing_event_id,
            accepted_request: Some(request),
        };
        self.reply(message, "accept", &acceptance, true);
        let sum: u32 = self.order.items.iter().sum();
        let value = payloads(&sum).ok().map(outcome::Value::Success);
        self.reply(message, "complete", &Response { meta, outcome: Some(Outcome { value }) }, true);
    }

    fn reply<M: evertide_client::proto::prost::Message + Name>(
        &mut self,
        to: &Message,
        what: &str,
        body: &M,
        ordered: bool,
    ) {
        let id = format!("{}/{what}", to.id);
        if ordered {
            let attributes = command::ProtocolMessageCommandAttributes { message_id: id.clone() };
            self.push(CommandType::ProtocolMessage, Do::ProtocolMessageCommandAttributes(attributes.into()));
        }
        self.messages.push(Message {
            id,
            protocol_instance_id: to.protocol_instance_id.clone(),
            body: Some(Any { type_url: M::type_url(), value: body.encode_to_vec() }),
            sequencing_id: None,
        });
    }

    fn push(&mut self, kind: CommandType, attributes: Do) {
        let command = Command { command_type: kind.into(), attributes: Some(attributes), ..Default::default() };
        self.commands.push(command);
    }

    /// What each workflow does next.
    fn decide(&mut self, workflow_type: &str) -> Result<()> {
        match workflow_type {
            "Echo" => self.complete(self.order.input.first().cloned()),
            "Fail" => self.fail(),
            "Countdown" => return self.count_down(),
            "Charge" => self.charge(),
            "Order" => return self.order(),
            "Relay" => return self.relay(),
            _ => {}
        }
        Ok(())
    }

    /// Sums up its items, and completes when it is approved. Cancels when it is asked to.
    fn order(&mut self) -> Result<()> {
        if self.order.cancelled {
            let details = Some(payloads("as asked")?);
            let attributes = command::CancelWorkflowExecutionCommandAttributes { details };
            self.push(
                CommandType::CancelWorkflowExecution,
                Do::CancelWorkflowExecutionCommandAttributes(attributes.into()),
            );
        } else if let Some(by) = &self.order.approved_by {
            let sum: u32 = self.order.items.iter().sum();
            let receipt = to_payload(&format!("{sum} approved by {by}"))?;
            self.complete(Some(receipt));
        } else if !self.order.timer_started {
            let attributes = command::StartTimerCommandAttributes {
                timer_id: "patience".into(),
                start_to_fire_timeout: Some(Duration { seconds: 3600, nanos: 0 }),
            };
            self.push(CommandType::StartTimer, Do::StartTimerCommandAttributes(attributes.into()));
        }
        Ok(())
    }

    /// Continues as new until its number is zero.
    fn count_down(&mut self) -> Result<()> {
        let left: u32 = self.order.input.first().map_or(Ok(0), from_payload)?;
        match left {
            0 => self.complete(Some(to_payload("liftoff")?)),
            _ => self.continue_as_new(payloads(&(left - 1))?),
        }
        Ok(())
    }

    /// Continues as new when it is approved by "next", and completes when it is approved by anybody else.
    fn relay(&mut self) -> Result<()> {
        match self.order.approved_by.clone().as_deref() {
            Some("next") => self.continue_as_new(Payloads::default()),
            Some(by) => self.complete(Some(to_payload(by)?)),
            None => {}
        }
        Ok(())
    }

    fn continue_as_new(&mut self, input: Payloads) {
        let attributes =
            command::ContinueAsNewWorkflowExecutionCommandAttributes { input: Some(input), ..Default::default() };
        self.push(
            CommandType::ContinueAsNewWorkflowExecution,
            Do::ContinueAsNewWorkflowExecutionCommandAttributes(attributes.into()),
        );
    }

    /// Runs one activity and ends as it did.
    fn charge(&mut self) {
        match std::mem::take(&mut self.order.activity) {
            Activity::NotAsked => {
                let attributes = command::ScheduleActivityTaskCommandAttributes {
                    activity_id: "charge".into(),
                    activity_type: Some(ActivityType { name: "charge".into() }),
                    task_queue: self.order.task_queue.clone(),
                    start_to_close_timeout: Some(Duration { seconds: 60, nanos: 0 }),
                    retry_policy: Some(evertide_client::proto::common::RetryPolicy {
                        maximum_attempts: 1,
                        ..Default::default()
                    }),
                    ..Default::default()
                };
                self.push(
                    CommandType::ScheduleActivityTask,
                    Do::ScheduleActivityTaskCommandAttributes(attributes.into()),
                );
            }
            Activity::Asked => {}
            Activity::Completed(result) => self.complete(result.and_then(|result| result.payloads.into_iter().next())),
            Activity::Failed(failure) => self.fail_with(failure),
        }
    }

    fn fail(&mut self) {
        let failure = evertide_client::Failure::application("out of tea").with_type("OutOfTea").non_retryable();
        let failure = failure.with_detail(&7).unwrap_or_else(|error| evertide_client::Failure::from_error(&error));
        self.fail_with(failure.into_proto());
    }

    fn fail_with(&mut self, failure: Failure) {
        let attributes = command::FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
        self.push(CommandType::FailWorkflowExecution, Do::FailWorkflowExecutionCommandAttributes(attributes.into()));
    }

    fn complete(&mut self, result: Option<Payload>) {
        let result = result.map(|result| Payloads { payloads: vec![result] });
        let attributes = command::CompleteWorkflowExecutionCommandAttributes { result };
        self.push(
            CommandType::CompleteWorkflowExecution,
            Do::CompleteWorkflowExecutionCommandAttributes(attributes.into()),
        );
    }
}

fn item(request: &Request) -> Option<u32> {
    first(request.input.as_ref()?.args.as_ref())
}

fn first<T: evertide_client::ResultValue>(payloads: Option<&Payloads>) -> Option<T> {
    from_payload(payloads?.payloads.first()?).ok()
}

fn payloads<T: serde::Serialize + ?Sized>(value: &T) -> Result<Payloads> {
    Ok(Payloads { payloads: vec![to_payload(value)?] })
}
