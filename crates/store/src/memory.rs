//! The store without a disk: the model that the others are compared with, and the store of in-memory servers.
//!
//! Plain ordered maps behind one lock, shared by as many writers as there are. Each read is the shortest expression of what the contract says, since this is
//! what the others are measured by; only the look-ups that a busy server makes at every step are kept in maps of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use evertide_engine::slot::{Slot, SlotSet};
use evertide_engine::visibility::{Filter, matches};
use parking_lot::RwLock;

use crate::batch::{
    BacklogChange, Batch, CurrentRun, QueueKey, RegistryWrite, RunIdentity, RunKey, RunWrite, Stored, Wake, Write,
};
use crate::contract::{ExpiredRun, HistoryLimit, HistoryRecord, RegistryRecord, Store, StoredRun};
use crate::error::StoreError;
use crate::numbers::{BacklogCursor, OpenState, block_of, first_in_block};
use crate::visibility::{ListCursor, ListPage, ListQuery, VisibilityRow};

/// Keeps everything in memory and loses it when dropped.
#[derive(Debug)]
pub struct MemoryStore {
    /// The writer's block.
    block: i64,
    tables: Arc<RwLock<Tables>>,
}

impl MemoryStore {
    /// An empty store, whose writer owns every slot.
    pub fn new() -> Self {
        let mut tables = Tables { budget_bytes: usize::MAX, ..Tables::default() };
        let block = tables.add_writer(SlotSet::all());
        Self { block, tables: Arc::new(RwLock::new(tables)) }
    }

    /// An empty store that is to hold about so much. Beyond that the runs that closed first count as
    /// [expired](Store::expired) before their retention is over, and a line of the log says so.
    #[must_use]
    pub fn with_budget(budget_bytes: usize) -> Self {
        let store = Self::new();
        store.tables.write().budget_bytes = budget_bytes;
        store
    }

    /// About how much memory the runs take.
    pub fn size_bytes(&self) -> usize {
        self.tables.read().size_bytes
    }

    /// Another writer, which owns nothing yet.
    #[must_use]
    pub fn join(&self) -> Self {
        let block = self.tables.write().add_writer(SlotSet::default());
        Self { block, tables: Arc::clone(&self.tables) }
    }

    /// Takes slots over from whoever has them.
    pub fn claim(&self, slots: &SlotSet) {
        for (block, writer) in &mut self.tables.write().writers {
            if *block == self.block {
                writer.slots.add(slots);
            } else {
                writer.slots = writer.slots.without(slots);
            }
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Default)]
struct Tables {
    /// By block.
    writers: BTreeMap<i64, OpenState>,
    runs: BTreeMap<RunKey, Run>,
    /// The runs that a look-up by id alone finds.
    current: BTreeMap<Name, RunKey>,
    by_identity: BTreeMap<RunIdentity, RunKey>,
    wakes: BTreeSet<(i64, RunKey)>,
    backlog: BTreeMap<QueueKey, BTreeMap<i64, Task>>,
    registry: BTreeMap<String, BTreeMap<String, RegistryRecord>>,
    registry_version: u64,
    /// By namespace id: the runs with a visibility row, in the order of lists.
    listed: BTreeMap<String, BTreeSet<ListPlace>>,
    /// What all runs take.
    size_bytes: usize,
    budget_bytes: usize,
    /// Whether the log says that the budget is used up.
    has_told: AtomicBool,
}

/// What a run takes beside its bytes, roughly.
const RUN_BYTES: usize = 1024;

/// Namespace id, kind and id.
type Name = (String, u8, String);

#[derive(Debug)]
struct Run {
    identity: RunIdentity,
    records: Vec<HistoryRecord>,
    snapshot: Option<Bytes>,
    /// How many of the records the snapshot contains.
    records_in_snapshot: usize,
    visibility: Option<VisibilityRow>,
    wake_ms: Option<i64>,
    /// About how much memory it takes.
    size_bytes: usize,
}

impl Run {
    fn is_in(&self, slots: &SlotSet) -> bool {
        slots.contains(self.identity.slot())
    }
}

#[derive(Debug)]
struct Task {
    slot: Slot,
    task: Bytes,
}

/// A cursor that sorts as lists do.
#[derive(Debug, PartialEq, Eq)]
struct ListPlace(ListCursor);

impl Ord for ListPlace {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.list_order(&other.0)
    }
}

