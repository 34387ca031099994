//! A server as an embedder sees it: in process, on a port, on a file, stopped and started again.
#![allow(clippy::unwrap_used)] // In tests a panic is the report.

#[path = "server/settings.rs"]
mod settings;

use evertide_proto::command::Command;
use evertide_proto::command::CompleteWorkflowExecutionCommandAttributes;
use evertide_proto::command::command::Attributes;
use evertide_proto::common::{WorkflowExecution, WorkflowType};
use evertide_proto::enums::{EventType, WorkflowExecutionStatus};
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflowservice::workflow_service_client::WorkflowServiceClient;
use evertide_proto::workflowservice::{
    DescribeWorkflowExecutionRequest, GetSystemInfoRequest, GetWorkflowExecutionHistoryRequest,
    PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse, RespondWorkflowTaskCompletedRequest,
    StartWorkflowExecutionRequest,
};
use evertide_server::server::Wire;
use evertide_server::{RunningServer, Server, StartError};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tonic::service::Routes;
use tonic::{Code, Request};

type Client = WorkflowServiceClient<Wire<Routes>>;

fn client(server: &RunningServer) -> Client {
    WorkflowServiceClient::new(server.service())
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: "q".to_owned(), ..TaskQueue::default() })
}

fn execution(workflow_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: String::new() })
}

async fn start(client: &mut Client, workflow_id: &str) -> String {
    let request = StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType { name: "wf".to_owned() }),
        task_queue: queue(),
        ..StartWorkflowExecutionRequest::default()
    };
    client.start_workflow_execution(request).await.unwrap().into_inner().run_id
}

async fn poll(client: &mut Client, timeout: Duration) -> Result<PollWorkflowTaskQueueResponse, tonic::Status> {
    let mut request = Request::new(PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue(),
        ..PollWorkflowTaskQueueRequest::default()
    });
    request.set_timeout(timeout);
    Ok(client.poll_workflow_task_queue(request).await?.into_inner())
}

async fn complete(client: &mut Client, task: &PollWorkflowTaskQueueResponse) {
    let attributes = Attributes::from(CompleteWorkflowExecutionCommandAttributes::default());
    let command =
        Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() };
    let request = RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token.clone(),
        commands: vec![command],
        ..RespondWorkflowTaskCompletedRequest::default()
    };
    client.respond_workflow_task_completed(request).await.unwrap();
}

async fn status(client: &mut Client, workflow_id: &str) -> WorkflowExecutionStatus {
    let request =
        DescribeWorkflowExecutionRequest { namespace: "default".to_owned(), execution: execution(workflow_id) };
    let answer = client.describe_workflow_execution(request).await.unwrap().into_inner();
    answer.workflow_execution_info.unwrap().status()
}

#[tokio::test]
async fn a_workflow_runs_in_process_without_a_socket() {
    let server = Server::builder().start().await.unwrap();
    assert_eq!(server.local_addr(), None);
    let mut client = client(&server);
    start(&mut client, "w").await;
    let task = poll(&mut client, Duration::from_secs(30)).await.unwrap();
    complete(&mut client, &task).await;
    assert_eq!(status(&mut client, "w").await, WorkflowExecutionStatus::Completed);
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    let history = client.get_workflow_execution_history(request).await.unwrap().into_inner().history.unwrap();
    let kinds: Vec<_> = history.events.iter().map(|e| e.event_type()).collect();
    assert_eq!(
        kinds,
        [
            EventType::WorkflowExecutionStarted,
            EventType::WorkflowTaskScheduled,
            EventType::WorkflowTaskStarted,
            EventType::WorkflowTaskCompleted,
            EventType::WorkflowExecutionCompleted,
        ]
    );
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_in_a_file_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("evertide.db");
    let server = Server::builder().db_file(&file).start().await.unwrap();
    start(&mut client(&server), "w").await;
    server.shutdown().await;
    let server = Server::builder().db_file(&file).start().await.unwrap();
    let mut client = client(&server);
    assert_eq!(status(&mut client, "w").await, WorkflowExecutionStatus::Running);
    let task = poll(&mut client, Duration::from_secs(30)).await.unwrap();
    assert_eq!(task.workflow_execution.unwrap().workflow_id, "w");
    server.shutdown().await;
}

#[tokio::test]
async fn a_stop_answers_waiting_polls_empty() {
    let server = Server::builder().listen(free_address()).start().await.unwrap();
    let mut client = client(&server);
    let waiting = tokio::spawn(async move { poll(&mut client, Duration::from_secs(60)).await });
    tokio::task::yield_now().await;
    server.shutdown().await;
    assert_eq!(waiting.await.unwrap().unwrap(), PollWorkflowTaskQueueResponse::default());
}

#[tokio::test]
async fn a_poll_without_a_deadline_is_refused() {
    let server = Server::builder().start().await.unwrap();
    let request = PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue(),
        ..PollWorkflowTaskQueueRequest::default()
    };
    let told = client(&server).poll_workflow_task_queue(request).await.unwrap_err();
    assert_eq!((told.code(), told.message()), (Code::InvalidArgument, "Context timeout is not set."));
}

#[tokio::test]
async fn a_large_request_is_refused_in_the_words_that_clients_know() {
    let server = Server::builder().start().await.unwrap();
    let mut request = StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        identity: "i".repeat(4 * 1024 * 1024),
        ..StartWorkflowExecutionRequest::default()
    };
    let told = client(&server).start_workflow_execution(request.clone()).await.unwrap_err();
    assert_eq!(told.code(), Code::ResourceExhausted);
    assert!(told.message().starts_with("grpc: received message larger than max ("), "{}", told.message());
    request.identity.truncate(10);
    let told = client(&server).start_workflow_execution(request).await.unwrap_err();
    assert_eq!(told.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_before_anything_happens() {
    let server = Server::builder().listen(free_address()).start().await.unwrap();
    let address = server.local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("evertide.db");
    let second = Server::builder().db_file(&file).listen(address).start().await;
    let Err(error @ StartError::Listen { .. }) = second else { panic!("two servers on one port") };
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(!file.exists());
    server.shutdown().await;
}

#[tokio::test]
async fn namespaces_of_the_builder_are_there_and_others_are_not() {
    let server = Server::builder().namespace("shop").start().await.unwrap();
    let mut client = client(&server);
    let describe = |namespace: &str| DescribeWorkflowExecutionRequest {
        namespace: namespace.to_owned(),
        execution: execution("w"),
    };
    for known in ["default", "shop"] {
        let told = client.describe_workflow_execution(describe(known)).await.unwrap_err();
        assert_eq!(told.message(), "workflow not found for ID: w");
    }
    let told = client.describe_workflow_execution(describe("other")).await.unwrap_err();
    assert_eq!(told.message(), "Namespace other is not found.");
}

#[tokio::test]
async fn requests_may_come_compressed_over_a_socket() {
    let server = Server::builder().listen(free_address()).start().await.unwrap();
    let address = format!("http://{}", server.local_addr().unwrap());
    let channel = tonic::transport::Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let gzip = tonic::codec::CompressionEncoding::Gzip;
    let mut client = WorkflowServiceClient::new(channel).send_compressed(gzip).accept_compressed(gzip);
    let answer = client.get_system_info(GetSystemInfoRequest {}).await.unwrap();
    assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), "gzip");
    assert!(answer.into_inner().capabilities.unwrap().sdk_metadata);
    server.shutdown().await;
}

fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
