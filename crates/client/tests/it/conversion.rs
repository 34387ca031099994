//! Codecs and failures.

use evertide_client::payload::{Raw, to_payload};
use evertide_client::proto::common::{Memo, Payload, Payloads};
use evertide_client::proto::failure::failure::FailureInfo;
use evertide_client::proto::failure::{self as failures};
use evertide_client::proto::history::WorkflowExecutionFailedEventAttributes;
use evertide_client::proto::history::history_event::Attributes;
use evertide_client::proto::workflow::WorkflowExecutionInfo;
use evertide_client::proto::workflowservice::*;
use evertide_client::{
    Client, CodecContext, CodecFuture, ErrorKind, PayloadCodec, SearchAttributeKey, SearchAttributes, WaitForStage,
};

use super::fake::Fake;

/// Turns the bytes around, and notes for whom.
struct Mirror;

impl Mirror {
    fn turn(mut payload: Payload, encoded: bool, context: &CodecContext) -> Payload {
        let mut data = payload.data.to_vec();
        data.reverse();
        payload.data = data.into();
        if encoded {
            let whom = format!("{}/{}", context.namespace, context.workflow_id.as_deref().unwrap_or("-"));
            payload.metadata.insert("for".into(), whom.into());
        } else {
            payload.metadata.remove("for");
        }
        payload
    }
}

impl PayloadCodec for Mirror {
    fn encode<'a>(&'a self, context: &'a CodecContext, payloads: Vec<Payload>) -> CodecFuture<'a> {
        Box::pin(async move { Ok(payloads.into_iter().map(|payload| Self::turn(payload, true, context)).collect()) })
    }

    fn decode<'a>(&'a self, context: &'a CodecContext, payloads: Vec<Payload>) -> CodecFuture<'a> {
        Box::pin(async move { Ok(payloads.into_iter().map(|payload| Self::turn(payload, false, context)).collect()) })
    }
}

/// Makes one payload of many, and fails to undo it.
struct Packing;

impl PayloadCodec for Packing {
    fn encode<'a>(&'a self, _: &'a CodecContext, payloads: Vec<Payload>) -> CodecFuture<'a> {
        let count = payloads.len();
        Box::pin(async move { Ok(vec![to_payload(&count).map_err(|error| error.to_string())?; 2]) })
    }

    fn decode<'a>(&'a self, _: &'a CodecContext, _: Vec<Payload>) -> CodecFuture<'a> {
        Box::pin(async { Err("the key is lost".into()) })
    }
}

async fn client(fake: &Fake) -> Client {
    fake.connect().codec(Mirror).await.unwrap()
}

fn mirrored(value: &str) -> Payload {
    let context = CodecContext::new("tides", Some("w".into()));
    Mirror::turn(to_payload(value).unwrap(), true, &context)
}

#[tokio::test]
async fn everything_but_search_attributes_and_headers_passes_the_codec() {
    let fake = Fake::new();
    fake.answer::<SignalWithStartWorkflowExecutionRequest>(Default::default());
    let attributes = SearchAttributes::new().with(SearchAttributeKey::keyword("K"), "ab".to_owned());
    let start = client(&fake).await.start_workflow("W").id("w").task_queue("q").arg("ab").memo("note", "ab");
    let start = start.static_summary("ab").static_details("ab").search_attributes(attributes);
    let start = start.header("h", to_payload("ab").unwrap()).start_signal("s").start_signal_arg("ab");
    start.await.unwrap();
    let request: SignalWithStartWorkflowExecutionRequest = fake.request();
    let expected = mirrored("ab");
    assert_eq!(expected.metadata["for"].as_ref(), b"tides/w");
    assert_eq!(request.input.unwrap().payloads, std::slice::from_ref(&expected));
    assert_eq!(request.signal_input.unwrap().payloads, std::slice::from_ref(&expected));
    assert_eq!(request.memo.unwrap().fields["note"], expected);
    let metadata = request.user_metadata.unwrap();
    assert_eq!((metadata.summary.unwrap(), metadata.details.unwrap()), (expected.clone(), expected));
    assert_eq!(request.search_attributes.unwrap().indexed_fields["K"].data.as_ref(), b"\"ab\"");
    assert_eq!(request.header.unwrap().fields["h"].data.as_ref(), b"\"ab\"");
}

#[tokio::test]
async fn headers_pass_the_codec_if_the_client_says_so() {
    let fake = Fake::new();
    fake.answer::<StartWorkflowExecutionRequest>(Default::default());
    let client = fake.connect().codec(Mirror).codec_for_headers(true).await.unwrap();
    let start = client.start_workflow("W").id("w").task_queue("q").header("h", to_payload("ab").unwrap());
    start.await.unwrap();
    let request: StartWorkflowExecutionRequest = fake.request();
    assert_eq!(request.header.unwrap().fields["h"], mirrored("ab"));
}

