//! Two namespaces with the same names in them: nothing of one is seen, reached or changed from the other.

use super::{Client, client, execution, queue, start};
use evertide_proto::command::command::Attributes;
use evertide_proto::command::{Command, ScheduleActivityTaskCommandAttributes};
use evertide_proto::common::ActivityType;
use evertide_proto::enums::{IndexedValueType, UpdateWorkflowExecutionLifecycleStage, WorkflowExecutionStatus};
use evertide_proto::operatorservice::operator_service_client::OperatorServiceClient;
use evertide_proto::operatorservice::{AddSearchAttributesRequest, DeleteNamespaceRequest};
use evertide_proto::prost_types::Duration as ProtoDuration;
use evertide_proto::query::WorkflowQuery;
use evertide_proto::update::{Input, Meta, Request as UpdateRequest, UpdateRef, WaitPolicy};
use evertide_proto::workflow::WorkflowExecutionInfo;
use evertide_proto::workflowservice::{
    CountWorkflowExecutionsRequest, DeleteWorkflowExecutionRequest, DescribeTaskQueueRequest,
    DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryReverseRequest,
    ListClosedWorkflowExecutionsRequest, ListOpenWorkflowExecutionsRequest, ListWorkflowExecutionsRequest,
    PollActivityTaskQueueRequest, PollWorkflowExecutionUpdateRequest, PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse, QueryWorkflowRequest, RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatRequest, RequestCancelWorkflowExecutionRequest, ResetWorkflowExecutionRequest,
    RespondActivityTaskCompletedRequest, RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest,
    ScanWorkflowExecutionsRequest, SignalWorkflowExecutionRequest, TerminateWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
};
use evertide_server::{RunningServer, Server};
use std::time::Duration;
use tonic::{Code, Request};

/// Its workflows are the ones that must stay untouched.
const OURS: &str = "ours";
const THEIRS: &str = "theirs";
const DEADLINE: Duration = Duration::from_secs(30);

async fn server() -> RunningServer {
    Server::builder().namespace(OURS).namespace(THEIRS).start().await.unwrap()
}

/// Makes the same call in both namespaces: `$theirs` is its outcome there, then it must be fine in ours.
macro_rules! refused_there {
    ($client:expr, $method:ident($request:ident { $($field:ident: $value:expr),* $(,)? }), $code:expr) => {{
        #[allow(clippy::needless_update)] // Some of the requests have no other fields.
        let request = |namespace: &str| $request {
            namespace: namespace.to_owned(),
            $($field: $value,)*
            ..$request::default()
        };
        let told = $client.$method(timely(request(THEIRS))).await.expect_err(stringify!($method));
        assert_eq!(told.code(), $code, "{}: {}", stringify!($method), told.message());
        $client.$method(timely(request(OURS))).await.expect(stringify!($method)).into_inner()
    }};
}

fn timely<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

async fn poll(client: &mut Client, namespace: &str) -> PollWorkflowTaskQueueResponse {
    let request = PollWorkflowTaskQueueRequest {
        namespace: namespace.to_owned(),
        task_queue: queue(),
        ..PollWorkflowTaskQueueRequest::default()
    };
    client.poll_workflow_task_queue(timely(request)).await.unwrap().into_inner()
}

async fn status(client: &mut Client, workflow_id: &str) -> WorkflowExecutionStatus {
    let request =
        DescribeWorkflowExecutionRequest { namespace: OURS.to_owned(), execution: execution(workflow_id, "") };
    let answer = client.describe_workflow_execution(request).await.unwrap().into_inner();
    answer.workflow_execution_info.unwrap().status()
}

