//! Messages between the server and a worker about updates.

use crate::effects::UpdateSignal;
use crate::rejection::Rejection;
use crate::workflow::bad_command::BadCommand;
use crate::workflow::change::{Change, RequestSeen};
use crate::workflow::draft::Draft;
use crate::workflow::info::RequestId;
use crate::workflow::update::{forget_admitted, outcome_of_failure};
use crate::workflow::workflow_task::state::WorkflowTask;
use evertide_proto::command::Command;
use evertide_proto::command::command::Attributes as A;
use evertide_proto::enums::{EventType, WorkflowTaskFailedCause as Cause};
use evertide_proto::history::{
    WorkflowExecutionUpdateAcceptedEventAttributes, WorkflowExecutionUpdateCompletedEventAttributes,
};
use evertide_proto::protocol::Message;
use evertide_proto::protocol::message::SequencingId;
use evertide_proto::update::{Acceptance, Rejection as UpdateRejection, Response};
use evertide_proto::workflowservice::RespondWorkflowTaskCompletedRequest;
use prost::Message as _;
use prost_types::Any;
use std::collections::VecDeque;

const PROTOCOL: &str = "temporal.api.update.v1";

/// Messages of a worker's answer that no command has taken yet.
#[derive(Debug, Default)]
pub(in crate::workflow) struct Messages {
    waiting: VecDeque<Message>,
}

impl Messages {
    /// All of an answer.
    pub(in crate::workflow) fn new(messages: Vec<Message>) -> Self {
        Self { waiting: messages.into() }
    }

    fn take(&mut self, id: &str) -> Option<Message> {
        let place = self.waiting.iter().position(|m| m.id == id)?;
        self.waiting.remove(place)
    }
}

/// Messages for the worker that takes a task; from now on it has those updates. A worker that is handed its next task
/// in an answer remembers what it was sent before; one that polls gets everything that is not answered.
pub(in crate::workflow) fn messages_for_task(
    draft: &mut Draft<'_, '_>,
    started_event_id: i64,
    inline: bool,
) -> Vec<Message> {
    let mut messages = Vec::new();
    for update in draft.exec.volatile.updates.iter_mut().filter(|u| !(inline && u.sent)) {
        update.sent = true;
        messages.push(Message {
            id: format!("{}/request", update.id),
            protocol_instance_id: update.id.clone(),
            sequencing_id: Some(SequencingId::EventId(started_event_id - 1)),
            body: Any::from_msg(&update.request).ok(),
        });
    }
    messages
}

/// What is wrong with messages before anything is done.
pub(in crate::workflow) fn check_messages(messages: &[Message]) -> Result<(), Rejection> {
    if messages.iter().any(|m| m.body.is_none()) {
        return Err(Rejection::invalid("nil message body"));
    }
    Ok(())
}

/// Whether an answer to a speculative task leaves nothing behind, so that the task never happened.
pub(in crate::workflow) fn leaves_nothing(
    draft: &Draft<'_, '_>,
    task: &WorkflowTask,
    request: &RespondWorkflowTaskCompletedRequest,
) -> bool {
    /// Events after the last completed task that a worker which says so can step back over.
    const MOST_EVENTS_TO_STEP_BACK: i64 = 10;
    if !task.speculative || request.force_create_new_workflow_task || !request.commands.is_empty() {
        return false;
    }
    if !request.messages.iter().all(|m| kind_of(m) == MessageKind::Rejection) {
        return false;
    }
    let since = draft.state().next_event_id - (draft.state().info.previous_started_event_id + 2);
    let steps_back = request.capabilities.is_some_and(|c| c.discard_speculative_workflow_task_with_events);
    since <= if steps_back { MOST_EVENTS_TO_STEP_BACK } else { 0 }
}

/// Takes the rejections of an answer that leaves nothing behind.
pub(in crate::workflow) fn take_rejections(draft: &mut Draft<'_, '_>, messages: &[Message]) {
    for message in messages {
        let body = message.body.as_ref().map_or_else(Vec::new, |b| b.value.clone());
        let rejection = UpdateRejection::decode(body.as_slice()).unwrap_or_default();
        reject(draft, &message.protocol_instance_id, rejection);
    }
}

