//! Deadlines, retries, metadata and the first question of a connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evertide_client::proto::workflowservice::*;
use evertide_client::{Code, Compression, ErrorKind, RetryOptions, RpcReport, Status};

use super::fake::Fake;

fn timeout_header(fake: &Fake) -> String {
    fake.last().headers["grpc-timeout"].to_str().unwrap().to_owned()
}

/// A header of gRPC as a duration: microseconds or nanoseconds, as the transport chose.
fn seconds(header: &str) -> f64 {
    let (number, unit) = header.split_at(header.len() - 1);
    let scale = match unit {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        _ => 1.0,
    };
    number.parse::<f64>().unwrap() * scale
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_sent_again_with_the_same_request_id() {
    let fake = Fake::new();
    let codes =
        [Code::DataLoss, Code::Internal, Code::Unknown, Code::ResourceExhausted, Code::Aborted, Code::OutOfRange];
    for code in codes {
        fake.refuse::<SignalWorkflowExecutionRequest>(Status::new(code, "once more"));
    }
    fake.refuse::<SignalWorkflowExecutionRequest>(Status::unavailable("once more"));
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    fake.handle().await.signal("s").await.unwrap();
    let requests: Vec<SignalWorkflowExecutionRequest> = fake.requests();
    assert_eq!(requests.len(), 8);
    assert!(requests.iter().all(|request| request.request_id == requests[0].request_id));
}

#[tokio::test(start_paused = true)]
async fn every_call_has_an_id_of_its_own() {
    let fake = Fake::new();
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    let handle = fake.handle().await;
    handle.signal("s").await.unwrap();
    handle.signal("s").await.unwrap();
    let requests: Vec<SignalWorkflowExecutionRequest> = fake.requests();
    assert_ne!(requests[0].request_id, requests[1].request_id);
}

#[tokio::test(start_paused = true)]
async fn other_codes_surface_at_once() {
    for code in [
        Code::NotFound,
        Code::InvalidArgument,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::FailedPrecondition,
        Code::Unimplemented,
        Code::Unauthenticated,
        Code::DeadlineExceeded,
        Code::Cancelled,
    ] {
        let fake = Fake::new();
        fake.refuse::<SignalWorkflowExecutionRequest>(Status::new(code, "no"));
        let error = fake.handle().await.signal("s").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Rpc));
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.is_not_found(), code == Code::NotFound);
        assert_eq!(fake.methods().len(), 1, "{code:?} must not be retried");
    }
}

#[tokio::test(start_paused = true)]
async fn retries_end_after_ten_seconds_or_ten_tries() {
    let fake = Fake::new();
    fake.refuse::<SignalWorkflowExecutionRequest>(Status::unavailable("never"));
    let began = tokio::time::Instant::now();
    let error = fake.handle().await.signal("s").await.unwrap_err();
    assert_eq!(error.code(), Some(Code::Unavailable));
    assert!(error.is_retryable());
    assert!(began.elapsed() <= Duration::from_secs(10));
    assert!((8..=10).contains(&fake.methods().len()), "{} tries", fake.methods().len());

    let patient = fake.connect().retry(RetryOptions::none()).await.unwrap();
    let before = fake.methods().len();
    patient.get_workflow_handle("w").signal("s").await.unwrap_err();
    assert_eq!(fake.methods().len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn calls_have_thirty_seconds_and_those_that_wait_have_seventy() {
    let fake = Fake::new();
    let handle = fake.handle().await;
    handle.signal("s").await.unwrap_err();
    assert_eq!(seconds(&timeout_header(&fake)), 30.0);
    handle.query::<(), _>("q").await.unwrap_err();
    assert_eq!(seconds(&timeout_header(&fake)), 30.0);
    handle.fetch_history().await.unwrap_err();
    assert_eq!(seconds(&timeout_header(&fake)), 30.0);
    handle.get_update_handle("u").result::<()>().await.unwrap_err();
    assert_eq!(seconds(&timeout_header(&fake)), 30.0);
    handle.result::<()>().await.unwrap_err();
    assert_eq!(seconds(&timeout_header(&fake)), 70.0);
    handle.execute_update::<(), _>("u").await.unwrap_err();
    assert_eq!(seconds(&timeout_header(&fake)), 70.0);
    handle.result::<()>().rpc_timeout(Duration::from_millis(1500)).await.unwrap_err();
    assert_eq!(seconds(&timeout_header(&fake)), 1.5);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_kept_on_this_side_too() {
    let fake = Fake::new();
    fake.ignore::<SignalWorkflowExecutionRequest>();
    let handle = fake.handle().await;
    let began = tokio::time::Instant::now();
    let error = handle.signal("s").await.unwrap_err();
    assert_eq!(error.code(), Some(Code::DeadlineExceeded));
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!(fake.methods().len(), 1, "a deadline is not retried");
    let error = handle.signal("s").rpc_timeout(Duration::from_secs(3)).await.unwrap_err();
    assert!(error.to_string().contains("SignalWorkflowExecution was not answered within 3s"), "{error}");
    assert_eq!(began.elapsed().as_secs(), 33);
}

#[tokio::test(start_paused = true)]
async fn the_whole_operation_can_be_bounded() {
    let fake = Fake::new();
    fake.ignore::<GetWorkflowExecutionHistoryRequest>();
    let began = tokio::time::Instant::now();
    let limit = Duration::from_secs(200);
    let error = fake.handle().await.result::<()>().timeout(limit).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { limit: told } if *told == limit), "{error}");
    assert_eq!(began.elapsed().as_secs(), 200);
    assert_eq!(fake.methods().len(), 3, "a long poll that ends by its deadline is made again within the bound");

    let error = fake.handle().await.result::<()>().await.unwrap_err();
    assert_eq!(error.code(), Some(Code::DeadlineExceeded), "without a bound the deadline surfaces");
}

#[tokio::test]
async fn metadata_of_the_call_goes_over_that_of_the_client() {
    let fake = Fake::new();
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    let client = fake.connect().api_key("key").rpc_metadata("x-team", "client").rpc_metadata("x-kept", "yes");
    let handle = client.await.unwrap().get_workflow_handle("w");
    handle.signal("s").rpc_metadata("x-team", "call").rpc_metadata("x-trace-bin", [0, 255]).await.unwrap();
    let headers = fake.last().headers;
    assert_eq!(headers["x-team"], "call");
    assert_eq!(headers["x-kept"], "yes");
    assert_eq!(headers["authorization"], "Bearer key");
    assert_eq!(headers["temporal-namespace"], "tides");
    assert_eq!(headers["client-name"], "evertide-client");
    assert_eq!(headers["client-version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(headers["x-trace-bin"].to_str().unwrap().trim_end_matches('='), "AP8");

    let bearer = handle.signal("s").rpc_metadata("authorization", "Bearer mine");
    bearer.await.unwrap();
    assert_eq!(fake.last().headers["authorization"], "Bearer mine");
}

#[tokio::test]
async fn metadata_that_cannot_be_sent_is_refused_before_the_call() {
    let fake = Fake::new();
    let handle = fake.handle().await;
    for (key, value) in [("Upper Case", "v"), ("x-text", "line\nbreak")] {
        let error = handle.signal("s").rpc_metadata(key, value).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument(_)), "{error}");
        let error = handle.fetch_history_events().rpc_metadata(key, value).next().await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument(_)), "{error}");
    }
    assert!(fake.methods().is_empty());
    assert!(fake.connect().rpc_metadata("Upper Case", "v").await.is_err());
    assert!(fake.connect().namespace("").await.is_err());
}

