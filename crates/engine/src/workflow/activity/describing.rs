//! What DescribeWorkflowExecution shows of a pending activity.

use crate::env::{duration, timestamp_opt};
use crate::retry_policy::{self, Attempt, Retried, Retry};
use crate::workflow::activity::Stage;
use crate::workflow::activity::state::{Activity, ActivityRun};
use evertide_proto::activity::ActivityOptions;
use evertide_proto::common::RetryPolicy;
use evertide_proto::enums::PendingActivityState;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflow::PendingActivityInfo;
use prost_types::Duration;

/// A pending activity as it is at a time. Those of a closed run are shown as they were.
pub(in crate::workflow) fn pending_info(activity: &Activity, now_ns: i64) -> PendingActivityInfo {
    let run = &activity.run;
    let policy = activity.retry_policy();
    let next_ns = if shown_state(activity) == PendingActivityState::Scheduled && now_ns < run.scheduled_time_ns {
        run.scheduled_time_ns
    } else {
        0
    };
    let ended_ns = run.last_attempt_complete_time_ns;
    PendingActivityInfo {
        activity_id: activity.scheduled.activity_id.clone(),
        activity_type: activity.scheduled.activity_type.clone(),
        state: shown_state(activity).into(),
        heartbeat_details: run.heartbeat_details.clone(),
        last_heartbeat_time: timestamp_opt(run.heartbeat_time_ns),
        last_started_time: timestamp_opt(run.started_time_ns),
        attempt: run.attempt,
        maximum_attempts: policy.maximum_attempts,
        scheduled_time: timestamp_opt(run.scheduled_time_ns),
        expiration_time: timestamp_opt(activity.expiration_ns()),
        last_failure: run.last_failure.clone(),
        last_worker_identity: last_worker_identity(run).to_owned(),
        current_retry_interval: retry_interval(activity, next_ns),
        last_attempt_complete_time: timestamp_opt(ended_ns),
        next_attempt_schedule_time: timestamp_opt(next_ns),
        paused: run.pause.is_some(),
        pause_info: run.pause.clone(),
        priority: activity.priority().cloned(),
        activity_options: Some(shown_options(activity, policy)),
        ..PendingActivityInfo::default()
    }
}

fn last_worker_identity(run: &ActivityRun) -> &str {
    if run.worker_identity.is_empty() { &run.heartbeat_identity } else { &run.worker_identity }
}

/// The wait before the next attempt; of one that waits for a worker, the wait that would follow it.
fn retry_interval(activity: &Activity, next_ns: i64) -> Option<Duration> {
    let run = &activity.run;
    if next_ns != 0 {
        let ended_ns = run.last_attempt_complete_time_ns;
        return (ended_ns != 0).then(|| duration(next_ns - ended_ns));
    }
    if !matches!(shown_state(activity), PendingActivityState::Scheduled | PendingActivityState::Paused) {
        return None;
    }
    let attempt = Attempt {
        retried: Retried::Activity,
        number: run.attempt,
        failure: None,
        now_ns: run.scheduled_time_ns,
        expiration_ns: None,
    };
    match retry_policy::next_attempt(Some(&activity.retry_policy()), &attempt) {
        Retry::After { interval_ns } => Some(duration(interval_ns)),
        Retry::No(_) => None,
    }
}

/// A cancel request shows before anything else, then whether a worker has it.
fn shown_state(activity: &Activity) -> PendingActivityState {
    let paused = activity.run.pause.is_some();
    match activity.stage() {
        _ if activity.run.cancel_requested_event_id != 0 => PendingActivityState::CancelRequested,
        Stage::Started if paused => PendingActivityState::PauseRequested,
        Stage::Started => PendingActivityState::Started,
        Stage::Paused => PendingActivityState::Paused,
        Stage::Queued | Stage::Backoff => PendingActivityState::Scheduled,
    }
}

fn shown_options(activity: &Activity, policy: RetryPolicy) -> ActivityOptions {
    let queue = activity.queue().to_owned();
    let mut options = ActivityOptions {
        task_queue: Some(TaskQueue { name: queue.clone(), normal_name: queue, ..TaskQueue::default() }),
        retry_policy: Some(RetryPolicy { non_retryable_error_types: Vec::new(), ..policy }),
        priority: activity.priority().cloned(),
        ..ActivityOptions::default()
    };
    activity.timeouts().put_into(&mut options);
    options
}
