//! What lists know of an execution.

use super::value::SearchValue;
use bytes::Bytes;

/// The row of an execution. Times are nanoseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listing {
    /// Namespace id.
    pub namespace_id: String,
    /// Id of the execution: `WorkflowId`, or the id that another kind has in its place.
    pub id: String,
    /// Its run id.
    pub run_id: String,
    /// Its type: `WorkflowType` and the like.
    pub type_name: String,
    /// Its task queue.
    pub task_queue: String,
    /// Its status, a number of the kind's own enum.
    pub status: i32,
    /// When it started.
    pub start_time_ns: i64,
    /// When it may do its first work; 0 if it is not known.
    pub execution_time_ns: i64,
    /// What is known once it has closed.
    pub closed: Option<Closed>,
    /// Id of the parent.
    pub parent_workflow_id: Option<String>,
    /// Run id of the parent.
    pub parent_run_id: Option<String>,
    /// Id of the root of its tree.
    pub root_workflow_id: String,
    /// Run id of the root of its tree.
    pub root_run_id: String,
    /// Its search attributes, with the types that the namespace has for them.
    pub search_attributes: Vec<(String, SearchValue)>,
    /// The division of lists that it belongs to; none for the common one.
    pub division: Option<String>,
    /// What a list shows of it, encoded.
    pub payload: Bytes,
}

/// What is known of an execution once it has closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Closed {
    /// When it closed, nanoseconds since the epoch.
    pub time_ns: i64,
    /// How long it took, nanoseconds.
    pub duration_ns: i64,
    /// Events of its history.
    pub history_length: i64,
    /// Their size, bytes.
    pub history_size_bytes: i64,
    /// Its durable steps.
    pub transition_count: i64,
}
