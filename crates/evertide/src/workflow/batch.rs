//! The `--query` forms: one batch job for all workflows that a filter finds.

use crate::asking::{Asked, confirm, user};
use crate::cli::Output;
use crate::cli::workflow::Selection;
use crate::output::{print, print_value};
use evertide_proto::workflowservice::start_batch_operation_request::Operation;
use evertide_proto::workflowservice::{CountWorkflowExecutionsRequest, StartBatchOperationRequest};
use serde::Serialize;
use uuid::Uuid;

/// Starts a job that does this to what a selection's filter finds.
pub(super) async fn start(
    asked: &Asked,
    selection: &Selection,
    operation: Operation,
    output: Output,
) -> anyhow::Result<()> {
    let request = StartBatchOperationRequest {
        visibility_query: selection.query.clone().unwrap_or_default(),
        reason: selection.reason.clone().unwrap_or_else(requested),
        max_operations_per_second: selection.rps.unwrap_or_default(),
        operation: Some(operation),
        ..Default::default()
    };
    send(asked, request, selection.yes, output).await
}

/// The reason where none is given.
pub(super) fn requested() -> String {
    format!("Requested from CLI by {}", user())
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    batch_job_id: String,
}

/// Starts a job, after asking whether it is meant.
pub(super) async fn send(
    asked: &Asked,
    request: StartBatchOperationRequest,
    yes: bool,
    output: Output,
) -> anyhow::Result<()> {
    let namespace = asked.client.namespace().to_owned();
    if !yes {
        let query = request.visibility_query.clone();
        let count = CountWorkflowExecutionsRequest { namespace: namespace.clone(), query };
        let count = asked.told(asked.client.call(count).await)?.count;
        confirm(false, &format!("Start a batch job against about {count} workflows"))?;
    }
    let job_id = Uuid::new_v4().to_string();
    let request = StartBatchOperationRequest { namespace, job_id: job_id.clone(), ..request };
    asked.told(asked.client.call(request).await)?;
    match output {
        Output::Table => print(&format!("Started batch job {job_id}\n")),
        Output::Json | Output::Jsonl => print_value(&Job { batch_job_id: job_id }, output),
    }
}
