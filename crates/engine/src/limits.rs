//! The limits of the system, with their units and the reference server's key names.
//!
//! A limit is read through [`Limits`]; [`Limits::set`] takes the reference's dynamic-config names, so that
//! `--dynamic-config-value limit.maxIDLength=255` works here as well.

use crate::duration::{self, SECOND_NS};

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
    /// Failed workflow tasks in a row that show in `TemporalReportedProblems`.
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
            failure_in_state_size_bytes: 4096,
            search_attribute_keys: 100,
            search_attribute_value_bytes: 2048,
            search_attributes_total_bytes: 40 * 1024,
            history_page_size: 256,
            workflow_pause: false,
            workflow_time_skipping: false,
            time_skipping_max_per_session: 200,
        }
    }
}

impl Limits {
    /// Sets a limit by the reference server's dynamic-config name (case does not matter); `value` is the number or
    /// switch as text, durations like `30s`. Returns whether the name is one that this server knows; a value that
    /// cannot be read leaves the limit as it was.
    pub fn set(&mut self, key: &str, value: &str) -> bool {
        let number = value.parse::<i64>().ok();
        let size = number.and_then(|n| usize::try_from(n).ok());
        let switch = value.parse::<bool>().ok();
        let length = duration::parse(value.trim_matches('"')).filter(|ns| *ns >= 0);
        macro_rules! put {
            ($field:ident, $value:expr) => {
                if let Some(v) = $value {
                    self.$field = v;
                }
            };
        }
        match key.to_ascii_lowercase().as_str() {
            "limit.maxidlength" => put!(id_length_bytes, size),
            "limit.blobsize.error" => put!(blob_size_bytes, size),
            "limit.memosize.error" => put!(memo_size_bytes, size),
            "limit.historycount.error" => put!(history_count, number),
            "limit.historysize.error" => put!(history_size_bytes, number),
            "limit.historycount.suggestcontinueasnew" => {
                put!(history_count_suggest_continue_as_new, number)
            }
            "limit.historysize.suggestcontinueasnew" => {
                put!(history_size_suggest_continue_as_new_bytes, number)
            }
            "limit.mutablestatesize.error" => put!(mutable_state_size_bytes, size),
            "limit.numpendingactivities.error" => put!(pending_activities, size),
            "limit.numpendingchildexecutions.error" => put!(pending_children, size),
            "limit.numpendingsignals.error" => put!(pending_signals, size),
            "limit.numpendingcancelrequests.error" => put!(pending_cancel_requests, size),
            "history.maximumsignalsperexecution" => put!(signals, number),
            "history.maximumbufferedeventsbatch" => put!(buffered_events, size),
            "history.maximumbufferedeventssizeinbytes" => put!(buffered_events_size_bytes, size),
            "history.maxbufferedquerycount" => put!(buffered_queries, size),
            "history.maxinflightupdates" => put!(in_flight_updates, size),
            "history.maxtotalupdates" => put!(total_updates, size),
            "history.defaultworkflowtasktimeout" => put!(workflow_task_timeout_default_ns, length),
            "history.workflowtaskheartbeattimeout" => {
                put!(workflow_task_heartbeat_timeout_ns, length)
            }
            "history.workflowtaskretrymaxinterval" => {
                put!(workflow_task_retry_max_interval_ns, length)
            }
            "history.workflowidreuseminimalinterval" => {
                put!(workflow_id_reuse_min_interval_ns, length)
            }
            "history.longpollexpirationinterval" => put!(long_poll_ns, length),
            "frontend.maxlinksperrequest" => put!(links_per_request, size),
            "frontend.linkmaxsize" => put!(link_size_bytes, size),
            "callback.maxperexecution" => put!(callbacks_per_request, size),
            "system.maxcallbacksperworkflow" => put!(callbacks, size),
            "frontend.searchattributesnumberofkeyslimit" => put!(search_attribute_keys, size),
            "frontend.searchattributessizeofvaluelimit" => put!(search_attribute_value_bytes, size),
            "frontend.searchattributestotalsizelimit" => put!(search_attributes_total_bytes, size),
            "limit.historymaxpagesize" => put!(history_page_size, size),
            "frontend.workflowpauseenabled" => put!(workflow_pause, switch),
            "frontend.workflowtimeskippingenabled" | "frontend.timeskippingenabled" => {
                put!(workflow_time_skipping, switch);
            }
            "frontend.workflowtimeskippingmaxskippersession" => {
                put!(time_skipping_max_per_session, number.and_then(|n| i32::try_from(n).ok()));
            }
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_set_by_its_reference_name() {
        let mut limits = Limits::default();
        assert!(limits.set("limit.maxIDLength", "255"));
        assert!(limits.set("history.longPollExpirationInterval", "\"2s\""));
        assert!(!limits.set("some.unknownKey", "1"));
        assert_eq!((limits.id_length_bytes, limits.long_poll_ns), (255, 2_000_000_000));
    }
}
