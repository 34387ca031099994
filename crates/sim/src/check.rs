//! What must be true of every history.

use std::collections::{BTreeMap, BTreeSet};

use evertide_proto::enums::EventType;
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes as A;

/// What is wrong with the history of a run that has come to rest; nothing if all is well.
#[must_use]
pub fn faults(events: &[HistoryEvent], running: bool) -> Vec<String> {
    let mut checker = Checker::default();
    for (place, event) in events.iter().enumerate() {
        if i64::try_from(place).map_or(true, |p| event.event_id != p + 1) {
            checker.fault(event, "its id leaves a gap");
        }
        if event.event_time.is_none() {
            checker.fault(event, "it has no time");
        }
        checker.take(event, place == 0);
    }
    checker.end(running);
    checker.faults
}

/// Whether an event ends a run.
#[must_use]
pub fn ends_run(event_type: EventType) -> bool {
    use EventType as E;
    matches!(
        event_type,
        E::WorkflowExecutionCompleted
            | E::WorkflowExecutionFailed
            | E::WorkflowExecutionTimedOut
            | E::WorkflowExecutionCanceled
            | E::WorkflowExecutionTerminated
            | E::WorkflowExecutionContinuedAsNew
    )
}

#[derive(Debug, Default)]
struct Checker {
    faults: Vec<String>,
    /// The workflow task in flight: its scheduled event, and its started event once there is one.
    task: Option<(i64, Option<i64>)>,
    timers: BTreeMap<String, i64>,
    /// Activities, children, signals that are open, by the event that asks for them.
    open: BTreeSet<i64>,
    /// Children that have started.
    started_children: BTreeSet<i64>,
    signals: BTreeSet<String>,
    closed: bool,
    started: bool,
    paused: bool,
}

impl Checker {
    fn fault(&mut self, event: &HistoryEvent, what: &str) {
        self.faults.push(format!("event {} {:?}: {what}", event.event_id, event.event_type()));
    }

    fn take(&mut self, event: &HistoryEvent, first: bool) {
        if self.closed {
            self.fault(event, "it comes after the end");
        }
        if first != (event.event_type() == EventType::WorkflowExecutionStarted) {
            self.fault(event, "a history begins with one start");
        }
        self.started = true;
        self.closed |= ends_run(event.event_type());
        let Some(attributes) = &event.attributes else { return self.fault(event, "it has no attributes") };
        match attributes {
            A::WorkflowTaskScheduledEventAttributes(_) => self.task_scheduled(event),
            A::WorkflowTaskStartedEventAttributes(a) => self.task_started(event, a.scheduled_event_id),
            A::WorkflowTaskCompletedEventAttributes(a) => {
                self.task_ended(event, a.scheduled_event_id, a.started_event_id);
            }
            A::WorkflowTaskFailedEventAttributes(a) => {
                self.task_ended(event, a.scheduled_event_id, a.started_event_id);
            }
            A::WorkflowTaskTimedOutEventAttributes(a) => {
                self.task_ended(event, a.scheduled_event_id, a.started_event_id);
            }
            A::WorkflowExecutionPausedEventAttributes(_) => self.pause(event),
            A::WorkflowExecutionUnpausedEventAttributes(_) => self.unpause(event),
            A::TimerStartedEventAttributes(a) => self.timer_started(event, &a.timer_id),
            A::TimerFiredEventAttributes(a) => self.timer_ended(event, &a.timer_id, a.started_event_id),
            A::TimerCanceledEventAttributes(a) => self.timer_ended(event, &a.timer_id, a.started_event_id),
            A::WorkflowExecutionSignaledEventAttributes(a) => {
                if !a.request_id.is_empty() && !self.signals.insert(a.request_id.clone()) {
                    self.fault(event, "the signal was written already");
                }
            }
            other => self.take_work(event, other),
        }
    }

    /// Activities, children and messages: asked for once, ended at most once.
    fn take_work(&mut self, event: &HistoryEvent, attributes: &A) {
        match attributes {
            A::ActivityTaskScheduledEventAttributes(_)
            | A::StartChildWorkflowExecutionInitiatedEventAttributes(_)
            | A::SignalExternalWorkflowExecutionInitiatedEventAttributes(_) => {
                self.open.insert(event.event_id);
            }
            A::ActivityTaskCompletedEventAttributes(a) => self.end_work(event, a.scheduled_event_id),
            A::ActivityTaskFailedEventAttributes(a) => self.end_work(event, a.scheduled_event_id),
            A::ActivityTaskTimedOutEventAttributes(a) => self.end_work(event, a.scheduled_event_id),
            A::ActivityTaskCanceledEventAttributes(a) => self.end_work(event, a.scheduled_event_id),
            A::ExternalWorkflowExecutionSignaledEventAttributes(a) => self.end_work(event, a.initiated_event_id),
            A::SignalExternalWorkflowExecutionFailedEventAttributes(a) => self.end_work(event, a.initiated_event_id),
            A::StartChildWorkflowExecutionFailedEventAttributes(a) => self.end_work(event, a.initiated_event_id),
            A::ChildWorkflowExecutionStartedEventAttributes(a) => self.begin_child(event, a.initiated_event_id),
            A::ChildWorkflowExecutionCompletedEventAttributes(a) => self.end_child(event, a.initiated_event_id),
            A::ChildWorkflowExecutionFailedEventAttributes(a) => self.end_child(event, a.initiated_event_id),
            A::ChildWorkflowExecutionCanceledEventAttributes(a) => self.end_child(event, a.initiated_event_id),
            A::ChildWorkflowExecutionTimedOutEventAttributes(a) => self.end_child(event, a.initiated_event_id),
            A::ChildWorkflowExecutionTerminatedEventAttributes(a) => self.end_child(event, a.initiated_event_id),
            _ => {}
        }
    }

