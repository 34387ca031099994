//! The durable state of one run.
//!
//! Everything here is made by [`State::apply`] from stored changes and can be made again from them (rebuilt == live).
//! The structs are protobuf messages of our own, so a snapshot is their encoding and an older snapshot stays readable
//! when a field is added. Times are nanoseconds since the epoch and 0 means "none"; lengths of time are nanoseconds
//! and 0 means "without limit".

use crate::workflow::outbox::Outgoing;
use crate::workflow::time_skipping::TimeSkipping;
use crate::workflow::volatile::Volatile;
use evertide_proto::common::{Memo, Payload, Payloads, SearchAttributes, WorkflowExecution};
use evertide_proto::enums::{TaskQueueKind, WorkflowExecutionStatus};
use evertide_proto::failure::Failure;
use evertide_proto::history::{
    ActivityTaskScheduledEventAttributes, HistoryEvent, StartChildWorkflowExecutionInitiatedEventAttributes,
    WorkflowExecutionStartedEventAttributes,
};
use evertide_proto::taskqueue::TaskQueue;
use prost::Message;
use std::collections::BTreeMap;

/// A run as the shell holds it: what is durable and what is not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Execution {
    /// Survives a crash.
    pub state: State,
    /// May be lost at any time without anybody being lied to.
    pub volatile: Volatile,
}

impl Execution {
    /// The workflow task that is scheduled or started, of whichever type.
    #[must_use]
    pub fn task(&self) -> Option<&WorkflowTask> {
        self.volatile.speculative.as_ref().or(self.state.workflow_task.as_ref())
    }

    /// Whether a workflow task is at a worker.
    #[must_use]
    pub fn task_started(&self) -> bool {
        self.task().is_some_and(WorkflowTask::is_started)
    }
}

/// What is durable of one run.
#[derive(Clone, PartialEq, Message)]
pub struct State {
    /// Identity, times, counters.
    #[prost(message, required, tag = "1")]
    pub info: Info,
    /// The attributes of the started event, whole: retries and cron runs are made from them.
    #[prost(message, required, tag = "2")]
    pub started: WorkflowExecutionStartedEventAttributes,
    /// Id that the next event gets; ids start at 1 and have no gaps.
    #[prost(int64, tag = "3")]
    pub next_event_id: i64,
    /// The workflow task in flight, if any: at most one, never speculative (those are volatile).
    #[prost(message, optional, tag = "4")]
    pub workflow_task: Option<WorkflowTask>,
    /// Pending activities by the id of their scheduled event.
    #[prost(btree_map = "int64, message", tag = "5")]
    pub activities: BTreeMap<i64, Activity>,
    /// Pending timers by timer id.
    #[prost(btree_map = "string, message", tag = "6")]
    pub timers: BTreeMap<String, Timer>,
    /// Pending children by the id of their initiated event.
    #[prost(btree_map = "int64, message", tag = "7")]
    pub children: BTreeMap<i64, Child>,
    /// Signals to other workflows that are not delivered yet, by initiated event id.
    #[prost(btree_map = "int64, message", tag = "8")]
    pub external_signals: BTreeMap<i64, External>,
    /// Cancel requests to other workflows that are not delivered yet, by initiated event id.
    #[prost(btree_map = "int64, message", tag = "9")]
    pub external_cancels: BTreeMap<i64, External>,
    /// Request ids that this run has seen, for dedupe and describe.
    #[prost(btree_map = "string, message", tag = "10")]
    pub request_ids: BTreeMap<String, RequestId>,
    /// Updates that were accepted or completed, by update id.
    #[prost(btree_map = "string, message", tag = "11")]
    pub updates: BTreeMap<String, UpdateInfo>,
    /// Events that wait behind the started workflow task, in order of arrival, without ids.
    #[prost(message, repeated, tag = "12")]
    pub buffered: Vec<HistoryEvent>,
    /// Messages to other executions that have not been answered yet, by their number.
    #[prost(btree_map = "int64, message", tag = "13")]
    pub outbox: BTreeMap<i64, Outgoing>,
    /// Signal request ids that this run has seen.
    #[prost(btree_map = "string, int64", tag = "14")]
    pub signal_request_ids: BTreeMap<String, i64>,
}

