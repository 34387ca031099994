//! Workflows that other executions start and watch: schedules do.

use crate::env::Env;
use crate::message::{DeliveryResult, EndWorkflow, StartWorkflow};
use crate::rejection::{Code, Rejection};
use crate::reply::Reply;
use crate::workflow::draft::Draft;
use crate::workflow::state::{Execution, State};
use crate::workflow::{ChainOutcome, close, search_attributes, start};
use evertide_proto::common::SearchAttributes;
use evertide_proto::workflowservice::{
    RequestCancelWorkflowExecutionRequest, StartWorkflowExecutionRequest, TerminateWorkflowExecutionRequest,
};

/// Whether a start like this would be accepted, for whoever is to ask for it later.
///
/// # Errors
/// What the start would be refused for.
pub fn check_start(request: StartWorkflowExecutionRequest, env: &mut Env<'_>) -> Result<(), Rejection> {
    start::prepare(request, env).map(drop)
}

/// Checks search attributes of a client, and gives each value the type that the namespace has for it.
///
/// # Errors
/// A name is not defined, or a value has another type or is too large.
pub fn check_search_attributes(
    attributes: &mut SearchAttributes,
    namespace: &str,
    env: &Env<'_>,
) -> Result<(), Rejection> {
    Ok(search_attributes::check(attributes, namespace, env)?)
}

/// The request of another execution, at the workflow id.
///
/// # Errors
/// The target is busy; the request is to be sent again.
pub(super) fn start(
    message: StartWorkflow,
    current: Option<&mut Execution>,
    env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    let request = message.request.unwrap_or_default();
    if let Some(run_id) = current.as_deref().and_then(|current| started_before(&current.state, &request.request_id)) {
        return Ok(ChainOutcome::answer(Reply::Delivered(DeliveryResult::Started { run_id })));
    }
    let outcome = start::start_watched(request, message.watcher, current, env).unwrap_or_else(ChainOutcome::from);
    let result = match outcome.decided {
        Ok(Reply::Started { run_id, .. }) => DeliveryResult::Started { run_id },
        Ok(_) => DeliveryResult::Taken,
        Err(rejection) if rejection.code == Code::ResourceExhausted => return Err(rejection),
        Err(rejection) => DeliveryResult::Refused { message: rejection.message.into_owned() },
    };
    Ok(ChainOutcome { decided: Ok(Reply::Delivered(result)), ..outcome })
}

/// The first run of a chain that was started by this very request: a repeat, even if the chain has gone on since.
fn started_before(state: &State, request_id: &str) -> Option<String> {
    let is_watched = state.info.watchers.iter().any(|watcher| watcher.request_id == request_id);
    (is_watched || state.info.create_request_id == request_id).then(|| state.info.first_run_id.clone())
}

/// The request of another execution to end. A workflow that has closed, or that is another one by now, need not.
///
/// # Errors
/// The workflow is busy; the request is to be sent again.
pub(super) fn end(draft: &mut Draft<'_, '_>, message: EndWorkflow) -> Result<DeliveryResult, Rejection> {
    let EndWorkflow { terminate, first_run_id: first_execution_run_id, reason, identity } = message;
    let ended = if terminate {
        let request = TerminateWorkflowExecutionRequest {
            reason,
            identity,
            first_execution_run_id,
            ..TerminateWorkflowExecutionRequest::default()
        };
        close::terminate_by_user(draft, request)
    } else {
        let request = RequestCancelWorkflowExecutionRequest {
            reason,
            identity,
            first_execution_run_id,
            ..RequestCancelWorkflowExecutionRequest::default()
        };
        close::request_cancel(draft, &request)
    };
    match ended {
        Ok(_) => Ok(DeliveryResult::Taken),
        Err(rejection) if rejection.code == Code::ResourceExhausted => Err(rejection),
        Err(_) => Ok(DeliveryResult::NotFound),
    }
}
