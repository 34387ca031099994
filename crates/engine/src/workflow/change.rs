//! Changes: the only things that alter a run, and what the store keeps of a decision.

use crate::workflow::outbox::Outgoing;
use crate::workflow::state::{ActivityRun, RequestId, Sticky, WorkflowTask};
use evertide_proto::history::HistoryEvent;
use prost::Message;

/// What one decision did to one run, in order. The store keeps its encoding and never looks inside.
#[derive(Clone, PartialEq, Message)]
pub struct Record {
    /// The changes, in order.
    #[prost(message, repeated, tag = "1")]
    pub changes: Vec<ChangeEntry>,
    /// How many decisions they come from, where it is more than one: the shell may join decisions that follow from each
    /// other at once.
    #[prost(int64, tag = "2")]
    pub decisions: i64,
}

/// Wrapper that the encoding needs around a [`Change`].
#[derive(Clone, PartialEq, Message)]
pub struct ChangeEntry {
    /// The change.
    #[prost(oneof = "Change", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18")]
    pub change: Option<Change>,
}

/// One alteration of a run. Events carry nearly all; what leaves no event has a variant of its own that sets a whole
/// component, so that applying it is an assignment.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Change {
    /// The run comes to be: who it is. Always the first change of a run.
    #[prost(message, tag = "1")]
    Created(Creation),
    /// An event is appended to the history and takes effect.
    #[prost(message, tag = "2")]
    Event(HistoryEvent),
    /// An event takes effect now, but waits behind the started workflow task to be written.
    #[prost(message, tag = "3")]
    Buffered(HistoryEvent),
    /// A buffered event that has taken effect is appended to the history.
    #[prost(message, tag = "4")]
    Flushed(HistoryEvent),
    /// All buffered events leave the buffer (they are flushed by the changes after this one, or dropped).
    #[prost(message, tag = "5")]
    BufferCleared(Nothing),
    /// The buffered event at this place leaves the buffer: it has been taken back.
    #[prost(uint32, tag = "6")]
    Unbuffered(u32),
    /// The workflow task is now this.
    #[prost(message, tag = "7")]
    Task(WorkflowTask),
    /// There is no workflow task now.
    #[prost(message, tag = "8")]
    TaskGone(Nothing),
    /// Counters of workflow tasks.
    #[prost(message, tag = "9")]
    TaskCounters(TaskCounters),
    /// The sticky queue is now this.
    #[prost(message, tag = "10")]
    Sticky(Sticky),
    /// There is no sticky queue now.
    #[prost(message, tag = "11")]
    StickyGone(Nothing),
    /// An activity has come this far.
    #[prost(message, tag = "12")]
    Activity(ActivityChange),
    /// A message to another execution is to be delivered.
    #[prost(message, tag = "13")]
    MessageOut(OutboxChange),
    /// That message has been answered.
    #[prost(int64, tag = "14")]
    MessageDone(i64),
    /// A request id has been seen.
    #[prost(message, tag = "15")]
    RequestSeen(RequestSeen),
    /// Facts that no event carries.
    #[prost(message, tag = "16")]
    Facts(Facts),
    /// A child is started with this request id.
    #[prost(message, tag = "17")]
    ChildRequest(ChildRequest),
    /// An update that a reset had admitted was rejected: the run knows it no more.
    #[prost(string, tag = "18")]
    UpdateForgotten(String),
}

/// No content.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Nothing {}

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

/// How far an activity has come.
#[derive(Clone, PartialEq, Message)]
pub struct ActivityChange {
    /// Which activity.
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    /// Its new run state.
    #[prost(message, required, tag = "2")]
    pub run: ActivityRun,
}

/// A new message to another execution.
#[derive(Clone, PartialEq, Message)]
pub struct OutboxChange {
    /// Its number.
    #[prost(int64, tag = "1")]
    pub id: i64,
    /// The message.
    #[prost(message, required, tag = "2")]
    pub message: Outgoing,
}

