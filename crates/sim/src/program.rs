//! The workflow code of the simulation: from a history to the next commands, as a worker of an SDK would give them.
//!
//! What a workflow does follows from its id: a few steps one after the other, some of them two at once, then an end. The
//! program keeps no state, so it can go on from any history of its run.

use std::collections::BTreeMap;

use evertide_engine::Ids;
use evertide_proto::command::command::Attributes as CommandAttributes;
use evertide_proto::command::{
    CancelWorkflowExecutionCommandAttributes, Command, CompleteWorkflowExecutionCommandAttributes,
    ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
    ScheduleActivityTaskCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes, StartTimerCommandAttributes,
};
use evertide_proto::common::{ActivityType, Payload, Payloads, RetryPolicy, WorkflowExecution, WorkflowType};
use evertide_proto::failure::Failure;
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::prost_types::Duration;
use evertide_proto::taskqueue::TaskQueue;

/// The task queues of all workflows and activities.
pub const QUEUES: [&str; 2] = ["queue", "other queue"];
/// The type of all activities.
pub(crate) const ACTIVITY_TYPE: &str = "activity";
/// Children have children down to this depth.
const DEPTH: usize = 2;

/// One thing that a workflow does and waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Timer { id: String, seconds: i64 },
    Activity { id: String, eager: bool },
    Child { id: String },
    Signal { id: String, target: String },
}

/// How a workflow ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    Fail,
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// What the workflow of that id does: groups of steps, each group after the one before.
fn plan(workflow_id: &str) -> (Vec<Vec<Step>>, End) {
    let mut dice = Ids::new(hash(workflow_id));
    let depth = workflow_id.matches('/').count();
    let groups = (0..=dice.below(3)).map(|group| {
        let steps = (0..=dice.below(2)).map(|place| {
            let id = format!("{group}-{place}");
            match dice.below(8) {
                0..=2 => Step::Timer { id, seconds: i64::try_from(dice.below(20)).unwrap_or(1) },
                3..=5 => Step::Activity { id, eager: dice.below(4) == 0 },
                6 if depth < DEPTH => Step::Child { id: format!("{workflow_id}/{id}") },
                6 => Step::Timer { id, seconds: 1 },
                _ => Step::Signal { id, target: format!("w{}", dice.below(4)) },
            }
        });
        steps.collect()
    });
    let groups = groups.collect();
    let end = if dice.below(5) == 0 { End::Fail } else { End::Complete };
    (groups, end)
}

/// How far the steps of a run are, from its history.
#[derive(Debug, Default)]
struct Progress {
    /// Steps that were begun, by id, and whether they are over.
    steps: BTreeMap<String, bool>,
    cancelled: bool,
    /// How many runs are still to come after this one.
    runs_left: u8,
}

impl Progress {
    fn of(events: &[HistoryEvent]) -> Self {
        let mut progress = Self::default();
        let mut by_event: BTreeMap<i64, String> = BTreeMap::new();
        for event in events {
            let id = event.event_id;
            let Some(attributes) = &event.attributes else { continue };
            match attributes {
                A::WorkflowExecutionStartedEventAttributes(a) => {
                    let first = a.input.as_ref().and_then(|p| p.payloads.first()).and_then(|p| p.data.first());
                    progress.runs_left = first.copied().unwrap_or(0);
                }
                A::WorkflowExecutionCancelRequestedEventAttributes(_) => progress.cancelled = true,
                A::TimerStartedEventAttributes(a) => progress.begin(&mut by_event, id, &a.timer_id),
                A::TimerFiredEventAttributes(a) => progress.end(&by_event, a.started_event_id),
                A::ActivityTaskScheduledEventAttributes(a) => progress.begin(&mut by_event, id, &a.activity_id),
                A::ActivityTaskCompletedEventAttributes(a) => progress.end(&by_event, a.scheduled_event_id),
                A::ActivityTaskFailedEventAttributes(a) => progress.end(&by_event, a.scheduled_event_id),
                A::ActivityTaskTimedOutEventAttributes(a) => progress.end(&by_event, a.scheduled_event_id),
                A::ActivityTaskCanceledEventAttributes(a) => progress.end(&by_event, a.scheduled_event_id),
                A::StartChildWorkflowExecutionInitiatedEventAttributes(a) => {
                    progress.begin(&mut by_event, id, &a.workflow_id);
                }
                A::StartChildWorkflowExecutionFailedEventAttributes(a) => {
                    progress.end(&by_event, a.initiated_event_id);
                }
                A::ChildWorkflowExecutionCompletedEventAttributes(a) => progress.end(&by_event, a.initiated_event_id),
                A::ChildWorkflowExecutionFailedEventAttributes(a) => progress.end(&by_event, a.initiated_event_id),
                A::ChildWorkflowExecutionCanceledEventAttributes(a) => progress.end(&by_event, a.initiated_event_id),
                A::ChildWorkflowExecutionTimedOutEventAttributes(a) => progress.end(&by_event, a.initiated_event_id),
                A::ChildWorkflowExecutionTerminatedEventAttributes(a) => progress.end(&by_event, a.initiated_event_id),
                A::SignalExternalWorkflowExecutionInitiatedEventAttributes(a) => {
                    progress.begin(&mut by_event, id, &a.control);
                }
                A::ExternalWorkflowExecutionSignaledEventAttributes(a) => progress.end(&by_event, a.initiated_event_id),
                A::SignalExternalWorkflowExecutionFailedEventAttributes(a) => {
                    progress.end(&by_event, a.initiated_event_id);
                }
                _ => {}
            }
        }
        progress
    }

