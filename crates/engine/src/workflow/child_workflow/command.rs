//! StartChildWorkflowExecution, the command: what it must be, what it leaves out, and the initiated event.

use crate::cron;
use crate::duration;
use crate::env::{duration_ns, shorter_ns};
use crate::rejection::Rejection;
use crate::retry_policy;
use crate::task_queue::QueueRef;
use crate::visibility::payload;
use crate::workflow::bad_command::BadCommand;
use crate::workflow::change::Change;
use crate::workflow::checks::check_priority;
use crate::workflow::checks::check_task_queue;
use crate::workflow::child_workflow::state::ChildRequest;
use crate::workflow::child_workflow::{request_id, send_start};
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::external_workflow::{check_count, check_cross_namespace, target_namespace};
use crate::workflow::{search_attributes, time_skipping, versioning_override, workflow_task};
use evertide_proto::command::command::Attributes as A;
use evertide_proto::command::{Command, StartChildWorkflowExecutionCommandAttributes};
use evertide_proto::enums::{ParentClosePolicy, WorkflowIdReusePolicy, WorkflowTaskFailedCause as Cause};
use evertide_proto::history::StartChildWorkflowExecutionInitiatedEventAttributes;
use prost::Message as _;
use prost_types::Duration;

const BAD_START: Cause = Cause::BadStartChildExecutionAttributes;
const COMMAND: &str = "StartChildWorkflowExecutionCommand";

/// StartChildWorkflowExecution.
pub(in crate::workflow) fn start_command(
    draft: &mut Draft<'_, '_>,
    command: Command,
    completed_id: i64,
) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::StartChildWorkflowExecutionCommandAttributes(mut a)) = command.attributes else {
        return Ok(());
    };
    let namespace_id = target_namespace(draft, &a.namespace)?;
    if a.namespace.is_empty() {
        a.namespace.clone_from(&draft.state().info.namespace);
    }
    check_cross_namespace(draft, &namespace_id, BAD_START)?;
    check_names(draft, &a)?;
    normalize(draft, &mut a)?;
    check_sizes(draft, &a)?;
    let (pending, limit) = (draft.state().children.len(), draft.limits().pending_children);
    check_count("pending child workflow executions", pending, limit, Cause::PendingChildWorkflowsLimitExceeded)?;
    let user_metadata = extra.user_metadata.clone();
    let mut initiated = initiated(*a, namespace_id.clone(), completed_id);
    (initiated.time_skipping_config, initiated.time_skipping_state_propagation) =
        time_skipping::for_child(draft.state());
    let initiated_event_id = draft.event_with(initiated, extra);
    let request_id = request_id(&draft.state().info.run_id, initiated_event_id);
    draft.record(Change::ChildRequest(ChildRequest { initiated_event_id, request_id, namespace_id }));
    send_start(draft, initiated_event_id, user_metadata);
    Ok(())
}

fn initiated(
    a: StartChildWorkflowExecutionCommandAttributes,
    namespace_id: String,
    completed_id: i64,
) -> StartChildWorkflowExecutionInitiatedEventAttributes {
    StartChildWorkflowExecutionInitiatedEventAttributes {
        namespace: a.namespace,
        namespace_id,
        workflow_id: a.workflow_id,
        workflow_type: a.workflow_type,
        task_queue: a.task_queue,
        input: a.input,
        workflow_execution_timeout: a.workflow_execution_timeout,
        workflow_run_timeout: a.workflow_run_timeout,
        workflow_task_timeout: a.workflow_task_timeout,
        parent_close_policy: a.parent_close_policy,
        control: a.control,
        workflow_task_completed_event_id: completed_id,
        workflow_id_reuse_policy: a.workflow_id_reuse_policy,
        retry_policy: a.retry_policy,
        cron_schedule: a.cron_schedule,
        header: a.header,
        memo: a.memo,
        search_attributes: a.search_attributes,
        inherit_build_id: a.inherit_build_id,
        priority: a.priority,
        versioning_override: a.versioning_override,
        ..StartChildWorkflowExecutionInitiatedEventAttributes::default()
    }
}

fn bad(text: impl Into<String>) -> BadCommand {
    BadCommand::task(BAD_START, text)
}

fn type_name(a: &StartChildWorkflowExecutionCommandAttributes) -> &str {
    a.workflow_type.as_ref().map_or("", |t| &t.name)
}

/// Which child a message is about.
fn which(a: &StartChildWorkflowExecutionCommandAttributes) -> String {
    format!("WorkflowId={} WorkflowType={} Namespace={}", a.workflow_id, type_name(a), a.namespace)
}

fn check_names(draft: &Draft<'_, '_>, a: &StartChildWorkflowExecutionCommandAttributes) -> Result<(), BadCommand> {
    let (id, type_name, namespace) = (&a.workflow_id, type_name(a), &a.namespace);
    let limit = draft.limits().id_length_bytes;
    if id.is_empty() {
        return Err(bad(format!(
            "Required field WorkflowId is not set on {COMMAND}. WorkflowType={type_name} Namespace={namespace}"
        )));
    }
    if type_name.is_empty() {
        return Err(bad(format!(
            "Required field WorkflowType is not set on {COMMAND}. WorkflowId={id} Namespace={namespace}"
        )));
    }
    if id.len() > limit {
        return Err(bad(format!(
            "WorkflowId on {COMMAND} exceeds length limit. WorkflowId={id} Length={} Limit={limit} \
             WorkflowType={type_name} Namespace={namespace}",
            id.len()
        )));
    }
    if type_name.len() > limit {
        return Err(bad(format!(
            "WorkflowType on {COMMAND} exceeds length limit. WorkflowId={id} WorkflowType={type_name} Length={} \
             Limit={limit} Namespace={namespace}",
            type_name.len()
        )));
    }
    Ok(())
}