/// Identity, times and counters of a run.
#[derive(Clone, PartialEq, Message)]
pub struct Info {
    /// Namespace id (a UUID).
    #[prost(string, tag = "1")]
    pub namespace_id: String,
    /// Namespace name at the start.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// Workflow id.
    #[prost(string, tag = "3")]
    pub workflow_id: String,
    /// Run id.
    #[prost(string, tag = "4")]
    pub run_id: String,
    /// First run of the chain.
    #[prost(string, tag = "5")]
    pub first_run_id: String,
    /// Request id that made this run.
    #[prost(string, tag = "6")]
    pub create_request_id: String,
    /// When the run started.
    #[prost(int64, tag = "7")]
    pub start_time_ns: i64,
    /// Start of the run plus its first backoff: when it may do its first work.
    #[prost(int64, tag = "8")]
    pub execution_time_ns: i64,
    /// When the run times out.
    #[prost(int64, tag = "9")]
    pub run_expiration_ns: i64,
    /// When the chain times out.
    #[prost(int64, tag = "10")]
    pub execution_expiration_ns: i64,
    /// When the first workflow task is due, while it waits (start delay, cron, retry); 0 once it was scheduled.
    #[prost(int64, tag = "11")]
    pub first_task_due_ns: i64,
    /// Status of the protocol.
    #[prost(enumeration = "WorkflowExecutionStatus", tag = "12")]
    pub status: i32,
    /// When the run ended.
    #[prost(int64, tag = "13")]
    pub close_time_ns: i64,
    /// Memo as it is now.
    #[prost(message, optional, tag = "14")]
    pub memo: Option<Memo>,
    /// Search attributes as they are now, with their type metadata.
    #[prost(message, optional, tag = "15")]
    pub search_attributes: Option<SearchAttributes>,
    /// Where workflow tasks go while a worker keeps the run in its cache.
    #[prost(message, optional, tag = "16")]
    pub sticky: Option<Sticky>,
    /// Started event id of the last completed workflow task; 0 if none was.
    #[prost(int64, tag = "17")]
    pub previous_started_event_id: i64,
    /// Attempt that the next workflow task will be, from 1.
    #[prost(int32, tag = "18")]
    pub next_task_attempt: i32,
    /// Failed or timed out workflow tasks since the last completed one.
    #[prost(int32, tag = "19")]
    pub task_problems: i32,
    /// Whether the run was asked to cancel.
    #[prost(bool, tag = "20")]
    pub cancel_requested: bool,
    /// Request id of the cancel request.
    #[prost(string, tag = "21")]
    pub cancel_request_id: String,
    /// Sum of the encoded events, bytes.
    #[prost(int64, tag = "22")]
    pub history_size_bytes: i64,
    /// Signals accepted so far.
    #[prost(int64, tag = "23")]
    pub signal_count: i64,
    /// Durable steps so far.
    #[prost(int64, tag = "24")]
    pub transition_count: i64,
    /// A worker tried to close the run over events it had not seen, and has not come back yet.
    #[prost(bool, tag = "25")]
    pub close_attempted: bool,
    /// Next run of the chain, once this one has closed into it.
    #[prost(string, tag = "26")]
    pub new_run_id: String,
    /// Points to which the run can be reset, one for each worker build.
    #[prost(message, optional, tag = "27")]
    pub auto_reset_points: Option<evertide_proto::workflow::ResetPoints>,
    /// Summary and details given at the start.
    #[prost(message, optional, tag = "28")]
    pub user_metadata: Option<evertide_proto::sdk::UserMetadata>,
    /// Number that the next outgoing message gets.
    #[prost(int64, tag = "29")]
    pub next_message_id: i64,
    /// Priority as it is now.
    #[prost(message, optional, tag = "30")]
    pub priority: Option<evertide_proto::common::Priority>,
    /// Versioning override as it is now.
    #[prost(message, optional, tag = "31")]
    pub versioning_override: Option<evertide_proto::workflow::VersioningOverride>,
    /// Pause of the whole workflow.
    #[prost(message, optional, tag = "32")]
    pub pause: Option<evertide_proto::workflow::WorkflowExecutionPauseInfo>,
    /// Event id of the last completed workflow task; 0 if none was.
    #[prost(int64, tag = "33")]
    pub last_completed_event_id: i64,
    /// When the chain's first run started.
    #[prost(int64, tag = "34")]
    pub original_start_time_ns: i64,
    /// The id of the close event.
    #[prost(int64, tag = "35")]
    pub close_event_id: i64,
    /// Completion callbacks, with the request ids that attached them.
    #[prost(message, repeated, tag = "36")]
    pub callbacks: Vec<evertide_proto::common::Callback>,
    /// Versioning state that the last completed workflow task left.
    #[prost(message, optional, tag = "37")]
    pub versioning_info: Option<evertide_proto::workflow::WorkflowExecutionVersioningInfo>,
    /// Worker version stamp of the last completed workflow task.
    #[prost(message, optional, tag = "38")]
    pub worker_version: Option<evertide_proto::common::WorkerVersionStamp>,
    /// Run that this one was reset from.
    #[prost(string, tag = "39")]
    pub reset_from_run_id: String,
    /// Updates accepted so far.
    #[prost(int64, tag = "40")]
    pub update_count: i64,
    /// This run was reset to that run.
    #[prost(string, tag = "41")]
    pub reset_run_id: String,
    /// The run's own clock, if it ever skipped time or was configured to.
    #[prost(message, optional, tag = "42")]
    pub time_skipping: Option<TimeSkipping>,
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

/// A task queue as a dispatch names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct QueueRef {
    /// Name on which workers poll.
    pub name: String,
    /// The workflow's normal queue if `name` is sticky, else empty.
    pub normal_name: String,
}

