//! The hook around every outbound call.

use std::fmt;
use std::time::Duration;

use evertide_proto::workflowservice::{self as service};
use futures_core::future::BoxFuture;

use crate::call::CallOptions;
use crate::client::Client;
use crate::codec::{BoundCodec, CarriesPayloads};
use crate::error::Result;
use crate::rpc::Rpc;

/// One call on its way out. The payloads in the request have not passed the codec yet.
///
/// ```
/// use std::time::Duration;
///
/// use evertide_client::{Intercepted, Next, OutboundCall, Result};
///
/// /// To be called by the methods of an interceptor.
/// async fn with_tenant<R: Intercepted>(mut call: OutboundCall<R>, next: Next) -> Result<R::Response> {
///     call.add_rpc_metadata("x-tenant", "orders")?;
///     call.set_rpc_timeout(Duration::from_secs(5));
///     next.run(call).await
/// }
/// ```
#[derive(Debug, Clone)]
pub struct OutboundCall<R> {
    /// The request, which may be changed.
    pub request: R,
    options: CallOptions,
}

impl<R> OutboundCall<R> {
    /// Sets the deadline of each single request.
    pub fn set_rpc_timeout(&mut self, limit: Duration) {
        self.options.rpc_timeout = Some(limit);
    }

    /// Adds metadata, over what is there. A key that ends in `-bin` carries bytes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if it cannot be sent as a header.
    pub fn add_rpc_metadata(&mut self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Result<()> {
        self.options.metadata.add(key.as_ref(), value.as_ref())
    }
}

/// The rest of the way: the interceptors behind this one, the codec and the network.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// use evertide_client::proto::workflowservice::{
///     TerminateWorkflowExecutionRequest, TerminateWorkflowExecutionResponse,
/// };
/// use evertide_client::{Client, Interceptor, InterceptorFuture, Next, OutboundCall, Transport};
///
/// /// Terminates nothing, unless the reason is a good one.
/// struct Cautious;
///
/// impl Interceptor for Cautious {
///     fn terminate_workflow<'a>(
///         &'a self,
///         call: OutboundCall<TerminateWorkflowExecutionRequest>,
///         next: Next,
///     ) -> InterceptorFuture<'a, TerminateWorkflowExecutionResponse> {
///         match call.request.reason.as_str() {
///             "" => Box::pin(async { Ok(TerminateWorkflowExecutionResponse::default()) }),
///             _ => Box::pin(next.run(call)),
///         }
///     }
/// }
///
/// let client = Client::connect_with(Transport::new(server.service())).interceptor(Cautious).await?;
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// order.terminate().await?;
/// order.terminate().reason("it is still there").await?;
/// # Ok(())
/// # }
/// ```
pub struct Next {
    client: Client,
    codec: BoundCodec,
    index: usize,
}

impl Next {
    pub(crate) fn first(client: Client, codec: BoundCodec) -> Self {
        Self { client, codec, index: 0 }
    }

    /// Goes on with the call. Calling it is not a must: an interceptor can answer by itself.
    ///
    /// # Errors
    /// Those of the call. A codec that fails is [`ErrorKind::Conversion`](crate::ErrorKind::Conversion).
    pub async fn run<R: Intercepted>(mut self, mut call: OutboundCall<R>) -> Result<R::Response> {
        let Some(interceptor) = self.client.interceptor(self.index) else {
            self.codec.encode(&mut call.request).await?;
            return self.client.connection().call(call.request, &call.options).await;
        };
        self.index += 1;
        R::intercept(&*interceptor, call, self).await
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("index", &self.index).finish_non_exhaustive()
    }
}

impl fmt::Debug for dyn Interceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interceptor")
    }
}

impl<R: Intercepted> OutboundCall<R> {
    pub(crate) fn new(request: R, options: CallOptions) -> Self {
        Self { request, options }
    }
}

/// What an interceptor answers.
///
/// ```
/// use evertide_client::proto::workflowservice::{CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse};
/// use evertide_client::{Interceptor, InterceptorFuture, Next, OutboundCall};
///
/// struct Blind;
///
/// impl Interceptor for Blind {
///     fn count_workflows<'a>(
///         &'a self,
///         _: OutboundCall<CountWorkflowExecutionsRequest>,
///         _: Next,
///     ) -> InterceptorFuture<'a, CountWorkflowExecutionsResponse> {
///         Box::pin(async { Ok(CountWorkflowExecutionsResponse::default()) })
///     }
/// }
/// ```
pub type InterceptorFuture<'a, T> = BoxFuture<'a, Result<T>>;

/// A request that passes the interceptors.
///
/// ```
/// use std::time::Instant;
///
/// use evertide_client::{Intercepted, Next, OutboundCall, Result};
///
/// /// One body for the methods of an interceptor, whatever they are asked for.
/// async fn timed<R: Intercepted>(call: OutboundCall<R>, next: Next) -> Result<R::Response> {
///     let started = Instant::now();
///     let answer = next.run(call).await;
///     println!("{} took {:?}", R::METHOD, started.elapsed());
///     answer
/// }
/// ```
pub trait Intercepted: Rpc + Carries {
    /// Hands the call to the method that is for this request.
    #[doc(hidden)]
    fn intercept<'a>(
        interceptor: &'a dyn Interceptor,
        call: OutboundCall<Self>,
        next: Next,
    ) -> InterceptorFuture<'a, Self::Response>;
}

/// Seals [`Intercepted`], and lets it reach the codec.
pub(crate) use sealed::Carries;

mod sealed {
    /// What the codec needs to know, out of sight.
    #[allow(unnameable_types, private_bounds)]
    pub trait Carries: super::CarriesPayloads {}
    impl<R: super::CarriesPayloads> Carries for R {}
}

