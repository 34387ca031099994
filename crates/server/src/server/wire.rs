//! What holds for every request on the wire, whichever service it is for: its deadline, the size of its messages, and
//! compression, in both directions.
//!
//! The services behind it see plain messages and need no settings of their own. Texts are those of gRPC for Go, which
//! the reference is built with, because SDKs tell errors of the transport apart by their text.

mod answer;
mod gzip;
mod request;

use crate::frontend::parse_timeout;
use crate::server::services::Services;
use answer::Packing;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body as _;
use pin_project_lite::pin_project;
use request::Messages;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

/// Largest message of a request, bytes, before and after it is unpacked.
const MESSAGE_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// What stands before every message: a flag that says whether it is packed, and its length.
const PREFIX_BYTES: usize = 5;
/// How the other side has packed its messages.
const ENCODING: &str = "grpc-encoding";
/// How it can unpack ours.
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";
/// gRPC code of a method that is not there.
const UNIMPLEMENTED: &str = "12";
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// The services of a server as clients reach them: a tower service over HTTP requests. It ends requests at their caller's
/// deadline, bounds and unpacks their messages, and packs large answers for callers that accept it.
#[derive(Debug, Clone)]
pub struct Wire<S = Services> {
    inner: S,
}

impl<S> Wire<S> {
    /// Puts it around a service.
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Request<Body>> for Wire<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path_and_query().cloned();
        let headers = request.headers_mut();
        let timeout = headers.get("grpc-timeout").and_then(|v| v.to_str().ok()).and_then(parse_timeout);
        let packs = accepts_gzip(headers);
        let unpacks = match is_packed(headers) {
            Ok(unpacks) => unpacks,
            Err(status) => {
                return Answering { call: Called::Refused { status: Some(status) }, deadline: None, packs, path };
            }
        };
        let request = request.map(|body| Body::new(Messages::new(body, unpacks)));
        let call = Called::Taken { answer: self.inner.call(request) };
        Answering { call, deadline: timeout.map(tokio::time::sleep), packs, path }
    }
}

/// Whether the messages of a request may be packed. The services behind need not know.
fn is_packed(headers: &mut HeaderMap) -> Result<bool, Status> {
    match headers.remove(ENCODING) {
        None => Ok(false),
        Some(encoding) if encoding == "identity" => Ok(false),
        Some(encoding) if encoding == GZIP => Ok(true),
        Some(encoding) => {
            let name = encoding.to_str().unwrap_or_default();
            let mut status =
                Status::unimplemented(format!("grpc: Decompressor is not installed for grpc-encoding {name:?}"));
            status.metadata_mut().insert(ACCEPT_ENCODING, tonic::metadata::MetadataValue::from_static("gzip,identity"));
            Err(status)
        }
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|name| name.trim() == "gzip")
}

pin_project! {
    /// The answer to a request, or its caller's deadline.
    #[derive(Debug)]
    pub struct Answering<F> {
        #[pin]
        call: Called<F>,
        #[pin]
        deadline: Option<Sleep>,
        packs: bool,
        path: Option<PathAndQuery>,
    }
}

pin_project! {
    #[project = CalledNow]
    #[derive(Debug)]
    enum Called<F> {
        Taken { #[pin] answer: F },
        Refused { status: Option<Status> },
    }
}

impl<F: Future<Output = Result<Response<Body>, Infallible>>> Future for Answering<F> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answered = match this.call.project() {
            CalledNow::Taken { answer } => answer.poll(context),
            CalledNow::Refused { status } => {
                Poll::Ready(Ok(status.take().unwrap_or_else(|| Status::internal("")).into_http()))
            }
        };
        if let Poll::Ready(Ok(response)) = answered {
            let response = if *this.packs { packing(response) } else { response };
            return Poll::Ready(Ok(naming_what_is_unknown(response, this.path.as_ref())));
        }
        match this.deadline.as_pin_mut().map(|deadline| deadline.poll(context)) {
            Some(Poll::Ready(())) => {
                Poll::Ready(Ok(Status::deadline_exceeded("context deadline exceeded").into_http()))
            }
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }
}

