//! What a schedule hears: how its starts went, and how its workflows ended.

use super::advance::{advance, take_due};
use super::draft::Draft;
use super::policy;
use super::state::{Carried, Change, Running, Start};
use crate::env::timestamp;
use crate::message::{DeliveryResult, WorkflowClosed};
use evertide_proto::common::WorkflowExecution;
use evertide_proto::enums::WorkflowExecutionStatus as Status;
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::schedule::ScheduleActionResult;

/// How many of the newest starts are shown.
const RECENT_ACTIONS: usize = 10;

/// A message has been answered.
pub(super) fn delivered(draft: &mut Draft<'_, '_>, id: i64, result: DeliveryResult) {
    if draft.progress.endings.remove(&id).is_some() {
        return; // How the workflow takes it shows when it closes.
    }
    let Some(start) = draft.progress.starts.remove(&id) else {
        return; // Its workflow has closed already.
    };
    if let DeliveryResult::Started { run_id } = result {
        started(draft, id, &start, run_id);
    }
    // What could not be started is over: its id is taken, or its target refuses it for good.
    let next = take_due(draft);
    advance(draft, next);
}

fn started(draft: &mut Draft<'_, '_>, id: i64, start: &Start, run_id: String) {
    let execution = WorkflowExecution { workflow_id: start.workflow_id.clone(), run_id: run_id.clone() };
    let progress = &mut draft.progress;
    progress.action_count += 1;
    let action = ScheduleActionResult {
        schedule_time: Some(timestamp(start.start.actual_ns)),
        actual_time: Some(timestamp(draft.env.now_ns.max(start.start.actual_ns))),
        start_workflow_result: Some(execution),
        start_workflow_status: Status::Running.into(),
    };
    let place = progress.recent_ids.partition_point(|earlier| *earlier < id);
    progress.recent_ids.insert(place, id);
    progress.recent.insert(place, action);
    let old = progress.recent.len().saturating_sub(RECENT_ACTIONS);
    progress.recent_ids.drain(..old);
    progress.recent.drain(..old);
    if start.tracked {
        progress.running.push(Running {
            workflow_id: start.workflow_id.clone(),
            first_run_id: run_id,
            ..Running::default()
        });
    }
}

/// A workflow that was waited for has closed.
pub(super) fn closed(draft: &mut Draft<'_, '_>, news: WorkflowClosed) {
    // The news may overtake the answer to the start.
    let of_start = |start: &Start| start.tracked && start.workflow_id == news.workflow_id;
    let start = draft
        .progress
        .starts
        .iter()
        .find(|(id, start)| of_start(start) && super::delivery::request_id(draft.state(), **id) == news.request_id);
    if let Some((id, start)) = start.map(|(id, start)| (*id, start.clone())) {
        draft.progress.starts.remove(&id);
        started(draft, id, &start, news.first_run_id.clone());
    }
    let is_it =
        |running: &Running| running.workflow_id == news.workflow_id && running.first_run_id == news.first_run_id;
    let Some(place) = draft.progress.running.iter().position(is_it) else {
        return; // It was told before, or it belongs to an earlier schedule of this id.
    };
    draft.progress.running.remove(place);
    let ended = Ended::of(news.close_event.attributes);
    let of_it = |action: &&mut ScheduleActionResult| {
        action.start_workflow_result.as_ref().is_some_and(|run| run.run_id == news.first_run_id)
    };
    if let Some(action) = draft.progress.recent.iter_mut().find(of_it) {
        action.start_workflow_status = ended.status.into();
    }
    let policies = draft.state().definition.policies;
    let message = ended.carried.continued_failure.as_ref().map_or("", |failure| &failure.message);
    if policy::pause_after(&policies, &mut draft.progress.state, &news.workflow_id, ended.status, message) {
        draft.progress.conflict_token += 1;
    }
    carry(draft, ended);
    let next = take_due(draft);
    advance(draft, next);
}

/// Keeps what the next workflow gets: a result until there is another one, a failure only until a workflow completes.
fn carry(draft: &mut Draft<'_, '_>, ended: Ended) {
    let mut carried = draft.state().carried.clone();
    match ended.status {
        Status::Completed => {
            carried.continued_failure = None;
            if ended.carried.last_completion_result.is_some() {
                carried.last_completion_result = ended.carried.last_completion_result;
            }
        }
        Status::Failed => carried.continued_failure = ended.carried.continued_failure,
        _ => {}
    }
    if carried != draft.state().carried {
        draft.record(Change::Carried(carried));
    }
}

/// How a workflow ended.
struct Ended {
    status: Status,
    carried: Carried,
}

impl Ended {
    fn of(close_event: Option<A>) -> Self {
        let mut carried = Carried::default();
        let status = match close_event {
            Some(A::WorkflowExecutionCompletedEventAttributes(event)) => {
                carried.last_completion_result = event.result;
                Status::Completed
            }
            Some(A::WorkflowExecutionFailedEventAttributes(event)) => {
                carried.continued_failure = event.failure;
                Status::Failed
            }
            Some(A::WorkflowExecutionTimedOutEventAttributes(_)) => Status::TimedOut,
            Some(A::WorkflowExecutionCanceledEventAttributes(_)) => Status::Canceled,
            _ => Status::Terminated,
        };
        Self { status, carried }
    }
}
