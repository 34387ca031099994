//! One helper for the tests of the rules: requests in, history as text out.
//!
//! Every step checks what must hold after any step: deciding is a function, a rejected request changes nothing, the
//! state rebuilt from the records is the live one, event ids have no gaps, and the run keeps its invariants.

use crate::effects::{Effects, UpdateSignal};
use crate::env::{Env, Ids};
use crate::limits::Limits;
use crate::namespace::{Namespace, Namespaces};
use crate::reply::{Decided, Reply, StartedTask};
use crate::task_queue::{Dispatch, StartTask, TaskClass};
use crate::workflow::chain::{ChainRequest, decide_chain};
use crate::workflow::change::Record;
use crate::workflow::decide::{Request, decide};
use crate::workflow::reset::base::ResetBase;
use crate::workflow::state::{Execution, State};
use crate::workflow::workflow_task::camel;
use crate::workflow::{ChainOutcome, NewRun, Written};
use evertide_proto::command::Command;
use evertide_proto::command::command::Attributes;
use evertide_proto::common::{Payload, Payloads, WorkflowType};
use evertide_proto::history::HistoryEvent;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::update::Outcome;
use evertide_proto::workflowservice as ws;
use prost::Message;
use std::collections::BTreeMap;

/// The time at which every test begins, nanoseconds since the epoch.
pub(crate) const START_NS: i64 = 1_800_000_000_000_000_000;
/// A second.
pub(crate) const SECOND_NS: i64 = 1_000_000_000;

/// A run under test, with all that was stored of it.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub exec: Execution,
    pub records: Vec<Record>,
    pub events: Vec<HistoryEvent>,
    /// Tasks that were dispatched and not taken yet.
    pub queue: Vec<Dispatch>,
    pub last_effects: usize,
    /// What anybody has been told of each update id.
    pub told: BTreeMap<String, UpdateSignal>,
    /// The outcomes of updates that the run has accepted.
    outcomes: BTreeMap<String, Outcome>,
    /// The run that the last decision made.
    pub next_run: Option<Execution>,
    /// Its first record, and the tasks that it dispatched.
    next_written: (Record, Vec<Dispatch>),
    pub now_ns: i64,
    seed: u64,
    limits: Limits,
    namespaces: Namespaces,
}

/// A start request with the fields that every start needs.
pub(crate) fn start_request() -> ws::StartWorkflowExecutionRequest {
    ws::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some(WorkflowType { name: "wf".to_owned() }),
        task_queue: Some(TaskQueue { name: "q".to_owned(), ..TaskQueue::default() }),
        request_id: "start".to_owned(),
        identity: "client".to_owned(),
        ..ws::StartWorkflowExecutionRequest::default()
    }
}

/// One JSON payload.
pub(crate) fn json(text: &str) -> Payloads {
    let encoding = ("encoding".to_owned(), bytes::Bytes::from_static(b"json/plain"));
    let payload =
        Payload { metadata: [encoding].into(), data: text.to_owned().into_bytes().into(), ..Payload::default() };
    Payloads { payloads: vec![payload] }
}

/// A command from its attributes.
pub(crate) fn command(attributes: impl Into<Attributes>) -> Command {
    let attributes = attributes.into();
    Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() }
}

impl World {
    /// A started run.
    pub(crate) fn start(request: ws::StartWorkflowExecutionRequest) -> Self {
        Self::start_within(request, Limits::default()).expect("the start is accepted")
    }

    /// A run that is started with other limits than usual, or why it is not.
    pub(crate) fn start_within(
        request: ws::StartWorkflowExecutionRequest,
        limits: Limits,
    ) -> Result<Self, crate::Rejection> {
        let mut namespaces = Namespaces::default();
        namespaces.put(Namespace {
            id: "11111111-1111-4111-8111-111111111111".to_owned(),
            name: "default".to_owned(),
            ..Namespace::default()
        });
        let mut world = Self {
            exec: Execution::default(),
            records: Vec::new(),
            events: Vec::new(),
            queue: Vec::new(),
            last_effects: 0,
            told: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            next_run: None,
            next_written: (Record::default(), Vec::new()),
            now_ns: START_NS,
            seed: 1,
            limits,
            namespaces,
        };
        let (now_ns, seed) = (world.now_ns, world.seed);
        let mut env = Env { now_ns, ids: Ids::new(seed), limits: &world.limits, namespaces: &world.namespaces };
        let request = ChainRequest::Start(Box::new(request));
        let outcome = decide_chain(request, None, &mut env);
        outcome.decided?;
        let new = *outcome.new.expect("a start makes a run");
        world.exec = new.exec;
        world.keep(new.written);
        world.check();
        Ok(world)
    }

    /// A run that started as most tests want it.
    pub(crate) fn new() -> Self {
        Self::start(start_request())
    }

