use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::task_queue::{Dispatch, TaskClass};
use crate::workflow::outbox::world::{World, attributes, command, complete, execution, story};
use crate::workflow::reset::base::ResetBase;
use crate::workflow::{ChainRequest, Request};
use bytes::Bytes;
use evertide_proto::command::{
    Command, ContinueAsNewWorkflowExecutionCommandAttributes, RecordMarkerCommandAttributes,
    ScheduleActivityTaskCommandAttributes, ScheduleNexusOperationCommandAttributes,
    SignalExternalWorkflowExecutionCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
    StartTimerCommandAttributes,
};
use evertide_proto::common::{ActivityType, Payload, WorkflowType};
use evertide_proto::enums::{
    ParentClosePolicy, ResetReapplyExcludeType, ResetReapplyType, WorkflowExecutionStatus as Status,
};
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflowservice::{
    ResetWorkflowExecutionRequest, SignalWithStartWorkflowExecutionRequest, UpdateWorkflowExecutionOptionsRequest,
};
use prost::Message as _;
use prost_types::Duration;

fn timer(id: &str) -> Command {
    command(StartTimerCommandAttributes {
        timer_id: id.to_owned(),
        start_to_fire_timeout: Some(Duration { seconds: 60, nanos: 0 }),
    })
}

fn marker(name: &str) -> Command {
    command(RecordMarkerCommandAttributes { marker_name: name.to_owned(), ..RecordMarkerCommandAttributes::default() })
}

fn activity(id: &str) -> Command {
    command(ScheduleActivityTaskCommandAttributes {
        activity_id: id.to_owned(),
        activity_type: Some(ActivityType { name: "act".to_owned() }),
        task_queue: Some(TaskQueue { name: "q".to_owned(), ..TaskQueue::default() }),
        start_to_close_timeout: Some(Duration { seconds: 10, nanos: 0 }),
        ..ScheduleActivityTaskCommandAttributes::default()
    })
}

fn child(id: &str) -> Command {
    command(StartChildWorkflowExecutionCommandAttributes {
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "child".to_owned() }),
        ..StartChildWorkflowExecutionCommandAttributes::default()
    })
}

fn abandoned(id: &str) -> Command {
    let mut a = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "child".to_owned() }),
        ..StartChildWorkflowExecutionCommandAttributes::default()
    };
    a.set_parent_close_policy(ParentClosePolicy::Abandon);
    command(a)
}

fn signal(id: &str) -> Command {
    command(SignalExternalWorkflowExecutionCommandAttributes {
        execution: Some(execution(id, "")),
        signal_name: "hey".to_owned(),
        ..SignalExternalWorkflowExecutionCommandAttributes::default()
    })
}

/// A Nexus operation of the server itself: signal, and start if need be.
fn signal_with_start(id: &str) -> Command {
    let request = SignalWithStartWorkflowExecutionRequest {
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "target".to_owned() }),
        task_queue: Some(TaskQueue { name: "q".to_owned(), ..TaskQueue::default() }),
        signal_name: "hey".to_owned(),
        ..SignalWithStartWorkflowExecutionRequest::default()
    };
    let input = Payload {
        metadata: [("encoding".to_owned(), Bytes::from_static(b"binary/protobuf"))].into(),
        data: request.encode_to_vec().into(),
        ..Payload::default()
    };
    command(ScheduleNexusOperationCommandAttributes {
        endpoint: "__temporal_system".to_owned(),
        service: "temporal.api.workflowservice.v1.WorkflowService".to_owned(),
        operation: "SignalWithStartWorkflowExecution".to_owned(),
        input: Some(input),
        ..ScheduleNexusOperationCommandAttributes::default()
    })
}

/// Resets a run (by its place in the chain) to an event.
fn reset_run(
    world: &mut World,
    id: &str,
    place: usize,
    point: i64,
    change: impl FnOnce(&mut ResetWorkflowExecutionRequest),
) -> Result<String, Rejection> {
    let mut request = ResetWorkflowExecutionRequest {
        reason: "why".to_owned(),
        workflow_task_finish_event_id: point,
        request_id: "reset".to_owned(),
        ..ResetWorkflowExecutionRequest::default()
    };
    change(&mut request);
    let runs = &world.runs[id];
    let base = ResetBase {
        exec: runs[place].exec.clone(),
        events: runs[place].events.clone(),
        later: runs[place + 1..].iter().map(|r| r.events.clone()).collect(),
    };
    match world.chain(id, ChainRequest::Reset(Box::new(request), Box::new(base)))? {
        Reply::Reset { run_id } => Ok(run_id),
        other => panic!("a reset answers the new run, not {other:?}"),
    }
}

