//! Measures what tests of workflows cost: `cargo run --release -p evertide-testing --example figures`.
//!
//! Printed are the time to start an environment, the time that a workflow takes which sleeps for thirty days a hundred
//! times with an activity after each, that of environments side by side, and that of a thousand such workflows in one
//! environment, with whether each of their sleeps ended in the order of time. Everything is in this process: server, client
//! and worker. Nothing here is a test.

#[path = "figures/worker.rs"]
mod worker;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use evertide_testing::WorkflowEnvironment;
use tokio::task::JoinSet;
use worker::{QUEUE, Task, month_after_month, timer, work};

const MINUTE: Duration = Duration::from_secs(60);
/// How often what takes milliseconds is measured.
const TIMES: usize = 51;

/// Measures environments whose time skips.
#[derive(Debug, Parser)]
struct Args {
    /// How often each workflow sleeps.
    #[arg(long, default_value_t = 100)]
    months: usize,
    /// How many environments are side by side.
    #[arg(long, default_value_t = 50)]
    environments: usize,
    /// How many workflows are in one environment in the end.
    #[arg(long, default_value_t = 1000)]
    workflows: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    starts().await?;
    one_workflow(args.months).await?;
    side_by_side(args.environments, args.months).await?;
    in_order(args.workflows, args.months).await
}

fn print(what: &str, mut lengths: Vec<Duration>) {
    lengths.sort_unstable();
    let (middle, longest) = (lengths[lengths.len() / 2], lengths[lengths.len() - 1]);
    println!("{what:<64} p50 {middle:>9.1?}, longest {longest:>9.1?}");
}

async fn starts() -> anyhow::Result<()> {
    let mut lengths = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        let env = WorkflowEnvironment::start_time_skipping().await?;
        lengths.push(began.elapsed());
        env.shutdown().await;
    }
    print("start of an environment", lengths);
    Ok(())
}

/// Each time in a new environment: no clock goes on for a hundred times eight years.
async fn one_workflow(months: usize) -> anyhow::Result<()> {
    let mut lengths = Vec::new();
    for _ in 0..TIMES {
        let env = WorkflowEnvironment::start_time_skipping().await?;
        let _worker = work(env.client(), move |task: &Task<'_>| month_after_month(task.number, months));
        let began = Instant::now();
        let workflow = env.client().start_workflow("W").id("w").task_queue(QUEUE).await?;
        workflow.result::<()>().await?;
        lengths.push(began.elapsed());
        env.shutdown().await;
    }
    print(&format!("one workflow that sleeps {months} times, with activities"), lengths);
    Ok(())
}

/// An environment of its own for each of so many workflows.
async fn side_by_side(environments: usize, months: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..environments {
        all.spawn(async move {
            let env = WorkflowEnvironment::start_time_skipping().await?;
            let _worker = work(env.client(), move |task: &Task<'_>| month_after_month(task.number, months));
            let workflow = env.client().start_workflow("W").id("w").task_queue(QUEUE).await?;
            workflow.result::<()>().await?;
            env.shutdown().await;
            anyhow::Ok(())
        });
    }
    while let Some(one) = all.join_next().await {
        one??;
    }
    println!(
        "{:<64} {:.1?}",
        format!("{environments} environments side by side, each with such a workflow"),
        began.elapsed()
    );
    Ok(())
}

/// So many workflows in one environment, each a minute apart from the next.
async fn in_order(workflows: usize, months: usize) -> anyhow::Result<()> {
    let env = WorkflowEnvironment::start_time_skipping().await?;
    let woken = Arc::new(Mutex::new(Vec::new()));
    let seen = woken.clone();
    let _worker = work(env.client(), move |task: &Task<'_>| {
        let Some(number) = task.number.checked_sub(1) else {
            let minutes = task.workflow_id.parse().unwrap_or(0);
            return vec![timer(0, MINUTE * minutes)];
        };
        let at = task.scheduled.map(|t| (t.seconds, t.nanos));
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(at);
        month_after_month(number, months)
    });
    let began = Instant::now();
    let mut handles = Vec::new();
    for n in 0..workflows {
        // In no order of time.
        let minutes = (n * 37 % workflows + 1).to_string();
        handles.push(env.client().start_workflow("W").id(minutes).task_queue(QUEUE).await?);
    }
    for workflow in handles {
        workflow.result::<()>().await?;
    }
    let length = began.elapsed();
    let woken = woken.lock().unwrap_or_else(PoisonError::into_inner);
    let order = if woken.is_sorted() { "in order" } else { "OUT OF ORDER" };
    let each = length / u32::try_from(woken.len().max(1))?;
    println!("{:<64} {length:.1?}", format!("{workflows} such workflows in one environment, each on its own minute"));
    println!("{:<64} {each:.1?}", format!("  each of their {} sleeps and activities, {order}", woken.len()));
    Ok(())
}
