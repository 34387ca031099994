//! The one place where durable state changes: [`State::apply`].
//!
//! Live decisions and rebuilding from the store run the same code, so a rebuilt run equals the live one. Nothing here
//! decides anything: a change that got this far is a fact. What it means for a component is in the component's `state.rs`.

use crate::env::timestamp_ns;
use crate::workflow::activity::state as activity;
use crate::workflow::change::{Change, Fact, Facts, Record};
use crate::workflow::child_workflow::state as child;
use crate::workflow::external_workflow::state as external;
use crate::workflow::info::{Creation, Info, RequestId};
use crate::workflow::search_attributes::state as search_attributes;
use crate::workflow::signal::state as signal;
use crate::workflow::state::State;
use crate::workflow::time_skipping::state as clock;
use crate::workflow::timer::state as timer;
use crate::workflow::update::state as update;
use crate::workflow::workflow_task::state as workflow_task;
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
            Change::Unbuffered(position) => {
                if (*position as usize) < self.buffered.len() {
                    self.buffered.remove(*position as usize);
                }
            }
            Change::Task(task) => self.workflow_task = Some(task.clone()),
            Change::TaskGone(_) => self.workflow_task = None,
            Change::TaskCounters(counters) => self.info.set_counters(counters),
            Change::Sticky(sticky) => self.info.sticky = Some(sticky.clone()),
            Change::StickyGone(_) => self.info.sticky = None,
            Change::Activity(change) => activity::set(&mut self.activities, change),
            Change::MessageOut(out) => {
                self.outbox.insert(out.id, out.message.clone());
                self.info.next_message_id = out.id + 1;
            }
            Change::MessageDone(id) => drop(self.outbox.remove(id)),
            Change::RequestSeen(seen) => drop(self.request_ids.insert(seen.id.clone(), seen.made.clone())),
            Change::Facts(facts) => self.learn(facts),
            Change::UpdateForgotten(id) => drop(self.updates.remove(id)),
            Change::ChildRequest(request) => child::set_request(&mut self.children, request),
            Change::ChildEnded(end) => child::keep_end(&mut self.children, end),
        }
    }

    fn create(&mut self, creation: &Creation) {
        self.info = Info::of(creation);
        self.next_event_id = 1;
    }

    fn append(&mut self, event: &HistoryEvent) {
        self.next_event_id = event.event_id + 1;
        self.info.history_size_bytes += i64::try_from(event.encoded_len()).unwrap_or(0);
    }

    /// A buffered event gets its id only when it is flushed: whoever remembers the event by its id learns it now.
    fn note_event_id(&mut self, event: &HistoryEvent) {
        let id = event.event_id;
        match &event.attributes {
            Some(A::ChildWorkflowExecutionStartedEventAttributes(a)) => {
                child::note_started_event(&mut self.children, a.initiated_event_id, id);
            }
            Some(A::WorkflowExecutionSignaledEventAttributes(a)) => signal::note(&mut self.signal_request_ids, id, a),
            Some(A::WorkflowExecutionOptionsUpdatedEventAttributes(a)) => self.note_attached(id, a),
            _ => {}
        }
    }

    fn learn(&mut self, facts: &Facts) {
        let info = &mut self.info;
        match facts.read() {
            Some(Fact::ServerAttributes(attributes)) => {
                search_attributes::merge(&mut info.search_attributes, &attributes)
            }
            Some(Fact::ResetPoints(points)) => info.auto_reset_points = Some(points),
            Some(Fact::ResetTo(run_id)) => info.reset_run_id = run_id,
            Some(Fact::FirstTaskScheduled(_)) => info.first_task_due_ns = 0,
            Some(Fact::Paused(pause)) => info.pause = Some(pause),
            Some(Fact::Unpaused(_)) => info.pause = None,
            Some(Fact::FastForward(target_ns)) => clock::set_target(&mut info.time_skipping, target_ns),
            Some(Fact::Expirations(expirations)) => {
                info.execution_expiration_ns = expirations.execution_ns;
                info.run_expiration_ns = expirations.run_ns;
                info.first_task_due_ns = expirations.first_task_ns;
            }
            None => {}
        }
    }

    /// What an event means for each component.
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
            A::WorkflowTaskFailedEventAttributes(a) => workflow_task::note_failure(&mut self.info.task_problem, a),
            A::WorkflowTaskTimedOutEventAttributes(a) => workflow_task::note_timeout(&mut self.info.task_problem, a),
            A::ActivityTaskScheduledEventAttributes(a) => activity::schedule(&mut self.activities, id, a, time_ns),
            A::ActivityTaskCancelRequestedEventAttributes(a) => {
                activity::request_cancel(&mut self.activities, a.scheduled_event_id, id);
            }
            A::ActivityTaskCompletedEventAttributes(a) => drop(self.activities.remove(&a.scheduled_event_id)),
            A::ActivityTaskFailedEventAttributes(a) => drop(self.activities.remove(&a.scheduled_event_id)),
            A::ActivityTaskTimedOutEventAttributes(a) => drop(self.activities.remove(&a.scheduled_event_id)),
            A::ActivityTaskCanceledEventAttributes(a) => drop(self.activities.remove(&a.scheduled_event_id)),
            A::TimerStartedEventAttributes(a) => timer::start(&mut self.timers, id, a, time_ns),
            A::TimerFiredEventAttributes(a) => drop(self.timers.remove(&a.timer_id)),
            A::TimerCanceledEventAttributes(a) => drop(self.timers.remove(&a.timer_id)),
            A::WorkflowExecutionSignaledEventAttributes(a) => {
                self.info.signal_count += 1;
                signal::note(&mut self.signal_request_ids, id, a);
            }
            A::WorkflowExecutionCancelRequestedEventAttributes(_) => self.info.cancel_requested = true,
            A::WorkflowExecutionOptionsUpdatedEventAttributes(a) => {
                self.info.update_options(a, time_ns);
                self.note_attached(id, a);
            }
            A::UpsertWorkflowSearchAttributesEventAttributes(a) => {
                let upserted = a.search_attributes.iter();
                upserted.for_each(|some| search_attributes::merge(&mut self.info.search_attributes, some));
            }
            A::WorkflowPropertiesModifiedEventAttributes(a) => {
                a.upserted_memo.iter().for_each(|memo| search_attributes::merge_memo(&mut self.info.memo, memo));
            }
            A::StartChildWorkflowExecutionInitiatedEventAttributes(a) => child::initiate(&mut self.children, id, a),
            A::StartChildWorkflowExecutionFailedEventAttributes(a) => drop(self.children.remove(&a.initiated_event_id)),
            A::ChildWorkflowExecutionStartedEventAttributes(a) => child::start(&mut self.children, id, a),
            A::ChildWorkflowExecutionCompletedEventAttributes(a) => drop(self.children.remove(&a.initiated_event_id)),
            A::ChildWorkflowExecutionFailedEventAttributes(a) => drop(self.children.remove(&a.initiated_event_id)),
            A::ChildWorkflowExecutionCanceledEventAttributes(a) => drop(self.children.remove(&a.initiated_event_id)),
            A::ChildWorkflowExecutionTimedOutEventAttributes(a) => drop(self.children.remove(&a.initiated_event_id)),
            A::ChildWorkflowExecutionTerminatedEventAttributes(a) => drop(self.children.remove(&a.initiated_event_id)),
            A::SignalExternalWorkflowExecutionInitiatedEventAttributes(a) => {
                self.external_signals.insert(id, external::of_signal(a));
            }
            A::SignalExternalWorkflowExecutionFailedEventAttributes(a) => {
                self.external_signals.remove(&a.initiated_event_id);
            }
            A::ExternalWorkflowExecutionSignaledEventAttributes(a) => {
                self.external_signals.remove(&a.initiated_event_id);
            }
            A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(a) => {
                self.external_cancels.insert(id, external::of_cancel(a));
            }
            A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(a) => {
                self.external_cancels.remove(&a.initiated_event_id);
            }
            A::ExternalWorkflowExecutionCancelRequestedEventAttributes(a) => {
                self.external_cancels.remove(&a.initiated_event_id);
            }
            A::WorkflowExecutionUpdateAdmittedEventAttributes(a) => update::admit(&mut self.updates, id, a),
            A::WorkflowExecutionUpdateAcceptedEventAttributes(a) => {
                update::accept(&mut self.updates, id, a);
                self.info.update_count += 1;
            }
            A::WorkflowExecutionUpdateCompletedEventAttributes(a) => update::complete(&mut self.updates, id, a),
            A::WorkflowExecutionTimeSkippingTransitionedEventAttributes(a) => {
                clock::skip(&mut self.info.time_skipping, a, time_ns);
            }
            A::WorkflowExecutionPausedEventAttributes(a) => self.info.pause(&a.request_id),
            A::WorkflowExecutionUnpausedEventAttributes(_) => self.info.unpause(),
            A::WorkflowExecutionCompletedEventAttributes(a) => {
                self.info.close(id, time_ns, Status::Completed, &a.new_execution_run_id);
            }
            A::WorkflowExecutionFailedEventAttributes(a) => {
                self.info.close(id, time_ns, Status::Failed, &a.new_execution_run_id);
            }
            A::WorkflowExecutionTimedOutEventAttributes(a) => {
                self.info.close(id, time_ns, Status::TimedOut, &a.new_execution_run_id);
            }
            A::WorkflowExecutionContinuedAsNewEventAttributes(a) => {
                self.info.close(id, time_ns, Status::ContinuedAsNew, &a.new_execution_run_id);
            }
            A::WorkflowExecutionCanceledEventAttributes(_) => self.info.close(id, time_ns, Status::Canceled, ""),
            A::WorkflowExecutionTerminatedEventAttributes(_) => self.info.close(id, time_ns, Status::Terminated, ""),
            _ => {}
        }
    }

    fn start(&mut self, event: &HistoryEvent, a: &WorkflowExecutionStartedEventAttributes, time_ns: i64) {
        self.started = a.clone();
        self.info.start(event, a, time_ns);
        if !self.info.create_request_id.is_empty() {
            let made = RequestId { event_type: EventType::WorkflowExecutionStarted.into(), event_id: event.event_id };
            self.request_ids.insert(self.info.create_request_id.clone(), made);
        }
    }

    fn note_attached(&mut self, event_id: i64, a: &WorkflowExecutionOptionsUpdatedEventAttributes) {
        if !a.attached_request_id.is_empty() {
            let event_type = EventType::WorkflowExecutionOptionsUpdated.into();
            self.request_ids.insert(a.attached_request_id.clone(), RequestId { event_type, event_id });
        }
    }
}
