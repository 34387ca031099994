//! A schedule with workflows that do what a test says: decisions go in, and what they do comes out.

use super::*;
use crate::effects::New;
use crate::env::{Env, Ids};
use crate::limits::Limits;
use crate::message::{Delivery, DeliveryResult, Message, Sender, WorkflowClosed};
use crate::namespace::{Namespace, Namespaces};
use crate::rejection::Rejection;
use crate::reply::{Decided, Reply};
use crate::schedule::describe;
use evertide_proto::common::{Payload, Payloads, WorkflowExecution, WorkflowType};
use evertide_proto::failure::Failure;
use evertide_proto::history::history_event::Attributes;
use evertide_proto::history::{
    HistoryEvent, WorkflowExecutionCompletedEventAttributes, WorkflowExecutionFailedEventAttributes,
    WorkflowExecutionTerminatedEventAttributes, WorkflowExecutionTimedOutEventAttributes,
};
use evertide_proto::schedule::schedule_action::Action;
use evertide_proto::schedule::{
    Schedule, ScheduleAction, ScheduleInfo, SchedulePatch, SchedulePolicies, ScheduleState,
};
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflow::NewWorkflowExecutionInfo;
use evertide_proto::workflowservice as ws;
use prost::Message as _;
use std::collections::BTreeMap;

/// How a workflow ends.
pub(super) enum End {
    Completed(&'static str),
    Failed(&'static str),
    TimedOut,
    Terminated,
}

/// A schedule, and the messages that nobody has answered.
pub(super) struct World {
    pub(super) exec: Execution,
    pub(super) now_ns: i64,
    /// By their numbers.
    pub(super) sent: BTreeMap<i64, Delivery>,
    /// The schedule as its records make it.
    rebuilt: State,
    namespaces: Namespaces,
    seed: u64,
}

/// The schedule `s`, which starts workflows `w`.
pub(super) fn schedule(spec: ScheduleSpec) -> Schedule {
    let workflow = NewWorkflowExecutionInfo {
        workflow_id: "w".to_owned(),
        workflow_type: Some(WorkflowType { name: "Order".to_owned() }),
        task_queue: Some(TaskQueue { name: "q".to_owned(), ..TaskQueue::default() }),
        ..NewWorkflowExecutionInfo::default()
    };
    let action = Some(ScheduleAction { action: Some(Action::StartWorkflow(workflow)) });
    Schedule { spec: Some(spec), action, policies: None, state: None }
}

pub(super) fn with_policy(policy: overlap::Policy, schedule: Schedule) -> Schedule {
    let policies = SchedulePolicies { overlap_policy: policy.into(), ..schedule.policies.unwrap_or_default() };
    Schedule { policies: Some(policies), ..schedule }
}

pub(super) fn with_state(state: ScheduleState, schedule: Schedule) -> Schedule {
    Schedule { state: Some(state), ..schedule }
}

pub(super) fn create_request(schedule: Schedule) -> ws::CreateScheduleRequest {
    ws::CreateScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: "s".to_owned(),
        schedule: Some(schedule),
        request_id: "create".to_owned(),
        ..ws::CreateScheduleRequest::default()
    }
}

impl World {
    /// A schedule that was made at second 1000.
    pub(super) fn new(schedule: Schedule) -> Self {
        Self::created(create_request(schedule)).unwrap()
    }

    pub(super) fn created(request: ws::CreateScheduleRequest) -> Result<Self, Rejection> {
        let mut namespaces = Namespaces::default();
        namespaces.put(Namespace { id: "ns".to_owned(), name: "default".to_owned(), ..Namespace::default() });
        let mut world = Self {
            exec: Execution::default(),
            now_ns: 1000 * SECOND_NS,
            sent: BTreeMap::new(),
            rebuilt: State::default(),
            namespaces,
            seed: 1,
        };
        let made = world.with_env(|_, env| super::super::create(request, None, env));
        made.decided?;
        let New { exec, mut written } = *made.new.unwrap();
        world.exec = exec;
        world.take(&mut written);
        Ok(world)
    }

