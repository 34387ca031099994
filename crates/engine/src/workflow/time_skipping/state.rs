//! The clock of a run, as its state keeps it, and what events do to it.

use crate::env::{duration_ns, timestamp_ns, timestamp_opt};
use evertide_proto::common::{TimeSkippingConfig, TimeSkippingFastForwardInfo};
use evertide_proto::history::{
    WorkflowExecutionStartedEventAttributes, WorkflowExecutionTimeSkippingTransitionedEventAttributes as Transitioned,
};
use prost::Message;

/// How the clock of a run is set, and how far it is ahead of the world's.
#[derive(Clone, PartialEq, Message)]
pub struct TimeSkipping {
    /// The configuration; `enabled` as it is now. None for a run that only took over a clock that is ahead.
    #[prost(message, optional, tag = "1")]
    pub config: Option<TimeSkippingConfig>,
    /// How far the clock is ahead, nanoseconds.
    #[prost(int64, tag = "2")]
    pub skipped_ns: i64,
    /// Skips since the configuration was set.
    #[prost(int32, tag = "3")]
    pub skip_count: i32,
    /// When the fast-forward ends, by the run's clock; 0 if there is none.
    #[prost(int64, tag = "4")]
    pub fast_forward_target_ns: i64,
    /// The fast-forward has ended.
    #[prost(bool, tag = "5")]
    pub fast_forward_reached: bool,
}

impl TimeSkipping {
    pub(super) fn is_enabled(&self) -> bool {
        self.config.as_ref().is_some_and(|c| c.enabled)
    }

    pub(super) fn disable(&mut self) {
        if let Some(config) = &mut self.config {
            config.enabled = false;
        }
    }

    /// When the fast-forward that is still to come ends; 0 if there is none.
    pub(super) fn pending_target_ns(&self) -> i64 {
        if self.is_enabled() && !self.fast_forward_reached { self.fast_forward_target_ns } else { 0 }
    }

    /// Takes a new configuration at that time of the run's clock.
    pub(super) fn configure(&mut self, config: Option<TimeSkippingConfig>, now_ns: i64) {
        let fast_forward = config.as_ref().and_then(|c| c.fast_forward_config.as_ref());
        let length_ns = fast_forward.map_or(0, |f| duration_ns(f.duration.as_ref()));
        self.fast_forward_target_ns = if length_ns > 0 { now_ns.saturating_add(length_ns) } else { 0 };
        self.fast_forward_reached = false;
        self.skip_count = 0;
        self.config = config;
    }

    pub(super) fn fast_forward_info(&self) -> Option<TimeSkippingFastForwardInfo> {
        let configured = self.config.as_ref()?.fast_forward_config.as_ref()?;
        Some(TimeSkippingFastForwardInfo {
            fast_forward_duration: configured.duration,
            fast_forward_id: configured.id.clone(),
            target_time: timestamp_opt(self.fast_forward_target_ns),
            has_completed: self.fast_forward_reached,
        })
    }
}

/// How far the clock of a run is ahead at its start, nanoseconds.
pub(in crate::workflow) fn initial_ns(started: &WorkflowExecutionStartedEventAttributes) -> i64 {
    let taken_over = started.time_skipping_state_propagation.as_ref();
    taken_over.map_or(0, |p| duration_ns(p.initial_skipped_duration.as_ref()))
}

/// The clock that the first event of a run sets; none if it is the world's.
pub(in crate::workflow) fn begin(
    started: &WorkflowExecutionStartedEventAttributes,
    start_ns: i64,
) -> Option<TimeSkipping> {
    let propagated = started.time_skipping_state_propagation.as_ref();
    let skipped_ns = initial_ns(started);
    if started.time_skipping_config.is_none() && skipped_ns == 0 {
        return None;
    }
    let mut skipping = TimeSkipping { skipped_ns, ..TimeSkipping::default() };
    skipping.configure(started.time_skipping_config.clone(), start_ns);
    skipping.skip_count = propagated.map_or(0, |p| p.initial_skip_count);
    let target_ns = propagated.and_then(|p| p.fast_forward_target_time.as_ref()).map_or(0, timestamp_ns);
    if target_ns != 0 && skipping.fast_forward_target_ns != 0 {
        skipping.fast_forward_target_ns = target_ns;
        if target_ns <= start_ns {
            skipping.fast_forward_reached = true;
            skipping.disable();
        }
    }
    Some(skipping)
}

/// The configuration was changed at that time of the run's clock.
pub(in crate::workflow) fn configure(
    clock: &mut Option<TimeSkipping>,
    config: Option<&TimeSkippingConfig>,
    now_ns: i64,
) {
    if config.is_some() || clock.is_some() {
        clock.get_or_insert_default().configure(config.cloned(), now_ns);
    }
}

/// Time was skipped, or a fast-forward has ended.
pub(in crate::workflow) fn skip(clock: &mut Option<TimeSkipping>, event: &Transitioned, before_ns: i64) {
    let Some(skipping) = clock else { return };
    if let Some(target) = &event.target_time {
        skipping.skipped_ns = skipping.skipped_ns.saturating_add(timestamp_ns(target) - before_ns);
    }
    if event.disabled_after_fast_forward {
        skipping.fast_forward_reached = true;
        skipping.disable();
    }
    skipping.skip_count += 1;
    if skipping.config.as_ref().is_some_and(|c| skipping.skip_count >= c.max_session_skip_count) {
        skipping.disable();
    }
}

/// The fast-forward ends then.
pub(in crate::workflow) fn set_target(clock: &mut Option<TimeSkipping>, target_ns: i64) {
    if let Some(skipping) = clock {
        skipping.fast_forward_target_ns = target_ns;
    }
}
