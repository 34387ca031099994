//! What holds for every request on the wire, whichever service it is for.

use crate::frontend::parse_timeout;
use http::{HeaderValue, Request, Response};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

/// How tonic begins its refusal of a request that is too large.
const TOO_LARGE: &str = "Error,%20decoded%20message%20length%20too%20large:%20found%20";
/// gRPC code `OUT_OF_RANGE`, which tonic gives it.
const OUT_OF_RANGE: &str = "11";
/// gRPC code `RESOURCE_EXHAUSTED`, which clients expect.
const RESOURCE_EXHAUSTED: &str = "8";

/// Ends requests at their caller's deadline and words transport errors as the reference does.
#[derive(Debug, Clone)]
pub struct Wire<S> {
    inner: S,
}

impl<S> Wire<S> {
    /// Puts it around a service.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Request<Body>> for Wire<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let timeout = request.headers().get("grpc-timeout").and_then(|v| v.to_str().ok()).and_then(parse_timeout);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Some(timeout) = timeout else { return answer.await.map(reword) };
            match tokio::time::timeout(timeout, answer).await {
                Ok(answered) => answered.map(reword),
                Err(_) => Ok(Status::deadline_exceeded("context deadline exceeded").into_http()),
            }
        })
    }
}

/// A request that is too large is refused by the decoder below all services; clients tell it by code and text.
fn reword(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    let is_out_of_range = headers.get("grpc-status").is_some_and(|v| v == OUT_OF_RANGE);
    let message = headers.get("grpc-message").and_then(|v| v.to_str().ok());
    let size = message.and_then(|m| m.strip_prefix(TOO_LARGE)).filter(|_| is_out_of_range).map(digits);
    if let Some(size) = size {
        let limit = crate::server::REQUEST_LIMIT_BYTES;
        let text = format!("grpc:%20received%20message%20larger%20than%20max%20({size}%20vs.%20{limit})");
        if let Ok(text) = HeaderValue::from_str(&text) {
            response.headers_mut().insert("grpc-status", HeaderValue::from_static(RESOURCE_EXHAUSTED));
            response.headers_mut().insert("grpc-message", text);
        }
    }
    response
}

fn digits(text: &str) -> String {
    text.chars().take_while(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tower::service_fn;

    fn request(timeout: Option<&str>) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        if let Some(timeout) = timeout {
            request.headers_mut().insert("grpc-timeout", HeaderValue::from_str(timeout).unwrap());
        }
        request
    }

    fn code(response: &Response<Body>) -> Option<&str> {
        response.headers().get("grpc-status")?.to_str().ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_ends_at_its_deadline() {
        let slow = service_fn(|_| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(Response::new(Body::empty()))
        });
        let mut wire = Wire::new(slow);
        assert_eq!(code(&wire.call(request(Some("1S"))).await.unwrap()), Some("4"));
        assert_eq!(code(&wire.call(request(Some("6S"))).await.unwrap()), None);
        assert_eq!(code(&wire.call(request(None)).await.unwrap()), None);
    }

    #[tokio::test]
    async fn a_request_that_is_too_large_is_refused_in_the_expected_words() {
        let refuse =
            |message: &'static str| service_fn(move |_| async move { Ok(Status::out_of_range(message).into_http()) });
        let large = "Error, decoded message length too large: found 4194305 bytes, the limit is: 4194304 bytes";
        let told = Wire::new(refuse(large)).call(request(None)).await.unwrap();
        assert_eq!(code(&told), Some("8"));
        assert_eq!(
            told.headers()["grpc-message"],
            "grpc:%20received%20message%20larger%20than%20max%20(4194305%20vs.%204194304)"
        );
        let other = Wire::new(refuse("too far")).call(request(None)).await.unwrap();
        assert_eq!(code(&other), Some("11"));
    }
}
