//! Queries: read-only questions to a workflow's code, answered by a worker, never written.
//!
//! While a workflow task is in flight (or has yet to come for the first time), a query waits for it and rides on the
//! next one that starts, so that the worker has seen everything before it answers. Of an idle or closed workflow a
//! worker is asked directly.

use crate::effects::QueryAnswer;
use crate::rejection::{Code, Detail, Rejection};
pub use crate::reply::QueryPlan;
use crate::reply::{Decided, Reply};
use crate::task_queue::QueueRef;
use crate::workflow::draft::Draft;
use crate::workflow::state::State;
use crate::workflow::volatile::LiveQuery;
use evertide_proto::common::WorkflowType;
use evertide_proto::enums::{QueryRejectCondition as Reject, QueryResultType, WorkflowExecutionStatus as Status};
use evertide_proto::query::{WorkflowQuery, WorkflowQueryResult};
use evertide_proto::workflowservice as ws;
use prost::Message;
use std::collections::BTreeMap;

/// Attempt of a workflow task from which a query is refused: the workflow's code does not get through its task.
const FAILING_TASK_ATTEMPT: i32 = 3;

/// A query and when its caller gives up.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The request.
    pub request: ws::QueryWorkflowRequest,
    /// When the caller gives up, nanoseconds since the epoch; 0 if never.
    pub deadline_ns: i64,
}

/// QueryWorkflow.
pub(super) fn query(draft: &mut Draft<'_, '_>, query: Query) -> Decided {
    let Query { request, deadline_ns } = query;
    let asked = checked(draft, request.query)?;
    let reject = Reject::try_from(request.query_reject_condition).unwrap_or(Reject::Unspecified);
    let state = draft.state();
    let status = state.info.status();
    if state.info.pause.is_some() {
        return Ok(Reply::Query(QueryPlan::Rejected { status: Status::Paused.into() }));
    }
    if rejects(reject, status) {
        return Ok(Reply::Query(QueryPlan::Rejected { status: status.into() }));
    }
    let seen_by_worker = state.info.previous_started_event_id > 0;
    if !state.is_running() && !seen_by_worker {
        return Err(Rejection::not_ready("Workflow execution closed before WorkflowTaskStarted event"));
    }
    if state.is_running()
        && !seen_by_worker
        && deadline_ns != 0
        && state.in_world_ns(state.info.first_task_due_ns) > deadline_ns
    {
        return Err(Rejection::not_ready("Workflow task is not scheduled yet."));
    }
    let attempt = draft.exec.task().map_or(0, |t| t.attempt);
    if state.is_running() && attempt >= FAILING_TASK_ATTEMPT {
        return Err(Rejection::not_ready("Unable to query workflow due to Workflow Task in failed state."));
    }
    if seen_by_worker && (!state.is_running() || draft.exec.task().is_none()) {
        return Ok(Reply::Query(direct(state)));
    }
    buffer(draft, asked)
}

fn checked(draft: &Draft<'_, '_>, query: Option<WorkflowQuery>) -> Result<WorkflowQuery, Rejection> {
    let Some(query) = query else {
        return Err(Rejection::invalid("WorkflowQuery is not set on request."));
    };
    if query.query_type.is_empty() {
        return Err(Rejection::invalid("QueryType is not set on request."));
    }
    if query.query_type.len() > draft.limits().id_length_bytes {
        return Err(Rejection::invalid("QueryType length exceeds limit."));
    }
    let size = query.query_args.as_ref().map_or(0, Message::encoded_len);
    if size > draft.limits().blob_size_bytes {
        return Err(Rejection::invalid("Blob data size exceeds limit."));
    }
    Ok(query)
}

fn rejects(condition: Reject, status: Status) -> bool {
    match condition {
        Reject::NotOpen => status != Status::Running,
        Reject::NotCompletedCleanly => status != Status::Running && status != Status::Completed,
        Reject::None | Reject::Unspecified => false,
    }
}

fn buffer(draft: &mut Draft<'_, '_>, query: WorkflowQuery) -> Decided {
    if draft.exec.volatile.queries.len() >= draft.limits().buffered_queries {
        return Err(Rejection::busy(
            "consistent query buffer is full, this may be caused by too many queries and workflow not able to process query fast enough",
        ));
    }
    let id = draft.env.ids.uuid();
    draft.exec.volatile.queries.insert(id.clone(), LiveQuery { query, sent: false });
    Ok(Reply::Query(QueryPlan::Buffered { id }))
}

