//! The limits and switches of the system, with their units and the reference server's key names.
//!
//! A limit is read through [`Limits`]; [`Limits::set`] takes the reference's dynamic-config names, so that
//! `--dynamic-config-value limit.maxIDLength=255` works here as well. The table of names is in `settings.rs`.

mod settings;

pub use settings::{Ineffective, known_keys};

use crate::callback::AllowedAddress;
use crate::duration::SECOND_NS;

/// All limits of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest identifier or name, bytes.
    pub id_length_bytes: usize,
    /// Largest payload collection in one field, bytes.
    pub blob_size_bytes: usize,
    /// Largest memo, bytes.
    pub memo_size_bytes: usize,
    /// Longest history of a run, events.
    pub history_count: i64,
    /// Largest history of a run, bytes.
    pub history_size_bytes: i64,
    /// History length from which a run is advised to continue as new, events.
    pub history_count_suggest_continue_as_new: i64,
    /// History size from which a run is advised to continue as new, bytes.
    pub history_size_suggest_continue_as_new_bytes: i64,
    /// Largest state of a run, bytes.
    pub mutable_state_size_bytes: usize,
    /// Pending activities of a run.
    pub pending_activities: usize,
    /// Pending child workflows of a run.
    pub pending_children: usize,
    /// Pending signals to other workflows of a run.
    pub pending_signals: usize,
    /// Pending cancel requests to other workflows of a run.
    pub pending_cancel_requests: usize,
    /// Signals a run accepts in its life.
    pub signals: i64,
    /// Events that wait behind a started workflow task.
    pub buffered_events: usize,
    /// Bytes of events that wait behind a started workflow task.
    pub buffered_events_size_bytes: usize,
    /// Queries that wait for a workflow task at once.
    pub buffered_queries: usize,
    /// Updates of a run that are not completed.
    pub in_flight_updates: usize,
    /// Updates a run accepts in its life.
    pub total_updates: usize,
    /// Share of `total_updates`, percent, from which a run is advised to continue as new.
    pub total_updates_suggest_continue_as_new_percent: usize,
    /// Longest workflow task timeout, nanoseconds.
    pub workflow_task_timeout_max_ns: i64,
    /// Workflow task timeout where none is given, nanoseconds.
    pub workflow_task_timeout_default_ns: i64,
    /// Longest a workflow task may be kept alive by heartbeats, nanoseconds.
    pub workflow_task_heartbeat_timeout_ns: i64,
    /// Longest extra timeout of a retried workflow task, nanoseconds.
    pub workflow_task_retry_max_interval_ns: i64,
    /// Shortest time between the starts of two runs of a chain, nanoseconds.
    pub workflow_id_reuse_min_interval_ns: i64,
    /// Failed workflow tasks in a row that show in `TemporalReportedProblems`; 0 for never.
    pub workflow_task_problems_to_report: i32,
    /// Schedule-to-start timeout of a speculative workflow task on a normal queue, nanoseconds.
    pub speculative_schedule_to_start_ns: i64,
    /// Longest wait of an update or history long poll, nanoseconds.
    pub long_poll_ns: i64,
    /// Links on one request.
    pub links_per_request: usize,
    /// Largest link, bytes.
    pub link_size_bytes: usize,
    /// Completion callbacks on one request.
    pub callbacks_per_request: usize,
    /// Completion callbacks of one run.
    pub callbacks: usize,
    /// Longest address of a callback, bytes.
    pub callback_url_bytes: usize,
    /// Largest sum of the headers of a callback, names and values, bytes.
    pub callback_header_bytes: usize,
    /// Addresses that callbacks may have besides the system's own.
    pub callback_addresses: Vec<AllowedAddress>,
    /// Whether the addresses of callbacks are checked at all; Temporal's test server takes any.
    pub callbacks_checked: bool,
    /// Largest failure kept in the state of an activity, bytes.
    pub failure_in_state_size_bytes: usize,
    /// Custom search attributes: keys on one execution.
    pub search_attribute_keys: usize,
    /// Largest value of one search attribute, bytes.
    pub search_attribute_value_bytes: usize,
    /// Largest sum of all search attributes, bytes.
    pub search_attributes_total_bytes: usize,
    /// Most events in one page of history.
    pub history_page_size: usize,
    /// Most events that come with a workflow task; the worker asks for the others.
    pub task_history_page_size: usize,
    /// Whether pages of history are sent as encoded batches, which the client decodes.
    pub raw_history: bool,
    /// Fairness weights that operators set for one task queue.
    pub fairness_weight_overrides: usize,
    /// Binaries of workers that are marked as bad in one namespace.
    pub bad_binaries: usize,
    /// Names of namespaces that cannot be deleted.
    pub protected_namespaces: Vec<String>,
    /// Whether a worker gets activities with the answer to the workflow task that asked for them.
    pub activity_eager_execution: bool,
    /// Whether the first workflow task comes with the answer to a start that asks for it.
    pub eager_workflow_start: bool,
    /// Whether the polls of a worker end when it says that it shuts down.
    pub cancel_worker_polls_on_shutdown: bool,
    /// Whether commands reach workflows of other namespaces.
    pub cross_namespace_commands: bool,
    /// Whether workflows can be updated.
    pub updates: bool,
    /// Whether an update's caller may wait for its acceptance alone.
    pub updates_wait_for_acceptance: bool,
    /// Whether workers tell of themselves.
    pub worker_heartbeats: bool,
    /// Age of a backlog, nanoseconds, from which workers are advised to poll more.
    pub poller_scaling_backlog_age_ns: i64,
    /// Wait of a poll, nanoseconds, from which its worker is advised to poll less.
    pub poller_scaling_wait_ns: i64,
    /// Advice to poll more that one task queue gives, times a second for each of its pollers.
    pub poller_scaling_decisions_per_second: i64,
    /// Tasks added for 100 that are handed out, from which workers are advised to poll more.
    pub poller_scaling_add_to_dispatch_percent: i64,
    /// Whether workers are advised to scale their polls by themselves where nobody has said how many there are to be.
    pub poller_autoscaling_auto_enroll: bool,
    /// Whether workflows can be paused.
    pub workflow_pause: bool,
    /// Whether workflows can skip time by themselves.
    pub workflow_time_skipping: bool,
    /// Skips in one session of per-workflow time skipping.
    pub time_skipping_max_per_session: i32,
}

