//! The first run of a chain, as a start request asks for it.

use crate::cron;
use crate::duration;
use crate::env::{Env, duration_ns, timestamp};
use crate::task_queue::QueueRef;
use crate::workflow::event::EventExtra;
use crate::workflow::info::Creation;
use crate::workflow::run_seed::RunSeed;
use crate::workflow::workflow_task;
use evertide_proto::enums::ContinueAsNewInitiator as Initiator;
use evertide_proto::history::WorkflowExecutionStartedEventAttributes;
use evertide_proto::workflowservice::StartWorkflowExecutionRequest;

/// The first run of a chain, from a start request that has been prepared.
pub(in crate::workflow) fn seed_of(request: StartWorkflowExecutionRequest, env: &mut Env<'_>) -> RunSeed {
    let now_ns = env.now_ns;
    let run_id = env.ids.run_id(now_ns);
    let namespace_id = env.namespaces.named(&request.namespace).map_or_else(String::new, |n| n.id.clone());
    let backoff_ns = first_backoff_ns(&request, now_ns);
    let execution_ns = duration_ns(request.workflow_execution_timeout.as_ref());
    let (run_timeout, task_timeout) = timeouts(&request, env);
    let creation = Creation {
        namespace_id,
        namespace: request.namespace.clone(),
        workflow_id: request.workflow_id.clone(),
        run_id: run_id.clone(),
        request_id: request.request_id,
        ..Creation::default()
    };
    let initiator = if request.cron_schedule.is_empty() { Initiator::Unspecified } else { Initiator::CronSchedule };
    let queue = request.task_queue.map_or_else(String::new, |q| q.name);
    let started = WorkflowExecutionStartedEventAttributes {
        workflow_type: request.workflow_type,
        task_queue: Some(QueueRef { name: queue, normal_name: String::new() }.to_proto()),
        input: request.input,
        workflow_execution_timeout: request.workflow_execution_timeout,
        workflow_run_timeout: run_timeout,
        workflow_task_timeout: task_timeout,
        initiator: initiator.into(),
        continued_failure: request.continued_failure,
        last_completion_result: request.last_completion_result,
        original_execution_run_id: run_id.clone(),
        identity: request.identity,
        first_execution_run_id: run_id,
        retry_policy: request.retry_policy,
        attempt: 1,
        workflow_execution_expiration_time: expiration(now_ns, backoff_ns, execution_ns),
        cron_schedule: request.cron_schedule,
        first_workflow_task_backoff: Some(duration::from_ns(backoff_ns)),
        memo: request.memo,
        search_attributes: request.search_attributes,
        header: request.header,
        workflow_id: request.workflow_id,
        completion_callbacks: request.completion_callbacks,
        versioning_override: request.versioning_override,
        priority: request.priority,
        time_skipping_config: request.time_skipping_config,
        ..WorkflowExecutionStartedEventAttributes::default()
    };
    let extra = EventExtra { user_metadata: request.user_metadata, links: request.links, ..EventExtra::default() };
    RunSeed { creation, started, extra }
}

/// How long the first task waits: the start delay, or until the first time of the cron schedule.
fn first_backoff_ns(request: &StartWorkflowExecutionRequest, now_ns: i64) -> i64 {
    if !request.cron_schedule.is_empty() {
        return cron::parse(&request.cron_schedule).ok().and_then(|cron| cron.backoff_ns(now_ns, now_ns)).unwrap_or(0);
    }
    duration_ns(request.workflow_start_delay.as_ref())
}

/// Run and task timeout as the started event says them: capped by the timeout above.
fn timeouts(
    request: &StartWorkflowExecutionRequest,
    env: &Env<'_>,
) -> (Option<prost_types::Duration>, Option<prost_types::Duration>) {
    let execution_ns = duration_ns(request.workflow_execution_timeout.as_ref());
    let run_ns = crate::env::shorter_ns(duration_ns(request.workflow_run_timeout.as_ref()), execution_ns);
    let task_ns =
        workflow_task::effective_timeout_ns(duration_ns(request.workflow_task_timeout.as_ref()), run_ns, env.limits);
    let run = (run_ns > 0 || request.workflow_run_timeout.is_some()).then(|| duration::from_ns(run_ns));
    (run, Some(duration::from_ns(task_ns)))
}

/// When the chain times out, in whole milliseconds.
fn expiration(now_ns: i64, backoff_ns: i64, execution_ns: i64) -> Option<prost_types::Timestamp> {
    (execution_ns > 0).then(|| {
        let due_ns = now_ns.saturating_add(backoff_ns).saturating_add(execution_ns);
        timestamp(due_ns - due_ns.rem_euclid(1_000_000))
    })
}
