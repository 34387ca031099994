//! Activities: scheduling, attempts, retries, timeouts, heartbeats, cancellation, operator calls.
//!
//! An attempt leaves no event: the started event is written together with the end. While it is pending, an activity is
//! exactly one of: waiting on its queue, started, in backoff, or paused (see [`Stage`]). Each stage has somebody who
//! ends it: a poller, a worker or its timeouts, a due time, an operator.
//!
//! What the workflow asked for stays in the scheduled event; what an operator changed since stands beside it in
//! [`ActivityRun`]. Read both through the methods of [`Activity`] here, never a field alone.

mod answering;
mod commands;
mod describing;
mod operating;
mod options;
mod retrying;
mod starting;
pub(super) mod state;
#[cfg(test)]
mod tests;
mod timeouts;

pub(super) use answering::answer;
pub use answering::oversize_failures;
pub(super) use commands::{cancel_command, schedule_command, start_eager};
pub(super) use describing::pending_info;
pub(super) use operating::{operate, refresh_pause_info};
pub(super) use starting::start;
pub(super) use timeouts::{deadline_ns, wake};

use crate::env::duration_ns;
pub use state::Stage;

use crate::task_queue::{Dispatch, Lasts, QueueRef, TaskClass};
use crate::workflow::activity::state::{Activity, ActivityChange, ActivityRun};
use crate::workflow::change::Change;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::state::State;
use crate::workflow::workflow_task;
use evertide_proto::common::{Payloads, Priority, RetryPolicy};
use evertide_proto::failure::Failure;
use evertide_proto::history::ActivityTaskStartedEventAttributes;
use evertide_proto::history::history_event::Attributes;
use evertide_proto::workflowservice as ws;
use options::Timeouts;

/// Which activity an answer is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Which {
    /// By the token of its task.
    Token(crate::token::TaskToken),
    /// By activity id.
    Id(String),
}

/// An answer or heartbeat of an activity.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Which activity.
    pub which: Which,
    /// Identity of the caller.
    pub identity: String,
    /// What it says.
    pub outcome: Outcome,
}

/// What an activity says.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It has completed.
    Completed(Option<Payloads>),
    /// It has failed; with the details of a last heartbeat.
    Failed(Option<Box<Failure>>, Option<Payloads>),
    /// It has ended because it was asked to.
    Canceled(Option<Payloads>),
    /// It lives.
    Heartbeat(Option<Payloads>),
}

/// An operator's call on activities.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// PauseActivity.
    Pause(Box<ws::PauseActivityRequest>),
    /// UnpauseActivity.
    Unpause(Box<ws::UnpauseActivityRequest>),
    /// ResetActivity.
    Reset(Box<ws::ResetActivityRequest>),
    /// UpdateActivityOptions.
    UpdateOptions(Box<ws::UpdateActivityOptionsRequest>),
}

impl Activity {
    /// Name of the queue that its attempts go to.
    #[must_use]
    pub fn queue(&self) -> &str {
        let queue = match &self.run.options {
            Some(options) => &options.task_queue,
            None => &self.scheduled.task_queue,
        };
        queue.as_ref().map_or("", |q| &q.name)
    }

    /// Name of its type.
    #[must_use]
    pub fn type_name(&self) -> &str {
        self.scheduled.activity_type.as_ref().map_or("", |t| &t.name)
    }

    /// The timeouts in force.
    fn timeouts(&self) -> Timeouts {
        match &self.run.options {
            Some(options) => Timeouts::of_options(options),
            None => Timeouts::of_event(&self.scheduled),
        }
    }

    /// The retry policy in force. An operator cannot change which failures are final.
    fn retry_policy(&self) -> RetryPolicy {
        let original = self.scheduled.retry_policy.as_ref();
        let current = self.run.options.as_ref().and_then(|o| o.retry_policy.as_ref()).or(original);
        RetryPolicy {
            non_retryable_error_types: original.map_or_else(Vec::new, |p| p.non_retryable_error_types.clone()),
            ..current.cloned().unwrap_or_default()
        }
    }

    /// The priority in force, without the workflow's.
    fn priority(&self) -> Option<&Priority> {
        match &self.run.options {
            Some(options) => options.priority.as_ref(),
            None => self.scheduled.priority.as_ref(),
        }
    }

    /// When it must have ended, over all attempts; 0 if it may take for ever.
    fn expiration_ns(&self) -> i64 {
        due_ns(self.run.first_scheduled_time_ns, self.timeouts().schedule_to_close_ns)
    }
}