#[tokio::test]
async fn messages_and_their_answers_pass_the_codec() {
    let fake = Fake::new();
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    fake.answer::<TerminateWorkflowExecutionRequest>(Default::default());
    fake.answer::<QueryWorkflowRequest>(QueryWorkflowResponse {
        query_result: Some(Payloads { payloads: vec![mirrored("answer")] }),
        ..Default::default()
    });
    let outcome = evertide_client::proto::update::Outcome {
        value: Some(evertide_client::proto::update::outcome::Value::Success(Payloads {
            payloads: vec![mirrored("outcome")],
        })),
    };
    fake.answer::<UpdateWorkflowExecutionRequest>(UpdateWorkflowExecutionResponse {
        outcome: Some(outcome),
        stage: 3,
        ..Default::default()
    });
    let handle = client(&fake).await.get_workflow_handle("w");
    handle.signal("s").arg("ab").await.unwrap();
    let signal: SignalWorkflowExecutionRequest = fake.request();
    assert_eq!(signal.input.unwrap().payloads, [mirrored("ab")]);
    assert_eq!(handle.query::<String, _>("q").arg("ab").await.unwrap(), "answer");
    let query: QueryWorkflowRequest = fake.request();
    assert_eq!(query.query.unwrap().query_args.unwrap().payloads, [mirrored("ab")]);
    let update = handle.start_update("u").arg("ab").wait_for_stage(WaitForStage::Accepted).await.unwrap();
    assert_eq!(update.result::<String>().await.unwrap(), "outcome");
    let sent: UpdateWorkflowExecutionRequest = fake.request();
    assert_eq!(sent.request.unwrap().input.unwrap().args.unwrap().payloads, [mirrored("ab")]);
    handle.terminate().detail("ab").await.unwrap();
    let terminate: TerminateWorkflowExecutionRequest = fake.request();
    assert_eq!(terminate.details.unwrap().payloads, [mirrored("ab")]);
}

#[tokio::test]
async fn failures_are_decoded_down_to_the_last_cause() {
    let fake = Fake::new();
    let details = |text: &str| Some(Payloads { payloads: vec![mirrored(text)] });
    let context = CodecContext::new("tides", Some("w".into()));
    let hidden = serde_json::json!({"message": "true words", "stack_trace": "true stack"});
    let inner = failures::Failure {
        message: "Encoded failure".into(),
        encoded_attributes: Some(Mirror::turn(to_payload(&hidden).unwrap(), true, &context)),
        failure_info: Some(FailureInfo::CanceledFailureInfo(failures::CanceledFailureInfo {
            details: details("inner"),
            ..Default::default()
        })),
        ..Default::default()
    };
    let outer = failures::Failure {
        message: "outer".into(),
        cause: Some(Box::new(inner)),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(failures::TimeoutFailureInfo {
            timeout_type: 4,
            last_heartbeat_details: details("outer"),
        })),
        ..Default::default()
    };
    fake.answer::<GetWorkflowExecutionHistoryRequest>(super::results::page(
        Attributes::WorkflowExecutionFailedEventAttributes(Box::new(WorkflowExecutionFailedEventAttributes {
            failure: Some(outer),
            ..Default::default()
        })),
    ));
    let error = client(&fake).await.get_workflow_handle("w").result::<()>().await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.details().unwrap().get::<String>(0).unwrap(), "outer");
    let inner = failure.cause().unwrap();
    assert_eq!(inner.details().unwrap().get::<String>(0).unwrap(), "inner");
    assert_eq!((inner.message(), inner.stack_trace()), ("true words", "true stack"));
    assert!(failure.is_cancelled());
}

#[tokio::test]
async fn memos_of_descriptions_and_lists_are_decoded_for_their_workflow() {
    let fake = Fake::new();
    let info = WorkflowExecutionInfo {
        execution: Some(evertide_client::proto::common::WorkflowExecution {
            workflow_id: "w".into(),
            run_id: String::new(),
        }),
        memo: Some(Memo { fields: [("note".to_owned(), mirrored("hello"))].into() }),
        ..Default::default()
    };
    fake.answer::<ListWorkflowExecutionsRequest>(ListWorkflowExecutionsResponse {
        executions: vec![info.clone()],
        ..Default::default()
    });
    fake.answer::<DescribeWorkflowExecutionRequest>(DescribeWorkflowExecutionResponse {
        workflow_execution_info: Some(info),
        ..Default::default()
    });
    let client = client(&fake).await;
    let listed = client.list_workflows("").next().await.unwrap().unwrap();
    assert_eq!(listed.memo_value::<String>("note").await.unwrap().unwrap(), "hello");
    let described = client.get_workflow_handle("w").describe().await.unwrap();
    assert_eq!(described.memo_value::<String>("note").await.unwrap().unwrap(), "hello");
}

#[tokio::test]
async fn a_codec_may_change_how_many_there_are_only_in_lists() {
    let fake = Fake::new();
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    fake.answer::<QueryWorkflowRequest>(QueryWorkflowResponse {
        query_result: Some(Payloads { payloads: vec![to_payload(&1).unwrap()] }),
        ..Default::default()
    });
    let client = fake.connect().codec(Packing).await.unwrap();
    let handle = client.get_workflow_handle("w");
    handle.signal("s").args((1, 2, 3)).await.unwrap();
    let signal: SignalWorkflowExecutionRequest = fake.request();
    assert_eq!(signal.input.unwrap().payloads.len(), 2);

    let error = client.start_workflow("W").id("w").task_queue("q").memo("m", &1).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conversion(_)), "{error}");
    let error = handle.query::<i32, _>("q").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conversion(_)), "{error}");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the key is lost");
}

#[tokio::test]
async fn raw_payloads_pass_without_conversion() {
    let fake = Fake::new();
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    let mut payload = to_payload(&1).unwrap();
    payload.metadata.insert("encoding".into(), "binary/mine".into());
    fake.handle().await.signal("s").arg(&Raw(payload.clone())).await.unwrap();
    let signal: SignalWorkflowExecutionRequest = fake.request();
    assert_eq!(signal.input.unwrap().payloads, [payload]);
}
