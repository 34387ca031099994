//! What runs take over of the clock of the run that they come from.

use crate::env::{duration, timestamp_ns, timestamp_opt};
use crate::workflow::state::State;
use crate::workflow::time_skipping::state::initial_ns;
use evertide_proto::common::{TimeSkippingConfig, TimeSkippingStatePropagation};
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes;

/// What a run takes over: a configuration, and how far another clock has come.
type TakenOver = (Option<TimeSkippingConfig>, Option<TimeSkippingStatePropagation>);

/// The next run of a chain goes on as this one ended: with its clock, its count and its fast-forward.
pub(in crate::workflow) fn for_next_run(state: &State) -> TakenOver {
    let Some(skipping) = &state.info.time_skipping else { return (None, None) };
    let taken_over = TimeSkippingStatePropagation {
        initial_skipped_duration: Some(duration(skipping.skipped_ns)),
        fast_forward_target_time: timestamp_opt(skipping.fast_forward_target_ns),
        initial_skip_count: skipping.skip_count,
    };
    (skipping.config.clone(), Some(taken_over))
}

/// A child begins with its parent's clock, and skips as its parent does unless that is to skip alone. The parent's
/// fast-forward is its own.
pub(in crate::workflow) fn for_child(state: &State) -> TakenOver {
    let Some(skipping) = &state.info.time_skipping else { return (None, None) };
    let config = skipping.config.clone().filter(|c| !c.disable_propagation);
    let config = config.map(|config| TimeSkippingConfig { fast_forward_config: None, ..config });
    let taken_over = (skipping.skipped_ns > 0).then(|| TimeSkippingStatePropagation {
        initial_skipped_duration: Some(duration(skipping.skipped_ns)),
        ..TimeSkippingStatePropagation::default()
    });
    (config, taken_over)
}

/// How far the clock of a run is ahead after these events, the first of the run among them.
pub(in crate::workflow) fn skipped_by<'e>(events: impl Iterator<Item = &'e HistoryEvent>) -> i64 {
    let ahead_ns = |event: &HistoryEvent| match &event.attributes {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(a)) => initial_ns(a),
        Some(Attributes::WorkflowExecutionTimeSkippingTransitionedEventAttributes(a)) => {
            match (&a.target_time, &event.event_time) {
                (Some(target), Some(before)) => timestamp_ns(target) - timestamp_ns(before),
                _ => 0,
            }
        }
        _ => 0,
    };
    events.map(ahead_ns).fold(0, i64::saturating_add)
}
