//! Signals to a run.

pub(super) mod state;

use crate::rejection::Rejection;
use crate::reply::{Decided, Reply};
use crate::workflow::checks::check_links;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::links::request_id_link;
use crate::workflow::workflow_task;
use evertide_proto::common::{Header, Link, Payloads, WorkflowExecution};
use evertide_proto::enums::EventType;
use evertide_proto::history::WorkflowExecutionSignaledEventAttributes;
use evertide_proto::workflowservice::SignalWorkflowExecutionRequest;
use prost::Message;

/// A signal, from a client or another workflow.
#[derive(Debug, Clone, Default)]
pub(super) struct Signal {
    pub name: String,
    pub input: Option<Payloads>,
    pub identity: String,
    pub header: Option<Header>,
    pub request_id: String,
    pub links: Vec<Link>,
    /// The workflow that sends it, if one does.
    pub external: Option<WorkflowExecution>,
}

/// Whether a signal ends the wait for a first task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// It waits with the run.
    UnlessDelayed,
    /// The run begins now.
    EvenIfDelayed,
}

/// SignalWorkflowExecution.
pub(super) fn signal(draft: &mut Draft<'_, '_>, request: SignalWorkflowExecutionRequest) -> Decided {
    let limit = draft.limits().id_length_bytes;
    if request.signal_name.is_empty() {
        return Err(Rejection::invalid("SignalName is not set on request."));
    }
    if request.signal_name.len() > limit {
        return Err(Rejection::invalid("SignalName length exceeds limit."));
    }
    if request.request_id.len() > limit {
        return Err(Rejection::invalid("RequestId length exceeds limit."));
    }
    check_links(&request.links, draft.env)?;
    let request_id = request.request_id.clone();
    let signal = Signal {
        name: request.signal_name,
        input: request.input,
        identity: request.identity,
        header: request.header,
        request_id: request.request_id,
        links: request.links,
        external: None,
    };
    take(draft, signal, Wake::UnlessDelayed)?;
    let link = request_id_link(draft.state(), &request_id, EventType::WorkflowExecutionSignaled);
    Ok(Reply::Signaled { link: Some(link) })
}

/// Takes a signal unless it has been taken before.
pub(super) fn take(draft: &mut Draft<'_, '_>, signal: Signal, wake: Wake) -> Result<(), Rejection> {
    if !signal.request_id.is_empty() && draft.state().signal_request_ids.contains_key(&signal.request_id) {
        return Ok(());
    }
    if !draft.state().is_running() {
        return Err(Rejection::already_completed());
    }
    if draft.state().info.close_attempted && draft.exec.task_started() {
        return Err(Rejection::busy("workflow operation can not be applied because workflow is closing"));
    }
    let size =
        signal.input.as_ref().map_or(0, Message::encoded_len) + signal.header.as_ref().map_or(0, Message::encoded_len);
    if size > draft.limits().blob_size_bytes {
        return Err(Rejection::invalid("Blob data size exceeds limit."));
    }
    if draft.state().info.signal_count >= draft.limits().signals {
        return Err(Rejection::invalid("exceeded workflow execution limit for signal events"));
    }
    write(draft, signal);
    match wake {
        Wake::UnlessDelayed => workflow_task::schedule(draft),
        Wake::EvenIfDelayed => workflow_task::schedule_now(draft),
    }
    Ok(())
}

/// Writes the signaled event.
pub(super) fn write(draft: &mut Draft<'_, '_>, signal: Signal) {
    let attributes = WorkflowExecutionSignaledEventAttributes {
        signal_name: signal.name,
        input: signal.input,
        identity: signal.identity,
        header: signal.header,
        external_workflow_execution: signal.external,
        request_id: signal.request_id,
        ..WorkflowExecutionSignaledEventAttributes::default()
    };
    draft.arrive(attributes, EventExtra { links: signal.links, ..EventExtra::default() });
}
