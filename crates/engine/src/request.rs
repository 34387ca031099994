//! What is asked of executions of any kind, and who decides it.

use crate::effects::{Effects, Made, New};
use crate::env::Env;
use crate::execution::Execution;
use crate::message::{Delivery, DeliveryResult};
use crate::rejection::Rejection;
use crate::reply::Decided;
use crate::schedule;
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
    /// To a schedule.
    Schedule(schedule::Request),
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

impl From<schedule::Request> for Request {
    fn from(request: schedule::Request) -> Self {
        Self::Schedule(request)
    }
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
    /// Of a schedule: CreateSchedule.
    Schedule(Box<evertide_proto::workflowservice::CreateScheduleRequest>),
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
        Execution::Workflow(run) => match of_workflow(request) {
            Ok(request) => {
                let (written, decided) = workflow::decide(request, run, env);
                (written.map(Execution::from), decided)
            }
            Err(rejection) => (nothing(), Err(rejection)),
        },
        Execution::Schedule(schedule) => match of_schedule(request) {
            Ok(request) => {
                let (written, decided) = schedule::decide(request, schedule, env);
                (written.map(Execution::from), decided)
            }
            Err(rejection) => (nothing(), Err(rejection)),
        },
    }
}

fn nothing() -> Written {
    Written::new(Vec::new(), Effects::default())
}

/// A request went to an execution of another kind.
fn another_kind() -> Rejection {
    Rejection::invalid("this request is not for an execution of this kind")
}

fn of_workflow(request: Request) -> Result<workflow::Request, Rejection> {
    Ok(match request {
        Request::Workflow(request) => request,
        Request::Schedule(_) => return Err(another_kind()),
        Request::Start(TaskClass::Workflow, task) => workflow::Request::StartWorkflowTask(task),
        Request::Start(TaskClass::Activity, task) => workflow::Request::StartActivity(task),
        Request::Wake => workflow::Request::Wake,
        Request::Deliver(delivery) => workflow::Request::Deliver(delivery),
        Request::Delivered { id, result } => workflow::Request::Delivered { id, result },
    })
}

fn of_schedule(request: Request) -> Result<schedule::Request, Rejection> {
    Ok(match request {
        Request::Schedule(request) => request,
        Request::Workflow(_) | Request::Start(..) => return Err(another_kind()),
        Request::Wake => schedule::Request::Wake,
        Request::Deliver(delivery) => schedule::Request::Deliver(delivery),
        Request::Delivered { id, result } => schedule::Request::Delivered { id, result },
    })
}

/// Decides a request that may make an execution. `current` is the newest one of the id, open or closed, if there is one;
/// it is changed only if something was written of it.
pub fn create(create: Create, current: Option<&mut Execution>, env: &mut Env<'_>) -> Outcome {
    let request = match create {
        Create::Schedule(request) => {
            let current = current.and_then(|exec| match exec {
                Execution::Schedule(schedule) => Some(&mut **schedule),
                Execution::Workflow(_) => None,
            });
            return schedule::create(*request, current, env).map(Execution::from);
        }
        Create::Workflow(request) => request,
        Create::Deliver(delivery) => workflow::ChainRequest::Deliver(delivery),
    };
    let current = current.and_then(|exec| match exec {
        Execution::Workflow(run) => Some(&mut **run),
        Execution::Schedule(_) => None,
    });
    workflow::decide_chain(request, current, env).map(Execution::from)
}
