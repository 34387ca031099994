//! Workers: they poll, answer, and now and then do what workers should not.

mod polls;
mod queries;
mod updates;

use std::collections::BTreeMap;
use std::rc::Rc;

use evertide_engine::address::Address;
use evertide_engine::reply::Reply;
use evertide_engine::token::TaskToken;
use evertide_engine::workflow::Request;
use evertide_engine::workflow::activity::{Answer as ActivityAnswer, Outcome, Which};
use evertide_proto::enums::WorkflowTaskFailedCause;
use evertide_proto::failure::failure::FailureInfo;
use evertide_proto::failure::{ApplicationFailureInfo, Failure as ProtoFailure};
use evertide_proto::history::HistoryEvent;
use evertide_proto::taskqueue::{StickyExecutionAttributes, TaskQueue};
use evertide_proto::workflowservice as ws;
use evertide_server::fault::{Failure, Fault};
use evertide_server::history::{HistoryRead, TaskHistory, WorkflowTaskPage};
use evertide_server::matching::QueueKind;
use evertide_server::node::Polled;
use evertide_server::shard::Answer;

use crate::actor::{call, give_way};
use crate::options::Sabotage;
use crate::program;
use crate::world::World;
use polls::Polls;

/// A worker of workflow tasks, for ever.
pub(crate) async fn run_workflows(world: Rc<World>, name: u64) {
    let sticky = format!("sticky-{name}");
    let mut hands = Hands::new(format!("worker-{name}"));
    let mut polls = Polls::new(&world, QueueKind::Workflow, Some(&sticky), &hands.identity);
    loop {
        match polls.look(&world) {
            Some(Polled::Workflow(page)) => {
                let _in_hand = world.take_in_hand();
                hands.answer_workflow_task(&world, *page, Some(&sticky)).await;
            }
            _ => give_way().await,
        }
        if world.mischief(100) {
            hands.cache.clear();
        }
    }
}

/// A worker of activities, for ever.
pub(crate) async fn run_activities(world: Rc<World>, name: u64) {
    let mut polls = Polls::new(&world, QueueKind::Activity, None, &format!("activities-{name}"));
    loop {
        match polls.look(&world) {
            Some(Polled::Activity(task)) => {
                let _in_hand = world.take_in_hand();
                answer_activity(&world, &task).await;
            }
            _ => give_way().await,
        }
    }
}

/// Whoever answers workflow tasks, with the histories that it has seen.
#[derive(Debug)]
pub(crate) struct Hands {
    identity: String,
    /// By run id.
    cache: BTreeMap<String, Vec<HistoryEvent>>,
}

impl Hands {
    pub(crate) fn new(identity: String) -> Self {
        Self { identity, cache: BTreeMap::new() }
    }

    /// Answers a workflow task and those that come with the answers to it, or a query that came alone.
    pub(crate) async fn answer_workflow_task(
        &mut self,
        world: &Rc<World>,
        page: WorkflowTaskPage,
        sticky: Option<&str>,
    ) {
        if page.response.query.is_some() {
            return self.answer_query_task(world, page).await;
        }
        let mut next = Some(page);
        while let Some(page) = next {
            next = match self.answer_one(world, page, sticky).await {
                Some(task) => call(world, world.node().task_page(task)).await.ok(),
                None => None,
            };
        }
    }

    /// Answers one workflow task. Returns the next one if it comes with the answer.
    async fn answer_one(
        &mut self,
        world: &Rc<World>,
        page: WorkflowTaskPage,
        sticky: Option<&str>,
    ) -> Option<TaskHistory> {
        if world.mischief(12) || world.sabotages(Sabotage::ForgetsTasks, 20) {
            return None; // The worker dies with the task.
        }
        for _ in 0..world.below(6) {
            give_way().await;
        }
        let Some(token) = TaskToken::from_bytes(&page.response.task_token) else {
            world.fault(format!("a task has a token that cannot be read: {page:?}"));
            return None;
        };
        let Some(whole) = self.whole_history(world, &token, &page).await else {
            fail_task(world, &token, WorkflowTaskFailedCause::ResetStickyTaskQueue).await;
            return None;
        };
        if world.mischief(15) {
            fail_task(world, &token, WorkflowTaskFailedCause::NonDeterministicError).await;
            return None;
        }
        let (messages, mut commands) = updates::answer(world, page.response.messages);
        commands.extend(program::commands(&token.workflow_id, &whole));
        let query_results = queries::results(world, &token.run_id, &whole, page.response.queries);
        self.cache.insert(token.run_id.clone(), whole);
        let sticky_attributes = sticky.filter(|_| world.below(2) == 0).map(|sticky| StickyExecutionAttributes {
            worker_task_queue: Some(TaskQueue { name: sticky.to_owned(), ..TaskQueue::default() }),
            schedule_to_start_timeout: program::duration(5),
        });
        let mut request = ws::RespondWorkflowTaskCompletedRequest {
            identity: self.identity.clone(),
            commands,
            messages,
            query_results,
            sticky_attributes,
            return_new_workflow_task: world.below(4) == 0,
            force_create_new_workflow_task: world.below(20) == 0,
            ..Default::default()
        };
        let answer = complete(world, &token, request.clone()).await;
        if let Err(Failure::Rejected(_)) = &answer
            && std::mem::take(&mut request.force_create_new_workflow_task)
        {
            // A paused workflow has no next task, and the worker does without.
            return self.take_answer(world, complete(world, &token, request).await).await;
        }
        if world.mischief(10) {
            complete(world, &token, request).await.ok();
        }
        self.take_answer(world, answer).await
    }

