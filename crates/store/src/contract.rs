//! The promises of a store.

use bytes::Bytes;
use evertide_engine::visibility::Filter;

use crate::batch::{Batch, QueueKey, RunIdentity, RunKey};
use crate::error::StoreError;
use crate::visibility::{ListPage, ListQuery};

/// Keeps what was decided and answers look-ups.
///
/// * [`commit`](Self::commit) is the only way in. It blocks, and one thread at a time calls it.
/// * Reads come from any thread at any time and see every batch whose commit has returned, in the same order for all.
/// * A batch is visible whole or not at all, also after a crash.
/// * Every answer has one order, written at the method, so that two stores given the same batches answer alike.
///
/// Any method may fail with [`StoreError::Unavailable`] or [`StoreError::Corrupt`]; other errors are named where they occur.
pub trait Store: Send + Sync + 'static {
    /// Makes a batch durable. When it returns without error the batch survives the loss of the process and of power.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when a write without `create` names a run that does not exist, or one with `create` a run
    /// that does. After any error nothing of the batch is visible. A batch refused as unavailable may still turn up after
    /// a crash, if the disk failed only in confirming it: the caller must treat it as unknown, not as undone.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;

    /// Where to go on numbering.
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

    /// Runs to be looked at until `until_ms` inclusive, by due time and then by run, beginning behind `after`.
    fn wakes(
        &self,
        until_ms: i64,
        after: Option<(i64, RunKey)>,
        limit: usize,
    ) -> Result<Vec<(i64, RunKey)>, StoreError>;

    /// The earliest due time of all, in unix milliseconds.
    fn next_wake(&self) -> Result<Option<i64>, StoreError>;

    /// Tasks of one backlog in ascending order of their ids, beginning behind `after_task_id`.
    fn backlog(
        &self,
        queue: &QueueKey,
        after_task_id: Option<i64>,
        limit: usize,
    ) -> Result<Vec<(i64, Bytes)>, StoreError>;

    /// The backlogs that hold tasks, and how many each, in ascending order.
    fn backlog_queues(&self) -> Result<Vec<(QueueKey, u64)>, StoreError>;

    /// All records of one kind in ascending order of their keys.
    fn registry(&self, kind: &str) -> Result<Vec<(String, Bytes)>, StoreError>;

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

    /// Runs of a namespace that closed before a time: those whose retention is over. In the reverse order of lists, so the
    /// oldest first.
    fn expired(&self, namespace_id: &str, closed_before_ns: i64, limit: usize) -> Result<Vec<RunKey>, StoreError>;
}

/// Where to go on numbering: above everything that was ever stored, deleted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenState {
    /// The least run key that is free with all above it.
    pub next_run_key: RunKey,
    /// The least task id that is free with all above it.
    pub next_task_id: i64,
}

impl Default for OpenState {
    fn default() -> Self {
        Self { next_run_key: 1, next_task_id: 1 }
    }
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