fn reset(world: &mut World, id: &str, point: i64) -> String {
    let newest = world.runs[id].len() - 1;
    reset_run(world, id, newest, point, |_| {}).expect("the reset is accepted")
}

/// A workflow `w` whose first task is done and that waits for a timer: events 1 to 5.
fn idle() -> World {
    let mut world = World::new();
    world.start("w");
    world.act("w", vec![timer("t")]);
    world
}

#[test]
fn to_a_completed_task() {
    let mut world = idle();
    let run_id = reset(&mut world, "w", 4);
    let (old, new) = (&world.runs["w"][0], world.run("w"));
    assert_eq!(new.exec.state.info.run_id, run_id);
    assert_eq!(story(&new.events), "1 WorkflowExecutionStarted, 4 WorkflowTaskFailed");
    let A::WorkflowTaskFailedEventAttributes(a) = attributes(new, 4) else { panic!() };
    assert_eq!((a.scheduled_event_id, a.started_event_id), (2, 3));
    assert_eq!((a.base_run_id.as_str(), &a.new_run_id), (old.exec.state.info.run_id.as_str(), &run_id));
    assert_eq!(old.exec.state.info.reset_run_id, run_id);
    assert_eq!(old.exec.state.info.status(), Status::Terminated);
    let A::WorkflowExecutionTerminatedEventAttributes(a) = attributes(old, 6) else { panic!() };
    assert_eq!((a.reason.as_str(), a.identity.as_str()), ("why", "history-resetter"));
    assert!(new.exec.state.timers.is_empty() && new.exec.state.info.auto_reset_points.is_none());
    world.act("w", vec![complete()]);
    assert_eq!(world.state("w").info.status(), Status::Completed);
}

#[test]
fn to_a_task_that_nobody_started() {
    let mut world = idle();
    reset(&mut world, "w", 3);
    let A::WorkflowTaskStartedEventAttributes(a) = attributes(world.run("w"), 3) else { panic!() };
    assert_eq!((a.scheduled_event_id, a.identity.as_str()), (2, "history-service"));
    assert_eq!(world.story("w"), "1 WorkflowExecutionStarted, 4 WorkflowTaskFailed");
}

#[test]
fn points_that_are_no_workflow_task_are_refused() {
    let mut world = idle();
    for (point, expected) in [
        (0, "Workflow task finish ID must be > 1 && <= workflow last event ID."),
        (1, "Workflow task finish ID must be > 1 && <= workflow last event ID."),
        (2, "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: 2"),
        (5, "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: 5"),
        (6, "Workflow task finish ID must be > 1 && <= workflow last event ID."),
    ] {
        let refused = reset_run(&mut world, "w", 0, point, |_| {}).unwrap_err();
        assert_eq!(refused.message, expected);
    }
    let refused = reset_run(&mut world, "w", 0, 4, |r| r.request_id.clear()).unwrap_err();
    assert_eq!(refused.message, "RequestId is not set on request.");
    assert_eq!(world.runs["w"].len(), 1);
    assert_eq!(world.state("w").info.status(), Status::Running, "a refused reset changes nothing");
}

#[test]
fn a_repeat_answers_the_same_run() {
    let mut world = idle();
    let first = reset(&mut world, "w", 4);
    assert_eq!(reset_run(&mut world, "w", 0, 4, |_| {}).unwrap(), first);
    assert_eq!(world.runs["w"].len(), 2);
    let other = reset_run(&mut world, "w", 1, 4, |r| r.request_id = "another".to_owned()).unwrap();
    assert_ne!(other, first);
    assert_eq!(world.runs["w"][1].exec.state.info.reset_run_id, other);
}

#[test]
fn the_start_request_id_stays_the_starts() {
    let mut world = idle();
    let run_id = reset_run(&mut world, "w", 0, 4, |r| r.request_id = "start-w".to_owned()).unwrap();
    assert_eq!(world.state("w").info.create_request_id, "start-w");
    world.start("w");
    assert_eq!(world.state("w").info.run_id, run_id, "a retried start finds the run");
}

