//! Task queues: tasks on one side, polls on the other.
//!
//! A task here is a hint. The truth is the execution's state: whoever takes a task asks the execution to start it, and a
//! task that the execution no longer wants is stale and dropped. Tasks that no poll waited for have a row in the store; of a long
//! backlog only a window is held in memory, in order of priority and then of age.
//!
//! Lock order: a shard may call in here while it is locked; nothing in here calls a shard.

mod pace;
mod queue;
mod rate;
mod scaling;

pub use queue::PollerInfo;
pub(crate) use queue::{Taken, Task, TaskRow, Waiting};
pub use scaling::ScalingLimits;

use std::collections::BTreeMap;

use bytes::Bytes;
use evertide_engine::task_queue::{QueueRef, TaskClass};
use evertide_proto::common::WorkerVersionStamp;
use evertide_store::{BacklogCursor, QueueKey};
use parking_lot::Mutex;
use queue::Queue;

use crate::hash::{KeyHash, KeyMap};

/// A sticky queue counts as left by its worker when nobody has polled it for so long.
pub(crate) const STICKY_ATTENDED_NS: i64 = 10 * 1_000_000_000;
/// How many tasks of a queue are read at once.
pub(crate) const REFILL_TASKS: usize = 1000;
/// How many tasks of a queue are held in memory before the rest stays in the store.
const WINDOW_TASKS: usize = 10_000;
/// A window that has shrunk to this is read on before it is empty.
const LOW_WATER_TASKS: usize = 100;
/// How long a queue without polls and tasks is remembered.
const IDLE_QUEUE_NS: i64 = 5 * 60 * 1_000_000_000;
/// How many queues a shard may hold before those without polls and tasks are forgotten at once.
const REMEMBERED_QUEUES: usize = 256;
/// How many ended workers are remembered so that their late polls end at once.
const ENDED_WORKERS: usize = 10_000;
const SHARDS: usize = 16;

/// The sort of tasks on a queue: queues of one name and different kinds have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum QueueKind {
    /// Workflow tasks and queries.
    Workflow = 1,
    /// Activity tasks.
    Activity = 2,
    /// Nexus tasks.
    Nexus = 3,
}

impl QueueKind {
    /// Queues of tasks of this class.
    #[must_use]
    pub fn of(class: TaskClass) -> Self {
        match class {
            TaskClass::Workflow => Self::Workflow,
            TaskClass::Activity => Self::Activity,
        }
    }

    /// The key of the queue of this kind with that name.
    #[must_use]
    pub fn key(self, namespace_id: &str, name: &str) -> QueueKey {
        QueueKey { namespace_id: namespace_id.to_owned(), name: name.to_owned(), kind: self as u8 }
    }
}

/// A poll: who asks for a task.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Poll {
    /// Namespace id.
    pub namespace_id: String,
    /// Where to look; for a sticky queue with the name of the normal one.
    pub queue: QueueRef,
    /// Identity of the worker.
    pub identity: String,
    /// Fresh for each poll.
    pub request_id: String,
    /// Names the process of the worker, so that all its polls can be ended at once.
    pub worker_instance_key: String,
    /// Build of the worker.
    pub worker_version: Option<WorkerVersionStamp>,
    /// How many activities a second the worker wants for the whole queue; only reported so far.
    pub max_tasks_per_second: Option<f64>,
}

/// What is known of a queue, for people.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueueDescription {
    /// Who has polled it within the last minutes, by identity.
    pub pollers: Vec<PollerInfo>,
    /// How many tasks wait, about.
    pub backlog_count: i64,
    /// When the oldest task in memory was added; 0 if there is none.
    pub oldest_task_ns: i64,
    /// The tasks in memory by priority: how many, and when the oldest was added.
    pub by_priority: BTreeMap<i32, (i64, i64)>,
    /// Tasks that came and went a second, over the last half minute, by priority.
    pub rates: BTreeMap<i32, TaskRates>,
    /// When it was last polled; 0 for never.
    pub last_poll_ns: i64,
}

/// How many tasks a second a queue gets and hands out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TaskRates {
    /// Tasks that came.
    pub added: f32,
    /// Tasks that polls got.
    pub dispatched: f32,
}

