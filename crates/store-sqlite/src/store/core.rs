//! The file, what is pending, and the locks between them.
//!
//! Two locks, always taken in this order: the writer's, which every change holds from end to end, and that of what is
//! pending, which readers share. Since changes hold the first, what is pending only changes under both.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use evertide_store::{Batch, OpenState, RunKey, StoreError, Write};
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;

use super::SqliteOptions;
use crate::error::{corrupt, storage_error};
use crate::exclusive::ExclusiveUse;
use crate::pending::{Pending, TabledRuns};
use crate::readers::Readers;
use crate::tables;
use crate::upkeep::Requests;
use crate::writer::Writer;

#[derive(Debug)]
pub(crate) struct Core {
    location: String,
    writer: Mutex<Writer>,
    pending: RwLock<Pending>,
    readers: Readers,
    pending_limit_bytes: usize,
    wal_limit_bytes: u64,
    /// How many batches were committed, by which the upkeep thread sees that something happens.
    commits: AtomicU64,
    /// None if there is no upkeep thread.
    upkeep: Option<Arc<Requests>>,
    /// Last, so that it is let go of when all connections are closed.
    _exclusive: ExclusiveUse,
}

/// The tables for a look-up; a connection is taken only if they are asked.
pub(crate) struct Tables<'a> {
    readers: &'a Readers,
}

impl Tables<'_> {
    pub(crate) fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let reader = self.readers.take()?;
        question(&reader)
    }
}

impl Core {
    pub(crate) fn open(
        path: &Path,
        options: &SqliteOptions,
        upkeep: Option<Arc<Requests>>,
    ) -> Result<Self, StoreError> {
        let exclusive = ExclusiveUse::of(path)?;
        let location = path.display().to_string();
        let writer = Writer::open(path, options.size_limit_bytes)?;
        let core = Self {
            writer: Mutex::new(writer),
            pending: RwLock::default(),
            readers: Readers::of(path),
            pending_limit_bytes: options.pending_bytes,
            wal_limit_bytes: options.wal_bytes,
            commits: AtomicU64::new(0),
            upkeep,
            location,
            _exclusive: exclusive,
        };
        core.recover()?;
        Ok(core)
    }

