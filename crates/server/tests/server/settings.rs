//! What settings change, and what is refused because it cannot be honoured.
#![allow(deprecated)] // Older clients still send such fields.

use super::{Client, client, complete, execution, poll, queue, start, status};
use evertide_proto::command::command::Attributes;
use evertide_proto::command::{
    Command, ScheduleActivityTaskCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
};
use evertide_proto::common::callback::{Nexus, Variant};
use evertide_proto::common::link::workflow_event::Reference;
use evertide_proto::common::{ActivityType, Callback, Payloads, WorkflowType};
use evertide_proto::deployment::WorkerDeploymentOptions;
use evertide_proto::enums::{IndexedValueType, NamespaceState, WorkerVersioningMode, WorkflowExecutionStatus};
use evertide_proto::history::history_event::Attributes as Event;
use evertide_proto::history::{History, HistoryEvent};
use evertide_proto::namespace::{BadBinaries, BadBinaryInfo, NamespaceConfig};
use evertide_proto::operatorservice::operator_service_client::OperatorServiceClient;
use evertide_proto::operatorservice::{DeleteNamespaceRequest, ListSearchAttributesRequest};
use evertide_proto::prost_types::Duration as Length;
use evertide_proto::update::{Input, Meta, Request as Update};
use evertide_proto::worker::WorkerHeartbeat;
use evertide_proto::workflow::VersioningOverride;
use evertide_proto::workflowservice::*;
use evertide_server::{RunningServer, Server};
use prost::Message;
use std::time::Duration;
use tonic::{Code, Request};

const DEFAULT: &str = "default";

async fn with(settings: &[(&str, &str)]) -> RunningServer {
    let builder = settings.iter().fold(Server::builder(), |b, (key, value)| b.dynamic_config(key, value));
    builder.namespace("other").start().await.unwrap()
}

fn command(attributes: impl Into<Attributes>) -> Command {
    let attributes = attributes.into();
    Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() }
}

fn eager_activity() -> Command {
    command(ScheduleActivityTaskCommandAttributes {
        activity_id: "a".to_owned(),
        activity_type: Some(ActivityType { name: "act".to_owned() }),
        task_queue: queue(),
        start_to_close_timeout: Some(Length { seconds: 60, nanos: 0 }),
        request_eager_execution: true,
        ..ScheduleActivityTaskCommandAttributes::default()
    })
}

async fn answer(client: &mut Client, commands: Vec<Command>) -> RespondWorkflowTaskCompletedResponse {
    let task = poll(client, Duration::from_secs(30)).await.unwrap();
    let request = RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        commands,
        ..RespondWorkflowTaskCompletedRequest::default()
    };
    client.respond_workflow_task_completed(request).await.unwrap().into_inner()
}

fn start_request(workflow_id: &str) -> StartWorkflowExecutionRequest {
    StartWorkflowExecutionRequest {
        namespace: DEFAULT.to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType { name: "wf".to_owned() }),
        task_queue: queue(),
        ..StartWorkflowExecutionRequest::default()
    }
}

async fn history(client: &mut Client, namespace: &str, workflow_id: &str) -> GetWorkflowExecutionHistoryResponse {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: namespace.to_owned(),
        execution: execution(workflow_id),
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    client.get_workflow_execution_history(request).await.unwrap().into_inner()
}

async fn events(client: &mut Client, workflow_id: &str) -> Vec<HistoryEvent> {
    history(client, DEFAULT, workflow_id).await.history.unwrap().events
}

