//! Everything durable is an execution of some kind. [`Execution`] is the sum of the kinds: it answers what a shell asks of
//! any of them, so that a shell need not know which it has.
//!
//! A new kind is a module that has what [`crate::workflow`] has of this: a state made from records, a decision over a
//! request, and an arm in each `match` here and in [`crate::request`].

use crate::address::{Address, Kind};
use crate::message::Delivery;
use crate::namespace::Namespaces;
use crate::schedule;
use crate::task_queue::{Dispatch, Lasts};
use crate::visibility::Listing;
use crate::workflow;
use bytes::Bytes;
use evertide_proto::history::HistoryEvent;
use prost::{DecodeError, Message};

/// An execution as the shell holds it.
#[derive(Debug, Clone, PartialEq)]
pub enum Execution {
    /// A run of a workflow.
    Workflow(Box<workflow::Execution>),
    /// A schedule.
    Schedule(Box<schedule::Execution>),
}

/// When an execution next has something to do by itself, nanoseconds since the epoch in the world's time; 0 for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Of everything.
    pub all_ns: i64,
    /// Of what a crash does not lose.
    pub durable_ns: i64,
}

impl Execution {
    /// An execution as its snapshot has it, or as it is before its first record. Records are applied to it.
    ///
    /// # Errors
    /// The snapshot is not one of this kind.
    pub fn read(kind: Kind, snapshot: Option<Bytes>) -> Result<Self, DecodeError> {
        match kind {
            Kind::Workflow => {
                let state = snapshot.map_or_else(|| Ok(workflow::State::default()), workflow::State::decode)?;
                Ok(workflow::Execution { state, ..workflow::Execution::default() }.into())
            }
            Kind::Schedule => {
                let state = snapshot.map_or_else(|| Ok(schedule::State::default()), schedule::State::decode)?;
                Ok(schedule::Execution { state }.into())
            }
        }
    }

    /// Applies what is stored of decisions.
    ///
    /// # Errors
    /// It is not a record of this kind.
    pub fn apply(&mut self, record: Bytes) -> Result<(), DecodeError> {
        match self {
            Self::Workflow(run) => {
                run.state.apply_record(&workflow::Record::decode(record)?);
                Ok(())
            }
            Self::Schedule(schedule) => {
                schedule.state.apply_record(&schedule::Record::decode(record)?);
                Ok(())
            }
        }
    }

    /// The events in a record.
    ///
    /// # Errors
    /// It is not a record of this kind.
    pub fn events_of(kind: Kind, record: Bytes) -> Result<Vec<HistoryEvent>, DecodeError> {
        match kind {
            Kind::Workflow => Ok(workflow::Record::decode(record)?.into_events().collect()),
            Kind::Schedule => Ok(Vec::new()),
        }
    }

    /// All that is durable of it.
    #[must_use]
    pub fn snapshot(&self) -> Bytes {
        match self {
            Self::Workflow(run) => run.state.encode_to_vec().into(),
            Self::Schedule(schedule) => schedule.state.encode_to_vec().into(),
        }
    }

