//! What operators do to pending activities: hold back, let go on, begin again, change options.
//!
//! A call names one activity by id, or all of a type, or all. Everything is checked before anything is changed.

use crate::env::{duration_ns, timestamp};
use crate::rejection::Rejection;
use crate::reply::{Decided, Reply};
use crate::workflow::activity::options::{self, Subject};
use crate::workflow::activity::retrying::{due_again_ns, forget_heartbeat, forget_reset, leave_attempt};
use crate::workflow::activity::state::{Activity, ActivityRun};
use crate::workflow::activity::{Operation, Stage, dispatch, set_run};
use crate::workflow::checks::check_priority;
use crate::workflow::draft::Draft;
use crate::workflow::search_attributes;
use crate::workflow::state::State;
use evertide_proto::activity::ActivityOptions;
use evertide_proto::common::RetryPolicy;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflow::pending_activity_info::{PauseInfo, pause_info};
use evertide_proto::workflowservice as ws;
use prost_types::Duration;
use std::collections::BTreeSet;

/// The search attribute that tells of pauses.
const PAUSE_ATTRIBUTE: &str = "TemporalPauseInfo";

/// Which activities a call is about.
enum Target {
    Id(String),
    Type(String),
    All,
}

/// An operator's call.
pub(in crate::workflow) fn operate(draft: &mut Draft<'_, '_>, operation: Operation) -> Decided {
    match operation {
        Operation::Pause(r) => pause(draft, *r),
        Operation::Unpause(r) => unpause(draft, *r),
        Operation::Reset(r) => reset(draft, *r),
        Operation::UpdateOptions(r) => update_options(draft, *r),
    }
}

fn pause(draft: &mut Draft<'_, '_>, request: ws::PauseActivityRequest) -> Decided {
    use ws::pause_activity_request::Activity as Named;
    let target = match request.activity {
        Some(Named::Id(id)) => Some(Target::Id(id)),
        Some(Named::Type(name)) => Some(Target::Type(name)),
        None => None,
    };
    let found = targets_of_any(draft.state(), target)?;
    let by_another = |run: &ActivityRun| run.pause.is_some() && run.pause_request_id != request.request_id;
    if found.iter().any(|a| by_another(&a.run)) {
        return Err(Rejection::precondition("activity is already paused"));
    }
    let by = pause_info::Manual { identity: request.identity, reason: request.reason };
    let pause =
        PauseInfo { pause_time: Some(timestamp(draft.now_ns())), paused_by: Some(pause_info::PausedBy::Manual(by)) };
    for activity in found.into_iter().filter(|a| a.run.pause.is_none()) {
        let started = activity.stage() == Stage::Started;
        let mut run = activity.run;
        run.pause = Some(pause.clone());
        run.pause_request_id.clone_from(&request.request_id);
        if !started {
            run.in_backoff = false;
            run.stamp += 1;
        }
        set_run(draft, activity.scheduled_event_id, run);
    }
    refresh_pause_info(draft);
    Ok(Reply::Done)
}

fn unpause(draft: &mut Draft<'_, '_>, request: ws::UnpauseActivityRequest) -> Decided {
    use ws::unpause_activity_request::Activity as Named;
    let target = match request.activity {
        Some(Named::Id(id)) => Some(Target::Id(id)),
        Some(Named::Type(name)) => Some(Target::Type(name)),
        Some(Named::UnpauseAll(_)) => Some(Target::All),
        None => None,
    };
    let found = targets(draft.state(), target)?;
    for activity in found.into_iter().filter(|a| a.run.pause.is_some()) {
        let mut run = activity.run.clone();
        let_go(&mut run);
        if request.reset_attempts {
            run.attempt = 1;
        }
        if request.reset_heartbeat {
            forget_heartbeat(&mut run);
        }
        if activity.stage() == Stage::Started {
            set_run(draft, activity.scheduled_event_id, run);
        } else {
            let at_ns = jittered_ns(draft, request.jitter.as_ref());
            schedule_again(draft, activity.scheduled_event_id, run, at_ns);
        }
    }
    refresh_pause_info(draft);
    Ok(Reply::Done)
}