/// Lets the messages of an answer be packed. An answer that is a status has none.
fn packing(mut response: Response<Body>) -> Response<Body> {
    if response.body().is_end_stream() {
        return response;
    }
    response.headers_mut().insert(ENCODING, GZIP);
    response.map(|body| Body::new(Packing::new(body)))
}

/// A method that is not there is answered without a word, which people cannot do anything with.
fn naming_what_is_unknown(mut response: Response<Body>, path: Option<&PathAndQuery>) -> Response<Body> {
    let headers = response.headers_mut();
    let is_unknown = headers.get(Status::GRPC_STATUS).is_some_and(|v| v == UNIMPLEMENTED);
    if !is_unknown || headers.contains_key(Status::GRPC_MESSAGE) {
        return response;
    }
    let mut words = path.map(PathAndQuery::path).unwrap_or_default().splitn(3, '/').skip(1);
    let (service, method) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let text = if evertide_proto::SERVICES.iter().any(|known| known.name == service) {
        format!("unknown method {method} for service {service}")
    } else {
        format!("unknown service {service}")
    };
    // What stands in a path can stand in a status as well; if it cannot, there is no text, as before.
    let _ = Status::unimplemented(text).add_header(headers);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{BufMut, Bytes, BytesMut};
    use http_body_util::{BodyExt, Full};
    use std::time::Duration;
    use tower::service_fn;

    fn request(headers: &[(&'static str, &str)], body: Bytes) -> Request<Body> {
        let mut request = Request::new(Body::new(Full::new(body)));
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        request
    }

    fn code(response: &Response<Body>) -> Option<&str> {
        response.headers().get("grpc-status")?.to_str().ok()
    }

    /// A message as it stands on the wire.
    fn message(packed: bool, content: &[u8]) -> Bytes {
        let mut framed = BytesMut::new();
        framed.put_u8(packed.into());
        framed.put_u32(content.len().try_into().unwrap());
        framed.put_slice(content);
        framed.freeze()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_ends_at_its_deadline() {
        let slow = service_fn(|_| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(Response::new(Body::empty()))
        });
        let mut wire = Wire::new(slow);
        let timeout = |value: &str| request(&[("grpc-timeout", value)], Bytes::new());
        assert_eq!(code(&wire.call(timeout("1S")).await.unwrap()), Some("4"));
        assert_eq!(code(&wire.call(timeout("6S")).await.unwrap()), None);
        assert_eq!(code(&wire.call(request(&[], Bytes::new())).await.unwrap()), None);
    }

    /// What reaches a service that gets this, or what it is told instead.
    async fn received(headers: &[(&'static str, &str)], body: Bytes) -> Result<Bytes, Status> {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let take = service_fn(move |request: Request<Body>| {
            let sender = sender.clone();
            async move {
                assert!(!request.headers().contains_key(ENCODING));
                sender.send(request.into_body().collect().await.map(|body| body.to_bytes())).await.unwrap();
                Ok(Response::new(Body::empty()))
            }
        });
        let response = Wire::new(take).call(request(headers, body)).await.unwrap();
        receiver.recv().await.unwrap_or_else(|| Err(Status::from_header_map(response.headers()).unwrap()))
    }

    #[tokio::test]
    async fn requests_are_unpacked_whatever_they_are_cut_into() {
        let content = b"abc".repeat(1000);
        let plain = message(false, &content);
        assert_eq!(received(&[], plain.clone()).await.unwrap(), plain);
        let packed = message(true, &gzip::pack(&content));
        assert_eq!(received(&[(ENCODING, "gzip")], packed.clone()).await.unwrap(), plain);
        for size in [1, 4, 7] {
            let pieces = [packed.clone(), plain.clone()].concat();
            let pieces: Vec<_> = pieces.chunks(size).map(Bytes::copy_from_slice).collect();
            let body = http_body_util::StreamBody::new(tokio_stream::iter(
                pieces.into_iter().map(|piece| Ok::<_, Infallible>(http_body::Frame::data(piece))),
            ));
            let whole = Messages::new(Body::new(body), true).collect().await.unwrap().to_bytes();
            assert_eq!(whole, [plain.clone(), plain.clone()].concat());
        }
    }

    #[tokio::test]
    async fn messages_that_are_too_large_or_unreadable_are_refused_in_the_words_that_clients_know() {
        let large = vec![0; MESSAGE_LIMIT_BYTES + 1];
        let gzip = [(ENCODING, "gzip")];
        let told = async |headers: &[(&'static str, &str)], body| {
            let status = received(headers, body).await.unwrap_err();
            format!("{:?} {}", status.code(), status.message())
        };
        assert_eq!(
            told(&[], message(false, &large)).await,
            "ResourceExhausted grpc: received message larger than max (4194305 vs. 4194304)"
        );
        assert_eq!(
            told(&gzip, message(true, &gzip::pack(&large))).await,
            "ResourceExhausted grpc: received message after decompression larger than max 4194304"
        );
        assert!(received(&gzip, message(true, &gzip::pack(&large[1..]))).await.is_ok());
        assert_eq!(
            told(&[], message(true, b"x")).await,
            "Internal grpc: compressed flag set with identity or empty encoding"
        );
        assert_eq!(
            told(&[(ENCODING, "zstd")], message(true, b"x")).await,
            "Unimplemented grpc: Decompressor is not installed for grpc-encoding \"zstd\""
        );
        assert!(told(&gzip, message(true, b"x")).await.starts_with("Internal grpc: failed to decompress"));
        assert_eq!(
            told(&[], Bytes::from_static(&[7, 0, 0, 0, 0])).await,
            "Internal grpc: received unexpected payload format 7"
        );
    }

    /// The answer to a caller with this header, when a service says these messages in one piece.
    async fn answered(accepts: &str, messages: &[&[u8]]) -> Bytes {
        let framed: Vec<_> = messages.iter().flat_map(|content| message(false, content)).collect();
        let framed = Bytes::from(framed);
        let answer = service_fn(move |_| {
            let framed = framed.clone();
            async move { Ok(Response::new(Body::new(Full::new(framed)))) }
        });
        let response = Wire::new(answer).call(request(&[(ACCEPT_ENCODING, accepts)], Bytes::new())).await.unwrap();
        assert_eq!(response.headers().contains_key(ENCODING), accepts.contains("gzip"));
        response.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn only_large_answers_are_packed_and_only_for_callers_that_accept_it() {
        let (small, large) = (vec![7; answer::PACKED_FROM_BYTES - 1], vec![7; answer::PACKED_FROM_BYTES]);
        let (as_is, packed) = ([message(false, &small), message(false, &large)], message(true, &gzip::pack(&large)));
        assert_eq!(answered("identity", &[&large]).await, as_is[1]);
        assert_eq!(answered("identity,gzip", &[&small]).await, as_is[0]);
        assert_eq!(answered("gzip", &[&large]).await, packed);
        assert!(packed.len() < 100);
        let mixed = [as_is[0].clone(), packed, as_is[0].clone()].concat();
        assert_eq!(answered("deflate, gzip", &[&small, &large, &small]).await, mixed);
    }

    #[tokio::test]
    async fn what_is_not_there_is_named() {
        let told = async |path: &'static str, message: &'static str| {
            let refuse = service_fn(move |_| async move { Ok(Status::unimplemented(message).into_http()) });
            let mut request = request(&[], Bytes::new());
            *request.uri_mut() = path.parse().unwrap();
            let response = Wire::new(refuse).call(request).await.unwrap();
            Status::from_header_map(response.headers()).unwrap().message().to_owned()
        };
        assert_eq!(told("/a.B/C", "").await, "unknown service a.B");
        assert_eq!(
            told("/temporal.api.operatorservice.v1.OperatorService/Fly", "").await,
            "unknown method Fly for service temporal.api.operatorservice.v1.OperatorService"
        );
        assert_eq!(told("/a.B/C", "not yet").await, "not yet");
    }

    #[tokio::test]
    async fn a_status_is_not_packed() {
        let refuse = service_fn(|_| async { Ok(Status::not_found("no").into_http()) });
        let response = Wire::new(refuse).call(request(&[(ACCEPT_ENCODING, "gzip")], Bytes::new())).await.unwrap();
        assert_eq!((code(&response), response.headers().get(ENCODING)), (Some("5"), None));
    }
}