macro_rules! intercepted {
    ($($(#[$doc:meta])* $method:ident($request:ident) -> $response:ident;)*) => {
        /// Sees every call that a client makes, and can change it, answer it or watch it.
        ///
        /// Each method is called for each request, also for each page of a history. The first interceptor is the
        /// outermost. Results come through [`fetch_workflow_history_events`](Self::fetch_workflow_history_events), as
        /// there is no other call for them.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let server = evertide_server::Server::builder().start().await?;
        /// use evertide_client::proto::workflowservice::{
        ///     SignalWorkflowExecutionRequest, SignalWorkflowExecutionResponse,
        /// };
        /// use evertide_client::{Client, Interceptor, InterceptorFuture, Next, OutboundCall, Transport};
        ///
        /// struct Shop;
        ///
        /// impl Interceptor for Shop {
        ///     fn signal_workflow<'a>(
        ///         &'a self,
        ///         mut call: OutboundCall<SignalWorkflowExecutionRequest>,
        ///         next: Next,
        ///     ) -> InterceptorFuture<'a, SignalWorkflowExecutionResponse> {
        ///         call.request.signal_name.insert_str(0, "shop.");
        ///         Box::pin(next.run(call))
        ///     }
        /// }
        ///
        /// let client = Client::connect_with(Transport::new(server.service())).interceptor(Shop).await?;
        /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
        /// order.signal("approve").await?;
        /// assert!(order.fetch_history().await?.to_json()?.contains("shop.approve"));
        /// # Ok(())
        /// # }
        /// ```
        pub trait Interceptor: Send + Sync + 'static {
            $($(#[$doc])*
            fn $method<'a>(
                &'a self,
                call: OutboundCall<service::$request>,
                next: Next,
            ) -> InterceptorFuture<'a, service::$response> {
                Box::pin(next.run(call))
            })*
        }

        $(impl Intercepted for service::$request {
            fn intercept<'a>(
                interceptor: &'a dyn Interceptor,
                call: OutboundCall<Self>,
                next: Next,
            ) -> InterceptorFuture<'a, Self::Response> {
                interceptor.$method(call, next)
            }
        })*
    };
}

intercepted! {
    /// Starts a workflow.
    start_workflow(StartWorkflowExecutionRequest) -> StartWorkflowExecutionResponse;
    /// Signals a workflow, and starts it if need be.
    signal_with_start_workflow(SignalWithStartWorkflowExecutionRequest) -> SignalWithStartWorkflowExecutionResponse;
    /// Updates a workflow, and starts it if need be.
    start_update_with_start_workflow(ExecuteMultiOperationRequest) -> ExecuteMultiOperationResponse;
    /// Requests the cancellation of a workflow.
    cancel_workflow(RequestCancelWorkflowExecutionRequest) -> RequestCancelWorkflowExecutionResponse;
    /// Describes a workflow.
    describe_workflow(DescribeWorkflowExecutionRequest) -> DescribeWorkflowExecutionResponse;
    /// Reads a page of a history, or waits for the close of a run.
    fetch_workflow_history_events(GetWorkflowExecutionHistoryRequest) -> GetWorkflowExecutionHistoryResponse;
    /// Lists a page of workflows.
    list_workflows(ListWorkflowExecutionsRequest) -> ListWorkflowExecutionsResponse;
    /// Counts workflows.
    count_workflows(CountWorkflowExecutionsRequest) -> CountWorkflowExecutionsResponse;
    /// Queries a workflow.
    query_workflow(QueryWorkflowRequest) -> QueryWorkflowResponse;
    /// Signals a workflow.
    signal_workflow(SignalWorkflowExecutionRequest) -> SignalWorkflowExecutionResponse;
    /// Terminates a workflow.
    terminate_workflow(TerminateWorkflowExecutionRequest) -> TerminateWorkflowExecutionResponse;
    /// Sends an update.
    start_workflow_update(UpdateWorkflowExecutionRequest) -> UpdateWorkflowExecutionResponse;
    /// Waits for the outcome of an update.
    poll_workflow_update(PollWorkflowExecutionUpdateRequest) -> PollWorkflowExecutionUpdateResponse;
    /// Reports a heartbeat of an activity known by its token.
    heartbeat_async_activity(RecordActivityTaskHeartbeatRequest) -> RecordActivityTaskHeartbeatResponse;
    /// Reports a heartbeat of an activity known by its id.
    heartbeat_async_activity_by_id(RecordActivityTaskHeartbeatByIdRequest) -> RecordActivityTaskHeartbeatByIdResponse;
    /// Completes an activity known by its token.
    complete_async_activity(RespondActivityTaskCompletedRequest) -> RespondActivityTaskCompletedResponse;
    /// Completes an activity known by its id.
    complete_async_activity_by_id(RespondActivityTaskCompletedByIdRequest) -> RespondActivityTaskCompletedByIdResponse;
    /// Fails an activity known by its token.
    fail_async_activity(RespondActivityTaskFailedRequest) -> RespondActivityTaskFailedResponse;
    /// Fails an activity known by its id.
    fail_async_activity_by_id(RespondActivityTaskFailedByIdRequest) -> RespondActivityTaskFailedByIdResponse;
    /// Reports an activity known by its token as cancelled.
    report_cancellation_async_activity(RespondActivityTaskCanceledRequest) -> RespondActivityTaskCanceledResponse;
    /// Reports an activity known by its id as cancelled.
    report_cancellation_async_activity_by_id(
        RespondActivityTaskCanceledByIdRequest
    ) -> RespondActivityTaskCanceledByIdResponse;
}
