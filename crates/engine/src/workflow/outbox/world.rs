//! A world of executions for tests of what crosses them: it keeps runs and histories, delivers messages, and on request
//! delivers everything twice, as after a crash. After each decision every run equals the one rebuilt from its changes.

use crate::Ids;
use crate::env::Env;
use crate::limits::Limits;
use crate::message::{Delivery, DeliveryResult, Message};
use crate::namespace::{Namespace, Namespaces};
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::task_queue::StartTask;
use crate::token::TaskToken;
use crate::workflow::{ChainRequest, Execution, NewRun, Request, State, Written, decide, decide_chain};
use evertide_proto::command::Command;
use evertide_proto::command::command::Attributes as CommandAttributes;
use evertide_proto::common::{Payload, Payloads, WorkflowExecution, WorkflowType};
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes as EventAttributes;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflowservice as ws;
use std::collections::{BTreeMap, VecDeque};

pub(in crate::workflow) const NAMESPACE: &str = "default";
pub(in crate::workflow) const NAMESPACE_ID: &str = "00000000-0000-4000-8000-00000000000a";

/// A run with its history.
pub(in crate::workflow) struct Run {
    pub(in crate::workflow) exec: Execution,
    pub(in crate::workflow) events: Vec<HistoryEvent>,
    rebuilt: State,
}

/// All runs, by workflow id in order of their making.
pub(in crate::workflow) struct World {
    pub(in crate::workflow) runs: BTreeMap<String, Vec<Run>>,
    pub(in crate::workflow) limits: Limits,
    pub(in crate::workflow) now_ns: i64,
    /// Deliver every message and every answer twice.
    pub(in crate::workflow) repeats: bool,
    namespaces: Namespaces,
    seed: u64,
    messages: VecDeque<(String, String, i64)>,
}

impl World {
    pub(in crate::workflow) fn new() -> Self {
        let mut namespaces = Namespaces::default();
        for (name, id) in [(NAMESPACE, NAMESPACE_ID), ("other", "00000000-0000-4000-8000-00000000000b")] {
            namespaces.put(Namespace { id: id.to_owned(), name: name.to_owned(), ..Namespace::default() });
        }
        Self {
            runs: BTreeMap::new(),
            limits: Limits::default(),
            now_ns: 1_700_000_000_000_000_000,
            repeats: false,
            namespaces,
            seed: 1,
            messages: VecDeque::new(),
        }
    }

