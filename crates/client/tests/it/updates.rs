//! Updates and their handles.

use std::time::Duration;

use evertide_client::proto::common::WorkflowExecution;
use evertide_client::proto::enums::UpdateWorkflowExecutionLifecycleStage as Stage;
use evertide_client::proto::failure::Failure;
use evertide_client::proto::update::outcome::Value;
use evertide_client::proto::update::{Outcome, UpdateRef};
use evertide_client::proto::workflowservice::*;
use evertide_client::{Code, Error, ErrorKind, Status, WaitForStage};

use super::fake::Fake;
use super::results::payloads;

type Update = UpdateWorkflowExecutionRequest;
type Poll = PollWorkflowExecutionUpdateRequest;

pub(crate) fn success(json: &str) -> Option<Outcome> {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    Some(Outcome { value: Some(Value::Success(payloads(&value).unwrap())) })
}

pub(crate) fn failure(message: &str) -> Option<Outcome> {
    let failure = Failure { message: message.into(), ..Default::default() };
    Some(Outcome { value: Some(Value::Failure(failure)) })
}

fn at_stage(stage: Stage, outcome: Option<Outcome>) -> UpdateWorkflowExecutionResponse {
    UpdateWorkflowExecutionResponse {
        update_ref: Some(UpdateRef {
            workflow_execution: Some(WorkflowExecution { workflow_id: "w".into(), run_id: "run-1".into() }),
            update_id: "as sent".into(),
        }),
        outcome,
        stage: stage.into(),
        ..Default::default()
    }
}

/// The answer to an update that has completed with a result, given as JSON.
pub(crate) fn completed_update(json: &str) -> UpdateWorkflowExecutionResponse {
    at_stage(Stage::Completed, success(json))
}

fn polled(outcome: Option<Outcome>) -> PollWorkflowExecutionUpdateResponse {
    PollWorkflowExecutionUpdateResponse { outcome, ..Default::default() }
}

fn is_timeout_or_cancelled(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UpdateTimeoutOrCancelled)
}

#[tokio::test]
async fn the_stage_must_be_chosen_and_can_be_accepted_or_completed() {
    let fake = Fake::new();
    let handle = fake.handle().await;
    let error = handle.start_update("u").wait_for_stage(WaitForStage::Admitted).await.unwrap_err();
    assert!(error.to_string().starts_with("ADMITTED wait stage not supported"), "{error}");
    let error = handle.start_update("u").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument(_)), "{error}");
    assert!(fake.methods().is_empty());
}

#[tokio::test]
async fn an_accepted_update_has_a_handle_that_polls() {
    let fake = Fake::new();
    fake.answer::<Update>(at_stage(Stage::Accepted, None));
    fake.answer::<Poll>(polled(None)).answer::<Poll>(polled(success("5")));
    let handle = fake.handle().await;
    let update = handle.start_update("add").arg(&2).arg("b").wait_for_stage(WaitForStage::Accepted).await.unwrap();
    assert_eq!((update.workflow_id(), update.workflow_run_id()), ("w", Some("run-1")));
    assert!(!update.has_outcome());

    let sent: Update = fake.request();
    let stage = sent.wait_policy.unwrap().lifecycle_stage;
    assert_eq!(stage, Stage::Accepted as i32);
    let request = sent.request.unwrap();
    assert_eq!(request.meta.unwrap().update_id, update.id());
    assert_eq!(request.request_id, "", "the id of the update is enough");
    let input = request.input.unwrap();
    assert_eq!((input.name.as_str(), input.args.unwrap().payloads.len()), ("add", 2));

    assert_eq!(update.result::<i32>().await.unwrap(), 5);
    let polls: Vec<Poll> = fake.requests();
    assert_eq!(polls.len(), 2, "an answer without an outcome is asked for again");
    let poll = polls[0].clone();
    assert_eq!((poll.namespace.as_str(), poll.identity.as_str()), ("tides", "tester"));
    assert_eq!(poll.wait_policy.unwrap().lifecycle_stage, Stage::Completed as i32);
    let reference = poll.update_ref.unwrap();
    assert_eq!(reference.update_id, update.id());
    let execution = reference.workflow_execution.unwrap();
    assert_eq!((execution.workflow_id.as_str(), execution.run_id.as_str()), ("w", "run-1"));
}

#[tokio::test]
async fn a_known_outcome_needs_no_further_request() {
    let fake = Fake::new();
    fake.answer::<Update>(completed_update("5"));
    let handle = fake.handle().await;
    assert_eq!(handle.execute_update::<i32, _>("add").id("mine").await.unwrap(), 5);
    let request: Update = fake.request();
    assert_eq!(request.wait_policy.unwrap().lifecycle_stage, Stage::Completed as i32);
    assert_eq!(request.request.unwrap().meta.unwrap().update_id, "mine");

    let update = handle.start_update("add").wait_for_stage(WaitForStage::Completed).await.unwrap();
    assert!(update.has_outcome());
    assert_eq!(update.result::<i32>().await.unwrap(), 5);
    assert_eq!(update.clone().result::<i32>().await.unwrap(), 5);
    assert_eq!(fake.methods(), ["UpdateWorkflowExecution", "UpdateWorkflowExecution"]);
}