/// Checks what the child is to be and fills in what the command leaves out. Timeouts are not inherited from the parent.
fn normalize(
    draft: &mut Draft<'_, '_>,
    a: &mut StartChildWorkflowExecutionCommandAttributes,
) -> Result<(), BadCommand> {
    let which = which(a);
    cap(&mut a.workflow_execution_timeout, "WorkflowExecutionTimeout", &which)?;
    cap(&mut a.workflow_run_timeout, "WorkflowRunTimeout", &which)?;
    cap(&mut a.workflow_task_timeout, "WorkflowTaskTimeout", &which)?;
    if let Some(policy) = &a.retry_policy {
        let policy = retry_policy::checked(policy)
            .map_err(|e| bad(format!("invalid WorkflowRetryPolicy on {COMMAND}: {e}. {which}")))?;
        a.retry_policy = Some(policy);
    }
    if cron::check(&a.cron_schedule, draft.now_ns()).is_err() {
        return Err(bad(format!("invalid CronSchedule on {COMMAND}: invalid CronSchedule.. {which}")));
    }
    check_search_attributes(draft, a, &which)?;
    check_priority(a.priority.as_ref()).map_err(bad)?;
    set_task_queue(draft, a, &which)?;
    let task_queue = a.task_queue.as_ref().map_or("", |q| &q.name);
    versioning_override::check(a.versioning_override.as_ref(), task_queue).map_err(|e| bad(e.message))?;
    let run_ns =
        shorter_ns(duration_ns(a.workflow_run_timeout.as_ref()), duration_ns(a.workflow_execution_timeout.as_ref()));
    let asked_ns = duration_ns(a.workflow_task_timeout.as_ref());
    let task_ns = workflow_task::effective_timeout_ns(asked_ns, run_ns, draft.limits());
    a.workflow_run_timeout = Some(duration::from_ns(run_ns));
    a.workflow_task_timeout = Some(duration::from_ns(task_ns));
    if a.parent_close_policy() == ParentClosePolicy::Unspecified {
        a.set_parent_close_policy(ParentClosePolicy::Terminate);
    }
    if a.workflow_id_reuse_policy() == WorkflowIdReusePolicy::Unspecified {
        a.set_workflow_id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate);
    }
    Ok(())
}

fn cap(value: &mut Option<Duration>, field: &str, which: &str) -> Result<(), BadCommand> {
    *value =
        duration::checked(value.as_ref()).map_err(|e| bad(format!("Invalid {field} on {COMMAND}: {e}. {which}")))?;
    Ok(())
}

fn check_search_attributes(
    draft: &mut Draft<'_, '_>,
    a: &mut StartChildWorkflowExecutionCommandAttributes,
    which: &str,
) -> Result<(), BadCommand> {
    let Some(attributes) = &mut a.search_attributes else {
        return Ok(());
    };
    payload::check_size(attributes, draft.limits()).map_err(|e| BadCommand::terminate(BAD_START, e.message))?;
    search_attributes::check(attributes, &a.namespace, draft.env).map_err(|refused| {
        let e = Rejection::from(refused);
        // An unknown name is noticed before the command is looked at, so that its message does not tell of it.
        let unknown = e.message.contains("has no mapping defined");
        let text = match unknown {
            true => e.message.into_owned(),
            false => format!("invalid SearchAttributes on StartChildWorkflowCommand: {e}. {which}"),
        };
        BadCommand::task(Cause::BadSearchAttributes, text)
    })?;
    search_attributes::drop_nulls(&mut a.search_attributes);
    Ok(())
}

/// A child without a queue of its own shares that of its parent.
fn set_task_queue(
    draft: &Draft<'_, '_>,
    a: &mut StartChildWorkflowExecutionCommandAttributes,
    which: &str,
) -> Result<(), BadCommand> {
    let own = draft.state().task_queue().to_owned();
    let name = a.task_queue.take().map(|q| q.name).filter(|name| !name.is_empty()).unwrap_or_else(|| own.clone());
    let queue = QueueRef { name, normal_name: String::new() }.to_proto();
    check_task_queue(Some(&queue), draft.limits().id_length_bytes)
        .map_err(|e| bad(format!("invalid TaskQueue on {COMMAND}: {e}. {which} TaskQueue={}", queue.name)))?;
    if a.inherit_build_id && queue.name != own {
        return Err(bad("StartChildWorkflowExecution with UseCompatibleVersion cannot run on different task queue."));
    }
    a.task_queue = Some(queue);
    Ok(())
}

/// What is too large to be written at all ends the workflow: no other attempt would be smaller.
fn check_sizes(draft: &Draft<'_, '_>, a: &StartChildWorkflowExecutionCommandAttributes) -> Result<(), BadCommand> {
    if a.input.as_ref().map_or(0, |i| i.encoded_len()) > draft.limits().blob_size_bytes {
        let text = "StartChildWorkflowExecutionCommandAttributes. Input exceeds size limit.";
        return Err(BadCommand::terminate(BAD_START, text));
    }
    if a.memo.as_ref().map_or(0, |m| m.encoded_len()) > draft.limits().memo_size_bytes {
        let text = "StartChildWorkflowExecutionCommandAttributes.Memo exceeds size limit.";
        return Err(BadCommand::terminate(BAD_START, text));
    }
    Ok(())
}
