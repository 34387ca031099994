//! What must not be lost by failed commits, crashes and removals, and what must not come back.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use evertide_engine::workflow::Request;
use evertide_proto::enums::{EventType, WorkflowExecutionStatus as Status};
use evertide_proto::taskqueue::{ConfigMetadata, RateLimit, RateLimitConfig, TaskQueueConfig};
use evertide_proto::workflowservice::SignalWorkflowExecutionRequest;
use evertide_server::fault::Failure;
use evertide_server::matching::QueueKind;
use evertide_server::node::Polled;
use tokio::time::Instant;

use crate::shell::rig::{Rig, SECOND_NS, start_child};

/// Begins something, which then goes on with each look at it.
fn begin<F: Future>(future: F) -> (Pin<Box<F>>, Option<F::Output>) {
    let mut future = Box::pin(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => (future, Some(value)),
        Poll::Pending => (future, None),
    }
}

fn is_done<F: Future>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A workflow whose worker has it in its cache, and whose next task waits on the worker's own queue.
fn with_sticky_task(rig: &mut Rig) {
    let poll = rig.poll("queue", "");
    rig.start("w").settle();
    let task = rig.task(poll);
    drop(rig.poll("sticky", "queue")); // Somebody attends to it.
    rig.complete_sticky(&task, "sticky");
    rig.signal("w", "s");
}

#[test]
fn a_sticky_task_is_still_there_after_a_failed_commit() {
    let mut rig = Rig::new();
    with_sticky_task(&mut rig);
    rig.start("other").settle();
    rig.store.fail_next_commits(1);
    drop(rig.submit_signal("other", "lost"));
    rig.settle();
    let poll = rig.poll("sticky", "queue");
    rig.settle();
    let task = rig.task(poll);
    assert_eq!(rig.workflow_id(&task), "w");
    assert_eq!(rig.count("w", EventType::WorkflowTaskTimedOut), 0);
}

