//! What is due is done: times that have come, backfills, and the starts that may be made now.

use super::draft::Draft;
use super::due::{Next, Span, TIMES_PER_DECISION, due};
use super::overlap::{self, BufferedStart, Ending};
use super::policy;
use super::spec::ScheduledTime;
use super::state::{EndOf, Running, Start};
use crate::env::timestamp;
use evertide_proto::schedule::schedule_action::Action;
use evertide_proto::workflow::NewWorkflowExecutionInfo;

/// The most starts that wait, and the most backfills; more are dropped and counted.
pub(super) const BUFFER_MAX: usize = 1000;

/// How much of the buffer backfills may fill. The rest is for what comes due meanwhile.
const BUFFER_FOR_BACKFILLS: usize = BUFFER_MAX / 2;

/// The most starts that are under way before a backfill goes on.
const STARTS_UNDER_WAY_MAX: usize = 100;

/// How soon a schedule goes on that has more to do than one decision may, in nanoseconds.
const GO_ON_AFTER_NS: i64 = 1_000_000;

/// How long a schedule is kept that has nothing more to do, in nanoseconds: seven days.
const IDLE_RETENTION_NS: i64 = 7 * 24 * 3600 * 1_000_000_000;

/// Takes the times that have come into the buffer. Returns what follows.
pub(super) fn take_due(draft: &mut Draft<'_, '_>) -> Next {
    let now_ns = draft.env.now_ns;
    if !policy::may_act(&draft.progress.state) {
        // What comes due meanwhile is not made up for.
        draft.progress.processed_ns = draft.progress.processed_ns.max(now_ns);
        return Next::Never;
    }
    let span = Span {
        after_ns: draft.progress.processed_ns,
        until_ns: now_ns,
        not_before_ns: draft.progress.update_time_ns,
        catchup_window_ns: Some(policy::catchup_window_ns(&draft.state().definition.policies)),
        limit: TIMES_PER_DECISION,
    };
    let due = due(&draft.spec, &draft.state().jitter_seed(), span);
    draft.progress.processed_ns = due.processed_ns;
    draft.progress.missed_catchup_window += due.missed;
    for time in due.starts {
        buffer(draft, time, overlap::Policy::Unspecified.into(), false);
    }
    due.next
}

/// Puts a start into the buffer, unless that is full.
pub(super) fn buffer(draft: &mut Draft<'_, '_>, time: ScheduledTime, overlap_policy: i32, manual: bool) {
    if draft.progress.buffer.len() >= BUFFER_MAX {
        draft.progress.buffer_dropped += 1;
        return;
    }
    let ScheduledTime { nominal_ns, actual_ns } = time;
    draft.progress.buffer.push(BufferedStart { nominal_ns, actual_ns, overlap_policy, manual });
}

/// Does all that can be done now. `next` is what follows the times that were taken.
pub(super) fn advance(draft: &mut Draft<'_, '_>, next: Next) {
    let mut left = TIMES_PER_DECISION;
    let has_more = loop {
        act(draft);
        if !may_backfill(draft) {
            break false;
        }
        if left == 0 {
            break true;
        }
        left -= backfill(draft, left);
    };
    set_wake(draft, next, has_more);
}

fn may_backfill(draft: &Draft<'_, '_>) -> bool {
    let progress = &draft.progress;
    !progress.backfills.is_empty()
        && progress.buffer.len() < BUFFER_FOR_BACKFILLS
        && progress.starts.len() < STARTS_UNDER_WAY_MAX
}

/// Takes times of the oldest backfill into the buffer, at most so many. Returns how many, and at least one.
fn backfill(draft: &mut Draft<'_, '_>, limit: usize) -> usize {
    let Some(backfill) = draft.progress.backfills.first().copied() else { return limit };
    let room = BUFFER_FOR_BACKFILLS.saturating_sub(draft.progress.buffer.len());
    let limit = limit.min(STARTS_UNDER_WAY_MAX).min(room);
    let span = Span {
        after_ns: backfill.after_ns,
        until_ns: backfill.until_ns,
        not_before_ns: i64::MIN,
        catchup_window_ns: None,
        limit,
    };
    let due = due(&draft.spec, &draft.state().jitter_seed(), span);
    match due.next {
        Next::Rest => draft.progress.backfills[0].after_ns = due.processed_ns,
        Next::At(_) | Next::Never => drop(draft.progress.backfills.remove(0)),
    }
    let count = due.starts.len();
    for time in due.starts {
        buffer(draft, time, backfill.overlap_policy, true);
    }
    count.max(1)
}

/// The workflow that the schedule starts, if it starts one.
pub(super) fn new_workflow<'d>(draft: &'d Draft<'_, '_>) -> Option<&'d NewWorkflowExecutionInfo> {
    draft.state().definition.action.action.as_ref().map(|Action::StartWorkflow(workflow)| workflow)
}

