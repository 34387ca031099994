//! What activities say: done, failed, canceled, alive.

use crate::duration;
use crate::limits::Limits;
use crate::rejection::Rejection;
use crate::reply::{Decided, Reply};
use crate::token::{TaskKind, TaskToken};
use crate::workflow::activity::retrying::{self, Verdict, server_failure, too_large, verdict};
use crate::workflow::activity::starting::{Poller, put_started};
use crate::workflow::activity::state::{Activity, ActivityRun};
use crate::workflow::activity::{Answer, Outcome, Stage, Which, end, set_run};
use crate::workflow::draft::Draft;
use crate::workflow::state::State;
use evertide_proto::common::Payloads;
use evertide_proto::enums::RetryState;
use evertide_proto::failure::{Failure, failure::FailureInfo};
use evertide_proto::history::{
    ActivityTaskCanceledEventAttributes, ActivityTaskCompletedEventAttributes, ActivityTaskFailedEventAttributes,
};
use prost::Message;

/// Bytes that are left of a failure that is too large for an event.
const CUT_FAILURE_BYTES: usize = 512 * 1024;

/// An answer or heartbeat.
pub(in crate::workflow) fn answer(draft: &mut Draft<'_, '_>, answer: Answer) -> Decided {
    check(&answer)?;
    let Answer { which, identity, outcome } = answer;
    if !draft.state().is_running() {
        return Err(Rejection::already_completed());
    }
    let (outcome, oversize_heartbeat) = within_limits(outcome, draft.limits());
    let activity = find(draft.state(), &which)?;
    let by_id_done = matches!((&which, &outcome), (Which::Id(_), Outcome::Completed(_)));
    if activity.stage() != Stage::Started && !by_id_done {
        return Err(not_there());
    }
    match outcome {
        Outcome::Completed(result) => complete(draft, activity, result, identity),
        Outcome::Failed(failure, details) => {
            fail(draft, activity, failure.map(|f| *f), details, identity);
            if oversize_heartbeat {
                return Ok(Reply::Heartbeat { cancel_requested: true, paused: false, reset: false });
            }
        }
        Outcome::Canceled(details) => cancel(draft, &activity, details, identity)?,
        Outcome::Heartbeat(details) => return Ok(heartbeat(draft, activity, details, identity)),
    }
    Ok(Reply::Done)
}

/// What is wrong with an answer whatever it is for. A worker reports application failures; who answers by id may say
/// what he likes.
fn check(answer: &Answer) -> Result<(), Rejection> {
    if let Which::Token(token) = &answer.which
        && token.kind() != TaskKind::Activity
    {
        return Err(Rejection::bad_token());
    }
    let Outcome::Failed(Some(failure), _) = &answer.outcome else {
        return Ok(());
    };
    let application = matches!(failure.failure_info, Some(FailureInfo::ApplicationFailureInfo(_)));
    if matches!(answer.which, Which::Token(_)) && !application {
        return Err(Rejection::invalid("Failure must have ApplicationFailureInfo."));
    }
    let mut next = Some(failure.as_ref());
    while let Some(failure) = next {
        if let Some(FailureInfo::ApplicationFailureInfo(info)) = &failure.failure_info
            && let Err(error @ duration::DurationError::MixedSigns) =
                duration::checked_ns(info.next_retry_delay.as_ref())
        {
            return Err(Rejection::invalid(format!("NextRetryDelay is not a valid duration: {error}")));
        }
        next = failure.cause.as_deref();
    }
    Ok(())
}

/// What is too large to be written fails the activity for good; the last heartbeat of a failure is only left out. Also
/// says whether it was a heartbeat.
fn within_limits(outcome: Outcome, limits: &Limits) -> (Outcome, bool) {
    let too_big = |payloads: &Option<Payloads>| size(payloads.as_ref()) > limits.blob_size_bytes;
    let ends = |message: &str| Outcome::Failed(Some(Box::new(server_failure(message, true))), None);
    match outcome {
        Outcome::Completed(result) if too_big(&result) => (ends("Complete result exceeds size limit."), false),
        Outcome::Canceled(details) if too_big(&details) => (ends("Cancel details exceed size limit."), false),
        Outcome::Heartbeat(details) if too_big(&details) => (ends(HEARTBEAT_TOO_LARGE), true),
        Outcome::Failed(failure, details) => {
            let failure = failure.map(|f| match size(Some(f.as_ref())) > limits.blob_size_bytes {
                true => Box::new(too_large(&f, CUT_FAILURE_BYTES, true)),
                false => f,
            });
            (Outcome::Failed(failure, details.filter(|d| d.encoded_len() <= limits.blob_size_bytes)), false)
        }
        fits => (fits, false),
    }
}

/// What stands for heartbeat details that are too large.
const HEARTBEAT_TOO_LARGE: &str = "Heartbeat details exceed size limit.";

fn size(message: Option<&impl Message>) -> usize {
    message.map_or(0, Message::encoded_len)
}

