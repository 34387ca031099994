//! Look-ups in what is pending over the tables.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use evertide_store::{
    BacklogCursor, HistoryLimit, HistoryRecord, QueueKey, RegistryRecord, RunIdentity, RunKey, SlotSet, StoredRun, Wake,
};

use crate::chunk::PlacedRecord;
use crate::layers::Layers;
use crate::pending::{InTables, Pending, PendingCurrent, PendingName, PendingRecord, PendingRun, PendingTask};
use crate::readers::Tables;
use crate::tables::{self, TabledSnapshot};

fn name<'a>(layer: &'a Pending, namespace_id: &str, kind: u8, id: &str) -> Option<&'a PendingName> {
    layer.names.get(namespace_id)?.get(&kind)?.get(id)
}

pub(super) fn current_run(
    layers: &Layers,
    tables: &Tables<'_>,
    namespace_id: &str,
    kind: u8,
    id: &str,
) -> rusqlite::Result<Option<RunKey>> {
    let still = |run_key: &RunKey, depth| !layers.above(depth, *run_key, |run| run.not_current);
    for (depth, layer) in layers.newest_first().enumerate() {
        match name(layer, namespace_id, kind, id).map(|name| name.current) {
            Some(PendingCurrent::Run(run_key)) => return Ok(Some(run_key).filter(|run_key| still(run_key, depth))),
            Some(PendingCurrent::Nothing) => return Ok(None),
            Some(PendingCurrent::AsInTables) | None => {}
        }
    }
    let run_key = tables.ask(|tables| tables::current_run(tables, namespace_id, kind, id))?;
    Ok(run_key.filter(|run_key| still(run_key, usize::MAX)))
}

pub(super) fn find_run(
    layers: &Layers,
    tables: &Tables<'_>,
    namespace_id: &str,
    kind: u8,
    id: &str,
    run_id: &str,
) -> rusqlite::Result<Option<RunKey>> {
    let exists = |run_key: &RunKey, depth| !layers.above(depth, *run_key, |run| run.tables != InTables::Earlier);
    for (depth, layer) in layers.newest_first().enumerate() {
        let created = name(layer, namespace_id, kind, id).map_or(&[][..], |name| &name.created);
        let mut found = created.iter().rev().filter(|(created, _)| created == run_id).map(|(_, run_key)| *run_key);
        if let Some(run_key) = found.find(|run_key| exists(run_key, depth)) {
            return Ok(Some(run_key));
        }
    }
    let found = tables.ask(|tables| tables::find_runs(tables, namespace_id, kind, id, run_id))?;
    Ok(found.into_iter().find(|run_key| exists(run_key, usize::MAX)))
}

/// What there is of a run here and there.
struct Parts<'a> {
    /// From the layers, the oldest first.
    pending: Vec<&'a PendingRun>,
    /// Whether its earliest part is in the tables.
    in_tables: bool,
}

/// None if there is no such run, for all that is known without the tables.
fn parts(layers: &Layers, run_key: RunKey) -> Option<Parts<'_>> {
    let mut pending = Vec::new();
    let mut in_tables = layers.may_be_tabled(run_key);
    for run in layers.newest_first().filter_map(|layer| layer.runs.get(&run_key)) {
        in_tables = run.tables == InTables::Earlier;
        if run.exists {
            pending.push(run);
        }
        if !in_tables {
            break;
        }
    }
    pending.reverse();
    (in_tables || !pending.is_empty()).then_some(Parts { pending, in_tables })
}

impl<'a> Parts<'a> {
    fn records(&self) -> Vec<&'a PlacedRecord> {
        self.pending.iter().flat_map(|run| &run.records).collect()
    }
}

