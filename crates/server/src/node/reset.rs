//! Resets: the only request that needs the whole history of a run.

use evertide_engine::workflow::{Execution, ResetBase};
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes;
use evertide_proto::workflowservice::ResetWorkflowExecutionRequest;

use crate::address::RunRef;
use crate::ask::{Answer, Ask};
use crate::fault::{Failure, Fault};
use crate::history::HistoryRead;
use crate::node::{Node, answered};

/// How often a reset is prepared again because the run has changed meanwhile.
const ATTEMPTS: usize = 20;

impl Node {
    /// Resets a run; an empty run id means the current one.
    ///
    /// # Errors
    /// The rules refuse it, there is no such run, or the server fails.
    pub async fn reset(&self, run: RunRef, request: ResetWorkflowExecutionRequest) -> Result<Answer, Failure> {
        for _ in 0..ATTEMPTS {
            let base = Box::new(self.reset_base(&run).await?);
            let ask = Ask::Reset { request: Box::new(request.clone()), base };
            match answered(self.submit(run.chain(), ask)).await {
                Err(Failure::Fault(Fault::Moved)) => {}
                other => return other,
            }
        }
        Err(Fault::Moved.into())
    }

    async fn reset_base(&self, run: &RunRef) -> Result<ResetBase, Failure> {
        let (run, exec) = self.look(run.clone(), |view| (view.run.clone(), view.exec.clone())).await?;
        let events = self.whole_history(&run, &exec).await?;
        let mut later = Vec::new();
        let mut next = continued_as(&events);
        while let Some(run_id) = next {
            let run = RunRef { run_id, ..(*run).clone() };
            // A later run may be past its retention already; what came after it is out of reach then.
            let exec = match self.look(run.clone(), |view| view.exec.clone()).await {
                Ok(exec) => exec,
                Err(Failure::Rejected(_)) => break,
                Err(fault) => return Err(fault),
            };
            let events = self.whole_history(&run, &exec).await?;
            next = continued_as(&events);
            later.push(events);
        }
        Ok(ResetBase { exec, events, later })
    }

    /// The history of a run up to the state it was seen in.
    async fn whole_history(&self, run: &RunRef, exec: &Execution) -> Result<Vec<HistoryEvent>, Failure> {
        let read = HistoryRead::Forward { from_event_id: 1, max_events: usize::MAX };
        let mut events = self.history(run, read).await?.events;
        events.retain(|e| e.event_id < exec.state.next_event_id);
        Ok(events)
    }
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