fn reset(draft: &mut Draft<'_, '_>, request: ws::ResetActivityRequest) -> Decided {
    use ws::reset_activity_request::Activity as Named;
    let target = match request.activity {
        Some(Named::Id(id)) => Some(Target::Id(id)),
        Some(Named::Type(name)) => Some(Target::Type(name)),
        Some(Named::MatchAll(_)) => Some(Target::All),
        None => None,
    };
    for activity in targets_of_any(draft.state(), target)? {
        let mut run = activity.run.clone();
        run.attempt = 1;
        run.reset = true;
        run.reset_heartbeat |= request.reset_heartbeat;
        if request.restore_original_options {
            run.options = None;
        }
        if !request.keep_paused {
            let_go(&mut run);
        }
        if activity.stage() == Stage::Started || run.pause.is_some() {
            set_run(draft, activity.scheduled_event_id, run);
        } else {
            let at_ns = jittered_ns(draft, request.jitter.as_ref());
            schedule_again(draft, activity.scheduled_event_id, run, at_ns);
        }
    }
    refresh_pause_info(draft);
    Ok(Reply::Done)
}

fn let_go(run: &mut ActivityRun) {
    run.pause = None;
    run.pause_request_id.clear();
}

/// Now, or a little later by chance, so that many activities do not begin at once.
fn jittered_ns(draft: &mut Draft<'_, '_>, jitter: Option<&Duration>) -> i64 {
    let below_ns = u64::try_from(duration_ns(jitter)).unwrap_or(0);
    let later_ns = i64::try_from(draft.env.ids.below(below_ns)).unwrap_or(0);
    draft.now_ns().saturating_add(later_ns)
}

/// The attempt goes to its queue at this time, as if nothing had failed before; one that is held stays held.
fn schedule_again(draft: &mut Draft<'_, '_>, scheduled_event_id: i64, mut run: ActivityRun, at_ns: i64) {
    leave_attempt(&mut run);
    forget_reset(&mut run);
    run.last_failure = None;
    run.scheduled_time_ns = at_ns;
    run.in_backoff = run.pause.is_none() && at_ns > draft.now_ns();
    set_run(draft, scheduled_event_id, run);
    dispatch(draft, scheduled_event_id);
}

fn update_options(draft: &mut Draft<'_, '_>, request: ws::UpdateActivityOptionsRequest) -> Decided {
    use ws::update_activity_options_request::Activity as Named;
    let target = match request.activity {
        Some(Named::Id(id)) => Some(Target::Id(id)),
        Some(Named::Type(name)) => Some(Target::Type(name)),
        Some(Named::MatchAll(_)) => Some(Target::All),
        None => None,
    };
    if target.is_none() {
        return Err(nothing_named());
    }
    let asked = request.activity_options.as_ref();
    check_priority(asked.and_then(|o| o.priority.as_ref())).map_err(Rejection::invalid)?;
    let mask = request.update_mask.map(|mask| mask.paths.iter().map(|path| snake_case(path)).collect());
    if request.restore_original {
        if mask.is_some_and(|mask: BTreeSet<String>| !mask.is_empty()) {
            return Err(Rejection::invalid("Both UpdateMask and RestoreOriginal are provided"));
        }
        return restore_options(draft, target);
    }
    if !draft.state().is_running() {
        return Err(Rejection::already_completed());
    }
    let asked = asked.ok_or_else(|| Rejection::invalid("ActivityOptions are not provided"))?;
    let found = targets(draft.state(), target)?;
    let mask = mask.ok_or_else(|| Rejection::invalid("UpdateMask is not provided"))?;
    let mut changed = Vec::new();
    for activity in found {
        let options = changed_options(draft, &activity, asked, &mask).map_err(Rejection::invalid)?;
        changed.push((activity, options));
    }
    let answer = changed.last().map(|(_, options)| Box::new(options.clone()));
    for (activity, options) in changed {
        set_options(draft, activity, Some(options));
    }
    Ok(Reply::ActivityOptions(answer))
}

