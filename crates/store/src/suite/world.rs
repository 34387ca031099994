//! What the suite writes and asks: a small world of few names, so that they meet again and again.

use std::collections::BTreeMap;

use evertide_engine::slot::{Slot, SlotSet};
use evertide_engine::visibility::{AttributeType, Filter, SearchValue};

use super::filters::any_filter;
use super::question::Question;
use super::random::Random;
use crate::batch::{
    BacklogChange, Batch, CurrentRun, QueueKey, RegistryWrite, RunIdentity, RunKey, RunWrite, Wake, Write,
};
use crate::contract::HistoryLimit;
use crate::numbers::{BacklogCursor, OpenState, block_of, first_in_block};
use crate::visibility::{ListQuery, VisibilityRow};

const NAMESPACES: [&str; 2] = ["namespace-a", "namespace-b"];
pub(super) const WORKFLOW_IDS: [&str; 5] = ["order", "order-2", "Order", "ort", "zebra"];
pub(super) const WORKFLOW_TYPES: [&str; 3] = ["ship", "bill", "Ship"];
/// Kinds of executions, whose ids are the same.
const KINDS: [u8; 2] = [0, 3];
const REGISTRY_KINDS: [&str; 2] = ["namespace", "search attribute"];
const REGISTRY_KEYS: [&str; 3] = ["a", "b", "\u{e9}"];
pub(super) const WORDS: [&str; 4] = ["red", "green", "Red", ""];

/// Times begin here, in unix nanoseconds.
const EPOCH_NS: i64 = 1_700_000_000_000_000_000;

/// What the batches so far have made.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// Where the writers stand, and what they own.
    pub(super) writers: Vec<OpenState>,
    /// Whose batch is made.
    pub(super) writer: usize,
    runs: BTreeMap<RunKey, LiveRun>,
    deleted: Vec<RunIdentity>,
    /// Tasks that may still be in a backlog.
    tasks: Vec<(QueueKey, i64)>,
    /// The versions of registry records.
    records: BTreeMap<(&'static str, &'static str), u64>,
}

/// A run as far as its next write depends on it.
#[derive(Clone, Debug)]
struct LiveRun {
    identity: RunIdentity,
    next_event_id: i64,
}

impl World {
    pub(super) fn of(writers: Vec<OpenState>) -> Self {
        let (runs, deleted, tasks, records) = Default::default();
        Self { writers, writer: 0, runs, deleted, tasks, records }
    }

    /// A batch that keeps the contract.
    pub(super) fn batch(&mut self, random: &mut Random) -> Batch {
        let count = if random.one_in(10) { 20 } else { random.below(5) };
        let mut batch = Batch::default();
        for _ in 0..count {
            let (write, slot) = self.write(random);
            batch.writes.push(write);
            slot.into_iter().for_each(|slot| batch.slots.insert(slot));
        }
        batch
    }

    /// A batch that breaks it at its end, so that what comes before must not be seen either.
    pub(super) fn refused_batch(&mut self, random: &mut Random) -> Batch {
        let before = self.clone();
        let mut batch = self.batch(random);
        if random.one_in(3) {
            let Write::Registry(mut write) = self.registry(random) else { unreachable!("it is a record") };
            write.expected += random.below(2) * 2 + 1;
            batch.writes.push(Write::Registry(write));
        } else {
            let mut run_key = self.writers[self.writer].next_run_key + random.between(0, 3);
            let mut create = None;
            if let Some((existing, run)) = self.some_run(random).filter(|_| random.one_in(2)) {
                run_key = existing;
                batch.slots.insert(run.identity.slot());
                create = Some(run.identity).filter(|_| !random.one_in(4));
            }
            if create.is_none() && self.runs.contains_key(&run_key) {
                batch.slots = SlotSet::default();
            }
            batch.writes.push(Write::Run(RunWrite { run_key, create, record: random.bytes(), ..RunWrite::default() }));
        }
        *self = before;
        batch
    }

    /// A write, and the slot that it relies on.
    fn write(&mut self, random: &mut Random) -> (Write, Option<Slot>) {
        match random.below(20) {
            0..5 => self.create(random),
            5..8 => self.delete(random),
            8..9 => (self.registry(random), None),
            _ => match self.some_run(random) {
                None => self.create(random),
                Some((run_key, run)) => self.step(random, run_key, run, None),
            },
        }
    }

    fn owns(&self, slot: Slot) -> bool {
        self.writers[self.writer].slots.contains(slot)
    }

