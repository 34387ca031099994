//! Child workflows: how a parent starts one, what it is told of it, and what becomes of it when the parent closes.
//!
//! A start is three steps, each a commit of its own: the parent writes the initiated event and sends
//! [`Message::StartChild`]; the child's run is made, without a workflow task ([`starting`]); the answer writes the
//! started event at the parent, and only then [`Message::BeginChild`] lets the child have its first task. So no child
//! begins by itself for a parent that does not know of it; a signal or a cancel request from elsewhere may wake it
//! before, and its end may be heard of before its start.
//!
//! Until the child ends it is pending in [`State::children`](crate::workflow::State), keyed by its initiated event.
//! A child is *not started* while its `run_id` there is empty, and *started* from then on, even if the started event
//! still waits in the buffer. What arrives for a child that is not pending is a repeat and changes nothing. What a run
//! tells at its end is in [`telling`], what is heard of it in [`closing`].

mod closing;
mod command;
mod starting;
pub(super) mod state;
mod telling;
#[cfg(test)]
mod tests;

pub(super) use closing::{child_closed, parent_closed, write_kept_ends};
pub(super) use command::start_command;
pub(super) use starting::{begin, request_id, start_answered, start_child, write_failed, write_started};

pub(super) use telling::{apply_parent_close_policy, apply_parent_close_policy_from, report_close, tell_parent};

use crate::address::Address;
use crate::message::{BeginChild, Message, Outgoing, StartChild};
use crate::workflow::child_workflow::state::Child;
use crate::workflow::draft::Draft;
use evertide_proto::enums::ParentClosePolicy;
use evertide_proto::sdk::UserMetadata;
use evertide_proto::workflow::PendingChildExecutionInfo;

/// A pending child as a description of its parent shows it.
pub(super) fn pending_info(child: &Child, initiated_event_id: i64) -> PendingChildExecutionInfo {
    let initiated = &child.initiated;
    PendingChildExecutionInfo {
        workflow_id: initiated.workflow_id.clone(),
        run_id: child.run_id.clone(),
        workflow_type_name: initiated.workflow_type.as_ref().map_or_else(String::new, |t| t.name.clone()),
        initiated_id: initiated_event_id,
        parent_close_policy: initiated.parent_close_policy,
    }
}

/// Whether the parent knows a run of the child.
fn is_started(child: &Child) -> bool {
    !child.run_id.is_empty()
}

/// What is to become of the child when its parent closes.
fn close_policy(child: &Child) -> ParentClosePolicy {
    match child.initiated.parent_close_policy() {
        ParentClosePolicy::Unspecified => ParentClosePolicy::Terminate,
        policy => policy,
    }
}

/// A message to a child; without a run id it goes to the newest run of the child's workflow id.
fn to_child(child: &Child, run_id: String, message: Message) -> Outgoing {
    Outgoing::new(
        Address {
            namespace_id: child.initiated.namespace_id.clone(),
            id: child.initiated.workflow_id.clone(),
            run_id,
            ..Address::default()
        },
        message,
    )
}

/// Asks for the start of the child of an initiated event that has been written.
pub(super) fn send_start(draft: &mut Draft<'_, '_>, initiated_event_id: i64, user_metadata: Option<UserMetadata>) {
    let Some(child) = draft.state().children.get(&initiated_event_id) else {
        return;
    };
    let message = Message::StartChild(StartChild { initiated_event_id, user_metadata });
    let outgoing = to_child(child, String::new(), message);
    draft.send(outgoing);
}

/// Lets a child that has been started have its first workflow task.
fn send_begin(draft: &mut Draft<'_, '_>, child: &Child, run_id: &str) {
    draft.send(to_child(child, run_id.to_owned(), Message::BeginChild(BeginChild {})));
}
