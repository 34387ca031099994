//! Signals and cancel requests to other workflows.
//!
//! The command writes the initiated event and puts a message into the outbox, in one commit; the target takes it in a
//! commit of its own ([`deliver`]); the answer makes the second event here. Until then the request is pending in
//! [`State::external_signals`](crate::workflow::State) or `external_cancels`, keyed by the initiated event: an answer
//! for what is not pending is a repeat. The target knows repeats too: a signal by its request id, a cancel request
//! because a run is asked only once.
//!
//! A workflow cannot reach its own id this way: that counts as not found, as the protocol has it.

mod deliver;
pub(super) mod state;
#[cfg(test)]
mod tests;

pub(super) use deliver::{take_cancel, take_signal};

use crate::address::Address;
use crate::env::is_uuid;
use crate::message::{CancelMessage, DeliveryResult, Message, Outgoing, SignalMessage};
use crate::namespace::Namespaces;
use crate::rejection::Rejection;
use crate::workflow::bad_command::BadCommand;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::external_workflow::state::External;
use crate::workflow::state::State;
use crate::workflow::workflow_task;
use evertide_proto::command::Command;
use evertide_proto::command::command::Attributes as A;
use evertide_proto::common::WorkflowExecution;
use evertide_proto::enums::{
    CancelExternalWorkflowExecutionFailedCause as CancelFailure,
    SignalExternalWorkflowExecutionFailedCause as SignalFailure, WorkflowTaskFailedCause as Cause,
};
use evertide_proto::history::{
    ExternalWorkflowExecutionCancelRequestedEventAttributes, ExternalWorkflowExecutionSignaledEventAttributes,
    RequestCancelExternalWorkflowExecutionFailedEventAttributes,
    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    SignalExternalWorkflowExecutionFailedEventAttributes, SignalExternalWorkflowExecutionInitiatedEventAttributes,
};
use prost::Message as _;

const BAD_SIGNAL: Cause = Cause::BadSignalWorkflowExecutionAttributes;
const BAD_CANCEL: Cause = Cause::BadRequestCancelExternalWorkflowExecutionAttributes;

/// SignalExternalWorkflowExecution, a command.
pub(super) fn signal_command(draft: &mut Draft<'_, '_>, command: Command, completed_id: i64) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::SignalExternalWorkflowExecutionCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    let namespace_id = target_namespace(draft, &a.namespace)?;
    let Some(target) = a.execution else {
        return Err(BadCommand::task(BAD_SIGNAL, "Execution is not set on SignalExternalWorkflowExecutionCommand."));
    };
    check_cross_namespace(draft, &namespace_id, BAD_SIGNAL)?;
    check_signal(draft.limits().id_length_bytes, &target, &a.namespace, &a.signal_name)
        .map_err(|text| BadCommand::task(BAD_SIGNAL, text))?;
    let (pending, limit) = (draft.state().external_signals.len(), draft.limits().pending_signals);
    check_count("pending signals to external workflows", pending, limit, Cause::PendingSignalsLimitExceeded)?;
    if a.input.as_ref().map_or(0, |i| i.encoded_len()) > draft.limits().blob_size_bytes {
        let text = "SignalExternalWorkflowExecutionCommandAttributes.Input exceeds size limit.";
        return Err(BadCommand::terminate(BAD_SIGNAL, text));
    }
    let initiated = SignalExternalWorkflowExecutionInitiatedEventAttributes {
        workflow_task_completed_event_id: completed_id,
        namespace: a.namespace,
        namespace_id,
        workflow_execution: Some(target),
        signal_name: a.signal_name,
        input: a.input,
        control: a.control,
        child_workflow_only: a.child_workflow_only,
        header: a.header,
    };
    let initiated_event_id = draft.event_with(initiated.clone(), extra);
    let request_id = draft.env.ids.uuid();
    send_signal(draft, SignalMessage { initiated_event_id, request_id, initiated });
    Ok(())
}

/// Sends a signal whose initiated event has been written.
pub(super) fn send_signal(draft: &mut Draft<'_, '_>, message: SignalMessage) {
    let target = message.initiated.workflow_execution.clone().unwrap_or_default();
    let namespace_id = message.initiated.namespace_id.clone();
    draft.send(outgoing(namespace_id, target, Message::Signal(message)));
}

