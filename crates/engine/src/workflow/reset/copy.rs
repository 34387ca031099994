//! The part of a reset run that it shares with the run it comes from.

use crate::message::{CancelMessage, Message, SignalMessage};
use crate::rejection::Rejection;
use crate::workflow::activity::state::{ActivityChange, ActivityRun};
use crate::workflow::change::{Change, Fact};
use crate::workflow::child_workflow::state::ChildRequest;
use crate::workflow::draft::Draft;
use crate::workflow::external_workflow::{send_cancel, send_signal};
use crate::workflow::identity::SERVER_IDENTITY;
use crate::workflow::reset::base::ResetBase;
use crate::workflow::state::State;
use crate::workflow::{activity, child_workflow, command, nexus_operation, workflow_task};
use evertide_proto::enums::{RetryState, WorkflowTaskFailedCause as Cause};
use evertide_proto::failure::failure::FailureInfo;
use evertide_proto::failure::{Failure, ResetWorkflowFailureInfo};
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::history::{
    ActivityTaskFailedEventAttributes, HistoryEvent, NexusOperationScheduledEventAttributes,
    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    SignalExternalWorkflowExecutionInitiatedEventAttributes, WorkflowTaskFailedEventAttributes,
    WorkflowTaskStartedEventAttributes,
};
use evertide_proto::sdk::UserMetadata;
use evertide_proto::workflow::WorkflowExecutionPauseInfo;
use evertide_proto::workflowservice::ResetWorkflowExecutionRequest;
use std::collections::BTreeMap;

/// What the copied events say and the state made from them does not.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// Id of the event that says that the task at the reset point failed.
    pub failed_event_id: i64,
    /// The workflow task at the end: ids of its scheduled and started event, 0 if there is none.
    task: (i64, i64),
    /// Started event of the last completed task.
    previous_started_event_id: i64,
    /// Started event and worker of each activity that was written as started, by its scheduled event.
    started_activities: BTreeMap<i64, (i64, String)>,
    /// Summary and details of children, by initiated event.
    child_metadata: BTreeMap<i64, UserMetadata>,
    /// Signals to other workflows, by initiated event.
    signals: BTreeMap<i64, SignalExternalWorkflowExecutionInitiatedEventAttributes>,
    /// Pending Nexus operations, by scheduled event.
    pub operations: BTreeMap<i64, NexusOperationScheduledEventAttributes>,
    /// Cancel requests to other workflows, by initiated event.
    cancels: BTreeMap<i64, RequestCancelExternalWorkflowExecutionInitiatedEventAttributes>,
}

/// Copies the events before the reset point and fails the workflow task there.
///
/// # Errors
/// The point is not at a workflow task.
pub(super) fn copy(
    draft: &mut Draft<'_, '_>,
    base: &ResetBase,
    request: &ResetWorkflowExecutionRequest,
) -> Result<Copied, Rejection> {
    let point = request.workflow_task_finish_event_id;
    let mut copied = Copied::default();
    for event in base.events.iter().take_while(|e| e.event_id < point) {
        draft.record(Change::Event(event.clone()));
        copied.note(draft, event);
    }
    if copied.task.0 == 0 {
        return Err(Rejection::invalid(format!(
            "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: {point}"
        )));
    }
    let previous_started_event_id = copied.previous_started_event_id;
    workflow_task::set_counters(draft, |c| c.previous_started_event_id = previous_started_event_id);
    copied.fail_task(draft, &base.exec.state.info.run_id, &request.reason);
    copied.begin_activities_anew(draft, &request.reason);
    attach_children(draft, &base.exec.state);
    if draft.state().info.pause.is_some() {
        activity::refresh_pause_info(draft);
    }
    Ok(copied)
}

impl Copied {
    fn note(&mut self, draft: &mut Draft<'_, '_>, event: &HistoryEvent) {
        let id = event.event_id;
        match &event.attributes {
            Some(A::WorkflowTaskScheduledEventAttributes(_)) => self.task = (id, 0),
            Some(A::WorkflowTaskStartedEventAttributes(_)) => self.task.1 = id,
            Some(A::WorkflowTaskCompletedEventAttributes(a)) => {
                self.task = (0, 0);
                self.previous_started_event_id = a.started_event_id;
                command::remember_build(draft, a.worker_version.as_ref(), &a.binary_checksum, id);
            }
            Some(A::WorkflowTaskFailedEventAttributes(_) | A::WorkflowTaskTimedOutEventAttributes(_)) => {
                self.task = (0, 0);
            }
            Some(A::ActivityTaskStartedEventAttributes(a)) => {
                self.started_activities.insert(a.scheduled_event_id, (id, a.identity.clone()));
            }
            Some(A::WorkflowExecutionPausedEventAttributes(a)) => {
                let pause = WorkflowExecutionPauseInfo {
                    identity: a.identity.clone(),
                    paused_time: event.event_time,
                    reason: a.reason.clone(),
                };
                draft.record(Fact::Paused(pause).into());
            }
            Some(A::WorkflowExecutionUnpausedEventAttributes(_)) => {
                draft.record(Fact::Unpaused(true).into());
            }
            Some(A::StartChildWorkflowExecutionInitiatedEventAttributes(_)) => {
                self.child_metadata.extend(event.user_metadata.clone().map(|metadata| (id, metadata)));
            }
            Some(A::SignalExternalWorkflowExecutionInitiatedEventAttributes(a)) => {
                self.signals.insert(id, (**a).clone());
            }
            Some(A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(a)) => {
                self.cancels.insert(id, (**a).clone());
            }
            Some(A::NexusOperationScheduledEventAttributes(a)) => {
                self.operations.insert(id, (**a).clone());
            }
            attributes => {
                if let Some(scheduled_event_id) = nexus_operation::ended(attributes.as_ref()) {
                    self.operations.remove(&scheduled_event_id);
                }
            }
        }
    }