#[test]
fn signals_after_the_point_come_again_unless_excluded() {
    for (excluded, again) in [(false, true), (true, false)] {
        let mut world = idle();
        world.signal("w", "one");
        let token = world.take_task("w");
        world.signal("w", "two");
        reset_run(&mut world, "w", 0, 4, |r| {
            if excluded {
                r.reset_reapply_exclude_types.push(ResetReapplyExcludeType::Signal.into());
            }
        })
        .unwrap();
        let expected = if again {
            "1 WorkflowExecutionStarted, 4 WorkflowTaskFailed, 5 WorkflowExecutionSignaled, 6 WorkflowExecutionSignaled"
        } else {
            "1 WorkflowExecutionStarted, 4 WorkflowTaskFailed"
        };
        assert_eq!(world.story("w"), expected);
        assert!(world.answer("w", token, vec![]).is_err(), "the old run's task is void");
    }
}

#[test]
fn a_cancel_request_after_the_point_is_not_repeated_and_options_are() {
    let mut world = idle();
    world.decide("w", "", Request::Cancel(Box::default())).unwrap();
    let options = UpdateWorkflowExecutionOptionsRequest {
        workflow_execution_options: Some(evertide_proto::workflow::WorkflowExecutionOptions {
            priority: Some(evertide_proto::common::Priority { priority_key: 4, ..Default::default() }),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["priority".to_owned()] }),
        ..UpdateWorkflowExecutionOptionsRequest::default()
    };
    world.decide("w", "", Request::UpdateOptions(Box::new(options))).unwrap();
    reset_run(&mut world, "w", 0, 4, |r| r.set_reset_reapply_type(ResetReapplyType::None)).unwrap();
    assert_eq!(world.story("w"), "1 WorkflowExecutionStarted, 4 WorkflowTaskFailed, 5 WorkflowExecutionOptionsUpdated");
    assert!(!world.state("w").info.cancel_requested);
    assert_eq!(world.state("w").info.priority.as_ref().map(|p| p.priority_key), Some(4));
}

#[test]
fn later_runs_count_across_continue_as_new() {
    let mut world = idle();
    world.signal("w", "one");
    let next = command(ContinueAsNewWorkflowExecutionCommandAttributes::default());
    world.act("w", vec![next]);
    world.signal("w", "two");
    reset_run(&mut world, "w", 0, 4, |_| {}).unwrap();
    assert_eq!(world.runs["w"][1].exec.state.info.status(), Status::Terminated);
    assert_eq!(
        world.story("w"),
        "1 WorkflowExecutionStarted, 4 WorkflowTaskFailed, 5 WorkflowExecutionSignaled, 6 WorkflowExecutionSignaled"
    );
}

#[test]
fn a_run_of_another_start_is_not_looked_at() {
    let mut world = World::new();
    world.start("w");
    world.act("w", vec![complete()]);
    world.start_with("w", |r| r.request_id = "second".to_owned());
    world.signal("w", "lost");
    reset_run(&mut world, "w", 0, 4, |_| {}).unwrap();
    assert_eq!(world.runs["w"][1].exec.state.info.status(), Status::Terminated);
    assert_eq!(world.story("w"), "1 WorkflowExecutionStarted, 4 WorkflowTaskFailed");
}

#[test]
fn what_is_pending_at_the_point_goes_on() {
    let mut world = World::new();
    world.start("w");
    world.act("w", vec![timer("t"), activity("a")]);
    let due_ns = world.state("w").timers["t"].due_ns;
    world.signal("w", "go");
    world.act("w", vec![marker("m")]);
    reset(&mut world, "w", 10);
    let state = world.state("w");
    assert_eq!(state.timers["t"].due_ns, due_ns, "a timer keeps its time");
    assert_eq!(state.activities[&6].run.scheduled_time_ns, world.now_ns, "an activity begins anew");
    assert_eq!(state.info.previous_started_event_id, 3);
    let points = state.info.auto_reset_points.as_ref().expect("a task was completed before the point");
    assert_eq!(points.points[0].run_id, state.info.run_id);
    world.wake_after("w", 100);
    assert!(world.story("w").contains("TimerFired"), "{}", world.story("w"));
}

#[test]
fn the_activity_is_handed_out_again() {
    let mut world = World::new();
    world.start("w");
    world.act("w", vec![activity("a")]);
    world.signal("w", "go");
    world.act("w", vec![]);
    reset(&mut world, "w", 9);
    let queued = crate::workflow::activity::queued_tasks(world.state("w"));
    assert!(
        matches!(queued.as_slice(), [Dispatch { class: TaskClass::Activity, scheduled_event_id: 5, .. }]),
        "{queued:?}"
    );
}

