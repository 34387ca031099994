//! The tree of a workflow, read from descriptions and histories.

use super::Shown;
use crate::asking::{Asked, one_line};
use crate::output::{length, short_name};
use crate::workflow::named;
use crate::workflow::result::failure_line;
use evertide_client::WorkflowExecutionDescription;
use evertide_proto::enums::WorkflowExecutionStatus as Status;
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes;
use std::collections::BTreeMap;

/// A tree as text.
pub(super) struct Drawn {
    /// The status of its root.
    pub(super) status: Status,
    pub(super) text: String,
}

/// Something that a workflow started.
struct Item {
    state: &'static str,
    /// What it is called.
    name: String,
    /// What more there is to tell.
    about: String,
    /// The run, if it is a child that was started.
    child: Option<(String, String)>,
}

/// Draws a workflow and what is below it.
pub(super) async fn draw(asked: &Asked, workflow_id: &str, run_id: &str, shown: &Shown) -> anyhow::Result<Drawn> {
    let described = asked.told(named(asked, workflow_id, run_id).describe().await)?;
    let status = described.status().unwrap_or(Status::Unspecified);
    let mut text = heading(&described, status) + "\n";
    text += &Box::pin(below(asked, &described, shown, 1, "")).await?;
    Ok(Drawn { status, text })
}

fn heading(described: &WorkflowExecutionDescription, status: Status) -> String {
    let status = short_name(status.as_str_name(), "WORKFLOW_EXECUTION_STATUS_");
    let took = length(described.raw_info().execution_duration);
    let took = if took.is_empty() { took } else { format!("  {took}") };
    let line = format!("{status}  {}  {}  {}{took}", described.workflow_type(), described.id(), described.run_id());
    one_line(&line)
}

/// Draws what a workflow started.
async fn below(
    asked: &Asked,
    described: &WorkflowExecutionDescription,
    shown: &Shown,
    level: u32,
    margin: &str,
) -> anyhow::Result<String> {
    let mut items = BTreeMap::new();
    let mut events = named(asked, described.id(), described.run_id()).fetch_history_events();
    while let Some(event) = events.next().await {
        take(&mut items, &asked.told(event)?.event);
    }
    for pending in described.pending_activities() {
        let activity =
            items.values_mut().find(|item: &&mut Item| item.name.ends_with(&format!(" {}", pending.activity_id)));
        if let Some(item) = activity {
            let failure = pending.last_failure.as_ref().map(failure_line).unwrap_or_default();
            item.about = format!("attempt {}  {failure}", pending.attempt).trim_end().to_owned();
        }
    }
    let mut text = String::new();
    let count = items.len();
    for (place, item) in items.into_values().enumerate() {
        let (branch, deeper) = if place + 1 == count { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let line = format!("{}  {}  {}", item.state, item.name, item.about);
        text += &format!("{margin}{branch}{}\n", one_line(line.trim_end()));
        let Some((workflow_id, run_id)) = item.child else { continue };
        let child = named(asked, &workflow_id, &run_id).describe().await;
        // A child whose retention has passed has nothing to show.
        let Ok(child) = child else { continue };
        if shown.is_open(child.status().unwrap_or(Status::Unspecified), level) {
            text += &Box::pin(below(asked, &child, shown, level + 1, &format!("{margin}{deeper}"))).await?;
        }
    }
    Ok(text)
}

/// Takes what an event says about the things that the workflow started, by the event that began them.
fn take(items: &mut BTreeMap<i64, Item>, event: &HistoryEvent) {
    let mut add = |state, name: String| {
        items.insert(event.event_id, Item { state, name, about: String::new(), child: None });
    };
    use Attributes as A;
    let Some(attributes) = event.attributes.as_ref() else { return };
    let (begun_by, state, about) = match attributes {
        A::ActivityTaskScheduledEventAttributes(e) => {
            return add("Scheduled", format!("{} {}", e.activity_type.clone().unwrap_or_default().name, e.activity_id));
        }
        A::TimerStartedEventAttributes(e) => return add("Started", format!("timer {}", e.timer_id)),
        A::StartChildWorkflowExecutionInitiatedEventAttributes(e) => {
            return add("Initiated", format!("{} {}", e.workflow_type.clone().unwrap_or_default().name, e.workflow_id));
        }
        A::ActivityTaskStartedEventAttributes(e) => (e.scheduled_event_id, "Started", String::new()),
        A::ActivityTaskCompletedEventAttributes(e) => (e.scheduled_event_id, "Completed", String::new()),
        A::ActivityTaskFailedEventAttributes(e) => (e.scheduled_event_id, "Failed", cause(&e.failure)),
        A::ActivityTaskTimedOutEventAttributes(e) => (e.scheduled_event_id, "TimedOut", cause(&e.failure)),
        A::ActivityTaskCanceledEventAttributes(e) => (e.scheduled_event_id, "Canceled", String::new()),
        A::TimerFiredEventAttributes(e) => (e.started_event_id, "Fired", String::new()),
        A::TimerCanceledEventAttributes(e) => (e.started_event_id, "Canceled", String::new()),
        A::ChildWorkflowExecutionStartedEventAttributes(e) => {
            let run = e.workflow_execution.clone().unwrap_or_default();
            if let Some(item) = items.get_mut(&e.initiated_event_id) {
                item.child = Some((run.workflow_id, run.run_id));
            }
            (e.initiated_event_id, "Started", String::new())
        }
        A::StartChildWorkflowExecutionFailedEventAttributes(e) => (e.initiated_event_id, "StartFailed", String::new()),
        A::ChildWorkflowExecutionCompletedEventAttributes(e) => (e.initiated_event_id, "Completed", String::new()),
        A::ChildWorkflowExecutionFailedEventAttributes(e) => (e.initiated_event_id, "Failed", cause(&e.failure)),
        A::ChildWorkflowExecutionCanceledEventAttributes(e) => (e.initiated_event_id, "Canceled", String::new()),
        A::ChildWorkflowExecutionTimedOutEventAttributes(e) => (e.initiated_event_id, "TimedOut", String::new()),
        A::ChildWorkflowExecutionTerminatedEventAttributes(e) => (e.initiated_event_id, "Terminated", String::new()),
        _ => return,
    };
    if let Some(item) = items.get_mut(&begun_by) {
        (item.state, item.about) = (state, about);
    }
}

fn cause(failure: &Option<evertide_proto::failure::Failure>) -> String {
    failure.as_ref().map(failure_line).unwrap_or_default()
}