    fn begin(&mut self, by_event: &mut BTreeMap<i64, String>, event_id: i64, step: &str) {
        by_event.insert(event_id, step.to_owned());
        self.steps.insert(step.to_owned(), false);
    }

    fn end(&mut self, by_event: &BTreeMap<i64, String>, event_id: i64) {
        if let Some(step) = by_event.get(&event_id) {
            self.steps.insert(step.clone(), true);
        }
    }
}

/// What the worker answers to a workflow task with this history.
#[must_use]
pub fn commands(workflow_id: &str, events: &[HistoryEvent]) -> Vec<Command> {
    let progress = Progress::of(events);
    if progress.cancelled {
        return vec![command(CancelWorkflowExecutionCommandAttributes::default())];
    }
    let (groups, end) = plan(workflow_id);
    for group in &groups {
        let to_begin: Vec<_> = group.iter().filter(|s| !progress.steps.contains_key(s.id())).map(Step::begin).collect();
        let waiting = group.iter().any(|s| progress.steps.get(s.id()) != Some(&true));
        if !to_begin.is_empty() || waiting {
            return to_begin;
        }
    }
    vec![last_command(&progress, end)]
}

fn last_command(progress: &Progress, end: End) -> Command {
    if progress.runs_left > 0 {
        return command(ContinueAsNewWorkflowExecutionCommandAttributes {
            input: Some(input(progress.runs_left - 1)),
            ..ContinueAsNewWorkflowExecutionCommandAttributes::default()
        });
    }
    match end {
        End::Complete => command(CompleteWorkflowExecutionCommandAttributes::default()),
        End::Fail => command(FailWorkflowExecutionCommandAttributes {
            failure: Some(Failure { message: "as planned".to_owned(), ..Failure::default() }),
        }),
    }
}

impl Step {
    fn id(&self) -> &str {
        match self {
            Self::Timer { id, .. } | Self::Activity { id, .. } | Self::Child { id } | Self::Signal { id, .. } => id,
        }
    }

    fn begin(&self) -> Command {
        match self {
            Self::Timer { id, seconds } => {
                command(StartTimerCommandAttributes { timer_id: id.clone(), start_to_fire_timeout: duration(*seconds) })
            }
            Self::Activity { id, eager } => command(ScheduleActivityTaskCommandAttributes {
                activity_id: id.clone(),
                activity_type: Some(ActivityType { name: ACTIVITY_TYPE.to_owned() }),
                task_queue: task_queue_of(id),
                request_eager_execution: *eager,
                start_to_close_timeout: duration(10),
                heartbeat_timeout: duration(5),
                retry_policy: Some(RetryPolicy { maximum_attempts: 3, ..RetryPolicy::default() }),
                ..ScheduleActivityTaskCommandAttributes::default()
            }),
            Self::Child { id } => command(StartChildWorkflowExecutionCommandAttributes {
                workflow_id: id.clone(),
                workflow_type: Some(workflow_type()),
                task_queue: task_queue_of(id),
                ..StartChildWorkflowExecutionCommandAttributes::default()
            }),
            Self::Signal { id, target } => command(SignalExternalWorkflowExecutionCommandAttributes {
                execution: Some(WorkflowExecution { workflow_id: target.clone(), run_id: String::new() }),
                signal_name: "from a workflow".to_owned(),
                control: id.clone(),
                ..SignalExternalWorkflowExecutionCommandAttributes::default()
            }),
        }
    }
}

pub(crate) fn command(attributes: impl Into<CommandAttributes>) -> Command {
    let attributes = attributes.into();
    Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() }
}

pub(crate) fn duration(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

/// The queue that everything of this id uses.
pub(crate) fn task_queue_of(id: &str) -> Option<TaskQueue> {
    let place = usize::try_from(hash(id)).unwrap_or(0) % QUEUES.len();
    Some(TaskQueue { name: QUEUES[place].to_owned(), ..TaskQueue::default() })
}

pub(crate) fn workflow_type() -> WorkflowType {
    WorkflowType { name: "program".to_owned() }
}

/// The input of a run that is to continue as new so often.
pub(crate) fn input(runs_left: u8) -> Payloads {
    Payloads { payloads: vec![Payload { data: vec![runs_left].into(), ..Payload::default() }] }
}
