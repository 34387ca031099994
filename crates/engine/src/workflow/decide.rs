//! One `match`: from a request over one run to the component that owns the rule.

use crate::env::Env;
use crate::message::{Delivery, DeliveryResult, Message};
use crate::rejection::Rejection;
use crate::reply::{Decided, Reply};
use crate::task_queue::StartTask;
use crate::token::TaskToken;
use crate::workflow::draft::Draft;
use crate::workflow::state::Execution;
use crate::workflow::{
    Written, activity, child_workflow, close, command, conclude, describe, external_workflow, nexus_operation, options,
    query, reset, signal, timeout, update, watch, workflow_task,
};
use evertide_proto::workflowservice as ws;

/// A request over one run.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A poller takes a workflow task.
    StartWorkflowTask(StartTask),
    /// RespondWorkflowTaskCompleted.
    CompleteWorkflowTask(Box<ws::RespondWorkflowTaskCompletedRequest>, TaskToken),
    /// RespondWorkflowTaskFailed.
    FailWorkflowTask(Box<ws::RespondWorkflowTaskFailedRequest>, TaskToken),
    /// A sticky queue has no poller any more: the task that waits there goes to the normal queue. With
    /// `schedule_again` unset only the stickiness ends.
    GiveUpSticky {
        /// The sticky queue that is given up; another one is left alone.
        queue: String,
    },
    /// ResetStickyTaskQueue.
    ResetSticky,
    /// A poller takes an activity task.
    StartActivity(StartTask),
    /// Any answer or heartbeat of an activity, by token or by id.
    Activity(activity::Answer),
    /// An operator's call on activities.
    OperateActivity(activity::Operation),
    /// Something is due: timers, timeouts, retries, the first workflow task, undelivered messages.
    Wake,
    /// SignalWorkflowExecution.
    Signal(Box<ws::SignalWorkflowExecutionRequest>),
    /// RequestCancelWorkflowExecution.
    Cancel(Box<ws::RequestCancelWorkflowExecutionRequest>),
    /// TerminateWorkflowExecution.
    Terminate(Box<ws::TerminateWorkflowExecutionRequest>),
    /// QueryWorkflow.
    Query(Box<query::Query>),
    /// The client of a buffered query has gone away.
    ForgetQuery(String),
    /// UpdateWorkflowExecution.
    Update(Box<ws::UpdateWorkflowExecutionRequest>),
    /// PollWorkflowExecutionUpdate.
    PollUpdate(Box<ws::PollWorkflowExecutionUpdateRequest>),
    /// A message from another execution, other than a child's start.
    Deliver(Box<Delivery>),
    /// The answer to a message of ours.
    Delivered {
        /// Its number.
        id: i64,
        /// How it was taken.
        result: DeliveryResult,
    },
    /// UpdateWorkflowExecutionOptions.
    UpdateOptions(Box<ws::UpdateWorkflowExecutionOptionsRequest>),
    /// PauseWorkflowExecution.
    Pause(Box<ws::PauseWorkflowExecutionRequest>),
    /// UnpauseWorkflowExecution.
    Unpause(Box<ws::UnpauseWorkflowExecutionRequest>),
    /// DescribeWorkflowExecution.
    Describe,
}

impl Request {
    /// Whether no client waits for it: what has been asked for must happen, to the run as it is then.
    fn is_from_the_server(&self) -> bool {
        matches!(self, Self::Wake | Self::Deliver(_) | Self::Delivered { .. } | Self::GiveUpSticky { .. })
    }
}

/// Decides a request over one run: changes `exec` and says what was written, or rejects and changes nothing.
///
/// A rejection may come with something written: a bad answer of a worker fails its workflow task and is refused. The
/// shell commits what was written and then answers either way.
pub fn decide(request: Request, exec: &mut Execution, env: &mut Env<'_>) -> (Written, Decided) {
    let again = request.is_from_the_server().then(|| request.clone());
    conclude::over_run_or(
        exec,
        env,
        |draft| dispatch(request, draft),
        |draft, limit| match again {
            Some(request) => dispatch(request, draft), // Nobody would ask again for it, as a client does.
            None => Err(limit),
        },
    )
}

