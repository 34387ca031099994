//! Descriptions.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use evertide_client::payload::to_payload;
use evertide_client::proto::common::{Memo, SearchAttributes, WorkflowExecution, WorkflowType};
use evertide_client::proto::prost_types::Timestamp;
use evertide_client::proto::sdk::UserMetadata;
use evertide_client::proto::workflow::{PendingActivityInfo, WorkflowExecutionConfig, WorkflowExecutionInfo};
use evertide_client::proto::workflowservice::*;
use evertide_client::{ErrorKind, SearchAttributeKey, WorkflowExecutionStatus};

use super::fake::Fake;

fn execution(workflow_id: &str, run_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow_id.into(), run_id: run_id.into() })
}

/// A run with every field that a description tells.
pub(crate) fn info() -> WorkflowExecutionInfo {
    let mut amount = to_payload(&7).unwrap();
    amount.metadata.insert("type".into(), "Int".into());
    WorkflowExecutionInfo {
        execution: execution("w", "r"),
        r#type: Some(WorkflowType { name: "W".into() }),
        start_time: Some(Timestamp { seconds: 100, nanos: 0 }),
        execution_time: Some(Timestamp { seconds: 160, nanos: 0 }),
        close_time: Some(Timestamp { seconds: 200, nanos: 5 }),
        status: WorkflowExecutionStatus::Completed.into(),
        history_length: 12,
        parent_execution: execution("parent", "pr"),
        root_execution: execution("root", "rr"),
        memo: Some(Memo { fields: BTreeMap::from([("note".into(), to_payload("hello").unwrap())]) }),
        search_attributes: Some(SearchAttributes { indexed_fields: BTreeMap::from([("Amount".into(), amount)]) }),
        task_queue: "q".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_description_tells_everything_that_the_server_does() {
    let fake = Fake::new();
    let metadata =
        UserMetadata { summary: Some(to_payload("summary").unwrap()), details: Some(to_payload("details").unwrap()) };
    fake.answer::<DescribeWorkflowExecutionRequest>(DescribeWorkflowExecutionResponse {
        workflow_execution_info: Some(info()),
        execution_config: Some(WorkflowExecutionConfig { user_metadata: Some(metadata), ..Default::default() }),
        pending_activities: vec![PendingActivityInfo { activity_id: "3".into(), ..Default::default() }],
        ..Default::default()
    });
    let description = fake.handle().await.describe().await.unwrap();
    assert_eq!((description.id(), description.run_id(), description.namespace()), ("w", "r", "tides"));
    assert_eq!((description.workflow_type(), description.task_queue()), ("W", "q"));
    assert_eq!(description.status(), Some(WorkflowExecutionStatus::Completed));
    let at = |seconds, nanos| Some(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos));
    assert_eq!((description.start_time(), description.execution_time()), (at(100, 0), at(160, 0)));
    assert_eq!(description.close_time(), at(200, 5));
    assert_eq!(description.history_length(), 12);
    assert_eq!((description.parent_id(), description.parent_run_id()), (Some("parent"), Some("pr")));
    assert_eq!((description.root_id(), description.root_run_id()), (Some("root"), Some("rr")));
    assert_eq!(description.memo_keys().collect::<Vec<_>>(), ["note"]);
    assert_eq!(description.memo_value::<String>("note").await.unwrap().as_deref(), Some("hello"));
    assert_eq!(description.memo_value::<String>("missing").await.unwrap(), None);
    assert!(matches!(description.memo_value::<i32>("note").await.unwrap_err().kind(), ErrorKind::Conversion(_)));
    assert_eq!(description.memo::<String>().await.unwrap()["note"], "hello");
    let attributes = description.search_attributes();
    assert_eq!(attributes.get(SearchAttributeKey::int("Amount")), Some(7));
    assert_eq!(attributes.type_of("Amount"), Some("Int"));
    assert_eq!(description.static_summary().await.unwrap().as_deref(), Some("summary"));
    assert_eq!(description.static_details().await.unwrap().as_deref(), Some("details"));
    assert_eq!(description.pending_activities()[0].activity_id, "3");
    assert_eq!(description.raw_description().pending_activities.len(), 1);
    assert_eq!(description.raw_info().history_length, 12);
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    let fake = Fake::new();
    fake.answer::<DescribeWorkflowExecutionRequest>(Default::default());
    let description = fake.handle().await.describe().await.unwrap();
    assert_eq!((description.status(), description.close_time()), (None, None));
    assert_eq!((description.parent_id(), description.root_id()), (None, None));
    assert_eq!(description.static_summary().await.unwrap(), None);
    assert!(description.search_attributes().is_empty());
    assert!(description.memo::<serde_json::Value>().await.unwrap().is_empty());
}
