//! The shell, driven step by step on one thread: what is durable when, who hears of it, and what survives a crash.
#![allow(clippy::unwrap_used)] // In tests a panic is the report.

mod shell {
    mod bounds;
    mod recovery;
    pub(crate) mod rig;
    mod schedules;
    mod time_skipping;
}

use evertide_engine::workflow::Request;
use evertide_proto::enums::{EventType, WorkflowExecutionStatus as Status};
use evertide_server::fault::{Failure, Fault};
use evertide_server::history::{HistoryRead, HistoryWait};
use evertide_server::matching::QueueKind;
use evertide_server::node::{OpenPoll, Polled};
use evertide_server::registry::NamespaceRecord;
use evertide_store::{Batch, RegistryWrite, Store, Write};
use prost::Message;
use shell::rig::{Rig, SECOND_NS, complete_workflow, schedule_activity, start_child, start_timer};

#[test]
fn a_workflow_without_work_costs_two_commits() {
    let mut rig = Rig::new();
    let poll = rig.poll("queue", "");
    rig.settle();
    let before = rig.node.counters().batches;
    rig.start("w").settle();
    let task = rig.task(poll);
    assert_eq!(rig.node.counters().batches, before + 1, "the start and the task that a poll waits for are one commit");
    assert_eq!(rig.event_types(&task.response), [1, 5, 6]);
    rig.complete(&task, vec![complete_workflow()]);
    assert_eq!(rig.node.counters().batches, before + 2);
    assert_eq!(rig.status("w"), Status::Completed);
}

#[test]
fn nobody_hears_of_what_is_not_durable() {
    let mut rig = Rig::new();
    let poll = rig.poll("queue", "");
    let mut started = rig.submit_start("w");
    let mut seen = rig.submit_describe("w");
    rig.work();
    assert!(started.try_recv().is_err(), "the start is not durable");
    assert!(seen.try_recv().is_err(), "nor is what a reader saw of it");
    assert!(rig.no_task_yet(&poll));
    rig.settle();
    assert!(started.try_recv().unwrap().is_ok());
    assert!(seen.try_recv().unwrap().is_ok());
    rig.task(poll);
}

#[test]
fn decisions_go_on_while_others_wait_to_be_durable() {
    let mut rig = Rig::new();
    rig.start("w").settle();
    let before = rig.node.counters().batches;
    let answers: Vec<_> = (0..50).map(|n| rig.submit_signal("w", &format!("s{n}"))).collect();
    rig.settle();
    for mut answer in answers {
        assert!(answer.try_recv().unwrap().is_ok());
    }
    assert_eq!(rig.node.counters().batches, before + 1, "a storm of signals is one batch");
    assert_eq!(rig.history("w").len(), 2 + 50);
}

#[test]
fn a_failed_commit_is_told_and_forgotten() {
    let mut rig = Rig::new();
    rig.start("w").settle();
    rig.store.fail_next_commits(1);
    let mut failed = rig.submit_signal("w", "lost");
    let mut queued_behind = rig.submit_describe("w");
    rig.settle();
    for answer in [&mut failed, &mut queued_behind] {
        let failure = answer.try_recv().unwrap().unwrap_err();
        assert!(matches!(failure, Failure::Fault(Fault::Unavailable(_))), "{failure:?}");
    }
    assert_eq!(rig.history("w").len(), 2, "the signal left no trace");
    rig.signal("w", "kept");
    let poll = rig.poll("queue", "");
    rig.settle();
    let task = rig.task(poll);
    assert_eq!(rig.event_types(&task.response), [1, 5, 26, 6], "tasks and timers were read again");
}

