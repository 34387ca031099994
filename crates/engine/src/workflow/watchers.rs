//! Those who watch a workflow, and are told when it has closed.

use crate::address::{Address, Kind};
use crate::message::{Message, Outgoing, Watcher, WorkflowClosed};
use crate::workflow::draft::Draft;
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes;

/// Tells those who watch this workflow that it has closed.
pub(super) fn tell(draft: &mut Draft<'_, '_>, close_event: &Attributes) {
    let info = &draft.state().info;
    let (workflow_id, first_run_id) = (info.workflow_id.clone(), info.first_run_id.clone());
    for Watcher { kind, namespace_id, id, request_id } in info.watchers.clone() {
        let Some(kind) = u8::try_from(kind).ok().and_then(Kind::from_number) else { continue };
        let close_event = HistoryEvent {
            event_type: close_event.event_type().into(),
            attributes: Some(close_event.clone()),
            ..HistoryEvent::default()
        };
        let (workflow_id, first_run_id) = (workflow_id.clone(), first_run_id.clone());
        let message = Message::WorkflowClosed(WorkflowClosed { request_id, workflow_id, first_run_id, close_event });
        draft.send(Outgoing::new(Address { namespace_id, kind, id, run_id: String::new() }, message));
    }
}