fn dispatch(request: Request, draft: &mut Draft<'_, '_>) -> Decided {
    match request {
        Request::StartWorkflowTask(t) => workflow_task::start(draft, &t),
        Request::CompleteWorkflowTask(r, token) => command::complete_task(draft, *r, &token),
        Request::FailWorkflowTask(r, token) => command::fail_task(draft, *r, &token),
        Request::GiveUpSticky { queue } => workflow_task::give_up_sticky(draft, &queue),
        Request::ResetSticky => workflow_task::reset_sticky(draft),
        Request::StartActivity(t) => activity::start(draft, &t),
        Request::Activity(answer) => activity::answer(draft, answer),
        Request::OperateActivity(operation) => activity::operate(draft, operation),
        Request::Wake => timeout::wake(draft),
        Request::Signal(r) => signal::signal(draft, *r),
        Request::Cancel(r) => close::request_cancel(draft, &r),
        Request::Terminate(r) => close::terminate_by_user(draft, *r),
        Request::Query(r) => query::query(draft, *r),
        Request::ForgetQuery(id) => query::forget(draft, &id),
        Request::Update(r) => update::update(draft, *r),
        Request::PollUpdate(r) => update::poll(draft, &r),
        Request::Deliver(d) => deliver(draft, *d),
        Request::Delivered { id, result } => delivered(draft, id, result),
        Request::UpdateOptions(r) => options::update_options(draft, *r),
        Request::Pause(r) => options::pause(draft, *r),
        Request::Unpause(r) => options::unpause(draft, *r),
        Request::Describe => Ok(Reply::Described(Box::new(describe::describe(draft.exec, draft.env)))),
    }
}

fn deliver(draft: &mut Draft<'_, '_>, delivery: Delivery) -> Decided {
    let result = match delivery.message.clone() {
        Message::StartChild(_) | Message::SignalWithStart(_) | Message::StartWorkflow(_) => {
            return Err(Rejection::invalid("this message is for a workflow id, not for a run"));
        }
        Message::BeginChild(_) => child_workflow::begin(draft),
        Message::Signal(m) => external_workflow::take_signal(draft, &delivery, m),
        Message::Cancel(m) => external_workflow::take_cancel(draft, &delivery, &m),
        Message::ChildClosed(m) => child_workflow::child_closed(draft, m),
        Message::ParentClosed(m) => child_workflow::parent_closed(draft, &delivery, &m),
        Message::WasReset(m) => reset::take_was_reset(draft, &delivery, &m),
        Message::EndWorkflow(m) => watch::end(draft, m)?,
        Message::WorkflowClosed(_) => DeliveryResult::NotFound, // No workflow watches another one.
    };
    Ok(Reply::Delivered(result))
}

fn delivered(draft: &mut Draft<'_, '_>, id: i64, result: DeliveryResult) -> Decided {
    let Some(message) = draft.state().outbox.get(&id).and_then(|o| o.message.clone()) else {
        return Ok(Reply::Done); // A repeat of an answer that has been taken.
    };
    draft.record(crate::workflow::Change::MessageDone(id));
    match message {
        Message::StartChild(m) => child_workflow::start_answered(draft, m.initiated_event_id, &result),
        Message::Signal(m) => external_workflow::signal_answered(draft, m.initiated_event_id, &result),
        Message::Cancel(m) => external_workflow::cancel_answered(draft, m.initiated_event_id, &result),
        Message::SignalWithStart(m) => nexus_operation::answered(draft, &m, result),
        Message::BeginChild(_)
        | Message::ChildClosed(_)
        | Message::ParentClosed(_)
        | Message::WasReset(_)
        | Message::StartWorkflow(_)
        | Message::EndWorkflow(_)
        | Message::WorkflowClosed(_) => {}
    }
    Ok(Reply::Done)
}