impl QueueDescription {
    /// Workers poll at the world's pace: shows their times on a clock that is ahead of it.
    pub(crate) fn polled_later_by(&mut self, ahead_ns: i64) {
        let polled = self.pollers.iter_mut().map(|p| &mut p.last_access_ns).chain([&mut self.last_poll_ns]);
        for at_ns in polled.filter(|at_ns| **at_ns != 0) {
            *at_ns = at_ns.saturating_add(ahead_ns);
        }
    }
}

/// The way back to whoever polls. What a poll ends with is no concern of the queues, except that it may be nothing.
pub(crate) trait PollAnswer {
    /// Whether somebody still listens.
    fn is_live(&self) -> bool;

    /// Ends the poll without a task.
    fn end_empty(self);
}

/// A poll and a task that found each other.
#[derive(Debug)]
pub(crate) struct Match<P> {
    pub(crate) key: QueueKey,
    pub(crate) waiting: Waiting<P>,
    pub(crate) taken: Taken,
}

/// What a queue whose polls wait needs from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// It is starved: the store has tasks for it, which are to be read.
    Refill(QueueKey),
    /// It is throttled: its limit lets the next task leave after so long.
    Resume { queue: QueueKey, after_ns: i64 },
}

/// All task queues.
#[derive(Debug)]
pub(crate) struct Matching<P> {
    queues: Vec<Mutex<Queues<P>>>,
    keys: KeyHash,
    ended: Mutex<EndedWorkers>,
    needs: Mutex<Vec<Need>>,
}

/// The queues of a shard.
#[derive(Debug)]
struct Queues<P> {
    by_key: KeyMap<QueueKey, Queue<P>>,
    /// With so many queues those that nobody uses are looked for.
    crowded_at: usize,
}

impl<P: PollAnswer> Queues<P> {
    /// The queue of that key. One more makes room first if there are many: a queue that only holds the memory of its
    /// pollers is not kept at the cost of others.
    fn entry(&mut self, key: &QueueKey) -> &mut Queue<P> {
        if self.by_key.len() >= self.crowded_at && !self.by_key.contains_key(key) {
            self.by_key.retain(|_, queue| {
                queue.forget_gone();
                !queue.is_idle(i64::MAX)
            });
            self.by_key.shrink_to_fit();
            self.crowded_at = (2 * self.by_key.len()).max(REMEMBERED_QUEUES);
        }
        self.by_key.entry(key.clone()).or_default()
    }
}

#[derive(Debug, Default)]
struct EndedWorkers {
    /// Namespace id and worker instance key, with the number of the ending.
    keys: BTreeMap<(String, String), u64>,
    order: BTreeMap<u64, (String, String)>,
    next: u64,
}

impl<P: PollAnswer> Matching<P> {
    /// Task queues whose keys are hashed so.
    pub(crate) fn new(keys: KeyHash) -> Self {
        let queues = || Queues { by_key: keys.map(), crowded_at: REMEMBERED_QUEUES };
        Self {
            queues: (0..SHARDS).map(|_| Mutex::new(queues())).collect(),
            keys,
            ended: Mutex::default(),
            needs: Mutex::default(),
        }
    }

    fn with<T>(&self, key: &QueueKey, f: impl FnOnce(&mut Queue<P>) -> T) -> T {
        let mut queues = self.queues[self.keys.slot_of(key, SHARDS)].lock();
        if let Some(queue) = queues.by_key.get_mut(key) {
            return f(queue);
        }
        f(queues.entry(key))
    }

    /// As [`Self::with`], but a queue that is not known stays so.
    fn peek<T>(&self, key: &QueueKey, f: impl FnOnce(&mut Queue<P>) -> T) -> Option<T> {
        self.queues[self.keys.slot_of(key, SHARDS)].lock().by_key.get_mut(key).map(f)
    }

    /// There are tasks of this queue in the store.
    pub(crate) fn found_backlog(&self, key: &QueueKey, count: u64) {
        self.with(key, |queue| queue.found_backlog(i64::try_from(count).unwrap_or(i64::MAX)));
    }

    /// A poll comes: it takes what waits, or waits. The second part says that more of the backlog is to be read.
    pub(crate) fn poll(&self, key: &QueueKey, waiting: Waiting<P>, now_ns: i64) -> (Option<Match<P>>, bool) {
        if self.has_ended(&key.namespace_id, &waiting.poll.worker_instance_key) {
            waiting.answer.end_empty();
            return (None, false);
        }
        self.with(key, |queue| {
            queue.note_poll(&waiting.poll, now_ns);
            queue.pollers.push_back(waiting);
            (self.pair(key, queue, now_ns), queue.wants_refill())
        })
    }

