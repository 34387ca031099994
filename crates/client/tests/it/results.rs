//! `result()`: the six ways to close, and the runs in between.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use evertide_client::payload::to_payload;
use evertide_client::proto::common::Payloads;
use evertide_client::proto::enums::{RetryState, TimeoutType};
use evertide_client::proto::failure::failure::FailureInfo;
use evertide_client::proto::failure::{self as failures};
use evertide_client::proto::history::history_event::Attributes;
use evertide_client::proto::history::{self as history, HistoryEvent};
use evertide_client::proto::workflowservice::*;
use evertide_client::{Error, ErrorKind, FailureKind, Status, WorkflowHandle};

use super::fake::Fake;

type Get = GetWorkflowExecutionHistoryRequest;
type Page = GetWorkflowExecutionHistoryResponse;

pub(crate) fn payloads<T: serde::Serialize>(value: &T) -> Option<Payloads> {
    Some(Payloads { payloads: vec![to_payload(value).unwrap()] })
}

pub(crate) fn page(attributes: Attributes) -> Page {
    let event = HistoryEvent { event_id: 9, attributes: Some(attributes), ..Default::default() };
    Page { history: Some(history::History { events: vec![event] }), ..Default::default() }
}

/// The page that closes a run with a result, given as JSON.
pub(crate) fn completed(json: &str) -> Page {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    completed_then(&value, "")
}

fn completed_then<T: serde::Serialize>(value: &T, next: &str) -> Page {
    page(Attributes::WorkflowExecutionCompletedEventAttributes(Box::new(
        history::WorkflowExecutionCompletedEventAttributes {
            result: payloads(value),
            new_execution_run_id: next.into(),
            ..Default::default()
        },
    )))
}

fn application(message: &str, cause: Option<failures::Failure>) -> failures::Failure {
    failures::Failure {
        message: message.into(),
        cause: cause.map(Box::new),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(failures::ApplicationFailureInfo {
            r#type: "Broken".into(),
            details: payloads(&"detail"),
            non_retryable: true,
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn failed_then(failure: failures::Failure, next: &str) -> Page {
    page(Attributes::WorkflowExecutionFailedEventAttributes(Box::new(
        history::WorkflowExecutionFailedEventAttributes {
            failure: Some(failure),
            new_execution_run_id: next.into(),
            ..Default::default()
        },
    )))
}

fn timed_out_then(next: &str) -> Page {
    page(Attributes::WorkflowExecutionTimedOutEventAttributes(Box::new(
        history::WorkflowExecutionTimedOutEventAttributes { new_execution_run_id: next.into(), ..Default::default() },
    )))
}

fn continued_as(next: &str) -> Page {
    page(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(Box::new(
        history::WorkflowExecutionContinuedAsNewEventAttributes {
            new_execution_run_id: next.into(),
            ..Default::default()
        },
    )))
}

async fn handle(fake: &Fake) -> WorkflowHandle {
    fake.handle().await.with_run_id("run-1")
}

/// The error of a result, with the failure that it must carry.
async fn failure_of(fake: &Fake) -> (Error, evertide_client::Failure) {
    let error = handle(fake).await.result::<()>().await.unwrap_err();
    let failure = match error.kind() {
        ErrorKind::WorkflowFailed(failure) => failure.clone(),
        other => panic!("{other:?}"),
    };
    (error, failure)
}

fn runs(fake: &Fake) -> Vec<String> {
    fake.requests::<Get>().into_iter().map(|request| request.execution.unwrap().run_id).collect()
}

#[tokio::test]
async fn the_close_event_is_waited_for() {
    let fake = Fake::new();
    fake.answer::<Get>(completed("{\"total\": 3}"));
    let result: serde_json::Value = handle(&fake).await.result().await.unwrap();
    assert_eq!(result["total"], 3);
    let request: Get = fake.request();
    assert!(request.wait_new_event && request.skip_archival);
    assert_eq!(request.history_event_filter_type, 2);
    assert_eq!((request.maximum_page_size, request.namespace.as_str()), (0, "tides"));
}

#[tokio::test]
async fn an_open_run_is_polled_with_the_token_of_the_answer() {
    let fake = Fake::new();
    let again = |token: &'static [u8]| Page { next_page_token: Bytes::from_static(token), ..Default::default() };
    fake.answer::<Get>(again(b"a")).answer::<Get>(again(b"b")).answer::<Get>(completed("1"));
    assert_eq!(handle(&fake).await.result::<i32>().await.unwrap(), 1);
    let tokens: Vec<_> = fake.requests::<Get>().into_iter().map(|request| request.next_page_token).collect();
    assert_eq!(tokens, ["".as_bytes(), b"a", b"b"]);
}

#[tokio::test]
async fn no_result_reads_as_nothing_and_a_wrong_one_is_told() {
    let fake = Fake::new();
    fake.answer::<Get>(page(Attributes::WorkflowExecutionCompletedEventAttributes(Default::default())));
    let handle = handle(&fake).await;
    handle.result::<()>().await.unwrap();
    assert_eq!(handle.result::<Option<i32>>().await.unwrap(), None);
    let error = handle.result::<i32>().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conversion(_)), "{error}");

    let fake = Fake::new();
    fake.answer::<Get>(completed("\"text\""));
    let error = fake.handle().await.result::<i32>().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conversion(_)), "{error}");
}

