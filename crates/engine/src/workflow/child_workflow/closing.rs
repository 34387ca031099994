//! What is heard of ends: a child's, at its parent, and a parent's, at its children.

use crate::address::Address;
use crate::message::{ChildClosed, Delivery, DeliveryResult, Message, Outgoing, ParentClosed};
use crate::workflow::change::Change;
use crate::workflow::child_workflow::is_started;
use crate::workflow::child_workflow::starting::write_started;
use crate::workflow::child_workflow::state::{Child, ChildEnd};
use crate::workflow::child_workflow::telling::take_back_start;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::identity::SERVER_IDENTITY;
use crate::workflow::state::State;
use crate::workflow::{close, workflow_task};
use evertide_proto::common::WorkflowExecution;
use evertide_proto::enums::ParentClosePolicy;
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::history::{
    ChildWorkflowExecutionCanceledEventAttributes, ChildWorkflowExecutionCompletedEventAttributes,
    ChildWorkflowExecutionFailedEventAttributes, ChildWorkflowExecutionTerminatedEventAttributes,
    ChildWorkflowExecutionTimedOutEventAttributes, HistoryEvent, WorkflowExecutionCancelRequestedEventAttributes,
};
use prost::Message as _;

/// A child's end, at the parent.
pub(in crate::workflow) fn child_closed(draft: &mut Draft<'_, '_>, message: ChildClosed) -> DeliveryResult {
    if !draft.state().is_running() {
        let kept = keep_end(draft, &message);
        return match forward(draft, message) {
            DeliveryResult::NotFound if kept => DeliveryResult::Taken,
            result => result,
        };
    }
    let initiated_event_id = message.initiated_event_id;
    let Some(child) = draft.state().children.get(&initiated_event_id) else {
        return DeliveryResult::NotFound;
    };
    if child.initiated.workflow_id != message.workflow_id {
        return DeliveryResult::NotFound;
    }
    if is_started(child) {
        if child.run_id != message.first_run_id {
            return DeliveryResult::NotFound;
        }
    } else if message.forwarded {
        // It may be a child of the parent's old run that only shares the number of the event.
        return DeliveryResult::NotFound;
    } else {
        // The news of its end has overtaken that of its start, which nobody waits for any more.
        write_started(draft, initiated_event_id, &message.first_run_id);
        take_back_start(draft, initiated_event_id);
    }
    let execution = WorkflowExecution { workflow_id: message.workflow_id, run_id: message.run_id };
    if let Some(child) = draft.state().children.get(&initiated_event_id)
        && let Some(attributes) = end_of_child(child, initiated_event_id, execution, message.close_event)
    {
        draft.arrive(attributes, EventExtra::default());
        workflow_task::schedule(draft);
    }
    DeliveryResult::Taken
}

/// The parent has closed: it keeps how the child ended for a run that it may be reset to, which would wait for ever, as
/// far as there is room in its state. Says whether it does.
fn keep_end(draft: &mut Draft<'_, '_>, message: &ChildClosed) -> bool {
    let of_this_child = |child: &&Child| {
        child.initiated.workflow_id == message.workflow_id
            && child.run_id == message.first_run_id
            && child.end.is_none()
    };
    if draft.state().children.get(&message.initiated_event_id).filter(of_this_child).is_none() {
        return false;
    }
    let end = ChildEnd {
        initiated_event_id: message.initiated_event_id,
        run_id: message.run_id.clone(),
        close_event: message.close_event.clone(),
    };
    if draft.state().encoded_len() + end.encoded_len() > draft.limits().mutable_state_size_bytes {
        return false;
    }
    draft.record(Change::ChildEnded(end));
    true
}

/// Writes, in a run that a closed one is reset to, the ends of children that the closed one has heard of since.
pub(in crate::workflow) fn write_kept_ends(draft: &mut Draft<'_, '_>, base: &State) {
    for (initiated_event_id, ended) in &base.children {
        let pending = draft.state().children.get(initiated_event_id).filter(|child| child.run_id == ended.run_id);
        if let (Some(end), Some(child)) = (&ended.end, pending) {
            let execution =
                WorkflowExecution { workflow_id: ended.initiated.workflow_id.clone(), run_id: end.run_id.clone() };
            if let Some(attributes) = end_of_child(child, *initiated_event_id, execution, end.close_event.clone()) {
                draft.arrive(attributes, EventExtra::default());
            }
        }
    }
}