    /// A run that the writer may write.
    fn some_run(&self, random: &mut Random) -> Option<(RunKey, LiveRun)> {
        let run_keys: Vec<_> = self.runs.iter().filter(|(_, run)| self.owns(run.identity.slot())).collect();
        if run_keys.is_empty() {
            return None;
        }
        let (run_key, run) = *random.pick(&run_keys);
        Some((*run_key, run.clone()))
    }

    fn create(&mut self, random: &mut Random) -> (Write, Option<Slot>) {
        let owned: Vec<_> = addresses().filter(|identity| self.owns(identity.slot())).collect();
        if owned.is_empty() {
            return (self.registry(random), None);
        }
        // Sometimes a key is left out, as when a draft is dropped.
        let next_run_key = &mut self.writers[self.writer].next_run_key;
        let run_key = *next_run_key + i64::from(random.one_in(5));
        *next_run_key = run_key + 1;
        let run_id = format!("run-{}-{run_key}", random.below(3));
        let run = LiveRun { identity: RunIdentity { run_id, ..random.pick(&owned).clone() }, next_event_id: 1 };
        let create = Some(run.identity.clone());
        self.step(random, run_key, run, create)
    }

    fn step(
        &mut self,
        random: &mut Random,
        run_key: RunKey,
        mut run: LiveRun,
        create: Option<RunIdentity>,
    ) -> (Write, Option<Slot>) {
        let first_event_id = run.next_event_id;
        let has_record = !random.one_in(6);
        if has_record {
            run.next_event_id += random.between(0, 3);
        }
        let current = match random.below(4) {
            0 => CurrentRun::Keep,
            1 => CurrentRun::Clear,
            _ if create.is_some() => CurrentRun::Set,
            2 => CurrentRun::Set,
            _ => CurrentRun::Keep,
        };
        let wake = match random.below(3) {
            0 => Wake::Keep,
            1 => Wake::Never,
            _ => Wake::At(random.between(-2, 20)),
        };
        let backlog = (0..random.below(3)).map(|_| self.backlog_change(random)).collect();
        let write = RunWrite {
            run_key,
            create,
            current,
            first_event_id,
            record: if has_record { random.bytes() } else { bytes::Bytes::new() },
            snapshot: random.one_in(4).then(|| random.bytes()),
            visibility: random.one_in(2).then(|| row(random, run_key, &run.identity)),
            wake,
            backlog,
        };
        let slot = run.identity.slot();
        self.runs.insert(run_key, run);
        (Write::Run(write), Some(slot))
    }

    fn backlog_change(&mut self, random: &mut Random) -> BacklogChange {
        if random.one_in(2) && !self.tasks.is_empty() {
            let (queue, task_id) = random.pick(&self.tasks).clone();
            // An id is put once, but it does no harm to put it again; only a reader that is past it does not see it.
            if self.writers.len() == 1 && random.one_in(4) {
                let task = random.bytes();
                return BacklogChange::Put { queue, task_id, task };
            }
            return BacklogChange::Delete { queue, task_id };
        }
        let next_task_id = &mut self.writers[self.writer].next_task_id;
        let task_id = *next_task_id;
        *next_task_id += random.between(1, 2);
        let queue = queue(random);
        self.tasks.push((queue.clone(), task_id));
        let task = random.bytes();
        BacklogChange::Put { queue, task_id, task }
    }

    fn delete(&mut self, random: &mut Random) -> (Write, Option<Slot>) {
        let run_key = match self.some_run(random) {
            Some((run_key, _)) if !random.one_in(8) => run_key,
            _ => self.no_run(random),
        };
        let deleted = self.runs.remove(&run_key);
        let slot = deleted.as_ref().map(|run| run.identity.slot());
        self.deleted.extend(deleted.map(|run| run.identity));
        (Write::DeleteRun { run_key }, slot)
    }

    /// A key that no run has, now or ever.
    fn no_run(&self, random: &mut Random) -> RunKey {
        let run_key = self.any_run_key(random);
        if self.runs.contains_key(&run_key) { self.writers[self.writer].next_run_key } else { run_key }
    }

    /// A key among those that were given out, or one beside them.
    fn any_run_key(&self, random: &mut Random) -> RunKey {
        let next = random.pick(&self.writers).next_run_key;
        random.between(first_in_block(block_of(next)) - 1, next)
    }

    fn registry(&mut self, random: &mut Random) -> Write {
        let (kind, key) = (*random.pick(&REGISTRY_KINDS), *random.pick(&REGISTRY_KEYS));
        let expected = self.records.get(&(kind, key)).copied().unwrap_or(0);
        let value = (!random.one_in(3)).then(|| random.bytes());
        let write = RegistryWrite { kind: kind.to_owned(), key: key.to_owned(), value, expected };
        match write.version() {
            Some(version) => self.records.insert((kind, key), version),
            None => self.records.remove(&(kind, key)),
        };
        Write::Registry(write)
    }

