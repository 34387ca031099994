//! What happens to activities by the mere passing of time: timeouts, and the end of a backoff.

use crate::retry_policy::timeout_name;
use crate::workflow::activity::retrying::{self, Verdict, verdict};
use crate::workflow::activity::state::Activity;
use crate::workflow::activity::{Stage, dispatch, due_ns, end, set_run};
use crate::workflow::draft::Draft;
use crate::workflow::state::State;
use evertide_proto::enums::{RetryState, TimeoutType};
use evertide_proto::failure::{Failure, TimeoutFailureInfo, failure::FailureInfo};
use evertide_proto::history::ActivityTaskTimedOutEventAttributes;

/// Something that time does to an activity. Of what is due at one time, the first in this order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    /// The next attempt is due.
    Retry,
    /// An attempt took too long.
    StartToClose,
    /// Nobody took the attempt in time.
    ScheduleToStart,
    /// All attempts together took too long.
    ScheduleToClose,
    /// An attempt gave no sign of life.
    Heartbeat,
}

impl Alarm {
    fn timeout_type(self) -> Option<TimeoutType> {
        match self {
            Self::Retry => None,
            Self::StartToClose => Some(TimeoutType::StartToClose),
            Self::ScheduleToStart => Some(TimeoutType::ScheduleToStart),
            Self::ScheduleToClose => Some(TimeoutType::ScheduleToClose),
            Self::Heartbeat => Some(TimeoutType::Heartbeat),
        }
    }
}

impl Activity {
    /// What time will do to it, and when. None of it happens to one that an operator holds back, even if a worker
    /// still has it.
    fn alarms(&self) -> impl Iterator<Item = (i64, Alarm)> {
        let (run, timeouts) = (&self.run, self.timeouts());
        let stage = self.stage();
        let in_stage = |wanted: bool, due_ns: i64| if wanted { due_ns } else { 0 };
        let started = stage == Stage::Started;
        let alive_ns = run.started_time_ns.max(run.heartbeat_time_ns);
        let alarms = [
            (in_stage(stage == Stage::Backoff, run.scheduled_time_ns.max(1)), Alarm::Retry),
            (in_stage(started, due_ns(run.started_time_ns, timeouts.start_to_close_ns)), Alarm::StartToClose),
            (in_stage(!started, due_ns(run.scheduled_time_ns, timeouts.schedule_to_start_ns)), Alarm::ScheduleToStart),
            (self.expiration_ns(), Alarm::ScheduleToClose),
            (in_stage(started, due_ns(alive_ns, timeouts.heartbeat_ns)), Alarm::Heartbeat),
        ];
        let held = run.pause.is_some();
        alarms.into_iter().filter(move |(due_ns, _)| !held && *due_ns != 0)
    }
}

/// When time next does something to an activity of the run, nanoseconds since the epoch; 0 if never.
pub(in crate::workflow) fn deadline_ns(state: &State) -> i64 {
    if !state.is_running() {
        return 0;
    }
    state.activities.values().flat_map(Activity::alarms).map(|(due_ns, _)| due_ns).min().unwrap_or(0)
}

/// Does everything that is due, in order of time. What one thing does may make another void or due, so it looks again
/// until nothing is left.
pub(in crate::workflow) fn wake(draft: &mut Draft<'_, '_>) {
    loop {
        let now_ns = draft.now_ns();
        let mut due: Vec<(i64, i64, Alarm)> = Vec::new();
        for (id, activity) in &draft.state().activities {
            let alarms = activity.alarms().filter(|(due_ns, _)| *due_ns <= now_ns);
            due.extend(alarms.map(|(due_ns, alarm)| (due_ns, *id, alarm)));
        }
        if due.is_empty() || !draft.state().is_running() {
            return;
        }
        due.sort_unstable();
        for (due_ns, id, alarm) in due {
            let activity = draft.state().activities.get(&id);
            let still = activity.filter(|a| a.alarms().any(|found| found == (due_ns, alarm))).cloned();
            if let Some(activity) = still {
                ring(draft, activity, alarm);
            }
        }
    }
}

fn ring(draft: &mut Draft<'_, '_>, activity: Activity, alarm: Alarm) {
    match alarm.timeout_type() {
        Some(timeout_type) => time_out(draft, activity, timeout_type),
        None => {
            let id = activity.scheduled_event_id;
            let mut run = activity.run;
            run.in_backoff = false;
            set_run(draft, id, run);
            dispatch(draft, id);
        }
    }
}

fn time_out(draft: &mut Draft<'_, '_>, mut activity: Activity, timeout_type: TimeoutType) {
    let message = format!("activity {} timeout", timeout_name(timeout_type));
    let failure = timeout_failure(message, timeout_type);
    let limits = draft.limits();
    match verdict(&activity, Some(&failure), draft.now_ns()) {
        Verdict::Again(at_ns) => {
            retrying::set_again(&mut activity.run, at_ns, Some(&failure), limits);
            set_run(draft, activity.scheduled_event_id, activity.run);
        }
        Verdict::Held => {
            retrying::set_held(&mut activity.run, Some(&failure), limits);
            set_run(draft, activity.scheduled_event_id, activity.run);
        }
        Verdict::Over(state) => {
            let failure = final_failure(&activity, failure, timeout_type, state);
            end(draft, &activity, |started_event_id| {
                let timed_out = ActivityTaskTimedOutEventAttributes {
                    failure: Some(failure),
                    scheduled_event_id: activity.scheduled_event_id,
                    started_event_id,
                    retry_state: state.into(),
                };
                timed_out.into()
            });
        }
    }
}

/// The timeout that ends the activity. One that leaves no time for another attempt is told as a schedule-to-close
/// timeout; its cause is how the attempt before this one failed.
fn final_failure(activity: &Activity, failure: Failure, timeout_type: TimeoutType, state: RetryState) -> Failure {
    let mut failure = if state == RetryState::Timeout && timeout_type != TimeoutType::ScheduleToStart {
        let message =
            "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying";
        timeout_failure(message.to_owned(), TimeoutType::ScheduleToClose)
    } else {
        failure
    };
    if let Some(FailureInfo::TimeoutFailureInfo(info)) = &mut failure.failure_info {
        info.last_heartbeat_details.clone_from(&activity.run.heartbeat_details);
    }
    failure.cause = activity.run.last_failure.clone().map(Box::new);
    failure
}

fn timeout_failure(message: String, timeout_type: TimeoutType) -> Failure {
    let info = TimeoutFailureInfo { timeout_type: timeout_type.into(), last_heartbeat_details: None };
    Failure {
        message,
        source: "Server".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(info)),
        ..Failure::default()
    }
}
