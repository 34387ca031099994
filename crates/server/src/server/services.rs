//! All services of a server, by the path of a request.

use super::StartError;
use super::reflection;
use crate::frontend::Frontend;
use evertide_proto::operatorservice::operator_service_server::OperatorServiceServer;
use evertide_proto::testservice::test_service_server::TestServiceServer;
use evertide_proto::workflowservice::workflow_service_server::{SERVICE_NAME, WorkflowServiceServer};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use std::convert::Infallible;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tower::Service;

/// All services of a server.
#[derive(Debug, Clone)]
pub struct Services {
    /// Nearly every request is for this one, so it is found without a router.
    workflow: WorkflowServiceServer<Frontend>,
    others: Routes,
}

impl Services {
    pub(super) async fn new(frontend: Frontend) -> Result<Self, StartError> {
        let (health, health_service) = tonic_health::server::health_reporter();
        for name in
            ["", "temporal.api.workflowservice.v1.WorkflowService", "temporal.api.operatorservice.v1.OperatorService"]
        {
            health.set_service_status(name, ServingStatus::Serving).await;
        }
        let reflection_error = |e: tonic_reflection::server::Error| StartError::Reflection(e.to_string());
        // `Wire` bounds and packs messages, for all services alike.
        macro_rules! unbounded {
            ($service:expr) => {
                $service.max_decoding_message_size(usize::MAX).max_encoding_message_size(usize::MAX)
            };
        }
        let others = Routes::new(unbounded!(OperatorServiceServer::new(frontend.clone())))
            .add_service(unbounded!(TestServiceServer::new(frontend.clone())))
            .add_service(unbounded!(health_service))
            .add_service(unbounded!(reflection::v1::service().map_err(reflection_error)?))
            .add_service(unbounded!(reflection::v1alpha::service().map_err(reflection_error)?))
            .prepare();
        Ok(Self { workflow: unbounded!(WorkflowServiceServer::new(frontend)), others })
    }
}

impl Service<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.others, context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path().split('/').nth(1) == Some(SERVICE_NAME) {
            return self.workflow.call(request);
        }
        self.others.call(request).boxed()
    }
}