    /// All slots, or some of those that are used.
    pub(super) fn some_slots(random: &mut Random) -> SlotSet {
        if random.one_in(2) {
            return SlotSet::all();
        }
        addresses().map(|identity| identity.slot()).filter(|_| random.one_in(2)).collect()
    }

    fn some_cursor(&self, random: &mut Random) -> BacklogCursor {
        let mut cursor = BacklogCursor::default();
        for OpenState { next_task_id, .. } in &self.writers {
            if !random.one_in(3) {
                cursor.advance(random.between(first_in_block(block_of(*next_task_id)), *next_task_id));
            }
        }
        cursor
    }

    /// One question about anything.
    pub(super) fn question(&self, random: &mut Random) -> Question {
        let run_key = self.any_run_key(random);
        let identity = self.some_run(random).map(|(_, run)| run.identity).unwrap_or_default();
        let namespace_id = (*random.pick(&NAMESPACES)).to_owned();
        let kind = *random.pick(&KINDS);
        let id = (*random.pick(&WORKFLOW_IDS)).to_owned();
        let limit = usize::try_from(random.between(1, 6)).unwrap_or(1);
        match random.below(16) {
            0 => Question::OpenState,
            1 => Question::CurrentRun(namespace_id, kind, id),
            // The same names as another kind of execution would have them.
            2 if random.one_in(4) => Question::FindRun(RunIdentity { kind, ..identity }),
            2 => Question::FindRun(identity),
            3 if self.deleted.is_empty() => {
                Question::FindRun(RunIdentity { namespace_id, kind, id, run_id: "no-such-run".to_owned() })
            }
            3 => Question::FindRun(random.pick(&self.deleted).clone()),
            4 => Question::Run(run_key),
            5 => Question::History(run_key, random.between(-1, 12), history_limit(random)),
            6 => Question::HistoryBefore(run_key, random.between(-1, 12), history_limit(random)),
            7 => {
                let after = (!random.one_in(3)).then(|| (random.between(-3, 20), run_key));
                Question::Wakes(Self::some_slots(random), random.between(-3, 21), after, limit)
            }
            8 => Question::BacklogQueues(Self::some_slots(random)),
            9 => Question::Backlog(queue(random), Self::some_slots(random), self.some_cursor(random), limit),
            10 => Question::Registry((*random.pick(&REGISTRY_KINDS)).to_owned()),
            11 => Question::RegistryVersion,
            12 => Question::List(ListQuery { namespace_id, filter: any_filter(random), page_size: limit, after: None }),
            13 => Question::Count(namespace_id, any_filter(random)),
            14 => Question::CountByStatus(namespace_id, any_filter(random)),
            _ => Question::Expired(namespace_id, Self::some_slots(random), time_ns(random), limit),
        }
    }

    /// The questions that together see everything.
    pub(super) fn every_question(&self) -> Vec<Question> {
        let mut questions = vec![
            Question::OpenState,
            Question::BacklogQueues(SlotSet::all()),
            Question::RegistryVersion,
            Question::Wakes(SlotSet::all(), i64::MAX, None, usize::MAX),
        ];
        questions.extend(REGISTRY_KINDS.map(|kind| Question::Registry(kind.to_owned())));
        for namespace_id in NAMESPACES.map(str::to_owned) {
            for kind in KINDS {
                let named = |id: &str| Question::CurrentRun(namespace_id.clone(), kind, id.to_owned());
                questions.extend(WORKFLOW_IDS.map(named));
            }
            questions.push(Question::List(ListQuery {
                namespace_id: namespace_id.clone(),
                filter: Filter::All,
                page_size: 7,
                after: None,
            }));
            questions.push(Question::CountByStatus(namespace_id.clone(), Filter::All));
            questions.push(Question::Expired(namespace_id, SlotSet::all(), i64::MAX, usize::MAX));
        }
        for run_key in self.writers.iter().flat_map(|writer| {
            let first = first_in_block(block_of(writer.next_run_key));
            first - 1..=writer.next_run_key
        }) {
            questions.push(Question::Run(run_key));
            questions.push(Question::History(run_key, 0, HistoryLimit::ALL));
            questions.push(Question::HistoryBefore(run_key, i64::MAX, HistoryLimit::ALL));
        }
        for run in self.runs.values() {
            questions.push(Question::FindRun(run.identity.clone()));
        }
        for (queue, _) in &self.tasks {
            questions.push(Question::Backlog(queue.clone(), SlotSet::all(), BacklogCursor::default(), usize::MAX));
        }
        questions
    }
}

