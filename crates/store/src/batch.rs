//! What is made durable: a [`Batch`] of [`Write`]s, applied in order, all or nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use evertide_engine::slot::{Slot, SlotSet};

use crate::error::StoreError;
use crate::visibility::VisibilityRow;

/// Names one run of an execution in the store.
///
/// Given out by the writer in ascending order from [`OpenState::next_run_key`](crate::OpenState), because ascending
/// integer keys are what tables append fastest. Never given out twice; see [`numbers`](crate::numbers).
pub type RunKey = i64;

/// Everything that one call of [`Store::commit`](crate::Store::commit) makes durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Applied from first to last; a later write sees the earlier ones.
    pub writes: Vec<Write>,
    /// What the batch relies on: the slots of the runs that it writes, and of those that were only looked at for answers
    /// that wait for it. They must belong to the writer still, or else what it knows of them may be out of date.
    pub slots: SlotSet,
}

/// What is stored before a batch, for its check.
pub trait Stored {
    /// The slots that the writer owns.
    fn owned(&self) -> SlotSet;

    /// The slot of a run; none if there is no such run.
    ///
    /// # Errors
    /// The store cannot say.
    fn slot(&mut self, run_key: RunKey) -> Result<Option<Slot>, StoreError>;

    /// The version of a registry record, 0 if there is none.
    ///
    /// # Errors
    /// The store cannot say.
    fn registry_version(&mut self, kind: &str, key: &str) -> Result<u64, StoreError>;
}

impl Batch {
    /// A batch of a writer that owns every slot.
    #[must_use]
    pub fn of_sole_writer(writes: Vec<Write>) -> Self {
        Self { writes, slots: SlotSet::all() }
    }

    /// Refuses a batch that breaks the contract; every store asks this before it applies anything. The store is asked
    /// at most once for each run and record that the batch writes.
    ///
    /// # Errors
    /// As [`Store::commit`](crate::Store::commit) says, and what `stored` fails with.
    pub fn check(&self, stored: &mut impl Stored) -> Result<(), StoreError> {
        let lost = self.slots.without(&stored.owned());
        if !lost.is_empty() {
            return Err(StoreError::Fenced { slots: lost });
        }
        let mut check = Check { slots: &self.slots, runs: BTreeMap::new(), records: BTreeMap::new() };
        for write in &self.writes {
            match write {
                Write::Run(run) => check.run(run, stored)?,
                Write::DeleteRun { run_key } => {
                    check.slot(*run_key, stored)?;
                    check.runs.insert(*run_key, None);
                }
                Write::Registry(write) => check.registry(write, stored)?,
            }
        }
        Ok(())
    }
}

/// What the writes so far have made.
struct Check<'b> {
    slots: &'b SlotSet,
    /// The slots of runs; none for one that does not exist.
    runs: BTreeMap<RunKey, Option<Slot>>,
    /// The versions of registry records.
    records: BTreeMap<(&'b str, &'b str), u64>,
}

impl<'b> Check<'b> {
    /// The slot of a run, if it exists.
    fn slot(&self, run_key: RunKey, stored: &mut impl Stored) -> Result<Option<Slot>, StoreError> {
        let slot = match self.runs.get(&run_key) {
            Some(slot) => *slot,
            None => stored.slot(run_key)?,
        };
        match slot {
            Some(slot) => self.relied_on(run_key, slot).map(Some),
            None => Ok(None),
        }
    }

    fn relied_on(&self, run_key: RunKey, slot: Slot) -> Result<Slot, StoreError> {
        let reason = "its slot is not among those that the batch relies on";
        if self.slots.contains(slot) { Ok(slot) } else { Err(StoreError::Refused { run_key, reason }) }
    }

    fn run(&mut self, write: &RunWrite, stored: &mut impl Stored) -> Result<(), StoreError> {
        let found = self.slot(write.run_key, stored)?;
        let refused = |reason| Err(StoreError::Refused { run_key: write.run_key, reason });
        let slot = match (&write.create, found) {
            (Some(_), Some(_)) => return refused("it is created, but it exists already"),
            (None, None) => return refused("it is changed, but it does not exist"),
            (Some(identity), None) => self.relied_on(write.run_key, identity.slot())?,
            (None, Some(slot)) => slot,
        };
        self.runs.insert(write.run_key, Some(slot));
        Ok(())
    }

