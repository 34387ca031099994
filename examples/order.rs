//! An order that outlives its server.
//!
//! A worker of the official Rust SDK runs the order workflow against an embedded Evertide server on a data file. The order
//! is approved by a signal and asked for by a query, both by the definitions that the SDK's macros make; then the server
//! is stopped and started again on the same file, and the order goes on where it was.
//!
//! ```text
//! cargo run -p evertide-examples --example order
//! ```
#![allow(missing_docs)] // The SDK's macros write items of their own.

use evertide_client::temporalio::Of;
use evertide_client::{Client, WorkflowHandle};
use evertide_server::{RunningServer, Server};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use temporalio_sdk::{
    ActivityOptions, Runtime, SyncWorkflowContext, Worker, WorkerOptions, WorkflowContext, WorkflowContextView,
    WorkflowResult,
};

const TASK_QUEUE: &str = "orders";

struct Shop;

#[activities]
impl Shop {
    #[activity]
    async fn charge(_ctx: ActivityContext, item: String) -> Result<String, ActivityError> {
        Ok(format!("paid for {item}"))
    }

    #[activity]
    async fn ship(_ctx: ActivityContext, item: String) -> Result<String, ActivityError> {
        Ok(format!("shipped {item}"))
    }
}

#[workflow]
#[derive(Default)]
struct Order {
    approved_by: Option<String>,
    stage: String,
}

#[workflow_methods]
impl Order {
    #[run]
    async fn run(ctx: &mut WorkflowContext<Self>, item: String) -> WorkflowResult<String> {
        let options = || ActivityOptions::start_to_close_timeout(Duration::from_secs(10));
        ctx.state_mut(|s| s.stage = "charging".to_owned());
        let paid = ctx.execute_activity(Shop::charge, item.clone(), options()).await?;
        ctx.state_mut(|s| s.stage = "waiting for approval".to_owned());
        ctx.wait_condition(|s| s.approved_by.is_some()).await?;
        ctx.state_mut(|s| s.stage = "shipping".to_owned());
        ctx.timer(Duration::from_secs(2)).await;
        let shipped = ctx.execute_activity(Shop::ship, item, options()).await?;
        let by = ctx.state(|s| s.approved_by.clone().unwrap_or_default());
        Ok(format!("{paid}, approved by {by}, {shipped}"))
    }

    #[signal]
    fn approve(&mut self, _ctx: &mut SyncWorkflowContext<Self>, by: String) {
        self.approved_by = Some(by);
    }

    #[query]
    fn stage(&self, _ctx: &WorkflowContextView) -> String {
        self.stage.clone()
    }
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // The SDK's workers are not `Send`: they stay on the thread that runs them.
    tokio::task::LocalSet::new().block_on(&runtime, run())
}

async fn run() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("orders.db");
    // The worker reconnects by itself, so the second server listens where the first did.
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;

    let server = start(&file, address).await?;
    let worker = tokio::task::spawn_local(work(address));
    let client = Client::connect(format!("http://{address}")).await?;
    let order = client.start_workflow(Order::run).id("order-1").task_queue(TASK_QUEUE).arg("a lamp").await?;
    println!("started    {order}");
    wait_for_stage(&order, "waiting for approval").await?;
    order.signal(Order::approve).arg("Ada").await?;
    wait_for_stage(&order, "shipping").await?;

    server.shutdown().await;
    println!("stopped    the server, in the middle of the order");
    let server = start(&file, address).await?;
    println!("started    it again on the same file");

    let result = client.get_workflow_handle_for::<Of<Order>>("order-1").result().await?;
    println!("result     {result}");
    worker.abort();
    server.shutdown().await;
    Ok(())
}

async fn start(file: &Path, address: SocketAddr) -> anyhow::Result<RunningServer> {
    Ok(Server::builder().db_file(file).listen(address).start().await?)
}

/// Asks the workflow until it is at that stage.
async fn wait_for_stage(order: &WorkflowHandle<Of<Order>>, stage: &str) -> anyhow::Result<()> {
    loop {
        let now = order.query(Order::stage).await?;
        if now == stage {
            println!("asked      it is {now}");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn work(address: SocketAddr) -> anyhow::Result<()> {
    let runtime = Runtime::from_current_tokio(Default::default())?;
    let url = url::Url::parse(&format!("http://{address}"))?;
    let connection =
        temporalio_client::Connection::connect(temporalio_client::ConnectionOptions::new(url).build()).await?;
    let client = temporalio_client::Client::new(connection, temporalio_client::ClientOptions::new("default").build())?;
    let options = WorkerOptions::new(TASK_QUEUE).register_workflow::<Order>()?.register_activities(Shop).build();
    Worker::new(&runtime, client, options)?.run().await?;
    Ok(())
}