    fn with_env<T>(&mut self, run: impl FnOnce(&mut Env<'_>, &mut BTreeMap<String, Vec<Run>>) -> T) -> T {
        self.seed += 1;
        self.now_ns += 1_000_000;
        let mut env =
            Env { now_ns: self.now_ns, ids: Ids::new(self.seed), limits: &self.limits, namespaces: &self.namespaces };
        run(&mut env, &mut self.runs)
    }

    /// The newest run of a workflow id.
    pub(in crate::workflow) fn run(&self, id: &str) -> &Run {
        self.runs[id].last().expect("the workflow exists")
    }

    pub(in crate::workflow) fn state(&self, id: &str) -> &State {
        &self.run(id).exec.state
    }

    fn run_mut(&mut self, id: &str, run_id: &str) -> Option<&mut Run> {
        let runs = self.runs.get_mut(id)?;
        if run_id.is_empty() { runs.last_mut() } else { runs.iter_mut().find(|r| r.exec.state.info.run_id == run_id) }
    }

    /// Decides a request over one run (the newest, without a run id) and takes in what was written.
    pub(in crate::workflow) fn decide(&mut self, id: &str, run_id: &str, request: Request) -> Result<Reply, Rejection> {
        let (run_id, written, decided) = self.with_env(|env, runs| {
            let runs = runs.get_mut(id).expect("the workflow exists");
            let newest = runs.len() - 1;
            let place = runs.iter().position(|r| r.exec.state.info.run_id == run_id).unwrap_or(newest);
            let (written, decided) = decide(request, &mut runs[place].exec, env);
            (runs[place].exec.state.info.run_id.clone(), written, decided)
        });
        self.take_in(id, &run_id, written);
        decided
    }

    /// Decides a request over a workflow id.
    pub(in crate::workflow) fn chain(&mut self, id: &str, request: ChainRequest) -> Result<Reply, Rejection> {
        let outcome = self.with_env(|env, runs| {
            let current = runs.get_mut(id).and_then(|r| r.last_mut()).map(|r| &mut r.exec);
            decide_chain(request, current, env)
        });
        if let Some(written) = outcome.current {
            let run_id = self.state(id).info.run_id.clone();
            self.take_in(id, &run_id, written);
        }
        if let Some(new) = outcome.new {
            self.add(*new);
        }
        outcome.decided
    }

    fn add(&mut self, new: NewRun) {
        let info = new.exec.state.info.clone();
        let run = Run { exec: new.exec, events: Vec::new(), rebuilt: State::default() };
        self.runs.entry(info.workflow_id.clone()).or_default().push(run);
        self.take_in(&info.workflow_id, &info.run_id, new.written);
    }

    fn take_in(&mut self, id: &str, run_id: &str, written: Written) {
        let record = crate::workflow::testing::record_of(&written);
        let Written { effects, successor, .. } = written;
        let run = self.run_mut(id, run_id).expect("the run exists");
        if record.changes.is_empty() {
            assert_eq!(run.rebuilt, run.exec.state, "a decision that wrote nothing changed the state");
        } else {
            run.rebuilt.apply_record(&record);
            assert_eq!(run.rebuilt, run.exec.state, "rebuilt and live state differ");
        }
        run.events.extend(record.into_events());
        let ids: Vec<_> = run.events.iter().map(|e| e.event_id).collect();
        assert_eq!(ids, (1..=ids.len() as i64).collect::<Vec<_>>(), "event ids have gaps");
        let (id, run_id) = (id.to_owned(), run_id.to_owned());
        self.messages.extend(effects.messages.into_iter().map(|m| (id.clone(), run_id.clone(), m)));
        if let Some(successor) = successor {
            self.add(*successor);
        }
    }

    /// Delivers messages until none is left.
    pub(in crate::workflow) fn settle(&mut self) {
        while self.deliver_next() {}
    }

    /// The messages under way are lost, as in a crash; whatever has not been answered is sent again.
    pub(in crate::workflow) fn crash(&mut self) {
        self.messages.clear();
        for run in self.runs.values().flatten() {
            let info = &run.exec.state.info;
            let ids = run.exec.state.outbox.keys();
            self.messages.extend(ids.map(|id| (info.workflow_id.clone(), info.run_id.clone(), *id)));
        }
    }

    /// The target takes a message, and the server crashes before the sender hears of it.
    pub(in crate::workflow) fn deliver_unheard(&mut self) {
        let Some((id, run_id, message)) = self.messages.pop_front() else {
            return;
        };
        let sender = &self.run_mut(&id, &run_id).expect("the sender exists").exec;
        if let Some(delivery) = sender.delivery(message) {
            self.deliver(delivery);
        }
        self.crash();
    }

    /// Puts the first message under way behind the others.
    pub(in crate::workflow) fn delay_message(&mut self) {
        self.messages.rotate_left(self.messages.len().min(1));
    }

    /// Delivers one message and its answer. False if there is none.
    pub(in crate::workflow) fn deliver_next(&mut self) -> bool {
        let Some((id, run_id, message)) = self.messages.pop_front() else {
            return false;
        };
        let sender = &self.run_mut(&id, &run_id).expect("the sender exists").exec;
        let Some(delivery) = sender.delivery(message) else {
            return true;
        };
        let times = if self.repeats { 2 } else { 1 };
        let results: Vec<_> = (0..times).map(|_| self.deliver(delivery.clone())).collect();
        let message_kind = &delivery.message;
        let is_answered =
            message_kind.may_make_a_run() || matches!(message_kind, Message::Signal(_) | Message::Cancel(_));
        let are_equal = results.iter().all(|r| *r == results[0]);
        assert!(are_equal || !is_answered, "a repeat was answered otherwise: {results:?}");
        for result in results {
            let answer = Request::Delivered { id: message, result };
            self.decide(&id, &run_id, answer).expect("an answer is never refused");
        }
        true
    }

    fn deliver(&mut self, delivery: Delivery) -> DeliveryResult {
        let (id, run_id) = (delivery.target.id.clone(), delivery.target.run_id.clone());
        let reply = if delivery.message.may_make_a_run() {
            self.chain(&id, ChainRequest::Deliver(Box::new(delivery)))
        } else if self.run_mut(&id, &run_id).is_some() {
            self.decide(&id, &run_id, Request::Deliver(Box::new(delivery)))
        } else {
            Ok(Reply::Delivered(DeliveryResult::NotFound))
        };
        match reply {
            Ok(Reply::Delivered(result)) => result,
            other => panic!("a message is answered by a result, not {other:?}"),
        }
    }

    /// Starts a workflow.
    pub(in crate::workflow) fn start(&mut self, id: &str) {
        self.start_with(id, |_| {});
    }

    pub(in crate::workflow) fn start_with(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut ws::StartWorkflowExecutionRequest),
    ) {
        let mut request = ws::StartWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_id: id.to_owned(),
            workflow_type: Some(WorkflowType { name: "wf".to_owned() }),
            task_queue: Some(TaskQueue { name: "q".to_owned(), ..TaskQueue::default() }),
            request_id: format!("start-{id}"),
            ..ws::StartWorkflowExecutionRequest::default()
        };
        change(&mut request);
        self.chain(id, ChainRequest::Start(Box::new(request))).expect("the workflow starts");
    }

    /// A worker takes the workflow task that waits.
    pub(in crate::workflow) fn take_task(&mut self, id: &str) -> TaskToken {
        let task = self.run(id).exec.task().cloned().expect("a workflow task waits");
        let poll = StartTask {
            scheduled_event_id: task.scheduled_event_id,
            stamp: task.stamp,
            identity: "worker".to_owned(),
            request_id: format!("poll-{}-{}", self.seed, id),
            ..StartTask::default()
        };
        match self.decide(id, "", Request::StartWorkflowTask(poll)) {
            Ok(Reply::WorkflowTask(started)) => {
                TaskToken::from_bytes(&started.response.task_token).expect("a token of ours")
            }
            other => panic!("the task is started, not {other:?}"),
        }
    }

    /// The worker answers.
    pub(in crate::workflow) fn answer(
        &mut self,
        id: &str,
        token: TaskToken,
        commands: Vec<Command>,
    ) -> Result<Reply, Rejection> {
        let request = ws::RespondWorkflowTaskCompletedRequest {
            commands,
            identity: "worker".to_owned(),
            ..ws::RespondWorkflowTaskCompletedRequest::default()
        };
        self.decide(id, "", Request::CompleteWorkflowTask(Box::new(request), token))
    }

    /// Takes the task that waits and answers it, then delivers what comes of it.
    pub(in crate::workflow) fn act(&mut self, id: &str, commands: Vec<Command>) {
        let token = self.take_task(id);
        self.answer(id, token, commands).expect("the answer is taken");
        self.settle();
    }

    /// As [`Self::act`], with an answer that is refused; gives the message.
    pub(in crate::workflow) fn refused(&mut self, id: &str, commands: Vec<Command>) -> String {
        let token = self.take_task(id);
        self.answer(id, token, commands).expect_err("the answer is refused").message.into_owned()
    }

    pub(in crate::workflow) fn signal(&mut self, id: &str, name: &str) {
        let request = ws::SignalWorkflowExecutionRequest { signal_name: name.to_owned(), ..Default::default() };
        self.decide(id, "", Request::Signal(Box::new(request))).expect("the signal is taken");
    }

    pub(in crate::workflow) fn terminate(&mut self, id: &str) {
        let request = ws::TerminateWorkflowExecutionRequest { reason: "enough".to_owned(), ..Default::default() };
        self.decide(id, "", Request::Terminate(Box::new(request))).expect("the workflow was open");
        self.settle();
    }

    /// The run goes on at a later time.
    pub(in crate::workflow) fn wake_after(&mut self, id: &str, seconds: i64) {
        self.now_ns += seconds * 1_000_000_000;
        self.decide(id, "", Request::Wake).expect("waking is never refused");
        self.settle();
    }

    /// The names of the events of the newest run, without those of workflow tasks.
    pub(in crate::workflow) fn story(&self, id: &str) -> String {
        story(&self.run(id).events)
    }
}

