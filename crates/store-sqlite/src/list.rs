//! Lists and counts over the tables. The caller has materialised what is pending.
//!
//! There are two ways to the rows. If a probe of the plan finds few keys, those rows are read and sorted here. Otherwise
//! an index is followed in the order of lists, within the plan's bounds, until the page is full or so many rows have
//! been looked at that the caller should hear of it. Either way the engine says of each row whether it is meant.

use std::collections::BTreeMap;

use evertide_engine::visibility::{Filter, matches};
use evertide_store::{ListCursor, ListPage, ListQuery, RUNNING, RunKey, VisibilityRow};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, params, params_from_iter};

use crate::plan::{Counted, Plan, Probe};
use crate::row_values::RowValues;
use crate::visibility_rows::{COLUMNS, STATUS, rank, ranks, read_cursor, read_row};

pub(crate) fn list(
    connection: &Connection,
    query: &ListQuery,
    few_rows: usize,
    scan_rows: usize,
) -> rusqlite::Result<ListPage> {
    let search = Search::begin(connection, &query.namespace_id, &query.filter, few_rows)?;
    let Some(search) = search else {
        return Ok(ListPage::default());
    };
    let after = query.after.as_ref();
    let wanted = query.page_size.saturating_add(1);
    let mut rows: Vec<VisibilityRow> = Vec::new();
    let mut add = |row: &Row<'_>| {
        rows.push(read_row(&query.namespace_id, row)?);
        Ok(rows.len() < wanted)
    };
    let stopped_at = match search.few_keys()? {
        None => search.visit_in_order(after, scan_rows, &mut add)?,
        Some(run_keys) => {
            search.visit_few(&run_keys, &mut |row| add(row).map(|_| true))?;
            rows.retain(|row| after.is_none_or(|after| after.list_order(&row.cursor()).is_lt()));
            rows.sort_by(|a, b| a.cursor().list_order(&b.cursor()));
            None
        }
    };
    let ListPage { rows, next } = ListPage::from_rows(rows.into_iter(), query.page_size);
    Ok(ListPage { rows, next: next.or(stopped_at) })
}

pub(crate) fn count_by_status(
    connection: &Connection,
    namespace_id: &str,
    filter: &Filter,
    few_rows: usize,
) -> rusqlite::Result<BTreeMap<i32, u64>> {
    let mut counts = BTreeMap::new();
    let Some(search) = Search::begin(connection, namespace_id, filter, few_rows)? else {
        return Ok(counts);
    };
    if let Some(counted) = &search.plan.counted {
        return search.kept_counts(counted);
    }
    let mut add = |row: &Row<'_>| {
        *counts.entry(row.get(STATUS)?).or_default() += 1;
        Ok(true)
    };
    match search.few_keys()? {
        // There is no way to tell how far a count has come, so it goes through to the end.
        None => search.visit_in_order(None, usize::MAX, &mut add).map(drop)?,
        Some(run_keys) => search.visit_few(&run_keys, &mut add)?,
    }
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
    let sql = "SELECT run_key FROM visibility INDEXED BY visibility_in_order WHERE namespace = ?1 AND close_rank > ?2
        ORDER BY close_rank DESC, start_rank DESC, run_id DESC, run_key DESC LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let run_keys = statement.query_map([namespace, rank(closed_before_ns), limit], |row| row.get(0))?;
    run_keys.collect()
}

fn namespace(connection: &Connection, namespace_id: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT namespace FROM namespace WHERE namespace_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([namespace_id], |row| row.get(0)).optional()
}

/// One filter over one namespace, at one moment.
struct Search<'a> {
    /// Never committed; it keeps the tables as they are until the search is over.
    tables: Transaction<'a>,
    namespace: i64,
    filter: &'a Filter,
    plan: Plan,
    few_rows: usize,
}

/// Why no more rows are looked at.
#[derive(Debug, PartialEq)]
enum End {
    /// There are no more.
    OfRows,
    /// The visitor has enough.
    Enough,
    /// This many were to be looked at; the place is that of the last.
    AfterRow(ListCursor),
}

