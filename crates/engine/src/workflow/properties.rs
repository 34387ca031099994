//! Properties over random traces: whatever comes in whatever order, [`World`] checks after each step what must hold.

use crate::limits::Limits;
use crate::reply::{Reply, StartedTask};
use crate::workflow::activity::{Answer, Outcome, Which};
use crate::workflow::chain::ChainRequest;
use crate::workflow::decide::Request;
use crate::workflow::query::Query;
use crate::workflow::testing::{SECOND_NS, World, command, json, start_request};
use evertide_proto::command::{
    CancelTimerCommandAttributes, Command, CompleteWorkflowExecutionCommandAttributes,
    ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
    ModifyWorkflowPropertiesCommandAttributes, RecordMarkerCommandAttributes,
    RequestCancelActivityTaskCommandAttributes, ScheduleActivityTaskCommandAttributes,
    SignalExternalWorkflowExecutionCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
    StartTimerCommandAttributes,
};
use evertide_proto::common::{ActivityType, Memo, WorkflowExecution, WorkflowType};
use evertide_proto::enums::WorkflowIdConflictPolicy;
use evertide_proto::failure::Failure;
use evertide_proto::protocol::Message;
use evertide_proto::query::WorkflowQuery;
use evertide_proto::taskqueue::{StickyExecutionAttributes, TaskQueue};
use evertide_proto::update::{
    Acceptance, Input, Meta, Outcome as UpdateOutcome, Rejection as UpdateRejection, Response,
};
use evertide_proto::workflow::OnConflictOptions;
use evertide_proto::workflowservice as ws;
use proptest::prelude::*;
use prost_types::Any;

/// One thing that happens, in a vocabulary that knows nothing of the implementation.
#[derive(Debug, Clone)]
enum Step {
    Signal(u8),
    Cancel,
    Terminate,
    /// SignalWithStartWorkflowExecution, so many times.
    SignalWithStart(u8),
    /// StartWorkflowExecution that uses the open run and attaches itself to it, so many times.
    Attach(u8),
    /// StartWorkflowExecution in place of the open run.
    Replace,
    Query,
    Update(u8),
    PollTask,
    CompleteTask {
        commands: Vec<Do>,
        messages: u8,
        force_next: bool,
        sticky: bool,
        inline: bool,
    },
    FailTask,
    PollActivity,
    AnswerActivity(u8),
    Pass(u8),
    ForgetVolatile,
}

/// One command.
#[derive(Debug, Clone)]
enum Do {
    Timer(u8),
    CancelTimer(u8),
    Activity(u8),
    CancelActivity(u8),
    Marker,
    Memo,
    Child(u8),
    SignalOther,
    Complete,
    Fail,
    ContinueAsNew,
    Nonsense,
}

fn a_command() -> impl Strategy<Value = Do> {
    prop_oneof![
        4 => (0..4u8).prop_map(Do::Timer),
        2 => (0..4u8).prop_map(Do::CancelTimer),
        4 => (0..4u8).prop_map(Do::Activity),
        2 => (5..30u8).prop_map(Do::CancelActivity),
        1 => Just(Do::Marker),
        1 => Just(Do::Memo),
        1 => (0..3u8).prop_map(Do::Child),
        1 => Just(Do::SignalOther),
        1 => Just(Do::Complete),
        1 => Just(Do::Fail),
        1 => Just(Do::ContinueAsNew),
        1 => Just(Do::Nonsense),
    ]
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6u8).prop_map(Step::Signal),
        2 => (1..8u8).prop_map(Step::SignalWithStart),
        2 => (1..8u8).prop_map(Step::Attach),
        1 => Just(Step::Cancel),
        1 => Just(Step::Query),
        2 => (0..4u8).prop_map(Step::Update),
        8 => Just(Step::PollTask),
        8 => (prop::collection::vec(a_command(), 0..4), 0..6u8, prop::bool::weighted(0.2), any::<bool>(), any::<bool>())
            .prop_map(|(commands, messages, force_next, sticky, inline)| Step::CompleteTask { commands, messages, force_next, sticky, inline }),
        2 => Just(Step::FailTask),
        4 => Just(Step::PollActivity),
        4 => (0..4u8).prop_map(Step::AnswerActivity),
        5 => (0..30u8).prop_map(Step::Pass),
        1 => Just(Step::ForgetVolatile),
        1 => prop::bool::weighted(0.1).prop_map(|yes| if yes { Step::Terminate } else { Step::PollTask }),
        1 => prop::bool::weighted(0.1).prop_map(|yes| if yes { Step::Replace } else { Step::PollTask }),
    ]
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: "q".to_owned(), ..TaskQueue::default() })
}

