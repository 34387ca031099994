//! What lists see of a run.

use crate::namespace::Namespaces;
use crate::visibility::{Closed, Listing, NAMESPACE_DIVISION, SearchValue, payload};
use crate::workflow::state::State;
use prost::Message;

impl State {
    /// The row of the run. Its payload is the encoded `WorkflowExecutionInfo`.
    #[must_use]
    pub fn listing(&self, namespaces: &Namespaces) -> Listing {
        let info = &self.info;
        let parent = self.started.parent_workflow_execution.as_ref();
        let root = self.root_execution();
        let search_attributes = self.typed_search_attributes(namespaces);
        let division = search_attributes.iter().find_map(|(name, value)| match value {
            SearchValue::Keyword(text) if name == NAMESPACE_DIVISION => Some(text.clone()),
            _ => None,
        });
        let closed = (info.close_time_ns != 0).then(|| Closed {
            time_ns: info.close_time_ns,
            duration_ns: info.close_time_ns - info.execution_time_ns,
            history_length: self.next_event_id - 1,
            history_size_bytes: info.history_size_bytes,
            transition_count: info.transition_count,
        });
        Listing {
            namespace_id: info.namespace_id.clone(),
            id: info.workflow_id.clone(),
            run_id: info.run_id.clone(),
            type_name: self.workflow_type().to_owned(),
            task_queue: self.task_queue().to_owned(),
            status: info.status,
            start_time_ns: info.start_time_ns,
            execution_time_ns: info.execution_time_ns,
            closed,
            parent_workflow_id: parent.map(|p| p.workflow_id.clone()),
            parent_run_id: parent.map(|p| p.run_id.clone()),
            root_workflow_id: root.workflow_id,
            root_run_id: root.run_id,
            search_attributes,
            division,
            payload: self.execution_info().encode_to_vec().into(),
        }
    }

    fn typed_search_attributes(&self, namespaces: &Namespaces) -> Vec<(String, SearchValue)> {
        let Some(search_attributes) = &self.info.search_attributes else {
            return Vec::new();
        };
        if search_attributes.indexed_fields.is_empty() {
            return Vec::new();
        }
        let attributes = namespaces.with_id(&self.info.namespace_id).map(|n| n.attributes()).unwrap_or_default();
        payload::values(search_attributes, &attributes)
    }
}