impl QueueRef {
    /// Whether this is a worker's own queue.
    #[must_use]
    pub fn is_sticky(&self) -> bool {
        !self.normal_name.is_empty()
    }

    /// As the protocol writes it in events.
    #[must_use]
    pub fn to_proto(&self) -> TaskQueue {
        let kind = if self.is_sticky() { TaskQueueKind::Sticky } else { TaskQueueKind::Normal };
        TaskQueue { name: self.name.clone(), kind: kind.into(), normal_name: self.normal_name.clone() }
    }
}

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
    pub started_attributes: Option<evertide_proto::history::WorkflowTaskStartedEventAttributes>,
    /// Counts the times this task was put on a queue: an older entry is void.
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
}

/// A pending activity: what was asked for, and how far it has come.
#[derive(Clone, PartialEq, Message)]
pub struct Activity {
    /// The attributes of its scheduled event.
    #[prost(message, required, tag = "1")]
    pub scheduled: ActivityTaskScheduledEventAttributes,
    /// Id of its scheduled event.
    #[prost(int64, tag = "2")]
    pub scheduled_event_id: i64,
    /// What changes while it is pending.
    #[prost(message, required, tag = "3")]
    pub run: ActivityRun,
}

/// What changes of an activity while it is pending. Attempts leave no events, so this is the only record of them.
#[derive(Clone, PartialEq, Message)]
pub struct ActivityRun {
    /// Attempt, from 1.
    #[prost(int32, tag = "1")]
    pub attempt: i32,
    /// When the activity was first scheduled.
    #[prost(int64, tag = "2")]
    pub first_scheduled_time_ns: i64,
    /// When the current attempt was or will be put on its queue.
    #[prost(int64, tag = "3")]
    pub scheduled_time_ns: i64,
    /// When the current attempt was started, 0 while it waits.
    #[prost(int64, tag = "4")]
    pub started_time_ns: i64,
    /// Request id of the poll that started the current attempt.
    #[prost(string, tag = "5")]
    pub request_id: String,
    /// Identity of the worker of the current or last attempt.
    #[prost(string, tag = "6")]
    pub worker_identity: String,
    /// Failure of the last attempt.
    #[prost(message, optional, tag = "7")]
    pub last_failure: Option<Failure>,
    /// Details of the last heartbeat; they survive retries.
    #[prost(message, optional, tag = "8")]
    pub heartbeat_details: Option<Payloads>,
    /// When the last heartbeat came, 0 if none did; survives retries.
    #[prost(int64, tag = "9")]
    pub heartbeat_time_ns: i64,
    /// Id of the cancel-requested event, 0 if it was not asked to cancel.
    #[prost(int64, tag = "10")]
    pub cancel_requested_event_id: i64,
    /// The attempt waits for its time (backoff, jitter); at `scheduled_time_ns` it goes to its queue.
    #[prost(bool, tag = "11")]
    pub in_backoff: bool,
    /// Counts changes that void queued tasks and tokens.
    #[prost(int64, tag = "12")]
    pub stamp: i64,
    /// Pause by an operator.
    #[prost(message, optional, tag = "13")]
    pub pause: Option<evertide_proto::workflow::pending_activity_info::PauseInfo>,
    /// Reset by an operator while it was started: its worker is told.
    #[prost(bool, tag = "14")]
    pub reset: bool,
    /// The next attempt starts without heartbeat details.
    #[prost(bool, tag = "15")]
    pub reset_heartbeat: bool,
    /// Options changed by an operator; they replace those of the scheduled event.
    #[prost(message, optional, tag = "16")]
    pub options: Option<evertide_proto::activity::ActivityOptions>,
    /// When the last attempt ended by a failure.
    #[prost(int64, tag = "17")]
    pub last_attempt_complete_time_ns: i64,
    /// When the last attempt was started; survives retries.
    #[prost(int64, tag = "18")]
    pub last_started_time_ns: i64,
    /// Request id of the pause: a repeat of it is no error.
    #[prost(string, tag = "19")]
    pub pause_request_id: String,
}

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

