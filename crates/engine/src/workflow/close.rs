//! How a run ends, and what follows: the next run of its chain, its parent, its children, whoever waits.

use crate::rejection::Rejection;
use crate::reply::{Decided, Reply};
use crate::workflow::bad_command::BadCommand;
use crate::workflow::bad_command::check_size;
use crate::workflow::checks::check_links;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::identity::SERVER_IDENTITY;
use crate::workflow::successor::{self, Ending};
use crate::workflow::workflow_task;
use crate::workflow::{child_workflow, query, update, watchers};
use evertide_proto::command::Command;
use evertide_proto::command::command::Attributes as A;
use evertide_proto::common::{Link, Payloads};
use evertide_proto::enums::{RetryState, TimeoutType, WorkflowTaskFailedCause as Cause};
use evertide_proto::failure::failure::FailureInfo;
use evertide_proto::failure::{Failure, TimeoutFailureInfo};
use evertide_proto::history::history_event::Attributes as EventAttributes;
use evertide_proto::history::{
    WorkflowExecutionCancelRequestedEventAttributes, WorkflowExecutionCanceledEventAttributes,
    WorkflowExecutionCompletedEventAttributes, WorkflowExecutionFailedEventAttributes,
    WorkflowExecutionTerminatedEventAttributes, WorkflowExecutionTimedOutEventAttributes,
};
use evertide_proto::workflowservice::{RequestCancelWorkflowExecutionRequest, TerminateWorkflowExecutionRequest};

/// Writes the close event and does all that follows from it.
pub(super) fn close(draft: &mut Draft<'_, '_>, attributes: impl Into<EventAttributes>, extra: EventExtra) {
    let attributes = attributes.into();
    // A worker's answer that closes the run may still answer its queries and reject its updates: those who wait are
    // told at the end of it.
    let by_answer = draft.exec.task_started();
    draft.event_with(attributes.clone(), extra);
    let has_successor = !draft.state().info.new_run_id.is_empty();
    child_workflow::apply_parent_close_policy(draft);
    if !has_successor {
        watchers::tell(draft, &attributes);
        child_workflow::tell_parent(draft, attributes);
    }
    if !by_answer {
        update::on_close(draft);
        query::on_close(draft);
    }
    draft.effects.visibility = true;
}

/// CompleteWorkflowExecution.
pub(super) fn complete_command(
    draft: &mut Draft<'_, '_>,
    command: Command,
    completed_id: i64,
) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::CompleteWorkflowExecutionCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    check_size(draft.limits(), a.result.as_ref(), Cause::BadCompleteWorkflowExecutionAttributes, || {
        "CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit.".to_owned()
    })?;
    let next = successor::next_of_cron(draft, &Ending::Completed(a.result.clone()));
    let attributes = WorkflowExecutionCompletedEventAttributes {
        result: a.result,
        workflow_task_completed_event_id: completed_id,
        new_execution_run_id: successor::run_id_of(next.as_ref()),
    };
    close(draft, attributes, extra);
    successor::begin(draft, next);
    Ok(())
}

/// FailWorkflowExecution.
pub(super) fn fail_command(draft: &mut Draft<'_, '_>, command: Command, completed_id: i64) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::FailWorkflowExecutionCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    let Some(failure) = a.failure else {
        let text = "Failure is not set on FailWorkflowExecutionCommand.";
        return Err(BadCommand::task(Cause::BadFailWorkflowExecutionAttributes, text));
    };
    check_size(draft.limits(), Some(&failure), Cause::BadFailWorkflowExecutionAttributes, || {
        "FailWorkflowExecutionCommandAttributes.Failure exceeds size limit.".to_owned()
    })?;
    let (retry_state, next) = successor::next_after_failure(draft, &failure);
    let attributes = WorkflowExecutionFailedEventAttributes {
        failure: Some(failure),
        retry_state: retry_state.into(),
        workflow_task_completed_event_id: completed_id,
        new_execution_run_id: successor::run_id_of(next.as_ref()),
    };
    close(draft, attributes, extra);
    successor::begin(draft, next);
    Ok(())
}

/// CancelWorkflowExecution: ends the chain, whatever its schedule or retry policy.
pub(super) fn cancel_command(draft: &mut Draft<'_, '_>, command: Command, completed_id: i64) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::CancelWorkflowExecutionCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    let attributes =
        WorkflowExecutionCanceledEventAttributes { workflow_task_completed_event_id: completed_id, details: a.details };
    close(draft, attributes, extra);
    Ok(())
}