async fn describe(client: &mut Client, name: &str, id: &str) -> Result<DescribeNamespaceResponse, tonic::Status> {
    let request = DescribeNamespaceRequest { namespace: name.to_owned(), id: id.to_owned(), ..Default::default() };
    client.describe_namespace(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn eager_activities_and_starts_can_be_switched_off() {
    for (on, settings) in [
        (true, vec![]),
        (false, vec![("system.enableActivityEagerExecution", "false"), ("system.enableEagerWorkflowStart", "false")]),
    ] {
        let server = with(&settings).await;
        let mut client = client(&server);
        let request = StartWorkflowExecutionRequest { request_eager_execution: true, ..start_request("eager") };
        let started = client.start_workflow_execution(request).await.unwrap().into_inner();
        assert_eq!(started.eager_workflow_task.is_some(), on);
        let Some(Event::WorkflowExecutionStartedEventAttributes(first)) =
            events(&mut client, "eager").await.remove(0).attributes
        else {
            panic!("no start")
        };
        assert_eq!(first.eager_execution_accepted, on);
        if !on {
            let task = poll(&mut client, Duration::from_secs(30)).await.unwrap();
            complete(&mut client, &task).await;
        }
        start(&mut client, "w").await;
        let answer = answer(&mut client, vec![eager_activity()]).await;
        assert_eq!(answer.activity_tasks.len(), usize::from(on));
        let capabilities = describe(&mut client, DEFAULT, "").await.unwrap().namespace_info.unwrap().capabilities;
        assert_eq!(capabilities.unwrap().eager_workflow_start, on);
    }
}

#[tokio::test]
async fn a_worker_without_versioning_tells_its_deployment_all_the_same() {
    let server = with(&[]).await;
    let mut client = client(&server);
    start(&mut client, "w").await;
    let task = poll(&mut client, Duration::from_secs(30)).await.unwrap();
    let request = RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        versioning_behavior: 1,
        deployment_options: Some(WorkerDeploymentOptions {
            deployment_name: "dep".to_owned(),
            build_id: "1".to_owned(),
            worker_versioning_mode: WorkerVersioningMode::Unversioned.into(),
        }),
        ..RespondWorkflowTaskCompletedRequest::default()
    };
    client.respond_workflow_task_completed(request).await.unwrap();
    let Some(Event::WorkflowTaskCompletedEventAttributes(completed)) =
        events(&mut client, "w").await.remove(3).attributes
    else {
        panic!("no completed task")
    };
    let told = (completed.worker_deployment_name.as_str(), completed.versioning_behavior);
    assert_eq!((told, completed.deployment_version), (("dep", 0), None));
}

#[tokio::test]
async fn the_end_of_polls_at_a_shutdown_is_told_and_done_together() {
    for on in [false, true] {
        let server = with(&[("frontend.enableCancelWorkerPollsOnShutdown", if on { "true" } else { "false" })]).await;
        let mut client = client(&server);
        let capabilities = describe(&mut client, DEFAULT, "").await.unwrap().namespace_info.unwrap().capabilities;
        assert_eq!(capabilities.unwrap().worker_poll_complete_on_shutdown, on);
        let mut request = Request::new(PollActivityTaskQueueRequest {
            namespace: DEFAULT.to_owned(),
            task_queue: queue(),
            worker_instance_key: "k".to_owned(),
            ..PollActivityTaskQueueRequest::default()
        });
        request.set_timeout(Duration::from_secs(60));
        let shutdown = ShutdownWorkerRequest {
            namespace: DEFAULT.to_owned(),
            worker_instance_key: "k".to_owned(),
            ..ShutdownWorkerRequest::default()
        };
        client.shutdown_worker(shutdown).await.unwrap();
        // What has been said holds for polls that come late, too.
        let waiting = tokio::time::timeout(Duration::from_millis(300), client.poll_activity_task_queue(request)).await;
        assert_eq!(waiting.is_ok(), on);
    }
}

#[tokio::test]
async fn commands_reach_other_namespaces_where_they_may() {
    let child = |namespace: &str| {
        command(StartChildWorkflowExecutionCommandAttributes {
            namespace: namespace.to_owned(),
            workflow_id: "child".to_owned(),
            workflow_type: Some(WorkflowType { name: "wf".to_owned() }),
            task_queue: queue(),
            ..StartChildWorkflowExecutionCommandAttributes::default()
        })
    };
    let refused = with(&[]).await;
    let mut client = client(&refused);
    start(&mut client, "parent").await;
    let task = poll(&mut client, Duration::from_secs(30)).await.unwrap();
    let request = RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        commands: vec![child("other")],
        ..RespondWorkflowTaskCompletedRequest::default()
    };
    let told = client.respond_workflow_task_completed(request).await.unwrap_err();
    assert!(told.message().contains("cross namespace commands are not allowed"), "{}", told.message());

    let server = with(&[("system.enableCrossNamespaceCommands", "true")]).await;
    let mut client = super::client(&server);
    start(&mut client, "parent").await;
    answer(&mut client, vec![child("other")]).await;
    // The next task comes with the news that the child has started over there.
    let signal = command(SignalExternalWorkflowExecutionCommandAttributes {
        namespace: "other".to_owned(),
        execution: execution("child"),
        signal_name: "hello".to_owned(),
        ..SignalExternalWorkflowExecutionCommandAttributes::default()
    });
    answer(&mut client, vec![signal]).await;
    answer(&mut client, vec![]).await;
    let theirs = history(&mut client, "other", "child").await.history.unwrap().events;
    let Some(Event::WorkflowExecutionStartedEventAttributes(first)) = &theirs[0].attributes else { panic!() };
    assert_eq!(first.parent_workflow_namespace, DEFAULT);
    assert!(theirs.iter().any(|e| matches!(e.attributes, Some(Event::WorkflowExecutionSignaledEventAttributes(_)))));
    let terminate = TerminateWorkflowExecutionRequest {
        namespace: "other".to_owned(),
        workflow_execution: execution("child"),
        ..TerminateWorkflowExecutionRequest::default()
    };
    client.terminate_workflow_execution(terminate).await.unwrap();
    let news = poll(&mut client, Duration::from_secs(30)).await.unwrap();
    complete(&mut client, &news).await;
    assert_eq!(status(&mut client, "parent").await, WorkflowExecutionStatus::Completed);
}

