//! What clients were told: nothing of it may turn out to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use evertide_engine::address::Address;
use evertide_proto::history::HistoryEvent;

/// Everything acknowledged, and everything seen.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Runs that a client was told of, and when the last request that found one open was sent.
    pub(crate) runs: BTreeMap<Address, i64>,
    /// Signals that were acknowledged, by the run and the signal's name, which is unique in the simulation.
    pub(crate) signals: BTreeSet<(Address, String)>,
    /// Runs whose termination was acknowledged, by the reason given, unique in the simulation.
    pub(crate) terminations: BTreeSet<(Address, String)>,
    /// Updates of which a client heard that a worker has accepted them, by the run and the update id.
    pub(crate) accepted_updates: BTreeSet<(Address, String)>,
    /// Updates of which a client heard that they succeeded.
    pub(crate) completed_updates: BTreeSet<(Address, String)>,
    /// Resets that were acknowledged.
    pub(crate) resets: Vec<Reset>,
    /// Runs that somebody has wanted to remove: nobody can rely on them any more.
    pub(crate) asked_to_delete: BTreeSet<Address>,
    /// Runs whose removal was acknowledged.
    pub(crate) deleted: BTreeSet<Address>,
    /// Ids of namespaces whose removal was acknowledged.
    pub(crate) deleted_namespaces: BTreeSet<String>,
    /// What was set for namespaces and task queues.
    pub(crate) settings: BTreeMap<Setting, Set>,
    /// The longest part of each run's history that somebody has seen.
    pub(crate) seen: BTreeMap<Address, Vec<HistoryEvent>>,
    /// How often a client was told that what it asked for is done, by what it asked for.
    pub(crate) done: BTreeMap<&'static str, usize>,
    /// What was found wrong so far.
    pub(crate) faults: Vec<String>,
}

/// A reset that was acknowledged.
#[derive(Debug)]
pub(crate) struct Reset {
    pub(crate) base: Address,
    pub(crate) new: Address,
    /// Events before this one are the same in both.
    pub(crate) event_id: i64,
}

/// Something that one client alone sets, to a higher number each time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setting {
    /// An entry in the data of the namespace of that name.
    NamespaceData { namespace: String, key: String },
    /// The rate of the queue of that name for workflow tasks, in the namespace of that id.
    QueueRate { namespace_id: String, queue: String },
}

/// What a setting must be at the end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Set {
    /// The newest number whose setting was acknowledged.
    pub(crate) acknowledged: u64,
    /// The newest number that anybody has asked for.
    pub(crate) asked: u64,
}

impl Ledger {
    /// A run was found open by a request that was sent then.
    pub(crate) fn touch(&mut self, run: &Address, sent_ns: i64) {
        let last_ns = self.runs.entry(run.clone()).or_insert(sent_ns);
        *last_ns = sent_ns.max(*last_ns);
    }

    /// What a client asked for is done.
    pub(crate) fn note_done(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// Whether a run may have left the store by now.
    pub(crate) fn may_be_gone(&self, run: &Address, now_ns: i64, retention_ns: i64) -> bool {
        let open_ns = self.runs.get(run).copied().unwrap_or(0);
        let expired = retention_ns > 0 && open_ns.saturating_add(retention_ns) <= now_ns;
        expired || self.asked_to_delete.contains(run) || self.deleted_namespaces.contains(&run.namespace_id)
    }

    /// Somebody has read this much of a run's history from its beginning.
    pub(crate) fn see(&mut self, run: &Address, events: &[HistoryEvent]) {
        let seen = self.seen.entry(run.clone()).or_default();
        let common = seen.len().min(events.len());
        if seen[..common] != events[..common] {
            self.faults.push(format!("{run:?}: an event that was shown has changed"));
        }
        if events.len() > seen.len() {
            *seen = events.to_vec();
        }
    }

    /// A setting is asked for: the number to set.
    pub(crate) fn next_number(&mut self, setting: &Setting) -> u64 {
        let set = self.settings.entry(setting.clone()).or_default();
        set.asked += 1;
        set.asked
    }

    /// A setting was acknowledged.
    pub(crate) fn note_set(&mut self, setting: &Setting, number: u64) {
        let set = self.settings.entry(setting.clone()).or_default();
        set.acknowledged = set.acknowledged.max(number);
    }
}