/// What a terminated event says.
#[derive(Debug, Default)]
pub(super) struct Termination {
    pub reason: String,
    pub details: Option<Payloads>,
    pub identity: String,
    pub links: Vec<Link>,
}

/// TerminateWorkflowExecution.
pub(super) fn terminate_by_user(draft: &mut Draft<'_, '_>, request: TerminateWorkflowExecutionRequest) -> Decided {
    if !draft.state().is_running() {
        return Err(Rejection::already_completed());
    }
    check_chain(draft, &request.first_execution_run_id)?;
    check_links(&request.links, draft.env)?;
    let or = |text: String, default: &str| {
        if text.is_empty() { default.to_owned() } else { text }
    };
    terminate(
        draft,
        Termination {
            reason: or(request.reason, "terminated by user via frontend"),
            details: request.details,
            identity: or(request.identity, "frontend-service"),
            links: request.links,
        },
    );
    Ok(Reply::Done)
}

/// A guard by first run id must name the chain of the run.
fn check_chain(draft: &Draft<'_, '_>, first_run_id: &str) -> Result<(), Rejection> {
    if first_run_id.is_empty() || first_run_id == draft.state().info.first_run_id {
        return Ok(());
    }
    Err(Rejection::chain_mismatch())
}

/// Terminates an open run; a started task is failed first and what waited behind it is written.
pub(super) fn terminate(draft: &mut Draft<'_, '_>, termination: Termination) {
    if !draft.state().is_running() {
        return;
    }
    workflow_task::end_by_force(draft);
    let attributes = WorkflowExecutionTerminatedEventAttributes {
        reason: termination.reason,
        details: termination.details,
        identity: termination.identity,
    };
    close(draft, attributes, EventExtra { links: termination.links, ..EventExtra::default() });
}

/// The server terminates a run that cannot go on.
pub(super) fn terminate_by_server(draft: &mut Draft<'_, '_>, reason: &str) {
    let identity = SERVER_IDENTITY.to_owned();
    terminate(draft, Termination { reason: reason.to_owned(), identity, ..Termination::default() });
}

/// RequestCancelWorkflowExecution: of a closed run or a second time it is a success that changes nothing.
pub(super) fn request_cancel(draft: &mut Draft<'_, '_>, request: &RequestCancelWorkflowExecutionRequest) -> Decided {
    check_links(&request.links, draft.env)?;
    if draft.state().is_running() {
        check_chain(draft, &request.first_execution_run_id)?;
    }
    if !draft.state().is_running() || draft.state().info.cancel_requested {
        return Ok(Reply::Done);
    }
    let attributes = WorkflowExecutionCancelRequestedEventAttributes {
        cause: request.reason.clone(),
        identity: request.identity.clone(),
        ..WorkflowExecutionCancelRequestedEventAttributes::default()
    };
    write_cancel_request(draft, attributes, request.links.clone());
    Ok(Reply::Done)
}

/// Writes a cancel request and wakes the workflow, even one that waits for its first task.
pub(super) fn write_cancel_request(
    draft: &mut Draft<'_, '_>,
    attributes: WorkflowExecutionCancelRequestedEventAttributes,
    links: Vec<Link>,
) {
    draft.arrive(attributes, EventExtra { links, ..EventExtra::default() });
    workflow_task::schedule_now(draft);
}

/// The run has lived too long.
pub(super) fn time_out(draft: &mut Draft<'_, '_>) {
    let failure = Failure {
        message: "workflow timeout".to_owned(),
        source: "Server".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: TimeoutType::StartToClose.into(),
            ..TimeoutFailureInfo::default()
        })),
        ..Failure::default()
    };
    let info = &draft.state().info;
    let chain_over = info.execution_expiration_ns != 0 && info.execution_expiration_ns <= draft.now_ns();
    let (retry_state, next) =
        if chain_over { (RetryState::Timeout, None) } else { successor::next_after_failure(draft, &failure) };
    workflow_task::end_by_force(draft);
    let attributes = WorkflowExecutionTimedOutEventAttributes {
        retry_state: retry_state.into(),
        new_execution_run_id: successor::run_id_of(next.as_ref()),
    };
    close(draft, attributes, EventExtra::default());
    successor::begin(draft, next);
}
