//! A store that fails when the simulation wants it to, over one in memory or on a file.

mod backing;

use std::sync::Arc;

use bytes::Bytes;
use evertide_store::{
    BacklogChange, BacklogCursor, Batch, ExpiredRun, Filter, HistoryLimit, HistoryRecord, ListPage, ListQuery,
    OpenState, QueueKey, RegistryRecord, RunKey, SlotSet, Store, StoreError, StoredRun, Wake, Write,
};
use parking_lot::Mutex;

use crate::options::{Backend, Sabotage};
use backing::Backing;

/// What becomes of the next commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum NextCommit {
    /// It is made durable.
    #[default]
    Works,
    /// It fails, and leaves nothing.
    Fails,
    /// What became of it is not known before the store is asked: it is durable or, in the second case, never will be.
    IsUnknown { durable: bool },
    /// It is made durable, but the process dies before it hears of that.
    IsTheLast,
    /// It is said to be durable and is not.
    IsALie,
}

/// A store over another one.
pub(crate) struct FaultyStore {
    backing: Mutex<Backing>,
    sabotage: Option<Sabotage>,
    orders: Mutex<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    next_commit: NextCommit,
    /// The batch of which nobody knows yet, if it will be durable.
    in_doubt: Option<Batch>,
    /// So many reads fail, from now on.
    failing_reads: u64,
    failed_reads: u64,
}

type Stored<T> = Result<T, StoreError>;

fn unavailable(action: &'static str) -> StoreError {
    StoreError::Unavailable { action, reason: "the simulation says so".to_owned() }
}

impl FaultyStore {
    /// An empty store.
    pub(crate) fn new(backend: Backend, seed: u64, sabotage: Option<Sabotage>) -> Stored<Self> {
        let backing = Backing::new(backend, seed)?;
        Ok(Self { backing: Mutex::new(backing), sabotage, orders: Mutex::default() })
    }

    pub(crate) fn set_next_commit(&self, next: NextCommit) {
        self.orders.lock().next_commit = next;
    }

    /// Whether the order for the next commit still stands.
    pub(crate) fn next_commit(&self) -> NextCommit {
        self.orders.lock().next_commit
    }

    pub(crate) fn fail_next_reads(&self, count: u64) {
        self.orders.lock().failing_reads = count;
    }

    /// How many reads have failed.
    pub(crate) fn failed_reads(&self) -> u64 {
        self.orders.lock().failed_reads
    }

    /// The process has died: what was ordered is void, and a file is opened anew.
    pub(crate) fn reopen(&self) -> Stored<()> {
        {
            let mut orders = self.orders.lock();
            *orders = Orders { failed_reads: orders.failed_reads, ..Orders::default() };
        }
        self.backing.lock().reopen()
    }

    /// What a store does in the background happens now.
    pub(crate) fn materialise(&self) -> Stored<()> {
        self.backing.lock().materialise()
    }

    fn inner(&self) -> Arc<dyn Store> {
        self.backing.lock().store()
    }

    /// The store for a read, unless that is to fail.
    fn reading(&self) -> Stored<Arc<dyn Store>> {
        let mut orders = self.orders.lock();
        if orders.failing_reads > 0 {
            orders.failing_reads -= 1;
            orders.failed_reads += 1;
            return Err(unavailable("read"));
        }
        drop(orders);
        Ok(self.inner())
    }

    /// The batch without what the sabotage takes out of it.
    fn sabotaged(&self, mut batch: Batch) -> Batch {
        match self.sabotage {
            Some(Sabotage::KeepsDeletedRuns) => {
                batch.writes.retain(|write| !matches!(write, Write::DeleteRun { .. }));
            }
            Some(Sabotage::LosesSettings) => batch.writes.retain(|write| !matches!(write, Write::Registry(_))),
            Some(Sabotage::LosesWakes) => runs_of(&mut batch).for_each(|run| run.wake = Wake::Keep),
            Some(Sabotage::LosesBacklog) => runs_of(&mut batch).for_each(|run| {
                run.backlog.retain(|change| !matches!(change, BacklogChange::Put { .. }));
            }),
            _ => {}
        }
        batch
    }
}

