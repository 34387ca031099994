//! Where decisions begin and end. A [`Draft`] is made here and nowhere else, so every decision, on a run or on a chain,
//! ends by the same step: limits, time skipping, the count of transitions, and in debug builds the invariants.

#[cfg(test)]
mod tests;

use crate::env::Env;
use crate::limits::Limits;
use crate::rejection::Rejection;
use crate::workflow::change::Change;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::run_seed::RunSeed;
use crate::workflow::state::Execution;
use crate::workflow::{NewRun, Written};
use crate::workflow::{close, time_skipping, workflow_task};
use prost::Message;

/// So many events before the greatest count of events, decisions over a run can be taken back. More than that is written
/// by no decision but one that does thousands of things that are due at once.
const EVENTS_BEFORE_LIMIT: i64 = 1000;

/// Decides over a run that exists.
///
/// A decision that meets a limit of the run is taken back: in its place the run is terminated, and the caller is told the
/// limit, as the reference server does. A decision that closes the run meets none.
///
/// # Errors
/// What `decide` says, or which limit was met.
pub(super) fn over_run<T>(
    exec: &mut Execution,
    env: &mut Env<'_>,
    decide: impl FnOnce(&mut Draft<'_, '_>) -> Result<T, Rejection>,
) -> (Written, Result<T, Rejection>) {
    over_run_or(exec, env, decide, |_, limit| Err(limit))
}

/// As [`over_run`]; `at_limit` says what becomes of the request once a limit has ended the run.
pub(super) fn over_run_or<T>(
    exec: &mut Execution,
    env: &mut Env<'_>,
    decide: impl FnOnce(&mut Draft<'_, '_>) -> Result<T, Rejection>,
    at_limit: impl FnOnce(&mut Draft<'_, '_>, Rejection) -> Result<T, Rejection>,
) -> (Written, Result<T, Rejection>) {
    let history_full = exec.state.info.history_size_bytes > env.limits.history_size_bytes;
    let is_near = history_full || is_near_limits(exec, env.limits);
    let mut draft = Draft::new(exec, env);
    let way_back = is_near.then(|| draft.checkpoint());
    let mut decided = decide(&mut draft);
    if let Some(reason) = limit_met(&mut draft, history_full) {
        if let Some(checkpoint) = way_back {
            draft.restore(checkpoint);
        }
        close::terminate_by_server(&mut draft, reason);
        decided = at_limit(&mut draft, Rejection::invalid(reason));
    }
    (conclude(draft), decided)
}

/// Makes a run and lets `then` record what follows its first event in the same commit.
pub(super) fn new_run(seed: RunSeed, env: &mut Env<'_>, then: impl FnOnce(&mut Draft<'_, '_>)) -> NewRun {
    let mut exec = Execution::default();
    let mut draft = Draft::new(&mut exec, env);
    draft.record(Change::Created(seed.creation));
    let ahead_ns = time_skipping::initial_ns(&seed.started);
    let time_ns = if ahead_ns == 0 { seed.extra.time_ns } else { draft.env.now_ns.saturating_add(ahead_ns) };
    draft.event_with(seed.started, EventExtra { time_ns, ..seed.extra });
    then(&mut draft);
    draft.effects.visibility = true;
    let written = conclude(draft);
    NewRun { exec, written }
}

/// Makes a run that `make` creates from its first change on.
///
/// # Errors
/// What `make` says; then there is no run.
pub(super) fn new_run_from(
    env: &mut Env<'_>,
    make: impl FnOnce(&mut Draft<'_, '_>) -> Result<(), Rejection>,
) -> Result<NewRun, Rejection> {
    let mut exec = Execution::default();
    let mut draft = Draft::new(&mut exec, env);
    make(&mut draft)?;
    draft.effects.visibility = true;
    let written = conclude(draft);
    Ok(NewRun { exec, written })
}

/// The closing step of every decision.
fn conclude(mut draft: Draft<'_, '_>) -> Written {
    if !draft.is_clean() {
        keep_buffer_within_limits(&mut draft);
        time_skipping::skip(&mut draft);
        draft.exec.state.count_transition();
    }
    if cfg!(debug_assertions) {
        draft.exec.check_invariants();
    }
    let seed = draft.successor.take();
    let successor = seed.map(|seed| Box::new(new_run(seed, draft.env, workflow_task::schedule)));
    let mut written = draft.into_written();
    written.successor = successor;
    written
}

/// A buffer that is full is flushed, for which the started task has to fail.
fn keep_buffer_within_limits(draft: &mut Draft<'_, '_>) {
    let (state, limits) = (draft.state(), draft.limits());
    let size_bytes = || state.buffered.iter().map(Message::encoded_len).sum::<usize>();
    let is_full = state.buffered.len() > limits.buffered_events || size_bytes() > limits.buffered_events_size_bytes;
    if is_full && state.is_running() {
        workflow_task::fail_with_full_buffer(draft);
    }
}

/// Whether the next decision may meet a limit. One over a run that is far from all of them needs no way back.
fn is_near_limits(exec: &mut Execution, limits: &Limits) -> bool {
    let count = exec.state.next_event_id - 1;
    count + EVENTS_BEFORE_LIMIT > limits.history_count
        || mutable_state_bound_bytes(exec) > limits.mutable_state_size_bytes / 2
}

/// The limit that the decision has met, if any: the history was too large before it, or has too many events or too large
/// a state with it.
fn limit_met(draft: &mut Draft<'_, '_>, history_was_full: bool) -> Option<&'static str> {
    if draft.is_clean() {
        return None;
    }
    let mutable_state_full = is_mutable_state_full(draft); // It notes the size, whatever comes of it.
    let count = draft.state().next_event_id - 1;
    if !draft.state().is_running() {
        None
    } else if history_was_full {
        Some("Workflow history size exceeds limit.")
    } else if count > draft.limits().history_count {
        Some("Workflow history count exceeds limit.")
    } else if mutable_state_full {
        Some("Workflow mutable state size exceeds limit.")
    } else {
        None
    }
}

/// The size of the state is measured only when what came to it since the last time may have been too much.
fn is_mutable_state_full(draft: &mut Draft<'_, '_>) -> bool {
    let limit = draft.limits().mutable_state_size_bytes;
    let bound_bytes = mutable_state_bound_bytes(draft.exec).saturating_add(draft.growth_bytes());
    draft.exec.volatile.mutable_state_bound_bytes = Some(bound_bytes);
    if bound_bytes <= limit {
        return false;
    }
    let size_bytes = draft.state().mutable_size_bytes();
    draft.exec.volatile.mutable_state_bound_bytes = Some(size_bytes);
    size_bytes > limit
}

fn mutable_state_bound_bytes(exec: &mut Execution) -> usize {
    let state = &exec.state;
    *exec.volatile.mutable_state_bound_bytes.get_or_insert_with(|| state.mutable_size_bytes())
}
