//! `workflow signal`, `query`, `stack` and `metadata`.

use super::{batch, execution, input, result, say};
use crate::asking::Asked;
use crate::cli::Output;
use crate::cli::workflow::{Query, Reject, RejectCondition, Signal, Stack, Target};
use crate::output::{facts, print, print_json, short_name, table};
use anyhow::{Context, bail};
use evertide_client::json;
use evertide_proto::batch::BatchOperationSignal;
use evertide_proto::enums::QueryRejectCondition;
use evertide_proto::query::WorkflowQuery;
use evertide_proto::sdk::{WorkflowInteractionDefinition, WorkflowMetadata};
use evertide_proto::workflowservice::start_batch_operation_request::Operation;
use evertide_proto::workflowservice::{QueryWorkflowRequest, QueryWorkflowResponse, SignalWorkflowExecutionRequest};
use uuid::Uuid;

/// `workflow signal`.
pub(super) async fn signal(asked: &Asked, options: &Signal, output: Output) -> anyhow::Result<()> {
    let (input, header) = (input::payloads(&options.input)?, input::header(&options.headers));
    let identity = asked.client.identity().to_owned();
    let selection = &options.selection;
    let Some(workflow_id) = &selection.workflow_id else {
        let signal = BatchOperationSignal { signal: options.name.clone(), input, header, identity };
        return batch::start(asked, selection, Operation::SignalOperation(signal), output).await;
    };
    let request = SignalWorkflowExecutionRequest {
        namespace: asked.client.namespace().to_owned(),
        workflow_execution: Some(execution(workflow_id, selection.run_id.as_deref())),
        signal_name: options.name.clone(),
        input,
        identity,
        header,
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    asked.told(asked.client.call(request).await)?;
    say("Signal workflow succeeded", output)
}

/// `workflow query`.
pub(super) async fn query(asked: &Asked, options: &Query, output: Output) -> anyhow::Result<()> {
    let query = WorkflowQuery {
        query_type: options.name.clone(),
        query_args: input::payloads(&options.input)?,
        header: input::header(&options.headers),
    };
    let answer = ask(asked, &options.target, query, &options.reject).await?;
    if output != Output::Table {
        return print_json(&answer, output);
    }
    print(&format!("{}\n", result::results(answer.query_result.as_ref())?))
}

/// `workflow stack`.
pub(super) async fn stack(asked: &Asked, options: &Stack, output: Output) -> anyhow::Result<()> {
    let answer = ask(asked, &options.target, built_in("__stack_trace"), &options.reject).await?;
    if output != Output::Table {
        return print_json(&answer, output);
    }
    match result::results(answer.query_result.as_ref())? {
        serde_json::Value::String(trace) => print(&(trace.trim_end().to_owned() + "\n")),
        other => print(&format!("{other:#}\n")),
    }
}

/// `workflow metadata`.
pub(super) async fn metadata(asked: &Asked, options: &Stack, output: Output) -> anyhow::Result<()> {
    let answer = ask(asked, &options.target, built_in("__temporal_workflow_metadata"), &options.reject).await?;
    if output != Output::Table {
        return print_json(&answer, output);
    }
    let payloads = answer.query_result.unwrap_or_default().payloads;
    let payload = payloads.first().context("the workflow answered without its metadata")?;
    let metadata: WorkflowMetadata = json::from_str(&String::from_utf8_lossy(&payload.data))?;
    let definition = metadata.definition.unwrap_or_default();
    let rows = |kind: &str, definitions: &[WorkflowInteractionDefinition]| -> Vec<Vec<String>> {
        definitions.iter().map(|d| vec![kind.to_owned(), d.name.clone(), d.description.clone()]).collect()
    };
    let rows = [
        rows("Query", &definition.query_definitions),
        rows("Signal", &definition.signal_definitions),
        rows("Update", &definition.update_definitions),
    ];
    print(&facts(&[("Type", definition.r#type), ("CurrentDetails", metadata.current_details)]))?;
    print(&table(&["Kind", "Name", "Description"], &rows.concat()))
}

fn built_in(name: &str) -> WorkflowQuery {
    WorkflowQuery { query_type: name.to_owned(), ..Default::default() }
}

async fn ask(
    asked: &Asked,
    target: &Target,
    query: WorkflowQuery,
    reject: &Reject,
) -> anyhow::Result<QueryWorkflowResponse> {
    let condition = match reject.reject_condition {
        None => QueryRejectCondition::Unspecified,
        Some(RejectCondition::NotOpen) => QueryRejectCondition::NotOpen,
        Some(RejectCondition::NotCompletedCleanly) => QueryRejectCondition::NotCompletedCleanly,
    };
    let request = QueryWorkflowRequest {
        namespace: asked.client.namespace().to_owned(),
        execution: Some(execution(&target.workflow_id, target.run_id.as_deref())),
        query: Some(query),
        query_reject_condition: condition.into(),
    };
    let answer = asked.told(asked.client.call(request).await)?;
    if let Some(rejected) = &answer.query_rejected {
        let status = short_name(rejected.status().as_str_name(), "WORKFLOW_EXECUTION_STATUS_");
        bail!("query was rejected, workflow has status: {status}");
    }
    Ok(answer)
}
