//! Queries.

use evertide_client::payload::to_payload;
use evertide_client::proto::common::Payloads;
use evertide_client::proto::errordetails::QueryFailedFailure;
use evertide_client::proto::failure::Failure;
use evertide_client::proto::query::QueryRejected;
use evertide_client::proto::workflowservice::*;
use evertide_client::{Code, ErrorKind, QueryRejectCondition, Status, WorkflowExecutionStatus};

use super::fake::{Fake, status_with};

type Query = QueryWorkflowRequest;

fn result(values: &[i32]) -> QueryWorkflowResponse {
    let payloads = values.iter().map(|value| to_payload(value).unwrap()).collect();
    QueryWorkflowResponse { query_result: Some(Payloads { payloads }), ..Default::default() }
}

#[tokio::test]
async fn a_query_has_a_name_arguments_and_the_first_value_of_its_answer() {
    let fake = Fake::new();
    fake.answer::<Query>(result(&[5])).answer::<Query>(result(&[6, 7])).answer::<Query>(Default::default());
    let handle = fake.handle().await;
    assert_eq!(handle.query::<i32, _>("state").args((1, "two")).await.unwrap(), 5);
    let request: Query = fake.request();
    let query = request.query.unwrap();
    assert_eq!(query.query_type, "state");
    assert_eq!(query.query_args.unwrap().payloads.len(), 2);
    assert_eq!(handle.query::<i32, _>("state").await.unwrap(), 6);
    assert_eq!(handle.query::<Option<i32>, _>("state").await.unwrap(), None);
    let error = handle.query::<i32, _>("state").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conversion(_)), "{error}");
}

#[tokio::test]
async fn a_rejection_tells_the_status() {
    let fake = Fake::new();
    for status in [WorkflowExecutionStatus::Completed as i32, 0] {
        let query_rejected = Some(QueryRejected { status });
        fake.answer::<Query>(QueryWorkflowResponse { query_rejected, ..Default::default() });
    }
    let handle = fake.handle().await;
    let query = handle.query::<(), _>("q").reject_condition(QueryRejectCondition::NotOpen);
    let error = query.await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::QueryRejected { status: Some(WorkflowExecutionStatus::Completed) }));
    let request: Query = fake.request();
    assert_eq!(request.query_reject_condition, QueryRejectCondition::NotOpen as i32);
    let error = handle.query::<(), _>("q").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::QueryRejected { status: None }));
}

#[tokio::test]
async fn the_client_can_have_a_condition_for_all_queries() {
    let fake = Fake::new();
    fake.answer::<Query>(result(&[1]));
    let connect = fake.connect().default_query_reject_condition(QueryRejectCondition::NotCompletedCleanly);
    let handle = connect.await.unwrap().get_workflow_handle("w");
    handle.query::<i32, _>("q").await.unwrap();
    handle.query::<i32, _>("q").reject_condition(QueryRejectCondition::None).await.unwrap();
    let requests: Vec<Query> = fake.requests();
    assert_eq!(requests[0].query_reject_condition, QueryRejectCondition::NotCompletedCleanly as i32);
    assert_eq!(requests[1].query_reject_condition, QueryRejectCondition::None as i32);
}

#[tokio::test]
async fn a_handler_that_fails_is_told_apart_from_a_call_that_fails() {
    let fake = Fake::new();
    fake.refuse::<Query>(Status::invalid_argument("no handler for q"));
    let failure = Failure { message: "broken".into(), ..Default::default() };
    let detail = QueryFailedFailure { failure: Some(failure) };
    fake.refuse::<Query>(status_with(Code::InvalidArgument, "it broke", &detail));
    fake.refuse::<Query>(Status::not_found("no such workflow"));
    let handle = fake.handle().await;
    let error = handle.query::<(), _>("q").await.unwrap_err();
    let ErrorKind::QueryFailed { message, failure: None } = error.kind() else { panic!("{error:?}") };
    assert_eq!(message, "no handler for q");
    let error = handle.query::<(), _>("q").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::QueryFailed { .. }));
    assert_eq!(error.failure().unwrap().message(), "broken");
    let error = handle.query::<(), _>("q").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Rpc));
    assert!(error.is_not_found());
}
