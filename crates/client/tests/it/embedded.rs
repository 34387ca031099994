//! The client against the real server, in process and through a socket.

use std::time::Duration;

use evertide_client::proto::common::Payload;
use evertide_client::proto::enums::{EventType, IndexedValueType};
use evertide_client::proto::errordetails::NotFoundFailure;
use evertide_client::proto::operatorservice::AddSearchAttributesRequest;
use evertide_client::{
    Client, Code, CodecContext, CodecFuture, Connect, ErrorKind, PayloadCodec, QueryRejectCondition,
    SearchAttributeKey, SearchAttributes, Transport, WaitForStage, WorkflowExecutionStatus, WorkflowIdConflictPolicy,
};
use evertide_server::{RunningServer, Server};

use super::tour::{self, QUEUE};

const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("Customer");

/// Runs a test with a worker beside it, in process and through a socket. The worker never ends by itself, so its end is
/// an error that must not turn into a wait.
async fn on_both<T: AsyncFn(Client)>(test: T) {
    for socket in [false, true] {
        let server = server().await;
        let client = connect(&server, socket).await.unwrap();
        tokio::select! {
            () = test(client.clone()) => {}
            ended = tour::worker::run(client, QUEUE.to_owned()) => panic!("the worker gave up: {ended:?}"),
        }
        server.shutdown().await;
    }
}

async fn server() -> RunningServer {
    Server::builder().listen(([127, 0, 0, 1], 0).into()).start().await.unwrap()
}

fn connect(server: &RunningServer, socket: bool) -> Connect {
    match socket {
        true => Client::connect(server.local_addr().unwrap().to_string()),
        false => Client::connect_with(Transport::new(server.service())),
    }
}

#[tokio::test]
async fn the_tour_works() {
    on_both(async |client| tour::everything(&client).await.unwrap()).await;
}

#[tokio::test]
async fn a_handle_of_a_start_reaches_the_run_that_took_over() {
    on_both(async |client| {
        let handle = client.start_workflow("Relay").id("relay").task_queue(QUEUE).await.unwrap();
        handle.signal("approve").arg("next").await.unwrap();
        let alone = handle.result::<String>().follow_runs(false).await.unwrap_err();
        let ErrorKind::WorkflowContinuedAsNew { new_run_id } = alone.kind() else { panic!("{alone:?}") };
        assert_eq!(handle.describe().await.unwrap().run_id(), new_run_id);
        let pinned = client.get_workflow_handle("relay").with_run_id(handle.result_run_id().unwrap());
        assert_eq!(pinned.describe().await.unwrap().status(), Some(WorkflowExecutionStatus::ContinuedAsNew));
        assert!(pinned.signal("approve").arg("nobody").await.unwrap_err().is_not_found());

        handle.signal("approve").arg("Ada").await.unwrap();
        assert_eq!(handle.result::<String>().await.unwrap(), "Ada", "the result is reached from the first run");
        assert_eq!(client.get_workflow_handle("relay").result::<String>().await.unwrap(), "Ada");
    })
    .await;
}

