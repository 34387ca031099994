//! `workflow describe`.

use super::{handle, status};
use crate::asking::Asked;
use crate::cli::Output;
use crate::cli::workflow::Target;
use crate::output::{facts, length, print, print_json, short_name, table, time};
use evertide_client::WorkflowExecutionDescription;
use evertide_proto::common::Payload;
use evertide_proto::failure::Failure;
use evertide_proto::workflow::PendingActivityInfo;
use std::collections::BTreeMap;

/// Tells what there is to know about a run.
pub(crate) async fn run(asked: &Asked, target: &Target, output: Output) -> anyhow::Result<()> {
    let described = asked.told(handle(asked, target).describe().await)?;
    if output != Output::Table {
        return print_json(described.raw_description(), output);
    }
    print(&(run_facts(&described) + &pending(&described)))
}

fn run_facts(described: &WorkflowExecutionDescription) -> String {
    let info = described.raw_info();
    let attributes = info.search_attributes.clone().unwrap_or_default().indexed_fields;
    let memo = info.memo.clone().unwrap_or_default().fields;
    let number = |number: i64| if number == 0 { String::new() } else { number.to_string() };
    let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
    facts(&[
        ("WorkflowId", described.id().to_owned()),
        ("RunId", described.run_id().to_owned()),
        ("Type", described.workflow_type().to_owned()),
        ("Namespace", described.namespace().to_owned()),
        ("TaskQueue", described.task_queue().to_owned()),
        ("Status", status(info)),
        ("StartTime", time(info.start_time)),
        ("ExecutionTime", time(info.execution_time)),
        ("CloseTime", time(info.close_time)),
        ("ExecutionDuration", length(info.execution_duration)),
        ("HistoryLength", number(info.history_length)),
        ("HistorySizeBytes", number(info.history_size_bytes)),
        ("StateTransitionCount", number(info.state_transition_count)),
        ("ParentWorkflowId", owned(described.parent_id())),
        ("ParentRunId", owned(described.parent_run_id())),
        ("RootWorkflowId", owned(described.root_id().filter(|root| *root != described.id()))),
        ("SearchAttributes", payloads(&attributes)),
        ("Memo", payloads(&memo)),
    ])
}

fn payloads(fields: &BTreeMap<String, Payload>) -> String {
    let fields = fields.iter().map(|(name, value)| format!("{name}={}", shown(value)));
    fields.collect::<Vec<_>>().join(", ")
}

/// A value as it can be read: JSON as it is, anything else by its size.
fn shown(value: &Payload) -> String {
    match value.metadata.get("encoding").map(|encoding| &encoding[..]) {
        Some(b"json/plain" | b"json/protobuf") => String::from_utf8_lossy(&value.data).into_owned(),
        _ => format!("({} bytes)", value.data.len()),
    }
}

fn pending(described: &WorkflowExecutionDescription) -> String {
    let raw = described.raw_description();
    let mut text = String::new();
    if !raw.pending_activities.is_empty() {
        let rows: Vec<_> = raw.pending_activities.iter().map(activity).collect();
        let headings = ["ActivityId", "Type", "State", "Attempt", "NextAttempt", "LastFailure"];
        text += &format!("\nPending activities\n{}", table(&headings, &rows));
    }
    if !raw.pending_children.is_empty() {
        let rows = raw.pending_children.iter();
        let rows: Vec<_> = rows
            .map(|child| vec![child.workflow_id.clone(), child.run_id.clone(), child.workflow_type_name.clone()])
            .collect();
        text += &format!("\nPending children\n{}", table(&["WorkflowId", "RunId", "Type"], &rows));
    }
    if let Some(task) = &raw.pending_workflow_task {
        let state = short_name(task.state().as_str_name(), "PENDING_WORKFLOW_TASK_STATE_");
        text += "\nPending workflow task\n";
        text += &facts(&[
            ("State", state),
            ("ScheduledTime", time(task.scheduled_time)),
            ("StartedTime", time(task.started_time)),
            ("Attempt", task.attempt.to_string()),
        ]);
    }
    text
}

fn activity(activity: &PendingActivityInfo) -> Vec<String> {
    vec![
        activity.activity_id.clone(),
        activity.activity_type.clone().unwrap_or_default().name,
        short_name(activity.state().as_str_name(), "PENDING_ACTIVITY_STATE_"),
        activity.attempt.to_string(),
        time(activity.next_attempt_schedule_time),
        activity.last_failure.as_ref().map(cause).unwrap_or_default(),
    ]
}

/// What an attempt ended with.
fn cause(failure: &Failure) -> String {
    failure.message.clone()
}
