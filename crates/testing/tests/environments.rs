//! Environments as tests of workflows use them, with a worker of a few lines.
#![allow(clippy::unwrap_used)] // In tests a panic is the report.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evertide_client::Client;
use evertide_client::proto::command::command::Attributes;
use evertide_client::proto::command::{
    Command, CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
    StartTimerCommandAttributes,
};
use evertide_client::proto::common::ActivityType;
use evertide_client::proto::enums::EventType;
use evertide_client::proto::taskqueue::TaskQueue;
use evertide_client::proto::workflowservice::{
    PollActivityTaskQueueRequest, PollWorkflowTaskQueueRequest, RespondActivityTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
};
use evertide_testing::{Error, WorkflowEnvironment};
use tokio::task::JoinSet;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: "q".to_owned(), ..TaskQueue::default() })
}

fn command(attributes: impl Into<Attributes>) -> Command {
    let attributes = attributes.into();
    Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() }
}

fn timer(id: usize, length: Duration) -> Command {
    let length = length.try_into().unwrap();
    command(StartTimerCommandAttributes { timer_id: id.to_string(), start_to_fire_timeout: Some(length) })
}

fn activity(id: usize) -> Command {
    command(ScheduleActivityTaskCommandAttributes {
        activity_id: id.to_string(),
        activity_type: Some(ActivityType { name: "act".to_owned() }),
        task_queue: queue(),
        start_to_close_timeout: Some(Duration::from_secs(60).try_into().unwrap()),
        ..ScheduleActivityTaskCommandAttributes::default()
    })
}

fn done() -> Command {
    command(CompleteWorkflowExecutionCommandAttributes::default())
}

/// A worker, until it is dropped: `decide` gets the workflow id and which of its tasks it is, from 0.
fn work(client: &Client, decide: impl Fn(&str, usize) -> Vec<Command> + Send + Sync + 'static) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let (decide, seen) = (Arc::new(decide), Arc::new(Mutex::new(BTreeMap::<String, usize>::new())));
    for _ in 0..2 {
        let (client, decide, seen) = (client.clone(), decide.clone(), seen.clone());
        tasks.spawn(async move { while workflow_task(&client, &*decide, &seen).await.is_ok() {} });
    }
    let client = client.clone();
    tasks.spawn(async move { while activity_task(&client).await.is_ok() {} });
    tasks
}

async fn workflow_task(
    client: &Client,
    decide: &(dyn Fn(&str, usize) -> Vec<Command> + Send + Sync),
    seen: &Mutex<BTreeMap<String, usize>>,
) -> evertide_client::Result<()> {
    let namespace = || client.namespace().to_owned();
    let poll = PollWorkflowTaskQueueRequest {
        namespace: namespace(),
        task_queue: queue(),
        ..PollWorkflowTaskQueueRequest::default()
    };
    let task = client.call(poll).await?;
    let Some(execution) = task.workflow_execution else {
        tokio::task::yield_now().await; // A server that stops has no tasks, and says so at once.
        return Ok(());
    };
    let place = {
        let mut seen = seen.lock().unwrap();
        let count = seen.entry(execution.run_id).or_default();
        *count += 1;
        *count - 1
    };
    let answer = RespondWorkflowTaskCompletedRequest {
        namespace: namespace(),
        task_token: task.task_token,
        commands: decide(&execution.workflow_id, place),
        ..RespondWorkflowTaskCompletedRequest::default()
    };
    client.call(answer).await.map(drop)
}

async fn activity_task(client: &Client) -> evertide_client::Result<()> {
    let namespace = || client.namespace().to_owned();
    let poll = PollActivityTaskQueueRequest {
        namespace: namespace(),
        task_queue: queue(),
        ..PollActivityTaskQueueRequest::default()
    };
    let task = client.call(poll).await?;
    if task.task_token.is_empty() {
        tokio::task::yield_now().await;
        return Ok(());
    }
    let answer = RespondActivityTaskCompletedRequest {
        namespace: namespace(),
        task_token: task.task_token,
        ..RespondActivityTaskCompletedRequest::default()
    };
    client.call(answer).await.map(drop)
}

async fn days_passed(env: &WorkflowEnvironment, since: std::time::SystemTime) -> u64 {
    let passed = env.get_current_time().await.unwrap().duration_since(since).unwrap();
    passed.as_secs() / DAY.as_secs()
}

/// Sleeps for thirty days and runs an activity, a hundred times.
fn month_after_month(_workflow_id: &str, task: usize) -> Vec<Command> {
    match task {
        200 => vec![done()],
        task if task % 2 == 0 => vec![timer(task, 30 * DAY)],
        task => vec![activity(task)],
    }
}

