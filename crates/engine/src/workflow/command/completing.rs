//! The steps of a good answer, in their order.

use crate::env::timestamp;
use crate::reply::StartedTask;
use crate::reply::{Decided, Reply};
use crate::task_queue::TaskClass;
use crate::workflow::bad_command::BadCommand;
use crate::workflow::change::{Change, Fact, Nothing};
use crate::workflow::command::{Completion, carry_out};
use crate::workflow::draft::Draft;
use crate::workflow::workflow_task::state::{Sticky, WorkflowTask};
use crate::workflow::workflow_task::{self, clear, set_counters};
use crate::workflow::{activity, query, search_attributes, update};
use evertide_proto::common::WorkerVersionStamp;
use evertide_proto::enums::WorkerVersioningMode;
use evertide_proto::history::WorkflowTaskCompletedEventAttributes;
use evertide_proto::taskqueue::StickyExecutionAttributes;
use evertide_proto::workflow::{ResetPointInfo, ResetPoints};
use evertide_proto::workflowservice::RespondWorkflowTaskCompletedRequest;

/// Most reset points that a run keeps; older ones are dropped.
const MAX_RESET_POINTS: usize = 100;

/// A speculative task whose updates were all rejected: it never happened.
pub(super) fn discard(draft: &mut Draft<'_, '_>, request: RespondWorkflowTaskCompletedRequest) -> Decided {
    let reset_history_event_id = draft.state().info.previous_started_event_id;
    clear(draft);
    set_sticky(draft, request.sticky_attributes.as_ref());
    update::take_rejections(draft, &request.messages);
    update::reject_unprocessed(draft);
    query::take_results(draft, &request.query_results);
    let new_task = next_task(draft, &Next::default(), request.return_new_workflow_task, &request.identity);
    query::after_task(draft);
    Ok(Reply::TaskCompleted { reset_history_event_id, activity_tasks: Vec::new(), new_task })
}

/// A task that leaves something behind.
pub(super) fn complete(
    draft: &mut Draft<'_, '_>,
    task: &WorkflowTask,
    request: RespondWorkflowTaskCompletedRequest,
    heartbeat: bool,
) -> Result<Reply, BadCommand> {
    let unhandled_events = !draft.state().buffered.is_empty();
    let written = workflow_task::write_started(draft).unwrap_or_else(|| task.clone());
    let started_event_id = written.started_event_id;
    let completed_id = write_completed(draft, &request, &written);
    set_sticky(draft, request.sticky_attributes.as_ref());
    workflow_task::clear_problems(draft);
    remember_build(draft, request.worker_version_stamp.as_ref(), &request.binary_checksum, completed_id);

    let messages = update::Messages::new(request.messages);
    let identity = request.identity.clone();
    let mut completion = Completion { identity, completed_id, unhandled_events, messages };
    for command in request.commands {
        if !draft.state().is_running() {
            break;
        }
        carry_out(draft, command, &mut completion)?;
    }
    update::take_messages(draft, &mut completion.messages, completed_id)?;
    // A worker that keeps its task alive may send commands before it has looked at its updates.
    if !request.force_create_new_workflow_task && draft.state().is_running() {
        update::reject_unprocessed(draft);
    }
    query::take_results(draft, &request.query_results);
    set_counters(draft, |c| {
        c.next_attempt = 1;
        c.problems = 0;
        c.previous_started_event_id = started_event_id;
        c.close_attempted = false;
    });
    if !draft.state().is_running() {
        // Whatever waited to be written is not seen any more; the close has told the waiters.
        draft.drop_buffer();
        clear(draft);
        update::on_close(draft);
        query::on_close(draft);
        return Ok(Reply::TaskCompleted { reset_history_event_id: 0, activity_tasks: Vec::new(), new_task: None });
    }
    let activity_tasks = activity::start_eager(draft, completed_id, &request.identity);
    let next = Next {
        force: request.force_create_new_workflow_task,
        events: !draft.state().buffered.is_empty(),
        heartbeat_since_ns: if heartbeat { task.original_scheduled_time_ns } else { 0 },
    };
    clear(draft);
    draft.flush_buffer();
    let new_task = next_task(draft, &next, request.return_new_workflow_task, &request.identity);
    query::after_task(draft);
    Ok(Reply::TaskCompleted { reset_history_event_id: 0, activity_tasks, new_task })
}

/// Why a next task may be needed at once.
#[derive(Debug, Default)]
struct Next {
    /// The worker asks for one.
    force: bool,
    /// Events waited behind the task.
    events: bool,
    /// The row of heartbeating tasks began then; 0 if this is none.
    heartbeat_since_ns: i64,
}

fn next_task(draft: &mut Draft<'_, '_>, next: &Next, inline: bool, identity: &str) -> Option<Box<StartedTask>> {
    if next.force || next.events {
        workflow_task::schedule_heartbeat(draft, next.heartbeat_since_ns);
    } else if draft.exec.volatile.has_unsent_updates() {
        if inline {
            workflow_task::schedule_speculative(draft);
        } else {
            workflow_task::schedule_now(draft);
        }
    }
    if !inline || draft.exec.task().is_none_or(WorkflowTask::is_started) {
        return None;
    }
    draft.effects.dispatches.retain(|d| d.class != TaskClass::Workflow);
    workflow_task::start_inline(draft, identity)
}

