//! The way to a server: one type for a network channel and for a server in this process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evertide_proto::prost::Message;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::http::{HeaderValue, Request, Response};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tower::Service;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use tracing::Instrument;

use crate::call::CallOptions;
use crate::error::{Error, Result};
use crate::observer::{RpcObserver, RpcReport};
use crate::retry::{RetryOptions, is_retryable};
use crate::rpc::Rpc;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The deadline of a call that is answered at once.
const DEADLINE: Duration = Duration::from_secs(30);
/// The deadline of a call that the server holds back until something happens.
const LONG_POLL_DEADLINE: Duration = Duration::from_secs(70);
/// The largest answer that is accepted.
const MAX_ANSWER_SIZE_BYTES: usize = 128 * 1024 * 1024;
/// Below this size a request is sent as it is even when compression is on, because packing it would cost more than
/// the bytes that it saves.
const MIN_COMPRESSED_SIZE_BYTES: usize = 1024;

/// Something that carries requests to a server.
///
/// A network channel is made by [`Client::connect`](crate::Client::connect). A server in this process is anything
/// that answers HTTP requests as a gRPC server does, such as a `tonic` router; it is called without a socket, and
/// deadlines are kept on this side. An answer may have up to 128 MiB.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use evertide_client::{Client, Transport};
///
/// let server = evertide_server::Server::builder().start().await?;
/// let transport = Transport::new(server.service());
/// let orders = Client::connect_with(transport.clone()).await?;
/// let billing = Client::connect_with(transport).identity("billing").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Transport(BoxCloneSyncService<Request<Body>, Response<Body>, Status>);

impl Transport {
    /// A transport that hands each request to a service in this process.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError> + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service = service
            .map_response(|response: Response<B>| response.map(Body::new))
            .map_err(|error: S::Error| Status::from_error(error.into()));
        Self(BoxCloneSyncService::new(service))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// When requests are compressed. Compressed answers are always accepted.
///
/// ```
/// use evertide_client::{Client, Compression};
///
/// let connect = Client::connect("localhost:7233").compression(Compression::None);
/// assert_eq!(Compression::default(), Compression::Gzip);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Requests of a kilobyte, which are 1024 bytes, and more are compressed with gzip.
    #[default]
    Gzip,
    /// Nothing is compressed.
    None,
}

/// Everything that one call needs besides its request.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    pub(crate) metadata: MetadataMap,
    pub(crate) retry: RetryOptions,
    pub(crate) compression: Compression,
    pub(crate) observer: Option<Arc<dyn RpcObserver>>,
}

impl Connection {
    /// Makes one call, with retries.
    pub(crate) async fn call<R: Rpc>(&self, request: R, options: &CallOptions) -> Result<R::Response> {
        let span = tracing::debug_span!(
            "temporal_rpc",
            rpc.method = R::METHOD,
            namespace = request.namespace().unwrap_or_default()
        );
        self.call_with_retries(Arc::new(request), options).instrument(span).await.map_err(Error::rpc)
    }

    async fn call_with_retries<R: Rpc>(
        &self,
        request: Arc<R>,
        options: &CallOptions,
    ) -> std::result::Result<R::Response, Status> {
        let metadata = self.metadata_for(&*request, options)?;
        let deadline = options.rpc_timeout.unwrap_or(if request.waits() { LONG_POLL_DEADLINE } else { DEADLINE });
        let mut first_failure = None;
        let mut tries = 0;
        loop {
            tries += 1;
            let status = match self.observed(&request, metadata.clone(), deadline, tries).await {
                Ok(response) => return Ok(response),
                Err(status) => status,
            };
            if !is_retryable(&status) {
                return Err(status);
            }
            let since_first_failure = first_failure.get_or_insert_with(Instant::now).elapsed();
            let Some(delay) = self.retry.delay(tries, since_first_failure) else {
                return Err(status);
            };
            tracing::debug!(rpc.method = R::METHOD, tries, ?delay, code = ?status.code(), "retrying a call");
            tokio::time::sleep(delay).await;
        }
    }

    async fn observed<R: Rpc>(
        &self,
        request: &Arc<R>,
        metadata: MetadataMap,
        deadline: Duration,
        attempt: u32,
    ) -> std::result::Result<R::Response, Status> {
        let Some(observer) = &self.observer else {
            return self.call_once(request, metadata, deadline).await;
        };
        let started = Instant::now();
        let answer = self.call_once(request, metadata, deadline).await;
        observer.rpc_finished(&RpcReport {
            method: R::METHOD,
            namespace: request.namespace(),
            attempt,
            long_poll: request.waits(),
            elapsed: started.elapsed(),
            code: answer.as_ref().err().map_or(Code::Ok, Status::code),
        });
        answer
    }

    async fn call_once<R: Rpc>(
        &self,
        message: &Arc<R>,
        metadata: MetadataMap,
        deadline: Duration,
    ) -> std::result::Result<R::Response, Status> {
        let mut request = tonic::Request::new(Arc::clone(message));
        *request.metadata_mut() = metadata;
        request.set_timeout(deadline);

        let mut grpc = Grpc::new(self.transport.0.clone())
            .max_decoding_message_size(MAX_ANSWER_SIZE_BYTES)
            .accept_compressed(CompressionEncoding::Gzip);
        if self.compression == Compression::Gzip && message.encoded_len() >= MIN_COMPRESSED_SIZE_BYTES {
            grpc = grpc.send_compressed(CompressionEncoding::Gzip);
        }
        let answer = async {
            grpc.ready().await?;
            grpc.unary(request, PathAndQuery::from_static(R::PATH), SharedCodec::<R>::default()).await
        };
        match tokio::time::timeout(deadline, answer).await {
            Ok(answer) => answer.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded(format!("{} was not answered within {deadline:?}", R::METHOD))),
        }
    }

    fn metadata_for<R: Rpc>(&self, request: &R, options: &CallOptions) -> std::result::Result<MetadataMap, Status> {
        let mut metadata = self.metadata.clone();
        if let Some(namespace) = request.namespace().filter(|namespace| !namespace.is_empty()) {
            let value = HeaderValue::from_str(namespace)
                .map_err(|_| Status::invalid_argument(format!("namespace {namespace:?} cannot be sent as a header")))?;
            metadata.as_mut().insert("temporal-namespace", value);
        }
        options.metadata.apply_to(&mut metadata);
        Ok(metadata)
    }
}

/// A codec that encodes a shared request, so that a retry needs no copy of it.
struct SharedCodec<R>(std::marker::PhantomData<R>);

impl<R> Default for SharedCodec<R> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<R: Rpc> Codec for SharedCodec<R> {
    type Encode = Arc<R>;
    type Decode = R::Response;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::default()
    }

    fn decoder(&mut self) -> Self {
        Self::default()
    }
}

impl<R: Rpc> Encoder for SharedCodec<R> {
    type Item = Arc<R>;
    type Error = Status;

    fn encode(&mut self, item: Arc<R>, buffer: &mut EncodeBuf<'_>) -> std::result::Result<(), Status> {
        item.encode(buffer).map_err(|error| Status::invalid_argument(format!("the request cannot be encoded: {error}")))
    }
}

impl<R: Rpc> Decoder for SharedCodec<R> {
    type Item = R::Response;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> std::result::Result<Option<R::Response>, Status> {
        R::Response::decode(buffer)
            .map(Some)
            .map_err(|error| Status::internal(format!("the answer to {} cannot be decoded: {error}", R::METHOD)))
    }
}
