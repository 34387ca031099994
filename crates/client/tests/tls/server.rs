//! A server that answers the first question of a connection and signals, over TLS, and remembers the keys it was shown.

use std::sync::{Arc, Mutex};

use evertide_client::proto::workflowservice::workflow_service_server::{WorkflowService, WorkflowServiceServer};
use evertide_client::proto::workflowservice::{
    GetSystemInfoRequest, GetSystemInfoResponse, SignalWorkflowExecutionRequest, SignalWorkflowExecutionResponse,
};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use super::authority::{Authority, Signed};

/// A server of one test; its tasks end with the test's runtime.
pub(crate) struct TlsServer {
    port: u16,
    keys: Keys,
}

type Keys = Arc<Mutex<Vec<Option<String>>>>;

impl TlsServer {
    /// Shows a certificate, and asks for none.
    pub(crate) fn start(identity: &Signed) -> Self {
        Self::serve(ServerTlsConfig::new().identity(pem(identity)))
    }

    /// Asks for a certificate that the authority signed.
    pub(crate) fn start_mutual(identity: &Signed, clients: &Authority) -> Self {
        let config = ServerTlsConfig::new().identity(pem(identity));
        Self::serve(config.client_ca_root(Certificate::from_pem(&clients.cert)))
    }

    /// Speaks no TLS.
    pub(crate) fn start_plain() -> Self {
        Self::serve_by(Server::builder())
    }

    fn serve(config: ServerTlsConfig) -> Self {
        Self::serve_by(Server::builder().tls_config(config).unwrap())
    }

    fn serve_by(mut server: Server) -> Self {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let port = incoming.local_addr().unwrap().port();
        let keys = Keys::default();
        let service = WorkflowServiceServer::new(Service(Arc::clone(&keys)));
        tokio::spawn(server.add_service(service).serve_with_incoming(incoming));
        Self { port, keys }
    }

    /// Where it is, as its certificate calls it.
    pub(crate) fn at(&self, host: &str) -> String {
        format!("{host}:{}", self.port)
    }

    /// The `authorization` of every request so far.
    pub(crate) fn keys(&self) -> Vec<Option<String>> {
        self.keys.lock().unwrap().clone()
    }
}

fn pem(signed: &Signed) -> Identity {
    Identity::from_pem(&signed.cert, &signed.key)
}

struct Service(Keys);

impl Service {
    fn note<R>(&self, request: &Request<R>) {
        let key = request.metadata().get("authorization").map(|key| key.to_str().unwrap().to_owned());
        self.0.lock().unwrap().push(key);
    }
}

#[tonic::async_trait]
impl WorkflowService for Service {
    async fn get_system_info(
        &self,
        request: Request<GetSystemInfoRequest>,
    ) -> Result<Response<GetSystemInfoResponse>, Status> {
        self.note(&request);
        Ok(Response::new(Default::default()))
    }

    async fn signal_workflow_execution(
        &self,
        request: Request<SignalWorkflowExecutionRequest>,
    ) -> Result<Response<SignalWorkflowExecutionResponse>, Status> {
        self.note(&request);
        Ok(Response::new(Default::default()))
    }
}
