//! Workflow tasks that do not complete: failed by the worker or the server, timed out, taken from a sticky queue.

use crate::rejection::Rejection;
use crate::reply::{Decided, Reply};
use crate::workflow::change::{Change, Nothing};
use crate::workflow::draft::Draft;
use crate::workflow::identity::SERVER_IDENTITY;
use crate::workflow::search_attributes;
use crate::workflow::workflow_task::state::WorkflowTask;
use crate::workflow::workflow_task::{clear, dispatch, schedule, set_counters};
use evertide_proto::common::WorkerVersionStamp;
use evertide_proto::enums::{TimeoutType, WorkflowTaskFailedCause as Cause};
use evertide_proto::failure::Failure;
use evertide_proto::history::{WorkflowTaskFailedEventAttributes, WorkflowTaskTimedOutEventAttributes};

/// What a failed-task event says besides the task's ids.
#[derive(Debug, Default)]
pub(in crate::workflow) struct Report {
    /// Why.
    pub cause: Cause,
    /// The failure, as told.
    pub failure: Option<Failure>,
    /// Who says so.
    pub identity: String,
    /// Checksum of the worker's binary.
    pub binary_checksum: String,
    /// Build of the worker.
    pub worker_version: Option<WorkerVersionStamp>,
}

impl Report {
    /// The server itself ends the task.
    pub(in crate::workflow) fn by_server(cause: Cause) -> Self {
        Self { cause, identity: SERVER_IDENTITY.to_owned(), ..Self::default() }
    }
}

/// Fails the started task: written if it is a first attempt, counted in any case. The next task is for the caller.
pub(in crate::workflow) fn fail(draft: &mut Draft<'_, '_>, report: Report) {
    let Some(task) = end(draft, |draft, task| {
        draft.event(WorkflowTaskFailedEventAttributes {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: task.started_event_id,
            cause: report.cause.into(),
            failure: report.failure,
            identity: report.identity,
            binary_checksum: report.binary_checksum,
            worker_version: report.worker_version,
            ..WorkflowTaskFailedEventAttributes::default()
        });
    }) else {
        return;
    };
    count_failure(draft, &task);
    report_problems(draft);
}

/// The buffer is full: the task is failed so that the events can be written.
pub(in crate::workflow) fn fail_with_full_buffer(draft: &mut Draft<'_, '_>) {
    fail(draft, Report::by_server(Cause::ForceCloseCommand));
    set_counters(draft, |c| c.next_attempt = 2);
    schedule(draft);
}

/// The run ends under a started task: the task is failed for the record, the buffered events are written.
pub(in crate::workflow) fn end_by_force(draft: &mut Draft<'_, '_>) {
    if draft.exec.task_started() {
        draft.write_speculative_task(Some(SERVER_IDENTITY));
        end(draft, |draft, task| {
            draft.event(WorkflowTaskFailedEventAttributes {
                scheduled_event_id: task.scheduled_event_id,
                started_event_id: task.started_event_id,
                cause: Cause::ForceCloseCommand.into(),
                identity: SERVER_IDENTITY.to_owned(),
                ..WorkflowTaskFailedEventAttributes::default()
            });
        });
    }
    draft.exec.volatile.speculative = None; // One that nobody had started leaves no trace.
    draft.flush_buffer();
}

/// A started task was not answered in time.
pub(in crate::workflow) fn time_out(draft: &mut Draft<'_, '_>) {
    draft.write_speculative_task(Some(""));
    let timed_out = end(draft, |draft, task| {
        draft.event(WorkflowTaskTimedOutEventAttributes {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: task.started_event_id,
            timeout_type: TimeoutType::StartToClose.into(),
        });
    });
    let Some(task) = timed_out else { return };
    count_failure(draft, &task);
    report_problems(draft);
    schedule(draft);
}

/// Nobody took the task from a sticky queue (or a speculative task from its queue) in time.
pub(in crate::workflow) fn time_out_waiting(draft: &mut Draft<'_, '_>) {
    draft.write_speculative_task(Some(""));
    let Some(task) = draft.state().workflow_task.clone() else {
        return;
    };
    if !task.is_transient() {
        draft.event(WorkflowTaskTimedOutEventAttributes {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: 0,
            timeout_type: TimeoutType::ScheduleToStart.into(),
        });
    }
    clear(draft);
    clear_sticky(draft);
    schedule(draft);
}