    /// The task at the reset point has failed because of the reset; one that nobody had started is started for that.
    fn fail_task(&mut self, draft: &mut Draft<'_, '_>, base_run_id: &str, reason: &str) {
        let (scheduled_event_id, mut started_event_id) = self.task;
        if started_event_id == 0 {
            let started = WorkflowTaskStartedEventAttributes {
                scheduled_event_id,
                identity: SERVER_IDENTITY.to_owned(),
                request_id: "emptyUuid".to_owned(), // Nobody polled: what the reference has here.
                history_size_bytes: draft.state().info.history_size_bytes,
                ..WorkflowTaskStartedEventAttributes::default()
            };
            started_event_id = draft.event(started);
        }
        let failed = WorkflowTaskFailedEventAttributes {
            scheduled_event_id,
            started_event_id,
            cause: Cause::ResetWorkflow.into(),
            failure: Some(failure(reason)),
            identity: SERVER_IDENTITY.to_owned(),
            base_run_id: base_run_id.to_owned(),
            new_run_id: draft.state().info.run_id.clone(),
            ..WorkflowTaskFailedEventAttributes::default()
        };
        self.failed_event_id = draft.event(failed);
    }

    /// Pending activities are scheduled again from now. One whose start is written has no worker in this run: it fails.
    fn begin_activities_anew(&self, draft: &mut Draft<'_, '_>, reason: &str) {
        let now_ns = draft.now_ns();
        for (scheduled_event_id, activity) in draft.state().activities.clone() {
            if let Some((started_event_id, identity)) = self.started_activities.get(&scheduled_event_id) {
                draft.event(ActivityTaskFailedEventAttributes {
                    failure: Some(failure(reason)),
                    scheduled_event_id,
                    started_event_id: *started_event_id,
                    identity: identity.clone(),
                    retry_state: RetryState::NonRetryableFailure.into(),
                    ..ActivityTaskFailedEventAttributes::default()
                });
            } else {
                let run = ActivityRun { first_scheduled_time_ns: now_ns, scheduled_time_ns: now_ns, ..activity.run };
                draft.record(Change::Activity(ActivityChange { scheduled_event_id, run }));
            }
        }
    }

    /// Sends again what was asked for before the reset point and has no answer. The request ids are those of old, if
    /// the run that is reset still waits for the answer too.
    pub(super) fn send_again(mut self, draft: &mut Draft<'_, '_>, base: &State) {
        let unstarted = draft.state().children.iter().filter(|(_, child)| child.run_id.is_empty());
        for initiated_event_id in unstarted.map(|(id, _)| *id).collect::<Vec<_>>() {
            let metadata = self.child_metadata.remove(&initiated_event_id);
            child_workflow::send_start(draft, initiated_event_id, metadata);
        }
        for (scheduled_event_id, scheduled) in &self.operations {
            nexus_operation::send_again(draft, *scheduled_event_id, scheduled);
        }
        for (initiated_event_id, initiated) in self.signals {
            if draft.state().external_signals.contains_key(&initiated_event_id) {
                let request_id = signal_request_id(base, initiated_event_id).unwrap_or_else(|| draft.env.ids.uuid());
                send_signal(draft, SignalMessage { initiated_event_id, request_id, initiated });
            }
        }
        for (initiated_event_id, initiated) in self.cancels {
            if draft.state().external_cancels.contains_key(&initiated_event_id) {
                let request_id = draft.env.ids.uuid();
                send_cancel(draft, CancelMessage { initiated_event_id, request_id, initiated });
            }
        }
    }
}

fn signal_request_id(base: &State, initiated_event_id: i64) -> Option<String> {
    base.outbox.values().find_map(|out| match &out.message {
        Some(Message::Signal(m)) if m.initiated_event_id == initiated_event_id => Some(m.request_id.clone()),
        _ => None,
    })
}

/// Children are known by the request ids with which the run that is reset asks for them.
fn attach_children(draft: &mut Draft<'_, '_>, base: &State) {
    for (initiated_event_id, child) in draft.state().children.clone() {
        let known = base.children.get(&initiated_event_id).map(|c| c.request_id.clone());
        let request_id = known.unwrap_or_else(|| child_workflow::request_id(&base.info.run_id, initiated_event_id));
        let namespace_id = child.initiated.namespace_id;
        draft.record(Change::ChildRequest(ChildRequest { initiated_event_id, request_id, namespace_id }));
    }
}

fn failure(reason: &str) -> Failure {
    Failure {
        message: reason.to_owned(),
        failure_info: Some(FailureInfo::ResetWorkflowFailureInfo(ResetWorkflowFailureInfo::default())),
        ..Failure::default()
    }
}
