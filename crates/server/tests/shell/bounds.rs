//! What clients can make grow: it has a bound, or leaves when nobody needs it.

use evertide_engine::workflow::Request;
use evertide_proto::common::{Payload, Payloads, WorkflowExecution};
use evertide_proto::enums::{UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowExecutionStatus as Status};
use evertide_proto::update::{Input, Meta, Request as UpdateRequest, WaitPolicy};
use evertide_proto::workflowservice::{SignalWorkflowExecutionRequest, UpdateWorkflowExecutionRequest};
use evertide_server::history::HistoryWait;
use evertide_server::node::AnswerReceiver;

use crate::shell::rig::{Rig, SECOND_NS, complete_workflow};

/// Sweeps come once a minute, and what was not used between two of them leaves memory.
const TWO_SWEEPS: usize = 3;

fn sweep_twice(rig: &mut Rig) {
    for _ in 0..TWO_SWEEPS {
        rig.advance(61 * SECOND_NS).settle();
    }
}

fn submit_update(rig: &mut Rig, workflow_id: &str, update_id: &str) -> AnswerReceiver {
    let request = UpdateWorkflowExecutionRequest {
        workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: String::new() }),
        wait_policy: Some(WaitPolicy { lifecycle_stage: Stage::Completed.into() }),
        request: Some(UpdateRequest {
            meta: Some(Meta { update_id: update_id.to_owned(), identity: "client".to_owned() }),
            input: Some(Input { name: "update".to_owned(), ..Input::default() }),
            ..UpdateRequest::default()
        }),
        ..UpdateWorkflowExecutionRequest::default()
    };
    rig.submit(workflow_id, "", Request::Update(Box::new(request)))
}

#[test]
fn closed_runs_leave_memory() {
    let mut rig = Rig::new();
    for n in 0..2000 {
        let poll = rig.poll("queue", "");
        rig.start(&format!("w{n}")).settle();
        let task = rig.task(poll);
        rig.complete(&task, vec![complete_workflow()]);
    }
    let sizes = rig.node.sizes();
    assert!(sizes.runs <= 16 * 33, "{sizes:?}");
    sweep_twice(&mut rig);
    let sizes = rig.node.sizes();
    assert_eq!((sizes.chains, sizes.runs, sizes.executions_bytes), (0, 0, 0), "{sizes:?}");
    assert_eq!(rig.status("w0"), Status::Completed);
}

#[test]
fn an_open_run_that_nobody_uses_leaves_memory_and_comes_back() {
    let mut rig = Rig::new();
    let mut ends = Vec::new();
    for n in 0..100 {
        rig.start(&format!("w{n}")).settle();
        ends.push(rig.submit_wait(&format!("w{n}"), HistoryWait::Close));
    }
    assert_eq!(rig.node.sizes().runs, 100);
    sweep_twice(&mut rig);
    let sizes = rig.node.sizes();
    assert_eq!((sizes.runs, sizes.waiters), (0, 100), "those who wait stay: {sizes:?}");
    for (n, mut end) in ends.into_iter().enumerate() {
        assert!(end.try_recv().is_err());
        rig.terminate(&format!("w{n}"));
        assert!(end.try_recv().unwrap().is_ok());
    }
    assert_eq!(rig.node.sizes().waiters, 0);
}

#[test]
fn those_who_wait_do_not_keep_runs_in_memory() {
    let mut rig = Rig::with_cache(1);
    let mut ends = Vec::new();
    for n in 0..100 {
        rig.start(&format!("w{n}")).settle();
        ends.push(rig.submit_wait(&format!("w{n}"), HistoryWait::Close));
        rig.settle();
    }
    assert!(rig.node.sizes().runs <= 16, "one of each shard: {:?}", rig.node.sizes());
    for (n, mut end) in ends.into_iter().enumerate() {
        rig.terminate(&format!("w{n}"));
        assert!(end.try_recv().unwrap().is_ok());
    }
}

#[test]
fn unknown_ids_leave_nothing() {
    let mut rig = Rig::new();
    let before = rig.node.sizes();
    for n in 0..2000 {
        assert!(rig.describe(&format!("nobody {n}")).is_err());
    }
    assert_eq!(rig.node.sizes(), before);
}

#[test]
fn abandoned_waits_leave_nothing() {
    let mut rig = Rig::new();
    rig.start("w").settle();
    for n in 0..2000 {
        drop(submit_update(&mut rig, "w", "u"));
        drop(rig.submit_wait("w", HistoryWait::After { event_id: 50 + n }));
        rig.settle();
    }
    assert!(rig.node.sizes().waiters <= 64, "{:?}", rig.node.sizes());
    rig.terminate("w");
    assert_eq!(rig.node.sizes().waiters, 0);
}

#[test]
fn snapshots_take_no_more_room_than_records() {
    const PAYLOAD_BYTES: usize = 300 * 1024;
    const SIGNALS: usize = 40;
    let mut rig = Rig::new();
    let poll = rig.poll("queue", "");
    rig.start("w").settle();
    let _started = rig.task(poll); // What comes now is buffered, and so part of the state.
    for n in 0..SIGNALS {
        let payload = Payload { data: vec![0; PAYLOAD_BYTES].into(), ..Payload::default() };
        let signal = SignalWorkflowExecutionRequest {
            signal_name: format!("s{n}"),
            input: Some(Payloads { payloads: vec![payload] }),
            workflow_execution: Some(WorkflowExecution { workflow_id: "w".to_owned(), run_id: String::new() }),
            ..SignalWorkflowExecutionRequest::default()
        };
        drop(rig.submit("w", "", Request::Signal(Box::new(signal))));
        rig.settle();
    }
    let (records, snapshots) = rig.store.written_bytes();
    assert!(snapshots <= 3 * records, "{snapshots} bytes of snapshots for {records} bytes of records");
    rig.crash();
    assert!(rig.history("w").len() >= 3);
}

#[test]
fn queues_that_nobody_polls_any_more_are_forgotten() {
    let mut rig = Rig::new();
    for n in 0..20_000 {
        drop(rig.poll(&format!("queue {n}"), ""));
    }
    let sizes = rig.node.sizes();
    assert!(sizes.queues <= 2 * 16 * 256, "{sizes:?}");
    rig.advance(6 * 60 * SECOND_NS).settle();
    assert_eq!(rig.node.sizes().queues, 0);
}

#[test]
fn retention_removes_as_many_runs_as_there_are_in_one_go() {
    const RUNS: usize = 2500;
    let mut rig = Rig::new();
    for n in 0..RUNS {
        rig.start(&format!("w{n}"));
    }
    rig.settle();
    for n in 0..RUNS {
        rig.terminate(&format!("w{n}"));
    }
    rig.advance(24 * 3600 * SECOND_NS + 61 * SECOND_NS).settle();
    assert_eq!(rig.store.runs(&rig.namespace_id), 0);
}

#[test]
fn a_deleted_namespace_is_emptied_in_one_go() {
    const RUNS: usize = 2500;
    let mut rig = Rig::new();
    for n in 0..RUNS {
        rig.start(&format!("w{n}"));
    }
    rig.settle();
    rig.delete_namespace();
    rig.settle();
    assert_eq!(rig.store.runs(&rig.namespace_id), 0);
}
