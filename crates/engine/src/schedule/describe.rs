//! What is shown of a schedule.

use super::TooManyExclusions;
use super::policy;
use super::spec::Spec;
use super::state::{Running, State};
use crate::env::{timestamp, timestamp_ns, timestamp_opt};
use crate::namespace::Namespaces;
use crate::rejection::Rejection;
use crate::visibility::{Attributes, Closed, Listing, SearchValue, payload};
use evertide_proto::common::WorkflowExecution;
use evertide_proto::enums::WorkflowExecutionStatus as Status;
use evertide_proto::schedule::schedule_action::Action;
use evertide_proto::schedule::{Schedule, ScheduleInfo, ScheduleListEntry, ScheduleListInfo, ScheduleSpec};
use evertide_proto::workflowservice::DescribeScheduleResponse;
use prost::Message;
use prost_types::Timestamp;

/// The division of lists that schedules are in.
pub const DIVISION: &str = "TemporalScheduler";

/// How many coming times a description shows.
const FUTURE_TIMES: usize = 10;
/// How many coming times and newest starts a list shows.
const LISTED_TIMES: usize = 5;
/// How many parts of a spec of each sort a list shows.
const LISTED_PARTS: usize = 10;
/// How many times ListScheduleMatchingTimes gives.
const MATCHING_TIMES: usize = 1000;

/// DescribeSchedule.
#[must_use]
pub fn describe(state: &State, attributes: &Attributes, now_ns: i64) -> DescribeScheduleResponse {
    let (definition, progress) = (&state.definition, &state.progress);
    let mut action = definition.action.clone();
    if let Some(Action::StartWorkflow(workflow)) = &mut action.action {
        workflow.search_attributes = workflow.search_attributes.as_ref().map(|given| payload::typed(given, attributes));
    }
    let execution = |running: &Running| WorkflowExecution {
        workflow_id: running.workflow_id.clone(),
        run_id: running.first_run_id.clone(),
    };
    let info = ScheduleInfo {
        action_count: progress.action_count,
        missed_catchup_window: progress.missed_catchup_window,
        overlap_skipped: progress.overlap_skipped,
        buffer_dropped: progress.buffer_dropped,
        buffer_size: progress.buffer.len() as i64, // At most a thousand.
        running_workflows: progress.running.iter().map(execution).collect(),
        recent_actions: progress.recent.clone(),
        future_action_times: future_times(state, now_ns, FUTURE_TIMES),
        create_time: timestamp_opt(state.identity.create_time_ns),
        update_time: timestamp_opt(progress.update_time_ns),
        ..ScheduleInfo::default()
    };
    DescribeScheduleResponse {
        schedule: Some(Schedule {
            spec: Some(definition.spec.clone()),
            action: Some(action),
            policies: Some(definition.policies),
            state: Some(progress.state.clone()),
        }),
        info: Some(info),
        memo: definition.memo.clone(),
        search_attributes: definition.search_attributes.clone(),
        conflict_token: progress.conflict_token.to_be_bytes().to_vec().into(),
    }
}

/// The coming times, as many as the limit on actions leaves.
fn future_times(state: &State, now_ns: i64, count: usize) -> Vec<Timestamp> {
    let progress = &state.progress;
    let left = match progress.state.limited_actions {
        true => usize::try_from(progress.state.remaining_actions).unwrap_or(0),
        false => count,
    };
    let Ok(spec) = Spec::compile(&state.definition.spec) else { return Vec::new() };
    // A schedule that is paused takes no times, but they are shown from now on.
    let after_ns = if policy::may_act(&progress.state) { progress.processed_ns } else { now_ns };
    let seed = state.jitter_seed();
    let times = spec.times_after(after_ns, &seed).map_while(Result::ok);
    let coming = times.map(|time| time.actual_ns).filter(|time_ns| *time_ns >= progress.update_time_ns);
    coming.take(count.min(left)).map(timestamp).collect()
}

/// ListScheduleMatchingTimes: the times behind the start, to the end.
///
/// # Errors
/// The range has no start or no end, or the exclusions of the spec leave nothing to find.
pub fn matching_times(
    spec: &ScheduleSpec,
    jitter_seed: &str,
    start: Option<&Timestamp>,
    end: Option<&Timestamp>,
) -> Result<Vec<Timestamp>, Rejection> {
    let (Some(start), Some(end)) = (start, end) else {
        return Err(Rejection::invalid("StartTime and EndTime must be set on request."));
    };
    let spec = Spec::compile(spec).map_err(super::draft::invalid_spec)?;
    let end_ns = timestamp_ns(end);
    let mut found = Vec::new();
    for time in spec.times_after(timestamp_ns(start), jitter_seed).take(MATCHING_TIMES) {
        let time = time.map_err(|error: TooManyExclusions| Rejection::invalid(error.to_string()))?;
        if time.actual_ns > end_ns {
            break;
        }
        found.push(timestamp(time.actual_ns));
    }
    Ok(found)
}

impl State {
    /// The row of the schedule. Its payload is the encoded `ScheduleListEntry`.
    #[must_use]
    pub fn listing(&self, namespaces: &Namespaces) -> Listing {
        let (identity, definition, progress) = (&self.identity, &self.definition, &self.progress);
        let attributes = namespaces.with_id(&identity.namespace_id).map(|found| found.attributes()).unwrap_or_default();
        let custom = definition.search_attributes.as_ref();
        let mut search_attributes = custom.map(|given| payload::values(given, &attributes)).unwrap_or_default();
        search_attributes.push(("TemporalSchedulePaused".to_owned(), SearchValue::Bool(progress.state.paused)));
        let closed = (progress.closed_ns != 0).then(|| Closed {
            time_ns: progress.closed_ns,
            duration_ns: progress.closed_ns - identity.create_time_ns,
            transition_count: self.decisions,
            ..Closed::default()
        });
        let status = if closed.is_some() { Status::Completed } else { Status::Running };
        Listing {
            namespace_id: identity.namespace_id.clone(),
            id: identity.schedule_id.clone(),
            run_id: identity.run_id.clone(),
            status: status.into(),
            start_time_ns: identity.create_time_ns,
            execution_time_ns: identity.create_time_ns,
            closed,
            root_workflow_id: identity.schedule_id.clone(),
            root_run_id: identity.run_id.clone(),
            search_attributes,
            division: Some(DIVISION.to_owned()),
            payload: self.list_entry().encode_to_vec().into(),
            ..Listing::default()
        }
    }

    fn list_entry(&self) -> ScheduleListEntry {
        let (definition, progress) = (&self.definition, &self.progress);
        let mut spec = definition.spec.clone();
        spec.timezone_data.clear();
        spec.structured_calendar.truncate(LISTED_PARTS);
        spec.exclude_structured_calendar.truncate(LISTED_PARTS);
        spec.interval.truncate(LISTED_PARTS);
        let workflow_type = match &definition.action.action {
            Some(Action::StartWorkflow(workflow)) => workflow.workflow_type.clone(),
            None => None,
        };
        let recent = progress.recent.len().saturating_sub(LISTED_TIMES);
        let info = ScheduleListInfo {
            spec: Some(spec),
            workflow_type,
            notes: progress.state.notes.clone(),
            paused: progress.state.paused,
            recent_actions: progress.recent[recent..].to_vec(),
            future_action_times: future_times(self, progress.processed_ns, LISTED_TIMES),
            ..ScheduleListInfo::default()
        };
        ScheduleListEntry {
            schedule_id: self.identity.schedule_id.clone(),
            memo: definition.memo.clone(),
            search_attributes: definition.search_attributes.clone(),
            info: Some(info),
        }
    }
}
