//! A worker answers its task: RespondWorkflowTaskCompleted, with commands, messages and query results, and
//! RespondWorkflowTaskFailed.
//!
//! All of an answer takes effect or none: a wrong command takes everything back, fails the task and is refused.

use crate::rejection::Rejection;
use crate::reply::Decided;
use crate::token::TaskToken;
use crate::workflow::bad_command::BadCommand;
use crate::workflow::draft::Draft;
use crate::workflow::workflow_task::state::WorkflowTask;
use crate::workflow::workflow_task::{self, Report, camel};
use crate::workflow::{
    activity, child_workflow, close, continue_as_new, external_workflow, nexus_operation, search_attributes, timer,
    update,
};
use evertide_proto::command::Command;
use evertide_proto::enums::{CommandType, WorkflowTaskFailedCause as Cause};
use evertide_proto::failure::{Failure, ServerFailureInfo, failure::FailureInfo};
use evertide_proto::workflowservice::RespondWorkflowTaskCompletedRequest;

mod completing;
mod failed;

pub(super) use completing::remember_build;
pub(super) use failed::fail_task;

/// RespondWorkflowTaskCompleted.
pub(super) fn complete_task(
    draft: &mut Draft<'_, '_>,
    request: RespondWorkflowTaskCompletedRequest,
    token: &TaskToken,
) -> Decided {
    let task = workflow_task::owned(draft, token)?;
    check_sequence(&request.commands)?;
    update::check_messages(&request.messages)?;
    if request.intermediate_page {
        let namespace = &draft.state().info.namespace;
        return Err(Rejection::precondition(format!(
            "workflow task completion pagination is disabled for this namespace {namespace}"
        )));
    }
    let heartbeat = is_heartbeat(&request);
    if heartbeat && heartbeat_expired(draft, &task) {
        workflow_task::time_out(draft);
        return Err(Rejection::not_found("workflow task heartbeat timeout"));
    }
    if draft.state().info.pause.is_some() && request.force_create_new_workflow_task {
        return Err(Rejection::precondition("Workflow is paused and force create new workflow task is not allowed."));
    }
    if update::leaves_nothing(draft, &task, &request) {
        return completing::discard(draft, request);
    }
    let checkpoint = draft.checkpoint();
    let identity = request.identity.clone();
    match completing::complete(draft, &task, request, heartbeat) {
        Ok(reply) => Ok(reply),
        Err(bad) => {
            draft.restore(checkpoint);
            Err(refuse(draft, &task, bad, identity))
        }
    }
}

fn is_heartbeat(request: &RespondWorkflowTaskCompletedRequest) -> bool {
    request.force_create_new_workflow_task && request.commands.is_empty() && request.messages.is_empty()
}

fn heartbeat_expired(draft: &Draft<'_, '_>, task: &WorkflowTask) -> bool {
    let limit_ns = draft.limits().workflow_task_heartbeat_timeout_ns;
    draft.now_ns() > task.original_scheduled_time_ns.saturating_add(limit_ns)
}

/// A bad answer: says so in the history, if this is the task's first attempt, and to the worker.
fn refuse(draft: &mut Draft<'_, '_>, task: &WorkflowTask, bad: BadCommand, identity: String) -> Rejection {
    match bad {
        BadCommand::Call(rejection) => rejection,
        BadCommand::Task(cause, message) => {
            let text = describe(cause, &message);
            update::on_bad_answer(draft);
            if cause == Cause::UnhandledCommand {
                workflow_task::fail(draft, report(cause, &text, identity));
                workflow_task::set_counters(draft, |c| c.close_attempted = true);
                workflow_task::schedule(draft);
            } else if task.attempt == 1 {
                workflow_task::fail(draft, report(cause, &text, identity));
                workflow_task::schedule(draft);
            }
            Rejection::invalid(text)
        }
        BadCommand::Workflow(cause, message) => {
            let text = describe(cause, &message);
            update::on_bad_answer(draft);
            workflow_task::fail(draft, report(cause, &text, identity));
            close::terminate_by_server(draft, &text);
            Rejection::invalid(text)
        }
    }
}

fn report(cause: Cause, text: &str, identity: String) -> Report {
    let failure = Failure {
        message: text.to_owned(),
        failure_info: Some(FailureInfo::ServerFailureInfo(ServerFailureInfo::default())),
        ..Failure::default()
    };
    Report { cause, failure: Some(failure), identity, ..Report::default() }
}

/// `<Cause>: <message>`, as clients and the history read it.
pub(super) fn describe(cause: Cause, message: &str) -> String {
    let name = camel(cause.as_str_name(), "WORKFLOW_TASK_FAILED_CAUSE_");
    if message.is_empty() { name } else { format!("{name}: {message}") }
}

/// Nothing may follow a command that closes the workflow, and every command must be known.
fn check_sequence(commands: &[Command]) -> Result<(), Rejection> {
    let mut closing: Option<usize> = None;
    for (place, command) in commands.iter().enumerate() {
        let kind = CommandType::try_from(command.command_type).unwrap_or(CommandType::Unspecified);
        if kind == CommandType::Unspecified {
            let name = match command.command_type {
                0 => "Unspecified".to_owned(),
                n => n.to_string(),
            };
            return Err(Rejection::invalid(format!("unknown command type: {name}")));
        }
        if closing.is_none() && is_closing(kind) {
            closing = Some(place);
        }
    }
    match closing {
        Some(place) if place + 1 < commands.len() => {
            let names: Vec<_> = commands.iter().map(name).collect();
            Err(Rejection::invalid(format!(
                "invalid command sequence: [{}], command {} must be the last command.",
                names.join(", "),
                names[place]
            )))
        }
        _ => Ok(()),
    }
}

