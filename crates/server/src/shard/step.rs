//! From a decision to a commit: what is written, and what is released once it is durable.

use std::sync::Arc;

use evertide_engine::effects::{Effects as Decided, UpdateSignal};
use evertide_engine::execution::Deadlines;
use evertide_engine::request::{NewExecution, Written};
use evertide_store::{BacklogChange, CurrentRun, RunWrite, Wake, Write};

use crate::address::identity;
use crate::polls::PollEnd;
use crate::release::{Effect, Effects};
use crate::shard::entry::Entry;
use crate::shard::executions::{Executions, Surroundings};
use crate::shard::placing::{Placed, start_for_pollers};
use crate::shard::waiters::Waiters;
use crate::visibility;
use crate::work::Work;

/// To read records of this size is always less than a snapshot is worth.
const SNAPSHOT_BYTES: usize = 256 * 1024;
/// What it costs to read a record, besides its bytes: so much as to read so many more of them.
const RECORD_COST_BYTES: usize = 4 * 1024;

/// One decision with everything that follows from it at once, becoming one commit.
pub(super) struct Step<'s> {
    executions: &'s Executions,
    pub(super) around: Surroundings<'s>,
    pub(super) writes: Vec<Write>,
    pub(super) effects: Effects,
}

/// How a decision changes its run.
pub(super) struct Changed {
    /// The next event id that the run had before.
    pub(super) first_event_id: i64,
    pub(super) written: Written,
    /// The row of the task that the decision has started.
    pub(super) started_row: Option<BacklogChange>,
}

impl<'s> Step<'s> {
    pub(super) fn new(executions: &'s Executions) -> Self {
        let around = executions.rooms.surroundings();
        Self { executions, around, writes: Vec::new(), effects: Effects::new() }
    }

    /// Takes in what was decided over a run that is stored already. Returns the runs that were made on the way, oldest
    /// first.
    pub(super) fn change(&mut self, entry: &mut Entry, waiters: &mut Waiters, changed: Changed) -> Vec<Entry> {
        let write = RunWrite {
            run_key: entry.run_key,
            first_event_id: changed.first_event_id,
            backlog: Vec::from_iter(changed.started_row),
            ..RunWrite::default()
        };
        self.absorb(entry, waiters, write, changed.written)
    }

    /// Takes in a run that was made, which is now the current one of its chain. Returns it with the runs that were made
    /// on the way, oldest first.
    pub(super) fn create(&mut self, new: NewExecution, waiters: &mut Waiters) -> Vec<Entry> {
        let run = Arc::new(new.exec.address());
        let identity = identity(&run);
        let mut entry = Entry::created(run, self.executions.next_run_key(), new.exec);
        let write = RunWrite {
            run_key: entry.run_key,
            first_event_id: 1,
            create: Some(identity),
            current: CurrentRun::Set,
            ..RunWrite::default()
        };
        let successors = self.absorb(&mut entry, waiters, write, new.written);
        let mut created = vec![entry];
        created.extend(successors);
        created
    }

    /// A run that is removed keeps no clock from jumping.
    pub(super) fn forget_holder(&self, entry: &Entry) {
        self.executions.rooms.time.note_holder(entry.run_key, || 0);
    }

    /// Completes the write of a run with what was decided over it, and collects what follows.
    fn absorb(
        &mut self,
        entry: &mut Entry,
        waiters: &mut Waiters,
        mut write: RunWrite,
        written: Written,
    ) -> Vec<Entry> {
        let rooms = &self.executions.rooms;
        let world_ns = rooms.clock.world_ns();
        let placed = start_for_pollers(entry, written, &rooms.queues, world_ns, &self.around);
        let Placed { mut written, mut started, unserved, queued } = placed;
        write.record = written.take_record();
        let Written { effects, successor, .. } = written;
        let closes = entry.open && !entry.exec.is_open();
        entry.open &= !closes;
        if write.create.is_some() || effects.visibility || closes {
            write.visibility = Some(visibility::row(entry.run_key, entry.exec.listing(&self.around.namespaces)));
        }
        if !write.record.is_empty() {
            keep_record(entry, &mut write);
        }
        for (_, end) in &mut started {
            if let PollEnd::Workflow(history) = end {
                history.fill(&entry.events);
            }
        }
        self.set_wake(entry, &mut write);
        if queued.iter().any(|(_, task)| task.durable) || !is_empty(&write) {
            entry.ticket = u64::MAX;
            self.writes.push(Write::Run(write));
        }
        // Tasks come first: whoever is told of a decision finds its task on the queue.
        self.effects.extend(queued.into_iter().map(|(queue, task)| Effect::Task { queue, task }));
        let poll = |(waiting, end)| Effect::Poll { waiting: Box::new(waiting), end: Ok(end) };
        self.effects.extend(started.into_iter().map(poll));
        let again = |(queue, waiting)| Effect::Work(Work::PollAgain(queue, Box::new(waiting)));
        self.effects.extend(unserved.into_iter().map(again));
        self.release(entry, waiters, effects);
        successor.map_or_else(Vec::new, |new| self.create(*new, waiters))
    }

