//! The commit queue: decisions on their way to the store.
//!
//! Shards push what they decided and go on deciding. One committer takes everything that is queued, makes it durable as
//! one batch and only then releases what the decisions set off. Tickets ascend in the order of the queue, so "my ticket
//! is durable" means "everything before it is".

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use evertide_store::{BacklogChange, Batch, QueueKey, RunWrite, Write};
use parking_lot::{Condvar, Mutex};
use prost::Message;

use crate::shard::Release;
use crate::time_skipping::Motion;

/// How many commits go into one batch at most.
const BATCH_COMMITS: usize = 1024;
/// How many bytes of records go into one batch, about.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// One decision for the store, and what it sets off once it is durable.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    pub(crate) ticket: u64,
    pub(crate) writes: Vec<Write>,
    pub(crate) release: Release,
}

impl Commit {
    fn size_bytes(&self) -> usize {
        self.writes
            .iter()
            .map(|write| match write {
                Write::Run(run) => run.record.len() + run.snapshot.as_ref().map_or(0, |s| s.len()),
                Write::DeleteRun { .. } => 0,
                Write::Registry { value, .. } => value.as_ref().map_or(0, |v| v.len()),
            })
            .sum()
    }
}

/// Several commits that become durable together.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) batch: Batch,
    pub(crate) releases: Vec<Release>,
    pub(crate) last_ticket: u64,
}

/// Decisions on their way to the store.
#[derive(Debug)]
pub(crate) struct CommitQueue {
    queue: Mutex<Queue>,
    changed: Condvar,
    durable: AtomicU64,
    motion: Motion,
}

#[derive(Debug)]
struct Queue {
    commits: VecDeque<Commit>,
    next_ticket: u64,
    next_task_id: i64,
    /// Rows of tasks that were found void: they leave the store with the next write of any run.
    void_rows: Vec<BacklogChange>,
    closed: bool,
}

impl CommitQueue {
    pub(crate) fn new(next_task_id: i64, motion: Motion) -> Self {
        let queue =
            Queue { commits: VecDeque::new(), next_ticket: 1, next_task_id, void_rows: Vec::new(), closed: false };
        Self { queue: Mutex::new(queue), changed: Condvar::new(), durable: AtomicU64::new(0), motion }
    }

    /// Appends a decision and returns its ticket. The tasks in it get their ids here, so that ids ascend in the order
    /// of commits.
    pub(crate) fn push(&self, mut writes: Vec<Write>, mut release: Release) -> u64 {
        let mut queue = self.queue.lock();
        if queue.closed {
            return u64::MAX; // Dropping the release tells whoever waits that the server has stopped.
        }
        let mut rows = Vec::new();
        for (key, task) in &mut release.tasks {
            task.id = queue.next_task_id;
            queue.next_task_id += 1;
            if task.durable {
                let bytes = task.row.encode_to_vec().into();
                rows.push(BacklogChange::Put { queue: key.clone(), task_id: task.id, task: bytes });
            }
        }
        if let Some(run) = first_run(&mut writes) {
            run.backlog.append(&mut rows);
        }
        debug_assert!(rows.is_empty(), "a task that needs a row comes with a write of its run");
        self.motion.begin();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.commits.push_back(Commit { ticket, writes, release });
        drop(queue);
        self.changed.notify_one();
        ticket
    }

    /// The row of a void task leaves the store some time soon.
    pub(crate) fn drop_row(&self, queue: QueueKey, task_id: i64) {
        self.queue.lock().void_rows.push(BacklogChange::Delete { queue, task_id });
    }

    /// The newest ticket that is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Everything up to this ticket is decided upon: durable, or failed and forgotten.
    pub(crate) fn settle(&self, ticket: u64) {
        self.durable.fetch_max(ticket, Ordering::AcqRel);
    }

    /// Takes what fits into one batch, if there is anything.
    pub(crate) fn take(&self) -> Option<Group> {
        group(&mut self.queue.lock())
    }

    /// As [`Self::take`], waiting; none once the queue is closed and empty.
    pub(crate) fn wait(&self) -> Option<Group> {
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

    /// Takes everything without making it durable, after a failure. Returns the newest ticket with it.
    pub(crate) fn drain(&self) -> (Vec<Release>, u64) {
        let mut queue = self.queue.lock();
        queue.void_rows.clear();
        let releases = queue.commits.drain(..).map(|c| c.release).collect();
        (releases, queue.next_ticket - 1)
    }

    /// No more will come: the committer ends when the queue is empty.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.changed.notify_all();
    }
}

fn group(queue: &mut Queue) -> Option<Group> {
    if queue.commits.is_empty() {
        return None;
    }
    let mut group = Group::default();
    let mut size_bytes = 0;
    while group.releases.len() < BATCH_COMMITS && size_bytes < BATCH_BYTES {
        let Some(mut commit) = queue.commits.pop_front() else {
            break;
        };
        size_bytes += commit.size_bytes();
        group.last_ticket = commit.ticket;
        group.batch.writes.append(&mut commit.writes);
        group.releases.push(commit.release);
    }
    if !queue.void_rows.is_empty()
        && let Some(run) = first_run(&mut group.batch.writes)
    {
        run.backlog.append(&mut queue.void_rows);
    }
    Some(group)
}

fn first_run(writes: &mut [Write]) -> Option<&mut RunWrite> {
    writes.iter_mut().find_map(|write| match write {
        Write::Run(run) => Some(run),
        Write::DeleteRun { .. } | Write::Registry { .. } => None,
    })
}
