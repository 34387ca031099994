//! Reset: a new run that begins as a copy of a run up to a workflow task.
//!
//! The new run gets the events before the reset point as they are ([`copy`]), then the failure of the workflow task at
//! that point, then again what came from outside after it ([`reapply`]), then a new workflow task. The current run, if it
//! is open, is terminated in the same commit. What is pending at the point goes on in the new run: timers keep their
//! due times, activities begin anew, children stay attached, messages that nobody has answered are sent again with the
//! request ids of old, so that no target takes them twice.

pub(super) mod base;
mod copy;
mod reapply;
#[cfg(test)]
mod tests;

use crate::address::Address;
use crate::env::{Env, duration_ns, shorter_ns};
use crate::message::{Delivery, DeliveryResult, Message, Outgoing, WasReset};
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::workflow::change::{Change, Expirations, Fact, RequestSeen};
use crate::workflow::draft::Draft;
use crate::workflow::identity::RESETTER_IDENTITY;
use crate::workflow::info::{Creation, RequestId};
use crate::workflow::reset::base::ResetBase;
use crate::workflow::state::{Execution, State};
use crate::workflow::{
    ChainOutcome, NewRun, activity, child_workflow, close, conclude, options, time_skipping, workflow_task,
};
use evertide_proto::enums::EventType;
use evertide_proto::history::WorkflowExecutionTerminatedEventAttributes;
use evertide_proto::workflow::PostResetOperation;
use evertide_proto::workflow::post_reset_operation::{UpdateWorkflowOptions, Variant};
use evertide_proto::workflowservice::{ResetWorkflowExecutionRequest, UpdateWorkflowExecutionOptionsRequest};

/// ResetWorkflowExecution.
pub(super) fn reset(
    request: ResetWorkflowExecutionRequest,
    base: ResetBase,
    current: Option<&mut Execution>,
    env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    let operations = check(&request, &base.exec.state)?;
    if let Some(current) = &current
        && was_made_by(&current.state, &request.request_id)
    {
        let reply = Reply::Reset { run_id: current.state.info.run_id.clone() };
        return Ok(ChainOutcome::answer(reply));
    }
    let run_id = env.ids.run_id(env.now_ns);
    let new = make(&request, operations, &base, current.as_deref(), &run_id, env)?;
    let current = current.map(|current| {
        let (written, _) = conclude::over_run(current, env, |draft| {
            end(draft, &base.exec.state, &request, &run_id);
            Ok(())
        });
        written
    });
    Ok(ChainOutcome::of_new(current, new, Reply::Reset { run_id }))
}

/// Checks the request, and gives what is to be done after the reset.
fn check(request: &ResetWorkflowExecutionRequest, base: &State) -> Result<Vec<UpdateWorkflowOptions>, Rejection> {
    if request.request_id.is_empty() {
        return Err(Rejection::invalid("RequestId is not set on request."));
    }
    let point = request.workflow_task_finish_event_id;
    if point <= 1 || point >= base.next_event_id {
        return Err(Rejection::invalid("Workflow task finish ID must be > 1 && <= workflow last event ID."));
    }
    request.post_reset_operations.iter().map(operation).collect()
}

/// Only options can be changed after a reset.
fn operation(operation: &PostResetOperation) -> Result<UpdateWorkflowOptions, Rejection> {
    match &operation.variant {
        Some(Variant::UpdateWorkflowOptions(update)) => Ok(update.clone()),
        Some(Variant::SignalWorkflow(_)) => Err(Rejection::invalid("unsupported post reset operation: SignalWorkflow")),
        None => Err(Rejection::invalid("unsupported post reset operation: none is set")),
    }
}

/// Whether the run came from a reset with this request id: then the request is a repeat.
fn was_made_by(state: &State, request_id: &str) -> bool {
    let seen = state.request_ids.get(request_id);
    seen.is_some_and(|made| made.event_type == i32::from(EventType::WorkflowTaskFailed))
}

/// Makes the new run.
fn make(
    request: &ResetWorkflowExecutionRequest,
    operations: Vec<UpdateWorkflowOptions>,
    base: &ResetBase,
    current: Option<&Execution>,
    run_id: &str,
    env: &mut Env<'_>,
) -> Result<NewRun, Rejection> {
    conclude::new_run_from(env, |draft| write(draft, request, operations, base, current, run_id))
}

/// Writes the new run from its first event on.
fn write(
    draft: &mut Draft<'_, '_>,
    request: &ResetWorkflowExecutionRequest,
    operations: Vec<UpdateWorkflowOptions>,
    base: &ResetBase,
    current: Option<&Execution>,
    run_id: &str,
) -> Result<(), Rejection> {
    let shared = base.events.iter().take_while(|e| e.event_id < request.workflow_task_finish_event_id);
    let start_ns = draft.now_ns().saturating_add(time_skipping::skipped_by(shared));
    draft.record(Change::Created(creation(&base.exec.state, run_id, start_ns)));
    let mut copied = copy::copy(draft, base, request)?;
    time_skipping::fast_forward_anew(draft);
    set_expirations(draft);
    remember_request(draft, &request.request_id, copied.failed_event_id);
    reapply::reapply(draft, &mut copied.operations, base, current, request);
    child_workflow::write_kept_ends(draft, &base.exec.state);
    copied.send_again(draft, &base.exec.state);
    if current.is_none_or(|current| current.state.info.run_id != base.exec.state.info.run_id) {
        send_was_reset(draft, &base.exec.state, request.workflow_task_finish_event_id);
    }
    for operation in operations {
        let request = UpdateWorkflowExecutionOptionsRequest {
            workflow_execution_options: operation.workflow_execution_options,
            update_mask: operation.update_mask,
            ..UpdateWorkflowExecutionOptionsRequest::default()
        };
        options::update_options(draft, request)?;
    }
    workflow_task::schedule(draft);
    activity::dispatch_all(draft);
    Ok(())
}