#[tokio::test]
async fn large_requests_are_compressed_and_compressed_answers_accepted() {
    let fake = Fake::new();
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    let handle = fake.handle().await;
    handle.signal("s").arg("short").await.unwrap();
    assert!(!fake.last().headers.contains_key("grpc-encoding"));
    assert!(fake.last().headers["grpc-accept-encoding"].to_str().unwrap().contains("gzip"));
    let long = "long ".repeat(1000);
    handle.signal("s").arg(&long).await.unwrap();
    assert_eq!(fake.last().headers["grpc-encoding"], "gzip");
    let plain = fake.connect().compression(Compression::None).await.unwrap();
    plain.get_workflow_handle("w").signal("s").arg(&long).await.unwrap();
    assert!(!fake.last().headers.contains_key("grpc-encoding"));
}

#[tokio::test(start_paused = true)]
async fn connecting_asks_the_server_what_it_is() {
    let fake = Fake::new();
    fake.answer::<GetSystemInfoRequest>(GetSystemInfoResponse { server_version: "1.2.3".into(), ..Default::default() });
    let client = fake.client().await;
    assert_eq!(fake.last().method, "GetSystemInfo");
    assert_eq!(client.system_info().await.unwrap().server_version, "1.2.3");
    assert_eq!(fake.requests::<GetSystemInfoRequest>().len(), 1, "the answer is kept");

    let old = Fake::new();
    old.refuse::<GetSystemInfoRequest>(Status::unimplemented("unknown method GetSystemInfo"));
    old.client().await;

    let broken = Fake::new();
    broken.refuse::<GetSystemInfoRequest>(Status::permission_denied("not you"));
    let error = broken.connect().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Connect));
    assert_eq!(error.code(), Some(Code::PermissionDenied));
}

#[tokio::test]
async fn a_lazy_client_asks_with_its_first_call() {
    let fake = Fake::new();
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    let client = fake.connect().lazy().await.unwrap();
    assert!(fake.requests::<GetSystemInfoRequest>().is_empty());
    client.get_workflow_handle("w").signal("s").await.unwrap();
    client.get_workflow_handle("w").signal("s").await.unwrap();
    assert_eq!(fake.requests::<GetSystemInfoRequest>().len(), 1);
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_says_so() {
    let error = evertide_client::Client::connect("127.0.0.1:1").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Connect), "{error}");
    let lazy = evertide_client::Client::connect("127.0.0.1:1").lazy().await;
    assert!(lazy.is_ok());
    let error = evertide_client::Client::connect("not an address").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument(_)), "{error}");
}

#[tokio::test]
async fn any_method_of_the_api_is_within_reach() {
    let fake = Fake::new();
    fake.answer::<DescribeNamespaceRequest>(DescribeNamespaceResponse {
        is_global_namespace: true,
        ..Default::default()
    });
    let client = fake.client().await;
    let answer = client
        .call(DescribeNamespaceRequest { namespace: "else".into(), ..Default::default() })
        .rpc_timeout(Duration::from_secs(5))
        .await
        .unwrap();
    assert!(answer.is_global_namespace);
    assert_eq!(fake.last().headers["temporal-namespace"], "else");
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_every_try() {
    let fake = Fake::new();
    fake.refuse::<SignalWorkflowExecutionRequest>(Status::unavailable("once more"));
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let observer = move |report: &RpcReport<'_>| {
        log.lock().unwrap().push((report.method, report.attempt, report.code, report.long_poll));
    };
    let client = fake.connect().observer(observer).await.unwrap();
    client.get_workflow_handle("w").signal("s").await.unwrap();
    let expected = [
        ("GetSystemInfo", 1, Code::Ok, false),
        ("SignalWorkflowExecution", 1, Code::Unavailable, false),
        ("SignalWorkflowExecution", 2, Code::Ok, false),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}