    /// Size of its snapshot, bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Workflow(run) => run.state.encoded_len(),
            Self::Schedule(schedule) => schedule.state.encoded_len(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn address(&self) -> Address {
        match self {
            Self::Workflow(run) => {
                let info = &run.state.info;
                Address {
                    namespace_id: info.namespace_id.clone(),
                    kind: Kind::Workflow,
                    id: info.workflow_id.clone(),
                    run_id: info.run_id.clone(),
                }
            }
            Self::Schedule(schedule) => {
                let identity = &schedule.state.identity;
                let run_id = identity.run_id.clone();
                Address { run_id, ..Address::schedule(identity.namespace_id.clone(), identity.schedule_id.clone()) }
            }
        }
    }

    /// Whether it is still open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Workflow(run) => run.state.is_running(),
            Self::Schedule(schedule) => schedule.state.is_open(),
        }
    }

    /// Where it stands: it goes up with what a long poll waits for. Of a history it is the id of the next event.
    #[must_use]
    pub fn position(&self) -> i64 {
        match self {
            Self::Workflow(run) => run.state.next_event_id,
            Self::Schedule(schedule) => schedule.state.decisions + 1,
        }
    }

    /// When it next has something to do by itself.
    #[must_use]
    pub fn deadlines(&self) -> Deadlines {
        match self {
            Self::Workflow(run) => {
                let all_ns = run.deadline_ns();
                // A speculative task is volatile, and so is its timeout.
                let speculative = run.volatile.speculative.is_some();
                Deadlines { all_ns, durable_ns: if speculative { run.state.deadline_ns() } else { all_ns } }
            }
            Self::Schedule(schedule) => {
                let due_ns = schedule.state.progress.wake_ns;
                Deadlines { all_ns: due_ns, durable_ns: due_ns }
            }
        }
    }

    /// How far its clock is ahead of the world's, nanoseconds.
    #[must_use]
    pub fn skipped_ns(&self) -> i64 {
        match self {
            Self::Workflow(run) => run.state.skipped_ns(),
            Self::Schedule(_) => 0,
        }
    }

    /// How often it holds the time of a test server: what others have to do for it in the world's time.
    #[must_use]
    pub fn holds(&self) -> usize {
        match self {
            Self::Workflow(run) => run.holds(),
            // A message that is under way is taken in the world's time; what the schedule waits for skips.
            Self::Schedule(schedule) => schedule.state.progress.messages().count(),
        }
    }

    /// Numbers of the messages that nobody has answered.
    #[must_use]
    pub fn outbox(&self) -> Vec<i64> {
        match self {
            Self::Workflow(run) => run.state.outbox.keys().copied().collect(),
            Self::Schedule(schedule) => schedule.state.progress.messages().collect(),
        }
    }

    /// The message of that number with all that its target must know; none if it has been answered.
    #[must_use]
    pub fn delivery(&self, id: i64) -> Option<Delivery> {
        match self {
            Self::Workflow(run) => run.delivery(id),
            Self::Schedule(schedule) => schedule.delivery(id),
        }
    }

    /// Tasks that wait for a poll and that a crash loses although they are durable themselves: they are queued again when
    /// it is read.
    #[must_use]
    pub fn queued(&self) -> Vec<Dispatch> {
        match self {
            Self::Workflow(run) if run.volatile.speculative.is_some() => Vec::new(),
            Self::Workflow(run) => run.queued().into_iter().filter(|task| task.lasts != Lasts::Durably).collect(),
            Self::Schedule(_) => Vec::new(),
        }
    }

    /// Its row in lists.
    #[must_use]
    pub fn listing(&self, namespaces: &Namespaces) -> Listing {
        match self {
            Self::Workflow(run) => run.state.listing(namespaces),
            Self::Schedule(schedule) => schedule.state.listing(namespaces),
        }
    }

    /// Whether nothing would be lost if it left memory once it is durable.
    #[must_use]
    pub fn may_leave(&self) -> bool {
        match self {
            Self::Workflow(run) => run.volatile.is_idle() && run.state.outbox.is_empty() && self.queued().is_empty(),
            Self::Schedule(schedule) => schedule.state.progress.messages().next().is_none(),
        }
    }

    /// It as a run of a workflow.
    #[must_use]
    pub fn as_workflow(&self) -> Option<&workflow::Execution> {
        match self {
            Self::Workflow(run) => Some(run),
            Self::Schedule(_) => None,
        }
    }

    /// It as a schedule.
    #[must_use]
    pub fn as_schedule(&self) -> Option<&schedule::Execution> {
        match self {
            Self::Schedule(schedule) => Some(schedule),
            Self::Workflow(_) => None,
        }
    }
}

impl From<workflow::Execution> for Execution {
    fn from(run: workflow::Execution) -> Self {
        Self::Workflow(Box::new(run))
    }
}

impl From<schedule::Execution> for Execution {
    fn from(schedule: schedule::Execution) -> Self {
        Self::Schedule(Box::new(schedule))
    }
}