#[tokio::test]
async fn neither_workflow_id_nor_run_id_reaches_into_another_namespace() {
    let server = server().await;
    let client = &mut client(&server);
    start(client, OURS, "v").await;
    let run_id = start(client, OURS, "w").await;
    // There is a workflow of this name there too, of which this is no run.
    start(client, THEIRS, "same-name").await;
    let namesake = start(client, OURS, "same-name").await;
    for (workflow_id, run_id) in [("v", ""), ("w", run_id.as_str()), ("same-name", namesake.as_str())] {
        let named = || execution(workflow_id, run_id);
        let missing = Code::NotFound;
        refused_there!(
            client,
            describe_workflow_execution(DescribeWorkflowExecutionRequest { execution: named() }),
            missing
        );
        let history = refused_there!(
            client,
            get_workflow_execution_history(GetWorkflowExecutionHistoryRequest {
                execution: named(),
                maximum_page_size: 1
            }),
            missing
        );
        // The token names the run by itself.
        let next_page_token = history.next_page_token;
        assert!(!next_page_token.is_empty());
        refused_there!(
            client,
            get_workflow_execution_history(GetWorkflowExecutionHistoryRequest {
                execution: named(),
                next_page_token: next_page_token.clone(),
            }),
            missing
        );
        refused_there!(
            client,
            get_workflow_execution_history_reverse(GetWorkflowExecutionHistoryReverseRequest { execution: named() }),
            missing
        );
        refused_there!(
            client,
            signal_workflow_execution(SignalWorkflowExecutionRequest {
                workflow_execution: named(),
                signal_name: "s".to_owned(),
            }),
            missing
        );
        refused_there!(
            client,
            request_cancel_workflow_execution(RequestCancelWorkflowExecutionRequest { workflow_execution: named() }),
            missing
        );
        refused_there!(
            client,
            terminate_workflow_execution(TerminateWorkflowExecutionRequest { workflow_execution: named() }),
            missing
        );
        refused_there!(
            client,
            delete_workflow_execution(DeleteWorkflowExecutionRequest { workflow_execution: named() }),
            missing
        );
    }
    server.shutdown().await;
}

