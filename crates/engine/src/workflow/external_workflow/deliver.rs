//! Signals and cancel requests as their target takes them.

use crate::message::{CancelMessage, Delivery, DeliveryResult, SignalMessage};
use crate::workflow::draft::Draft;
use crate::workflow::identity::SERVER_IDENTITY;
use crate::workflow::signal::{self, Signal};
use crate::workflow::{close, workflow_task};
use evertide_proto::history::WorkflowExecutionCancelRequestedEventAttributes;

/// A signal from another workflow.
pub(in crate::workflow) fn take_signal(
    draft: &mut Draft<'_, '_>,
    delivery: &Delivery,
    message: SignalMessage,
) -> DeliveryResult {
    let command = message.initiated;
    if is_refused(draft, delivery, command.child_workflow_only) || !draft.state().is_running() {
        return DeliveryResult::NotFound;
    }
    if draft.state().signal_request_ids.contains_key(&message.request_id) {
        return DeliveryResult::Taken;
    }
    if draft.state().info.signal_count >= draft.limits().signals {
        return DeliveryResult::SignalLimit;
    }
    let signal = Signal {
        name: command.signal_name,
        input: command.input,
        identity: SERVER_IDENTITY.to_owned(),
        header: command.header,
        request_id: message.request_id,
        links: Vec::new(),
        external: Some(delivery.source.execution.clone()),
    };
    signal::write(draft, signal);
    workflow_task::schedule(draft);
    DeliveryResult::Taken
}

/// A cancel request from another workflow. A run is asked once; one that has ended needs no asking.
pub(in crate::workflow) fn take_cancel(
    draft: &mut Draft<'_, '_>,
    delivery: &Delivery,
    message: &CancelMessage,
) -> DeliveryResult {
    let request = &message.initiated;
    if is_refused(draft, delivery, request.child_workflow_only) {
        return DeliveryResult::NotFound;
    }
    if draft.state().is_running() && !draft.state().info.cancel_requested {
        let attributes = WorkflowExecutionCancelRequestedEventAttributes {
            cause: request.reason.clone(),
            external_initiated_event_id: message.initiated_event_id,
            external_workflow_execution: Some(delivery.source.execution.clone()),
            identity: SERVER_IDENTITY.to_owned(),
        };
        close::write_cancel_request(draft, attributes, Vec::new());
    }
    DeliveryResult::Taken
}

/// Whether the sender may not reach this run: it is the sender's own id, or not the sender's child although only a
/// child is meant.
fn is_refused(draft: &Draft<'_, '_>, delivery: &Delivery, child_workflow_only: bool) -> bool {
    let info = &draft.state().info;
    let source = &delivery.source;
    let is_self = info.namespace_id == source.namespace_id && info.workflow_id == source.execution.workflow_id;
    is_self || (child_workflow_only && !is_sent_by_parent(draft, delivery))
}

/// Whether the sender is the run that started this workflow as its child.
fn is_sent_by_parent(draft: &Draft<'_, '_>, delivery: &Delivery) -> bool {
    let started = &draft.state().started;
    started.parent_workflow_execution.as_ref() == Some(&delivery.source.execution)
        && started.parent_workflow_namespace_id == delivery.source.namespace_id
}
