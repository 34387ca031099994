//! Requests that change nothing.

use evertide_engine::address::Address;
use evertide_engine::effects::QueryAnswer;
use evertide_engine::reply::QueryPlan;
use evertide_engine::reply::Reply;
use evertide_engine::task_queue::QueueRef;
use evertide_engine::workflow::Request;
use evertide_engine::workflow::query::Query;
use evertide_proto::common::{Payload, Payloads};
use evertide_proto::query::WorkflowQuery;
use evertide_proto::workflowservice as ws;
use evertide_server::fault::{Failure, Fault};
use evertide_server::history::{HistoryRead, HistoryWait};
use evertide_server::node::WorkerAnswer;
use evertide_server::shard::{Answer, Wait};

use crate::client::{ATTEMPTS, Asking};
use crate::world::{everything_of, far_future};

impl Asking {
    pub(super) async fn read(&self) {
        let node = self.world.node();
        let whole = HistoryRead::Forward { from_event_id: 1, max_events: usize::MAX };
        if let Some(page) = self.wait(node.history(&self.target, whole)).await {
            let run = Address { run_id: page.run_id, ..self.target.clone() };
            self.world.ledger().see(&run, &page.events);
            self.done("read");
        }
    }

    /// Waits for the end of the current run, and looks whether it has ended.
    pub(super) async fn wait_for_the_end(&self) {
        let Some((run, _)) = self.describe().await else { return };
        let waiting = self.world.node().submit_wait(run.clone(), HistoryWait::Close);
        let waiting = async { waiting.await.unwrap_or(Err(Fault::Stopping.into())) };
        if self.wait(waiting).await.is_none() {
            return;
        }
        self.done("wait for the end");
        let node = self.world.node();
        if let Some(page) = self.wait(node.history(&run, HistoryRead::last_event())).await
            && page.running
        {
            self.world.fault(format!("{run:?}: its end was told, but it is open"));
        }
    }

    /// Lists the runs of the target, which are to include those whose start is known.
    pub(super) async fn list(&self) {
        let known: Vec<Address> = {
            let ledger = self.world.ledger();
            let of_target = ledger.runs.keys().filter(|r| r.id == self.target.id);
            of_target.filter(|r| r.namespace_id == self.target.namespace_id).cloned().collect()
        };
        let Ok(page) = self.world.node().store().list(&everything_of(&self.target.namespace_id)) else { return };
        let (now_ns, retention_ns) = (self.world.now_ns(), self.world.retention_ns());
        for run in known {
            let is_listed = page.rows.iter().any(|r| r.run_id == run.run_id && r.workflow_id == run.id);
            if !is_listed && !self.world.ledger().may_be_gone(&run, now_ns, retention_ns) {
                let last_ns = self.world.ledger().runs.get(&run).copied().unwrap_or(0);
                let age_ns = now_ns - last_ns;
                self.world.fault(format!("{run:?} is not listed; it was open {age_ns} ns ago, of {retention_ns}"));
            }
        }
        self.done("list");
    }

    /// Asks a worker how many signals the current run has seen: at least those that were acknowledged before.
    pub(super) async fn query(&self) {
        let Some((run, _)) = self.describe().await else { return };
        let signals = self.world.ledger().signals.iter().filter(|(of, _)| *of == run).count();
        let asked = WorkflowQuery {
            query_type: "signals".to_owned(),
            query_args: Some(text(&self.unique)),
            ..WorkflowQuery::default()
        };
        for _ in 0..ATTEMPTS {
            match self.ask_once(&run, &asked).await {
                Some(QueryAnswer::Answered(payloads)) => return self.check_answer(&run, payloads, signals),
                Some(QueryAnswer::Failed(_)) => return,
                Some(QueryAnswer::AskDirectly) | None => {}
            }
        }
    }

    async fn ask_once(&self, run: &Address, asked: &WorkflowQuery) -> Option<QueryAnswer> {
        let request = ws::QueryWorkflowRequest { query: Some(asked.clone()), ..ws::QueryWorkflowRequest::default() };
        let query = Query { request, deadline_ns: 0 };
        let send = || self.world.node().submit_run(run.clone(), Request::Query(Box::new(query.clone())));
        let answer = self.until_known(send).await?;
        let Ok(Answer { reply: Reply::Query(plan), wait, .. }) = answer else {
            return Some(QueryAnswer::Failed(answer.err()?));
        };
        match (plan, wait) {
            (QueryPlan::Buffered { id }, Some(Wait::Query(answer))) => {
                let answer = self.wait(async { answer.await.map_err(|_| Fault::Stopping.into()) }).await;
                if answer.is_none() {
                    drop(self.world.node().submit_run(run.clone(), Request::ForgetQuery(id)));
                }
                answer
            }
            (QueryPlan::Direct { sticky, normal, task }, _) => {
                let mut queues: Vec<QueueRef> = sticky.into_iter().map(|(queue, _)| queue).collect();
                queues.push(normal);
                for queue in queues {
                    let node = self.world.node();
                    let answer = node.ask_worker(run, &queue, asked.clone(), task.clone(), far_future());
                    if let Some(WorkerAnswer::Answered(answer)) =
                        self.wait(async { Ok::<_, Failure>(answer.await) }).await
                    {
                        return Some(answer);
                    }
                }
                None
            }
            _ => None,
        }
    }

    fn check_answer(&self, run: &Address, answer: Option<Payloads>, signals: usize) {
        let answer = answer.unwrap_or_default().payloads.pop().unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer.data).into_owned();
        let parts: Vec<&str> = answer.split('|').collect();
        let [unique, run_id, seen] = parts[..] else {
            return self.world.fault(format!("{run:?}: the query was answered with {answer}"));
        };
        if (unique, run_id) != (self.unique.as_str(), run.run_id.as_str()) {
            self.world.fault(format!("{run:?}: the answer to the query {} is for another: {answer}", self.unique));
        }
        if seen.parse::<usize>().is_ok_and(|seen| seen < signals) {
            self.world.fault(format!("{run:?}: a query saw {seen} of {signals} signals that were acknowledged before"));
        }
        self.done("query");
    }
}

/// One payload of text.
pub(crate) fn text(text: &str) -> Payloads {
    Payloads { payloads: vec![Payload { data: text.to_owned().into(), ..Payload::default() }] }
}