#[tokio::test]
async fn what_needs_a_worker_does_not_reach_into_another_namespace_either() {
    let server = server().await;
    let client = &mut client(&server);
    let run_id = start(client, OURS, "w").await;
    let named = || execution("w", &run_id);
    let theirs = || THEIRS.to_owned();
    let query = WorkflowQuery { query_type: "q".to_owned(), ..WorkflowQuery::default() };
    let query = QueryWorkflowRequest {
        namespace: theirs(),
        execution: named(),
        query: Some(query),
        ..QueryWorkflowRequest::default()
    };
    assert_eq!(client.query_workflow(timely(query)).await.unwrap_err().code(), Code::NotFound);
    let update = UpdateWorkflowExecutionRequest {
        namespace: theirs(),
        workflow_execution: named(),
        wait_policy: Some(WaitPolicy { lifecycle_stage: UpdateWorkflowExecutionLifecycleStage::Accepted.into() }),
        request: Some(UpdateRequest {
            meta: Some(Meta { update_id: "u".to_owned(), ..Meta::default() }),
            input: Some(Input { name: "u".to_owned(), ..Input::default() }),
            ..UpdateRequest::default()
        }),
        ..UpdateWorkflowExecutionRequest::default()
    };
    assert_eq!(client.update_workflow_execution(timely(update)).await.unwrap_err().code(), Code::NotFound);
    let update_ref = UpdateRef { workflow_execution: named(), update_id: "u".to_owned() };
    let outcome = PollWorkflowExecutionUpdateRequest {
        namespace: theirs(),
        update_ref: Some(update_ref),
        ..PollWorkflowExecutionUpdateRequest::default()
    };
    assert_eq!(client.poll_workflow_execution_update(timely(outcome)).await.unwrap_err().code(), Code::NotFound);
    let reset = ResetWorkflowExecutionRequest {
        namespace: theirs(),
        workflow_execution: named(),
        workflow_task_finish_event_id: 3,
        request_id: "r".to_owned(),
        ..ResetWorkflowExecutionRequest::default()
    };
    assert_eq!(client.reset_workflow_execution(timely(reset)).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(status(client, "w").await, WorkflowExecutionStatus::Running);
    server.shutdown().await;
}

/// How many tasks wait in the queue `q`.
async fn backlog(client: &mut Client, namespace: &str) -> i64 {
    let request = DescribeTaskQueueRequest {
        namespace: namespace.to_owned(),
        task_queue: queue(),
        task_queue_type: 1,
        report_stats: true,
        ..DescribeTaskQueueRequest::default()
    };
    let answer = client.describe_task_queue(request).await.unwrap().into_inner();
    answer.stats.unwrap().approximate_backlog_count
}

#[tokio::test]
async fn a_task_queue_of_one_name_is_another_queue_in_each_namespace() {
    let server = server().await;
    let client = &mut client(&server);
    start(client, OURS, "w").await;
    assert_eq!((backlog(client, OURS).await, backlog(client, THEIRS).await), (1, 0));
    // A worker that waits there gets the task that comes there, and not the older one of ours.
    let mut worker = client.clone();
    let waiting = tokio::spawn(async move { poll(&mut worker, THEIRS).await });
    start(client, THEIRS, "x").await;
    assert_eq!(waiting.await.unwrap().workflow_execution.unwrap().workflow_id, "x");
    assert_eq!((backlog(client, OURS).await, backlog(client, THEIRS).await), (1, 0));
    assert_eq!(poll(client, OURS).await.workflow_execution.unwrap().workflow_id, "w");
    server.shutdown().await;
}

#[tokio::test]
async fn a_task_token_is_good_in_its_own_namespace_only() {
    let server = server().await;
    let client = &mut client(&server);
    start(client, OURS, "w").await;
    let task_token = poll(client, OURS).await.task_token;
    let other = Code::InvalidArgument;
    let failed = RespondWorkflowTaskFailedRequest {
        namespace: THEIRS.to_owned(),
        task_token: task_token.clone(),
        ..Default::default()
    };
    assert_eq!(client.respond_workflow_task_failed(failed).await.unwrap_err().code(), other);
    let activity = Attributes::from(ScheduleActivityTaskCommandAttributes {
        activity_id: "a".to_owned(),
        activity_type: Some(ActivityType { name: "a".to_owned() }),
        task_queue: queue(),
        start_to_close_timeout: Some(ProtoDuration { seconds: 60, nanos: 0 }),
        ..ScheduleActivityTaskCommandAttributes::default()
    });
    let command =
        Command { command_type: activity.command_type().into(), attributes: Some(activity), ..Command::default() };
    refused_there!(
        client,
        respond_workflow_task_completed(RespondWorkflowTaskCompletedRequest {
            task_token: task_token.clone(),
            commands: vec![command.clone()],
        }),
        other
    );
    let request = PollActivityTaskQueueRequest {
        namespace: OURS.to_owned(),
        task_queue: queue(),
        ..PollActivityTaskQueueRequest::default()
    };
    let task_token = client.poll_activity_task_queue(timely(request)).await.unwrap().into_inner().task_token;
    refused_there!(
        client,
        record_activity_task_heartbeat(RecordActivityTaskHeartbeatRequest { task_token: task_token.clone() }),
        other
    );
    refused_there!(
        client,
        record_activity_task_heartbeat_by_id(RecordActivityTaskHeartbeatByIdRequest {
            workflow_id: "w".to_owned(),
            activity_id: "a".to_owned(),
        }),
        Code::NotFound
    );
    refused_there!(
        client,
        respond_activity_task_completed(RespondActivityTaskCompletedRequest { task_token: task_token.clone() }),
        other
    );
    server.shutdown().await;
}

fn sorted(executions: Vec<WorkflowExecutionInfo>) -> Vec<String> {
    let mut ids: Vec<_> = executions.into_iter().filter_map(|info| Some(info.execution?.workflow_id)).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn no_list_count_or_page_token_shows_another_namespace() {
    let server = server().await;
    let client = &mut client(&server);
    for id in ["a", "b", "c"] {
        start(client, OURS, id).await;
    }
    start(client, THEIRS, "a").await;
    for closed in ["b", "c"] {
        let request = TerminateWorkflowExecutionRequest {
            namespace: OURS.to_owned(),
            workflow_execution: execution(closed, ""),
            ..TerminateWorkflowExecutionRequest::default()
        };
        client.terminate_workflow_execution(request).await.unwrap();
    }
    for (namespace, all, open, closed) in
        [(OURS, vec!["a", "b", "c"], vec!["a"], vec!["b", "c"]), (THEIRS, vec!["a"], vec!["a"], vec![])]
    {
        let namespace = || namespace.to_owned();
        // A filter that is true of every row must not widen what is looked at.
        for query in ["", "WorkflowId != '' OR WorkflowId = ''"] {
            let query = || query.to_owned();
            let request =
                ListWorkflowExecutionsRequest { namespace: namespace(), query: query(), ..Default::default() };
            assert_eq!(sorted(client.list_workflow_executions(request).await.unwrap().into_inner().executions), all);
            let request =
                ScanWorkflowExecutionsRequest { namespace: namespace(), query: query(), ..Default::default() };
            assert_eq!(sorted(client.scan_workflow_executions(request).await.unwrap().into_inner().executions), all);
            let request = CountWorkflowExecutionsRequest { namespace: namespace(), query: query() };
            let count = client.count_workflow_executions(request).await.unwrap().into_inner().count;
            assert_eq!(usize::try_from(count), Ok(all.len()));
        }
        let request = ListOpenWorkflowExecutionsRequest { namespace: namespace(), ..Default::default() };
        assert_eq!(sorted(client.list_open_workflow_executions(request).await.unwrap().into_inner().executions), open);
        let request = ListClosedWorkflowExecutionsRequest { namespace: namespace(), ..Default::default() };
        assert_eq!(
            sorted(client.list_closed_workflow_executions(request).await.unwrap().into_inner().executions),
            closed
        );
    }
    let first = ListWorkflowExecutionsRequest { namespace: OURS.to_owned(), page_size: 1, ..Default::default() };
    let next_page_token = client.list_workflow_executions(first).await.unwrap().into_inner().next_page_token;
    assert!(!next_page_token.is_empty());
    refused_there!(
        client,
        list_workflow_executions(ListWorkflowExecutionsRequest { next_page_token: next_page_token.clone() }),
        Code::InvalidArgument
    );
    server.shutdown().await;
}

#[tokio::test]
async fn search_attributes_and_deletion_stay_within_their_namespace() {
    let server = server().await;
    let client = &mut client(&server);
    let mut operator = OperatorServiceClient::new(server.service());
    let request = AddSearchAttributesRequest {
        namespace: OURS.to_owned(),
        search_attributes: [("Customer".to_owned(), IndexedValueType::Keyword.into())].into(),
    };
    operator.add_search_attributes(request).await.unwrap();
    refused_there!(
        client,
        count_workflow_executions(CountWorkflowExecutionsRequest { query: "Customer = 'x'".to_owned() }),
        Code::InvalidArgument
    );
    start(client, OURS, "w").await;
    start(client, THEIRS, "w").await;
    let request = DeleteNamespaceRequest { namespace: THEIRS.to_owned(), ..DeleteNamespaceRequest::default() };
    operator.delete_namespace(request).await.unwrap();
    assert_eq!(status(client, "w").await, WorkflowExecutionStatus::Running);
    let request = ListWorkflowExecutionsRequest { namespace: OURS.to_owned(), ..Default::default() };
    assert_eq!(sorted(client.list_workflow_executions(request).await.unwrap().into_inner().executions), ["w"]);
    server.shutdown().await;
}
