//! The one place where durable state changes: [`State::apply`].
//!
//! Live decisions and rebuilding from the store run the same code, so a rebuilt run equals the live one. Nothing here
//! decides anything: a change that got this far is a fact.

use crate::env::{duration_ns, shorter_ns, timestamp_ns};
use crate::workflow::change::{ActivityChange, Change, Creation, Facts, Record, TaskCounters};
use crate::workflow::search_attributes;
use crate::workflow::state::{Activity, ActivityRun, Child, RequestId, State, Timer, UpdateInfo};
use evertide_proto::enums::{EventType, WorkflowExecutionStatus as Status};
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::history::{
    HistoryEvent, WorkflowExecutionOptionsUpdatedEventAttributes, WorkflowExecutionStartedEventAttributes,
};
use prost::Message;

impl State {
    /// Applies everything of one decision, or of several that were joined.
    pub fn apply_record(&mut self, record: &Record) {
        for change in record.iter() {
            self.apply(change);
        }
        for _ in 0..record.decisions.max(1) {
            self.count_transition();
        }
    }

    /// Counts a durable step: everything of one decision is one.
    pub(super) fn count_transition(&mut self) {
        self.info.transition_count += 1;
    }

    /// Applies one change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Created(creation) => self.create(creation),
            Change::Event(event) => {
                self.append(event);
                self.take_effect(event);
            }
            Change::Buffered(event) => {
                self.take_effect(event);
                self.buffered.push(event.clone());
            }
            Change::Flushed(event) => {
                self.append(event);
                self.note_event_id(event);
            }
            Change::BufferCleared(_) => self.buffered.clear(),
            Change::Unbuffered(place) => {
                if (*place as usize) < self.buffered.len() {
                    self.buffered.remove(*place as usize);
                }
            }
            Change::Task(task) => self.workflow_task = Some(task.clone()),
            Change::TaskGone(_) => self.workflow_task = None,
            Change::TaskCounters(counters) => self.set_counters(counters),
            Change::Sticky(sticky) => self.info.sticky = Some(sticky.clone()),
            Change::StickyGone(_) => self.info.sticky = None,
            Change::Activity(change) => self.set_activity(change),
            Change::MessageOut(out) => {
                self.outbox.insert(out.id, out.message.clone());
                self.info.next_message_id = out.id + 1;
            }
            Change::MessageDone(id) => {
                self.outbox.remove(id);
            }
            Change::RequestSeen(seen) => {
                self.request_ids.insert(seen.id.clone(), seen.made.clone());
            }
            Change::Facts(facts) => self.set_facts(facts),
            Change::UpdateForgotten(id) => {
                self.updates.remove(id);
            }
            Change::ChildRequest(c) => {
                if let Some(child) = self.children.get_mut(&c.initiated_event_id) {
                    child.request_id.clone_from(&c.request_id);
                    child.namespace_id.clone_from(&c.namespace_id);
                }
            }
        }
    }

    fn create(&mut self, creation: &Creation) {
        let info = &mut self.info;
        info.namespace_id.clone_from(&creation.namespace_id);
        info.namespace.clone_from(&creation.namespace);
        info.workflow_id.clone_from(&creation.workflow_id);
        info.run_id.clone_from(&creation.run_id);
        info.create_request_id.clone_from(&creation.request_id);
        info.original_start_time_ns = creation.original_start_time_ns;
        info.reset_from_run_id.clone_from(&creation.reset_from_run_id);
        info.start_time_ns = creation.start_time_ns;
        info.next_task_attempt = 1;
        info.next_message_id = 1;
        info.set_status(Status::Running);
        self.next_event_id = 1;
    }

    fn append(&mut self, event: &HistoryEvent) {
        self.next_event_id = event.event_id + 1;
        self.info.history_size_bytes += i64::try_from(event.encoded_len()).unwrap_or(0);
    }

    /// A buffered event gets its id only when it is flushed: whoever remembers the event by its id learns it now.
    fn note_event_id(&mut self, event: &HistoryEvent) {
        match &event.attributes {
            Some(A::ChildWorkflowExecutionStartedEventAttributes(a)) => {
                if let Some(child) = self.children.get_mut(&a.initiated_event_id) {
                    child.started_event_id = event.event_id;
                }
            }
            Some(A::WorkflowExecutionSignaledEventAttributes(a)) if !a.request_id.is_empty() => {
                self.signal_request_ids.insert(a.request_id.clone(), event.event_id);
            }
            Some(A::WorkflowExecutionOptionsUpdatedEventAttributes(a)) => self.note_attached(event.event_id, a),
            _ => {}
        }
    }

    fn set_counters(&mut self, counters: &TaskCounters) {
        self.info.next_task_attempt = counters.next_attempt;
        self.info.task_problems = counters.problems;
        self.info.previous_started_event_id = counters.previous_started_event_id;
        self.info.close_attempted = counters.close_attempted;
    }

    fn set_activity(&mut self, change: &ActivityChange) {
        if let Some(activity) = self.activities.get_mut(&change.scheduled_event_id) {
            activity.run = change.run.clone();
        }
    }

    fn set_facts(&mut self, facts: &Facts) {
        if let Some(attributes) = &facts.search_attributes {
            search_attributes::merge(&mut self.info.search_attributes, attributes);
        }
        if facts.auto_reset_points.is_some() {
            self.info.auto_reset_points.clone_from(&facts.auto_reset_points);
        }
        if !facts.reset_run_id.is_empty() {
            self.info.reset_run_id.clone_from(&facts.reset_run_id);
        }
        if facts.first_task_scheduled {
            self.info.first_task_due_ns = 0;
        }
        if facts.sets_expirations {
            self.info.execution_expiration_ns = facts.execution_expiration_ns;
            self.info.run_expiration_ns = facts.run_expiration_ns;
            self.info.first_task_due_ns = facts.first_task_due_ns;
        }
        if facts.pause.is_some() {
            self.info.pause.clone_from(&facts.pause);
        }
        if facts.unpaused {
            self.info.pause = None;
        }
        if facts.fast_forward_target_ns != 0
            && let Some(skipping) = &mut self.info.time_skipping
        {
            skipping.fast_forward_target_ns = facts.fast_forward_target_ns;
        }
    }

    /// What an event means for the state.
    fn take_effect(&mut self, event: &HistoryEvent) {
        let id = event.event_id;
        let time_ns = event.event_time.as_ref().map_or(0, timestamp_ns);
        let Some(attributes) = &event.attributes else {
            return;
        };
        match attributes {
            A::WorkflowExecutionStartedEventAttributes(a) => self.start(event, a, time_ns),
            A::WorkflowTaskCompletedEventAttributes(a) => {
                self.info.last_completed_event_id = id;
                self.info.worker_version.clone_from(&a.worker_version);
            }
            A::ActivityTaskScheduledEventAttributes(a) => {
                let run = ActivityRun {
                    attempt: 1,
                    first_scheduled_time_ns: time_ns,
                    scheduled_time_ns: time_ns,
                    ..ActivityRun::default()
                };
                let activity = Activity { scheduled: (**a).clone(), scheduled_event_id: id, run };
                self.activities.insert(id, activity);
            }
            A::ActivityTaskCancelRequestedEventAttributes(a) => {
                if let Some(activity) = self.activities.get_mut(&a.scheduled_event_id) {
                    activity.run.cancel_requested_event_id = id;
                }
            }
            A::ActivityTaskCompletedEventAttributes(a) => self.end_activity(a.scheduled_event_id),
            A::ActivityTaskFailedEventAttributes(a) => self.end_activity(a.scheduled_event_id),
            A::ActivityTaskTimedOutEventAttributes(a) => self.end_activity(a.scheduled_event_id),
            A::ActivityTaskCanceledEventAttributes(a) => self.end_activity(a.scheduled_event_id),
            A::TimerStartedEventAttributes(a) => {
                let due_ns = time_ns.saturating_add(duration_ns(a.start_to_fire_timeout.as_ref()));
                self.timers.insert(a.timer_id.clone(), Timer { started_event_id: id, due_ns });
            }
            A::TimerFiredEventAttributes(a) => {
                self.timers.remove(&a.timer_id);
            }
            A::TimerCanceledEventAttributes(a) => {
                self.timers.remove(&a.timer_id);
            }
            A::WorkflowExecutionSignaledEventAttributes(a) => {
                self.info.signal_count += 1;
                if !a.request_id.is_empty() {
                    self.signal_request_ids.insert(a.request_id.clone(), id);
                }
            }
            A::WorkflowExecutionCancelRequestedEventAttributes(_) => self.info.cancel_requested = true,
            A::WorkflowExecutionOptionsUpdatedEventAttributes(a) => self.update_options(id, a, time_ns),
            A::UpsertWorkflowSearchAttributesEventAttributes(a) => {
                if let Some(attributes) = &a.search_attributes {
                    search_attributes::merge(&mut self.info.search_attributes, attributes);
                }
            }
            A::WorkflowPropertiesModifiedEventAttributes(a) => {
                if let Some(memo) = &a.upserted_memo {
                    search_attributes::merge_memo(&mut self.info.memo, memo);
                }
            }
            _ => self.take_effect_elsewhere(id, attributes, time_ns),
        }
    }

    /// Effects that concern other executions, updates and the end of the run.
    fn take_effect_elsewhere(&mut self, id: i64, attributes: &A, time_ns: i64) {
        match attributes {
            A::StartChildWorkflowExecutionInitiatedEventAttributes(a) => {
                self.children.insert(id, Child { initiated: (**a).clone(), ..Child::default() });
            }
            A::StartChildWorkflowExecutionFailedEventAttributes(a) => self.end_child(a.initiated_event_id),
            A::ChildWorkflowExecutionStartedEventAttributes(a) => {
                if let Some(child) = self.children.get_mut(&a.initiated_event_id) {
                    child.started_event_id = id;
                    child.run_id = a.workflow_execution.as_ref().map_or_else(String::new, |e| e.run_id.clone());
                    child.workflow_type = a.workflow_type.as_ref().map_or_else(String::new, |t| t.name.clone());
                }
            }
            A::ChildWorkflowExecutionCompletedEventAttributes(a) => self.end_child(a.initiated_event_id),
            A::ChildWorkflowExecutionFailedEventAttributes(a) => self.end_child(a.initiated_event_id),
            A::ChildWorkflowExecutionCanceledEventAttributes(a) => self.end_child(a.initiated_event_id),
            A::ChildWorkflowExecutionTimedOutEventAttributes(a) => self.end_child(a.initiated_event_id),
            A::ChildWorkflowExecutionTerminatedEventAttributes(a) => self.end_child(a.initiated_event_id),
            A::SignalExternalWorkflowExecutionInitiatedEventAttributes(a) => {
                let external = crate::workflow::external_workflow::of_signal(a);
                self.external_signals.insert(id, external);
            }
            A::SignalExternalWorkflowExecutionFailedEventAttributes(a) => {
                self.external_signals.remove(&a.initiated_event_id);
            }
            A::ExternalWorkflowExecutionSignaledEventAttributes(a) => {
                self.external_signals.remove(&a.initiated_event_id);
            }
            A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(a) => {
                let external = crate::workflow::external_workflow::of_cancel(a);
                self.external_cancels.insert(id, external);
            }
            A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(a) => {
                self.external_cancels.remove(&a.initiated_event_id);
            }
            A::ExternalWorkflowExecutionCancelRequestedEventAttributes(a) => {
                self.external_cancels.remove(&a.initiated_event_id);
            }
            A::WorkflowExecutionUpdateAdmittedEventAttributes(a) => {
                let Some(request) = &a.request else { return };
                let update_id = request.meta.as_ref().map_or("", |m| &m.update_id).to_owned();
                let info =
                    UpdateInfo { admitted_event_id: id, request: Some(request.clone()), ..UpdateInfo::default() };
                self.updates.insert(update_id, info);
            }
            A::WorkflowExecutionUpdateAcceptedEventAttributes(a) => {
                let info = self.updates.entry(a.protocol_instance_id.clone()).or_default();
                info.accepted_event_id = id;
                info.request = None;
                self.info.update_count += 1;
            }
            A::WorkflowExecutionUpdateCompletedEventAttributes(a) => {
                let update_id = a.meta.as_ref().map_or("", |m| &m.update_id);
                let info = self.updates.entry(update_id.to_owned()).or_default();
                info.completed_event_id = id;
                info.outcome.clone_from(&a.outcome);
            }
            A::WorkflowExecutionTimeSkippingTransitionedEventAttributes(a) => self.skip_time(a, time_ns),
            A::WorkflowExecutionPausedEventAttributes(_) => self.info.set_status(Status::Paused),
            A::WorkflowExecutionUnpausedEventAttributes(_) => self.info.set_status(Status::Running),
            A::WorkflowExecutionCompletedEventAttributes(a) => {
                self.close(id, time_ns, Status::Completed, &a.new_execution_run_id);
            }
            A::WorkflowExecutionFailedEventAttributes(a) => {
                self.close(id, time_ns, Status::Failed, &a.new_execution_run_id);
            }
            A::WorkflowExecutionTimedOutEventAttributes(a) => {
                self.close(id, time_ns, Status::TimedOut, &a.new_execution_run_id);
            }
            A::WorkflowExecutionContinuedAsNewEventAttributes(a) => {
                self.close(id, time_ns, Status::ContinuedAsNew, &a.new_execution_run_id);
            }
            A::WorkflowExecutionCanceledEventAttributes(_) => self.close(id, time_ns, Status::Canceled, ""),
            A::WorkflowExecutionTerminatedEventAttributes(_) => self.close(id, time_ns, Status::Terminated, ""),
            _ => {}
        }
    }

    fn start(&mut self, event: &HistoryEvent, a: &WorkflowExecutionStartedEventAttributes, time_ns: i64) {
        self.started = a.clone();
        self.begin_time_skipping(a, time_ns);
        let info = &mut self.info;
        if info.start_time_ns == 0 {
            info.start_time_ns = time_ns;
        }
        let start_ns = info.start_time_ns;
        let backoff_ns = duration_ns(a.first_workflow_task_backoff.as_ref());
        if info.original_start_time_ns == 0 {
            info.original_start_time_ns = start_ns;
        }
        info.first_run_id.clone_from(&a.first_execution_run_id);
        info.execution_time_ns = time_ns.saturating_add(backoff_ns); // Of a run that was reset, that of its original.
        info.first_task_due_ns = if backoff_ns > 0 { info.execution_time_ns } else { 0 };
        info.execution_expiration_ns = a.workflow_execution_expiration_time.as_ref().map_or(0, timestamp_ns);
        let run_ns = duration_ns(a.workflow_run_timeout.as_ref());
        let run_due_ns = if run_ns > 0 { info.execution_time_ns.saturating_add(run_ns) } else { 0 };
        info.run_expiration_ns = shorter_ns(run_due_ns, info.execution_expiration_ns);
        info.memo.clone_from(&a.memo);
        info.search_attributes.clone_from(&a.search_attributes);
        info.user_metadata.clone_from(&event.user_metadata);
        info.priority.clone_from(&a.priority);
        info.versioning_override.clone_from(&a.versioning_override);
        info.callbacks.clone_from(&a.completion_callbacks);
        info.auto_reset_points.clone_from(&a.prev_auto_reset_points);
        if !info.create_request_id.is_empty() {
            let made = RequestId { event_type: EventType::WorkflowExecutionStarted.into(), event_id: event.event_id };
            self.request_ids.insert(info.create_request_id.clone(), made);
        }
    }

    fn end_activity(&mut self, scheduled_event_id: i64) {
        self.activities.remove(&scheduled_event_id);
    }

    fn end_child(&mut self, initiated_event_id: i64) {
        self.children.remove(&initiated_event_id);
    }

    fn update_options(&mut self, event_id: i64, a: &WorkflowExecutionOptionsUpdatedEventAttributes, time_ns: i64) {
        if a.time_skipping_config_updated {
            self.configure_time_skipping(a.time_skipping_config.as_ref(), time_ns);
        }
        if a.versioning_override.is_some() {
            self.info.versioning_override.clone_from(&a.versioning_override);
        }
        if a.unset_versioning_override {
            self.info.versioning_override = None;
        }
        if a.priority.is_some() {
            self.info.priority.clone_from(&a.priority);
        }
        self.info.callbacks.extend(a.attached_completion_callbacks.iter().cloned());
        self.note_attached(event_id, a);
    }

    fn note_attached(&mut self, event_id: i64, a: &WorkflowExecutionOptionsUpdatedEventAttributes) {
        if !a.attached_request_id.is_empty() {
            let event_type = EventType::WorkflowExecutionOptionsUpdated.into();
            self.request_ids.insert(a.attached_request_id.clone(), RequestId { event_type, event_id });
        }
    }

    fn close(&mut self, event_id: i64, time_ns: i64, status: Status, new_run_id: &str) {
        let info = &mut self.info;
        info.set_status(status);
        info.close_time_ns = time_ns;
        info.close_event_id = event_id;
        new_run_id.clone_into(&mut info.new_run_id);
        info.first_task_due_ns = 0;
    }
}