#[test]
fn what_became_of_an_unknown_commit_is_found_out_before_anything_else() {
    let mut rig = Rig::new();
    rig.start("w").settle();
    for is_durable in [true, false] {
        rig.store.leave_next_commit_unknown(is_durable);
        let mut signal = rig.submit_signal("w", "s");
        rig.settle();
        assert_eq!(signal.try_recv().unwrap().is_ok(), is_durable);
        assert_eq!(rig.history("w").len(), 3, "the first is there, the second is not");
    }
    rig.signal("w", "another");
    rig.crash();
    assert_eq!(rig.history("w").len(), 4, "what was told as undone stays so");
}

#[test]
fn a_namespace_that_another_server_has_changed_is_read_again() {
    let mut rig = Rig::new();
    rig.start("w").settle();
    let other = rig.store.join();
    let [record] = &other.registry("namespace").unwrap()[..] else { panic!("one namespace") };
    let ours = NamespaceRecord::decode(&*record.value).unwrap();
    let write = RegistryWrite {
        kind: "namespace".to_owned(),
        key: record.key.clone(),
        value: Some(NamespaceRecord { owner_email: "theirs".to_owned(), ..ours }.encode_to_vec().into()),
        expected: record.version,
    };
    other.commit(Batch { writes: vec![Write::Registry(write)], ..Batch::default() }).unwrap();
    let mut signal = rig.submit_signal("w", "s");
    let node = rig.node.clone();
    let describe = async |description: &str| {
        let change = |found: Option<NamespaceRecord>| {
            Ok(found.map(|record| NamespaceRecord { description: description.to_owned(), ..record }))
        };
        node.change_namespace("default", change).await
    };
    let refused = rig.block(describe("ours")).unwrap_err();
    assert!(matches!(refused, Failure::Fault(Fault::Unavailable(_))), "{refused:?}");
    assert!(signal.try_recv().unwrap().is_ok(), "nothing else fails with it");
    let changed = rig.block(describe("ours")).unwrap().unwrap();
    assert_eq!((&*changed.owner_email, &*changed.description), ("theirs", "ours"));
    rig.crash();
    assert_eq!(rig.node.namespace_records(), [changed]);
}

#[test]
fn what_closed_first_is_removed_when_memory_is_used_up() {
    let mut rig = Rig::with_budget(200_000);
    rig.start("open").settle();
    for number in 0..300 {
        let id = format!("w{number}");
        rig.start(&id).settle();
        rig.advance(SECOND_NS);
        rig.terminate(&id);
        rig.settle();
        assert!(rig.store.size_bytes() <= 205_000, "{} bytes after {number}", rig.store.size_bytes());
    }
    assert!(rig.store.size_bytes() > 150_000, "{}", rig.store.size_bytes());
    assert_eq!(rig.status("w299"), Status::Terminated);
    assert_eq!(rig.status("open"), Status::Running);
    let mut oldest = rig.submit_describe("w0");
    rig.settle();
    assert!(matches!(oldest.try_recv().unwrap(), Err(Failure::Rejected(_))));
}

#[test]
fn polls_that_wait_get_their_tasks_after_a_failed_commit() {
    let mut rig = Rig::new();
    rig.start("before").settle();
    rig.terminate("before");
    let first = rig.poll("queue", "");
    let second = rig.poll("queue", "");
    rig.settle();
    rig.store.fail_next_commits(1);
    rig.start("lost").settle();
    assert!(!rig.no_task_yet(&first), "the poll that would have had its task is told");
    rig.start("after").settle();
    let task = rig.task(second);
    assert_eq!(rig.workflow_id(&task), "after");
}

#[test]
fn a_panic_harms_one_request() {
    let mut rig = Rig::new();
    rig.start("w").start("other").settle();
    let mut signal = rig.submit_signal("w", "s");
    let mut wrong = rig.submit_panic("w");
    let mut described = rig.submit_describe("w");
    let mut other = rig.submit_describe("other");
    rig.settle();
    assert!(matches!(wrong.try_recv().unwrap(), Err(Failure::Fault(Fault::Internal(_)))));
    for answer in [&mut signal, &mut described, &mut other] {
        assert!(answer.try_recv().unwrap().is_ok(), "the others do not notice");
    }
    assert_eq!(rig.history("w").len(), 3);
    assert_eq!(rig.node.counters().panics, 1);
}

