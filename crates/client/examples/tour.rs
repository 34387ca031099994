//! Every capability of the client, once, against a server in this process: `cargo run --example tour`.

#[path = "tour/worker.rs"]
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use evertide_client::{
    Client, ErrorKind, EventFilter, QueryRejectCondition, ResumeToken, Transport, WaitForStage,
    WorkflowExecutionStatus, WorkflowHistory, WorkflowIdConflictPolicy, WorkflowRef, query, signal, update, workflow,
};
use evertide_server::Server;

/// The task queue of the tour's worker.
pub const QUEUE: &str = "tour";

workflow!(pub Order = "Order", () -> String, handles [Approve, Items, AddItem]);
signal!(pub Approve = "approve", (String));
query!(pub Items = "items", () -> Vec<u32>);
update!(pub AddItem = "add_item", (u32) -> u32);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = Server::builder().start().await?;
    let client = Client::connect_with(Transport::new(server.service())).await?;
    tokio::select! {
        toured = everything(&client) => toured?,
        ended = worker::run(client.clone(), QUEUE.to_owned()) => ended?,
    }
    server.shutdown().await;
    Ok(())
}

/// Goes through the whole tour.
pub async fn everything(client: &Client) -> anyhow::Result<()> {
    results(client).await?;
    messages(client).await?;
    definitions(client).await?;
    chains(client).await?;
    endings(client).await?;
    histories(client).await?;
    starts(client).await?;
    activities(client).await?;
    lists(client).await?;
    println!("The tour is over.");
    Ok(())
}

/// Starting a workflow, and waiting for its result.
async fn results(client: &Client) -> anyhow::Result<()> {
    let handle = client.start_workflow("Echo").id("echo-1").task_queue(QUEUE).arg("hello").await?;
    let echo: String = handle.result().await?;
    println!("{handle} says {echo}");

    let echo: u64 = client.execute_workflow("Echo").id("echo-2").task_queue(QUEUE).arg(&7).await?;
    anyhow::ensure!(echo == 7);

    // A handle can be stored and found again.
    let stored = serde_json::to_string(&handle.to_ref())?;
    let again = client.bind(&serde_json::from_str::<WorkflowRef>(&stored)?);
    anyhow::ensure!(again.result::<String>().timeout(Duration::from_secs(10)).await? == "hello");
    Ok(())
}

/// Signals, queries and updates by their names.
async fn messages(client: &Client) -> anyhow::Result<()> {
    let handle = client.start_workflow("Order").id("order-1").task_queue(QUEUE).await?;
    let sum: u32 = handle.execute_update("add_item").arg(&3).await?;
    anyhow::ensure!(sum == 3);

    let update = handle.start_update("add_item").arg(&4).id("second").wait_for_stage(WaitForStage::Accepted).await?;
    anyhow::ensure!(update.result::<u32>().await? == 7);
    anyhow::ensure!(handle.get_update_handle("second").result::<u32>().await? == 7);

    let refused = handle.execute_update::<u32, _>("add_item").arg(&0).await;
    let Err(error) = refused else { anyhow::bail!("an empty item was accepted") };
    println!("{error:#}");

    let items: Vec<u32> = handle.query("items").await?;
    anyhow::ensure!(items == [3, 4]);
    handle.signal("approve").arg("Ada").await?;
    anyhow::ensure!(handle.result::<String>().await? == "7 approved by Ada");

    let query = handle.query::<Vec<u32>, _>("items").reject_condition(QueryRejectCondition::NotOpen);
    let Err(error) = query.await else { anyhow::bail!("a closed workflow was queried") };
    println!("{error:#}");
    Ok(())
}

/// The same by definitions, which the compiler checks.
async fn definitions(client: &Client) -> anyhow::Result<()> {
    let handle = client.start_workflow(Order).id("order-2").task_queue(QUEUE).await?;
    let sum = handle.execute_update(AddItem).arg(&5).await?;
    let items = handle.query(Items).await?;
    handle.signal(Approve).arg("Grace").await?;
    let receipt = handle.result().await?;
    println!("{items:?} make {sum}: {receipt}");
    Ok(())
}

/// Workflows that hand over to another run.
async fn chains(client: &Client) -> anyhow::Result<()> {
    let handle = client.start_workflow("Countdown").id("countdown").task_queue(QUEUE).arg(&2).await?;
    anyhow::ensure!(handle.result::<String>().await? == "liftoff");
    let alone = handle.result::<String>().follow_runs(false).await;
    match alone.as_ref().map_err(evertide_client::Error::kind) {
        Err(ErrorKind::WorkflowContinuedAsNew { new_run_id }) => println!("the first run continued as {new_run_id}"),
        other => anyhow::bail!("{other:?}"),
    }
    Ok(())
}

