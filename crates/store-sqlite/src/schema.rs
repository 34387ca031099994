//! The tables, and how a file comes to have them.
//!
//! Keys are integers where they can be, ascending where they can be: that is what SQLite appends fastest. Names that
//! repeat in every row (namespaces, task queues) are kept once and referred to by number.

use evertide_store::{Slot, StoreError};
use prost::Message;
use rusqlite::{Connection, params};

use crate::error::storage_error;

/// Marks our files in their header, so that no other file is taken for one of ours.
const APPLICATION_ID: i64 = 0x4576_7469;

/// The schema that this program writes: the number of migrations.
const VERSION: i64 = MIGRATIONS.len() as i64;

/// Each brings a file from the version of its index to the next. They are never changed once released.
const MIGRATIONS: &[Migration] = &[|file| file.execute_batch(FIRST), kinds_and_slots];

type Migration = fn(&Connection) -> rusqlite::Result<()>;

const FIRST: &str = "
-- Where numbering goes on: everything below is in the tables or was deleted.
CREATE TABLE numbering (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    next_position INTEGER NOT NULL,
    next_run_key INTEGER NOT NULL,
    next_task_id INTEGER NOT NULL
) STRICT;
INSERT INTO numbering VALUES (1, 1, 1, 1);

-- Committed batches that are not in the tables yet, by the position of their first write.
CREATE TABLE log (
    position INTEGER PRIMARY KEY,
    batch BLOB NOT NULL
) STRICT;

CREATE TABLE namespace (
    namespace INTEGER PRIMARY KEY,
    namespace_id TEXT NOT NULL UNIQUE
) STRICT;

-- The snapshot holds everything up to its position.
CREATE TABLE run (
    run_key INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    wake_ms INTEGER,
    snapshot_first_event_id INTEGER,
    snapshot_position INTEGER,
    snapshot BLOB
) STRICT;
CREATE INDEX run_by_name ON run (namespace, workflow_id, run_id);
CREATE INDEX run_by_wake ON run (wake_ms) WHERE wake_ms IS NOT NULL;

CREATE TABLE current_run (
    namespace INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    run_key INTEGER NOT NULL,
    PRIMARY KEY (namespace, workflow_id)
) STRICT, WITHOUT ROWID;

