//! Links to events of a run, as answers carry them.

use crate::workflow::state::State;
use evertide_proto::common::Link;
use evertide_proto::common::link::{Variant, WorkflowEvent, workflow_event};
use evertide_proto::enums::EventType;

/// A link to the run's first event.
pub(super) fn started_link(state: &State) -> Link {
    let reference =
        workflow_event::EventReference { event_id: 1, event_type: EventType::WorkflowExecutionStarted.into() };
    workflow_link(state, workflow_event::Reference::EventRef(reference))
}

/// A link to the event that a request id made, which may not be written yet.
pub(super) fn request_id_link(state: &State, request_id: &str, event_type: EventType) -> Link {
    let reference =
        workflow_event::RequestIdReference { request_id: request_id.to_owned(), event_type: event_type.into() };
    workflow_link(state, workflow_event::Reference::RequestIdRef(reference))
}

fn workflow_link(state: &State, reference: workflow_event::Reference) -> Link {
    let info = &state.info;
    Link {
        variant: Some(Variant::WorkflowEvent(WorkflowEvent {
            namespace: info.namespace.clone(),
            workflow_id: info.workflow_id.clone(),
            run_id: info.run_id.clone(),
            reference: Some(reference),
        })),
    }
}
