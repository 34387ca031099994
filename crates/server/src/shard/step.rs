//! From a decision to a commit: what is written, and what is released once it is durable.

use std::collections::VecDeque;
use std::sync::Arc;

use evertide_engine::env::{Env, Ids};
use evertide_engine::limits::Limits;
use evertide_engine::namespace::Namespaces;
use evertide_engine::workflow::{
    Delivery, Dispatch, Effects, NewRun, QueryAnswer, QueueRef, Record, Reply, Request, StartTask, UpdateSignal,
    Written, decide,
};
use evertide_store::{BacklogChange, CurrentRun, QueueKey, RunIdentity, RunKey, RunWrite, Wake, Write};
use prost::Message;
use tokio::sync::{mpsc, oneshot};

use crate::fault::Failure;
use crate::history::TaskHistory;
use crate::matching::{PollEnd, QueueKind, STICKY_ATTENDED_NS, Task, TaskRow, Waiting};
use crate::registry::Registered;
use crate::seed::Seeds;
use crate::shard::{Answer, Entry, Respond, RunRef};
use crate::shell::Shell;
use crate::visibility;
use crate::work::Work;

/// A snapshot is written when so many records have come since the last one,
const SNAPSHOT_RECORDS: usize = 64;
/// or records of this size.
const SNAPSHOT_BYTES: usize = 256 * 1024;
/// How many decisions may follow directly from one, as when tasks are started for polls that wait.
const FOLLOW_UPS: usize = 10_000;

/// What happens once a commit is durable, or is told to have failed.
#[derive(Default)]
pub(crate) struct Release {
    /// Answers to requests.
    pub(crate) answers: Vec<(Respond, Result<Answer, Failure>)>,
    /// Polls that were given a task.
    pub(crate) polls: Vec<(Waiting, PollEnd)>,
    /// Tasks that no poll waited for.
    pub(crate) tasks: Vec<(QueueKey, Task)>,
    /// Messages to other executions, with who sends them and their numbers.
    pub(crate) messages: Vec<(Arc<RunRef>, i64, Box<Delivery>)>,
    /// When runs are to be looked at next; 0 for never.
    pub(crate) timers: Vec<(RunKey, Arc<RunRef>, i64)>,
    /// News of updates.
    pub(crate) updates: Vec<(mpsc::UnboundedSender<UpdateSignal>, UpdateSignal)>,
    /// Answers to queries.
    pub(crate) queries: Vec<(oneshot::Sender<QueryAnswer>, QueryAnswer)>,
    /// What else to do.
    pub(crate) work: Vec<Work>,
    /// The namespaces have changed.
    pub(crate) namespaces: Option<Arc<Registered>>,
}

impl std::fmt::Debug for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Release").field("answers", &self.answers.len()).finish_non_exhaustive()
    }
}

/// What all decisions of one step see of the world.
#[derive(Debug)]
pub(crate) struct Surroundings<'s> {
    pub(crate) now_ns: i64,
    pub(crate) limits: &'s Limits,
    pub(crate) namespaces: Arc<Namespaces>,
    pub(crate) seeds: &'s Seeds,
}

impl Surroundings<'_> {
    pub(crate) fn env(&self) -> Env<'_> {
        Env { now_ns: self.now_ns, ids: Ids::new(self.seeds.next()), limits: self.limits, namespaces: &self.namespaces }
    }
}

/// One decision with everything that follows from it at once, becoming one commit.
#[derive(Debug)]
pub(crate) struct Step<'s> {
    shell: &'s Shell,
    pub(crate) around: Surroundings<'s>,
    pub(crate) writes: Vec<Write>,
    pub(crate) release: Release,
    /// Rows that leave the backlog with the next write.
    pub(crate) settled: Vec<BacklogChange>,
}

/// How a write stands to what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The run is stored already.
    Changed,
    /// The run is new, and the current one.
    Created,
}

impl<'s> Step<'s> {
    pub(crate) fn new(shell: &'s Shell) -> Self {
        let around = Surroundings {
            now_ns: shell.clock.now_ns(),
            limits: &shell.limits,
            namespaces: shell.namespaces.snapshot(),
            seeds: &shell.seeds,
        };
        Self { shell, around, writes: Vec::new(), release: Release::default(), settled: Vec::new() }
    }