#[tokio::test]
async fn eight_years_pass_while_a_result_is_waited_for() {
    let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
    let _worker = work(env.client(), month_after_month);
    let before = env.get_current_time().await.unwrap();
    let workflow = env.client().start_workflow("W").id("w").task_queue("q").await.unwrap();
    workflow.result::<()>().await.unwrap();
    assert_eq!(days_passed(&env, before).await, 100 * 30);
    env.shutdown().await;
}

#[tokio::test]
async fn timers_of_many_workflows_fire_in_the_order_of_their_times() {
    const WORKFLOWS: usize = 200;
    let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let noted = order.clone();
    let _worker = work(env.client(), move |id, task| {
        let day: u32 = id.parse().unwrap();
        if task == 0 {
            return vec![timer(0, DAY * (day + 1))];
        }
        noted.lock().unwrap().push(day);
        vec![done()]
    });
    let mut handles = Vec::new();
    for n in 0..WORKFLOWS {
        let day = n * 37 % WORKFLOWS; // In no order.
        handles.push(env.client().start_workflow("W").id(day.to_string()).task_queue("q").await.unwrap());
    }
    for handle in handles {
        handle.result::<()>().await.unwrap();
    }
    let order = order.lock().unwrap();
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(order.len(), WORKFLOWS);
}

#[tokio::test]
async fn environments_side_by_side_have_their_own_clocks() {
    let mut tests = JoinSet::new();
    for days in 1..=50_u32 {
        tests.spawn(async move {
            let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
            let _worker =
                work(env.client(), move |_, task| vec![if task == 0 { timer(0, DAY * days) } else { done() }]);
            let before = env.get_current_time().await.unwrap();
            let workflow = env.client().start_workflow("W").id("w").task_queue("q").await.unwrap();
            workflow.result::<()>().await.unwrap();
            assert_eq!(days_passed(&env, before).await, u64::from(days));
        });
    }
    tests.join_all().await;
}

#[tokio::test]
async fn time_goes_as_far_as_a_test_sleeps() {
    let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
    let before = env.get_current_time().await.unwrap();
    let _worker = work(env.client(), |_, task| vec![if task == 0 { timer(0, 10 * DAY) } else { done() }]);
    let workflow = env.client().start_workflow("W").id("w").task_queue("q").await.unwrap();
    env.sleep(9 * DAY).await.unwrap();
    assert!(workflow.describe().await.unwrap().close_time().is_none());
    env.sleep(2 * DAY).await.unwrap();
    assert_eq!(days_passed(&env, before).await, 11);
    let _locked = env.auto_time_skipping_disabled();
    workflow.result::<()>().await.unwrap();
    assert_eq!(days_passed(&env, before).await, 11);
}

#[tokio::test]
async fn a_schedule_without_end_spins_no_clock_while_nobody_waits() {
    let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
    let _worker = work(env.client(), |_, _| vec![done()]);
    let before = env.get_current_time().await.unwrap();
    let start = env.client().start_workflow("W").id("w").task_queue("q").cron_schedule("0 0 * * *");
    let workflow = start.await.unwrap();
    assert_eq!(days_passed(&env, before).await, 0);
    env.sleep(3 * DAY).await.unwrap();
    assert_eq!(days_passed(&env, before).await, 3);
    workflow.terminate().await.unwrap();
}

#[tokio::test]
async fn one_workflow_is_fast_forwarded_in_the_worlds_time() {
    let env = WorkflowEnvironment::start_local().await.unwrap();
    let _worker = work(env.client(), |_, task| vec![if task == 2 { done() } else { timer(task, 10 * DAY) }]);
    let workflow = env.client().start_workflow("W").id("w").task_queue("q").await.unwrap();
    let before = env.get_current_time().await.unwrap();
    let mut events = workflow.fetch_history_events().wait_new_event(true);
    while events.next().await.unwrap().unwrap().event.event_type() != EventType::TimerStarted {}
    env.fast_forward(&workflow, 15 * DAY).await.unwrap();
    let history = workflow.fetch_history().await.unwrap();
    let fired = history.events.iter().filter(|e| e.event_type() == EventType::TimerFired).count();
    assert_eq!(fired, 1);
    env.skip_time_of(&workflow).await.unwrap();
    workflow.result::<()>().await.unwrap();
    assert_eq!(days_passed(&env, before).await, 0, "the world's time did not skip");
    let ended = env.fast_forward(&workflow, DAY).await.unwrap_err();
    assert!(matches!(ended, Error::Client(error) if error.is_not_found()));
}
