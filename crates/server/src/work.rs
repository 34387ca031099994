//! What is to be done soon, by whoever has a thread to spare.
//!
//! Everything that may wait for the store, and everything that one execution sets off at another, goes through here, so
//! that neither callers nor the committer ever wait for it, and so that a simulator can do it one by one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use evertide_engine::address::Address;
use evertide_engine::message::Delivery;
use evertide_store::{QueueKey, RunKey, Store};
use parking_lot::{Condvar, Mutex};

use crate::address::ChainKey;
use crate::ask::{Job, Respond};
use crate::matching::Task;
use crate::motion::Motion;
use crate::polls::Waiting;
use crate::slots::Slot;

/// One thing to do.
pub(crate) enum Work {
    /// Read an execution from the store; its shard parks requests for it behind this mark.
    Load { key: Arc<ChainKey>, want: Want, mark: u64 },
    /// An execution that was dropped may be read again: what it had decided is durable now.
    Unblock { key: Arc<ChainKey>, mark: u64 },
    /// Hand a request to its shard.
    Submit(Box<Job>),
    /// Hand a message of one execution to another.
    Deliver { source: Arc<Address>, id: i64, delivery: Box<Delivery> },
    /// Hand over a message that its target could not take: its sender still has it, unless it was answered since.
    DeliverAgain { source: Arc<Address>, id: i64 },
    /// Something is due at this run.
    Wake { run_key: RunKey, run: Option<Arc<Address>>, waking: Slot },
    /// Read more of a task queue's backlog.
    Refill(QueueKey),
    /// Read more of the due times.
    RefillTimers,
    /// A poll whose task was stale takes the next one.
    PollAgain(QueueKey, Box<Waiting>),
    /// A task that could not be started goes back to its queue.
    PutBack(QueueKey, Box<Task>),
    /// The limit of a task queue lets tasks leave again, or has changed.
    Resume(QueueKey),
    /// Remove what is past its retention.
    Sweep,
    /// Read something for a caller.
    Read(Read),
}

/// A look at the store that may take a while.
pub(crate) type Read = Box<dyn FnOnce(&dyn Store) + Send>;

/// What is to be read of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Want {
    /// Which run is current, and that run.
    Current,
    /// The run of that id.
    Run(String),
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Load { .. } => "Load",
            Self::Unblock { .. } => "Unblock",
            Self::Submit(_) => "Submit",
            Self::Deliver { .. } => "Deliver",
            Self::DeliverAgain { .. } => "DeliverAgain",
            Self::Wake { .. } => "Wake",
            Self::Refill(_) => "Refill",
            Self::RefillTimers => "RefillTimers",
            Self::PollAgain(..) => "PollAgain",
            Self::PutBack(..) => "PutBack",
            Self::Resume(_) => "Resume",
            Self::Sweep => "Sweep",
            Self::Read(_) => "Read",
        };
        f.write_str(name)
    }
}
/// Two lanes, each first in, first out, for any number of threads: what clients and workers wait for goes before what
/// executions set off by themselves.
#[derive(Debug, Default)]
pub(crate) struct WorkQueue {
    inner: Mutex<Lanes>,
    changed: Condvar,
    motion: Motion,
}

#[derive(Debug, Default)]
struct Lanes {
    waited_for: VecDeque<Work>,
    by_itself: VecDeque<Work>,
    /// How often the first lane went before the second.
    overtaken: usize,
    closed: bool,
}

/// How often what is waited for may overtake what is not.
const OVERTAKINGS: usize = 8;

impl Work {
    /// Whether a client or a worker waits for it.
    fn is_waited_for(&self) -> bool {
        match self {
            Self::Submit(job) => matches!(job.respond, Respond::Caller(_) | Respond::Poll { .. }),
            Self::Load { .. }
            | Self::Unblock { .. }
            | Self::Refill(_)
            | Self::PollAgain(..)
            | Self::PutBack(..)
            | Self::Resume(_)
            | Self::Read(_) => true,
            Self::Deliver { .. } | Self::DeliverAgain { .. } | Self::Wake { .. } | Self::RefillTimers | Self::Sweep => {
                false
            }
        }
    }
}

impl Lanes {
    fn next(&mut self) -> Option<Work> {
        let second_waits = !self.by_itself.is_empty();
        if self.waited_for.is_empty() || (second_waits && self.overtaken >= OVERTAKINGS) {
            self.overtaken = 0;
            return self.by_itself.pop_front();
        }
        self.overtaken += usize::from(second_waits);
        self.waited_for.pop_front()
    }
}

impl WorkQueue {
    pub(crate) fn new(motion: Motion) -> Self {
        Self { motion, ..Self::default() }
    }

    pub(crate) fn push(&self, work: Work) {
        let mut lanes = self.inner.lock();
        if lanes.closed {
            return; // Dropping the work tells whoever waits for it that the server has stopped.
        }
        self.motion.begin();
        let lane = if work.is_waited_for() { &mut lanes.waited_for } else { &mut lanes.by_itself };
        lane.push_back(work);
        drop(lanes);
        self.changed.notify_one();
    }

    /// Takes the `index`th thing to do (modulo their number): a simulator chooses the order.
    pub(crate) fn take_at(&self, index: u64) -> Option<Work> {
        let mut lanes = self.inner.lock();
        let count = lanes.waited_for.len() + lanes.by_itself.len();
        let place = usize::try_from(index.checked_rem(count as u64)?).ok()?;
        let first = lanes.waited_for.len();
        if place < first { lanes.waited_for.remove(place) } else { lanes.by_itself.remove(place - first) }
    }

    /// The next thing to do, waiting for it; none once the queue is closed.
    pub(crate) fn wait(&self) -> Option<Work> {
        let mut lanes = self.inner.lock();
        loop {
            if lanes.closed {
                return None;
            }
            if let Some(work) = lanes.next() {
                return Some(work);
            }
            self.changed.wait(&mut lanes);
        }
    }

    /// How many things are to be done.
    pub(crate) fn len(&self) -> usize {
        let lanes = self.inner.lock();
        lanes.waited_for.len() + lanes.by_itself.len()
    }

    /// Whether nothing more will be done.
    pub(crate) fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    /// Sends all waiting threads home.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_goes_first_and_the_rest_is_not_forgotten() {
        let work = WorkQueue::default();
        for _ in 0..100 {
            work.push(Work::Sweep);
            work.push(Work::Read(Box::new(|_| {})));
        }
        let order: Vec<bool> = (0..200).map(|_| work.wait().is_some_and(|w| w.is_waited_for())).collect();
        assert!(order[..OVERTAKINGS].iter().all(|waited_for| *waited_for));
        assert!(!order[OVERTAKINGS], "one that nobody waits for has had its turn");
        assert_eq!(order[..54].iter().filter(|waited_for| !**waited_for).count(), 6);
        assert_eq!(order.iter().filter(|waited_for| !**waited_for).count(), 100);
    }
}
