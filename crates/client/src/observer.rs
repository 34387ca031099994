//! A hook for metrics: what happened to each request on the wire.

use std::fmt;
use std::time::Duration;

use tonic::Code;

/// Is told of every try of every call, for metrics. Must not block.
///
/// The names of Temporal's client metrics fit as they are: `temporal_request` and `temporal_request_latency`, with
/// `_failure` for codes other than OK, and `temporal_long_request...` for long polls.
pub trait RpcObserver: Send + Sync + 'static {
    /// One try has ended.
    fn rpc_finished(&self, report: &RpcReport<'_>);
}

/// One try of one call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RpcReport<'a> {
    /// The method, as in the API: `SignalWorkflowExecution`.
    pub method: &'static str,
    /// The namespace that the request was about.
    pub namespace: Option<&'a str>,
    /// Which try it was, from 1.
    pub attempt: u32,
    /// Whether the server was asked to wait for something.
    pub long_poll: bool,
    /// How long it took.
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