/// RequestCancelExternalWorkflowExecution, a command.
pub(super) fn cancel_command(draft: &mut Draft<'_, '_>, command: Command, completed_id: i64) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::RequestCancelExternalWorkflowExecutionCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    let namespace_id = target_namespace(draft, &a.namespace)?;
    check_cross_namespace(draft, &namespace_id, BAD_CANCEL)?;
    let target = WorkflowExecution { workflow_id: a.workflow_id, run_id: a.run_id };
    check_cancel(draft, &target, &a.namespace, completed_id).map_err(|text| BadCommand::task(BAD_CANCEL, text))?;
    let (pending, limit) = (draft.state().external_cancels.len(), draft.limits().pending_cancel_requests);
    let what = "pending requests to cancel external workflows";
    check_count(what, pending, limit, Cause::PendingRequestCancelLimitExceeded)?;
    let initiated = RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
        workflow_task_completed_event_id: completed_id,
        namespace: a.namespace,
        namespace_id,
        workflow_execution: Some(target),
        control: a.control,
        child_workflow_only: a.child_workflow_only,
        reason: a.reason,
    };
    let initiated_event_id = draft.event_with(initiated.clone(), extra);
    let request_id = draft.env.ids.uuid();
    send_cancel(draft, CancelMessage { initiated_event_id, request_id, initiated });
    Ok(())
}

/// Sends a cancel request whose initiated event has been written.
pub(super) fn send_cancel(draft: &mut Draft<'_, '_>, message: CancelMessage) {
    let target = message.initiated.workflow_execution.clone().unwrap_or_default();
    let namespace_id = message.initiated.namespace_id.clone();
    draft.send(outgoing(namespace_id, target, Message::Cancel(message)));
}

fn outgoing(namespace_id: String, target: WorkflowExecution, message: Message) -> Outgoing {
    Outgoing::new(
        Address { namespace_id, id: target.workflow_id, run_id: target.run_id, ..Address::default() },
        message,
    )
}

/// The target's answer to a signal.
pub(super) fn signal_answered(draft: &mut Draft<'_, '_>, initiated_event_id: i64, result: &DeliveryResult) {
    let Some((pending, namespace)) = answered(draft, initiated_event_id, |s| &s.external_signals) else {
        return;
    };
    let cause = match result {
        DeliveryResult::Taken => {
            let attributes = ExternalWorkflowExecutionSignaledEventAttributes {
                initiated_event_id,
                namespace,
                namespace_id: pending.namespace_id,
                workflow_execution: pending.target,
                control: pending.control,
            };
            draft.arrive(attributes, EventExtra::default());
            return workflow_task::schedule(draft);
        }
        DeliveryResult::NamespaceNotFound => SignalFailure::NamespaceNotFound,
        DeliveryResult::SignalLimit => SignalFailure::SignalCountLimitExceeded,
        _ => SignalFailure::ExternalWorkflowExecutionNotFound,
    };
    let attributes = SignalExternalWorkflowExecutionFailedEventAttributes {
        cause: cause.into(),
        workflow_task_completed_event_id: 0,
        namespace,
        namespace_id: pending.namespace_id,
        workflow_execution: pending.target,
        initiated_event_id,
        control: pending.control,
    };
    draft.arrive(attributes, EventExtra::default());
    workflow_task::schedule(draft);
}

/// The target's answer to a cancel request.
pub(super) fn cancel_answered(draft: &mut Draft<'_, '_>, initiated_event_id: i64, result: &DeliveryResult) {
    let Some((pending, namespace)) = answered(draft, initiated_event_id, |s| &s.external_cancels) else {
        return;
    };
    let cause = match result {
        DeliveryResult::Taken => {
            let attributes = ExternalWorkflowExecutionCancelRequestedEventAttributes {
                initiated_event_id,
                namespace,
                namespace_id: pending.namespace_id,
                workflow_execution: pending.target,
            };
            draft.arrive(attributes, EventExtra::default());
            return workflow_task::schedule(draft);
        }
        DeliveryResult::NamespaceNotFound => CancelFailure::NamespaceNotFound,
        _ => CancelFailure::ExternalWorkflowExecutionNotFound,
    };
    // The control of the command is not echoed here, unlike in the answers to signals.
    let attributes = RequestCancelExternalWorkflowExecutionFailedEventAttributes {
        cause: cause.into(),
        workflow_task_completed_event_id: 0,
        namespace,
        namespace_id: pending.namespace_id,
        workflow_execution: pending.target,
        initiated_event_id,
        control: String::new(),
    };
    draft.arrive(attributes, EventExtra::default());
    workflow_task::schedule(draft);
}

/// The pending request that an answer is for and the name of its namespace; none if nobody waits for it any more.
fn answered(
    draft: &Draft<'_, '_>,
    initiated_event_id: i64,
    pending: impl Fn(&State) -> &std::collections::BTreeMap<i64, External>,
) -> Option<(External, String)> {
    if !draft.state().is_running() {
        return None;
    }
    let external = pending(draft.state()).get(&initiated_event_id)?.clone();
    let namespace = namespace_name(draft, &external.namespace, &external.namespace_id);
    Some((external, namespace))
}

