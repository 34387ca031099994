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

    /// Where the oldest layer begins: the tables have everything before.
    pub(crate) fn begin(&self) -> Numbering {
        self.full.front().map_or(self.newest.tabled, |layer| layer.tabled)
    }

    /// Everything that is pending.
    pub(crate) fn all(&self) -> View<'_> {
        let oldest_first = self.full.iter().map(|layer| &**layer);
        let newest_first = std::iter::once(&self.newest).chain(oldest_first.rev()).collect();
        View { newest_first, tabled: self.begin() }
    }

    /// What lies over tables that end where `tabled` says: a layer may be in the tables already and still be here. None
    /// if layers are missing in between, because they have gone to the tables since.
    pub(crate) fn over(&self, tabled: Numbering) -> Option<View<'_>> {
        if tabled.next_position < self.begin().next_position {
            return None;
        }
        let View { mut newest_first, .. } = self.all();
        newest_first.retain(|layer| layer.numbering.next_position > tabled.next_position);
        Some(View { newest_first, tabled })
    }

    /// What is pending of a run, as the newest layer that has something of it says, and whether that is the newest layer of
    /// all.
    pub(crate) fn run(&self, run_key: RunKey) -> Option<(bool, &PendingRun)> {
        let newest = self.newest.runs.get(&run_key).map(|run| (true, run));
        newest.or_else(|| self.full.iter().rev().find_map(|layer| Some((false, layer.runs.get(&run_key)?))))
    }

    /// Whether the tables may have something of a run that no layer has.
    pub(crate) fn may_be_tabled(&self, run_key: RunKey) -> bool {
        run_key < self.begin().next_run_key
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
}

/// The layers over the tables at one moment.
#[derive(Debug)]
pub(crate) struct View<'a> {
    newest_first: Vec<&'a Pending>,
    /// Where the tables end.
    tabled: Numbering,
}

impl<'a> View<'a> {
    /// The layers from the one that commits go to down to the one right over the tables.
    pub(crate) fn newest_first(&self) -> impl DoubleEndedIterator<Item = &'a Pending> + Clone + use<'a, '_> {
        self.newest_first.iter().copied()
    }

    /// Whether one of the so many newest layers has of a run what a condition asks for.
    pub(crate) fn above(&self, depth: usize, run_key: RunKey, is_so: impl Fn(&PendingRun) -> bool) -> bool {
        self.newest_first().take(depth).any(|layer| layer.runs.get(&run_key).is_some_and(&is_so))
    }

    /// Whether the tables may have something of a run that no layer has.
    pub(crate) fn may_be_tabled(&self, run_key: RunKey) -> bool {
        run_key < self.tabled.next_run_key
    }

    /// Shows a visitor the rows of a namespace that lists and counts must take from here, with the names of their runs, in no
    /// order. Gives the runs whose rows in the tables no longer count.
    pub(crate) fn visit_rows(
        &self,
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
