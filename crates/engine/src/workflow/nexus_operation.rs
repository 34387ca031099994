//! Nexus operations of a workflow: those of the endpoint `__temporal_system`, by which workflow code asks this server for
//! what has no command of its own. There is one so far, SignalWithStartWorkflowExecution.
//!
//! Such an operation is a message like the others between executions: the command writes the scheduled event and puts the
//! request into the outbox; the target's workflow id takes it as from a client, with the operation's request id; the
//! answer writes the end. It never starts, and it is pending as long as its message is in the outbox.

#[cfg(test)]
mod tests;

use crate::address::Address;
use crate::duration;
use crate::env::Env;
use crate::message::{DeliveryResult, Message, Outgoing, SignalWithStart};
use crate::rejection::{Code, Detail, Rejection};
use crate::reply::Reply;
use crate::workflow::bad_command::BadCommand;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::links::request_id_link;
use crate::workflow::state::{Execution, State};
use crate::workflow::{ChainOutcome, start, workflow_task};
use bytes::Bytes;
use evertide_proto::command::command::Attributes as A;
use evertide_proto::command::{Command, ScheduleNexusOperationCommandAttributes};
use evertide_proto::common::link::{Variant, WorkflowEvent, workflow_event};
use evertide_proto::common::{Link, Payload};
use evertide_proto::enums::{EventType, WorkflowTaskFailedCause as Cause};
use evertide_proto::failure::failure::FailureInfo;
use evertide_proto::failure::{Failure, NexusOperationFailureInfo, ServerFailureInfo};
use evertide_proto::history::history_event::Attributes as EventAttributes;
use evertide_proto::history::{
    NexusOperationCancelRequestedEventAttributes, NexusOperationCompletedEventAttributes,
    NexusOperationFailedEventAttributes, NexusOperationScheduledEventAttributes,
};
use evertide_proto::workflowservice::{
    SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse,
};
use prost::Message as _;

/// The endpoint of the system itself, by which workflow code asks the server.
pub const SYSTEM_ENDPOINT: &str = "__temporal_system";
const SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";
const OPERATION: &str = "SignalWithStartWorkflowExecution";
const RESPONSE_TYPE: &str = "temporal.api.workflowservice.v1.SignalWithStartWorkflowExecutionResponse";
const BAD_SCHEDULE: Cause = Cause::BadScheduleNexusOperationAttributes;

/// ScheduleNexusOperation.
pub(super) fn schedule_command(
    draft: &mut Draft<'_, '_>,
    command: Command,
    completed_id: i64,
) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::ScheduleNexusOperationCommandAttributes(a)) = command.attributes else { return Ok(()) };
    if a.endpoint != SYSTEM_ENDPOINT {
        return Err(BadCommand::task(Cause::FeatureDisabled, "Nexus operations are not available on this server."));
    }
    let request_id = draft.env.ids.uuid();
    let request = read(draft, &a, &request_id).map_err(|r| BadCommand::task(BAD_SCHEDULE, r.message))?;
    let mut validated = request.clone();
    validated.request_id.clone_from(&request_id);
    start::prepare_signal_with_start(validated, draft.env).map_err(|r| BadCommand::task(BAD_SCHEDULE, r.message))?;
    let scheduled = NexusOperationScheduledEventAttributes {
        endpoint: a.endpoint,
        service: a.service,
        operation: a.operation,
        input: a.input,
        schedule_to_close_timeout: checked(a.schedule_to_close_timeout, "ScheduleToCloseTimeout")?,
        schedule_to_start_timeout: checked(a.schedule_to_start_timeout, "ScheduleToStartTimeout")?,
        start_to_close_timeout: checked(a.start_to_close_timeout, "StartToCloseTimeout")?,
        workflow_task_completed_event_id: completed_id,
        request_id: request_id.clone(),
        ..NexusOperationScheduledEventAttributes::default()
    };
    let scheduled_event_id = draft.event_with(scheduled, extra);
    send(draft, scheduled_event_id, request_id, request);
    Ok(())
}

fn checked(timeout: Option<prost_types::Duration>, field: &str) -> Result<Option<prost_types::Duration>, BadCommand> {
    duration::checked(timeout.as_ref()).map_err(|e| {
        let text = format!("ScheduleNexusOperationCommandAttributes.{field} is invalid: {e}");
        BadCommand::task(BAD_SCHEDULE, text)
    })
}

