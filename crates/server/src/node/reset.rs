//! Resets: the only request that needs the whole history of a run, and part of those of the runs after it.

use std::sync::Arc;

use evertide_engine::address::Address;
use evertide_engine::workflow::ResetBase;
use evertide_engine::{Code, Rejection};
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes;
use evertide_proto::workflowservice::ResetWorkflowExecutionRequest;
use prost::Message;

use crate::address::ChainKey;
use crate::ask::{Answer, Ask};
use crate::fault::{Failure, Fault};
use crate::history::HistoryRead;
use crate::node::{Node, answered};

/// How often a reset is prepared again because the run has changed meanwhile.
const ATTEMPTS: usize = 20;
/// How many resets are prepared at once, each with a whole history in memory.
pub(super) const RESETS_AT_ONCE: usize = 2;
/// How many events are read at once, so that others come in between.
const PAGE_EVENTS: usize = 1000;

impl Node {
    /// Resets a run; an empty run id means the current one.
    ///
    /// # Errors
    /// The rules refuse it, there is no such run, or the server fails.
    pub async fn reset(&self, run: Address, request: ResetWorkflowExecutionRequest) -> Result<Answer, Failure> {
        let _one_of_few = self.resets.acquire().await.map_err(|_| Fault::Stopping)?;
        for _ in 0..ATTEMPTS {
            let base = Box::new(self.reset_base(&run).await?);
            let ask = Ask::Reset { request: Box::new(request.clone()), base };
            match answered(self.submit(ChainKey::of(&run), ask)).await {
                Err(Failure::Fault(Fault::Moved)) => {}
                other => return other,
            }
        }
        Err(Fault::Moved.into())
    }

    async fn reset_base(&self, run: &Address) -> Result<ResetBase, Failure> {
        let (run, exec) = self.look_at_workflow(run.clone(), |view, run| (view.run.clone(), run.clone())).await?;
        // The history of one run is within its limit; what comes of all later ones together must be so too.
        let events = self.events_of(&run, exec.state.next_event_id, |_| true, &mut { usize::MAX }).await?;
        let mut room_bytes = usize::try_from(self.limits().history_size_bytes).unwrap_or(usize::MAX);
        let mut later = Vec::new();
        let mut next = continued_as(&events);
        while let Some(run_id) = next {
            let run = Arc::new(Address { run_id, ..(*run).clone() });
            // A later run may be past its retention already; what came after it is out of reach then.
            let until = match self.look((*run).clone(), |view| view.exec.position()).await {
                Ok(until) => until,
                Err(Failure::Rejected(_)) => break,
                Err(fault) => return Err(fault),
            };
            let events = self.events_of(&run, until, ResetBase::takes_of_later_runs, &mut room_bytes).await?;
            next = continued_as(&events);
            later.push(events);
        }
        Ok(ResetBase { exec, events, later })
    }

    /// The events of a run before `until` that are wanted, as long as there is room for them.
    async fn events_of(
        &self,
        run: &Arc<Address>,
        until: i64,
        is_wanted: impl Fn(&HistoryEvent) -> bool,
        room_bytes: &mut usize,
    ) -> Result<Vec<HistoryEvent>, Failure> {
        let mut wanted = Vec::new();
        let mut next = 1;
        while next < until {
            let read = HistoryRead::Forward { from_event_id: next, max_events: PAGE_EVENTS };
            let page = self.history(run, read).await?.events;
            let Some(last) = page.last() else { break };
            next = last.event_id + 1;
            for event in page.into_iter().filter(|e| e.event_id < until && is_wanted(e)) {
                *room_bytes = room_bytes.checked_sub(event.encoded_len()).ok_or_else(too_much)?;
                wanted.push(event);
            }
        }
        Ok(wanted)
    }
}

/// More than a history may hold came in after the run that is to be reset.
fn too_much() -> Failure {
    Rejection::new(
        Code::ResourceExhausted,
        "what is to be written again after the reset exceeds the limit of a history",
    )
    .into()
}

/// The run that a history continues as new in.
fn continued_as(events: &[HistoryEvent]) -> Option<String> {
    match &events.last()?.attributes {
        Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(a)) => {
            Some(a.new_execution_run_id.clone()).filter(|id| !id.is_empty())
        }
        _ => None,
    }
}
