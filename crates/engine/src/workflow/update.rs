//! Updates: admitted (volatile), sent to a worker (volatile), accepted (durable), completed (durable).
//!
//! Until a worker accepts it, an update lives in [`Volatile`](crate::workflow::Volatile) and leaves no trace: losing it
//! is an error that clients retry. From its acceptance on it is in the history and in `State::updates`, and its outcome
//! can be asked for as long as the run is kept. An update id is one update for the life of a run.

mod messages;
pub(super) mod state;
#[cfg(test)]
mod tests;
mod with_start;

pub(super) use messages::{
    Messages, check_messages, leaves_nothing, message_command, messages_for_task, take_messages, take_rejections,
};
pub(super) use with_start::update_with_start;

use crate::callback;
use crate::effects::UpdateSignal;
use crate::limits::Limits;
use crate::rejection::{Code, Detail, Rejection};
pub use crate::reply::UpdateStatus;
use crate::reply::{Decided, Reply};
use crate::workflow::change::Change;
use crate::workflow::draft::Draft;
use crate::workflow::state::{Execution, State};
use crate::workflow::update::state::UpdateInfo;
use crate::workflow::volatile::LiveUpdate;
use crate::workflow::workflow_task;
use evertide_proto::common::Callback;
use evertide_proto::enums::UpdateWorkflowExecutionLifecycleStage as Stage;
use evertide_proto::failure::failure::FailureInfo;
use evertide_proto::failure::{ApplicationFailureInfo, Failure};
use evertide_proto::update::outcome::Value;
use evertide_proto::update::{Outcome, Request};
use evertide_proto::workflowservice as ws;

/// Attempt of a workflow task from which an update is refused: the workflow's code does not get through its task.
const FAILING_TASK_ATTEMPT: i32 = 3;
/// What a caller hears whose update is lost in a failed task.
const TASK_FAILED: &str = "Unable to perform workflow execution update due to unexpected workflow task failure.";

/// A checked update request.
#[derive(Debug, Clone)]
struct CheckedUpdate {
    id: String,
    request: Request,
    wait_stage: Stage,
}

/// UpdateWorkflowExecution.
pub(super) fn update(draft: &mut Draft<'_, '_>, request: ws::UpdateWorkflowExecutionRequest) -> Decided {
    let guard = request.first_execution_run_id.clone();
    let asked = checked(draft, request)?;
    if !guard.is_empty() && guard != draft.state().info.first_run_id {
        return Err(Rejection::chain_mismatch());
    }
    find_or_admit(draft, &asked)
}

/// The status of a known update, or a new one that has been admitted.
fn find_or_admit(draft: &mut Draft<'_, '_>, asked: &CheckedUpdate) -> Decided {
    if let Some(status) = status_of(draft.exec, &asked.id) {
        return Ok(reply(draft.state(), asked, status));
    }
    check_admission(draft)?;
    admit(draft, asked);
    Ok(reply(draft.state(), asked, (Stage::Admitted, None)))
}

fn reply(state: &State, asked: &CheckedUpdate, (stage, outcome): (Stage, Option<Outcome>)) -> Reply {
    Reply::Update(Box::new(UpdateStatus {
        update_id: asked.id.clone(),
        run_id: state.info.run_id.clone(),
        stage: stage.into(),
        outcome,
        wait_stage: asked.wait_stage.into(),
        request_id: asked.request.request_id.clone(),
    }))
}

fn checked(draft: &mut Draft<'_, '_>, request: ws::UpdateWorkflowExecutionRequest) -> Result<CheckedUpdate, Rejection> {
    check_request(&request, draft.limits())?;
    let wait_stage = wait_stage(&request);
    let mut update = request.request.unwrap_or_default();
    let meta = update.meta.get_or_insert_default();
    if meta.update_id.is_empty() {
        meta.update_id = draft.env.ids.uuid();
    }
    Ok(CheckedUpdate { id: meta.update_id.clone(), request: update, wait_stage })
}

fn wait_stage(request: &ws::UpdateWorkflowExecutionRequest) -> Stage {
    match request.wait_policy.as_ref().map_or(Stage::Unspecified, |w| w.lifecycle_stage()) {
        Stage::Unspecified => Stage::Completed,
        stage => stage,
    }
}

