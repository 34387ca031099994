//! DescribeWorkflowExecution: what a run's state says of it.

use crate::env::{Env, duration, timestamp, timestamp_opt};
use crate::workflow::state::{Execution, State};
use crate::workflow::workflow_task::state::WorkflowTask;
use crate::workflow::{activity, child_workflow, time_skipping};
use evertide_proto::common::{Memo, SearchAttributes, WorkflowExecution, WorkflowType};
use evertide_proto::enums::{EventType, PendingWorkflowTaskState, VersioningBehavior};
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflow::versioning_override::Override;
use evertide_proto::workflow::{
    PendingWorkflowTaskInfo, RequestIdInfo, ResetPoints, VersioningOverride, WorkflowExecutionConfig,
    WorkflowExecutionExtendedInfo, WorkflowExecutionInfo, WorkflowExecutionVersioningInfo,
};
use evertide_proto::workflowservice::DescribeWorkflowExecutionResponse;

/// The description of a run.
pub(super) fn describe(exec: &Execution, env: &Env<'_>) -> DescribeWorkflowExecutionResponse {
    let state = &exec.state;
    let now_ns = env.now_ns.saturating_add(state.skipped_ns());
    DescribeWorkflowExecutionResponse {
        execution_config: Some(config(state)),
        workflow_execution_info: Some(state.execution_info()),
        pending_activities: state.activities.values().map(|a| activity::pending_info(a, now_ns)).collect(),
        pending_children: state.children.iter().map(|(id, c)| child_workflow::pending_info(c, *id)).collect(),
        pending_workflow_task: exec.task().map(pending_task),
        workflow_extended_info: Some(extended(state, env)),
        ..DescribeWorkflowExecutionResponse::default()
    }
}

fn config(state: &State) -> WorkflowExecutionConfig {
    WorkflowExecutionConfig {
        task_queue: Some(TaskQueue { kind: 1, name: state.task_queue().to_owned(), ..TaskQueue::default() }),
        workflow_execution_timeout: state.started.workflow_execution_timeout,
        workflow_run_timeout: state.started.workflow_run_timeout,
        default_workflow_task_timeout: state.started.workflow_task_timeout,
        user_metadata: state.info.user_metadata.clone(),
    }
}

fn pending_task(task: &WorkflowTask) -> PendingWorkflowTaskInfo {
    let kind = if task.is_started() { PendingWorkflowTaskState::Started } else { PendingWorkflowTaskState::Scheduled };
    PendingWorkflowTaskInfo {
        state: kind.into(),
        scheduled_time: timestamp_opt(task.scheduled_time_ns),
        original_scheduled_time: timestamp_opt(task.original_scheduled_time_ns),
        started_time: timestamp_opt(task.started_time_ns),
        attempt: task.attempt,
    }
}

fn extended(state: &State, env: &Env<'_>) -> WorkflowExecutionExtendedInfo {
    let info = &state.info;
    let reset = !info.reset_from_run_id.is_empty();
    WorkflowExecutionExtendedInfo {
        execution_expiration_time: timestamp_opt(info.execution_expiration_ns),
        run_expiration_time: timestamp_opt(info.run_expiration_ns),
        cancel_requested: info.cancel_requested,
        last_reset_time: if reset { Some(timestamp(info.start_time_ns)) } else { None },
        original_start_time: timestamp_opt(info.original_start_time_ns),
        reset_run_id: info.reset_run_id.clone(),
        request_id_infos: request_ids(state),
        pause_info: info.pause.clone(),
        time_skipping_info: time_skipping::info(state, env.now_ns),
    }
}

/// Request ids and the events that they made. An id that a signal has used shows as the signal's, with the newest event
/// that carries it: a start may have had the id as well.
fn request_ids(state: &State) -> std::collections::BTreeMap<String, RequestIdInfo> {
    let resets = i32::from(EventType::WorkflowTaskFailed); // Kept for retried resets only, not to be linked to.
    let known = state.request_ids.iter().filter(|(_, made)| made.event_type != resets);
    let kinds = known.map(|(id, made)| (id, made.event_type, made.event_id));
    let signaled = i32::from(EventType::WorkflowExecutionSignaled);
    let signals = state.signal_request_ids.iter().map(|(id, signal_event_id)| {
        let other_event_id = state.request_ids.get(id).map_or(0, |made| made.event_id);
        let is_buffered = *signal_event_id == 0;
        (id, signaled, if is_buffered { 0 } else { other_event_id.max(*signal_event_id) })
    });
    let infos = kinds.chain(signals).map(|(id, event_type, event_id)| {
        (id.clone(), RequestIdInfo { event_type, event_id, buffered: event_id == 0 })
    });
    infos.collect()
}

impl State {
    /// What lists and descriptions show of the run.
    #[must_use]
    pub fn execution_info(&self) -> WorkflowExecutionInfo {
        let (info, started) = (&self.info, &self.started);
        let closed = info.close_time_ns != 0;
        let versioning = info.versioning_override.clone().map(|versioning_override| WorkflowExecutionVersioningInfo {
            versioning_override: Some(with_behavior(versioning_override)),
            ..WorkflowExecutionVersioningInfo::default()
        });
        WorkflowExecutionInfo {
            execution: Some(self.execution()),
            r#type: Some(WorkflowType { name: self.workflow_type().to_owned() }),
            start_time: timestamp_opt(info.start_time_ns),
            close_time: timestamp_opt(info.close_time_ns),
            status: info.status,
            history_length: self.next_event_id - 1,
            parent_namespace_id: started.parent_workflow_namespace_id.clone(),
            parent_execution: started.parent_workflow_execution.clone(),
            execution_time: timestamp_opt(info.execution_time_ns),
            memo: Some(info.memo.clone().unwrap_or_else(Memo::default)),
            search_attributes: Some(info.search_attributes.clone().unwrap_or_else(SearchAttributes::default)),
            auto_reset_points: Some(info.auto_reset_points.clone().unwrap_or_else(ResetPoints::default)),
            task_queue: self.task_queue().to_owned(),
            state_transition_count: info.transition_count,
            history_size_bytes: info.history_size_bytes,
            execution_duration: closed.then(|| duration(info.close_time_ns - info.execution_time_ns)),
            root_execution: Some(self.root_execution()),
            first_run_id: info.first_run_id.clone(),
            priority: info.priority.clone(),
            versioning_info: versioning,
            most_recent_worker_version_stamp: info.worker_version.clone(),
            ..WorkflowExecutionInfo::default()
        }
    }

    /// The root of the tree of parents and children that the run belongs to: itself if it has no parent.
    #[must_use]
    pub fn root_execution(&self) -> WorkflowExecution {
        self.started.root_workflow_execution.clone().unwrap_or_else(|| self.execution())
    }
}

/// An override with the older field that says the same.
fn with_behavior(mut versioning: VersioningOverride) -> VersioningOverride {
    let behavior = match &versioning.r#override {
        Some(Override::AutoUpgrade(true)) => VersioningBehavior::AutoUpgrade,
        Some(Override::Pinned(_)) => VersioningBehavior::Pinned,
        _ => return versioning,
    };
    versioning.behavior = behavior.into();
    versioning
}
