//! Look-ups in what is pending over the tables, each in two steps.
//!
//! The first takes what it needs from the layers, under their lock, and often knows the answer then. The second reads the
//! tables without any lock, as they were under the layers of the first.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;

use bytes::Bytes;
use evertide_store::{
    BacklogCursor, HistoryLimit, HistoryRecord, QueueKey, RegistryRecord, RunIdentity, RunKey, SlotSet, StoredRun, Wake,
};
use rusqlite::Connection;

use crate::chunk::PlacedRecord;
use crate::layers::View;
use crate::pending::{InTables, Pending, PendingCurrent, PendingName, PendingRecord, PendingRun, PendingTask};
use crate::tables::{self, TabledSnapshot};

/// What the layers say.
pub(super) enum Found<T, P> {
    /// The answer.
    Here(T),
    /// What is to be laid over what the tables say.
    Over(P),
}

use Found::{Here, Over};

fn name<'a>(layer: &'a Pending, namespace_id: &str, kind: u8, id: &str) -> Option<&'a PendingName> {
    layer.names.get(namespace_id)?.get(&kind)?.get(id)
}

/// If the answer is not here, gives the runs that are not the current one whatever the tables say.
pub(super) fn current_run(
    layers: &View<'_>,
    namespace_id: &str,
    kind: u8,
    id: &str,
) -> Found<Option<RunKey>, Vec<RunKey>> {
    let mut not_current = Vec::new();
    for name in layers.newest_first().filter_map(|layer| name(layer, namespace_id, kind, id)) {
        match name.current {
            PendingCurrent::Run(run_key) => {
                return Here(Some(run_key).filter(|run_key| !not_current.contains(run_key)));
            }
            PendingCurrent::Nothing => return Here(None),
            PendingCurrent::AsInTables => not_current.extend_from_slice(&name.not_current),
        }
    }
    Over(not_current)
}

pub(super) fn tabled_current_run(
    connection: &Connection,
    namespace_id: &str,
    kind: u8,
    id: &str,
    not_current: &[RunKey],
) -> rusqlite::Result<Option<RunKey>> {
    let run_key = tables::current_run(connection, namespace_id, kind, id)?;
    Ok(run_key.filter(|run_key| !not_current.contains(run_key)))
}

/// If the answer is not here, gives the runs that do not exist whatever the tables say.
pub(super) fn find_run(
    layers: &View<'_>,
    namespace_id: &str,
    kind: u8,
    id: &str,
    run_id: &str,
) -> Found<Option<RunKey>, Vec<RunKey>> {
    let mut deleted = Vec::new();
    for name in layers.newest_first().filter_map(|layer| name(layer, namespace_id, kind, id)) {
        let named = name.created.iter().rev().filter(|(created, _)| created == run_id).map(|(_, run_key)| *run_key);
        if let Some(run_key) = named.clone().find(|run_key| !deleted.contains(run_key)) {
            return Here(Some(run_key));
        }
        deleted.extend_from_slice(&name.deleted);
    }
    Over(deleted)
}

pub(super) fn tabled_find_run(
    connection: &Connection,
    namespace_id: &str,
    kind: u8,
    id: &str,
    run_id: &str,
    deleted: &[RunKey],
) -> rusqlite::Result<Option<RunKey>> {
    let found = tables::find_runs(connection, namespace_id, kind, id, run_id)?;
    Ok(found.into_iter().find(|run_key| !deleted.contains(run_key)))
}

/// What there is of a run here and there.
struct Parts<'a> {
    /// From the layers, the oldest first.
    pending: Vec<&'a PendingRun>,
    /// Whether its earliest part is in the tables.
    in_tables: bool,
}

/// None if there is no such run, for all that is known without the tables.
fn parts<'a>(layers: &View<'a>, run_key: RunKey) -> Option<Parts<'a>> {
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

/// If the answer is not here, gives the records that follow on what the tables have.
pub(super) fn run(layers: &View<'_>, run_key: RunKey) -> Found<Option<StoredRun>, Vec<Bytes>> {
    let Some(Parts { pending, in_tables }) = parts(layers, run_key) else {
        return Here(None);
    };
    let newest_snapshot = pending.iter().rposition(|run| run.snapshot.is_some());
    let needed = &pending[newest_snapshot.unwrap_or(0)..];
    let snapshot = needed.first().and_then(|run| run.snapshot.as_ref());
    let after_position = snapshot.map_or(i64::MIN, |snapshot| snapshot.position);
    let records = needed.iter().flat_map(|run| &run.records).filter(|record| record.position > after_position);
    let records = records.map(|record| record.record.clone()).collect();
    match needed.first() {
        Some(first) if snapshot.is_some() || !in_tables => {
            let identity = RunIdentity::clone(&first.identity);
            let snapshot = snapshot.map(|snapshot| snapshot.snapshot.clone());
            Here(Some(StoredRun { identity, snapshot, records }))
        }
        _ => Over(records),
    }
}

