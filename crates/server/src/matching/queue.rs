//! One task queue.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use evertide_store::BacklogCursor;
use prost::Message;

use crate::matching::pace::Pace;
use crate::matching::rate::Rate;
use crate::matching::scaling::{Load, Scaling, ScalingLimits};
use crate::matching::{LOW_WATER_TASKS, Poll, PollAnswer, QueueDescription, REFILL_TASKS, TaskRates, WINDOW_TASKS};

/// How many pollers of a queue are known, by identity; those not seen for longest make room.
const KNOWN_POLLERS: usize = 1000;
/// The priority of tasks that name none; 1 is the most urgent.
pub(crate) const DEFAULT_PRIORITY: i32 = 3;
/// How many priorities of one queue have their tasks counted apart.
const COUNTED_PRIORITIES: usize = 16;

/// A task on a queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    /// Ascending in the order of commits; names the row in the store.
    pub(crate) id: i64,
    /// It has a row in the store.
    pub(crate) durable: bool,
    /// When nobody wants it any more, nanoseconds since the epoch.
    pub(crate) expires_ns: i64,
    /// What to start.
    pub(crate) row: TaskRow,
}

impl Task {
    /// A task that gets a row in the store, and a number with it.
    pub(crate) fn durable(row: TaskRow) -> Self {
        Self { id: 0, durable: true, expires_ns: i64::MAX, row }
    }

    /// A task that is only in memory, and wanted until then.
    pub(crate) fn until(expires_ns: i64, row: TaskRow) -> Self {
        Self { id: 0, durable: false, expires_ns, row }
    }
}

/// A task as its row in the store holds it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TaskRow {
    /// Id of the execution.
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) run_id: String,
    /// Which workflow task or activity.
    #[prost(int64, tag = "3")]
    pub(crate) scheduled_event_id: i64,
    /// Which putting of it on a queue.
    #[prost(int64, tag = "4")]
    pub(crate) stamp: i64,
    /// The workflow's normal queue, if this one is sticky.
    #[prost(string, tag = "5")]
    pub(crate) normal_name: String,
    #[prost(int32, tag = "6")]
    pub(crate) priority: i32,
    /// When it was put here, nanoseconds since the epoch.
    #[prost(int64, tag = "7")]
    pub(crate) added_ns: i64,
    /// Kind of the execution, a number.
    #[prost(uint32, tag = "8")]
    pub(crate) kind: u32,
}

/// The priority that a task has which names this one.
fn in_force(priority: i32) -> i32 {
    if priority <= 0 { DEFAULT_PRIORITY } else { priority }
}

impl TaskRow {
    fn order(&self, id: i64) -> (i32, i64) {
        (in_force(self.priority), id)
    }
}

/// What a poll was matched with.
#[derive(Debug)]
pub(crate) enum Taken {
    Task(Task),
    /// The query of that id.
    Query(String),
}

/// A poll that waits.
#[derive(Debug)]
pub(crate) struct Waiting<P> {
    pub(crate) id: u64,
    pub(crate) poll: Poll,
    pub(crate) answer: P,
}

impl<P: PollAnswer> Waiting<P> {
    /// Whether somebody still listens.
    fn is_live(&self) -> bool {
        self.answer.is_live()
    }
}

/// Somebody who polls a queue.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PollerInfo {
    /// Identity of the worker.
    pub identity: String,
    /// When it polled last, nanoseconds since the epoch.
    pub last_access_ns: i64,
    /// How many activities a second it wants for the whole queue.
    pub max_tasks_per_second: Option<f64>,
}

#[derive(Debug)]
pub(super) struct Queue<P> {
    /// In order of arrival.
    pub(super) pollers: VecDeque<Waiting<P>>,
    /// The window: most urgent first, then oldest first.
    tasks: BTreeMap<(i32, i64), Task>,
    /// Ids of queries that wait for a poll, in order of arrival.
    pub(super) queries: VecDeque<String>,
    pub(super) pace: Pace,
    disk: Disk,
    backlog_count: i64,
    last_poll_ns: i64,
    poller_infos: BTreeMap<String, PollerInfo>,
    /// By priority.
    counts: BTreeMap<i32, Counts>,
    scaling: Scaling,
}

/// Tasks as they come and go.
#[derive(Debug, Default)]
struct Counts {
    added: Rate,
    dispatched: Rate,
}

/// What the store has of this queue besides the window.
#[derive(Debug, Default)]
struct Disk {
    /// There may be tasks behind `read_to`.
    more: bool,
    reading: bool,
    /// All tasks that it has read are in the window, or were.
    read_to: BacklogCursor,
    /// The newest task that was not taken into the window, because the window was full.
    left_out_to: Option<i64>,
}

impl<P> Default for Queue<P> {
    fn default() -> Self {
        Self {
            pollers: VecDeque::new(),
            tasks: BTreeMap::new(),
            queries: VecDeque::new(),
            pace: Pace::default(),
            disk: Disk::default(),
            backlog_count: 0,
            last_poll_ns: 0,
            poller_infos: BTreeMap::new(),
            counts: BTreeMap::new(),
            scaling: Scaling::default(),
        }
    }
}

