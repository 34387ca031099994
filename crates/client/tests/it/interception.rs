//! Interceptors.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evertide_client::payload::to_payload;
use evertide_client::proto::workflowservice::*;
use evertide_client::{Error, ErrorKind, Interceptor, InterceptorFuture, Next, OutboundCall, WaitForStage};

use super::fake::Fake;

/// Writes down what passes, adds a header to signals, and answers queries by itself.
struct Watching {
    name: &'static str,
    log: Arc<Mutex<Vec<String>>>,
}

impl Watching {
    fn note(&self, what: &str) {
        self.log.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

impl Interceptor for Watching {
    fn signal_workflow<'a>(
        &'a self,
        mut call: OutboundCall<SignalWorkflowExecutionRequest>,
        next: Next,
    ) -> InterceptorFuture<'a, SignalWorkflowExecutionResponse> {
        Box::pin(async move {
            self.note(&format!("signal {}", call.request.signal_name));
            let header = call.request.header.get_or_insert_default();
            header.fields.insert(self.name.into(), to_payload(self.name).unwrap());
            call.set_rpc_timeout(Duration::from_secs(1));
            call.add_rpc_metadata("x-by", self.name)?;
            let answer = next.run(call).await;
            self.note("signal done");
            answer
        })
    }

    fn query_workflow<'a>(
        &'a self,
        _: OutboundCall<QueryWorkflowRequest>,
        _: Next,
    ) -> InterceptorFuture<'a, QueryWorkflowResponse> {
        let query_result = super::results::payloads(&self.name);
        Box::pin(async { Ok(QueryWorkflowResponse { query_result, ..Default::default() }) })
    }

    fn fetch_workflow_history_events<'a>(
        &'a self,
        call: OutboundCall<GetWorkflowExecutionHistoryRequest>,
        next: Next,
    ) -> InterceptorFuture<'a, GetWorkflowExecutionHistoryResponse> {
        self.note("history");
        Box::pin(next.run(call))
    }

    fn poll_workflow_update<'a>(
        &'a self,
        call: OutboundCall<PollWorkflowExecutionUpdateRequest>,
        next: Next,
    ) -> InterceptorFuture<'a, PollWorkflowExecutionUpdateResponse> {
        self.note("poll");
        Box::pin(next.run(call))
    }
}

#[tokio::test]
async fn the_first_interceptor_is_the_outermost() {
    let fake = Fake::new();
    fake.answer::<SignalWorkflowExecutionRequest>(Default::default());
    let log = Arc::new(Mutex::new(Vec::new()));
    let watching = |name| Watching { name, log: Arc::clone(&log) };
    let client = fake.connect().interceptor(watching("outer")).interceptor(watching("inner")).await.unwrap();
    let handle = client.get_workflow_handle("w");
    handle.signal("s").await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["outer signal s", "inner signal s", "inner signal done", "outer signal done"]);
    let request: SignalWorkflowExecutionRequest = fake.request();
    assert_eq!(request.header.unwrap().fields.keys().collect::<Vec<_>>(), ["inner", "outer"]);
    assert_eq!(fake.last().headers["x-by"], "inner");

    assert_eq!(handle.query::<String, _>("q").await.unwrap(), "outer", "an interceptor can answer by itself");
    assert_eq!(fake.methods().len(), 1);
}

#[tokio::test]
async fn results_and_polls_pass_too() {
    let fake = Fake::new();
    fake.answer::<GetWorkflowExecutionHistoryRequest>(super::results::completed("1"));
    fake.answer::<PollWorkflowExecutionUpdateRequest>(PollWorkflowExecutionUpdateResponse {
        outcome: super::updates::success("1"),
        ..Default::default()
    });
    let log = Arc::new(Mutex::new(Vec::new()));
    let client = fake.connect().interceptor(Watching { name: "i", log: Arc::clone(&log) }).await.unwrap();
    let handle = client.get_workflow_handle("w");
    handle.result::<i32>().await.unwrap();
    handle.get_update_handle("u").result::<i32>().await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["i history", "i poll"]);
}

/// Refuses everything that can be refused.
struct Refusing;

macro_rules! refusing {
    ($($method:ident($request:ident) -> $response:ident;)*) => {
        impl Interceptor for Refusing {
            $(fn $method<'a>(&'a self, call: OutboundCall<$request>, next: Next) -> InterceptorFuture<'a, $response> {
                Box::pin(async move {
                    let method = stringify!($method);
                    call.clone().add_rpc_metadata("Not A Key", method).map_err(|error| {
                        drop((call, next));
                        error
                    })?;
                    unreachable!("the key is not allowed")
                })
            })*
        }

        /// The names of the methods that refuse.
        const METHODS: usize = [$(stringify!($method)),*].len();
    };
}