#[tokio::test]
async fn the_same_request_is_sent_until_the_workflow_has_seen_it() {
    let fake = Fake::new();
    fake.answer::<Update>(at_stage(Stage::Unspecified, None))
        .answer::<Update>(at_stage(Stage::Admitted, None))
        .answer::<Update>(at_stage(Stage::Accepted, None));
    let call = fake.handle().await.start_update("u").wait_for_stage(WaitForStage::Accepted);
    call.await.unwrap();
    let requests: Vec<Update> = fake.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| *request == requests[0]));
}

#[tokio::test]
async fn completion_is_polled_for_without_the_callers_options() {
    let fake = Fake::new();
    fake.answer::<Update>(at_stage(Stage::Accepted, None));
    fake.answer::<Poll>(polled(success("5")));
    let call = fake.handle().await.execute_update::<i32, _>("u").rpc_metadata("x-call", "yes");
    assert_eq!(call.await.unwrap(), 5);
    assert_eq!(fake.last().method, "PollWorkflowExecutionUpdate");
    assert!(!fake.last().headers.contains_key("x-call"));
}

#[tokio::test]
async fn a_refused_update_is_told_by_its_result() {
    let fake = Fake::new();
    fake.answer::<Update>(at_stage(Stage::Completed, failure("not today")));
    let handle = fake.handle().await;
    let update = handle.start_update("u").wait_for_stage(WaitForStage::Accepted).await.unwrap();
    let error = update.result::<()>().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UpdateFailed(_)), "{error}");
    assert_eq!(error.failure().unwrap().message(), "not today");
    let error = handle.execute_update::<(), _>("u").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UpdateFailed(failure) if failure.message() == "not today"));
}

#[tokio::test]
async fn a_deadline_or_a_cancellation_has_an_error_of_its_own() {
    for status in [Status::deadline_exceeded("late"), Status::cancelled("gone")] {
        let fake = Fake::new();
        fake.refuse::<Update>(status.clone());
        fake.refuse::<Poll>(status.clone());
        let handle = fake.handle().await;
        let error = handle.start_update("u").wait_for_stage(WaitForStage::Accepted).await.unwrap_err();
        assert!(is_timeout_or_cancelled(&error), "{error}");
        assert_eq!(error.code(), Some(status.code()), "the cause stays within reach");
        let error = handle.get_update_handle("u").result::<()>().await.unwrap_err();
        assert!(is_timeout_or_cancelled(&error), "{error}");
    }
    let fake = Fake::new();
    fake.refuse::<Update>(Status::not_found("no such workflow"));
    fake.refuse::<Poll>(Status::not_found("no such update"));
    let handle = fake.handle().await;
    let error = handle.execute_update::<(), _>("u").await.unwrap_err();
    assert_eq!(error.code(), Some(Code::NotFound));
    let error = handle.get_update_handle("u").result::<()>().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_the_whole_is_told_as_the_end_of_the_wait() {
    let fake = Fake::new();
    fake.answer::<Update>(at_stage(Stage::Accepted, None));
    fake.ignore::<Poll>();
    let call = fake.handle().await.execute_update::<(), _>("u").timeout(Duration::from_secs(100));
    let began = tokio::time::Instant::now();
    let error = call.await.unwrap_err();
    assert!(is_timeout_or_cancelled(&error), "{error}");
    assert_eq!(began.elapsed().as_secs(), 100);
    assert_eq!(fake.requests::<Poll>().len(), 4, "each poll has thirty seconds, and is made again");
}

#[tokio::test]
async fn a_handle_of_an_update_needs_no_request() {
    let fake = Fake::new();
    fake.answer::<Poll>(polled(success("\"done\"")));
    let handle = fake.handle().await.with_run_id("r");
    let update = handle.get_update_handle("u-1");
    assert_eq!((update.id(), update.workflow_run_id()), ("u-1", Some("r")));
    assert!(fake.methods().is_empty());
    assert_eq!(update.clone().with_workflow_run_id("other").workflow_run_id(), Some("other"));
    assert_eq!(update.result::<String>().await.unwrap(), "done");
    let poll: Poll = fake.request();
    assert_eq!(poll.update_ref.unwrap().workflow_execution.unwrap().run_id, "r");
    assert_eq!(update, handle.get_update_handle("u-1"));
    assert_ne!(update, handle.get_update_handle("u-2"));
}

#[tokio::test]
async fn an_update_handle_does_not_fall_back_to_the_run_of_the_result() {
    let fake = Fake::new();
    fake.answer::<StartWorkflowExecutionRequest>(StartWorkflowExecutionResponse {
        run_id: "r".into(),
        ..Default::default()
    });
    let handle = fake.client().await.start_workflow("W").id("w").task_queue("q").await.unwrap();
    assert_eq!(handle.result_run_id(), Some("r"));
    assert_eq!(handle.get_update_handle("u").workflow_run_id(), None);
}
