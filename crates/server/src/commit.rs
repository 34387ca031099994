//! The commit queue: decisions on their way to the store.
//!
//! Shards push what they decided and go on deciding. One committer takes everything that is queued, makes it durable as
//! one batch and only then releases what the decisions set off. Tickets ascend in the order of the queue, so "my ticket
//! is durable" means "everything before it is".

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use evertide_engine::slot::{Slot, SlotSet};
use evertide_store::{BacklogChange, Batch, QueueKey, RunWrite, Write};
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use crate::motion::Motion;

/// How many commits go into one batch at most.
const BATCH_COMMITS: usize = 1024;
/// How many bytes of records go into one batch, about.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// While so much is not durable, what clients ask waits.
const UNDURABLE_BYTES: usize = 64 * 1024 * 1024;

/// What a decision sets off once it is durable.
pub(crate) trait Release {
    /// Numbers the tasks in it, beginning with `next_task_id`. Returns the rows of those that have one.
    fn number_tasks(&mut self, next_task_id: &mut i64) -> Vec<BacklogChange>;
}

/// What a decision is about. Nothing that is decided about one slot depends on what is decided about another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Executions of that slot.
    Slot(Slot),
    /// Namespaces, or settings of task queues. It may meet another server's change, and is committed alone.
    Registry,
}

/// The subjects of decisions that have failed: what was decided about them since depends on those.
#[derive(Debug, Default)]
pub(crate) struct Failed {
    pub(crate) slots: SlotSet,
    pub(crate) registry: bool,
}

impl Failed {
    fn contains(&self, subject: Subject) -> bool {
        match subject {
            Subject::Slot(slot) => self.slots.contains(slot),
            Subject::Registry => self.registry,
        }
    }
}

/// One decision for the store, and what it sets off once it is durable.
#[derive(Debug)]
struct Commit<R> {
    subject: Subject,
    ticket: u64,
    size_bytes: usize,
    writes: Vec<Write>,
    release: R,
}

fn size_bytes(writes: &[Write]) -> usize {
    let of_write = |write: &Write| match write {
        Write::Run(run) => run.record.len() + run.snapshot.as_ref().map_or(0, |s| s.len()),
        Write::DeleteRun { .. } => 0,
        Write::Registry(write) => write.value.as_ref().map_or(0, |v| v.len()),
    };
    writes.iter().map(of_write).sum()
}

/// Several commits that become durable together.
#[derive(Debug)]
pub(crate) struct Group<R> {
    pub(crate) batch: Batch,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) releases: Vec<R>,
    /// Rows of stale tasks that leave the store with the batch.
    stale_rows: Vec<BacklogChange>,
    pub(crate) last_ticket: u64,
    pub(crate) size_bytes: usize,
}

/// Decisions on their way to the store.
#[derive(Debug)]
pub(crate) struct CommitQueue<R> {
    queue: Mutex<Queue<R>>,
    changed: Condvar,
    /// The size of what is queued, or on its way to the store.
    undurable_bytes: AtomicUsize,
    /// There is room again for what clients ask.
    room: Notify,
    durable: AtomicU64,
    motion: Motion,
}

#[derive(Debug)]
struct Queue<R> {
    commits: VecDeque<Commit<R>>,
    next_ticket: u64,
    next_task_id: i64,
    /// Rows of stale tasks: they leave the store with the next write of any run.
    stale_rows: Vec<BacklogChange>,
    closed: bool,
}

impl<R: Release> CommitQueue<R> {
    pub(crate) fn new(next_task_id: i64, motion: Motion) -> Self {
        let queue =
            Queue { commits: VecDeque::new(), next_ticket: 1, next_task_id, stale_rows: Vec::new(), closed: false };
        Self {
            queue: Mutex::new(queue),
            changed: Condvar::new(),
            undurable_bytes: AtomicUsize::new(0),
            room: Notify::new(),
            durable: AtomicU64::new(0),
            motion,
        }
    }

    /// Appends a decision and returns its ticket. The tasks in it get their ids here, so that ids ascend in the order
    /// of commits.
    pub(crate) fn push(&self, subject: Subject, mut writes: Vec<Write>, mut release: R) -> u64 {
        let mut queue = self.queue.lock();
        if queue.closed {
            return u64::MAX; // Dropping the release tells whoever waits that the server has stopped.
        }
        let mut rows = release.number_tasks(&mut queue.next_task_id);
        if let Some(run) = first_run(&mut writes) {
            run.backlog.append(&mut rows);
        }
        debug_assert!(rows.is_empty(), "a task that needs a row comes with a write of its run");
        self.motion.begin();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        let size_bytes = size_bytes(&writes);
        self.undurable_bytes.fetch_add(size_bytes, Ordering::AcqRel);
        queue.commits.push_back(Commit { subject, ticket, size_bytes, writes, release });
        drop(queue);
        self.changed.notify_one();
        ticket
    }

