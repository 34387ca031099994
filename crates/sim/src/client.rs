//! Clients: they start, signal, cancel, terminate and read, and write down what they were told.

use std::rc::Rc;

use evertide_engine::Rejection;
use evertide_engine::workflow::{ChainRequest, Reply, Request, UpdateSignal};
use evertide_proto::common::WorkflowExecution;
use evertide_proto::enums::{
    UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
use evertide_proto::update::outcome::Value;
use evertide_proto::update::{Input, Meta, Outcome, Request as UpdateRequest, WaitPolicy};
use evertide_proto::workflowservice as ws;
use evertide_server::fault::{Failure, Fault};
use evertide_server::history::HistoryRead;
use evertide_server::node::AnswerReceiver;
use evertide_server::shard::{Answer, RunRef, Wait};

use crate::actor::{call, give_way};
use crate::program;
use crate::world::World;

/// How many workflow ids there are at the top: few, so that requests meet.
pub(crate) const WORKFLOW_IDS: u64 = 4;
/// How often a request is repeated whose outcome is unknown.
const ATTEMPTS: usize = 8;

/// A client, until the world comes to rest.
pub(crate) async fn run(world: Rc<World>, name: u64) {
    let mut count = 0;
    while !world.resting() {
        count += 1;
        let unique = format!("{name}.{count}");
        let workflow_id = format!("w{}", world.below(WORKFLOW_IDS));
        match world.below(15) {
            0..=3 => start(&world, &workflow_id, &unique).await,
            4..=5 => signal(&world, &workflow_id, &unique).await,
            6..=7 => signal_with_start(&world, &workflow_id, &unique).await,
            8 => cancel(&world, &workflow_id, &unique).await,
            9 => terminate(&world, &workflow_id, &unique).await,
            10..=12 => update(&world, &workflow_id, &unique).await,
            _ => read(&world, &workflow_id).await,
        }
        for _ in 0..world.below(20) {
            give_way().await;
        }
    }
}

/// Sends a request until its outcome is known, as SDKs do, or gives up.
async fn until_known(world: &Rc<World>, send: impl Fn() -> AnswerReceiver) -> Option<Result<Answer, Rejection>> {
    for _ in 0..ATTEMPTS {
        let receiver = send();
        let answer = call(world, async { receiver.await.unwrap_or(Err(Fault::Stopping.into())) });
        match answer.await {
            Ok(answer) => return Some(Ok(answer)),
            Err(Failure::Rejected(rejection)) => return Some(Err(rejection)),
            Err(Failure::Fault(_)) => give_way().await,
        }
    }
    None
}

fn start_request(world: &World, workflow_id: &str, unique: &str) -> ws::StartWorkflowExecutionRequest {
    let conflict = match world.below(4) {
        0 => WorkflowIdConflictPolicy::UseExisting,
        1 => WorkflowIdConflictPolicy::TerminateExisting,
        _ => WorkflowIdConflictPolicy::Fail,
    };
    let runs_left = if world.below(4) == 0 { 2 } else { 0 };
    ws::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(program::workflow_type()),
        task_queue: program::task_queue(),
        request_id: unique.to_owned(),
        workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate.into(),
        workflow_id_conflict_policy: conflict.into(),
        input: Some(program::input(runs_left)),
        ..ws::StartWorkflowExecutionRequest::default()
    }
}

async fn start(world: &Rc<World>, workflow_id: &str, unique: &str) {
    let request = start_request(world, workflow_id, unique);
    let send = || {
        let request = ChainRequest::Start(Box::new(request.clone()));
        world.node().submit_chain(world.namespace_id(), workflow_id, request)
    };
    note_run(world, workflow_id, until_known(world, send).await);
}

fn note_run(world: &World, workflow_id: &str, outcome: Option<Result<Answer, Rejection>>) -> bool {
    let Some(Ok(Answer { reply: Reply::Started { run_id, .. }, .. })) = outcome else { return false };
    world.ledger().runs.insert((workflow_id.to_owned(), run_id));
    true
}

async fn signal(world: &Rc<World>, workflow_id: &str, unique: &str) {
    let request = ws::SignalWorkflowExecutionRequest {
        workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: String::new() }),
        signal_name: unique.to_owned(),
        request_id: unique.to_owned(),
        ..ws::SignalWorkflowExecutionRequest::default()
    };
    let send = || {
        let run = RunRef::current(world.namespace_id(), workflow_id);
        world.node().submit_run(run, Request::Signal(Box::new(request.clone())))
    };
    if let Some(Ok(_)) = until_known(world, send).await {
        world.ledger().signals.insert((workflow_id.to_owned(), unique.to_owned()));
    }
}