#[tokio::test]
async fn history_comes_encoded_where_clients_decode_it() {
    let server = with(&[("frontend.sendRawWorkflowHistory", "true")]).await;
    let mut client = client(&server);
    start(&mut client, "w").await;
    let answer = history(&mut client, DEFAULT, "w").await;
    assert_eq!(answer.history, Some(History::default()));
    let decoded = History::decode(answer.raw_history[0].data.clone()).unwrap();
    assert_eq!((answer.raw_history.len(), decoded.events.len()), (1, 2));
}

#[tokio::test]
async fn a_deleted_namespace_is_described_by_its_id_and_a_protected_one_stays() {
    let server = with(&[("worker.protectedNamespaces", "[\"default\"]")]).await;
    let mut client = client(&server);
    let mut operator = OperatorServiceClient::new(server.service());
    let delete = |name: &str| DeleteNamespaceRequest { namespace: name.to_owned(), ..Default::default() };
    let told = operator.delete_namespace(delete(DEFAULT)).await.unwrap_err();
    assert_eq!(
        (told.code(), told.message()),
        (Code::FailedPrecondition, "namespace default is protected from deletion")
    );
    // A run keeps the namespace until it has been removed.
    client
        .start_workflow_execution(StartWorkflowExecutionRequest { namespace: "other".to_owned(), ..start_request("w") })
        .await
        .unwrap();
    let id = describe(&mut client, "other", "").await.unwrap().namespace_info.unwrap().id;
    operator.delete_namespace(delete("other")).await.unwrap();
    assert_eq!(describe(&mut client, "other", "").await.unwrap_err().code(), Code::NotFound);
    // It is reclaimed in the background, so that both are right answers, and no other.
    match describe(&mut client, "", &id).await {
        Ok(found) => assert_eq!(found.namespace_info.unwrap().state(), NamespaceState::Deleted),
        Err(gone) => assert_eq!(gone.code(), Code::NotFound),
    }
}