    fn with_env<T>(&mut self, decide: impl FnOnce(&mut Execution, &mut Env<'_>) -> T) -> T {
        self.seed += 1;
        let limits = Limits::default();
        let ids = Ids::new(self.seed);
        let mut env = Env { now_ns: self.now_ns, ids, limits: &limits, namespaces: &self.namespaces };
        decide(&mut self.exec, &mut env)
    }

    /// Takes what a decision did, and checks what must always hold.
    fn take(&mut self, written: &mut Written) {
        let record = Record::decode(written.take_record()).unwrap();
        if !record.changes.is_empty() {
            self.rebuilt.apply_record(&record);
        }
        assert_eq!(self.rebuilt, self.exec.state, "a schedule is what its records make it");
        let snapshot = State::decode(self.exec.state.encode_to_vec().as_slice()).unwrap();
        assert_eq!(snapshot, self.exec.state, "a schedule is what its snapshot says");
        for id in &written.effects.messages {
            self.sent.insert(*id, self.exec.delivery(*id).unwrap());
        }
        let progress = &self.exec.state.progress;
        assert!(progress.messages().all(|id| self.sent.contains_key(&id)), "a message is sent when it is recorded");
        assert!(
            progress.running.len() + progress.starts.values().filter(|s| s.tracked).count() <= 1,
            "one runs at a time"
        );
        assert!(progress.wake_ns == 0 || progress.wake_ns > self.now_ns, "what is due was done");
        if let Some(next) = written.successor.take() {
            let New { exec, mut written } = *next;
            self.exec = exec;
            self.rebuilt = State::default();
            self.take(&mut written);
        }
    }

    pub(super) fn ask(&mut self, request: Request) -> Decided {
        let (mut written, decided) = self.with_env(|exec, env| super::super::decide(request, exec, env));
        self.take(&mut written);
        decided
    }

    pub(super) fn patch(&mut self, request_id: &str, patch: SchedulePatch) {
        let request_id = request_id.to_owned();
        let request =
            ws::PatchScheduleRequest { request_id, patch: Some(patch), ..ws::PatchScheduleRequest::default() };
        assert_eq!(self.ask(Request::Patch(Box::new(request))), Ok(Reply::Done));
    }

    pub(super) fn update(&mut self, schedule: Schedule, conflict_token: Option<i64>) -> Decided {
        self.ask(Request::Update(Box::new(ws::UpdateScheduleRequest {
            namespace: "default".to_owned(),
            schedule: Some(schedule),
            conflict_token: conflict_token.map_or_else(Vec::new, |token| token.to_be_bytes().to_vec()).into(),
            ..ws::UpdateScheduleRequest::default()
        })))
    }

    /// Lets time pass to this second, and wakes the schedule whenever it is due.
    pub(super) fn until(&mut self, second: i64) {
        loop {
            let wake_ns = self.exec.state.progress.wake_ns;
            if wake_ns == 0 || wake_ns > second * SECOND_NS {
                break;
            }
            self.now_ns = wake_ns;
            self.ask(Request::Wake).unwrap();
        }
        self.now_ns = self.now_ns.max(second * SECOND_NS);
    }

    /// What the messages ask for, oldest first: `start ID`, `cancel ID`, `terminate ID`.
    pub(super) fn asked(&self) -> Vec<String> {
        let shown = |delivery: &Delivery| match &delivery.message {
            Message::StartWorkflow(_) => format!("start {}", delivery.target.id),
            Message::EndWorkflow(end) if end.terminate => format!("terminate {}", delivery.target.id),
            Message::EndWorkflow(_) => format!("cancel {}", delivery.target.id),
            other => panic!("{other:?}"),
        };
        self.sent.values().map(shown).collect()
    }

    /// Answers the oldest message. A workflow that is started gets its own id as run id.
    pub(super) fn answer(&mut self) -> Delivery {
        let run_id = self.sent.values().next().unwrap().target.id.clone();
        self.answer_with(DeliveryResult::Started { run_id })
    }

    pub(super) fn answer_with(&mut self, result: DeliveryResult) -> Delivery {
        let (id, delivery) = self.sent.pop_first().unwrap();
        self.ask(Request::Delivered { id, result }).unwrap();
        delivery
    }

    pub(super) fn answer_all(&mut self) {
        while !self.sent.is_empty() {
            self.answer();
        }
    }

    /// Answers so many messages.
    pub(super) fn answer_all_for(&mut self, count: usize) {
        for _ in 0..count {
            self.answer();
        }
    }

    /// Makes the schedule believe that it has recorded so many decisions.
    pub(super) fn pretend_decisions(&mut self, count: i64) {
        self.exec.state.decisions = count;
        self.rebuilt.decisions = count;
    }

    /// A workflow closes that was started with this message.
    pub(super) fn close(&mut self, start: &Delivery, end: End) {
        let Message::StartWorkflow(message) = &start.message else { panic!("no start") };
        let watcher = message.watcher.clone().unwrap();
        let attributes: Attributes = match end {
            End::Completed(json) => WorkflowExecutionCompletedEventAttributes {
                result: (!json.is_empty()).then(|| text(json)),
                ..Default::default()
            }
            .into(),
            End::Failed(message) => WorkflowExecutionFailedEventAttributes {
                failure: Some(Failure { message: message.to_owned(), ..Failure::default() }),
                ..Default::default()
            }
            .into(),
            End::TimedOut => WorkflowExecutionTimedOutEventAttributes::default().into(),
            End::Terminated => WorkflowExecutionTerminatedEventAttributes::default().into(),
        };
        let news = WorkflowClosed {
            request_id: watcher.request_id,
            workflow_id: start.target.id.clone(),
            first_run_id: start.target.id.clone(),
            close_event: HistoryEvent { attributes: Some(attributes), ..HistoryEvent::default() },
        };
        let source = Sender {
            namespace_id: "ns".to_owned(),
            namespace: "default".to_owned(),
            execution: WorkflowExecution { workflow_id: start.target.id.clone(), ..WorkflowExecution::default() },
        };
        let target = crate::address::Address::schedule("ns", "s");
        let delivery = Delivery { target, source, message: Message::WorkflowClosed(news), child: None };
        let taken = self.ask(Request::Deliver(Box::new(delivery)));
        assert_eq!(taken, Ok(Reply::Delivered(DeliveryResult::Taken)));
    }

    pub(super) fn described(&self) -> ws::DescribeScheduleResponse {
        describe::describe(&self.exec.state, &Default::default(), self.now_ns)
    }

    pub(super) fn info(&self) -> ScheduleInfo {
        self.described().info.unwrap()
    }

    pub(super) fn state(&self) -> ScheduleState {
        self.described().schedule.unwrap().state.unwrap()
    }
}

/// Payloads of a JSON text.
pub(super) fn text(json: &'static str) -> Payloads {
    Payloads { payloads: vec![Payload { data: bytes::Bytes::from_static(json.as_bytes()), ..Payload::default() }] }
}
