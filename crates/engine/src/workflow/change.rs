//! Changes: the only things that alter a run, and what the store keeps of a decision.

use crate::message::OutboxChange;
use crate::workflow::activity::state::ActivityChange;
use crate::workflow::child_workflow::state::{ChildEnd, ChildRequest};
use crate::workflow::info::{Creation, RequestId};
use crate::workflow::workflow_task::state::{Sticky, TaskCounters, WorkflowTask};
use evertide_proto::common::SearchAttributes;
use evertide_proto::history::HistoryEvent;
use evertide_proto::workflow::{ResetPoints, WorkflowExecutionPauseInfo};
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
    #[prost(oneof = "Change", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19")]
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
    /// A fact that no event carries.
    #[prost(message, tag = "16")]
    Facts(Facts),
    /// A child is started with this request id.
    #[prost(message, tag = "17")]
    ChildRequest(ChildRequest),
    /// An update that a reset had admitted was rejected: the run knows it no more.
    #[prost(string, tag = "18")]
    UpdateForgotten(String),
    /// A child has ended after its parent, the run, had closed.
    #[prost(message, tag = "19")]
    ChildEnded(ChildEnd),
}

/// No content.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Nothing {}

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

/// Wrapper that the encoding needs around a [`Fact`].
#[derive(Clone, PartialEq, Message)]
pub struct Facts {
    /// The fact.
    #[prost(oneof = "Fact", tags = "1, 2, 3, 4, 8, 9, 11, 12")]
    pub fact: Option<Fact>,
    /// [`Expirations`] as files of version 0.1 have them: this field and the next two, which count if `sets_expirations`
    /// is set. Never written.
    #[prost(int64, tag = "5")]
    pub execution_expiration_ns: i64,
    /// See `execution_expiration_ns`.
    #[prost(int64, tag = "6")]
    pub run_expiration_ns: i64,
    /// See `execution_expiration_ns`.
    #[prost(int64, tag = "7")]
    pub first_task_due_ns: i64,
    /// See `execution_expiration_ns`.
    #[prost(bool, tag = "10")]
    pub sets_expirations: bool,
}

/// A fact that no event carries.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Fact {
    /// Search attributes that the server maintains itself, merged; a payload without data removes.
    #[prost(message, tag = "1")]
    ServerAttributes(SearchAttributes),
    /// Points for resets.
    #[prost(message, tag = "2")]
    ResetPoints(ResetPoints),
    /// This run was reset to that run.
    #[prost(string, tag = "3")]
    ResetTo(String),
    /// The first workflow task is no longer waited for. Always true.
    #[prost(bool, tag = "4")]
    FirstTaskScheduled(bool),
    /// The workflow was paused so.
    #[prost(message, tag = "8")]
    Paused(WorkflowExecutionPauseInfo),
    /// The workflow is not paused any more. Always true.
    #[prost(bool, tag = "9")]
    Unpaused(bool),
    /// The fast-forward ends then, nanoseconds of the run's clock.
    #[prost(int64, tag = "11")]
    FastForward(i64),
    /// When the run times out, where it is not computed from the started event.
    #[prost(message, tag = "12")]
    Expirations(Expirations),
}

/// When a run and its chain time out, and when its first task is due; 0 for never.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Expirations {
    /// When the chain times out.
    #[prost(int64, tag = "1")]
    pub execution_ns: i64,
    /// When the run times out.
    #[prost(int64, tag = "2")]
    pub run_ns: i64,
    /// When the first workflow task is due.
    #[prost(int64, tag = "3")]
    pub first_task_ns: i64,
}

impl Facts {
    /// The fact, as it is written today.
    pub(super) fn read(&self) -> Option<Fact> {
        if self.sets_expirations {
            return Some(Fact::Expirations(Expirations {
                execution_ns: self.execution_expiration_ns,
                run_ns: self.run_expiration_ns,
                first_task_ns: self.first_task_due_ns,
            }));
        }
        self.fact.clone()
    }
}

impl From<Fact> for Change {
    fn from(fact: Fact) -> Self {
        Self::Facts(Facts { fact: Some(fact), ..Facts::default() })
    }
}

impl Record {
    /// A record of these changes.
    #[must_use]
    pub fn new(changes: Vec<Change>) -> Self {
        Self { changes: changes.into_iter().map(|c| ChangeEntry { change: Some(c) }).collect(), decisions: 0 }
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

#[cfg(test)]
mod tests {
    use super::{Expirations, Fact, Facts};
    use evertide_proto::workflow::WorkflowExecutionPauseInfo;
    use prost::Message;

    /// Facts as files of version 0.1 have them.
    #[derive(Clone, PartialEq, Message)]
    struct Stored {
        #[prost(string, tag = "3")]
        reset_run_id: String,
        #[prost(bool, tag = "4")]
        first_task_scheduled: bool,
        #[prost(int64, tag = "5")]
        execution_expiration_ns: i64,
        #[prost(int64, tag = "6")]
        run_expiration_ns: i64,
        #[prost(int64, tag = "7")]
        first_task_due_ns: i64,
        #[prost(message, optional, tag = "8")]
        pause: Option<WorkflowExecutionPauseInfo>,
        #[prost(bool, tag = "9")]
        unpaused: bool,
        #[prost(bool, tag = "10")]
        sets_expirations: bool,
        #[prost(int64, tag = "11")]
        fast_forward_target_ns: i64,
    }

    fn read(stored: &Stored) -> Option<Fact> {
        Facts::decode(stored.encode_to_vec().as_slice()).expect("facts").read()
    }

    #[test]
    fn stored_facts_stay_readable() {
        let none = Stored::default;
        let pause = WorkflowExecutionPauseInfo { reason: "r".to_owned(), ..WorkflowExecutionPauseInfo::default() };
        let of_reset = Stored { sets_expirations: true, run_expiration_ns: 7, ..none() };
        assert_eq!(read(&none()), None);
        assert_eq!(read(&Stored { reset_run_id: "n".to_owned(), ..none() }), Some(Fact::ResetTo("n".to_owned())));
        assert_eq!(read(&Stored { first_task_scheduled: true, ..none() }), Some(Fact::FirstTaskScheduled(true)));
        assert_eq!(read(&Stored { pause: Some(pause.clone()), ..none() }), Some(Fact::Paused(pause)));
        assert_eq!(read(&Stored { unpaused: true, ..none() }), Some(Fact::Unpaused(true)));
        assert_eq!(read(&Stored { fast_forward_target_ns: 9, ..none() }), Some(Fact::FastForward(9)));
        let expirations = Expirations { run_ns: 7, ..Expirations::default() };
        assert_eq!(read(&of_reset), Some(Fact::Expirations(expirations)));
    }
}
