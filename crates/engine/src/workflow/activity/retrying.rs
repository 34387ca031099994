//! Whether a failed attempt is followed by another one, and when.

use crate::limits::Limits;
use crate::retry_policy::{Attempt, Retried, Retry, is_retryable, next_attempt};
use crate::workflow::activity::state::{Activity, ActivityRun};
use evertide_proto::common::RetryPolicy;
use evertide_proto::enums::RetryState;
use evertide_proto::failure::{ApplicationFailureInfo, Failure, ServerFailureInfo, failure::FailureInfo};
use prost::Message;

/// What stands for a failure that is too large.
const FAILURE_TOO_LARGE: &str = "Failure exceeds size limit.";
/// How deep the causes of a failure are kept when it is cut.
const CUT_CAUSES: usize = 20;
/// Bytes that a field costs beside its text.
const FIELD_BYTES: usize = 4;

/// What follows an attempt that failed or timed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another attempt, due at this time (nanoseconds since the epoch).
    Again(i64),
    /// Another attempt, once an operator lets it go on.
    Held,
    /// The end, for this reason.
    Over(RetryState),
}

/// What follows the failure of the current attempt. A cancel request weighs more than anything else; a paused activity
/// is held if the failure itself is not final, without a count of its attempts.
pub(super) fn verdict(activity: &Activity, failure: Option<&Failure>, now_ns: i64) -> Verdict {
    if activity.run.cancel_requested_event_id != 0 {
        return Verdict::Over(RetryState::CancelRequested);
    }
    let policy = activity.retry_policy();
    if activity.run.pause.is_some() && is_retryable(failure, &policy.non_retryable_error_types) {
        return Verdict::Held;
    }
    let expiration_ns = activity.expiration_ns();
    let attempt = Attempt {
        retried: Retried::Activity,
        number: activity.run.attempt,
        failure,
        now_ns,
        expiration_ns: (expiration_ns != 0).then_some(expiration_ns),
    };
    match next_attempt(Some(&policy), &attempt) {
        Retry::After { interval_ns } => Verdict::Again(now_ns.saturating_add(interval_ns)),
        Retry::No(state) => Verdict::Over(state),
    }
}

/// When an attempt that waits is due under the policy in force, counted from the end of the one before it. Where that
/// left no time behind, as a timeout does not, it is counted from now.
pub(super) fn due_again_ns(activity: &Activity, now_ns: i64) -> i64 {
    let run = &activity.run;
    if run.attempt <= 1 {
        return run.scheduled_time_ns;
    }
    let ended_ns = run.last_attempt_complete_time_ns;
    let from_ns = if ended_ns >= run.last_started_time_ns { ended_ns } else { now_ns };
    let policy = RetryPolicy { maximum_attempts: 0, ..activity.retry_policy() };
    let number = run.attempt - 1;
    let before = Attempt { retried: Retried::Activity, number, failure: None, now_ns: from_ns, expiration_ns: None };
    match next_attempt(Some(&policy), &before) {
        Retry::After { interval_ns } => from_ns.saturating_add(interval_ns),
        Retry::No(_) => now_ns,
    }
}

/// The next attempt waits for its time.
pub(super) fn set_again(run: &mut ActivityRun, at_ns: i64, failure: Option<&Failure>, limits: &Limits) {
    run.attempt += 1;
    run.last_failure = kept_failure(failure, limits);
    leave_attempt(run);
    run.scheduled_time_ns = at_ns;
    run.in_backoff = true;
    forget_reset(run);
}

/// The next attempt waits for an operator.
pub(super) fn set_held(run: &mut ActivityRun, failure: Option<&Failure>, limits: &Limits) {
    run.attempt += 1;
    run.last_failure = kept_failure(failure, limits);
    leave_attempt(run);
    run.in_backoff = false;
}

/// No worker has the activity any more, and what is queued of it is void.
pub(super) fn leave_attempt(run: &mut ActivityRun) {
    run.started_time_ns = 0;
    run.request_id.clear();
    run.heartbeat_identity.clear();
    run.stamp += 1;
}

/// A reset has done its work once another attempt follows.
pub(super) fn forget_reset(run: &mut ActivityRun) {
    if run.reset_heartbeat {
        forget_heartbeat(run);
    }
    run.reset = false;
    run.reset_heartbeat = false;
}

/// The next attempt does not hear of the heartbeats before it.
pub(super) fn forget_heartbeat(run: &mut ActivityRun) {
    run.heartbeat_details = None;
    run.heartbeat_time_ns = 0;
}

/// A failure as the state keeps it: cut if it is large, since each change of the activity writes it again.
fn kept_failure(failure: Option<&Failure>, limits: &Limits) -> Option<Failure> {
    let failure = failure?;
    let limit = limits.failure_in_state_size_bytes;
    Some(if failure.encoded_len() <= limit { failure.clone() } else { too_large(failure, limit, false) })
}

/// What stands for a failure that is too large: a failure of the server, caused by what is left of the original.
pub(super) fn too_large(failure: &Failure, limit: usize, non_retryable: bool) -> Failure {
    let mut room = limit;
    let cause = cut(failure, &mut room, CUT_CAUSES);
    Failure { cause: Some(Box::new(cause)), ..server_failure(FAILURE_TOO_LARGE, non_retryable) }
}

/// A failure of the server's own.
pub(super) fn server_failure(message: &str, non_retryable: bool) -> Failure {
    Failure {
        message: message.to_owned(),
        failure_info: Some(FailureInfo::ServerFailureInfo(ServerFailureInfo { non_retryable })),
        ..Failure::default()
    }
}

/// The texts of a failure and its causes as far as there is room, what matters most first. Details are lost.
fn cut(failure: &Failure, room: &mut usize, depth: usize) -> Failure {
    let failure_info = match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => {
            let kind = cut_text(&info.r#type, room);
            *room = room.saturating_sub(2 * FIELD_BYTES);
            let non_retryable = info.non_retryable;
            let info = ApplicationFailureInfo { r#type: kind, non_retryable, ..ApplicationFailureInfo::default() };
            Some(FailureInfo::ApplicationFailureInfo(info))
        }
        Some(FailureInfo::ServerFailureInfo(info)) => {
            *room = room.saturating_sub(FIELD_BYTES);
            Some(FailureInfo::ServerFailureInfo(*info))
        }
        _ => None,
    };
    let source = cut_text(&failure.source, room);
    let message = cut_text(&failure.message, room);
    let stack_trace = cut_text(&failure.stack_trace, room);
    let cause = failure.cause.as_ref().filter(|_| depth > 0 && *room > FIELD_BYTES).map(|cause| {
        *room -= FIELD_BYTES;
        Box::new(cut(cause, room, depth - 1))
    });
    Failure { message, source, stack_trace, encoded_attributes: None, cause, failure_info }
}

fn cut_text(text: &str, room: &mut usize) -> String {
    let kept = &text[..text.floor_char_boundary((*room).min(text.len()))];
    if !kept.is_empty() {
        *room = room.saturating_sub(kept.len() + FIELD_BYTES);
    }
    kept.to_owned()
}
