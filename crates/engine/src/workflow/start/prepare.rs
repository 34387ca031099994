//! What a start request must be, and its defaults.

use crate::callback;
use crate::cron;
use crate::duration;
use crate::env::Env;
use crate::rejection::Rejection;
use crate::retry_policy;
use crate::workflow::checks::check_links;
use crate::workflow::checks::check_priority;
use crate::workflow::checks::check_task_queue;
use crate::workflow::search_attributes;
use crate::workflow::signal::Signal;
use crate::workflow::{time_skipping, versioning_override};
use evertide_proto::common::{Memo, Payloads};
use evertide_proto::enums::{WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse};
use evertide_proto::workflowservice::{SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest};
use prost::Message;
use prost_types::Duration;

/// Checks a start request and fills in what it leaves out.
pub(in crate::workflow) fn prepare(
    mut request: StartWorkflowExecutionRequest,
    env: &mut Env<'_>,
) -> Result<StartWorkflowExecutionRequest, Rejection> {
    let limit = env.limits.id_length_bytes;
    check_workflow_id(&request.workflow_id, limit)?;
    prepare_common(&mut request, env)?;
    let type_name = request.workflow_type.as_ref().map_or("", |t| &t.name);
    if type_name.is_empty() {
        return Err(Rejection::invalid("WorkflowType is not set on request."));
    }
    if type_name.len() > limit {
        return Err(Rejection::invalid("WorkflowType length exceeds limit."));
    }
    check_task_queue(request.task_queue.as_ref(), limit)?;
    if request.request_id.len() > limit {
        return Err(Rejection::invalid("RequestId length exceeds limit."));
    }
    finish(&mut request, env)?;
    set_policies(&mut request, Conflict::Fail)?;
    if request.request_id.is_empty() {
        request.request_id = env.ids.uuid();
    }
    if let Some(options) = &request.on_conflict_options
        && options.attach_completion_callbacks
        && !options.attach_request_id
    {
        return Err(Rejection::invalid("attaching request ID is required for attaching completion callbacks"));
    }
    Ok(request)
}

/// Checks a signal-with-start request and takes it apart.
pub(in crate::workflow) fn prepare_signal_with_start(
    request: SignalWithStartWorkflowExecutionRequest,
    env: &mut Env<'_>,
) -> Result<(StartWorkflowExecutionRequest, Signal), Rejection> {
    let limit = env.limits.id_length_bytes;
    check_workflow_id(&request.workflow_id, limit)?;
    let too_long = |what: &str, length: usize| {
        Rejection::invalid(format!("{what} exceeds maximum allowed length ({length}/{limit})"))
    };
    if request.signal_name.is_empty() {
        return Err(Rejection::invalid("signal not set"));
    }
    if request.signal_name.len() > limit {
        return Err(too_long("signal name", request.signal_name.len()));
    }
    let type_name = request.workflow_type.as_ref().map_or("", |t| &t.name);
    if type_name.is_empty() {
        return Err(Rejection::invalid("workflow type not set"));
    }
    if type_name.len() > limit {
        return Err(too_long("workflow type name", type_name.len()));
    }
    check_task_queue(request.task_queue.as_ref(), limit)?;
    if request.request_id.len() > limit {
        return Err(too_long("Request ID", request.request_id.len()));
    }
    let signal_size = request.signal_input.as_ref().map_or(0, Message::encoded_len);
    if signal_size > env.limits.blob_size_bytes {
        return Err(Rejection::invalid("Blob data size exceeds limit."));
    }
    let (mut start, signal) = split(request, env);
    prepare_common(&mut start, env)?;
    finish(&mut start, env)?;
    if start.workflow_id_conflict_policy() == Conflict::Fail {
        return Err(Rejection::invalid(
            "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.",
        ));
    }
    set_policies(&mut start, Conflict::UseExisting)?;
    Ok((start, signal))
}

fn split(
    request: SignalWithStartWorkflowExecutionRequest,
    env: &mut Env<'_>,
) -> (StartWorkflowExecutionRequest, Signal) {
    let request_id = if request.request_id.is_empty() { env.ids.uuid() } else { request.request_id };
    let signal = Signal {
        name: request.signal_name,
        input: request.signal_input,
        identity: request.identity.clone(),
        header: request.header.clone(),
        request_id: request_id.clone(),
        links: request.links.clone(),
        external: None,
    };
    let start = StartWorkflowExecutionRequest {
        namespace: request.namespace,
        workflow_id: request.workflow_id,
        workflow_type: request.workflow_type,
        task_queue: request.task_queue,
        input: request.input,
        workflow_execution_timeout: request.workflow_execution_timeout,
        workflow_run_timeout: request.workflow_run_timeout,
        workflow_task_timeout: request.workflow_task_timeout,
        identity: request.identity,
        request_id,
        workflow_id_reuse_policy: request.workflow_id_reuse_policy,
        workflow_id_conflict_policy: request.workflow_id_conflict_policy,
        retry_policy: request.retry_policy,
        cron_schedule: request.cron_schedule,
        memo: request.memo,
        search_attributes: request.search_attributes,
        header: request.header,
        workflow_start_delay: request.workflow_start_delay,
        user_metadata: request.user_metadata,
        links: request.links,
        versioning_override: request.versioning_override,
        priority: request.priority,
        time_skipping_config: request.time_skipping_config,
        ..StartWorkflowExecutionRequest::default()
    };
    (start, signal)
}

