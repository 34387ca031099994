//! A pending timer, as the state of its run keeps it, and what events do to it.

use crate::env::duration_ns;
use evertide_proto::history::TimerStartedEventAttributes;
use prost::Message;
use std::collections::BTreeMap;

/// A pending timer.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Timer {
    /// Id of its started event.
    #[prost(int64, tag = "1")]
    pub started_event_id: i64,
    /// When it fires.
    #[prost(int64, tag = "2")]
    pub due_ns: i64,
}

/// A timer is pending from its started event until it fires or is canceled.
pub(in crate::workflow) fn start(
    timers: &mut BTreeMap<String, Timer>,
    event_id: i64,
    started: &TimerStartedEventAttributes,
    time_ns: i64,
) {
    let due_ns = time_ns.saturating_add(duration_ns(started.start_to_fire_timeout.as_ref()));
    timers.insert(started.timer_id.clone(), Timer { started_event_id: event_id, due_ns });
}

/// What must hold of pending timers.
pub(in crate::workflow) fn check(timers: &BTreeMap<String, Timer>, next_event_id: i64) {
    assert!(timers.values().all(|t| t.started_event_id < next_event_id), "a timer is pending by its written event");
}
