//! The one connection that writes the tables.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use evertide_store::StoreError;
use rusqlite::{Connection, OptionalExtension};

use crate::error::{corrupt, storage_error};
use crate::log::{LogId, Logged, random};
use crate::materialise::materialise;
use crate::pending::Pending;
use crate::{schema, tables};

/// The size of a page of the file.
const PAGE_BYTES: u64 = 16 * 1024;

/// Writes the tables, and keeps SQLite's own log short.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    location: String,
    /// None after an error.
    connection: Option<Connection>,
    /// About how long SQLite's own log has become since it was last checkpointed.
    wal_bytes: u64,
    size_limit_bytes: Option<u64>,
}

impl Writer {
    pub(crate) fn open(path: &Path, size_limit_bytes: Option<u64>) -> Result<Self, StoreError> {
        let location = path.display().to_string();
        let mut writer = Self { path: path.to_owned(), location, connection: None, wal_bytes: 0, size_limit_bytes };
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

    /// Writes a layer to the tables, in one transaction that is synced. The log needs it no longer then.
    ///
    /// A layer that the tables have already is left alone: its transaction was reported as failed, though only what came
    /// behind the commit had.
    pub(crate) fn materialise(&mut self, layer: &Pending) -> Result<(), StoreError> {
        let position = self.run("write the tables", |connection| {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            let position = tables::numbering(connection)?.next_position;
            if position == layer.tabled.next_position {
                materialise(connection, layer)?;
                connection.execute_batch("COMMIT")?;
            } else {
                connection.execute_batch("ROLLBACK")?;
            }
            Ok(position)
        })?;
        if position != layer.tabled.next_position && position != layer.numbering.next_position {
            let reason = format!("the tables end at {position}, in the middle of what is to be written to them");
            return Err(corrupt(&self.location, reason));
        }
        // About as much once more goes to the indexes.
        self.wal_bytes += 2 * layer.size_bytes as u64 + PAGE_BYTES;
        Ok(())
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

    /// Which log belongs to the tables; one is drawn if there is none yet.
    pub(crate) fn log_id(&mut self) -> Result<LogId, StoreError> {
        self.run("open the log", |connection| {
            let id = connection.query_row("SELECT log_id FROM numbering", [], |row| row.get(0))?;
            if id != 0 {
                return Ok(LogId { id, is_new: false });
            }
            let id = random().cast_signed() | 1;
            connection.execute("UPDATE numbering SET log_id = ?1", [id])?;
            Ok(LogId { id, is_new: true })
        })
    }

    /// What programs of the first schema have committed and not written to the tables: they kept their log in a table.
    pub(crate) fn log_of_first_schema(&mut self, from_position: i64) -> Result<Vec<Logged>, StoreError> {
        self.run("read the log", |connection| {
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'log'";
            if connection.query_row(sql, [], |_| Ok(())).optional()?.is_none() {
                return Ok(Vec::new());
            }
            let sql = "SELECT position, batch FROM log WHERE position >= ?1 ORDER BY position";
            let mut statement = connection.prepare(sql)?;
            let logged = statement.query_map([from_position], |row| {
                Ok(Logged { position: row.get(0)?, batch: Bytes::from(row.get::<_, Vec<u8>>(1)?) })
            })?;
            logged.collect()
        })
    }

    /// The tables have all of that log.
    pub(crate) fn drop_log_of_first_schema(&mut self) -> Result<(), StoreError> {
        self.run("upgrade the database", |connection| connection.execute_batch("DROP TABLE IF EXISTS log"))
    }

    /// How SQLite syncs what is committed: 2 is at every commit.
    #[cfg(test)]
    pub(crate) fn synchronous(&mut self) -> i64 {
        self.run("ask", |connection| connection.pragma_query_value(None, "synchronous", |row| row.get(0))).unwrap()
    }
}