async fn signal_with_start(world: &Rc<World>, workflow_id: &str, unique: &str) {
    let request = ws::SignalWithStartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(program::workflow_type()),
        task_queue: program::task_queue(),
        request_id: unique.to_owned(),
        signal_name: unique.to_owned(),
        workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate.into(),
        workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting.into(),
        ..ws::SignalWithStartWorkflowExecutionRequest::default()
    };
    let send = || {
        let request = ChainRequest::SignalWithStart(Box::new(request.clone()));
        world.node().submit_chain(world.namespace_id(), workflow_id, request)
    };
    if note_run(world, workflow_id, until_known(world, send).await) {
        world.ledger().signals.insert((workflow_id.to_owned(), unique.to_owned()));
    }
}

async fn cancel(world: &Rc<World>, workflow_id: &str, unique: &str) {
    let request = ws::RequestCancelWorkflowExecutionRequest { request_id: unique.to_owned(), ..Default::default() };
    let send = || {
        let run = RunRef::current(world.namespace_id(), workflow_id);
        world.node().submit_run(run, Request::Cancel(Box::new(request.clone())))
    };
    until_known(world, send).await;
}

async fn terminate(world: &Rc<World>, workflow_id: &str, unique: &str) {
    let request = ws::TerminateWorkflowExecutionRequest { reason: unique.to_owned(), ..Default::default() };
    let send = || {
        let run = RunRef::current(world.namespace_id(), workflow_id);
        world.node().submit_run(run, Request::Terminate(Box::new(request.clone())))
    };
    // A repeat after an unknown outcome may hit the next run, which is then terminated with the same reason.
    if let Some(Ok(_)) = until_known(world, send).await {
        world.ledger().terminations.insert((workflow_id.to_owned(), unique.to_owned()));
    }
}

/// Sends an update until it is completed, refused, or the client loses patience.
async fn update(world: &Rc<World>, workflow_id: &str, unique: &str) {
    let request = ws::UpdateWorkflowExecutionRequest {
        workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: String::new() }),
        wait_policy: Some(WaitPolicy { lifecycle_stage: Stage::Completed.into() }),
        request: Some(UpdateRequest {
            meta: Some(Meta { update_id: unique.to_owned(), identity: "client".to_owned() }),
            input: Some(Input { name: "update".to_owned(), ..Input::default() }),
            ..UpdateRequest::default()
        }),
        ..ws::UpdateWorkflowExecutionRequest::default()
    };
    for _ in 0..ATTEMPTS {
        let send = || {
            let run = RunRef::current(world.namespace_id(), workflow_id);
            world.node().submit_run(run, Request::Update(Box::new(request.clone())))
        };
        let Some(Ok(Answer { reply: Reply::Update(status), wait, .. })) = until_known(world, send).await else {
            return;
        };
        note_update(world, workflow_id, unique, status.stage, status.outcome.as_ref());
        if status.outcome.is_some() {
            return;
        }
        let Some(Wait::Update(mut signals)) = wait else {
            return world.fault(format!("the update {unique} of {workflow_id} is not over, and nobody will tell"));
        };
        loop {
            match call(world, async { signals.recv().await.ok_or_else(|| Fault::Stopping.into()) }).await {
                Ok(UpdateSignal::Accepted) => note_update(world, workflow_id, unique, Stage::Accepted.into(), None),
                Ok(UpdateSignal::Completed(outcome)) => {
                    return note_update(world, workflow_id, unique, Stage::Completed.into(), Some(&outcome));
                }
                Ok(UpdateSignal::Aborted(_)) => return,
                Err(_) => break, // The server has lost it: the client sends it again.
            }
        }
    }
}

fn note_update(world: &World, workflow_id: &str, unique: &str, stage: i32, outcome: Option<&Outcome>) {
    let key = (workflow_id.to_owned(), unique.to_owned());
    match outcome.and_then(|o| o.value.as_ref()) {
        Some(Value::Success(_)) => {
            world.ledger().completed_updates.insert(key);
        }
        Some(Value::Failure(_)) => {}
        None if stage >= i32::from(Stage::Accepted) => {
            world.ledger().accepted_updates.insert(key);
        }
        None => {}
    }
}

async fn read(world: &Rc<World>, workflow_id: &str) {
    let node = world.node();
    let run = RunRef::current(world.namespace_id(), workflow_id);
    let whole = HistoryRead::Forward { from_event_id: 1, max_events: usize::MAX };
    if let Ok(page) = call(world, node.history(&run, whole)).await {
        world.ledger().see(workflow_id, &page.run_id, &page.events);
    }
}