    /// Decides a request and checks what must hold after it.
    pub(crate) fn step(&mut self, request: Request) -> Decided {
        self.seed += 1;
        let before = self.exec.clone();
        let (again_written, again) = self.decide_on(&mut before.clone(), request.clone());
        let mut exec = std::mem::take(&mut self.exec);
        let (written, decided) = self.decide_on(&mut exec, request.clone());
        self.exec = exec;
        assert_eq!(record_of(&written), record_of(&again_written), "deciding is a function");
        assert_eq!(decided, again, "deciding is a function");
        if decided.is_err() && written.is_clean() {
            assert_eq!(before.state, self.exec.state, "a rejected request changes nothing: {request:?}");
        }
        self.keep(written);
        self.check();
        decided
    }

    fn decide_on(&self, exec: &mut Execution, request: Request) -> (Written, Decided) {
        let mut env =
            Env { now_ns: self.now_ns, ids: Ids::new(self.seed), limits: &self.limits, namespaces: &self.namespaces };
        decide(request, exec, &mut env)
    }

    /// Decides a request over the workflow id of the run, which may end it and make another, and checks what must hold
    /// after it. The run that was made is in `next_run`.
    pub(crate) fn chain(&mut self, request: ChainRequest) -> Decided {
        self.seed += 1;
        let before = self.exec.clone();
        let again = self.decide_chain_on(&mut before.clone(), request.clone());
        let mut exec = std::mem::take(&mut self.exec);
        let outcome = self.decide_chain_on(&mut exec, request.clone());
        self.exec = exec;
        let changes =
            |outcome: &ChainOutcome| outcome.current.as_ref().map(|w| record_of(w).changes).unwrap_or_default();
        assert_eq!(changes(&outcome), changes(&again), "deciding is a function");
        assert_eq!(outcome.decided, again.decided, "deciding is a function");
        if outcome.decided.is_err() && changes(&outcome).is_empty() {
            assert_eq!(before.state, self.exec.state, "a rejected request changes nothing: {request:?}");
        }
        self.next_run = None;
        if let Some(written) = outcome.current {
            self.keep(written);
        }
        if let Some(new) = outcome.new {
            let mut rebuilt = State::default();
            rebuilt.apply_record(&record_of(&new.written));
            assert_eq!(rebuilt, new.exec.state, "rebuilt == live");
            self.next_run = Some(new.exec);
        }
        self.check();
        outcome.decided
    }

    fn decide_chain_on(&self, exec: &mut Execution, request: ChainRequest) -> ChainOutcome {
        let mut env =
            Env { now_ns: self.now_ns, ids: Ids::new(self.seed), limits: &self.limits, namespaces: &self.namespaces };
        decide_chain(request, Some(exec), &mut env)
    }

    fn keep(&mut self, written: Written) {
        let clean = written.is_clean();
        let record = record_of(&written);
        let Written { effects, successor, .. } = written;
        let Effects { dispatches, messages, updates, .. } = effects;
        for (id, signal) in updates {
            self.tell(id, signal);
        }
        self.next_run = None;
        if let Some(new) = successor {
            self.next_written = (record_of(&new.written), new.written.effects.dispatches);
            self.next_run = Some(new.exec);
        }
        self.last_effects = messages.len();
        self.queue.extend(dispatches);
        if !clean {
            self.events.extend(record.clone().into_events());
            self.records.push(record);
        }
    }

    /// Somebody hears of an update. What was accepted has one end and no other; what was never accepted may be sent anew
    /// under the same id.
    fn tell(&mut self, id: String, signal: UpdateSignal) {
        if self.told.get(&id) == Some(&UpdateSignal::Accepted) {
            assert!(matches!(signal, UpdateSignal::Completed(_)), "an accepted update only completes: {signal:?}");
        }
        if let UpdateSignal::Completed(outcome) = &signal
            && self.exec.state.updates.contains_key(&id)
        {
            let first = self.outcomes.entry(id.clone()).or_insert_with(|| outcome.clone());
            assert_eq!(first, outcome, "update {id} has one outcome");
        }
        self.told.insert(id, signal);
    }

    /// What must hold after every step.
    fn check(&self) {
        let mut rebuilt = State::default();
        for record in &self.records {
            rebuilt.apply_record(record);
        }
        assert_eq!(rebuilt, self.exec.state, "rebuilt == live");
        let snapshot = State::decode(self.exec.state.encode_to_vec().as_slice()).expect("a snapshot reads back");
        assert_eq!(snapshot, self.exec.state, "a snapshot reads back as it was");
        let ids: Vec<i64> = self.events.iter().map(|e| e.event_id).collect();
        assert_eq!(ids, (1..self.exec.state.next_event_id).collect::<Vec<_>>(), "event ids have no gaps");
        for (id, signal) in &self.told {
            let kept = self.exec.state.updates.contains_key(id);
            assert!(kept || *signal != UpdateSignal::Accepted, "the acceptance of {id} is kept");
        }
        self.exec.check_invariants();
    }

