//! `workflow start`, `execute` and `signal-with-start`.

use super::input;
use super::result::{self, Ended};
use crate::asking::Asked;
use crate::cli::workflow::{Execute, IdConflictPolicy, IdReusePolicy, SignalWithStart, Start, StartOptions};
use crate::cli::{Output, json_payload};
use crate::output::{facts, print, print_value};
use evertide_proto::common::{Memo, Payload, Payloads, Priority, SearchAttributes, WorkflowType};
use evertide_proto::enums::{TaskQueueKind, WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use evertide_proto::errordetails::WorkflowExecutionAlreadyStartedFailure;
use evertide_proto::prost_types;
use evertide_proto::sdk::UserMetadata;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflowservice::{SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A run that was started.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    workflow_id: String,
    run_id: String,
    r#type: String,
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_queue: Option<String>,
}

impl Started {
    fn print(&self, output: Output) -> anyhow::Result<()> {
        if output != Output::Table {
            return print_value(self, output);
        }
        print(&facts(&[
            ("WorkflowId", self.workflow_id.clone()),
            ("RunId", self.run_id.clone()),
            ("Type", self.r#type.clone()),
            ("Namespace", self.namespace.clone()),
            ("TaskQueue", self.task_queue.clone().unwrap_or_default()),
        ]))
    }
}

/// `workflow start`.
pub(super) async fn start(asked: &Asked, options: &Start, output: Output) -> anyhow::Result<()> {
    let request = request(asked, &options.start, input::payloads(&options.input)?);
    send(asked, request, options.start.fail_existing).await?.print(output)
}

/// `workflow execute`.
pub(super) async fn execute(asked: &Asked, options: &Execute, output: Output) -> anyhow::Result<()> {
    let request = request(asked, &options.start, input::payloads(&options.input)?);
    let begin = Instant::now();
    let started = send(asked, request, options.start.fail_existing).await?;
    if output == Output::Table {
        started.print(output)?;
        print("\n")?;
        result::print_progress(asked, &started.workflow_id, &started.run_id, options.detailed).await?;
        print("\n")?;
    }
    let close = result::closing_event(asked, &started.workflow_id, &started.run_id).await?;
    let ended = Ended::of(&close)?;
    if output == Output::Table {
        print(&ended.facts(Some(begin.elapsed())))?;
    } else {
        let history = match options.detailed {
            true => Some(result::history(asked, &started.workflow_id, &started.run_id).await?),
            false => None,
        };
        let whole = result::Whole {
            workflow_id: started.workflow_id,
            run_id: started.run_id,
            r#type: Some(started.r#type),
            namespace: Some(started.namespace),
            task_queue: started.task_queue,
            duration_millis: Some(begin.elapsed().as_millis()),
            history,
            ended: &ended,
        };
        print_value(&whole, output)?;
    }
    ended.into_outcome()
}

/// `workflow signal-with-start`.
pub(super) async fn signal_with_start(asked: &Asked, options: &SignalWithStart, output: Output) -> anyhow::Result<()> {
    let signal_input = input::payloads(&options.signal_input())?;
    let start = request(asked, &options.start, input::payloads(&options.input)?);
    let (workflow_id, namespace) = (start.workflow_id.clone(), start.namespace.clone());
    let request = SignalWithStartWorkflowExecutionRequest {
        namespace: start.namespace,
        workflow_id: start.workflow_id,
        workflow_type: start.workflow_type,
        task_queue: start.task_queue,
        input: start.input,
        workflow_execution_timeout: start.workflow_execution_timeout,
        workflow_run_timeout: start.workflow_run_timeout,
        workflow_task_timeout: start.workflow_task_timeout,
        identity: start.identity,
        request_id: start.request_id,
        workflow_id_reuse_policy: start.workflow_id_reuse_policy,
        workflow_id_conflict_policy: start.workflow_id_conflict_policy,
        signal_name: options.signal_name.clone(),
        signal_input,
        cron_schedule: start.cron_schedule,
        memo: start.memo,
        search_attributes: start.search_attributes,
        header: start.header,
        workflow_start_delay: start.workflow_start_delay,
        user_metadata: start.user_metadata,
        priority: start.priority,
        ..Default::default()
    };
    let answer = asked.told(asked.client.call(request).await)?;
    let r#type = options.start.workflow_type.clone();
    Started { workflow_id, run_id: answer.run_id, r#type, namespace, task_queue: None }.print(output)
}

fn request(asked: &Asked, options: &StartOptions, input: Option<Payloads>) -> StartWorkflowExecutionRequest {
    let queue =
        TaskQueue { name: options.task_queue.clone(), kind: TaskQueueKind::Normal.into(), ..Default::default() };
    let text = |text: &Option<String>| {
        text.as_ref().map(|text| json_payload(serde_json::Value::from(text.as_str()).to_string()))
    };
    let (summary, details) = (text(&options.static_summary), text(&options.static_details));
    let metadata = (summary.is_some() || details.is_some()).then_some(UserMetadata { summary, details });
    let priority = Priority {
        priority_key: options.priority_key,
        fairness_key: options.fairness_key.clone(),
        fairness_weight: options.fairness_weight,
    };
    StartWorkflowExecutionRequest {
        namespace: asked.client.namespace().to_owned(),
        workflow_id: options.workflow_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string()),
        workflow_type: Some(WorkflowType { name: options.workflow_type.clone() }),
        task_queue: Some(queue),
        input,
        workflow_execution_timeout: options.execution_timeout.map(length),
        workflow_run_timeout: options.run_timeout.map(length),
        workflow_task_timeout: Some(length(options.task_timeout)),
        identity: asked.client.identity().to_owned(),
        request_id: Uuid::new_v4().to_string(),
        workflow_id_reuse_policy: reuse_policy(options.id_reuse_policy).into(),
        workflow_id_conflict_policy: conflict_policy(options.id_conflict_policy).into(),
        cron_schedule: options.cron.clone(),
        memo: fields(&options.memo).map(|fields| Memo { fields }),
        search_attributes: fields(&options.search_attribute).map(|indexed_fields| SearchAttributes { indexed_fields }),
        header: input::header(&options.headers),
        workflow_start_delay: options.start_delay.map(length),
        user_metadata: metadata,
        priority: (priority != Priority::default()).then_some(priority),
        ..Default::default()
    }
}

fn fields(given: &[(String, Payload)]) -> Option<BTreeMap<String, Payload>> {
    (!given.is_empty()).then(|| given.iter().cloned().collect())
}

fn length(length: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: length.subsec_nanos().cast_signed() }
}

#[allow(deprecated)] // TerminateIfRunning: scripts use it.
fn reuse_policy(policy: Option<IdReusePolicy>) -> WorkflowIdReusePolicy {
    match policy {
        None => WorkflowIdReusePolicy::Unspecified,
        Some(IdReusePolicy::AllowDuplicate) => WorkflowIdReusePolicy::AllowDuplicate,
        Some(IdReusePolicy::AllowDuplicateFailedOnly) => WorkflowIdReusePolicy::AllowDuplicateFailedOnly,
        Some(IdReusePolicy::RejectDuplicate) => WorkflowIdReusePolicy::RejectDuplicate,
        Some(IdReusePolicy::TerminateIfRunning) => WorkflowIdReusePolicy::TerminateIfRunning,
    }
}

fn conflict_policy(policy: Option<IdConflictPolicy>) -> WorkflowIdConflictPolicy {
    match policy {
        None => WorkflowIdConflictPolicy::Unspecified,
        Some(IdConflictPolicy::Fail) => WorkflowIdConflictPolicy::Fail,
        Some(IdConflictPolicy::UseExisting) => WorkflowIdConflictPolicy::UseExisting,
        Some(IdConflictPolicy::TerminateExisting) => WorkflowIdConflictPolicy::TerminateExisting,
    }
}

/// Starts it. A workflow with this id that runs already is taken as the one that was started, unless that is to fail.
async fn send(asked: &Asked, request: StartWorkflowExecutionRequest, fail_existing: bool) -> anyhow::Result<Started> {
    let mut started = Started {
        workflow_id: request.workflow_id.clone(),
        run_id: String::new(),
        r#type: request.workflow_type.clone().unwrap_or_default().name,
        namespace: request.namespace.clone(),
        task_queue: Some(request.task_queue.clone().unwrap_or_default().name),
    };
    let answer = asked.client.call(request).await;
    let existing = answer.as_ref().err().and_then(|error| error.detail::<WorkflowExecutionAlreadyStartedFailure>());
    started.run_id = match existing.filter(|existing| !fail_existing && !existing.run_id.is_empty()) {
        Some(existing) => existing.run_id,
        None => asked.told(answer)?.run_id,
    };
    Ok(started)
}