const MIB: usize = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            id_length_bytes: 1000,
            blob_size_bytes: 2 * MIB,
            memo_size_bytes: 2 * MIB,
            history_count: 51_200,
            history_size_bytes: 50 * 1024 * 1024,
            history_count_suggest_continue_as_new: 4096,
            history_size_suggest_continue_as_new_bytes: 4 * 1024 * 1024,
            mutable_state_size_bytes: 8 * MIB,
            pending_activities: 2000,
            pending_children: 2000,
            pending_signals: 2000,
            pending_cancel_requests: 2000,
            signals: 10_000,
            buffered_events: 100,
            buffered_events_size_bytes: 2 * MIB,
            buffered_queries: 1,
            in_flight_updates: 10,
            total_updates: 2000,
            total_updates_suggest_continue_as_new_percent: 90,
            workflow_task_timeout_max_ns: 120 * SECOND_NS,
            workflow_task_timeout_default_ns: 10 * SECOND_NS,
            workflow_task_heartbeat_timeout_ns: 30 * 60 * SECOND_NS,
            workflow_task_retry_max_interval_ns: 10 * 60 * SECOND_NS,
            workflow_id_reuse_min_interval_ns: SECOND_NS,
            workflow_task_problems_to_report: 5,
            speculative_schedule_to_start_ns: 5 * SECOND_NS,
            long_poll_ns: 20 * SECOND_NS,
            links_per_request: 10,
            link_size_bytes: 4000,
            callbacks_per_request: 2000,
            callbacks: 32,
            callback_url_bytes: 1000,
            callback_header_bytes: 8192,
            callback_addresses: Vec::new(),
            callbacks_checked: true,
            failure_in_state_size_bytes: 4096,
            search_attribute_keys: 100,
            search_attribute_value_bytes: 2048,
            search_attributes_total_bytes: 40 * 1024,
            history_page_size: 256,
            task_history_page_size: 256,
            raw_history: false,
            fairness_weight_overrides: 1000,
            bad_binaries: 10,
            protected_namespaces: Vec::new(),
            activity_eager_execution: true,
            eager_workflow_start: true,
            cancel_worker_polls_on_shutdown: false,
            cross_namespace_commands: false,
            updates: true,
            updates_wait_for_acceptance: true,
            worker_heartbeats: true,
            poller_scaling_backlog_age_ns: SECOND_NS / 5,
            poller_scaling_wait_ns: SECOND_NS,
            poller_scaling_decisions_per_second: 10,
            poller_scaling_add_to_dispatch_percent: 120,
            poller_autoscaling_auto_enroll: false,
            workflow_pause: false,
            workflow_time_skipping: false,
            time_skipping_max_per_session: 200,
        }
    }
}
