use crate::workflow::outbox::world::{NAMESPACE_ID, World, attributes, command, complete, execution, payloads, story};
use evertide_proto::command::{
    Command, ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
};
use evertide_proto::common::{Priority, WorkflowType};
use evertide_proto::enums::{
    ParentClosePolicy as Policy, StartChildWorkflowExecutionFailedCause as Cause, WorkflowExecutionStatus as Status,
    WorkflowIdReusePolicy as Reuse,
};
use evertide_proto::failure::Failure;
use evertide_proto::history::history_event::Attributes as A;

fn child_with(id: &str, change: impl FnOnce(&mut StartChildWorkflowExecutionCommandAttributes)) -> Command {
    let mut a = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "child".to_owned() }),
        ..StartChildWorkflowExecutionCommandAttributes::default()
    };
    change(&mut a);
    command(a)
}

fn child(id: &str) -> Command {
    child_with(id, |_| {})
}

fn with_policy(id: &str, policy: Policy) -> Command {
    child_with(id, |a| a.set_parent_close_policy(policy))
}

/// A parent `p` whose child `c` has started; the parent has a task because of that.
fn parent_with_child(policy: Policy) -> World {
    let mut world = World::new();
    world.start("p");
    world.act("p", vec![with_policy("c", policy)]);
    world
}

fn status(world: &World, id: &str) -> Status {
    world.state(id).info.status()
}

#[test]
fn a_child_starts_and_its_result_comes_back() {
    for repeats in [false, true] {
        let mut world = World::new();
        world.repeats = repeats;
        world.start("p");
        world.act("p", vec![child("c")]);
        assert_eq!(story(&world.run("c").events), "1 WorkflowExecutionStarted");
        assert!(world.run("c").exec.task().is_some(), "the child may begin once the parent knows of it");
        world.act("p", vec![]);
        world.act("c", vec![complete()]);
        assert_eq!(
            world.story("p"),
            "1 WorkflowExecutionStarted, 5 StartChildWorkflowExecutionInitiated, 6 ChildWorkflowExecutionStarted, \
             10 ChildWorkflowExecutionCompleted"
        );
        assert!(world.state("p").children.is_empty());
        assert!(world.runs.values().flatten().all(|r| r.exec.state.outbox.is_empty()), "every message is answered");
    }
}

#[test]
fn the_child_knows_its_parent_and_root() {
    let mut world = World::new();
    world.start_with("p", |r| r.priority = Some(Priority { priority_key: 2, ..Priority::default() }));
    let fair = Priority { fairness_key: "f".to_owned(), ..Priority::default() };
    world.act("p", vec![child_with("c", |a| a.priority = Some(fair.clone()))]);
    world.act("c", vec![child("g")]);
    let parent = execution("p", &world.state("p").info.run_id);
    let started = &world.state("c").started;
    assert_eq!(started.parent_workflow_execution.as_ref(), Some(&parent));
    assert_eq!(started.root_workflow_execution.as_ref(), Some(&parent));
    assert_eq!((started.parent_initiated_event_id, started.parent_workflow_namespace_id.as_str()), (5, NAMESPACE_ID));
    assert_eq!(started.priority, Some(Priority { priority_key: 2, ..fair }));
    assert_eq!(started.identity, "");
    assert_eq!(world.state("g").started.root_workflow_execution.as_ref(), Some(&parent));
    assert_eq!(world.state("c").task_queue(), "q", "the queue is inherited");
}

#[test]
fn the_child_has_no_task_before_the_parent_has_recorded_its_start() {
    let mut world = World::new();
    world.start("p");
    let token = world.take_task("p");
    world.answer("p", token, vec![child("c")]).unwrap();
    assert!(world.deliver_next());
    assert!(world.run("c").exec.task().is_none());
    assert!(world.story("p").ends_with("6 ChildWorkflowExecutionStarted"));
    assert!(world.deliver_next());
    assert!(world.run("c").exec.task().is_some());
}

#[test]
fn a_taken_id_fails_the_start() {
    let mut world = World::new();
    world.start("c");
    world.start("p");
    world.act("p", vec![child("c")]);
    let A::StartChildWorkflowExecutionFailedEventAttributes(a) = attributes(world.run("p"), 6) else { panic!() };
    assert_eq!((a.cause(), a.initiated_event_id), (Cause::WorkflowAlreadyExists, 5));
    assert!(world.state("p").children.is_empty() && world.run("p").exec.task().is_some());
}

