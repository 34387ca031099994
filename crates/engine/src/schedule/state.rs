//! What is durable of a schedule, and how it changes.
//!
//! A decision works on a copy of the [`Progress`] and records it as a whole if it has changed; the definition, which may be
//! large, and what workflows hand on are recorded only when they change.

use super::overlap::BufferedStart;
use evertide_proto::common::{Memo, Payloads, SearchAttributes};
use evertide_proto::failure::Failure;
use evertide_proto::schedule::{ScheduleAction, ScheduleActionResult, SchedulePolicies, ScheduleSpec, ScheduleState};
use prost::Message;
use std::collections::BTreeMap;

/// How many request ids of updates and patches are remembered.
const REQUEST_IDS: usize = 100;

/// All that is durable of a schedule.
#[derive(Clone, PartialEq, Message)]
pub struct State {
    /// Who it is.
    #[prost(message, required, tag = "1")]
    pub identity: Identity,
    /// What it is to do.
    #[prost(message, required, tag = "2")]
    pub definition: Definition,
    /// How far it is.
    #[prost(message, required, tag = "3")]
    pub progress: Progress,
    /// What the next workflow gets from those before.
    #[prost(message, required, tag = "4")]
    pub carried: Carried,
    /// Request ids of updates and patches, the newest last.
    #[prost(string, repeated, tag = "5")]
    pub request_ids: Vec<String>,
    /// How many decisions were recorded in this run.
    #[prost(int64, tag = "6")]
    pub decisions: i64,
}

/// Who a schedule is.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Identity {
    /// Namespace id (a UUID).
    #[prost(string, tag = "1")]
    pub namespace_id: String,
    /// Namespace name at the creation.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// Schedule id.
    #[prost(string, tag = "3")]
    pub schedule_id: String,
    /// Run id. A schedule that has acted for long goes on in a new run, so that its records do not grow without end.
    #[prost(string, tag = "4")]
    pub run_id: String,
    /// Request id that made the schedule.
    #[prost(string, tag = "5")]
    pub create_request_id: String,
    /// When it was made.
    #[prost(int64, tag = "6")]
    pub create_time_ns: i64,
}

/// What a schedule is to do.
#[derive(Clone, PartialEq, Message)]
pub struct Definition {
    /// When, in its canonical form.
    #[prost(message, required, tag = "1")]
    pub spec: ScheduleSpec,
    /// What.
    #[prost(message, required, tag = "2")]
    pub action: ScheduleAction,
    /// How, with the defaults filled in.
    #[prost(message, required, tag = "3")]
    pub policies: SchedulePolicies,
    /// Memo of the schedule.
    #[prost(message, optional, tag = "4")]
    pub memo: Option<Memo>,
    /// Search attributes of the schedule, with their types.
    #[prost(message, optional, tag = "5")]
    pub search_attributes: Option<SearchAttributes>,
}

/// How far a schedule is.
#[derive(Clone, PartialEq, Message)]
pub struct Progress {
    /// Notes, pause and limit.
    #[prost(message, required, tag = "1")]
    pub state: ScheduleState,
    /// Goes up with every change that a client may not have seen.
    #[prost(int64, tag = "2")]
    pub conflict_token: i64,
    /// When the schedule was last updated; 0 if never.
    #[prost(int64, tag = "3")]
    pub update_time_ns: i64,
    /// Up to here the times of the spec were taken.
    #[prost(int64, tag = "4")]
    pub processed_ns: i64,
    /// Workflows started.
    #[prost(int64, tag = "5")]
    pub action_count: i64,
    /// Times that were too long past.
    #[prost(int64, tag = "6")]
    pub missed_catchup_window: i64,
    /// Starts that were dropped because a workflow ran.
    #[prost(int64, tag = "7")]
    pub overlap_skipped: i64,
    /// Starts and backfills that were dropped because too many waited.
    #[prost(int64, tag = "8")]
    pub buffer_dropped: i64,
    /// Starts that wait for the end of a workflow, oldest first.
    #[prost(message, repeated, tag = "9")]
    pub buffer: Vec<BufferedStart>,
    /// Backfills that are not through, oldest first.
    #[prost(message, repeated, tag = "10")]
    pub backfills: Vec<Backfill>,
    /// Workflows that run and that others wait for.
    #[prost(message, repeated, tag = "11")]
    pub running: Vec<Running>,
    /// The newest starts, oldest first.
    #[prost(message, repeated, tag = "12")]
    pub recent: Vec<ScheduleActionResult>,
    /// Starts that are under way, by the numbers of their messages.
    #[prost(btree_map = "int64, message", tag = "13")]
    pub starts: BTreeMap<i64, Start>,
    /// Workflows that are asked to end, by the numbers of the messages.
    #[prost(btree_map = "int64, message", tag = "14")]
    pub endings: BTreeMap<i64, EndOf>,
    /// Number that the next message gets.
    #[prost(int64, tag = "15")]
    pub next_message_id: i64,
    /// When something is due next; 0 for never.
    #[prost(int64, tag = "16")]
    pub wake_ns: i64,
    /// When the schedule ended; 0 while it has not.
    #[prost(int64, tag = "17")]
    pub closed_ns: i64,
    /// The numbers of the messages that made the newest starts, which order them: answers come in any order.
    #[prost(int64, repeated, tag = "18")]
    pub recent_ids: Vec<i64>,
}

