//! A decision being made: changes are applied as they are recorded, effects are collected for after the commit.

use crate::effects::{Effects, UpdateSignal};
use crate::env::{Env, timestamp};
use crate::limits::Limits;
use crate::message::{OutboxChange, Outgoing};
use crate::workflow::Written;
use crate::workflow::change;
use crate::workflow::change::{Change, Fact, Nothing, Record};
use crate::workflow::event::EventExtra;
use crate::workflow::run_seed::RunSeed;
use crate::workflow::state::{Execution, State};
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes;
use prost::Message;
use std::collections::BTreeMap;

/// A decision in the making over one run.
///
/// Whoever returns a [`Rejection`](crate::Rejection) must not have recorded anything: a rejected request changes nothing.
#[derive(Debug)]
pub struct Draft<'a, 'e> {
    /// The run, as it is after the changes recorded so far.
    pub exec: &'a mut Execution,
    /// Time, ids, limits.
    pub env: &'a mut Env<'e>,
    changes: Vec<Change>,
    /// What is to happen once the changes are durable.
    pub effects: Effects,
    /// The run that is to follow this one, made when the decision is concluded.
    pub(super) successor: Option<RunSeed>,
}

impl<'a, 'e> Draft<'a, 'e> {
    /// Begins a decision over a run; [`conclude`](crate::workflow::conclude) begins and ends them all.
    pub(super) fn new(exec: &'a mut Execution, env: &'a mut Env<'e>) -> Self {
        Self { exec, env, changes: Vec::new(), effects: Effects::default(), successor: None }
    }

    /// The durable state as it is now.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.exec.state
    }

    /// The time of the decision by the run's clock, nanoseconds since the epoch.
    #[must_use]
    pub fn now_ns(&self) -> i64 {
        self.env.now_ns.saturating_add(self.exec.state.skipped_ns())
    }

    /// Limits in force.
    #[must_use]
    pub fn limits(&self) -> &'e Limits {
        self.env.limits
    }

    /// Whether anything durable was recorded.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.changes.is_empty()
    }

    /// Applies a change and keeps it for the store: the only way in which a decision alters durable state.
    pub fn record(&mut self, change: Change) {
        self.exec.state.apply(&change);
        self.changes.push(change);
    }

    /// Appends an event to the history and returns its id.
    pub fn event(&mut self, attributes: impl Into<Attributes>) -> i64 {
        self.event_with(attributes, EventExtra::default())
    }

    /// As [`Self::event`], with more than attributes.
    pub fn event_with(&mut self, attributes: impl Into<Attributes>, extra: EventExtra) -> i64 {
        self.write_speculative_task(Some(""));
        self.append(attributes.into(), extra)
    }

    /// Appends an event without looking at the speculative task (for the events of that task itself).
    pub(super) fn append(&mut self, attributes: Attributes, extra: EventExtra) -> i64 {
        let mut event = self.build(attributes, extra);
        event.event_id = self.exec.state.next_event_id;
        event.task_id = event.event_id;
        let id = event.event_id;
        self.record(Change::Event(event));
        id
    }

    /// An event that comes from outside the workflow's own commands: while a workflow task is started it takes effect
    /// but waits to be written. Returns its id, or `None` if it waits.
    pub fn arrive(&mut self, attributes: impl Into<Attributes>, extra: EventExtra) -> Option<i64> {
        self.write_speculative_task(Some(""));
        if self.exec.task_started() {
            let event = self.build(attributes.into(), extra);
            self.record(Change::Buffered(event));
            return None;
        }
        Some(self.append(attributes.into(), extra))
    }

    fn build(&self, attributes: Attributes, extra: EventExtra) -> HistoryEvent {
        let time_ns = if extra.time_ns == 0 { self.now_ns() } else { extra.time_ns };
        HistoryEvent {
            event_id: 0,
            event_time: Some(timestamp(time_ns)),
            event_type: attributes.event_type().into(),
            worker_may_ignore: extra.worker_may_ignore,
            user_metadata: extra.user_metadata,
            links: extra.links,
            event_group_markers: extra.event_group_markers,
            attributes: Some(attributes),
            ..HistoryEvent::default()
        }
    }

    /// Writes the buffered events: in order of arrival, but the ends of activities, children and operations last.
    pub fn flush_buffer(&mut self) {
        if self.exec.state.buffered.is_empty() {
            return;
        }
        let (ends, mut events): (Vec<_>, Vec<_>) =
            self.exec.state.buffered.clone().into_iter().partition(change::is_end_of_started_work);
        events.extend(ends);
        self.record(Change::BufferCleared(Nothing {}));
        let mut started = BTreeMap::new();
        for mut event in events {
            event.event_id = self.exec.state.next_event_id;
            event.task_id = event.event_id;
            point_at_started_event(&mut event, &mut started);
            self.record(Change::Flushed(event));
        }
    }

    /// Drops the buffered events: the run ends without them.
    pub fn drop_buffer(&mut self) {
        if !self.exec.state.buffered.is_empty() {
            self.record(Change::BufferCleared(Nothing {}));
        }
    }

    /// Puts a message to another execution into the outbox, to be delivered after the commit.
    pub fn send(&mut self, message: Outgoing) {
        let id = self.exec.state.info.next_message_id;
        self.record(Change::MessageOut(OutboxChange { id, message }));
        self.effects.messages.push(id);
    }

    /// The waiters of an update are told how far it is: of one decision they hear the last only.
    pub(super) fn tell_update(&mut self, id: impl Into<String>, signal: UpdateSignal) {
        let id = id.into();
        self.effects.updates.retain(|(told, _)| *told != id);
        self.effects.updates.push((id, signal));
    }

    /// Writes the events of the speculative workflow task, if there is one, before whatever comes now: from here on it is
    /// an ordinary one. Its started event shows this identity, or the worker's own for none.
    pub(super) fn write_speculative_task(&mut self, identity: Option<&str>) {
        let Some(mut task) = self.exec.volatile.speculative.take() else {
            return;
        };
        self.end_wait_for_first_task();
        let scheduled = task.scheduled_attributes(self.exec.state.task_queue());
        task.scheduled_event_id = self.append(scheduled.into(), EventExtra::at(task.scheduled_time_ns));
        if task.is_started() {
            let mut started = task.started_attributes.take().unwrap_or_default();
            started.scheduled_event_id = task.scheduled_event_id;
            if let Some(identity) = identity {
                identity.clone_into(&mut started.identity);
            }
            task.started_event_id = self.append(started.into(), EventExtra::at(task.started_time_ns));
        }
        task.speculative = false;
        self.record(Change::Task(task));
    }

    /// A workflow task is written, so the run no longer waits for its first one.
    pub(super) fn end_wait_for_first_task(&mut self) {
        if self.exec.state.info.first_task_due_ns != 0 {
            self.record(Fact::FirstTaskScheduled(true).into());
        }
    }

    /// About how much the changes may have added to the state, bytes; never less than they have.
    pub(super) fn growth_bytes(&self) -> usize {
        /// Parts of an event are in the state up to three times: a memo in the started event and as it is now.
        const COPIES: usize = 3;
        self.changes.iter().map(|change| COPIES * change.encoded_len()).sum()
    }

    /// What was recorded, and what is to follow.
    pub(super) fn into_written(self) -> Written {
        Written::new(Record::new(self.changes).encode_to_vec(), self.effects)
    }

    /// A copy of everything, to come back to with [`Self::restore`] when commands turn out to be wrong halfway.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { exec: self.exec.clone(), changes: self.changes.len() }
    }

    /// Takes back everything recorded and every effect since the checkpoint.
    pub(super) fn restore(&mut self, checkpoint: Checkpoint) {
        *self.exec = checkpoint.exec;
        self.changes.truncate(checkpoint.changes);
        self.effects = Effects::default();
        self.successor = None;
    }
}

