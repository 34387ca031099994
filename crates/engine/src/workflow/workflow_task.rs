//! Workflow tasks: scheduled, started, completed, failed, timed out; normal, transient and speculative.
//!
//! Invariants: at most one task is in flight; a started task belongs to exactly one poll (its request id); a normal
//! task (attempt 1) is written when it is scheduled and started; a transient one (a retry) is written only when it
//! completes; a speculative one (for updates) only when it leaves something behind. While a task is started, events
//! from outside wait in the buffer.

mod failing;
mod starting;
pub(super) mod state;
#[cfg(test)]
mod tests;

pub(super) use failing::{
    Report, camel, clear_problems, end_by_force, fail, fail_with_full_buffer, give_up_sticky, reset_sticky, time_out,
    time_out_waiting,
};
pub(super) use starting::{start, start_again, start_eager, start_inline};

use crate::env::{duration_ns, shorter_ns};
use crate::rejection::Rejection;
use crate::task_queue::{Dispatch, Lasts, QueueRef, TaskClass};
use crate::token::TaskToken;
use crate::workflow::change::{Change, Nothing};
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::state::{Execution, State};
use crate::workflow::workflow_task::state::{TaskCounters, WorkflowTask, scheduled_attributes};
use evertide_proto::history::WorkflowTaskStartedEventAttributes;
use evertide_proto::history::history_event::Attributes;

/// Schedules a task unless one is in flight, the run is closed or paused, or it still waits for its first one.
pub(super) fn schedule(draft: &mut Draft<'_, '_>) {
    if draft.state().info.first_task_due_ns == 0 {
        schedule_now(draft);
    }
}

/// As [`schedule`], but ends the wait for the first task: a cancel request does not wait for a start delay.
pub(super) fn schedule_now(draft: &mut Draft<'_, '_>) {
    if can_schedule(draft) {
        create(draft, 0);
    }
}

fn can_schedule(draft: &Draft<'_, '_>) -> bool {
    draft.state().is_running() && draft.state().info.pause.is_none() && draft.exec.task().is_none()
}

/// The first task is due. A speculative task that is in flight becomes it.
pub(super) fn schedule_first(draft: &mut Draft<'_, '_>) {
    draft.write_speculative_task(Some(""));
    schedule_now(draft);
}

/// Schedules a task that carries on a row of heartbeating tasks.
pub(super) fn schedule_heartbeat(draft: &mut Draft<'_, '_>, original_scheduled_time_ns: i64) {
    if can_schedule(draft) {
        create(draft, original_scheduled_time_ns);
    }
}

fn create(draft: &mut Draft<'_, '_>, original_scheduled_time_ns: i64) {
    draft.end_wait_for_first_task();
    if !draft.state().buffered.is_empty() {
        draft.flush_buffer();
        set_counters(draft, |c| c.next_attempt = 1);
    }
    let attempt = draft.state().info.next_task_attempt.max(1);
    let timeout_ns = timeout_ns(draft, attempt);
    let queue = queue(draft.state());
    let scheduled_event_id = if attempt == 1 {
        draft.event(scheduled_attributes(&queue, timeout_ns, attempt))
    } else {
        draft.state().next_event_id
    };
    let now_ns = draft.now_ns();
    let task = WorkflowTask {
        scheduled_event_id,
        attempt,
        scheduled_time_ns: now_ns,
        original_scheduled_time_ns: if original_scheduled_time_ns == 0 { now_ns } else { original_scheduled_time_ns },
        timeout_ns,
        sticky_queue: if queue.is_sticky() { queue.name.clone() } else { String::new() },
        schedule_to_start_due_ns: sticky_due_ns(draft.state(), now_ns),
        stamp: i64::from(attempt) << 16,
        ..WorkflowTask::default()
    };
    draft.record(Change::Task(task));
    dispatch(draft);
}

/// Schedules a task that exists only for updates: nothing is written of it until it leaves something behind. A run that
/// waits for its first task goes on waiting if the updates are all rejected.
pub(super) fn schedule_speculative(draft: &mut Draft<'_, '_>) {
    if !can_schedule(draft) {
        return;
    }
    if draft.state().info.next_task_attempt > 1 {
        return schedule_now(draft);
    }
    let now_ns = draft.now_ns();
    let queue = queue(draft.state());
    let due_ns = if queue.is_sticky() {
        sticky_due_ns(draft.state(), now_ns)
    } else {
        now_ns + draft.limits().speculative_schedule_to_start_ns
    };
    let task = WorkflowTask {
        scheduled_event_id: draft.state().next_event_id,
        attempt: 1,
        scheduled_time_ns: now_ns,
        original_scheduled_time_ns: now_ns,
        timeout_ns: timeout_ns(draft, 1),
        sticky_queue: if queue.is_sticky() { queue.name.clone() } else { String::new() },
        schedule_to_start_due_ns: due_ns,
        speculative: true,
        stamp: 1 << 16,
        ..WorkflowTask::default()
    };
    draft.exec.volatile.speculative = Some(task);
    dispatch(draft);
}

