//! What a start request must be, and its defaults.

use crate::cron;
use crate::duration;
use crate::env::Env;
use crate::limits::Limits;
use crate::rejection::Rejection;
use crate::retry_policy;
use crate::workflow::search_attributes;
use crate::workflow::signal::Signal;
use crate::workflow::time_skipping;
use evertide_proto::common::callback::Variant as CallbackVariant;
use evertide_proto::common::link::{Variant as LinkVariant, workflow_event};
use evertide_proto::common::{Callback, Link, Memo, Payloads, Priority};
use evertide_proto::enums::{WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse};
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflowservice::{SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest};
use prost::Message;
use prost_types::Duration;

/// The queue of the system's own workers, which users cannot have.
const INTERNAL_QUEUE: &str = "temporal-sys-per-ns-tq";
/// Prefix of the names of queue partitions.
const RESERVED_PREFIX: &str = "/_sys/";
/// Longest fairness key, bytes.
const FAIRNESS_KEY_BYTES: usize = 64;

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
    let signal = Signal {
        name: request.signal_name,
        input: request.signal_input,
        identity: request.identity.clone(),
        header: request.header.clone(),
        request_id: request.request_id.clone(),
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
        request_id: if request.request_id.is_empty() { env.ids.uuid() } else { request.request_id },
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

/// A task queue must be named, and not with a name of the system's.
pub(in crate::workflow) fn check_task_queue(queue: Option<&TaskQueue>, limit: usize) -> Result<(), Rejection> {
    let Some(queue) = queue else {
        return Err(Rejection::invalid("taskQueue is not set"));
    };
    if queue.name.is_empty() {
        return Err(Rejection::invalid("missing task queue name"));
    }
    if queue.name.len() > limit {
        return Err(Rejection::invalid("taskQueue length exceeds limit"));
    }
    if queue.name.starts_with(RESERVED_PREFIX) {
        return Err(Rejection::invalid("task queue name cannot start with reserved prefix /_sys/"));
    }
    if queue.name == INTERNAL_QUEUE {
        return Err(Rejection::invalid(format!("cannot use internal per-namespace task queue:{INTERNAL_QUEUE}")));
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
    check_callbacks(&request.completion_callbacks, env.limits)?;
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
        search_attributes::drop_nulls(attributes);
    }
    if let Some(memo) = &mut request.memo {
        search_attributes::drop_null_fields(memo);
    }
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

/// A priority within its bounds; the text says what is wrong.
pub(in crate::workflow) fn check_priority(priority: Option<&Priority>) -> Result<(), &'static str> {
    let Some(priority) = priority else {
        return Ok(());
    };
    if priority.priority_key < 0 {
        return Err("priority key can't be negative");
    }
    if priority.fairness_key.len() > FAIRNESS_KEY_BYTES {
        return Err("fairness key length exceeds limit");
    }
    if priority.fairness_weight < 0.0 {
        return Err("must be greater than zero");
    }
    Ok(())
}

/// Links: how many, how big, and whole.
pub(in crate::workflow) fn check_links(links: &[Link], env: &Env<'_>) -> Result<(), Rejection> {
    let (most, largest) = (env.limits.links_per_request, env.limits.link_size_bytes);
    if links.len() > most {
        let got = links.len();
        return Err(Rejection::invalid(format!("cannot attach more than {most} links per request, got {got}")));
    }
    for link in links {
        let size = link.encoded_len();
        if size > largest {
            return Err(Rejection::invalid(format!("link exceeds allowed size of {largest}, got {size}")));
        }
        check_link(link).map_err(Rejection::invalid)?;
    }
    Ok(())
}

fn check_link(link: &Link) -> Result<(), &'static str> {
    match &link.variant {
        Some(LinkVariant::WorkflowEvent(e)) => {
            if e.namespace.is_empty() {
                return Err("workflow event link must not have an empty namespace field");
            }
            if e.workflow_id.is_empty() {
                return Err("workflow event link must not have an empty workflow ID field");
            }
            if e.run_id.is_empty() {
                return Err("workflow event link must not have an empty run ID field");
            }
            match &e.reference {
                Some(workflow_event::Reference::EventRef(r)) if r.event_type == 0 && r.event_id != 0 => {
                    Err("workflow event link ref cannot have an unspecified event type and a non-zero event ID")
                }
                _ => Ok(()),
            }
        }
        Some(LinkVariant::BatchJob(job)) if job.job_id.is_empty() => {
            Err("batch job link must not have an empty job ID")
        }
        Some(_) => Ok(()),
        None => Err("unsupported link variant"),
    }
}

/// Completion callbacks go only to the system's own addresses: others would have to be allowed first.
fn check_callbacks(callbacks: &[Callback], limits: &Limits) -> Result<(), Rejection> {
    let most = limits.callbacks_per_request;
    if callbacks.len() > most {
        return Err(Rejection::invalid(format!("cannot attach more than {most} callbacks to an execution")));
    }
    for callback in callbacks {
        let Some(CallbackVariant::Nexus(nexus)) = &callback.variant else {
            continue;
        };
        let url = nexus.url.as_str();
        if url == "temporal://system" {
            continue;
        }
        let known = url.starts_with("http://") || url.starts_with("https://");
        return Err(Rejection::invalid(if known {
            format!("invalid url: url does not match any configured callback address: {url}")
        } else {
            format!("invalid url: unknown scheme: {url}")
        }));
    }
    Ok(())
}