    /// Does the activities that came with an answer. Returns the workflow task that came with it.
    async fn take_answer(&mut self, world: &Rc<World>, answer: Result<Answer, Failure>) -> Option<TaskHistory> {
        let Ok(Answer { reply: Reply::TaskCompleted { activity_tasks, .. }, task, .. }) = answer else { return None };
        for activity in activity_tasks {
            world.ledger().note_done("eager activity");
            answer_activity(world, &activity).await;
        }
        if task.is_some() {
            world.ledger().note_done("inline workflow task");
        }
        task
    }

    /// The events of the run so far, if this task together with what is in the cache has all of them.
    async fn whole_history(
        &self,
        world: &Rc<World>,
        token: &TaskToken,
        page: &WorkflowTaskPage,
    ) -> Option<Vec<HistoryEvent>> {
        let mut events = page.response.history.clone().unwrap_or_default().events;
        if page.next_event_id != 0 {
            let read = HistoryRead::Forward { from_event_id: page.next_event_id, max_events: usize::MAX };
            let node = world.node();
            let rest = call(world, node.history(&run_of(token), read)).await.ok()?;
            let until = page.until_event_id;
            events.extend(rest.events.into_iter().filter(|e| e.event_id < until));
            events.extend(rest.virtual_events);
        }
        let first = events.first()?.event_id;
        let mut whole = Vec::new();
        if first > 1 {
            whole = self.cache.get(&token.run_id)?.clone();
            whole.retain(|e| e.event_id < first);
        }
        whole.extend(events);
        let is_gapless =
            whole.iter().enumerate().all(|(place, e)| i64::try_from(place).is_ok_and(|p| e.event_id == p + 1));
        if !is_gapless && first == 1 {
            world.fault(format!("{} {}: a task's history has a gap", token.workflow_id, token.run_id));
        }
        is_gapless.then_some(whole)
    }
}

fn run_of(token: &TaskToken) -> Address {
    Address { run_id: token.run_id.clone(), ..Address::workflow(&token.namespace_id, &token.workflow_id) }
}

async fn complete(
    world: &Rc<World>,
    token: &TaskToken,
    request: ws::RespondWorkflowTaskCompletedRequest,
) -> Result<Answer, Failure> {
    ask(world, token, Request::CompleteWorkflowTask(Box::new(request), token.clone())).await
}

async fn fail_task(world: &Rc<World>, token: &TaskToken, cause: WorkflowTaskFailedCause) {
    let request = ws::RespondWorkflowTaskFailedRequest { cause: cause.into(), ..Default::default() };
    ask(world, token, Request::FailWorkflowTask(Box::new(request), token.clone())).await.ok();
}

async fn answer_activity(world: &Rc<World>, task: &ws::PollActivityTaskQueueResponse) {
    if world.mischief(10) || world.sabotages(Sabotage::ForgetsTasks, 20) {
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
    ask(world, token, Request::Activity(answer)).await.ok();
}

/// Sends an answer to a task. Nearly whatever comes back is right: the task may be over, or the server may be down.
async fn ask(world: &Rc<World>, token: &TaskToken, request: Request) -> Result<Answer, Failure> {
    let receiver = world.node().submit_run(run_of(token), request);
    let answer = call(world, async { receiver.await.unwrap_or(Err(Fault::Stopping.into())) }).await;
    if let Err(Failure::Fault(Fault::Internal(what))) = &answer {
        world.fault(format!("{}: {what}", token.workflow_id));
    }
    answer
}
