//! Visibility rows in and out of their table, with what is kept beside them: values to search by, and counts.

use std::collections::BTreeMap;

use bytes::Bytes;
use evertide_store::codec::{decode_search_attributes, encode_search_attributes};
use evertide_store::{ListCursor, RunKey, SearchValue, VisibilityRow};
use rusqlite::types::{Type, Value};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::plan::{indexed, is_everywhere};
use crate::tables::bytes;

/// Columns in the order in which [`read_row`] wants them.
pub(crate) const COLUMNS: &str = "run_key, close_rank, start_rank, run_id, workflow_id, workflow_type, task_queue, status, \
    execution_time_ns, history_length, history_size_bytes, state_transition_count, execution_duration_ns, \
    parent_workflow_id, parent_run_id, root_workflow_id, root_run_id, division, search_attributes, memo, payload";

/// Lists go through a namespace whatever the kinds of its executions: their rows are under the number of this one.
pub(crate) const LISTED_KIND: u8 = 0;

/// Where the status stands in [`COLUMNS`].
pub(crate) const STATUS: usize = 7;

/// Where the search attributes stand in [`COLUMNS`].
pub(crate) const SEARCH_ATTRIBUTES: usize = 18;

/// The rank of a time: later times first. The inversion of bits is the one that reverses all numbers.
pub(crate) fn rank(time_ns: i64) -> i64 {
    !time_ns
}

/// The ranks of a cursor's close and start time.
pub(crate) fn ranks(cursor: &ListCursor) -> (i64, i64) {
    (rank(cursor.close_time_ns), rank(cursor.start_time_ns))
}

/// Where a row stands in a list.
pub(crate) fn read_cursor(row: &Row<'_>) -> rusqlite::Result<ListCursor> {
    Ok(ListCursor {
        close_time_ns: rank(row.get(1)?),
        start_time_ns: rank(row.get(2)?),
        run_id: row.get(3)?,
        run_key: row.get(0)?,
    })
}

pub(crate) fn read_row(namespace_id: &str, row: &Row<'_>) -> rusqlite::Result<VisibilityRow> {
    Ok(VisibilityRow {
        run_key: row.get(0)?,
        namespace_id: namespace_id.to_owned(),
        close_time_ns: Some(rank(row.get(1)?)).filter(|close_time_ns| *close_time_ns != i64::MAX),
        start_time_ns: rank(row.get(2)?),
        run_id: row.get(3)?,
        workflow_id: row.get(4)?,
        workflow_type: row.get(5)?,
        task_queue: row.get(6)?,
        status: row.get(7)?,
        execution_time_ns: row.get(8)?,
        history_length: row.get(9)?,
        history_size_bytes: row.get(10)?,
        state_transition_count: row.get(11)?,
        execution_duration_ns: row.get(12)?,
        parent_workflow_id: row.get(13)?,
        parent_run_id: row.get(14)?,
        root_workflow_id: row.get(15)?,
        root_run_id: row.get(16)?,
        division: row.get(17)?,
        search_attributes: read_search_attributes(row, SEARCH_ATTRIBUTES)?,
        memo: bytes(row, 19)?,
        payload: bytes(row, 20)?,
    })
}

pub(crate) fn read_search_attributes(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<(String, SearchValue)>> {
    let encoded = row.get_ref(column)?.as_blob()?;
    if encoded.is_empty() {
        return Ok(Vec::new());
    }
    decode_search_attributes(Bytes::copy_from_slice(encoded))
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}

/// Changes of many rows within one transaction.
pub(crate) struct VisibilityRows<'a> {
    connection: &'a Connection,
    /// By namespace, whether in a division, and status: how many rows more or less there are.
    counts: BTreeMap<(i64, bool, i32), i64>,
}

/// What must be undone beside a row that goes.
struct OldRow {
    namespace: i64,
    in_division: bool,
    status: i32,
    search_attributes: Vec<(String, SearchValue)>,
}

