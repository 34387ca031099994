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
use crate::fault::Fault;
use crate::hash::KeyHash;
use crate::metrics::Metrics;
use crate::polls::TaskQueues;
use crate::queue_config::QueueConfigs;
use crate::registry::NamespaceRegistry;
use crate::release::{Commits, Effects, failed};
use crate::seed::Seeds;
use crate::shard::chain::{Chain, Shard, ShardSizes};
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

    /// Nothing that is not durable is to be trusted any more, since later decisions were built on it: all of it is
    /// forgotten. Returns how many decisions that were, and what is left to release.
    pub(crate) fn forget_undurable(&self, fault: &Fault) -> (usize, Effects) {
        let mut shards: Vec<_> = self.shards.iter().map(Mutex::lock).collect();
        // Nothing is added while all this is locked: due times and settings that are not durable are forgotten with it.
        let rooms = &self.rooms;
        let (queued, last_ticket) =
            rooms.namespaces.roll_back(|| rooms.queue_configs.roll_back(|| rooms.commits.drain()));
        rooms.time.timers.forget();
        let chains: Vec<Chain> = shards.iter_mut().flat_map(|shard| shard.take_all()).collect();
        self.rooms.commits.mark_durable(last_ticket);
        drop(shards);
        let count = queued.len();
        let mut left: Effects = queued.into_iter().flat_map(|effects| failed(effects, fault)).collect();
        left.extend(chains.into_iter().flat_map(|chain| chain.fail_waiters(fault)));
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
