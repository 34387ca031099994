//! Workers: they poll, answer, and now and then do what workers should not.

mod updates;

use std::collections::BTreeMap;
use std::rc::Rc;

use evertide_engine::token::TaskToken;
use evertide_engine::workflow::activity::{Answer as ActivityAnswer, Outcome, Which};
use evertide_engine::workflow::{QueueRef, Request};
use evertide_proto::enums::WorkflowTaskFailedCause;
use evertide_proto::failure::failure::FailureInfo;
use evertide_proto::failure::{ApplicationFailureInfo, Failure as ProtoFailure};
use evertide_proto::history::HistoryEvent;
use evertide_proto::prost_types::Duration;
use evertide_proto::taskqueue::{StickyExecutionAttributes, TaskQueue};
use evertide_proto::workflowservice as ws;
use evertide_server::fault::{Failure, Fault};
use evertide_server::history::WorkflowTaskPage;
use evertide_server::matching::{Poll, QueueKind};
use evertide_server::node::{OpenPoll, Polled};
use evertide_server::shard::RunRef;

use crate::actor::{call, give_way};
use crate::program::{self, QUEUE};
use crate::world::World;

/// How many times a worker looks whether its poll has ended before it asks anew.
const PATIENCE: u64 = 60;

/// A worker of workflow tasks, for ever.
pub(crate) async fn run_workflows(world: Rc<World>, name: u64) {
    let sticky = format!("sticky-{name}");
    let mut cache: BTreeMap<String, Vec<HistoryEvent>> = BTreeMap::new();
    loop {
        let on_sticky = world.below(2) == 0;
        let queue = if on_sticky {
            QueueRef { name: sticky.clone(), normal_name: QUEUE.to_owned() }
        } else {
            QueueRef { name: QUEUE.to_owned(), normal_name: String::new() }
        };
        match poll(&world, QueueKind::Workflow, queue).await {
            Some(Polled::Workflow(page)) => answer_task(&world, *page, &sticky, &mut cache).await,
            _ => give_way().await,
        }
        if world.mischief(100) {
            cache.clear();
        }
    }
}

/// A worker of activities, for ever.
pub(crate) async fn run_activities(world: Rc<World>) {
    loop {
        let queue = QueueRef { name: QUEUE.to_owned(), normal_name: String::new() };
        match poll(&world, QueueKind::Activity, queue).await {
            Some(Polled::Activity(task)) => answer_activity(&world, &task).await,
            _ => give_way().await,
        }
    }
}

async fn poll(world: &Rc<World>, kind: QueueKind, queue: QueueRef) -> Option<Polled> {
    let poll = Poll {
        namespace_id: world.namespace_id().to_owned(),
        queue,
        identity: "worker".to_owned(),
        request_id: world.unique(),
        ..Poll::default()
    };
    let life = world.life();
    let mut open: OpenPoll = world.node().open_poll(kind, poll);
    for _ in 0..PATIENCE {
        if world.life() != life {
            return None;
        }
        if let Some(end) = open.take() {
            return end.ok();
        }
        give_way().await;
    }
    None
}

