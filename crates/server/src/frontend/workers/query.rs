//! Which workers are meant: the language of lists, over what a worker tells of itself.

use evertide_engine::Rejection;
use evertide_engine::env::timestamp_ns;
use evertide_engine::visibility::{
    AttributeType, Attributes, Field, Filter, FilterError, Row, SystemAttribute, ValueRef, matches,
    parse as parse_query,
};
use evertide_proto::enums::WorkerStatus;
use evertide_proto::worker::WorkerHeartbeat;

/// The fields that queries may name, besides the task queue and the start time, which workflows have as well.
const FIELDS: [(&str, AttributeType); 10] = [
    ("WorkerInstanceKey", AttributeType::Keyword),
    ("WorkerIdentity", AttributeType::Keyword),
    ("HostName", AttributeType::Keyword),
    ("DeploymentName", AttributeType::Keyword),
    ("BuildId", AttributeType::Keyword),
    ("SdkName", AttributeType::Keyword),
    ("SdkVersion", AttributeType::Keyword),
    ("WorkerStatus", AttributeType::Keyword),
    ("HeartbeatTime", AttributeType::Datetime),
    ("LastHeartbeatTime", AttributeType::Datetime),
];

/// Which workers are meant.
#[derive(Debug, PartialEq)]
pub(super) enum Meant {
    /// Those for which it is true.
    By(Filter),
    /// None: the query speaks of what workers do not have.
    Nobody,
}

impl Meant {
    pub(super) fn matches(&self, worker: &WorkerHeartbeat) -> bool {
        match self {
            Self::By(filter) => matches(filter, &Told(worker)),
            Self::Nobody => false,
        }
    }
}

/// Reads a query. What it names need not exist, but it must be grammar.
///
/// # Errors
/// It is not.
pub(super) fn parse(text: &str) -> Result<Meant, Rejection> {
    let custom = FIELDS.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
    match parse_query(text, &Attributes::new(custom)) {
        Ok(query) => Ok(Meant::By(query.filter)),
        Err(FilterError::Invalid(_) | FilterError::InvalidValue(_)) => Ok(Meant::Nobody),
        Err(error) => Err(error.into()),
    }
}

/// A heartbeat as filters look at it.
struct Told<'w>(&'w WorkerHeartbeat);

impl Row for Told<'_> {
    fn value(&self, field: &Field) -> Option<ValueRef<'_>> {
        let worker = self.0;
        let version = worker.deployment_version.as_ref();
        match field {
            Field::System(SystemAttribute::TaskQueue) => Some(ValueRef::Keyword(&worker.task_queue)),
            Field::System(SystemAttribute::StartTime) => {
                worker.start_time.as_ref().map(|t| ValueRef::Datetime(timestamp_ns(t)))
            }
            Field::System(_) => None,
            Field::Attribute { name, .. } => match name.as_str() {
                "WorkerInstanceKey" => Some(ValueRef::Keyword(&worker.worker_instance_key)),
                "WorkerIdentity" => Some(ValueRef::Keyword(&worker.worker_identity)),
                "HostName" => worker.host_info.as_ref().map(|h| ValueRef::Keyword(&h.host_name)),
                "DeploymentName" => version.map(|v| ValueRef::Keyword(&v.deployment_name)),
                "BuildId" => version.map(|v| ValueRef::Keyword(&v.build_id)),
                "SdkName" => Some(ValueRef::Keyword(&worker.sdk_name)),
                "SdkVersion" => Some(ValueRef::Keyword(&worker.sdk_version)),
                "WorkerStatus" => Some(ValueRef::Keyword(status_name(worker.status()))),
                "HeartbeatTime" | "LastHeartbeatTime" => {
                    worker.heartbeat_time.as_ref().map(|t| ValueRef::Datetime(timestamp_ns(t)))
                }
                _ => None,
            },
        }
    }
}

fn status_name(status: WorkerStatus) -> &'static str {
    match status {
        WorkerStatus::Unspecified => "Unspecified",
        WorkerStatus::Running => "Running",
        WorkerStatus::ShuttingDown => "ShuttingDown",
        WorkerStatus::Shutdown => "Shutdown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_found_by_what_they_tell() {
        let worker = WorkerHeartbeat {
            task_queue: "q".to_owned(),
            worker_identity: "w@host".to_owned(),
            status: WorkerStatus::Running.into(),
            ..WorkerHeartbeat::default()
        };
        let found = |query| parse(query).unwrap().matches(&worker);
        assert!(found(""));
        assert!(found("TaskQueue = 'q' AND WorkerStatus = 'Running'"));
        assert!(found("TaskQueue STARTS_WITH 'q' AND (WorkerIdentity = 'x' OR WorkerIdentity = 'w@host')"));
        assert!(!found("HostName = 'h'"));
        assert!(!found("Nonsense = 'x'"));
        assert!(parse("TaskQueue =").is_err());
    }
}
