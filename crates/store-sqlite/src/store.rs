//! The store: what is pending laid over the tables.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evertide_store::{
    BacklogCursor, Batch, ExpiredRun, Filter, HistoryLimit, HistoryRecord, ListPage, ListQuery, OpenState, QueueKey,
    RegistryRecord, RunKey, SlotSet, Store, StoreError, StoredRun,
};

use crate::list::{self, Bounds};
use crate::pending::Numbering;
use crate::upkeep::UpkeepThread;

mod core;
mod read;

pub(crate) use core::Core;

/// How a store on a file behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// How long nothing must be committed before what is pending goes to the tables. With it a thread does so, and also
    /// when a layer is full. None leaves that to commits.
    pub idle: Option<Duration>,
    /// About how much memory is pending when it goes to the tables, in a transaction that commits may have to wait for.
    pub layer_bytes: usize,
    /// How many such layers may wait to be written. The commit that fills one more writes the oldest itself.
    pub full_layers: usize,
    /// How long SQLite's own log may grow before it is taken into the file.
    pub wal_bytes: u64,
    /// How large the file may become. Commits beyond it are refused as unavailable.
    pub size_limit_bytes: Option<u64>,
    /// If an index finds at most so many rows for a filter, a list reads and sorts them, and otherwise it goes through
    /// the rows in its own order until a page is full.
    pub few_rows: usize,
    /// How many rows a list that goes in its own order looks at before it answers with what it has found so far and where
    /// to go on, so that no question takes longer the more rows there are.
    pub scan_rows: usize,
    /// How many rows a count looks at, some seconds' worth, before it is refused: it cannot tell how far it has come. It
    /// sees one moment and holds up nobody; but until it ends, SQLite's own log grows.
    pub count_rows: usize,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            idle: Some(Duration::from_millis(200)),
            layer_bytes: 4 * 1024 * 1024,
            full_layers: 2,
            wal_bytes: 64 * 1024 * 1024,
            size_limit_bytes: None,
            few_rows: 1000,
            scan_rows: 50_000,
            count_rows: 5_000_000,
        }
    }
}

/// A store on one file. Dropping it closes the file.
#[derive(Debug)]
pub struct SqliteStore {
    core: Arc<Core>,
    bounds: Bounds,
    _upkeep_thread: Option<UpkeepThread>,
}

impl SqliteStore {
    /// Opens the file, or makes it if there is none. An older schema is brought up to date, and what was committed last
    /// before the process ended is read from the log.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process has the file open, [`StoreError::NotOurs`] and
    /// [`StoreError::NewerSchema`] when it is not for this program.
    pub fn open(path: impl AsRef<Path>, options: &SqliteOptions) -> Result<Self, StoreError> {
        let requests = options.idle.map(|_| Arc::default());
        let core = Arc::new(Core::open(path.as_ref(), options, requests.clone())?);
        let upkeep_thread = match requests.zip(options.idle) {
            Some((requests, idle)) => Some(UpkeepThread::start(Arc::downgrade(&core), requests, idle)?),
            None => None,
        };
        let SqliteOptions { few_rows, scan_rows, count_rows, .. } = *options;
        let bounds = Bounds { few_rows, scan_rows, count_rows };
        Ok(Self { core, bounds, _upkeep_thread: upkeep_thread })
    }

    /// Changes how large the file may become. It is not made smaller than it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the file cannot be reached.
    pub fn set_size_limit_bytes(&self, size_limit_bytes: Option<u64>) -> Result<(), StoreError> {
        self.core.set_size_limit(size_limit_bytes)
    }

    /// Writes what is pending to the tables now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if they cannot be written. What is pending stays so, and is as durable as before.
    pub fn materialise(&self) -> Result<(), StoreError> {
        self.core.materialise()
    }
}

