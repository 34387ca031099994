//! Time that passes faster than the world's.
//!
//! A test server may let the time of all workflows jump to the next thing that is due, as long as none of them
//! [holds it](Execution::holds).

use crate::workflow::activity::Stage;
use crate::workflow::state::Execution;

/// What keeps the time of a test server from jumping: what others have to do for a run in the world's time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holds {
    /// Activities that a worker has, or is to take.
    pub activities: usize,
    /// Anything else: a workflow task, a message that the other side may not have yet.
    pub other: bool,
}

impl Execution {
    /// What holds the time for this run. What only waits for its time, for an operator or for a running child holds
    /// nothing.
    #[must_use]
    pub fn holds(&self) -> Holds {
        let state = &self.state;
        let telling = !state.outbox.is_empty(); // Also a closed run tells its parent.
        if !state.is_running() {
            return Holds { activities: 0, other: telling };
        }
        let at_work = state.activities.values().filter(|a| matches!(a.stage(), Stage::Queued | Stage::Started));
        Holds { activities: at_work.count(), other: telling || self.task().is_some() }
    }
}
