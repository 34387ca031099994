//! One workflow with its worker and clock, in the hands of a test.

use crate::env::Env;
use crate::namespace::{Namespace, Namespaces};
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::task_queue::{Dispatch, StartTask, TaskClass};
use crate::token::TaskToken;
use crate::workflow::activity::{Answer, Operation, Outcome, Stage, Which};
use crate::workflow::testing::record_of;
use crate::workflow::{ChainRequest, Execution, Request, State, Written, decide, decide_chain};
use crate::{Ids, Limits};
use evertide_proto::command::command::Attributes as CommandAttributes;
use evertide_proto::command::{
    Command, RequestCancelActivityTaskCommandAttributes, ScheduleActivityTaskCommandAttributes,
};
use evertide_proto::common::{ActivityType, Payload, Payloads, RetryPolicy, WorkflowType};
use evertide_proto::failure::{ApplicationFailureInfo, Failure, failure::FailureInfo};
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflow::PendingActivityInfo;
use evertide_proto::workflowservice as ws;
use prost_types::Duration;
use std::fmt::Write as _;

pub(super) const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_700_000_000 * SECOND;

pub(super) struct World {
    pub exec: Execution,
    pub now: i64,
    pub limits: Limits,
    pub dispatches: Vec<Dispatch>,
    namespaces: Namespaces,
    rebuilt: State,
    events: Vec<HistoryEvent>,
    steps: u64,
}

pub(super) type Task = Box<ws::PollActivityTaskQueueResponse>;

impl World {
    /// A workflow whose first task was answered with these commands.
    pub(super) fn new(commands: Vec<Command>) -> Self {
        Self::with(Limits::default(), commands, |_| {})
    }

    pub(super) fn with(
        limits: Limits,
        commands: Vec<Command>,
        adapt: impl FnOnce(&mut ws::StartWorkflowExecutionRequest),
    ) -> Self {
        let mut world = Self::unanswered(limits, adapt);
        world.turn(commands).expect("the commands are good");
        world
    }