impl<P: PollAnswer> Queue<P> {
    pub(super) fn found_backlog(&mut self, count: i64) {
        self.disk.more = true;
        self.backlog_count = count;
    }

    pub(super) fn note_poll(&mut self, poll: &Poll, now_ns: i64) {
        self.last_poll_ns = now_ns;
        self.pace.of_worker = poll.max_tasks_per_second.or(self.pace.of_worker);
        let info = PollerInfo {
            identity: poll.identity.clone(),
            last_access_ns: now_ns,
            max_tasks_per_second: poll.max_tasks_per_second,
        };
        self.poller_infos.insert(poll.identity.clone(), info);
        if self.poller_infos.len() > KNOWN_POLLERS {
            let silent = self.poller_infos.values().min_by_key(|info| info.last_access_ns);
            if let Some(identity) = silent.map(|info| info.identity.clone()) {
                self.poller_infos.remove(&identity);
            }
        }
    }

    /// The next waiting poll that somebody still listens to.
    fn live_poller(&mut self) -> Option<Waiting<P>> {
        while let Some(waiting) = self.pollers.pop_front() {
            if waiting.is_live() {
                return Some(waiting);
            }
        }
        None
    }

    /// A poll for a task that has just come up, if no task waits before it.
    pub(super) fn take_idle_poller(&mut self, priority: i32, now_ns: i64) -> Option<Waiting<P>> {
        if !self.tasks.is_empty() || self.disk.more || !self.pace.is_ready(now_ns) {
            return None;
        }
        let waiting = self.live_poller()?;
        self.pace.take(now_ns);
        let counts = self.counts_of(in_force(priority));
        counts.added.count(now_ns);
        counts.dispatched.count(now_ns);
        Some(waiting)
    }

    /// Brings the first poll and the first task together. Queries go first: somebody is waiting for them.
    pub(super) fn pair(&mut self, now_ns: i64) -> Option<(Waiting<P>, Taken)> {
        let gives_task = !self.tasks.is_empty() && self.pace.is_ready(now_ns);
        if self.queries.is_empty() && !gives_task {
            return None;
        }
        let waiting = self.live_poller()?;
        if let Some(query) = self.queries.pop_front() {
            return Some((waiting, Taken::Query(query)));
        }
        let ((priority, _), task) = self.tasks.pop_first()?;
        self.pace.take(now_ns);
        self.counts_of(priority).dispatched.count(now_ns);
        Some((waiting, Taken::Task(task)))
    }

    /// How long until the limit lets the next task go, if a poll waits for it and nobody looks after it yet.
    pub(super) fn await_pace(&mut self, now_ns: i64) -> Option<i64> {
        if self.pace.is_awaited || self.tasks.is_empty() || !self.pollers.iter().any(Waiting::is_live) {
            return None;
        }
        let delay_ns = self.pace.delay_ns(now_ns).filter(|delay_ns| *delay_ns > 0)?;
        self.pace.is_awaited = true;
        Some(delay_ns)
    }

    pub(super) fn add(&mut self, task: Task, now_ns: i64) {
        self.counts_of(in_force(task.row.priority)).added.count(now_ns);
        if task.durable {
            self.backlog_count += 1;
            if self.disk.more || self.tasks.len() >= WINDOW_TASKS {
                self.disk.more = true;
                self.disk.left_out_to = self.disk.left_out_to.max(Some(task.id));
                return;
            }
            self.disk.read_to.advance(task.id);
        }
        self.tasks.insert(task.row.order(task.id), task);
    }

    pub(super) fn put_back(&mut self, task: Task) {
        self.tasks.insert(task.row.order(task.id), task);
    }

    pub(super) fn note_left(&mut self) {
        self.backlog_count = (self.backlog_count - 1).max(0);
    }

    pub(super) fn is_attended(&self, since_ns: i64) -> bool {
        self.last_poll_ns >= since_ns && self.last_poll_ns != 0 || self.pollers.iter().any(Waiting::is_live)
    }

    pub(super) fn wants_refill(&self) -> bool {
        self.disk.more && !self.disk.reading && self.tasks.len() < LOW_WATER_TASKS
    }

    /// Whether polls wait though the store has more, and nobody is reading it.
    pub(super) fn is_starved(&self) -> bool {
        self.wants_refill() && self.pollers.iter().any(Waiting::is_live)
    }

    pub(super) fn begin_refill(&mut self) -> Option<BacklogCursor> {
        if !self.wants_refill() {
            return None;
        }
        self.disk.reading = true;
        Some(self.disk.read_to.clone())
    }

    pub(super) fn fail_refill(&mut self) {
        self.disk.reading = false;
    }