#[tokio::test]
async fn a_failure_leads_down_to_the_application() {
    let fake = Fake::new();
    let activity = failures::Failure {
        message: "activity error".into(),
        cause: Some(Box::new(application("no money", None))),
        failure_info: Some(FailureInfo::ActivityFailureInfo(failures::ActivityFailureInfo {
            activity_id: "3".into(),
            activity_type: Some(evertide_client::proto::common::ActivityType { name: "Charge".into() }),
            retry_state: RetryState::MaximumAttemptsReached.into(),
            ..Default::default()
        })),
        ..Default::default()
    };
    fake.answer::<Get>(failed_then(application("order failed", Some(activity)), ""));
    let (error, failure) = failure_of(&fake).await;
    assert_eq!(failure.type_name(), Some("Broken"));
    assert_eq!(failure.chain().count(), 3);
    let activity = failure.cause().unwrap();
    assert_eq!(activity.retry_state(), Some(RetryState::MaximumAttemptsReached));
    assert!(matches!(activity.kind(), FailureKind::Activity { activity_type, .. } if activity_type == "Charge"));
    assert_eq!(error.details().unwrap().get::<String>(0).unwrap(), "detail");
    assert_eq!(failure.application_cause().unwrap().message(), "no money");

    let mut messages = Vec::new();
    let mut source = error.source();
    while let Some(error) = source {
        messages.push(error.to_string());
        source = error.source();
    }
    assert_eq!(messages, ["Broken: order failed", "activity Charge: activity error", "Broken: no money"]);
    let last = error.source().unwrap().source().unwrap().source().unwrap();
    assert_eq!(last.downcast_ref::<evertide_client::Failure>().unwrap().message(), "no money");
}

#[tokio::test]
async fn a_cancellation_keeps_its_details() {
    let fake = Fake::new();
    let canceled = history::WorkflowExecutionCanceledEventAttributes { details: payloads(&7), ..Default::default() };
    fake.answer::<Get>(page(Attributes::WorkflowExecutionCanceledEventAttributes(Box::new(canceled))));
    let (_, failure) = failure_of(&fake).await;
    assert!(failure.is_cancelled());
    assert_eq!(failure.message(), "Workflow cancelled");
    assert_eq!(failure.details().unwrap().get::<i32>(0).unwrap(), 7);
}

#[tokio::test]
async fn a_termination_keeps_its_reason_and_details() {
    let fake = Fake::new();
    let terminated = |reason: &str| history::WorkflowExecutionTerminatedEventAttributes {
        reason: reason.into(),
        details: payloads(&7),
        identity: "operator".into(),
    };
    fake.answer::<Get>(page(Attributes::WorkflowExecutionTerminatedEventAttributes(Box::new(terminated("too old")))));
    fake.answer::<Get>(page(Attributes::WorkflowExecutionTerminatedEventAttributes(Box::new(terminated("")))));
    let (_, failure) = failure_of(&fake).await;
    assert_eq!(failure.message(), "too old");
    assert!(matches!(failure.kind(), FailureKind::Terminated { identity, .. } if identity == "operator"));
    assert_eq!(failure.details().unwrap().get::<i32>(0).unwrap(), 7);
    let (_, failure) = failure_of(&fake).await;
    assert_eq!(failure.message(), "Workflow terminated");
}