    /// A workflow whose first task waits.
    pub(super) fn unanswered(limits: Limits, adapt: impl FnOnce(&mut ws::StartWorkflowExecutionRequest)) -> Self {
        let mut namespaces = Namespaces::default();
        let id = "7a1f3c52-8c1e-4f0b-9d2a-1d6b54a0c9ee".to_owned();
        namespaces.put(Namespace { id, name: "default".to_owned(), ..Namespace::default() });
        let mut request = ws::StartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: "w".to_owned(),
            workflow_type: Some(WorkflowType { name: "wf".to_owned() }),
            task_queue: Some(TaskQueue { name: "q".to_owned(), ..TaskQueue::default() }),
            request_id: "start".to_owned(),
            ..ws::StartWorkflowExecutionRequest::default()
        };
        adapt(&mut request);
        let mut env = Env { now_ns: START, ids: Ids::new(0), limits: &limits, namespaces: &namespaces };
        let outcome = decide_chain(ChainRequest::Start(Box::new(request)), None, &mut env);
        let new = outcome.new.expect("a run was made");
        let mut world = Self {
            exec: new.exec,
            now: START,
            limits,
            dispatches: Vec::new(),
            namespaces,
            rebuilt: State::default(),
            events: Vec::new(),
            steps: 0,
        };
        world.take(new.written);
        world
    }

    /// Decides a request and checks all that must hold after any.
    pub(super) fn step(&mut self, request: Request) -> Result<Reply, Rejection> {
        self.steps += 1;
        let before = self.exec.clone();
        let mut env =
            Env { now_ns: self.now, ids: Ids::new(self.steps), limits: &self.limits, namespaces: &self.namespaces };
        let mut again = before.clone();
        let (written, decided) = decide(request.clone(), &mut self.exec, &mut env);
        env.ids = Ids::new(self.steps);
        let (_, decided_again) = decide(request.clone(), &mut again, &mut env);
        assert_eq!((&self.exec, &decided), (&again, &decided_again), "a decision is a function");
        let answers_task = matches!(request, Request::CompleteWorkflowTask(..));
        if decided.is_err() && !answers_task {
            assert_eq!(self.exec, before, "a refused request changes nothing");
            assert!(written.is_clean());
        }
        self.take(written);
        decided
    }

    fn take(&mut self, written: Written) {
        let record = record_of(&written);
        if !written.is_clean() {
            self.rebuilt.apply_record(&record);
        }
        for event in record.into_events() {
            assert_eq!(event.event_id, self.events.len() as i64 + 1, "event ids have no gaps");
            self.events.push(event);
        }
        assert_eq!(self.rebuilt, self.exec.state, "rebuilt is live");
        self.dispatches.extend(written.effects.dispatches);
        self.check_invariants();
    }

    /// A pending activity is in one stage, and somebody or something ends that stage.
    fn check_invariants(&self) {
        if !self.exec.state.is_running() {
            assert_eq!(self.exec.state.deadline_ns(), 0);
            return;
        }
        for (id, activity) in &self.exec.state.activities {
            let run = &activity.run;
            assert!(run.attempt >= 1 && *id == activity.scheduled_event_id);
            assert!(run.pause.is_none() || !run.in_backoff, "what is held back is not waited for");
            match activity.stage() {
                Stage::Queued => {
                    let dispatched = self.dispatches.iter().any(|d| is_current(d, *id, run.stamp, activity.queue()));
                    assert!(dispatched, "what waits on a queue was put there");
                    assert!(run.scheduled_time_ns <= self.now);
                }
                Stage::Started => {
                    assert!(!run.in_backoff && run.started_time_ns <= self.now);
                    assert!(run.pause.is_some() || self.exec.state.deadline_ns() != 0, "no attempt lasts for ever");
                }
                Stage::Backoff => {
                    let due = self.exec.state.deadline_ns();
                    assert!(due != 0 && due <= run.scheduled_time_ns, "a backoff has an end");
                }
                Stage::Paused => assert!(run.pause.is_some()),
            }
        }
    }

    /// Lets time pass, in the steps that the deadlines ask for.
    pub(super) fn advance(&mut self, seconds: i64) {
        let until = self.now + seconds * SECOND;
        loop {
            let due = self.exec.deadline_ns();
            if due == 0 || due > until {
                break;
            }
            self.now = self.now.max(due);
            self.step(Request::Wake).expect("waking is never refused");
            assert_ne!(self.exec.deadline_ns(), due, "what is due was done");
        }
        self.now = until;
    }

    /// Takes the workflow task.
    pub(super) fn take_workflow_task(&mut self) -> TaskToken {
        let task = self.exec.task().expect("a workflow task waits").clone();
        let start = StartTask {
            scheduled_event_id: task.scheduled_event_id,
            stamp: task.stamp,
            identity: "wf-worker".to_owned(),
            request_id: format!("poll-{}", self.steps),
            ..StartTask::default()
        };
        match self.step(Request::StartWorkflowTask(start)) {
            Ok(Reply::WorkflowTask(started)) => {
                TaskToken::from_bytes(&started.response.task_token).expect("a token of ours")
            }
            other => panic!("the workflow task was not started: {other:?}"),
        }
    }

    /// Answers a workflow task.
    pub(super) fn answer_task(&mut self, token: TaskToken, commands: Vec<Command>) -> Result<Vec<Task>, Rejection> {
        let request = ws::RespondWorkflowTaskCompletedRequest {
            commands,
            identity: "wf-worker".to_owned(),
            ..ws::RespondWorkflowTaskCompletedRequest::default()
        };
        match self.step(Request::CompleteWorkflowTask(Box::new(request), token))? {
            Reply::TaskCompleted { activity_tasks, .. } => Ok(activity_tasks.into_iter().map(Box::new).collect()),
            other => panic!("not the answer to a workflow task: {other:?}"),
        }
    }

    /// Takes and answers the workflow task.
    pub(super) fn turn(&mut self, commands: Vec<Command>) -> Result<Vec<Task>, Rejection> {
        let token = self.take_workflow_task();
        self.answer_task(token, commands)
    }

    /// Wakes the workflow by a signal, and answers the task.
    pub(super) fn turn_after_signal(&mut self, commands: Vec<Command>) -> Result<Vec<Task>, Rejection> {
        self.signal();
        self.turn(commands)
    }

    pub(super) fn signal(&mut self) {
        let signal = ws::SignalWorkflowExecutionRequest { signal_name: "go".to_owned(), ..Default::default() };
        self.step(Request::Signal(Box::new(signal))).expect("a signal is taken");
    }

    /// Takes the activity's task from its queue, if it waits there.
    pub(super) fn poll(&mut self, activity_id: &str) -> Option<Task> {
        let activity = self.exec.state.activity_by_id(activity_id)?;
        let start = StartTask {
            scheduled_event_id: activity.scheduled_event_id,
            stamp: activity.run.stamp,
            identity: "worker".to_owned(),
            request_id: format!("poll-{}", self.steps),
            ..StartTask::default()
        };
        match self.step(Request::StartActivity(start)) {
            Ok(Reply::ActivityTask(task)) => Some(task),
            Ok(Reply::Stale) => None,
            other => panic!("no answer to a poll: {other:?}"),
        }
    }

    pub(super) fn answer(
        &mut self,
        task: &ws::PollActivityTaskQueueResponse,
        outcome: Outcome,
    ) -> Result<Reply, Rejection> {
        let token = TaskToken::from_bytes(&task.task_token).expect("a token of ours");
        let answer = Answer { which: Which::Token(token), identity: "answerer".to_owned(), outcome };
        self.step(Request::Activity(answer))
    }

    pub(super) fn answer_by_id(&mut self, activity_id: &str, outcome: Outcome) -> Result<Reply, Rejection> {
        let which = Which::Id(activity_id.to_owned());
        self.step(Request::Activity(Answer { which, identity: "client".to_owned(), outcome }))
    }

    pub(super) fn operate(&mut self, operation: Operation) -> Result<Reply, Rejection> {
        self.step(Request::OperateActivity(operation))
    }

    /// What Describe shows of an activity.
    pub(super) fn pending(&self, activity_id: &str) -> PendingActivityInfo {
        let activity = self.exec.state.activity_by_id(activity_id).expect("it is pending");
        crate::workflow::activity::pending_info(activity, self.now)
    }

    pub(super) fn stage(&self, activity_id: &str) -> Option<Stage> {
        self.exec.state.activity_by_id(activity_id).map(|a| a.stage())
    }

    /// The history from an event on, one line an event, without what does not concern activities.
    pub(super) fn history(&self, from: i64) -> String {
        let mut text = String::new();
        for event in self.events.iter().filter(|e| e.event_id >= from) {
            writeln!(text, "{} {}", event.event_id, describe(event)).expect("text takes text");
        }
        text
    }
}