fn write_completed(
    draft: &mut Draft<'_, '_>,
    request: &RespondWorkflowTaskCompletedRequest,
    task: &WorkflowTask,
) -> i64 {
    let deployment = request.deployment_options.as_ref();
    let versioned = deployment.filter(|d| d.worker_versioning_mode() == WorkerVersioningMode::Versioned);
    // Some SDKs tell a behavior although the worker is not versioned.
    let told_behavior = deployment.is_none() || versioned.is_some();
    draft.event(WorkflowTaskCompletedEventAttributes {
        scheduled_event_id: task.scheduled_event_id,
        started_event_id: task.started_event_id,
        identity: request.identity.clone(),
        binary_checksum: request.binary_checksum.clone(),
        worker_version: request.worker_version_stamp.clone(),
        sdk_metadata: request.sdk_metadata.clone(),
        metering_metadata: request.metering_metadata,
        versioning_behavior: if told_behavior { request.versioning_behavior } else { 0 },
        worker_deployment_name: deployment_name(request),
        worker_deployment_version: versioned
            .map_or_else(String::new, |d| format!("{}.{}", d.deployment_name, d.build_id)),
        deployment_version: versioned.map(|d| evertide_proto::deployment::WorkerDeploymentVersion {
            deployment_name: d.deployment_name.clone(),
            build_id: d.build_id.clone(),
        }),
        ..WorkflowTaskCompletedEventAttributes::default()
    })
}

/// The deployment that the worker tells, whether it is versioned or not; older workers call it a series.
fn deployment_name(request: &RespondWorkflowTaskCompletedRequest) -> String {
    let told = request.deployment_options.as_ref().map_or("", |d| d.deployment_name.as_str());
    let series = request.deployment.as_ref().map_or("", |d| d.series_name.as_str());
    (if told.is_empty() { series } else { told }).to_owned()
}

fn set_sticky(draft: &mut Draft<'_, '_>, attributes: Option<&StickyExecutionAttributes>) {
    let sticky = attributes.and_then(|a| {
        let queue = a.worker_task_queue.as_ref().map(|q| q.name.clone()).filter(|name| !name.is_empty())?;
        let schedule_to_start_ns = crate::env::duration_ns(a.schedule_to_start_timeout.as_ref());
        Some(Sticky { queue, schedule_to_start_ns })
    });
    match sticky {
        Some(sticky) if draft.state().info.sticky.as_ref() != Some(&sticky) => draft.record(Change::Sticky(sticky)),
        None if draft.state().info.sticky.is_some() => draft.record(Change::StickyGone(Nothing {})),
        _ => {}
    }
}

/// Remembers the worker's build: for resets to before a bad build, and for lists by build.
pub(in crate::workflow) fn remember_build(
    draft: &mut Draft<'_, '_>,
    stamp: Option<&WorkerVersionStamp>,
    binary_checksum: &str,
    completed_id: i64,
) {
    let build_id = stamp.map_or("", |s| s.build_id.as_str());
    let checksum = if build_id.is_empty() { binary_checksum } else { build_id };
    let points = draft.state().info.auto_reset_points.as_ref();
    let known = points.is_some_and(|p| p.points.iter().any(|p| p.binary_checksum == checksum));
    if !known {
        add_reset_point(draft, checksum, build_id, completed_id);
    }
    for value in build_id_values(stamp) {
        search_attributes::add_by_server(draft, "BuildIds", &value);
    }
    if !binary_checksum.is_empty() {
        search_attributes::add_by_server(draft, "BinaryChecksums", binary_checksum);
    }
}

fn build_id_values(stamp: Option<&WorkerVersionStamp>) -> Vec<String> {
    match stamp {
        Some(s) if s.use_versioning => vec![format!("versioned:{}", s.build_id)],
        Some(s) if !s.build_id.is_empty() => vec!["unversioned".to_owned(), format!("unversioned:{}", s.build_id)],
        _ => vec!["unversioned".to_owned()],
    }
}

fn add_reset_point(draft: &mut Draft<'_, '_>, checksum: &str, build_id: &str, completed_id: i64) {
    let mut points = draft.state().info.auto_reset_points.clone().map_or_else(Vec::new, |p| p.points);
    let resettable = draft.state().children.is_empty()
        && draft.state().external_cancels.is_empty()
        && draft.state().external_signals.is_empty();
    points.push(ResetPointInfo {
        build_id: build_id.to_owned(),
        binary_checksum: checksum.to_owned(),
        run_id: draft.state().info.run_id.clone(),
        first_workflow_task_completed_id: completed_id,
        create_time: Some(timestamp(draft.now_ns())),
        resettable,
        ..ResetPointInfo::default()
    });
    let surplus = points.len().saturating_sub(MAX_RESET_POINTS);
    points.drain(..surplus);
    draft.record(Fact::ResetPoints(ResetPoints { points }).into());
}
