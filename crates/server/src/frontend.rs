//! The gRPC services: from a request on the wire to a checked request of the engine, and back.
//!
//! One file for each topic; each of its functions carries the name of the RPC that it answers. Nothing is decided here
//! that is a rule of a workflow: the frontend knows namespaces, tokens, deadlines, pages. A status is built in
//! `status.rs` and nowhere else.

mod activity;
mod call;
mod control;
mod describe;
mod history;
mod namespace;
mod operator;
mod query;
mod queue_config;
mod schedule;
mod service;
mod start;
mod status;
mod system;
mod system_operation;
mod task_queue;
mod test_service;
mod time_skipping;
mod update;
mod validate;
mod versions;
mod visibility;
mod worker_poll;
mod worker_respond;
mod workers;

pub(crate) use call::{Call, parse_timeout};
pub use namespace::UnregisteredNamespace;
pub use system::ServerFacts;

use crate::fault::{Failure, Fault};
use crate::node::Node;
use evertide_engine::Limits;
use evertide_engine::address::Address;
use evertide_engine::namespace::Namespace;
use evertide_engine::reply::Reply;
use evertide_engine::token::{TaskKind, TaskToken};
use std::sync::Arc;
use time_skipping::FastForwardWaiters;
use visibility::StoreReaders;
use workers::Workers;

/// What a handler gives.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// The services of one node.
#[derive(Debug, Clone)]
pub struct Frontend {
    node: Node,
    facts: Arc<ServerFacts>,
    workers: Arc<Workers>,
    fast_forwards: FastForwardWaiters,
    store_readers: StoreReaders,
}

impl Frontend {
    /// The services of `node`.
    #[must_use]
    pub fn new(node: Node, facts: ServerFacts) -> Self {
        Self {
            node,
            facts: Arc::new(facts),
            workers: Arc::default(),
            fast_forwards: FastForwardWaiters::default(),
            store_readers: StoreReaders::default(),
        }
    }

    fn limits(&self) -> &Limits {
        self.node.limits()
    }

    fn namespace(&self, name: &str) -> Outcome<Arc<Namespace>> {
        Ok(validate::namespace(&self.node.namespaces(), self.limits(), name)?)
    }

    fn token(&self, namespace: &str, bytes: &[u8], kind: TaskKind) -> Outcome<(TaskToken, Arc<Namespace>)> {
        Ok(validate::token(&self.node.namespaces(), self.limits(), namespace, bytes, kind)?)
    }

    /// The run that a request is about, or the current one of the workflow id.
    fn run_ref(&self, namespace: &Namespace, (workflow_id, run_id): (String, Option<String>)) -> Address {
        Address { run_id: run_id.unwrap_or_default(), ..Address::workflow(&namespace.id, workflow_id) }
    }

    /// As [`Self::run_ref`]; where a first run id names the chain, its newest run is meant, and the run id does not count.
    fn guarded_run_ref(
        &self,
        namespace: &Namespace,
        (workflow_id, run_id): (String, Option<String>),
        first_run_id: &str,
    ) -> Address {
        self.run_ref(namespace, (workflow_id, run_id.filter(|_| first_run_id.is_empty())))
    }
}

/// A reply of another kind than the request has: a mistake of ours.
fn unexpected(request: &str, reply: &Reply) -> Failure {
    tracing::error!(request, ?reply, "a request was answered with a reply of another kind");
    Fault::Internal(format!("{request} was answered with a reply of another kind")).into()
}
