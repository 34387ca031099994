//! The start of a child: at its workflow id, back at the parent, and its permission to begin.

use crate::env::{Env, duration_ns};
use crate::message::{ChildStart, Delivery, DeliveryResult, Message};
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::workflow::child_workflow::state::Child;
use crate::workflow::child_workflow::{close_policy, is_started, send_begin, telling};
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::run_seed::RunSeed;
use crate::workflow::start::{self, Admission};
use crate::workflow::state::{Execution, State};
use crate::workflow::{ChainOutcome, activity, conclude, workflow_task};
use evertide_proto::common::WorkflowExecution;
use evertide_proto::enums::{
    EventType, ParentClosePolicy, StartChildWorkflowExecutionFailedCause as Cause,
    WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse,
};
use evertide_proto::history::{
    ChildWorkflowExecutionStartedEventAttributes, StartChildWorkflowExecutionFailedEventAttributes,
};
use evertide_proto::workflowservice::StartWorkflowExecutionRequest;

/// The request id with which a child is started: the same whenever the message is sent again.
pub(in crate::workflow) fn request_id(parent_run_id: &str, initiated_event_id: i64) -> String {
    format!("{parent_run_id}:{initiated_event_id}:0")
}

/// A parent's message, at the child's workflow id: start the child without a workflow task.
pub(in crate::workflow) fn start_child(
    delivery: Delivery,
    current: Option<&mut Execution>,
    env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    let Some(child) = &delivery.child else {
        return Ok(answer(DeliveryResult::NotFound));
    };
    if env.namespaces.with_id(&delivery.target.namespace_id).is_none() {
        return Ok(answer(DeliveryResult::NamespaceNotFound));
    }
    let (conflict, reuse) = policies(child.initiated.workflow_id_reuse_policy());
    let replaced = match current {
        None => None,
        Some(current) if is_this_child(&current.state, &delivery, child) => {
            let run_id = current.state.info.first_run_id.clone();
            return Ok(answer(DeliveryResult::ChildStarted { run_id }));
        }
        Some(current) => match start::admit(current, conflict, reuse) {
            Ok(Admission::New) => None,
            Ok(Admission::Terminate) => Some(current),
            Ok(Admission::UseExisting) | Err(_) => return Ok(answer(DeliveryResult::ChildExists)),
        },
    };
    let seed = seed(&delivery, child, env);
    let current = replaced.map(|current| start::replace(current, &seed, env));
    let new = conclude::new_run(seed, env, |_| {});
    let run_id = new.exec.state.info.run_id.clone();
    let reply = Reply::Delivered(DeliveryResult::ChildStarted { run_id });
    Ok(ChainOutcome::of_new(current, new, reply))
}

fn answer(result: DeliveryResult) -> ChainOutcome {
    ChainOutcome::answer(Reply::Delivered(result))
}

/// Whether the newest run of the workflow id was made by this very message, or follows the run that was.
///
/// A parent that was reset sends the message again in the name of its new run, with the request id of old; then the
/// child counts only while it runs, since the news of its end went to the parent's old run.
fn is_this_child(state: &State, delivery: &Delivery, child: &ChildStart) -> bool {
    let started = &state.started;
    let Message::StartChild(message) = &delivery.message else {
        return false;
    };
    let of_this_parent = started.parent_workflow_execution.as_ref() == Some(&delivery.source.execution)
        && started.parent_workflow_namespace_id == delivery.source.namespace_id
        && started.parent_initiated_event_id == message.initiated_event_id;
    let of_this_request = state
        .request_ids
        .get(&child.request_id)
        .is_some_and(|seen| seen.event_type == i32::from(EventType::WorkflowExecutionStarted));
    of_this_parent || (of_this_request && state.is_running())
}

/// Conflict and reuse policy: a child has only the latter, whose deprecated value stands for both.
fn policies(reuse: Reuse) -> (Conflict, Reuse) {
    match reuse {
        Reuse::TerminateIfRunning => (Conflict::TerminateExisting, Reuse::AllowDuplicate),
        Reuse::Unspecified => (Conflict::Fail, Reuse::AllowDuplicate),
        reuse => (Conflict::Fail, reuse),
    }
}

