//! Time that passes faster than the world's.
//!
//! A test server may let the time of all workflows jump to the next thing that is due, as long as none of them
//! [holds it](Execution::holds_time).

use crate::workflow::activity::Stage;
use crate::workflow::state::Execution;

impl Execution {
    /// Whether somebody has something to do for this run in the world's time: a worker, or another execution. What only
    /// waits for its time, for an operator or for a running child holds nothing.
    #[must_use]
    pub fn holds_time(&self) -> bool {
        let state = &self.state;
        if !state.outbox.is_empty() {
            return true; // The other side may not have it yet; also a closed run tells its parent.
        }
        let at_work = || state.activities.values().any(|a| matches!(a.stage(), Stage::Queued | Stage::Started));
        state.is_running() && (self.task().is_some() || at_work())
    }
}
