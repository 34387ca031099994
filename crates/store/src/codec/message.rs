//! The messages behind the version byte, field by field.

use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Batch {
    #[prost(message, repeated, tag = "1")]
    pub(super) writes: Vec<Write>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Write {
    #[prost(oneof = "write::Kind", tags = "1, 2, 3")]
    pub(super) kind: Option<write::Kind>,
}

pub(super) mod write {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(in crate::codec) enum Kind {
        #[prost(message, tag = "1")]
        Run(Box<super::RunWrite>),
        #[prost(int64, tag = "2")]
        DeleteRun(i64),
        #[prost(message, tag = "3")]
        Registry(super::Registry),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Registry {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(string, tag = "2")]
    pub(super) key: String,
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub(super) value: Option<Bytes>,
    /// Older programs wrote none: nobody else could have changed the record.
    #[prost(uint64, tag = "4")]
    pub(super) expected: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RunWrite {
    #[prost(int64, tag = "1")]
    pub(super) run_key: i64,
    #[prost(message, optional, tag = "2")]
    pub(super) create: Option<RunIdentity>,
    #[prost(enumeration = "CurrentRun", tag = "3")]
    pub(super) current: i32,
    #[prost(int64, tag = "4")]
    pub(super) first_event_id: i64,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) record: Bytes,
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub(super) snapshot: Option<Bytes>,
    #[prost(message, optional, boxed, tag = "7")]
    pub(super) visibility: Option<Box<VisibilityRow>>,
    #[prost(message, optional, tag = "8")]
    pub(super) wake: Option<Wake>,
    #[prost(message, repeated, tag = "9")]
    pub(super) backlog: Vec<BacklogChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum CurrentRun {
    Keep = 0,
    Set = 1,
    Clear = 2,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RunIdentity {
    #[prost(string, tag = "1")]
    pub(super) namespace_id: String,
    #[prost(string, tag = "2")]
    pub(super) id: String,
    #[prost(string, tag = "3")]
    pub(super) run_id: String,
    #[prost(uint32, tag = "4")]
    pub(super) kind: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Wake {
    #[prost(int64, optional, tag = "1")]
    pub(super) due_ms: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BacklogChange {
    #[prost(string, tag = "1")]
    pub(super) namespace_id: String,
    #[prost(string, tag = "2")]
    pub(super) queue_name: String,
    #[prost(uint32, tag = "3")]
    pub(super) queue_kind: u32,
    #[prost(int64, tag = "4")]
    pub(super) task_id: i64,
    /// Absent when the task is deleted.
    #[prost(bytes = "bytes", optional, tag = "5")]
    pub(super) task: Option<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct VisibilityRow {
    #[prost(int64, tag = "1")]
    pub(super) run_key: i64,
    #[prost(string, tag = "2")]
    pub(super) namespace_id: String,
    #[prost(string, tag = "3")]
    pub(super) workflow_id: String,
    #[prost(string, tag = "4")]
    pub(super) run_id: String,
    #[prost(string, tag = "5")]
    pub(super) workflow_type: String,
    #[prost(string, tag = "6")]
    pub(super) task_queue: String,
    #[prost(int32, tag = "7")]
    pub(super) status: i32,
    #[prost(int64, tag = "8")]
    pub(super) start_time_ns: i64,
    #[prost(int64, optional, tag = "9")]
    pub(super) execution_time_ns: Option<i64>,
    #[prost(int64, optional, tag = "10")]
    pub(super) close_time_ns: Option<i64>,
    #[prost(int64, optional, tag = "11")]
    pub(super) history_length: Option<i64>,
    #[prost(int64, optional, tag = "12")]
    pub(super) history_size_bytes: Option<i64>,
    #[prost(int64, optional, tag = "13")]
    pub(super) state_transition_count: Option<i64>,
    #[prost(int64, optional, tag = "14")]
    pub(super) execution_duration_ns: Option<i64>,
    #[prost(string, optional, tag = "15")]
    pub(super) parent_workflow_id: Option<String>,
    #[prost(string, optional, tag = "16")]
    pub(super) parent_run_id: Option<String>,
    #[prost(string, tag = "17")]
    pub(super) root_workflow_id: String,
    #[prost(string, tag = "18")]
    pub(super) root_run_id: String,
    #[prost(bytes = "bytes", tag = "19")]
    pub(super) memo: Bytes,
    #[prost(message, repeated, tag = "20")]
    pub(super) search_attributes: Vec<SearchAttribute>,
    #[prost(string, optional, tag = "21")]
    pub(super) division: Option<String>,
    #[prost(bytes = "bytes", tag = "22")]
    pub(super) payload: Bytes,
}

/// The search attributes of one row, where they are kept apart from the row.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SearchAttributes {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<SearchAttribute>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SearchAttribute {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(oneof = "search_attribute::Value", tags = "2, 3, 4, 5, 6, 7, 8")]
    pub(super) value: Option<search_attribute::Value>,
}

pub(super) mod search_attribute {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(in crate::codec) enum Value {
        #[prost(string, tag = "2")]
        Text(String),
        #[prost(string, tag = "3")]
        Keyword(String),
        #[prost(sint64, tag = "4")]
        Int(i64),
        #[prost(double, tag = "5")]
        Double(f64),
        #[prost(bool, tag = "6")]
        Bool(bool),
        #[prost(int64, tag = "7")]
        Datetime(i64),
        #[prost(message, tag = "8")]
        KeywordList(super::KeywordList),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct KeywordList {
    #[prost(string, repeated, tag = "1")]
    pub(super) keywords: Vec<String>,
}
