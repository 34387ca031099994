//! What clients ask of a schedule: to make one, to change it, to act.

use super::advance::{self, advance, take_due};
use super::draft::{Draft, invalid_spec};
use super::policy::{self, NOTES_MAX_BYTES};
use super::spec::{ScheduledTime, Spec};
use super::state::{Backfill, Change, Definition, Identity};
use super::{Execution, Made, New};
use crate::env::{Env, timestamp_ns};
use crate::rejection::{Code, Detail, Rejection};
use crate::reply::{Decided, Reply};
use crate::workflow;
use evertide_proto::common::{Memo, SearchAttributes};
use evertide_proto::schedule::schedule_action::Action;
use evertide_proto::schedule::{Schedule, SchedulePatch, ScheduleState};
use evertide_proto::workflow::NewWorkflowExecutionInfo;
use evertide_proto::workflowservice as ws;
use prost::Message;

/// The conflict token of a schedule that nothing has happened to.
const FIRST_CONFLICT_TOKEN: i64 = 1;

/// What the time adds to a workflow id, bytes.
const TIME_IN_ID_BYTES: usize = "-2009-11-10T23:00:00Z".len();

/// How the reference counts the length of a schedule id: that of the workflow which keeps it there.
const ID_PREFIX_BYTES: usize = "temporal-sys-scheduler:".len();

/// CreateSchedule. A repeated request finds the schedule that it made.
pub(super) fn create(
    request: ws::CreateScheduleRequest,
    current: Option<&mut Execution>,
    env: &mut Env<'_>,
) -> Result<Made, Rejection> {
    check_ids(&request, env)?;
    let schedule = request.schedule.unwrap_or_default();
    let state = schedule.state.clone().unwrap_or_default();
    check_notes(&state.notes)?;
    let (mut definition, spec) = define(schedule, &request.namespace, env)?;
    definition.search_attributes = checked_attributes(request.search_attributes, &request.namespace, env)?;
    definition.memo = checked_memo(request.memo, env)?;
    if let Some(patch) = &request.initial_patch {
        check_patch(patch)?;
    }
    if let Some(current) = current.filter(|current| current.state.is_open()) {
        if current.state.identity.create_request_id != request.request_id {
            return Err(taken(&request.schedule_id));
        }
        let conflict_token = current.state.progress.conflict_token;
        return Ok(Made::answer(Reply::ScheduleCreated { conflict_token }));
    }
    let namespace_id = env.namespaces.named(&request.namespace).map_or_else(String::new, |found| found.id.clone());
    let identity = Identity {
        namespace_id,
        namespace: request.namespace,
        schedule_id: request.schedule_id,
        run_id: env.ids.run_id(env.now_ns),
        create_request_id: request.request_id,
        create_time_ns: env.now_ns,
    };
    let mut exec = Execution::default();
    let mut draft = Draft::create(&mut exec.state, env, identity, definition, spec);
    draft.progress.state = state;
    draft.progress.conflict_token = FIRST_CONFLICT_TOKEN;
    draft.progress.processed_ns = draft.env.now_ns;
    if let Some(patch) = request.initial_patch {
        apply_patch(&mut draft, patch);
    }
    let next = take_due(&mut draft);
    advance(&mut draft, next);
    let reply = Reply::ScheduleCreated { conflict_token: FIRST_CONFLICT_TOKEN };
    let written = draft.into_written();
    Ok(Made::of_new(None, New { exec, written }, reply))
}

fn taken(schedule_id: &str) -> Rejection {
    let nothing = String::new;
    Rejection {
        code: Code::AlreadyExists,
        message: format!("schedule \"{schedule_id}\" is already registered").into(),
        detail: Detail::AlreadyStarted { start_request_id: nothing(), run_id: nothing(), first_run_id: nothing() },
    }
}

fn check_ids(request: &ws::CreateScheduleRequest, env: &Env<'_>) -> Result<(), Rejection> {
    let limit = env.limits.id_length_bytes;
    if request.schedule_id.is_empty() {
        return Err(Rejection::invalid("ScheduleId is not set on request."));
    }
    let length = request.schedule_id.len() + ID_PREFIX_BYTES;
    if length > limit {
        return Err(Rejection::invalid(format!("ScheduleId exceeds maximum allowed length ({length}/{limit})")));
    }
    if request.request_id.is_empty() {
        return Err(Rejection::invalid("RequestId is not set on request."));
    }
    check_request_id(&request.request_id, env)
}

