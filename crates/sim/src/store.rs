//! A store in memory that fails when the simulation wants it to.

use std::sync::Arc;

use bytes::Bytes;
use evertide_store::{
    BacklogCursor, Batch, ExpiredRun, Filter, HistoryLimit, HistoryRecord, ListPage, ListQuery, OpenState, QueueKey,
    RegistryRecord, RunKey, SlotSet, Store, StoreError, StoredRun,
};
use parking_lot::Mutex;

/// What becomes of the next commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum NextCommit {
    /// It is made durable.
    #[default]
    Works,
    /// It fails, and leaves nothing.
    Fails,
    /// It is made durable, but nobody hears of that: the process must not go on.
    IsUnknown,
    /// It is said to be durable and is not: to see that the checkers notice.
    IsALie,
}

/// A store over another one.
pub(crate) struct FaultyStore {
    inner: Arc<dyn Store>,
    next: Mutex<NextCommit>,
}

impl FaultyStore {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Self {
        Self { inner, next: Mutex::default() }
    }

    pub(crate) fn set_next_commit(&self, next: NextCommit) {
        *self.next.lock() = next;
    }

    /// Whether the order for the next commit still stands.
    pub(crate) fn next_commit(&self) -> NextCommit {
        *self.next.lock()
    }
}

type Stored<T> = Result<T, StoreError>;

impl Store for FaultyStore {
    fn commit(&self, batch: Batch) -> Stored<()> {
        let order = std::mem::take(&mut *self.next.lock());
        if matches!(order, NextCommit::Works | NextCommit::IsUnknown) {
            self.inner.commit(batch)?;
        }
        match order {
            NextCommit::Works | NextCommit::IsALie => Ok(()),
            NextCommit::Fails | NextCommit::IsUnknown => {
                Err(StoreError::Unavailable { action: "commit", reason: "the simulation says so".to_owned() })
            }
        }
    }

    fn resolve(&self) -> Stored<bool> {
        self.inner.resolve()
    }

    fn open_state(&self) -> Stored<OpenState> {
        self.inner.open_state()
    }

    fn current_run(&self, namespace_id: &str, kind: u8, id: &str) -> Stored<Option<RunKey>> {
        self.inner.current_run(namespace_id, kind, id)
    }

    fn find_run(&self, namespace_id: &str, kind: u8, id: &str, run_id: &str) -> Stored<Option<RunKey>> {
        self.inner.find_run(namespace_id, kind, id, run_id)
    }

    fn run(&self, run_key: RunKey) -> Stored<Option<StoredRun>> {
        self.inner.run(run_key)
    }

    fn history(&self, run_key: RunKey, from_event_id: i64, limit: HistoryLimit) -> Stored<Vec<HistoryRecord>> {
        self.inner.history(run_key, from_event_id, limit)
    }

    fn history_before(&self, run_key: RunKey, before: i64, limit: HistoryLimit) -> Stored<Vec<HistoryRecord>> {
        self.inner.history_before(run_key, before, limit)
    }

    fn wakes(
        &self,
        slots: &SlotSet,
        until_ms: i64,
        after: Option<(i64, RunKey)>,
        limit: usize,
    ) -> Stored<Vec<(i64, RunKey)>> {
        self.inner.wakes(slots, until_ms, after, limit)
    }

    fn backlog(
        &self,
        queue: &QueueKey,
        slots: &SlotSet,
        after: &BacklogCursor,
        limit: usize,
    ) -> Stored<Vec<(i64, Bytes)>> {
        self.inner.backlog(queue, slots, after, limit)
    }

    fn backlog_queues(&self, slots: &SlotSet) -> Stored<Vec<(QueueKey, u64)>> {
        self.inner.backlog_queues(slots)
    }

    fn registry(&self, kind: &str) -> Stored<Vec<RegistryRecord>> {
        self.inner.registry(kind)
    }

    fn registry_version(&self) -> Stored<u64> {
        self.inner.registry_version()
    }

    fn list(&self, query: &ListQuery) -> Stored<ListPage> {
        self.inner.list(query)
    }

    fn count(&self, namespace_id: &str, filter: &Filter) -> Stored<u64> {
        self.inner.count(namespace_id, filter)
    }

    fn count_by_status(&self, namespace_id: &str, filter: &Filter) -> Stored<Vec<(i32, u64)>> {
        self.inner.count_by_status(namespace_id, filter)
    }

    fn expired(
        &self,
        namespace_id: &str,
        slots: &SlotSet,
        closed_before_ns: i64,
        limit: usize,
    ) -> Stored<Vec<ExpiredRun>> {
        self.inner.expired(namespace_id, slots, closed_before_ns, limit)
    }
}
