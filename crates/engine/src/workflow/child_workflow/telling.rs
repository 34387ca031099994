//! What a run that has ended tells its parent and its children.

use crate::address::Address;
use crate::message::{ChildClosed, Message, Outgoing, ParentClosed};
use crate::workflow::change::Change;
use crate::workflow::child_workflow::state::Child;
use crate::workflow::child_workflow::{close_policy, is_started, to_child};
use crate::workflow::draft::Draft;
use crate::workflow::identity::RESETTER_IDENTITY;
use crate::workflow::state::State;
use evertide_proto::enums::{ParentClosePolicy, WorkflowExecutionStatus as Status};
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes as A;

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
    draft.send(Outgoing::new(
        Address { namespace_id, id: parent.workflow_id, run_id: parent.run_id, ..Address::default() },
        Message::ChildClosed(message),
    ));
}

/// Applies the close policy of this run, which has just ended, to its pending children.
///
/// It holds at every end of a run, also when another run of the chain follows; but children of a run that is reset are
/// children of the run that takes its place. A start that nobody has heard of yet is taken back; one that is under way
/// is dealt with when its answer comes.
pub(in crate::workflow) fn apply_parent_close_policy(draft: &mut Draft<'_, '_>) {
    if draft.state().info.reset_run_id.is_empty() {
        apply_parent_close_policy_from(draft, 0);
    }
}

/// As [`apply_parent_close_policy`], for a run that is reset to before this event: children asked for from there on are
/// none of the run that takes its place, which may well ask for them anew.
pub(in crate::workflow) fn apply_parent_close_policy_from(draft: &mut Draft<'_, '_>, event_id: i64) {
    for (initiated_event_id, child) in draft.state().children.clone().split_off(&event_id) {
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
pub(super) fn take_back_start(draft: &mut Draft<'_, '_>, initiated_event_id: i64) {
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
