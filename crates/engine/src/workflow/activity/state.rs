//! A pending activity, as the state of its run keeps it, and what events do to it.

use evertide_proto::common::Payloads;
use evertide_proto::failure::Failure;
use evertide_proto::history::ActivityTaskScheduledEventAttributes;
use prost::Message;
use std::collections::BTreeMap;

/// Pending activities by the id of their scheduled event.
pub(in crate::workflow) type Activities = BTreeMap<i64, Activity>;

/// A pending activity: what was asked for, and how far it has come.
#[derive(Clone, PartialEq, Message)]
pub struct Activity {
    /// The attributes of its scheduled event.
    #[prost(message, required, tag = "1")]
    pub scheduled: ActivityTaskScheduledEventAttributes,
    /// Id of its scheduled event.
    #[prost(int64, tag = "2")]
    pub scheduled_event_id: i64,
    /// What changes while it is pending.
    #[prost(message, required, tag = "3")]
    pub run: ActivityRun,
}

/// What changes of an activity while it is pending. Attempts leave no events, so this is the only record of them.
#[derive(Clone, PartialEq, Message)]
pub struct ActivityRun {
    /// Attempt, from 1.
    #[prost(int32, tag = "1")]
    pub attempt: i32,
    /// When the activity was first scheduled.
    #[prost(int64, tag = "2")]
    pub first_scheduled_time_ns: i64,
    /// When the current attempt was or will be put on its queue.
    #[prost(int64, tag = "3")]
    pub scheduled_time_ns: i64,
    /// When the current attempt was started, 0 while it waits.
    #[prost(int64, tag = "4")]
    pub started_time_ns: i64,
    /// Request id of the poll that started the current attempt.
    #[prost(string, tag = "5")]
    pub request_id: String,
    /// Identity of the worker of the current or last attempt.
    #[prost(string, tag = "6")]
    pub worker_identity: String,
    /// Failure of the last attempt.
    #[prost(message, optional, tag = "7")]
    pub last_failure: Option<Failure>,
    /// Details of the last heartbeat; they survive retries.
    #[prost(message, optional, tag = "8")]
    pub heartbeat_details: Option<Payloads>,
    /// When the last heartbeat came, 0 if none did; survives retries.
    #[prost(int64, tag = "9")]
    pub heartbeat_time_ns: i64,
    /// Id of the cancel-requested event, 0 if it was not asked to cancel.
    #[prost(int64, tag = "10")]
    pub cancel_requested_event_id: i64,
    /// The attempt waits for its time (backoff, jitter); at `scheduled_time_ns` it goes to its queue.
    #[prost(bool, tag = "11")]
    pub in_backoff: bool,
    /// Counts changes that make queued tasks and tokens stale.
    #[prost(int64, tag = "12")]
    pub stamp: i64,
    /// Pause by an operator.
    #[prost(message, optional, tag = "13")]
    pub pause: Option<evertide_proto::workflow::pending_activity_info::PauseInfo>,
    /// Reset by an operator while it was started: its worker is told.
    #[prost(bool, tag = "14")]
    pub reset: bool,
    /// The next attempt starts without heartbeat details.
    #[prost(bool, tag = "15")]
    pub reset_heartbeat: bool,
    /// Options changed by an operator; they replace those of the scheduled event.
    #[prost(message, optional, tag = "16")]
    pub options: Option<evertide_proto::activity::ActivityOptions>,
    /// When the last attempt ended by a failure.
    #[prost(int64, tag = "17")]
    pub last_attempt_complete_time_ns: i64,
    /// When the last attempt was started; survives retries.
    #[prost(int64, tag = "18")]
    pub last_started_time_ns: i64,
    /// Request id of the pause: a repeat of it is no error.
    #[prost(string, tag = "19")]
    pub pause_request_id: String,
    /// Who sent the last heartbeat of the current attempt; shown where the poll told no identity.
    #[prost(string, tag = "20")]
    pub heartbeat_identity: String,
}

impl Activity {
    /// Where it stands.
    #[must_use]
    pub fn stage(&self) -> Stage {
        if self.run.started_time_ns != 0 {
            Stage::Started
        } else if self.run.pause.is_some() {
            Stage::Paused
        } else if self.run.in_backoff {
            Stage::Backoff
        } else {
            Stage::Queued
        }
    }
}

/// Where a pending activity stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits on its queue for a poller.
    Queued,
    /// A worker has it. It may be asked to cancel or to pause meanwhile.
    Started,
    /// It waits for its next attempt to be due.
    Backoff,
    /// An operator holds it back.
    Paused,
}

/// How far an activity has come.
#[derive(Clone, PartialEq, Message)]
pub struct ActivityChange {
    /// Which activity.
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    /// Its new run state.
    #[prost(message, required, tag = "2")]
    pub run: ActivityRun,
}

/// An activity is pending from its scheduled event on.
pub(in crate::workflow) fn schedule(
    activities: &mut Activities,
    event_id: i64,
    scheduled: &ActivityTaskScheduledEventAttributes,
    time_ns: i64,
) {
    let run = ActivityRun {
        attempt: 1,
        first_scheduled_time_ns: time_ns,
        scheduled_time_ns: time_ns,
        ..ActivityRun::default()
    };
    activities.insert(event_id, Activity { scheduled: scheduled.clone(), scheduled_event_id: event_id, run });
}

/// The workflow asks it to end.
pub(in crate::workflow) fn request_cancel(activities: &mut Activities, scheduled_event_id: i64, event_id: i64) {
    if let Some(activity) = activities.get_mut(&scheduled_event_id) {
        activity.run.cancel_requested_event_id = event_id;
    }
}

/// It has come this far.
pub(in crate::workflow) fn set(activities: &mut Activities, change: &ActivityChange) {
    if let Some(activity) = activities.get_mut(&change.scheduled_event_id) {
        activity.run = change.run.clone();
    }
}

/// What must hold of pending activities.
pub(in crate::workflow) fn check(activities: &Activities, next_event_id: i64) {
    for (id, activity) in activities {
        assert!(*id < next_event_id, "an activity is pending by its written event");
        assert!(activity.run.attempt >= 1, "attempts count from one");
    }
}
