//! What a reset needs to know of the run that is reset.

use crate::workflow::state::Execution;
use evertide_proto::enums::EventType;
use evertide_proto::history::HistoryEvent;

/// The run that is reset.
#[derive(Debug, Clone, PartialEq)]
pub struct ResetBase {
    /// It, as it is now (it need not be the current run).
    pub exec: Execution,
    /// Its history up to now.
    pub events: Vec<HistoryEvent>,
    /// What came from outside in the runs that it continued into, in order of the chain: events that
    /// [are taken of later runs](Self::takes_of_later_runs).
    pub later: Vec<Vec<HistoryEvent>>,
}

impl ResetBase {
    /// Whether an event of a run that the base continued into counts for a reset: it may be applied again, or says into
    /// which run the chain went on.
    #[must_use]
    pub fn takes_of_later_runs(event: &HistoryEvent) -> bool {
        matches!(
            event.event_type(),
            EventType::WorkflowExecutionSignaled
                | EventType::WorkflowExecutionUpdateAdmitted
                | EventType::WorkflowExecutionUpdateAccepted
                | EventType::WorkflowExecutionOptionsUpdated
                | EventType::WorkflowExecutionContinuedAsNew
        )
    }
}
