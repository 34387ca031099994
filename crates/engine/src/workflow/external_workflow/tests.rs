use crate::workflow::outbox::world::{World, attributes, command, complete, execution, story};
use evertide_proto::command::{
    Command, RequestCancelExternalWorkflowExecutionCommandAttributes as CancelCommand,
    SignalExternalWorkflowExecutionCommandAttributes as SignalCommand, StartChildWorkflowExecutionCommandAttributes,
};
use evertide_proto::common::WorkflowType;
use evertide_proto::enums::SignalExternalWorkflowExecutionFailedCause as SignalFailure;
use evertide_proto::history::history_event::Attributes as A;

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn signal_with(id: &str, change: impl FnOnce(&mut SignalCommand)) -> Command {
    let mut a = SignalCommand {
        execution: Some(execution(id, "")),
        signal_name: "hey".to_owned(),
        control: "ctl".to_owned(),
        ..SignalCommand::default()
    };
    change(&mut a);
    command(a)
}

fn signal(id: &str) -> Command {
    signal_with(id, |_| {})
}

fn cancel_with(id: &str, change: impl FnOnce(&mut CancelCommand)) -> Command {
    let mut a = CancelCommand { workflow_id: id.to_owned(), reason: "why".to_owned(), ..CancelCommand::default() };
    change(&mut a);
    command(a)
}

fn cancel(id: &str) -> Command {
    cancel_with(id, |_| {})
}

fn child(id: &str) -> Command {
    command(StartChildWorkflowExecutionCommandAttributes {
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "child".to_owned() }),
        ..StartChildWorkflowExecutionCommandAttributes::default()
    })
}

/// A sender `w` and a target `x`.
fn two() -> World {
    let mut world = World::new();
    world.start("x");
    world.start("w");
    world
}

#[test]
fn a_signal_is_delivered_once_and_answered() {
    for repeats in [false, true] {
        let mut world = two();
        world.repeats = repeats;
        world.act("w", vec![signal("x"), signal("x")]);
        assert_eq!(
            story(&world.run("x").events),
            "1 WorkflowExecutionStarted, 3 WorkflowExecutionSignaled, 4 WorkflowExecutionSignaled"
        );
        assert_eq!(
            world.story("w"),
            "1 WorkflowExecutionStarted, 5 SignalExternalWorkflowExecutionInitiated, \
             6 SignalExternalWorkflowExecutionInitiated, 7 ExternalWorkflowExecutionSignaled, \
             9 ExternalWorkflowExecutionSignaled"
        );
        assert!(world.state("w").outbox.is_empty() && world.state("w").external_signals.is_empty());
    }
}

#[test]
fn the_events_of_a_signal_tell_of_both_sides() {
    let mut world = two();
    world.act("w", vec![signal("x")]);
    let A::WorkflowExecutionSignaledEventAttributes(a) = attributes(world.run("x"), 3) else { panic!() };
    let sender = execution("w", &world.state("w").info.run_id);
    assert_eq!((a.external_workflow_execution, a.identity.as_str()), (Some(sender), "history-service"));
    assert!(!a.request_id.is_empty());
    let A::SignalExternalWorkflowExecutionInitiatedEventAttributes(a) = attributes(world.run("w"), 5) else { panic!() };
    assert_eq!((a.namespace.as_str(), a.workflow_task_completed_event_id), ("", 4));
    let A::ExternalWorkflowExecutionSignaledEventAttributes(a) = attributes(world.run("w"), 6) else { panic!() };
    assert_eq!((a.namespace.as_str(), a.control.as_str()), ("default", "ctl"));
    assert_eq!(a.workflow_execution, Some(execution("x", "")));
}

#[test]
fn what_is_not_found() {
    let mut world = two();
    world.start("closed");
    world.act("closed", vec![complete()]);
    let own_run = world.state("w").info.run_id.clone();
    let commands = vec![
        signal("nobody"),
        signal_with("x", |a| a.execution = Some(execution("x", NOBODY))),
        signal("closed"),
        signal("w"),
        signal_with("w", |a| a.execution = Some(execution("w", &own_run))),
        signal_with("x", |a| a.child_workflow_only = true),
    ];
    let count = commands.len();
    world.act("w", commands);
    let failed: Vec<_> = world
        .run("w")
        .events
        .iter()
        .filter_map(|e| match &e.attributes {
            Some(A::SignalExternalWorkflowExecutionFailedEventAttributes(a)) => Some(a.cause()),
            _ => None,
        })
        .collect();
    assert_eq!(failed, vec![SignalFailure::ExternalWorkflowExecutionNotFound; count]);
    assert!(!world.story("x").contains("Signaled") && !world.story("w").contains("WorkflowExecutionSignaled"));
}