/// Takes a started task out of flight: `write` writes its end if it is a first attempt.
fn end(draft: &mut Draft<'_, '_>, write: impl FnOnce(&mut Draft<'_, '_>, &WorkflowTask)) -> Option<WorkflowTask> {
    draft.write_speculative_task(None);
    let task = draft.state().workflow_task.clone()?;
    if !task.is_transient() {
        write(draft, &task);
    }
    clear(draft);
    draft.exec.volatile.task_lost();
    Some(task)
}

fn count_failure(draft: &mut Draft<'_, '_>, task: &WorkflowTask) {
    let buffered = !draft.state().buffered.is_empty();
    draft.flush_buffer();
    let was_sticky = draft.state().info.sticky.is_some();
    clear_sticky(draft);
    set_counters(draft, |c| {
        c.problems += i32::from(!was_sticky); // A worker that has lost its cache is no problem of the workflow's.
        c.next_attempt = match (buffered, was_sticky) {
            (true, _) => 1,
            (false, true) => task.attempt,
            (false, false) => task.attempt + 1,
        };
    });
}

/// Shows in the search attributes that tasks keep failing, and why the newest one failed that is in the history: a worker
/// reports a failure once and lets the retries time out.
fn report_problems(draft: &mut Draft<'_, '_>) {
    let info = &draft.state().info;
    let threshold = draft.limits().workflow_task_problems_to_report;
    if threshold <= 0 || info.task_problems < threshold {
        return;
    }
    let Some(problem) = info.task_problem else { return };
    let (category, cause) = if problem.timeout_type == 0 {
        ("WorkflowTaskFailed", camel(problem.cause().as_str_name(), "WORKFLOW_TASK_FAILED_CAUSE_"))
    } else {
        ("WorkflowTaskTimedOut", camel(problem.timeout_type().as_str_name(), "TIMEOUT_TYPE_"))
    };
    let values = [format!("category={category}"), format!("cause={category}Cause{cause}")];
    search_attributes::set_by_server(draft, "TemporalReportedProblems", &values);
}

/// What follows the prefix of an enum's name, `BAR_BAZ`, in camel case: `BarBaz`.
pub(in crate::workflow) fn camel(name: &str, prefix: &str) -> String {
    let name = name.strip_prefix(prefix).unwrap_or(name);
    let word = |w: &str| w.chars().take(1).chain(w.chars().skip(1).map(|c| c.to_ascii_lowercase())).collect::<String>();
    name.split('_').map(word).collect()
}

fn clear_sticky(draft: &mut Draft<'_, '_>) {
    if draft.state().info.sticky.is_some() {
        draft.record(Change::StickyGone(Nothing {}));
    }
}

/// The worker behind a sticky queue is gone: its waiting task goes to the normal queue at once, without an event.
pub(in crate::workflow) fn give_up_sticky(draft: &mut Draft<'_, '_>, sticky_queue: &str) -> Decided {
    if draft.state().info.sticky.as_ref().is_some_and(|s| s.queue == sticky_queue) {
        clear_sticky(draft);
    }
    let Some(mut task) = draft.exec.task().cloned() else {
        return Ok(Reply::Done);
    };
    if task.is_started() || task.sticky_queue != sticky_queue {
        return Ok(Reply::Done);
    }
    task.stamp += 1;
    task.schedule_to_start_due_ns = 0;
    task.sticky_queue.clear();
    if task.speculative {
        task.schedule_to_start_due_ns = draft.now_ns() + draft.limits().speculative_schedule_to_start_ns;
        draft.exec.volatile.speculative = Some(task);
    } else {
        draft.record(Change::Task(task));
    }
    dispatch(draft);
    Ok(Reply::Done)
}

/// ResetStickyTaskQueue.
pub(in crate::workflow) fn reset_sticky(draft: &mut Draft<'_, '_>) -> Decided {
    if !draft.state().is_running() {
        return Err(Rejection::already_completed());
    }
    clear_sticky(draft);
    Ok(Reply::Done)
}

/// Forgets reported problems once a task completes.
pub(in crate::workflow) fn clear_problems(draft: &mut Draft<'_, '_>) {
    let reports = draft.limits().workflow_task_problems_to_report > 0;
    if reports && draft.state().search_attribute("TemporalReportedProblems").is_some() {
        search_attributes::set_by_server(draft, "TemporalReportedProblems", &[]);
    }
}