#[test]
fn timeouts_are_measured_from_the_reset() {
    let mut world = World::new();
    world.start_with("w", |r| r.workflow_execution_timeout = Some(Duration { seconds: 100, nanos: 0 }));
    world.act("w", vec![timer("t")]);
    world.now_ns += 50_000_000_000;
    reset(&mut world, "w", 4);
    let info = &world.state("w").info;
    assert_eq!(info.execution_time_ns, world.runs["w"][0].exec.state.info.execution_time_ns, "schedules go on by it");
    assert_eq!(info.start_time_ns, world.now_ns);
    assert_eq!(info.execution_expiration_ns, world.now_ns + 100_000_000_000);
    assert_eq!(info.run_expiration_ns, info.execution_expiration_ns);
}

#[test]
fn a_started_child_stays_attached() {
    let mut world = World::new();
    world.repeats = true;
    world.start("w");
    world.act("w", vec![child("c")]);
    world.act("w", vec![]);
    world.signal("w", "go");
    world.act("w", vec![marker("m")]);
    reset(&mut world, "w", 13);
    world.settle();
    assert_eq!(world.state("c").info.status(), Status::Running, "the close policy is for parents that end");
    world.act("c", vec![complete()]);
    assert!(world.story("w").ends_with("ChildWorkflowExecutionCompleted"), "{}", world.story("w"));
    assert!(world.runs.values().flatten().all(|r| r.exec.state.outbox.is_empty()));
}

#[test]
fn the_close_policy_of_the_new_run_reaches_the_child_of_the_old_one() {
    let mut world = World::new();
    world.start("w");
    world.act("w", vec![child("c")]);
    world.act("w", vec![]);
    reset(&mut world, "w", 9);
    world.act("w", vec![complete()]);
    assert_eq!(world.state("c").info.status(), Status::Terminated);
}

#[test]
fn the_end_of_a_child_after_the_point_comes_again() {
    let mut world = World::new();
    world.start("w");
    world.act("w", vec![child("c")]);
    world.act("c", vec![complete()]);
    world.act("w", vec![]);
    // To the task that knew only of the request: start and end come again.
    let point = world.run("w").events.iter().find(|e| e.event_id == 8).map(|e| e.event_id).unwrap();
    reset(&mut world, "w", point);
    world.settle();
    assert_eq!(
        world.story("w"),
        "1 WorkflowExecutionStarted, 5 StartChildWorkflowExecutionInitiated, 6 ChildWorkflowExecutionStarted, \
         9 WorkflowTaskFailed, 10 ChildWorkflowExecutionCompleted"
    );
    assert!(world.state("w").children.is_empty());
}

#[test]
fn the_end_of_a_child_that_outlived_its_parent_is_known_after_a_reset() {
    let mut world = World::new();
    world.start("w");
    world.act("w", vec![abandoned("c")]);
    world.act("w", vec![]);
    world.terminate("w");
    world.act("c", vec![complete()]);
    reset(&mut world, "w", 9);
    world.settle();
    assert_eq!(
        world.story("w"),
        "1 WorkflowExecutionStarted, 5 StartChildWorkflowExecutionInitiated, 6 ChildWorkflowExecutionStarted, \
         9 WorkflowTaskFailed, 10 ChildWorkflowExecutionCompleted"
    );
    assert!(world.state("w").children.is_empty());
}

#[test]
fn a_child_that_was_started_after_the_point_makes_way_for_a_new_one() {
    let mut world = World::new();
    world.start("w");
    world.act("w", vec![child("c")]);
    world.act("w", vec![]);
    reset(&mut world, "w", 4);
    world.settle();
    assert_eq!(world.state("c").info.status(), Status::Terminated, "its parent has ended");
    world.act("w", vec![child("c")]);
    world.settle();
    assert_eq!(world.runs["c"].len(), 2);
    assert_eq!(world.state("c").info.status(), Status::Running);
    assert!(world.story("w").ends_with("ChildWorkflowExecutionStarted"), "{}", world.story("w"));
}

#[test]
fn a_start_under_way_is_handed_over() {
    let mut world = World::new();
    world.repeats = true;
    world.start("w");
    world.signal("w", "go");
    let token = world.take_task("w");
    world.signal("w", "more");
    world.answer("w", token, vec![child("c")]).unwrap();
    let token = world.take_task("w");
    world.answer("w", token, vec![marker("m")]).unwrap();
    let started = world
        .run("w")
        .events
        .iter()
        .rev()
        .find(|e| matches!(e.attributes, Some(A::WorkflowTaskStartedEventAttributes(_))));
    let point = started.map(|e| e.event_id + 1).unwrap();
    reset(&mut world, "w", point);
    assert!(world.runs["w"][0].exec.state.outbox.is_empty(), "the new run asks in place of the old one");
    world.settle();
    assert_eq!(world.runs["c"].len(), 1);
    assert!(world.story("w").contains("ChildWorkflowExecutionStarted"), "{}", world.story("w"));
    assert!(world.run("c").exec.task().is_some());
}

