//! Lists and counts.

use evertide_client::payload::to_payload;
use evertide_client::proto::workflow::WorkflowExecutionInfo;
use evertide_client::proto::workflowservice::count_workflow_executions_response::AggregationGroup;
use evertide_client::proto::workflowservice::*;
use evertide_client::{Code, Status};

use super::describing::info;
use super::fake::Fake;

type List = ListWorkflowExecutionsRequest;

fn page(ids: &[&str], next: &'static str) -> ListWorkflowExecutionsResponse {
    let executions = ids.iter().map(|id| {
        let mut info: WorkflowExecutionInfo = info();
        info.execution.as_mut().unwrap().workflow_id = (*id).into();
        info
    });
    ListWorkflowExecutionsResponse { executions: executions.collect(), next_page_token: next.into() }
}

#[tokio::test]
async fn a_list_reads_on_as_it_is_used() {
    let fake = Fake::new();
    fake.answer::<List>(page(&["a", "b"], "2")).answer::<List>(page(&[], "3")).answer::<List>(page(&["c"], ""));
    let client = fake.client().await;
    let mut list = client.list_workflows("WorkflowType = 'W'").page_size(2);
    assert_eq!(list.next().await.unwrap().unwrap().id(), "a");
    assert_eq!(list.next().await.unwrap().unwrap().memo_value::<String>("note").await.unwrap().unwrap(), "hello");
    assert_eq!(fake.methods().len(), 1);
    assert_eq!(list.next().await.unwrap().unwrap().id(), "c");
    assert!(list.next().await.is_none());
    let requests: Vec<List> = fake.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!((requests[0].query.as_str(), requests[0].page_size), ("WorkflowType = 'W'", 2));
    assert_eq!((requests[0].namespace.as_str(), requests[2].next_page_token.as_ref()), ("tides", &b"3"[..]));
}

#[tokio::test]
async fn a_limit_ends_a_list_without_reading_more() {
    let fake = Fake::new();
    fake.answer::<List>(page(&["a", "b"], "2"));
    let mut list = fake.client().await.list_workflows("").limit(2);
    assert!(list.next().await.is_some());
    assert!(list.next().await.is_some());
    assert!(list.next().await.is_none());
    assert_eq!(fake.methods().len(), 1);
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_told() {
    let fake = Fake::new();
    fake.refuse::<List>(Status::invalid_argument("syntax error"));
    let error = fake.client().await.list_workflows("?").next().await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(Code::InvalidArgument));
}

#[tokio::test]
async fn histories_follow_a_list() {
    let fake = Fake::new();
    fake.answer::<List>(page(&["a", "b"], ""));
    fake.answer::<GetWorkflowExecutionHistoryRequest>(super::results::completed("1"));
    let mut histories = fake.client().await.list_workflows("").map_histories().skip_archival(true);
    assert_eq!(histories.next().await.unwrap().unwrap().workflow_id, "a");
    assert_eq!(histories.next().await.unwrap().unwrap().workflow_id, "b");
    assert!(histories.next().await.is_none());
    let requests: Vec<GetWorkflowExecutionHistoryRequest> = fake.requests();
    assert!(requests.iter().all(|request| request.skip_archival && !request.wait_new_event));
    let execution = requests[1].execution.clone().unwrap();
    assert_eq!((execution.workflow_id.as_str(), execution.run_id.as_str()), ("b", "r"));
}

#[tokio::test]
async fn counts_come_with_groups() {
    let fake = Fake::new();
    let group = AggregationGroup { group_values: vec![to_payload("Running").unwrap()], count: 2 };
    fake.answer::<CountWorkflowExecutionsRequest>(CountWorkflowExecutionsResponse { count: 3, groups: vec![group] });
    let count = fake.client().await.count_workflows("GROUP BY ExecutionStatus").await.unwrap();
    assert_eq!((count.count, count.groups.len(), count.groups[0].count), (3, 1, 2));
    assert_eq!(count.groups[0].value::<String>(0).unwrap(), "Running");
    assert!(count.groups[0].value::<String>(1).is_err());
    let request: CountWorkflowExecutionsRequest = fake.request();
    assert_eq!((request.query.as_str(), request.namespace.as_str()), ("GROUP BY ExecutionStatus", "tides"));
}
