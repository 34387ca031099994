//! The client: a connection with a namespace, an identity and the conversion of data.

mod connect;
#[cfg(feature = "tls")]
mod tls;

pub use connect::Connect;
#[cfg(feature = "tls")]
pub use tls::Tls;
#[cfg(feature = "tls")]
pub(crate) use tls::advice;

use std::fmt;
use std::sync::Arc;

use evertide_proto::enums::QueryRejectCondition;
use evertide_proto::workflowservice::{GetSystemInfoRequest, GetSystemInfoResponse};
use tokio::sync::OnceCell;
use tonic::{Code, Status};

use crate::call::{CallOptions, call_options, into_future};
use crate::codec::{BoundCodec, CodecContext, PayloadCodec};
use crate::definition::{Known, ResultAs, Untyped, WorkflowName};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::{Ids, WorkflowHandle, WorkflowRef};
use crate::interceptor::{Intercepted, Interceptor, Next, OutboundCall};
use crate::rpc::Rpc;
use crate::start::{ExecuteWorkflow, StartWorkflow};
use crate::time_skipping::AutoSkip;
use crate::transport::{Connection, Transport};

/// A client of a Temporal server. A clone is one more reference to the same client.
///
/// ```no_run
/// # async fn run() -> evertide_client::Result<()> {
/// use evertide_client::Client;
///
/// let client = Client::connect("localhost:7233").namespace("default").await?;
/// let handle = client.start_workflow("Greet").id("greet-1").task_queue("greetings").arg("tide").await?;
/// let greeting: String = handle.result().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

pub(crate) struct Inner {
    connection: Arc<Connection>,
    system: Shared<OnceCell<GetSystemInfoResponse>>,
    namespace: Arc<str>,
    settings: Settings,
}

/// What a client does beside carrying requests.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) identity: Arc<str>,
    pub(crate) codec: Option<Arc<dyn PayloadCodec>>,
    pub(crate) codec_for_headers: bool,
    pub(crate) interceptors: Vec<Arc<dyn Interceptor>>,
    pub(crate) query_reject_condition: Option<QueryRejectCondition>,
    pub(crate) time_skipping: Option<Shared<AutoSkip>>,
}

/// A value that changes, behind a trait. Handles are keys of maps, and neither their equality nor their hash depends on
/// such a value; but who sees it in their type must think so, as lints do.
pub(crate) type Shared<T> = Arc<dyn Hidden<T>>;

pub(crate) trait Hidden<T>: fmt::Debug + Send + Sync {
    fn reveal(&self) -> &T;
}

impl Hidden<Self> for OnceCell<GetSystemInfoResponse> {
    fn reveal(&self) -> &Self {
        self
    }
}

impl Hidden<Self> for AutoSkip {
    fn reveal(&self) -> &Self {
        self
    }
}

impl Client {
    /// Connects to a server at `host:port`, or at an `http://` or `https://` address.
    ///
    /// Awaiting the builder connects and asks the server what it can do. See [`Connect`] for the options.
    ///
    /// ```no_run
    /// # async fn run() -> evertide_client::Result<()> {
    /// use evertide_client::Client;
    ///
    /// let client = Client::connect("localhost:7233").namespace("orders").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] if the server cannot be reached, [`ErrorKind::InvalidArgument`] if an option is wrong.
    pub fn connect(address: impl Into<String>) -> Connect {
        Connect::to_address(address.into())
    }

