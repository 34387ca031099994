//! Questions that would take longer the more workflows there are.

use super::{client, start};
use evertide_proto::workflowservice::{CountWorkflowExecutionsRequest, ListWorkflowExecutionsRequest};
use evertide_server::Server;
use evertide_store_sqlite::{SqliteOptions, SqliteStore};
use std::sync::Arc;
use tonic::Code;

#[tokio::test]
async fn a_list_goes_on_by_pages_and_a_count_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { scan_rows: 2, count_rows: 2, ..SqliteOptions::default() };
    let store = Arc::new(SqliteStore::open(folder.path().join("evertide.db"), &options).unwrap());
    let server = Server::builder().store(store.clone()).start().await.unwrap();
    let client = &mut client(&server);
    for number in 0..5 {
        start(client, "default", &format!("w{number}")).await;
    }
    store.materialise().unwrap();

    let (namespace, unindexed) = ("default".to_owned(), "TaskQueue = 'q'".to_owned());
    let (mut listed, mut next_page_token) = (0, bytes::Bytes::new());
    loop {
        let (namespace, query) = (namespace.clone(), unindexed.clone());
        let request = ListWorkflowExecutionsRequest {
            namespace,
            query,
            next_page_token,
            ..ListWorkflowExecutionsRequest::default()
        };
        let page = client.list_workflow_executions(request).await.unwrap().into_inner();
        listed += page.executions.len();
        next_page_token = page.next_page_token;
        if next_page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, 5);

    let request = CountWorkflowExecutionsRequest { namespace: namespace.clone(), query: unindexed };
    let refused = client.count_workflow_executions(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(
        refused.message(),
        "the count needs a narrower filter, such as a range of StartTime or CloseTime, or a rare value of a search attribute; \
         a list goes through all pages: more than 2 workflows would have to be looked at"
    );
    for (query, count) in [("", 5), ("ExecutionStatus = 'Running'", 5), ("WorkflowId = 'w1'", 1)] {
        let request = CountWorkflowExecutionsRequest { namespace: namespace.clone(), query: query.to_owned() };
        assert_eq!(client.count_workflow_executions(request).await.unwrap().into_inner().count, count, "{query}");
    }
    server.shutdown().await;
}
