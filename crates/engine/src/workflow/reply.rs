//! What the caller of a decision is answered.

use crate::rejection::Rejection;
use crate::workflow::workflow_task::StartedTask;
use evertide_proto::common::Link;

/// What the caller of a decision is answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Reply {
    /// Done; nothing to say.
    #[default]
    Done,
    /// A workflow task for a poller.
    WorkflowTask(Box<StartedTask>),
    /// An activity task for a poller.
    ActivityTask(Box<evertide_proto::workflowservice::PollActivityTaskQueueResponse>),
    /// The task that a poller came for is no longer there; it waits on.
    Stale,
    /// The answer to a completed workflow task.
    TaskCompleted {
        /// Events after this id never happened for the worker; 0 if all did.
        reset_history_event_id: i64,
        /// Activities that the worker gets at once.
        activity_tasks: Vec<evertide_proto::workflowservice::PollActivityTaskQueueResponse>,
        /// The next workflow task, if the worker asked for it and there is one.
        new_task: Option<Box<StartedTask>>,
    },
    /// The answer to a heartbeat.
    Heartbeat {
        /// The activity should end.
        cancel_requested: bool,
        /// An operator paused the activity.
        paused: bool,
        /// An operator reset the activity.
        reset: bool,
    },
    /// A run was started, or found.
    Started {
        /// The run.
        run_id: String,
        /// First run of its chain.
        first_run_id: String,
        /// Whether this call started it.
        started: bool,
        /// Its status.
        status: i32,
        /// Where the effect of the call is in the history.
        link: Option<Link>,
        /// The first workflow task, if it was asked for and could be given.
        eager_task: Option<Box<StartedTask>>,
        /// Where the signal of a signal-with-start is in the history.
        signal_link: Option<Link>,
    },
    /// A signal was taken.
    Signaled {
        /// Where it is in the history.
        link: Option<Link>,
    },
    /// How a query goes on.
    Query(crate::workflow::query::QueryPlan),
    /// An update was admitted, found or is already over: wait for signals of this update id.
    Update(Box<crate::workflow::update::UpdateStatus>),
    /// Description of the run, without what only the shell knows.
    Described(Box<evertide_proto::workflowservice::DescribeWorkflowExecutionResponse>),
    /// Options of an activity after an operator's change.
    ActivityOptions(Option<Box<evertide_proto::activity::ActivityOptions>>),
    /// Options of the workflow after a change.
    WorkflowOptions(Box<evertide_proto::workflow::WorkflowExecutionOptions>),
    /// How a message to this execution was taken.
    Delivered(crate::workflow::outbox::DeliveryResult),
    /// A run was made by a reset.
    Reset {
        /// The new run.
        run_id: String,
    },
    /// Start and update in one.
    StartedAndUpdated {
        /// The start's answer.
        started: Box<Reply>,
        /// The update's answer.
        updated: Box<Reply>,
    },
}

/// Shorthand of every component's request handlers.
pub type Decided = Result<Reply, Rejection>;