/// A parent that was reset passes the news on to the run that took its place.
fn forward(draft: &mut Draft<'_, '_>, message: ChildClosed) -> DeliveryResult {
    let info = &draft.state().info;
    if info.reset_run_id.is_empty() {
        return DeliveryResult::NotFound;
    }
    let outgoing = Outgoing::new(
        Address {
            namespace_id: info.namespace_id.clone(),
            id: info.workflow_id.clone(),
            run_id: info.reset_run_id.clone(),
            ..Address::default()
        },
        Message::ChildClosed(ChildClosed { forwarded: true, ..message }),
    );
    draft.send(outgoing);
    DeliveryResult::Taken
}

/// The parent's event for the close event of a child. It names the child's last run, and says less than that run knows:
/// neither who terminated it nor why.
fn end_of_child(
    child: &Child,
    initiated_event_id: i64,
    execution: WorkflowExecution,
    close_event: HistoryEvent,
) -> Option<A> {
    let (namespace, namespace_id) = (child.initiated.namespace.clone(), child.initiated.namespace_id.clone());
    let workflow_type = child.initiated.workflow_type.clone();
    let workflow_execution = Some(execution);
    let started_event_id = child.started_event_id;
    Some(match close_event.attributes? {
        A::WorkflowExecutionCompletedEventAttributes(a) => ChildWorkflowExecutionCompletedEventAttributes {
            result: a.result,
            namespace,
            namespace_id,
            workflow_execution,
            workflow_type,
            initiated_event_id,
            started_event_id,
        }
        .into(),
        A::WorkflowExecutionFailedEventAttributes(a) => ChildWorkflowExecutionFailedEventAttributes {
            failure: a.failure,
            namespace,
            namespace_id,
            workflow_execution,
            workflow_type,
            initiated_event_id,
            started_event_id,
            retry_state: a.retry_state,
        }
        .into(),
        A::WorkflowExecutionCanceledEventAttributes(a) => ChildWorkflowExecutionCanceledEventAttributes {
            details: a.details,
            namespace,
            namespace_id,
            workflow_execution,
            workflow_type,
            initiated_event_id,
            started_event_id,
        }
        .into(),
        A::WorkflowExecutionTimedOutEventAttributes(a) => ChildWorkflowExecutionTimedOutEventAttributes {
            namespace,
            namespace_id,
            workflow_execution,
            workflow_type,
            initiated_event_id,
            started_event_id,
            retry_state: a.retry_state,
        }
        .into(),
        A::WorkflowExecutionTerminatedEventAttributes(_) => ChildWorkflowExecutionTerminatedEventAttributes {
            namespace,
            namespace_id,
            workflow_execution,
            workflow_type,
            initiated_event_id,
            started_event_id,
        }
        .into(),
        _ => return None,
    })
}

/// A parent's end, at the child.
pub(in crate::workflow) fn parent_closed(
    draft: &mut Draft<'_, '_>,
    delivery: &Delivery,
    message: &ParentClosed,
) -> DeliveryResult {
    if !draft.state().is_running() || draft.state().info.first_run_id != message.first_run_id {
        return DeliveryResult::NotFound;
    }
    if message.policy() == ParentClosePolicy::RequestCancel {
        request_cancel(draft, delivery.source.execution.clone());
    } else {
        close::terminate_by_server(draft, "by parent close policy");
    }
    DeliveryResult::Taken
}

fn request_cancel(draft: &mut Draft<'_, '_>, parent: WorkflowExecution) {
    if draft.state().info.cancel_requested {
        return;
    }
    let attributes = WorkflowExecutionCancelRequestedEventAttributes {
        external_workflow_execution: Some(parent),
        identity: SERVER_IDENTITY.to_owned(),
        ..WorkflowExecutionCancelRequestedEventAttributes::default()
    };
    close::write_cancel_request(draft, attributes, Vec::new());
}
