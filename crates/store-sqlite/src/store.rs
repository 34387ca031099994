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
use crate::log::files::{DiskFiles, Files};
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
    /// About how much memory is pending when it goes to the tables, in one transaction. Commits go on meanwhile.
    pub layer_bytes: usize,
    /// How many such layers may wait to be written. The commit that fills one more writes the oldest itself, since memory
    /// would grow without end otherwise; it happens when the tables are slower than the log for long.
    pub full_layers: usize,
    /// How long SQLite's own log may grow before it is taken into the file.
    pub wal_bytes: u64,
    /// How large the file may become, and the log likewise. Commits beyond it are refused as unavailable.
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
            full_layers: 8,
            wal_bytes: 64 * 1024 * 1024,
            size_limit_bytes: None,
            few_rows: 1000,
            scan_rows: 50_000,
            count_rows: 5_000_000,
        }
    }
}

/// What of a store grows, and what hinders it from becoming smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSizes {
    /// How much of the log holds what the tables lack.
    pub log_bytes: u64,
    /// How many layers wait to be written to the tables.
    pub full_layers: usize,
    /// How often the tables could not be written since the store was opened.
    pub table_failures: u64,
}

/// A store on one file, with its log beside it. Dropping it closes the files.
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
        let files = Arc::new(DiskFiles::beside(path.as_ref()));
        Self::open_with_log(path.as_ref(), files, options)
    }

    fn open_with_log(path: &Path, files: Arc<dyn Files>, options: &SqliteOptions) -> Result<Self, StoreError> {
        let requests = options.idle.map(|_| Arc::default());
        let core = Arc::new(Core::open(path, files, options, requests.clone())?);
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

    /// What grows.
    pub fn sizes(&self) -> StoreSizes {
        self.core.sizes()
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
        self.core.resolve()
    }

    fn open_state(&self) -> Result<OpenState, StoreError> {
        let Numbering { next_run_key, next_task_id, .. } = self.core.numbering();
        Ok(OpenState { slots: SlotSet::all(), next_run_key, next_task_id })
    }

    fn current_run(&self, namespace_id: &str, kind: u8, id: &str) -> Result<Option<RunKey>, StoreError> {
        self.core.look_up_one(
            |layers| read::current_run(layers, namespace_id, kind, id),
            |tables, not_current| read::tabled_current_run(tables, namespace_id, kind, id, &not_current),
        )
    }

    fn find_run(&self, namespace_id: &str, kind: u8, id: &str, run_id: &str) -> Result<Option<RunKey>, StoreError> {
        self.core.look_up_one(
            |layers| read::find_run(layers, namespace_id, kind, id, run_id),
            |tables, deleted| read::tabled_find_run(tables, namespace_id, kind, id, run_id, &deleted),
        )
    }

    fn run(&self, run_key: RunKey) -> Result<Option<StoredRun>, StoreError> {
        self.core
            .look_up(|layers| read::run(layers, run_key), |tables, records| read::tabled_run(tables, run_key, records))
    }

    fn history(
        &self,
        run_key: RunKey,
        from_event_id: i64,
        limit: HistoryLimit,
    ) -> Result<Vec<HistoryRecord>, StoreError> {
        self.core.look_up(
            |layers| read::history(layers, run_key, from_event_id, limit),
            |tables, records| read::tabled_history(tables, run_key, from_event_id, limit, records),
        )
    }

    fn history_before(
        &self,
        run_key: RunKey,
        before_event_id: i64,
        limit: HistoryLimit,
    ) -> Result<Vec<HistoryRecord>, StoreError> {
        self.core.look_up(
            |layers| read::history_before(layers, run_key, before_event_id, limit),
            |tables, page| read::tabled_history_before(tables, run_key, before_event_id, page),
        )
    }

    fn wakes(
        &self,
        slots: &SlotSet,
        until_ms: i64,
        after: Option<(i64, RunKey)>,
        limit: usize,
    ) -> Result<Vec<(i64, RunKey)>, StoreError> {
        self.core.ask(
            |layers| read::wakes(layers, slots, until_ms, after, limit),
            |tables, pending| read::tabled_wakes(tables, slots, until_ms, after, limit, pending),
        )
    }

    fn backlog(
        &self,
        queue: &QueueKey,
        slots: &SlotSet,
        after: &BacklogCursor,
        limit: usize,
    ) -> Result<Vec<(i64, Bytes)>, StoreError> {
        self.core.ask(
            |layers| read::backlog(layers, queue, slots, after, limit),
            |tables, pending| read::tabled_backlog(tables, queue, slots, after, limit, pending),
        )
    }

    fn backlog_queues(&self, slots: &SlotSet) -> Result<Vec<(QueueKey, u64)>, StoreError> {
        // The tables keep the sizes of backlogs, and this is asked so seldom that they may be brought up to date for it.
        self.core.materialise()?;
        self.core.ask(|_| (), |tables, ()| crate::tables::backlog_queues(tables, slots))
    }

    fn registry(&self, kind: &str) -> Result<Vec<RegistryRecord>, StoreError> {
        self.core
            .ask(|layers| read::registry(layers, kind), |tables, pending| read::tabled_registry(tables, kind, pending))
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
    use crate::log::rigged::RiggedFiles;

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

    fn history(store: &SqliteStore, run_key: RunKey) -> usize {
        store.history(run_key, 1, HistoryLimit::ALL).unwrap().len()
    }

    fn step(run_key: RunKey) -> Batch {
        let record = Bytes::from_static(b"record");
        Batch::of_sole_writer(vec![Write::Run(RunWrite { run_key, first_event_id: 2, record, ..RunWrite::default() })])
    }

    #[test]
    fn a_layer_in_the_tables_that_is_still_in_memory_counts_once() {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteOptions { idle: None, layer_bytes: 0, full_layers: 100, ..SqliteOptions::default() };
        let store = SqliteStore::open(directory.path().join("store.db"), &options).unwrap();
        let query = ListQuery { namespace_id: String::new(), filter: Filter::All, page_size: 10, after: None };
        store.commit(start(1)).unwrap();
        store.commit(step(1)).unwrap();
        store.commit(step(1)).unwrap();
        for _ in 0..3 {
            store.core.write_layer_unconfirmed();
            assert_eq!((history(&store, 1), store.list(&query).unwrap().rows.len()), (2, 1));
            assert_eq!(store.count("", &Filter::All).unwrap(), 1);
            assert_eq!(store.run(1).unwrap().unwrap().records.len(), 2);
        }
        store.materialise().unwrap();
        assert_eq!((history(&store, 1), store.sizes().table_failures), (2, 0));
    }

    #[test]
    fn commits_do_not_wait_for_the_tables() {
        let directory = tempfile::tempdir().unwrap();
        let options =
            SqliteOptions { idle: Some(Duration::from_millis(1)), layer_bytes: 0, ..SqliteOptions::default() };
        let store = SqliteStore::open(directory.path().join("store.db"), &options).unwrap();
        let writing = store.core.writer();
        for run_key in 1..=8 {
            store.commit(start(run_key)).unwrap();
        }
        assert_eq!(history(&store, 1), 0);
        drop(writing);
    }

    #[test]
    fn what_is_written_to_the_tables_is_synced_before_the_log_lets_go_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteOptions { idle: None, ..SqliteOptions::default() };
        let store = SqliteStore::open(directory.path().join("store.db"), &options).unwrap();
        for run_key in 1..3 {
            store.commit(start(run_key)).unwrap();
            assert!(store.sizes().log_bytes > 0);
            store.materialise().unwrap();
            assert_eq!(store.sizes().log_bytes, 0);
            assert_eq!(store.core.writer().synchronous(), 2, "at every commit");
        }
    }

    #[test]
    fn what_was_committed_survives_and_what_failed_does_not_whatever_the_disk_does() {
        for seed in 0..12 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store.db");
            let options = SqliteOptions { idle: None, layer_bytes: 3000, full_layers: 1, ..SqliteOptions::default() };
            let disk = RiggedFiles::new(seed);
            let open = || SqliteStore::open_with_log(&path, Arc::new(disk.clone()), &options).unwrap();
            let mut store = open();
            let mut committed = Vec::new();
            for run_key in 1..=60 {
                disk.fail_now_and_then();
                let outcome = match store.commit(start(run_key)) {
                    Err(StoreError::Unknown { .. }) => {
                        assert!(store.commit(start(run_key)).is_err(), "nothing is taken before it is resolved");
                        disk.heal();
                        assert!(!store.resolve().unwrap());
                        false
                    }
                    Err(StoreError::Unavailable { .. }) => false,
                    other => other.map(|()| true).unwrap(),
                };
                committed.extend(outcome.then_some(run_key));
                disk.heal();
                if run_key % 7 == 0 {
                    drop(store);
                    disk.lose_power();
                    store = open();
                }
                let found = (1..=run_key).filter(|run_key| store.run(*run_key).unwrap().is_some());
                assert_eq!(found.collect::<Vec<_>>(), committed, "seed {seed}");
            }
            assert!(committed.len() > 30 && committed.len() < 60, "seed {seed}: {} of 60", committed.len());
        }
    }
}
