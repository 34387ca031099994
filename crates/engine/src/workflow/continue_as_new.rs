//! ContinueAsNewWorkflowExecution: a workflow ends its run and says itself what the next one is.

use crate::env::{duration_ns, shorter_ns};
use crate::retry_policy::{self};
use crate::task_queue::QueueRef;
use crate::workflow::bad_command::{BadCommand, check_size};
use crate::workflow::checks::check_task_queue;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::run_seed::RunSeed;
use crate::workflow::successor::{begin, min_backoff_ns, successor};
use crate::workflow::{close, search_attributes, workflow_task};
use crate::{cron, duration};
use evertide_proto::command::command::Attributes as A;
use evertide_proto::command::{Command, ContinueAsNewWorkflowExecutionCommandAttributes};
use evertide_proto::enums::{ContinueAsNewInitiator as Initiator, WorkflowTaskFailedCause as Cause};
use evertide_proto::history::WorkflowExecutionContinuedAsNewEventAttributes;
use prost_types::Duration;

/// ContinueAsNewWorkflowExecution.
pub(super) fn command(draft: &mut Draft<'_, '_>, command: Command, completed_id: i64) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::ContinueAsNewWorkflowExecutionCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    let a = checked(draft, *a)?;
    let seed = continued(draft, &a);
    let attributes = WorkflowExecutionContinuedAsNewEventAttributes {
        new_execution_run_id: seed.creation.run_id.clone(),
        workflow_type: a.workflow_type,
        task_queue: seed.started.task_queue.clone(),
        input: a.input,
        workflow_run_timeout: a.workflow_run_timeout,
        workflow_task_timeout: a.workflow_task_timeout,
        workflow_task_completed_event_id: completed_id,
        backoff_start_interval: a.backoff_start_interval,
        initiator: a.initiator,
        failure: a.failure,
        last_completion_result: a.last_completion_result,
        header: a.header,
        memo: a.memo,
        search_attributes: a.search_attributes,
        inherit_build_id: a.inherit_build_id,
        ..WorkflowExecutionContinuedAsNewEventAttributes::default()
    };
    close::close(draft, attributes, extra);
    begin(draft, Some(seed));
    Ok(())
}

fn continued(draft: &mut Draft<'_, '_>, a: &ContinueAsNewWorkflowExecutionCommandAttributes) -> RunSeed {
    let backoff_ns = min_backoff_ns(draft, duration_ns(a.backoff_start_interval.as_ref()));
    let retries = a.initiator() == Initiator::Retry;
    let initiator = if a.initiator() == Initiator::Unspecified { Initiator::Workflow } else { a.initiator() };
    let mut seed = successor(draft, initiator, backoff_ns);
    let s = &mut seed.started;
    s.workflow_type.clone_from(&a.workflow_type);
    s.task_queue.clone_from(&a.task_queue);
    s.input.clone_from(&a.input);
    s.workflow_run_timeout = a.workflow_run_timeout;
    s.workflow_task_timeout = a.workflow_task_timeout;
    s.retry_policy.clone_from(&a.retry_policy);
    s.cron_schedule.clone_from(&a.cron_schedule);
    s.header.clone_from(&a.header);
    s.memo.clone_from(&a.memo);
    s.search_attributes.clone_from(&a.search_attributes);
    s.continued_failure.clone_from(&a.failure);
    s.last_completion_result.clone_from(&a.last_completion_result);
    s.attempt = if retries { s.attempt + 1 } else { 1 };
    s.first_workflow_task_backoff = (backoff_ns > 0).then(|| duration::from_ns(backoff_ns));
    seed
}