/// ProtocolMessage, a command: takes its message at this place.
pub(in crate::workflow) fn message_command(
    draft: &mut Draft<'_, '_>,
    command: Command,
    messages: &mut Messages,
    completed_id: i64,
) -> Result<(), BadCommand> {
    let Some(A::ProtocolMessageCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    if a.message_id.is_empty() {
        return Err(bad("MessageID is not set on ProtocolMessageCommand."));
    }
    let Some(message) = messages.take(&a.message_id) else {
        return Err(bad(format!("ProtocolMessageCommand referenced absent message ID {}", a.message_id)));
    };
    take(draft, &message, completed_id)
}

/// Takes the messages that no command has taken.
pub(in crate::workflow) fn take_messages(
    draft: &mut Draft<'_, '_>,
    messages: &mut Messages,
    completed_id: i64,
) -> Result<(), BadCommand> {
    while let Some(message) = messages.waiting.pop_front() {
        // Once the run has closed nothing more is written, but a rejection writes nothing.
        if draft.state().is_running() || kind_of(&message) == MessageKind::Rejection {
            take(draft, &message, completed_id)?;
        }
    }
    Ok(())
}

fn bad(text: impl Into<String>) -> BadCommand {
    BadCommand::task(Cause::BadUpdateWorkflowExecutionMessage, text)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum MessageKind {
    Acceptance,
    Rejection,
    Response,
    /// A message of the protocol that a worker does not send: its short name.
    Other(String),
    /// Not a message of the protocol: the name of its own.
    Foreign(String),
}

fn kind_of(message: &Message) -> MessageKind {
    let url = message.body.as_ref().map_or("", |b| &b.type_url);
    let full = url.rsplit('/').next().unwrap_or_default();
    match full.rsplit_once('.') {
        Some((PROTOCOL, "Acceptance")) => MessageKind::Acceptance,
        Some((PROTOCOL, "Rejection")) => MessageKind::Rejection,
        Some((PROTOCOL, "Response")) => MessageKind::Response,
        Some((PROTOCOL, name)) => MessageKind::Other(name.to_owned()),
        Some((protocol, _)) => MessageKind::Foreign(protocol.to_owned()),
        None => MessageKind::Foreign(full.to_owned()),
    }
}

fn take(draft: &mut Draft<'_, '_>, message: &Message, completed_id: i64) -> Result<(), BadCommand> {
    let kind = kind_of(message);
    if let MessageKind::Foreign(protocol) = &kind {
        return Err(bad(format!("unsupported protocol type {protocol}")));
    }
    let body = message.body.as_ref().map_or(&[][..], |b| b.value.as_slice());
    let size = message.encoded_len();
    if size > draft.limits().blob_size_bytes {
        let url = message.body.as_ref().map_or("", |b| &b.type_url);
        let name = url.rsplit('/').next().unwrap_or_default();
        let text = format!("Message type {name} exceeds size limit.");
        return Err(BadCommand::terminate(Cause::BadUpdateWorkflowExecutionMessage, text));
    }
    let id = message.protocol_instance_id.as_str();
    let unreadable = |e: prost::DecodeError| bad(format!("unable to unmarshal message body: {e}"));
    match kind {
        MessageKind::Acceptance => accept(draft, id, Acceptance::decode(body).map_err(unreadable)?, completed_id),
        MessageKind::Response => respond(draft, id, Response::decode(body).map_err(unreadable)?, completed_id),
        MessageKind::Rejection => {
            let rejection = UpdateRejection::decode(body).map_err(unreadable)?;
            check_rejection(draft, id, &rejection, completed_id)?;
            reject(draft, id, rejection);
            Ok(())
        }
        MessageKind::Other(name) => {
            find(draft, id, false)?;
            Err(bad(format!("Message type *update.{name} not supported")))
        }
        MessageKind::Foreign(_) => Ok(()),
    }
}

/// How far an update is, as refusals name it; an error if the run does not know the update and the worker's message
/// does not bring it back.
fn find(draft: &Draft<'_, '_>, id: &str, brings_back: bool) -> Result<Option<Progress>, BadCommand> {
    if let Some(live) = draft.exec.volatile.update(id) {
        return Ok(Some(if live.sent { Progress::Sent } else { Progress::Admitted }));
    }
    if let Some(info) = draft.state().updates.get(id) {
        return Ok(Some(match info {
            info if info.completed_event_id != 0 => Progress::Completed(info.completed_event_id),
            info if info.accepted_event_id != 0 => Progress::Accepted(info.accepted_event_id),
            _ => Progress::Sent,
        }));
    }
    if brings_back {
        return Ok(None);
    }
    Err(bad(format!(
        "update {id} wasn't found on the server. This is most likely a transient error which will be resolved automatically by retries"
    )))
}

/// How far an update is when a message for it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Admitted,
    Sent,
    /// With the id of its accepted event.
    Accepted(i64),
    /// With the id of its completed event.
    Completed(i64),
}

impl Progress {
    /// As refusals name it: what happened in this very answer is provisional.
    fn name(self, completed_id: i64) -> &'static str {
        match self {
            Self::Admitted => "Admitted",
            Self::Sent => "Sent",
            Self::Accepted(id) if id > completed_id => "ProvisionallyAccepted",
            Self::Accepted(_) => "Accepted",
            Self::Completed(id) if id > completed_id => "ProvisionallyCompleted",
            Self::Completed(_) => "Completed",
        }
    }
}