#[test]
fn a_task_that_nobody_waits_for_survives_a_crash() {
    let mut rig = Rig::new();
    for n in 0..5 {
        rig.start(&format!("w{n}"));
    }
    rig.settle();
    rig.crash();
    for n in 0..5 {
        let poll = rig.poll("queue", "");
        rig.settle();
        let task = rig.task(poll);
        assert_eq!(rig.workflow_id(&task), format!("w{n}"), "oldest first");
        rig.complete(&task, vec![complete_workflow()]);
    }
    rig.crash();
    let poll = rig.poll("queue", "");
    rig.settle();
    assert!(rig.no_task_yet(&poll), "tasks that were started are gone from the backlog");
}

#[test]
fn a_long_backlog_is_read_in_portions_and_in_order() {
    const TASKS: usize = 2500;
    let mut rig = Rig::new();
    for n in 0..TASKS {
        rig.start(&format!("w{n}"));
    }
    rig.settle();
    rig.crash();
    for n in 0..TASKS {
        let poll = rig.poll("queue", "");
        rig.settle();
        let task = rig.task(poll);
        assert_eq!(rig.workflow_id(&task), format!("w{n}"));
    }
    let description = rig.node.describe_queue(&rig.namespace_id, "queue", QueueKind::Workflow);
    assert_eq!(description.backlog_count, 0);
}

#[test]
fn a_void_task_is_skipped_within_the_same_poll() {
    let mut rig = Rig::new();
    rig.start("void").start("wanted").settle();
    rig.terminate("void");
    let poll = rig.poll("queue", "");
    rig.settle();
    let task = rig.task(poll);
    assert_eq!(rig.workflow_id(&task), "wanted");
}

#[test]
fn due_times_fire_before_and_after_a_crash() {
    let mut rig = Rig::new();
    let poll = rig.poll("queue", "");
    rig.start("w").settle();
    let task = rig.task(poll);
    rig.complete(&task, vec![start_timer("soon", 5), start_timer("later", 60)]);
    rig.advance(5 * SECOND_NS).settle();
    assert_eq!(rig.count("w", EventType::TimerFired), 1);
    rig.crash();
    rig.settle();
    assert_eq!(rig.count("w", EventType::TimerFired), 1, "nothing is due yet");
    rig.advance(55 * SECOND_NS).settle();
    assert_eq!(rig.count("w", EventType::TimerFired), 2);
}

#[test]
fn activities_go_from_workflow_to_worker_and_back() {
    let mut rig = Rig::new();
    let poll = rig.poll("queue", "");
    rig.start("w").settle();
    let task = rig.task(poll);
    rig.complete(&task, vec![schedule_activity("a"), schedule_activity("b")]);
    rig.crash();
    for _ in 0..2 {
        let poll = rig.poll_activity("queue");
        rig.settle();
        let activity = rig.activity(poll);
        rig.complete_activity(&activity.task_token);
    }
    assert_eq!(rig.count("w", EventType::ActivityTaskCompleted), 2);
}

#[test]
fn messages_between_executions_arrive_though_the_server_crashes_at_any_step() {
    for steps_before_crash in 0..12 {
        let mut rig = Rig::new();
        let poll = rig.poll("queue", "");
        rig.start("parent").settle();
        let task = rig.task(poll);
        let mut answer = rig.submit_complete(&task, vec![start_child("child")]);
        rig.steps(steps_before_crash);
        let acknowledged = matches!(answer.try_recv(), Ok(Ok(_)));
        rig.crash();
        rig.settle();
        if !acknowledged && rig.count("parent", EventType::StartChildWorkflowExecutionInitiated) == 0 {
            continue; // The answer of the worker was lost: its task times out and comes again.
        }
        assert_eq!(rig.count("parent", EventType::ChildWorkflowExecutionStarted), 1, "after {steps_before_crash}");
        let poll = rig.poll("queue", "");
        rig.settle();
        let first = rig.task(poll);
        let poll = rig.poll("queue", "");
        rig.settle();
        let second = rig.task(poll);
        let child = if rig.workflow_id(&first) == "child" { first } else { second };
        rig.complete(&child, vec![complete_workflow()]);
        rig.settle();
        assert_eq!(rig.status("child"), Status::Completed);
        rig.crash();
        rig.settle();
    }
}