/// The name of a namespace for an event: as the command said it, or else by its id.
fn namespace_name(draft: &Draft<'_, '_>, said: &str, id: &str) -> String {
    if !said.is_empty() {
        return said.to_owned();
    }
    draft.env.namespaces.with_id(id).map_or_else(|| draft.state().info.namespace.clone(), |n| n.name.clone())
}

/// Id of the namespace that a command names; the workflow's own if it names none. An unknown one refuses the call and
/// leaves the task open, since the namespace may only just be on its way here.
pub(super) fn target_namespace(draft: &Draft<'_, '_>, name: &str) -> Result<String, BadCommand> {
    if name.is_empty() {
        return Ok(draft.state().info.namespace_id.clone());
    }
    id_of(draft.env.namespaces, name)
}

fn id_of(namespaces: &Namespaces, name: &str) -> Result<String, BadCommand> {
    let found = namespaces.named(name).map(|n| n.id.clone());
    found.ok_or_else(|| BadCommand::rpc(Rejection::namespace_not_found(name)))
}

/// Commands reach into other namespaces only where a setting lets them.
pub(super) fn check_cross_namespace(draft: &Draft<'_, '_>, target_id: &str, cause: Cause) -> Result<(), BadCommand> {
    if target_id == draft.state().info.namespace_id || draft.limits().cross_namespace_commands {
        return Ok(());
    }
    Err(BadCommand::task(cause, "cross namespace commands are not allowed"))
}

/// A run has only so many requests of a kind under way.
pub(super) fn check_count(what: &str, pending: usize, limit: usize, cause: Cause) -> Result<(), BadCommand> {
    if pending < limit {
        return Ok(());
    }
    let text = format!("the number of {what}, {pending}, has reached the per-workflow limit of {limit}");
    Err(BadCommand::task(cause, text))
}

fn check_signal(limit: usize, target: &WorkflowExecution, namespace: &str, signal: &str) -> Result<(), String> {
    const COMMAND: &str = "SignalExternalWorkflowExecutionCommand";
    let (id, run_id) = (&target.workflow_id, &target.run_id);
    if id.is_empty() {
        return Err(format!(
            "WorkflowId is not set on {COMMAND}. Namespace={namespace} RunId={run_id} SignalName={signal}"
        ));
    }
    if id.len() > limit {
        return Err(format!(
            "WorkflowId on {COMMAND} exceeds length limit. WorkflowId={id} Length={} Limit={limit} \
             Namespace={namespace} RunId={run_id} SignalName={signal}",
            id.len()
        ));
    }
    if !run_id.is_empty() && !is_uuid(run_id) {
        return Err(format!(
            "Invalid RunId set on {COMMAND}. WorkflowId={id} Namespace={namespace} RunId={run_id} SignalName={signal}"
        ));
    }
    if signal.is_empty() {
        return Err(format!(
            "SignalName is not set on {COMMAND}. WorkflowId={id} Namespace={namespace} RunId={run_id}"
        ));
    }
    Ok(())
}

fn check_cancel(
    draft: &Draft<'_, '_>,
    target: &WorkflowExecution,
    namespace: &str,
    completed_id: i64,
) -> Result<(), String> {
    const COMMAND: &str = "RequestCancelExternalWorkflowExecutionCommand";
    let limit = draft.limits().id_length_bytes;
    let (id, run_id) = (&target.workflow_id, &target.run_id);
    if id.is_empty() {
        return Err(format!("WorkflowId is not set on {COMMAND}. Namespace={namespace} RunId={run_id}"));
    }
    if id.len() > limit {
        return Err(format!(
            "WorkflowId on {COMMAND} exceeds length limit. WorkflowId={id} Length={} Limit={limit} RunId={run_id} \
             Namespace={namespace}",
            id.len()
        ));
    }
    let whole = format!("WorkflowId={id} RunId={run_id} Namespace={namespace}");
    if !run_id.is_empty() && !is_uuid(run_id) {
        return Err(format!("Invalid RunId set on {COMMAND}. {whole}"));
    }
    let mut children = draft.state().children.values().map(|c| &c.initiated);
    if children.any(|c| c.workflow_task_completed_event_id == completed_id && c.workflow_id == *id) {
        return Err(format!(
            "Start and RequestCancel for child workflow is not allowed in same workflow task. {whole}"
        ));
    }
    Ok(())
}