fn wrong_state(id: &str, message: &str, state: Progress, completed_id: i64) -> BadCommand {
    bad(format!(
        "invalid state transition attempted for Update {id}: received *update.{message} message while in state {}",
        state.name(completed_id)
    ))
}

fn accept(draft: &mut Draft<'_, '_>, id: &str, acceptance: Acceptance, completed_id: i64) -> Result<(), BadCommand> {
    let state = find(draft, id, acceptance.accepted_request.is_some())?;
    if let Some(state) = state
        && state != Progress::Sent
    {
        return Err(wrong_state(id, "Acceptance", state, completed_id));
    }
    if acceptance.accepted_request_sequencing_event_id == 0 {
        return Err(bad("invalid *update.Acceptance: accepted_request_sequencing_event_id is not set"));
    }
    if acceptance.accepted_request_message_id.is_empty() {
        return Err(bad("invalid *update.Acceptance: accepted_request_message_id is not set"));
    }
    let admitted = draft.state().updates.contains_key(id);
    let live =
        draft.exec.volatile.updates.iter().position(|u| u.id == id).map(|i| draft.exec.volatile.updates.remove(i));
    let request = live.map(|u| u.request).or(acceptance.accepted_request).filter(|_| !admitted);
    let request_id = request.as_ref().map_or_else(String::new, |r| r.request_id.clone());
    let event_id = draft.event(WorkflowExecutionUpdateAcceptedEventAttributes {
        protocol_instance_id: id.to_owned(),
        accepted_request_message_id: acceptance.accepted_request_message_id,
        accepted_request_sequencing_event_id: acceptance.accepted_request_sequencing_event_id,
        accepted_request: request,
    });
    if !request_id.is_empty() {
        let made = RequestId { event_type: EventType::WorkflowExecutionUpdateAccepted.into(), event_id };
        draft.record(Change::RequestSeen(RequestSeen { id: request_id, made }));
    }
    draft.tell_update(id, UpdateSignal::Accepted);
    Ok(())
}

fn respond(draft: &mut Draft<'_, '_>, id: &str, response: Response, completed_id: i64) -> Result<(), BadCommand> {
    let state = find(draft, id, false)?;
    let Some(Progress::Accepted(accepted_event_id)) = state else {
        return Err(wrong_state(id, "Response", state.unwrap_or(Progress::Sent), completed_id));
    };
    let Some(meta) = response.meta else {
        return Err(bad("invalid *update.Response: meta is not set"));
    };
    if meta.update_id.is_empty() {
        return Err(bad("invalid *update.Response: meta.update_id is not set"));
    }
    if meta.update_id != id {
        return Err(bad(format!("invalid *update.Response: meta.update_id != {id}")));
    }
    let Some(outcome) = response.outcome else {
        return Err(bad("invalid *update.Response: outcome is not set"));
    };
    draft.event(WorkflowExecutionUpdateCompletedEventAttributes {
        meta: Some(meta),
        accepted_event_id,
        outcome: Some(outcome.clone()),
    });
    draft.tell_update(id, UpdateSignal::Completed(outcome));
    Ok(())
}

fn check_rejection(
    draft: &Draft<'_, '_>,
    id: &str,
    rejection: &UpdateRejection,
    completed_id: i64,
) -> Result<(), BadCommand> {
    match find(draft, id, rejection.rejected_request.is_some())? {
        None | Some(Progress::Sent) => Ok(()),
        Some(state) => Err(wrong_state(id, "Rejection", state, completed_id)),
    }
}

/// A rejected update leaves nothing: its callers are told, its id is free again.
fn reject(draft: &mut Draft<'_, '_>, id: &str, rejection: UpdateRejection) {
    draft.exec.volatile.updates.retain(|u| u.id != id);
    forget_admitted(draft, id);
    let outcome = outcome_of_failure(rejection.failure.unwrap_or_default());
    draft.tell_update(id, UpdateSignal::Completed(outcome));
}