/// Takes a row that is meant and says whether more are wanted.
type Visit<'a> = &'a mut dyn FnMut(&Row<'_>) -> rusqlite::Result<bool>;

impl<'a> Search<'a> {
    /// None if there is nothing in the namespace.
    fn begin(
        connection: &'a Connection,
        namespace_id: &str,
        filter: &'a Filter,
        few_rows: usize,
    ) -> rusqlite::Result<Option<Self>> {
        let tables = connection.unchecked_transaction()?;
        let namespace = namespace(&tables, namespace_id)?;
        Ok(namespace.map(|namespace| Self { tables, namespace, filter, plan: Plan::of(filter), few_rows }))
    }

    /// The keys that a probe finds, if one finds few.
    fn few_keys(&self) -> rusqlite::Result<Option<Vec<RunKey>>> {
        for probe in &self.plan.probes {
            let run_keys = self.probe(probe)?;
            if run_keys.len() <= self.few_rows {
                return Ok(Some(run_keys));
            }
        }
        Ok(None)
    }

    fn probe(&self, probe: &Probe) -> rusqlite::Result<Vec<RunKey>> {
        let Probe { table, condition, parameters, .. } = probe;
        let sql = format!(
            "SELECT run_key FROM {table} WHERE namespace = ? AND {condition} LIMIT {}",
            self.few_rows.saturating_add(1)
        );
        let mut statement = self.tables.prepare(&sql)?;
        let namespace = Value::Integer(self.namespace);
        let parameters = std::iter::once(&namespace).chain(parameters);
        let run_keys = statement.query_map(params_from_iter(parameters), |row| row.get(0))?;
        let mut run_keys = run_keys.collect::<rusqlite::Result<Vec<RunKey>>>()?;
        if run_keys.len() <= self.few_rows {
            // A list is found by each of its members.
            run_keys.sort_unstable();
            run_keys.dedup();
        }
        Ok(run_keys)
    }

    fn visit_few(&self, run_keys: &[RunKey], visit: Visit<'_>) -> rusqlite::Result<()> {
        let sql = format!("SELECT {COLUMNS} FROM visibility WHERE run_key = ?1 AND namespace = ?2");
        let mut statement = self.tables.prepare_cached(&sql)?;
        for run_key in run_keys {
            let mut rows = statement.query([*run_key, self.namespace])?;
            if self.visit_rows(&mut rows, usize::MAX, visit)? == End::Enough {
                break;
            }
        }
        Ok(())
    }

    /// Where it stopped, if it did so because it had looked at `scan_rows` rows.
    fn visit_in_order(
        &self,
        after: Option<&ListCursor>,
        scan_rows: usize,
        visit: Visit<'_>,
    ) -> rusqlite::Result<Option<ListCursor>> {
        let Plan { close_rank, start_rank, workflow_type, .. } = &self.plan;
        let (after_close, after_start) = after.map_or((i64::MIN, i64::MIN), ranks);
        let (after_run, after_key) = after.map_or(("", i64::MIN), |cursor| (&cursor.run_id, cursor.run_key));
        // SQLite begins where a single column says; from the comparison of whole places it would not.
        let first_close = close_rank.first.max(after_close);
        let status = self.plan.only_status();
        let mut parameters: Vec<(&str, &dyn ToSql)> = vec![
            (":namespace", &self.namespace),
            (":first_close", &first_close),
            (":last_close", &close_rank.last),
            (":first_start", &start_rank.first),
            (":last_start", &start_rank.last),
            (":after_close", &after_close),
            (":after_start", &after_start),
            (":after_run", &after_run),
            (":after_key", &after_key),
        ];
        parameters.extend(status.iter().map(|status| (":status", status as &dyn ToSql)));
        parameters.extend(workflow_type.iter().map(|name| (":workflow_type", name as &dyn ToSql)));
        let mut statement = self.tables.prepare_cached(&sql_in_order(&self.plan))?;
        let mut rows = statement.query(&*parameters)?;
        match self.visit_rows(&mut rows, scan_rows, visit)? {
            End::AfterRow(cursor) => Ok(Some(cursor)),
            End::OfRows | End::Enough => Ok(None),
        }
    }

    fn visit_rows(&self, rows: &mut rusqlite::Rows<'_>, most: usize, visit: Visit<'_>) -> rusqlite::Result<End> {
        let mut looked_at = 0;
        while let Some(row) = rows.next()? {
            let values = RowValues::of(row);
            let meant = matches(self.filter, &values);
            values.check()?;
            if meant && !visit(row)? {
                return Ok(End::Enough);
            }
            looked_at += 1;
            if looked_at >= most {
                return Ok(End::AfterRow(read_cursor(row)?));
            }
        }
        Ok(End::OfRows)
    }

    fn kept_counts(&self, counted: &Counted) -> rusqlite::Result<BTreeMap<i32, u64>> {
        let sql = "SELECT status, SUM(row_count) FROM visibility_count
            WHERE namespace = ?1 AND (?2 IS NULL OR in_division = ?2)
            GROUP BY status HAVING SUM(row_count) > 0";
        let mut statement = self.tables.prepare_cached(sql)?;
        let mut rows = statement.query(params![self.namespace, counted.in_division])?;
        let mut counts = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let status: i32 = row.get(0)?;
            let is_meant = |statuses: &std::collections::BTreeSet<i64>| statuses.contains(&i64::from(status));
            if self.plan.statuses.as_ref().is_none_or(is_meant) {
                counts.insert(status, row.get::<_, i64>(1)?.cast_unsigned());
            }
        }
        Ok(counts)
    }
}