/// What the answer to RespondActivityTaskFailed tells of a request that was too large: what stands for the parts.
#[must_use]
pub fn oversize_failures(outcome: &Outcome, limits: &Limits) -> Vec<Failure> {
    let Outcome::Failed(failure, details) = outcome else {
        return Vec::new();
    };
    let mut failures = Vec::new();
    if size(details.as_ref()) > limits.blob_size_bytes {
        failures.push(server_failure(HEARTBEAT_TOO_LARGE, true));
    }
    if let Some(failure) = failure.as_deref().filter(|f| f.encoded_len() > limits.blob_size_bytes) {
        failures.push(too_large(failure, CUT_FAILURE_BYTES, true));
    }
    failures
}

/// The activity that is meant. A token is good for one start of one attempt.
fn find(state: &State, which: &Which) -> Result<Activity, Rejection> {
    match which {
        Which::Token(token) => {
            let found = state.activities.get(&token.scheduled_event_id).filter(|a| is_current(token, &a.run));
            found.cloned().ok_or_else(not_there)
        }
        Which::Id(id) if id.is_empty() => Err(Rejection::invalid("activityID cannot be empty")),
        Which::Id(id) => state.activity_by_id(id).cloned().ok_or_else(|| {
            Rejection::not_found(format!(
                "cannot find pending activity with ActivityID {id}, check workflow execution history for more details"
            ))
        }),
    }
}

fn is_current(token: &TaskToken, run: &ActivityRun) -> bool {
    token.attempt == run.attempt && token.started_time_ns == run.started_time_ns
}

fn not_there() -> Rejection {
    Rejection::not_found("invalid activityID or activity already timed out or invoking workflow is completed")
}

fn complete(draft: &mut Draft<'_, '_>, mut activity: Activity, result: Option<Payloads>, identity: String) {
    let scheduled_event_id = activity.scheduled_event_id;
    if activity.stage() != Stage::Started {
        // Somebody has done its work without a task; the history still tells a start before the end.
        put_started(draft, scheduled_event_id, &Poller { identity: &identity, request_id: "" });
        if let Some(started) = draft.state().activities.get(&scheduled_event_id) {
            activity = started.clone();
        }
    }
    end(draft, &activity, |started_event_id| {
        let completed = ActivityTaskCompletedEventAttributes {
            result,
            scheduled_event_id,
            started_event_id,
            identity,
            ..ActivityTaskCompletedEventAttributes::default()
        };
        completed.into()
    });
}

fn fail(
    draft: &mut Draft<'_, '_>,
    mut activity: Activity,
    failure: Option<Failure>,
    details: Option<Payloads>,
    identity: String,
) {
    let (now_ns, limits) = (draft.now_ns(), draft.limits());
    let scheduled_event_id = activity.scheduled_event_id;
    if details.is_some() {
        activity.run.heartbeat_details = details;
        activity.run.heartbeat_time_ns = now_ns;
    }
    activity.run.last_attempt_complete_time_ns = now_ns;
    match verdict(&activity, failure.as_ref(), now_ns) {
        Verdict::Again(at_ns) => {
            retrying::set_again(&mut activity.run, at_ns, failure.as_ref(), limits);
            set_run(draft, scheduled_event_id, activity.run);
        }
        Verdict::Held => {
            retrying::set_held(&mut activity.run, failure.as_ref(), limits);
            set_run(draft, scheduled_event_id, activity.run);
        }
        Verdict::Over(state) => end(draft, &activity, |started_event_id| {
            failed(&activity, started_event_id, failure, state, identity).into()
        }),
    }
}

fn failed(
    activity: &Activity,
    started_event_id: i64,
    failure: Option<Failure>,
    state: RetryState,
    identity: String,
) -> ActivityTaskFailedEventAttributes {
    ActivityTaskFailedEventAttributes {
        failure,
        scheduled_event_id: activity.scheduled_event_id,
        started_event_id,
        identity,
        retry_state: state.into(),
        ..ActivityTaskFailedEventAttributes::default()
    }
}

fn cancel(
    draft: &mut Draft<'_, '_>,
    activity: &Activity,
    details: Option<Payloads>,
    identity: String,
) -> Result<(), Rejection> {
    let latest_cancel_requested_event_id = activity.run.cancel_requested_event_id;
    if latest_cancel_requested_event_id == 0 {
        return Err(Rejection::invalid(
            "unable to mark activity as canceled without activity being request canceled first",
        ));
    }
    end(draft, activity, |started_event_id| {
        let canceled = ActivityTaskCanceledEventAttributes {
            details,
            latest_cancel_requested_event_id,
            scheduled_event_id: activity.scheduled_event_id,
            started_event_id,
            identity,
            ..ActivityTaskCanceledEventAttributes::default()
        };
        canceled.into()
    });
    Ok(())
}

/// A sign of life: it moves the timeout, replaces the details, and brings back what the activity should know.
fn heartbeat(draft: &mut Draft<'_, '_>, activity: Activity, details: Option<Payloads>, identity: String) -> Reply {
    let mut run = activity.run;
    let reply = Reply::Heartbeat {
        cancel_requested: run.cancel_requested_event_id != 0,
        paused: run.pause.is_some(),
        reset: run.reset,
    };
    run.heartbeat_details = details;
    run.heartbeat_time_ns = draft.now_ns();
    if !identity.is_empty() {
        run.heartbeat_identity = identity;
    }
    set_run(draft, activity.scheduled_event_id, run);
    reply
}
