//! What a run may lose at any time: queries, updates that are not accepted yet, a speculative workflow task.
//!
//! Nothing here is ever told to a client as done. When it is lost (crash, eviction), waiters get an error that their
//! client retries.

use crate::workflow::workflow_task::state::WorkflowTask;
use evertide_proto::query::WorkflowQuery;
use evertide_proto::update::Request as UpdateRequest;
use std::collections::BTreeMap;

/// The volatile part of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Volatile {
    /// A workflow task that exists only for updates.
    pub speculative: Option<WorkflowTask>,
    /// Queries that wait for a workflow task or ride on one, by query id.
    pub queries: BTreeMap<String, LiveQuery>,
    /// Updates that are admitted or sent and not accepted yet, in order of their admission.
    pub updates: Vec<LiveUpdate>,
    /// What the durable state counts at most against its limit, bytes; none if it has not been measured.
    pub mutable_state_bound_bytes: Option<usize>,
}

/// A query that waits for a workflow task or rides on one.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveQuery {
    /// What is asked.
    pub query: WorkflowQuery,
    /// Whether a worker has it.
    pub sent: bool,
}

/// An update that is admitted or sent and not accepted yet.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveUpdate {
    /// Update id, unique in the run.
    pub id: String,
    /// The request as the worker gets it.
    pub request: UpdateRequest,
    /// A worker has it: it was in a task that is not answered yet.
    pub sent: bool,
}

impl Volatile {
    /// The admitted or sent update of that id.
    #[must_use]
    pub fn update(&self, id: &str) -> Option<&LiveUpdate> {
        self.updates.iter().find(|u| u.id == id)
    }

    /// The workflow task that updates and queries were sent with was not answered: they come again with the next one.
    pub(super) fn task_lost(&mut self) {
        self.queries_come_again();
        for update in &mut self.updates {
            update.sent = false;
        }
    }

    /// What a workflow task left open of its queries comes again with the next one.
    pub(super) fn queries_come_again(&mut self) {
        for query in self.queries.values_mut() {
            query.sent = false;
        }
    }

    /// Whether there is nothing to lose.
    pub(crate) fn is_idle(&self) -> bool {
        self.speculative.is_none() && self.queries.is_empty() && self.updates.is_empty()
    }

    /// Whether any update waits to be sent to a worker.
    #[must_use]
    pub fn has_unsent_updates(&self) -> bool {
        self.updates.iter().any(|u| !u.sent)
    }
}
