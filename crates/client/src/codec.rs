//! The hook that encrypts or compresses payloads, and where in a request they are.

use std::fmt;
use std::sync::Arc;

use evertide_proto::common::{Header, Memo, Payload, Payloads};
use evertide_proto::failure::Failure;
use evertide_proto::failure::failure::FailureInfo;
use evertide_proto::sdk::UserMetadata;
use evertide_proto::update::Input;
use evertide_proto::workflowservice::execute_multi_operation_request::operation::Operation;
use evertide_proto::workflowservice::{self as service};
use futures_core::future::BoxFuture;

use crate::error::{Error, ErrorKind, Result};

/// Transforms payloads on their way out and in, as for encryption.
///
/// Arguments, results, details, memo and user metadata pass through it, and headers if the client says so. Search
/// attributes never do, since the server reads them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// use evertide_client::proto::common::Payload;
/// use evertide_client::{Client, CodecContext, CodecFuture, PayloadCodec, Transport};
///
/// /// Turns the bytes of payloads around.
/// struct Mirror;
///
/// fn turn(mut payload: Payload) -> Payload {
///     payload.data = payload.data.iter().rev().copied().collect();
///     payload
/// }
///
/// impl PayloadCodec for Mirror {
///     fn encode<'a>(&'a self, _: &'a CodecContext, payloads: Vec<Payload>) -> CodecFuture<'a> {
///         Box::pin(async { Ok(payloads.into_iter().map(turn).collect()) })
///     }
///
///     fn decode<'a>(&'a self, _: &'a CodecContext, payloads: Vec<Payload>) -> CodecFuture<'a> {
///         Box::pin(async { Ok(payloads.into_iter().map(turn).collect()) })
///     }
/// }
///
/// let secret = Client::connect_with(Transport::new(server.service())).codec(Mirror).await?;
/// let order = secret.start_workflow("Order").id("order-7").task_queue("orders").memo("note", "tide").await?;
/// assert_eq!(order.describe().await?.memo_value("note").await?, Some("tide".to_owned()));
///
/// let plain = Client::connect_with(Transport::new(server.service())).await?;
/// let seen = plain.get_workflow_handle("order-7").describe().await?;
/// assert_eq!(seen.memo_value("note").await?, Some("edit".to_owned()));
/// # Ok(())
/// # }
/// ```
pub trait PayloadCodec: Send + Sync + 'static {
    /// Transforms payloads before they are sent. May return another number of them, but one for one where a single
    /// payload has its own place, as in a memo.
    ///
    /// # Errors
    /// Any error ends the call with [`ErrorKind::Conversion`], before anything is sent.
    fn encode<'a>(&'a self, context: &'a CodecContext, payloads: Vec<Payload>) -> CodecFuture<'a>;

    /// Undoes [`encode`](Self::encode). Payloads that it did not make should be passed as they are.
    ///
    /// # Errors
    /// Any error ends the call with [`ErrorKind::Conversion`].
    fn decode<'a>(&'a self, context: &'a CodecContext, payloads: Vec<Payload>) -> CodecFuture<'a>;
}

/// What a codec answers.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use evertide_client::CodecFuture;
///
/// let refused: CodecFuture<'_> = Box::pin(async { Err("the key has expired".into()) });
/// assert_eq!(refused.await.unwrap_err().to_string(), "the key has expired");
/// # Ok(())
/// # }
/// ```
pub type CodecFuture<'a> = BoxFuture<'a, std::result::Result<Vec<Payload>, Box<dyn std::error::Error + Send + Sync>>>;

impl fmt::Debug for dyn PayloadCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadCodec")
    }
}

/// Whose payloads a codec sees.
///
/// ```
/// use evertide_client::CodecContext;
///
/// let context = CodecContext::new("default", Some("order-7".into()));
/// assert_eq!((&*context.namespace, context.workflow_id.as_deref()), ("default", Some("order-7")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodecContext {
    /// The namespace of the workflow.
    pub namespace: Arc<str>,
    /// The workflow, where the call is about one. An activity known by its token alone has none.
    pub workflow_id: Option<Arc<str>>,
}

impl CodecContext {
    /// The context of a workflow.
    pub fn new(namespace: impl Into<Arc<str>>, workflow_id: Option<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), workflow_id }
    }
}

