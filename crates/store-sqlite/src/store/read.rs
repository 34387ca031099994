//! Look-ups in what is pending over the tables.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

use bytes::Bytes;
use evertide_store::{HistoryLimit, HistoryRecord, QueueKey, RunIdentity, RunKey, StoredRun};

use super::core::Tables;
use crate::chunk::PlacedRecord;
use crate::pending::{InTables, Pending, PendingCurrent, PendingName, PendingRun};
use crate::tables::{self, TabledSnapshot};

fn name<'a>(pending: &'a Pending, namespace_id: &str, workflow_id: &str) -> Option<&'a PendingName> {
    pending.names.get(namespace_id)?.get(workflow_id)
}

pub(super) fn current_run(
    pending: &Pending,
    tables: &Tables<'_>,
    namespace_id: &str,
    workflow_id: &str,
) -> rusqlite::Result<Option<RunKey>> {
    let current = name(pending, namespace_id, workflow_id).map_or(PendingCurrent::AsInTables, |name| name.current);
    match current {
        PendingCurrent::Run(run_key) => Ok(Some(run_key)),
        PendingCurrent::Nothing => Ok(None),
        PendingCurrent::AsInTables => {
            let run_key = tables.ask(|tables| tables::current_run(tables, namespace_id, workflow_id))?;
            let no_more = |run_key| pending.runs.get(&run_key).is_some_and(|run| run.not_current);
            Ok(run_key.filter(|run_key| !no_more(*run_key)))
        }
    }
}

pub(super) fn find_run(
    pending: &Pending,
    tables: &Tables<'_>,
    namespace_id: &str,
    workflow_id: &str,
    run_id: &str,
) -> rusqlite::Result<Option<RunKey>> {
    let created = name(pending, namespace_id, workflow_id).map_or(&[][..], |name| &name.created);
    if let Some((_, run_key)) = created.iter().rev().find(|(created, _)| created == run_id) {
        return Ok(Some(*run_key));
    }
    let found = tables.ask(|tables| tables::find_runs(tables, namespace_id, workflow_id, run_id))?;
    let exists = |run_key: &RunKey| pending.runs.get(run_key).is_none_or(|run| run.tables == InTables::Earlier);
    Ok(found.into_iter().find(exists))
}

/// What there is of a run here and there, or none if there is nothing.
enum Parts<'a> {
    Pending(&'a PendingRun),
    Tabled,
    Both(&'a PendingRun),
}

fn parts(pending: &Pending, run_key: RunKey) -> Option<Parts<'_>> {
    match pending.runs.get(&run_key) {
        None => pending.may_be_tabled(run_key).then_some(Parts::Tabled),
        Some(run) if !run.exists => None,
        Some(run) if run.tables == InTables::Earlier => Some(Parts::Both(run)),
        Some(run) => Some(Parts::Pending(run)),
    }
}

pub(super) fn run(pending: &Pending, tables: &Tables<'_>, run_key: RunKey) -> rusqlite::Result<Option<StoredRun>> {
    let (run, tabled) = match parts(pending, run_key) {
        None => return Ok(None),
        Some(Parts::Tabled) => return tables.ask(|tables| tabled_run(tables, run_key)),
        Some(Parts::Pending(run)) => (run, None),
        Some(Parts::Both(run)) if run.snapshot.is_some() => (run, None),
        Some(Parts::Both(run)) => (run, tables.ask(|tables| tabled_run(tables, run_key))?),
    };
    let mut stored = tabled.unwrap_or_else(|| StoredRun {
        identity: RunIdentity::clone(&run.identity),
        snapshot: None,
        records: Vec::new(),
    });
    let mut after_position = i64::MIN;
    if let Some(snapshot) = &run.snapshot {
        stored.snapshot = Some(snapshot.snapshot.clone());
        after_position = snapshot.position;
    }
    let records = run.records.iter().filter(|record| record.position > after_position);
    stored.records.extend(records.map(|record| record.record.clone()));
    Ok(Some(stored))
}

fn tabled_run(connection: &rusqlite::Connection, run_key: RunKey) -> rusqlite::Result<Option<StoredRun>> {
    let Some(run) = tables::run(connection, run_key)? else {
        return Ok(None);
    };
    let from = run.snapshot.as_ref();
    let from = from
        .map_or((i64::MIN, i64::MIN), |TabledSnapshot { first_event_id, position, .. }| (*first_event_id, *position));
    let mut records = Vec::new();
    tables::records_from(connection, run_key, from, |record| {
        if record.position > from.1 {
            records.push(record.record);
        }
        true
    })?;
    Ok(Some(StoredRun { identity: run.identity, snapshot: run.snapshot.map(|snapshot| snapshot.snapshot), records }))
}