/// Starts what may be started, as the overlap policies say.
fn act(draft: &mut Draft<'_, '_>) {
    if new_workflow(draft).is_none() {
        draft.progress.buffer.clear();
    }
    let policy = overlap::policy_or_skip(draft.state().definition.policies.overlap_policy);
    while !draft.progress.buffer.is_empty() {
        let progress = &mut draft.progress;
        let is_running = !progress.running.is_empty() || progress.starts.values().any(|start| start.tracked);
        let resolved = overlap::resolve(std::mem::take(&mut progress.buffer), is_running, policy);
        progress.buffer = resolved.waiting;
        progress.overlap_skipped += resolved.skipped;
        for start in resolved.overlapping {
            begin(draft, start, false);
        }
        if let Some(ending) = resolved.ending {
            end_running(draft, ending);
        }
        let Some(next) = resolved.next else { return };
        if begin(draft, next, true) {
            return;
        }
        // A start that may not be made lets the next one have its place.
    }
}

/// Begins a start; false if the schedule may not act any more.
fn begin(draft: &mut Draft<'_, '_>, start: BufferedStart, tracked: bool) -> bool {
    if !start.manual {
        if !policy::use_action(&mut draft.progress.state) {
            return false;
        }
        draft.progress.conflict_token += i64::from(draft.progress.state.limited_actions);
    }
    let workflow_id = workflow_id(draft, &start);
    let id = draft.progress.number_message();
    draft.progress.starts.insert(id, Start { start, workflow_id, tracked });
    draft.messages.push(id);
    true
}

/// The id of the action with the nominal time, unless the schedule is to keep it as it is; what may overlap has the time
/// always.
fn workflow_id(draft: &Draft<'_, '_>, start: &BufferedStart) -> String {
    let id = new_workflow(draft).map_or("", |workflow| &workflow.workflow_id);
    let policies = &draft.state().definition.policies;
    let policy = match start.overlap_policy() {
        overlap::Policy::Unspecified => overlap::policy_or_skip(policies.overlap_policy),
        policy => policy,
    };
    if policies.keep_original_workflow_id && policy != overlap::Policy::AllowAll {
        return id.to_owned();
    }
    format!("{id}-{}", timestamp(start.nominal_ns.div_euclid(1_000_000_000) * 1_000_000_000))
}

/// Asks the workflows that run to end, each only once.
fn end_running(draft: &mut Draft<'_, '_>, ending: Ending) {
    let terminate = ending == Ending::Terminate;
    let is_asked = |running: &Running| running.terminate_asked || (!terminate && running.cancel_asked);
    let mut asked = Vec::new();
    for running in draft.progress.running.iter_mut().filter(|running| !is_asked(running)) {
        running.terminate_asked |= terminate;
        running.cancel_asked |= !terminate;
        let (workflow_id, first_run_id) = (running.workflow_id.clone(), running.first_run_id.clone());
        asked.push(EndOf { workflow_id, first_run_id, terminate });
    }
    for end in asked {
        let id = draft.progress.number_message();
        draft.progress.endings.insert(id, end);
        draft.messages.push(id);
    }
}

/// Finds out when the schedule is to be woken.
fn set_wake(draft: &mut Draft<'_, '_>, next: Next, has_more: bool) {
    let now_ns = draft.env.now_ns;
    let may_act = policy::may_act(&draft.progress.state);
    draft.progress.wake_ns = match next {
        _ if has_more => now_ns.saturating_add(GO_ON_AFTER_NS),
        Next::Rest if may_act => now_ns.saturating_add(GO_ON_AFTER_NS),
        Next::At(time_ns) if may_act => time_ns,
        _ => idle_until_ns(draft).unwrap_or(0),
    };
    let wake_ns = draft.progress.wake_ns;
    if wake_ns != 0 && wake_ns <= now_ns && draft.state().is_open() {
        // Nothing but the end of its retention is due now: what the spec has is after now.
        draft.progress.closed_ns = now_ns;
        draft.progress.wake_ns = 0;
    }
}

/// Until when a schedule is kept that has nothing more to do; none if it has, or if it is paused.
fn idle_until_ns(draft: &Draft<'_, '_>) -> Option<i64> {
    let progress = &draft.progress;
    let is_busy = !progress.backfills.is_empty()
        || !progress.buffer.is_empty()
        || !progress.running.is_empty()
        || progress.messages().next().is_some();
    if is_busy || progress.state.paused {
        return None;
    }
    let acted_ns =
        progress.recent.last().and_then(|action| action.actual_time.as_ref()).map_or(0, crate::env::timestamp_ns);
    let last_ns = acted_ns.max(draft.state().identity.create_time_ns).max(progress.update_time_ns);
    Some(last_ns.saturating_add(IDLE_RETENTION_NS))
}