fn name(command: &Command) -> String {
    let kind = CommandType::try_from(command.command_type).unwrap_or(CommandType::Unspecified);
    camel(kind.as_str_name(), "COMMAND_TYPE_")
}

fn is_closing(kind: CommandType) -> bool {
    matches!(
        kind,
        CommandType::CompleteWorkflowExecution
            | CommandType::FailWorkflowExecution
            | CommandType::CancelWorkflowExecution
            | CommandType::ContinueAsNewWorkflowExecution
    )
}

/// What the handlers of one answer share.
pub(super) struct Completion {
    /// Id of the WorkflowTaskCompleted event, which every event of a command names.
    pub completed_id: i64,
    /// Who answers.
    pub identity: String,
    /// Events were waiting behind the task: the workflow must not close over them.
    pub unhandled_events: bool,
    /// Messages of the answer that no command has taken yet.
    pub messages: update::Messages,
}

/// Carries out one command.
fn carry_out(draft: &mut Draft<'_, '_>, command: Command, completion: &mut Completion) -> Result<(), BadCommand> {
    let kind = CommandType::try_from(command.command_type).unwrap_or(CommandType::Unspecified);
    if is_closing(kind) && completion.unhandled_events {
        return Err(BadCommand::task(Cause::UnhandledCommand, ""));
    }
    if command.attributes.as_ref().is_none_or(|a| a.command_type() != kind) {
        return Err(missing_attributes(kind));
    }
    let id = completion.completed_id;
    match kind {
        CommandType::ScheduleActivityTask => activity::schedule_command(draft, command, id),
        CommandType::RequestCancelActivityTask => activity::cancel_command(draft, command, id),
        CommandType::StartTimer => timer::start_command(draft, command, id),
        CommandType::CancelTimer => timer::cancel_command(draft, command, id, &completion.identity),
        CommandType::RecordMarker => timer::marker_command(draft, command, id),
        CommandType::CompleteWorkflowExecution => close::complete_command(draft, command, id),
        CommandType::FailWorkflowExecution => close::fail_command(draft, command, id),
        CommandType::CancelWorkflowExecution => close::cancel_command(draft, command, id),
        CommandType::ContinueAsNewWorkflowExecution => continue_as_new::command(draft, command, id),
        CommandType::StartChildWorkflowExecution => child_workflow::start_command(draft, command, id),
        CommandType::SignalExternalWorkflowExecution => external_workflow::signal_command(draft, command, id),
        CommandType::RequestCancelExternalWorkflowExecution => external_workflow::cancel_command(draft, command, id),
        CommandType::UpsertWorkflowSearchAttributes => search_attributes::upsert_command(draft, command, id),
        CommandType::ModifyWorkflowProperties => search_attributes::modify_properties_command(draft, command, id),
        CommandType::ProtocolMessage => update::message_command(draft, command, &mut completion.messages, id),
        CommandType::ScheduleNexusOperation => nexus_operation::schedule_command(draft, command, id),
        CommandType::RequestCancelNexusOperation => nexus_operation::cancel_command(draft, command, id),
        CommandType::Unspecified => Err(BadCommand::rpc(Rejection::invalid("unknown command type: Unspecified"))),
    }
}

/// A command without the attributes of its kind.
fn missing_attributes(kind: CommandType) -> BadCommand {
    use CommandType as C;
    let cause = match kind {
        C::ScheduleActivityTask => Cause::BadScheduleActivityAttributes,
        C::RequestCancelActivityTask => Cause::BadRequestCancelActivityAttributes,
        C::StartTimer => Cause::BadStartTimerAttributes,
        C::CancelTimer => Cause::BadCancelTimerAttributes,
        C::RecordMarker => Cause::BadRecordMarkerAttributes,
        C::CompleteWorkflowExecution => Cause::BadCompleteWorkflowExecutionAttributes,
        C::FailWorkflowExecution => Cause::BadFailWorkflowExecutionAttributes,
        C::CancelWorkflowExecution => Cause::BadCancelWorkflowExecutionAttributes,
        C::ContinueAsNewWorkflowExecution => Cause::BadContinueAsNewAttributes,
        C::StartChildWorkflowExecution => Cause::BadStartChildExecutionAttributes,
        C::SignalExternalWorkflowExecution => Cause::BadSignalWorkflowExecutionAttributes,
        C::RequestCancelExternalWorkflowExecution => Cause::BadRequestCancelExternalWorkflowExecutionAttributes,
        C::UpsertWorkflowSearchAttributes => Cause::BadSearchAttributes,
        C::ModifyWorkflowProperties => Cause::BadModifyWorkflowPropertiesAttributes,
        C::ProtocolMessage => Cause::BadUpdateWorkflowExecutionMessage,
        C::ScheduleNexusOperation => {
            let text = "empty ScheduleNexusOperationCommandAttributes";
            return BadCommand::task(Cause::BadScheduleNexusOperationAttributes, text);
        }
        C::RequestCancelNexusOperation => {
            let text = "empty CancelNexusOperationCommandAttributes";
            return BadCommand::task(Cause::BadRequestCancelNexusOperationAttributes, text);
        }
        C::Unspecified => {
            return BadCommand::rpc(Rejection::invalid("unknown command type: Unspecified"));
        }
    };
    let name = camel(kind.as_str_name(), "COMMAND_TYPE_");
    BadCommand::task(cause, format!("{name}CommandAttributes is not set on {name}Command."))
}