#[test]
fn a_sticky_queue_without_its_worker_is_given_up() {
    let mut rig = Rig::new();
    let poll = rig.poll("queue", "");
    rig.start("w").settle();
    let task = rig.task(poll);
    let sticky = rig.poll("sticky", "queue");
    rig.complete_sticky(&task, "sticky");
    rig.signal("w", "first");
    let task = rig.task(sticky);
    assert_eq!(task.response.history.as_ref().unwrap().events[0].event_id, 4, "only what is new");
    rig.complete_sticky(&task, "sticky");
    rig.advance(11 * SECOND_NS);
    rig.signal("w", "second");
    let poll = rig.poll("queue", "");
    rig.settle();
    let task = rig.task(poll);
    assert_eq!(task.response.history.as_ref().unwrap().events[0].event_id, 1, "the whole history");
}

#[test]
fn everything_works_without_any_cache() {
    let mut rig = Rig::with_cache(0);
    let poll = rig.poll("queue", "");
    rig.start("w").settle();
    let task = rig.task(poll);
    for n in 0..100 {
        rig.signal("w", &format!("s{n}"));
    }
    rig.complete(&task, vec![start_timer("t", 1)]);
    // Started, Scheduled, Started, Completed, TimerStarted, the signals, and the task for them.
    assert_eq!(rig.history("w").len(), 5 + 100 + 1);
    rig.advance(SECOND_NS).settle();
    assert_eq!(rig.count("w", EventType::TimerFired), 1);
    let backwards = rig.read("w", HistoryRead::Backward { from_event_id: i64::MAX, max_events: 10 });
    let ids: Vec<_> = backwards.iter().map(|e| e.event_id).collect();
    let newest = rig.history("w").len() as i64;
    assert_eq!(ids, (newest - 9..=newest).rev().collect::<Vec<_>>());
}

#[test]
fn a_reader_who_waits_is_woken_by_the_next_event_and_by_the_end() {
    let mut rig = Rig::new();
    rig.start("w").settle();
    let mut next = rig.submit_wait("w", HistoryWait::After { event_id: 2 });
    let mut end = rig.submit_wait("w", HistoryWait::Close);
    rig.settle();
    assert!(next.try_recv().is_err());
    rig.signal("w", "s");
    assert!(next.try_recv().unwrap().is_ok());
    assert!(end.try_recv().is_err());
    rig.terminate("w");
    assert!(end.try_recv().unwrap().is_ok());
}

#[test]
fn runs_leave_when_their_retention_is_over() {
    let mut rig = Rig::new();
    rig.start("old").start("open").settle();
    rig.terminate("old");
    rig.advance(23 * 3600 * SECOND_NS).settle();
    assert_eq!(rig.status("old"), Status::Terminated);
    rig.advance(2 * 3600 * SECOND_NS).settle();
    let failure = rig.describe("old").unwrap_err();
    assert!(matches!(failure, Failure::Rejected(_)), "{failure:?}");
    assert_eq!(rig.status("open"), Status::Running);
    rig.crash();
    assert!(rig.describe("old").is_err());
    rig.start("old").settle();
    assert_eq!(rig.status("old"), Status::Running);
}

