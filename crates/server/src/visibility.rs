//! What lists see of an execution, as the store keeps it.

use evertide_engine::visibility::{Listing, SearchValue as Value};
use evertide_store::{RunKey, SearchValue, VisibilityRow};

/// The row of an execution.
pub(crate) fn row(run_key: RunKey, listing: Listing) -> VisibilityRow {
    let closed = listing.closed;
    VisibilityRow {
        run_key,
        namespace_id: listing.namespace_id,
        workflow_id: listing.id,
        run_id: listing.run_id,
        workflow_type: listing.type_name,
        task_queue: listing.task_queue,
        status: listing.status,
        start_time_ns: listing.start_time_ns,
        execution_time_ns: (listing.execution_time_ns != 0).then_some(listing.execution_time_ns),
        close_time_ns: closed.map(|c| c.time_ns),
        history_length: closed.map(|c| c.history_length),
        history_size_bytes: closed.map(|c| c.history_size_bytes),
        state_transition_count: closed.map(|c| c.transition_count),
        execution_duration_ns: closed.map(|c| c.duration_ns),
        parent_workflow_id: listing.parent_workflow_id,
        parent_run_id: listing.parent_run_id,
        root_workflow_id: listing.root_workflow_id,
        root_run_id: listing.root_run_id,
        search_attributes: listing.search_attributes.into_iter().map(|(name, value)| (name, stored(value))).collect(),
        division: listing.division,
        payload: listing.payload,
        ..VisibilityRow::default()
    }
}

fn stored(value: Value) -> SearchValue {
    match value {
        Value::Text(text) => SearchValue::Text(text),
        Value::Keyword(text) => SearchValue::Keyword(text),
        Value::Int(number) => SearchValue::Int(number),
        Value::Double(number) => SearchValue::Double(number),
        Value::Bool(flag) => SearchValue::Bool(flag),
        Value::Datetime(time_ns) => SearchValue::Datetime(time_ns),
        Value::KeywordList(texts) => SearchValue::KeywordList(texts),
    }
}
