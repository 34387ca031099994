//! Lists and counts over the tables. The caller has materialised what is pending.

use std::collections::BTreeMap;

use evertide_store::{Filter, ListCursor, ListPage, ListQuery, RunKey, VisibilityRow};
use rusqlite::{Connection, OptionalExtension, params};

use crate::visibility_rows::{COLUMNS, rank, ranks, read_row};

pub(crate) fn list(connection: &Connection, query: &ListQuery) -> rusqlite::Result<ListPage> {
    let mut rows = Vec::new();
    let wanted = query.page_size.saturating_add(1);
    visit_in_order(
        connection,
        &query.namespace_id,
        query.after.as_ref(),
        |row| {
            if query.filter.matches(&row) {
                rows.push(row);
            }
            rows.len() < wanted
        },
    )?;
    Ok(ListPage::from_rows(rows.into_iter(), query.page_size))
}

pub(crate) fn count_by_status(
    connection: &Connection,
    namespace_id: &str,
    filter: &Filter,
) -> rusqlite::Result<BTreeMap<i32, u64>> {
    let mut counts = BTreeMap::new();
    visit_in_order(connection, namespace_id, None, |row| {
        if filter.matches(&row) {
            *counts.entry(row.status).or_default() += 1;
        }
        true
    })?;
    Ok(counts)
}

pub(crate) fn expired(
    connection: &Connection,
    namespace_id: &str,
    closed_before_ns: i64,
    limit: usize,
) -> rusqlite::Result<Vec<RunKey>> {
    let Some(namespace) = namespace(connection, namespace_id)? else {
        return Ok(Vec::new());
    };
    let sql = "SELECT run_key FROM visibility WHERE namespace = ?1 AND close_rank > ?2
        ORDER BY close_rank DESC, start_rank DESC, run_id DESC, run_key DESC LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let run_keys =
        statement.query_map([namespace, rank(closed_before_ns), limit], |row| row.get(0))?;
    run_keys.collect()
}

fn namespace(connection: &Connection, namespace_id: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT namespace FROM namespace WHERE namespace_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_row([namespace_id], |row| row.get(0))
        .optional()
}

/// Goes through a namespace in the order of lists, until the visitor has enough.
fn visit_in_order(
    connection: &Connection,
    namespace_id: &str,
    after: Option<&ListCursor>,
    mut visit: impl FnMut(VisibilityRow) -> bool,
) -> rusqlite::Result<()> {
    let Some(namespace) = namespace(connection, namespace_id)? else {
        return Ok(());
    };
    let (close_rank, start_rank) = after.map_or((i64::MIN, i64::MIN), ranks);
    let (run_id, run_key) = after.map_or(("", i64::MIN), |cursor| (&cursor.run_id, cursor.run_key));
    let sql = format!(
        "SELECT {COLUMNS} FROM visibility
        WHERE namespace = ?1 AND (close_rank, start_rank, run_id, run_key) > (?2, ?3, ?4, ?5)
        ORDER BY close_rank, start_rank, run_id, run_key"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![namespace, close_rank, start_rank, run_id, run_key])?;
    while let Some(row) = rows.next()? {
        if !visit(read_row(namespace_id, row)?) {
            break;
        }
    }
    Ok(())
}
