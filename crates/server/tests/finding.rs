//! Finding workflows through the whole server: what stays within a namespace, what hostile questions are told, and how far
//! one answer goes.
#![allow(clippy::needless_update)] // Some requests have no other fields than those that a test names.
#![allow(clippy::unwrap_used)] // In tests a panic is the report.

#[path = "finding/bounds.rs"]
mod bounds;
#[path = "finding/cluster.rs"]
mod cluster;
#[path = "finding/hostile.rs"]
mod hostile;
#[path = "finding/isolation.rs"]
mod isolation;

use evertide_proto::common::{WorkflowExecution, WorkflowType};
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflowservice::StartWorkflowExecutionRequest;
use evertide_proto::workflowservice::workflow_service_client::WorkflowServiceClient;
use evertide_server::RunningServer;
use evertide_server::server::Wire;

type Client = WorkflowServiceClient<Wire>;

fn client(server: &RunningServer) -> Client {
    WorkflowServiceClient::new(server.service())
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: "q".to_owned(), ..TaskQueue::default() })
}

fn execution(workflow_id: &str, run_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: run_id.to_owned() })
}

/// Starts a workflow on the queue `q` and gives its run id.
async fn start(client: &mut Client, namespace: &str, workflow_id: &str) -> String {
    let request = StartWorkflowExecutionRequest {
        namespace: namespace.to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType { name: "wf".to_owned() }),
        task_queue: queue(),
        ..StartWorkflowExecutionRequest::default()
    };
    client.start_workflow_execution(request).await.unwrap().into_inner().run_id
}
