//! From a decision to a commit: what is written, and what is released once it is durable.

use std::sync::Arc;

use evertide_engine::workflow::{Effects as Decided, NewRun, Record, UpdateSignal, Written};
use evertide_store::{BacklogChange, CurrentRun, RunWrite, Wake, Write};
use prost::Message;

use crate::address::RunRef;
use crate::polls::PollEnd;
use crate::release::{Effect, Effects};
use crate::shard::entry::Entry;
use crate::shard::executions::{Executions, Surroundings};
use crate::shard::placing::{Placed, start_for_pollers};
use crate::visibility;
use crate::work::Work;

/// A snapshot is written when so many records have come since the last one,
const SNAPSHOT_RECORDS: usize = 64;
/// or records of this size.
const SNAPSHOT_BYTES: usize = 256 * 1024;

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
    pub(super) fn change(&mut self, entry: &mut Entry, changed: Changed) -> Vec<Entry> {
        let write = RunWrite {
            run_key: entry.run_key,
            first_event_id: changed.first_event_id,
            backlog: Vec::from_iter(changed.started_row),
            ..RunWrite::default()
        };
        self.absorb(entry, write, changed.written)
    }

    /// Takes in a run that was made, which is now the current one of its chain. Returns it with the runs that were made
    /// on the way, oldest first.
    pub(super) fn create(&mut self, new: NewRun) -> Vec<Entry> {
        let info = &new.exec.state.info;
        let run = Arc::new(RunRef {
            namespace_id: info.namespace_id.clone(),
            workflow_id: info.workflow_id.clone(),
            run_id: info.run_id.clone(),
        });
        let identity = run.identity();
        let mut entry = Entry::created(run, self.executions.next_run_key(), new.exec);
        let write = RunWrite {
            run_key: entry.run_key,
            first_event_id: 1,
            create: Some(identity),
            current: CurrentRun::Set,
            ..RunWrite::default()
        };
        let successors = self.absorb(&mut entry, write, new.written);
        let mut created = vec![entry];
        created.extend(successors);
        created
    }

    /// A run that is removed keeps no clock from jumping.
    pub(super) fn forget_holder(&self, entry: &Entry) {
        self.executions.rooms.time.note_holder(entry.run_key, || 0);
    }

    /// Completes the write of a run with what was decided over it, and collects what follows.
    fn absorb(&mut self, entry: &mut Entry, mut write: RunWrite, written: Written) -> Vec<Entry> {
        let rooms = &self.executions.rooms;
        let world_ns = rooms.clock.world_ns();
        let placed = start_for_pollers(entry, written, &rooms.queues, world_ns, &self.around);
        let Placed { written: Written { changes, effects }, decisions, mut started, unserved, queued } = placed;
        let closes = entry.open && !entry.exec.state.is_running();
        entry.open &= !closes;
        if write.create.is_some() || effects.visibility || closes {
            write.visibility = Some(visibility::row(entry.run_key, &entry.exec.state, &self.around.namespaces));
        }
        if !changes.is_empty() {
            keep_record(entry, &mut write, Record::of_decisions(changes, decisions));
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
        self.release(entry, effects)
    }

    /// Everything that waits for this run and everything that it sets off. Returns the runs that follow it.
    fn release(&mut self, entry: &mut Entry, effects: Decided) -> Vec<Entry> {
        for id in effects.messages {
            if let Some(delivery) = entry.exec.delivery(id) {
                let (source, delivery) = (entry.run.clone(), Box::new(delivery));
                self.effects.push(Effect::Message { source, id, delivery });
            }
        }
        for (id, signal) in last_news(effects.updates) {
            let waiters = match &signal {
                UpdateSignal::Accepted => entry.update_waiters.get(&id).cloned().unwrap_or_default(),
                UpdateSignal::Completed(_) | UpdateSignal::Aborted(_) => {
                    entry.update_waiters.remove(&id).unwrap_or_default()
                }
            };
            let news = |waiter| Effect::Update { waiter, signal: signal.clone() };
            self.effects.extend(waiters.into_iter().map(news));
        }
        for (id, answer) in effects.queries {
            if let Some(waiter) = entry.query_waiters.remove(&id) {
                self.effects.push(Effect::Query { waiter, answer });
            }
        }
        for respond in entry.ripe_watchers() {
            self.effects.push(Effect::answer(respond, Ok(entry.answer())));
        }
        effects.successor.map_or_else(Vec::new, |new| self.create(*new))
    }

    /// Finds out when the run is to be woken next, for the store and for the timers.
    fn set_wake(&mut self, entry: &mut Entry, write: &mut RunWrite) {
        self.executions.rooms.time.note_holder(entry.run_key, || entry.exec.holds());
        let state = &entry.exec.state;
        let timer_ns = entry.exec.deadline_ns();
        // A speculative task is volatile, and so is its timeout.
        let speculative = entry.exec.volatile.speculative.is_some();
        let due_ns = if speculative { state.deadline_ns() } else { timer_ns };
        // A run with messages to deliver is woken as soon as the server opens again.
        let stored = match (state.outbox.is_empty(), due_ns) {
            (false, _) => Wake::At(1),
            (true, 0) => Wake::Never,
            (true, due_ns) => Wake::At(ceil_ms(due_ns)),
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

/// Keeps the events in memory, and writes a snapshot when there are many records since the last.
fn keep_record(entry: &mut Entry, write: &mut RunWrite, record: Record) {
    write.record = record.encode_to_vec().into();
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
