//! A server that implements nothing still says, for every method of every service, which one is missing.

use evertide_proto::operatorservice::operator_service_server::{OperatorService, OperatorServiceServer};
use evertide_proto::testservice::test_service_server::{TestService, TestServiceServer};
use evertide_proto::tonic::body::Body;
use evertide_proto::tonic::server::NamedService;
use evertide_proto::tonic::{Code, Status};
use evertide_proto::workflowservice::workflow_service_server::{WorkflowService, WorkflowServiceServer};
use evertide_proto::{SERVICES, Service};
use futures::FutureExt;
use tower::ServiceExt;

struct Nothing;

impl OperatorService for Nothing {}
impl TestService for Nothing {}
impl WorkflowService for Nothing {}

/// An uncompressed gRPC frame around an empty message.
const EMPTY_FRAME: &str = "\0\0\0\0\0";

/// The status that `server` answers an empty request for `method` with.
fn status_of<S>(server: S, method: &str) -> Status
where
    S: NamedService + tower::Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Error: std::fmt::Debug,
{
    let request = http::Request::post(format!("/{}/{method}", S::NAME))
        .header("content-type", "application/grpc")
        .body(Body::new(EMPTY_FRAME.to_owned()))
        .expect("the request is well formed");
    let response = server.oneshot(request).now_or_never().expect("a stub waits for nothing");
    let response = response.expect("a service always answers");
    Status::from_header_map(response.headers()).expect("a stub answers without a message")
}

fn check_service<S>(server: S)
where
    S: NamedService + Clone + tower::Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Error: std::fmt::Debug,
{
    let service: &Service =
        SERVICES.iter().find(|service| service.name == S::NAME).expect("the service is in the table");
    for method in service.methods {
        let status = status_of(server.clone(), method);
        assert_eq!(status.code(), Code::Unimplemented, "{method}");
        assert_eq!(status.message(), format!("method {method} is not implemented by this server"));
    }
}

#[test]
fn every_stub_names_its_method() {
    check_service(WorkflowServiceServer::new(Nothing));
    check_service(OperatorServiceServer::new(Nothing));
    check_service(TestServiceServer::new(Nothing));
}
