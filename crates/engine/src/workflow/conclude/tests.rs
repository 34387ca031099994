//! What a run may not outgrow, whichever way requests come.

use crate::address::Address;
use crate::limits::Limits;
use crate::message::{Delivery, DeliveryResult, Message, Sender, SignalMessage};
use crate::reply::{Decided, Reply};
use crate::workflow::chain::ChainRequest;
use crate::workflow::decide::Request;
use crate::workflow::testing::{World, json, start_request};
use crate::{Code, Detail};
use evertide_proto::common::callback::{Nexus, Variant};
use evertide_proto::common::{Callback, Payloads};
use evertide_proto::enums::{WorkflowExecutionStatus as Status, WorkflowIdConflictPolicy as Conflict};
use evertide_proto::history::SignalExternalWorkflowExecutionInitiatedEventAttributes;
use evertide_proto::history::history_event::Attributes;
use evertide_proto::workflow::OnConflictOptions;
use evertide_proto::workflowservice as ws;

const COUNT: &str = "Workflow history count exceeds limit.";
const SIZE: &str = "Workflow history size exceeds limit.";
const STATE: &str = "Workflow mutable state size exceeds limit.";

/// A run whose worker holds a workflow task.
fn held(limits: Limits) -> World {
    let mut world = World::start_within(start_request(), limits).expect("the start is accepted");
    world.poll().expect("the first task");
    world
}

fn input(bytes: usize) -> Option<Payloads> {
    Some(json(&"x".repeat(bytes)))
}

fn signal(world: &mut World, n: usize, bytes: usize) -> Decided {
    world.step(Request::Signal(Box::new(ws::SignalWorkflowExecutionRequest {
        signal_name: "s".to_owned(),
        request_id: format!("r{n}"),
        input: input(bytes),
        ..ws::SignalWorkflowExecutionRequest::default()
    })))
}

fn signal_with_start(world: &mut World, n: usize, bytes: usize) -> Decided {
    let start = start_request();
    world.chain(ChainRequest::SignalWithStart(Box::new(ws::SignalWithStartWorkflowExecutionRequest {
        namespace: start.namespace,
        workflow_id: start.workflow_id,
        workflow_type: start.workflow_type,
        task_queue: start.task_queue,
        signal_name: "s".to_owned(),
        request_id: format!("r{n}"),
        signal_input: input(bytes),
        ..ws::SignalWithStartWorkflowExecutionRequest::default()
    })))
}

/// A start that finds the run open and attaches itself.
fn attach(world: &mut World, n: usize, callbacks: usize) -> Decided {
    let callback = Callback {
        variant: Some(Variant::Nexus(Nexus { url: "temporal://system".to_owned(), ..Nexus::default() })),
        ..Callback::default()
    };
    let mut request = ws::StartWorkflowExecutionRequest {
        request_id: format!("r{n}"),
        completion_callbacks: vec![callback; callbacks],
        on_conflict_options: Some(OnConflictOptions {
            attach_request_id: true,
            attach_completion_callbacks: true,
            attach_links: true,
        }),
        ..start_request()
    };
    request.set_workflow_id_conflict_policy(Conflict::UseExisting);
    world.chain(ChainRequest::Start(Box::new(request)))
}

/// Asks until the run takes no more. How often it took it, and with which text it refused.
fn until_refused(mut ask: impl FnMut(usize) -> Decided) -> (usize, String) {
    for n in 0..10_000 {
        if let Err(refusal) = ask(n) {
            assert_eq!(refusal.code, Code::InvalidArgument);
            return (n, refusal.message.into_owned());
        }
    }
    panic!("there is no limit");
}

#[track_caller]
fn expect_terminated(world: &World, reason: &str) {
    assert_eq!(world.exec.state.info.status(), Status::Terminated);
    let close = world.events.last().and_then(|e| e.attributes.as_ref());
    let Some(Attributes::WorkflowExecutionTerminatedEventAttributes(a)) = close else {
        panic!("the run was not terminated: {close:?}");
    };
    assert_eq!((a.reason.as_str(), a.identity.as_str()), (reason, "history-service"));
}

#[test]
fn signals_stop_at_the_size_of_the_history_whichever_way_they_come() {
    let limits = Limits {
        history_size_bytes: 100_000,
        buffered_events_size_bytes: 3000,
        mutable_state_size_bytes: 10_000,
        ..Limits::default()
    };
    let mut one = held(limits.clone());
    let (taken, text) = until_refused(|n| signal(&mut one, n, 1500));
    assert_eq!(text, SIZE);
    assert!(taken > 50, "{taken}");
    expect_terminated(&one, SIZE);

    let mut other = held(limits);
    let (taken_with_start, text) = until_refused(|n| signal_with_start(&mut other, n, 1500));
    assert_eq!((taken_with_start, text.as_str()), (taken, SIZE));
    expect_terminated(&other, SIZE);
    assert!(other.exec.state.info.history_size_bytes < 103_000);
}