    fn timer_started(&mut self, event: &HistoryEvent, timer_id: &str) {
        if self.timers.insert(timer_id.to_owned(), event.event_id).is_some() {
            self.fault(event, "the timer is pending already");
        }
    }

    fn timer_ended(&mut self, event: &HistoryEvent, timer_id: &str, started_event_id: i64) {
        if self.timers.remove(timer_id) != Some(started_event_id) {
            self.fault(event, "no such timer is pending");
        }
    }

    /// A task that nobody has yet stays scheduled, and is handed out when the workflow goes on.
    fn pause(&mut self, event: &HistoryEvent) {
        if std::mem::replace(&mut self.paused, true) {
            self.fault(event, "it is paused already");
        }
    }

    fn unpause(&mut self, event: &HistoryEvent) {
        if !std::mem::replace(&mut self.paused, false) {
            self.fault(event, "it is not paused");
        }
    }

    fn task_scheduled(&mut self, event: &HistoryEvent) {
        if self.task.is_some() {
            self.fault(event, "another workflow task is in flight");
        }
        if self.paused {
            self.fault(event, "the workflow is paused");
        }
        self.task = Some((event.event_id, None));
    }

    fn task_started(&mut self, event: &HistoryEvent, scheduled_event_id: i64) {
        if self.task != Some((scheduled_event_id, None)) {
            self.fault(event, "no such workflow task is scheduled");
        }
        self.task = Some((scheduled_event_id, Some(event.event_id)));
    }

    fn task_ended(&mut self, event: &HistoryEvent, scheduled_event_id: i64, started_event_id: i64) {
        let started = (started_event_id != 0).then_some(started_event_id);
        if self.task != Some((scheduled_event_id, started)) {
            self.fault(event, "no such workflow task is in flight");
        }
        self.task = None;
    }

    fn end_work(&mut self, event: &HistoryEvent, asked_by: i64) {
        if !self.open.remove(&asked_by) {
            self.fault(event, "it ends what is not open");
        }
    }

    fn begin_child(&mut self, event: &HistoryEvent, asked_by: i64) {
        if !self.open.contains(&asked_by) || !self.started_children.insert(asked_by) {
            self.fault(event, "no such child is to be started");
        }
    }

    fn end_child(&mut self, event: &HistoryEvent, asked_by: i64) {
        if !self.started_children.contains(&asked_by) {
            self.fault(event, "the child has not started");
        }
        self.end_work(event, asked_by);
    }

    fn end(&mut self, running: bool) {
        if !self.started {
            self.faults.push("the history is empty".to_owned());
        }
        if self.closed == running {
            self.faults
                .push(format!("the run is {} but its history says otherwise", if running { "open" } else { "closed" }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evertide_proto::history::{
        TimerFiredEventAttributes, WorkflowExecutionPausedEventAttributes, WorkflowExecutionStartedEventAttributes,
        WorkflowExecutionTerminatedEventAttributes, WorkflowTaskScheduledEventAttributes,
    };

    fn history(events: Vec<A>) -> Vec<HistoryEvent> {
        let number = |(place, attributes): (usize, A)| HistoryEvent {
            event_id: place as i64 + 1,
            event_time: Some(evertide_proto::prost_types::Timestamp::default()),
            event_type: attributes.event_type().into(),
            attributes: Some(attributes),
            ..HistoryEvent::default()
        };
        events.into_iter().enumerate().map(number).collect()
    }

    fn started() -> A {
        WorkflowExecutionStartedEventAttributes::default().into()
    }

    fn terminated() -> A {
        WorkflowExecutionTerminatedEventAttributes::default().into()
    }

    fn scheduled() -> A {
        WorkflowTaskScheduledEventAttributes::default().into()
    }

    #[test]
    fn a_plain_history_is_right() {
        assert_eq!(faults(&history(vec![started(), scheduled()]), true), Vec::<String>::new());
        assert_eq!(faults(&history(vec![started(), scheduled(), terminated()]), false), Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_found() {
        let mut gap = history(vec![started(), scheduled()]);
        gap.remove(0);
        let fired = A::from(TimerFiredEventAttributes::default());
        let paused = A::from(WorkflowExecutionPausedEventAttributes::default());
        let wrong = [
            gap,
            history(vec![started(), paused.clone(), scheduled()]),
            history(vec![started(), paused.clone(), paused]),
            history(vec![started(), scheduled(), scheduled()]),
            history(vec![started(), fired]),
            history(vec![started(), terminated()]),
            history(vec![]),
        ];
        for events in wrong {
            assert_ne!(faults(&events, true), Vec::<String>::new(), "{events:?}");
        }
        let two_ends = history(vec![started(), terminated(), terminated()]);
        assert_eq!(faults(&two_ends, false).len(), 1);
    }
}
