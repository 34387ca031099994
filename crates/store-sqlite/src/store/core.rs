//! The files, what is pending, and the locks between them.
//!
//! Three locks. That of the log is held by a commit from end to end, that of the writer by whoever writes the tables; a
//! commit does not wait for the tables. That of the layers is held for as long as it takes to add a batch to them, to drop
//! one, or to take out what a read needs, and never while a file is read or written. It is taken under the others, and the
//! log's under the writer's.
//!
//! Reads go without locks because a reader's transaction knows where the tables ended when it began: what lies over that
//! are the layers behind it, whether or not one that the tables have already is still there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use evertide_store::codec::{decode_batch, encode_batch};
use evertide_store::{Batch, RunKey, Slot, SlotSet, StoreError, Stored};
use parking_lot::{Mutex, MutexGuard, RwLock};
use rusqlite::Connection;

use super::read::{self, Found};
use super::{SqliteOptions, StoreSizes};
use crate::error::{corrupt, storage_error};
use crate::exclusive::ExclusiveUse;
use crate::layers::{Layers, View};
use crate::log::files::Files;
use crate::log::{Log, Logged};
use crate::pending::{Numbering, RunsBelow};
use crate::readers::Readers;
use crate::tables;
use crate::upkeep::Requests;
use crate::writer::Writer;

/// A log of so many layers is worth a warning, and of twice as many another one.
const WARN_LAYERS: u64 = 16;

#[derive(Debug)]
pub(crate) struct Core {
    location: String,
    log: Mutex<Log>,
    files: Arc<dyn Files>,
    writer: Mutex<Writer>,
    layers: RwLock<Layers>,
    readers: Readers,
    layer_bytes: usize,
    full_layers: usize,
    wal_limit_bytes: u64,
    /// How many batches were committed, by which the upkeep thread sees that something happens.
    commits: AtomicU64,
    log_bytes: AtomicU64,
    /// How large the log must be for the next warning.
    warn_bytes: AtomicU64,
    table_failures: AtomicU64,
    /// How often the tables could not be written since they were last written.
    failures_in_a_row: AtomicU64,
    /// None if there is no upkeep thread.
    upkeep: Option<Arc<Requests>>,
    /// Last, so that it is let go of when all files are closed.
    _exclusive: ExclusiveUse,
}

impl Core {
    pub(crate) fn open(
        path: &Path,
        files: Arc<dyn Files>,
        options: &SqliteOptions,
        upkeep: Option<Arc<Requests>>,
    ) -> Result<Self, StoreError> {
        let exclusive = ExclusiveUse::of(path)?;
        let location = path.display().to_string();
        let mut writer = Writer::open(path, options.size_limit_bytes)?;
        let readers = Readers::of(path);
        let tabled = readers.take().and_then(|reader| tables::numbering(&reader));
        let tabled = tabled.map_err(|error| storage_error("read the database", &location, error))?;
        let from_first_schema = writer.log_of_first_schema(tabled.next_position)?;
        let log_id = writer.log_id()?;
        let (log, logged) =
            Log::open(files.clone(), &location, log_id, tabled.next_position, options.size_limit_bytes)?;
        let core = Self {
            log: Mutex::new(log),
            files,
            writer: Mutex::new(writer),
            layers: RwLock::new(Layers::after_tabling(tabled)),
            readers,
            layer_bytes: options.layer_bytes,
            full_layers: options.full_layers,
            wal_limit_bytes: options.wal_bytes,
            commits: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            warn_bytes: AtomicU64::new(0),
            table_failures: AtomicU64::new(0),
            failures_in_a_row: AtomicU64::new(0),
            upkeep,
            location,
            _exclusive: exclusive,
        };
        core.warn_bytes.store(core.first_warning(), Ordering::Relaxed);
        if !from_first_schema.is_empty() {
            core.recover(from_first_schema)?;
            core.materialise()?;
        }
        core.writer.lock().drop_log_of_first_schema()?;
        core.recover(logged)?;
        Ok(core)
    }

    /// Takes up what the log has and the tables lack.
    fn recover(&self, logged: Vec<Logged>) -> Result<(), StoreError> {
        for Logged { position, batch } in logged {
            if position != self.numbering().next_position {
                return Err(corrupt(&self.location, format!("the log has a gap before {position}")));
            }
            let batch = decode_batch(batch).map_err(|error| corrupt(&self.location, error))?;
            let runs_below = self.runs_below(&batch)?;
            let mut layers = self.layers.write();
            layers.apply(batch, runs_below);
            layers.fill(self.layer_bytes);
        }
        self.note_log_size(&self.log.lock());
        while self.layers.read().full_count() > self.full_layers && self.write_layer().is_ok() {}
        if let Some(upkeep) = &self.upkeep {
            upkeep.begin();
        }
        Ok(())
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        storage_error("read the database", &self.location, error)
    }

    pub(crate) fn set_size_limit(&self, size_limit_bytes: Option<u64>) -> Result<(), StoreError> {
        self.log.lock().set_size_limit(size_limit_bytes);
        self.writer.lock().set_size_limit(size_limit_bytes)
    }