fn restore_options(draft: &mut Draft<'_, '_>, target: Option<Target>) -> Decided {
    let found = targets(draft.state(), target)?;
    let mut answer = None;
    for mut activity in found {
        activity.run.options = None;
        let policy = Some(activity.retry_policy());
        answer = Some(Box::new(ActivityOptions { retry_policy: policy, ..current_options(&activity) }));
        set_options(draft, activity, None);
    }
    Ok(Reply::ActivityOptions(answer))
}

/// The options of an activity with those fields replaced that the mask names.
fn changed_options(
    draft: &Draft<'_, '_>,
    activity: &Activity,
    asked: &ActivityOptions,
    mask: &BTreeSet<String>,
) -> Result<ActivityOptions, String> {
    let mut options = current_options(activity);
    merge(&mut options, asked, mask)?;
    if mask.iter().any(|path| path.starts_with("retry_policy")) {
        let policy = options.retry_policy.take().unwrap_or_default();
        let policy = crate::retry_policy::checked(&policy).map_err(|e| e.message.into_owned())?;
        options.retry_policy = Some(RetryPolicy { non_retryable_error_types: Vec::new(), ..policy });
    }
    let subject = Subject {
        activity_id: &activity.scheduled.activity_id,
        activity_type: activity.type_name(),
        run_timeout_ns: 0,
        workflow_queue: draft.state().task_queue(),
    };
    options::normalize_changed(&mut options, &subject, draft.limits())?;
    Ok(options)
}

/// The options in force, as operators see and change them.
fn current_options(activity: &Activity) -> ActivityOptions {
    let mut options = ActivityOptions {
        task_queue: Some(TaskQueue { name: activity.queue().to_owned(), ..TaskQueue::default() }),
        retry_policy: Some(RetryPolicy { non_retryable_error_types: Vec::new(), ..activity.retry_policy() }),
        priority: activity.priority().cloned(),
        ..ActivityOptions::default()
    };
    activity.timeouts().put_into(&mut options);
    options
}

/// Sets options, and schedules anew what no worker has: its queue or its due time may be another now.
fn set_options(draft: &mut Draft<'_, '_>, mut activity: Activity, options: Option<ActivityOptions>) {
    activity.run.options = options;
    if activity.stage() == Stage::Started {
        set_run(draft, activity.scheduled_event_id, activity.run);
    } else {
        let at_ns = due_again_ns(&activity, draft.now_ns());
        schedule_again(draft, activity.scheduled_event_id, activity.run, at_ns);
    }
}

/// Takes over the fields that the mask names; paths of no field are not looked at.
fn merge(into: &mut ActivityOptions, from: &ActivityOptions, mask: &BTreeSet<String>) -> Result<(), String> {
    let named = |path: &str| mask.contains(path);
    if named("task_queue.name") {
        let queue = from.task_queue.as_ref().ok_or("TaskQueue is not provided")?;
        into.task_queue.get_or_insert_default().name.clone_from(&queue.name);
    }
    if named("schedule_to_close_timeout") {
        into.schedule_to_close_timeout = from.schedule_to_close_timeout;
    }
    if named("schedule_to_start_timeout") {
        into.schedule_to_start_timeout = from.schedule_to_start_timeout;
    }
    if named("start_to_close_timeout") {
        into.start_to_close_timeout = from.start_to_close_timeout;
    }
    if named("heartbeat_timeout") {
        into.heartbeat_timeout = from.heartbeat_timeout;
    }
    if named("priority") {
        into.priority.clone_from(&from.priority);
    }
    if ["priority.priority_key", "priority.fairness_key", "priority.fairness_weight"].into_iter().any(named) {
        let from = from.priority.as_ref().ok_or("Priority is not provided")?;
        let into = into.priority.get_or_insert_default();
        if named("priority.priority_key") {
            into.priority_key = from.priority_key;
        }
        if named("priority.fairness_key") {
            into.fairness_key.clone_from(&from.fairness_key);
        }
        if named("priority.fairness_weight") {
            into.fairness_weight = from.fairness_weight;
        }
    }
    merge_policy(into, from, &named)
}