#[test]
fn a_sticky_task_is_still_there_after_a_crash() {
    let mut rig = Rig::new();
    with_sticky_task(&mut rig);
    rig.crash();
    let poll = rig.poll("sticky", "queue");
    rig.settle();
    let task = rig.task(poll);
    assert_eq!(rig.workflow_id(&task), "w");
    rig.complete_sticky(&task, "sticky");
    let again = rig.poll("sticky", "queue");
    rig.settle();
    assert!(rig.no_task_yet(&again), "it was put there once");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_matched_when_its_poll_ended_comes_with_the_commit() {
    let mut rig = Rig::new();
    rig.start("w").settle();
    tokio::time::advance(Duration::from_secs(1)).await;
    let just_now = Instant::now() - Duration::from_millis(100);
    let (node, poll) = (rig.node.clone(), rig.poll_request("queue", ""));
    let (mut polling, end) = begin(async move { node.poll_workflow_task(poll, just_now).await });
    assert!(end.is_none(), "its time is up, and its task is on the way");
    rig.settle();
    let end = is_done(&mut polling).unwrap().unwrap();
    assert!(matches!(end, Polled::Workflow(_)), "{end:?}");
}

#[test]
fn a_run_that_ends_while_its_task_waits_on_a_sticky_queue_leaves_memory() {
    let mut rig = Rig::new();
    with_sticky_task(&mut rig);
    rig.terminate("w");
    rig.crash();
    assert_eq!(rig.status("w"), Status::Terminated);
    for _ in 0..3 {
        rig.advance(61 * SECOND_NS).settle();
    }
    assert_eq!(rig.node.sizes().runs, 0);
}

#[test]
fn a_run_is_removed_only_when_its_messages_are_delivered() {
    for steps_before_crash in 0..25 {
        let mut rig = Rig::new();
        let poll = rig.poll("queue", "");
        rig.start("parent").settle();
        let task = rig.task(poll);
        rig.complete(&task, vec![start_child("child")]);
        rig.settle();
        assert_eq!(rig.status("child"), Status::Running);
        let (node, run) = (rig.node.clone(), rig.run_ref("parent", ""));
        let (mut deletion, mut done) = begin(async move { node.delete_run(run).await });
        for _ in 0..steps_before_crash {
            if done.is_some() {
                break;
            }
            rig.steps(1);
            done = is_done(&mut deletion);
        }
        drop(deletion);
        let acknowledged = matches!(done, Some(Ok(())));
        rig.crash();
        rig.settle();
        let gone = rig.describe("parent").is_err();
        assert!(gone || !acknowledged, "what was acknowledged is gone, after {steps_before_crash} steps");
        if gone {
            assert_eq!(rig.status("child"), Status::Terminated, "after {steps_before_crash} steps");
        }
    }
}

#[test]
fn a_run_that_is_being_removed_is_not_found_any_more() {
    let mut rig = Rig::new();
    rig.start("w").settle();
    rig.terminate("w");
    let (node, run) = (rig.node.clone(), rig.run_ref("w", ""));
    let run_id = rig.describe("w").unwrap().workflow_execution_info.unwrap().execution.unwrap().run_id;
    let (mut deletion, _) = begin(async move { node.delete_run(run).await });
    let mut by_run_id = rig.submit("w", &run_id, Request::Describe);
    rig.settle();
    assert!(matches!(is_done(&mut deletion), Some(Ok(()))));
    assert!(matches!(by_run_id.try_recv().unwrap(), Err(Failure::Rejected(_))), "the store still had it");
    let mut after = rig.submit("w", &run_id, Request::Describe);
    rig.settle();
    assert!(matches!(after.try_recv().unwrap(), Err(Failure::Rejected(_))));
}

#[test]
fn settings_of_a_queue_are_in_force_though_their_caller_has_gone() {
    let mut rig = Rig::new();
    let key = QueueKind::Activity.key(&rig.namespace_id, "queue");
    let limited = TaskQueueConfig {
        queue_rate_limit: Some(RateLimitConfig {
            rate_limit: Some(RateLimit { requests_per_second: 3.0 }),
            metadata: Some(ConfigMetadata::default()),
        }),
        ..TaskQueueConfig::default()
    };
    let node = rig.node.clone();
    let set = limited.clone();
    let change = async move { node.change_queue_config(key, Box::new(move |_| Ok(set))).await.map(drop) };
    drop(begin(change));
    rig.settle();
    assert_eq!(rig.node.queue_config(&rig.namespace_id, "queue", QueueKind::Activity), Some(limited.clone()));
    rig.crash();
    assert_eq!(rig.node.queue_config(&rig.namespace_id, "queue", QueueKind::Activity), Some(limited));
}

#[test]
fn a_namespace_whose_commit_failed_does_not_come_with_the_next() {
    let mut rig = Rig::new();
    rig.store.fail_next_commits(1);
    assert!(rig.register_namespace("lost").is_err());
    rig.register_namespace("kept").unwrap();
    let known =
        |rig: &Rig| (rig.node.namespaces().named("lost").is_some(), rig.node.namespaces().named("kept").is_some());
    assert_eq!(known(&rig), (false, true));
    rig.crash();
    assert_eq!(known(&rig), (false, true));
}

#[test]
fn a_task_whose_run_could_not_be_read_is_given_out_later() {
    let mut rig = Rig::new();
    rig.start("w").settle();
    rig.crash();
    rig.store.damage_next_reads(1);
    let mut poll = rig.poll("queue", "");
    rig.settle();
    assert!(matches!(poll.take(), Some(Err(Failure::Fault(_)))));
    let poll = rig.poll("queue", "");
    rig.settle();
    assert!(rig.no_task_yet(&poll), "what has just failed is not tried again at once");
    rig.advance(SECOND_NS).settle();
    let task = rig.task(poll);
    assert_eq!(rig.workflow_id(&task), "w");
}

#[test]
fn a_failed_commit_harms_only_what_depends_on_it() {
    let mut rig = Rig::new();
    rig.start("w").start("other").settle();
    let (sender, answers) = std::sync::mpsc::channel();
    let (node, w, other) = (rig.node.clone(), rig.run_ref("w", ""), rig.run_ref("other", ""));
    rig.store.fail_next_commit_and(move || {
        for run in [w, other] {
            let signal = Request::Signal(Box::new(SignalWorkflowExecutionRequest {
                signal_name: "meanwhile".to_owned(),
                ..SignalWorkflowExecutionRequest::default()
            }));
            sender.send(node.submit_run(run, signal)).unwrap();
        }
    });
    let mut failed = rig.submit_signal("w", "lost");
    rig.settle();
    let (mut built_on_it, mut other) = (answers.recv().unwrap(), answers.recv().unwrap());
    assert!(matches!(failed.try_recv().unwrap(), Err(Failure::Fault(_))));
    assert!(matches!(built_on_it.try_recv().unwrap(), Err(Failure::Fault(_))));
    assert!(other.try_recv().unwrap().is_ok(), "another workflow does not notice");
    assert_eq!((rig.history("w").len(), rig.history("other").len()), (2, 3));
}

#[test]
fn messages_arrive_though_the_commit_with_their_answer_fails() {
    for failing in 1..6 {
        let mut rig = Rig::new();
        let poll = rig.poll("queue", "");
        rig.start("parent").settle();
        let task = rig.task(poll);
        drop(rig.submit_complete(&task, vec![start_child("child")]));
        for _ in 0..failing {
            while rig.node.work_step(0) {}
            rig.node.commit_step();
        }
        rig.store.fail_next_commits(1);
        rig.settle();
        rig.advance(SECOND_NS).settle();
        rig.advance(SECOND_NS).settle();
        assert_eq!(rig.count("parent", EventType::ChildWorkflowExecutionStarted), 1, "at commit {failing}");
        assert_eq!(rig.status("child"), Status::Running);
    }
}