/// The end of an activity or child names its started event, whose id is known only now if both waited in the buffer.
/// `started` keeps the ids of one flush, by scheduled or initiated event.
fn point_at_started_event(event: &mut HistoryEvent, started: &mut BTreeMap<i64, i64>) {
    use Attributes as A;
    let (begun, place) = match &mut event.attributes {
        Some(A::ActivityTaskStartedEventAttributes(a)) => {
            started.insert(a.scheduled_event_id, event.event_id);
            return;
        }
        Some(A::ChildWorkflowExecutionStartedEventAttributes(a)) => {
            started.insert(a.initiated_event_id, event.event_id);
            return;
        }
        Some(A::ActivityTaskCompletedEventAttributes(a)) => (a.scheduled_event_id, &mut a.started_event_id),
        Some(A::ActivityTaskFailedEventAttributes(a)) => (a.scheduled_event_id, &mut a.started_event_id),
        Some(A::ActivityTaskTimedOutEventAttributes(a)) => (a.scheduled_event_id, &mut a.started_event_id),
        Some(A::ActivityTaskCanceledEventAttributes(a)) => (a.scheduled_event_id, &mut a.started_event_id),
        Some(A::ChildWorkflowExecutionCompletedEventAttributes(a)) => (a.initiated_event_id, &mut a.started_event_id),
        Some(A::ChildWorkflowExecutionFailedEventAttributes(a)) => (a.initiated_event_id, &mut a.started_event_id),
        Some(A::ChildWorkflowExecutionTimedOutEventAttributes(a)) => (a.initiated_event_id, &mut a.started_event_id),
        Some(A::ChildWorkflowExecutionCanceledEventAttributes(a)) => (a.initiated_event_id, &mut a.started_event_id),
        Some(A::ChildWorkflowExecutionTerminatedEventAttributes(a)) => (a.initiated_event_id, &mut a.started_event_id),
        _ => return,
    };
    if let Some(id) = started.get(&begun).filter(|_| *place == 0) {
        *place = *id;
    }
}

/// A place to come back to.
#[derive(Debug)]
pub(super) struct Checkpoint {
    exec: Execution,
    changes: usize,
}
