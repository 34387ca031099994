//! Starting workflows, alone and with a signal.

use std::time::{Duration, SystemTime};

use evertide_client::payload::to_payload;
use evertide_client::proto::common::{Priority, TimeSkippingConfig};
use evertide_client::proto::errordetails::WorkflowExecutionAlreadyStartedFailure;
use evertide_client::proto::prost_types;
use evertide_client::proto::workflow::VersioningOverride;
use evertide_client::proto::workflow::versioning_override::Override;
use evertide_client::proto::workflowservice::*;
use evertide_client::{
    Code, ErrorKind, RetryPolicy, SearchAttributeKey, SearchAttributes, Status, WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
};

use super::fake::{Fake, status_with};

type Start = StartWorkflowExecutionRequest;
type SignalWithStart = SignalWithStartWorkflowExecutionRequest;

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

#[tokio::test]
async fn a_plain_start_sends_the_defaults() {
    let fake = Fake::new();
    fake.answer::<Start>(StartWorkflowExecutionResponse { run_id: "r".into(), ..Default::default() });
    let handle = fake.client().await.start_workflow("W").id("w").task_queue("q").await.unwrap();
    assert_eq!(handle.first_execution_run_id(), Some("r"), "an older server names no first run");
    let request: Start = fake.request();
    assert_eq!(request.namespace, "tides");
    assert_eq!(request.workflow_type.unwrap().name, "W");
    assert_eq!(request.task_queue.unwrap().name, "q");
    assert_eq!((request.workflow_id.as_str(), request.identity.as_str()), ("w", "tester"));
    assert_eq!(request.request_id.len(), 36);
    assert_eq!(request.workflow_id_reuse_policy, WorkflowIdReusePolicy::AllowDuplicate as i32);
    assert_eq!(request.workflow_id_conflict_policy, WorkflowIdConflictPolicy::Unspecified as i32);
    assert_eq!(request.priority, Some(Priority::default()), "the priority is always set");
    assert_eq!((request.input, request.memo, request.search_attributes), (None, None, None));
    assert_eq!((request.workflow_execution_timeout, request.workflow_run_timeout), (None, None));
    assert_eq!((request.retry_policy, request.user_metadata), (None, None));
    assert!(request.cron_schedule.is_empty() && !request.request_eager_execution);
}

