//! Chains in a shard, and which of them stay in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use evertide_engine::slot::SlotSet;

use crate::address::ChainKey;
use crate::ask::{Ask, Job};
use crate::fault::Fault;
use crate::hash::{KeyHash, KeyMap};
use crate::release::{Effect, Effects};
use crate::shard::entry::Entry;
use crate::shard::waiters::Waiters;
use crate::work::Want;

/// How many chains are looked at for one that may leave memory before giving up for now.
const EVICTION_ATTEMPTS: usize = 16;
/// How many runs of a chain are kept in memory before ended ones leave it.
const KEPT_RUNS: usize = 2;
/// How many chains of a shard without an open run are kept in memory: whoever waits for a result reads it just after.
const CLOSED_CHAINS: usize = 32;
/// What a chain takes in memory besides its names and its runs, about.
const CHAIN_OVERHEAD_BYTES: usize = 512;
/// What somebody who waits takes in memory, about.
const WAITER_BYTES: usize = 256;

/// All runs of a workflow id that are in memory.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The run that a look-up without run id finds.
    pub(crate) current: Current,
    /// By run id.
    pub(crate) runs: BTreeMap<String, Entry>,
    /// Runs that were removed, with the commits that remove them: until those are durable the store still has them.
    pub(crate) deleted: Vec<(String, u64)>,
    /// The newest commit that any of its runs is part of.
    pub(crate) last_ticket: u64,
    /// Requests that wait for something to be read.
    pub(crate) loading: Option<Loading>,
    /// Those who wait for something of its runs, in memory or not.
    pub(crate) waiters: Waiters,
    /// Its place in the order of use.
    used: u64,
    size_bytes: usize,
}

/// What is known of a chain's current run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Current {
    /// The store has to be asked.
    Unknown,
    /// There is none.
    Nobody,
    /// This run.
    Run(String),
}

/// A read that is under way.
#[derive(Debug)]
pub(crate) struct Loading {
    /// Tells this read from others of the same chain.
    pub(crate) mark: u64,
    pub(crate) parked: Vec<Job>,
}

/// Whether a request can be decided.
#[derive(Debug)]
pub(crate) enum Readiness {
    /// What it needs is here.
    Ready,
    /// Something of the chain is being read.
    Loading,
    /// This must be read first.
    Absent(Want),
    /// The run was removed.
    Deleted,
}

impl Chain {
    fn new() -> Self {
        Self {
            current: Current::Unknown,
            runs: BTreeMap::new(),
            deleted: Vec::new(),
            last_ticket: 0,
            loading: None,
            waiters: Waiters::default(),
            used: 0,
            size_bytes: 0,
        }
    }

    /// The run of that id, or the current one if the id is empty.
    pub(crate) fn run_mut(&mut self, run_id: &str) -> Option<&mut Entry> {
        match (&self.current, run_id) {
            (Current::Run(current), "") => self.runs.get_mut(current),
            (_, "") => None,
            (_, id) => self.runs.get_mut(id),
        }
    }

    /// As [`Self::run_mut`], with those who wait at the chain.
    pub(crate) fn run_and_waiters(&mut self, run_id: &str) -> (Option<&mut Entry>, &mut Waiters) {
        let run_id = match (&self.current, run_id) {
            (Current::Run(current), "") => current,
            (_, id) => id,
        };
        (self.runs.get_mut(run_id), &mut self.waiters)
    }

    /// Whether a request can be decided, and what has to be read first if not.
    pub(crate) fn readiness(&self, ask: &Ask) -> Readiness {
        if self.loading.is_some() {
            return Readiness::Loading;
        }
        let (run_id, and_current) = match ask {
            Ask::Run { run_id, .. }
            | Ask::Look { run_id, .. }
            | Ask::Await { run_id, .. }
            | Ask::Delete { run_id, .. } => (run_id.as_str(), false),
            Ask::Create(_) => ("", false),
            Ask::Reset { base, .. } => (base.exec.state.info.run_id.as_str(), true),
        };
        if (run_id.is_empty() || and_current) && !self.knows_current() {
            return Readiness::Absent(Want::Current);
        }
        if run_id.is_empty() || self.runs.contains_key(run_id) {
            return Readiness::Ready;
        }
        if self.deleted.iter().any(|(d, _)| d == run_id) {
            return Readiness::Deleted;
        }
        Readiness::Absent(Want::Run(run_id.to_owned()))
    }

    /// Whether the read with this mark is under way.
    pub(crate) fn is_loading(&self, mark: u64) -> bool {
        self.loading.as_ref().is_some_and(|l| l.mark == mark)
    }

    fn knows_current(&self) -> bool {
        match &self.current {
            Current::Unknown => false,
            Current::Nobody => true,
            Current::Run(run_id) => self.runs.contains_key(run_id),
        }
    }