/// What is wrong with an update request, whatever the workflow.
///
/// # Errors
/// Missing parts, an id that is too long, a stage that cannot be waited for, callbacks.
pub fn check_request(request: &ws::UpdateWorkflowExecutionRequest, limits: &Limits) -> Result<(), Rejection> {
    let update = request.request.as_ref();
    let Some(meta) = update.and_then(|u| u.meta.as_ref()) else {
        return Err(Rejection::invalid("Update meta is not set on request."));
    };
    if meta.update_id.len() > limits.id_length_bytes {
        return Err(Rejection::invalid("UpdateId length exceeds limit."));
    }
    let Some(input) = update.and_then(|u| u.input.as_ref()) else {
        return Err(Rejection::invalid("Update input is not set on request."));
    };
    if input.name.is_empty() {
        return Err(Rejection::invalid("Update name is not set on request."));
    }
    if !limits.updates {
        return Err(denied("UpdateWorkflowExecution operation is disabled on this namespace."));
    }
    match wait_stage(request) {
        Stage::Admitted => Err(denied(
            "UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported.",
        )),
        Stage::Accepted if !limits.updates_wait_for_acceptance => Err(denied(
            "UpdateWorkflowExecution issued asynchronously and waiting on update accepted is disabled on this namespace.",
        )),
        _ => check_callbacks(update.map_or(&[], |u| &u.completion_callbacks), limits),
    }
}

fn denied(message: &'static str) -> Rejection {
    let detail = Detail::PermissionDenied { reason: String::new() };
    Rejection { code: Code::PermissionDenied, message: message.into(), detail }
}

/// Nothing calls the callbacks of an update yet: to take them and never to call would be worse.
fn check_callbacks(callbacks: &[Callback], limits: &Limits) -> Result<(), Rejection> {
    callback::check(callbacks, limits)?;
    if callbacks.is_empty() {
        return Ok(());
    }
    Err(Rejection::unimplemented("completion callbacks of updates are not delivered by this server yet"))
}

/// How far the update of that id is; none if the run does not know it.
fn status_of(exec: &Execution, id: &str) -> Option<(Stage, Option<Outcome>)> {
    if exec.volatile.update(id).is_some() {
        return Some((Stage::Admitted, None));
    }
    let is_running = exec.state.is_running();
    let info = exec.state.updates.get(id)?;
    match &info.outcome {
        Some(outcome) => Some((Stage::Completed, Some(outcome.clone()))),
        None if info.accepted_event_id == 0 && !is_running => None,
        None if info.accepted_event_id == 0 => Some((Stage::Admitted, None)),
        None if is_running => Some((Stage::Accepted, None)),
        None => Some((Stage::Completed, Some(closed_before_completion()))),
    }
}

/// Whether the run takes a new update now.
fn check_admission(draft: &Draft<'_, '_>) -> Result<(), Rejection> {
    let (state, limits) = (draft.state(), draft.limits());
    if !state.is_running() {
        return Err(Rejection::already_completed());
    }
    if state.info.pause.is_some() {
        return Err(Rejection::precondition("Workflow is paused. Cannot update the workflow."));
    }
    if state.info.close_attempted && draft.exec.task_started() {
        return Err(closing());
    }
    if draft.exec.task().is_some_and(|t| t.attempt >= FAILING_TASK_ATTEMPT) {
        return Err(Rejection::not_ready(
            "Unable to perform workflow execution update due to Workflow Task in failed state.",
        ));
    }
    let open = state.updates.values().filter(|u| u.outcome.is_none()).count() + draft.exec.volatile.updates.len();
    if open >= limits.in_flight_updates {
        return Err(Rejection::concurrent_limit(format!(
            "limit on number of concurrent in-flight updates has been reached ({})",
            limits.in_flight_updates
        )));
    }
    if state.updates.len() + draft.exec.volatile.updates.len() >= limits.total_updates {
        return Err(Rejection::precondition(format!(
            "The limit on the total number of distinct updates in this workflow has been reached ({}). Make sure any \
             duplicate updates share an Update ID so the server can deduplicate them, and consider rejecting updates \
             that you aren't going to process",
            limits.total_updates
        )));
    }
    Ok(())
}

fn closing() -> Rejection {
    Rejection::busy("workflow operation can not be applied because workflow is closing")
}

/// Takes the update in and sees to it that a worker gets it.
fn admit(draft: &mut Draft<'_, '_>, asked: &CheckedUpdate) {
    let update = LiveUpdate { id: asked.id.clone(), request: asked.request.clone(), sent: false };
    draft.exec.volatile.updates.push(update);
    workflow_task::schedule_speculative(draft);
}

