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
    DescribeTaskQueueRequest, DescribeWorkflowExecutionRequest, GetSystemInfoRequest,
    GetWorkflowExecutionHistoryRequest, PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest, StartWorkflowExecutionRequest,
};
use evertide_server::server::Wire;
use evertide_server::{RunningServer, Server, StartError};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest as Asked;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse as Answered;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

type Client = WorkflowServiceClient<Wire>;

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

async fn channel(server: &RunningServer) -> Channel {
    let address = format!("http://{}", server.local_addr().unwrap());
    Endpoint::from_shared(address).unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn requests_and_answers_may_be_packed_over_a_socket() {
    let server = Server::builder().listen(free_address()).start().await.unwrap();
    let gzip = tonic::codec::CompressionEncoding::Gzip;
    let client = WorkflowServiceClient::new(channel(&server).await).send_compressed(gzip);
    let mut client = client.accept_compressed(gzip);
    let answer = client.get_system_info(GetSystemInfoRequest {}).await.unwrap();
    assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), "gzip");
    assert!(answer.into_inner().capabilities.unwrap().sdk_metadata);
    let request = StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some(WorkflowType { name: "wf".to_owned() }),
        task_queue: queue(),
        identity: "i".repeat(900),
        cron_schedule: " ".repeat(5 * 1024 * 1024),
        ..StartWorkflowExecutionRequest::default()
    };
    let told = client.start_workflow_execution(request.clone()).await.unwrap_err();
    assert_eq!(
        (told.code(), told.message()),
        (Code::ResourceExhausted, "grpc: received message after decompression larger than max 4194304")
    );
    let request = StartWorkflowExecutionRequest { cron_schedule: String::new(), ..request };
    client.start_workflow_execution(request).await.unwrap();
    let history = GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    let events = client.get_workflow_execution_history(history).await.unwrap().into_inner().history.unwrap().events;
    assert_eq!(events[0].event_type(), EventType::WorkflowExecutionStarted);
    server.shutdown().await;
}

#[tokio::test]
async fn one_connection_holds_as_many_polls_as_a_large_worker_has() {
    const POLLS: usize = 300;
    let server = Server::builder().listen(free_address()).start().await.unwrap();
    let mut client = WorkflowServiceClient::new(channel(&server).await);
    for number in 0..POLLS {
        let mut client = client.clone();
        tokio::spawn(async move {
            let mut request = Request::new(PollWorkflowTaskQueueRequest {
                namespace: "default".to_owned(),
                task_queue: queue(),
                identity: number.to_string(),
                ..PollWorkflowTaskQueueRequest::default()
            });
            request.set_timeout(Duration::from_secs(60));
            client.poll_workflow_task_queue(request).await
        });
    }
    loop {
        let request = DescribeTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: queue(),
            task_queue_type: 1,
            ..DescribeTaskQueueRequest::default()
        };
        let pollers = client.describe_task_queue(request).await.unwrap().into_inner().pollers;
        if pollers.len() == POLLS {
            break;
        }
        tokio::task::yield_now().await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn headers_have_a_limit_that_tokens_do_not_reach() {
    let server = Server::builder().listen(free_address()).start().await.unwrap();
    let mut client = WorkflowServiceClient::new(channel(&server).await);
    let with_header = |bytes: usize| {
        let mut request = Request::new(GetSystemInfoRequest {});
        request.metadata_mut().insert("authorization", "t".repeat(bytes).parse().unwrap());
        request
    };
    client.get_system_info(with_header(40 * 1024)).await.unwrap();
    client.get_system_info(with_header(100 * 1024)).await.unwrap_err();
    client.get_system_info(GetSystemInfoRequest {}).await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn clients_and_servers_that_are_not_made_for_each_other_are_told_apart() {
    let server = Server::builder().start().await.unwrap();
    let told = async |name: &'static str, version: &'static str, servers: &'static str| {
        let mut request = Request::new(GetSystemInfoRequest {});
        for (key, value) in [("client-name", name), ("client-version", version), ("supported-server-versions", servers)]
        {
            request.metadata_mut().insert(key, value.parse().unwrap());
        }
        client(&server).get_system_info(request).await.map_err(|status| status.code()).map(drop)
    };
    assert_eq!(told("temporal-go", "1.35.0", ">=1.0.0 <2.0.0").await, Ok(()));
    assert_eq!(told("temporal-go", "2.0.0", ">=1.0.0 <2.0.0").await, Err(Code::FailedPrecondition));
    assert_eq!(told("temporal-go", "1.35.0", "<1.0.0").await, Err(Code::FailedPrecondition));
    assert_eq!(told("temporal-go", "latest", "").await, Err(Code::InvalidArgument));
}

#[tokio::test]
async fn reflection_lists_what_is_served_and_answers_each_question() {
    let server = Server::builder().start().await.unwrap();
    let question = |what| ServerReflectionRequest { message_request: Some(what), ..ServerReflectionRequest::default() };
    let unknown = question(Asked::FileContainingSymbol("no.Such".to_owned()));
    let questions = [
        unknown.clone(),
        question(Asked::ListServices(String::new())),
        question(Asked::FileContainingSymbol("grpc.health.v1.Health".to_owned())),
    ];
    let mut reflection = ServerReflectionClient::new(server.service());
    let answers = reflection.server_reflection_info(tokio_stream::iter(questions)).await.unwrap().into_inner();
    let answers: Vec<_> = tokio_stream::StreamExt::collect(answers).await;
    let [first, second, third]: [ServerReflectionResponse; 3] =
        answers.into_iter().map(Result::unwrap).collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(first.original_request, Some(unknown));
    let Some(Answered::ErrorResponse(error)) = first.message_response else { panic!("{first:?}") };
    assert_eq!(error.error_code, i32::from(Code::NotFound));
    let Some(Answered::ListServicesResponse(list)) = second.message_response else { panic!("{second:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for served in ["grpc.health.v1.Health", "temporal.api.workflowservice.v1.WorkflowService"] {
        assert!(names.contains(&served), "{names:?}");
    }
    assert!(matches!(third.message_response, Some(Answered::FileDescriptorResponse(_))), "{third:?}");
}

fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