    /// Everything that waits for this run and everything that it sets off.
    fn release(&mut self, entry: &Entry, waiters: &mut Waiters, effects: Decided) {
        for id in effects.messages {
            if let Some(delivery) = entry.exec.delivery(id) {
                let (source, delivery) = (entry.run.clone(), Box::new(delivery));
                self.effects.push(Effect::Message { source, id, delivery });
            }
        }
        let run_id = &entry.run.run_id;
        for (id, signal) in last_news(effects.updates) {
            if let Some(waiters) = waiters.update_sender(run_id, &id, &signal) {
                self.effects.push(Effect::Update { waiters, signal });
            }
        }
        for (id, answer) in effects.queries {
            if let Some(waiter) = waiters.take_query(run_id, &id) {
                self.effects.push(Effect::Query { waiter, answer });
            }
        }
        for respond in waiters.take_ripe(run_id, entry.exec.is_open().then_some(entry.exec.position())) {
            self.effects.push(Effect::answer(respond, Ok(entry.answer())));
        }
    }

    /// Finds out when the run is to be woken next, for the store and for the timers.
    fn set_wake(&mut self, entry: &mut Entry, write: &mut RunWrite) {
        self.executions.rooms.time.note_holder(entry.run_key, || entry.exec.holds());
        let Deadlines { all_ns: timer_ns, durable_ns } = entry.exec.deadlines();
        // A run is woken as soon as the server opens again if it has messages to deliver or a task without a row.
        let lost_in_crash = !entry.exec.outbox().is_empty() || !entry.exec.queued().is_empty();
        let stored = match (lost_in_crash, durable_ns) {
            (true, _) => Wake::At(1),
            (false, 0) => Wake::Never,
            (false, due_ns) => Wake::At(ceil_ms(due_ns)),
        };
        if entry.stored_wake != stored {
            write.wake = stored;
        }
        entry.stored_wake = stored;
        if timer_ns != entry.timer_ns {
            entry.timer_ns = timer_ns;
            self.effects.push(Effect::Wake { run_key: entry.run_key, run: entry.run.clone(), at_ns: timer_ns });
        }
    }
}

/// Keeps the events in memory, and writes a snapshot when that is worth it.
fn keep_record(entry: &mut Entry, write: &mut RunWrite) {
    let size_bytes = write.record.len();
    entry.events.push(write.record.clone(), write.first_event_id, entry.exec.position());
    entry.records += 1;
    entry.records_bytes += size_bytes;
    entry.state_bytes += size_bytes;
    if snapshot_is_due(entry.records, entry.records_bytes, entry.snapshot_bytes) {
        let snapshot = entry.exec.snapshot();
        entry.records = 0;
        entry.records_bytes = 0;
        entry.snapshot_bytes = snapshot.len();
        entry.state_bytes = snapshot.len();
        write.snapshot = Some(snapshot);
    }
}

/// Whether it costs less to write a snapshot than to read so many records, of this size together, on top of the last one.
/// Snapshots of a state that grows with each record so take no more room than the records.
fn snapshot_is_due(records: usize, records_bytes: usize, last_snapshot_bytes: usize) -> bool {
    records_bytes + records * RECORD_COST_BYTES >= last_snapshot_bytes.max(SNAPSHOT_BYTES)
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