    fn registry(&mut self, write: &'b RegistryWrite, stored: &mut impl Stored) -> Result<(), StoreError> {
        let RegistryWrite { kind, key, expected, .. } = write;
        let found = match self.records.get(&(kind.as_str(), key.as_str())) {
            Some(version) => *version,
            None => stored.registry_version(kind, key)?,
        };
        if found != *expected {
            let (kind, key) = (kind.clone(), key.clone());
            return Err(StoreError::Conflict { kind, key, expected: *expected, found });
        }
        self.records.insert((kind, key), write.version().unwrap_or(0));
        Ok(())
    }
}

/// One change to what is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// One step of one run.
    Run(RunWrite),
    /// Removes a run with its records, snapshot, visibility row and wake. If it is the current run of its id, that
    /// look-up finds nothing afterwards. Backlog tasks are named by their queue, not by their run, and stay.
    /// Without effect if there is no such run.
    DeleteRun {
        /// The run to remove.
        run_key: RunKey,
    },
    /// Sets or removes one small named record (a namespace, the settings of a task queue).
    Registry(RegistryWrite),
}

/// A change of a record that all writers share, made only if nobody else has changed the record meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryWrite {
    /// The sort of record; [`Store::registry`](crate::Store::registry) reads all of one kind.
    pub kind: String,
    /// The name within its kind.
    pub key: String,
    /// The new value, or none to remove the record.
    pub value: Option<Bytes>,
    /// The version of the record that this one takes the place of; 0 if there must be none. The new one has the version
    /// after it. A record that is made again begins at 1 again, so that a key whose record may come back is not used to
    /// detect a change in between.
    pub expected: u64,
}

impl RegistryWrite {
    /// The version of the record after the write; none if it is removed.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.value.as_ref().map(|_| self.expected.saturating_add(1))
    }
}

/// One step of one run: what changed, and what follows from it for the look-ups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunWrite {
    /// The run. It exists already, unless [`create`](Self::create) is given.
    pub run_key: RunKey,
    /// Present in the first write of a run, and only there.
    pub create: Option<RunIdentity>,
    /// What becomes of the look-up by id alone.
    pub current: CurrentRun,
    /// The id that the next event had before this record. It never decreases from one record of a run to the next, and
    /// stays equal over records without events.
    pub first_event_id: i64,
    /// The changes, opaque. Empty means that there is nothing to keep and no record is added.
    pub record: Bytes,
    /// The full state after this record, opaque. Takes the place of any older snapshot.
    pub snapshot: Option<Bytes>,
    /// The full row that lists and counts see from now on.
    pub visibility: Option<VisibilityRow>,
    /// What becomes of the earliest time at which the run must be looked at.
    pub wake: Wake,
    /// Tasks that join or leave backlogs with this step.
    pub backlog: Vec<BacklogChange>,
}

/// The names of a run. Ids are unique within a namespace and a kind: a workflow and a schedule may carry the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunIdentity {
    /// The namespace's id, not its name.
    pub namespace_id: String,
    /// The kind of execution; the engine gives the numbers their meaning. Workflows are 0.
    pub kind: u8,
    /// The id within namespace and kind: of a workflow, the workflow id.
    pub id: String,
    /// The run id.
    pub run_id: String,
}

impl RunIdentity {
    /// The slot that the run belongs to, with all that is stored of it.
    #[must_use]
    pub fn slot(&self) -> Slot {
        Slot::of(&self.namespace_id, self.kind, &self.id)
    }
}

/// What a write does to the earliest time at which a run must be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wake {
    /// It stays as it is.
    #[default]
    Keep,
    /// The run waits for no time.
    Never,
    /// The run is due at this unix time in milliseconds.
    At(i64),
}

/// What a write does to the look-up by id alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CurrentRun {
    /// It finds what it found before.
    #[default]
    Keep,
    /// It finds this run.
    Set,
    /// If it found this run, it now finds nothing.
    Clear,
}

/// A change to one task queue's backlog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BacklogChange {
    /// Adds a task, or replaces the one with the same id.
    Put {
        /// The queue.
        queue: QueueKey,
        /// Given out by the writer in ascending order from [`OpenState::next_task_id`](crate::OpenState). The task
        /// belongs to the slot of the run with whose write it comes.
        task_id: i64,
        /// The task, opaque.
        task: Bytes,
    },
    /// Removes a task, of whatever slot. Without effect if there is none.
    Delete {
        /// The queue.
        queue: QueueKey,
        /// The task's id.
        task_id: i64,
    },
}

/// Names one backlog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueKey {
    /// The namespace's id, not its name.
    pub namespace_id: String,
    /// The task queue's name.
    pub name: String,
    /// The sort of tasks; the server gives the numbers their meaning.
    pub kind: u8,
}