#[test]
fn a_child_asked_for_after_the_point_is_left_to_its_policy() {
    let mut world = World::new();
    world.start("w");
    let token = world.take_task("w");
    world.answer("w", token, vec![child("c")]).unwrap();
    reset(&mut world, "w", 4);
    world.settle();
    assert_eq!(world.state("c").info.status(), Status::Terminated);
    assert_eq!(world.story("w"), "1 WorkflowExecutionStarted, 4 WorkflowTaskFailed");
}

#[test]
fn a_signal_under_way_is_not_delivered_twice() {
    let mut world = World::new();
    world.repeats = true;
    world.start("x");
    world.start("w");
    let token = world.take_task("w");
    world.answer("w", token, vec![signal("x")]).unwrap();
    let id = *world.state("w").outbox.keys().next().unwrap();
    let delivery = world.run("w").exec.delivery(id).unwrap();
    world.decide("x", "", Request::Deliver(Box::new(delivery))).unwrap();
    world.signal("w", "go");
    let token = world.take_task("w");
    world.answer("w", token, vec![]).unwrap();
    reset(&mut world, "w", 9);
    world.settle();
    assert_eq!(world.story("x").matches("WorkflowExecutionSignaled").count(), 1);
    assert!(world.story("w").ends_with("ExternalWorkflowExecutionSignaled"), "{}", world.story("w"));
}

#[test]
fn an_answer_after_the_point_comes_again() {
    let mut world = World::new();
    world.start("x");
    world.start("w");
    let token = world.take_task("w");
    world.signal("w", "hold");
    world.answer("w", token, vec![signal("x")]).unwrap();
    let token = world.take_task("w");
    world.settle();
    world.answer("w", token, vec![]).unwrap();
    reset(&mut world, "w", 9);
    world.settle();
    assert_eq!(world.story("x").matches("WorkflowExecutionSignaled").count(), 1);
    assert!(world.story("w").ends_with("10 ExternalWorkflowExecutionSignaled"), "{}", world.story("w"));
}

#[test]
fn an_operation_under_way_is_handed_over() {
    let mut world = World::new();
    world.repeats = true;
    world.start("w");
    let token = world.take_task("w");
    world.answer("w", token, vec![signal_with_start("x")]).unwrap();
    world.deliver_unheard();
    world.signal("w", "go");
    let token = world.take_task("w");
    world.answer("w", token, vec![]).unwrap();
    reset(&mut world, "w", 9);
    world.settle();
    assert_eq!(world.runs["x"].len(), 1);
    assert_eq!(world.story("x").matches("WorkflowExecutionSignaled").count(), 1);
    assert!(world.story("w").ends_with("NexusOperationCompleted"), "{}", world.story("w"));
}

#[test]
fn a_closed_run_keeps_its_status() {
    let mut world = World::new();
    world.start("w");
    world.act("w", vec![complete()]);
    let run_id = reset(&mut world, "w", 4);
    let old = &world.runs["w"][0].exec.state.info;
    assert_eq!((old.status(), &old.reset_run_id), (Status::Completed, &run_id));
    assert!(world.run("w").exec.task().is_some());
}

#[test]
fn an_older_run_learns_that_it_was_reset() {
    let mut world = World::new();
    world.repeats = true;
    world.start("w");
    world.act("w", vec![abandoned("c")]);
    world.act("w", vec![complete()]);
    world.start_with("w", |r| r.request_id = "second".to_owned());
    let run_id = reset_run(&mut world, "w", 0, 8, |_| {}).unwrap();
    world.settle();
    assert_eq!(world.runs["w"][0].exec.state.info.reset_run_id, run_id);
    assert_eq!(world.runs["w"][1].exec.state.info.reset_run_id, "");
    world.act("c", vec![complete()]);
    assert!(world.story("w").ends_with("ChildWorkflowExecutionCompleted"), "{}", world.story("w"));
}

#[test]
fn only_options_may_follow_a_reset() {
    use evertide_proto::workflow::PostResetOperation;
    let mut world = idle();
    let refused = reset_run(&mut world, "w", 0, 4, |r| r.post_reset_operations.push(PostResetOperation::default()));
    assert!(refused.is_err());
    assert_eq!(world.runs["w"].len(), 1);
}