    /// The row of a stale task leaves the store some time soon.
    pub(crate) fn drop_row(&self, queue: QueueKey, task_id: i64) {
        self.queue.lock().stale_rows.push(BacklogChange::Delete { queue, task_id });
    }

    /// The newest ticket that is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Everything up to this ticket is durable, or has failed and is forgotten.
    pub(crate) fn mark_durable(&self, ticket: u64) {
        self.durable.fetch_max(ticket, Ordering::AcqRel);
    }

    /// Takes what fits into one batch, if there is anything.
    pub(crate) fn take(&self) -> Option<Group<R>> {
        group(&mut self.queue.lock())
    }

    /// As [`Self::take`], waiting; none once the queue is closed and empty.
    pub(crate) fn wait(&self) -> Option<Group<R>> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(group) = group(&mut queue) {
                return Some(group);
            }
            if queue.closed {
                return None;
            }
            self.changed.wait(&mut queue);
        }
    }

    /// A group has failed. Takes out what was decided since about the same subjects, and returns it with those subjects.
    /// The rows of stale tasks leave with another group.
    pub(crate) fn drop_dependents(&self, group: &mut Group<R>) -> (Failed, Vec<R>) {
        let mut failed = Failed::default();
        for subject in &group.subjects {
            match subject {
                Subject::Slot(slot) => failed.slots.insert(*slot),
                Subject::Registry => failed.registry = true,
            }
        }
        let mut queue = self.queue.lock();
        queue.stale_rows.append(&mut group.stale_rows);
        let (dropped, kept) = queue.commits.drain(..).partition(|commit| failed.contains(commit.subject));
        queue.commits = kept;
        drop(queue);
        let dropped: VecDeque<Commit<R>> = dropped;
        self.free(dropped.iter().map(|commit| commit.size_bytes).sum());
        (failed, dropped.into_iter().map(|commit| commit.release).collect())
    }

    /// So much is durable, or forgotten.
    pub(crate) fn free(&self, size_bytes: usize) {
        if self.undurable_bytes.fetch_sub(size_bytes, Ordering::AcqRel) >= UNDURABLE_BYTES {
            self.room.notify_waiters();
        }
    }

    /// Waits while so much is not durable that clients are not to add to it.
    pub(crate) async fn wait_for_room(&self) {
        loop {
            let room = self.room.notified();
            if self.undurable_bytes.load(Ordering::Acquire) < UNDURABLE_BYTES || self.queue.lock().closed {
                return;
            }
            room.await;
        }
    }

    /// How many decisions are queued, and how large is all that is not durable.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.queue.lock().commits.len(), self.undurable_bytes.load(Ordering::Acquire))
    }

    /// Whether no more will come.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// No more will come: the committer ends when the queue is empty.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.changed.notify_all();
        self.room.notify_waiters();
    }
}

fn group<R>(queue: &mut Queue<R>) -> Option<Group<R>> {
    if queue.commits.is_empty() {
        return None;
    }
    let mut group = Group {
        batch: Batch::default(),
        subjects: Vec::new(),
        releases: Vec::new(),
        stale_rows: Vec::new(),
        last_ticket: 0,
        size_bytes: 0,
    };
    let of_registry = |subject: Option<&Subject>| subject == Some(&Subject::Registry);
    while group.releases.len() < BATCH_COMMITS && group.size_bytes < BATCH_BYTES && !of_registry(group.subjects.last())
    {
        let joins = |commit: &mut Commit<R>| group.subjects.is_empty() || commit.subject != Subject::Registry;
        let Some(mut commit) = queue.commits.pop_front_if(joins) else {
            break;
        };
        if let Subject::Slot(slot) = commit.subject {
            group.batch.slots.insert(slot);
        }
        group.subjects.push(commit.subject);
        group.size_bytes += commit.size_bytes;
        group.last_ticket = commit.ticket;
        group.batch.writes.append(&mut commit.writes);
        group.releases.push(commit.release);
    }
    if !queue.stale_rows.is_empty()
        && let Some(run) = first_run(&mut group.batch.writes)
    {
        run.backlog.extend(queue.stale_rows.iter().cloned());
        group.stale_rows = std::mem::take(&mut queue.stale_rows);
    }
    Some(group)
}

fn first_run(writes: &mut [Write]) -> Option<&mut RunWrite> {
    writes.iter_mut().find_map(|write| match write {
        Write::Run(run) => Some(run),
        Write::DeleteRun { .. } | Write::Registry(_) => None,
    })
}
