//! All that a new run is made of.

use crate::workflow::event::EventExtra;
use crate::workflow::info::Creation;
use evertide_proto::history::WorkflowExecutionStartedEventAttributes;

/// All that a new run is made of.
#[derive(Debug, Clone)]
pub(super) struct RunSeed {
    /// Who it is.
    pub creation: Creation,
    /// Its started event.
    pub started: WorkflowExecutionStartedEventAttributes,
    /// What the event carries besides.
    pub extra: EventExtra,
}
