//! Task tokens: what a worker hands back to say which task it answers.
//!
//! A token must survive restarts, since an activity may be completed days later by another process.

use bytes::Bytes;
use prost::Message;

/// Which kind of task a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum TaskKind {
    /// Not a token of ours.
    Unspecified = 0,
    /// A workflow task.
    Workflow = 1,
    /// An activity task.
    Activity = 2,
    /// A query that was sent alone.
    Query = 3,
    /// A Nexus task.
    Nexus = 4,
}

/// The content of a task token.
#[derive(Clone, PartialEq, Message)]
pub struct TaskToken {
    /// [`TaskKind`].
    #[prost(enumeration = "TaskKind", tag = "1")]
    pub kind: i32,
    /// Id (not name) of the namespace.
    #[prost(string, tag = "2")]
    pub namespace_id: String,
    /// Workflow id.
    #[prost(string, tag = "3")]
    pub workflow_id: String,
    /// Run id.
    #[prost(string, tag = "4")]
    pub run_id: String,
    /// Event id at which the task was scheduled (virtual for retried and speculative workflow tasks).
    #[prost(int64, tag = "5")]
    pub scheduled_event_id: i64,
    /// Event id at which a workflow task was started.
    #[prost(int64, tag = "6")]
    pub started_event_id: i64,
    /// Attempt of the task, from 1.
    #[prost(int32, tag = "7")]
    pub attempt: i32,
    /// When the task was started, nanoseconds since the epoch: tells two starts with equal ids apart.
    #[prost(int64, tag = "8")]
    pub started_time_ns: i64,
    /// Id of a query that was sent alone.
    #[prost(string, tag = "9")]
    pub query_id: String,
    /// Activity id, for messages only.
    #[prost(string, tag = "10")]
    pub activity_id: String,
}

impl TaskToken {
    /// The bytes for the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    /// Reads a token. `None` if the bytes are not a token of this server.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let token = Self::decode(bytes).ok()?;
        (token.kind() != TaskKind::Unspecified && !token.namespace_id.is_empty()).then_some(token)
    }

    /// Reads a token in the layout of the reference server, as some SDKs keep one in their tests and as a client has that
    /// moved from there to here. It names a task that this server has never handed out: whatever is asked with it, the task
    /// is not found. `None` if the bytes are no such token.
    #[must_use]
    pub fn from_reference(bytes: &[u8], kind: TaskKind) -> Option<Self> {
        let token = ReferenceToken::decode(bytes).ok().filter(|t| !t.namespace_id.is_empty())?;
        Some(Self {
            kind: kind.into(),
            namespace_id: token.namespace_id,
            workflow_id: token.workflow_id,
            run_id: token.run_id,
            scheduled_event_id: token.scheduled_event_id,
            attempt: token.attempt,
            started_time_ns: NEVER_STARTED_NS,
            ..Self::default()
        })
    }
}

/// A time at which no task is started.
const NEVER_STARTED_NS: i64 = -1;

/// What a token of the reference says of its task (`temporal.server.api.token.v1.Task`).
#[derive(Clone, PartialEq, Message)]
struct ReferenceToken {
    #[prost(string, tag = "1")]
    namespace_id: String,
    #[prost(string, tag = "2")]
    workflow_id: String,
    #[prost(string, tag = "3")]
    run_id: String,
    #[prost(int64, tag = "4")]
    scheduled_event_id: i64,
    #[prost(int32, tag = "5")]
    attempt: i32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn a_token() -> impl Strategy<Value = TaskToken> {
        (1..5i32, ".{1,20}", ".{0,20}", ".{0,20}", any::<[i64; 3]>(), any::<i32>(), ".{0,10}").prop_map(
            |(kind, namespace_id, workflow_id, run_id, numbers, attempt, id)| TaskToken {
                kind,
                namespace_id,
                workflow_id,
                run_id,
                scheduled_event_id: numbers[0],
                started_event_id: numbers[1],
                attempt,
                started_time_ns: numbers[2],
                query_id: id.clone(),
                activity_id: id,
            },
        )
    }

    #[test]
    fn a_token_of_the_reference_names_a_task_that_was_never_started() {
        let theirs = ReferenceToken {
            namespace_id: "n".to_owned(),
            workflow_id: "w".to_owned(),
            run_id: "r".to_owned(),
            scheduled_event_id: 5,
            attempt: 1,
        };
        let bytes = theirs.encode_to_vec();
        assert_eq!(TaskToken::from_bytes(&bytes), None, "the two layouts cannot be taken for each other");
        let read = TaskToken::from_reference(&bytes, TaskKind::Activity).unwrap();
        assert_eq!((read.kind(), read.workflow_id.as_str(), read.scheduled_event_id), (TaskKind::Activity, "w", 5));
        assert_eq!(read.started_time_ns, NEVER_STARTED_NS);
        assert_eq!(TaskToken::from_reference(b"garbage", TaskKind::Activity), None);
        assert_eq!(TaskToken::from_reference(b"", TaskKind::Activity), None);
    }

    proptest! {
        #[test]
        fn a_token_reads_back_as_it_was(token in a_token()) {
            prop_assert_eq!(TaskToken::from_bytes(&token.to_bytes()), Some(token));
        }

        /// Whatever a caller sends: it is a token or it is not, and nothing else happens.
        #[test]
        fn bytes_of_any_kind_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(token) = TaskToken::from_bytes(&bytes) {
                prop_assert!(!token.namespace_id.is_empty());
            }
        }

        #[test]
        fn a_damaged_token_does_no_harm(token in a_token(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = token.to_bytes().to_vec();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let _ = TaskToken::from_bytes(&bytes);
            let _ = TaskToken::from_bytes(&bytes[..place]);
        }
    }
}
