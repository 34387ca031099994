//! Definitions of the official SDK as names. The impls below are what its macros write.

use evertide_client::temporalio::Of;
use evertide_client::temporalio::common::{
    HasWorkflowDefinition, QueryDefinition, SignalDefinition, UpdateDefinition, WorkflowDefinition,
};
use evertide_client::{Client, ErrorKind, Transport, WaitForStage, WorkflowHandle, WorkflowIdConflictPolicy};
use evertide_server::Server;

use super::tour::{self, QUEUE};

/// The struct that has `#[workflow]`.
struct Order;

#[expect(non_upper_case_globals, reason = "the macros name constants as the methods that they stand for")]
impl Order {
    const run: order::Run = order::Run;
    const approve: order::Approve = order::Approve;
    const items: order::Items = order::Items;
    const add_item: order::AddItem = order::AddItem;
}

mod order {
    pub(super) struct Run;
    pub(super) struct Approve;
    pub(super) struct Items;
    pub(super) struct AddItem;
}

impl WorkflowDefinition for order::Run {
    type Input = ();
    type Output = String;
    fn name(&self) -> &str {
        "Order"
    }
}

impl HasWorkflowDefinition for order::Run {
    type Run = Self;
}

impl WorkflowDefinition for Order {
    type Input = ();
    type Output = String;
    fn name(&self) -> &str {
        "Order"
    }
}

impl HasWorkflowDefinition for Order {
    type Run = order::Run;
}

impl SignalDefinition for order::Approve {
    type Workflow = order::Run;
    type Input = String;
    fn name(&self) -> &str {
        "approve"
    }
}

impl QueryDefinition for order::Items {
    type Workflow = order::Run;
    type Input = ();
    type Output = Vec<u32>;
    fn name(&self) -> &str {
        "items"
    }
}

impl UpdateDefinition for order::AddItem {
    type Workflow = order::Run;
    type Input = u32;
    type Output = u32;
    fn name(&self) -> &str {
        "add_item"
    }
}

/// Runs a test with the tour's worker beside it.
async fn with_a_worker(test: impl AsyncFnOnce(Client)) {
    let server = Server::builder().start().await.unwrap();
    let client = Client::connect_with(Transport::new(server.service())).await.unwrap();
    tokio::select! {
        () = test(client.clone()) => {}
        ended = tour::worker::run(client, QUEUE.to_owned()) => panic!("the worker gave up: {ended:?}"),
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_workflow_of_the_sdk_is_driven_by_its_definitions() {
    with_a_worker(async |client| {
        let order = client.start_workflow(Order::run).id("order").task_queue(QUEUE).await.unwrap();
        let first = order.start_update(Order::add_item).arg(&3).id("first").wait_for_stage(WaitForStage::Accepted);
        assert_eq!(first.await.unwrap().result().await.unwrap(), 3_u32);
        assert_eq!(order.get_update_handle_for(Order::add_item, "first").result().await.unwrap(), 3_u32);
        assert_eq!(order.execute_update(Order::add_item).arg(&4).await.unwrap(), 7_u32);
        assert_eq!(order.query(Order::items).await.unwrap(), vec![3_u32, 4]);

        let again: WorkflowHandle<Of<Order>> = client.get_workflow_handle_for::<Of<Order>>("order");
        again.signal(Order::approve).arg("Ada").await.unwrap();
        assert_eq!(order.result().await.unwrap(), "7 approved by Ada");
        assert_eq!(again.query(Order::items).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn definitions_go_with_starts_of_both_kinds_and_with_handles_without_a_type() {
    with_a_worker(async |client| {
        let cart = client.with_start_workflow(Order::run).id("cart").task_queue(QUEUE);
        let cart = cart.id_conflict_policy(WorkflowIdConflictPolicy::Fail).into();
        let sum: u32 = client.execute_update_with_start_workflow(Order::add_item, &cart).arg(&9).await.unwrap();
        assert_eq!(sum, 9);

        let untyped = client.get_workflow_handle("cart");
        untyped.signal(Order::approve).arg(&"Grace".to_owned()).await.unwrap();
        assert_eq!(cart.workflow_handle().await.unwrap().result().await.unwrap(), "9 approved by Grace");

        let quick = client.execute_workflow(Order::run).id("quick").task_queue(QUEUE);
        let cancelled = tokio::join!(quick.into_future(), async {
            while client.get_workflow_handle("quick").cancel().await.is_err_and(|error| error.is_not_found()) {
                tokio::task::yield_now().await;
            }
        });
        assert!(cancelled.0.unwrap_err().failure().unwrap().is_cancelled());
    })
    .await;
}

#[tokio::test]
async fn a_missing_argument_and_one_too_many_are_refused() {
    with_a_worker(async |client| {
        let order = client.get_workflow_handle_for::<Of<Order>>("nobody");
        let missing = order.signal(Order::approve).await.unwrap_err();
        assert!(matches!(missing.kind(), ErrorKind::InvalidArgument(why) if why.contains("String")), "{missing:?}");
        let twice = order.execute_update(Order::add_item).arg(&1).arg(&2).await.unwrap_err();
        assert!(matches!(twice.kind(), ErrorKind::InvalidArgument(_)), "{twice:?}");
    })
    .await;
}
