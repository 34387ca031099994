//! Queries: asked of a worker, with a workflow task or alone, and answered to the caller. Nothing of them is kept.

use crate::frontend::{Call, Frontend, Outcome, unexpected, validate};
use crate::matching::QueueKind;
use crate::node::{Node, WorkerAnswer};
use crate::shard::{Answer, Wait};
use evertide_engine::address::Address;
use evertide_engine::effects::QueryAnswer;
use evertide_engine::reply::QueryPlan;
use evertide_engine::reply::Reply;
use evertide_engine::task_queue::QueueRef;
use evertide_engine::workflow::Request;
use evertide_engine::workflow::query::Query;
use evertide_engine::{Code, Detail, Rejection};
use evertide_proto::common::Payloads;
use evertide_proto::enums::QueryResultType;
use evertide_proto::query::{QueryRejected, WorkflowQuery};
use evertide_proto::workflowservice::{
    PollWorkflowTaskQueueResponse, QueryWorkflowRequest, QueryWorkflowResponse, RespondQueryTaskCompletedRequest,
};
use prost::Message;
use std::time::Duration;
use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long a query waits for a worker where its caller names no deadline.
const WITHOUT_DEADLINE: Duration = Duration::from_secs(60);
/// A queue that nobody has polled for so long has probably no worker.
const NO_POLLER_WINDOW_NS: i64 = 20 * 1_000_000_000;
/// How long before the caller's deadline it is told that there is no worker.
const MARGIN: Duration = Duration::from_secs(1);

impl Frontend {
    /// QueryWorkflow.
    pub(super) async fn query_workflow(
        &self,
        call: &Call,
        request: QueryWorkflowRequest,
    ) -> Outcome<QueryWorkflowResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let run = self.run_ref(&namespace, validate::execution(request.execution.as_ref())?);
        let deadline = call.deadline.unwrap_or_else(|| Instant::now() + WITHOUT_DEADLINE);
        match self.ask(run, request, deadline).await? {
            Answered::Rejected(status) => {
                let query_rejected = Some(QueryRejected { status });
                Ok(QueryWorkflowResponse { query_rejected, ..QueryWorkflowResponse::default() })
            }
            Answered::Result(query_result) => {
                Ok(QueryWorkflowResponse { query_result, ..QueryWorkflowResponse::default() })
            }
        }
    }

    /// Asks until there is an answer: a workflow task may go by without one.
    async fn ask(&self, mut run: Address, request: QueryWorkflowRequest, deadline: Instant) -> Outcome<Answered> {
        let asked_query = request.query.clone().unwrap_or_default();
        loop {
            let query = Query { request: request.clone(), deadline_ns: self.clock_ns(deadline) };
            let answer = self.node.run(run.clone(), Request::Query(Box::new(query))).await?;
            let Answer { reply: Reply::Query(plan), wait, run: asked, .. } = answer else {
                return Err(unexpected("a query", &answer.reply));
            };
            run = (*asked).clone(); // The run that was current at first is meant, whatever follows it.
            let answer = match (plan, wait) {
                (QueryPlan::Rejected { status }, _) => return Ok(Answered::Rejected(status)),
                (QueryPlan::Buffered { id }, Some(Wait::Query(answer))) => {
                    self.wait_for_task(&run, id, answer, deadline).await?
                }
                (QueryPlan::Buffered { .. }, _) => return Err(lost().into()),
                (QueryPlan::Direct { sticky, normal, task }, _) => {
                    self.ask_directly(&run, &asked_query, sticky, &normal, &task, deadline).await?
                }
            };
            match answer {
                QueryAnswer::Answered(result) => return Ok(Answered::Result(result)),
                QueryAnswer::Failed(rejection) => return Err(rejection.into()),
                QueryAnswer::AskDirectly => {}
            }
        }
    }

    /// The query rides on a workflow task.
    async fn wait_for_task(
        &self,
        run: &Address,
        id: String,
        answer: Receiver<QueryAnswer>,
        deadline: Instant,
    ) -> Outcome<QueryAnswer> {
        let _forget = Forget { node: &self.node, run, id };
        match timeout_at(deadline, answer).await {
            Ok(answer) => Ok(answer.map_err(|_| lost())?),
            Err(_) => Err(timed_out().into()),
        }
    }

    /// The query goes to a worker alone: first to the one that has the run in its cache.
    async fn ask_directly(
        &self,
        run: &Address,
        query: &WorkflowQuery,
        sticky: Option<(QueueRef, i64)>,
        normal: &QueueRef,
        task: &PollWorkflowTaskQueueResponse,
        deadline: Instant,
    ) -> Outcome<QueryAnswer> {
        let ask = |queue, until| self.node.ask_worker(run, queue, query.clone(), Box::new(task.clone()), until);
        if let Some((queue, timeout_ns)) = &sticky {
            let until = deadline.min(Instant::now() + Duration::from_nanos(timeout_ns.unsigned_abs()));
            if let WorkerAnswer::Answered(answer) = ask(queue, until).await {
                return Ok(answer);
            }
            self.node.run(run.clone(), Request::GiveUpSticky { queue: queue.name.clone() }).await?;
        }
        let asked = ask(normal, deadline);
        tokio::pin!(asked);
        let asked = tokio::select! {
            asked = &mut asked => asked,
            () = sleep_until(deadline.checked_sub(MARGIN).unwrap_or(deadline)) => {
                if !self.polled_lately(run, normal) {
                    return Err(no_poller().into());
                }
                asked.await
            }
        };
        match asked {
            WorkerAnswer::Answered(answer) => Ok(answer),
            WorkerAnswer::Unattended | WorkerAnswer::TimedOut => Err(timed_out().into()),
        }
    }

    /// A deadline on the node's clock.
    fn clock_ns(&self, deadline: Instant) -> i64 {
        let left = deadline.saturating_duration_since(Instant::now());
        self.node.now_ns().saturating_add(i64::try_from(left.as_nanos()).unwrap_or(i64::MAX))
    }

    fn polled_lately(&self, run: &Address, queue: &QueueRef) -> bool {
        let found = self.node.describe_queue(&run.namespace_id, &queue.name, QueueKind::Workflow);
        found.last_poll_ns != 0 && self.node.now_ns() - found.last_poll_ns < NO_POLLER_WINDOW_NS
    }

    /// A worker answers a query that it got alone.
    pub(super) fn answer_query(&self, query_id: &str, request: RespondQueryTaskCompletedRequest) -> Outcome<()> {
        let answer = query_answer(request, self.limits().blob_size_bytes)?;
        if self.node.answer_query(query_id, answer) {
            return Ok(());
        }
        Err(Rejection::not_found("query task not found, or already expired").into())
    }
}

