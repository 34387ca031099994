use super::{OPERATION, SERVICE, SYSTEM_ENDPOINT};
use crate::workflow::outbox::world::{World, attributes, command, complete};
use bytes::Bytes;
use evertide_proto::command::{
    Command, RequestCancelNexusOperationCommandAttributes, ScheduleNexusOperationCommandAttributes,
};
use evertide_proto::common::link::Variant;
use evertide_proto::common::{Payload, WorkflowType};
use evertide_proto::enums::WorkflowIdReusePolicy;
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflowservice::{
    SignalWithStartWorkflowExecutionRequest as Request, SignalWithStartWorkflowExecutionResponse as Response,
};
use prost::Message as _;

fn operation_with(
    change: impl FnOnce(&mut Request),
    more: impl FnOnce(&mut ScheduleNexusOperationCommandAttributes),
) -> Command {
    let mut request = Request {
        workflow_id: "x".to_owned(),
        workflow_type: Some(WorkflowType { name: "target".to_owned() }),
        task_queue: Some(TaskQueue { name: "xq".to_owned(), ..TaskQueue::default() }),
        signal_name: "hey".to_owned(),
        ..Request::default()
    };
    change(&mut request);
    let input = Payload {
        metadata: [("encoding".to_owned(), Bytes::from_static(b"binary/protobuf"))].into(),
        data: request.encode_to_vec().into(),
        ..Payload::default()
    };
    let mut a = ScheduleNexusOperationCommandAttributes {
        endpoint: SYSTEM_ENDPOINT.to_owned(),
        service: SERVICE.to_owned(),
        operation: OPERATION.to_owned(),
        input: Some(input),
        ..ScheduleNexusOperationCommandAttributes::default()
    };
    more(&mut a);
    command(a)
}

fn operation() -> Command {
    operation_with(|_| {}, |_| {})
}

fn response(world: &World, event_id: i64) -> Response {
    let A::NexusOperationCompletedEventAttributes(a) = attributes(world.run("w"), event_id) else {
        panic!("{}", world.story("w"))
    };
    Response::decode(a.result.unwrap().data).unwrap()
}

#[test]
fn the_target_starts_once_with_the_signal() {
    for repeats in [false, true] {
        let mut world = World::new();
        world.repeats = repeats;
        world.start("w");
        world.act("w", vec![operation()]);
        assert_eq!(world.runs["x"].len(), 1);
        assert_eq!(world.story("x"), "1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled");
        assert_eq!(
            world.story("w"),
            "1 WorkflowExecutionStarted, 5 NexusOperationScheduled, 6 NexusOperationCompleted"
        );
        let answer = response(&world, 6);
        assert!(answer.started && answer.run_id == world.state("x").info.run_id);
        let link = world.run("x").events[1].links[0].variant.clone();
        assert!(matches!(link, Some(Variant::WorkflowEvent(e)) if e.workflow_id == "w"), "it links to the operation");
        assert!(world.state("w").outbox.is_empty());
    }
}

#[test]
fn an_open_target_gets_the_signal_only() {
    let mut world = World::new();
    world.repeats = true;
    world.start("x");
    world.start("w");
    world.act("w", vec![operation()]);
    assert_eq!(world.runs["x"].len(), 1);
    assert_eq!(world.story("x"), "1 WorkflowExecutionStarted, 3 WorkflowExecutionSignaled");
    assert!(!response(&world, 6).started);
}

#[test]
fn a_target_that_closed_before_a_repeat_is_not_started_again() {
    let mut world = World::new();
    world.start("w");
    let token = world.take_task("w");
    world.answer("w", token, vec![operation()]).unwrap();
    world.deliver_unheard();
    let token = world.take_task("x");
    world.answer("x", token, vec![complete()]).unwrap();
    world.settle();
    assert_eq!(world.runs["x"].len(), 1);
    assert!(response(&world, 6).started);
}

#[test]
fn a_refusal_is_the_failure_of_the_operation() {
    let mut world = World::new();
    world.start("x");
    world.act("x", vec![complete()]);
    world.start("w");
    let reject = |r: &mut Request| r.set_workflow_id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate);
    world.act("w", vec![operation_with(reject, |_| {})]);
    let A::NexusOperationFailedEventAttributes(a) = attributes(world.run("w"), 6) else { panic!() };
    let failure = a.failure.unwrap();
    assert_eq!(failure.message, "nexus operation completed unsuccessfully");
    assert!(failure.cause.unwrap().message.starts_with("WorkflowExecutionAlreadyStarted: Workflow execution already"));
}

#[test]
fn bad_commands_are_refused_with_their_reason() {
    let cases: [(Command, &str); 6] = [
        (operation_with(|r| r.workflow_id.clear(), |_| {}), "WorkflowId is not set on request."),
        (operation_with(|r| r.signal_name.clear(), |_| {}), "signal not set"),
        (operation_with(|r| r.request_id = "mine".to_owned(), |_| {}), "RequestID should not be set on the request"),
        (
            operation_with(|r| r.namespace = "other".to_owned(), |_| {}),
            "Namespace in request \"other\" does not match namespace in context \"default\"",
        ),
        (operation_with(|_| {}, |a| a.operation = "Nothing".to_owned()), "operation \"Nothing\" not found"),
        (operation_with(|_| {}, |a| a.input = Some(Payload::default())), "cannot decode input of encoding \"\""),
    ];
    for (bad, expected) in cases {
        let mut world = World::new();
        world.start("w");
        assert_eq!(world.refused("w", vec![bad]), format!("BadScheduleNexusOperationAttributes: {expected}"));
        assert!(world.state("w").outbox.is_empty());
    }
}

#[test]
fn an_operation_under_way_can_be_asked_to_cancel_and_completes() {
    let mut world = World::new();
    world.start("w");
    let token = world.take_task("w");
    world.answer("w", token, vec![operation()]).unwrap();
    world.signal("w", "go");
    let cancel = || command(RequestCancelNexusOperationCommandAttributes { scheduled_event_id: 5 });
    world.act("w", vec![cancel()]);
    assert!(world.story("w").ends_with("10 NexusOperationCancelRequested, 11 NexusOperationCompleted"));
    let refusal = world.refused("w", vec![cancel()]);
    assert!(refusal.contains("non-existing or already completed operation with scheduled event ID of 5"), "{refusal}");
}