fn runs_of(batch: &mut Batch) -> impl Iterator<Item = &mut evertide_store::RunWrite> {
    batch.writes.iter_mut().filter_map(|write| match write {
        Write::Run(run) => Some(run),
        _ => None,
    })
}

impl Store for FaultyStore {
    fn commit(&self, batch: Batch) -> Stored<()> {
        let order = std::mem::take(&mut self.orders.lock().next_commit);
        let batch = self.sabotaged(batch);
        match order {
            NextCommit::Works => self.inner().commit(batch),
            NextCommit::Fails => Err(unavailable("commit")),
            NextCommit::IsUnknown { durable } => {
                self.orders.lock().in_doubt = durable.then_some(batch);
                Err(StoreError::Unknown { reason: "the simulation says so".to_owned() })
            }
            NextCommit::IsTheLast => self.inner().commit(batch).and(Err(unavailable("commit"))),
            NextCommit::IsALie => Ok(()),
        }
    }

    fn resolve(&self) -> Stored<bool> {
        let in_doubt = self.orders.lock().in_doubt.take();
        match in_doubt {
            Some(batch) => self.inner().commit(batch).map(|()| true),
            None => Ok(false),
        }
    }

    fn open_state(&self) -> Stored<OpenState> {
        self.inner().open_state()
    }

    fn current_run(&self, namespace_id: &str, kind: u8, id: &str) -> Stored<Option<RunKey>> {
        self.reading()?.current_run(namespace_id, kind, id)
    }

    fn find_run(&self, namespace_id: &str, kind: u8, id: &str, run_id: &str) -> Stored<Option<RunKey>> {
        self.reading()?.find_run(namespace_id, kind, id, run_id)
    }

    fn run(&self, run_key: RunKey) -> Stored<Option<StoredRun>> {
        self.reading()?.run(run_key)
    }

    fn history(&self, run_key: RunKey, from_event_id: i64, limit: HistoryLimit) -> Stored<Vec<HistoryRecord>> {
        self.reading()?.history(run_key, from_event_id, limit)
    }

    fn history_before(&self, run_key: RunKey, before: i64, limit: HistoryLimit) -> Stored<Vec<HistoryRecord>> {
        self.reading()?.history_before(run_key, before, limit)
    }

    fn wakes(
        &self,
        slots: &SlotSet,
        until_ms: i64,
        after: Option<(i64, RunKey)>,
        limit: usize,
    ) -> Stored<Vec<(i64, RunKey)>> {
        self.reading()?.wakes(slots, until_ms, after, limit)
    }

    fn backlog(
        &self,
        queue: &QueueKey,
        slots: &SlotSet,
        after: &BacklogCursor,
        limit: usize,
    ) -> Stored<Vec<(i64, Bytes)>> {
        self.reading()?.backlog(queue, slots, after, limit)
    }

    fn backlog_queues(&self, slots: &SlotSet) -> Stored<Vec<(QueueKey, u64)>> {
        self.reading()?.backlog_queues(slots)
    }

    fn registry(&self, kind: &str) -> Stored<Vec<RegistryRecord>> {
        self.reading()?.registry(kind)
    }

    fn registry_version(&self) -> Stored<u64> {
        self.reading()?.registry_version()
    }

    fn list(&self, query: &ListQuery) -> Stored<ListPage> {
        self.reading()?.list(query)
    }

    fn count(&self, namespace_id: &str, filter: &Filter) -> Stored<u64> {
        self.reading()?.count(namespace_id, filter)
    }

    fn count_by_status(&self, namespace_id: &str, filter: &Filter) -> Stored<Vec<(i32, u64)>> {
        self.reading()?.count_by_status(namespace_id, filter)
    }

    fn expired(
        &self,
        namespace_id: &str,
        slots: &SlotSet,
        closed_before_ns: i64,
        limit: usize,
    ) -> Stored<Vec<ExpiredRun>> {
        self.reading()?.expired(namespace_id, slots, closed_before_ns, limit)
    }
}
