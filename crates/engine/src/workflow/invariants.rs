//! What holds of every run between two decisions: what holds of each component, and of them together.

use crate::workflow::activity::state as activity;
use crate::workflow::child_workflow::state as child;
use crate::workflow::external_workflow::state as external;
use crate::workflow::state::Execution;
use crate::workflow::timer::state as timer;
use crate::workflow::update::state as update;
use crate::workflow::workflow_task::state as workflow_task;

impl Execution {
    /// Panics if an invariant is broken. Every decision ends with this check in debug builds.
    pub(super) fn check_invariants(&self) {
        let state = &self.state;
        let (info, next_event_id) = (&state.info, state.next_event_id);
        workflow_task::check(state.workflow_task.as_ref(), self.volatile.speculative.as_ref(), state.is_running());
        activity::check(&state.activities, next_event_id);
        timer::check(&state.timers, next_event_id);
        child::check(&state.children, next_event_id);
        external::check(&state.external_signals, next_event_id);
        external::check(&state.external_cancels, next_event_id);
        update::check(&state.updates);
        assert!(state.buffered.is_empty() || self.task_started(), "events wait only behind a started task");
        assert!(state.outbox.keys().all(|id| *id < info.next_message_id), "messages are numbered in order");
        if state.is_running() {
            let waits = self.task().is_some() || info.previous_started_event_id > 0;
            let first = info.first_task_due_ns != 0 || state.started.parent_workflow_execution.is_some();
            assert!(
                waits || first || info.pause.is_some() || info.next_task_attempt > 1,
                "a run that never had a task has one coming"
            );
        } else {
            assert!(self.volatile.updates.is_empty(), "a closed run has no live updates");
            assert!(info.close_event_id == next_event_id - 1, "nothing follows the close event");
        }
    }
}
