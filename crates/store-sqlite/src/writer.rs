//! The one connection that writes.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use evertide_store::codec::{decode_batch, encode_batch};
use evertide_store::{Batch, StoreError};
use rusqlite::{Connection, params};

use crate::error::{corrupt, storage_error};
use crate::materialise::materialise;
use crate::pending::Pending;
use crate::schema;

/// The size of a page of the file.
const PAGE_BYTES: u64 = 16 * 1024;

/// Appends to the log, writes the tables, and keeps SQLite's own log short.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    location: String,
    /// None after an error.
    connection: Option<Connection>,
    /// Kept from batch to batch.
    encoded: Vec<u8>,
    /// About how long SQLite's own log has become since it was last checkpointed.
    wal_bytes: u64,
    size_limit_bytes: Option<u64>,
}

impl Writer {
    pub(crate) fn open(path: &Path, size_limit_bytes: Option<u64>) -> Result<Self, StoreError> {
        let location = path.display().to_string();
        let mut writer = Self {
            path: path.to_owned(),
            location,
            connection: None,
            encoded: Vec::new(),
            wal_bytes: 0,
            size_limit_bytes,
        };
        let mut connection =
            Connection::open(&writer.path).map_err(|error| writer.error("open the database", error))?;
        schema::prepare(&mut connection, &writer.location)?;
        writer.connection = Some(connection);
        writer.apply_size_limit()?;
        Ok(writer)
    }

    pub(crate) fn set_size_limit(&mut self, size_limit_bytes: Option<u64>) -> Result<(), StoreError> {
        self.size_limit_bytes = size_limit_bytes;
        self.apply_size_limit()
    }

    fn apply_size_limit(&mut self) -> Result<(), StoreError> {
        // SQLite's greatest number of pages, which stands for no limit.
        let most_pages = 4_294_967_294;
        let pages = self.size_limit_bytes.map_or(most_pages, |size_bytes| size_bytes / PAGE_BYTES);
        self.run("limit the size of the file", |connection| {
            connection.pragma_update(None, "max_page_count", i64::try_from(pages).unwrap_or(most_pages.cast_signed()))
        })
    }

    fn error(&self, action: &'static str, error: rusqlite::Error) -> StoreError {
        storage_error(action, &self.location, error)
    }

    /// Does something with the connection. If it fails the connection is closed, which undoes an open transaction, and
    /// the next use opens another one: there is no doubt about the state of a new one.
    fn run<T>(
        &mut self,
        action: &'static str,
        step: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if self.connection.is_none() {
            let connection = Connection::open(&self.path).map_err(|error| self.error(action, error))?;
            schema::configure_writer(&connection).map_err(|error| self.error(action, error))?;
            self.connection = Some(connection);
            self.apply_size_limit()?;
        }
        let Some(connection) = &self.connection else {
            unreachable!("it was opened above");
        };
        step(connection).map_err(|error| {
            self.connection = None;
            self.error(action, error)
        })
    }

    /// Makes a batch durable under a position. A row that an earlier failure left there is replaced: it was reported as
    /// failed, and nothing may come of it.
    pub(crate) fn append(&mut self, position: i64, batch: &Batch) -> Result<(), StoreError> {
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        encode_batch(batch, &mut encoded);
        let result = self.run("write to the log", |connection| {
            let sql = "INSERT OR REPLACE INTO log VALUES (?1, ?2)";
            connection.prepare_cached(sql)?.execute(params![position, encoded])
        });
        self.wal_bytes += encoded.len() as u64 + PAGE_BYTES;
        self.encoded = encoded;
        result.map(drop)
    }

    /// Reads the log from a position on.
    pub(crate) fn read_log(
        &mut self,
        from_position: i64,
        mut visit: impl FnMut(i64, Batch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let location = self.location.clone();
        let mut outcome = Ok(());
        self.run("read the log", |connection| {
            let sql = "SELECT position, batch FROM log WHERE position >= ?1 ORDER BY position";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([from_position])?;
            while let Some(row) = rows.next()? {
                let encoded = Bytes::from(row.get::<_, Vec<u8>>(1)?);
                let position = row.get(0)?;
                outcome = match decode_batch(encoded) {
                    Ok(batch) => visit(position, batch),
                    Err(error) => Err(corrupt(&location, error)),
                };
                if outcome.is_err() {
                    break;
                }
            }
            Ok(())
        })?;
        outcome
    }

    /// Writes what is pending to the tables, in a transaction that [`publish`](Self::publish) commits.
    ///
    /// Nothing is synced to disk here: everything is in the log already, and stays there until a later sync has made this
    /// durable as well.
    pub(crate) fn materialise(&mut self, pending: &Pending) -> Result<(), StoreError> {
        self.run("write the tables", |connection| {
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            materialise(connection, pending)
        })
    }

    /// Makes the tables as they were written visible to readers, at one moment.
    pub(crate) fn publish(&mut self) -> Result<(), StoreError> {
        self.run("write the tables", |connection| {
            connection.execute_batch("COMMIT")?;
            connection.pragma_update(None, "synchronous", "FULL")
        })
    }

    /// Counts what the tables have added to SQLite's own log, given the size of what was pending: about as much once more
    /// goes to the indexes.
    pub(crate) fn wrote_tables(&mut self, pending_bytes: usize) {
        self.wal_bytes += 2 * pending_bytes as u64 + PAGE_BYTES;
    }

    /// About how much of SQLite's own log a checkpoint would take into the file.
    pub(crate) fn wal_bytes(&self) -> u64 {
        self.wal_bytes
    }

    /// Takes SQLite's own log into the file, as far as no reader needs it, so that it is written from its beginning again.
    pub(crate) fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.wal_bytes = 0;
        self.run("checkpoint", |connection| connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())))
    }
}
