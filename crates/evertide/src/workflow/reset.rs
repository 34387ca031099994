//! `workflow reset`.

use super::{batch, execution, named};
use crate::asking::{Asked, user};
use crate::cli::Output;
use crate::cli::workflow::{
    AfterReset, ReapplyExclude, ReapplyType, Reset, ResetPoint, VersioningBehavior, VersioningOptions,
};
use crate::output::{print, print_json};
use anyhow::{Context, bail, ensure};
use evertide_proto::batch::BatchOperationReset;
use evertide_proto::common::{ResetOptions, reset_options};
use evertide_proto::deployment::WorkerDeploymentVersion;
use evertide_proto::enums::{EventType, ResetReapplyExcludeType, ResetReapplyType};
use evertide_proto::history::history_event::Attributes;
use evertide_proto::prost_types::FieldMask;
use evertide_proto::workflow::versioning_override::{
    OneTimeOverride, Override, PinnedOverride, PinnedOverrideBehavior,
};
use evertide_proto::workflow::{
    PostResetOperation, VersioningOverride, WorkflowExecutionOptions, post_reset_operation,
};
use evertide_proto::workflowservice::start_batch_operation_request::Operation;
use evertide_proto::workflowservice::{ResetWorkflowExecutionRequest, StartBatchOperationRequest};
use uuid::Uuid;

/// `workflow reset`.
pub(super) async fn run(asked: &Asked, options: &Reset, output: Output) -> anyhow::Result<()> {
    let reason = options.reason.as_deref().context("why? Say it with --reason")?;
    let then = match &options.then {
        None => Vec::new(),
        Some(AfterReset::WithWorkflowUpdateOptions(options)) => vec![set_override(options)?],
    };
    match (&options.workflow_id, &options.query) {
        (Some(_), Some(_)) => bail!("--workflow-id and --query exclude each other"),
        (Some(workflow_id), None) => one(asked, options, workflow_id, reason, then, output).await,
        (None, Some(query)) => many(asked, options, query, reason, then, output).await,
        (None, None) => bail!("which workflow? Name it with --workflow-id, or find several with --query"),
    }
}

#[allow(deprecated)] // The flag --reapply-type is deprecated as the field is, and scripts use it.
async fn one(
    asked: &Asked,
    options: &Reset,
    workflow_id: &str,
    reason: &str,
    then: Vec<PostResetOperation>,
    output: Output,
) -> anyhow::Result<()> {
    let run_id = options.run_id.clone().unwrap_or_default();
    let (run_id, event_id) = match (options.point, options.event_id) {
        (None, Some(event_id)) if event_id > 0 => (run_id, event_id),
        (Some(_), Some(_)) => bail!("--type and --event-id exclude each other"),
        (Some(point), None) => point_of(asked, workflow_id, &run_id, point).await?,
        (None, _) => bail!("from where? Name an event with --event-id, or a point with --type"),
    };
    if output == Output::Table {
        print(&format!("Resetting workflow {workflow_id} to event ID {event_id}\n"))?;
    }
    let (reapply_type, excluded) = reapplied(options)?;
    let request = ResetWorkflowExecutionRequest {
        namespace: asked.client.namespace().to_owned(),
        workflow_execution: Some(execution(workflow_id, Some(&run_id))),
        reason: format!("{}: {reason}", user()),
        workflow_task_finish_event_id: event_id,
        request_id: Uuid::new_v4().to_string(),
        reset_reapply_type: reapply_type.into(),
        reset_reapply_exclude_types: excluded,
        post_reset_operations: then,
        identity: asked.client.identity().to_owned(),
    };
    let answer = asked.told(asked.client.call(request).await)?;
    match output {
        Output::Table => print(&format!("The new run is {}\n", answer.run_id)),
        Output::Json | Output::Jsonl => print_json(&answer, output),
    }
}

#[allow(deprecated)] // As above.
async fn many(
    asked: &Asked,
    options: &Reset,
    query: &str,
    reason: &str,
    then: Vec<PostResetOperation>,
    output: Output,
) -> anyhow::Result<()> {
    ensure!(options.run_id.is_none() && options.event_id.is_none(), "--query excludes --run-id and --event-id");
    let target = match options.point.context("from where? Name a point with --type")? {
        ResetPoint::FirstWorkflowTask => reset_options::Target::FirstWorkflowTask(()),
        ResetPoint::LastWorkflowTask => reset_options::Target::LastWorkflowTask(()),
        ResetPoint::BuildId => reset_options::Target::BuildId(options.build_id.clone().context("give --build-id")?),
        ResetPoint::LastContinuedAsNew => bail!("a batch job resets to FirstWorkflowTask, LastWorkflowTask or BuildId"),
    };
    let (reapply_type, excluded) = reapplied(options)?;
    let reset = ResetOptions {
        target: Some(target),
        reset_reapply_type: reapply_type.into(),
        reset_reapply_exclude_types: excluded,
        ..Default::default()
    };
    let operation = BatchOperationReset {
        identity: asked.client.identity().to_owned(),
        options: Some(reset),
        post_reset_operations: then,
        ..Default::default()
    };
    let request = StartBatchOperationRequest {
        visibility_query: query.to_owned(),
        reason: reason.to_owned(),
        operation: Some(Operation::ResetOperation(operation)),
        ..Default::default()
    };
    batch::send(asked, request, options.yes, output).await
}

