//! What lists see of a run, made from its state.

use evertide_engine::namespace::Namespaces;
use evertide_engine::visibility::{NAMESPACE_DIVISION, SearchValue as Value, payload};
use evertide_engine::workflow::State;
use evertide_store::{RunKey, SearchValue, VisibilityRow};
use prost::Message;

/// The row of a run. Its payload is the encoded `WorkflowExecutionInfo`.
pub(crate) fn row(run_key: RunKey, state: &State, namespaces: &Namespaces) -> VisibilityRow {
    let info = &state.info;
    let parent = state.started.parent_workflow_execution.as_ref();
    let root = state.root_execution();
    let closed = info.close_time_ns != 0;
    let search_attributes = values(state, namespaces);
    let division = search_attributes.iter().find_map(|(name, value)| match value {
        SearchValue::Keyword(text) if name == NAMESPACE_DIVISION => Some(text.clone()),
        _ => None,
    });
    VisibilityRow {
        run_key,
        namespace_id: info.namespace_id.clone(),
        workflow_id: info.workflow_id.clone(),
        run_id: info.run_id.clone(),
        workflow_type: state.workflow_type().to_owned(),
        task_queue: state.task_queue().to_owned(),
        status: info.status,
        start_time_ns: info.start_time_ns,
        execution_time_ns: (info.execution_time_ns != 0).then_some(info.execution_time_ns),
        close_time_ns: closed.then_some(info.close_time_ns),
        history_length: closed.then_some(state.next_event_id - 1),
        history_size_bytes: closed.then_some(info.history_size_bytes),
        state_transition_count: closed.then_some(info.transition_count),
        execution_duration_ns: closed.then_some(info.close_time_ns - info.execution_time_ns),
        parent_workflow_id: parent.map(|p| p.workflow_id.clone()),
        parent_run_id: parent.map(|p| p.run_id.clone()),
        root_workflow_id: root.workflow_id,
        root_run_id: root.run_id,
        search_attributes,
        division,
        payload: state.execution_info().encode_to_vec().into(),
        ..VisibilityRow::default()
    }
}

fn values(state: &State, namespaces: &Namespaces) -> Vec<(String, SearchValue)> {
    let Some(search_attributes) = &state.info.search_attributes else {
        return Vec::new();
    };
    if search_attributes.indexed_fields.is_empty() {
        return Vec::new();
    }
    let attributes = namespaces.with_id(&state.info.namespace_id).map(|n| n.attributes()).unwrap_or_default();
    let typed = payload::values(search_attributes, &attributes);
    typed.into_iter().map(|(name, value)| (name, stored(value))).collect()
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
