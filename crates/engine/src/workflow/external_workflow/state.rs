//! A pending signal or cancel request to another workflow, as the state of its sender keeps it.

use evertide_proto::common::WorkflowExecution;
use evertide_proto::history::{
    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    SignalExternalWorkflowExecutionInitiatedEventAttributes,
};
use prost::Message;
use std::collections::BTreeMap;

/// Pending requests by the id of their initiated event.
pub(in crate::workflow) type Externals = BTreeMap<i64, External>;

/// A signal or cancel request to another workflow that has not been answered.
#[derive(Clone, PartialEq, Message)]
pub struct External {
    /// The workflow it goes to; run id only if the command named it.
    #[prost(message, optional, tag = "1")]
    pub target: Option<WorkflowExecution>,
    /// Name of the target's namespace.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// Id of the target's namespace.
    #[prost(string, tag = "3")]
    pub namespace_id: String,
    /// Request id for dedupe at the target.
    #[prost(string, tag = "4")]
    pub request_id: String,
    /// What the command carried along, echoed in the answer's event.
    #[prost(string, tag = "5")]
    pub control: String,
}

/// The pending signal of an initiated event.
pub(in crate::workflow) fn of_signal(a: &SignalExternalWorkflowExecutionInitiatedEventAttributes) -> External {
    External {
        target: a.workflow_execution.clone(),
        namespace: a.namespace.clone(),
        namespace_id: a.namespace_id.clone(),
        request_id: String::new(),
        control: a.control.clone(),
    }
}

/// The pending cancel request of an initiated event.
pub(in crate::workflow) fn of_cancel(a: &RequestCancelExternalWorkflowExecutionInitiatedEventAttributes) -> External {
    External {
        target: a.workflow_execution.clone(),
        namespace: a.namespace.clone(),
        namespace_id: a.namespace_id.clone(),
        request_id: String::new(),
        control: a.control.clone(),
    }
}

/// What must hold of pending requests.
pub(in crate::workflow) fn check(externals: &Externals, next_event_id: i64) {
    assert!(externals.keys().all(|id| *id < next_event_id), "a request is pending by its written event");
}
