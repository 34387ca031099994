//! What is left at the end is compared with what clients were told.

mod ledger;

use std::collections::BTreeMap;
use std::rc::Rc;

use evertide_engine::address::Address;
use evertide_engine::reply::Reply;
use evertide_engine::workflow::Request;
use evertide_proto::failure::failure::FailureInfo;
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::taskqueue::TaskQueueConfig;
use evertide_proto::workflowservice::DescribeWorkflowExecutionResponse;
use evertide_server::fault::{Failure, Fault};
use evertide_server::history::HistoryRead;
use evertide_server::matching::QueueKind;
use evertide_server::registry::NamespaceRecord;
use evertide_store::{Filter, StoreError};
use prost::Message;

use crate::actor::{self, Actor};
use crate::check;
use crate::ledger::Ledger;
use crate::options::Report;
use crate::program::QUEUES;
use crate::world::resting::{rows, run_of};
use crate::world::{NAMESPACES, SECOND_NS, World};

/// How often time goes to the next sweep until everything that is to be removed must be gone.
const SWEEPS: usize = 500;

/// How long the server is left alone at last: longer than anything is remembered for.
const MINUTES_ALONE: usize = 15;

/// All histories at the end.
type Histories = BTreeMap<Address, Vec<HistoryEvent>>;

