//! Environments as tests of workflows use them, with a worker of a few lines.
#![allow(clippy::unwrap_used)] // In tests a panic is the report.

/// The worker of the figures.
#[path = "../examples/figures/worker.rs"]
mod worker;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evertide_client::proto::enums::EventType;
use evertide_testing::{Error, WorkflowEnvironment};
use tokio::task::JoinSet;
use worker::{DAY, QUEUE, Task, done, month_after_month, timer, work};

const MINUTE: Duration = Duration::from_secs(60);

async fn days_passed(env: &WorkflowEnvironment, since: std::time::SystemTime) -> u64 {
    let passed = env.get_current_time().await.unwrap().duration_since(since).unwrap();
    passed.as_secs() / DAY.as_secs()
}

#[tokio::test]
async fn eight_years_pass_while_a_result_is_waited_for() {
    let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
    let _worker = work(env.client(), |task: &Task<'_>| month_after_month(task.number, 100));
    let before = env.get_current_time().await.unwrap();
    let workflow = env.client().start_workflow("W").id("w").task_queue(QUEUE).await.unwrap();
    workflow.result::<()>().await.unwrap();
    assert_eq!(days_passed(&env, before).await, 100 * 30);
    env.shutdown().await;
}

#[tokio::test]
async fn a_thousand_workflows_go_on_in_the_order_of_their_times() {
    const WORKFLOWS: usize = 1000;
    const MONTHS: usize = 3;
    let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let noted = order.clone();
    let _worker = work(env.client(), move |task: &Task<'_>| {
        let minute: u32 = task.workflow_id.parse().unwrap();
        // Each sleeps for its own minutes first.
        let Some(number) = task.number.checked_sub(1) else { return vec![timer(0, MINUTE * (minute + 1))] };
        let at = task.scheduled.map(|t| (t.seconds, t.nanos));
        noted.lock().unwrap().push((number.div_ceil(2), minute, number, at));
        month_after_month(number, MONTHS)
    });
    let mut handles = Vec::new();
    for n in 0..WORKFLOWS {
        let minute = n * 37 % WORKFLOWS; // In no order.
        handles.push(env.client().start_workflow("W").id(minute.to_string()).task_queue(QUEUE).await.unwrap());
    }
    for handle in handles {
        handle.result::<()>().await.unwrap();
    }
    let order = order.lock().unwrap();
    assert_eq!(order.len(), WORKFLOWS * (2 * MONTHS + 1));
    assert!(order.is_sorted(), "not by month, by minute and by step");
    assert!(order.is_sorted_by_key(|(.., at)| *at), "not by the clock");
}

#[tokio::test]
async fn environments_side_by_side_have_their_own_clocks() {
    let mut tests = JoinSet::new();
    for days in 1..=50_u32 {
        tests.spawn(async move {
            let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
            let _worker = work(env.client(), move |task: &Task<'_>| {
                vec![if task.number == 0 { timer(0, DAY * days) } else { done() }]
            });
            let before = env.get_current_time().await.unwrap();
            let workflow = env.client().start_workflow("W").id("w").task_queue(QUEUE).await.unwrap();
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
    let _worker =
        work(env.client(), |task: &Task<'_>| vec![if task.number == 0 { timer(0, 10 * DAY) } else { done() }]);
    let workflow = env.client().start_workflow("W").id("w").task_queue(QUEUE).await.unwrap();
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
    let _worker = work(env.client(), |_: &Task<'_>| vec![done()]);
    let before = env.get_current_time().await.unwrap();
    let start = env.client().start_workflow("W").id("w").task_queue(QUEUE).cron_schedule("0 0 * * *");
    let workflow = start.await.unwrap();
    assert_eq!(days_passed(&env, before).await, 0);
    env.sleep(3 * DAY).await.unwrap();
    assert_eq!(days_passed(&env, before).await, 3);
    workflow.terminate().await.unwrap();
}

#[tokio::test]
async fn one_workflow_is_fast_forwarded_in_the_worlds_time() {
    let env = WorkflowEnvironment::start_local().await.unwrap();
    let _worker = work(env.client(), |task: &Task<'_>| {
        vec![if task.number == 2 { done() } else { timer(task.number, 10 * DAY) }]
    });
    let workflow = env.client().start_workflow("W").id("w").task_queue(QUEUE).await.unwrap();
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