impl PartialOrd for ListPlace {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Tables {
    fn add_writer(&mut self, slots: SlotSet) -> i64 {
        let block = self.writers.last_key_value().map_or(0, |(block, _)| block + 1);
        let first = first_in_block(block);
        self.writers.insert(block, OpenState { slots, next_run_key: first, next_task_id: first });
        block
    }

    /// Numbering goes on above what was used of a block.
    fn note_number(&mut self, number: i64, next: impl FnOnce(&mut OpenState) -> &mut i64) {
        if let Some(writer) = self.writers.get_mut(&block_of(number)) {
            let next = next(writer);
            *next = (*next).max(number.saturating_add(1));
        }
    }

    fn apply(&mut self, write: Write) {
        match write {
            Write::Run(run) => {
                let run_key = run.run_key;
                let before = self.size_of_run(run_key);
                self.apply_run(run);
                self.size_bytes = self.size_bytes + self.size_of_run(run_key) - before;
            }
            Write::DeleteRun { run_key } => {
                self.size_bytes -= self.size_of_run(run_key);
                self.delete_run(run_key);
            }
            Write::Registry(write) => self.apply_registry(write),
        }
    }

    fn size_of_run(&self, run_key: RunKey) -> usize {
        self.runs.get(&run_key).map_or(0, |run| run.size_bytes)
    }

    /// Before what time runs must have closed to go, so that the rest fits into the budget again with some room.
    fn closed_before_ns(&self) -> i64 {
        if self.size_bytes <= self.budget_bytes {
            return i64::MIN;
        }
        let mut left = self.size_bytes - self.budget_bytes / 20 * 19;
        let mut namespaces: Vec<_> = self.listed.values().map(|places| places.iter().rev()).collect();
        let mut oldest: Vec<_> = namespaces.iter_mut().map(Iterator::next).collect();
        loop {
            let closed =
                oldest.iter().enumerate().filter_map(|(namespace, place)| Some((namespace, &place.as_ref()?.0)));
            let next = closed.min_by_key(|(_, cursor)| cursor.close_time_ns);
            match next.map(|(namespace, cursor)| (namespace, cursor.clone())) {
                Some((namespace, cursor)) if cursor.close_time_ns < i64::MAX => {
                    oldest[namespace] = namespaces[namespace].next();
                    left = left.saturating_sub(self.size_of_run(cursor.run_key));
                    if left == 0 {
                        return cursor.close_time_ns.saturating_add(1);
                    }
                }
                // Everything that is closed; what is open stays.
                _ => return i64::MAX,
            }
        }
    }

    fn apply_registry(&mut self, write: RegistryWrite) {
        self.registry_version += 1;
        let version = write.version();
        let RegistryWrite { kind, key, value, .. } = write;
        let records = self.registry.entry(kind).or_default();
        match value.zip(version) {
            Some((value, version)) => records.insert(key.clone(), RegistryRecord { key, value, version }),
            None => records.remove(&key),
        };
    }

    fn apply_run(&mut self, write: RunWrite) {
        if let Some(identity) = write.create {
            self.create_run(write.run_key, identity);
        }
        let Some(run) = self.runs.get_mut(&write.run_key) else {
            // The batch was checked, so the run is there.
            return;
        };
        let row_bytes = |row: &VisibilityRow| row.memo.len() + row.payload.len();
        run.size_bytes += write.record.len() + size_of::<HistoryRecord>();
        if let Some(snapshot) = &write.snapshot {
            run.size_bytes = run.size_bytes + snapshot.len() - run.snapshot.as_ref().map_or(0, Bytes::len);
        }
        if let Some(row) = &write.visibility {
            run.size_bytes = run.size_bytes + row_bytes(row) - run.visibility.as_ref().map_or(0, row_bytes);
        }
        if !write.record.is_empty() {
            run.records.push(HistoryRecord { first_event_id: write.first_event_id, record: write.record });
        }
        if let Some(snapshot) = write.snapshot {
            run.snapshot = Some(snapshot);
            run.records_in_snapshot = run.records.len();
        }
        let wake_ms = match write.wake {
            Wake::Keep => run.wake_ms,
            Wake::Never => None,
            Wake::At(due_ms) => Some(due_ms),
        };
        if let Some(old_ms) = std::mem::replace(&mut run.wake_ms, wake_ms) {
            self.wakes.remove(&(old_ms, write.run_key));
        }
        self.wakes.extend(wake_ms.map(|due_ms| (due_ms, write.run_key)));
        let slot = run.identity.slot();
        let name = (run.identity.namespace_id.clone(), run.identity.kind, run.identity.id.clone());
        match write.current {
            CurrentRun::Keep => {}
            CurrentRun::Set => {
                self.current.insert(name, write.run_key);
            }
            CurrentRun::Clear => self.clear_current(&name, write.run_key),
        }
        if let Some(row) = write.visibility {
            self.show(write.run_key, row);
        }
        for change in write.backlog {
            self.apply_backlog(slot, change);
        }
    }

