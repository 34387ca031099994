//! The file, what is pending, and the locks between them.
//!
//! Two locks, always taken in this order: the writer's, which every change holds from end to end, and that of the layers
//! of what is pending, which readers share. Since changes hold the first, the layers only change under both. A reader
//! holds the second for a look-up; a list only for as long as it takes to fix the moment that it asks about.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use evertide_store::{Batch, RunKey, Slot, SlotSet, StoreError, Stored};
use parking_lot::{Mutex, MutexGuard, RwLock};
use rusqlite::Connection;

use super::{SqliteOptions, read};
use crate::error::{corrupt, storage_error};
use crate::exclusive::ExclusiveUse;
use crate::layers::Layers;
use crate::pending::{Numbering, RunsBelow};
use crate::readers::{Readers, Tables};
use crate::tables;
use crate::upkeep::Requests;
use crate::writer::Writer;

#[derive(Debug)]
pub(crate) struct Core {
    location: String,
    writer: Mutex<Writer>,
    layers: RwLock<Layers>,
    readers: Readers,
    layer_bytes: usize,
    full_layers: usize,
    wal_limit_bytes: u64,
    /// How many batches were committed, by which the upkeep thread sees that something happens.
    commits: AtomicU64,
    /// None if there is no upkeep thread.
    upkeep: Option<Arc<Requests>>,
    /// Last, so that it is let go of when all connections are closed.
    _exclusive: ExclusiveUse,
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
            layers: RwLock::default(),
            readers: Readers::of(path),
            layer_bytes: options.layer_bytes,
            full_layers: options.full_layers,
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
        *self.layers.write() = Layers::after_tabling(numbering);
        writer.read_log(numbering.next_position, |position, batch| {
            if position != self.layers.read().numbering().next_position {
                return Err(corrupt(&self.location, format!("the log has a gap before {position}")));
            }
            let runs_below = self.check(&batch)?;
            let mut layers = self.layers.write();
            layers.apply(batch, runs_below);
            layers.fill(self.layer_bytes);
            Ok(())
        })?;
        while self.layers.read().full_count() > self.full_layers && self.write_layer(&mut writer).is_ok() {}
        if let Some(upkeep) = &self.upkeep {
            upkeep.begin();
        }
        Ok(())
    }

    fn tables(&self) -> Tables<'_> {
        Tables::of(&self.readers)
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        storage_error("read the database", &self.location, error)
    }

    pub(crate) fn set_size_limit(&self, size_limit_bytes: Option<u64>) -> Result<(), StoreError> {
        self.writer.lock().set_size_limit(size_limit_bytes)
    }

    pub(crate) fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.writes.is_empty() {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        let runs_below = self.check(&batch)?;
        let position = self.layers.read().numbering().next_position;
        writer.append(position, &batch)?;
        let mut layers = self.layers.write();
        layers.apply(batch, runs_below);
        let filled = layers.fill(self.layer_bytes);
        drop(layers);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.after_growth(&mut writer, filled);
        Ok(())
    }

    /// Refuses a batch that breaks the contract, and finds the runs in it that the newest layer lacks.
    fn check(&self, batch: &Batch) -> Result<RunsBelow, StoreError> {
        let mut stored = StoredBelow { core: self, layers: &self.layers.read(), runs_below: RunsBelow::new() };
        batch.check(&mut stored)?;
        Ok(stored.runs_below)
    }

    /// Keeps what is pending, and SQLite's own log, near their limits. The batch is durable whatever comes of this, so
    /// that a failure is no concern of whoever committed it: it is tried again when as much has been added once more.
    fn after_growth(&self, writer: &mut Writer, filled: bool) {
        if filled {
            if let Some(upkeep) = &self.upkeep {
                upkeep.begin();
            }
            if self.layers.read().full_count() > self.full_layers {
                let _ = self.write_layer(writer);
            }
        }
        match &self.upkeep {
            _ if writer.wal_bytes() < self.wal_limit_bytes => {}
            Some(upkeep) if writer.wal_bytes() / 2 < self.wal_limit_bytes => upkeep.begin(),
            _ => {
                let _ = writer.checkpoint();
            }
        }
    }

    /// Writes the oldest full layer to the tables. False if there is none.
    fn write_layer(&self, writer: &mut Writer) -> Result<bool, StoreError> {
        let Some(layer) = self.layers.read().oldest_full() else {
            return Ok(false);
        };
        writer.materialise(&layer)?;
        // Readers look at both the layers and the tables: for them both change at once.
        let mut layers = self.layers.write();
        writer.publish()?;
        layers.tabled();
        drop(layers);
        writer.wrote_tables(layer.size_bytes);
        Ok(true)
    }

    /// Writes so many full layers to the tables, if there are as many. Commits go on between two of them.
    fn write_layers(&self, most: usize) -> Result<(), StoreError> {
        for _ in 0..most {
            let mut writer = self.writer.lock();
            let written = self.write_layer(&mut writer)?;
            // Whoever waits for the writer has it next, and not this thread again.
            MutexGuard::unlock_fair(writer);
            if !written {
                break;
            }
        }
        Ok(())
    }

    /// Writes everything to the tables that is pending now.
    pub(crate) fn materialise(&self) -> Result<(), StoreError> {
        let writer = self.writer.lock();
        let mut layers = self.layers.write();
        layers.fill(0);
        let full_count = layers.full_count();
        drop((layers, writer));
        self.write_layers(full_count)
    }

    /// Writes the full layers to the tables, and takes a log that has grown beyond its limit into the file. What fails is
    /// tried again when another layer is full.
    pub(crate) fn keep_up(&self) {
        let _ = self.write_layers(usize::MAX);
        if self.writer.lock().wal_bytes() >= self.wal_limit_bytes {
            self.checkpoint();
        }
    }

    /// Writes everything to the tables and to the file, while nobody commits.
    pub(crate) fn rest(&self) {
        let _ = self.materialise();
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

    pub(crate) fn numbering(&self) -> Numbering {
        self.layers.read().numbering()
    }

    /// Looks at what is pending and at the tables below it, which do not change meanwhile.
    pub(crate) fn read<T>(
        &self,
        look: impl FnOnce(&Layers, &Tables<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let layers = self.layers.read();
        look(&layers, &self.tables()).map_err(|error| self.error(error))
    }

    /// Asks the tables as they are at a moment, given what was gathered from the layers at the same moment. Changes go
    /// on while the question is answered, and it does not see them.
    pub(crate) fn ask<G, T>(
        &self,
        gather: impl FnOnce(&Layers) -> G,
        question: impl FnOnce(&Connection, G) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let answer = || {
            let reader = self.readers.take()?;
            let layers = self.layers.read();
            // Never committed; it keeps the tables as they are from its first look on.
            let moment = reader.unchecked_transaction()?;
            tables::numbering(&moment)?;
            let gathered = gather(&layers);
            drop(layers);
            question(&moment, gathered)
        };
        answer().map_err(|error| self.error(error))
    }
}

/// What is stored before a batch. Takes note of the runs that the newest layer lacks.
struct StoredBelow<'c> {
    core: &'c Core,
    layers: &'c Layers,
    runs_below: RunsBelow,
}

impl Stored for StoredBelow<'_> {
    /// The file has one writer at a time.
    fn owned(&self) -> SlotSet {
        SlotSet::all()
    }

    fn slot(&mut self, run_key: RunKey) -> Result<Option<Slot>, StoreError> {
        if let Some((depth, run)) = self.layers.run(run_key) {
            if run.exists && depth > 0 {
                self.runs_below.insert(run_key, Arc::clone(&run.identity));
            }
            return Ok(run.exists.then(|| run.identity.slot()));
        }
        if !self.layers.may_be_tabled(run_key) {
            return Ok(None);
        }
        let identity = self.core.tables().ask(|tables| tables::identity(tables, run_key));
        let identity = identity.map_err(|error| self.core.error(error))?.map(Arc::new);
        let slot = identity.as_ref().map(|identity| identity.slot());
        self.runs_below.extend(identity.map(|identity| (run_key, identity)));
        Ok(slot)
    }

    fn registry_version(&mut self, kind: &str, key: &str) -> Result<u64, StoreError> {
        let version = read::record_version(self.layers, &self.core.tables(), kind, key);
        version.map_err(|error| self.core.error(error))
    }
}