/// The workflow is paused: a task that waits for a worker is not handed out, however long that takes.
pub(super) fn withdraw(draft: &mut Draft<'_, '_>) {
    let Some(mut task) = draft.state().workflow_task.clone().filter(|task| !task.is_started()) else {
        return;
    };
    task.stamp += 1;
    task.schedule_to_start_due_ns = 0;
    draft.record(Change::Task(task));
}

/// The pause is over: the task that was withdrawn goes to its queue; without one, the workflow gets a task.
pub(super) fn hand_out_again(draft: &mut Draft<'_, '_>) {
    let Some(mut task) = draft.state().workflow_task.clone() else {
        return schedule(draft);
    };
    if !task.is_started() {
        task.stamp += 1;
        task.schedule_to_start_due_ns =
            if task.sticky_queue.is_empty() { 0 } else { sticky_due_ns(draft.state(), draft.now_ns()) };
        draft.record(Change::Task(task));
        dispatch(draft);
    }
}

/// Puts the task in flight on its queue (again), unless the workflow is paused.
pub(super) fn dispatch(draft: &mut Draft<'_, '_>) {
    let task = waiting_task(draft.exec);
    draft.effects.dispatches.extend(task);
}

/// The task in flight as its queue gets it, unless a worker has it or the workflow is paused. One on a sticky queue need
/// not survive a crash, if it waits there for a bounded time: its worker may well be gone.
pub(super) fn waiting_task(exec: &Execution) -> Option<Dispatch> {
    let state = &exec.state;
    let is_handed_out = state.is_running() && state.info.pause.is_none();
    let task = exec.task().filter(|task| is_handed_out && !task.is_started())?;
    let normal = state.task_queue().to_owned();
    let is_sticky = !task.sticky_queue.is_empty();
    let queue = if is_sticky {
        QueueRef { name: task.sticky_queue.clone(), normal_name: normal }
    } else {
        QueueRef { name: normal, normal_name: String::new() }
    };
    let may_be_lost = task.speculative || (is_sticky && task.schedule_to_start_due_ns != 0);
    let timeout_ns = state.info.sticky.as_ref().map_or(0, |sticky| sticky.schedule_to_start_ns);
    Some(Dispatch {
        class: TaskClass::Workflow,
        queue,
        scheduled_event_id: task.scheduled_event_id,
        stamp: task.stamp,
        lasts: if may_be_lost { Lasts::Until { timeout_ns } } else { Lasts::Durably },
        priority: state.info.priority.clone(),
    })
}

/// Where the next task goes: the worker's own queue while the run is sticky.
pub(super) fn queue(state: &State) -> QueueRef {
    let normal = state.task_queue().to_owned();
    match &state.info.sticky {
        Some(sticky) => QueueRef { name: sticky.queue.clone(), normal_name: normal },
        None => QueueRef { name: normal, normal_name: String::new() },
    }
}

fn sticky_due_ns(state: &State, now_ns: i64) -> i64 {
    match &state.info.sticky {
        Some(sticky) if sticky.schedule_to_start_ns > 0 => now_ns.saturating_add(sticky.schedule_to_start_ns),
        _ => 0,
    }
}

/// Start-to-close timeout of an attempt: the workflow's, longer for each attempt after the third so that a broken
/// worker is asked less and less often.
fn timeout_ns(draft: &mut Draft<'_, '_>, attempt: i32) -> i64 {
    let base_ns = duration_ns(draft.state().started.workflow_task_timeout.as_ref());
    if attempt <= 3 {
        return base_ns;
    }
    let max_ns = draft.limits().workflow_task_retry_max_interval_ns;
    let doublings = u32::try_from(attempt - 4).unwrap_or(0).min(40);
    let stretch_ns = 5_000_000_000_i64.saturating_mul(1 << doublings).min(max_ns);
    let jitter_ns = draft.env.ids.below(u64::try_from(stretch_ns / 5).unwrap_or(0));
    base_ns + stretch_ns - i64::try_from(jitter_ns).unwrap_or(0)
}

/// Writes what is not written yet of a started task, so that its end can follow, and returns it.
pub(super) fn write_started(draft: &mut Draft<'_, '_>) -> Option<WorkflowTask> {
    draft.write_speculative_task(None);
    let task = draft.state().workflow_task.clone()?;
    if task.is_transient() && task.is_started() {
        let scheduled = task.scheduled_attributes(draft.state().task_queue());
        let extra = EventExtra::at(task.scheduled_time_ns);
        let scheduled_event_id = draft.append(scheduled.into(), extra);
        let mut started = task.started_attributes.clone().unwrap_or_default();
        started.scheduled_event_id = scheduled_event_id;
        let extra = EventExtra::at(task.started_time_ns);
        let started_event_id = draft.append(started.into(), extra);
        return Some(WorkflowTask { scheduled_event_id, started_event_id, ..task });
    }
    Some(task)
}