pub(super) fn tabled_run(
    connection: &Connection,
    run_key: RunKey,
    pending: Vec<Bytes>,
) -> rusqlite::Result<Option<StoredRun>> {
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
    records.extend(pending);
    Ok(Some(StoredRun { identity: run.identity, snapshot: run.snapshot.map(|snapshot| snapshot.snapshot), records }))
}

/// If the answer is not here, gives what follows on what the tables have.
pub(super) fn history(
    layers: &View<'_>,
    run_key: RunKey,
    from_event_id: i64,
    limit: HistoryLimit,
) -> Found<Vec<HistoryRecord>, Vec<PlacedRecord>> {
    let Some(parts) = parts(layers, run_key) else {
        return Here(Vec::new());
    };
    let records = parts.records();
    let behind = records.partition_point(|record| record.first_event_id <= from_event_id);
    let mut page = Page::new(limit);
    if behind > 0 || !parts.in_tables {
        let _ = records[behind.saturating_sub(1)..].iter().all(|record| page.add(PlacedRecord::clone(record)));
        return Here(page.history());
    }
    let _ = records.into_iter().all(|record| page.add(record.clone()));
    Over(page.records)
}

pub(super) fn tabled_history(
    connection: &Connection,
    run_key: RunKey,
    from_event_id: i64,
    limit: HistoryLimit,
    pending: Vec<PlacedRecord>,
) -> rusqlite::Result<Vec<HistoryRecord>> {
    let mut page = Page::new(limit);
    tables::records_from(connection, run_key, (from_event_id, i64::MAX), |record| {
        // Up to the event itself, each record takes the place of the one before it.
        let may_be_replaced = record.first_event_id <= from_event_id;
        if may_be_replaced {
            page = Page::new(limit);
        }
        page.add(record) || may_be_replaced
    })?;
    let _ = pending.into_iter().all(|record| page.add(record));
    Ok(page.history())
}

/// If the answer is not here, gives the newest part of it.
pub(super) fn history_before(
    layers: &View<'_>,
    run_key: RunKey,
    before_event_id: i64,
    limit: HistoryLimit,
) -> Found<Vec<HistoryRecord>, Page> {
    let Some(parts) = parts(layers, run_key) else {
        return Here(Vec::new());
    };
    let records = parts.records();
    let mut page = Page::new(limit);
    let behind = records.partition_point(|record| record.first_event_id < before_event_id);
    let has_room = records[..behind].iter().rev().all(|record| page.add(PlacedRecord::clone(record)));
    if has_room && parts.in_tables { Over(page) } else { Here(page.history()) }
}

pub(super) fn tabled_history_before(
    connection: &Connection,
    run_key: RunKey,
    before_event_id: i64,
    mut page: Page,
) -> rusqlite::Result<Vec<HistoryRecord>> {
    tables::records_before(connection, run_key, before_event_id, |record| page.add(record))?;
    Ok(page.history())
}

/// Records up to a limit.
pub(super) struct Page {
    limit: HistoryLimit,
    size_bytes: usize,
    records: Vec<PlacedRecord>,
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
            self.records.push(record);
        }
        !self.is_full()
    }

    fn history(self) -> Vec<HistoryRecord> {
        self.records.into_iter().map(HistoryRecord::from).collect()
    }
}

/// What is pending of a list of things, laid over what the tables have of it.
pub(super) struct Overlay<K, T> {
    pending: Vec<T>,
    /// What no longer counts in the tables.
    hidden: HashSet<K>,
}

/// The wakes of the layers, by due time.
pub(super) fn wakes(
    layers: &View<'_>,
    slots: &SlotSet,
    until_ms: i64,
    after: Option<(i64, RunKey)>,
    limit: usize,
) -> Overlay<RunKey, (i64, RunKey)> {
    let is_set = |run: &PendingRun| run.wake != Wake::Keep || run.tables != InTables::Earlier;
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let (mut pending, mut hidden) = (Vec::new(), HashSet::new());
    for (depth, layer) in layers.newest_first().enumerate() {
        let is_in = |run_key: &RunKey| {
            slots.is_all() || layer.runs.get(run_key).is_some_and(|run| slots.contains(run.identity.slot()))
        };
        let due = layer.wakes.range((from, Bound::Unbounded)).take_while(|(due_ms, _)| *due_ms <= until_ms);
        let counts = |(_, run_key): &&(i64, RunKey)| is_in(run_key) && !layers.above(depth, *run_key, is_set);
        pending.extend(due.filter(counts).take(limit));
        hidden.extend(layer.runs.iter().filter(|(_, run)| is_set(run)).map(|(run_key, _)| *run_key));
    }
    Overlay { pending, hidden }
}