fn command_of(what: &Do) -> Command {
    let seconds = |n: u8| Some(crate::duration::from_ns(i64::from(n) * 3 * SECOND_NS));
    match what {
        Do::Timer(n) => {
            command(StartTimerCommandAttributes { timer_id: format!("t{n}"), start_to_fire_timeout: seconds(*n) })
        }
        Do::CancelTimer(n) => command(CancelTimerCommandAttributes { timer_id: format!("t{n}") }),
        Do::Activity(n) => command(ScheduleActivityTaskCommandAttributes {
            activity_id: format!("a{n}"),
            activity_type: Some(ActivityType { name: "act".to_owned() }),
            task_queue: queue(),
            start_to_close_timeout: seconds(n + 1),
            heartbeat_timeout: seconds(*n),
            ..ScheduleActivityTaskCommandAttributes::default()
        }),
        Do::CancelActivity(n) => {
            command(RequestCancelActivityTaskCommandAttributes { scheduled_event_id: i64::from(*n) })
        }
        Do::Marker => command(RecordMarkerCommandAttributes {
            marker_name: "m".to_owned(),
            ..RecordMarkerCommandAttributes::default()
        }),
        Do::Memo => command(ModifyWorkflowPropertiesCommandAttributes {
            upserted_memo: Some(Memo { fields: [("k".to_owned(), json("1").payloads.remove(0))].into() }),
        }),
        Do::Child(n) => command(StartChildWorkflowExecutionCommandAttributes {
            workflow_id: format!("c{n}"),
            workflow_type: Some(WorkflowType { name: "child".to_owned() }),
            task_queue: queue(),
            ..StartChildWorkflowExecutionCommandAttributes::default()
        }),
        Do::SignalOther => command(SignalExternalWorkflowExecutionCommandAttributes {
            execution: Some(WorkflowExecution { workflow_id: "other".to_owned(), ..WorkflowExecution::default() }),
            signal_name: "s".to_owned(),
            ..SignalExternalWorkflowExecutionCommandAttributes::default()
        }),
        Do::Complete => command(CompleteWorkflowExecutionCommandAttributes::default()),
        Do::Fail => command(FailWorkflowExecutionCommandAttributes { failure: Some(Failure::default()) }),
        Do::ContinueAsNew => command(ContinueAsNewWorkflowExecutionCommandAttributes::default()),
        Do::Nonsense => Command { command_type: 1, ..Command::default() },
    }
}

/// What the workers of a trace hold.
#[derive(Default)]
struct Workers {
    task: Option<StartedTask>,
    activities: Vec<bytes::Bytes>,
}