    /// Reads the log's tail.
    fn recover(&self) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        let numbering = self.tables().ask(tables::numbering).map_err(|error| self.error(error))?;
        *self.pending.write() = Pending::after_tabling(numbering);
        writer.read_log(numbering.next_position, |position, batch| {
            if position != self.pending.read().numbering.next_position {
                return Err(corrupt(&self.location, format!("the log has a gap before {position}")));
            }
            let tabled_runs = self.check(&batch)?;
            self.pending.write().apply(&batch, tabled_runs);
            Ok(())
        })?;
        self.after_growth(&mut writer);
        Ok(())
    }

    fn tables(&self) -> Tables<'_> {
        Tables { readers: &self.readers }
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        storage_error("read the database", &self.location, error)
    }

    pub(crate) fn set_size_limit(&self, size_limit_bytes: Option<u64>) -> Result<(), StoreError> {
        self.writer.lock().set_size_limit(size_limit_bytes)
    }

    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        if batch.writes.is_empty() {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        let tabled_runs = self.check(batch)?;
        let position = self.pending.read().numbering.next_position;
        writer.append(position, batch)?;
        self.pending.write().apply(batch, tabled_runs);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.after_growth(&mut writer);
        Ok(())
    }

    /// Refuses a batch that breaks the contract, and finds the runs in it that only the tables have.
    fn check(&self, batch: &Batch) -> Result<TabledRuns, StoreError> {
        let pending = self.pending.read();
        let mut tabled_runs = TabledRuns::new();
        let mut exists = |run_key: RunKey| {
            if let Some(run) = pending.runs.get(&run_key) {
                return Ok(run.exists);
            }
            if !pending.may_be_tabled(run_key) {
                return Ok(false);
            }
            let identity = self.tables().ask(|tables| tables::identity(tables, run_key));
            let identity = identity.map_err(|error| self.error(error))?;
            let exists = identity.is_some();
            tabled_runs.extend(identity.map(|identity| (run_key, identity)));
            Ok(exists)
        };
        batch.check(&mut exists)?;
        for write in &batch.writes {
            if let Write::DeleteRun { run_key } = write {
                exists(*run_key)?;
            }
        }
        Ok(tabled_runs)
    }

    /// Keeps what is pending, and SQLite's own log, near their limits. The batch is durable whatever comes of this, so
    /// that a failure is no concern of whoever committed it: it is tried again when as much has been added once more.
    fn after_growth(&self, writer: &mut Writer) {
        let pending_bytes = self.pending.read().size_bytes;
        match &self.upkeep {
            _ if pending_bytes < self.pending_limit_bytes => {}
            Some(upkeep) if pending_bytes / 2 < self.pending_limit_bytes => upkeep.begin(),
            // There is no thread, or it does not keep up.
            _ => self.materialise_or_wait(writer),
        }
        match &self.upkeep {
            _ if writer.wal_bytes() < self.wal_limit_bytes => {}
            Some(upkeep) if writer.wal_bytes() / 2 < self.wal_limit_bytes => upkeep.begin(),
            _ => {
                let _ = writer.checkpoint();
            }
        }
    }

    /// Writes to the tables what is pending. If that fails it is tried again when it has grown as much once more.
    fn materialise_or_wait(&self, writer: &mut Writer) {
        if self.materialise(writer).is_err() {
            self.pending.write().size_bytes = 0;
        }
    }

    fn materialise(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let pending = self.pending.read();
        if pending.is_empty() {
            return Ok(());
        }
        writer.materialise(&pending)?;
        drop(pending);
        // Readers look at both what is pending and the tables: for them both change at once.
        let mut pending = self.pending.write();
        writer.publish()?;
        writer.wrote_tables(pending.size_bytes);
        *pending = Pending::after_tabling(pending.numbering);
        Ok(())
    }

    pub(crate) fn materialise_all(&self) -> Result<(), StoreError> {
        self.materialise(&mut self.writer.lock())
    }

    /// Writes to the tables what is pending if it has grown beyond its limit, and takes a log that has into the file.
    pub(crate) fn keep_up(&self) {
        if self.pending.read().size_bytes >= self.pending_limit_bytes {
            self.write_tables();
        }
        if self.writer.lock().wal_bytes() >= self.wal_limit_bytes {
            self.checkpoint();
        }
    }

    /// Writes to the tables what is pending, however little it is.
    pub(crate) fn write_tables(&self) {
        self.materialise_or_wait(&mut self.writer.lock());
    }

    /// Writes everything to the tables and to the file, while nobody commits.
    pub(crate) fn rest(&self) {
        self.write_tables();
        if self.writer.lock().wal_bytes() > 0 {
            self.checkpoint();
        }
    }

    /// Takes SQLite's own log into the file. Most of it while commits go on; only what they add meanwhile keeps them
    /// waiting. What fails here is tried again when the log has grown once more.
    fn checkpoint(&self) {
        let bulk = |tables: &Connection| tables.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        let _ = self.tables().ask(bulk);
        let _ = self.writer.lock().checkpoint();
    }

    /// How many batches were committed so far.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(crate) fn open_state(&self) -> OpenState {
        self.pending.read().numbering.open_state
    }

    /// Looks at what is pending and at the tables below it, which do not change meanwhile.
    pub(crate) fn read<T>(
        &self,
        look: impl FnOnce(&Pending, &Tables<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let pending = self.pending.read();
        look(&pending, &self.tables()).map_err(|error| self.error(error))
    }

    /// Asks the tables alone, after writing to them what is pending if that makes a difference.
    pub(crate) fn query<T>(
        &self,
        needs: impl FnOnce(&Pending) -> bool,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let needed = needs(&self.pending.read());
        if needed {
            self.materialise_all()?;
        }
        self.tables().ask(question).map_err(|error| self.error(error))
    }
}
