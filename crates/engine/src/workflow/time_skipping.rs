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
pub(super) mod state;
#[cfg(test)]
mod tests;

pub use polling::{FastForward, FastForwardEnd};
pub(super) use propagation::{for_child, for_next_run, skipped_by};
pub use state::TimeSkipping;
pub(super) use state::initial_ns;

use crate::env::{duration_ns, timestamp, timestamp_opt};
use crate::limits::Limits;
use crate::rejection::Rejection;
use crate::workflow::activity::state::Stage;
use crate::workflow::change::Fact;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::state::{Execution, State};
use evertide_proto::common::{TimeSkippingConfig, TimeSkippingInfo};
use evertide_proto::enums::WorkflowExecutionStatus;
use evertide_proto::history::WorkflowExecutionTimeSkippingTransitionedEventAttributes as Transitioned;

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
    draft.record(Fact::FastForward(target_ns).into());
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