/// A backfill that is not through.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Backfill {
    /// Behind this time, in unix nanoseconds.
    #[prost(int64, tag = "1")]
    pub after_ns: i64,
    /// To this time, in unix nanoseconds.
    #[prost(int64, tag = "2")]
    pub until_ns: i64,
    /// Its overlap policy; unspecified is the schedule's own.
    #[prost(enumeration = "evertide_proto::enums::ScheduleOverlapPolicy", tag = "3")]
    pub overlap_policy: i32,
}

/// A workflow that runs.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Running {
    /// Its workflow id.
    #[prost(string, tag = "1")]
    pub workflow_id: String,
    /// The first run of its chain.
    #[prost(string, tag = "2")]
    pub first_run_id: String,
    /// Whether it was asked to cancel.
    #[prost(bool, tag = "3")]
    pub cancel_asked: bool,
    /// Whether it was asked to terminate.
    #[prost(bool, tag = "4")]
    pub terminate_asked: bool,
}

/// A start that is under way.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Start {
    /// What is started.
    #[prost(message, required, tag = "1")]
    pub start: BufferedStart,
    /// Its workflow id.
    #[prost(string, tag = "2")]
    pub workflow_id: String,
    /// Whether what comes after waits for its end.
    #[prost(bool, tag = "3")]
    pub tracked: bool,
}

/// A workflow that is asked to end.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct EndOf {
    /// Its workflow id.
    #[prost(string, tag = "1")]
    pub workflow_id: String,
    /// The first run of its chain.
    #[prost(string, tag = "2")]
    pub first_run_id: String,
    /// Whether it is terminated rather than cancelled.
    #[prost(bool, tag = "3")]
    pub terminate: bool,
}

/// What the next workflow gets from those before.
#[derive(Clone, PartialEq, Message)]
pub struct Carried {
    /// Result of the last one that completed with one.
    #[prost(message, optional, tag = "1")]
    pub last_completion_result: Option<Payloads>,
    /// Failure of the last one, if it failed.
    #[prost(message, optional, tag = "2")]
    pub continued_failure: Option<Failure>,
}

/// What one decision did to a schedule. The store keeps its encoding.
#[derive(Clone, PartialEq, Message)]
pub struct Record {
    /// The changes, in order.
    #[prost(message, repeated, tag = "1")]
    pub changes: Vec<ChangeEntry>,
    /// How many decisions they come from, where it is more than one.
    #[prost(int64, tag = "2")]
    pub decisions: i64,
}

/// Wrapper that the encoding needs around a [`Change`].
#[derive(Clone, PartialEq, Message)]
pub struct ChangeEntry {
    /// The change.
    #[prost(oneof = "Change", tags = "1, 2, 3, 4, 5")]
    pub change: Option<Change>,
}

/// One alteration of a schedule.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Change {
    /// It comes to be: who it is.
    #[prost(message, tag = "1")]
    Created(Identity),
    /// It is to do this now.
    #[prost(message, tag = "2")]
    Defined(Definition),
    /// It is this far now.
    #[prost(message, tag = "3")]
    Progress(Progress),
    /// The next workflow gets this now.
    #[prost(message, tag = "4")]
    Carried(Carried),
    /// A request id was seen.
    #[prost(string, tag = "5")]
    RequestId(String),
}

impl Record {
    /// A record of these changes.
    #[must_use]
    pub fn new(changes: Vec<Change>) -> Self {
        Self { changes: changes.into_iter().map(|change| ChangeEntry { change: Some(change) }).collect(), decisions: 0 }
    }
}

impl State {
    /// Applies one change. This is the only place where a schedule changes.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Created(identity) => self.identity.clone_from(identity),
            Change::Defined(definition) => self.definition.clone_from(definition),
            Change::Progress(progress) => self.progress.clone_from(progress),
            Change::Carried(carried) => self.carried.clone_from(carried),
            Change::RequestId(id) => {
                self.request_ids.push(id.clone());
                if self.request_ids.len() > REQUEST_IDS {
                    self.request_ids.remove(0);
                }
            }
        }
    }

    /// Applies what is stored of decisions.
    pub fn apply_record(&mut self, record: &Record) {
        for change in record.changes.iter().filter_map(|entry| entry.change.as_ref()) {
            self.apply(change);
        }
        self.decisions += record.decisions.max(1);
    }

    /// Whether the schedule has not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.progress.closed_ns == 0
    }

    /// What tells the jitter of this schedule from that of others.
    #[must_use]
    pub fn jitter_seed(&self) -> String {
        format!("{}-{}", self.identity.namespace_id, self.identity.schedule_id)
    }
}

impl Progress {
    /// Numbers of the messages that nobody has answered.
    pub fn messages(&self) -> impl Iterator<Item = i64> {
        self.starts.keys().chain(self.endings.keys()).copied()
    }

    /// The number of the next message.
    pub(super) fn number_message(&mut self) -> i64 {
        self.next_message_id += 1;
        self.next_message_id
    }
}
