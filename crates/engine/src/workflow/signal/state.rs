//! What the state of a run keeps of signals: how many it took, and their request ids.

use evertide_proto::history::WorkflowExecutionSignaledEventAttributes;
use std::collections::BTreeMap;

/// A signal is in the run from now on, written or waiting to be. A buffered one gets its event id when it is written.
pub(in crate::workflow) fn note(
    seen: &mut BTreeMap<String, i64>,
    event_id: i64,
    signaled: &WorkflowExecutionSignaledEventAttributes,
) {
    if !signaled.request_id.is_empty() {
        seen.insert(signaled.request_id.clone(), event_id);
    }
}