fn check_workflow_id(workflow_id: &str, limit: usize) -> Result<(), Rejection> {
    if workflow_id.is_empty() {
        return Err(Rejection::invalid("WorkflowId is not set on request."));
    }
    if workflow_id.len() > limit {
        let length = workflow_id.len();
        return Err(Rejection::invalid(format!("WorkflowId exceeds maximum allowed length ({length}/{limit})")));
    }
    Ok(())
}

/// Checks that start and signal-with-start share.
fn prepare_common(request: &mut StartWorkflowExecutionRequest, env: &Env<'_>) -> Result<(), Rejection> {
    if let Some(policy) = &request.retry_policy {
        request.retry_policy = Some(retry_policy::checked(policy)?);
    }
    cap(&mut request.workflow_start_delay, "WorkflowStartDelay")?;
    if !request.cron_schedule.is_empty() && request.workflow_start_delay.is_some() {
        return Err(Rejection::invalid("CronSchedule and WorkflowStartDelay may not be used together."));
    }
    cron::check(&request.cron_schedule, env.now_ns)?;
    cap(&mut request.workflow_execution_timeout, "WorkflowExecutionTimeout")?;
    cap(&mut request.workflow_run_timeout, "WorkflowRunTimeout")?;
    cap(&mut request.workflow_task_timeout, "WorkflowTaskTimeout")?;
    check_priority(request.priority.as_ref()).map_err(Rejection::invalid)?;
    check_links(&request.links, env)?;
    callback::check(&request.completion_callbacks, env.limits)?;
    let task_queue = request.task_queue.as_ref().map_or("", |q| &q.name);
    versioning_override::check(request.versioning_override.as_ref(), task_queue)?;
    time_skipping::check(request.time_skipping_config.as_mut(), env.limits)
}

fn cap(value: &mut Option<Duration>, field: &str) -> Result<(), Rejection> {
    *value = duration::checked(value.as_ref())
        .map_err(|e| Rejection::invalid(format!("An invalid {field}Seconds is set on request. cause: {e}")))?;
    Ok(())
}

/// Sizes, memo and search attributes: the last checks.
fn finish(request: &mut StartWorkflowExecutionRequest, env: &Env<'_>) -> Result<(), Rejection> {
    if request.input.as_ref().map_or(0, Payloads::encoded_len) > env.limits.blob_size_bytes {
        return Err(Rejection::invalid("Blob data size exceeds limit."));
    }
    if request.memo.as_ref().map_or(0, Memo::encoded_len) > env.limits.memo_size_bytes {
        return Err(Rejection::invalid("Memo size exceeds limit."));
    }
    if let Some(attributes) = &mut request.search_attributes {
        search_attributes::check(attributes, &request.namespace, env)?;
    }
    search_attributes::drop_nulls(&mut request.search_attributes);
    search_attributes::drop_null_fields(&mut request.memo);
    Ok(())
}

/// Which policies go together, and what stands for none.
fn set_policies(request: &mut StartWorkflowExecutionRequest, default: Conflict) -> Result<(), Rejection> {
    let (reuse, conflict) = (request.workflow_id_reuse_policy(), request.workflow_id_conflict_policy());
    if reuse == Reuse::TerminateIfRunning {
        if conflict != Conflict::Unspecified {
            return Err(Rejection::invalid(
                "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a WorkflowIDConflictPolicy",
            ));
        }
        request.set_workflow_id_reuse_policy(Reuse::AllowDuplicate);
        request.set_workflow_id_conflict_policy(Conflict::TerminateExisting);
        return Ok(());
    }
    if reuse == Reuse::RejectDuplicate && conflict == Conflict::TerminateExisting {
        return Err(Rejection::invalid(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING",
        ));
    }
    if reuse == Reuse::Unspecified {
        request.set_workflow_id_reuse_policy(Reuse::AllowDuplicate);
    }
    if conflict == Conflict::Unspecified {
        request.set_workflow_id_conflict_policy(default);
    }
    Ok(())
}