impl<'a> VisibilityRows<'a> {
    pub(crate) fn of(connection: &'a Connection) -> Self {
        Self { connection, counts: BTreeMap::new() }
    }

    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(parameters)
    }

    /// Adds a row, in place of the older one if there may be one.
    pub(crate) fn put(&mut self, namespace: i64, row: &VisibilityRow, may_exist: bool) -> rusqlite::Result<()> {
        let old = if may_exist { self.old_row(row.run_key)? } else { None };
        let old = old.inspect(|old| *self.counts.entry(old.counted()).or_default() -= 1);
        *self.counts.entry((namespace, row.division.is_some(), row.status)).or_default() += 1;
        self.put_search_attributes(namespace, row, old.as_ref())?;
        let sql = "INSERT OR REPLACE INTO visibility VALUES
            (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)";
        let (close_rank, start_rank) = (rank(row.list_close_time_ns()), rank(row.start_time_ns));
        let values = params![
            row.run_key,
            namespace,
            close_rank,
            start_rank,
            row.run_id,
            row.workflow_id,
            row.workflow_type,
            row.task_queue,
            row.status,
            row.execution_time_ns,
            row.history_length,
            row.history_size_bytes,
            row.state_transition_count,
            row.execution_duration_ns,
            row.parent_workflow_id,
            row.parent_run_id,
            row.root_workflow_id,
            row.root_run_id,
            row.division,
            encode_search_attributes(&row.search_attributes),
            &*row.memo,
            &*row.payload,
        ];
        self.execute(sql, values)?;
        Ok(())
    }

    pub(crate) fn delete(&mut self, run_key: RunKey) -> rusqlite::Result<()> {
        let Some(old) = self.old_row(run_key)? else {
            return Ok(());
        };
        *self.counts.entry(old.counted()).or_default() -= 1;
        for (name, value) in searchable(&old.search_attributes) {
            self.delete_search_attribute(old.namespace, name, &value, run_key)?;
        }
        self.execute("DELETE FROM visibility WHERE run_key = ?1", [run_key])?;
        Ok(())
    }

    /// Writes the counts. Without it the rows and their counts disagree.
    pub(crate) fn finish(self) -> rusqlite::Result<()> {
        for ((namespace, in_division, status), more) in &self.counts {
            if *more == 0 {
                continue;
            }
            let sql = "INSERT INTO visibility_count VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT DO UPDATE SET row_count = row_count + excluded.row_count";
            self.execute(sql, params![namespace, in_division, status, more])?;
        }
        Ok(())
    }

    fn old_row(&self, run_key: RunKey) -> rusqlite::Result<Option<OldRow>> {
        let sql =
            "SELECT namespace, division IS NOT NULL, status, search_attributes FROM visibility WHERE run_key = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let old = statement.query_row([run_key], |row| {
            Ok(OldRow {
                namespace: row.get(0)?,
                in_division: row.get(1)?,
                status: row.get(2)?,
                search_attributes: read_search_attributes(row, 3)?,
            })
        });
        old.optional()
    }

    /// Writes the difference, since most changes of a row leave its search attributes alone.
    fn put_search_attributes(&self, namespace: i64, row: &VisibilityRow, old: Option<&OldRow>) -> rusqlite::Result<()> {
        let old_attributes = old.map_or(&[][..], |old| &old.search_attributes);
        let old_namespace = old.map_or(namespace, |old| old.namespace);
        if old_namespace == namespace && old_attributes == row.search_attributes {
            return Ok(());
        }
        for (name, value) in searchable(old_attributes) {
            self.delete_search_attribute(old_namespace, name, &value, row.run_key)?;
        }
        for (name, value) in searchable(&row.search_attributes) {
            let sql = "INSERT OR IGNORE INTO search_attribute VALUES (?1, ?2, ?3, ?4)";
            self.execute(sql, params![namespace, name, value, row.run_key])?;
        }
        Ok(())
    }

    fn delete_search_attribute(
        &self,
        namespace: i64,
        name: &str,
        value: &Value,
        run_key: RunKey,
    ) -> rusqlite::Result<()> {
        let sql = "DELETE FROM search_attribute WHERE namespace = ?1 AND name = ?2 AND value = ?3 AND run_key = ?4";
        self.execute(sql, params![namespace, name, value, run_key])?;
        Ok(())
    }
}

impl OldRow {
    fn counted(&self) -> (i64, bool, i32) {
        (self.namespace, self.in_division, self.status)
    }
}

/// The values that are worth an index: all but texts and what every row has, and of keyword lists each member.
fn searchable(attributes: &[(String, SearchValue)]) -> impl Iterator<Item = (&str, Value)> {
    let values = attributes.iter().flat_map(|(name, value)| indexed(value).map(move |value| (name.as_str(), value)));
    values.filter(|(name, value)| !is_everywhere(name, value))
}