    /// What was written last is part of this commit.
    pub(crate) fn note_ticket(&mut self, ticket: u64) {
        self.last_ticket = ticket;
        for entry in self.runs.values_mut().filter(|entry| entry.ticket == u64::MAX) {
            entry.ticket = ticket;
        }
        for (_, deleted_with) in self.deleted.iter_mut().filter(|(_, t)| *t == u64::MAX) {
            *deleted_with = ticket;
        }
    }

    /// Lets runs go that have ended, so that a chain that is always in use does not grow without end.
    fn forget_old_runs(&mut self, durable_ticket: u64) {
        self.deleted.retain(|(_, ticket)| *ticket > durable_ticket);
        if self.runs.len() <= KEPT_RUNS {
            return;
        }
        let current = &self.current;
        self.runs.retain(|run_id, entry| {
            matches!(current, Current::Run(id) if id == run_id)
                || entry.exec.is_open()
                || !entry.may_leave(durable_ticket)
        });
    }

    /// Whoever waits at the chain is told that it has left memory.
    pub(crate) fn fail_waiters(self, fault: &Fault) -> Effects {
        let parked = self.loading.map(|l| l.parked).unwrap_or_default().into_iter().map(|job| job.respond);
        let waiting = self.waiters.into_responds().chain(parked);
        waiting.map(|respond| Effect::fail(respond, fault.clone())).collect()
    }

    /// Whether no run of it in memory is open, nor about to be read.
    fn is_closed(&self) -> bool {
        self.loading.is_none() && !self.runs.values().any(|entry| entry.exec.is_open())
    }

    fn may_leave(&self, durable_ticket: u64) -> bool {
        self.loading.is_none()
            && self.last_ticket <= durable_ticket
            && self.runs.values().all(|entry| entry.may_leave(durable_ticket))
    }

    /// Whether nothing at all is known of it.
    fn is_blank(&self) -> bool {
        self.runs.is_empty() && self.loading.is_none() && self.deleted.is_empty() && self.waiters.is_empty()
    }

    fn measure(&self, key: &ChainKey) -> usize {
        let names = 2 * (key.namespace_id.len() + key.id.len());
        let runs: usize = self.runs.values().map(Entry::size_bytes).sum();
        CHAIN_OVERHEAD_BYTES + names + runs + WAITER_BYTES * self.waiters.len()
    }
}

/// A part of all chains, behind one lock.
#[derive(Debug)]
pub(crate) struct Shard {
    chains: KeyMap<Arc<ChainKey>, Chain>,
    /// Chains by their last use, oldest first.
    order: BTreeMap<u64, Arc<ChainKey>>,
    /// Those of them without an open run.
    closed: BTreeMap<u64, Arc<ChainKey>>,
    next_use: u64,
    /// What was not used since this use is idle when idle chains are looked for the next time.
    idle_before: u64,
    next_mark: u64,
    size_bytes: usize,
    budget_bytes: usize,
}

impl Shard {
    pub(crate) fn new(keys: &KeyHash, budget_bytes: usize) -> Self {
        Self {
            chains: keys.map(),
            order: BTreeMap::new(),
            closed: BTreeMap::new(),
            next_use: 1,
            idle_before: 0,
            next_mark: 1,
            size_bytes: 0,
            budget_bytes,
        }
    }

    /// The chain of that key, which is now the most recently used.
    pub(crate) fn chain(&mut self, key: &Arc<ChainKey>) -> &mut Chain {
        let used = self.next_use;
        self.next_use += 1;
        let chain = self.chains.entry(key.clone()).or_insert_with(Chain::new);
        self.order.remove(&chain.used);
        self.closed.remove(&chain.used);
        chain.used = used;
        self.order.insert(used, key.clone());
        chain
    }

    /// The chain of that key, if it is here.
    pub(crate) fn find(&mut self, key: &ChainKey) -> Option<&mut Chain> {
        self.chains.get_mut(key)
    }

    /// Marks the chain as being read; what comes for it waits behind the mark.
    pub(crate) fn begin_loading(&mut self, key: &Arc<ChainKey>, parked: Vec<Job>) -> u64 {
        let mark = self.next_mark;
        self.next_mark += 1;
        self.chain(key).loading = Some(Loading { mark, parked });
        mark
    }

    /// Takes a chain out of memory.
    pub(crate) fn remove(&mut self, key: &ChainKey) -> Option<Chain> {
        let chain = self.chains.remove(key)?;
        self.order.remove(&chain.used);
        self.closed.remove(&chain.used);
        self.size_bytes -= chain.size_bytes;
        Some(chain)
    }