fn is_current(dispatch: &Dispatch, id: i64, wanted: i64, name: &str) -> bool {
    dispatch.class == TaskClass::Activity
        && dispatch.scheduled_event_id == id
        && dispatch.stamp == wanted
        && dispatch.queue.name == name
}

fn describe(event: &HistoryEvent) -> String {
    let state = |state: i32| {
        let state = evertide_proto::enums::RetryState::try_from(state).expect("a known state");
        state.as_str_name().trim_start_matches("RETRY_STATE_").to_owned()
    };
    match event.attributes.as_ref().expect("every event has attributes") {
        A::ActivityTaskScheduledEventAttributes(a) => format!("Scheduled {}", a.activity_id),
        A::ActivityTaskStartedEventAttributes(a) => {
            let last = a.last_failure.as_ref().map_or(String::new(), |f| format!(" after '{}'", f.message));
            format!("Started {} attempt {} by {}{last}", a.scheduled_event_id, a.attempt, a.identity)
        }
        A::ActivityTaskCompletedEventAttributes(a) => {
            format!("Completed {}/{} by {}", a.scheduled_event_id, a.started_event_id, a.identity)
        }
        A::ActivityTaskFailedEventAttributes(a) => {
            let message = a.failure.as_ref().map_or("nothing", |f| &f.message);
            format!("Failed {}/{} '{message}' {}", a.scheduled_event_id, a.started_event_id, state(a.retry_state))
        }
        A::ActivityTaskTimedOutEventAttributes(a) => {
            let failure = a.failure.as_ref().expect("a timeout has a failure");
            let cause = failure.cause.as_ref().map_or(String::new(), |c| format!(" because of '{}'", c.message));
            let (scheduled, started) = (a.scheduled_event_id, a.started_event_id);
            format!("TimedOut {scheduled}/{started} '{}'{cause} {}", failure.message, state(a.retry_state))
        }
        A::ActivityTaskCancelRequestedEventAttributes(a) => {
            format!("CancelRequested {}", a.scheduled_event_id)
        }
        A::ActivityTaskCanceledEventAttributes(a) => format!(
            "Canceled {}/{} for {} by {}",
            a.scheduled_event_id, a.started_event_id, a.latest_cancel_requested_event_id, a.identity
        ),
        _ => event.event_type().as_str_name().trim_start_matches("EVENT_TYPE_").to_owned(),
    }
}

/// A schedule command on the queue `qa`, with 10 s from start to close.
pub(super) fn schedule(activity_id: &str) -> Command {
    schedule_with(activity_id, |_| {})
}

pub(super) fn schedule_with(
    activity_id: &str,
    adapt: impl FnOnce(&mut ScheduleActivityTaskCommandAttributes),
) -> Command {
    let mut attributes = ScheduleActivityTaskCommandAttributes {
        activity_id: activity_id.to_owned(),
        activity_type: Some(ActivityType { name: "act".to_owned() }),
        task_queue: Some(TaskQueue { name: "qa".to_owned(), ..TaskQueue::default() }),
        start_to_close_timeout: seconds(10),
        ..ScheduleActivityTaskCommandAttributes::default()
    };
    adapt(&mut attributes);
    command(attributes.into())
}

pub(super) fn cancel(scheduled_event_id: i64) -> Command {
    command(RequestCancelActivityTaskCommandAttributes { scheduled_event_id }.into())
}

pub(super) fn command(attributes: CommandAttributes) -> Command {
    Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() }
}

pub(super) fn policy(initial_seconds: i64, attempts: i32) -> Option<RetryPolicy> {
    Some(RetryPolicy { initial_interval: seconds(initial_seconds), maximum_attempts: attempts, ..Default::default() })
}

pub(super) fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

pub(super) fn payloads(text: &str) -> Payloads {
    Payloads { payloads: vec![Payload { data: text.to_owned().into(), ..Payload::default() }] }
}

pub(super) fn failure(message: &str) -> Failure {
    failure_with(message, |_| {})
}

pub(super) fn failure_with(message: &str, adapt: impl FnOnce(&mut ApplicationFailureInfo)) -> Failure {
    let mut info = ApplicationFailureInfo::default();
    adapt(&mut info);
    Failure {
        message: message.to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
        ..Failure::default()
    }
}

pub(super) fn failed(message: &str) -> Outcome {
    Outcome::Failed(Some(Box::new(failure(message))), None)
}

pub(super) const DONE: Outcome = Outcome::Completed(None);
