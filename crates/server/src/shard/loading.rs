//! Executions that are not in memory are read from the store.

use std::collections::btree_map::Entry::Vacant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use evertide_engine::execution::Execution;
use evertide_store::{RunKey, StoredRun};

use crate::address::ChainKey;
use crate::commit::Subject;
use crate::fault::{Fault, store_fault};
use crate::history::EventCache;
use crate::release::{Effect, Effects};
use crate::shard::chain::Current;
use crate::shard::deciding::not_found;
use crate::shard::entry::Entry;
use crate::shard::executions::Executions;
use crate::shard::placing::task_of;
use crate::work::{Want, Work};

impl Executions {
    /// Reads part of a chain and decides the parked requests. Returns what may be released at once.
    pub(crate) fn load(&self, key: &Arc<ChainKey>, want: &Want, mark: u64) -> Effects {
        let read = catch_unwind(AssertUnwindSafe(|| self.read_run(key, want)));
        let read = read.unwrap_or_else(|_| {
            tracing::error!(id = key.id, "what is stored of an execution cannot be applied");
            Err(Fault::Internal("the stored execution cannot be read".to_owned()))
        });
        let mut shard = self.shard(key).lock();
        // A mark of its own tells this read from a later one: after a failed commit everything is read anew.
        let Some(chain) = shard.find(key).filter(|chain| chain.is_loading(mark)) else { return Effects::new() };
        let parked = chain.loading.take().map(|l| l.parked).unwrap_or_default();
        let mut missing = None;
        match read {
            Ok(Some(entry)) => {
                let run_id = entry.run.run_id.clone();
                if *want == Want::Current {
                    chain.current = Current::Run(run_id.clone());
                }
                if let Vacant(place) = chain.runs.entry(run_id) {
                    self.set_off_again(&entry);
                    place.insert(entry);
                }
            }
            Ok(None) => match want {
                Want::Current => chain.current = Current::Nobody,
                Want::Run(run_id) => missing = Some(run_id),
            },
            Err(fault) => {
                shard.remeasure(key, self.rooms.commits.durable());
                return parked.into_iter().map(|job| Effect::fail(job.respond, fault.clone())).collect();
            }
        }
        let mut effects = Effects::new();
        for job in parked {
            if missing.is_some_and(|run_id| run_id == job.ask.run_id()) {
                effects.push(Effect::fail(job.respond, not_found(&job.key, job.ask.run_id())));
            } else {
                effects.extend(self.admit(&mut shard, job));
            }
        }
        shard.remeasure(key, self.rooms.commits.durable());
        effects
    }

    /// A chain whose decisions were all made durable may be read again. Returns what may be released at once.
    pub(crate) fn unblock(&self, key: &ChainKey, mark: u64) -> Effects {
        let mut shard = self.shard(key).lock();
        if !shard.find(key).is_some_and(|chain| chain.is_loading(mark)) {
            return Effects::new();
        }
        let chain = shard.remove(key);
        let parked = chain.and_then(|chain| chain.loading).map(|l| l.parked).unwrap_or_default();
        parked.into_iter().flat_map(|job| self.admit(&mut shard, job)).collect()
    }

    fn read_run(&self, key: &ChainKey, want: &Want) -> Result<Option<Entry>, Fault> {
        let store = &self.rooms.store;
        let run_key = match want {
            Want::Current => store.current_run(&key.namespace_id, key.kind.number(), &key.id),
            Want::Run(run_id) => store.find_run(&key.namespace_id, key.kind.number(), &key.id, run_id),
        };
        let Some(run_key) = run_key.map_err(store_fault)? else {
            return Ok(None);
        };
        let Some(stored) = store.run(run_key).map_err(store_fault)? else {
            return Ok(None);
        };
        entry_of(key, run_key, stored).map(Some)
    }

    /// A run comes back into memory: what it had set off when it left is set off again.
    fn set_off_again(&self, entry: &Entry) {
        self.rooms.time.note_holder(entry.run_key, || entry.exec.holds());
        let now_ns = self.rooms.clock.now_ns();
        let lost = entry.exec.queued().into_iter().map(|dispatch| task_of(entry, &dispatch, now_ns));
        let lost = Vec::from_iter(lost.map(|(queue, task)| Effect::Task { queue, task }));
        if !lost.is_empty() {
            self.rooms.commits.push(Subject::Slot(ChainKey::of(&entry.run).slot()), Vec::new(), lost);
        }
        for id in entry.exec.outbox() {
            if let Some(delivery) = entry.exec.delivery(id) {
                let delivery = Box::new(delivery);
                self.rooms.work.push(Work::Deliver { source: entry.run.clone(), id, delivery });
            }
        }
    }
}

/// A run as it was stored becomes a run in memory.
fn entry_of(key: &ChainKey, run_key: RunKey, stored: StoredRun) -> Result<Entry, Fault> {
    let unreadable = |what: &str| Fault::Internal(format!("{what} of run {run_key} cannot be decoded"));
    let snapshot_bytes = stored.snapshot.as_ref().map_or(0, Bytes::len);
    let mut exec = Execution::read(key.kind, stored.snapshot).map_err(|_| unreadable("the snapshot"))?;
    let mut events = EventCache::starting_at(exec.position().max(1));
    let mut records_bytes = 0;
    let records = stored.records.len();
    for record in stored.records {
        let first_event_id = exec.position().max(1);
        exec.apply(record.clone()).map_err(|_| unreadable("a record"))?;
        records_bytes += record.len();
        events.push(record, first_event_id, exec.position());
    }
    let run = Arc::new(key.run(&stored.identity.run_id));
    let mut entry = Entry::with_events(run, run_key, exec, events);
    entry.snapshot_bytes = snapshot_bytes;
    entry.records = records;
    entry.records_bytes = records_bytes;
    entry.state_bytes = entry.exec.size_bytes();
    entry.timer_ns = entry.exec.deadlines().all_ns;
    Ok(entry)
}
