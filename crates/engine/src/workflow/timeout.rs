//! What is due: one deadline for a run, composed of those of its components.

use crate::reply::{Decided, Reply};
use crate::task_queue::Dispatch;
use crate::workflow::draft::Draft;
use crate::workflow::state::{Execution, State};
use crate::workflow::{activity, close, time_skipping, timer, workflow_task};

impl Execution {
    /// When the run next has something to do by itself, nanoseconds since the epoch; 0 if never.
    #[must_use]
    pub fn deadline_ns(&self) -> i64 {
        let task_ns = if self.state.is_running() { workflow_task::deadline_ns(self) } else { 0 };
        earliest([self.state.deadline_ns(), self.state.in_world_ns(task_ns)])
    }
}

impl Execution {
    /// The tasks that wait for a poll: what was dispatched and may have been lost on the way.
    #[must_use]
    pub fn queued(&self) -> Vec<Dispatch> {
        let task = workflow_task::waiting_task(self).filter(|_| self.state.is_running());
        task.into_iter().chain(activity::queued_tasks(&self.state)).collect()
    }
}

impl State {
    /// When the durable part of the run next has something to do by itself, without its workflow task; 0 if never.
    #[must_use]
    pub fn deadline_ns(&self) -> i64 {
        if !self.is_running() {
            return 0;
        }
        let due_ns = earliest([
            timer::deadline_ns(self),
            activity::deadline_ns(self),
            time_skipping::deadline_ns(self),
            self.info.run_expiration_ns,
            // A paused workflow has its first task when the pause is over.
            if self.info.pause.is_some() { 0 } else { self.info.first_task_due_ns },
        ]);
        self.in_world_ns(due_ns)
    }
}

fn earliest<const N: usize>(times_ns: [i64; N]) -> i64 {
    times_ns.into_iter().filter(|t| *t != 0).min().unwrap_or(0)
}

/// Does everything that is due now, and hands out again the messages that nobody has answered.
pub(super) fn wake(draft: &mut Draft<'_, '_>) -> Decided {
    draft.effects.messages = draft.state().outbox.keys().copied().collect();
    if !draft.state().is_running() {
        return Ok(Reply::Done);
    }
    let (info, now_ns) = (&draft.state().info, draft.now_ns());
    if info.run_expiration_ns != 0 && info.run_expiration_ns <= now_ns {
        close::time_out(draft);
        return Ok(Reply::Done);
    }
    let first_task_due = info.first_task_due_ns != 0 && info.first_task_due_ns <= now_ns;
    time_skipping::wake(draft);
    workflow_task::wake(draft);
    timer::wake(draft);
    activity::wake(draft);
    if first_task_due {
        workflow_task::schedule_first(draft);
    }
    Ok(Reply::Done)
}