/// A child workflow that was asked for and has not ended.
#[derive(Clone, PartialEq, Message)]
pub struct Child {
    /// The attributes of its initiated event.
    #[prost(message, required, tag = "1")]
    pub initiated: StartChildWorkflowExecutionInitiatedEventAttributes,
    /// Id of its started event, 0 until it has started.
    #[prost(int64, tag = "2")]
    pub started_event_id: i64,
    /// The run that was started (the first of its chain).
    #[prost(string, tag = "3")]
    pub run_id: String,
    /// Request id with which the child is started, so that a repeat finds it.
    #[prost(string, tag = "4")]
    pub request_id: String,
    /// Id of the namespace of the child.
    #[prost(string, tag = "5")]
    pub namespace_id: String,
    /// Workflow type, from the started event.
    #[prost(string, tag = "6")]
    pub workflow_type: String,
}

/// A signal or cancel request to another workflow that has not been answered.
#[derive(Clone, PartialEq, Message)]
pub struct External {
    /// The workflow it goes to; run id only if the command named it.
    #[prost(message, optional, tag = "1")]
    pub target: Option<WorkflowExecution>,
    /// Name of the target's namespace.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// Id of the target's namespace.
    #[prost(string, tag = "3")]
    pub namespace_id: String,
    /// Request id for dedupe at the target.
    #[prost(string, tag = "4")]
    pub request_id: String,
    /// What the command carried along, echoed in the answer's event.
    #[prost(string, tag = "5")]
    pub control: String,
}

/// A request id that this run has seen.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RequestId {
    /// `EventType` of the event it made.
    #[prost(int32, tag = "1")]
    pub event_type: i32,
    /// Id of that event; 0 while it is buffered.
    #[prost(int64, tag = "2")]
    pub event_id: i64,
}

/// An update that was admitted by a reset, accepted or completed.
#[derive(Clone, PartialEq, Message)]
pub struct UpdateInfo {
    /// Id of its accepted event, 0 while only admitted.
    #[prost(int64, tag = "1")]
    pub accepted_event_id: i64,
    /// Its outcome, once completed.
    #[prost(message, optional, tag = "2")]
    pub outcome: Option<evertide_proto::update::Outcome>,
    /// Id of its admitted event (made by a reset), 0 if none.
    #[prost(int64, tag = "3")]
    pub admitted_event_id: i64,
    /// The request, kept while it is only admitted.
    #[prost(message, optional, tag = "4")]
    pub request: Option<evertide_proto::update::Request>,
    /// Id of its completed event, 0 until then.
    #[prost(int64, tag = "5")]
    pub completed_event_id: i64,
}

impl State {
    /// Whether the run is open.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.info.status(), WorkflowExecutionStatus::Running | WorkflowExecutionStatus::Paused)
    }

    /// What counts against `limits.mutable_state_size_bytes`, about: what is kept of an open run besides its history.
    /// What the history has as well (inputs, outcomes) counts there.
    pub(super) fn mutable_size_bytes(&self) -> usize {
        /// A pending activity, child or update with the ids that go with it.
        const PENDING_BYTES: usize = 256;
        let pending = self.activities.len() + self.children.len() + self.updates.len() + self.outbox.len();
        let activities = self.activities.values().map(|a| a.run.encoded_len());
        let timers = self.timers.iter().map(|(id, timer)| id.len() + timer.encoded_len());
        let externals = self.external_signals.values().chain(self.external_cancels.values()).map(Message::encoded_len);
        let requests = self.request_ids.keys().chain(self.signal_request_ids.keys()).map(|id| id.len() + 8);
        let updates = self.updates.iter().map(|(id, u)| id.len() + u.request.as_ref().map_or(0, Message::encoded_len));
        let buffered = self.buffered.iter().map(Message::encoded_len);
        self.info.encoded_len()
            + pending * PENDING_BYTES
            + activities.chain(timers).chain(externals).chain(requests).chain(updates).chain(buffered).sum::<usize>()
    }

    /// Name of the queue that the workflow's own tasks go to.
    #[must_use]
    pub fn task_queue(&self) -> &str {
        self.started.task_queue.as_ref().map_or("", |q| &q.name)
    }

    /// Name of the workflow type.
    #[must_use]
    pub fn workflow_type(&self) -> &str {
        self.started.workflow_type.as_ref().map_or("", |t| &t.name)
    }

    /// Workflow id and run id as the protocol writes them.
    #[must_use]
    pub fn execution(&self) -> WorkflowExecution {
        WorkflowExecution { workflow_id: self.info.workflow_id.clone(), run_id: self.info.run_id.clone() }
    }

    /// A search attribute as it is now.
    #[must_use]
    pub fn search_attribute(&self, name: &str) -> Option<&Payload> {
        self.info.search_attributes.as_ref()?.indexed_fields.get(name)
    }

    /// Pending activity of that activity id.
    #[must_use]
    pub fn activity_by_id(&self, activity_id: &str) -> Option<&Activity> {
        self.activities.values().find(|a| a.scheduled.activity_id == activity_id)
    }
}
