//! A worker takes an attempt.

use crate::env::{timestamp, timestamp_opt};
use crate::reply::{Decided, Reply};
use crate::task_queue::StartTask;
use crate::token::{TaskKind, TaskToken};
use crate::workflow::activity::state::Activity;
use crate::workflow::activity::{Stage, merged_priority, set_run, takes_tasks};
use crate::workflow::draft::Draft;
use crate::workflow::state::State;
use evertide_proto::common::WorkflowType;
use evertide_proto::workflowservice::PollActivityTaskQueueResponse;

/// Who takes an attempt.
pub(super) struct Poller<'a> {
    /// Identity of the worker.
    pub identity: &'a str,
    /// Request id of its poll.
    pub request_id: &'a str,
}

/// Starts the attempt that the poller came for, if it still waits. A repeat of the poll gets the same answer.
pub(in crate::workflow) fn start(draft: &mut Draft<'_, '_>, poll: &StartTask) -> Decided {
    let id = poll.scheduled_event_id;
    let Some(activity) = draft.state().activities.get(&id) else {
        return Ok(Reply::Stale);
    };
    let takes_tasks = takes_tasks(draft.state());
    match activity.stage() {
        Stage::Started if activity.run.request_id == poll.request_id && draft.state().is_running() => {}
        Stage::Queued if activity.run.stamp == poll.stamp && takes_tasks => {
            put_started(draft, id, &Poller { identity: &poll.identity, request_id: &poll.request_id });
        }
        _ => return Ok(Reply::Stale),
    }
    let answer = draft.state().activities.get(&id).map(|a| task_answer(draft.state(), a));
    Ok(answer.map_or(Reply::Stale, |answer| Reply::ActivityTask(Box::new(answer))))
}

/// The current attempt is with a worker from now on.
pub(super) fn put_started(draft: &mut Draft<'_, '_>, id: i64, poller: &Poller<'_>) {
    let now_ns = draft.now_ns();
    let Some(activity) = draft.state().activities.get(&id) else {
        return;
    };
    let mut run = activity.run.clone();
    run.started_time_ns = now_ns;
    run.last_started_time_ns = now_ns;
    poller.request_id.clone_into(&mut run.request_id);
    poller.identity.clone_into(&mut run.worker_identity);
    set_run(draft, id, run);
}

/// What a worker gets of a started attempt. The timeouts are those that the workflow asked for, whatever an operator has
/// changed since; the retry policy is the one in force.
pub(super) fn task_answer(state: &State, activity: &Activity) -> PollActivityTaskQueueResponse {
    let (scheduled, run) = (&activity.scheduled, &activity.run);
    PollActivityTaskQueueResponse {
        task_token: token(state, activity).to_bytes(),
        workflow_namespace: state.info.namespace.clone(),
        workflow_type: Some(WorkflowType { name: state.workflow_type().to_owned() }),
        workflow_execution: Some(state.execution()),
        activity_type: scheduled.activity_type.clone(),
        activity_id: scheduled.activity_id.clone(),
        header: scheduled.header.clone(),
        input: scheduled.input.clone(),
        heartbeat_details: run.heartbeat_details.clone(),
        scheduled_time: timestamp_opt(run.first_scheduled_time_ns),
        current_attempt_scheduled_time: timestamp_opt(run.scheduled_time_ns),
        started_time: Some(timestamp(run.started_time_ns)),
        attempt: run.attempt,
        schedule_to_close_timeout: scheduled.schedule_to_close_timeout,
        start_to_close_timeout: scheduled.start_to_close_timeout,
        heartbeat_timeout: scheduled.heartbeat_timeout,
        retry_policy: Some(activity.retry_policy()),
        priority: merged_priority(state.info.priority.as_ref(), activity.priority()),
        ..PollActivityTaskQueueResponse::default()
    }
}

fn token(state: &State, activity: &Activity) -> TaskToken {
    TaskToken {
        kind: TaskKind::Activity.into(),
        namespace_id: state.info.namespace_id.clone(),
        workflow_id: state.info.workflow_id.clone(),
        run_id: state.info.run_id.clone(),
        scheduled_event_id: activity.scheduled_event_id,
        attempt: activity.run.attempt,
        started_time_ns: activity.run.started_time_ns,
        activity_id: activity.scheduled.activity_id.clone(),
        ..TaskToken::default()
    }
}
