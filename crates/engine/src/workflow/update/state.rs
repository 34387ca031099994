//! An update, as the state of its run keeps it, and what events do to it.

use evertide_proto::history::{
    WorkflowExecutionUpdateAcceptedEventAttributes, WorkflowExecutionUpdateAdmittedEventAttributes,
    WorkflowExecutionUpdateCompletedEventAttributes,
};
use prost::Message;
use std::collections::BTreeMap;

/// Updates by their ids.
pub(in crate::workflow) type Updates = BTreeMap<String, UpdateInfo>;

/// An update that was admitted by a reset, accepted or completed.
#[derive(Clone, PartialEq, Message)]
pub struct UpdateInfo {
    /// Id of its accepted event, 0 while only admitted.
    #[prost(int64, tag = "1")]
    pub accepted_event_id: i64,
    /// Its outcome, once completed.
    #[prost(message, optional, tag = "2")]
    pub outcome: Option<evertide_proto::update::Outcome>,
    /// Id of its admitted event (made by a reset), 0 if none.
    #[prost(int64, tag = "3")]
    pub admitted_event_id: i64,
    /// The request, kept while it is only admitted.
    #[prost(message, optional, tag = "4")]
    pub request: Option<evertide_proto::update::Request>,
    /// Id of its completed event, 0 until then.
    #[prost(int64, tag = "5")]
    pub completed_event_id: i64,
}

/// A reset brings it into the run.
pub(in crate::workflow) fn admit(
    updates: &mut Updates,
    event_id: i64,
    admitted: &WorkflowExecutionUpdateAdmittedEventAttributes,
) {
    let Some(request) = &admitted.request else { return };
    let update_id = request.meta.as_ref().map_or("", |m| &m.update_id).to_owned();
    let info = UpdateInfo { admitted_event_id: event_id, request: Some(request.clone()), ..UpdateInfo::default() };
    updates.insert(update_id, info);
}

/// A worker has accepted it.
pub(in crate::workflow) fn accept(
    updates: &mut Updates,
    event_id: i64,
    accepted: &WorkflowExecutionUpdateAcceptedEventAttributes,
) {
    let info = updates.entry(accepted.protocol_instance_id.clone()).or_default();
    info.accepted_event_id = event_id;
    info.request = None;
}

/// It has its outcome.
pub(in crate::workflow) fn complete(
    updates: &mut Updates,
    event_id: i64,
    completed: &WorkflowExecutionUpdateCompletedEventAttributes,
) {
    let update_id = completed.meta.as_ref().map_or("", |m| &m.update_id);
    let info = updates.entry(update_id.to_owned()).or_default();
    info.completed_event_id = event_id;
    info.outcome.clone_from(&completed.outcome);
}

/// What must hold of updates that are in the history.
pub(in crate::workflow) fn check(updates: &Updates) {
    for info in updates.values() {
        assert!(
            info.completed_event_id == 0 || info.accepted_event_id != 0,
            "an update is accepted before it completes"
        );
        assert!(
            info.accepted_event_id == 0 || info.request.is_none(),
            "the history has the request of an accepted update"
        );
    }
}