    /// Connects through a transport, such as a server in this process: see [`Transport::new`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use evertide_client::{Client, Transport};
    ///
    /// let server = evertide_server::Server::builder().start().await?;
    /// let client = Client::connect_with(Transport::new(server.service())).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_with(transport: Transport) -> Connect {
        Connect::to_transport(transport)
    }

    pub(crate) fn new(connection: Connection, namespace: Arc<str>, settings: Settings) -> Self {
        let connection = Arc::new(connection);
        Self(Arc::new(Inner { connection, system: Arc::new(OnceCell::new()), namespace, settings }))
    }

    /// The namespace that this client works in.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use evertide_client::Client;
    ///
    /// let client = Client::connect("localhost:7233").namespace("orders").lazy().await?;
    /// assert_eq!(client.namespace(), "orders");
    /// # Ok(())
    /// # }
    /// ```
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// The identity that this client signs its requests with: `pid@host`, unless another was set.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use evertide_client::Client;
    ///
    /// let client = Client::connect("localhost:7233").identity("billing-3").lazy().await?;
    /// assert_eq!(client.identity(), "billing-3");
    /// # Ok(())
    /// # }
    /// ```
    pub fn identity(&self) -> &str {
        &self.0.settings.identity
    }

    /// A client for another namespace, on the same connection.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// let billing = client.with_namespace("billing");
    /// assert_eq!((client.namespace(), billing.namespace()), ("default", "billing"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_namespace(&self, namespace: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Inner {
            connection: Arc::clone(&self.0.connection),
            system: Arc::clone(&self.0.system),
            namespace: namespace.into(),
            settings: self.0.settings.clone(),
        }))
    }

    /// Starts a workflow: see [`StartWorkflow`] for its options.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").arg("tea").arg(&3).await?;
    /// assert_eq!(order.id(), "order-7");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::WorkflowAlreadyStarted`] if the id is taken and the policies of the start allow no other workflow
    /// with it, [`ErrorKind::InvalidArgument`] if the id or the task queue is missing.
    pub fn start_workflow<W: Known>(&self, workflow: impl WorkflowName<W>) -> StartWorkflow<W::Args, W> {
        StartWorkflow::new(self.clone(), workflow.into_name().into_owned())
    }

    /// Starts a workflow and waits for its result.
    ///
    /// ```no_run
    /// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
    /// let receipt: String = client.execute_workflow("Order").id("order-7").task_queue("orders").arg("tea").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`start_workflow`](Self::start_workflow) and [`WorkflowHandle::result`](WorkflowHandle#method.result).
    pub fn execute_workflow<T, W>(&self, workflow: impl WorkflowName<W>) -> ExecuteWorkflow<W::Args, W, T>
    where
        W: Known<Output: ResultAs<T>>,
    {
        ExecuteWorkflow::new(self.start_workflow(workflow), W::Output::read)
    }

    /// A handle for a workflow that may or may not exist; nothing is sent. It acts on the workflow's latest run,
    /// unless [`WorkflowHandle::with_run_id`] names another.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let handle = client.get_workflow_handle("order-7");
    /// let error = handle.describe().await.unwrap_err();
    /// assert!(error.is_not_found(), "there is no such workflow");
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_workflow_handle(&self, workflow_id: impl Into<Arc<str>>) -> WorkflowHandle {
        self.get_workflow_handle_of::<Untyped>(workflow_id)
    }

    /// A handle whose messages and result are those of a definition.
    ///
    /// ```no_run
    /// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
    /// use evertide_client::workflow;
    ///
    /// workflow!(Order = "OrderWorkflow", (String,) -> u32);
    ///
    /// let total: u32 = client.get_workflow_handle_for::<Order>("order-7").result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_workflow_handle_for<W: Known>(&self, workflow_id: impl Into<Arc<str>>) -> WorkflowHandle<W> {
        self.get_workflow_handle_of::<W>(workflow_id)
    }

    fn get_workflow_handle_of<W>(&self, workflow_id: impl Into<Arc<str>>) -> WorkflowHandle<W> {
        WorkflowHandle::new(self.clone(), Ids::of_workflow(workflow_id.into()))
    }

    /// The handle that a reference was made from, which may have been in another process. The handle works in the
    /// namespace of the reference.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// use evertide_client::WorkflowRef;
    ///
    /// let stored = serde_json::to_string(&client.get_workflow_handle("order-7").to_ref())?;
    /// let reference: WorkflowRef = serde_json::from_str(&stored)?;
    /// assert_eq!(client.bind(&reference).id(), "order-7");
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(&self, reference: &WorkflowRef) -> WorkflowHandle {
        let client = match &reference.namespace {
            Some(namespace) if namespace.as_str() != self.namespace() => self.with_namespace(namespace.as_str()),
            _ => self.clone(),
        };
        WorkflowHandle::new(client, Ids::of_reference(reference))
    }

    /// Makes any call of the API, with the client's metadata, deadlines and retries. Payloads are sent as they are.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// use evertide_client::proto::workflowservice::GetClusterInfoRequest;
    ///
    /// let info = client.call(GetClusterInfoRequest::default()).await?;
    /// println!("{}", info.server_version);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`] if the server refuses or cannot be reached.
    pub fn call<R: Rpc>(&self, request: R) -> RawCall<R> {
        RawCall { client: self.clone(), request, options: CallOptions::default() }
    }

    /// What the server said about itself when the client connected, or says now if nothing was asked so far.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let info = client.system_info().await?;
    /// let known = info.capabilities.clone().unwrap_or_default();
    /// println!("{}, upserts memos: {}", info.server_version, known.upsert_memo);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] if it cannot be reached.
    pub async fn system_info(&self) -> Result<&GetSystemInfoResponse> {
        self.0.system.reveal().get_or_try_init(|| self.fetch_system_info()).await
    }

    async fn fetch_system_info(&self) -> Result<GetSystemInfoResponse> {
        let answer = self.0.connection.call(GetSystemInfoRequest {}, &CallOptions::default()).await;
        answer.or_else(|error| match error.grpc_status() {
            Some(status) if knows_no_system_info(status) => Ok(GetSystemInfoResponse::default()),
            Some(status) if advice(status).is_none() => Err(error.into_kind(ErrorKind::Connect)),
            _ => Err(Error::connect(error)),
        })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.0.connection
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn interceptor(&self, index: usize) -> Option<Arc<dyn Interceptor>> {
        self.0.settings.interceptors.get(index).cloned()
    }

    /// The codec with the context of one workflow.
    pub(crate) fn codec_for(&self, workflow_id: Option<Arc<str>>) -> BoundCodec {
        BoundCodec {
            codec: self.0.settings.codec.clone(),
            headers: self.0.settings.codec_for_headers,
            context: CodecContext::new(Arc::clone(&self.0.namespace), workflow_id),
        }
    }

    /// Sends a request through the interceptors and the codec.
    pub(crate) async fn send<R: Intercepted>(
        &self,
        mut request: R,
        options: &CallOptions,
        codec: &BoundCodec,
    ) -> Result<R::Response> {
        self.system_info().await?;
        if self.0.settings.interceptors.is_empty() {
            codec.encode(&mut request).await?;
            return self.0.connection.call(request, options).await;
        }
        Next::first(self.clone(), codec.clone()).run(OutboundCall::new(request, options.clone())).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("namespace", &self.0.namespace)
            .field("identity", &self.0.settings.identity)
            .finish_non_exhaustive()
    }
}

