//! Lists and counts over the tables, with what is pending laid over them.
//!
//! There are two ways to the rows. If a probe of the plan finds few keys, those rows are read and sorted here. Otherwise
//! an index is followed in the order of lists, within the plan's bounds, until the page is full or so many rows have
//! been looked at that the caller should hear of it. Either way the engine says of each row whether it is meant.
//!
//! What is pending is never more than a few layers, so that all of it is looked at.

use std::collections::{BTreeMap, HashSet};

use evertide_engine::visibility::{Filter, matches};
use evertide_store::{
    ExpiredRun, ListCursor, ListPage, ListQuery, RUNNING, RunIdentity, RunKey, SlotSet, VisibilityRow,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use crate::layers::View;
use crate::plan::{Counted, Plan, Probe};
use crate::row_values::RowValues;
use crate::tables;
use crate::visibility_rows::{COLUMNS, LISTED_KIND, STATUS, rank, ranks, read_cursor, read_row};

/// How many rows are looked at; what each means stands with the options of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) few_rows: usize,
    pub(crate) scan_rows: usize,
    pub(crate) count_rows: usize,
}

/// What an answer takes from the layers.
pub(crate) struct Overlay<T> {
    found: T,
    /// Runs whose rows in the tables no longer count.
    hidden: HashSet<RunKey>,
}

/// The pending rows that may stand on a page, in the order of lists.
pub(crate) fn pending_rows(layers: &View<'_>, query: &ListQuery) -> Overlay<Vec<VisibilityRow>> {
    let mut rows: Vec<&VisibilityRow> = Vec::new();
    let hidden = layers.visit_rows(&query.namespace_id, |row, _| {
        if query.after.as_ref().is_none_or(|after| after.list_place() < row.list_place()) && matches(&query.filter, row)
        {
            rows.push(row);
        }
    });
    rows.sort_unstable_by_key(|row| row.list_place());
    rows.truncate(query.page_size.saturating_add(1));
    Overlay { found: rows.into_iter().cloned().collect(), hidden }
}

pub(crate) fn list(
    connection: &Connection,
    query: &ListQuery,
    pending: Overlay<Vec<VisibilityRow>>,
    bounds: Bounds,
) -> rusqlite::Result<ListPage> {
    let Overlay { found: mut rows, hidden } = pending;
    let mut stopped_at = None;
    if let Some(search) = Search::begin(connection, &query.namespace_id, &query.filter, &hidden, bounds.few_rows)? {
        let after = query.after.as_ref();
        let (before, wanted) = (rows.len(), query.page_size.saturating_add(1));
        let mut add = |row: &Row<'_>| {
            rows.push(read_row(&query.namespace_id, row)?);
            Ok(rows.len() - before < wanted)
        };
        match search.few_keys()? {
            None => stopped_at = search.visit_in_order(after, bounds.scan_rows, &mut add)?,
            Some(run_keys) => search.visit_few(&run_keys, &mut add)?,
        }
    }
    let is_on_page = |row: &VisibilityRow| {
        let is_after = query.after.as_ref().is_none_or(|after| after.list_place() < row.list_place());
        is_after && stopped_at.as_ref().is_none_or(|last| row.list_place() <= last.list_place())
    };
    rows.retain(is_on_page);
    rows.sort_unstable_by(|a, b| a.list_place().cmp(&b.list_place()));
    let ListPage { rows, next } = ListPage::from_rows(rows.into_iter(), query.page_size);
    Ok(ListPage { rows, next: next.or(stopped_at) })
}

/// How many pending rows are meant, by status.
pub(crate) fn pending_counts(layers: &View<'_>, namespace_id: &str, filter: &Filter) -> Overlay<BTreeMap<i32, u64>> {
    let mut counts = BTreeMap::new();
    let hidden = layers.visit_rows(namespace_id, |row, _| {
        if matches(filter, row) {
            *counts.entry(row.status).or_default() += 1;
        }
    });
    Overlay { found: counts, hidden }
}

/// None if that would take a look at too many rows.
pub(crate) fn count_by_status(
    connection: &Connection,
    namespace_id: &str,
    filter: &Filter,
    pending: Overlay<BTreeMap<i32, u64>>,
    bounds: Bounds,
) -> rusqlite::Result<Option<BTreeMap<i32, u64>>> {
    let Overlay { found: mut counts, hidden } = pending;
    let Some(search) = Search::begin(connection, namespace_id, filter, &hidden, bounds.few_rows)? else {
        return Ok(Some(counts));
    };
    if let Some(counted) = &search.plan.counted {
        search.add_kept_counts(counted, &mut counts)?;
        return Ok(Some(counts));
    }
    let mut add = |row: &Row<'_>| {
        *counts.entry(row.get(STATUS)?).or_default() += 1;
        Ok(true)
    };
    match search.few_keys()? {
        None => {
            let stopped_at = search.visit_in_order(None, bounds.count_rows.saturating_add(1), &mut add)?;
            Ok(stopped_at.is_none().then_some(counts))
        }
        Some(run_keys) => {
            search.visit_few(&run_keys, &mut add)?;
            Ok(Some(counts))
        }
    }
}

/// The pending rows that closed before a time, with the names of their runs.
pub(crate) fn pending_expired(
    layers: &View<'_>,
    namespace_id: &str,
    closed_before_ns: i64,
) -> Overlay<Vec<(ListCursor, RunIdentity)>> {
    let mut closed = Vec::new();
    let hidden = layers.visit_rows(namespace_id, |row, identity| {
        let is_expired = row.list_close_time_ns() < closed_before_ns;
        closed.extend(is_expired.then(|| (row.cursor(), identity.clone())));
    });
    Overlay { found: closed, hidden }
}

