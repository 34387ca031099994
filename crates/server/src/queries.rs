//! Queries that are sent to a worker by themselves and wait for its answer. Nothing of them is durable.

use evertide_engine::address::Address;
use evertide_engine::effects::QueryAnswer;
use evertide_proto::query::WorkflowQuery;
use evertide_proto::workflowservice::PollWorkflowTaskQueueResponse;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::hash::FixedMap;

/// A query for whoever polls.
#[derive(Debug, Clone)]
pub(crate) struct QueryOffer {
    pub(crate) query_id: String,
    pub(crate) run: Address,
    pub(crate) query: WorkflowQuery,
    /// The answer to the poll without history, token and query.
    pub(crate) task: Box<PollWorkflowTaskQueueResponse>,
}

/// Those who wait for a worker's answer to a query, by query id.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    open: Mutex<FixedMap<String, OpenQuery>>,
}

#[derive(Debug)]
struct OpenQuery {
    /// What a worker gets; none once one has it.
    offer: Option<Box<QueryOffer>>,
    answer: oneshot::Sender<QueryAnswer>,
}

impl Queries {
    /// A query that waits for a worker, and where its answer comes.
    pub(crate) fn open(&self, offer: QueryOffer) -> oneshot::Receiver<QueryAnswer> {
        let (answer, receiver) = oneshot::channel();
        let query_id = offer.query_id.clone();
        self.open.lock().insert(query_id, OpenQuery { offer: Some(Box::new(offer)), answer });
        receiver
    }

    /// A worker takes the query; none if nobody waits for its answer any more.
    pub(crate) fn take_offer(&self, query_id: &str) -> Option<Box<QueryOffer>> {
        self.open.lock().get_mut(query_id)?.offer.take()
    }

    pub(crate) fn forget(&self, query_id: &str) {
        self.open.lock().remove(query_id);
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().len()
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.lock().is_empty()
    }

    /// A worker answers. Whether anybody was still waiting.
    pub(crate) fn answer(&self, query_id: &str, answer: QueryAnswer) -> bool {
        let open = self.open.lock().remove(query_id);
        open.is_some_and(|query| query.answer.send(answer).is_ok())
    }
}