/// What to do about an error of TLS, of which there are none here.
#[cfg(not(feature = "tls"))]
pub(crate) fn advice(_: &(dyn std::error::Error + 'static)) -> Option<String> {
    None
}

/// Whether a server is of a kind that answers the first question with "no such method", as proxies and old servers do.
fn knows_no_system_info(status: &Status) -> bool {
    if status.code() != Code::Unimplemented {
        return false;
    }
    let message = status.message().to_lowercase();
    let unknown = ["unknown method", "unknown service", "method not found"];
    unknown.iter().any(|text| message.contains(text))
        || (message.contains("getsysteminfo")
            && (message.contains("is unimplemented") || message.contains("not implement")))
}

/// A call of [`Client::call`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// use evertide_client::proto::workflowservice::DescribeNamespaceRequest;
///
/// let request = DescribeNamespaceRequest { namespace: "default".to_owned(), ..Default::default() };
/// let call = client.call(request).rpc_metadata("x-team", "orders").rpc_timeout(Duration::from_secs(2));
/// let described = call.timeout(Duration::from_secs(10)).await?;
/// assert_eq!(described.namespace_info.unwrap_or_default().name, "default");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a call does nothing until it is awaited"]
pub struct RawCall<R> {
    client: Client,
    request: R,
    options: CallOptions,
}

call_options!(RawCall<R>);

impl<R: Rpc> RawCall<R> {
    async fn run(self) -> Result<R::Response> {
        self.options.run(self.client.connection().call(self.request, &self.options)).await
    }
}

into_future!(RawCall<R: Rpc> => R::Response);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_and_proxies_are_forgiven() {
        for message in [
            "unknown method GetSystemInfo for service temporal.api.workflowservice.v1.WorkflowService",
            "Unknown Service temporal.api",
            "Method not found: temporal",
            "Method temporal.api.workflowservice.v1.WorkflowService/GetSystemInfo is unimplemented",
            "GetSystemInfo not implemented",
        ] {
            assert!(knows_no_system_info(&Status::unimplemented(message)), "{message}");
        }
        assert!(!knows_no_system_info(&Status::unimplemented("nothing here")));
        assert!(!knows_no_system_info(&Status::unavailable("unknown method")));
    }
}