/// The new run keeps the request id of the start, so that a retried start finds it.
fn creation(base: &State, run_id: &str, now_ns: i64) -> Creation {
    let info = &base.info;
    Creation {
        namespace_id: info.namespace_id.clone(),
        namespace: info.namespace.clone(),
        workflow_id: info.workflow_id.clone(),
        run_id: run_id.to_owned(),
        request_id: info.create_request_id.clone(),
        original_start_time_ns: info.original_start_time_ns,
        reset_from_run_id: info.run_id.clone(),
        start_time_ns: now_ns,
        watchers: Vec::new(), // They were told that the run has ended which they watched.
    }
}

/// The timeouts of run and chain are measured anew from the reset, and the wait for the first task is over.
fn set_expirations(draft: &mut Draft<'_, '_>) {
    let (now_ns, started) = (draft.now_ns(), &draft.state().started);
    let due_ns = |length_ns: i64| {
        if length_ns > 0 { now_ns.saturating_add(length_ns) } else { 0 }
    };
    let execution_ns = due_ns(duration_ns(started.workflow_execution_timeout.as_ref()));
    let run_ns = due_ns(duration_ns(started.workflow_run_timeout.as_ref()));
    let expirations = Expirations { execution_ns, run_ns: shorter_ns(run_ns, execution_ns), first_task_ns: 0 };
    draft.record(Fact::Expirations(expirations).into());
}

/// Remembers the reset by the event that it made. An id that the run has already seen for something else stays that.
fn remember_request(draft: &mut Draft<'_, '_>, request_id: &str, failed_event_id: i64) {
    if draft.state().request_ids.contains_key(request_id) {
        return;
    }
    let made = RequestId { event_type: EventType::WorkflowTaskFailed.into(), event_id: failed_event_id };
    draft.record(Change::RequestSeen(RequestSeen { id: request_id.to_owned(), made }));
}

/// Ends the current run, and lets the run that is reset know its successor.
fn end(draft: &mut Draft<'_, '_>, base: &State, request: &ResetWorkflowExecutionRequest, new_run_id: &str) {
    let info = &draft.state().info;
    let (is_base, is_running) = (info.run_id == base.info.run_id, draft.state().is_running());
    let of_other_chain = info.first_run_id != base.info.first_run_id;
    if is_base {
        hand_over(draft, new_run_id, request.workflow_task_finish_event_id);
        if is_running {
            child_workflow::apply_parent_close_policy_from(draft, request.workflow_task_finish_event_id);
        }
    }
    if is_running {
        let (reason, identity) = (request.reason.clone(), RESETTER_IDENTITY.to_owned());
        close::terminate(
            draft,
            close::Termination { reason: reason.clone(), identity: identity.clone(), ..close::Termination::default() },
        );
        if of_other_chain {
            // Its parent waits for a child whose place the new run does not take.
            let terminated = WorkflowExecutionTerminatedEventAttributes { reason, identity, details: None };
            child_workflow::report_close(draft, terminated.into());
        }
    }
}

/// Tells a run that is not the current one that it was reset; the current one learns it in the commit of the reset.
fn send_was_reset(draft: &mut Draft<'_, '_>, base: &State, point: i64) {
    draft.send(Outgoing::new(
        Address {
            namespace_id: base.info.namespace_id.clone(),
            id: base.info.workflow_id.clone(),
            run_id: base.info.run_id.clone(),
            ..Address::default()
        },
        Message::WasReset(WasReset { point }),
    ));
}

/// The message of [`send_was_reset`], at the run that was reset.
pub(super) fn take_was_reset(draft: &mut Draft<'_, '_>, delivery: &Delivery, message: &WasReset) -> DeliveryResult {
    hand_over(draft, &delivery.source.execution.run_id, message.point);
    DeliveryResult::Taken
}

/// Lets a run know the one that it was reset to: news of its children are for that one, and what it asked for before
/// the reset point, and has no answer to, that one asks again.
fn hand_over(draft: &mut Draft<'_, '_>, new_run_id: &str, point: i64) {
    if draft.state().info.reset_run_id == new_run_id {
        return;
    }
    draft.record(Fact::ResetTo(new_run_id.to_owned()).into());
    let handed_over = |out: &Outgoing| match &out.message {
        Some(Message::StartChild(m)) => m.initiated_event_id < point,
        Some(Message::Signal(m)) => m.initiated_event_id < point,
        Some(Message::Cancel(m)) => m.initiated_event_id < point,
        Some(Message::SignalWithStart(m)) => m.scheduled_event_id < point,
        _ => false,
    };
    let ids: Vec<_> = draft.state().outbox.iter().filter(|(_, out)| handed_over(out)).map(|(id, _)| *id).collect();
    for id in ids {
        draft.record(Change::MessageDone(id));
    }
}
