//! A pending child, as the state of its parent keeps it, and what events do to it.

use evertide_proto::history::{
    ChildWorkflowExecutionStartedEventAttributes, HistoryEvent, StartChildWorkflowExecutionInitiatedEventAttributes,
};
use prost::Message;
use std::collections::BTreeMap;

/// Pending children by the id of their initiated event.
pub(in crate::workflow) type Children = BTreeMap<i64, Child>;

/// A child workflow that was asked for and has not ended.
#[derive(Clone, PartialEq, Message)]
pub struct Child {
    /// The attributes of its initiated event.
    #[prost(message, required, tag = "1")]
    pub initiated: StartChildWorkflowExecutionInitiatedEventAttributes,
    /// Id of its started event, 0 until it has started.
    #[prost(int64, tag = "2")]
    pub started_event_id: i64,
    /// The run that was started (the first of its chain).
    #[prost(string, tag = "3")]
    pub run_id: String,
    /// Request id with which the child is started, so that a repeat finds it.
    #[prost(string, tag = "4")]
    pub request_id: String,
    /// Id of the namespace of the child.
    #[prost(string, tag = "5")]
    pub namespace_id: String,
    /// Workflow type, from the started event.
    #[prost(string, tag = "6")]
    pub workflow_type: String,
    /// How it ended after its parent had closed: for a run that the parent is reset to.
    #[prost(message, optional, tag = "7")]
    pub end: Option<ChildEnd>,
}

/// The end of a child whose parent had closed before.
#[derive(Clone, PartialEq, Message)]
pub struct ChildEnd {
    /// Which child.
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    /// The child's last run.
    #[prost(string, tag = "2")]
    pub run_id: String,
    /// Its close event; only the attributes count.
    #[prost(message, required, tag = "3")]
    pub close_event: HistoryEvent,
}

/// Request id with which a child is started.
#[derive(Clone, PartialEq, Message)]
pub struct ChildRequest {
    /// Which child.
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    /// Its request id.
    #[prost(string, tag = "2")]
    pub request_id: String,
    /// Id of the namespace it is started in.
    #[prost(string, tag = "3")]
    pub namespace_id: String,
}

/// A child is pending from its initiated event until it ends or cannot be started.
pub(in crate::workflow) fn initiate(
    children: &mut Children,
    event_id: i64,
    initiated: &StartChildWorkflowExecutionInitiatedEventAttributes,
) {
    children.insert(event_id, Child { initiated: initiated.clone(), ..Child::default() });
}

/// It is started with this request id.
pub(in crate::workflow) fn set_request(children: &mut Children, request: &ChildRequest) {
    if let Some(child) = children.get_mut(&request.initiated_event_id) {
        child.request_id.clone_from(&request.request_id);
        child.namespace_id.clone_from(&request.namespace_id);
    }
}

/// The parent knows its run.
pub(in crate::workflow) fn start(
    children: &mut Children,
    event_id: i64,
    started: &ChildWorkflowExecutionStartedEventAttributes,
) {
    if let Some(child) = children.get_mut(&started.initiated_event_id) {
        child.started_event_id = event_id;
        child.run_id = started.workflow_execution.as_ref().map_or_else(String::new, |e| e.run_id.clone());
        child.workflow_type = started.workflow_type.as_ref().map_or_else(String::new, |t| t.name.clone());
    }
}

/// The started event was buffered and has its id only now.
pub(in crate::workflow) fn note_started_event(children: &mut Children, initiated_event_id: i64, event_id: i64) {
    if let Some(child) = children.get_mut(&initiated_event_id) {
        child.started_event_id = event_id;
    }
}

/// It has ended after its parent.
pub(in crate::workflow) fn keep_end(children: &mut Children, end: &ChildEnd) {
    if let Some(child) = children.get_mut(&end.initiated_event_id) {
        child.end = Some(end.clone());
    }
}

/// What must hold of pending children.
pub(in crate::workflow) fn check(children: &Children, next_event_id: i64) {
    assert!(children.keys().all(|id| *id < next_event_id), "a child is pending by its written event");
}