    /// A poll whose task was stale takes the next one, without losing its place.
    pub(crate) fn poll_again(&self, key: &QueueKey, waiting: Waiting<P>, now_ns: i64) -> (Option<Match<P>>, bool) {
        self.with(key, |queue| {
            queue.pollers.push_front(waiting);
            (self.pair(key, queue, now_ns), queue.wants_refill())
        })
    }

    /// Brings a poll and a task of a queue together, or notes what keeps them apart.
    fn pair(&self, key: &QueueKey, queue: &mut Queue<P>, now_ns: i64) -> Option<Match<P>> {
        let found = queue.pair(now_ns).map(|(waiting, taken)| Match { key: key.clone(), waiting, taken });
        if found.is_none()
            && let Some(delay_ns) = queue.await_pace(now_ns)
        {
            self.needs.lock().push(Need::Resume { queue: key.clone(), after_ns: delay_ns });
        }
        if found.is_none() && queue.is_starved() {
            self.needs.lock().push(Need::Refill(key.clone()));
        }
        found
    }

    fn pair_all(&self, key: &QueueKey, queue: &mut Queue<P>, now_ns: i64) -> Vec<Match<P>> {
        std::iter::from_fn(|| self.pair(key, queue, now_ns)).collect()
    }

    /// What queues need from outside since this was asked last.
    pub(crate) fn take_needs(&self) -> Vec<Need> {
        std::mem::take(&mut *self.needs.lock())
    }

    /// The limit of a queue lets tasks leave again, or has changed.
    pub(crate) fn resume(&self, key: &QueueKey, now_ns: i64) -> Vec<Match<P>> {
        self.with(key, |queue| {
            queue.pace.is_awaited = false;
            self.pair_all(key, queue, now_ns)
        })
    }

    /// An operator limits how many tasks a second leave a queue, or no longer does.
    pub(crate) fn set_rate(&self, key: &QueueKey, per_second: Option<f64>) {
        self.with(key, |queue| queue.pace.of_operator = per_second);
    }

    /// The poll that a new task of that priority may be given to at once: the longest waiting, if no older task waits.
    pub(crate) fn take_poller(&self, key: &QueueKey, priority: i32, now_ns: i64) -> Option<Waiting<P>> {
        self.peek(key, |queue| queue.take_idle_poller(priority, now_ns)).flatten()
    }

    /// What a worker is told whose poll has waited for so long and then got a task: how many polls more or less.
    pub(crate) fn advise(&self, key: &QueueKey, waited_ns: i64, limits: &ScalingLimits, now_ns: i64) -> Option<i32> {
        self.peek(key, |queue| queue.advise(waited_ns, limits, now_ns)).flatten()
    }

    /// A worker polls no more: it is not shown among those that do.
    pub(crate) fn forget_poller(&self, key: &QueueKey, identity: &str) {
        self.peek(key, |queue| queue.forget_poller(identity));
    }

    /// A task joins its queue.
    pub(crate) fn add(&self, key: &QueueKey, task: Task, now_ns: i64) -> Option<Match<P>> {
        self.with(key, |queue| {
            queue.add(task, now_ns);
            self.pair(key, queue, now_ns)
        })
    }

    /// A task that could not be started goes back to its place.
    pub(crate) fn put_back(&self, key: &QueueKey, task: Task, now_ns: i64) -> Option<Match<P>> {
        self.with(key, |queue| {
            queue.put_back(task);
            self.pair(key, queue, now_ns)
        })
    }

    /// A task has left the backlog: it was started or found stale.
    pub(crate) fn note_left(&self, key: &QueueKey) {
        self.peek(key, Queue::note_left);
    }

    /// A query for whoever polls; without effect on the backlog.
    pub(crate) fn ask(&self, key: &QueueKey, query_id: String, now_ns: i64) -> Option<Match<P>> {
        self.with(key, |queue| {
            queue.queries.push_back(query_id);
            self.pair(key, queue, now_ns)
        })
    }

    /// Takes a query back that nobody came for.
    pub(crate) fn withdraw(&self, key: &QueueKey, query_id: &str) {
        self.peek(key, |queue| queue.queries.retain(|q| q != query_id));
    }

