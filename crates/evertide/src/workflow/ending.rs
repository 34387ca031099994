//! `workflow cancel`, `terminate` and `delete`.

use super::{batch, execution, say};
use crate::asking::{Asked, confirm};
use crate::cli::Output;
use crate::cli::workflow::Selection;
use evertide_proto::batch::{BatchOperationCancellation, BatchOperationDeletion, BatchOperationTermination};
use evertide_proto::workflowservice::start_batch_operation_request::Operation;
use evertide_proto::workflowservice::{
    DeleteWorkflowExecutionRequest, RequestCancelWorkflowExecutionRequest, TerminateWorkflowExecutionRequest,
};
use uuid::Uuid;

/// `workflow cancel`.
pub(super) async fn cancel(asked: &Asked, selection: &Selection, output: Output) -> anyhow::Result<()> {
    let identity = asked.client.identity().to_owned();
    let Some(workflow_id) = &selection.workflow_id else {
        let cancellation = Operation::CancellationOperation(BatchOperationCancellation { identity });
        return batch::start(asked, selection, cancellation, output).await;
    };
    let request = RequestCancelWorkflowExecutionRequest {
        namespace: asked.client.namespace().to_owned(),
        workflow_execution: Some(execution(workflow_id, selection.run_id.as_deref())),
        identity,
        request_id: Uuid::new_v4().to_string(),
        reason: selection.reason.clone().unwrap_or_default(),
        ..Default::default()
    };
    asked.told(asked.client.call(request).await)?;
    say("Canceled workflow", output)
}

/// `workflow terminate`.
pub(super) async fn terminate(asked: &Asked, selection: &Selection, output: Output) -> anyhow::Result<()> {
    let identity = asked.client.identity().to_owned();
    let Some(workflow_id) = &selection.workflow_id else {
        let termination = BatchOperationTermination { identity, ..Default::default() };
        return batch::start(asked, selection, Operation::TerminationOperation(termination), output).await;
    };
    let request = TerminateWorkflowExecutionRequest {
        namespace: asked.client.namespace().to_owned(),
        workflow_execution: Some(execution(workflow_id, selection.run_id.as_deref())),
        reason: selection.reason.clone().unwrap_or_else(batch::requested),
        identity,
        ..Default::default()
    };
    asked.told(asked.client.call(request).await)?;
    say("Workflow terminated", output)
}

/// `workflow delete`.
pub(super) async fn delete(asked: &Asked, selection: &Selection, output: Output) -> anyhow::Result<()> {
    let Some(workflow_id) = &selection.workflow_id else {
        let deletion = BatchOperationDeletion { identity: asked.client.identity().to_owned() };
        return batch::start(asked, selection, Operation::DeletionOperation(deletion), output).await;
    };
    confirm(selection.yes, &format!("Delete workflow {workflow_id}"))?;
    let request = DeleteWorkflowExecutionRequest {
        namespace: asked.client.namespace().to_owned(),
        workflow_execution: Some(execution(workflow_id, selection.run_id.as_deref())),
    };
    asked.told(asked.client.call(request).await)?;
    say("Delete workflow succeeded", output)
}