impl Store for SqliteStore {
    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.core.commit(batch)
    }

    fn resolve(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn open_state(&self) -> Result<OpenState, StoreError> {
        let Numbering { next_run_key, next_task_id, .. } = self.core.numbering();
        Ok(OpenState { slots: SlotSet::all(), next_run_key, next_task_id })
    }

    fn current_run(&self, namespace_id: &str, kind: u8, id: &str) -> Result<Option<RunKey>, StoreError> {
        self.core.read(|layers, tables| read::current_run(layers, tables, namespace_id, kind, id))
    }

    fn find_run(&self, namespace_id: &str, kind: u8, id: &str, run_id: &str) -> Result<Option<RunKey>, StoreError> {
        self.core.read(|layers, tables| read::find_run(layers, tables, namespace_id, kind, id, run_id))
    }

    fn run(&self, run_key: RunKey) -> Result<Option<StoredRun>, StoreError> {
        self.core.read(|layers, tables| read::run(layers, tables, run_key))
    }

    fn history(
        &self,
        run_key: RunKey,
        from_event_id: i64,
        limit: HistoryLimit,
    ) -> Result<Vec<HistoryRecord>, StoreError> {
        self.core.read(|layers, tables| read::history(layers, tables, run_key, from_event_id, limit))
    }

    fn history_before(
        &self,
        run_key: RunKey,
        before_event_id: i64,
        limit: HistoryLimit,
    ) -> Result<Vec<HistoryRecord>, StoreError> {
        self.core.read(|layers, tables| read::history_before(layers, tables, run_key, before_event_id, limit))
    }

    fn wakes(
        &self,
        slots: &SlotSet,
        until_ms: i64,
        after: Option<(i64, RunKey)>,
        limit: usize,
    ) -> Result<Vec<(i64, RunKey)>, StoreError> {
        self.core.read(|layers, tables| read::wakes(layers, tables, slots, until_ms, after, limit))
    }

    fn backlog(
        &self,
        queue: &QueueKey,
        slots: &SlotSet,
        after: &BacklogCursor,
        limit: usize,
    ) -> Result<Vec<(i64, Bytes)>, StoreError> {
        self.core.read(|layers, tables| read::backlog(layers, tables, queue, slots, after, limit))
    }

    fn backlog_queues(&self, slots: &SlotSet) -> Result<Vec<(QueueKey, u64)>, StoreError> {
        // The tables keep the sizes of backlogs, and this is asked so seldom that they may be brought up to date for it.
        self.core.materialise()?;
        self.core.ask(|_| (), |tables, ()| crate::tables::backlog_queues(tables, slots))
    }

    fn registry(&self, kind: &str) -> Result<Vec<RegistryRecord>, StoreError> {
        self.core.read(|layers, tables| read::registry(layers, tables, kind))
    }

    fn registry_version(&self) -> Result<u64, StoreError> {
        Ok(self.core.numbering().registry_version)
    }

    fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        self.core.ask(
            |layers| list::pending_rows(layers, query),
            |tables, pending| list::list(tables, query, pending, self.bounds),
        )
    }

    fn count(&self, namespace_id: &str, filter: &Filter) -> Result<u64, StoreError> {
        let counts = self.count_by_status(namespace_id, filter)?;
        Ok(counts.iter().map(|(_, count)| count).sum())
    }

    fn count_by_status(&self, namespace_id: &str, filter: &Filter) -> Result<Vec<(i32, u64)>, StoreError> {
        let counts = self.core.ask(
            |layers| list::pending_counts(layers, namespace_id, filter),
            |tables, pending| list::count_by_status(tables, namespace_id, filter, pending, self.bounds),
        )?;
        let counts = counts.ok_or(StoreError::TooManyRows { limit: self.bounds.count_rows })?;
        Ok(counts.into_iter().collect())
    }

    fn expired(
        &self,
        namespace_id: &str,
        slots: &SlotSet,
        closed_before_ns: i64,
        limit: usize,
    ) -> Result<Vec<ExpiredRun>, StoreError> {
        self.core.ask(
            |layers| list::pending_expired(layers, namespace_id, closed_before_ns),
            |tables, pending| list::expired(tables, namespace_id, slots, closed_before_ns, pending, limit),
        )
    }
}

#[cfg(test)]
mod tests {
    use evertide_store::{RunIdentity, RunWrite, VisibilityRow, Write};

    use super::*;

    fn start(run_key: RunKey) -> Batch {
        let identity = RunIdentity { run_id: format!("run-{run_key}"), ..RunIdentity::default() };
        let row = VisibilityRow { run_id: identity.run_id.clone(), status: 1, ..VisibilityRow::default() };
        let create = RunWrite { run_key, create: Some(identity), visibility: Some(row), ..RunWrite::default() };
        Batch::of_sole_writer(vec![Write::Run(create)])
    }

    #[test]
    fn commits_and_tables_do_not_wait_for_a_list_that_is_under_way() {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteOptions { idle: None, ..SqliteOptions::default() };
        let store = SqliteStore::open(directory.path().join("store.db"), &options).unwrap();
        let query = ListQuery { namespace_id: String::new(), filter: Filter::All, page_size: 10, after: None };
        store.commit(start(1)).unwrap();
        store.materialise().unwrap();
        store.commit(start(2)).unwrap();
        let meanwhile = store.core.ask(
            |layers| list::pending_rows(layers, &query),
            |tables, pending| {
                store.commit(start(3)).unwrap();
                store.materialise().unwrap();
                store.core.rest();
                list::list(tables, &query, pending, store.bounds)
            },
        );
        assert_eq!(meanwhile.unwrap().rows.len(), 2, "it sees the moment at which it began");
        assert_eq!(store.list(&query).unwrap().rows.len(), 3);
    }
}