pub(super) fn tabled_wakes(
    connection: &Connection,
    slots: &SlotSet,
    until_ms: i64,
    after: Option<(i64, RunKey)>,
    limit: usize,
    overlay: Overlay<RunKey, (i64, RunKey)>,
) -> rusqlite::Result<Vec<(i64, RunKey)>> {
    let Overlay { pending: mut wakes, hidden } = overlay;
    let (mut left, mut outcome) = (limit, Ok(()));
    tables::wakes(connection, until_ms, after.unwrap_or((i64::MIN, i64::MIN)), |wake| {
        if left > 0 && !hidden.contains(&wake.1) {
            match tables::is_in(connection, wake.1, slots) {
                Ok(true) => {
                    wakes.push(wake);
                    left -= 1;
                }
                Ok(false) => {}
                Err(error) => outcome = Err(error),
            }
        }
        left > 0 && outcome.is_ok()
    })?;
    outcome?;
    wakes.sort_unstable();
    wakes.truncate(limit);
    Ok(wakes)
}

/// The tasks of the layers that a cursor has not read, by id.
pub(super) fn backlog(
    layers: &View<'_>,
    queue: &QueueKey,
    slots: &SlotSet,
    after: &BacklogCursor,
    limit: usize,
) -> Overlay<i64, (i64, Bytes)> {
    let mut decided = BTreeSet::new();
    let mut pending = Vec::new();
    for tasks in layers.newest_first().filter_map(|layer| layer.backlog.get(queue)) {
        // A newer layer has the last word on a task.
        let unread = tasks.iter().filter(|(task_id, _)| !after.has_read(**task_id) && decided.insert(**task_id));
        pending.extend(unread.filter_map(|(task_id, task)| {
            let PendingTask { slot, task } = task.as_ref()?;
            slots.contains(*slot).then(|| (*task_id, task.clone()))
        }));
    }
    pending.sort_unstable_by_key(|(task_id, _)| *task_id);
    pending.truncate(limit);
    Overlay { pending, hidden: decided.into_iter().collect() }
}

pub(super) fn tabled_backlog(
    connection: &Connection,
    queue: &QueueKey,
    slots: &SlotSet,
    after: &BacklogCursor,
    limit: usize,
    overlay: Overlay<i64, (i64, Bytes)>,
) -> rusqlite::Result<Vec<(i64, Bytes)>> {
    let Overlay { pending: mut backlog, hidden } = overlay;
    let mut left = limit;
    tables::backlog(connection, queue, slots, after, |task_id, task| {
        if left > 0 && !hidden.contains(&task_id) {
            backlog.push((task_id, task));
            left -= 1;
        }
        left > 0
    })?;
    backlog.sort_unstable_by_key(|(task_id, _)| *task_id);
    backlog.truncate(limit);
    Ok(backlog)
}

/// The records that the layers have, none for those that they have removed.
pub(super) fn registry(layers: &View<'_>, kind: &str) -> BTreeMap<String, Option<PendingRecord>> {
    let oldest_first = layers.newest_first().rev();
    let records = oldest_first.filter_map(|layer| layer.registry.get(kind)).flatten();
    records.map(|(key, record)| (key.clone(), record.clone())).collect()
}

pub(super) fn tabled_registry(
    connection: &Connection,
    kind: &str,
    pending: BTreeMap<String, Option<PendingRecord>>,
) -> rusqlite::Result<Vec<RegistryRecord>> {
    let tabled = tables::registry(connection, kind)?;
    let mut records: BTreeMap<_, _> = tabled.into_iter().map(|record| (record.key.clone(), record)).collect();
    for (key, record) in pending {
        match record {
            Some(PendingRecord { value, version }) => {
                records.insert(key.clone(), RegistryRecord { key, value, version })
            }
            None => records.remove(&key),
        };
    }
    Ok(records.into_values().collect())
}

/// The version of a registry record as the layers have it, 0 if they have removed it.
pub(super) fn record_version(layers: &View<'_>, kind: &str, key: &str) -> Option<u64> {
    let record = layers.newest_first().find_map(|layer| layer.registry.get(kind)?.get(key));
    record.map(|record| record.as_ref().map_or(0, |record| record.version))
}