/// A codec, if there is one, with the context of one call.
#[derive(Debug, Clone)]
pub(crate) struct BoundCodec {
    pub(crate) codec: Option<Arc<dyn PayloadCodec>>,
    pub(crate) headers: bool,
    pub(crate) context: CodecContext,
}

impl BoundCodec {
    /// Encodes every payload of a request.
    pub(crate) async fn encode<R: CarriesPayloads>(&self, request: &mut R) -> Result<()> {
        let Some(codec) = &self.codec else {
            return Ok(());
        };
        let mut slots = Slots { list: Vec::new(), headers: self.headers };
        request.payloads(&mut slots);
        for slot in slots.list {
            self.transform(slot, |payloads| codec.encode(&self.context, payloads)).await?;
        }
        Ok(())
    }

    /// Decodes a list of payloads.
    pub(crate) async fn decode(&self, payloads: Option<Payloads>) -> Result<Vec<Payload>> {
        let mut payloads = payloads.unwrap_or_default().payloads;
        if let Some(codec) = &self.codec {
            self.transform(Slot::List(&mut payloads), |payloads| codec.decode(&self.context, payloads)).await?;
        }
        Ok(payloads)
    }

    /// Decodes one payload that has a place of its own.
    pub(crate) async fn decode_one(&self, mut payload: Payload) -> Result<Payload> {
        if let Some(codec) = &self.codec {
            self.transform(Slot::One(&mut payload), |payloads| codec.decode(&self.context, payloads)).await?;
        }
        Ok(payload)
    }

    /// Decodes every payload in a failure and its causes.
    pub(crate) async fn decode_failure(&self, failure: &mut Failure) -> Result<()> {
        let Some(codec) = &self.codec else {
            return Ok(());
        };
        let mut slots = Slots { list: Vec::new(), headers: false };
        slots.failure(failure);
        for slot in slots.list {
            self.transform(slot, |payloads| codec.decode(&self.context, payloads)).await?;
        }
        Ok(())
    }

    async fn transform<'a>(&self, slot: Slot<'_>, with: impl FnOnce(Vec<Payload>) -> CodecFuture<'a>) -> Result<()> {
        let failed =
            |error| Error::with_source(ErrorKind::Conversion("the payload codec failed".into()), BoxedSource(error));
        match slot {
            Slot::List(list) if list.is_empty() => {}
            Slot::List(list) => *list = with(std::mem::take(list)).await.map_err(failed)?,
            Slot::One(one) => {
                let payloads = with(vec![std::mem::take(one)]).await.map_err(failed)?;
                let count = payloads.len();
                *one = <[Payload; 1]>::try_from(payloads).map(|[payload]| payload).map_err(|_| {
                    Error::conversion(format!("the payload codec made {count} payloads of one that must stay one"))
                })?;
            }
        }
        Ok(())
    }
}

/// A boxed error as an error, so that it can be a source.
#[derive(Debug)]
struct BoxedSource(Box<dyn std::error::Error + Send + Sync>);

impl fmt::Display for BoxedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for BoxedSource {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// One place for payloads.
enum Slot<'a> {
    List(&'a mut Vec<Payload>),
    One(&'a mut Payload),
}

/// The places for payloads in one message.
pub(crate) struct Slots<'a> {
    list: Vec<Slot<'a>>,
    headers: bool,
}

impl<'a> Slots<'a> {
    fn payloads(&mut self, payloads: &'a mut Option<Payloads>) {
        self.list.extend(payloads.as_mut().map(|payloads| Slot::List(&mut payloads.payloads)));
    }

    fn payload(&mut self, payload: &'a mut Option<Payload>) {
        self.list.extend(payload.as_mut().map(Slot::One));
    }

    fn memo(&mut self, memo: &'a mut Option<Memo>) {
        self.list.extend(memo.iter_mut().flat_map(|memo| memo.fields.values_mut()).map(Slot::One));
    }

    fn header(&mut self, header: &'a mut Option<Header>) {
        if self.headers {
            self.list.extend(header.iter_mut().flat_map(|header| header.fields.values_mut()).map(Slot::One));
        }
    }

    fn user_metadata(&mut self, metadata: &'a mut Option<UserMetadata>) {
        if let Some(metadata) = metadata {
            self.payload(&mut metadata.summary);
            self.payload(&mut metadata.details);
        }
    }

