//! Random traces over a few workflows that start, signal and cancel each other, with messages that come late, twice, or
//! whose answers are lost: in the end everything has happened once.

use crate::Ids;
use crate::workflow::Request;
use crate::workflow::outbox::world::{World, command, complete, execution, story};
use evertide_proto::command::{
    Command, ContinueAsNewWorkflowExecutionCommandAttributes as ContinueAsNew,
    RequestCancelExternalWorkflowExecutionCommandAttributes as CancelExternal,
    SignalExternalWorkflowExecutionCommandAttributes as SignalExternal,
    StartChildWorkflowExecutionCommandAttributes as StartChild,
};
use evertide_proto::common::WorkflowType;
use evertide_proto::enums::{ParentClosePolicy, WorkflowIdReusePolicy};
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::workflowservice::{SignalWorkflowExecutionRequest, TerminateWorkflowExecutionRequest};
use std::collections::BTreeMap;

const IDS: [&str; 4] = ["a", "b", "c", "d"];

fn pick<'a, T>(ids: &mut Ids, from: &'a [T]) -> &'a T {
    let place = usize::try_from(ids.below(from.len() as u64)).expect("a small number");
    &from[place]
}

fn random_command(ids: &mut Ids) -> Command {
    let target = *pick(ids, &IDS);
    match ids.below(10) {
        0..=3 => {
            let mut child = StartChild {
                workflow_id: target.to_owned(),
                workflow_type: Some(WorkflowType { name: "child".to_owned() }),
                ..StartChild::default()
            };
            use ParentClosePolicy as P;
            child.set_parent_close_policy(*pick(ids, &[P::Terminate, P::Abandon, P::RequestCancel]));
            use WorkflowIdReusePolicy as R;
            child.set_workflow_id_reuse_policy(*pick(ids, &[R::AllowDuplicate, R::TerminateIfRunning]));
            command(child)
        }
        4..=7 => command(SignalExternal {
            execution: Some(execution(target, "")),
            signal_name: "hey".to_owned(),
            ..SignalExternal::default()
        }),
        _ => command(CancelExternal { workflow_id: target.to_owned(), ..CancelExternal::default() }),
    }
}

fn random_commands(ids: &mut Ids) -> Vec<Command> {
    let mut commands: Vec<_> = (0..ids.below(3)).map(|_| random_command(ids)).collect();
    match ids.below(12) {
        0 => commands.push(complete()),
        1 => commands.push(command(ContinueAsNew::default())),
        _ => {}
    }
    commands
}

/// One thing that happens.
fn step(world: &mut World, ids: &mut Ids) {
    let id = *pick(ids, &IDS);
    if !world.runs.get(id).and_then(|r| r.last()).is_some_and(|r| r.exec.state.is_running()) {
        let request_id = ids.uuid();
        return world.start_with(id, |r| r.request_id = request_id);
    }
    match ids.below(12) {
        0..=4 if world.run(id).exec.task().is_some_and(|t| !t.is_started()) => {
            let token = world.take_task(id);
            if ids.below(3) == 0 {
                // It may be refused, while the run tries to close.
                let signal = SignalWorkflowExecutionRequest {
                    signal_name: "while the task is out".to_owned(),
                    ..SignalWorkflowExecutionRequest::default()
                };
                let _ = world.decide(id, "", Request::Signal(Box::new(signal)));
            }
            world.deliver_next();
            // An answer may be refused (a cancel of the child it starts, a close over unseen events).
            let _ = world.answer(id, token, random_commands(ids));
        }
        5 => world.crash(),
        6 => world.deliver_unheard(),
        7 => world.delay_message(),
        8 if ids.below(4) == 0 => {
            let request = TerminateWorkflowExecutionRequest::default();
            world.decide(id, "", Request::Terminate(Box::new(request))).expect("the run is open");
        }
        _ => {
            world.repeats = ids.below(4) == 0;
            world.deliver_next();
        }
    }
}

/// How often each signal's request id was taken, and how many signals their senders hold for delivered.
fn signals(world: &World) -> (BTreeMap<String, usize>, usize) {
    let (mut taken, mut delivered) = (BTreeMap::new(), 0);
    for event in world.runs.values().flatten().flat_map(|r| &r.events) {
        match &event.attributes {
            Some(A::WorkflowExecutionSignaledEventAttributes(a)) if a.external_workflow_execution.is_some() => {
                *taken.entry(a.request_id.clone()).or_default() += 1;
            }
            Some(A::ExternalWorkflowExecutionSignaledEventAttributes(_)) => delivered += 1,
            _ => {}
        }
    }
    (taken, delivered)
}

fn check_settled(world: &World, seed: u64) {
    for run in world.runs.values().flatten() {
        let state = &run.exec.state;
        let told = || format!("seed {seed}, {}: {}", state.info.workflow_id, story(&run.events));
        assert!(state.outbox.is_empty(), "a message is left: {:?}. {}", state.outbox, told());
        if !state.is_running() {
            continue;
        }
        assert!(state.external_signals.is_empty() && state.external_cancels.is_empty(), "no answer. {}", told());
        for child in state.children.values() {
            let known = &world.run(&child.initiated.workflow_id).exec.state;
            assert_eq!(child.run_id, known.info.first_run_id, "the child is another one. {}", told());
            assert!(known.is_running(), "the parent has not heard of the end. {}", told());
        }
        let has_worked = state.info.last_completed_event_id != 0;
        assert!(
            has_worked || run.exec.task().is_some() || state.info.first_task_due_ns != 0,
            "never begun. {}",
            told()
        );
    }
    let (taken, delivered) = signals(world);
    assert!(delivered <= taken.len(), "seed {seed}: a signal is said to be delivered and is not");
}

#[test]
fn everything_happens_once() {
    for seed in 0..150 {
        let mut ids = Ids::new(seed);
        let mut world = World::new();
        for _ in 0..120 {
            step(&mut world, &mut ids);
        }
        world.repeats = false;
        world.crash();
        world.settle();
        check_settled(&world, seed);
    }
}
