//! What clients were told: nothing of it may turn out to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use evertide_proto::history::HistoryEvent;

/// Everything acknowledged, and everything seen.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Runs that a client was told of: workflow id and run id.
    pub(crate) runs: BTreeSet<(String, String)>,
    /// Signals that were acknowledged: workflow id and the signal's name, unique in the simulation.
    pub(crate) signals: BTreeSet<(String, String)>,
    /// Runs whose termination was acknowledged, by the reason given, unique in the simulation.
    pub(crate) terminations: BTreeSet<(String, String)>,
    /// Updates of which a client heard that a worker has accepted them: workflow id and update id.
    pub(crate) accepted_updates: BTreeSet<(String, String)>,
    /// Updates of which a client heard that they succeeded.
    pub(crate) completed_updates: BTreeSet<(String, String)>,
    /// The longest part of each run's history that somebody has seen.
    pub(crate) seen: BTreeMap<(String, String), Vec<HistoryEvent>>,
    /// What was found wrong so far.
    pub(crate) faults: Vec<String>,
}

impl Ledger {
    /// Somebody has read this much of a run's history from its beginning.
    pub(crate) fn see(&mut self, workflow_id: &str, run_id: &str, events: &[HistoryEvent]) {
        let key = (workflow_id.to_owned(), run_id.to_owned());
        let seen = self.seen.entry(key).or_default();
        let common = seen.len().min(events.len());
        if seen[..common] != events[..common] {
            self.faults.push(format!("{workflow_id} {run_id}: an event that was shown has changed"));
        }
        if events.len() > seen.len() {
            *seen = events.to_vec();
        }
    }
}