#[tokio::test]
async fn a_timeout_is_a_failure() {
    let fake = Fake::new();
    fake.answer::<Get>(timed_out_then(""));
    let (_, failure) = failure_of(&fake).await;
    assert_eq!(failure.message(), "Workflow timed out");
    let FailureKind::Timeout { timeout_type, last_heartbeat_details } = failure.kind() else { panic!() };
    assert_eq!(*timeout_type, TimeoutType::StartToClose);
    assert!(last_heartbeat_details.is_empty());
}

#[tokio::test]
async fn runs_are_followed_through_every_kind_of_hand_over() {
    let fake = Fake::new();
    fake.answer::<Get>(continued_as("run-2"))
        .answer::<Get>(failed_then(application("again", None), "run-3"))
        .answer::<Get>(timed_out_then("run-4"))
        .answer::<Get>(completed_then(&0, "run-5"))
        .answer::<Get>(completed("5"));
    assert_eq!(handle(&fake).await.result::<i32>().await.unwrap(), 5);
    assert_eq!(runs(&fake), ["run-1", "run-2", "run-3", "run-4", "run-5"]);
}

#[tokio::test]
async fn a_run_by_itself_ends_as_it_did() {
    let fake = Fake::new();
    fake.answer::<Get>(continued_as("run-2"))
        .answer::<Get>(failed_then(application("again", None), "run-3"))
        .answer::<Get>(timed_out_then("run-4"))
        .answer::<Get>(completed_then(&4, "run-5"));
    let handle = handle(&fake).await;
    let error = handle.result::<()>().follow_runs(false).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WorkflowContinuedAsNew { new_run_id } if new_run_id == "run-2"));
    for _ in 0..2 {
        let error = handle.result::<()>().follow_runs(false).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WorkflowFailed(_)), "{error}");
    }
    assert_eq!(handle.result::<i32>().follow_runs(false).await.unwrap(), 4);
    assert_eq!(runs(&fake), ["run-1"; 4]);
}

#[tokio::test]
async fn continuing_as_nothing_is_against_the_protocol() {
    let fake = Fake::new();
    fake.answer::<Get>(continued_as(""));
    let error = handle(&fake).await.result::<()>().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{error}");
}

#[tokio::test]
async fn an_event_that_closes_nothing_is_against_the_protocol() {
    let fake = Fake::new();
    fake.answer::<Get>(page(Attributes::TimerStartedEventAttributes(Default::default())));
    let error = handle(&fake).await.result::<()>().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_early_is_resumed_without_a_busy_loop() {
    let fake = Fake::new();
    for _ in 0..6 {
        fake.answer::<Get>(Page::default());
    }
    fake.answer::<Get>(completed("1"));
    let began = tokio::time::Instant::now();
    assert_eq!(handle(&fake).await.result::<i32>().await.unwrap(), 1);
    assert_eq!(fake.methods().len(), 7);
    assert!(began.elapsed() >= Duration::from_millis(100 + 200 + 400 + 800 + 1600 + 3200));
}

#[tokio::test]
async fn without_a_run_an_early_end_is_an_error() {
    let fake = Fake::new();
    fake.answer::<Get>(Page::default());
    let error = fake.handle().await.result::<()>().await.unwrap_err();
    assert!(error.to_string().contains("No completion event found"), "{error}");
}

#[tokio::test]
async fn events_as_they_are_stored_are_read_too() {
    let fake = Fake::new();
    let mut stored = completed("8");
    let batch = evertide_client::proto::prost::Message::encode_to_vec(&stored.history.take().unwrap());
    stored.raw_history = vec![evertide_client::proto::common::DataBlob { encoding_type: 1, data: Bytes::from(batch) }];
    fake.answer::<Get>(stored);
    assert_eq!(handle(&fake).await.result::<i32>().await.unwrap(), 8);
}

#[tokio::test]
async fn an_error_of_the_call_passes_as_it_is() {
    let fake = Fake::new();
    fake.refuse::<Get>(Status::not_found("no such workflow"));
    let error = handle(&fake).await.result::<()>().await.unwrap_err();
    assert!(error.is_not_found());
    assert!(error.to_string().contains("no such workflow"));
}
