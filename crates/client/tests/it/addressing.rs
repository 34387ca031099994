//! Which of its three runs each call of a handle uses, and what it sends along.

use evertide_client::proto::workflowservice::*;
use evertide_client::{ErrorKind, WaitForStage, WorkflowRef};

use super::fake::Fake;
use super::updates::completed_update;

const RUN: &str = "run-2";
const FIRST: &str = "run-1";

fn started(fake: &Fake) {
    fake.answer::<StartWorkflowExecutionRequest>(StartWorkflowExecutionResponse {
        run_id: RUN.into(),
        first_execution_run_id: FIRST.into(),
        started: true,
        ..Default::default()
    });
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    fake.answer::<QueryWorkflowRequest>(Default::default());
    fake.answer::<RequestCancelWorkflowExecutionRequest>(Default::default());
    fake.answer::<TerminateWorkflowExecutionRequest>(Default::default());
    fake.answer::<DescribeWorkflowExecutionRequest>(Default::default());
    fake.answer::<UpdateWorkflowExecutionRequest>(completed_update("5"));
    fake.answer::<GetWorkflowExecutionHistoryRequest>(super::results::completed("1"));
}

/// Makes every call of a handle once.
async fn call_everything(handle: &evertide_client::WorkflowHandle) {
    handle.signal("s").await.unwrap();
    handle.query::<(), _>("q").await.unwrap();
    handle.cancel().reason("why").await.unwrap();
    handle.terminate().reason("why").await.unwrap();
    handle.describe().await.unwrap();
    handle.start_update("u").wait_for_stage(WaitForStage::Completed).await.unwrap();
    handle.fetch_history().await.unwrap();
    handle.result::<i32>().await.unwrap();
}

#[tokio::test]
async fn a_handle_of_a_start_acts_on_the_latest_run_and_waits_for_its_own() {
    let fake = Fake::new();
    started(&fake);
    let client = fake.client().await;
    let handle = client.start_workflow("W").id("w").task_queue("q").await.unwrap();
    assert_eq!(handle.run_id(), None);
    assert_eq!(handle.result_run_id(), Some(RUN));
    assert_eq!(handle.first_execution_run_id(), Some(FIRST));
    assert!(!handle.eagerly_started());

    call_everything(&handle).await;
    let signal: SignalWorkflowExecutionRequest = fake.request();
    assert_eq!(signal.workflow_execution.unwrap().run_id, "");
    let query: QueryWorkflowRequest = fake.request();
    assert_eq!(query.execution.unwrap().run_id, "");
    let cancel: RequestCancelWorkflowExecutionRequest = fake.request();
    assert_eq!(cancel.workflow_execution.unwrap().run_id, "");
    assert_eq!((cancel.first_execution_run_id.as_str(), cancel.reason.as_str()), (FIRST, "why"));
    let terminate: TerminateWorkflowExecutionRequest = fake.request();
    assert_eq!(terminate.workflow_execution.unwrap().run_id, "");
    assert_eq!(terminate.first_execution_run_id, FIRST);
    let describe: DescribeWorkflowExecutionRequest = fake.request();
    assert_eq!(describe.execution.unwrap().run_id, "");
    let update: UpdateWorkflowExecutionRequest = fake.request();
    assert_eq!(update.workflow_execution.unwrap().run_id, "");
    assert_eq!(update.first_execution_run_id, FIRST);
    let histories: Vec<GetWorkflowExecutionHistoryRequest> = fake.requests();
    let runs: Vec<_> = histories.into_iter().map(|request| request.execution.unwrap().run_id).collect();
    assert_eq!(runs, ["", RUN], "the history is of the latest run, the result of the run that was started");
}

#[tokio::test]
async fn a_handle_of_a_run_uses_that_run_everywhere() {
    let fake = Fake::new();
    started(&fake);
    let handle = fake.handle().await.with_run_id(RUN).with_first_execution_run_id(FIRST);
    assert_eq!((handle.run_id(), handle.result_run_id()), (Some(RUN), Some(RUN)));
    call_everything(&handle).await;
    let signal: SignalWorkflowExecutionRequest = fake.request();
    assert_eq!(signal.workflow_execution.unwrap().run_id, RUN);
    let cancel: RequestCancelWorkflowExecutionRequest = fake.request();
    assert_eq!(cancel.workflow_execution.unwrap().run_id, RUN);
    assert_eq!(cancel.first_execution_run_id, FIRST);
    for history in fake.requests::<GetWorkflowExecutionHistoryRequest>() {
        assert_eq!(history.execution.unwrap().run_id, RUN);
    }
}