/// The names that runs have, without a run id.
fn addresses() -> impl Iterator<Item = RunIdentity> {
    let kinds = NAMESPACES.iter().flat_map(|namespace_id| KINDS.iter().map(move |kind| (*namespace_id, *kind)));
    kinds.flat_map(|(namespace_id, kind)| {
        WORKFLOW_IDS.iter().map(move |id| {
            let (namespace_id, id) = (namespace_id.to_owned(), (*id).to_owned());
            RunIdentity { namespace_id, kind, id, run_id: String::new() }
        })
    })
}

/// Every queue that there is.
pub(super) fn queues() -> impl Iterator<Item = QueueKey> {
    let names = NAMESPACES.iter().flat_map(|namespace_id| WORDS.iter().map(move |name| (*namespace_id, *name)));
    names.flat_map(|(namespace_id, name)| {
        [0, 1].map(|kind| QueueKey { namespace_id: namespace_id.to_owned(), name: name.to_owned(), kind })
    })
}

fn queue(random: &mut Random) -> QueueKey {
    random.pick(&queues().collect::<Vec<_>>()).clone()
}

fn history_limit(random: &mut Random) -> HistoryLimit {
    if random.one_in(3) {
        return HistoryLimit::ALL;
    }
    HistoryLimit {
        records: usize::try_from(random.between(1, 5)).unwrap_or(1),
        size_bytes: usize::try_from(random.between(1, 200)).unwrap_or(1),
    }
}

/// One of few times, so that some are equal.
pub(super) fn time_ns(random: &mut Random) -> i64 {
    EPOCH_NS + random.between(0, 6) * 1_000_000_000
}

fn row(random: &mut Random, run_key: RunKey, identity: &RunIdentity) -> VisibilityRow {
    let is_closed = random.one_in(2);
    let closed = |random: &mut Random| is_closed.then(|| random.between(0, 5));
    let is_child = random.one_in(3);
    VisibilityRow {
        run_key,
        namespace_id: identity.namespace_id.clone(),
        workflow_id: identity.id.clone(),
        run_id: identity.run_id.clone(),
        workflow_type: (*random.pick(&WORKFLOW_TYPES)).to_owned(),
        task_queue: (*random.pick(&WORDS)).to_owned(),
        status: if is_closed { i32::try_from(random.between(2, 7)).unwrap_or(2) } else { 1 },
        start_time_ns: time_ns(random),
        execution_time_ns: (!random.one_in(4)).then(|| time_ns(random)),
        close_time_ns: is_closed.then(|| time_ns(random)),
        history_length: closed(random),
        history_size_bytes: closed(random),
        state_transition_count: closed(random),
        execution_duration_ns: closed(random),
        parent_workflow_id: is_child.then(|| "order".to_owned()),
        parent_run_id: is_child.then(|| "run".to_owned()),
        root_workflow_id: identity.id.clone(),
        root_run_id: identity.run_id.clone(),
        memo: random.bytes(),
        search_attributes: search_attributes(random),
        division: random.one_in(4).then(|| (*random.pick(&WORDS)).to_owned()),
        payload: random.bytes(),
    }
}

fn search_attributes(random: &mut Random) -> Vec<(String, SearchValue)> {
    let mut attributes = Vec::new();
    for value_type in AttributeType::ALL {
        if random.one_in(2) {
            continue;
        }
        // The name is usually that of the type, but attributes are removed and made anew with another one.
        let actual_type = if random.one_in(8) { AttributeType::Keyword } else { value_type };
        attributes.push((value_type.name().to_owned(), search_value(random, actual_type)));
    }
    attributes
}

pub(super) fn search_value(random: &mut Random, value_type: AttributeType) -> SearchValue {
    let word = |random: &mut Random| (*random.pick(&WORDS)).to_owned();
    match value_type {
        AttributeType::Bool => SearchValue::Bool(random.one_in(2)),
        AttributeType::Datetime => SearchValue::Datetime(time_ns(random)),
        AttributeType::Double => SearchValue::Double(random.between(-4, 4) as f64 / 2.0),
        AttributeType::Int => SearchValue::Int(random.between(-2, 2)),
        AttributeType::Keyword => SearchValue::Keyword(word(random)),
        AttributeType::KeywordList => SearchValue::KeywordList(vec![word(random), word(random)]),
        AttributeType::Text => SearchValue::Text(format!("{} {}", word(random), word(random))),
    }
}