    /// The run that a reset to this event makes; this one is left alone.
    pub(crate) fn reset_to(&self, event_id: i64) -> NewRun {
        let mut env =
            Env { now_ns: self.now_ns, ids: Ids::new(self.seed), limits: &self.limits, namespaces: &self.namespaces };
        let request = ws::ResetWorkflowExecutionRequest {
            workflow_task_finish_event_id: event_id,
            request_id: "reset".to_owned(),
            ..ws::ResetWorkflowExecutionRequest::default()
        };
        let base = ResetBase { exec: self.exec.clone(), events: self.events.clone(), later: Vec::new() };
        let request = ChainRequest::Reset(Box::new(request), Box::new(base));
        let outcome = decide_chain(request, Some(&mut self.exec.clone()), &mut env);
        outcome.decided.expect("the reset is accepted");
        *outcome.new.expect("a reset makes a run")
    }

    /// The run that a reset to this event makes, as a world of its own.
    pub(crate) fn after_reset_to(self, event_id: i64) -> Self {
        let run = self.reset_to(event_id);
        let record = record_of(&run.written);
        self.into_run(run.exec, record, run.written.effects.dispatches)
    }

    /// The run that followed when this one closed, as a world of its own.
    pub(crate) fn into_next_run(mut self) -> Self {
        let exec = self.next_run.take().expect("another run follows");
        let (record, dispatches) = std::mem::take(&mut self.next_written);
        self.into_run(exec, record, dispatches)
    }

    fn into_run(mut self, exec: Execution, record: Record, dispatches: Vec<Dispatch>) -> Self {
        (self.told, self.outcomes) = (BTreeMap::new(), BTreeMap::new());
        self.exec = exec;
        self.events = record.clone().into_events().collect();
        self.records = vec![record];
        self.queue = dispatches;
        self.check();
        self
    }

    /// Lets time pass and wakes the run if it is due.
    pub(crate) fn advance(&mut self, by_ns: i64) {
        self.now_ns += by_ns;
        let due_ns = self.exec.deadline_ns();
        if due_ns != 0 && due_ns <= self.now_ns {
            let woken = self.step(Request::Wake);
            assert!(woken.is_ok(), "waking never fails");
        }
    }

    /// A worker takes the workflow task that was dispatched last, if there is one.
    pub(crate) fn poll(&mut self) -> Option<StartedTask> {
        while let Some(last) = self.queue.iter().rposition(|d| d.class == TaskClass::Workflow) {
            let Dispatch { queue, scheduled_event_id, stamp, .. } = self.queue.remove(last);
            let request_id = format!("poll-{}", self.seed);
            let identity = "worker".to_owned();
            let start = StartTask { scheduled_event_id, stamp, identity, request_id, queue, ..StartTask::default() };
            if let Ok(Reply::WorkflowTask(task)) = self.step(Request::StartWorkflowTask(start)) {
                return Some(*task);
            }
        }
        None
    }

    /// A worker takes the activity task that was dispatched last, if there is one.
    pub(crate) fn poll_activity(&mut self) -> Option<ws::PollActivityTaskQueueResponse> {
        while let Some(last) = self.queue.iter().rposition(|d| d.class == TaskClass::Activity) {
            let Dispatch { queue, scheduled_event_id, stamp, .. } = self.queue.remove(last);
            let start = StartTask {
                scheduled_event_id,
                stamp,
                identity: "worker".to_owned(),
                request_id: format!("poll-{}", self.seed),
                queue,
                ..StartTask::default()
            };
            if let Ok(Reply::ActivityTask(task)) = self.step(Request::StartActivity(start)) {
                return Some(*task);
            }
        }
        None
    }

    /// The worker answers a task with these commands.
    pub(crate) fn complete(&mut self, task: &StartedTask, commands: Vec<Command>) -> Decided {
        let request = ws::RespondWorkflowTaskCompletedRequest {
            task_token: task.response.task_token.clone(),
            commands,
            identity: "worker".to_owned(),
            ..ws::RespondWorkflowTaskCompletedRequest::default()
        };
        self.complete_with(request)
    }

    /// The worker answers a task with this.
    pub(crate) fn complete_with(&mut self, request: ws::RespondWorkflowTaskCompletedRequest) -> Decided {
        let token = crate::token::TaskToken::from_bytes(&request.task_token).expect("a token of ours");
        self.step(Request::CompleteWorkflowTask(Box::new(request), token))
    }

    /// A client signals the run.
    pub(crate) fn signal(&mut self, name: &str) -> Decided {
        self.step(Request::Signal(Box::new(ws::SignalWorkflowExecutionRequest {
            signal_name: name.to_owned(),
            request_id: format!("signal-{}", self.seed),
            ..ws::SignalWorkflowExecutionRequest::default()
        })))
    }

    /// The history, one event a line: `1 WorkflowExecutionStarted`.
    pub(crate) fn history(&self) -> String {
        let line = |e: &HistoryEvent| format!("{} {}", e.event_id, camel(e.event_type().as_str_name(), "EVENT_TYPE_"));
        self.events.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Compares the history with lines of text; white space around lines does not count.
    #[track_caller]
    pub(crate) fn expect_history(&self, want: &str) {
        let want: Vec<&str> = want.trim().lines().map(str::trim).collect();
        assert_eq!(self.history(), want.join("\n"));
    }
}

/// What the store would keep of a decision.
pub(crate) fn record_of(written: &Written) -> Record {
    Record::decode(written.record_bytes()).expect("a record reads back")
}
