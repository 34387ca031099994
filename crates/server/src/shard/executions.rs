//! All executions in memory, and what they need to decide.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use evertide_engine::env::{Env, Ids};
use evertide_engine::limits::Limits;
use evertide_engine::namespace::Namespaces;
use evertide_store::{RunKey, Store};
use parking_lot::Mutex;

use crate::address::ChainKey;
use crate::clock::Clock;
use crate::commit::{Group, Subject};
use crate::fault::Fault;
use crate::hash::KeyHash;
use crate::metrics::Metrics;
use crate::polls::TaskQueues;
use crate::queue_config::QueueConfigs;
use crate::registry::NamespaceRegistry;
use crate::release::{Commits, Effect, Effects, failed as failed_effects};
use crate::seed::Seeds;
use crate::shard::chain::{Chain, Shard, ShardSizes};
use crate::shard::entry::Entry;
use crate::time_skipping::Time;
use crate::work::WorkQueue;

/// How many parts the executions in memory are divided into.
const SHARDS: usize = 16;

/// The executions in memory. Requests come in by [`Executions::submit`]; what may be released at once comes back, and all
/// else goes into the commit queue.
pub(crate) struct Executions {
    pub(super) rooms: Rooms,
    keys: KeyHash,
    shards: Vec<Mutex<Shard>>,
    next_run_key: AtomicI64,
}

/// What executions stand on.
pub(crate) struct Rooms {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) namespaces: Arc<NamespaceRegistry>,
    pub(crate) queue_configs: Arc<QueueConfigs>,
    pub(crate) seeds: Arc<Seeds>,
    pub(crate) commits: Arc<Commits>,
    pub(crate) queues: Arc<TaskQueues>,
    pub(crate) work: Arc<WorkQueue>,
    pub(crate) time: Arc<Time>,
    pub(crate) metrics: Arc<Metrics>,
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

impl Rooms {
    pub(super) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            now_ns: self.clock.now_ns(),
            limits: &self.limits,
            namespaces: self.namespaces.snapshot(),
            seeds: &self.seeds,
        }
    }
}

impl Executions {
    pub(crate) fn new(rooms: Rooms, keys: KeyHash, cache_bytes: usize, next_run_key: RunKey) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new(&keys, cache_bytes / SHARDS))).collect();
        Self { rooms, keys, shards, next_run_key: AtomicI64::new(next_run_key) }
    }

    pub(super) fn shard(&self, key: &ChainKey) -> &Mutex<Shard> {
        &self.shards[self.keys.slot_of(key, SHARDS)]
    }

    pub(super) fn next_run_key(&self) -> RunKey {
        self.next_run_key.fetch_add(1, Ordering::Relaxed)
    }

    /// A group of decisions has failed: nothing that memory holds of their slots is to be trusted any more, since later
    /// decisions were built on it. It is forgotten, and what was decided about it since. Returns how many decisions that
    /// were, and what is left to release.
    pub(crate) fn forget_failed(&self, group: &mut Group<Effects>, fault: &Fault) -> (usize, Effects) {
        let last_ticket = group.last_ticket;
        let mut shards: Vec<_> = self.shards.iter().map(Mutex::lock).collect();
        let rooms = &self.rooms;
        let of_registry = group.subjects.contains(&Subject::Registry);
        // Nothing is added while all this is locked.
        let (failed, dropped) = if of_registry {
            rooms.namespaces.roll_back(|| rooms.queue_configs.roll_back(|| rooms.commits.drop_dependents(group)))
        } else {
            rooms.commits.drop_dependents(group)
        };
        let chains: Vec<Chain> = shards.iter_mut().flat_map(|shard| shard.take_slots(&failed.slots)).collect();
        rooms.commits.mark_durable(last_ticket);
        drop(shards);
        let count = dropped.len();
        let mut left: Effects = dropped.into_iter().flat_map(|effects| failed_effects(effects, fault)).collect();
        for chain in chains {
            // What a run had set off may have been lost on its way back to it: it is read again, and sets it off again.
            chain.runs.values().for_each(|entry| rooms.time.note_holder(entry.run_key, || 0));
            let at_once = |entry: &Entry| Effect::Wake { run_key: entry.run_key, run: entry.run.clone(), at_ns: 1 };
            left.extend(chain.runs.values().map(at_once));
            left.extend(chain.fail_waiters(fault));
        }
        (count, left)
    }

    /// Lets executions leave memory that were not used since this was called the last time.
    pub(crate) fn forget_idle(&self) {
        let durable = self.rooms.commits.durable();
        self.shards.iter().for_each(|shard| shard.lock().forget_idle(durable));
    }

    /// What is in memory, shard by shard.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = ShardSizes> {
        self.shards.iter().map(|shard| shard.lock().sizes())
    }

    /// Takes everything out of memory. Returns what tells those who wait.
    pub(crate) fn clear(&self, fault: &Fault) -> Effects {
        let chains: Vec<Chain> = self.shards.iter().flat_map(|shard| shard.lock().take_all()).collect();
        chains.into_iter().flat_map(|chain| chain.fail_waiters(fault)).collect()
    }
}