    // -- commits -------------------------------------------------------------------------------------------------------

    pub(crate) fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut log = self.log.lock();
        let runs_below = self.runs_below(&batch)?;
        if batch.writes.is_empty() {
            return Ok(());
        }
        let position = self.numbering().next_position;
        let next_position = position.saturating_add_unsigned(batch.writes.len() as u64);
        log.append(position, next_position, |buffer| encode_batch(&batch, buffer))?;
        let mut layers = self.layers.write();
        layers.apply(batch, runs_below);
        let filled = layers.fill(self.layer_bytes);
        drop(layers);
        if filled {
            log.fill();
        }
        self.note_log_size(&log);
        drop(log);
        self.commits.fetch_add(1, Ordering::Relaxed);
        if filled {
            self.after_filling();
        }
        Ok(())
    }

    /// What an earlier commit may have left in the log is taken out, so that nothing comes of it.
    pub(crate) fn resolve(&self) -> Result<bool, StoreError> {
        self.log.lock().cut_what_was_left().map(|()| false)
    }

    /// Refuses a batch that breaks the contract, and finds the runs in it that the newest layer lacks.
    ///
    /// Layers only go to the tables meanwhile, and are dropped after that. So what is not found in a layer, and then not in
    /// the tables, is nowhere.
    fn runs_below(&self, batch: &Batch) -> Result<RunsBelow, StoreError> {
        let mut stored = StoredBelow { core: self, runs_below: RunsBelow::new() };
        batch.check(&mut stored)?;
        Ok(stored.runs_below)
    }

    /// A layer waits for the tables. The batch is durable whatever comes of this, so that a failure is no concern of
    /// whoever committed it.
    fn after_filling(&self) {
        if let Some(upkeep) = &self.upkeep {
            upkeep.begin();
        }
        let is_failing = self.failures_in_a_row.load(Ordering::Relaxed) > 0;
        if self.layers.read().full_count() > self.full_layers && (self.upkeep.is_none() || !is_failing) {
            // More would have to be kept in memory otherwise.
            let _ = self.write_layer();
        }
        if self.upkeep.is_none() {
            self.keep_wal_short();
        }
    }

    fn note_log_size(&self, log: &Log) {
        let (size_bytes, first_warning) = (log.size_bytes(), self.first_warning());
        self.log_bytes.store(size_bytes, Ordering::Relaxed);
        let warn_bytes = self.warn_bytes.load(Ordering::Relaxed);
        if size_bytes >= warn_bytes {
            tracing::warn!(location = self.location, size_bytes, "the log grows, since the tables are not written");
            self.warn_bytes.store(warn_bytes.saturating_mul(2), Ordering::Relaxed);
        } else if size_bytes < first_warning / 2 {
            self.warn_bytes.store(first_warning, Ordering::Relaxed);
        }
    }

    fn first_warning(&self) -> u64 {
        WARN_LAYERS.saturating_mul(self.layer_bytes as u64).max(1 << 20)
    }

    // -- tables --------------------------------------------------------------------------------------------------------

    /// Writes the oldest full layer to the tables. False if there is none.
    fn write_layer(&self) -> Result<bool, StoreError> {
        let mut writer = self.writer.lock();
        let Some(layer) = self.layers.read().oldest_full() else {
            return Ok(false);
        };
        if let Err(error) = writer.materialise(&layer) {
            self.table_failures.fetch_add(1, Ordering::Relaxed);
            let failures = self.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::error!(%error, failures, "the tables cannot be written; what was committed stays in the log");
            return Err(error);
        }
        self.failures_in_a_row.store(0, Ordering::Relaxed);
        self.layers.write().tabled();
        let mut log = self.log.lock();
        let surplus = log.release(layer.numbering.next_position);
        self.note_log_size(&log);
        drop(log);
        for number in surplus {
            if let Err(error) = self.files.remove(number) {
                tracing::warn!(%error, location = self.location, number, "a file of the log cannot be removed");
            }
        }
        // Whoever waits for the writer has it next, and not this thread again.
        MutexGuard::unlock_fair(writer);
        Ok(true)
    }

    /// Writes everything to the tables that is pending now.
    pub(crate) fn materialise(&self) -> Result<(), StoreError> {
        let mut log = self.log.lock();
        let mut layers = self.layers.write();
        if layers.fill(0) {
            log.fill();
        }
        let end = layers.numbering().next_position;
        drop((layers, log));
        while self.layers.read().begin().next_position < end && self.write_layer()? {}
        Ok(())
    }

    /// Writes the full layers to the tables, and takes a log of SQLite that has grown beyond its limit into the file.
    pub(crate) fn keep_up(&self) {
        while matches!(self.write_layer(), Ok(true)) {}
        self.keep_wal_short();
    }

    /// Writes everything to the tables and to the file, since nothing else happens.
    pub(crate) fn rest(&self) {
        if self.materialise().is_ok() && self.writer.lock().wal_bytes() > 0 {
            self.checkpoint();
        }
    }

    fn keep_wal_short(&self) {
        if self.writer.lock().wal_bytes() >= self.wal_limit_bytes {
            self.checkpoint();
        }
    }

    /// Takes SQLite's own log into the file. What fails here is tried again when it has grown once more.
    fn checkpoint(&self) {
        if let Err(error) = self.writer.lock().checkpoint() {
            tracing::warn!(%error, "SQLite's own log cannot be taken into the file");
        }
    }

    /// How many batches were committed so far.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// How often the tables could not be written since they were last written.
    pub(crate) fn failures_in_a_row(&self) -> u64 {
        self.failures_in_a_row.load(Ordering::Relaxed)
    }

    pub(crate) fn sizes(&self) -> StoreSizes {
        StoreSizes {
            log_bytes: self.log_bytes.load(Ordering::Relaxed),
            full_layers: self.layers.read().full_count(),
            table_failures: self.table_failures.load(Ordering::Relaxed),
        }
    }

    // -- reads ---------------------------------------------------------------------------------------------------------

    pub(crate) fn numbering(&self) -> Numbering {
        self.layers.read().numbering()
    }

    /// Asks the layers, and the tables below them if they do not know the answer.
    pub(super) fn look_up<P, T>(
        &self,
        gather: impl Fn(&View<'_>) -> Found<T, P>,
        question: impl FnOnce(&Connection, P) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if let Found::Here(answer) = gather(&self.layers.read().all()) {
            return Ok(answer);
        }
        self.ask(gather, |tables, found| match found {
            Found::Here(answer) => Ok(answer),
            Found::Over(pending) => question(tables, pending),
        })
    }

    /// As [`Self::look_up`], for a question of one statement: the tables may be asked at any later moment if the layers
    /// have nothing to lay over them.
    pub(super) fn look_up_one<P, T>(
        &self,
        gather: impl Fn(&View<'_>) -> Found<T, Vec<P>>,
        question: impl FnOnce(&Connection, Vec<P>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let found = gather(&self.layers.read().all());
        match found {
            Found::Here(answer) => Ok(answer),
            Found::Over(pending) if pending.is_empty() => {
                let answer = self.readers.take().and_then(|reader| question(&reader, pending));
                answer.map_err(|error| self.error(error))
            }
            Found::Over(_) => self.look_up(gather, question),
        }
    }

    /// Asks the tables as they are at a moment, given what was gathered from the layers over them. Changes go on while the
    /// question is answered, and it does not see them.
    pub(crate) fn ask<G, T>(
        &self,
        gather: impl Fn(&View<'_>) -> G,
        question: impl FnOnce(&Connection, G) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let answer = || {
            let reader = self.readers.take()?;
            loop {
                // Never committed; it keeps the tables as they are from its first look on.
                let moment = reader.unchecked_transaction()?;
                let tabled = tables::numbering(&moment)?;
                let layers = self.layers.read();
                // Layers may have gone to the tables since the moment; then a later one is taken.
                let Some(over) = layers.over(tabled) else { continue };
                let gathered = gather(&over);
                drop(over);
                drop(layers);
                return question(&moment, gathered);
            }
        };
        answer().map_err(|error| self.error(error))
    }

    #[cfg(test)]
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock()
    }

    /// The tables get a layer, and only the confirmation of that fails.
    #[cfg(test)]
    pub(crate) fn write_layer_unconfirmed(&self) {
        let layer = self.layers.read().oldest_full().expect("a full layer");
        self.writer.lock().materialise(&layer).expect("it can be written");
    }
}

/// What is stored before a batch. Takes note of the runs that the newest layer lacks.
struct StoredBelow<'c> {
    core: &'c Core,
    runs_below: RunsBelow,
}

impl Stored for StoredBelow<'_> {
    /// The file has one writer at a time.
    fn owned(&self) -> SlotSet {
        SlotSet::all()
    }

    fn slot(&mut self, run_key: RunKey) -> Result<Option<Slot>, StoreError> {
        let layers = self.core.layers.read();
        if let Some((is_newest, run)) = layers.run(run_key) {
            if run.exists && !is_newest {
                self.runs_below.insert(run_key, Arc::clone(&run.identity));
            }
            return Ok(run.exists.then(|| run.identity.slot()));
        }
        if !layers.may_be_tabled(run_key) {
            return Ok(None);
        }
        drop(layers);
        let identity = self.core.readers.take().and_then(|reader| tables::identity(&reader, run_key));
        let identity = identity.map_err(|error| self.core.error(error))?.map(Arc::new);
        let slot = identity.as_ref().map(|identity| identity.slot());
        self.runs_below.extend(identity.map(|identity| (run_key, identity)));
        Ok(slot)
    }

    fn registry_version(&mut self, kind: &str, key: &str) -> Result<u64, StoreError> {
        let pending = read::record_version(&self.core.layers.read().all(), kind, key);
        let version = match pending {
            Some(version) => Ok(version),
            None => self.core.readers.take().and_then(|reader| tables::record_version(&reader, kind, key)),
        };
        version.map_err(|error| self.core.error(error))
    }
}