fn check_request_id(request_id: &str, env: &Env<'_>) -> Result<(), Rejection> {
    if request_id.len() > env.limits.id_length_bytes {
        return Err(Rejection::invalid("RequestId length exceeds limit."));
    }
    Ok(())
}

fn check_notes(notes: &str) -> Result<(), Rejection> {
    if notes.len() > NOTES_MAX_BYTES { Err(Rejection::invalid("Schedule notes exceeds limit.")) } else { Ok(()) }
}

/// Checks what a schedule is to do, and brings it into its canonical form.
fn define(schedule: Schedule, namespace: &str, env: &mut Env<'_>) -> Result<(Definition, Spec), Rejection> {
    let spec = Spec::compile(&schedule.spec.unwrap_or_default()).map_err(invalid_spec)?;
    let mut action = schedule.action.unwrap_or_default();
    if let Some(Action::StartWorkflow(workflow)) = &mut action.action {
        check_action(workflow, namespace, env)?;
    }
    let policies = policy::with_defaults(schedule.policies.unwrap_or_default());
    let definition =
        Definition { spec: spec.canonical().clone(), action, policies, memo: None, search_attributes: None };
    if definition.encoded_len() > env.limits.blob_size_bytes {
        return Err(Rejection::invalid("Blob data size exceeds limit."));
    }
    Ok((definition, spec))
}

/// Checks the workflow that a schedule starts as its start will be checked, so that no start fails for what was known.
fn check_action(action: &mut NewWorkflowExecutionInfo, namespace: &str, env: &mut Env<'_>) -> Result<(), Rejection> {
    use evertide_proto::enums::WorkflowIdReusePolicy as Reuse;
    if !action.cron_schedule.is_empty() {
        return Err(Rejection::invalid("Scheduled workflow must not contain CronSchedule"));
    }
    if !matches!(action.workflow_id_reuse_policy(), Reuse::Unspecified | Reuse::AllowDuplicate) {
        return Err(Rejection::invalid("Scheduled workflow must not contain WorkflowIDReusePolicy"));
    }
    let time = "x".repeat(TIME_IN_ID_BYTES);
    let start = ws::StartWorkflowExecutionRequest {
        namespace: namespace.to_owned(),
        workflow_id: format!("{}{time}", action.workflow_id),
        workflow_type: action.workflow_type.clone(),
        task_queue: action.task_queue.clone(),
        input: action.input.clone(),
        workflow_execution_timeout: action.workflow_execution_timeout,
        workflow_run_timeout: action.workflow_run_timeout,
        workflow_task_timeout: action.workflow_task_timeout,
        retry_policy: action.retry_policy.clone(),
        memo: action.memo.clone(),
        search_attributes: action.search_attributes.clone(),
        header: action.header.clone(),
        user_metadata: action.user_metadata.clone(),
        versioning_override: action.versioning_override.clone(),
        priority: action.priority.clone(),
        ..ws::StartWorkflowExecutionRequest::default()
    };
    workflow::check_start(start, env)?;
    if let Some(queue) = &mut action.task_queue {
        queue.kind = evertide_proto::enums::TaskQueueKind::Normal.into();
    }
    Ok(())
}

fn checked_attributes(
    attributes: Option<SearchAttributes>,
    namespace: &str,
    env: &Env<'_>,
) -> Result<Option<SearchAttributes>, Rejection> {
    let Some(mut attributes) = attributes else { return Ok(None) };
    workflow::check_search_attributes(&mut attributes, namespace, env)?;
    Ok((!attributes.indexed_fields.is_empty()).then_some(attributes))
}

fn checked_memo(memo: Option<Memo>, env: &Env<'_>) -> Result<Option<Memo>, Rejection> {
    if memo.as_ref().map_or(0, Memo::encoded_len) > env.limits.memo_size_bytes {
        return Err(Rejection::invalid("Memo size exceeds limit."));
    }
    Ok(memo.filter(|memo| !memo.fields.is_empty()))
}