/// A request id that has been seen.
#[derive(Clone, PartialEq, Message)]
pub struct RequestSeen {
    /// The request id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What it made.
    #[prost(message, required, tag = "2")]
    pub made: RequestId,
}

/// Request id with which a child is started.
#[derive(Clone, PartialEq, Message)]
pub struct ChildRequest {
    /// Which child.
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    /// Its request id.
    #[prost(string, tag = "2")]
    pub request_id: String,
    /// Id of the namespace it is started in.
    #[prost(string, tag = "3")]
    pub namespace_id: String,
}

/// Facts that no event carries; a set field replaces the old value.
#[derive(Clone, PartialEq, Message)]
pub struct Facts {
    /// Search attributes that the server maintains itself, merged; a payload without data removes.
    #[prost(message, optional, tag = "1")]
    pub search_attributes: Option<evertide_proto::common::SearchAttributes>,
    /// Points for resets.
    #[prost(message, optional, tag = "2")]
    pub auto_reset_points: Option<evertide_proto::workflow::ResetPoints>,
    /// This run was reset to that run.
    #[prost(string, tag = "3")]
    pub reset_run_id: String,
    /// The first workflow task is no longer waited for.
    #[prost(bool, tag = "4")]
    pub first_task_scheduled: bool,
    /// When the chain times out, where it is not computed from the started event.
    #[prost(int64, tag = "5")]
    pub execution_expiration_ns: i64,
    /// When the run times out, where it is not computed from the started event.
    #[prost(int64, tag = "6")]
    pub run_expiration_ns: i64,
    /// The first workflow task is due then (in place of what the started event says).
    #[prost(int64, tag = "7")]
    pub first_task_due_ns: i64,
    /// The workflow was paused so.
    #[prost(message, optional, tag = "8")]
    pub pause: Option<evertide_proto::workflow::WorkflowExecutionPauseInfo>,
    /// The workflow is not paused any more.
    #[prost(bool, tag = "9")]
    pub unpaused: bool,
    /// Whether `execution_expiration_ns`, `run_expiration_ns` and `first_task_due_ns` are to be taken, zero or not.
    #[prost(bool, tag = "10")]
    pub sets_expirations: bool,
    /// The fast-forward ends then.
    #[prost(int64, tag = "11")]
    pub fast_forward_target_ns: i64,
}

impl Record {
    /// A record of these changes.
    #[must_use]
    pub fn new(changes: Vec<Change>) -> Self {
        Self { changes: changes.into_iter().map(|c| ChangeEntry { change: Some(c) }).collect(), decisions: 0 }
    }

    /// A record of the changes of several decisions.
    #[must_use]
    pub fn of_decisions(changes: Vec<Change>, decisions: i64) -> Self {
        Self { decisions: if decisions > 1 { decisions } else { 0 }, ..Self::new(changes) }
    }

    /// Its changes.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter_map(|c| c.change.as_ref())
    }

    /// The events that it appended to the history, in order of their ids.
    pub fn into_events(self) -> impl Iterator<Item = HistoryEvent> {
        self.changes.into_iter().filter_map(|c| match c.change {
            Some(Change::Event(e) | Change::Flushed(e)) => Some(e),
            _ => None,
        })
    }
}

/// Whether this event ends something that was started: those are written after all others of a buffer, since SDKs
/// must see starts and signals first.
pub(super) fn is_end_of_started_work(event: &HistoryEvent) -> bool {
    use evertide_proto::enums::EventType as E;
    matches!(
        event.event_type(),
        E::ActivityTaskCompleted
            | E::ActivityTaskFailed
            | E::ActivityTaskTimedOut
            | E::ActivityTaskCanceled
            | E::ChildWorkflowExecutionCompleted
            | E::ChildWorkflowExecutionFailed
            | E::ChildWorkflowExecutionCanceled
            | E::ChildWorkflowExecutionTimedOut
            | E::ChildWorkflowExecutionTerminated
            | E::NexusOperationCompleted
            | E::NexusOperationFailed
            | E::NexusOperationCanceled
            | E::NexusOperationTimedOut
    )
}
