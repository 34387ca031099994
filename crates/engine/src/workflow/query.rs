//! Queries: read-only questions to a workflow's code, answered by a worker, never written.

use crate::rejection::Rejection;
use crate::workflow::draft::{Decided, Draft};
use crate::workflow::state::QueueRef;
use evertide_proto::workflowservice as ws;

/// How a query goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryPlan {
    /// Refused by the caller's reject condition: the status of the workflow.
    Rejected {
        /// `WorkflowExecutionStatus`.
        status: i32,
    },
    /// It rides on a workflow task; wait for a [`QueryAnswer`](crate::workflow::QueryAnswer) of this id.
    Buffered {
        /// Query id.
        id: String,
    },
    /// Ask a worker directly, with a query task on these queues: the first, then after its timeout the second.
    Direct {
        /// The sticky queue and how long to wait there (nanoseconds), if the run is sticky.
        sticky: Option<(QueueRef, i64)>,
        /// The workflow's normal queue.
        normal: QueueRef,
        /// Body of the query task, without history, token and query.
        task: Box<ws::PollWorkflowTaskQueueResponse>,
    },
}

/// QueryWorkflow.
pub(super) fn query(_draft: &mut Draft<'_, '_>, _request: ws::QueryWorkflowRequest) -> Decided {
    Err(Rejection::unimplemented("queries"))
}

/// The client of a buffered query has gone away.
pub(super) fn forget(draft: &mut Draft<'_, '_>, id: &str) -> Decided {
    draft.exec.volatile.queries.remove(id);
    Ok(crate::workflow::Reply::Done)
}

/// The queries that ride on the task being started; from now on a worker has them.
pub(super) fn queries_for_task(
    draft: &mut Draft<'_, '_>,
) -> std::collections::BTreeMap<String, evertide_proto::query::WorkflowQuery> {
    let waiting = draft.exec.volatile.queries.iter_mut().filter(|(_, q)| !q.sent);
    waiting
        .map(|(id, q)| {
            q.sent = true;
            (id.clone(), q.query.clone())
        })
        .collect()
}

/// The task that queries rode on was not answered: they come again with the next one.
pub(super) fn on_task_lost(draft: &mut Draft<'_, '_>) {
    for query in draft.exec.volatile.queries.values_mut() {
        query.sent = false;
    }
}

/// The worker's answers to the queries of its task.
pub(super) fn take_results(
    _draft: &mut Draft<'_, '_>,
    _results: &std::collections::BTreeMap<String, evertide_proto::query::WorkflowQueryResult>,
) {
}

/// A task has completed: queries that it did not carry and that no next task will are asked directly.
pub(super) fn after_task(_draft: &mut Draft<'_, '_>) {}

/// The run has closed: queries that wait are asked directly.
pub(super) fn on_close(_draft: &mut Draft<'_, '_>) {}
