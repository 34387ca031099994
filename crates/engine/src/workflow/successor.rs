//! The next run of a chain: what follows a failure by the retry policy, what follows any end by the cron schedule, and
//! what all next runs take over.
//!
//! The closing run and its successor are one commit: the close event names the new run, the new run's started event
//! names the old one. The chain keeps its first run id and its execution expiration.

use crate::cron;
use crate::duration;
use crate::env::timestamp;
use crate::retry_policy::{self, Attempt, Retried, Retry};
use crate::workflow::change::Fact;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::info::Creation;
use crate::workflow::run_seed::RunSeed;
use crate::workflow::time_skipping;
use evertide_proto::common::Payloads;
use evertide_proto::enums::{ContinueAsNewInitiator as Initiator, RetryState};
use evertide_proto::failure::Failure;
use evertide_proto::history::WorkflowExecutionStartedEventAttributes;

/// How a run ended that a schedule may follow.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// With this result.
    Completed(Option<Payloads>),
    /// With this failure.
    Failed(Failure),
}

/// Run id of the next run, as close events write it.
pub(super) fn run_id_of(next: Option<&RunSeed>) -> String {
    next.map_or_else(String::new, |seed| seed.creation.run_id.clone())
}

/// Lets the next run follow, once the close event that names it is written.
pub(super) fn begin(draft: &mut Draft<'_, '_>, next: Option<RunSeed>) {
    draft.successor = next;
}

/// What follows a failure: a retry, else the next time of the schedule, else nothing.
pub(super) fn next_after_failure(draft: &mut Draft<'_, '_>, failure: &Failure) -> (RetryState, Option<RunSeed>) {
    let state = draft.state();
    let expiration_ns = state.info.execution_expiration_ns;
    let attempt = Attempt {
        retried: Retried::Workflow,
        number: state.started.attempt,
        failure: Some(failure),
        now_ns: draft.now_ns(),
        expiration_ns: (expiration_ns != 0).then_some(expiration_ns),
    };
    match retry_policy::next_attempt(state.started.retry_policy.as_ref(), &attempt) {
        Retry::After { interval_ns } => {
            let backoff_ns = min_backoff_ns(draft, interval_ns);
            let mut seed = successor(draft, Initiator::Retry, backoff_ns);
            seed.started.attempt = draft.state().started.attempt + 1;
            seed.started.continued_failure = Some(failure.clone());
            if !draft.state().started.cron_schedule.is_empty() {
                seed.started.last_completion_result = None;
            }
            (RetryState::InProgress, Some(seed))
        }
        Retry::No(retry_state) => (retry_state, next_of_cron(draft, &Ending::Failed(failure.clone()))),
    }
}

/// The next run of a schedule, if the run has one and its chain still has time.
pub(super) fn next_of_cron(draft: &mut Draft<'_, '_>, ending: &Ending) -> Option<RunSeed> {
    let state = draft.state();
    if state.started.cron_schedule.is_empty() {
        return None;
    }
    let cron = cron::parse(&state.started.cron_schedule).ok()?;
    let now_ns = draft.now_ns();
    let backoff_ns = cron.backoff_ns(state.info.execution_time_ns, now_ns)?;
    let expiration_ns = state.info.execution_expiration_ns;
    if expiration_ns != 0 && now_ns.saturating_add(backoff_ns) > expiration_ns {
        return None;
    }
    let backoff_ns = min_backoff_ns(draft, backoff_ns);
    let mut seed = successor(draft, Initiator::CronSchedule, backoff_ns);
    seed.started.attempt = 1;
    seed.started.completion_callbacks.clear();
    match ending {
        Ending::Completed(result) => {
            seed.started.last_completion_result.clone_from(result);
            seed.started.continued_failure = None;
        }
        Ending::Failed(failure) => seed.started.continued_failure = Some(failure.clone()),
    }
    Some(seed)
}

/// A loop of short runs is slowed down: the first tasks of two runs of a chain are at least a second apart.
pub(super) fn min_backoff_ns(draft: &Draft<'_, '_>, backoff_ns: i64) -> i64 {
    let lifetime_ns = draft.now_ns() - draft.state().info.execution_time_ns;
    let least_ns = draft.limits().workflow_id_reuse_min_interval_ns;
    if lifetime_ns.saturating_add(backoff_ns) >= least_ns { backoff_ns } else { least_ns - lifetime_ns }
}

/// A next run with everything that this run started with.
pub(super) fn successor(draft: &mut Draft<'_, '_>, initiator: Initiator, backoff_ns: i64) -> RunSeed {
    let now_ns = draft.now_ns();
    let run_id = draft.env.ids.run_id(now_ns);
    let creation = creation(draft, &run_id);
    limit_reset_points(draft);
    let (time_skipping_config, time_skipping_state_propagation) = time_skipping::for_next_run(draft.state());
    let info = &draft.state().info;
    let started = WorkflowExecutionStartedEventAttributes {
        continued_execution_run_id: info.run_id.clone(),
        initiator: initiator.into(),
        original_execution_run_id: run_id,
        first_execution_run_id: info.first_run_id.clone(),
        identity: String::new(),
        first_workflow_task_backoff: Some(duration::from_ns(backoff_ns)),
        workflow_execution_expiration_time: crate::env::timestamp_opt(info.execution_expiration_ns),
        prev_auto_reset_points: info.auto_reset_points.clone(),
        priority: info.priority.clone(),
        eager_execution_accepted: false,
        time_skipping_config,
        time_skipping_state_propagation,
        ..draft.state().started.clone()
    };
    let extra = EventExtra { links: info.start_links.clone(), ..EventExtra::default() };
    RunSeed { creation, started, extra }
}

fn creation(draft: &mut Draft<'_, '_>, run_id: &str) -> Creation {
    let request_id = draft.env.ids.uuid();
    let info = &draft.state().info;
    Creation {
        namespace_id: info.namespace_id.clone(),
        namespace: info.namespace.clone(),
        workflow_id: info.workflow_id.clone(),
        run_id: run_id.to_owned(),
        request_id,
        original_start_time_ns: info.original_start_time_ns,
        watchers: info.watchers.clone(),
        ..Creation::default()
    }
}

/// The reset points of the run that closes are good for as long as it is kept.
fn limit_reset_points(draft: &mut Draft<'_, '_>) {
    let info = &draft.state().info;
    let Some(mut points) = info.auto_reset_points.clone() else { return };
    let retention_ns = draft.env.namespaces.named(&info.namespace).map_or(0, |n| n.retention_ns);
    let expire_time = Some(timestamp(draft.now_ns().saturating_add(retention_ns)));
    for point in points.points.iter_mut().filter(|p| p.run_id == info.run_id) {
        point.expire_time = expire_time;
    }
    draft.record(Fact::ResetPoints(points).into());
}