/// PollWorkflowExecutionUpdate.
pub(super) fn poll(draft: &mut Draft<'_, '_>, request: &ws::PollWorkflowExecutionUpdateRequest) -> Decided {
    let id = request.update_ref.as_ref().map_or("", |r| &r.update_id);
    let Some((stage, outcome)) = status_of(draft.exec, id) else {
        return Err(Rejection::not_found(format!("update \"{id}\" not found")));
    };
    let wait_stage = request.wait_policy.as_ref().map_or(Stage::Unspecified, |w| w.lifecycle_stage());
    Ok(Reply::Update(Box::new(UpdateStatus {
        update_id: id.to_owned(),
        run_id: draft.state().info.run_id.clone(),
        stage: stage.into(),
        outcome,
        wait_stage: wait_stage.into(),
        request_id: String::new(),
    })))
}

/// An update that a reset brings into a new run: it is told to the worker by its event.
pub(super) fn outcome_of_failure(failure: Failure) -> Outcome {
    Outcome { value: Some(Value::Failure(failure)) }
}

fn application_failure(message: &str, kind: &str) -> Outcome {
    outcome_of_failure(Failure {
        message: message.to_owned(),
        source: "Server".to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: kind.to_owned(),
            non_retryable: true,
            ..ApplicationFailureInfo::default()
        })),
        ..Failure::default()
    })
}

/// The outcome of an accepted update whose run closed first.
fn closed_before_completion() -> Outcome {
    application_failure(
        "Workflow Update failed because the Workflow completed before the Update completed.",
        "AcceptedUpdateCompletedWorkflow",
    )
}

/// Updates that a reset brought into the run and no worker has accepted yet.
fn carried_over(state: &State) -> Vec<String> {
    let open = |(_, info): &(&String, &UpdateInfo)| info.outcome.is_none() && info.accepted_event_id == 0;
    state.updates.iter().filter(open).map(|(id, _)| id.clone()).collect()
}

/// Rejects the updates that were sent with the task and that its answer does not mention. Those that a reset brought
/// into the run were sent by their events.
pub(super) fn reject_unprocessed(draft: &mut Draft<'_, '_>) {
    let (sent, unsent): (Vec<_>, Vec<_>) =
        std::mem::take(&mut draft.exec.volatile.updates).into_iter().partition(|u| u.sent);
    draft.exec.volatile.updates = unsent;
    let carried_over = carried_over(draft.state());
    for id in &carried_over {
        draft.record(Change::UpdateForgotten(id.clone()));
    }
    for id in sent.into_iter().map(|update| update.id).chain(carried_over) {
        let outcome = application_failure(
            "Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not supported by the worker.",
            "UnprocessedUpdate",
        );
        draft.tell_update(id, UpdateSignal::Completed(outcome));
    }
}

/// The worker's answer was wrong: the updates that were sent with it fail, those it has not seen stay.
pub(super) fn on_bad_answer(draft: &mut Draft<'_, '_>) {
    let (sent, unsent): (Vec<_>, Vec<_>) =
        std::mem::take(&mut draft.exec.volatile.updates).into_iter().partition(|u| u.sent);
    draft.exec.volatile.updates = unsent;
    for update in sent {
        draft.tell_update(update.id, UpdateSignal::Aborted(Rejection::not_ready(TASK_FAILED)));
    }
}

/// The run has closed: whoever waits for an update is told.
pub(super) fn on_close(draft: &mut Draft<'_, '_>) {
    let has_successor = !draft.state().info.new_run_id.is_empty();
    let live = std::mem::take(&mut draft.exec.volatile.updates);
    for id in live.into_iter().map(|update| update.id).chain(carried_over(draft.state())) {
        let why = if has_successor {
            closing()
        } else {
            Rejection::not_found("workflow update was aborted by closing workflow")
        };
        draft.tell_update(id, UpdateSignal::Aborted(why));
    }
    let open = |(_, info): &(&String, &UpdateInfo)| info.outcome.is_none() && info.accepted_event_id != 0;
    let ids: Vec<String> = draft.state().updates.iter().filter(open).map(|(id, _)| id.clone()).collect();
    for id in ids {
        draft.tell_update(id, UpdateSignal::Completed(closed_before_completion()));
    }
}

/// Forgets an update that was admitted by a reset and rejected.
fn forget_admitted(draft: &mut Draft<'_, '_>, id: &str) {
    if draft.state().is_running() && draft.state().updates.contains_key(id) {
        draft.record(Change::UpdateForgotten(id.to_owned()));
    }
}
