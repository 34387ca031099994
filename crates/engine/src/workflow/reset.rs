//! Reset: a new run that begins as a copy of a run up to a workflow task.

use crate::env::Env;
use crate::rejection::Rejection;
use crate::workflow::chain::{ChainOutcome, ResetBase};
use crate::workflow::state::Execution;
use evertide_proto::workflowservice::ResetWorkflowExecutionRequest;

/// ResetWorkflowExecution.
pub(super) fn reset(
    _request: ResetWorkflowExecutionRequest,
    _base: ResetBase,
    _current: Option<&mut Execution>,
    _env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    Err(Rejection::unimplemented("reset"))
}