pub(crate) fn expired(
    connection: &Connection,
    namespace_id: &str,
    slots: &SlotSet,
    closed_before_ns: i64,
    pending: Overlay<Vec<(ListCursor, RunIdentity)>>,
    limit: usize,
) -> rusqlite::Result<Vec<ExpiredRun>> {
    let Overlay { found: mut expired, hidden } = pending;
    expired.retain(|(_, identity)| slots.contains(identity.slot()));
    if let Some(namespace) = namespace(connection, namespace_id)?.filter(|_| limit > 0) {
        let sql = "SELECT run_key, close_rank, start_rank, run_id FROM visibility INDEXED BY visibility_in_order
            WHERE namespace = ?1 AND close_rank > ?2
            ORDER BY close_rank DESC, start_rank DESC, run_id DESC, run_key DESC";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([namespace, rank(closed_before_ns)])?;
        let mut found = 0;
        while let Some(row) = rows.next()?.filter(|_| found < limit) {
            let cursor = read_cursor(row)?;
            let is_hidden = hidden.contains(&cursor.run_key);
            let identity = if is_hidden { None } else { tables::identity(connection, cursor.run_key)? };
            if let Some(identity) = identity.filter(|identity| slots.contains(identity.slot())) {
                expired.push((cursor, identity));
                found += 1;
            }
        }
    }
    expired.sort_unstable_by(|(a, _), (b, _)| b.list_order(a));
    let oldest_first = expired.into_iter().take(limit);
    Ok(oldest_first.map(|(cursor, identity)| ExpiredRun { run_key: cursor.run_key, identity }).collect())
}

fn namespace(connection: &Connection, namespace_id: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT scope FROM scope WHERE namespace_id = ?1 AND kind = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row(params![namespace_id, LISTED_KIND], |row| row.get(0)).optional()
}

/// One filter over one namespace.
struct Search<'a> {
    tables: &'a Connection,
    namespace: i64,
    filter: &'a Filter,
    hidden: &'a HashSet<RunKey>,
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
    /// None if the tables have nothing in the namespace.
    fn begin(
        tables: &'a Connection,
        namespace_id: &str,
        filter: &'a Filter,
        hidden: &'a HashSet<RunKey>,
        few_rows: usize,
    ) -> rusqlite::Result<Option<Self>> {
        let namespace = namespace(tables, namespace_id)?;
        Ok(namespace.map(|namespace| Self { tables, namespace, filter, hidden, plan: Plan::of(filter), few_rows }))
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
        let Probe { source, condition, parameters, .. } = probe;
        let sql = format!("SELECT run_key FROM {source} AND {condition} LIMIT {}", self.few_rows.saturating_add(1));
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

    /// Whether the filter means a row, be it hidden or not.
    fn is_meant(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let values = RowValues::of(row);
        let meant = matches(self.filter, &values);
        values.check().map(|()| meant)
    }

    fn is_hidden(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        Ok(!self.hidden.is_empty() && self.hidden.contains(&row.get(0)?))
    }

    fn visit_few(&self, run_keys: &[RunKey], visit: Visit<'_>) -> rusqlite::Result<()> {
        let shown = run_keys.iter().filter(|run_key| !self.hidden.contains(run_key));
        self.visit_keys(shown, visit)
    }

    fn visit_keys<'k>(&self, run_keys: impl Iterator<Item = &'k RunKey>, visit: Visit<'_>) -> rusqlite::Result<()> {
        let sql = format!("SELECT {COLUMNS} FROM visibility WHERE run_key = ?1 AND namespace = ?2");
        let mut statement = self.tables.prepare_cached(&sql)?;
        for run_key in run_keys {
            let mut rows = statement.query([*run_key, self.namespace])?;
            while let Some(row) = rows.next()? {
                if self.is_meant(row)? {
                    visit(row)?;
                }
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
            if self.is_meant(row)? && !self.is_hidden(row)? && !visit(row)? {
                return Ok(End::Enough);
            }
            looked_at += 1;
            if looked_at >= most {
                return Ok(End::AfterRow(read_cursor(row)?));
            }
        }
        Ok(End::OfRows)
    }

    fn add_kept_counts(&self, counted: &Counted, counts: &mut BTreeMap<i32, u64>) -> rusqlite::Result<()> {
        let sql = "SELECT status, SUM(row_count) FROM visibility_count
            WHERE namespace = ?1 AND (?2 IS NULL OR in_division = ?2)
            GROUP BY status";
        let mut statement = self.tables.prepare_cached(sql)?;
        let mut rows = statement.query(params![self.namespace, counted.in_division])?;
        while let Some(row) = rows.next()? {
            let status: i32 = row.get(0)?;
            let is_meant = |statuses: &std::collections::BTreeSet<i64>| statuses.contains(&i64::from(status));
            if self.plan.statuses.as_ref().is_none_or(is_meant) {
                *counts.entry(status).or_default() += row.get::<_, i64>(1)?.cast_unsigned();
            }
        }
        self.uncount_hidden(counts)?;
        counts.retain(|_, count| *count > 0);
        Ok(())
    }

    /// Takes from the kept counts those rows that no longer count.
    fn uncount_hidden(&self, counts: &mut BTreeMap<i32, u64>) -> rusqlite::Result<()> {
        self.visit_keys(self.hidden.iter(), &mut |row| {
            if let Some(count) = counts.get_mut(&row.get(STATUS)?) {
                *count = count.saturating_sub(1);
            }
            Ok(true)
        })
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