#[tokio::test]
async fn every_request_names_the_namespace_and_who_asks() {
    let fake = Fake::new();
    started(&fake);
    let handle = fake.handle().await;
    assert_eq!((handle.run_id(), handle.result_run_id(), handle.first_execution_run_id()), (None, None, None));
    call_everything(&handle).await;
    let signal: SignalWorkflowExecutionRequest = fake.request();
    assert_eq!((signal.namespace.as_str(), signal.identity.as_str()), ("tides", "tester"));
    assert_eq!(signal.input, None, "no arguments are no payloads at all");
    assert_eq!(uuid_version(&signal.request_id), 4);
    let cancel: RequestCancelWorkflowExecutionRequest = fake.request();
    assert_eq!((cancel.namespace.as_str(), cancel.identity.as_str()), ("tides", "tester"));
    assert_eq!(uuid_version(&cancel.request_id), 4);
    assert_eq!(cancel.first_execution_run_id, "");
    let terminate: TerminateWorkflowExecutionRequest = fake.request();
    assert_eq!((terminate.namespace.as_str(), terminate.identity.as_str()), ("tides", "tester"));
    assert_eq!(terminate.details, None);
    let update: UpdateWorkflowExecutionRequest = fake.request();
    assert_eq!(update.request.unwrap().meta.unwrap().identity, "tester");
    let describe: DescribeWorkflowExecutionRequest = fake.request();
    assert_eq!(describe.namespace, "tides");
    let query: QueryWorkflowRequest = fake.request();
    assert_eq!((query.namespace.as_str(), query.query_reject_condition), ("tides", 0));
}

#[tokio::test]
async fn an_empty_id_is_refused_before_anything_is_sent() {
    let fake = Fake::new();
    let handle = fake.client().await.get_workflow_handle("");
    let errors = [
        handle.signal("s").await.unwrap_err(),
        handle.query::<(), _>("q").await.unwrap_err(),
        handle.cancel().await.unwrap_err(),
        handle.terminate().await.unwrap_err(),
        handle.describe().await.unwrap_err(),
        handle.start_update("u").wait_for_stage(WaitForStage::Accepted).await.unwrap_err(),
        handle.fetch_history().await.unwrap_err(),
        handle.result::<()>().await.unwrap_err(),
        fake.handle().await.signal("").await.unwrap_err(),
        fake.handle().await.query::<(), _>("").await.unwrap_err(),
        fake.handle().await.execute_update::<(), _>("").await.unwrap_err(),
        fake.handle().await.execute_update::<(), _>("u").id("").await.unwrap_err(),
        fake.handle().await.get_update_handle("").result::<()>().await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument(_)), "{error}");
    }
    assert_eq!(fake.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn handles_are_values() {
    let fake = Fake::new();
    let client = fake.client().await;
    let handle = client.get_workflow_handle("w");
    assert_eq!(handle, handle.clone());
    assert_ne!(handle, handle.clone().with_run_id("r"));
    assert_ne!(handle, client.with_namespace("other").get_workflow_handle("w"));
    let set = std::collections::HashSet::from([handle.clone(), handle.clone(), handle.clone().with_run_id("r")]);
    assert_eq!(set.len(), 2);
    assert_eq!((handle.to_string(), handle.clone().with_run_id("r").to_string()), ("w".into(), "w/r".into()));
    assert!(format!("{handle:?}").contains("tides"));
    assert!(size_of_val(&handle) < 200, "a handle takes {} bytes", size_of_val(&handle));
    assert_eq!(handle.clone().with_run_id("").run_id(), None);

    fn sendable<T: Send + Sync + 'static>(_: &T) {}
    fn future<F: IntoFuture<IntoFuture: Send + 'static>>(_: F) {}
    sendable(&handle);
    future(handle.signal("s"));
    future(handle.result::<i32>());
    future(handle.fetch_history());
    future(handle.execute_update::<i32, _>("u"));
}

#[tokio::test]
async fn a_reference_brings_its_handle_back() {
    let fake = Fake::new();
    let client = fake.client().await;
    let handle = client.get_workflow_handle("w").with_run_id("r").with_first_execution_run_id("f");
    let stored = serde_json::to_string(&handle.to_ref()).unwrap();
    let reference: WorkflowRef = serde_json::from_str(&stored).unwrap();
    assert_eq!(client.bind(&reference), handle);
    let elsewhere = client.with_namespace("other").bind(&reference);
    assert_eq!(elsewhere.client().namespace(), "tides", "the namespace of the reference counts");
    assert_eq!(client.bind(&WorkflowRef::new("w")), client.get_workflow_handle("w"));
}

/// The version that the id of a request names.
fn uuid_version(id: &str) -> u32 {
    assert_eq!(id.len(), 36, "{id}");
    id.chars().nth(14).and_then(|digit| digit.to_digit(16)).unwrap()
}