pub(super) fn history(
    pending: &Pending,
    tables: &Tables<'_>,
    run_key: RunKey,
    from_event_id: i64,
    limit: HistoryLimit,
) -> rusqlite::Result<Vec<HistoryRecord>> {
    let (records, in_tables) = match parts(pending, run_key) {
        None => return Ok(Vec::new()),
        Some(Parts::Pending(run)) => (&run.records[..], false),
        Some(Parts::Both(run)) => (&run.records[..], true),
        Some(Parts::Tabled) => (&[][..], true),
    };
    let behind = records.partition_point(|record| record.first_event_id <= from_event_id);
    if behind > 0 || !in_tables {
        return Ok(limit.take(records[behind.saturating_sub(1)..].iter().cloned().map(HistoryRecord::from)));
    }
    let mut page = Page::new(limit);
    tables.ask(|tables| {
        tables::records_from(tables, run_key, (from_event_id, i64::MAX), |record| {
            // Up to the event itself, each record takes the place of the one before it.
            let may_be_replaced = record.first_event_id <= from_event_id;
            if may_be_replaced {
                page = Page::new(limit);
            }
            page.add(record) || may_be_replaced
        })
    })?;
    for record in records {
        page.add(record.clone());
    }
    Ok(page.records)
}

pub(super) fn history_before(
    pending: &Pending,
    tables: &Tables<'_>,
    run_key: RunKey,
    before_event_id: i64,
    limit: HistoryLimit,
) -> rusqlite::Result<Vec<HistoryRecord>> {
    let (records, in_tables) = match parts(pending, run_key) {
        None => return Ok(Vec::new()),
        Some(Parts::Pending(run)) => (&run.records[..], false),
        Some(Parts::Both(run)) => (&run.records[..], true),
        Some(Parts::Tabled) => (&[][..], true),
    };
    let mut page = Page::new(limit);
    let behind = records.partition_point(|record| record.first_event_id < before_event_id);
    let has_room = records[..behind].iter().rev().all(|record| page.add(record.clone()));
    if has_room && in_tables {
        tables.ask(|tables| tables::records_before(tables, run_key, before_event_id, |record| page.add(record)))?;
    }
    Ok(page.records)
}

/// Records up to a limit.
struct Page {
    limit: HistoryLimit,
    size_bytes: usize,
    records: Vec<HistoryRecord>,
}

impl Page {
    fn new(limit: HistoryLimit) -> Self {
        Self { limit, size_bytes: 0, records: Vec::new() }
    }

    fn is_full(&self) -> bool {
        let HistoryLimit { records, size_bytes } = self.limit;
        !self.records.is_empty() && (self.records.len() >= records || self.size_bytes >= size_bytes)
    }

    /// Adds a record if there is room, and says whether there is room for another one.
    fn add(&mut self, record: PlacedRecord) -> bool {
        if !self.is_full() {
            self.size_bytes = self.size_bytes.saturating_add(record.record.len());
            self.records.push(record.into());
        }
        !self.is_full()
    }
}

pub(super) fn wakes(
    pending: &Pending,
    tables: &Tables<'_>,
    until_ms: i64,
    after: Option<(i64, RunKey)>,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, RunKey)>> {
    let mut tabled = Vec::new();
    if limit > 0 {
        let after = after.unwrap_or((i64::MIN, i64::MIN));
        tables.ask(|tables| {
            tables::wakes(tables, until_ms, after, |wake| {
                let run = pending.runs.get(&wake.1);
                if run.is_none_or(|run| run.wake.is_none() && run.tables == InTables::Earlier) {
                    tabled.push(wake);
                }
                tabled.len() < limit
            })
        })?;
    }
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let due = pending.wakes.range((from, Bound::Unbounded));
    let due = due.take_while(|(due_ms, _)| *due_ms <= until_ms).copied();
    Ok(merged(due, tabled.into_iter()).take(limit).collect())
}

/// Two ascending sequences without a common element as one.
fn merged<T: Ord>(left: impl Iterator<Item = T>, right: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    let (mut left, mut right): (Peekable<_>, Peekable<_>) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(a), Some(b)) if b < a => right.next(),
        (Some(_), _) => left.next(),
        (None, _) => right.next(),
    })
}

pub(super) fn backlog(
    pending: &Pending,
    tables: &Tables<'_>,
    queue: &QueueKey,
    after_task_id: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, Bytes)>> {
    let changed = pending.backlog.get(queue);
    let mut tabled = Vec::new();
    if limit > 0 {
        tables.ask(|tables| {
            tables::backlog(tables, queue, after_task_id, |task_id, task| {
                if !changed.is_some_and(|tasks| tasks.contains_key(&task_id)) {
                    tabled.push((task_id, task));
                }
                tabled.len() < limit
            })
        })?;
    }
    let from = after_task_id.map_or(Bound::Unbounded, Bound::Excluded);
    let changed = changed.into_iter().flat_map(|tasks| tasks.range((from, Bound::Unbounded)));
    let put = changed.filter_map(|(task_id, task)| Some((*task_id, task.clone()?)));
    Ok(merged(put, tabled.into_iter()).take(limit).collect())
}

pub(super) fn registry(pending: &Pending, tables: &Tables<'_>, kind: &str) -> rusqlite::Result<Vec<(String, Bytes)>> {
    let tabled = tables.ask(|tables| tables::registry(tables, kind))?;
    let mut records: BTreeMap<_, _> = tabled.into_iter().collect();
    for (key, value) in pending.registry.get(kind).into_iter().flatten() {
        match value {
            Some(value) => records.insert(key.clone(), value.clone()),
            None => records.remove(key),
        };
    }
    Ok(records.into_iter().collect())
}