#[test]
fn a_cancel_request_reaches_a_run_once() {
    let mut world = two();
    world.repeats = true;
    world.act("w", vec![cancel("x")]);
    world.act("w", vec![cancel("x")]);
    assert_eq!(story(&world.run("x").events), "1 WorkflowExecutionStarted, 3 WorkflowExecutionCancelRequested");
    assert_eq!(world.story("w").matches("ExternalWorkflowExecutionCancelRequested").count(), 2);
    let A::WorkflowExecutionCancelRequestedEventAttributes(a) = attributes(world.run("x"), 3) else { panic!() };
    assert_eq!((a.cause.as_str(), a.external_initiated_event_id), ("why", 5));
}

#[test]
fn cancelling_a_closed_workflow_succeeds() {
    let mut world = two();
    world.act("x", vec![complete()]);
    world.act("w", vec![cancel("x"), cancel("w"), cancel("nobody")]);
    let story = world.story("w");
    assert_eq!(story.matches("ExternalWorkflowExecutionCancelRequested").count(), 1, "{story}");
    assert_eq!(story.matches("RequestCancelExternalWorkflowExecutionFailed").count(), 2, "{story}");
    assert_eq!(world.story("x"), "1 WorkflowExecutionStarted, 5 WorkflowExecutionCompleted");
}

#[test]
fn only_its_own_child() {
    let mut world = two();
    world.act("w", vec![child("c")]);
    world.act("w", vec![signal_with("c", |a| a.child_workflow_only = true)]);
    world.act("w", vec![cancel_with("c", |a| a.child_workflow_only = true)]);
    world.act("x", vec![cancel_with("c", |a| a.child_workflow_only = true)]);
    assert!(world.story("c").contains("Signaled") && world.state("c").info.cancel_requested);
    assert!(world.story("x").contains("RequestCancelExternalWorkflowExecutionFailed"));
}

#[test]
fn an_answer_waits_behind_a_started_task() {
    let mut world = two();
    let token = world.take_task("w");
    world.answer("w", token, vec![signal("x")]).unwrap();
    world.signal("w", "hold");
    let token = world.take_task("w");
    world.settle();
    assert!(world.state("w").external_signals.is_empty(), "the answer has taken effect");
    world.answer("w", token, vec![signal("nobody")]).unwrap();
    assert!(
        world.story("w").ends_with("10 SignalExternalWorkflowExecutionInitiated, 11 ExternalWorkflowExecutionSignaled"),
        "{}",
        world.story("w")
    );
}

#[test]
fn a_signal_does_not_end_a_start_delay() {
    let mut world = World::new();
    let delay = prost_types::Duration { seconds: 600, nanos: 0 };
    world.start_with("x", |r| r.workflow_start_delay = Some(delay));
    world.start("w");
    world.act("w", vec![signal("x")]);
    assert!(world.run("x").exec.task().is_none());
    world.act("w", vec![cancel("x")]);
    assert!(world.run("x").exec.task().is_some(), "a cancel request does");
}

#[test]
fn a_target_takes_only_so_many_signals() {
    let mut world = two();
    world.limits.signals = 1;
    world.act("w", vec![signal("x"), signal("x")]);
    let A::SignalExternalWorkflowExecutionFailedEventAttributes(a) = attributes(world.run("w"), 9) else { panic!() };
    assert_eq!(a.cause(), SignalFailure::SignalCountLimitExceeded);
}

#[test]
fn bad_commands_are_refused_with_their_reason() {
    let cases: [(Command, &str); 6] = [
        (
            signal_with("x", |a| a.execution = None),
            "BadSignalWorkflowExecutionAttributes: Execution is not set on SignalExternalWorkflowExecutionCommand.",
        ),
        (
            signal(""),
            "BadSignalWorkflowExecutionAttributes: WorkflowId is not set on SignalExternalWorkflowExecutionCommand. \
             Namespace= RunId= SignalName=hey",
        ),
        (
            signal_with("x", |a| a.namespace = "other".to_owned()),
            "BadSignalWorkflowExecutionAttributes: cross namespace commands are not allowed",
        ),
        (
            cancel_with("x", |a| a.run_id = "not a uuid".to_owned()),
            "BadRequestCancelExternalWorkflowExecutionAttributes: Invalid RunId set on \
             RequestCancelExternalWorkflowExecutionCommand. WorkflowId=x RunId=not a uuid Namespace=",
        ),
        (
            cancel("c"),
            "BadRequestCancelExternalWorkflowExecutionAttributes: Start and RequestCancel for child workflow is not \
             allowed in same workflow task. WorkflowId=c RunId= Namespace=",
        ),
        (cancel_with("x", |a| a.namespace = "nowhere".to_owned()), "Namespace nowhere is not found."),
    ];
    for (bad, expected) in cases {
        let mut world = two();
        assert_eq!(world.refused("w", vec![child("c"), bad]), expected);
        assert!(world.state("w").outbox.is_empty() && world.state("w").children.is_empty());
    }
}
