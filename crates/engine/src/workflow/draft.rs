//! A decision being made: changes are applied as they are recorded, effects are collected for after the commit.

use crate::env::{Env, timestamp};
use crate::limits::Limits;
use crate::rejection::Rejection;
use crate::workflow::chain::NewRun;
use crate::workflow::change::{Change, Nothing, Record};
use crate::workflow::outbox::Outgoing;
use crate::workflow::state::{Execution, QueueRef, State};
use crate::workflow::volatile::QueryAnswer;
use crate::workflow::{change, time_skipping, workflow_task};
use evertide_proto::common::{Link, Priority};
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes;
use evertide_proto::sdk::{EventGroupMarker, UserMetadata};
use evertide_proto::update::Outcome;
use std::collections::BTreeMap;

/// A decision in the making over one run.
///
/// Whoever returns a [`Rejection`] must not have recorded anything: a rejected request changes nothing.
#[derive(Debug)]
pub struct Draft<'a, 'e> {
    /// The run, as it is after the changes recorded so far.
    pub exec: &'a mut Execution,
    /// Time, ids, limits.
    pub env: &'a mut Env<'e>,
    changes: Vec<Change>,
    /// What is to happen once the changes are durable.
    pub effects: Effects,
}

/// What a decision did: to be made durable, then released.
#[derive(Debug, Default)]
pub struct Written {
    /// For the store; empty if nothing durable changed.
    pub changes: Vec<Change>,
    /// For the world, after the commit.
    pub effects: Effects,
}

impl Written {
    /// The changes as the store's record.
    #[must_use]
    pub fn into_record(self) -> (Record, Effects) {
        (Record::new(self.changes), self.effects)
    }
}

/// What is to happen in the world once a decision is durable. Each effect can be derived again from the state, so
/// none is lost in a crash.
#[derive(Debug, Default)]
pub struct Effects {
    /// Tasks for pollers.
    pub dispatches: Vec<Dispatch>,
    /// Numbers of messages in the outbox that are to be delivered now.
    pub messages: Vec<i64>,
    /// Updates whose waiters have something to hear.
    pub updates: Vec<(String, UpdateSignal)>,
    /// Queries that have been answered.
    pub queries: Vec<(String, QueryAnswer)>,
    /// The next run of the chain, made in the same commit.
    pub successor: Option<Box<NewRun>>,
    /// What lists show of the run has changed.
    pub visibility: bool,
}

/// A task for whoever polls that queue. The truth is the run's state: a dispatch that the state no longer asks for is
/// dropped when it is taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Dispatch {
    /// A workflow task.
    Workflow {
        /// Where workers poll for it.
        queue: QueueRef,
        /// Which task.
        scheduled_event_id: i64,
        /// Which putting of it on a queue.
        stamp: i64,
        /// A speculative task is not worth a durable backlog row.
        speculative: bool,
        /// Order within the queue.
        priority: Option<Priority>,
    },
    /// An attempt of an activity.
    Activity {
        /// Name of the queue where workers poll for it.
        queue: String,
        /// Which activity.
        scheduled_event_id: i64,
        /// Which attempt.
        stamp: i64,
        /// Order within the queue.
        priority: Option<Priority>,
    },
}

/// What the waiters of an update are told.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateSignal {
    /// A worker has accepted it.
    Accepted,
    /// It is finished, by success, failure or rejection.
    Completed(Outcome),
    /// It will not be finished.
    Aborted(Rejection),
}

/// Parts of an event that are not its attributes.
#[derive(Debug, Clone, Default)]
pub struct EventExtra {
    /// Time of the event, nanoseconds; 0 for the time of the decision.
    pub time_ns: i64,
    /// Summary and details for people.
    pub user_metadata: Option<UserMetadata>,
    /// Links to other executions.
    pub links: Vec<Link>,
    /// Workers that do not know the event may skip it.
    pub worker_may_ignore: bool,
    /// Groups that the event belongs to.
    pub event_group_markers: Vec<EventGroupMarker>,
}