/// How a query ended well.
enum Answered {
    /// By the caller's reject condition, with the status of the workflow.
    Rejected(i32),
    /// By a worker.
    Result(Option<Payloads>),
}

/// Forgets a query when its caller has gone, or has been answered.
struct Forget<'n> {
    node: &'n Node,
    run: &'n Address,
    id: String,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        // Nobody waits for the answer to this.
        drop(self.node.submit_run(self.run.clone(), Request::ForgetQuery(std::mem::take(&mut self.id))));
    }
}

fn query_answer(request: RespondQueryTaskCompletedRequest, limit_bytes: usize) -> Result<QueryAnswer, Rejection> {
    match request.completed_type() {
        QueryResultType::Answered => {
            let size_bytes = request.query_result.as_ref().map_or(0, Message::encoded_len);
            if size_bytes > limit_bytes {
                return Ok(QueryAnswer::Failed(Rejection { detail: Detail::QueryFailed(None), ..too_large() }));
            }
            Ok(QueryAnswer::Answered(request.query_result))
        }
        QueryResultType::Failed => Ok(QueryAnswer::Failed(Rejection {
            code: Code::InvalidArgument,
            message: request.error_message.into(),
            detail: Detail::QueryFailed(request.failure.map(Box::new)),
        })),
        QueryResultType::Unspecified => Err(Rejection::invalid("CompletedType is not set on request.")),
    }
}

fn too_large() -> Rejection {
    Rejection::invalid("Blob data size exceeds limit.")
}

fn timed_out() -> Rejection {
    Rejection::new(Code::DeadlineExceeded, "query timed out before a worker could process it")
}

fn no_poller() -> Rejection {
    Rejection::precondition("no poller seen for task queue recently, worker may be down")
}

/// The server has lost what it held in memory of the run: the client asks again.
fn lost() -> Rejection {
    Rejection::unavailable("buffered query cleared, please retry")
}

#[cfg(test)]
mod tests {
    use super::*;
    use evertide_proto::common::Payload;

    fn completed(kind: QueryResultType) -> RespondQueryTaskCompletedRequest {
        RespondQueryTaskCompletedRequest {
            completed_type: kind.into(),
            error_message: "no".to_owned(),
            query_result: Some(Payloads {
                payloads: vec![Payload { data: vec![0; 100].into(), ..Payload::default() }],
            }),
            ..RespondQueryTaskCompletedRequest::default()
        }
    }

    #[test]
    fn an_answer_that_is_too_large_fails_the_query() {
        let answer = |limit_bytes| query_answer(completed(QueryResultType::Answered), limit_bytes).unwrap();
        assert!(matches!(answer(1000), QueryAnswer::Answered(Some(_))));
        let QueryAnswer::Failed(refusal) = answer(50) else { panic!("answered") };
        assert_eq!((refusal.code, refusal.detail), (Code::InvalidArgument, Detail::QueryFailed(None)));
    }

    #[test]
    fn a_failure_comes_back_in_the_workers_words() {
        let QueryAnswer::Failed(refusal) = query_answer(completed(QueryResultType::Failed), 1000).unwrap() else {
            panic!("answered")
        };
        assert_eq!((refusal.code, refusal.message.as_ref()), (Code::InvalidArgument, "no"));
        assert!(query_answer(completed(QueryResultType::Unspecified), 1000).is_err());
    }
}