    /// Takes in what was decided over a run that is stored already. `first_event_id` is the next event id that it had
    /// before. Returns the runs that were made on the way, oldest first.
    pub(crate) fn change(&mut self, entry: &mut Entry, first_event_id: i64, written: Written) -> Vec<Entry> {
        let mut created = Vec::new();
        self.absorb(entry, first_event_id, written, Kind::Changed, &mut created);
        created
    }

    /// Takes in a run that was made, which is now the current one of its chain. Returns it with the runs that were made
    /// on the way, oldest first.
    pub(crate) fn create(&mut self, new: NewRun) -> Vec<Entry> {
        let mut created = Vec::new();
        self.absorb_new(new, &mut created);
        created
    }

    /// A run that is removed keeps no clock from jumping.
    pub(crate) fn forget_holder(&self, run_key: RunKey) {
        self.shell.forget_holder(run_key);
    }

    fn absorb_new(&mut self, new: NewRun, created: &mut Vec<Entry>) {
        let info = &new.exec.state.info;
        let run = Arc::new(RunRef {
            namespace_id: info.namespace_id.clone(),
            workflow_id: info.workflow_id.clone(),
            run_id: info.run_id.clone(),
        });
        let mut entry = Entry::created(run, self.shell.next_run_key(), new.exec);
        let place = created.len();
        self.absorb(&mut entry, 1, new.written, Kind::Created, created);
        created.insert(place, entry);
    }

    fn absorb(
        &mut self,
        entry: &mut Entry,
        first_event_id: i64,
        written: Written,
        kind: Kind,
        created: &mut Vec<Entry>,
    ) {
        let decisions = if written.changes.is_empty() { 0 } else { 1 };
        let mut joined = Joined { written, decisions };
        let first_poll = self.release.polls.len();
        let queued = self.place_tasks(entry, &mut joined);
        let Joined { written: Written { changes, effects }, decisions } = joined;
        let closes = entry.open && !entry.exec.state.is_running();
        entry.open &= !closes;
        let show = kind == Kind::Created || effects.visibility || closes;
        let record = (!changes.is_empty()).then(|| Record::of_decisions(changes, decisions));
        let bytes = record.as_ref().map(|r| bytes::Bytes::from(r.encode_to_vec()));
        let mut write = RunWrite {
            run_key: entry.run_key,
            first_event_id,
            record: bytes.unwrap_or_default(),
            backlog: std::mem::take(&mut self.settled),
            ..RunWrite::default()
        };
        if kind == Kind::Created {
            write.create = Some(RunIdentity {
                namespace_id: entry.run.namespace_id.clone(),
                kind: 0,
                id: entry.run.workflow_id.clone(),
                run_id: entry.run.run_id.clone(),
            });
            write.current = CurrentRun::Set;
        }
        if show {
            write.visibility = Some(visibility::row(entry.run_key, &entry.exec.state, &self.around.namespaces));
        }
        keep_record(entry, &mut write, record);
        for (_, end) in &mut self.release.polls[first_poll..] {
            if let PollEnd::Workflow(history) = end {
                history.fill(entry);
            }
        }
        self.set_wake(entry, &mut write);
        let durable_tasks = queued.iter().any(|(_, task)| task.durable);
        if durable_tasks || !is_empty(&write) {
            entry.ticket = u64::MAX;
            self.writes.push(Write::Run(write));
        }
        self.release.tasks.extend(queued);
        self.release_effects(entry, effects, created);
    }

    /// Everything that waits for this run and everything that it sets off.
    fn release_effects(&mut self, entry: &mut Entry, effects: Effects, created: &mut Vec<Entry>) {
        for id in effects.messages {
            if let Some(delivery) = entry.exec.delivery(id) {
                self.release.messages.push((entry.run.clone(), id, Box::new(delivery)));
            }
        }
        for (id, signal) in last_news(effects.updates) {
            let waiters = match &signal {
                UpdateSignal::Accepted => entry.update_waiters.get(&id).cloned().unwrap_or_default(),
                UpdateSignal::Completed(_) | UpdateSignal::Aborted(_) => {
                    entry.update_waiters.remove(&id).unwrap_or_default()
                }
            };
            self.release.updates.extend(waiters.into_iter().map(|w| (w, signal.clone())));
        }
        for (id, answer) in effects.queries {
            if let Some(waiter) = entry.query_waiters.remove(&id) {
                self.release.queries.push((waiter, answer));
            }
        }
        for respond in entry.ripe_watchers() {
            let answer = Answer { run: entry.run.clone(), ..Answer::default() };
            self.release.answers.push((respond, Ok(answer)));
        }
        if let Some(new) = effects.successor {
            self.absorb_new(*new, created);
        }
    }