#[test]
fn a_deleted_namespace_loses_its_runs_and_its_name() {
    let mut rig = Rig::new();
    rig.start("w").settle();
    let deleted = rig.delete_namespace();
    assert!(deleted.starts_with("default-deleted-"), "{deleted}");
    assert!(rig.node.namespaces().named("default").is_none());
    rig.advance(SECOND_NS).settle();
    rig.advance(60 * SECOND_NS).settle();
    assert!(rig.node.namespace_records().is_empty());
    assert!(rig.describe("w").is_err());
}

#[test]
fn urgent_tasks_go_first_and_equal_ones_by_age() {
    let mut rig = Rig::new();
    for (workflow_id, priority) in [("low", 5), ("normal", 0), ("urgent", 1), ("normal too", 3)] {
        rig.start_with_priority(workflow_id, priority);
    }
    rig.settle();
    let mut order = Vec::new();
    for _ in 0..4 {
        let poll = rig.poll("queue", "");
        rig.settle();
        let task = rig.task(poll);
        order.push(rig.workflow_id(&task));
    }
    assert_eq!(order, ["urgent", "normal", "normal too", "low"]);
}

#[test]
fn a_worker_that_shuts_down_gets_its_polls_back() {
    let mut rig = Rig::new();
    let mut poll = rig.poll_of("queue", "process-1");
    let mut other = rig.poll_of("queue", "process-2");
    rig.settle();
    rig.node.shutdown_worker(&rig.namespace_id, "process-1", "");
    assert!(matches!(poll.take(), Some(Ok(Polled::Empty))));
    assert!(other.take().is_none());
    let mut late = rig.poll_of("queue", "process-1");
    assert!(matches!(late.take(), Some(Ok(Polled::Empty))));
}

#[test]
fn activities_leave_at_the_rate_that_their_worker_wants() {
    let mut rig = Rig::new();
    let poll = rig.poll("queue", "");
    rig.start("w").settle();
    let task = rig.task(poll);
    rig.complete(&task, vec![schedule_activity("a"), schedule_activity("b"), schedule_activity("c")]);
    let polls: Vec<_> = (0..3).map(|_| rig.poll_activity_at_rate("queue", 1.0)).collect();
    let taken = |polls: &[OpenPoll]| polls.iter().filter(|poll| poll.has_ended()).count();
    rig.settle();
    assert_eq!(taken(&polls), 1);
    rig.advance(SECOND_NS - 1).settle();
    assert_eq!(taken(&polls), 1);
    rig.advance(1).settle();
    assert_eq!(taken(&polls), 2);
    rig.advance(SECOND_NS).settle();
    assert_eq!(taken(&polls), 3);
}

#[test]
fn a_poll_that_was_dropped_takes_no_task() {
    let mut rig = Rig::new();
    drop(rig.poll("queue", ""));
    let poll = rig.poll("queue", "");
    rig.start("w").settle();
    let task = rig.task(poll);
    assert_eq!(rig.workflow_id(&task), "w");
}

#[test]
fn equal_seeds_give_equal_histories() {
    let history = |seed| {
        let mut rig = Rig::with_seed(seed);
        let poll = rig.poll("queue", "");
        rig.start("w").settle();
        let task = rig.task(poll);
        rig.complete(&task, vec![schedule_activity("a"), start_timer("t", 1)]);
        rig.advance(SECOND_NS).settle();
        rig.history("w")
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8));
}

#[test]
fn unknown_runs_and_workflows_are_not_found() {
    let mut rig = Rig::new();
    rig.start("w").settle();
    let messages: Vec<_> = [("nobody", ""), ("w", "01890000-0000-7000-8000-000000000001")]
        .into_iter()
        .map(|(workflow_id, run_id)| {
            let mut answer = rig.submit(workflow_id, run_id, Request::Describe);
            rig.settle();
            answer.try_recv().unwrap().unwrap_err().to_string()
        })
        .collect();
    assert_eq!(messages[0], "workflow not found for ID: nobody");
    assert!(messages[1].contains("run ID \"01890000-0000-7000-8000-000000000001\""), "{}", messages[1]);
}