    /// Ends one waiting poll. Whether it was still waiting.
    pub(crate) fn cancel(&self, key: &QueueKey, poll_id: u64) -> bool {
        let cancelled = self.peek(key, |queue| {
            let place = queue.pollers.iter().position(|w| w.id == poll_id)?;
            queue.pollers.remove(place)
        });
        cancelled.flatten().is_some()
    }

    /// Whether somebody polls this queue, or has lately.
    pub(crate) fn is_attended(&self, key: &QueueKey, since_ns: i64) -> bool {
        self.peek(key, |queue| queue.is_attended(since_ns)).unwrap_or(false)
    }

    /// Where to read on in the store, if that is wanted and nobody does it already.
    pub(crate) fn begin_refill(&self, key: &QueueKey) -> Option<BacklogCursor> {
        self.peek(key, Queue::begin_refill).flatten()
    }

    /// The store could not be read: somebody must begin again.
    pub(crate) fn fail_refill(&self, key: &QueueKey) {
        self.peek(key, Queue::fail_refill);
    }

    /// What was read. Gives what can be matched at once.
    pub(crate) fn end_refill(&self, key: &QueueKey, rows: Vec<(i64, Bytes)>, now_ns: i64) -> Vec<Match<P>> {
        self.with(key, |queue| {
            queue.end_refill(rows);
            self.pair_all(key, queue, now_ns)
        })
    }

    /// Ends the polls of one worker process, now and later, and lets go of its sticky queue.
    pub(crate) fn end_worker(&self, namespace_id: &str, worker_instance_key: &str, sticky_queue: &str) {
        if !sticky_queue.is_empty() {
            let key = QueueKind::Workflow.key(namespace_id, sticky_queue);
            self.peek(&key, Queue::abandon);
        }
        if worker_instance_key.is_empty() {
            return;
        }
        self.ended.lock().note(namespace_id, worker_instance_key);
        for queues in &self.queues {
            for (key, queue) in queues.lock().by_key.iter_mut() {
                if key.namespace_id == namespace_id {
                    queue.end_polls(worker_instance_key);
                }
            }
        }
    }

    fn has_ended(&self, namespace_id: &str, worker_instance_key: &str) -> bool {
        !worker_instance_key.is_empty()
            && self.ended.lock().keys.contains_key(&(namespace_id.to_owned(), worker_instance_key.to_owned()))
    }

    /// Answers all waiting polls with nothing: the server stops.
    pub(crate) fn end_all_polls(&self) {
        for queues in &self.queues {
            for queue in queues.lock().by_key.values_mut() {
                for waiting in queue.pollers.drain(..) {
                    waiting.answer.end_empty();
                }
            }
        }
    }

    /// Forgets queues that nobody uses, and tasks that nobody wants any more.
    pub(crate) fn forget_idle(&self, now_ns: i64) {
        let since_ns = now_ns - IDLE_QUEUE_NS;
        for queues in &self.queues {
            let mut queues = queues.lock();
            queues.by_key.retain(|_, queue| {
                queue.forget_old(since_ns, now_ns);
                !queue.is_idle(since_ns)
            });
            queues.by_key.shrink_to_fit();
            queues.crowded_at = (2 * queues.by_key.len()).max(REMEMBERED_QUEUES);
        }
    }

    /// How many queues, waiting polls and tasks there are in memory.
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        let (mut queues_count, mut polls, mut tasks) = (0, 0, 0);
        for queues in &self.queues {
            let queues = queues.lock();
            queues_count += queues.by_key.len();
            polls += queues.by_key.values().map(|queue| queue.pollers.len()).sum::<usize>();
            tasks += queues.by_key.values().map(Queue::task_count).sum::<usize>();
        }
        (queues_count, polls, tasks)
    }

    /// What is known of a queue.
    pub(crate) fn describe(&self, key: &QueueKey, now_ns: i64) -> QueueDescription {
        self.peek(key, |queue| queue.describe(now_ns - IDLE_QUEUE_NS, now_ns)).unwrap_or_default()
    }
}

impl EndedWorkers {
    fn note(&mut self, namespace_id: &str, worker_instance_key: &str) {
        let key = (namespace_id.to_owned(), worker_instance_key.to_owned());
        let number = self.next;
        self.next += 1;
        if let Some(old) = self.keys.insert(key.clone(), number) {
            self.order.remove(&old);
        }
        self.order.insert(number, key);
        if self.order.len() > ENDED_WORKERS
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.keys.remove(&oldest);
        }
    }
}
