//! One layer of what is committed but not in the tables yet, in the form in which reads want it.
//!
//! Laid over what is below it, it is the truth. It also is the digest that goes to the tables: what was put and taken away
//! again before it got there has left no trace here. To a layer, the tables are all that is below it: the layers before
//! it will be in them when its own turn comes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use evertide_store::{
    BacklogChange, Batch, CurrentRun, QueueKey, RegistryWrite, RunIdentity, RunKey, RunWrite, Slot, VisibilityRow,
    Wake, Write,
};

use crate::chunk::PlacedRecord;

/// Committed writes in a row that the tables lack.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Where numbering goes on, everything counted.
    pub(crate) numbering: Numbering,
    /// Where it went on when the tables were last written. What has a number from here on is in no table, so that the
    /// tables need not be asked for it.
    pub(crate) tabled: Numbering,
    /// About how much memory this takes.
    pub(crate) size_bytes: usize,
    pub(crate) runs: BTreeMap<RunKey, PendingRun>,
    /// By namespace id, kind and id.
    pub(crate) names: HashMap<String, BTreeMap<u8, HashMap<String, PendingName>>>,
    /// Where `runs` has a wake that is set.
    pub(crate) wakes: BTreeSet<(i64, RunKey)>,
    /// None stands for a task that is deleted and may be in the tables.
    pub(crate) backlog: BTreeMap<QueueKey, BTreeMap<i64, Option<PendingTask>>>,
    /// None stands for a record that is removed.
    pub(crate) registry: BTreeMap<String, BTreeMap<String, Option<PendingRecord>>>,
}

/// A task of a backlog.
#[derive(Clone, Debug)]
pub(crate) struct PendingTask {
    /// That of the run with whose write it came.
    pub(crate) slot: Slot,
    pub(crate) task: Bytes,
}

/// A record of the registry.
#[derive(Clone, Debug)]
pub(crate) struct PendingRecord {
    pub(crate) value: Bytes,
    pub(crate) version: u64,
}

/// Where numbers go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbering {
    /// Every write has a position, and a batch in the log that of its first.
    pub(crate) next_position: i64,
    pub(crate) next_run_key: RunKey,
    pub(crate) next_task_id: i64,
    /// How often a record of the registry was changed.
    pub(crate) registry_version: u64,
}

impl Default for Numbering {
    fn default() -> Self {
        Self { next_position: 1, next_run_key: 1, next_task_id: 1, registry_version: 0 }
    }
}

/// What is pending of one run.
#[derive(Debug)]
pub(crate) struct PendingRun {
    pub(crate) identity: Arc<RunIdentity>,
    pub(crate) tables: InTables,
    /// False if the run is deleted; then the rest is empty.
    pub(crate) exists: bool,
    pub(crate) records: Vec<PlacedRecord>,
    pub(crate) snapshot: Option<PendingSnapshot>,
    pub(crate) visibility: Option<VisibilityRow>,
    pub(crate) wake: Wake,
}

impl PendingRun {
    fn of(identity: Arc<RunIdentity>, tables: InTables) -> Self {
        Self { identity, tables, exists: true, records: Vec::new(), snapshot: None, visibility: None, wake: Wake::Keep }
    }
}

/// What the tables have of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InTables {
    /// Nothing.
    Nothing,
    /// Its earlier part, which still counts.
    Earlier,
    /// What is deleted since.
    Deleted,
}

#[derive(Clone, Debug)]
pub(crate) struct PendingSnapshot {
    pub(crate) position: i64,
    pub(crate) first_event_id: i64,
    pub(crate) snapshot: Bytes,
}

/// What is pending of the look-ups by name.
#[derive(Debug, Default)]
pub(crate) struct PendingName {
    pub(crate) current: PendingCurrent,
    /// Runs that are in no table, by run id.
    pub(crate) created: Vec<(String, RunKey)>,
    /// Runs that are not the current one any more, if the tables have one of them as that.
    pub(crate) not_current: Vec<RunKey>,
    /// Runs that the tables may have, and that are deleted.
    pub(crate) deleted: Vec<RunKey>,
}

/// What the look-up by id alone finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PendingCurrent {
    /// What the tables say, unless that run is among [`PendingName::not_current`].
    #[default]
    AsInTables,
    Run(RunKey),
    Nothing,
}

/// Runs that a batch is about to touch and only the tables have.
pub(crate) type RunsBelow = HashMap<RunKey, Arc<RunIdentity>>;

/// What a map entry costs beside the bytes in it, roughly.
const ENTRY_BYTES: usize = 128;

