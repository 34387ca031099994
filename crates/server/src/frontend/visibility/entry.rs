//! A row as lists show it.

use evertide_engine::visibility::{Attributes, payload};
use evertide_proto::workflow::WorkflowExecutionInfo;
use evertide_store::VisibilityRow;
use prost::Message;

/// The entry of a row. What is known of a run only when it has closed is left out before, and so is what belongs to a
/// description.
pub(super) fn entry(row: &VisibilityRow, attributes: &Attributes) -> WorkflowExecutionInfo {
    let kept = WorkflowExecutionInfo::decode(row.payload.clone()).unwrap_or_else(|error| {
        tracing::error!(%error, run_id = row.run_id, "the description in a list's row cannot be read");
        WorkflowExecutionInfo::default()
    });
    let search_attributes = kept.search_attributes.map(|s| payload::listed(&s, attributes));
    WorkflowExecutionInfo {
        execution: kept.execution,
        r#type: kept.r#type,
        start_time: kept.start_time,
        close_time: kept.close_time,
        status: kept.status,
        history_length: row.history_length.unwrap_or_default(),
        parent_execution: kept.parent_execution,
        execution_time: kept.execution_time,
        memo: kept.memo,
        search_attributes,
        task_queue: kept.task_queue,
        state_transition_count: row.state_transition_count.unwrap_or_default(),
        history_size_bytes: row.history_size_bytes.unwrap_or_default(),
        execution_duration: kept.execution_duration,
        root_execution: kept.root_execution,
        ..WorkflowExecutionInfo::default()
    }
}