#[tokio::test]
async fn bad_binaries_are_kept_and_aliases_are_refused() {
    let server = with(&[("frontend.maxBadBinaries", "1")]).await;
    let mut client = client(&server);
    let mark = |checksum: &str| {
        let info = BadBinaryInfo { reason: "crashes".to_owned(), ..BadBinaryInfo::default() };
        let bad_binaries = Some(BadBinaries { binaries: [(checksum.to_owned(), info)].into() });
        UpdateNamespaceRequest {
            namespace: DEFAULT.to_owned(),
            config: Some(NamespaceConfig { bad_binaries, ..NamespaceConfig::default() }),
            ..UpdateNamespaceRequest::default()
        }
    };
    let answer = client.update_namespace(mark("x")).await.unwrap().into_inner();
    let kept = &answer.config.unwrap().bad_binaries.unwrap().binaries["x"];
    assert!(kept.reason == "crashes" && kept.create_time.is_some());
    let told = client.update_namespace(mark("y")).await.unwrap_err();
    assert_eq!(told.message(), "Total resetBinaries cannot exceed the max limit: 1");
    let unmark = |checksum: &str| UpdateNamespaceRequest {
        namespace: DEFAULT.to_owned(),
        delete_bad_binary: checksum.to_owned(),
        ..UpdateNamespaceRequest::default()
    };
    client.update_namespace(unmark("x")).await.unwrap();
    let told = client.update_namespace(unmark("x")).await.unwrap_err();
    assert_eq!(told.message(), "Bad binary checksum x doesn't exists.");
    let custom_search_attribute_aliases = [("Keyword01".to_owned(), "Customer".to_owned())].into();
    let aliases = UpdateNamespaceRequest {
        namespace: DEFAULT.to_owned(),
        config: Some(NamespaceConfig { custom_search_attribute_aliases, ..NamespaceConfig::default() }),
        ..UpdateNamespaceRequest::default()
    };
    assert_eq!(client.update_namespace(aliases).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_test_server_takes_what_temporals_takes() {
    let server = Server::builder().like_temporal_test_server().start().await.unwrap();
    let mut client = client(&server);
    assert!(describe(&mut client, "nobody-registered", "").await.is_ok());
    let callback = Callback {
        variant: Some(Variant::Nexus(Nexus { url: "http://test-env/operations".to_owned(), ..Nexus::default() })),
        ..Callback::default()
    };
    let request = StartWorkflowExecutionRequest {
        namespace: "somebody".to_owned(),
        completion_callbacks: vec![callback],
        ..start_request("w")
    };
    client.start_workflow_execution(request).await.unwrap();
    let list = ListSearchAttributesRequest { namespace: "somebody".to_owned() };
    let mut operator = OperatorServiceClient::new(server.service());
    let found = operator.list_search_attributes(list).await.unwrap().into_inner().custom_attributes;
    assert_eq!(found.len(), 7);
    assert_eq!(found["CustomStringField"], i32::from(IndexedValueType::Text));
    // A name that is not there stays so elsewhere.
    let other = Server::builder().start().await.unwrap();
    assert!(describe(&mut super::client(&other), "nobody-registered", "").await.is_err());
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused() {
    let server = with(&[("callback.allowedAddresses", r#"[{"Pattern": "*", "AllowInsecure": true}]"#)]).await;
    let mut client = client(&server);
    let callback = |url: &str| Callback {
        variant: Some(Variant::Nexus(Nexus { url: url.to_owned(), ..Nexus::default() })),
        ..Callback::default()
    };
    let request =
        StartWorkflowExecutionRequest { completion_callbacks: vec![callback("http://a/b")], ..start_request("w") };
    assert_eq!(client.start_workflow_execution(request).await.unwrap_err().code(), Code::Unimplemented);
    let pinned = VersioningOverride { behavior: 1, pinned_version: "dep.1".to_owned(), ..Default::default() };
    let request = StartWorkflowExecutionRequest { versioning_override: Some(pinned), ..start_request("w") };
    assert_eq!(client.start_workflow_execution(request).await.unwrap_err().code(), Code::FailedPrecondition);
    start(&mut client, "w").await;
    let told = client.update_workflow_execution(update("w", vec![callback("temporal://system")])).await.unwrap_err();
    assert_eq!(told.code(), Code::Unimplemented);
    let task = poll(&mut client, Duration::from_secs(30)).await.unwrap();
    let page = RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        intermediate_page: true,
        ..RespondWorkflowTaskCompletedRequest::default()
    };
    assert_eq!(client.respond_workflow_task_completed(page).await.unwrap_err().code(), Code::FailedPrecondition);
}

fn update(workflow_id: &str, completion_callbacks: Vec<Callback>) -> UpdateWorkflowExecutionRequest {
    UpdateWorkflowExecutionRequest {
        namespace: DEFAULT.to_owned(),
        workflow_execution: execution(workflow_id),
        request: Some(Update {
            meta: Some(Meta { update_id: "u".to_owned(), identity: String::new() }),
            input: Some(Input { name: "up".to_owned(), args: Some(Payloads::default()), ..Input::default() }),
            completion_callbacks,
            ..Update::default()
        }),
        ..UpdateWorkflowExecutionRequest::default()
    }
}

#[tokio::test]
async fn updates_and_heartbeats_can_be_switched_off() {
    let settings = [("frontend.enableUpdateWorkflowExecution", "false"), ("frontend.WorkerHeartbeatsEnabled", "false")];
    let server = with(&settings).await;
    let mut client = client(&server);
    start(&mut client, "w").await;
    let told = client.update_workflow_execution(update("w", Vec::new())).await.unwrap_err();
    assert_eq!(told.message(), "UpdateWorkflowExecution operation is disabled on this namespace.");
    assert_eq!(workers(&mut client, "k", "q").await, [0, 0]);
}

#[tokio::test]
async fn workers_of_the_system_are_counted_when_they_are_asked_for() {
    let server = with(&[]).await;
    let mut client = client(&server);
    assert_eq!(workers(&mut client, "system", "temporal-sys-per-ns-tq").await, [0, 1]);
    assert_eq!(workers(&mut client, "mine", "q").await, [1, 2]);
}

/// Tells of one worker, and counts: those of users, and all. Lists must say the same.
async fn workers(client: &mut Client, key: &str, task_queue: &str) -> [i64; 2] {
    let heartbeat = WorkerHeartbeat {
        worker_instance_key: key.to_owned(),
        task_queue: task_queue.to_owned(),
        ..WorkerHeartbeat::default()
    };
    let namespace = DEFAULT.to_owned();
    let record = RecordWorkerHeartbeatRequest {
        namespace: namespace.clone(),
        worker_heartbeat: vec![heartbeat],
        ..RecordWorkerHeartbeatRequest::default()
    };
    client.record_worker_heartbeat(record).await.unwrap();
    let mut counts = [0; 2];
    for (count, include_system_workers) in counts.iter_mut().zip([false, true]) {
        let request =
            CountWorkersRequest { namespace: namespace.clone(), include_system_workers, ..Default::default() };
        *count = client.count_workers(request).await.unwrap().into_inner().count;
        let request = ListWorkersRequest { namespace: namespace.clone(), include_system_workers, ..Default::default() };
        let listed = client.list_workers(request).await.unwrap().into_inner().workers.len();
        assert_eq!(i64::try_from(listed), Ok(*count));
    }
    counts
}

/// A token as the reference server makes it, for a task of this namespace and workflow.
fn token_of_the_reference(namespace_id: &str, workflow_id: &str) -> Vec<u8> {
    let mut token = Vec::new();
    for (tag, text) in [(1, namespace_id), (2, workflow_id), (3, "01890000-0000-7000-8000-000000000001")] {
        prost::encoding::string::encode(tag, &text.to_owned(), &mut token);
    }
    prost::encoding::int64::encode(4, &5, &mut token);
    prost::encoding::int32::encode(5, &1, &mut token);
    token
}

#[tokio::test]
async fn a_token_of_the_reference_names_a_task_that_is_not_here() {
    let server = with(&[]).await;
    let mut client = client(&server);
    let id = describe(&mut client, DEFAULT, "").await.unwrap().namespace_info.unwrap().id;
    for workflow_id in ["nobody", "w"] {
        start(&mut client, "w").await;
        let request = RespondActivityTaskCompletedRequest {
            namespace: DEFAULT.to_owned(),
            task_token: token_of_the_reference(&id, workflow_id).into(),
            ..RespondActivityTaskCompletedRequest::default()
        };
        let told = client.respond_activity_task_completed(request).await.unwrap_err();
        assert_eq!(told.code(), Code::NotFound, "{}", told.message());
        let terminate = TerminateWorkflowExecutionRequest {
            namespace: DEFAULT.to_owned(),
            workflow_execution: execution("w"),
            ..TerminateWorkflowExecutionRequest::default()
        };
        client.terminate_workflow_execution(terminate).await.unwrap();
    }
}

#[tokio::test]
async fn a_worker_that_shuts_down_is_no_poller_any_more() {
    let server = with(&[]).await;
    let mut client = client(&server);
    let poll = |identity: &str| {
        let mut request = Request::new(PollActivityTaskQueueRequest {
            namespace: DEFAULT.to_owned(),
            task_queue: queue(),
            identity: identity.to_owned(),
            ..PollActivityTaskQueueRequest::default()
        });
        request.set_timeout(Duration::from_secs(30));
        request
    };
    // A poll that is taken back has been seen.
    for identity in ["a", "b"] {
        let waiting = client.poll_activity_task_queue(poll(identity));
        let _ = tokio::time::timeout(Duration::from_millis(50), waiting).await;
    }
    let pollers = async |client: &mut Client| {
        let request = DescribeTaskQueueRequest {
            namespace: DEFAULT.to_owned(),
            task_queue: queue(),
            task_queue_type: 2,
            ..DescribeTaskQueueRequest::default()
        };
        let found = client.describe_task_queue(request).await.unwrap().into_inner().pollers;
        found.into_iter().map(|p| p.identity).collect::<Vec<_>>()
    };
    assert_eq!(pollers(&mut client).await, ["a", "b"]);
    let shutdown = ShutdownWorkerRequest {
        namespace: DEFAULT.to_owned(),
        identity: "a".to_owned(),
        task_queue: "q".to_owned(),
        ..ShutdownWorkerRequest::default()
    };
    client.shutdown_worker(shutdown).await.unwrap();
    assert_eq!(pollers(&mut client).await, ["b"]);
}

#[tokio::test]
async fn what_comes_and_goes_is_counted_and_a_backlog_asks_for_more_polls() {
    let settings = [("matching.pollerScalingMinimumBacklog", "0"), ("matching.pollerScalingWaitTime", "3600")];
    let server = with(&settings).await;
    let mut client = client(&server);
    for workflow_id in ["a", "b", "c"] {
        start(&mut client, workflow_id).await;
    }
    let first = poll(&mut client, Duration::from_secs(30)).await.unwrap();
    assert_eq!(first.poller_scaling_decision.unwrap().poll_request_delta_suggestion, 1);
    for _ in 0..2 {
        poll(&mut client, Duration::from_secs(30)).await.unwrap();
    }
    let request = DescribeTaskQueueRequest {
        namespace: DEFAULT.to_owned(),
        task_queue: queue(),
        task_queue_type: 1,
        report_stats: true,
        ..DescribeTaskQueueRequest::default()
    };
    let answer = client.describe_task_queue(request).await.unwrap().into_inner();
    let stats = answer.stats.unwrap();
    assert!(stats.tasks_add_rate > 0.0 && stats.tasks_dispatch_rate > 0.0, "{stats:?}");
    assert!(answer.stats_by_priority_key[&3].tasks_add_rate > 0.0);
    let capabilities = describe(&mut client, DEFAULT, "").await.unwrap().namespace_info.unwrap().capabilities;
    assert!(capabilities.unwrap().poller_autoscaling);
}

#[tokio::test]
async fn a_task_comes_with_as_many_events_as_a_page_has() {
    let server = with(&[("matching.historyMaxPageSize", "2")]).await;
    let mut client = client(&server);
    start(&mut client, "w").await;
    let task = poll(&mut client, Duration::from_secs(30)).await.unwrap();
    assert_eq!(task.history.unwrap().events.len(), 2);
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: DEFAULT.to_owned(),
        execution: execution("w"),
        next_page_token: task.next_page_token,
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    let rest = client.get_workflow_execution_history(request).await.unwrap().into_inner();
    assert_eq!(rest.history.unwrap().events.len(), 1);
}

#[tokio::test]
async fn a_signal_with_start_without_a_request_id_is_linked_by_one_all_the_same() {
    let server = with(&[]).await;
    let request = SignalWithStartWorkflowExecutionRequest {
        namespace: DEFAULT.to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some(WorkflowType { name: "wf".to_owned() }),
        task_queue: queue(),
        signal_name: "hey".to_owned(),
        ..SignalWithStartWorkflowExecutionRequest::default()
    };
    let answer = client(&server).signal_with_start_workflow_execution(request).await.unwrap().into_inner();
    let Some(evertide_proto::common::link::Variant::WorkflowEvent(event)) = answer.signal_link.unwrap().variant else {
        panic!("no link to an event")
    };
    let Some(Reference::RequestIdRef(by_request)) = event.reference else { panic!("no request") };
    assert!(!by_request.request_id.is_empty());
}