#[test]
fn the_request_that_meets_the_count_leaves_nothing_but_the_termination() {
    let mut world = World::start_within(start_request(), Limits { history_count: 5, ..Limits::default() }).expect("ok");
    let (taken, text) = until_refused(|n| signal_with_start(&mut world, n, 1));
    assert_eq!((taken, text.as_str()), (3, COUNT));
    expect_terminated(&world, COUNT);
    world.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowExecutionSignaled
         4 WorkflowExecutionSignaled
         5 WorkflowExecutionSignaled
         6 WorkflowExecutionTerminated",
    );
    assert!(!world.exec.state.signal_request_ids.contains_key("r3"));
}

#[test]
fn what_waits_behind_a_started_task_counts_as_state() {
    let limits = Limits { mutable_state_size_bytes: 20_000, ..Limits::default() };
    for way in [signal, signal_with_start] {
        let mut world = held(limits.clone());
        let (taken, text) = until_refused(|n| way(&mut world, n, 1500));
        assert_eq!((taken, text.as_str()), (12, STATE));
        expect_terminated(&world, STATE);
    }
}

#[test]
fn starts_that_attach_stop_at_the_limits_too() {
    let limits = Limits { mutable_state_size_bytes: 20_000, buffered_events: 10_000, ..Limits::default() };
    let mut world = held(limits);
    let (taken, text) = until_refused(|n| attach(&mut world, n, 0));
    assert_eq!(text, STATE);
    assert!(taken < 1000, "{taken}");
    expect_terminated(&world, STATE);

    let mut world =
        World::start_within(start_request(), Limits { history_count: 50, ..Limits::default() }).expect("ok");
    let (taken, text) = until_refused(|n| attach(&mut world, n, 0));
    assert_eq!((taken, text.as_str()), (48, COUNT));
}

#[test]
fn a_run_takes_so_many_callbacks_and_no_more() {
    let mut world = held(Limits { callbacks: 3, ..Limits::default() });
    assert!(attach(&mut world, 1, 2).is_ok());
    let refusal = attach(&mut world, 2, 2).expect_err("the limit");
    assert_eq!(refusal.code, Code::FailedPrecondition);
    assert_eq!(refusal.message, "cannot attach more than 3 callbacks to a workflow (2 callbacks already attached)");
    assert!(attach(&mut world, 3, 1).is_ok());
    assert_eq!(world.exec.state.info.callbacks.len(), 3);
}

#[test]
fn a_message_to_a_run_that_meets_its_limit_finds_it_ended() {
    let limits = Limits { history_count: 4, ..Limits::default() };
    let mut world = World::start_within(start_request(), limits).expect("ok");
    let deliver = |n: usize| {
        let initiated = SignalExternalWorkflowExecutionInitiatedEventAttributes {
            signal_name: "s".to_owned(),
            ..SignalExternalWorkflowExecutionInitiatedEventAttributes::default()
        };
        let message = SignalMessage { initiated_event_id: 5, request_id: format!("m{n}"), initiated };
        Request::Deliver(Box::new(Delivery {
            target: Address::workflow("", "w"),
            source: Sender {
                namespace_id: String::new(),
                namespace: "default".to_owned(),
                execution: crate::workflow::outbox::world::execution("other", ""),
            },
            message: Message::Signal(message),
            child: None,
        }))
    };
    for n in 0..2 {
        assert_eq!(world.step(deliver(n)), Ok(Reply::Delivered(DeliveryResult::Taken)));
    }
    assert_eq!(world.step(deliver(2)), Ok(Reply::Delivered(DeliveryResult::NotFound)));
    expect_terminated(&world, COUNT);
}

#[test]
fn a_decision_that_closes_the_run_meets_no_limit() {
    let mut world = held(Limits { history_count: 3, ..Limits::default() });
    assert!(world.step(Request::Terminate(Box::default())).is_ok());
    assert_eq!(world.exec.state.info.status(), Status::Terminated);
    let again = signal(&mut world, 1, 1).expect_err("the run has ended");
    assert_eq!((again.code, again.detail), (Code::NotFound, Detail::NotFound));
}
