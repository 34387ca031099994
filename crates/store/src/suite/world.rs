//! What the suite writes and asks: a small world of few names, so that they meet again and again.

use std::collections::BTreeMap;

use evertide_engine::visibility::{AttributeType, Filter, SearchValue};

use super::filters::any_filter;
use super::question::Question;
use super::random::Random;
use crate::batch::{BacklogChange, Batch, CurrentRun, QueueKey, RunIdentity, RunKey, RunWrite, Wake, Write};
use crate::contract::HistoryLimit;
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
#[derive(Debug)]
pub(super) struct World {
    runs: BTreeMap<RunKey, LiveRun>,
    deleted: Vec<RunIdentity>,
    next_run_key: RunKey,
    next_task_id: i64,
    /// Tasks that may still be in a backlog.
    tasks: Vec<(QueueKey, i64)>,
}

/// A run as far as its next write depends on it.
#[derive(Clone, Debug)]
struct LiveRun {
    identity: RunIdentity,
    next_event_id: i64,
}

impl Default for World {
    fn default() -> Self {
        Self { runs: BTreeMap::new(), deleted: Vec::new(), next_run_key: 1, next_task_id: 1, tasks: Vec::new() }
    }
}

impl World {
    /// A batch that keeps the contract.
    pub(super) fn batch(&mut self, random: &mut Random) -> Batch {
        let count = if random.one_in(10) { 20 } else { random.below(5) };
        let writes = (0..count).map(|_| self.write(random));
        Batch { writes: writes.collect() }
    }

    /// A batch that breaks it at its end, so that what comes before must not be seen either.
    pub(super) fn refused_batch(&mut self, random: &mut Random) -> Batch {
        let before = self.clone_of_state();
        let mut batch = self.batch(random);
        let mut run_key = self.next_run_key + random.between(0, 3);
        let mut create = None;
        if let Some((existing, run)) = self.some_run(random).filter(|_| random.one_in(2)) {
            run_key = existing;
            create = Some(run.identity);
        }
        batch.writes.push(Write::Run(RunWrite { run_key, create, record: random.bytes(), ..RunWrite::default() }));
        *self = before;
        batch
    }

    fn clone_of_state(&self) -> Self {
        Self { runs: self.runs.clone(), deleted: self.deleted.clone(), tasks: self.tasks.clone(), ..*self }
    }

    fn write(&mut self, random: &mut Random) -> Write {
        match random.below(20) {
            0..5 => self.create(random),
            5..8 => self.delete(random),
            8..9 => Self::registry(random),
            _ => match self.some_run(random) {
                None => self.create(random),
                Some((run_key, run)) => self.step(random, run_key, run, None),
            },
        }
    }

    fn some_run(&self, random: &mut Random) -> Option<(RunKey, LiveRun)> {
        let run_keys: Vec<_> = self.runs.keys().collect();
        if run_keys.is_empty() {
            return None;
        }
        let run_key = **random.pick(&run_keys);
        Some((run_key, self.runs.get(&run_key)?.clone()))
    }

    fn create(&mut self, random: &mut Random) -> Write {
        // Sometimes a key is left out, as when a draft is dropped.
        let run_key = self.next_run_key + i64::from(random.one_in(5));
        self.next_run_key = run_key + 1;
        let run = LiveRun {
            identity: RunIdentity {
                namespace_id: (*random.pick(&NAMESPACES)).to_owned(),
                kind: *random.pick(&KINDS),
                id: (*random.pick(&WORKFLOW_IDS)).to_owned(),
                run_id: format!("run-{}-{run_key}", random.below(3)),
            },
            next_event_id: 1,
        };
        let create = Some(run.identity.clone());
        self.step(random, run_key, run, create)
    }

    fn step(&mut self, random: &mut Random, run_key: RunKey, mut run: LiveRun, create: Option<RunIdentity>) -> Write {
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
        self.runs.insert(run_key, run);
        Write::Run(write)
    }

    fn backlog_change(&mut self, random: &mut Random) -> BacklogChange {
        if random.one_in(2) && !self.tasks.is_empty() {
            let (queue, task_id) = random.pick(&self.tasks).clone();
            if random.one_in(4) {
                let task = random.bytes();
                return BacklogChange::Put { queue, task_id, task };
            }
            return BacklogChange::Delete { queue, task_id };
        }
        let task_id = self.next_task_id;
        self.next_task_id += random.between(1, 2);
        let queue = queue(random);
        self.tasks.push((queue.clone(), task_id));
        let task = random.bytes();
        BacklogChange::Put { queue, task_id, task }
    }

    fn delete(&mut self, random: &mut Random) -> Write {
        let run_key = match self.some_run(random) {
            Some((run_key, _)) if !random.one_in(8) => run_key,
            _ => random.between(0, self.next_run_key),
        };
        self.deleted.extend(self.runs.remove(&run_key).map(|run| run.identity));
        Write::DeleteRun { run_key }
    }

    fn registry(random: &mut Random) -> Write {
        Write::Registry {
            kind: (*random.pick(&REGISTRY_KINDS)).to_owned(),
            key: (*random.pick(&REGISTRY_KEYS)).to_owned(),
            value: (!random.one_in(3)).then(|| random.bytes()),
        }
    }

    /// One question about anything.
    pub(super) fn question(&self, random: &mut Random) -> Question {
        let run_key = random.between(0, self.next_run_key);
        let identity = self.some_run(random).map(|(_, run)| run.identity).unwrap_or_default();
        let namespace_id = (*random.pick(&NAMESPACES)).to_owned();
        let kind = *random.pick(&KINDS);
        let id = (*random.pick(&WORKFLOW_IDS)).to_owned();
        let limit = usize::try_from(random.between(1, 6)).unwrap_or(1);
        match random.below(15) {
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
                Question::Wakes(random.between(-3, 21), after, limit)
            }
            8 => Question::NextWake,
            9 => {
                let after_task_id = (!random.one_in(3)).then(|| random.between(0, self.next_task_id));
                Question::Backlog(queue(random), after_task_id, limit)
            }
            10 => Question::Registry((*random.pick(&REGISTRY_KINDS)).to_owned()),
            11 => Question::List(ListQuery { namespace_id, filter: any_filter(random), page_size: limit, after: None }),
            12 => Question::Count(namespace_id, any_filter(random)),
            13 => Question::CountByStatus(namespace_id, any_filter(random)),
            _ => Question::Expired(namespace_id, time_ns(random), limit),
        }
    }

    /// The questions that together see everything.
    pub(super) fn every_question(&self) -> Vec<Question> {
        let mut questions = vec![
            Question::OpenState,
            Question::BacklogQueues,
            Question::NextWake,
            Question::Wakes(i64::MAX, None, usize::MAX),
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
            questions.push(Question::Expired(namespace_id, i64::MAX, usize::MAX));
        }
        for run_key in 0..=self.next_run_key {
            questions.push(Question::Run(run_key));
            questions.push(Question::History(run_key, 0, HistoryLimit::ALL));
            questions.push(Question::HistoryBefore(run_key, i64::MAX, HistoryLimit::ALL));
        }
        for run in self.runs.values() {
            questions.push(Question::FindRun(run.identity.clone()));
        }
        for (queue, _) in &self.tasks {
            questions.push(Question::Backlog(queue.clone(), None, usize::MAX));
        }
        questions
    }
}

fn queue(random: &mut Random) -> QueueKey {
    QueueKey {
        namespace_id: (*random.pick(&NAMESPACES)).to_owned(),
        name: (*random.pick(&WORDS)).to_owned(),
        kind: u8::from(random.one_in(2)),
    }
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
