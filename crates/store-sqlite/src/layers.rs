//! What is pending, in layers.
//!
//! Commits go to the newest layer. Once it has grown to its size it is full: it changes no more, and waits to be written to
//! the tables in a transaction of its own, so that a commit never waits for more than one layer. Layers follow one
//! another as the log does. So the tables always are what they were after some batch, and what a layer says of the
//! tables is true of everything below it: the older layers, and then the tables.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use evertide_store::{Batch, RunIdentity, RunKey, VisibilityRow};

use crate::pending::{InTables, Numbering, Pending, PendingRun, RunsBelow};

/// Everything committed that the tables lack.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    /// The oldest first.
    full: VecDeque<Arc<Pending>>,
    newest: Pending,
}

impl Layers {
    /// Nothing pending, after everything before it went to the tables.
    pub(crate) fn after_tabling(numbering: Numbering) -> Self {
        Self { full: VecDeque::new(), newest: Pending::after_tabling(numbering) }
    }

    /// Where numbering goes on, everything counted.
    pub(crate) fn numbering(&self) -> Numbering {
        self.newest.numbering
    }

    /// The layers from the one that commits go to down to the one right over the tables.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Pending> + Clone {
        std::iter::once(&self.newest).chain(self.full.iter().rev().map(|layer| &**layer))
    }

    /// What is pending of a run, as the newest layer that has something of it says, and how many layers are above that.
    pub(crate) fn run(&self, run_key: RunKey) -> Option<(usize, &PendingRun)> {
        let mut layers = self.newest_first().enumerate();
        layers.find_map(|(depth, layer)| Some((depth, layer.runs.get(&run_key)?)))
    }

    /// Whether one of the so many newest layers has of a run what a condition asks for.
    pub(crate) fn above(&self, depth: usize, run_key: RunKey, is_so: impl Fn(&PendingRun) -> bool) -> bool {
        self.newest_first().take(depth).any(|layer| layer.runs.get(&run_key).is_some_and(&is_so))
    }

    /// Whether the tables may have something of a run that no layer has.
    pub(crate) fn may_be_tabled(&self, run_key: RunKey) -> bool {
        let oldest = self.full.front().map_or(&self.newest, |layer| layer);
        oldest.may_be_below(run_key)
    }

    /// Adds a batch that was checked and is durable. `runs_below` names the runs in it that the newest layer lacks.
    pub(crate) fn apply(&mut self, batch: Batch, runs_below: RunsBelow) {
        self.newest.apply(batch, runs_below);
    }

    /// Has commits go to a new layer if the newest has grown to so many bytes; says whether it has.
    pub(crate) fn fill(&mut self, layer_bytes: usize) -> bool {
        if self.newest.is_empty() || self.newest.size_bytes < layer_bytes {
            return false;
        }
        let new = Pending::after_tabling(self.newest.numbering);
        self.full.push_back(Arc::new(std::mem::replace(&mut self.newest, new)));
        true
    }

    /// How many layers are full.
    pub(crate) fn full_count(&self) -> usize {
        self.full.len()
    }

    /// The layer to be written to the tables next.
    pub(crate) fn oldest_full(&self) -> Option<Arc<Pending>> {
        self.full.front().cloned()
    }

    /// Drops the oldest layer, because the tables have it now.
    pub(crate) fn tabled(&mut self) {
        self.full.pop_front();
    }

    /// Shows a visitor the rows of a namespace that lists and counts must take from here, with the names of their runs, in no
    /// order. Gives the runs
    /// whose rows in the tables no longer count.
    pub(crate) fn visit_rows<'a>(
        &'a self,
        namespace_id: &str,
        mut visit: impl FnMut(&'a VisibilityRow, &'a RunIdentity),
    ) -> HashSet<RunKey> {
        let (mut hidden, mut decided) = (HashSet::new(), HashSet::new());
        for layer in self.newest_first() {
            for (run_key, run) in &layer.runs {
                let is_new = run.tables != InTables::Earlier;
                if run.visibility.is_none() && !is_new {
                    continue;
                }
                if run.tables != InTables::Nothing {
                    hidden.insert(*run_key);
                }
                let row = run.visibility.as_ref().filter(|row| row.namespace_id == namespace_id);
                // A newer layer has the last word on a run that it gave a row, or deleted.
                if decided.insert(*run_key)
                    && let Some(row) = row
                {
                    visit(row, &run.identity);
                }
            }
        }
        hidden
    }
}