/// Failures, cancellations and terminations.
async fn endings(client: &Client) -> anyhow::Result<()> {
    let failed = client.execute_workflow::<(), _>("Fail").id("fail").task_queue(QUEUE).await;
    let Err(error) = failed else { anyhow::bail!("the workflow did not fail") };
    if let ErrorKind::WorkflowFailed(failure) = error.kind() {
        println!("{} ({:?}): {:?}", failure.message(), failure.type_name(), error.details());
    }

    let cancelled = client.start_workflow(Order).id("order-3").task_queue(QUEUE).await?;
    cancelled.cancel().reason("changed my mind").await?;
    let Err(error) = cancelled.result().await else { anyhow::bail!("the order was not cancelled") };
    anyhow::ensure!(error.failure().is_some_and(evertide_client::Failure::is_cancelled));

    let terminated = client.start_workflow(Order).id("order-4").task_queue(QUEUE).await?;
    terminated.terminate().reason("too old").detail("since 1999").await?;
    let Err(error) = terminated.result().await else { anyhow::bail!("the order was not terminated") };
    println!("{error:#}");
    Ok(())
}

/// Histories: whole, as a stream that can be resumed, and as JSON.
async fn histories(client: &Client) -> anyhow::Result<()> {
    let handle = client.get_workflow_handle("order-1");
    let history = handle.fetch_history().await?;
    let json = history.to_json()?;
    anyhow::ensure!(WorkflowHistory::from_json("order-1", &json)? == history);

    let mut events = handle.fetch_history_events().page_size(2);
    let first = events.next().await.ok_or_else(|| anyhow::anyhow!("an empty history"))??;
    let stored = first.resume_token.to_bytes();
    let mut rest = handle.fetch_history_events().page_size(2).resume(ResumeToken::from_bytes(&stored)?);
    let mut count = 1;
    while let Some(event) = rest.next().await {
        count += 1;
        anyhow::ensure!(event?.event_id == count);
    }
    anyhow::ensure!(count == history.events.len() as i64);

    let mut closing = handle.fetch_history_events().event_filter_type(EventFilter::CloseEvent).wait_new_event(true);
    anyhow::ensure!(closing.next().await.is_some());
    Ok(())
}

/// Starts with options, with a signal, with an update; and what is known about a run.
async fn starts(client: &Client) -> anyhow::Result<()> {
    let start = client.start_workflow("Order").id("order-5").task_queue(QUEUE).memo("note", "with a ribbon");
    let handle = start.static_summary("a gift").run_timeout(Duration::from_secs(3600)).await?;
    let description = handle.describe().await?;
    anyhow::ensure!(description.status() == Some(WorkflowExecutionStatus::Running));
    anyhow::ensure!(description.memo_value::<String>("note").await?.as_deref() == Some("with a ribbon"));
    anyhow::ensure!(description.static_summary().await?.as_deref() == Some("a gift"));

    let again = client.start_workflow("Order").id("order-5").task_queue(QUEUE).await;
    match again.as_ref().map_err(evertide_client::Error::kind) {
        Err(ErrorKind::WorkflowAlreadyStarted { run_id, .. }) => println!("order-5 runs as {run_id:?}"),
        other => anyhow::bail!("{other:?}"),
    }

    let signalled = client.start_workflow("Order").id("order-5").task_queue(QUEUE);
    let signalled = signalled.start_signal("approve").start_signal_arg("Alan").await?;
    anyhow::ensure!(signalled.result_run_id() == handle.result_run_id());
    anyhow::ensure!(handle.result::<String>().await? == "0 approved by Alan");

    let cart = client.with_start_workflow(Order).id("order-6").task_queue(QUEUE);
    let cart = Arc::new(cart.id_conflict_policy(WorkflowIdConflictPolicy::UseExisting));
    let sum = client.execute_update_with_start_workflow(AddItem, &cart).arg(&9).await?;
    anyhow::ensure!(sum == 9);
    cart.workflow_handle().await?.signal(Approve).arg("Edsger").await?;
    anyhow::ensure!(cart.workflow_handle().await?.result().await? == "9 approved by Edsger");
    Ok(())
}

/// An activity that is reported on from outside.
async fn activities(client: &Client) -> anyhow::Result<()> {
    let paid = client.start_workflow("Charge").id("charge-1").task_queue(QUEUE).await?;
    let task = worker::next_activity(client, QUEUE).await?;
    let activity = client.get_async_activity_handle_for_token(task.task_token);
    activity.heartbeat().detail("dialling").await?;
    activity.complete("paid").await?;
    anyhow::ensure!(paid.result::<String>().await? == "paid");

    let broke = client.start_workflow("Charge").id("charge-2").task_queue(QUEUE).await?;
    worker::next_activity(client, QUEUE).await?;
    let activity = client.get_async_activity_handle("charge-2", "charge");
    activity.fail(evertide_client::Failure::application("no money").with_type("NoMoney")).await?;
    let Err(error) = broke.result::<String>().await else { anyhow::bail!("nobody has that much money") };
    println!("{error:#}");
    Ok(())
}

/// Lists and counts.
async fn lists(client: &Client) -> anyhow::Result<()> {
    let mut orders = client.list_workflows("WorkflowType = 'Order' AND ExecutionStatus = 'Completed'").limit(10);
    while let Some(order) = orders.next().await {
        let order = order?;
        println!("{} took {:?} events", order.id(), order.history_length());
    }
    let count = client.count_workflows("GROUP BY ExecutionStatus").await?;
    for group in &count.groups {
        println!("{}: {}", group.value::<String>(0)?, group.count);
    }
    Ok(())
}