refusing! {
    start_workflow(StartWorkflowExecutionRequest) -> StartWorkflowExecutionResponse;
    signal_with_start_workflow(SignalWithStartWorkflowExecutionRequest) -> SignalWithStartWorkflowExecutionResponse;
    start_update_with_start_workflow(ExecuteMultiOperationRequest) -> ExecuteMultiOperationResponse;
    cancel_workflow(RequestCancelWorkflowExecutionRequest) -> RequestCancelWorkflowExecutionResponse;
    describe_workflow(DescribeWorkflowExecutionRequest) -> DescribeWorkflowExecutionResponse;
    fetch_workflow_history_events(GetWorkflowExecutionHistoryRequest) -> GetWorkflowExecutionHistoryResponse;
    list_workflows(ListWorkflowExecutionsRequest) -> ListWorkflowExecutionsResponse;
    count_workflows(CountWorkflowExecutionsRequest) -> CountWorkflowExecutionsResponse;
    query_workflow(QueryWorkflowRequest) -> QueryWorkflowResponse;
    signal_workflow(SignalWorkflowExecutionRequest) -> SignalWorkflowExecutionResponse;
    terminate_workflow(TerminateWorkflowExecutionRequest) -> TerminateWorkflowExecutionResponse;
    start_workflow_update(UpdateWorkflowExecutionRequest) -> UpdateWorkflowExecutionResponse;
    poll_workflow_update(PollWorkflowExecutionUpdateRequest) -> PollWorkflowExecutionUpdateResponse;
    heartbeat_async_activity(RecordActivityTaskHeartbeatRequest) -> RecordActivityTaskHeartbeatResponse;
    heartbeat_async_activity_by_id(RecordActivityTaskHeartbeatByIdRequest) -> RecordActivityTaskHeartbeatByIdResponse;
    complete_async_activity(RespondActivityTaskCompletedRequest) -> RespondActivityTaskCompletedResponse;
    complete_async_activity_by_id(RespondActivityTaskCompletedByIdRequest) -> RespondActivityTaskCompletedByIdResponse;
    fail_async_activity(RespondActivityTaskFailedRequest) -> RespondActivityTaskFailedResponse;
    fail_async_activity_by_id(RespondActivityTaskFailedByIdRequest) -> RespondActivityTaskFailedByIdResponse;
    report_cancellation_async_activity(RespondActivityTaskCanceledRequest) -> RespondActivityTaskCanceledResponse;
    report_cancellation_async_activity_by_id(RespondActivityTaskCanceledByIdRequest) -> RespondActivityTaskCanceledByIdResponse;
}

#[tokio::test]
async fn no_call_goes_past_the_interceptors() {
    let fake = Fake::new();
    let client = fake.connect().interceptor(Refusing).await.unwrap();
    let handle = client.get_workflow_handle("w");
    let start = || client.start_workflow("W").id("w").task_queue("q");
    let operation = client.with_start_workflow("W").id("w").task_queue("q");
    let operation = Arc::new(operation.id_conflict_policy(evertide_client::WorkflowIdConflictPolicy::Fail));
    let accepted = WaitForStage::Accepted;
    let by_token = client.get_async_activity_handle_for_token(&b"t"[..]);
    let by_id = client.get_async_activity_handle("w", "a");
    let failure = evertide_client::Failure::application("f");
    let refused: [Result<(), Error>; METHODS] = [
        start().await.map(drop),
        start().start_signal("s").await.map(drop),
        client.start_update_with_start_workflow("u", &operation).wait_for_stage(accepted).await.map(drop),
        handle.cancel().await,
        handle.describe().await.map(drop),
        handle.fetch_history().await.map(drop),
        client.list_workflows("").next().await.unwrap().map(drop),
        client.count_workflows("").await.map(drop),
        handle.query::<(), _>("q").await,
        handle.signal("s").await,
        handle.terminate().await,
        handle.start_update("u").wait_for_stage(accepted).await.map(drop),
        handle.get_update_handle("u").result::<()>().await,
        by_token.heartbeat().await,
        by_id.heartbeat().await,
        by_token.complete(&1).await,
        by_id.complete(&1).await,
        by_token.fail(failure.clone()).await,
        by_id.fail(failure).await,
        by_token.report_cancellation().await,
        by_id.report_cancellation().await,
    ];
    for answer in refused {
        assert!(matches!(answer.unwrap_err().kind(), ErrorKind::InvalidArgument(_)));
    }
    assert!(fake.methods().is_empty());
}