#[test]
fn reuse_policies_are_applied() {
    let cases = [
        (Reuse::AllowDuplicate, true),
        (Reuse::AllowDuplicateFailedOnly, false),
        (Reuse::RejectDuplicate, false),
        (Reuse::TerminateIfRunning, true),
    ];
    for (reuse, starts) in cases {
        let mut world = World::new();
        world.start("c");
        world.act("c", vec![complete()]);
        world.start("p");
        world.act("p", vec![child_with("c", |a| a.set_workflow_id_reuse_policy(reuse))]);
        assert_eq!(world.runs["c"].len() == 2, starts, "{reuse:?}");
        assert_eq!(world.story("p").contains("ChildWorkflowExecutionStarted"), starts, "{reuse:?}");
    }
}

#[test]
fn a_parent_can_replace_its_own_child() {
    let mut world = parent_with_child(Policy::Terminate);
    world.repeats = true;
    world.act("p", vec![child_with("c", |a| a.set_workflow_id_reuse_policy(Reuse::TerminateIfRunning))]);
    assert_eq!(world.runs["c"].len(), 2);
    let story = world.story("p");
    assert!(story.contains("ChildWorkflowExecutionTerminated"), "{story}");
    assert_eq!(story.matches("ChildWorkflowExecutionStarted").count(), 2, "{story}");
    assert_eq!(world.state("p").children.len(), 1);
}

#[test]
fn close_policies_hit_the_newest_run_of_the_child() {
    for (policy, expected) in [
        (Policy::Terminate, Status::Terminated),
        (Policy::Abandon, Status::Running),
        (Policy::RequestCancel, Status::Running),
    ] {
        let mut world = parent_with_child(policy);
        world.repeats = true;
        let next = ContinueAsNewWorkflowExecutionCommandAttributes::default();
        world.act("c", vec![command(next)]);
        assert!(!world.story("p").contains("Completed"), "a continue-as-new is not reported");
        world.act("p", vec![complete()]);
        assert_eq!(world.runs["c"].len(), 2);
        assert_eq!(status(&world, "c"), expected, "{policy:?}");
        assert_eq!(world.state("c").info.cancel_requested, policy == Policy::RequestCancel);
    }
}

#[test]
fn a_parent_close_cancel_names_the_parent_only() {
    let mut world = parent_with_child(Policy::RequestCancel);
    world.act("p", vec![complete()]);
    let A::WorkflowExecutionCancelRequestedEventAttributes(a) = attributes(world.run("c"), 3) else { panic!() };
    let parent = execution("p", &world.state("p").info.run_id);
    assert_eq!(a.external_workflow_execution, Some(parent));
    assert_eq!((a.cause.as_str(), a.external_initiated_event_id, a.identity.as_str()), ("", 0, "history-service"));
}

#[test]
fn a_child_asked_for_in_the_closing_task() {
    let mut world = World::new();
    world.start("p");
    world.act("p", vec![child("c"), with_policy("a", Policy::Abandon), complete()]);
    assert!(!world.runs.contains_key("c"), "nobody started it before the parent closed");
    assert!(world.run("a").exec.task().is_some(), "an abandoned child lives on its own");
}

#[test]
fn a_start_under_way_when_the_parent_is_terminated() {
    for policy in [Policy::Terminate, Policy::Abandon, Policy::RequestCancel] {
        let mut world = World::new();
        world.repeats = true;
        world.start("p");
        let token = world.take_task("p");
        world.answer("p", token, vec![with_policy("c", policy)]).unwrap();
        world.terminate("p");
        match policy {
            Policy::Abandon => assert!(world.run("c").exec.task().is_some()),
            Policy::RequestCancel => assert!(world.state("c").info.cancel_requested),
            _ => assert_eq!(status(&world, "c"), Status::Terminated),
        }
        assert!(world.state("p").outbox.is_empty());
    }
}

