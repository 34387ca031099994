//! Updates that start their workflow.

use std::sync::Arc;

use evertide_client::proto::enums::UpdateWorkflowExecutionLifecycleStage as Stage;
use evertide_client::proto::errordetails::multi_operation_execution_failure::OperationStatus;
use evertide_client::proto::errordetails::{MultiOperationExecutionFailure, WorkflowExecutionAlreadyStartedFailure};
use evertide_client::proto::failure::MultiOperationExecutionAborted;
use evertide_client::proto::workflowservice::execute_multi_operation_request::operation::Operation;
use evertide_client::proto::workflowservice::execute_multi_operation_response::{Response, response};
use evertide_client::proto::workflowservice::*;
use evertide_client::{
    AnyArgs, Client, Code, ErrorKind, Status, Untyped, WaitForStage, WithStartWorkflowOperation,
    WorkflowIdConflictPolicy,
};

use super::fake::{Fake, any, status_with};
use super::updates::{failure, success};

type Multi = ExecuteMultiOperationRequest;

fn operation(client: &Client) -> Arc<WithStartWorkflowOperation<AnyArgs, Untyped>> {
    let start = client.with_start_workflow("Cart").id("cart").task_queue("carts").arg(&1);
    Arc::new(start.id_conflict_policy(WorkflowIdConflictPolicy::UseExisting))
}

fn answer(stage: Stage, outcome: Option<evertide_client::proto::update::Outcome>) -> ExecuteMultiOperationResponse {
    let start = StartWorkflowExecutionResponse { run_id: "run-1".into(), started: true, ..Default::default() };
    let update = UpdateWorkflowExecutionResponse { stage: stage.into(), outcome, ..Default::default() };
    let responses = [response::Response::StartWorkflow(start), response::Response::UpdateWorkflow(update)];
    ExecuteMultiOperationResponse { responses: responses.map(|response| Response { response: Some(response) }).into() }
}

/// What a server answers when one of two operations fails: the other is given up with it.
fn failed(code: Code, message: &str, details: Vec<evertide_client::proto::prost_types::Any>) -> Status {
    let aborted = OperationStatus {
        code: Code::Aborted.into(),
        message: "given up".into(),
        details: vec![any(&MultiOperationExecutionAborted {})],
    };
    let own = OperationStatus { code: code.into(), message: message.into(), details };
    status_with(code, "MultiOperation failed", &MultiOperationExecutionFailure { statuses: vec![aborted, own] })
}

#[tokio::test]
async fn both_go_in_one_request() {
    let fake = Fake::new();
    fake.answer::<Multi>(answer(Stage::Completed, success("5")));
    let client = fake.client().await;
    let start = operation(&client);
    let call = client.execute_update_with_start_workflow::<i32, _, _, _>("add", &start).arg(&3).id("u-1");
    assert_eq!(call.await.unwrap(), 5);
    assert_eq!(fake.methods(), ["ExecuteMultiOperation"]);

    let request: Multi = fake.request();
    assert_eq!(request.namespace, "tides");
    let mut operations = request.operations.into_iter().map(|operation| operation.operation.unwrap());
    let Some(Operation::StartWorkflow(started)) = operations.next() else { panic!() };
    assert_eq!((started.workflow_id.as_str(), started.identity.as_str()), ("cart", "tester"));
    assert_eq!(started.workflow_id_conflict_policy, WorkflowIdConflictPolicy::UseExisting as i32);
    assert!(!started.request_id.is_empty() && !started.request_eager_execution);
    let Some(Operation::UpdateWorkflow(updated)) = operations.next() else { panic!() };
    let execution = updated.workflow_execution.unwrap();
    assert_eq!((execution.workflow_id.as_str(), execution.run_id.as_str()), ("cart", ""));
    assert_eq!(updated.first_execution_run_id, "");
    assert_eq!(updated.request.unwrap().meta.unwrap().update_id, "u-1");
    assert_eq!(operations.next(), None);

    let handle = start.workflow_handle().await.unwrap();
    assert_eq!((handle.id(), handle.run_id(), handle.result_run_id()), ("cart", None, Some("run-1")));
    assert_eq!(handle.first_execution_run_id(), Some("run-1"));
}

#[tokio::test]
async fn it_is_sent_again_until_the_workflow_has_seen_the_update() {
    let fake = Fake::new();
    fake.answer::<Multi>(answer(Stage::Admitted, None)).answer::<Multi>(answer(Stage::Accepted, None));
    let client = fake.client().await;
    let call = client.start_update_with_start_workflow("add", &operation(&client));
    let update = call.wait_for_stage(WaitForStage::Accepted).await.unwrap();
    assert_eq!(update.workflow_run_id(), Some("run-1"), "the run is that of the start's answer");
    let requests: Vec<Multi> = fake.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
}