    pub(super) fn end_refill(&mut self, rows: Vec<(i64, Bytes)>) {
        self.disk.reading = false;
        let full_page = rows.len() >= REFILL_TASKS;
        for (id, bytes) in rows {
            self.disk.read_to.advance(id);
            let Ok(row) = TaskRow::decode(bytes) else {
                tracing::error!(task_id = id, "a task in the backlog cannot be read; it is left alone");
                continue;
            };
            self.tasks.insert(row.order(id), Task { id, ..Task::durable(row) });
        }
        self.disk.more = full_page || self.disk.left_out_to.is_some_and(|id| !self.disk.read_to.has_read(id));
    }

    /// Its worker says that it goes away.
    pub(super) fn abandon(&mut self) {
        self.last_poll_ns = 0;
    }

    pub(super) fn end_polls(&mut self, worker_instance_key: &str) {
        let (ended, others): (Vec<_>, Vec<_>) =
            self.pollers.drain(..).partition(|w| w.poll.worker_instance_key == worker_instance_key);
        self.pollers = others.into();
        for waiting in ended {
            waiting.answer.end_empty();
        }
    }

    /// Forgets what is out of date: polls that have gone, pollers not seen since then, tasks that nobody wants any more.
    pub(super) fn forget_old(&mut self, since_ns: i64, now_ns: i64) {
        self.pollers.retain(Waiting::is_live);
        self.poller_infos.retain(|_, info| info.last_access_ns >= since_ns);
        self.tasks.retain(|_, task| task.expires_ns > now_ns);
    }

    /// Forgets polls that have gone.
    pub(super) fn forget_gone(&mut self) {
        self.pollers.retain(Waiting::is_live);
    }

    /// How many tasks are in memory.
    pub(super) fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// Whether all that would be lost with it is who has polled it since then.
    pub(super) fn is_idle(&self, since_ns: i64) -> bool {
        self.pollers.is_empty()
            && self.tasks.is_empty()
            && self.queries.is_empty()
            && !self.disk.more
            && !self.disk.reading
            && self.pace.of_operator.is_none()
            && self.last_poll_ns < since_ns
    }

    /// Where tasks of a priority are counted. Who uses very many of them has the rest counted as one.
    fn counts_of(&mut self, priority: i32) -> &mut Counts {
        let is_counted = self.counts.len() < COUNTED_PRIORITIES || self.counts.contains_key(&priority);
        self.counts.entry(if is_counted { priority } else { DEFAULT_PRIORITY }).or_default()
    }

    pub(super) fn forget_poller(&mut self, identity: &str) {
        self.poller_infos.remove(identity);
    }

    pub(super) fn advise(&mut self, waited_ns: i64, limits: &ScalingLimits, now_ns: i64) -> Option<i32> {
        let rates = self.rates(now_ns);
        let load = Load {
            backlog_count: self.backlog_count.max(i64::try_from(self.tasks.len()).unwrap_or(i64::MAX)),
            backlog_age_ns: self.oldest_task_ns().map_or(0, |added_ns| now_ns - added_ns),
            is_throttled: !self.pace.is_ready(now_ns),
            added_per_second: rates.values().map(|r| r.added).sum(),
            dispatched_per_second: rates.values().map(|r| r.dispatched).sum(),
            pollers: self.poller_infos.len(),
        };
        self.scaling.advise(waited_ns, load, limits, now_ns)
    }

    fn rates(&self, now_ns: i64) -> BTreeMap<i32, TaskRates> {
        let rates = |counts: &Counts| TaskRates {
            added: counts.added.per_second(now_ns),
            dispatched: counts.dispatched.per_second(now_ns),
        };
        self.counts.iter().map(|(priority, counts)| (*priority, rates(counts))).collect()
    }

    /// When the oldest task in memory was added: it is the first one of its priority.
    fn oldest_task_ns(&self) -> Option<i64> {
        let mut first = self.tasks.iter().next();
        let mut oldest_ns = None;
        while let Some(((priority, _), task)) = first {
            oldest_ns = Some(oldest_ns.map_or(task.row.added_ns, |oldest: i64| oldest.min(task.row.added_ns)));
            first = self.tasks.range((priority.saturating_add(1), i64::MIN)..).next();
        }
        oldest_ns
    }

    fn by_priority(&self) -> BTreeMap<i32, (i64, i64)> {
        let mut found = BTreeMap::new();
        for ((priority, _), task) in &self.tasks {
            let (count, oldest_ns) = found.entry(*priority).or_insert((0, task.row.added_ns));
            *count += 1;
            *oldest_ns = task.row.added_ns.min(*oldest_ns);
        }
        found
    }

    pub(super) fn describe(&self, since_ns: i64, now_ns: i64) -> QueueDescription {
        let recent = |info: &&PollerInfo| info.last_access_ns >= since_ns;
        QueueDescription {
            pollers: self.poller_infos.values().filter(recent).cloned().collect(),
            backlog_count: self.backlog_count.max(i64::try_from(self.tasks.len()).unwrap_or(i64::MAX)),
            oldest_task_ns: self.oldest_task_ns().unwrap_or(0),
            by_priority: self.by_priority(),
            rates: self.rates(now_ns),
            last_poll_ns: self.last_poll_ns,
        }
    }
}

#[cfg(test)]
mod tests;