#[tokio::test]
async fn every_option_reaches_its_field() {
    let fake = Fake::new();
    fake.answer::<Start>(StartWorkflowExecutionResponse {
        run_id: "r".into(),
        first_execution_run_id: "f".into(),
        eager_workflow_task: Some(Default::default()),
        ..Default::default()
    });
    let upgrade = VersioningOverride { r#override: Some(Override::AutoUpgrade(true)), ..Default::default() };
    let skipping = TimeSkippingConfig { enabled: true, ..Default::default() };
    let handle = fake
        .client()
        .await
        .start_workflow("W")
        .id("w")
        .task_queue("q")
        .args((1, "two"))
        .execution_timeout(Duration::from_secs(3))
        .run_timeout(Duration::from_secs(2))
        .task_timeout(Duration::from_secs(1))
        .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .request_id("my-request")
        .retry_policy(
            RetryPolicy::attempts(4)
                .with_initial_interval(Duration::from_secs(5))
                .with_backoff_coefficient(3.0)
                .with_maximum_interval(Duration::from_secs(6))
                .with_non_retryable("Fatal"),
        )
        .cron_schedule("@daily")
        .memo("note", "hello")
        .search_attributes(SearchAttributes::new().with(SearchAttributeKey::int("Amount"), 7))
        .static_summary("summary")
        .static_details("details")
        .start_delay(Duration::from_secs(9))
        .priority_key(2)
        .fairness("tenant", 1.5)
        .header("trace", to_payload("t").unwrap())
        .versioning_override(upgrade.clone())
        .time_skipping(skipping.clone())
        .request_eager_start(true)
        .await
        .unwrap();
    assert_eq!((handle.result_run_id(), handle.first_execution_run_id()), (Some("r"), Some("f")));
    assert!(handle.eagerly_started());

    let request: Start = fake.request();
    assert_eq!(request.input.unwrap().payloads.len(), 2);
    assert_eq!(request.workflow_execution_timeout, seconds(3));
    assert_eq!(request.workflow_run_timeout, seconds(2));
    assert_eq!(request.workflow_task_timeout, seconds(1));
    assert_eq!(request.workflow_id_reuse_policy, WorkflowIdReusePolicy::RejectDuplicate as i32);
    assert_eq!(request.workflow_id_conflict_policy, WorkflowIdConflictPolicy::UseExisting as i32);
    assert_eq!(request.request_id, "my-request");
    let retry = request.retry_policy.unwrap();
    assert_eq!((retry.maximum_attempts, retry.initial_interval), (4, seconds(5)));
    assert_eq!((retry.backoff_coefficient, retry.maximum_interval), (3.0, seconds(6)));
    assert_eq!(retry.non_retryable_error_types, ["Fatal"]);
    assert_eq!(request.cron_schedule, "@daily");
    assert_eq!(request.memo.unwrap().fields["note"], to_payload("hello").unwrap());
    let amount = &request.search_attributes.unwrap().indexed_fields["Amount"];
    assert_eq!((amount.data.as_ref(), amount.metadata["type"].as_ref()), (&b"7"[..], &b"Int"[..]));
    let metadata = request.user_metadata.unwrap();
    assert_eq!(metadata.summary, Some(to_payload("summary").unwrap()));
    assert_eq!(metadata.details, Some(to_payload("details").unwrap()));
    assert_eq!(request.workflow_start_delay, seconds(9));
    let priority = request.priority.unwrap();
    assert_eq!((priority.priority_key, priority.fairness_key.as_str(), priority.fairness_weight), (2, "tenant", 1.5));
    assert_eq!(request.header.unwrap().fields["trace"], to_payload("t").unwrap());
    assert_eq!(request.versioning_override, Some(upgrade));
    assert_eq!(request.time_skipping_config, Some(skipping));
    assert!(request.request_eager_execution);
}

#[tokio::test]
async fn what_is_missing_is_told_before_anything_is_sent() {
    let fake = Fake::new();
    let client = fake.client().await;
    let starts = [
        client.start_workflow("W").task_queue("q"),
        client.start_workflow("W").id("w"),
        client.start_workflow("").id("w").task_queue("q"),
        client.start_workflow("W").id("w").task_queue("q").arg(&1).args((2,)),
        client.start_workflow("W").id("w").task_queue("q").start_signal("s").request_eager_start(true),
        client.start_workflow("W").id("w").task_queue("q").start_signal_arg(&1),
    ];
    for start in starts {
        let error = start.await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument(_)), "{error}");
    }
    let unserializable = std::collections::BTreeMap::from([((1, 2), 3)]);
    let start = client.start_workflow("W").id("w").task_queue("q").memo("m", &unserializable);
    assert!(matches!(start.await.unwrap_err().kind(), ErrorKind::Conversion(_)));
    assert!(fake.methods().is_empty());
}

#[tokio::test]
async fn an_id_that_is_taken_has_an_error_of_its_own() {
    let fake = Fake::new();
    let detail = WorkflowExecutionAlreadyStartedFailure {
        start_request_id: "theirs".into(),
        run_id: "run-1".into(),
        first_execution_run_id: "run-0".into(),
    };
    fake.refuse::<Start>(status_with(Code::AlreadyExists, "Workflow execution is already running.", &detail));
    fake.refuse::<Start>(Status::already_exists("something else"));
    let client = fake.client().await;
    let error = client.start_workflow("W").id("w").task_queue("q").await.unwrap_err();
    let ErrorKind::WorkflowAlreadyStarted { workflow_id, workflow_type, run_id, first_run_id } = error.kind() else {
        panic!("{error:?}")
    };
    assert_eq!((workflow_id.as_str(), workflow_type.as_str()), ("w", "W"));
    assert_eq!((run_id.as_deref(), first_run_id.as_deref()), (Some("run-1"), Some("run-0")));
    assert_eq!(error.code(), Some(Code::AlreadyExists));
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("Workflow execution is already running."), "{source}");

    let error = client.start_workflow("W").id("w").task_queue("q").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Rpc), "without the detail it is an error like others");
}

#[tokio::test]
async fn a_signal_goes_with_the_start() {
    let fake = Fake::new();
    let answers = [("r", "f", true), ("r", "", true), ("r", "", false)];
    for (run_id, first, started) in answers {
        fake.answer::<SignalWithStart>(SignalWithStartWorkflowExecutionResponse {
            run_id: run_id.into(),
            first_execution_run_id: first.into(),
            started,
            ..Default::default()
        });
    }
    let client = fake.client().await;
    for expected in [Some("f"), Some("r"), None] {
        let start = client.start_workflow("W").id("w").task_queue("q").arg(&1).cron_schedule("@daily");
        let handle = start.start_signal("s").start_signal_args((2, 3)).await.unwrap();
        assert_eq!((handle.run_id(), handle.result_run_id()), (None, Some("r")));
        assert_eq!(handle.first_execution_run_id(), expected);
    }
    let requests: Vec<SignalWithStart> = fake.requests();
    let request = requests[0].clone();
    assert_eq!((request.signal_name.as_str(), request.cron_schedule.as_str()), ("s", "@daily"));
    assert_eq!(request.signal_input.unwrap().payloads.len(), 2);
    assert_eq!(request.input.unwrap().payloads.len(), 1);
    assert_eq!(request.workflow_id_reuse_policy, WorkflowIdReusePolicy::AllowDuplicate as i32);
    assert_eq!((request.request_id.len(), request.namespace.as_str()), (36, "tides"));
    assert_eq!(request.priority, Some(Priority::default()));
    assert_eq!(fake.methods(), ["SignalWithStartWorkflowExecution"; 3]);
}

