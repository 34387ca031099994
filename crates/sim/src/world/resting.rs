//! The end of a simulation: the faults stop, everything may finish, and what is left is looked at.

use std::collections::BTreeMap;
use std::rc::Rc;

use evertide_engine::workflow::{Reply, Request};
use evertide_proto::enums::EventType;
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::workflowservice::DescribeWorkflowExecutionResponse;
use evertide_server::clock::Clock;
use evertide_server::fault::{Failure, Fault};
use evertide_server::history::HistoryRead;
use evertide_server::shard::RunRef;
use evertide_store::{Filter, ListQuery, StoreError, VisibilityRow};
use prost::Message;

use crate::actor::{self, Actor};
use crate::check;
use crate::store::NextCommit;
use crate::world::{Report, SECOND_NS, World};

/// How often everybody may act without anything being done before the clock is moved.
const IDLE_ROUNDS: u32 = 100;
/// How often everybody may act until everything must have ended.
const ROUNDS: u32 = 100_000;

/// Lets everything finish.
pub(super) fn come_to_rest(world: &Rc<World>, actors: &mut [Option<Actor>]) -> Result<(), StoreError> {
    world.resting.set(true);
    world.store.set_next_commit(NextCommit::Works);
    let mut idle_rounds = 0;
    for _ in 0..ROUNDS {
        for running in actors.iter_mut() {
            if running.as_mut().is_some_and(actor::step) {
                *running = None;
            }
        }
        if settle(world) {
            idle_rounds = 0;
            continue;
        }
        idle_rounds += 1;
        if idle_rounds < IDLE_ROUNDS {
            continue;
        }
        let clients_are_done =
            actors.iter().take(usize::try_from(world.options.clients).unwrap_or(0)).all(Option::is_none);
        if open_runs(world)? == 0 && clients_are_done {
            return Ok(());
        }
        idle_rounds = 0;
        let due_ns = world.node().next_due_ns().min(world.clock.now_ns() + 3600 * SECOND_NS);
        world.clock.advance_to_ns(due_ns);
    }
    for row in rows(world)?.into_iter().filter(|row| row.close_time_ns.is_none()) {
        world.fault(format!("{} {} does not end", row.workflow_id, row.run_id));
    }
    if actors.iter().take(usize::try_from(world.options.clients).unwrap_or(0)).any(Option::is_some) {
        world.fault("a client waits for ever".to_owned());
    }
    Ok(())
}

/// Lets the node do all that it has to do now. Whether it did anything.
fn settle(world: &World) -> bool {
    let node = world.node();
    let mut busy = false;
    while node.work_step(0) || node.commit_step() || node.timer_step() {
        busy = true;
    }
    busy
}

fn open_runs(world: &World) -> Result<usize, StoreError> {
    Ok(rows(world)?.iter().filter(|row| row.close_time_ns.is_none()).count())
}

fn rows(world: &World) -> Result<Vec<VisibilityRow>, StoreError> {
    let query =
        ListQuery { namespace_id: world.namespace_id.clone(), filter: Filter::All, page_size: usize::MAX, after: None };
    Ok(world.node().store().list(&query)?.rows)
}

