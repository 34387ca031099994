//! Decisions over a workflow id: starting, signal-with-start, update-with-start, starting a child, reset. They may
//! touch the current run and make a new one, in one commit.

use crate::env::Env;
use crate::message::{Delivery, Message};
use crate::rejection::Rejection;
use crate::workflow::reset::base::ResetBase;
use crate::workflow::state::Execution;
use crate::workflow::{ChainOutcome, child_workflow, nexus_operation, reset, start, update, watch};
use evertide_proto::workflowservice::{
    ResetWorkflowExecutionRequest, SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
};

/// A request that may make a run.
#[derive(Debug, Clone, PartialEq)]
pub enum ChainRequest {
    /// StartWorkflowExecution.
    Start(Box<StartWorkflowExecutionRequest>),
    /// SignalWithStartWorkflowExecution.
    SignalWithStart(Box<SignalWithStartWorkflowExecutionRequest>),
    /// ExecuteMultiOperation: start and update in one.
    UpdateWithStart(Box<StartWorkflowExecutionRequest>, Box<UpdateWorkflowExecutionRequest>),
    /// A message of another execution that [may make a run](Message::may_make_a_run).
    Deliver(Box<Delivery>),
    /// ResetWorkflowExecution of a run whose events are given, all of them.
    Reset(Box<ResetWorkflowExecutionRequest>, Box<ResetBase>),
}

/// Decides a request that may make a run. `current` is the newest run of the workflow id, open or closed, if there is
/// one; it is changed only if something was written of it.
pub fn decide_chain(request: ChainRequest, current: Option<&mut Execution>, env: &mut Env<'_>) -> ChainOutcome {
    let outcome = match request {
        ChainRequest::Start(r) => start::start(*r, current, env),
        ChainRequest::SignalWithStart(r) => start::signal_with_start(*r, current, env),
        ChainRequest::UpdateWithStart(s, u) => update::update_with_start(*s, *u, current, env),
        ChainRequest::Deliver(d) => deliver(*d, current, env),
        ChainRequest::Reset(r, base) => reset::reset(*r, *base, current, env),
    };
    outcome.unwrap_or_else(ChainOutcome::from)
}

fn deliver(delivery: Delivery, current: Option<&mut Execution>, env: &mut Env<'_>) -> Result<ChainOutcome, Rejection> {
    match delivery.message {
        Message::StartChild(_) => child_workflow::start_child(delivery, current, env),
        Message::SignalWithStart(m) => nexus_operation::take_signal_with_start(m, current, env),
        Message::StartWorkflow(m) => watch::start(m, current, env),
        _ => Err(Rejection::invalid("this message is for a run, not for a workflow id")),
    }
}