#[tokio::test]
async fn execute_starts_and_waits_for_that_run() {
    let fake = Fake::new();
    fake.answer::<Start>(StartWorkflowExecutionResponse { run_id: "r".into(), ..Default::default() });
    fake.answer::<GetWorkflowExecutionHistoryRequest>(super::results::completed("42"));
    let answer: i32 = fake.client().await.execute_workflow("W").id("w").task_queue("q").arg(&1).await.unwrap();
    assert_eq!(answer, 42);
    let history: GetWorkflowExecutionHistoryRequest = fake.request();
    assert_eq!(history.execution.unwrap().run_id, "r");
}

mod definitions {
    use evertide_client::{query, signal, update, workflow};

    workflow!(pub(super) Order = "OrderWorkflow", (String, u32) -> String, handles [Approve, State, Add]);
    workflow!(pub(super) Simple = "Simple", (String) -> u8);
    signal!(pub(super) Approve = "approve", (String));
    query!(pub(super) State = "state", () -> Vec<u8>);
    update!(pub(super) Add = "add", (u32) -> u64);
}

#[tokio::test]
async fn definitions_carry_names_arguments_and_results() {
    use definitions::{Add, Approve, Order, Simple, State};

    let fake = Fake::new();
    fake.answer::<Start>(StartWorkflowExecutionResponse { run_id: "r".into(), ..Default::default() });
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    fake.answer::<QueryWorkflowRequest>(QueryWorkflowResponse {
        query_result: super::results::payloads(&[1, 2]),
        ..Default::default()
    });
    fake.answer::<UpdateWorkflowExecutionRequest>(super::updates::completed_update("9"));
    fake.answer::<GetWorkflowExecutionHistoryRequest>(super::results::completed("\"receipt\""));
    let client = fake.client().await;

    let handle = client.start_workflow(Order).id("w").task_queue("q").args(("a".to_owned(), 2)).await.unwrap();
    handle.signal(Approve).arg("Ada").await.unwrap();
    let state = handle.query(State).await.unwrap();
    assert_eq!(state, [1, 2]);
    let sum = handle.execute_update(Add).arg(&3).await.unwrap();
    assert_eq!(sum, 9_u64);
    let update = handle.start_update(Add).arg(&3).wait_for_stage(evertide_client::WaitForStage::Accepted);
    assert_eq!(update.await.unwrap().result().await.unwrap(), 9);
    let _: evertide_client::UpdateHandle<evertide_client::Typed<u64>> = handle.get_update_handle_for(Add, "u");
    assert_eq!(handle.result().await.unwrap(), "receipt");
    handle.signal("a name").arg(&1).await.unwrap();

    let start: Start = fake.request();
    assert_eq!(start.workflow_type.unwrap().name, "OrderWorkflow");
    let signals: Vec<SignalWorkflowExecutionRequest> = fake.requests();
    assert_eq!((signals[0].signal_name.as_str(), signals[1].signal_name.as_str()), ("approve", "a name"));
    assert_eq!(signals[0].input.as_ref().unwrap().payloads[0].data.as_ref(), b"\"Ada\"");

    let error = client.start_workflow(Simple).id("w").task_queue("q").await.unwrap_err();
    assert!(error.to_string().contains("takes 1 arguments, and 0 were given"), "{error}");
    let untyped = client.get_workflow_handle("w");
    untyped.signal(Approve).arg("Bob").await.unwrap();
    let typed = client.get_workflow_handle_for::<Order>("w");
    assert_eq!(typed.clone().untyped(), untyped);
    assert_eq!(untyped.typed::<Order>(), typed);
}

#[tokio::test]
async fn times_before_the_epoch_are_sent_as_they_are() {
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let attributes = SearchAttributes::new().with(SearchAttributeKey::datetime("When"), before);
    assert_eq!(attributes.value::<String>("When").unwrap(), "1969-12-31T23:59:59Z");
}