/// The command with what it leaves out taken from the run, or what is wrong with it.
fn checked(
    draft: &Draft<'_, '_>,
    mut a: ContinueAsNewWorkflowExecutionCommandAttributes,
) -> Result<ContinueAsNewWorkflowExecutionCommandAttributes, BadCommand> {
    let started = &draft.state().started;
    if a.workflow_type.as_ref().is_none_or(|t| t.name.is_empty()) {
        a.workflow_type.clone_from(&started.workflow_type);
    }
    let bad = |text: String| BadCommand::task(Cause::BadContinueAsNewAttributes, text);
    let type_name = a.workflow_type.as_ref().map_or("", |t| &t.name).to_owned();
    let limit = draft.limits().id_length_bytes;
    if type_name.len() > limit {
        return Err(bad(format!(
            "WorkflowType on ContinueAsNewWorkflowExecutionCommand exceeds length limit. WorkflowType={type_name} Length={} Limit={limit}",
            type_name.len()
        )));
    }
    if a.task_queue.as_ref().is_none_or(|q| q.name.is_empty()) {
        a.task_queue.clone_from(&started.task_queue);
    }
    check_task_queue(a.task_queue.as_ref(), limit)
        .map_err(|r| bad(format!("{} WorkflowType={type_name}", r.message)))?;
    let queue_name = a.task_queue.as_ref().map_or("", |q| &q.name).to_owned();
    let queue = QueueRef { name: queue_name.clone(), normal_name: String::new() };
    a.task_queue = Some(queue.to_proto());
    let context = format!("WorkflowType={type_name} TaskQueue=name:\"{queue_name}\"  kind:TASK_QUEUE_KIND_NORMAL");
    check_durations(&a, &context)?;
    if let Some(policy) = &a.retry_policy {
        let policy = retry_policy::checked(policy).map_err(|e| {
            bad(format!("invalid WorkflowRetryPolicy on ContinueAsNewWorkflowExecutionCommand: {e}. {context}"))
        })?;
        a.retry_policy = Some(policy);
    }
    if cron::check(&a.cron_schedule, draft.now_ns()).is_err() {
        return Err(bad(format!(
            "invalid CronSchedule on ContinueAsNewWorkflowExecutionCommand: invalid CronSchedule.. {context}"
        )));
    }
    check_payloads(draft, &mut a)?;
    set_timeouts(draft, &mut a);
    Ok(a)
}

fn check_durations(a: &ContinueAsNewWorkflowExecutionCommandAttributes, context: &str) -> Result<(), BadCommand> {
    let check = |value: &Option<Duration>, field: &str| {
        duration::checked_ns(value.as_ref()).map_err(|e| {
            let text = format!("Invalid {field} on ContinueAsNewWorkflowExecutionCommand: {e}. {context}");
            BadCommand::task(Cause::BadContinueAsNewAttributes, text)
        })
    };
    check(&a.workflow_run_timeout, "WorkflowRunTimeout")?;
    check(&a.workflow_task_timeout, "WorkflowTaskTimeout")?;
    check(&a.backoff_start_interval, "BackoffStartInterval")?;
    Ok(())
}

fn check_payloads(
    draft: &Draft<'_, '_>,
    a: &mut ContinueAsNewWorkflowExecutionCommandAttributes,
) -> Result<(), BadCommand> {
    let cause = Cause::BadContinueAsNewAttributes;
    check_size(draft.limits(), a.input.as_ref(), cause, || {
        "ContinueAsNewWorkflowExecutionCommandAttributes. Input exceeds size limit.".to_owned()
    })?;
    check_size(draft.limits(), a.memo.as_ref(), cause, || {
        "ContinueAsNewWorkflowExecutionCommandAttributes. Memo exceeds size limit.".to_owned()
    })?;
    if let Some(attributes) = &mut a.search_attributes {
        let namespace = draft.state().info.namespace.clone();
        search_attributes::check(attributes, &namespace, draft.env).map_err(|r| r.in_command(cause))?;
    }
    search_attributes::drop_nulls(&mut a.search_attributes);
    search_attributes::drop_null_fields(&mut a.memo);
    Ok(())
}

/// Run and task timeout of the next run: the command's or this run's, within those above them.
fn set_timeouts(draft: &Draft<'_, '_>, a: &mut ContinueAsNewWorkflowExecutionCommandAttributes) {
    let started = &draft.state().started;
    let or = |asked: &Option<Duration>, own: &Option<Duration>| match duration_ns(asked.as_ref()) {
        0 => duration_ns(own.as_ref()),
        asked_ns => asked_ns,
    };
    let execution_ns = duration_ns(started.workflow_execution_timeout.as_ref());
    let run_ns = shorter_ns(or(&a.workflow_run_timeout, &started.workflow_run_timeout), execution_ns);
    let task_ns = or(&a.workflow_task_timeout, &started.workflow_task_timeout);
    a.workflow_run_timeout = Some(duration::from_ns(run_ns));
    let task_ns = workflow_task::effective_timeout_ns(task_ns, run_ns, draft.limits());
    a.workflow_task_timeout = Some(duration::from_ns(task_ns));
}

#[cfg(test)]
mod tests;
