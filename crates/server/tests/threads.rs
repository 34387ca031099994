//! The node with its threads: many callers at once, with and without memory to spare.
#![allow(clippy::unwrap_used)] // In tests a panic is the report.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evertide_engine::address::Address;
use evertide_engine::task_queue::QueueRef;
use evertide_engine::token::TaskToken;
use evertide_engine::workflow::activity::{Answer as ActivityAnswer, Outcome, Which};
use evertide_engine::workflow::{ChainRequest, Request};
use evertide_proto::command::command::Attributes as CommandAttributes;
use evertide_proto::command::{
    Command, CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
};
use evertide_proto::common::{ActivityType, WorkflowType};
use evertide_proto::enums::EventType;
use evertide_proto::prost_types::Duration as ProtoDuration;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflowservice as ws;
use evertide_server::clock::SystemClock;
use evertide_server::fault::Failure;
use evertide_server::history::{HistoryRead, HistoryWait, WorkflowTaskPage};
use evertide_server::matching::Poll;
use evertide_server::node::{Node, NodeOptions, Polled};
use evertide_store::{MemoryStore, Store};
use tokio::time::Instant;

const WORKFLOWS: usize = 300;
const WORKERS: usize = 8;
/// Long enough for any machine; only a lost wake-up takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: "queue".to_owned(), ..TaskQueue::default() })
}

fn poll(node: &Node, number: &AtomicU64) -> Poll {
    Poll {
        namespace_id: namespace_id(node),
        queue: QueueRef { name: "queue".to_owned(), normal_name: String::new() },
        request_id: number.fetch_add(1, Ordering::Relaxed).to_string(),
        ..Poll::default()
    }
}

fn namespace_id(node: &Node) -> String {
    node.namespaces().named("default").unwrap().id.clone()
}

fn command(attributes: impl Into<CommandAttributes>) -> Command {
    let attributes = attributes.into();
    Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() }
}

/// One activity, then the end.
fn next_command(task: &WorkflowTaskPage) -> Command {
    let events = &task.response.history.as_ref().unwrap().events;
    if events.iter().any(|e| e.event_type() == EventType::ActivityTaskCompleted) {
        return command(CompleteWorkflowExecutionCommandAttributes::default());
    }
    command(ScheduleActivityTaskCommandAttributes {
        activity_id: "a".to_owned(),
        activity_type: Some(ActivityType { name: "type".to_owned() }),
        task_queue: queue(),
        start_to_close_timeout: Some(ProtoDuration { seconds: 60, nanos: 0 }),
        ..ScheduleActivityTaskCommandAttributes::default()
    })
}

fn run_of(token: &TaskToken) -> Address {
    Address { run_id: token.run_id.clone(), ..Address::workflow(&token.namespace_id, &token.workflow_id) }
}

async fn work_on_workflows(node: Node, number: Arc<AtomicU64>) {
    loop {
        let until = Instant::now() + Duration::from_secs(1);
        let Ok(Polled::Workflow(task)) = node.poll_workflow_task(poll(&node, &number), until).await else { continue };
        let token = TaskToken::from_bytes(&task.response.task_token).unwrap();
        let request = ws::RespondWorkflowTaskCompletedRequest {
            commands: vec![next_command(&task)],
            ..ws::RespondWorkflowTaskCompletedRequest::default()
        };
        node.run(run_of(&token), Request::CompleteWorkflowTask(Box::new(request), token)).await.unwrap();
    }
}

async fn work_on_activities(node: Node, number: Arc<AtomicU64>) {
    loop {
        let until = Instant::now() + Duration::from_secs(1);
        let Ok(Polled::Activity(task)) = node.poll_activity_task(poll(&node, &number), until).await else { continue };
        let token = TaskToken::from_bytes(&task.task_token).unwrap();
        let run = run_of(&token);
        let which = Which::Token(token);
        let answer = ActivityAnswer { which, identity: String::new(), outcome: Outcome::Completed(None) };
        node.run(run, Request::Activity(answer)).await.unwrap();
    }
}

fn start_request(workflow_id: &str) -> ChainRequest {
    ChainRequest::Start(Box::new(ws::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType { name: "type".to_owned() }),
        task_queue: queue(),
        request_id: workflow_id.to_owned(),
        ..ws::StartWorkflowExecutionRequest::default()
    }))
}

/// Starts a workflow, waits for its end as a client does, and checks its history.
async fn see_through(node: Node, workflow_id: String) -> Result<(), Failure> {
    let namespace_id = namespace_id(&node);
    node.chain(&namespace_id, &workflow_id, start_request(&workflow_id)).await?;
    let run = Address::workflow(namespace_id, workflow_id);
    loop {
        node.wait_for_history(&run, HistoryWait::Close, Instant::now() + Duration::from_secs(5)).await?;
        let page = node.history(&run, HistoryRead::Forward { from_event_id: 1, max_events: 100 }).await?;
        if !page.running {
            let ids: Vec<_> = page.events.iter().map(|e| e.event_id).collect();
            assert_eq!(ids, (1..=11).collect::<Vec<_>>());
            return Ok(());
        }
    }
}

async fn all_workflows_end(cache_bytes: usize) {
    let options = NodeOptions { seed: Some(1), cache_bytes, ..NodeOptions::default() };
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let node = Node::open(store, Arc::new(SystemClock::default()), options).unwrap();
    let number = Arc::new(AtomicU64::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..WORKERS {
        workers.spawn(work_on_workflows(node.clone(), number.clone()));
        workers.spawn(work_on_activities(node.clone(), number.clone()));
    }
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..WORKFLOWS {
        clients.spawn(see_through(node.clone(), format!("w{n}")));
    }
    let everything = async {
        while let Some(done) = clients.join_next().await {
            done.unwrap().unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, everything).await.expect("every workflow ends");
    // They must be gone before the node is: polls of a stopped node wait for nothing, so that they could not be ended.
    workers.shutdown().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_workflows_at_once_all_end() {
    all_workflows_end(1 << 28).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn they_end_with_hardly_any_memory_as_well() {
    all_workflows_end(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_poll_whose_time_is_up_gets_the_task_that_is_being_started_for_it() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let options = NodeOptions { threads: 0, ..NodeOptions::default() };
    let node = Node::open(store, Arc::new(SystemClock::default()), options).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let number = AtomicU64::new(0);
    let polling = node.poll_workflow_task(poll(&node, &number), until);
    let starting = async {
        tokio::time::sleep_until(until - Duration::from_millis(100)).await;
        drop(node.submit_chain(&namespace_id(&node), "w", start_request("w")));
        while node.work_step(0) {}
        tokio::time::sleep_until(until + Duration::from_millis(200)).await; // As long as a slow disk takes.
        while node.commit_step() {}
    };
    let (polled, ()) = tokio::join!(polling, starting);
    assert!(matches!(polled, Ok(Polled::Workflow(_))), "{polled:?}");
}

#[tokio::test]
async fn a_stopped_node_answers_everybody() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let node = Node::open(store, Arc::new(SystemClock::default()), NodeOptions::default()).unwrap();
    let number = AtomicU64::new(0);
    let far = Instant::now() + Duration::from_secs(3600);
    let waiting = node.poll_workflow_task(poll(&node, &number), far);
    let (polled, ()) = tokio::join!(waiting, node.stop());
    assert!(matches!(polled, Ok(Polled::Empty)), "{polled:?}");
    let late = see_through(node, "w".to_owned()).await;
    assert!(matches!(late, Err(Failure::Fault(_))), "{late:?}");
}
