//! Identity, times and counters of a run, and what events do to them.

use crate::env::{duration_ns, shorter_ns, timestamp_ns};
use crate::message::Watcher;
use crate::workflow::time_skipping::state::{self as clock, TimeSkipping};
use crate::workflow::workflow_task::state::{Sticky, TaskCounters, TaskProblem};
use evertide_proto::common::{Memo, SearchAttributes};
use evertide_proto::enums::WorkflowExecutionStatus;
use evertide_proto::history::{
    HistoryEvent, WorkflowExecutionOptionsUpdatedEventAttributes, WorkflowExecutionStartedEventAttributes,
};
use prost::Message;

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
    /// The newest failure of a workflow task that the history tells: what `TemporalReportedProblems` names.
    #[prost(message, optional, tag = "43")]
    pub task_problem: Option<TaskProblem>,
    /// Links of the started event; retries and cron runs carry them on.
    #[prost(message, repeated, tag = "44")]
    pub start_links: Vec<evertide_proto::common::Link>,
    /// Request id of the pause, while the workflow is paused: a repeat of it is no error.
    #[prost(string, tag = "45")]
    pub pause_request_id: String,
    /// Who is told when the last run of the chain has closed.
    #[prost(message, repeated, tag = "60")]
    pub watchers: Vec<Watcher>,
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

/// Who a new run is.
#[derive(Clone, PartialEq, Message)]
pub struct Creation {
    /// Namespace id.
    #[prost(string, tag = "1")]
    pub namespace_id: String,
    /// Namespace name.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// Workflow id.
    #[prost(string, tag = "3")]
    pub workflow_id: String,
    /// Run id.
    #[prost(string, tag = "4")]
    pub run_id: String,
    /// Request id that makes the run.
    #[prost(string, tag = "5")]
    pub request_id: String,
    /// When the chain's first run started; 0 if this is it.
    #[prost(int64, tag = "6")]
    pub original_start_time_ns: i64,
    /// Run that this one is reset from.
    #[prost(string, tag = "7")]
    pub reset_from_run_id: String,
    /// When the run starts; for a reset later than its first event.
    #[prost(int64, tag = "8")]
    pub start_time_ns: i64,
    /// Who is told when the last run of the chain has closed.
    #[prost(message, repeated, tag = "9")]
    pub watchers: Vec<Watcher>,
}

impl Info {
    /// Whether the run is open.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.status(), WorkflowExecutionStatus::Running | WorkflowExecutionStatus::Paused)
    }

    /// The run comes to be.
    pub(super) fn of(creation: &Creation) -> Self {
        Self {
            namespace_id: creation.namespace_id.clone(),
            namespace: creation.namespace.clone(),
            workflow_id: creation.workflow_id.clone(),
            run_id: creation.run_id.clone(),
            create_request_id: creation.request_id.clone(),
            original_start_time_ns: creation.original_start_time_ns,
            reset_from_run_id: creation.reset_from_run_id.clone(),
            start_time_ns: creation.start_time_ns,
            watchers: creation.watchers.clone(),
            next_task_attempt: 1,
            next_message_id: 1,
            status: WorkflowExecutionStatus::Running.into(),
            ..Self::default()
        }
    }

    /// The run starts with what its first event says.
    pub(super) fn start(&mut self, event: &HistoryEvent, a: &WorkflowExecutionStartedEventAttributes, time_ns: i64) {
        if self.start_time_ns == 0 {
            self.start_time_ns = time_ns;
        }
        if self.original_start_time_ns == 0 {
            self.original_start_time_ns = self.start_time_ns;
        }
        let backoff_ns = duration_ns(a.first_workflow_task_backoff.as_ref());
        self.first_run_id.clone_from(&a.first_execution_run_id);
        self.execution_time_ns = time_ns.saturating_add(backoff_ns); // Of a run that was reset, that of its original.
        self.first_task_due_ns = if backoff_ns > 0 { self.execution_time_ns } else { 0 };
        self.execution_expiration_ns = a.workflow_execution_expiration_time.as_ref().map_or(0, timestamp_ns);
        let run_ns = duration_ns(a.workflow_run_timeout.as_ref());
        let run_due_ns = if run_ns > 0 { self.execution_time_ns.saturating_add(run_ns) } else { 0 };
        self.run_expiration_ns = shorter_ns(run_due_ns, self.execution_expiration_ns);
        self.time_skipping = clock::begin(a, time_ns);
        self.memo.clone_from(&a.memo);
        self.search_attributes.clone_from(&a.search_attributes);
        self.user_metadata.clone_from(&event.user_metadata);
        self.start_links.clone_from(&event.links);
        self.priority.clone_from(&a.priority);
        self.versioning_override.clone_from(&a.versioning_override);
        self.callbacks.clone_from(&a.completion_callbacks);
        self.auto_reset_points.clone_from(&a.prev_auto_reset_points);
    }

    /// Its options are others from that time of its clock on.
    pub(super) fn update_options(&mut self, a: &WorkflowExecutionOptionsUpdatedEventAttributes, time_ns: i64) {
        if a.time_skipping_config_updated {
            clock::configure(&mut self.time_skipping, a.time_skipping_config.as_ref(), time_ns);
        }
        if a.versioning_override.is_some() {
            self.versioning_override.clone_from(&a.versioning_override);
        }
        if a.unset_versioning_override {
            self.versioning_override = None;
        }
        if a.priority.is_some() {
            self.priority.clone_from(&a.priority);
        }
        self.callbacks.extend(a.attached_completion_callbacks.iter().cloned());
    }

    /// The counters of workflow tasks are these.
    pub(super) fn set_counters(&mut self, counters: &TaskCounters) {
        self.next_task_attempt = counters.next_attempt;
        self.task_problems = counters.problems;
        self.previous_started_event_id = counters.previous_started_event_id;
        self.close_attempted = counters.close_attempted;
    }

    /// It is paused, by that request.
    pub(super) fn pause(&mut self, request_id: &str) {
        self.set_status(WorkflowExecutionStatus::Paused);
        request_id.clone_into(&mut self.pause_request_id);
    }

    /// It is not paused any more.
    pub(super) fn unpause(&mut self) {
        self.set_status(WorkflowExecutionStatus::Running);
        self.pause_request_id.clear();
    }

    /// It has ended.
    pub(super) fn close(&mut self, event_id: i64, time_ns: i64, status: WorkflowExecutionStatus, new_run_id: &str) {
        self.set_status(status);
        self.close_time_ns = time_ns;
        self.close_event_id = event_id;
        new_run_id.clone_into(&mut self.new_run_id);
        self.first_task_due_ns = 0;
    }
}