/// The statement that goes through a namespace in the order of lists. The index is named, because the planner knows
/// neither how selective a value is nor that a list seldom goes to its end.
fn sql_in_order(plan: &Plan) -> String {
    let mut index = "visibility_in_order";
    let mut conditions = String::new();
    if let Some(status) = plan.only_status() {
        conditions += " AND status = :status";
        if status > i64::from(RUNNING) {
            index = "visibility_by_status";
            conditions += " AND status > 1";
        }
    }
    if plan.workflow_type.is_some() {
        index = "visibility_by_type";
        conditions += " AND workflow_type = :workflow_type";
    }
    format!(
        "SELECT {COLUMNS} FROM visibility INDEXED BY {index}
        WHERE namespace = :namespace AND close_rank BETWEEN :first_close AND :last_close
            AND start_rank BETWEEN :first_start AND :last_start
            AND (close_rank, start_rank, run_id, run_key) > (:after_close, :after_start, :after_run, :after_key)
            {conditions}
        ORDER BY close_rank, start_rank, run_id, run_key"
    )
}

#[cfg(test)]
mod tests {
    use evertide_engine::visibility::{Attributes, parse};

    use super::*;
    use crate::schema;

    /// How SQLite would go about it.
    fn explain(connection: &Connection, sql: &str) -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        steps.collect::<rusqlite::Result<Vec<_>>>().unwrap().join("; ")
    }

    #[test]
    fn an_index_gives_the_order_of_every_list() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::prepare(&mut connection, "memory").unwrap();
        for (query, index) in [
            ("", "visibility_in_order"),
            ("ExecutionStatus = 'Running'", "visibility_in_order"),
            ("ExecutionStatus = 'Failed'", "visibility_by_status"),
            ("WorkflowType = 'a' AND StartTime > '2020-01-01T00:00:00Z'", "visibility_by_type"),
            ("TaskQueue = 'a' OR WorkflowType = 'a'", "visibility_in_order"),
        ] {
            let query = parse(query, &Attributes::default()).unwrap().within(None);
            let steps = explain(&connection, &sql_in_order(&Plan::of(&query.filter)));
            assert!(steps.contains(&format!("SEARCH visibility USING INDEX {index}")), "{query:?}: {steps}");
            assert!(steps.contains("close_rank"), "{query:?}: {steps}");
            assert!(!steps.contains("TEMP B-TREE"), "{query:?}: {steps}");
        }
    }
}