fn merge_policy(
    into: &mut ActivityOptions,
    from: &ActivityOptions,
    named: &impl Fn(&str) -> bool,
) -> Result<(), String> {
    let provided = || from.retry_policy.as_ref().ok_or_else(|| "RetryPolicy is not provided".to_owned());
    if named("retry_policy") {
        into.retry_policy = Some(provided()?.clone());
    }
    let policy = into.retry_policy.get_or_insert_default();
    if named("retry_policy.initial_interval") {
        policy.initial_interval = provided()?.initial_interval;
    }
    if named("retry_policy.backoff_coefficient") {
        policy.backoff_coefficient = provided()?.backoff_coefficient;
    }
    if named("retry_policy.maximum_interval") {
        policy.maximum_interval = provided()?.maximum_interval;
    }
    if named("retry_policy.maximum_attempts") {
        policy.maximum_attempts = provided()?.maximum_attempts;
    }
    Ok(())
}

/// A path of a mask; clients write them in either case.
fn snake_case(path: &str) -> String {
    let mut snake = String::with_capacity(path.len() + 4);
    for c in path.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

fn nothing_named() -> Rejection {
    Rejection::invalid("Either Activity.Id or Activity.Type should be set on request.")
}

/// As [`targets`], for the calls that look for activities of a type before they look whether the workflow is open.
fn targets_of_any(state: &State, target: Option<Target>) -> Result<Vec<Activity>, Rejection> {
    if let Some(Target::Type(name)) = &target
        && !state.activities.values().any(|activity| activity.type_name() == name)
    {
        return Err(not_pending());
    }
    targets(state, target)
}

/// The pending activities that are meant, in order of their scheduling; at least one.
fn targets(state: &State, target: Option<Target>) -> Result<Vec<Activity>, Rejection> {
    let target = target.ok_or_else(nothing_named)?;
    if !state.is_running() {
        return Err(Rejection::already_completed());
    }
    let meant = |activity: &&Activity| match &target {
        Target::Id(id) => activity.scheduled.activity_id == *id,
        Target::Type(name) => activity.type_name() == name,
        Target::All => true,
    };
    let found: Vec<_> = state.activities.values().filter(meant).cloned().collect();
    if found.is_empty() { Err(not_pending()) } else { Ok(found) }
}

fn not_pending() -> Rejection {
    Rejection::not_found("Can't find pending activity with such ID. Invalid activityID or activity already completed")
}

/// Lets lists see which pauses the run has: its own, and the types of its paused activities.
pub(in crate::workflow) fn refresh_pause_info(draft: &mut Draft<'_, '_>) {
    let entries = pause_entries(draft.state());
    if search_attributes::listed_by_server(draft, PAUSE_ATTRIBUTE) != entries {
        search_attributes::set_by_server(draft, PAUSE_ATTRIBUTE, &entries);
    }
}

fn pause_entries(state: &State) -> Vec<String> {
    let mut entries = Vec::new();
    if let Some(pause) = &state.info.pause {
        entries.push(format!("Workflow:{}", state.info.workflow_id));
        if !pause.reason.is_empty() {
            entries.push(format!("Reason:{}", pause.reason));
        }
    }
    let paused = state.activities.values().filter(|a| a.run.pause.is_some());
    let types: BTreeSet<&str> = paused.map(Activity::type_name).collect();
    entries.extend(types.into_iter().map(|name| format!("property:activityType={name}")));
    entries
}
