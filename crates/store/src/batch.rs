//! What is made durable: a [`Batch`] of [`Write`]s, applied in order, all or nothing.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::error::StoreError;
use crate::visibility::VisibilityRow;

/// Names one run of an execution in the store.
///
/// Given out by the server in ascending order from [`OpenState::next_run_key`](crate::OpenState), because ascending
/// integer keys are what tables append fastest. Never given out twice.
pub type RunKey = i64;

/// Everything that one call of [`Store::commit`](crate::Store::commit) makes durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Applied from first to last; a later write sees the earlier ones.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Refuses a batch that breaks the contract; every store asks this before it applies anything. `exists` says whether
    /// a run is stored before the batch, and is asked at most once for each run that the batch writes.
    ///
    /// # Errors
    /// [`StoreError::Refused`], as [`Store::commit`](crate::Store::commit) says, and what `exists` fails with.
    pub fn check(&self, mut exists: impl FnMut(RunKey) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        let mut changed = BTreeMap::new();
        for write in &self.writes {
            match write {
                Write::Run(run) => {
                    let run_exists = match changed.get(&run.run_key) {
                        Some(known) => *known,
                        None => exists(run.run_key)?,
                    };
                    run.check(run_exists)?;
                    changed.insert(run.run_key, true);
                }
                Write::DeleteRun { run_key } => {
                    changed.insert(*run_key, false);
                }
                Write::Registry { .. } => {}
            }
        }
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
    /// Sets or removes one small named record (a namespace, a search attribute).
    Registry {
        /// The sort of record; [`Store::registry`](crate::Store::registry) reads all of one kind.
        kind: String,
        /// The name within its kind.
        key: String,
        /// The new value, or none to remove the record.
        value: Option<Bytes>,
    },
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

impl RunWrite {
    fn check(&self, exists: bool) -> Result<(), StoreError> {
        let reason = match (&self.create, exists) {
            (Some(_), true) => "it is created, but it exists already",
            (None, false) => "it is changed, but it does not exist",
            _ => return Ok(()),
        };
        Err(StoreError::Refused { run_key: self.run_key, reason })
    }
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
        /// Given out by the server in ascending order from [`OpenState::next_task_id`](crate::OpenState).
        task_id: i64,
        /// The task, opaque.
        task: Bytes,
    },
    /// Removes a task. Without effect if there is none.
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