pub(super) fn run(layers: &Layers, tables: &Tables<'_>, run_key: RunKey) -> rusqlite::Result<Option<StoredRun>> {
    let Some(Parts { pending, in_tables }) = parts(layers, run_key) else {
        return Ok(None);
    };
    let newest_snapshot = pending.iter().rposition(|run| run.snapshot.is_some());
    let needed = &pending[newest_snapshot.unwrap_or(0)..];
    let tabled = match newest_snapshot {
        None if in_tables => tables.ask(|tables| tabled_run(tables, run_key))?,
        _ => None,
    };
    let new = |run: &&PendingRun| {
        let identity = RunIdentity::clone(&run.identity);
        StoredRun { identity, snapshot: None, records: Vec::new() }
    };
    let Some(mut stored) = tabled.or_else(|| needed.first().map(new)) else {
        return Ok(None);
    };
    let mut after_position = i64::MIN;
    for run in needed {
        if let Some(snapshot) = &run.snapshot {
            stored.snapshot = Some(snapshot.snapshot.clone());
            after_position = snapshot.position;
        }
        let records = run.records.iter().filter(|record| record.position > after_position);
        stored.records.extend(records.map(|record| record.record.clone()));
    }
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
    layers: &Layers,
    tables: &Tables<'_>,
    run_key: RunKey,
    from_event_id: i64,
    limit: HistoryLimit,
) -> rusqlite::Result<Vec<HistoryRecord>> {
    let Some(parts) = parts(layers, run_key) else {
        return Ok(Vec::new());
    };
    let records = parts.records();
    let behind = records.partition_point(|record| record.first_event_id <= from_event_id);
    if behind > 0 || !parts.in_tables {
        let records = records[behind.saturating_sub(1)..].iter().copied();
        return Ok(limit.take(records.cloned().map(HistoryRecord::from)));
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
    layers: &Layers,
    tables: &Tables<'_>,
    run_key: RunKey,
    before_event_id: i64,
    limit: HistoryLimit,
) -> rusqlite::Result<Vec<HistoryRecord>> {
    let Some(parts) = parts(layers, run_key) else {
        return Ok(Vec::new());
    };
    let records = parts.records();
    let mut page = Page::new(limit);
    let behind = records.partition_point(|record| record.first_event_id < before_event_id);
    let has_room = records[..behind].iter().rev().all(|record| page.add(PlacedRecord::clone(record)));
    if has_room && parts.in_tables {
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
    layers: &Layers,
    tables: &Tables<'_>,
    slots: &SlotSet,
    until_ms: i64,
    after: Option<(i64, RunKey)>,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, RunKey)>> {
    let counts = |(_, run_key): &(i64, RunKey), depth| {
        !layers.above(depth, *run_key, |run| run.wake != Wake::Keep || run.tables != InTables::Earlier)
    };
    let mut wakes = Vec::new();
    if limit > 0 {
        tables.ask(|connection| {
            let mut outcome = Ok(());
            tables::wakes(connection, until_ms, after.unwrap_or((i64::MIN, i64::MIN)), |wake| {
                match tables::is_in(connection, wake.1, slots) {
                    Ok(is_in) => wakes.extend(Some(wake).filter(|wake| is_in && counts(wake, usize::MAX))),
                    Err(error) => outcome = Err(error),
                }
                outcome.is_ok() && wakes.len() < limit
            })?;
            outcome
        })?;
    }
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    for (depth, layer) in layers.newest_first().enumerate() {
        let is_in = |(_, run_key): &(i64, RunKey)| {
            slots.is_all() || layer.runs.get(run_key).is_some_and(|run| slots.contains(run.identity.slot()))
        };
        let due = layer.wakes.range((from, Bound::Unbounded)).take_while(|(due_ms, _)| *due_ms <= until_ms);
        wakes.extend(due.filter(|wake| is_in(wake) && counts(wake, depth)).take(limit));
    }
    wakes.sort_unstable();
    wakes.truncate(limit);
    Ok(wakes)
}

pub(super) fn backlog(
    layers: &Layers,
    tables: &Tables<'_>,
    queue: &QueueKey,
    slots: &SlotSet,
    after: &BacklogCursor,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, Bytes)>> {
    let changed: Vec<_> = layers.newest_first().filter_map(|layer| layer.backlog.get(queue)).collect();
    let counts = |task_id: i64, depth| !changed.iter().take(depth).any(|tasks| tasks.contains_key(&task_id));
    let mut backlog = Vec::new();
    if limit > 0 {
        tables.ask(|tables| {
            tables::backlog(tables, queue, slots, after, |task_id, task| {
                backlog.extend(counts(task_id, usize::MAX).then_some((task_id, task)));
                backlog.len() < limit
            })
        })?;
    }
    for (depth, tasks) in changed.iter().enumerate() {
        let unread = tasks.iter().filter(|(task_id, _)| !after.has_read(**task_id) && counts(**task_id, depth));
        let put = unread.filter_map(|(task_id, task)| {
            let PendingTask { slot, task } = task.as_ref()?;
            slots.contains(*slot).then(|| (*task_id, task.clone()))
        });
        backlog.extend(put.take(limit));
    }
    backlog.sort_unstable_by_key(|(task_id, _)| *task_id);
    backlog.truncate(limit);
    Ok(backlog)
}

pub(super) fn registry(layers: &Layers, tables: &Tables<'_>, kind: &str) -> rusqlite::Result<Vec<RegistryRecord>> {
    let tabled = tables.ask(|tables| tables::registry(tables, kind))?;
    let mut records: BTreeMap<_, _> = tabled.into_iter().map(|record| (record.key.clone(), record)).collect();
    let layers: Vec<_> = layers.newest_first().collect();
    for (key, record) in layers.iter().rev().filter_map(|layer| layer.registry.get(kind)).flatten() {
        match record.clone() {
            Some(PendingRecord { value, version }) => {
                records.insert(key.clone(), RegistryRecord { key: key.clone(), value, version })
            }
            None => records.remove(key),
        };
    }
    Ok(records.into_values().collect())
}

/// The version of a registry record, 0 if there is none.
pub(super) fn record_version(layers: &Layers, tables: &Tables<'_>, kind: &str, key: &str) -> rusqlite::Result<u64> {
    for layer in layers.newest_first() {
        if let Some(record) = layer.registry.get(kind).and_then(|records| records.get(key)) {
            return Ok(record.as_ref().map_or(0, |record| record.version));
        }
    }
    Ok(tables.ask(|tables| tables::record_version(tables, kind, key))?.unwrap_or(0))
}
