//! What a reset needs to know of the run that is reset.

use crate::workflow::state::Execution;
use evertide_proto::history::HistoryEvent;

/// The run that is reset.
#[derive(Debug, Clone, PartialEq)]
pub struct ResetBase {
    /// It, as it is now (it need not be the current run).
    pub exec: Execution,
    /// Its history up to now.
    pub events: Vec<HistoryEvent>,
    /// Histories of the runs that it continued into, in order of the chain, for what is applied again.
    pub later: Vec<Vec<HistoryEvent>>,
}