-- Several records in a row, under the event id and position of the first.
CREATE TABLE history (
    run_key INTEGER NOT NULL,
    first_event_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    chunk BLOB NOT NULL,
    PRIMARY KEY (run_key, first_event_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE queue (
    queue INTEGER PRIMARY KEY,
    namespace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind INTEGER NOT NULL,
    task_count INTEGER NOT NULL,
    UNIQUE (namespace_id, name, kind)
) STRICT;

CREATE TABLE backlog (
    queue INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    task BLOB NOT NULL,
    PRIMARY KEY (queue, task_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE registry (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

-- The ranks are the inverted close and start time, so that rows ascend in the order of lists. An open run has the rank
-- of the latest possible close.
CREATE TABLE visibility (
    run_key INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL,
    close_rank INTEGER NOT NULL,
    start_rank INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    workflow_type TEXT NOT NULL,
    task_queue TEXT NOT NULL,
    status INTEGER NOT NULL,
    execution_time_ns INTEGER,
    history_length INTEGER,
    history_size_bytes INTEGER,
    state_transition_count INTEGER,
    execution_duration_ns INTEGER,
    parent_workflow_id TEXT,
    parent_run_id TEXT,
    root_workflow_id TEXT NOT NULL,
    root_run_id TEXT NOT NULL,
    division TEXT,
    search_attributes BLOB NOT NULL,
    memo BLOB NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX visibility_in_order ON visibility (namespace, close_rank, start_rank, run_id);
CREATE INDEX visibility_by_type ON visibility (namespace, workflow_type, close_rank, start_rank, run_id);
CREATE INDEX visibility_by_start ON visibility (namespace, start_rank);
-- Running runs are the first in order and need no index of their own.
CREATE INDEX visibility_by_status ON visibility (namespace, status, close_rank, start_rank, run_id) WHERE status > 1;

-- Scalars and the members of keyword lists, to find the few rows that have a rare value.
CREATE TABLE search_attribute (
    namespace INTEGER NOT NULL,
    name TEXT NOT NULL,
    value ANY NOT NULL,
    run_key INTEGER NOT NULL,
    PRIMARY KEY (namespace, name, value, run_key)
) STRICT, WITHOUT ROWID;

-- How many visibility rows there are, so that counting all of a status reads no rows.
CREATE TABLE visibility_count (
    namespace INTEGER NOT NULL,
    in_division INTEGER NOT NULL,
    status INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    PRIMARY KEY (namespace, in_division, status)
) STRICT, WITHOUT ROWID;
";

/// Ids are unique within a namespace and a kind of execution. The pair, a scope, takes the place of the namespace in the
/// rows of runs, under the same numbers, so that a file needs not be rewritten. Visibility rows, which lists go through
/// whatever their kind, stay under the number of the namespace's kind 0.
///
/// A task has the slot of its run, and a record of the registry a version.
const KINDS_AND_SLOTS: &str = "
CREATE TABLE scope (
    scope INTEGER PRIMARY KEY,
    namespace_id TEXT NOT NULL,
    kind INTEGER NOT NULL,
    UNIQUE (namespace_id, kind)
) STRICT;
INSERT INTO scope SELECT namespace, namespace_id, 0 FROM namespace;
DROP TABLE namespace;
ALTER TABLE run RENAME COLUMN namespace TO scope;
ALTER TABLE run RENAME COLUMN workflow_id TO id;
ALTER TABLE current_run RENAME COLUMN namespace TO scope;
ALTER TABLE current_run RENAME COLUMN workflow_id TO id;

ALTER TABLE backlog ADD COLUMN slot INTEGER NOT NULL DEFAULT 0;
ALTER TABLE registry ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE numbering ADD COLUMN registry_version INTEGER NOT NULL DEFAULT 0;
-- Which log belongs to the database; 0 before it has one.
ALTER TABLE numbering ADD COLUMN log_id INTEGER NOT NULL DEFAULT 0;

-- Nearly every row has this value: it has no rows in the index any more.
DELETE FROM search_attribute WHERE name = 'BuildIds' AND value = 'unversioned';
";

fn kinds_and_slots(file: &Connection) -> rusqlite::Result<()> {
    /// A task as programs of the first schema wrote it, as far as its run's slot depends on it.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Task {
        #[prost(string, tag = "1")]
        workflow_id: String,
    }
    file.execute_batch(KINDS_AND_SLOTS)?;
    let mut tasks = file.prepare("SELECT queue, task_id, namespace_id, task FROM backlog JOIN queue USING (queue)")?;
    let mut update = file.prepare("UPDATE backlog SET slot = ?3 WHERE queue = ?1 AND task_id = ?2")?;
    let mut slots = Vec::new();
    let mut rows = tasks.query([])?;
    while let Some(row) = rows.next()? {
        // Whoever takes a task that cannot be read leaves it alone, in whatever slot it is.
        let workflow_id = Task::decode(row.get_ref(3)?.as_blob()?).map(|task| task.workflow_id).unwrap_or_default();
        let slot = Slot::of(row.get_ref(2)?.as_str()?, 0, &workflow_id);
        slots.push((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, slot.number()));
    }
    for (queue, task_id, slot) in slots {
        update.execute(params![queue, task_id, slot])?;
    }
    Ok(())
}

/// Settings of every connection that writes. The page size takes effect in a new file only.
///
/// Checkpoints of SQLite's own log are left to the writer: done by whoever commits under load, they never finish, and the
/// log grows without end.
pub(crate) fn configure_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", 16384)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS an ordinary sync leaves the data in the cache of the disk.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Brings a file to the newest schema, or says why it is left alone.
pub(crate) fn prepare(connection: &mut Connection, location: &str) -> Result<(), StoreError> {
    let error = |error| storage_error("open the database", location, error);
    let application_id = pragma(connection, "application_id").map_err(error)?;
    let found = pragma(connection, "user_version").map_err(error)?;
    let tables: i64 =
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(error)?;
    if application_id != APPLICATION_ID && (application_id, found, tables) != (0, 0, 0) {
        return Err(StoreError::NotOurs {
            location: location.to_owned(),
            reason: format!("it is a database with application id {application_id}"),
        });
    }
    if found > VERSION {
        return Err(StoreError::NewerSchema { location: location.to_owned(), found, known: VERSION });
    }
    configure_writer(connection).map_err(error)?;
    migrate(connection, found).map_err(error)
}

/// All steps in one transaction, so that a crash leaves the older schema and not half of a newer one.
fn migrate(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    if found == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        migration(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