    fn create_run(&mut self, run_key: RunKey, identity: RunIdentity) {
        self.by_identity.insert(identity.clone(), run_key);
        let run = Run {
            identity,
            records: Vec::new(),
            snapshot: None,
            records_in_snapshot: 0,
            visibility: None,
            wake_ms: None,
            size_bytes: RUN_BYTES,
        };
        self.runs.insert(run_key, run);
        self.note_number(run_key, |writer| &mut writer.next_run_key);
    }

    fn clear_current(&mut self, name: &Name, run_key: RunKey) {
        if self.current.get(name) == Some(&run_key) {
            self.current.remove(name);
        }
    }

    fn show(&mut self, run_key: RunKey, mut row: VisibilityRow) {
        row.run_key = run_key;
        let place = ListPlace(row.cursor());
        let namespace_id = row.namespace_id.clone();
        let Some(run) = self.runs.get_mut(&run_key) else {
            return;
        };
        if let Some(old) = run.visibility.replace(row) {
            self.hide(&old);
        }
        self.listed.entry(namespace_id).or_default().insert(place);
    }

    fn hide(&mut self, row: &VisibilityRow) {
        if let Some(places) = self.listed.get_mut(&row.namespace_id) {
            places.remove(&ListPlace(row.cursor()));
            if places.is_empty() {
                self.listed.remove(&row.namespace_id);
            }
        }
    }

    fn apply_backlog(&mut self, slot: Slot, change: BacklogChange) {
        match change {
            BacklogChange::Put { queue, task_id, task } => {
                let tasks = self.backlog.entry(queue).or_default();
                tasks.insert(task_id, Task { slot, task });
                self.note_number(task_id, |writer| &mut writer.next_task_id);
            }
            BacklogChange::Delete { queue, task_id } => {
                if let Some(tasks) = self.backlog.get_mut(&queue) {
                    tasks.remove(&task_id);
                    if tasks.is_empty() {
                        self.backlog.remove(&queue);
                    }
                }
            }
        }
    }

    fn delete_run(&mut self, run_key: RunKey) {
        let Some(run) = self.runs.remove(&run_key) else {
            return;
        };
        if let Some(wake_ms) = run.wake_ms {
            self.wakes.remove(&(wake_ms, run_key));
        }
        if let Some(row) = &run.visibility {
            self.hide(row);
        }
        if self.by_identity.get(&run.identity) == Some(&run_key) {
            self.by_identity.remove(&run.identity);
        }
        let name = (run.identity.namespace_id, run.identity.kind, run.identity.id);
        self.clear_current(&name, run_key);
    }

    /// The visibility rows of a namespace in the order of lists, beginning behind a cursor.
    fn listed<'a>(
        &'a self,
        namespace_id: &str,
        after: Option<&ListCursor>,
    ) -> impl Iterator<Item = &'a VisibilityRow> + use<'a> {
        let from = match after {
            Some(cursor) => Bound::Excluded(ListPlace(cursor.clone())),
            None => Bound::Unbounded,
        };
        self.listed
            .get(namespace_id)
            .into_iter()
            .flat_map(move |places| places.range((from.as_ref(), Bound::Unbounded)).collect::<Vec<_>>())
            .filter_map(|place| self.runs.get(&place.0.run_key)?.visibility.as_ref())
    }

    fn matching<'a>(
        &'a self,
        namespace_id: &str,
        filter: &'a Filter,
        after: Option<&ListCursor>,
    ) -> impl Iterator<Item = &'a VisibilityRow> + use<'a> {
        self.listed(namespace_id, after).filter(|row| matches(filter, *row))
    }
}

/// The tables as one writer finds them.
struct StoredFor<'t> {
    block: i64,
    tables: &'t Tables,
}