/// Looks at everything that is left.
pub(super) fn report(world: &World) -> Result<Report, StoreError> {
    let before = described(world)?;
    world.crash()?;
    settle(world);
    let after = described(world)?;
    for (run, said) in &before {
        let stored = after.get(run);
        if stored != Some(said) {
            world.fault(format!("{run:?}: what was said of it is not what is stored: {said:?} {stored:?}"));
        }
    }
    let mut report = Report {
        crashes: world.life.get() - 1,
        failed_commits: world.failed_commits.get(),
        digest: 0xcbf2_9ce4_8422_2325,
        ..Report::default()
    };
    let mut histories = BTreeMap::new();
    for row in rows(world)? {
        let events = history(world, &row);
        let running = row.close_time_ns.is_none();
        for fault in check::faults(&events, running) {
            world.fault(format!("{} {}: {fault}", row.workflow_id, row.run_id));
        }
        report.runs += 1;
        report.events += events.len();
        histories.insert((row.workflow_id, row.run_id), events);
    }
    for events in histories.values() {
        for byte in events.iter().flat_map(Message::encode_to_vec) {
            report.digest = (report.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    check_ledger(world, &histories);
    check_children(world, &histories);
    report.signals = world.ledger().signals.len();
    report.updates = world.ledger().completed_updates.len();
    report.faults = std::mem::take(&mut world.ledger().faults);
    Ok(report)
}

/// The description of each run, and whether lists agree with it.
fn described(world: &World) -> Result<BTreeMap<(String, String), DescribeWorkflowExecutionResponse>, StoreError> {
    let mut all = BTreeMap::new();
    for row in rows(world)? {
        let run = run_ref(&row);
        let mut receiver = world.node().submit_run(run, Request::Describe);
        settle(world);
        let answer = receiver.try_recv().unwrap_or(Err(Failure::Fault(Fault::Stopping)));
        let Ok(Reply::Described(description)) = answer.map(|a| a.reply) else {
            world.fault(format!("{} {} is listed but cannot be described", row.workflow_id, row.run_id));
            continue;
        };
        let status = description.workflow_execution_info.as_ref().map(|i| i.status);
        if status != Some(row.status) {
            world.fault(format!("{} {}: lists show another status", row.workflow_id, row.run_id));
        }
        all.insert((row.workflow_id, row.run_id), *description);
    }
    Ok(all)
}

fn run_ref(row: &VisibilityRow) -> RunRef {
    RunRef { namespace_id: row.namespace_id.clone(), workflow_id: row.workflow_id.clone(), run_id: row.run_id.clone() }
}

fn history(world: &World, row: &VisibilityRow) -> Vec<HistoryEvent> {
    let (node, run) = (world.node(), run_ref(row));
    let whole = HistoryRead::Forward { from_event_id: 1, max_events: usize::MAX };
    let read = Rc::new(std::cell::RefCell::new(None));
    let sink = read.clone();
    let mut reading: Actor = Box::pin(async move {
        *sink.borrow_mut() = Some(node.history(&run, whole).await);
    });
    while !actor::step(&mut reading) {
        settle(world);
    }
    match read.take() {
        Some(Ok(page)) => page.events,
        other => {
            world.fault(format!("{} {}: its history cannot be read: {other:?}", row.workflow_id, row.run_id));
            Vec::new()
        }
    }
}

/// What was acknowledged or shown is still there.
fn check_ledger(world: &World, histories: &BTreeMap<(String, String), Vec<HistoryEvent>>) {
    let mut faults = Vec::new();
    let ledger = world.ledger();
    for run in &ledger.runs {
        if !histories.contains_key(run) {
            faults.push(format!("the run {run:?} was started and is not there"));
        }
    }
    let events_of = |workflow_id: &str| {
        let runs = histories.iter().filter(move |((id, _), _)| id == workflow_id).collect::<Vec<_>>();
        runs.into_iter().flat_map(|(_, events)| events)
    };
    for (workflow_id, name) in &ledger.signals {
        let is_it = |e: &HistoryEvent| match &e.attributes {
            Some(A::WorkflowExecutionSignaledEventAttributes(a)) => a.signal_name == *name,
            _ => false,
        };
        if !events_of(workflow_id).any(is_it) {
            faults.push(format!("the signal {name} to {workflow_id} was acknowledged and is lost"));
        }
    }
    for (workflow_id, reason) in &ledger.terminations {
        let is_it = |e: &HistoryEvent| match &e.attributes {
            Some(A::WorkflowExecutionTerminatedEventAttributes(a)) => a.reason == *reason,
            _ => false,
        };
        if !events_of(workflow_id).any(is_it) {
            faults.push(format!("the termination {reason} of {workflow_id} was acknowledged and is lost"));
        }
    }
    for (workflow_id, update_id) in &ledger.accepted_updates {
        let is_it = |e: &HistoryEvent| match &e.attributes {
            Some(A::WorkflowExecutionUpdateAcceptedEventAttributes(a)) => a.protocol_instance_id == *update_id,
            _ => false,
        };
        if !events_of(workflow_id).any(is_it) {
            faults.push(format!("the acceptance of the update {update_id} of {workflow_id} was told and is lost"));
        }
    }
    for (workflow_id, update_id) in &ledger.completed_updates {
        let is_it = |e: &HistoryEvent| match &e.attributes {
            Some(A::WorkflowExecutionUpdateCompletedEventAttributes(a)) => {
                a.meta.as_ref().is_some_and(|m| m.update_id == *update_id)
            }
            _ => false,
        };
        if !events_of(workflow_id).any(is_it) {
            faults.push(format!("the success of the update {update_id} of {workflow_id} was told and is lost"));
        }
    }
    for (run, seen) in &ledger.seen {
        if histories.get(run).is_none_or(|events| !events.starts_with(seen)) {
            faults.push(format!("the history of {run:?} is not what was shown of it"));
        }
    }
    drop(ledger);
    world.ledger().faults.extend(faults);
}

/// A child that a parent knows of is there, and names its parent.
fn check_children(world: &World, histories: &BTreeMap<(String, String), Vec<HistoryEvent>>) {
    for ((parent_id, parent_run), events) in histories {
        for event in events.iter().filter(|e| e.event_type() == EventType::ChildWorkflowExecutionStarted) {
            let Some(A::ChildWorkflowExecutionStartedEventAttributes(a)) = &event.attributes else { continue };
            let child = a.workflow_execution.clone().unwrap_or_default();
            let first = histories.get(&(child.workflow_id.clone(), child.run_id.clone())).and_then(|e| e.first());
            let names_parent = first.is_some_and(|e| match &e.attributes {
                Some(A::WorkflowExecutionStartedEventAttributes(s)) => s
                    .parent_workflow_execution
                    .as_ref()
                    .is_some_and(|p| p.workflow_id == *parent_id && p.run_id == *parent_run),
                _ => false,
            });
            if !names_parent {
                world.fault(format!("{parent_id} {parent_run}: its child {child:?} does not know it"));
            }
        }
    }
}