    /// Takes the chains of some slots out of memory.
    pub(crate) fn take_slots(&mut self, slots: &SlotSet) -> Vec<Chain> {
        let keys: Vec<_> = self.chains.keys().filter(|key| slots.contains(key.slot())).cloned().collect();
        keys.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Takes everything out of memory.
    pub(crate) fn take_all(&mut self) -> Vec<Chain> {
        self.order.clear();
        self.closed.clear();
        self.size_bytes = 0;
        self.chains.drain().map(|(_, chain)| chain).collect()
    }

    /// Measures a chain again after it was used, and lets others go if there are too many.
    pub(crate) fn remeasure(&mut self, key: &Arc<ChainKey>, durable_ticket: u64) {
        let Some(chain) = self.chains.get_mut(key) else { return };
        chain.forget_old_runs(durable_ticket);
        if chain.is_blank() && chain.last_ticket <= durable_ticket {
            self.remove(key);
            return;
        }
        let size_bytes = chain.measure(key);
        self.size_bytes = self.size_bytes + size_bytes - chain.size_bytes;
        chain.size_bytes = size_bytes;
        if chain.is_closed() {
            self.closed.insert(chain.used, key.clone());
        } else {
            self.closed.remove(&chain.used);
        }
        if self.closed.len() > CLOSED_CHAINS {
            let oldest: Vec<_> = self.closed.values().take(EVICTION_ATTEMPTS).cloned().collect();
            let too_many = self.closed.len() - CLOSED_CHAINS;
            self.evict(oldest, key, durable_ticket, too_many);
        }
        if self.size_bytes > self.budget_bytes {
            let oldest: Vec<_> = self.order.values().take(EVICTION_ATTEMPTS).cloned().collect();
            self.evict(oldest, key, durable_ticket, EVICTION_ATTEMPTS);
        }
    }

    /// Lets at most `count` of these chains go, but not the one in use: it may have been read for a request that has yet
    /// to be carried out.
    fn evict(&mut self, oldest: Vec<Arc<ChainKey>>, in_use: &ChainKey, durable_ticket: u64, mut count: usize) {
        for key in oldest.into_iter().filter(|key| **key != *in_use) {
            if count == 0 {
                return;
            }
            if self.unload(&key, durable_ticket) {
                count -= 1;
            } else {
                self.use_again(&key); // Look at others next time.
            }
        }
    }

    /// A chain that may not leave yet counts as used just now.
    fn use_again(&mut self, key: &Arc<ChainKey>) {
        let Some(used) = self.chains.get(key).map(|chain| chain.used) else { return };
        let was_closed = self.closed.contains_key(&used);
        let used = self.chain(key).used;
        if was_closed {
            self.closed.insert(used, key.clone());
        }
    }

    /// Takes the runs of a chain out of memory if nothing is lost by it; those who wait stay. Whether it did.
    fn unload(&mut self, key: &Arc<ChainKey>, durable_ticket: u64) -> bool {
        let Some(chain) = self.chains.get_mut(key).filter(|chain| chain.may_leave(durable_ticket)) else {
            return false;
        };
        chain.deleted.clear(); // What removes them is durable.
        if chain.waiters.is_empty() {
            self.remove(key);
            return true;
        }
        let unloaded = !chain.runs.is_empty();
        chain.runs.clear();
        chain.current = Current::Unknown;
        let size_bytes = chain.measure(key);
        self.size_bytes = self.size_bytes + size_bytes - chain.size_bytes;
        chain.size_bytes = size_bytes;
        self.closed.remove(&chain.used);
        unloaded
    }

    /// Lets chains go that were not used since this was called the last time.
    pub(crate) fn forget_idle(&mut self, durable_ticket: u64) {
        let idle: Vec<_> = self.order.range(..self.idle_before).map(|(_, key)| key.clone()).collect();
        self.idle_before = self.next_use;
        for key in idle {
            if let Some(chain) = self.chains.get_mut(&key) {
                chain.waiters.prune();
            }
            self.unload(&key, durable_ticket);
        }
    }

    /// What the shard holds.
    pub(crate) fn sizes(&self) -> ShardSizes {
        let chains = || self.chains.values();
        ShardSizes {
            chains: self.chains.len(),
            runs: chains().map(|chain| chain.runs.len()).sum(),
            waiters: chains().map(|chain| chain.waiters.len()).sum(),
            parked: chains().filter_map(|chain| chain.loading.as_ref()).map(|l| l.parked.len()).sum(),
            size_bytes: self.size_bytes,
        }
    }
}

/// What a shard holds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ShardSizes {
    pub(crate) chains: usize,
    pub(crate) runs: usize,
    pub(crate) waiters: usize,
    pub(crate) parked: usize,
    pub(crate) size_bytes: usize,
}