fn seed(delivery: &Delivery, child: &ChildStart, env: &mut Env<'_>) -> RunSeed {
    let a = child.initiated.clone();
    let (initiated_event_id, user_metadata) = match &delivery.message {
        Message::StartChild(message) => (message.initiated_event_id, message.user_metadata.clone()),
        _ => (0, None),
    };
    let request = StartWorkflowExecutionRequest {
        namespace: a.namespace,
        workflow_id: a.workflow_id,
        workflow_type: a.workflow_type,
        task_queue: a.task_queue,
        input: a.input,
        workflow_execution_timeout: a.workflow_execution_timeout,
        workflow_run_timeout: a.workflow_run_timeout,
        workflow_task_timeout: a.workflow_task_timeout,
        request_id: child.request_id.clone(),
        retry_policy: a.retry_policy,
        cron_schedule: a.cron_schedule,
        memo: a.memo,
        search_attributes: a.search_attributes,
        header: a.header,
        user_metadata,
        versioning_override: a.versioning_override,
        time_skipping_config: a.time_skipping_config,
        priority: activity::merged_priority(child.parent_priority.as_ref(), a.priority.as_ref()),
        ..StartWorkflowExecutionRequest::default()
    };
    let world_ns = env.now_ns;
    let ahead = a.time_skipping_state_propagation;
    let ahead_ns = ahead.as_ref().map_or(0, |p| duration_ns(p.initial_skipped_duration.as_ref()));
    env.now_ns = env.now_ns.saturating_add(ahead_ns);
    let mut seed = start::seed_of(request, env); // The child begins by its parent's clock.
    env.now_ns = world_ns;
    seed.started.time_skipping_state_propagation = ahead;
    seed.started.parent_workflow_namespace.clone_from(&delivery.source.namespace);
    seed.started.parent_workflow_namespace_id.clone_from(&delivery.source.namespace_id);
    seed.started.parent_workflow_execution = Some(delivery.source.execution.clone());
    seed.started.parent_initiated_event_id = initiated_event_id;
    seed.started.root_workflow_execution = Some(child.root.clone());
    seed
}

/// The child's answer, at the parent.
pub(in crate::workflow) fn start_answered(draft: &mut Draft<'_, '_>, initiated_event_id: i64, result: &DeliveryResult) {
    let Some(child) = draft.state().children.get(&initiated_event_id).cloned() else {
        return;
    };
    if !draft.state().is_running() {
        return answered_too_late(draft, &child, result);
    }
    if is_started(&child) {
        return;
    }
    match result {
        DeliveryResult::ChildStarted { run_id } => {
            write_started(draft, initiated_event_id, run_id);
            send_begin(draft, &child, run_id);
        }
        DeliveryResult::NamespaceNotFound => write_failed(draft, initiated_event_id, Cause::NamespaceNotFound),
        _ => write_failed(draft, initiated_event_id, Cause::WorkflowAlreadyExists),
    }
    workflow_task::schedule(draft);
}

/// The parent closed while the start was under way: its close policy is applied now, and a child that is to outlive
/// the parent may begin.
fn answered_too_late(draft: &mut Draft<'_, '_>, child: &Child, result: &DeliveryResult) {
    let DeliveryResult::ChildStarted { run_id } = result else {
        return;
    };
    if is_started(child) {
        return;
    }
    match close_policy(child) {
        ParentClosePolicy::Abandon => send_begin(draft, child, run_id),
        policy => telling::send_parent_closed(draft, child, run_id.clone(), policy),
    }
}

/// Writes that a pending child has started.
pub(in crate::workflow) fn write_started(draft: &mut Draft<'_, '_>, initiated_event_id: i64, run_id: &str) {
    let Some(child) = draft.state().children.get(&initiated_event_id) else {
        return;
    };
    let initiated = &child.initiated;
    let attributes = ChildWorkflowExecutionStartedEventAttributes {
        namespace: initiated.namespace.clone(),
        namespace_id: initiated.namespace_id.clone(),
        initiated_event_id,
        workflow_execution: Some(WorkflowExecution {
            workflow_id: initiated.workflow_id.clone(),
            run_id: run_id.to_owned(),
        }),
        workflow_type: initiated.workflow_type.clone(),
        header: initiated.header.clone(),
    };
    draft.arrive(attributes, EventExtra::default());
}

/// Writes that a pending child could not be started.
pub(in crate::workflow) fn write_failed(draft: &mut Draft<'_, '_>, initiated_event_id: i64, cause: Cause) {
    let Some(child) = draft.state().children.get(&initiated_event_id) else {
        return;
    };
    let initiated = &child.initiated;
    let attributes = StartChildWorkflowExecutionFailedEventAttributes {
        namespace: initiated.namespace.clone(),
        namespace_id: initiated.namespace_id.clone(),
        workflow_id: initiated.workflow_id.clone(),
        workflow_type: initiated.workflow_type.clone(),
        cause: cause.into(),
        control: initiated.control.clone(),
        initiated_event_id,
        workflow_task_completed_event_id: 0,
    };
    draft.arrive(attributes, EventExtra::default());
}

/// The parent knows of the child: it may begin. A task that was scheduled for another reason is enough, and a wait
/// for the first one (cron) goes on.
pub(in crate::workflow) fn begin(draft: &mut Draft<'_, '_>) -> DeliveryResult {
    if !draft.state().is_running() {
        return DeliveryResult::NotFound;
    }
    let info = &draft.state().info;
    if info.last_completed_event_id == 0 && info.first_task_due_ns == 0 {
        workflow_task::schedule_first(draft);
    }
    DeliveryResult::Taken
}