/// UpdateSchedule: replaces what the schedule is to do, with its pause and limit. What has happened stays.
pub(super) fn update(draft: &mut Draft<'_, '_>, request: ws::UpdateScheduleRequest) -> Decided {
    check_request_id(&request.request_id, draft.env)?;
    let schedule = request.schedule.unwrap_or_default();
    let state = schedule.state.clone().unwrap_or_default();
    check_notes(&state.notes)?;
    let (mut definition, spec) = define(schedule, &request.namespace, draft.env)?;
    let before = &draft.state().definition;
    definition.search_attributes = match &request.search_attributes {
        None => before.search_attributes.clone(),
        given => checked_attributes(given.clone(), &request.namespace, draft.env)?,
    };
    definition.memo = match request.memo {
        None => draft.state().definition.memo.clone(),
        memo => checked_memo(memo, draft.env)?,
    };
    if is_repeated(draft, &request.request_id) {
        return Ok(Reply::Done);
    }
    check_conflict(draft, &request.conflict_token)?;
    take_due(draft); // What has come due before belongs to the schedule as it was.
    note_request(draft, request.request_id);
    draft.define(definition, spec);
    draft.progress.state = state;
    draft.progress.update_time_ns = draft.env.now_ns;
    draft.progress.conflict_token += 1;
    let next = take_due(draft);
    advance(draft, next);
    Ok(Reply::Done)
}

/// A token of 8 bytes must be the present one; without one the update holds in any case.
fn check_conflict(draft: &Draft<'_, '_>, token: &[u8]) -> Result<(), Rejection> {
    if token.is_empty() {
        return Ok(());
    }
    let asked = token.try_into().map(i64::from_be_bytes);
    match asked {
        Ok(asked) if asked == draft.progress.conflict_token => Ok(()),
        Ok(_) => Err(Rejection::precondition("mismatched conflict token")),
        Err(_) => Err(Rejection::invalid("ConflictToken is not one that this server gave.")),
    }
}

/// PatchSchedule.
pub(super) fn patch(draft: &mut Draft<'_, '_>, request: ws::PatchScheduleRequest) -> Decided {
    let Some(patch) = request.patch else {
        return Err(Rejection::invalid("Patch is not set on request."));
    };
    check_request_id(&request.request_id, draft.env)?;
    check_patch(&patch)?;
    if is_repeated(draft, &request.request_id) {
        return Ok(Reply::Done);
    }
    take_due(draft);
    note_request(draft, request.request_id);
    apply_patch(draft, patch);
    let next = take_due(draft);
    advance(draft, next);
    Ok(Reply::Done)
}

fn check_patch(patch: &SchedulePatch) -> Result<(), Rejection> {
    check_notes(&patch.pause)?;
    check_notes(&patch.unpause)
}

fn is_repeated(draft: &Draft<'_, '_>, request_id: &str) -> bool {
    !request_id.is_empty() && draft.state().request_ids.iter().any(|seen| seen == request_id)
}

fn note_request(draft: &mut Draft<'_, '_>, request_id: String) {
    if !request_id.is_empty() {
        draft.record(Change::RequestId(request_id));
    }
}

fn apply_patch(draft: &mut Draft<'_, '_>, patch: SchedulePatch) {
    if let Some(trigger) = patch.trigger_immediately {
        let asked_ns = trigger.scheduled_time.as_ref().map(timestamp_ns).filter(|time_ns| *time_ns != 0);
        let time_ns = asked_ns.unwrap_or(draft.env.now_ns);
        let time = ScheduledTime { nominal_ns: time_ns, actual_ns: time_ns };
        advance::buffer(draft, time, trigger.overlap_policy, true);
    }
    for asked in patch.backfill_request {
        if draft.progress.backfills.len() >= advance::BUFFER_MAX {
            draft.progress.buffer_dropped += 1;
            continue;
        }
        let time_ns = |time: Option<prost_types::Timestamp>| time.as_ref().map_or(0, timestamp_ns);
        draft.progress.backfills.push(Backfill {
            after_ns: time_ns(asked.start_time).saturating_sub(1), // A backfill includes its start.
            until_ns: time_ns(asked.end_time),
            overlap_policy: asked.overlap_policy,
        });
    }
    let paused = [(patch.pause, true), (patch.unpause, false)];
    for (notes, paused) in paused.into_iter().filter(|(notes, _)| !notes.is_empty()) {
        draft.progress.state = ScheduleState { notes, paused, ..std::mem::take(&mut draft.progress.state) };
        draft.progress.conflict_token += 1;
    }
}
