//! Queries that were sent to a worker by themselves and wait for its answer. Nothing of them is durable.

use evertide_engine::workflow::QueryAnswer;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::hash::FixedMap;

/// Those who wait for a worker's answer to a query, by query id.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    waiting: Mutex<FixedMap<String, oneshot::Sender<QueryAnswer>>>,
}

impl Queries {
    pub(crate) fn expect(&self, query_id: String) -> oneshot::Receiver<QueryAnswer> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().insert(query_id, sender);
        receiver
    }

    pub(crate) fn forget(&self, query_id: &str) {
        self.waiting.lock().remove(query_id);
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().is_empty()
    }

    /// A worker answers. Whether anybody was still waiting.
    pub(crate) fn answer(&self, query_id: &str, answer: QueryAnswer) -> bool {
        let waiting = self.waiting.lock().remove(query_id);
        waiting.is_some_and(|sender| sender.send(answer).is_ok())
    }
}