impl<'a, 'e> Draft<'a, 'e> {
    /// Begins a decision over a run.
    pub fn new(exec: &'a mut Execution, env: &'a mut Env<'e>) -> Self {
        Self { exec, env, changes: Vec::new(), effects: Effects::default() }
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
        workflow_task::solidify(self);
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
        workflow_task::solidify(self);
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
        self.record(Change::MessageOut(change::OutboxChange { id, message }));
        self.effects.messages.push(id);
    }

    /// The waiters of an update are told how far it is: of one decision they hear the last only.
    pub(super) fn tell_update(&mut self, id: impl Into<String>, signal: UpdateSignal) {
        let id = id.into();
        self.effects.updates.retain(|(told, _)| *told != id);
        self.effects.updates.push((id, signal));
    }

    /// Ends the decision.
    #[must_use]
    pub fn finish(mut self) -> Written {
        if !self.changes.is_empty() {
            time_skipping::skip(&mut self);
            self.exec.state.count_transition();
        }
        Written { changes: self.changes, effects: self.effects }
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

/// What the caller of a decision is answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Reply {
    /// Done; nothing to say.
    #[default]
    Done,
    /// A workflow task for a poller.
    WorkflowTask(Box<workflow_task::StartedTask>),
    /// An activity task for a poller.
    ActivityTask(Box<evertide_proto::workflowservice::PollActivityTaskQueueResponse>),
    /// The task that a poller came for is no longer there; it waits on.
    Stale,
    /// The answer to a completed workflow task.
    TaskCompleted {
        /// Events after this id never happened for the worker; 0 if all did.
        reset_history_event_id: i64,
        /// Activities that the worker gets at once.
        activity_tasks: Vec<evertide_proto::workflowservice::PollActivityTaskQueueResponse>,
        /// The next workflow task, if the worker asked for it and there is one.
        new_task: Option<Box<workflow_task::StartedTask>>,
    },
    /// The answer to a heartbeat.
    Heartbeat {
        /// The activity should end.
        cancel_requested: bool,
        /// An operator paused the activity.
        paused: bool,
        /// An operator reset the activity.
        reset: bool,
    },
    /// A run was started, or found.
    Started {
        /// The run.
        run_id: String,
        /// First run of its chain.
        first_run_id: String,
        /// Whether this call started it.
        started: bool,
        /// Its status.
        status: i32,
        /// Where the effect of the call is in the history.
        link: Option<Link>,
        /// The first workflow task, if it was asked for and could be given.
        eager_task: Option<Box<workflow_task::StartedTask>>,
        /// Where the signal of a signal-with-start is in the history.
        signal_link: Option<Link>,
    },
    /// A signal was taken.
    Signaled {
        /// Where it is in the history.
        link: Option<Link>,
    },
    /// How a query goes on.
    Query(crate::workflow::query::QueryPlan),
    /// An update was admitted, found or is already over: wait for signals of this update id.
    Update(Box<crate::workflow::update::UpdateStatus>),
    /// Description of the run, without what only the shell knows.
    Described(Box<evertide_proto::workflowservice::DescribeWorkflowExecutionResponse>),
    /// Options of an activity after an operator's change.
    ActivityOptions(Option<Box<evertide_proto::activity::ActivityOptions>>),
    /// Options of the workflow after a change.
    WorkflowOptions(Box<evertide_proto::workflow::WorkflowExecutionOptions>),
    /// How a message to this execution was taken.
    Delivered(crate::workflow::outbox::DeliveryResult),
    /// A run was made by a reset.
    Reset {
        /// The new run.
        run_id: String,
    },
    /// Start and update in one.
    StartedAndUpdated {
        /// The start's answer.
        started: Box<Reply>,
        /// The update's answer.
        updated: Box<Reply>,
    },
}

/// Shorthand of every component's request handlers.
pub type Decided = Result<Reply, Rejection>;