/// Which later events are applied to the new run.
fn reapplied(options: &Reset) -> anyhow::Result<(ResetReapplyType, Vec<i32>)> {
    let kind = match options.reapply_type {
        ReapplyType::All => ResetReapplyType::AllEligible,
        _ if !options.reapply_exclude.is_empty() => bail!("--reapply-type and --reapply-exclude exclude each other"),
        ReapplyType::Signal => ResetReapplyType::Signal,
        ReapplyType::None => ResetReapplyType::None,
    };
    use ResetReapplyExcludeType as Exclude;
    let excluded = options.reapply_exclude.iter().flat_map(|exclude| match exclude {
        ReapplyExclude::All => vec![Exclude::Signal, Exclude::Update, Exclude::Nexus],
        ReapplyExclude::Signal => vec![Exclude::Signal],
        ReapplyExclude::Update => vec![Exclude::Update],
    });
    Ok((kind, excluded.map(i32::from).collect()))
}

/// The run and the event of a point of a history.
async fn point_of(asked: &Asked, workflow_id: &str, run_id: &str, point: ResetPoint) -> anyhow::Result<(String, i64)> {
    match point {
        ResetPoint::FirstWorkflowTask => Ok((run_id.to_owned(), task(asked, workflow_id, run_id, true).await?)),
        ResetPoint::LastWorkflowTask => Ok((run_id.to_owned(), task(asked, workflow_id, run_id, false).await?)),
        ResetPoint::LastContinuedAsNew => {
            let before = run_before(asked, workflow_id, run_id).await?;
            let event_id = task(asked, workflow_id, &before, false).await?;
            Ok((before, event_id))
        }
        ResetPoint::BuildId => bail!("--type BuildId goes with --query"),
    }
}

/// The end of the first or of the last workflow task of a run. Without one that completed, it is where the first one would.
async fn task(asked: &Asked, workflow_id: &str, run_id: &str, is_first: bool) -> anyhow::Result<i64> {
    let mut events = named(asked, workflow_id, run_id).fetch_history_events();
    let (mut completed, mut scheduled) = (None, None);
    while let Some(event) = events.next().await {
        let event = asked.told(event)?.event;
        match event.event_type() {
            EventType::WorkflowTaskCompleted if is_first => return Ok(event.event_id),
            EventType::WorkflowTaskCompleted => completed = Some(event.event_id),
            EventType::WorkflowTaskScheduled => scheduled = scheduled.or(Some(event.event_id + 1)),
            _ => {}
        }
    }
    completed.or(scheduled).context("the run has no workflow task to reset to")
}

/// The run that continued as this one.
async fn run_before(asked: &Asked, workflow_id: &str, run_id: &str) -> anyhow::Result<String> {
    let mut events = named(asked, workflow_id, run_id).fetch_history_events().page_size(1);
    let first = asked.told(events.next().await.context("the run has no events")?)?;
    match first.event.attributes.as_ref() {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(start))
            if !start.continued_execution_run_id.is_empty() =>
        {
            Ok(start.continued_execution_run_id.clone())
        }
        _ => bail!("this run was not continued from another one"),
    }
}

/// The operation that sets a versioning override.
fn set_override(options: &VersioningOptions) -> anyhow::Result<PostResetOperation> {
    let names = (&options.versioning_override_deployment_name, &options.versioning_override_build_id);
    let version = || match names {
        (Some(deployment_name), Some(build_id)) => {
            Ok(WorkerDeploymentVersion { deployment_name: deployment_name.clone(), build_id: build_id.clone() })
        }
        _ => bail!("this behavior needs the deployment and the build id of a version"),
    };
    let kind = match options.versioning_override_behavior {
        VersioningBehavior::AutoUpgrade if names != (&None, &None) => bail!("auto_upgrade goes without a version"),
        VersioningBehavior::AutoUpgrade => Override::AutoUpgrade(true),
        VersioningBehavior::Pinned => {
            let behavior = PinnedOverrideBehavior::Pinned.into();
            Override::Pinned(PinnedOverride { behavior, version: Some(version()?) })
        }
        VersioningBehavior::OneTime => {
            Override::OneTime(OneTimeOverride { target_deployment_version: Some(version()?) })
        }
    };
    let set = post_reset_operation::UpdateWorkflowOptions {
        workflow_execution_options: Some(WorkflowExecutionOptions {
            versioning_override: Some(VersioningOverride { r#override: Some(kind), ..Default::default() }),
            ..Default::default()
        }),
        update_mask: Some(FieldMask { paths: vec!["versioning_override".to_owned()] }),
    };
    Ok(PostResetOperation { variant: Some(post_reset_operation::Variant::UpdateWorkflowOptions(set)) })
}
