//! What the caller of a decision is answered.

use crate::message::DeliveryResult;
use crate::rejection::Rejection;
use crate::task_queue::QueueRef;
use evertide_proto::activity::ActivityOptions;
use evertide_proto::common::Link;
use evertide_proto::history::HistoryEvent;
use evertide_proto::update::Outcome;
use evertide_proto::workflow::WorkflowExecutionOptions;
use evertide_proto::workflowservice::{
    DescribeWorkflowExecutionResponse, PollActivityTaskQueueResponse, PollWorkflowTaskQueueResponse,
};

/// What the caller of a decision is answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Reply {
    /// Done; nothing to say.
    #[default]
    Done,
    /// A workflow task for a poller.
    WorkflowTask(Box<StartedTask>),
    /// An activity task for a poller.
    ActivityTask(Box<PollActivityTaskQueueResponse>),
    /// The task that a poller came for is no longer there; it waits on.
    Stale,
    /// The answer to a completed workflow task.
    TaskCompleted {
        /// Events after this id never happened for the worker; 0 if all did.
        reset_history_event_id: i64,
        /// Activities that the worker gets at once.
        activity_tasks: Vec<PollActivityTaskQueueResponse>,
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
    /// How a query is answered.
    Query(QueryPlan),
    /// An update was admitted, found or is already over: wait for signals of this update id.
    Update(Box<UpdateStatus>),
    /// Description of the run, without what only the shell knows.
    Described(Box<DescribeWorkflowExecutionResponse>),
    /// Options of an activity after an operator's change.
    ActivityOptions(Option<Box<ActivityOptions>>),
    /// Options of the workflow after a change.
    WorkflowOptions(Box<WorkflowExecutionOptions>),
    /// How a message to this execution was taken.
    Delivered(DeliveryResult),
    /// A schedule was made, or found.
    ScheduleCreated {
        /// Its conflict token.
        conflict_token: i64,
    },
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

/// A started task: the answer to the poll, but for the history, which the shell reads.
#[derive(Debug, Clone, PartialEq)]
pub struct StartedTask {
    /// The answer without history.
    pub response: PollWorkflowTaskQueueResponse,
    /// First event that the worker gets.
    pub history_from: i64,
    /// The history ends before this event id.
    pub history_until: i64,
    /// Most events that come with the task; the worker asks for the others.
    pub page_events: usize,
    /// Events that are not written yet and follow the history.
    pub virtual_events: Vec<HistoryEvent>,
}

/// How a query is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryPlan {
    /// Refused by the caller's reject condition: the status of the workflow.
    Rejected {
        /// `WorkflowExecutionStatus`.
        status: i32,
    },
    /// It rides on a workflow task; wait for a [`QueryAnswer`](crate::effects::QueryAnswer) of this id.
    Buffered {
        /// Query id.
        id: String,
    },
    /// Ask a worker directly, with a query task on these queues: the first, then after its timeout the second.
    Direct {
        /// The sticky queue and how long to wait there (nanoseconds), if the run is sticky.
        sticky: Option<(QueueRef, i64)>,
        /// The workflow's normal queue.
        normal: QueueRef,
        /// Body of the query task, without history, token and query.
        task: Box<PollWorkflowTaskQueueResponse>,
    },
}

/// How far an update is.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateStatus {
    /// Update id.
    pub update_id: String,
    /// Run that has it.
    pub run_id: String,
    /// `UpdateWorkflowExecutionLifecycleStage` reached.
    pub stage: i32,
    /// Its outcome, once completed.
    pub outcome: Option<Outcome>,
    /// Stage that the caller waits for (`UpdateWorkflowExecutionLifecycleStage`); answer at once if it is reached.
    pub wait_stage: i32,
    /// Request id of the caller, for the link of the answer.
    pub request_id: String,
}

/// Shorthand of every component's request handlers.
pub type Decided = Result<Reply, Rejection>;