impl Stored for StoredFor<'_> {
    fn owned(&self) -> SlotSet {
        self.tables.writers.get(&self.block).map(|writer| writer.slots.clone()).unwrap_or_default()
    }

    fn slot(&mut self, run_key: RunKey) -> Result<Option<Slot>, StoreError> {
        Ok(self.tables.runs.get(&run_key).map(|run| run.identity.slot()))
    }

    fn registry_version(&mut self, kind: &str, key: &str) -> Result<u64, StoreError> {
        let record = self.tables.registry.get(kind).and_then(|records| records.get(key));
        Ok(record.map_or(0, |record| record.version))
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut tables = self.tables.write();
        batch.check(&mut StoredFor { block: self.block, tables: &tables })?;
        for write in batch.writes {
            tables.apply(write);
        }
        Ok(())
    }

    fn resolve(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn open_state(&self) -> Result<OpenState, StoreError> {
        // A writer is never removed.
        Ok(self.tables.read().writers[&self.block].clone())
    }

    fn current_run(&self, namespace_id: &str, kind: u8, id: &str) -> Result<Option<RunKey>, StoreError> {
        let name = (namespace_id.to_owned(), kind, id.to_owned());
        Ok(self.tables.read().current.get(&name).copied())
    }

    fn find_run(&self, namespace_id: &str, kind: u8, id: &str, run_id: &str) -> Result<Option<RunKey>, StoreError> {
        let identity =
            RunIdentity { namespace_id: namespace_id.to_owned(), kind, id: id.to_owned(), run_id: run_id.to_owned() };
        Ok(self.tables.read().by_identity.get(&identity).copied())
    }

    fn run(&self, run_key: RunKey) -> Result<Option<StoredRun>, StoreError> {
        let tables = self.tables.read();
        Ok(tables.runs.get(&run_key).map(|run| StoredRun {
            identity: run.identity.clone(),
            snapshot: run.snapshot.clone(),
            records: run.records[run.records_in_snapshot..].iter().map(|record| record.record.clone()).collect(),
        }))
    }

    fn history(
        &self,
        run_key: RunKey,
        from_event_id: i64,
        limit: HistoryLimit,
    ) -> Result<Vec<HistoryRecord>, StoreError> {
        let tables = self.tables.read();
        let records = tables.runs.get(&run_key).map_or(&[][..], |run| &run.records);
        let behind = records.partition_point(|record| record.first_event_id <= from_event_id);
        Ok(limit.take(records[behind.saturating_sub(1)..].iter().cloned()))
    }

    fn history_before(
        &self,
        run_key: RunKey,
        before_event_id: i64,
        limit: HistoryLimit,
    ) -> Result<Vec<HistoryRecord>, StoreError> {
        let tables = self.tables.read();
        let records = tables.runs.get(&run_key).map_or(&[][..], |run| &run.records);
        let behind = records.partition_point(|record| record.first_event_id < before_event_id);
        Ok(limit.take(records[..behind].iter().rev().cloned()))
    }

    fn wakes(
        &self,
        slots: &SlotSet,
        until_ms: i64,
        after: Option<(i64, RunKey)>,
        limit: usize,
    ) -> Result<Vec<(i64, RunKey)>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let tables = self.tables.read();
        let due = tables.wakes.range((from, Bound::Unbounded)).take_while(|(due_ms, _)| *due_ms <= until_ms);
        let is_in_slots = |run_key: &RunKey| tables.runs.get(run_key).is_some_and(|run| run.is_in(slots));
        Ok(due.filter(|(_, run_key)| is_in_slots(run_key)).take(limit).copied().collect())
    }

    fn backlog(
        &self,
        queue: &QueueKey,
        slots: &SlotSet,
        after: &BacklogCursor,
        limit: usize,
    ) -> Result<Vec<(i64, Bytes)>, StoreError> {
        let tables = self.tables.read();
        let tasks = tables.backlog.get(queue).into_iter().flatten();
        let wanted = tasks.filter(|(task_id, task)| !after.has_read(**task_id) && slots.contains(task.slot));
        Ok(wanted.take(limit).map(|(task_id, task)| (*task_id, task.task.clone())).collect())
    }

    fn backlog_queues(&self, slots: &SlotSet) -> Result<Vec<(QueueKey, u64)>, StoreError> {
        let tables = self.tables.read();
        let queues = tables.backlog.iter().map(|(queue, tasks)| {
            let in_slots = tasks.values().filter(|task| slots.contains(task.slot));
            (queue.clone(), in_slots.count() as u64)
        });
        Ok(queues.filter(|(_, count)| *count > 0).collect())
    }

    fn registry(&self, kind: &str) -> Result<Vec<RegistryRecord>, StoreError> {
        let tables = self.tables.read();
        Ok(tables.registry.get(kind).into_iter().flat_map(BTreeMap::values).cloned().collect())
    }

    fn registry_version(&self) -> Result<u64, StoreError> {
        Ok(self.tables.read().registry_version)
    }

    fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let tables = self.tables.read();
        let rows = tables.matching(&query.namespace_id, &query.filter, query.after.as_ref());
        Ok(ListPage::from_rows(rows.cloned(), query.page_size))
    }

    fn count(&self, namespace_id: &str, filter: &Filter) -> Result<u64, StoreError> {
        Ok(self.tables.read().matching(namespace_id, filter, None).count() as u64)
    }

    fn count_by_status(&self, namespace_id: &str, filter: &Filter) -> Result<Vec<(i32, u64)>, StoreError> {
        let mut counts = BTreeMap::new();
        for row in self.tables.read().matching(namespace_id, filter, None) {
            *counts.entry(row.status).or_default() += 1;
        }
        Ok(counts.into_iter().collect())
    }

    fn is_over_budget(&self) -> bool {
        let tables = self.tables.read();
        tables.size_bytes > tables.budget_bytes
    }

    fn expired(
        &self,
        namespace_id: &str,
        slots: &SlotSet,
        closed_before_ns: i64,
        limit: usize,
    ) -> Result<Vec<ExpiredRun>, StoreError> {
        let tables = self.tables.read();
        let for_want_of_room_ns = tables.closed_before_ns();
        if for_want_of_room_ns > i64::MIN && !tables.has_told.swap(true, Ordering::Relaxed) {
            let budget_bytes = tables.budget_bytes;
            tracing::warn!(
                budget_bytes,
                "memory is used up: what closed first is dropped before its retention is over"
            );
        }
        let closed_before_ns = closed_before_ns.max(for_want_of_room_ns);
        let oldest_first = tables.listed.get(namespace_id).into_iter().flatten().rev();
        let expired = oldest_first.take_while(|place| place.0.close_time_ns < closed_before_ns).filter_map(|place| {
            let run_key = place.0.run_key;
            let run = tables.runs.get(&run_key).filter(|run| run.is_in(slots))?;
            Some(ExpiredRun { run_key, identity: run.identity.clone() })
        });
        Ok(expired.take(limit).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(run_key: RunKey, close_time_ns: Option<i64>) -> Write {
        let identity =
            RunIdentity { namespace_id: "namespace".to_owned(), id: run_key.to_string(), ..RunIdentity::default() };
        let row = VisibilityRow {
            namespace_id: identity.namespace_id.clone(),
            status: if close_time_ns.is_some() { 2 } else { 1 },
            close_time_ns,
            ..VisibilityRow::default()
        };
        Write::Run(RunWrite {
            run_key,
            create: Some(identity),
            record: Bytes::from(vec![7; 10_000]),
            visibility: Some(row),
            ..RunWrite::default()
        })
    }

    #[test]
    fn what_closed_first_goes_when_memory_is_used_up() {
        let store = MemoryStore::with_budget(200_000);
        let expired = || {
            let runs = store.expired("namespace", &SlotSet::all(), i64::MIN, 100).unwrap();
            runs.iter().map(|run| run.run_key).collect::<Vec<_>>()
        };
        // The later half closes first, and what is open stays.
        let closes = |run_key| (run_key % 5 != 0).then_some(1000 - run_key);
        for run_key in 1..=30 {
            store.commit(Batch::of_sole_writer(vec![closed(run_key, closes(run_key))])).unwrap();
            assert_eq!(store.is_over_budget(), store.size_bytes() > 200_000);
            assert_eq!(expired().is_empty(), !store.is_over_budget());
        }
        let dropped = expired();
        assert!(dropped.starts_with(&[29, 28, 27, 26, 24]), "{dropped:?}");
        assert!(dropped.len() >= 12 && dropped.len() < 24, "{dropped:?}");
        let deletes = dropped.iter().map(|run_key| Write::DeleteRun { run_key: *run_key });
        store.commit(Batch::of_sole_writer(deletes.collect())).unwrap();
        assert!(!store.is_over_budget() && expired().is_empty());
        let everything = (1..=30).map(|run_key| Write::DeleteRun { run_key });
        store.commit(Batch::of_sole_writer(everything.collect())).unwrap();
        assert_eq!(store.size_bytes(), 0);
    }
}
