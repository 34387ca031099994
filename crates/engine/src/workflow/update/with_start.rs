//! ExecuteMultiOperation: start a workflow, or find it open, and update it, in one.

use crate::env::Env;
use crate::rejection::{Code, Detail, Rejection};
use crate::reply::{Decided, Reply};
use crate::workflow::ChainOutcome;
use crate::workflow::draft::Draft;
use crate::workflow::links::started_link;
use crate::workflow::start::{self, Admission, seed_of, started_reply};
use crate::workflow::state::Execution;
use crate::workflow::update::{CheckedUpdate, admit, check_admission, check_request, reply, status_of, wait_stage};
use crate::workflow::{conclude, workflow_task};
use evertide_proto::enums::{UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowIdConflictPolicy as Conflict};
use evertide_proto::workflowservice::{StartWorkflowExecutionRequest, UpdateWorkflowExecutionRequest};

/// ExecuteMultiOperation of a start and an update.
pub(in crate::workflow) fn update_with_start(
    start: StartWorkflowExecutionRequest,
    update: UpdateWorkflowExecutionRequest,
    current: Option<&mut Execution>,
    env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    let checked_update = check_update(&start, &update, env);
    let checked_start = check_start(start, env);
    let (start, ()) = match (checked_start, checked_update) {
        (Ok(start), Ok(())) => (start, ()),
        (Err(start), Ok(())) => return Err(failed(start, aborted())),
        (Ok(_), Err(update)) => return Err(failed(aborted(), update)),
        (Err(start), Err(update)) => return Err(failed(start, update)),
    };
    let asked = asked(update, env);
    match current {
        Some(current) => with_current(start, &asked, current, env),
        None => create(start, &asked, None, env),
    }
}

fn with_current(
    start: StartWorkflowExecutionRequest,
    asked: &CheckedUpdate,
    current: &mut Execution,
    env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    let known = status_of(current, &asked.id);
    let state = &current.state;
    let running = state.is_running();
    let completed_by_itself = state.updates.get(&asked.id).is_some_and(|u| u.outcome.is_some());
    let same_start = state.info.create_request_id == start.request_id;
    let use_existing = start.workflow_id_conflict_policy() == Conflict::UseExisting;
    if completed_by_itself || (running && (same_start || known.is_some() || use_existing)) {
        let updated = conclude::over_run(current, env, |draft| update_existing(asked, draft));
        return Ok(ChainOutcome::of_current(updated));
    }
    let admission = start::admit(current, start.workflow_id_conflict_policy(), start.workflow_id_reuse_policy())
        .map_err(|start| failed(start, aborted()))?;
    let replaced = (admission == Admission::Terminate).then_some(current);
    create(start, asked, replaced, env)
}

/// The open run gets the update; or the update is known and answered.
fn update_existing(asked: &CheckedUpdate, draft: &mut Draft<'_, '_>) -> Decided {
    let status = match status_of(draft.exec, &asked.id) {
        Some(status) => status,
        None => {
            check_admission(draft).map_err(|update| failed(aborted(), update))?;
            admit(draft, asked);
            (Stage::Admitted, None)
        }
    };
    let known = status.0 == Stage::Completed;
    let updated = reply(draft.state(), asked, status);
    let link = (!known).then(|| started_link(draft.state()));
    let info = &draft.state().info;
    let started = Reply::Started {
        run_id: info.run_id.clone(),
        first_run_id: info.first_run_id.clone(),
        started: false,
        status: info.status,
        link,
        eager_task: None,
        signal_link: None,
    };
    Ok(Reply::StartedAndUpdated { started: Box::new(started), updated: Box::new(updated) })
}

/// A new run whose first task carries the update.
fn create(
    start: StartWorkflowExecutionRequest,
    asked: &CheckedUpdate,
    replaced: Option<&mut Execution>,
    env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    let seed = seed_of(start, env);
    let current = replaced.map(|current| start::replace(current, &seed, env));
    let new = conclude::new_run(seed, env, |draft| {
        workflow_task::schedule(draft);
        admit(draft, asked);
    });
    let started = started_reply(&new.exec.state, None);
    let updated = reply(&new.exec.state, asked, (Stage::Admitted, None));
    let reply = Reply::StartedAndUpdated { started: Box::new(started), updated: Box::new(updated) };
    Ok(ChainOutcome::of_new(current, new, reply))
}

fn asked(update: UpdateWorkflowExecutionRequest, env: &mut Env<'_>) -> CheckedUpdate {
    let wait_stage = wait_stage(&update);
    let mut request = update.request.unwrap_or_default();
    let meta = request.meta.get_or_insert_default();
    if meta.update_id.is_empty() {
        meta.update_id = env.ids.uuid();
    }
    CheckedUpdate { id: meta.update_id.clone(), request, wait_stage }
}

/// What a start in this call must not have, and all that any start must be.
fn check_start(
    start: StartWorkflowExecutionRequest,
    env: &mut Env<'_>,
) -> Result<StartWorkflowExecutionRequest, Rejection> {
    if !start.cron_schedule.is_empty() {
        return Err(Rejection::invalid("CronSchedule is not allowed."));
    }
    if start.request_eager_execution {
        return Err(Rejection::invalid("RequestEagerExecution is not supported."));
    }
    if start.workflow_start_delay.is_some() {
        return Err(Rejection::invalid("WorkflowStartDelay is not supported."));
    }
    start::prepare(start, env)
}

/// What an update in this call must not have, and all that any update must be.
fn check_update(
    start: &StartWorkflowExecutionRequest,
    update: &UpdateWorkflowExecutionRequest,
    env: &Env<'_>,
) -> Result<(), Rejection> {
    let execution = update.workflow_execution.as_ref();
    check_request(update, env.limits)?;
    if !update.first_execution_run_id.is_empty() {
        return Err(Rejection::invalid("FirstExecutionRunId is not allowed."));
    }
    if execution.is_some_and(|e| !e.run_id.is_empty()) {
        return Err(Rejection::invalid("RunId is not allowed."));
    }
    if !start.workflow_id.is_empty() && execution.map_or("", |e| &e.workflow_id) != start.workflow_id {
        return Err(Rejection::invalid("WorkflowId is not consistent with previous operation(s)."));
    }
    Ok(())
}

fn aborted() -> Rejection {
    Rejection { code: Code::Aborted, message: "Operation was aborted.".into(), detail: Detail::MultiOperationAborted }
}

/// The refusal of the whole call: its code is that of the first operation that failed by itself.
fn failed(start: Rejection, update: Rejection) -> Rejection {
    let code = if start.code == Code::Aborted { update.code } else { start.code };
    let message = "Update-with-Start could not be executed.".into();
    Rejection { code, message, detail: Detail::MultiOperation(vec![start, update]) }
}
