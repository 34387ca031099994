//! What holds of every run between two decisions.

use crate::workflow::state::Execution;

impl Execution {
    /// Panics if an invariant is broken. Every decision ends with this check in debug builds.
    pub(super) fn check_invariants(&self) {
        let state = &self.state;
        assert!(
            self.volatile.speculative.is_none() || state.workflow_task.is_none(),
            "at most one workflow task is in flight"
        );
        assert!(state.buffered.is_empty() || self.task_started(), "events wait only behind a started task");
        if state.is_running() {
            let waits = self.task().is_some() || state.info.previous_started_event_id > 0;
            let first = state.info.first_task_due_ns != 0 || state.started.parent_workflow_execution.is_some();
            assert!(
                waits || first || state.info.pause.is_some() || state.info.next_task_attempt > 1,
                "a run that never had a task has one coming"
            );
        } else {
            assert!(!self.task_started(), "a closed run has no workflow task at a worker");
            assert!(self.volatile.updates.is_empty(), "a closed run has no live updates");
            assert!(state.info.close_event_id == state.next_event_id - 1, "nothing follows the close event");
        }
        for (id, activity) in &state.activities {
            assert!(*id < state.next_event_id, "an activity is pending by its written event");
            assert!(activity.run.attempt >= 1, "attempts count from one");
        }
    }
}