async fn answer_task(
    world: &Rc<World>,
    page: WorkflowTaskPage,
    sticky: &str,
    cache: &mut BTreeMap<String, Vec<HistoryEvent>>,
) {
    if world.mischief(12) {
        return; // The worker dies with the task.
    }
    for _ in 0..world.below(6) {
        give_way().await;
    }
    let Some(token) = TaskToken::from_bytes(&page.response.task_token) else {
        return world.fault(format!("a task has a token that cannot be read: {page:?}"));
    };
    let events = page.response.history.unwrap_or_default().events;
    let Some(whole) = whole_history(world, &token, events, page.next_event_id, cache) else {
        return fail_task(world, &token, WorkflowTaskFailedCause::ResetStickyTaskQueue).await;
    };
    if world.mischief(15) {
        return fail_task(world, &token, WorkflowTaskFailedCause::NonDeterministicError).await;
    }
    let (messages, mut commands) = updates::answer(world, page.response.messages);
    commands.extend(program::commands(&token.workflow_id, &whole));
    cache.insert(token.run_id.clone(), whole);
    let sticky_attributes = (world.below(2) == 0).then(|| StickyExecutionAttributes {
        worker_task_queue: Some(TaskQueue { name: sticky.to_owned(), ..TaskQueue::default() }),
        schedule_to_start_timeout: Some(Duration { seconds: 5, nanos: 0 }),
    });
    let request =
        ws::RespondWorkflowTaskCompletedRequest { commands, messages, sticky_attributes, ..Default::default() };
    let times = if world.mischief(10) { 2 } else { 1 };
    for _ in 0..times {
        let request = Request::CompleteWorkflowTask(Box::new(request.clone()), token.clone());
        ask(world, &token, request).await;
    }
}

/// The events of the run so far, if this task together with what is in the cache has all of them.
fn whole_history(
    world: &World,
    token: &TaskToken,
    events: Vec<HistoryEvent>,
    next_event_id: i64,
    cache: &BTreeMap<String, Vec<HistoryEvent>>,
) -> Option<Vec<HistoryEvent>> {
    if next_event_id != 0 {
        world.fault(format!("{}: the history of the simulation does not fit into a page", token.workflow_id));
    }
    let first = events.first()?.event_id;
    let mut whole = Vec::new();
    if first > 1 {
        whole = cache.get(&token.run_id)?.clone();
        whole.retain(|e| e.event_id < first);
    }
    whole.extend(events);
    let gapless = whole.iter().enumerate().all(|(place, e)| i64::try_from(place).is_ok_and(|p| e.event_id == p + 1));
    if !gapless && first == 1 {
        world.fault(format!("{} {}: a task's history has a gap", token.workflow_id, token.run_id));
    }
    gapless.then_some(whole)
}

async fn fail_task(world: &Rc<World>, token: &TaskToken, cause: WorkflowTaskFailedCause) {
    let request = ws::RespondWorkflowTaskFailedRequest { cause: cause.into(), ..Default::default() };
    ask(world, token, Request::FailWorkflowTask(Box::new(request), token.clone())).await;
}

async fn answer_activity(world: &Rc<World>, task: &ws::PollActivityTaskQueueResponse) {
    if world.mischief(10) {
        return;
    }
    let Some(token) = TaskToken::from_bytes(&task.task_token) else {
        return world.fault("an activity has a token that cannot be read".to_owned());
    };
    for _ in 0..world.below(8) {
        if world.below(4) == 0 {
            answer(world, &token, Outcome::Heartbeat(None)).await;
        }
        give_way().await;
    }
    let outcome = if world.mischief(5) {
        let info = FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo::default());
        let failure = ProtoFailure { failure_info: Some(info), ..ProtoFailure::default() };
        Outcome::Failed(Some(Box::new(failure)), None)
    } else {
        Outcome::Completed(None)
    };
    answer(world, &token, outcome).await;
}

async fn answer(world: &Rc<World>, token: &TaskToken, outcome: Outcome) {
    let answer = ActivityAnswer { which: Which::Token(token.clone()), identity: "worker".to_owned(), outcome };
    ask(world, token, Request::Activity(answer)).await;
}

/// Sends an answer to a task. Whatever comes back is right: the task may be over, or the server may be down.
async fn ask(world: &Rc<World>, token: &TaskToken, request: Request) {
    let run = RunRef {
        namespace_id: world.namespace_id().to_owned(),
        workflow_id: token.workflow_id.clone(),
        run_id: token.run_id.clone(),
    };
    let receiver = world.node().submit_run(run, request);
    let answer = call(world, async { receiver.await.unwrap_or(Err(Fault::Stopping.into())) });
    if let Err(Failure::Fault(Fault::Internal(what))) = answer.await {
        world.fault(format!("{}: {what}", token.workflow_id));
    }
}
