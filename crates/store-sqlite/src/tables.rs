//! Reads of the tables alone. What is pending is laid over them elsewhere.

use bytes::Bytes;
use evertide_store::{BacklogCursor, QueueKey, RegistryRecord, RunIdentity, RunKey, Slot, SlotSet};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::chunk::{self, PlacedRecord};
use crate::pending::Numbering;

/// A run without its records.
#[derive(Debug)]
pub(crate) struct TabledRun {
    pub(crate) identity: RunIdentity,
    pub(crate) snapshot: Option<TabledSnapshot>,
}

/// A snapshot and the place of the record that it contains last.
#[derive(Debug)]
pub(crate) struct TabledSnapshot {
    pub(crate) first_event_id: i64,
    pub(crate) position: i64,
    pub(crate) snapshot: Bytes,
}

/// One row that may not be there.
fn optional<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(parameters, read).optional()
}

pub(crate) fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
    row.get::<_, Vec<u8>>(column).map(Bytes::from)
}

pub(crate) fn numbering(connection: &Connection) -> rusqlite::Result<Numbering> {
    let sql = "SELECT next_position, next_run_key, next_task_id, registry_version FROM numbering";
    connection.prepare_cached(sql)?.query_row([], |row| {
        Ok(Numbering {
            next_position: row.get(0)?,
            next_run_key: row.get(1)?,
            next_task_id: row.get(2)?,
            registry_version: row.get::<_, i64>(3)?.cast_unsigned(),
        })
    })
}

pub(crate) fn current_run(
    connection: &Connection,
    namespace_id: &str,
    kind: u8,
    id: &str,
) -> rusqlite::Result<Option<RunKey>> {
    let sql = "SELECT run_key FROM current_run
        WHERE scope = (SELECT scope FROM scope WHERE namespace_id = ?1 AND kind = ?2) AND id = ?3";
    optional(connection, sql, params![namespace_id, kind, id], |row| row.get(0))
}

pub(crate) fn find_runs(
    connection: &Connection,
    namespace_id: &str,
    kind: u8,
    id: &str,
    run_id: &str,
) -> rusqlite::Result<Vec<RunKey>> {
    let sql = "SELECT run_key FROM run
        WHERE scope = (SELECT scope FROM scope WHERE namespace_id = ?1 AND kind = ?2) AND id = ?3 AND run_id = ?4
        ORDER BY run_key DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let run_keys = statement.query_map(params![namespace_id, kind, id, run_id], |row| row.get(0))?;
    run_keys.collect()
}

pub(crate) fn identity(connection: &Connection, run_key: RunKey) -> rusqlite::Result<Option<RunIdentity>> {
    let sql = "SELECT namespace_id, kind, id, run_id FROM run JOIN scope USING (scope) WHERE run_key = ?1";
    optional(connection, sql, [run_key], read_identity)
}

fn read_identity(row: &Row<'_>) -> rusqlite::Result<RunIdentity> {
    Ok(RunIdentity { namespace_id: row.get(0)?, kind: row.get(1)?, id: row.get(2)?, run_id: row.get(3)? })
}

pub(crate) fn run(connection: &Connection, run_key: RunKey) -> rusqlite::Result<Option<TabledRun>> {
    let sql = "SELECT namespace_id, kind, id, run_id, snapshot_first_event_id, snapshot_position, snapshot
        FROM run JOIN scope USING (scope) WHERE run_key = ?1";
    optional(connection, sql, [run_key], |row| {
        let first_event_id: Option<i64> = row.get(4)?;
        let snapshot = match first_event_id {
            None => None,
            Some(first_event_id) => {
                Some(TabledSnapshot { first_event_id, position: row.get(5)?, snapshot: bytes(row, 6)? })
            }
        };
        Ok(TabledRun { identity: read_identity(row)?, snapshot })
    })
}