    /// Finds out when the run is to be looked at next, for the store and for the timers.
    fn set_wake(&mut self, entry: &mut Entry, write: &mut RunWrite) {
        self.shell.note_holder(entry);
        let state = &entry.exec.state;
        // A speculative task is volatile, and so is its timeout.
        let speculative = entry.exec.volatile.speculative.is_some();
        let due_ns = if speculative { state.deadline_ns() } else { entry.exec.deadline_ns() };
        // A run with messages to deliver is looked at as soon as the server opens again.
        let stored = if state.outbox.is_empty() { (due_ns != 0).then(|| ceil_ms(due_ns)) } else { Some(1) };
        if entry.stored_wake != Some(stored) && (stored.is_some() || entry.stored_wake.is_some()) {
            write.wake = stored.map_or(Wake::Never, Wake::At);
        }
        entry.stored_wake = Some(stored);
        let timer_ns = entry.exec.deadline_ns();
        if timer_ns != entry.timer_ns {
            entry.timer_ns = timer_ns;
            self.release.timers.push((entry.run_key, entry.run.clone(), timer_ns));
        }
    }

    /// Gives each task to a poll that waits for it, in the same commit. Returns those that nobody waits for.
    fn place_tasks(&mut self, entry: &mut Entry, joined: &mut Joined) -> Vec<(QueueKey, Task)> {
        let mut queued = Vec::new();
        let mut dispatches: VecDeque<_> = joined.written.effects.dispatches.drain(..).collect();
        let mut follow_ups = 0;
        while let Some(dispatch) = dispatches.pop_front() {
            follow_ups += 1;
            let more = self.place_task(entry, &dispatch, joined, follow_ups < FOLLOW_UPS, &mut queued);
            dispatches.extend(more);
        }
        queued
    }

    fn place_task(
        &mut self,
        entry: &mut Entry,
        dispatch: &Dispatch,
        joined: &mut Joined,
        may_start: bool,
        queued: &mut Vec<(QueueKey, Task)>,
    ) -> Vec<Dispatch> {
        let (key, row, durable) = task_of(entry, dispatch, self.around.now_ns);
        if !row.normal_name.is_empty()
            && !self.shell.matching.is_attended(&key, self.shell.clock.world_ns() - STICKY_ATTENDED_NS)
        {
            let give_up = Request::GiveUpSticky { queue: key.name.clone() };
            let (more, _) = decide(give_up, &mut entry.exec, &mut self.around.env());
            return joined.join(more);
        }
        let waiting = if may_start { self.shell.take_poller(&key) } else { None };
        let Some(waiting) = waiting else {
            queued.push((key, Task { id: 0, durable, row }));
            return Vec::new();
        };
        let request = start_request(&key, &row, &waiting);
        let (more, decided) = decide(request, &mut entry.exec, &mut self.around.env());
        let follow = joined.join(more);
        let end = match decided {
            Ok(Reply::WorkflowTask(started)) => PollEnd::Workflow(TaskHistory::new(entry, started)),
            Ok(Reply::ActivityTask(task)) => PollEnd::Activity(task),
            Ok(_) | Err(_) => {
                self.release.work.push(Work::PollAgain(key, Box::new(waiting)));
                return follow;
            }
        };
        self.release.polls.push((waiting, end));
        follow
    }
}

/// A decision together with those that followed from it at once.
struct Joined {
    written: Written,
    /// How many of them wrote something.
    decisions: i64,
}

impl Joined {
    /// Puts a decision that followed behind the others. Returns its dispatches.
    fn join(&mut self, more: Written) -> Vec<Dispatch> {
        if !more.changes.is_empty() {
            self.decisions += 1;
        }
        self.written.changes.extend(more.changes);
        let (into, from) = (&mut self.written.effects, more.effects);
        into.messages.extend(from.messages);
        into.updates.extend(from.updates);
        into.queries.extend(from.queries);
        into.visibility |= from.visibility;
        if from.successor.is_some() {
            into.successor = from.successor;
        }
        from.dispatches
    }
}