/// `5 TimerStarted, 6 TimerFired`; events of workflow tasks are left out.
pub(in crate::workflow) fn story(events: &[HistoryEvent]) -> String {
    let told = events.iter().map(|e| (e.event_id, format!("{:?}", e.event_type())));
    let told = told.filter(|(_, name)| {
        !matches!(name.as_str(), "WorkflowTaskScheduled" | "WorkflowTaskStarted" | "WorkflowTaskCompleted")
    });
    told.map(|(id, name)| format!("{id} {name}")).collect::<Vec<_>>().join(", ")
}

/// The attributes of an event.
pub(in crate::workflow) fn attributes(run: &Run, event_id: i64) -> EventAttributes {
    let event = run.events.iter().find(|e| e.event_id == event_id).expect("the event exists");
    event.attributes.clone().expect("events have attributes")
}

pub(in crate::workflow) fn command(attributes: impl Into<CommandAttributes>) -> Command {
    let attributes = attributes.into();
    Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() }
}

pub(in crate::workflow) fn payloads(text: &str) -> Payloads {
    let payload = Payload { data: text.as_bytes().to_vec().into(), ..Payload::default() };
    Payloads { payloads: vec![payload] }
}

pub(in crate::workflow) fn execution(id: &str, run_id: &str) -> WorkflowExecution {
    WorkflowExecution { workflow_id: id.to_owned(), run_id: run_id.to_owned() }
}

pub(in crate::workflow) fn complete() -> Command {
    command(evertide_proto::command::CompleteWorkflowExecutionCommandAttributes::default())
}
