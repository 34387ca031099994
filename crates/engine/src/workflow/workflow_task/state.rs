//! The workflow task of a run, as its state keeps it.

use crate::env::duration;
use crate::task_queue::QueueRef;
use evertide_proto::enums::{TimeoutType, WorkflowTaskFailedCause};
use evertide_proto::history::{
    WorkflowTaskFailedEventAttributes, WorkflowTaskScheduledEventAttributes, WorkflowTaskStartedEventAttributes,
    WorkflowTaskTimedOutEventAttributes,
};
use prost::Message;

/// A workflow task that is scheduled or started.
#[derive(Clone, PartialEq, Message)]
pub struct WorkflowTask {
    /// Id of its scheduled event; virtual (nothing is written yet) for a retried or speculative task.
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    /// Id of its started event, 0 while it waits; virtual as above.
    #[prost(int64, tag = "2")]
    pub started_event_id: i64,
    /// Attempt, from 1. Above 1 the task is transient: it is written only when it completes.
    #[prost(int32, tag = "3")]
    pub attempt: i32,
    /// When it was scheduled.
    #[prost(int64, tag = "4")]
    pub scheduled_time_ns: i64,
    /// When the first of a row of heartbeating tasks was scheduled.
    #[prost(int64, tag = "5")]
    pub original_scheduled_time_ns: i64,
    /// When it was started, 0 while it waits.
    #[prost(int64, tag = "6")]
    pub started_time_ns: i64,
    /// Request id of the poll that started it.
    #[prost(string, tag = "7")]
    pub request_id: String,
    /// Start-to-close timeout, nanoseconds.
    #[prost(int64, tag = "8")]
    pub timeout_ns: i64,
    /// Identity of the worker that has it.
    #[prost(string, tag = "9")]
    pub identity: String,
    /// Sticky queue it waits on; empty for the normal queue.
    #[prost(string, tag = "10")]
    pub sticky_queue: String,
    /// When it has waited too long on a sticky queue; 0 if it may wait for ever.
    #[prost(int64, tag = "11")]
    pub schedule_to_start_due_ns: i64,
    /// The task exists only for updates and leaves no trace if they are all rejected.
    #[prost(bool, tag = "12")]
    pub speculative: bool,
    /// What its started event says, kept for a transient task until it is written.
    #[prost(message, optional, tag = "13")]
    pub started_attributes: Option<WorkflowTaskStartedEventAttributes>,
    /// Counts the times this task was put on a queue: an older entry is stale.
    #[prost(int64, tag = "14")]
    pub stamp: i64,
}

impl WorkflowTask {
    /// Whether a worker has it.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.started_event_id != 0
    }

    /// Whether its events are virtual until it completes.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.attempt > 1
    }

    /// Its scheduled event, as it is or will be written; the workflow's own queue is given.
    pub(in crate::workflow) fn scheduled_attributes(&self, normal_queue: &str) -> WorkflowTaskScheduledEventAttributes {
        let normal = normal_queue.to_owned();
        let queue = if self.sticky_queue.is_empty() {
            QueueRef { name: normal, normal_name: String::new() }
        } else {
            QueueRef { name: self.sticky_queue.clone(), normal_name: normal }
        };
        scheduled_attributes(&queue, self.timeout_ns, self.attempt)
    }
}

pub(in crate::workflow) fn scheduled_attributes(
    queue: &QueueRef,
    timeout_ns: i64,
    attempt: i32,
) -> WorkflowTaskScheduledEventAttributes {
    WorkflowTaskScheduledEventAttributes {
        task_queue: Some(queue.to_proto()),
        start_to_close_timeout: Some(duration(timeout_ns)),
        attempt,
    }
}

/// A worker's own queue, for as long as it keeps the run in its cache.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Sticky {
    /// Name of the sticky queue.
    #[prost(string, tag = "1")]
    pub queue: String,
    /// How long a task may wait there, nanoseconds.
    #[prost(int64, tag = "2")]
    pub schedule_to_start_ns: i64,
}

/// Counters of workflow tasks, set as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct TaskCounters {
    /// See `Info::next_task_attempt`.
    #[prost(int32, tag = "1")]
    pub next_attempt: i32,
    /// See `Info::task_problems`.
    #[prost(int32, tag = "2")]
    pub problems: i32,
    /// See `Info::previous_started_event_id`.
    #[prost(int64, tag = "3")]
    pub previous_started_event_id: i64,
    /// See `Info::close_attempted`.
    #[prost(bool, tag = "4")]
    pub close_attempted: bool,
}

/// At most one task is in flight, and none is at a worker once the run has closed.
pub(in crate::workflow) fn check(task: Option<&WorkflowTask>, speculative: Option<&WorkflowTask>, is_open: bool) {
    assert!(task.is_none() || speculative.is_none(), "at most one workflow task is in flight");
    let in_flight = task.or(speculative);
    assert!(
        is_open || !in_flight.is_some_and(WorkflowTask::is_started),
        "a closed run has no workflow task at a worker"
    );
}

/// How a workflow task failed or timed out.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct TaskProblem {
    /// Why it failed (`WorkflowTaskFailedCause`); 0 if it timed out.
    #[prost(enumeration = "WorkflowTaskFailedCause", tag = "1")]
    pub cause: i32,
    /// How it timed out (`TimeoutType`); 0 if it failed.
    #[prost(enumeration = "TimeoutType", tag = "2")]
    pub timeout_type: i32,
}

/// A task has failed.
pub(in crate::workflow) fn note_failure(problem: &mut Option<TaskProblem>, a: &WorkflowTaskFailedEventAttributes) {
    *problem = Some(TaskProblem { cause: a.cause, timeout_type: 0 });
}

/// A task has timed out. That nobody took it in time is no problem of the workflow's.
pub(in crate::workflow) fn note_timeout(problem: &mut Option<TaskProblem>, a: &WorkflowTaskTimedOutEventAttributes) {
    if a.timeout_type() == TimeoutType::StartToClose {
        *problem = Some(TaskProblem { cause: 0, timeout_type: a.timeout_type });
    }
}
