//! What is to be done soon, by whoever has a thread to spare.
//!
//! Everything that may wait for the store, and everything that one execution sets off at another, goes through here, so
//! that neither callers nor the committer ever wait for it, and so that a simulator can do it one by one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use evertide_engine::workflow::Delivery;
use evertide_store::{QueueKey, RunKey, Store};
use parking_lot::{Condvar, Mutex};

use crate::address::{ChainKey, RunRef};
use crate::ask::Job;
use crate::motion::Motion;
use crate::polls::Waiting;

/// One thing to do.
pub(crate) enum Work {
    /// Read an execution from the store; its shard parks requests for it behind this mark.
    Load { key: Arc<ChainKey>, want: Want, mark: u64 },
    /// An execution that was dropped may be read again: what it had decided is durable now.
    Unblock { key: Arc<ChainKey>, mark: u64 },
    /// Hand a request to its shard.
    Submit(Box<Job>),
    /// Hand a message of one execution to another.
    Deliver { source: Arc<RunRef>, id: i64, delivery: Box<Delivery> },
    /// Hand over a message that its target could not take: its sender still has it, unless it was answered since.
    DeliverAgain { source: Arc<RunRef>, id: i64 },
    /// Something is due at this run.
    Wake { run_key: RunKey, run: Option<Arc<RunRef>> },
    /// Read more of a task queue's backlog.
    Refill(QueueKey),
    /// Read more of the due times.
    RefillTimers,
    /// A poll whose task was stale takes the next one.
    PollAgain(QueueKey, Box<Waiting>),
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
            Self::Resume(_) => "Resume",
            Self::Sweep => "Sweep",
            Self::Read(_) => "Read",
        };
        f.write_str(name)
    }
}
/// First in, first out, for any number of threads.
#[derive(Debug, Default)]
pub(crate) struct WorkQueue {
    inner: Mutex<Pending>,
    changed: Condvar,
    motion: Motion,
}

#[derive(Debug, Default)]
struct Pending {
    work: VecDeque<Work>,
    closed: bool,
}

impl WorkQueue {
    pub(crate) fn new(motion: Motion) -> Self {
        Self { motion, ..Self::default() }
    }

    pub(crate) fn push(&self, work: Work) {
        let mut pending = self.inner.lock();
        if pending.closed {
            return; // Dropping the work tells whoever waits for it that the server has stopped.
        }
        self.motion.begin();
        pending.work.push_back(work);
        drop(pending);
        self.changed.notify_one();
    }

    /// Takes the `index`th thing to do (modulo their number): a simulator chooses the order.
    pub(crate) fn take_at(&self, index: u64) -> Option<Work> {
        let mut pending = self.inner.lock();
        let count = pending.work.len() as u64;
        let place = usize::try_from(index.checked_rem(count)?).ok()?;
        pending.work.remove(place)
    }

    /// The next thing to do, waiting for it; none once the queue is closed.
    pub(crate) fn wait(&self) -> Option<Work> {
        let mut pending = self.inner.lock();
        loop {
            if pending.closed {
                return None;
            }
            if let Some(work) = pending.work.pop_front() {
                return Some(work);
            }
            self.changed.wait(&mut pending);
        }
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