/// The query task of an idle or closed run.
fn direct(state: &State) -> QueryPlan {
    let normal = QueueRef { name: state.task_queue().to_owned(), normal_name: String::new() };
    let sticky = state.info.sticky.as_ref().filter(|_| state.is_running()).map(|sticky| {
        let queue = QueueRef { name: sticky.queue.clone(), normal_name: normal.name.clone() };
        (queue, sticky.schedule_to_start_ns)
    });
    let task = ws::PollWorkflowTaskQueueResponse {
        workflow_execution: Some(state.execution()),
        workflow_type: Some(WorkflowType { name: state.workflow_type().to_owned() }),
        previous_started_event_id: state.info.previous_started_event_id,
        attempt: 1,
        workflow_execution_task_queue: Some(normal.to_proto()),
        ..ws::PollWorkflowTaskQueueResponse::default()
    };
    QueryPlan::Direct { sticky, normal, task: Box::new(task) }
}

/// The client of a buffered query has gone away.
pub(super) fn forget(draft: &mut Draft<'_, '_>, id: &str) -> Decided {
    draft.exec.volatile.queries.remove(id);
    Ok(Reply::Done)
}

/// The queries that ride on the task being started; from now on a worker has them.
pub(super) fn queries_for_task(draft: &mut Draft<'_, '_>) -> BTreeMap<String, WorkflowQuery> {
    let waiting = draft.exec.volatile.queries.iter_mut().filter(|(_, q)| !q.sent);
    waiting
        .map(|(id, q)| {
            q.sent = true;
            (id.clone(), q.query.clone())
        })
        .collect()
}

/// The worker's answers to the queries of its task; answers to unknown queries are ignored. What the worker leaves
/// unanswered is sent again with the next task.
pub(super) fn take_results(draft: &mut Draft<'_, '_>, results: &BTreeMap<String, WorkflowQueryResult>) {
    for (id, result) in results {
        if draft.exec.volatile.queries.remove(id).is_some() {
            let answer = answer_of(result, draft.limits().blob_size_bytes);
            draft.effects.queries.push((id.clone(), answer));
        }
    }
    draft.exec.volatile.queries_come_again();
}

/// What a worker's result means for the caller.
#[must_use]
pub fn answer_of(result: &WorkflowQueryResult, largest_bytes: usize) -> QueryAnswer {
    let failed = |message: String, failure: Option<evertide_proto::failure::Failure>| {
        let detail = Detail::QueryFailed(failure.map(Box::new));
        QueryAnswer::Failed(Rejection { code: Code::InvalidArgument, message: message.into(), detail })
    };
    if result.answer.as_ref().map_or(0, Message::encoded_len) > largest_bytes {
        return failed("Blob data size exceeds limit.".to_owned(), None);
    }
    match result.result_type() {
        QueryResultType::Answered => QueryAnswer::Answered(result.answer.clone()),
        QueryResultType::Failed => failed(result.error_message.clone(), result.failure.clone()),
        QueryResultType::Unspecified => failed("The worker sent a query result without a type.".to_owned(), None),
    }
}

/// A task has completed: what no next task will carry is asked directly.
pub(super) fn after_task(draft: &mut Draft<'_, '_>) {
    if draft.exec.task().is_some() && draft.state().is_running() {
        return;
    }
    for (id, _) in std::mem::take(&mut draft.exec.volatile.queries) {
        draft.effects.queries.push((id, QueryAnswer::AskDirectly));
    }
}

/// The run has closed: queries that waited are asked of the closed run, if a worker ever saw it.
pub(super) fn on_close(draft: &mut Draft<'_, '_>) {
    let seen_by_worker = draft.state().info.previous_started_event_id > 0;
    for (id, _) in std::mem::take(&mut draft.exec.volatile.queries) {
        let answer = if seen_by_worker {
            QueryAnswer::AskDirectly
        } else {
            QueryAnswer::Failed(Rejection::not_ready("Workflow execution closed before WorkflowTaskStarted event"))
        };
        draft.effects.queries.push((id, answer));
    }
}

#[cfg(test)]
mod tests;
