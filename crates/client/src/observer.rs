//! A hook for metrics: what happened to each request on the wire.

use std::fmt;
use std::time::Duration;

use tonic::Code;

/// Is told of every try of every call, for metrics. Must not block.
///
/// The names of Temporal's client metrics fit as they are: `temporal_request` and `temporal_request_latency`, with
/// `_failure` for codes other than OK, and `temporal_long_request...` for long polls.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
///
/// use evertide_client::{Client, Code, RpcReport, Transport};
///
/// let failed = Arc::new(AtomicU32::new(0));
/// let counter = Arc::clone(&failed);
/// let observer = move |report: &RpcReport<'_>| {
///     if report.code != Code::Ok {
///         counter.fetch_add(1, Relaxed);
///     }
/// };
/// let client = Client::connect_with(Transport::new(server.service())).observer(observer).await?;
/// client.get_workflow_handle("nobody").describe().await.unwrap_err();
/// assert_eq!(failed.load(Relaxed), 1);
/// # Ok(())
/// # }
/// ```
pub trait RpcObserver: Send + Sync + 'static {
    /// One try has ended.
    fn rpc_finished(&self, report: &RpcReport<'_>);
}

/// One try of one call.
///
/// ```
/// use evertide_client::{Client, RpcObserver, RpcReport};
///
/// struct Log;
///
/// impl RpcObserver for Log {
///     fn rpc_finished(&self, report: &RpcReport<'_>) {
///         let RpcReport { method, attempt, elapsed, code, .. } = report;
///         println!("{method}, try {attempt}: {code:?} after {elapsed:?}");
///     }
/// }
///
/// let connect = Client::connect("localhost:7233").observer(Log);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RpcReport<'a> {
    /// The method, as in the API: `SignalWorkflowExecution`.
    pub method: &'static str,
    /// The namespace that the request was about. None if it is about the whole server.
    pub namespace: Option<&'a str>,
    /// Which try it was, from 1.
    pub attempt: u32,
    /// Whether the server was asked to wait for something.
    pub long_poll: bool,
    /// How long it took, without the pauses between tries.
    pub elapsed: Duration,
    /// How it ended.
    pub code: Code,
}

impl<F: Fn(&RpcReport<'_>) + Send + Sync + 'static> RpcObserver for F {
    fn rpc_finished(&self, report: &RpcReport<'_>) {
        self(report);
    }
}

impl fmt::Debug for dyn RpcObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RpcObserver")
    }
}