/// The request in the operation's input, which may not say what the operation says for it.
fn read(
    draft: &Draft<'_, '_>,
    a: &ScheduleNexusOperationCommandAttributes,
    request_id: &str,
) -> Result<SignalWithStartWorkflowExecutionRequest, Rejection> {
    if !a.nexus_header.is_empty() {
        return Err(Rejection::invalid(format!(
            "ScheduleNexusOperationCommandAttributes.NexusHeader must be empty when using {SYSTEM_ENDPOINT} endpoint"
        )));
    }
    if a.service != SERVICE {
        return Err(Rejection::invalid(format!("service \"{}\" not found", a.service)));
    }
    if a.operation != OPERATION {
        return Err(Rejection::invalid(format!("operation \"{}\" not found", a.operation)));
    }
    let request = decode(a.input.as_ref())?;
    let namespace = &draft.state().info.namespace;
    if !request.namespace.is_empty() && request.namespace != *namespace {
        return Err(Rejection::invalid(format!(
            "Namespace in request \"{}\" does not match namespace in context \"{namespace}\"",
            request.namespace
        )));
    }
    if !request.request_id.is_empty() {
        return Err(Rejection::invalid("RequestID should not be set on the request"));
    }
    if !request.links.is_empty() {
        return Err(Rejection::invalid("Links should not be set on the request"));
    }
    let namespace = namespace.clone();
    Ok(SignalWithStartWorkflowExecutionRequest { namespace, request_id: request_id.to_owned(), ..request })
}

/// SDKs send the request as protobuf in one payload.
fn decode(input: Option<&Payload>) -> Result<SignalWithStartWorkflowExecutionRequest, Rejection> {
    let Some(input) = input else { return Err(Rejection::invalid("Request is empty")) };
    let encoding = input.metadata.get("encoding").map_or(&b""[..], |e| e.as_ref());
    if encoding != b"binary/protobuf" {
        let encoding = String::from_utf8_lossy(encoding);
        return Err(Rejection::invalid(format!("cannot decode input of encoding \"{encoding}\"")));
    }
    SignalWithStartWorkflowExecutionRequest::decode(input.data.clone())
        .map_err(|e| Rejection::invalid(format!("cannot decode input: {e}")))
}

/// Sends the request of an operation whose scheduled event has been written.
fn send(
    draft: &mut Draft<'_, '_>,
    scheduled_event_id: i64,
    request_id: String,
    request: SignalWithStartWorkflowExecutionRequest,
) {
    let info = &draft.state().info;
    let link = Link {
        variant: Some(Variant::WorkflowEvent(WorkflowEvent {
            namespace: info.namespace.clone(),
            workflow_id: info.workflow_id.clone(),
            run_id: info.run_id.clone(),
            reference: Some(workflow_event::Reference::EventRef(workflow_event::EventReference {
                event_id: scheduled_event_id,
                event_type: EventType::NexusOperationScheduled.into(),
            })),
        })),
    };
    let namespace = info.namespace.clone();
    let request = SignalWithStartWorkflowExecutionRequest { namespace, request_id, links: vec![link], ..request };
    draft.send(Outgoing::new(
        Address::workflow(info.namespace_id.clone(), request.workflow_id.clone()),
        Message::SignalWithStart(SignalWithStart { scheduled_event_id, request: Some(request) }),
    ));
}

/// Sends the request of a scheduled event again, in a run that was reset. Operations of other endpoints are let be.
pub(super) fn send_again(
    draft: &mut Draft<'_, '_>,
    scheduled_event_id: i64,
    scheduled: &NexusOperationScheduledEventAttributes,
) {
    if scheduled.endpoint == SYSTEM_ENDPOINT
        && let Ok(request) = decode(scheduled.input.as_ref())
    {
        send(draft, scheduled_event_id, scheduled.request_id.clone(), request);
    }
}

/// RequestCancelNexusOperation. The request goes nowhere: what the operation asks for is done in one step.
pub(super) fn cancel_command(draft: &mut Draft<'_, '_>, command: Command, completed_id: i64) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::RequestCancelNexusOperationCommandAttributes(a)) = command.attributes else { return Ok(()) };
    let scheduled_event_id = a.scheduled_event_id;
    if !is_pending(draft.state(), scheduled_event_id) {
        let text = format!(
            "requested cancelation for a non-existing or already completed operation with scheduled event ID of \
             {scheduled_event_id}"
        );
        return Err(BadCommand::task(Cause::BadRequestCancelNexusOperationAttributes, text));
    }
    let attributes = NexusOperationCancelRequestedEventAttributes {
        scheduled_event_id,
        workflow_task_completed_event_id: completed_id,
    };
    draft.event_with(attributes, extra);
    Ok(())
}

/// Whether the workflow has not seen the end of an operation: there is none, or it waits in the buffer.
fn is_pending(state: &State, scheduled_event_id: i64) -> bool {
    let asked = state.outbox.values().any(
        |out| matches!(&out.message, Some(Message::SignalWithStart(m)) if m.scheduled_event_id == scheduled_event_id),
    );
    asked || state.buffered.iter().any(|e| ended(e.attributes.as_ref()) == Some(scheduled_event_id))
}

/// The scheduled event of the operation that an event ends.
pub(super) fn ended(attributes: Option<&EventAttributes>) -> Option<i64> {
    match attributes? {
        EventAttributes::NexusOperationCompletedEventAttributes(a) => Some(a.scheduled_event_id),
        EventAttributes::NexusOperationFailedEventAttributes(a) => Some(a.scheduled_event_id),
        EventAttributes::NexusOperationCanceledEventAttributes(a) => Some(a.scheduled_event_id),
        EventAttributes::NexusOperationTimedOutEventAttributes(a) => Some(a.scheduled_event_id),
        _ => None,
    }
}