/// The virtual events of a task that is not written yet, as a worker or reader sees them at the end of the history.
pub(super) fn virtual_events(state: &State, task: &WorkflowTask) -> Vec<evertide_proto::history::HistoryEvent> {
    if !task.is_transient() && !task.speculative {
        return Vec::new();
    }
    let event = |id: i64, time_ns: i64, attributes: evertide_proto::history::history_event::Attributes| {
        evertide_proto::history::HistoryEvent {
            event_id: id,
            task_id: id,
            event_time: Some(crate::env::timestamp(time_ns)),
            event_type: attributes.event_type().into(),
            attributes: Some(attributes),
            ..Default::default()
        }
    };
    let mut events = vec![event(
        task.scheduled_event_id,
        task.scheduled_time_ns,
        task.scheduled_attributes(state.task_queue()).into(),
    )];
    if task.is_started() {
        let mut started: WorkflowTaskStartedEventAttributes = task.started_attributes.clone().unwrap_or_default();
        started.scheduled_event_id = task.scheduled_event_id;
        events.push(event(task.started_event_id, task.started_time_ns, started.into()));
    }
    events
}

impl crate::workflow::Execution {
    /// Events of the task in flight that are not written yet and follow the history for whoever reads it.
    ///
    /// A retry that waits behind newer events is left out: their ids are those that it was to have.
    #[must_use]
    pub fn pending_events(&self) -> Vec<evertide_proto::history::HistoryEvent> {
        let follows = |task: &&WorkflowTask| task.scheduled_event_id == self.state.next_event_id;
        let mut events = self.task().filter(follows).map_or_else(Vec::new, |task| virtual_events(&self.state, task));
        for event in &mut events {
            if let Some(Attributes::WorkflowTaskStartedEventAttributes(started)) = &mut event.attributes {
                started.identity.clear(); // Only the worker itself is shown who it is, until the event is written.
            }
        }
        events
    }
}

/// Takes the task out of flight.
pub(super) fn clear(draft: &mut Draft<'_, '_>) {
    draft.exec.volatile.speculative = None;
    if draft.state().workflow_task.is_some() {
        draft.record(Change::TaskGone(Nothing {}));
    }
}

/// Sets the counters of tasks.
pub(super) fn set_counters(draft: &mut Draft<'_, '_>, change: impl FnOnce(&mut TaskCounters)) {
    let info = &draft.state().info;
    let before = TaskCounters {
        next_attempt: info.next_task_attempt,
        problems: info.task_problems,
        previous_started_event_id: info.previous_started_event_id,
        close_attempted: info.close_attempted,
    };
    let mut after = before;
    change(&mut after);
    if after != before {
        draft.record(Change::TaskCounters(after));
    }
}

/// The started task that a token names.
///
/// # Errors
/// NotFound if the run has ended or the token is of another task or attempt.
pub(super) fn owned(draft: &Draft<'_, '_>, token: &TaskToken) -> Result<WorkflowTask, Rejection> {
    let task = draft.exec.task().filter(|_| draft.state().is_running());
    match task {
        Some(task)
            if task.is_started()
                && task.scheduled_event_id == token.scheduled_event_id
                && task.started_event_id == token.started_event_id
                && task.attempt == token.attempt
                && task.started_time_ns == token.started_time_ns =>
        {
            Ok(task.clone())
        }
        _ => Err(Rejection::stale_workflow_task()),
    }
}

/// When the task in flight times out, nanoseconds; 0 if it may wait for ever.
pub(super) fn deadline_ns(exec: &Execution) -> i64 {
    let Some(task) = exec.task() else { return 0 };
    if task.is_started() { task.started_time_ns.saturating_add(task.timeout_ns) } else { task.schedule_to_start_due_ns }
}

/// Handles a task that is due: timed out at a worker, or on a sticky queue.
pub(super) fn wake(draft: &mut Draft<'_, '_>) {
    let due_ns = deadline_ns(draft.exec);
    if due_ns == 0 || due_ns > draft.now_ns() {
        return;
    }
    if draft.exec.task_started() {
        time_out(draft);
    } else {
        time_out_waiting(draft);
    }
}

/// The workflow task timeout of a run: what is asked for, within bounds and the run's own timeout.
pub(super) fn effective_timeout_ns(asked_ns: i64, run_timeout_ns: i64, limits: &crate::limits::Limits) -> i64 {
    let asked_ns = if asked_ns == 0 { limits.workflow_task_timeout_default_ns } else { asked_ns };
    shorter_ns(asked_ns.min(limits.workflow_task_timeout_max_ns), run_timeout_ns)
}
