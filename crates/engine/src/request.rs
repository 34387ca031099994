//! What is asked of executions of any kind, and who decides it.

use crate::effects::{Made, New};
use crate::env::Env;
use crate::execution::Execution;
use crate::message::{Delivery, DeliveryResult};
use crate::reply::Decided;
use crate::task_queue::{StartTask, TaskClass};
use crate::workflow;

/// What a decision over an execution did.
pub type Written = crate::effects::Written<Execution>;
/// An execution that a decision made.
pub type NewExecution = New<Execution>;
/// What a decision over an id did.
pub type Outcome = Made<Execution>;

/// A request over one execution.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// To a run of a workflow.
    Workflow(workflow::Request),
    /// A poller takes a task.
    Start(TaskClass, StartTask),
    /// Something is due.
    Wake,
    /// A message from another execution.
    Deliver(Box<Delivery>),
    /// The answer to a message of its own.
    Delivered {
        /// Its number.
        id: i64,
        /// How it was taken.
        result: DeliveryResult,
    },
}

impl From<workflow::Request> for Request {
    fn from(request: workflow::Request) -> Self {
        Self::Workflow(request)
    }
}

/// A request over an id, which may make an execution.
#[derive(Debug, Clone, PartialEq)]
pub enum Create {
    /// Of a workflow.
    Workflow(workflow::ChainRequest),
    /// A message that [may make an execution](crate::message::Message::may_make_a_run).
    Deliver(Box<Delivery>),
}

impl From<workflow::ChainRequest> for Create {
    fn from(request: workflow::ChainRequest) -> Self {
        Self::Workflow(request)
    }
}

/// Decides a request over one execution: changes it and says what was written, or rejects and changes nothing. A
/// rejection may come with something written; the shell commits what was written and then answers either way.
pub fn decide(request: Request, exec: &mut Execution, env: &mut Env<'_>) -> (Written, Decided) {
    match exec {
        Execution::Workflow(run) => {
            let (written, decided) = workflow::decide(of_workflow(request), run, env);
            (written.map(Execution::from), decided)
        }
    }
}

fn of_workflow(request: Request) -> workflow::Request {
    match request {
        Request::Workflow(request) => request,
        Request::Start(TaskClass::Workflow, task) => workflow::Request::StartWorkflowTask(task),
        Request::Start(TaskClass::Activity, task) => workflow::Request::StartActivity(task),
        Request::Wake => workflow::Request::Wake,
        Request::Deliver(delivery) => workflow::Request::Deliver(delivery),
        Request::Delivered { id, result } => workflow::Request::Delivered { id, result },
    }
}

/// Decides a request that may make an execution. `current` is the newest one of the id, open or closed, if there is one;
/// it is changed only if something was written of it.
pub fn create(create: Create, current: Option<&mut Execution>, env: &mut Env<'_>) -> Outcome {
    let request = match create {
        Create::Workflow(request) => request,
        Create::Deliver(delivery) => workflow::ChainRequest::Deliver(delivery),
    };
    let current = current.map(|exec| match exec {
        Execution::Workflow(run) => &mut **run,
    });
    workflow::decide_chain(request, current, env).map(Execution::from)
}
