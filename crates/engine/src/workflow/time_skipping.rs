//! Time that passes faster than the world's.
//!
//! **One run.** A run may be configured to skip time. It then has a clock of its own, which is the world's plus what it
//! has skipped: all its times are by that clock. At the end of a decision that leaves it with nothing to do but wait, the
//! clock goes to what it waits for, and the history says so. [`Draft::now_ns`] is that clock, and deadlines leave the
//! engine in the world's time, so no other component knows of it. A fast-forward is an end of skipping: when the clock
//! has gone that far, skipping is over.
//!
//! **All runs.** A test server may let the time of all workflows jump to the next thing that is due, as long as none of
//! them [holds it](Execution::holds). The engine sees another time in its [`Env`](crate::env::Env), and that is all.

mod polling;
mod propagation;
#[cfg(test)]
mod tests;

pub use polling::{FastForward, FastForwardEnd};
pub(super) use propagation::{for_child, for_next_run, initial_ns, skipped_by};

use crate::env::{duration_ns, timestamp, timestamp_ns, timestamp_opt};
use crate::limits::Limits;
use crate::rejection::Rejection;
use crate::workflow::activity::Stage;
use crate::workflow::change::{Change, Facts};
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::state::{Execution, State};
use evertide_proto::common::{TimeSkippingConfig, TimeSkippingFastForwardInfo, TimeSkippingInfo};
use evertide_proto::enums::WorkflowExecutionStatus;
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
    fn is_enabled(&self) -> bool {
        self.config.as_ref().is_some_and(|c| c.enabled)
    }

    fn disable(&mut self) {
        if let Some(config) = &mut self.config {
            config.enabled = false;
        }
    }

    /// When the fast-forward that is still to come ends; 0 if there is none.
    fn pending_target_ns(&self) -> i64 {
        if self.is_enabled() && !self.fast_forward_reached { self.fast_forward_target_ns } else { 0 }
    }

    /// Takes a new configuration at that time of the run's clock.
    fn configure(&mut self, config: Option<TimeSkippingConfig>, now_ns: i64) {
        let fast_forward = config.as_ref().and_then(|c| c.fast_forward_config.as_ref());
        let length_ns = fast_forward.map_or(0, |f| duration_ns(f.duration.as_ref()));
        self.fast_forward_target_ns = if length_ns > 0 { now_ns.saturating_add(length_ns) } else { 0 };
        self.fast_forward_reached = false;
        self.skip_count = 0;
        self.config = config;
    }

    fn fast_forward_info(&self) -> Option<TimeSkippingFastForwardInfo> {
        let configured = self.config.as_ref()?.fast_forward_config.as_ref()?;
        Some(TimeSkippingFastForwardInfo {
            fast_forward_duration: configured.duration,
            fast_forward_id: configured.id.clone(),
            target_time: timestamp_opt(self.fast_forward_target_ns),
            has_completed: self.fast_forward_reached,
        })
    }
}

// -- what it does to the state -------------------------------------------------------------------------------------------

impl State {
    /// How far the run's clock is ahead of the world's, nanoseconds.
    #[must_use]
    pub fn skipped_ns(&self) -> i64 {
        self.info.time_skipping.as_ref().map_or(0, |t| t.skipped_ns)
    }

    /// A time of the run's clock in the world's time; 0 (never) stays 0.
    pub(super) fn in_world_ns(&self, at_ns: i64) -> i64 {
        if at_ns == 0 { 0 } else { at_ns.saturating_sub(self.skipped_ns()).max(1) }
    }