#[tokio::test]
async fn completion_is_polled_for() {
    let fake = Fake::new();
    fake.answer::<Multi>(answer(Stage::Accepted, None));
    fake.answer::<PollWorkflowExecutionUpdateRequest>(PollWorkflowExecutionUpdateResponse {
        outcome: failure("no"),
        ..Default::default()
    });
    let client = fake.client().await;
    let call = client.execute_update_with_start_workflow::<(), _, _, _>("add", &operation(&client));
    let error = call.await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UpdateFailed(_)), "{error}");
    assert_eq!(fake.methods(), ["ExecuteMultiOperation", "PollWorkflowExecutionUpdate"]);
}

#[tokio::test]
async fn a_start_needs_a_policy_and_serves_once() {
    let fake = Fake::new();
    fake.answer::<Multi>(answer(Stage::Accepted, None));
    let client = fake.client().await;
    let without = Arc::new(client.with_start_workflow("Cart").id("cart").task_queue("carts"));
    let call = client.start_update_with_start_workflow("add", &without).wait_for_stage(WaitForStage::Accepted);
    let error = call.await.unwrap_err();
    assert!(error.to_string().contains("id_conflict_policy"), "{error}");
    assert!(fake.methods().is_empty());
    let error = without.workflow_handle().await.unwrap_err();
    assert!(error.to_string().contains("id_conflict_policy"), "the handle tells why there is none: {error}");

    let start = operation(&client);
    for expected in [true, false] {
        let call = client.start_update_with_start_workflow("add", &start).wait_for_stage(WaitForStage::Accepted);
        let answer = call.await;
        assert_eq!(answer.is_ok(), expected, "{answer:?}");
        if let Err(error) = answer {
            assert!(error.to_string().contains("cannot be reused"), "{error}");
        }
    }
    assert!(start.workflow_handle().await.is_ok(), "the first use stays good");
    assert_eq!(fake.methods().len(), 1);
}

#[tokio::test]
async fn a_stage_that_is_wrong_does_not_use_the_start_up() {
    let fake = Fake::new();
    fake.answer::<Multi>(answer(Stage::Accepted, None));
    let client = fake.client().await;
    let start = operation(&client);
    let call = client.start_update_with_start_workflow("add", &start).wait_for_stage(WaitForStage::Admitted);
    assert!(call.await.is_err());
    client.start_update_with_start_workflow("add", &start).wait_for_stage(WaitForStage::Accepted).await.unwrap();
}

#[tokio::test]
async fn the_operation_that_failed_by_itself_is_told() {
    let fake = Fake::new();
    let detail = WorkflowExecutionAlreadyStartedFailure { run_id: "run-0".into(), ..Default::default() };
    fake.refuse::<Multi>(failed(Code::AlreadyExists, "already started", vec![any(&detail)]));
    fake.refuse::<Multi>(failed(Code::AlreadyExists, "without a detail", vec![]));
    fake.refuse::<Multi>(failed(Code::NotFound, "no such update", vec![]));
    fake.refuse::<Multi>(Status::already_exists("without details"));
    fake.refuse::<Multi>(Status::deadline_exceeded("late"));
    let client = fake.client().await;
    let refused = async || {
        let start = operation(&client);
        let call = client.start_update_with_start_workflow("add", &start).wait_for_stage(WaitForStage::Accepted);
        let error = call.await.unwrap_err();
        let same = start.workflow_handle().await.unwrap_err();
        assert_eq!(same.to_string(), error.to_string(), "the handle fails with the call");
        error
    };
    let error = refused().await;
    let ErrorKind::WorkflowAlreadyStarted { workflow_id, workflow_type, run_id, .. } = error.kind() else {
        panic!("{error:?}")
    };
    assert_eq!((workflow_id.as_str(), workflow_type.as_str(), run_id.as_deref()), ("cart", "Cart", Some("run-0")));
    for expected in [(Code::AlreadyExists, "without a detail"), (Code::NotFound, "no such update")] {
        let error = refused().await;
        let status = error.grpc_status().unwrap();
        assert_eq!((status.code(), status.message()), expected);
        assert!(matches!(error.kind(), ErrorKind::Rpc));
    }
    let error = refused().await;
    assert_eq!(error.grpc_status().unwrap().message(), "without details");
    let error = refused().await;
    assert!(matches!(error.kind(), ErrorKind::UpdateTimeoutOrCancelled), "{error}");
}