#[tokio::test]
async fn the_first_run_of_the_chain_guards_what_ends_a_workflow() {
    on_both(async |client| {
        let handle = client.start_workflow("Order").id("guarded").task_queue(QUEUE).await.unwrap();
        let other = handle.clone().with_first_execution_run_id("01a204e3-0000-7000-8000-000000000000");
        assert!(other.cancel().await.unwrap_err().is_not_found());
        assert!(other.terminate().await.unwrap_err().is_not_found());
        assert!(other.execute_update::<u32, _>("add_item").arg(&1).await.unwrap_err().is_not_found());
        other.signal("something").await.unwrap();
        handle.terminate().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_closed_workflow_can_be_asked_and_not_be_changed() {
    on_both(async |client| {
        let handle = client.start_workflow("Order").id("closed").task_queue(QUEUE).await.unwrap();
        handle.execute_update::<u32, _>("add_item").arg(&2).id("u").await.unwrap();
        handle.signal("approve").arg("Ada").await.unwrap();
        assert_eq!(handle.result::<String>().await.unwrap(), "2 approved by Ada");

        handle.cancel().await.unwrap();
        assert!(handle.terminate().await.unwrap_err().is_not_found());
        assert!(handle.signal("approve").arg("Bob").await.unwrap_err().is_not_found());
        assert!(handle.execute_update::<u32, _>("add_item").arg(&1).await.unwrap_err().is_not_found());
        assert_eq!(handle.query::<Vec<u32>, _>("items").await.unwrap(), [2]);
        assert_eq!(handle.get_update_handle("u").result::<u32>().await.unwrap(), 2);
        let rejected = handle.query::<(), _>("items").reject_condition(QueryRejectCondition::NotOpen).await;
        let completed = Some(WorkflowExecutionStatus::Completed);
        assert!(matches!(rejected.unwrap_err().kind(), ErrorKind::QueryRejected { status } if *status == completed));
        assert_eq!(handle.describe().await.unwrap().status(), completed);
    })
    .await;
}

#[tokio::test]
async fn a_workflow_that_is_not_there_is_not_found() {
    on_both(async |client| {
        let handle = client.get_workflow_handle("nobody");
        let errors = [
            handle.describe().await.map(drop).unwrap_err(),
            handle.signal("s").await.unwrap_err(),
            handle.cancel().await.unwrap_err(),
            handle.terminate().await.unwrap_err(),
            handle.query::<(), _>("q").await.unwrap_err(),
            handle.execute_update::<(), _>("u").await.unwrap_err(),
            handle.get_update_handle("u").result::<()>().await.unwrap_err(),
            handle.result::<()>().await.unwrap_err(),
            handle.fetch_history().await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error.kind(), ErrorKind::Rpc) && error.is_not_found(), "{error:?}");
            assert!(error.detail::<NotFoundFailure>().is_some(), "{error:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_query_without_a_handler_fails() {
    on_both(async |client| {
        let handle = client.start_workflow("Order").id("asked").task_queue(QUEUE).await.unwrap();
        let error = handle.query::<(), _>("nothing").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::QueryFailed { message, .. } if message == "no query nothing"));
        assert_eq!(error.code(), Some(Code::InvalidArgument));
    })
    .await;
}

#[tokio::test]
async fn a_start_that_is_sent_twice_is_one_start() {
    on_both(async |client| {
        let start = || client.start_workflow("Order").id("twice").task_queue(QUEUE).request_id("the-same");
        let (first, second) = (start().await.unwrap(), start().await.unwrap());
        assert_eq!(first, second);
        let other = client.start_workflow("Order").id("twice").task_queue(QUEUE).await.unwrap_err();
        let ErrorKind::WorkflowAlreadyStarted { run_id, .. } = other.kind() else { panic!("{other:?}") };
        assert_eq!(run_id.as_deref(), first.result_run_id());
        let joined = client.start_workflow("Order").id("twice").task_queue(QUEUE);
        let joined = joined.id_conflict_policy(WorkflowIdConflictPolicy::UseExisting).await.unwrap();
        assert_eq!(joined.result_run_id(), first.result_run_id());
    })
    .await;
}

#[tokio::test]
async fn an_update_that_is_sent_twice_is_one_update() {
    on_both(async |client| {
        let handle = client.start_workflow("Order").id("updated").task_queue(QUEUE).await.unwrap();
        for _ in 0..2 {
            assert_eq!(handle.execute_update::<u32, _>("add_item").arg(&5).id("once").await.unwrap(), 5);
        }
        let update = handle.start_update("add_item").arg(&5).id("once").wait_for_stage(WaitForStage::Accepted);
        let update = update.await.unwrap();
        assert_eq!(update.workflow_run_id(), handle.result_run_id());
        assert_eq!(handle.query::<Vec<u32>, _>("items").await.unwrap(), [5]);
        let refused = handle.execute_update::<u32, _>("add_item").arg(&0).await.unwrap_err();
        assert_eq!(refused.failure().unwrap().message(), "an item must be more than nothing");
    })
    .await;
}

#[tokio::test]
async fn a_history_can_be_watched_until_the_run_closes() {
    on_both(async |client| {
        let handle = client.start_workflow("Relay").id("watched").task_queue(QUEUE).await.unwrap();
        let mut events = handle.fetch_history_events().wait_new_event(true);
        assert_eq!(events.next().await.unwrap().unwrap().event_type(), EventType::WorkflowExecutionStarted);
        handle.signal("approve").arg("Ada").await.unwrap();
        let mut last = None;
        let mut expected = 2;
        while let Some(event) = events.next().await {
            let event = event.unwrap();
            assert_eq!(event.event_id, expected);
            expected += 1;
            last = Some(event.event_type());
        }
        assert_eq!(last, Some(EventType::WorkflowExecutionCompleted));
        let history = handle.fetch_history().await.unwrap();
        assert_eq!(history.run_id(), handle.result_run_id());
    })
    .await;
}

#[tokio::test]
async fn what_a_workflow_was_started_with_is_found_again() {
    on_both(async |client| {
        let keyword = [(CUSTOMER.name().to_owned(), IndexedValueType::Keyword.into())];
        let add = AddSearchAttributesRequest { namespace: "default".into(), search_attributes: keyword.into() };
        client.call(add).await.unwrap();
        let attributes = SearchAttributes::new().with(CUSTOMER, "c-7".to_owned());
        let start = client.start_workflow("Order").id("known").task_queue(QUEUE).memo("note", &[1, 2]);
        start.search_attributes(attributes).await.unwrap();
        let query = "Customer = 'c-7'";
        let listed = client.list_workflows(query).next().await.unwrap().unwrap();
        assert_eq!((listed.id(), listed.workflow_type(), listed.task_queue()), ("known", "Order", QUEUE));
        assert_eq!(listed.memo_value::<[u8; 2]>("note").await.unwrap(), Some([1, 2]));
        let described = client.get_workflow_handle("known").describe().await.unwrap();
        assert_eq!(described.search_attributes().get(CUSTOMER).as_deref(), Some("c-7"));
        assert_eq!(described.search_attributes().type_of(CUSTOMER.name()), Some("Keyword"));
        assert_eq!((described.root_id(), described.parent_id()), (Some("known"), None));
        assert_eq!(client.count_workflows(query).await.unwrap().count, 1);
    })
    .await;
}

#[tokio::test]
async fn the_wait_for_a_result_can_be_bounded() {
    on_both(async |client| {
        let handle = client.start_workflow("Order").id("patient").task_queue(QUEUE).await.unwrap();
        let error = handle.result::<()>().timeout(Duration::from_millis(20)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error:?}");
        handle.signal("approve").arg("Ada").await.unwrap();
        handle.result::<String>().await.unwrap();
    })
    .await;
}

/// Turns the bytes of payloads around.
struct Mirror;

impl Mirror {
    fn turn(payloads: Vec<Payload>) -> Vec<Payload> {
        let turned = payloads.into_iter().map(|mut payload| {
            payload.data = payload.data.iter().rev().copied().collect();
            payload
        });
        turned.collect()
    }
}

impl PayloadCodec for Mirror {
    fn encode<'a>(&'a self, _: &'a CodecContext, payloads: Vec<Payload>) -> CodecFuture<'a> {
        Box::pin(async { Ok(Self::turn(payloads)) })
    }

    fn decode<'a>(&'a self, _: &'a CodecContext, payloads: Vec<Payload>) -> CodecFuture<'a> {
        Box::pin(async { Ok(Self::turn(payloads)) })
    }
}

#[tokio::test]
async fn with_a_codec_the_server_sees_only_what_it_made() {
    let server = server().await;
    let plain = connect(&server, false).await.unwrap();
    let secret = connect(&server, true).codec(Mirror).await.unwrap();
    let echo = async {
        let handle = secret.start_workflow("Echo").id("secret").task_queue(QUEUE).arg("tide").memo("m", "ab");
        let handle = handle.await.unwrap();
        assert_eq!(handle.result::<String>().await.unwrap(), "tide");
        assert_eq!(handle.describe().await.unwrap().memo_value::<String>("m").await.unwrap().as_deref(), Some("ab"));
        assert_eq!(plain.get_workflow_handle("secret").result::<String>().await.unwrap(), "edit");
    };
    tokio::select! {
        () = echo => {}
        ended = tour::worker::run(plain.clone(), QUEUE.to_owned()) => panic!("the worker gave up: {ended:?}"),
    }
    server.shutdown().await;
}