fn carry_out(w: &mut World, workers: &mut Workers, step: &Step) {
    match step {
        Step::Signal(n) => drop(w.step(Request::Signal(Box::new(ws::SignalWorkflowExecutionRequest {
            signal_name: "s".to_owned(),
            request_id: format!("r{n}"),
            ..ws::SignalWorkflowExecutionRequest::default()
        })))),
        Step::Cancel => drop(w.step(Request::Cancel(Box::default()))),
        Step::Terminate => drop(w.step(Request::Terminate(Box::default()))),
        Step::SignalWithStart(times) | Step::Attach(times) => (0..*times).for_each(|_| start_again(w, step)),
        Step::Replace => start_again(w, step),
        Step::Query => drop(w.step(Request::Query(Box::new(Query {
            request: ws::QueryWorkflowRequest {
                query: Some(WorkflowQuery { query_type: "q".to_owned(), ..WorkflowQuery::default() }),
                ..ws::QueryWorkflowRequest::default()
            },
            deadline_ns: 0,
        })))),
        Step::Update(n) => drop(w.step(Request::Update(Box::new(ws::UpdateWorkflowExecutionRequest {
            request: Some(evertide_proto::update::Request {
                meta: Some(Meta { update_id: format!("u{n}"), ..Meta::default() }),
                input: Some(Input { name: "n".to_owned(), ..Input::default() }),
                ..evertide_proto::update::Request::default()
            }),
            ..ws::UpdateWorkflowExecutionRequest::default()
        })))),
        Step::PollTask => {
            if let Some(task) = w.poll() {
                workers.task = Some(task);
            }
        }
        Step::CompleteTask { commands, messages, force_next, sticky, inline } => {
            let Some(task) = workers.task.take() else {
                return;
            };
            let attributes = StickyExecutionAttributes {
                worker_task_queue: Some(TaskQueue { name: "mine".to_owned(), ..TaskQueue::default() }),
                schedule_to_start_timeout: Some(crate::duration::from_ns(5 * SECOND_NS)),
            };
            let answer = w.complete_with(ws::RespondWorkflowTaskCompletedRequest {
                messages: answers_to(&task.response.messages, *messages),
                task_token: task.response.task_token,
                commands: commands.iter().map(command_of).collect(),
                force_create_new_workflow_task: *force_next,
                return_new_workflow_task: *inline,
                sticky_attributes: sticky.then_some(attributes),
                ..ws::RespondWorkflowTaskCompletedRequest::default()
            });
            if let Ok(Reply::TaskCompleted { new_task, .. }) = answer {
                workers.task = new_task.map(|t| *t);
            }
        }
        Step::FailTask => {
            let Some(task) = workers.task.take() else {
                return;
            };
            let token = crate::token::TaskToken::from_bytes(&task.response.task_token).expect("a token of ours");
            drop(w.step(Request::FailWorkflowTask(Box::default(), token)));
        }
        Step::PollActivity => {
            if let Some(task) = w.poll_activity() {
                workers.activities.push(task.task_token);
            }
        }
        Step::AnswerActivity(n) => answer_activity(w, workers, *n),
        Step::Pass(seconds) => w.advance(i64::from(*seconds) * SECOND_NS),
        Step::ForgetVolatile => w.exec.volatile = crate::workflow::Volatile::default(),
    }
}

/// A request over the workflow id. What it makes once the run has ended is another run, which this trace leaves alone.
fn start_again(w: &mut World, step: &Step) {
    let start = start_request();
    let request_id = format!("again-{}-{}", w.exec.state.info.transition_count, w.exec.state.signal_request_ids.len());
    drop(w.chain(match step {
        Step::SignalWithStart(_) => {
            ChainRequest::SignalWithStart(Box::new(ws::SignalWithStartWorkflowExecutionRequest {
                namespace: start.namespace,
                workflow_id: start.workflow_id,
                workflow_type: start.workflow_type,
                task_queue: start.task_queue,
                signal_name: "s".to_owned(),
                signal_input: Some(json(&"x".repeat(100))),
                request_id,
                ..ws::SignalWithStartWorkflowExecutionRequest::default()
            }))
        }
        Step::Attach(_) => ChainRequest::Start(Box::new(ws::StartWorkflowExecutionRequest {
            request_id,
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting.into(),
            on_conflict_options: Some(OnConflictOptions { attach_request_id: true, ..OnConflictOptions::default() }),
            ..start
        })),
        _ => ChainRequest::Start(Box::new(ws::StartWorkflowExecutionRequest {
            request_id: "replace".to_owned(),
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::TerminateExisting.into(),
            ..start
        })),
    }));
}

