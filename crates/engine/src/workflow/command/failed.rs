//! RespondWorkflowTaskFailed: a worker could not answer its task.

use crate::rejection::Rejection;
use crate::reply::{Decided, Reply};
use crate::token::TaskToken;
use crate::workflow::close;
use crate::workflow::draft::Draft;
use crate::workflow::workflow_task::{Report, fail, owned, schedule};
use evertide_proto::enums::WorkflowTaskFailedCause as Cause;
use evertide_proto::workflowservice::RespondWorkflowTaskFailedRequest;

/// RespondWorkflowTaskFailed.
pub(in crate::workflow) fn fail_task(
    draft: &mut Draft<'_, '_>,
    request: RespondWorkflowTaskFailedRequest,
    token: &TaskToken,
) -> Decided {
    if !draft.state().is_running() {
        return Err(Rejection::already_completed());
    }
    owned(draft, token)?;
    let cause = request.cause();
    let report = Report {
        cause,
        failure: request.failure,
        identity: request.identity,
        binary_checksum: request.binary_checksum,
        worker_version: request.worker_version,
    };
    if cause == Cause::GrpcMessageTooLarge {
        fail(draft, Report::by_server(Cause::ForceCloseCommand));
        close::terminate_by_server(draft, "GrpcMessageTooLarge");
        return Ok(Reply::Done);
    }
    fail(draft, report);
    schedule(draft);
    Ok(Reply::Done)
}
