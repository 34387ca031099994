//! A handle as a value.

use serde::{Deserialize, Serialize};

/// A handle without its client, to be stored or sent.
///
/// ```
/// use evertide_client::WorkflowRef;
///
/// let mut reference: WorkflowRef = serde_json::from_str(r#"{"workflow_id": "order-1"}"#).unwrap();
/// assert_eq!(reference, WorkflowRef::new("order-1"));
/// reference.namespace = Some("orders".to_owned());
/// assert_eq!(serde_json::to_string(&reference).unwrap(), r#"{"namespace":"orders","workflow_id":"order-1"}"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkflowRef {
    /// The namespace; the client's own if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The id of the workflow.
    pub workflow_id: String,
    /// See [`WorkflowHandle::run_id`](crate::WorkflowHandle::run_id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// See [`WorkflowHandle::result_run_id`](crate::WorkflowHandle::result_run_id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_run_id: Option<String>,
    /// See [`WorkflowHandle::first_execution_run_id`](crate::WorkflowHandle::first_execution_run_id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_execution_run_id: Option<String>,
}

impl WorkflowRef {
    /// A reference to the latest run of a workflow, in the namespace of the client that it is bound to.
    pub fn new(workflow_id: impl Into<String>) -> Self {
        Self {
            namespace: None,
            workflow_id: workflow_id.into(),
            run_id: None,
            result_run_id: None,
            first_execution_run_id: None,
        }
    }
}