/// Where a dispatch goes, as a task, and whether it deserves a row in the store.
fn task_of(entry: &Entry, dispatch: &Dispatch, now_ns: i64) -> (QueueKey, TaskRow, bool) {
    let row = TaskRow {
        workflow_id: entry.run.workflow_id.clone(),
        run_id: entry.run.run_id.clone(),
        added_ns: now_ns,
        ..TaskRow::default()
    };
    let priority_of = |p: &Option<evertide_proto::common::Priority>| p.as_ref().map_or(0, |p| p.priority_key);
    match dispatch {
        Dispatch::Workflow { queue, scheduled_event_id, stamp, speculative, priority } => {
            let row = TaskRow {
                scheduled_event_id: *scheduled_event_id,
                stamp: *stamp,
                normal_name: queue.normal_name.clone(),
                priority: priority_of(priority),
                ..row
            };
            // After a crash a task on a sticky queue is found by its timeout; its worker may well be gone.
            let sticky = entry.exec.state.info.sticky.as_ref();
            let bounded = queue.is_sticky() && sticky.is_some_and(|s| s.schedule_to_start_ns > 0);
            let key = QueueKind::Workflow.key(&entry.run.namespace_id, &queue.name);
            (key, row, !speculative && !bounded)
        }
        Dispatch::Activity { queue, scheduled_event_id, stamp, priority } => {
            let row = TaskRow {
                scheduled_event_id: *scheduled_event_id,
                stamp: *stamp,
                priority: priority_of(priority),
                ..row
            };
            (QueueKind::Activity.key(&entry.run.namespace_id, queue), row, true)
        }
    }
}

/// What a poll asks of the run that a task belongs to.
pub(crate) fn start_request(key: &QueueKey, row: &TaskRow, waiting: &Waiting) -> Request {
    let start = StartTask {
        scheduled_event_id: row.scheduled_event_id,
        stamp: row.stamp,
        identity: waiting.poll.identity.clone(),
        request_id: waiting.poll.request_id.clone(),
        queue: QueueRef { name: key.name.clone(), normal_name: row.normal_name.clone() },
        worker_version: waiting.poll.worker_version.clone(),
    };
    if key.kind == QueueKind::Activity as u8 {
        Request::StartActivity(start)
    } else {
        Request::StartWorkflowTask(start)
    }
}

/// Keeps the events in memory, and writes a snapshot when there are many records since the last.
fn keep_record(entry: &mut Entry, write: &mut RunWrite, record: Option<Record>) {
    let Some(record) = record else { return };
    let size_bytes = write.record.len();
    entry.events.push(record.into_events().collect(), size_bytes);
    entry.records += 1;
    entry.records_bytes += size_bytes;
    entry.state_bytes += size_bytes;
    if entry.records >= SNAPSHOT_RECORDS || entry.records_bytes >= SNAPSHOT_BYTES {
        let snapshot = bytes::Bytes::from(entry.exec.state.encode_to_vec());
        entry.records = 0;
        entry.records_bytes = 0;
        entry.state_bytes = snapshot.len();
        write.snapshot = Some(snapshot);
    }
}

fn is_empty(write: &RunWrite) -> bool {
    write.create.is_none()
        && write.record.is_empty()
        && write.visibility.is_none()
        && write.wake == Wake::Keep
        && write.backlog.is_empty()
}

fn ceil_ms(ns: i64) -> i64 {
    ns.saturating_add(999_999) / 1_000_000
}

/// The news of each update without those that later ones overtake: whoever waits for an acceptance is told the outcome
/// with it if both came at once.
fn last_news(news: Vec<(String, UpdateSignal)>) -> Vec<(String, UpdateSignal)> {
    let is_last = |place: usize, id: &str| !news[place + 1..].iter().any(|(later, _)| later == id);
    let last: Vec<bool> = news.iter().enumerate().map(|(place, (id, _))| is_last(place, id)).collect();
    news.into_iter().zip(last).filter_map(|(item, last)| last.then_some(item)).collect()
}