/// The end of a length of time from a point in time; 0 if the length is without limit.
fn due_ns(from_ns: i64, length_ns: i64) -> i64 {
    if length_ns == 0 { 0 } else { from_ns.saturating_add(length_ns) }
}

/// Priority field by field: the more particular one counts where it says something.
pub(super) fn merged_priority(general: Option<&Priority>, particular: Option<&Priority>) -> Option<Priority> {
    match (general, particular) {
        (general, None) => general.cloned(),
        (None, particular) => particular.cloned(),
        (Some(general), Some(particular)) => {
            let mut merged = particular.clone();
            if merged.priority_key == 0 {
                merged.priority_key = general.priority_key;
            }
            if merged.fairness_key.is_empty() {
                merged.fairness_key.clone_from(&general.fairness_key);
            }
            if merged.fairness_weight == 0.0 {
                merged.fairness_weight = general.fairness_weight;
            }
            Some(merged)
        }
    }
}

/// The tasks of all activities that wait for a poller: what was dispatched and may have been lost on the way.
#[must_use]
pub fn queued_tasks(state: &State) -> Vec<Dispatch> {
    if !takes_tasks(state) {
        return Vec::new();
    }
    let queued = state.activities.values().filter(|a| a.stage() == Stage::Queued);
    queued.map(|a| task_of(state, a)).collect()
}

/// Whether attempts may start: not of a closed workflow, nor of a paused one.
fn takes_tasks(state: &State) -> bool {
    state.is_running() && state.info.pause.is_none()
}

fn task_of(state: &State, activity: &Activity) -> Dispatch {
    Dispatch {
        class: TaskClass::Activity,
        queue: QueueRef { name: activity.queue().to_owned(), normal_name: String::new() },
        scheduled_event_id: activity.scheduled_event_id,
        stamp: activity.run.stamp,
        lasts: Lasts::Durably,
        priority: merged_priority(state.info.priority.as_ref(), activity.priority()),
    }
}

/// Puts an activity that waits for a poller on its queue.
fn dispatch(draft: &mut Draft<'_, '_>, scheduled_event_id: i64) {
    let state = &draft.exec.state;
    let Some(activity) = state.activities.get(&scheduled_event_id) else {
        return;
    };
    if takes_tasks(state) && activity.stage() == Stage::Queued {
        let task = task_of(state, activity);
        draft.effects.dispatches.push(task);
    }
}

/// Puts every activity that waits for a poller on its queue: after a pause of the workflow, or in a new copy of a run.
pub(super) fn dispatch_all(draft: &mut Draft<'_, '_>) {
    let tasks = queued_tasks(draft.state());
    draft.effects.dispatches.extend(tasks);
}

/// Sets how far an activity has come.
fn set_run(draft: &mut Draft<'_, '_>, scheduled_event_id: i64, run: ActivityRun) {
    draft.record(Change::Activity(ActivityChange { scheduled_event_id, run }));
}

/// Writes the started event of the attempt, with the time at which it was started. Returns its id; 0 if it was not
/// started, or if the event waits behind the started workflow task.
fn write_started(draft: &mut Draft<'_, '_>, activity: &Activity) -> i64 {
    let run = &activity.run;
    if run.started_time_ns == 0 {
        return 0;
    }
    let attributes = ActivityTaskStartedEventAttributes {
        scheduled_event_id: activity.scheduled_event_id,
        identity: run.worker_identity.clone(),
        request_id: run.request_id.clone(),
        attempt: run.attempt,
        last_failure: run.last_failure.clone(),
        ..ActivityTaskStartedEventAttributes::default()
    };
    let extra = EventExtra::at(run.started_time_ns);
    draft.arrive(attributes, extra).unwrap_or(0)
}

/// Writes the end of an activity, after its started event, and wakes the workflow.
fn end(draft: &mut Draft<'_, '_>, activity: &Activity, attributes: impl FnOnce(i64) -> Attributes) {
    let started_event_id = write_started(draft, activity);
    draft.arrive(attributes(started_event_id), EventExtra::default());
    if activity.run.pause.is_some() {
        refresh_pause_info(draft);
    }
    workflow_task::schedule(draft);
}

/// The run timeout of the workflow, which no timeout of its activities exceeds; 0 if there is none.
fn run_timeout_ns(state: &State) -> i64 {
    duration_ns(state.started.workflow_run_timeout.as_ref())
}
