//! The promises of a store.

use bytes::Bytes;
use evertide_engine::slot::SlotSet;
use evertide_engine::visibility::Filter;

use crate::batch::{Batch, QueueKey, RunIdentity, RunKey};
use crate::error::StoreError;
use crate::numbers::{BacklogCursor, OpenState};
use crate::visibility::{ListPage, ListQuery};

/// One writer's view of what is stored: keeps what was decided and answers look-ups.
///
/// * [`commit`](Self::commit) is the only way in. It blocks, and one thread at a time calls it.
/// * Reads come from any thread at any time and see every batch whose commit has returned, in the same order for all.
/// * A batch is visible whole or not at all, also after a crash.
/// * Every execution has a [slot](evertide_engine::slot), and every slot one writer at a time. What another writer has
///   committed for a slot is seen at the latest by whoever owns the slot after it.
/// * Every answer has one order, written at the method, so that two stores given the same batches answer alike.
///
/// Any method may fail with [`StoreError::Unavailable`] or [`StoreError::Corrupt`]; other errors are named where they occur.
pub trait Store: Send + Sync + 'static {
    /// Makes a batch durable. When it returns without error the batch survives the loss of the process and of power, and
    /// at that moment the writer owned every [slot](Batch::slots) of the batch. So a batch without writes confirms what was
    /// seen of its slots.
    ///
    /// # Errors
    /// After any error nothing of the batch is visible.
    /// * [`StoreError::Fenced`]: slots of the batch belong to another writer.
    /// * [`StoreError::Refused`]: a write without `create` names a run that does not exist, or one with `create` a run
    ///   that does, or a run's slot is not among those of the batch.
    /// * [`StoreError::Conflict`]: a registry record is not what a write expects.
    /// * [`StoreError::Unknown`]: the batch may be durable or not. Nothing else is taken until [`resolve`](Self::resolve)
    ///   has found out; a commit in between fails in the same way.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;

    /// Finds out what became of a batch whose commit ended in [`StoreError::Unknown`]: true if it is durable, and visible
    /// from now on; false if it never will be. False as well if there is no such batch.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] while that cannot be known, and those of [`commit`](Self::commit).
    fn resolve(&self) -> Result<bool, StoreError>;

    /// With what the writer begins: its slots, and where to go on numbering.
    fn open_state(&self) -> Result<OpenState, StoreError>;

    /// The run that a look-up by id alone finds. Ids of another kind of execution are other ids.
    fn current_run(&self, namespace_id: &str, kind: u8, id: &str) -> Result<Option<RunKey>, StoreError>;

    /// The run with exactly these names.
    fn find_run(&self, namespace_id: &str, kind: u8, id: &str, run_id: &str) -> Result<Option<RunKey>, StoreError>;

    /// What is needed to load a run: its newest snapshot and the records after it.
    fn run(&self, run_key: RunKey) -> Result<Option<StoredRun>, StoreError>;

    /// Records in ascending order, beginning with the one that contains `from_event_id`: the last whose `first_event_id`
    /// is not above it (or the first of all). Empty if there is no such run.
    fn history(
        &self,
        run_key: RunKey,
        from_event_id: i64,
        limit: HistoryLimit,
    ) -> Result<Vec<HistoryRecord>, StoreError>;

    /// Records in descending order, beginning with the newest whose `first_event_id` is below `before_event_id`.
    fn history_before(
        &self,
        run_key: RunKey,
        before_event_id: i64,
        limit: HistoryLimit,
    ) -> Result<Vec<HistoryRecord>, StoreError>;

    /// Runs of some slots to be looked at until `until_ms` inclusive, by due time and then by run, beginning behind `after`.
    fn wakes(
        &self,
        slots: &SlotSet,
        until_ms: i64,
        after: Option<(i64, RunKey)>,
        limit: usize,
    ) -> Result<Vec<(i64, RunKey)>, StoreError>;

    /// Tasks of one backlog that belong to some slots and that a cursor has not read, in ascending order of their ids.
    fn backlog(
        &self,
        queue: &QueueKey,
        slots: &SlotSet,
        after: &BacklogCursor,
        limit: usize,
    ) -> Result<Vec<(i64, Bytes)>, StoreError>;

    /// The backlogs that hold tasks of some slots, and how many each, in ascending order.
    fn backlog_queues(&self, slots: &SlotSet) -> Result<Vec<(QueueKey, u64)>, StoreError>;

    /// All records of one kind in ascending order of their keys.
    fn registry(&self, kind: &str) -> Result<Vec<RegistryRecord>, StoreError>;

    /// A number that ascends with every change of the registry, whoever made it: whoever knows the records as they were
    /// under an older number reads them again.
    fn registry_version(&self) -> Result<u64, StoreError>;

    /// One page of the runs that match: open runs before closed ones, then the latest closed first, then the latest
    /// started, then by run id.
    fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError>;

    /// How many runs match.
    ///
    /// # Errors
    /// [`StoreError::TooManyRows`] if that would take a look at more rows than the store allows for one answer.
    fn count(&self, namespace_id: &str, filter: &Filter) -> Result<u64, StoreError>;

    /// How many runs match in each status that occurs among them, in ascending order of the status.
    ///
    /// # Errors
    /// As for [`count`](Self::count).
    fn count_by_status(&self, namespace_id: &str, filter: &Filter) -> Result<Vec<(i32, u64)>, StoreError>;

    /// Whether there is no room left, so that [`expired`](Self::expired) should be asked without waiting for its time.
    fn is_over_budget(&self) -> bool {
        false
    }

    /// Runs of a namespace and some slots that closed before a time: those whose retention is over. In the reverse order of
    /// lists, so the oldest first. A store that is [over its budget](Self::is_over_budget) names younger ones as well.
    fn expired(
        &self,
        namespace_id: &str,
        slots: &SlotSet,
        closed_before_ns: i64,
        limit: usize,
    ) -> Result<Vec<ExpiredRun>, StoreError>;
}

/// A run whose retention is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredRun {
    /// The run.
    pub run_key: RunKey,
    /// Its names.
    pub identity: RunIdentity,
}

/// A record of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRecord {
    /// The name within its kind.
    pub key: String,
    /// The value, opaque.
    pub value: Bytes,
    /// What a write that takes its place must expect.
    pub version: u64,
}

/// A run as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// Its names.
    pub identity: RunIdentity,
    /// The newest snapshot, if any was ever given.
    pub snapshot: Option<Bytes>,
    /// The records after the snapshot, or all of them, oldest first.
    pub records: Vec<Bytes>,
}

/// A record and where it stands in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRecord {
    /// As it was given with the record.
    pub first_event_id: i64,
    /// The record, opaque.
    pub record: Bytes,
}

/// How much history to read in one call. The first record is always given; then both bounds hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimit {
    /// The number of records.
    pub records: usize,
    /// The size of all records together. The record that reaches it is the last.
    pub size_bytes: usize,
}

impl HistoryLimit {
    /// Everything there is.
    pub const ALL: Self = Self { records: usize::MAX, size_bytes: usize::MAX };

    /// Takes records until a bound is reached.
    pub fn take(self, records: impl Iterator<Item = HistoryRecord>) -> Vec<HistoryRecord> {
        let mut taken = Vec::new();
        let mut size_bytes = 0_usize;
        for record in records {
            size_bytes = size_bytes.saturating_add(record.record.len());
            taken.push(record);
            if taken.len() >= self.records || size_bytes >= self.size_bytes {
                break;
            }
        }
        taken
    }
}