/// The request, at the target's workflow id.
///
/// # Errors
/// The target is busy; the request is to be sent again.
pub(super) fn take_signal_with_start(
    message: SignalWithStart,
    current: Option<&mut Execution>,
    env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    let request = message.request.unwrap_or_default();
    if let Some(result) = current.as_deref().and_then(|current| taken_before(&current.state, &request.request_id)) {
        return Ok(ChainOutcome::answer(Reply::Delivered(result)));
    }
    let outcome = start::signal_with_start(request, current, env).unwrap_or_else(ChainOutcome::from);
    let result = match outcome.decided {
        Ok(Reply::Started { run_id, started, signal_link, .. }) => {
            DeliveryResult::SignaledWithStart { run_id, started, signal_link: signal_link.map(Box::new) }
        }
        Ok(_) => DeliveryResult::Taken,
        Err(rejection) if rejection.code == Code::ResourceExhausted => return Err(rejection),
        Err(rejection) => DeliveryResult::Refused { message: told(&rejection) },
    };
    Ok(ChainOutcome { decided: Ok(Reply::Delivered(result)), ..outcome })
}

/// The answer to a request that the newest run has taken, even if it has ended since: a repeat.
fn taken_before(state: &State, request_id: &str) -> Option<DeliveryResult> {
    state.signal_request_ids.get(request_id)?;
    let signal_link = request_id_link(state, request_id, EventType::WorkflowExecutionSignaled);
    Some(DeliveryResult::SignaledWithStart {
        run_id: state.info.run_id.clone(),
        started: state.info.create_request_id == request_id,
        signal_link: Some(Box::new(signal_link)),
    })
}

/// A refusal as the failure of an operation tells it.
fn told(rejection: &Rejection) -> String {
    let kind = match (&rejection.code, &rejection.detail) {
        (_, Detail::AlreadyStarted { .. }) => "WorkflowExecutionAlreadyStarted",
        (Code::InvalidArgument, _) => "InvalidArgument",
        (Code::NotFound, _) => "NotFound",
        (Code::FailedPrecondition, _) => "FailedPrecondition",
        _ => "Refused",
    };
    format!("{kind}: {}", rejection.message)
}

/// The target's answer.
pub(super) fn answered(draft: &mut Draft<'_, '_>, message: &SignalWithStart, result: DeliveryResult) {
    if !draft.state().is_running() {
        return;
    }
    let scheduled_event_id = message.scheduled_event_id;
    let request_id = message.request.as_ref().map_or_else(String::new, |r| r.request_id.clone());
    let (attributes, links): (EventAttributes, _) = match result {
        DeliveryResult::SignaledWithStart { run_id, started, signal_link } => {
            let link = signal_link.map(|l| *l);
            let response = SignalWithStartWorkflowExecutionResponse {
                run_id,
                started,
                signal_link: link.clone(),
                ..SignalWithStartWorkflowExecutionResponse::default()
            };
            let result = Some(payload(&response));
            let attributes = NexusOperationCompletedEventAttributes { scheduled_event_id, result, request_id };
            (attributes.into(), link.into_iter().collect())
        }
        other => {
            let message = match other {
                DeliveryResult::Refused { message } => message,
                other => format!("Refused: {other:?}"),
            };
            let failure = Some(failure(scheduled_event_id, message));
            (NexusOperationFailedEventAttributes { scheduled_event_id, failure, request_id }.into(), Vec::new())
        }
    };
    draft.arrive(attributes, EventExtra { links, ..EventExtra::default() });
    workflow_task::schedule(draft);
}

fn payload(response: &SignalWithStartWorkflowExecutionResponse) -> Payload {
    Payload {
        metadata: [
            ("encoding".to_owned(), Bytes::from_static(b"binary/protobuf")),
            ("messageType".to_owned(), Bytes::from_static(RESPONSE_TYPE.as_bytes())),
        ]
        .into(),
        data: response.encode_to_vec().into(),
        ..Payload::default()
    }
}

fn failure(scheduled_event_id: i64, message: String) -> Failure {
    let cause = Failure {
        message,
        failure_info: Some(FailureInfo::ServerFailureInfo(ServerFailureInfo { non_retryable: true })),
        ..Failure::default()
    };
    Failure {
        message: "nexus operation completed unsuccessfully".to_owned(),
        cause: Some(Box::new(cause)),
        failure_info: Some(FailureInfo::NexusOperationExecutionFailureInfo(NexusOperationFailureInfo {
            scheduled_event_id,
            endpoint: SYSTEM_ENDPOINT.to_owned(),
            service: SERVICE.to_owned(),
            operation: OPERATION.to_owned(),
            ..NexusOperationFailureInfo::default()
        })),
        ..Failure::default()
    }
}