#[test]
fn start_and_end_that_wait_in_the_buffer_point_at_each_other() {
    let mut world = World::new();
    world.start("p");
    let token = world.take_task("p");
    world.answer("p", token, vec![child("c")]).unwrap();
    world.signal("p", "hold");
    let token = world.take_task("p");
    world.settle();
    world.act("c", vec![complete()]);
    assert_eq!(world.state("p").buffered.len(), 2);
    world.answer("p", token, vec![]).unwrap();
    assert!(world.story("p").ends_with("10 ChildWorkflowExecutionStarted, 11 ChildWorkflowExecutionCompleted"));
    let A::ChildWorkflowExecutionCompletedEventAttributes(a) = attributes(world.run("p"), 11) else { panic!() };
    assert_eq!(a.started_event_id, 10);
}

#[test]
fn a_child_that_ends_before_its_start_is_answered() {
    let mut world = World::new();
    world.start("p");
    let token = world.take_task("p");
    world.answer("p", token, vec![child("c")]).unwrap();
    let id = *world.state("p").outbox.keys().next().unwrap();
    let delivery = world.run("p").exec.delivery(id).unwrap();
    world.chain("c", crate::workflow::ChainRequest::Deliver(Box::new(delivery))).unwrap();
    let request = evertide_proto::workflowservice::TerminateWorkflowExecutionRequest::default();
    world.decide("c", "", crate::workflow::Request::Terminate(Box::new(request))).unwrap();
    world.settle();
    assert_eq!(
        world.story("p"),
        "1 WorkflowExecutionStarted, 5 StartChildWorkflowExecutionInitiated, 6 ChildWorkflowExecutionStarted, \
         8 ChildWorkflowExecutionTerminated"
    );
}

#[test]
fn a_failure_is_reported_as_the_child_told_it() {
    let mut world = parent_with_child(Policy::Terminate);
    let failure = Failure { message: "boom".to_owned(), ..Failure::default() };
    let fail = FailWorkflowExecutionCommandAttributes { failure: Some(failure.clone()) };
    world.act("p", vec![]);
    world.act("c", vec![command(fail)]);
    let A::ChildWorkflowExecutionFailedEventAttributes(a) = attributes(world.run("p"), 10) else { panic!() };
    assert_eq!((a.failure, a.started_event_id), (Some(failure), 6));
}

#[test]
fn bad_commands_are_refused_with_their_reason() {
    let cases: [(Command, &str); 5] = [
        (
            child(""),
            "BadStartChildExecutionAttributes: Required field WorkflowId is not set on \
             StartChildWorkflowExecutionCommand. WorkflowType=child Namespace=default",
        ),
        (
            child_with("c", |a| a.cron_schedule = "no schedule".to_owned()),
            "BadStartChildExecutionAttributes: invalid CronSchedule on StartChildWorkflowExecutionCommand: \
             invalid CronSchedule.. WorkflowId=c WorkflowType=child Namespace=default",
        ),
        (
            child_with("c", |a| a.priority = Some(Priority { priority_key: -1, ..Priority::default() })),
            "BadStartChildExecutionAttributes: priority key can't be negative",
        ),
        (
            child_with("c", |a| a.namespace = "other".to_owned()),
            "BadStartChildExecutionAttributes: cross namespace commands are not allowed",
        ),
        (child_with("c", |a| a.namespace = "nowhere".to_owned()), "Namespace nowhere is not found."),
    ];
    for (bad, expected) in cases {
        let mut world = World::new();
        world.start("p");
        assert_eq!(world.refused("p", vec![bad]), expected);
        assert!(world.state("p").children.is_empty() && world.state("p").outbox.is_empty());
    }
}

#[test]
fn no_more_children_than_the_limit() {
    let mut world = World::new();
    world.limits.pending_children = 1;
    world.start("p");
    let refusal = world.refused("p", vec![child("a"), child("b")]);
    assert_eq!(
        refusal,
        "PendingChildWorkflowsLimitExceeded: the number of pending child workflow executions, 1, has reached the \
         per-workflow limit of 1"
    );
}

#[test]
fn input_is_limited() {
    let mut world = World::new();
    world.limits.blob_size_bytes = 10;
    world.start("p");
    world.refused("p", vec![child_with("c", |a| a.input = Some(payloads("more than ten bytes")))]);
    assert_eq!(status(&world, "p"), Status::Terminated);
}
