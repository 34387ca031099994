//! The durable state of one run: the parts that its components keep, and nothing of their rules.
//!
//! Everything here is made by [`State::apply`] from stored changes and can be made again from them (rebuilt == live).
//! The structs are protobuf messages of our own, so a snapshot is their encoding and an older snapshot stays readable
//! when a field is added. Times are nanoseconds since the epoch and 0 means "none"; lengths of time are nanoseconds
//! and 0 means "without limit".

use crate::message::Outgoing;
use crate::workflow::activity::state::Activity;
use crate::workflow::child_workflow::state::Child;
use crate::workflow::external_workflow::state::External;
use crate::workflow::info::{Info, RequestId};
use crate::workflow::timer::state::Timer;
use crate::workflow::update::state::UpdateInfo;
use crate::workflow::volatile::Volatile;
use crate::workflow::workflow_task::state::WorkflowTask;
use evertide_proto::common::{Payload, WorkflowExecution};
use evertide_proto::history::{HistoryEvent, WorkflowExecutionStartedEventAttributes};
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

impl State {
    /// Whether the run is open.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.info.is_open()
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

    /// How far the run's clock is ahead of the world's, nanoseconds.
    #[must_use]
    pub fn skipped_ns(&self) -> i64 {
        self.info.time_skipping.as_ref().map_or(0, |t| t.skipped_ns)
    }

    /// A time of the run's clock in the world's time; 0 (never) stays 0.
    pub(super) fn in_world_ns(&self, at_ns: i64) -> i64 {
        if at_ns == 0 { 0 } else { at_ns.saturating_sub(self.skipped_ns()).max(1) }
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