    /// The run starts with what its first event says.
    pub(super) fn begin_time_skipping(&mut self, started: &WorkflowExecutionStartedEventAttributes, start_ns: i64) {
        let propagated = started.time_skipping_state_propagation.as_ref();
        let skipped_ns = initial_ns(started);
        if started.time_skipping_config.is_none() && skipped_ns == 0 {
            return;
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
        self.info.time_skipping = Some(skipping);
    }

    /// The configuration was changed at that time of the run's clock.
    pub(super) fn configure_time_skipping(&mut self, config: Option<&TimeSkippingConfig>, now_ns: i64) {
        if config.is_some() || self.info.time_skipping.is_some() {
            self.info.time_skipping.get_or_insert_default().configure(config.cloned(), now_ns);
        }
    }

    /// Time was skipped, or a fast-forward has ended.
    pub(super) fn skip_time(&mut self, event: &Transitioned, before_ns: i64) {
        let Some(skipping) = &mut self.info.time_skipping else { return };
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
}

// -- what is decided -----------------------------------------------------------------------------------------------------

/// Checks a configuration and fills in what it leaves out.
pub(super) fn check(config: Option<&mut TimeSkippingConfig>, limits: &Limits) -> Result<(), Rejection> {
    let Some(config) = config else { return Ok(()) };
    check_enabled(limits)?;
    if config.max_session_skip_count <= 0 {
        config.max_session_skip_count = limits.time_skipping_max_per_session.max(1);
    }
    if let Some(fast_forward) = &config.fast_forward_config {
        if duration_ns(fast_forward.duration.as_ref()) <= 0 {
            return Err(Rejection::invalid("Time skipping config invalid: fast_forward duration must be positive"));
        }
        check_fast_forward_id(&fast_forward.id)?;
        if !config.enabled {
            return Err(Rejection::invalid("time_skipping_config: cannot set fast_forward when enabled is false"));
        }
    }
    Ok(())
}

/// The feature is on in the namespace.
///
/// # Errors
/// UNIMPLEMENTED if it is off.
pub fn check_enabled(limits: &Limits) -> Result<(), Rejection> {
    if limits.workflow_time_skipping {
        return Ok(());
    }
    Err(Rejection::unimplemented("The Time-Skipping feature is not enabled for namespace."))
}

/// The name of a fast-forward, which its caller chooses, is there.
///
/// # Errors
/// INVALID_ARGUMENT for an id that is empty or blank.
pub fn check_fast_forward_id(id: &str) -> Result<(), Rejection> {
    if id.trim().is_empty() {
        return Err(Rejection::invalid("Time skipping config invalid: fast_forward_id must be set"));
    }
    Ok(())
}

/// Where the clock of a run may go now.
enum Way {
    /// To this time; with the fast-forward ending there or not.
    To(i64, bool),
    /// Nowhere: the fast-forward has ended by the mere passing of time.
    Ended,
}

/// At the end of a decision: lets the clock go to what the run waits for, if it only waits.
pub(super) fn skip(draft: &mut Draft<'_, '_>) {
    let now_ns = draft.now_ns();
    match way(draft.exec, now_ns) {
        Some(Way::To(target_ns, ends)) => write(draft, target_ns, ends),
        Some(Way::Ended) => write(draft, 0, true),
        None => {}
    }
}

fn write(draft: &mut Draft<'_, '_>, target_ns: i64, disabled_after_fast_forward: bool) {
    let attributes = Transitioned {
        target_time: timestamp_opt(target_ns),
        disabled_after_fast_forward,
        wall_clock_time: Some(timestamp(draft.now_ns())),
    };
    draft.arrive(attributes, EventExtra { worker_may_ignore: true, ..EventExtra::default() });
}

fn way(exec: &Execution, now_ns: i64) -> Option<Way> {
    let state = &exec.state;
    let skipping = state.info.time_skipping.as_ref()?;
    if !skipping.is_enabled() || !only_waits(exec, now_ns) {
        return None;
    }
    let target_ns = skipping.pending_target_ns();
    if target_ns != 0 && target_ns <= now_ns {
        return Some(Way::Ended);
    }
    let due_ns = next_due_ns(state);
    if due_ns != 0 && due_ns <= now_ns {
        return None; // It happens now, by itself.
    }
    match (due_ns, target_ns) {
        (0, 0) => None,
        (due_ns, 0) => Some(Way::To(due_ns, false)),
        (due_ns, target_ns) if due_ns != 0 && due_ns < target_ns => Some(Way::To(due_ns, false)),
        (_, target_ns) => Some(Way::To(target_ns, true)),
    }
}

/// Whether nothing is under way for the run: neither at a worker nor at another execution.
fn only_waits(exec: &Execution, now_ns: i64) -> bool {
    let state = &exec.state;
    let waits_to_retry = |stage, due_ns| stage == Stage::Backoff && due_ns > now_ns;
    state.info.status() == WorkflowExecutionStatus::Running
        && exec.task().is_none()
        && state.activities.values().all(|a| waits_to_retry(a.stage(), a.run.scheduled_time_ns))
        && state.children.is_empty()
        && state.external_signals.is_empty()
        && state.external_cancels.is_empty()
}

/// The first thing that such a run waits for, by its clock; 0 for none.
fn next_due_ns(state: &State) -> i64 {
    let info = &state.info;
    let timers = state.timers.values().map(|t| t.due_ns.max(1));
    let retries = state.activities.values().map(|a| a.run.scheduled_time_ns.max(1));
    let had_task = info.last_completed_event_id != 0;
    // A child that is just being made has no task yet and waits for its parent, not for its timeout.
    let expiration_ns = if had_task { info.run_expiration_ns } else { 0 };
    timers.chain(retries).chain([info.first_task_due_ns, expiration_ns]).filter(|at_ns| *at_ns != 0).min().unwrap_or(0)
}

/// When a fast-forward ends by itself, by the run's clock; 0 if there is none to come.
pub(super) fn deadline_ns(state: &State) -> i64 {
    state.info.time_skipping.as_ref().map_or(0, TimeSkipping::pending_target_ns)
}

/// Ends a fast-forward whose time has come while the run had something to do.
pub(super) fn wake(draft: &mut Draft<'_, '_>) {
    let due_ns = deadline_ns(draft.state());
    if due_ns != 0 && due_ns <= draft.now_ns() {
        write(draft, 0, true);
    }
}

/// A run that was reset fast-forwards anew, from now, if it was to at the reset point.
pub(super) fn fast_forward_anew(draft: &mut Draft<'_, '_>) {
    let Some(skipping) = &draft.state().info.time_skipping else { return };
    if skipping.pending_target_ns() == 0 {
        return;
    }
    let configured = skipping.config.as_ref().and_then(|c| c.fast_forward_config.as_ref());
    let length_ns = configured.map_or(0, |f| duration_ns(f.duration.as_ref()));
    let target_ns = draft.now_ns().saturating_add(length_ns);
    draft.record(Change::Facts(Facts { fast_forward_target_ns: target_ns, ..Facts::default() }));
}

/// What a description shows of it; `world_ns` is the time in the world.
pub(super) fn info(state: &State, world_ns: i64) -> Option<TimeSkippingInfo> {
    let skipping = state.info.time_skipping.as_ref()?;
    Some(TimeSkippingInfo {
        current_time: Some(timestamp(world_ns.saturating_add(skipping.skipped_ns))),
        effective_config: skipping.config.clone(),
        fast_forward_info: skipping.fast_forward_info(),
        current_session_skip_count: 0,
    })
}

// -- all runs at once ----------------------------------------------------------------------------------------------------

impl Execution {
    /// How often this run holds the time of a test server: what others have to do for it in the world's time. That is a
    /// workflow task, each activity that a worker has or is to take, each message that the other side may not have yet.
    /// What only waits for its time, for an operator or for a running child holds nothing.
    #[must_use]
    pub fn holds(&self) -> usize {
        let state = &self.state;
        let messages = state.outbox.len(); // Also a closed run tells its parent.
        if !state.is_running() {
            return messages;
        }
        let at_work = state.activities.values().filter(|a| matches!(a.stage(), Stage::Queued | Stage::Started));
        messages + at_work.count() + usize::from(self.task().is_some())
    }
}