/// Looks at everything that is left.
pub(super) fn report(world: &World) -> Result<Report, StoreError> {
    check_memory(world);
    let before = said(world)?;
    world.crash()?;
    world.settle();
    let after = said(world)?;
    compare(world, &before, &after);
    let histories = histories(world)?;
    check_histories(world, &histories);
    ledger::check(world, &histories);
    check_removal(world)?;
    check_memory_of_one_left_alone(world);

    let mut digest = world.digest.get();
    for byte in histories.values().flatten().flat_map(Message::encode_to_vec) {
        digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let Ledger { faults, done, .. } = std::mem::take(&mut *world.ledger());
    Ok(Report {
        faults,
        digest,
        runs: histories.len(),
        events: histories.values().map(Vec::len).sum(),
        timeouts: histories.values().flatten().filter(|e| tells_of_timeout(e)).count(),
        crashes: world.life.get() - 1,
        failed_commits: world.failed_commits.get(),
        failed_reads: world.store.failed_reads(),
        done,
    })
}

/// When everything has ended nobody waits for anything in the server's memory.
fn check_memory(world: &World) {
    let sizes = world.node().sizes();
    let left = [
        ("requests parked", sizes.parked_requests),
        ("polls", sizes.polls),
        ("queries", sizes.queries),
        ("due times", sizes.due_times),
        ("runs being woken", sizes.wakes),
        ("things to do", sizes.work),
        ("decisions on their way", sizes.commits),
    ];
    for (what, count) in left.into_iter().filter(|(_, count)| *count > 0) {
        world.fault(format!("everything has ended, and in memory are {count} {what}: {sizes:?}"));
    }
}

/// A server that nobody asks for anything keeps nothing of what it did.
fn check_memory_of_one_left_alone(world: &World) {
    for _ in 0..MINUTES_ALONE {
        world.clock.advance_ns(60 * SECOND_NS);
        world.settle();
    }
    let sizes = world.node().sizes();
    let left = [("runs", sizes.runs), ("waiters", sizes.waiters), ("tasks", sizes.tasks)];
    for (what, count) in left.into_iter().filter(|(_, count)| *count > 0) {
        world.fault(format!("the server was left alone, and in memory are {count} {what}: {sizes:?}"));
    }
}

/// What the server says of everything.
#[derive(Debug, PartialEq)]
struct Said {
    runs: BTreeMap<Address, DescribeWorkflowExecutionResponse>,
    namespaces: Vec<NamespaceRecord>,
    queues: BTreeMap<(String, &'static str), Option<TaskQueueConfig>>,
}

fn said(world: &World) -> Result<Said, StoreError> {
    let mut runs = BTreeMap::new();
    for row in rows(world)? {
        let run = run_of(&row);
        let Some(description) = described(world, &run) else {
            world.fault(format!("{run:?} is listed but cannot be described"));
            continue;
        };
        let info = description.workflow_execution_info.clone().unwrap_or_default();
        if info.status != row.status {
            world.fault(format!("{run:?}: lists show another status"));
        }
        runs.insert(run, description);
    }
    let node = world.node();
    let all_queues = world.namespace_ids.iter().flat_map(|id| QUEUES.map(|queue| (id.clone(), queue)));
    let queues = all_queues.map(|(id, queue)| {
        let config = node.queue_config(&id, queue, QueueKind::Workflow);
        ((id, queue), config)
    });
    Ok(Said { runs, namespaces: node.namespace_records(), queues: queues.collect() })
}

fn described(world: &World, run: &Address) -> Option<DescribeWorkflowExecutionResponse> {
    let mut receiver = world.node().submit_run(run.clone(), Request::Describe);
    world.settle();
    let answer = receiver.try_recv().unwrap_or(Err(Failure::Fault(Fault::Stopping)));
    match answer.map(|a| a.reply) {
        Ok(Reply::Described(description)) => Some(*description),
        _ => None,
    }
}

/// What the server said before a crash is what it says after it.
fn compare(world: &World, before: &Said, after: &Said) {
    for (run, said) in &before.runs {
        let stored = after.runs.get(run);
        if stored != Some(said) {
            world.fault(format!("{run:?}: what was said of it is not what is stored: {said:?} {stored:?}"));
        }
    }
    if before.namespaces != after.namespaces {
        let (before, after) = (&before.namespaces, &after.namespaces);
        world.fault(format!("namespaces are not what is stored of them: {before:?} {after:?}"));
    }
    if before.queues != after.queues {
        let (before, after) = (&before.queues, &after.queues);
        world.fault(format!("settings of task queues are not what is stored of them: {before:?} {after:?}"));
    }
}

fn histories(world: &World) -> Result<Histories, StoreError> {
    Ok(rows(world)?.iter().map(|row| (run_of(row), history(world, &run_of(row)))).collect())
}

fn history(world: &World, run: &Address) -> Vec<HistoryEvent> {
    let (node, asked) = (world.node(), run.clone());
    let whole = HistoryRead::Forward { from_event_id: 1, max_events: usize::MAX };
    let read = Rc::new(std::cell::RefCell::new(None));
    let sink = read.clone();
    let mut reading: Actor = Box::pin(async move {
        *sink.borrow_mut() = Some(node.history(&asked, whole).await);
    });
    while !actor::step(&mut reading) {
        world.settle();
    }
    match read.take() {
        Some(Ok(page)) => page.events,
        other => {
            world.fault(format!("{run:?}: its history cannot be read: {other:?}"));
            Vec::new()
        }
    }
}

/// Each history is one by itself, everything has ended, and where nobody did harm nothing timed out.
fn check_histories(world: &World, histories: &Histories) {
    for (run, events) in histories {
        for fault in check::faults(events, false) {
            world.fault(format!("{run:?}: {fault}"));
        }
        for event in events.iter().filter(|e| !world.options.faults && tells_of_timeout(e)) {
            world.fault(format!("{run:?}: event {} tells of a timeout that had no reason", event.event_id));
        }
    }
}

/// Whether an event tells that a task has timed out: the last attempt of an activity, or one before.
fn tells_of_timeout(event: &HistoryEvent) -> bool {
    match &event.attributes {
        Some(A::WorkflowTaskTimedOutEventAttributes(_) | A::ActivityTaskTimedOutEventAttributes(_)) => true,
        Some(A::ActivityTaskStartedEventAttributes(a)) => {
            let info = a.last_failure.as_ref().and_then(|f| f.failure_info.as_ref());
            matches!(info, Some(FailureInfo::TimeoutFailureInfo(_)))
        }
        _ => false,
    }
}

/// What is past its retention leaves, and so do namespaces that were deleted, with everything in them.
fn check_removal(world: &World) -> Result<(), StoreError> {
    world.clock.advance_ns(world.options.retention_ns + SECOND_NS);
    let is_left = || -> Result<bool, StoreError> {
        let expired = world.options.retention_ns > 0 && !rows(world)?.is_empty();
        Ok(expired || world.node().namespace_records().len() > NAMESPACES.len())
    };
    for _ in 0..SWEEPS {
        world.settle();
        if !is_left()? {
            break;
        }
        world.clock.advance_to_ns(world.node().next_due_ns());
    }
    if world.options.retention_ns > 0 {
        for row in rows(world)? {
            world.fault(format!("{:?} is past its retention and does not leave", run_of(&row)));
        }
    }
    for record in world.node().namespace_records().into_iter().filter(NamespaceRecord::is_deleted) {
        world.fault(format!("the namespace {} was deleted and does not leave", record.name));
    }
    let deleted: Vec<String> = world.ledger().deleted_namespaces.iter().cloned().collect();
    for id in deleted {
        let left = world.node().store().count(&id, &Filter::All)?;
        if left > 0 {
            world.fault(format!("the namespace {id} was deleted, and {left} of its runs are there"));
        }
    }
    Ok(())
}