impl Pending {
    /// Nothing pending, after everything before it went to the tables.
    pub(crate) fn after_tabling(numbering: Numbering) -> Self {
        Self { numbering, tabled: numbering, ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.numbering == self.tabled
    }

    /// Adds a batch that was checked and is durable. `runs_below` names the runs in it that only the tables have.
    pub(crate) fn apply(&mut self, batch: Batch, mut runs_below: RunsBelow) {
        for write in batch.writes {
            let position = self.numbering.next_position;
            self.numbering.next_position += 1;
            match write {
                Write::Run(run) => self.apply_run(run, position, &mut runs_below),
                Write::DeleteRun { run_key } => self.delete_run(run_key, &mut runs_below),
                Write::Registry(write) => self.apply_registry(write),
            }
        }
    }

    fn apply_registry(&mut self, write: RegistryWrite) {
        self.numbering.registry_version += 1;
        let version = write.version();
        let RegistryWrite { kind, key, value, .. } = write;
        self.size_bytes += ENTRY_BYTES + value.as_ref().map_or(0, Bytes::len);
        let record = value.zip(version).map(|(value, version)| PendingRecord { value, version });
        self.registry.entry(kind).or_default().insert(key, record);
    }

    fn apply_run(&mut self, write: RunWrite, position: i64, runs_below: &mut RunsBelow) {
        if let Some(identity) = write.create {
            self.create_run(write.run_key, identity);
        } else {
            self.pin_tabled(write.run_key, runs_below);
        }
        let Some(run) = self.runs.get_mut(&write.run_key) else {
            // The batch was checked, so the run is here now.
            return;
        };
        let identity = Arc::clone(&run.identity);
        if !write.record.is_empty() {
            self.size_bytes += ENTRY_BYTES + write.record.len();
            run.records.push(PlacedRecord { position, first_event_id: write.first_event_id, record: write.record });
        }
        if let Some(snapshot) = write.snapshot {
            let old_bytes = run.snapshot.as_ref().map_or(0, |old| old.snapshot.len());
            self.size_bytes = (self.size_bytes + snapshot.len()).saturating_sub(old_bytes);
            run.snapshot = Some(PendingSnapshot { position, first_event_id: write.first_event_id, snapshot });
        }
        if write.wake != Wake::Keep {
            if let Wake::At(old_ms) = std::mem::replace(&mut run.wake, write.wake) {
                self.wakes.remove(&(old_ms, write.run_key));
            }
            if let Wake::At(due_ms) = write.wake {
                self.wakes.insert((due_ms, write.run_key));
            }
        }
        if let Some(row) = write.visibility {
            if run.visibility.is_none() {
                self.size_bytes += 4 * ENTRY_BYTES + row.memo.len() + row.payload.len();
            }
            run.visibility = Some(VisibilityRow { run_key: write.run_key, ..row });
        }
        if write.current != CurrentRun::Keep {
            self.apply_current(write.run_key, write.current);
        }
        if !write.backlog.is_empty() {
            let slot = identity.slot();
            write.backlog.into_iter().for_each(|change| self.apply_backlog(slot, change));
        }
    }

    fn create_run(&mut self, run_key: RunKey, identity: RunIdentity) {
        self.size_bytes += 2 * ENTRY_BYTES;
        let deleted = self.runs.contains_key(&run_key);
        let tables = if deleted { InTables::Deleted } else { InTables::Nothing };
        let identity = Arc::new(identity);
        self.runs.insert(run_key, PendingRun::of(Arc::clone(&identity), tables));
        self.name(&identity).created.push((identity.run_id.clone(), run_key));
        let next_run_key = &mut self.numbering.next_run_key;
        *next_run_key = (*next_run_key).max(run_key.saturating_add(1));
    }

    /// Gives a run that only the tables have its place here.
    fn pin_tabled(&mut self, run_key: RunKey, runs_below: &mut RunsBelow) {
        let Some(identity) = runs_below.remove(&run_key) else {
            return;
        };
        self.size_bytes += 2 * ENTRY_BYTES;
        self.runs.entry(run_key).or_insert_with(|| PendingRun::of(identity, InTables::Earlier));
    }

    fn name(&mut self, identity: &RunIdentity) -> &mut PendingName {
        let kinds = self.names.entry(identity.namespace_id.clone()).or_default();
        kinds.entry(identity.kind).or_default().entry(identity.id.clone()).or_default()
    }

    fn apply_current(&mut self, run_key: RunKey, change: CurrentRun) {
        let Some(run) = self.runs.get(&run_key) else {
            return;
        };
        let (identity, in_tables) = (Arc::clone(&run.identity), run.tables != InTables::Nothing);
        let name = self.name(&identity);
        if change == CurrentRun::Set {
            name.current = PendingCurrent::Run(run_key);
            return;
        }
        if name.current == PendingCurrent::Run(run_key) {
            name.current = PendingCurrent::Nothing;
        }
        if in_tables && !name.not_current.contains(&run_key) {
            name.not_current.push(run_key);
        }
    }

    fn apply_backlog(&mut self, slot: Slot, change: BacklogChange) {
        let next_tabled_task_id = self.tabled.next_task_id;
        match change {
            BacklogChange::Put { queue, task_id, task } => {
                self.size_bytes += ENTRY_BYTES + task.len();
                self.backlog.entry(queue).or_default().insert(task_id, Some(PendingTask { slot, task }));
                let next_task_id = &mut self.numbering.next_task_id;
                *next_task_id = (*next_task_id).max(task_id.saturating_add(1));
            }
            BacklogChange::Delete { queue, task_id } if task_id < next_tabled_task_id => {
                self.size_bytes += ENTRY_BYTES;
                self.backlog.entry(queue).or_default().insert(task_id, None);
            }
            BacklogChange::Delete { queue, task_id } => {
                if let Some(tasks) = self.backlog.get_mut(&queue) {
                    tasks.remove(&task_id);
                }
            }
        }
    }

    fn delete_run(&mut self, run_key: RunKey, runs_below: &mut RunsBelow) {
        self.pin_tabled(run_key, runs_below);
        if !self.runs.get(&run_key).is_some_and(|run| run.exists) {
            return;
        }
        self.apply_current(run_key, CurrentRun::Clear);
        let Some(run) = self.runs.get_mut(&run_key) else {
            return;
        };
        if let Wake::At(due_ms) = run.wake {
            self.wakes.remove(&(due_ms, run_key));
        }
        let identity = Arc::clone(&run.identity);
        let in_tables = run.tables != InTables::Nothing;
        if in_tables {
            *run = PendingRun { exists: false, ..PendingRun::of(Arc::clone(&identity), InTables::Deleted) };
        } else {
            self.runs.remove(&run_key);
        }
        let name = self.name(&identity);
        name.created.retain(|(_, created)| *created != run_key);
        if in_tables && !name.deleted.contains(&run_key) {
            name.deleted.push(run_key);
        }
    }
}