/// The worker's messages for the updates of its task: none, or for each one of the ways to answer it, good or bad.
fn answers_to(updates: &[Message], how: u8) -> Vec<Message> {
    let answer = |update: &Message, name: &str, body: Option<Any>| Message {
        id: format!("{}/{name}", update.protocol_instance_id),
        protocol_instance_id: update.protocol_instance_id.clone(),
        body,
        ..Message::default()
    };
    let accept = |update: &Message| {
        let acceptance = Acceptance {
            accepted_request_message_id: update.id.clone(),
            accepted_request_sequencing_event_id: 1,
            ..Acceptance::default()
        };
        answer(update, "accept", Any::from_msg(&acceptance).ok())
    };
    let complete = |update: &Message| {
        let meta = Some(Meta { update_id: update.protocol_instance_id.clone(), ..Meta::default() });
        let response = Response { meta, outcome: Some(UpdateOutcome::default()) };
        answer(update, "complete", Any::from_msg(&response).ok())
    };
    let reject = |update: &Message| answer(update, "reject", Any::from_msg(&UpdateRejection::default()).ok());
    updates
        .iter()
        .flat_map(|update| match how {
            0 | 1 => vec![accept(update), complete(update)],
            2 => vec![accept(update)],
            3 => vec![reject(update)],
            4 => vec![complete(update)],
            _ => Vec::new(),
        })
        .collect()
}

fn answer_activity(w: &mut World, workers: &mut Workers, n: u8) {
    if workers.activities.is_empty() {
        return;
    }
    let token = workers.activities.remove(usize::from(n) % workers.activities.len());
    let outcome = match n {
        0 => Outcome::Completed(None),
        1 => Outcome::Failed(None, None),
        2 => Outcome::Canceled(None),
        _ => {
            workers.activities.push(token.clone());
            Outcome::Heartbeat(Some(json("1")))
        }
    };
    let which = Which::Token(crate::token::TaskToken::from_bytes(&token).expect("a token of ours"));
    drop(w.step(Request::Activity(Answer { which, identity: "worker".to_owned(), outcome })));
}

/// Limits that a short trace meets.
fn narrow_limits() -> Limits {
    Limits {
        history_count: 40,
        history_size_bytes: 6000,
        mutable_state_size_bytes: 4000,
        buffered_events: 4,
        buffered_events_size_bytes: 800,
        ..Limits::default()
    }
}

/// Whether an open run is within its limits. The history may be too large by what one decision writes, since its size is
/// looked at before one; and what waited behind a task that failed is written by the decision that fails it.
fn is_within(world: &World, limits: &Limits) -> bool {
    /// The most that one step of a trace writes.
    const ONE_STEP: (i64, i64) = (40, 8000);
    let state = &world.exec.state;
    !state.is_running()
        || (state.next_event_id - 1 <= limits.history_count + ONE_STEP.0
            && state.info.history_size_bytes <= limits.history_size_bytes + ONE_STEP.1
            && state.buffered.len() <= limits.buffered_events
            && state.mutable_size_bytes() <= limits.mutable_state_size_bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Invariants hold, deciding is a function, rebuilt == live, ids have no gaps: see `World::step`.
    #[test]
    fn random_traces_keep_every_invariant(
        steps in prop::collection::vec(a_step(), 1..60),
        delayed in prop::bool::weighted(0.1),
        retried in prop::bool::weighted(0.2),
        timed in prop::bool::weighted(0.2),
        narrow in prop::bool::weighted(0.3),
    ) {
        let mut request = start_request();
        if delayed {
            request.workflow_start_delay = Some(crate::duration::from_ns(10 * SECOND_NS));
        }
        if retried {
            request.retry_policy = Some(evertide_proto::common::RetryPolicy::default());
        }
        if timed {
            request.workflow_run_timeout = Some(crate::duration::from_ns(120 * SECOND_NS));
        }
        let limits = if narrow { narrow_limits() } else { Limits::default() };
        let mut world = World::start_within(request, limits).expect("the start is accepted");
        let mut workers = Workers::default();
        for step in &steps {
            carry_out(&mut world, &mut workers, step);
            if narrow {
                prop_assert!(is_within(&world, &narrow_limits()), "after {step:?}");
            }
        }
        // A run that is told to end ends.
        if world.exec.state.is_running() {
            prop_assert!(world.step(Request::Terminate(Box::default())).is_ok());
        }
        prop_assert!(!world.exec.state.is_running());
    }
}
