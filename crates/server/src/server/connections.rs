//! The connections of a port: HTTP/2, a bounded number of them, each within limits of its own.

use super::Wire;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tonic::body::Body;
use tower::Service;

/// Connections at a time.
const CONNECTIONS: usize = 10_000;
/// Requests that one connection may have open at a time. SDKs put all long polls of a process on one connection.
const STREAMS_PER_CONNECTION: u32 = 10_000;
/// Largest headers of a request, bytes. The largest of them are tokens of whoever asks.
const HEADERS_LIMIT_BYTES: u32 = 64 * 1024;
/// Requests that a client may take back before they were looked at. A worker that stops takes back all its polls at once;
/// the limit of the HTTP library is so low that it would lose its connection for that.
const PENDING_RESETS: usize = 4096;
/// How often an idle connection is asked whether it still lives.
const PING_INTERVAL: Duration = Duration::from_secs(60);
/// How long it may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long nothing is accepted after a failure of the system's, which is usually out of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves whoever connects until `stopped` resolves; then nobody is accepted any more, and it ends when all open requests
/// are answered.
pub(super) async fn serve(listener: TcpListener, service: Wire, stopped: oneshot::Receiver<()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopping) = watch::channel(());
    let mut stopped = pin!(stopped);
    loop {
        tokio::select! {
            // A sender that is gone means the same as one that speaks.
            _ = &mut stopped => break,
            (stream, place) = accept(&listener, &places) => {
                tokio::spawn(converse(stream, place, service.clone(), stopping.clone()));
            }
        }
    }
    drop((listener, stopping));
    // If there is no connection, nobody hears it and nothing is to be waited for.
    let _ = stop.send(());
    stop.closed().await;
}

/// The next connection. Those beyond the limit are closed at once, which tells their clients more than one that is never
/// served.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                if !is_of_one_connection(&error) {
                    tracing::warn!(%error, "no connection can be accepted now");
                    tokio::time::sleep(PAUSE).await;
                }
                continue;
            }
        };
        // Without this an answer may wait 40 ms for the client's acknowledgement. If it cannot be set, the client has gone.
        let _ = stream.set_nodelay(true);
        match places.clone().try_acquire_owned() {
            Ok(place) => return (stream, place),
            Err(_) => tracing::warn!("a connection is closed at once, since as many are open as the server takes"),
        }
    }
}

/// The client went away before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers the requests of one connection until it ends, or is told to.
async fn converse(stream: TcpStream, _place: OwnedSemaphorePermit, service: Wire, mut stopping: watch::Receiver<()>) {
    let answer = service_fn(move |request: Request<Incoming>| service.clone().call(request.map(Body::new)));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .max_header_list_size(HEADERS_LIMIT_BYTES)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn connections_beyond_the_limit_are_closed_until_another_one_ends() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let places = Arc::new(Semaphore::new(1));
        let _first = TcpStream::connect(address).await.unwrap();
        let served = accept(&listener, &places).await;
        let mut second = TcpStream::connect(address).await.unwrap();
        let mut byte = [0];
        tokio::select! {
            bytes = second.read(&mut byte) => assert_eq!(bytes.unwrap(), 0, "closed by the server"),
            _ = accept(&listener, &places) => panic!("a second connection was taken"),
        }
        drop(served);
        let _third = TcpStream::connect(address).await.unwrap();
        let _third_served = accept(&listener, &places).await;
    }
}
