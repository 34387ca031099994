//! Waiting for the fast-forward of a run that skips time by itself.

use crate::frontend::{Call, Frontend, Outcome, validate};
use crate::history::HistoryWait;
use evertide_engine::Rejection;
use evertide_engine::address::Address;
use evertide_engine::env::timestamp_ns;
use evertide_engine::workflow::{self, FastForward, FastForwardEnd, check_fast_forward_id, check_time_skipping};
use evertide_proto::enums::FastForwardPollingResult as Polled;
use evertide_proto::workflowservice::{
    PollWorkflowExecutionTimeSkippingRequest, PollWorkflowExecutionTimeSkippingResponse,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// How many may wait for the fast-forwards of one workflow id at once.
const WAITERS: usize = 5;

/// Who waits for fast-forwards: how many at each workflow id.
#[derive(Debug, Clone, Default)]
pub(super) struct FastForwardWaiters(Arc<Mutex<BTreeMap<(String, String), usize>>>);

/// One who waits, until it is dropped.
#[derive(Debug)]
struct Waiter {
    all: FastForwardWaiters,
    key: (String, String),
}

impl FastForwardWaiters {
    fn join(&self, run: &Address) -> Result<Waiter, Rejection> {
        let key = (run.namespace_id.clone(), run.id.clone());
        let mut all = self.0.lock();
        let count = all.entry(key.clone()).or_default();
        if *count >= WAITERS {
            let text = format!("too many concurrent waiters (limit {WAITERS}) for this execution");
            return Err(Rejection::concurrent_limit(text));
        }
        *count += 1;
        drop(all);
        Ok(Waiter { all: self.clone(), key })
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if let Some(count) = all.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.key);
            }
        }
    }
}

impl Frontend {
    /// PollWorkflowExecutionTimeSkipping.
    pub(super) async fn poll_workflow_execution_time_skipping(
        &self,
        call: &Call,
        request: PollWorkflowExecutionTimeSkippingRequest,
    ) -> Outcome<PollWorkflowExecutionTimeSkippingResponse> {
        let execution = validate::execution(request.workflow_execution.as_ref())?;
        let namespace = self.namespace(&request.namespace)?;
        check_time_skipping(self.limits())?;
        check_fast_forward_id(&request.fast_forward_id)?;
        let run = self.run_ref(&namespace, execution);
        let _waiter = self.fast_forwards.join(&run)?;
        self.wait_for_fast_forward(run, request.fast_forward_id, call.wait_until(self.long_poll())).await
    }

    /// Waits until the fast-forward has ended for whoever asks. Each news of it is an event of the run; where the run
    /// continues in another one, so does the fast-forward.
    async fn wait_for_fast_forward(
        &self,
        mut run: Address,
        id: String,
        until: Instant,
    ) -> Outcome<PollWorkflowExecutionTimeSkippingResponse> {
        let mut target_ns = 0;
        loop {
            let asked = id.clone();
            let look = move |view: &crate::shard::RunView<'_>, run: &workflow::Execution| {
                let state = &run.state;
                (view.run.run_id.clone(), state.next_event_id, state.fast_forward(&asked, target_ns))
            };
            let (run_id, next_event_id, seen) = self.node.look_at_workflow(run.clone(), look).await?;
            if seen.end.is_some() || Instant::now() >= until {
                return Ok(answer(seen));
            }
            if target_ns == 0 {
                target_ns = seen.info.as_ref().and_then(|i| i.target_time.as_ref()).map_or(0, timestamp_ns);
            }
            run.run_id = run_id;
            if !seen.next_run_id.is_empty() {
                run.run_id = seen.next_run_id;
                continue;
            }
            self.node.wait_for_history(&run, HistoryWait::After { event_id: next_event_id - 1 }, until).await?;
            if self.node.is_stopping() {
                return Ok(answer(seen));
            }
        }
    }
}

fn answer(seen: FastForward) -> PollWorkflowExecutionTimeSkippingResponse {
    let (result, reason) = match seen.end {
        None => (Polled::PollTimeout, ""),
        Some(FastForwardEnd::Completed) => (Polled::FastForwardCompleted, ""),
        Some(FastForwardEnd::Failed(reason)) => (Polled::FastForwardFailed, reason),
    };
    PollWorkflowExecutionTimeSkippingResponse {
        fast_forward_polling_result: result.into(),
        failed_reason: reason.to_owned(),
        fast_forward_info: seen.info,
    }
}