    fn update_input(&mut self, input: &'a mut Option<Input>) {
        if let Some(input) = input {
            self.payloads(&mut input.args);
            self.header(&mut input.header);
        }
    }

    pub(crate) fn failure(&mut self, failure: &'a mut Failure) {
        let mut next = Some(failure);
        while let Some(failure) = next {
            self.payload(&mut failure.encoded_attributes);
            match &mut failure.failure_info {
                Some(FailureInfo::ApplicationFailureInfo(info)) => self.payloads(&mut info.details),
                Some(FailureInfo::TimeoutFailureInfo(info)) => self.payloads(&mut info.last_heartbeat_details),
                Some(FailureInfo::CanceledFailureInfo(info)) => self.payloads(&mut info.details),
                Some(FailureInfo::ResetWorkflowFailureInfo(info)) => self.payloads(&mut info.last_heartbeat_details),
                _ => {}
            }
            next = failure.cause.as_deref_mut();
        }
    }
}

/// A request with payloads in it.
pub(crate) trait CarriesPayloads {
    /// Names every place that a codec should see.
    fn payloads<'a>(&'a mut self, slots: &mut Slots<'a>);
}

macro_rules! carries {
    ($($request:ident { $($visit:ident: $field:ident),* })*) => {
        $(impl CarriesPayloads for service::$request {
            fn payloads<'a>(&'a mut self, slots: &mut Slots<'a>) {
                $(slots.$visit(&mut self.$field);)*
                let _ = slots;
            }
        })*
    };
}

carries! {
    StartWorkflowExecutionRequest { payloads: input, memo: memo, header: header, user_metadata: user_metadata }
    SignalWithStartWorkflowExecutionRequest {
        payloads: input, payloads: signal_input, memo: memo, header: header, user_metadata: user_metadata
    }
    SignalWorkflowExecutionRequest { payloads: input, header: header }
    TerminateWorkflowExecutionRequest { payloads: details }
    RequestCancelWorkflowExecutionRequest {}
    DescribeWorkflowExecutionRequest {}
    GetWorkflowExecutionHistoryRequest {}
    ListWorkflowExecutionsRequest {}
    CountWorkflowExecutionsRequest {}
    PollWorkflowExecutionUpdateRequest {}
    RespondActivityTaskCompletedRequest { payloads: result }
    RespondActivityTaskCompletedByIdRequest { payloads: result }
    RespondActivityTaskCanceledRequest { payloads: details }
    RespondActivityTaskCanceledByIdRequest { payloads: details }
    RecordActivityTaskHeartbeatRequest { payloads: details }
    RecordActivityTaskHeartbeatByIdRequest { payloads: details }
}

macro_rules! carries_failure {
    ($($request:ident)*) => {
        $(impl CarriesPayloads for service::$request {
            fn payloads<'a>(&'a mut self, slots: &mut Slots<'a>) {
                slots.payloads(&mut self.last_heartbeat_details);
                if let Some(failure) = &mut self.failure {
                    slots.failure(failure);
                }
            }
        })*
    };
}

carries_failure! { RespondActivityTaskFailedRequest RespondActivityTaskFailedByIdRequest }

impl CarriesPayloads for service::QueryWorkflowRequest {
    fn payloads<'a>(&'a mut self, slots: &mut Slots<'a>) {
        if let Some(query) = &mut self.query {
            slots.payloads(&mut query.query_args);
            slots.header(&mut query.header);
        }
    }
}

impl CarriesPayloads for service::UpdateWorkflowExecutionRequest {
    fn payloads<'a>(&'a mut self, slots: &mut Slots<'a>) {
        if let Some(request) = &mut self.request {
            slots.update_input(&mut request.input);
        }
    }
}

impl CarriesPayloads for service::ExecuteMultiOperationRequest {
    fn payloads<'a>(&'a mut self, slots: &mut Slots<'a>) {
        for operation in self.operations.iter_mut().filter_map(|operation| operation.operation.as_mut()) {
            match operation {
                Operation::StartWorkflow(start) => start.payloads(slots),
                Operation::UpdateWorkflow(update) => update.payloads(slots),
            }
        }
    }
}