/// Goes through the records of a run from a place on, until the visitor says that it has enough.
///
/// The place is an event id and a position: the first record visited begins the last chunk that begins at or before it. So
/// there may be records before the one at the place.
pub(crate) fn records_from(
    connection: &Connection,
    run_key: RunKey,
    from: (i64, i64),
    mut visit: impl FnMut(PlacedRecord) -> bool,
) -> rusqlite::Result<()> {
    let start = "SELECT first_event_id, position FROM history
        WHERE run_key = ?1 AND (first_event_id, position) <= (?2, ?3)
        ORDER BY first_event_id DESC, position DESC LIMIT 1";
    let start = optional(connection, start, [run_key, from.0, from.1], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    let (first_event_id, position) = start.unwrap_or((i64::MIN, i64::MIN));
    let sql = "SELECT chunk FROM history WHERE run_key = ?1 AND (first_event_id, position) >= (?2, ?3)
        ORDER BY first_event_id, position";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([run_key, first_event_id, position])?;
    while let Some(row) = rows.next()? {
        for record in read_chunk(row)? {
            if !visit(record) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Goes through the records of a run that begin before an event id, the newest first, until the visitor has enough.
pub(crate) fn records_before(
    connection: &Connection,
    run_key: RunKey,
    before_event_id: i64,
    mut visit: impl FnMut(PlacedRecord) -> bool,
) -> rusqlite::Result<()> {
    let sql = "SELECT chunk FROM history WHERE run_key = ?1 AND first_event_id < ?2
        ORDER BY first_event_id DESC, position DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([run_key, before_event_id])?;
    while let Some(row) = rows.next()? {
        for record in read_chunk(row)?.into_iter().rev() {
            if record.first_event_id < before_event_id && !visit(record) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn read_chunk(row: &Row<'_>) -> rusqlite::Result<Vec<PlacedRecord>> {
    chunk::decode(bytes(row, 0)?).ok_or_else(|| {
        let reason = "a chunk of history is cut short".into();
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, reason)
    })
}

/// Goes through the wakes behind a place until the visitor has enough.
pub(crate) fn wakes(
    connection: &Connection,
    until_ms: i64,
    after: (i64, RunKey),
    mut visit: impl FnMut((i64, RunKey)) -> bool,
) -> rusqlite::Result<()> {
    let sql = "SELECT wake_ms, run_key FROM run WHERE wake_ms <= ?1 AND (wake_ms, run_key) > (?2, ?3)
        ORDER BY wake_ms, run_key";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([until_ms, after.0, after.1])?;
    while let Some(row) = rows.next()? {
        if !visit((row.get(0)?, row.get(1)?)) {
            break;
        }
    }
    Ok(())
}

/// Whether a run belongs to some slots. The file has one writer, which owns them all, so that nothing is kept for it.
pub(crate) fn is_in(connection: &Connection, run_key: RunKey, slots: &SlotSet) -> rusqlite::Result<bool> {
    if slots.is_all() {
        return Ok(true);
    }
    Ok(identity(connection, run_key)?.is_some_and(|identity| slots.contains(identity.slot())))
}

/// Goes through the tasks of a backlog that a cursor has not read, until the visitor has enough.
pub(crate) fn backlog(
    connection: &Connection,
    queue: &QueueKey,
    slots: &SlotSet,
    after: &BacklogCursor,
    mut visit: impl FnMut(i64, Bytes) -> bool,
) -> rusqlite::Result<()> {
    let sql = "SELECT task_id, slot, task FROM backlog
        WHERE queue = (SELECT queue FROM queue WHERE namespace_id = ?1 AND name = ?2 AND kind = ?3)
            AND task_id >= ?4
        ORDER BY task_id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut from = after.unread_from(i64::MIN);
    loop {
        let mut rows = statement.query(params![queue.namespace_id, queue.name, queue.kind, from])?;
        let read_to = loop {
            let Some(row) = rows.next()? else { return Ok(()) };
            let task_id = row.get(0)?;
            if after.has_read(task_id) {
                break task_id;
            }
            let slot = Slot::numbered(row.get::<_, i64>(1)?.cast_unsigned());
            if slots.contains(slot) && !visit(task_id, bytes(row, 2)?) {
                return Ok(());
            }
        };
        // The rest of what is read of this block is passed over.
        from = after.unread_from(read_to);
    }
}

pub(crate) fn backlog_queues(connection: &Connection, slots: &SlotSet) -> rusqlite::Result<Vec<(QueueKey, u64)>> {
    let sql = "SELECT namespace_id, name, kind, task_count, queue FROM queue WHERE task_count > 0 ORDER BY 1, 2, 3";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut queues = Vec::new();
    while let Some(row) = rows.next()? {
        let queue = QueueKey { namespace_id: row.get(0)?, name: row.get(1)?, kind: row.get(2)? };
        let count = if slots.is_all() { row.get(3)? } else { count_in(connection, row.get(4)?, slots)? };
        queues.extend((count > 0).then_some((queue, count.cast_unsigned())));
    }
    Ok(queues)
}

fn count_in(connection: &Connection, queue: i64, slots: &SlotSet) -> rusqlite::Result<i64> {
    let sql = "SELECT slot, COUNT(*) FROM backlog WHERE queue = ?1 GROUP BY slot";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([queue])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        if slots.contains(Slot::numbered(row.get::<_, i64>(0)?.cast_unsigned())) {
            count += row.get::<_, i64>(1)?;
        }
    }
    Ok(count)
}

pub(crate) fn registry(connection: &Connection, kind: &str) -> rusqlite::Result<Vec<RegistryRecord>> {
    let sql = "SELECT key, value, version FROM registry WHERE kind = ?1 ORDER BY key";
    let mut statement = connection.prepare_cached(sql)?;
    let records = statement.query_map([kind], |row| {
        let version = row.get::<_, i64>(2)?.cast_unsigned();
        Ok(RegistryRecord { key: row.get(0)?, value: bytes(row, 1)?, version })
    })?;
    records.collect()
}

/// The version of a registry record, 0 if there is none.
pub(crate) fn record_version(connection: &Connection, kind: &str, key: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT version FROM registry WHERE kind = ?1 AND key = ?2";
    let version: Option<i64> = optional(connection, sql, [kind, key], |row| row.get(0))?;
    Ok(version.map_or(0, i64::cast_unsigned))
}
