//! Ends: a child's, as its parent hears of it, and a parent's, as its children do.

use crate::workflow::change::Change;
use crate::workflow::child_workflow::{close_policy, is_started, to_child, write_started};
use crate::workflow::close;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::outbox::{ChildClosed, Delivery, DeliveryResult, Message, Outgoing, ParentClosed};
use crate::workflow::state::{Child, State};
use crate::workflow::workflow_task::{self, SERVER_IDENTITY};
use evertide_proto::common::WorkflowExecution;
use evertide_proto::enums::{ParentClosePolicy, WorkflowExecutionStatus as Status};
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::history::{
    ChildWorkflowExecutionCanceledEventAttributes, ChildWorkflowExecutionCompletedEventAttributes,
    ChildWorkflowExecutionFailedEventAttributes, ChildWorkflowExecutionTerminatedEventAttributes,
    ChildWorkflowExecutionTimedOutEventAttributes, HistoryEvent, WorkflowExecutionCancelRequestedEventAttributes,
};

/// Who terminates a run because it is reset.
pub(in crate::workflow) const RESETTER_IDENTITY: &str = "history-resetter";

/// Tells the parent, if there is one, that this run has ended so. A run that ends by a reset is not reported: the run
/// that takes its place goes on being the parent's child.
pub(in crate::workflow) fn tell_parent(draft: &mut Draft<'_, '_>, close_event: A) {
    let by_reset = matches!(
        &close_event,
        A::WorkflowExecutionTerminatedEventAttributes(a) if a.identity == RESETTER_IDENTITY
    );
    if !by_reset {
        report_close(draft, close_event);
    }
}

/// As [`tell_parent`], whatever the reason of the end.
pub(in crate::workflow) fn report_close(draft: &mut Draft<'_, '_>, close_event: A) {
    let (started, info) = (&draft.state().started, &draft.state().info);
    let Some(parent) = started.parent_workflow_execution.clone() else {
        return;
    };
    let message = ChildClosed {
        initiated_event_id: started.parent_initiated_event_id,
        first_run_id: info.first_run_id.clone(),
        run_id: info.run_id.clone(),
        close_event: HistoryEvent {
            event_type: close_event.event_type().into(),
            attributes: Some(close_event),
            ..HistoryEvent::default()
        },
        workflow_id: info.workflow_id.clone(),
        forwarded: false,
    };
    let namespace_id = started.parent_workflow_namespace_id.clone();
    draft.send(Outgoing {
        namespace_id,
        workflow_id: parent.workflow_id,
        run_id: parent.run_id,
        message: Some(Message::ChildClosed(message)),
    });
}

/// A child's end, at the parent.
pub(in crate::workflow) fn child_closed(draft: &mut Draft<'_, '_>, message: ChildClosed) -> DeliveryResult {
    if !draft.state().is_running() {
        return forward(draft, message);
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

/// A parent that was reset passes the news on to the run that took its place.
fn forward(draft: &mut Draft<'_, '_>, message: ChildClosed) -> DeliveryResult {
    let info = &draft.state().info;
    if info.reset_run_id.is_empty() {
        return DeliveryResult::NotFound;
    }
    let outgoing = Outgoing {
        namespace_id: info.namespace_id.clone(),
        workflow_id: info.workflow_id.clone(),
        run_id: info.reset_run_id.clone(),
        message: Some(Message::ChildClosed(ChildClosed { forwarded: true, ..message })),
    };
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

/// Applies the close policy of this run, which has just ended, to its pending children.
///
/// It holds at every end of a run, also when another run of the chain follows; but children of a run that is reset are
/// children of the run that takes its place. A start that nobody has heard of yet is taken back; one that is under way
/// is dealt with when its answer comes.
pub(in crate::workflow) fn apply_parent_close_policy(draft: &mut Draft<'_, '_>) {
    if !draft.state().info.reset_run_id.is_empty() {
        return;
    }
    for (initiated_event_id, child) in draft.state().children.clone() {
        let policy = close_policy(&child);
        if policy == ParentClosePolicy::Abandon {
            continue;
        }
        if is_started(&child) {
            send_parent_closed(draft, &child, child.run_id.clone(), policy);
        } else if is_asked_for_now(draft.state(), &child) {
            take_back_start(draft, initiated_event_id);
        }
    }
}

/// Whether the child was asked for by the very answer that closes the run, so that nobody has heard of it yet.
fn is_asked_for_now(state: &State, child: &Child) -> bool {
    let by_command =
        matches!(state.info.status(), Status::Completed | Status::Failed | Status::Canceled | Status::ContinuedAsNew);
    by_command && child.initiated.workflow_task_completed_event_id == state.info.last_completed_event_id
}

/// Takes the message that starts a child out of the outbox.
fn take_back_start(draft: &mut Draft<'_, '_>, initiated_event_id: i64) {
    let Some(id) = start_message(draft.state(), initiated_event_id) else {
        return;
    };
    draft.effects.messages.retain(|m| *m != id);
    draft.record(Change::MessageDone(id));
}

/// Number of the message that starts a child, if it is not answered yet.
pub(in crate::workflow) fn start_message(state: &State, initiated_event_id: i64) -> Option<i64> {
    let is_start = |m: &Message| matches!(m, Message::StartChild(s) if s.initiated_event_id == initiated_event_id);
    state.outbox.iter().find(|(_, out)| out.message.as_ref().is_some_and(is_start)).map(|(id, _)| *id)
}

/// Tells a child that its parent has ended. The newest run of the child's chain is meant, whichever that is.
pub(super) fn send_parent_closed(
    draft: &mut Draft<'_, '_>,
    child: &Child,
    first_run_id: String,
    policy: ParentClosePolicy,
) {
    let message = Message::ParentClosed(ParentClosed { policy: policy.into(), first_run_id });
    draft.send(to_child(child, String::new(), message));
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
