//! The tables of what is served: from a gRPC method to the function of the same name.
//!
//! A method that stands in no table is answered UNIMPLEMENTED, which names it.

use crate::frontend::{Call, Frontend, Outcome, status};
use evertide_engine::Rejection;
use evertide_proto::operatorservice::operator_service_server::OperatorService;
use evertide_proto::operatorservice::*;
use evertide_proto::testservice::test_service_server::TestService;
use evertide_proto::testservice::*;
use evertide_proto::workflowservice::workflow_service_server::WorkflowService;
use evertide_proto::workflowservice::*;
use tonic::{Request, Response, Status};

/// Answers on the wire with what a handler gives.
fn answer<T>(outcome: Outcome<T>) -> Result<Response<T>, Status> {
    outcome.map(Response::new).map_err(|failure| status::status(&failure))
}

/// Implements a service: `serve` names the methods that are there, `refuse` those that are not and yet check their
/// namespace first, as all others do, with what they say.
macro_rules! service {
    ($service:ident { serve { $($method:ident($request:ident) -> $response:ident;)* }
                      refuse { $($absent:ident($absent_request:ident) -> $absent_response:ident = $says:expr;)* } }) => {
        #[tonic::async_trait]
        impl $service for Frontend {
            $(
                async fn $method(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                    let call = match Call::admitted(request.metadata()) {
                        Ok(call) => call,
                        Err(refusal) => return Err(status::refusal(&refusal)),
                    };
                    let request = request.into_inner();
                    let again = self.facts.unregistered_namespaces.is_some().then(|| request.clone());
                    let outcome = Frontend::$method(self, &call, request).await;
                    match again {
                        Some(request) if self.makes_namespace_for(&outcome).await => {
                            answer(Frontend::$method(self, &call, request).await)
                        }
                        _ => answer(outcome),
                    }
                }
            )*
            $(
                async fn $absent(&self, request: Request<$absent_request>) -> Result<Response<$absent_response>, Status> {
                    answer(self.not_there(&request.get_ref().namespace, $says))
                }
            )*
        }
    };
}

impl Frontend {
    fn not_there<T>(&self, namespace: &str, says: &'static str) -> Outcome<T> {
        self.namespace(namespace)?;
        Err(Rejection::unimplemented(says).into())
    }
}

service! {
    WorkflowService {
        serve {
            register_namespace(RegisterNamespaceRequest) -> RegisterNamespaceResponse;
            describe_namespace(DescribeNamespaceRequest) -> DescribeNamespaceResponse;
            list_namespaces(ListNamespacesRequest) -> ListNamespacesResponse;
            update_namespace(UpdateNamespaceRequest) -> UpdateNamespaceResponse;
            deprecate_namespace(DeprecateNamespaceRequest) -> DeprecateNamespaceResponse;
            start_workflow_execution(StartWorkflowExecutionRequest) -> StartWorkflowExecutionResponse;
            signal_with_start_workflow_execution(SignalWithStartWorkflowExecutionRequest)
                -> SignalWithStartWorkflowExecutionResponse;
            execute_multi_operation(ExecuteMultiOperationRequest) -> ExecuteMultiOperationResponse;
            reset_workflow_execution(ResetWorkflowExecutionRequest) -> ResetWorkflowExecutionResponse;
            signal_workflow_execution(SignalWorkflowExecutionRequest) -> SignalWorkflowExecutionResponse;
            request_cancel_workflow_execution(RequestCancelWorkflowExecutionRequest)
                -> RequestCancelWorkflowExecutionResponse;
            terminate_workflow_execution(TerminateWorkflowExecutionRequest) -> TerminateWorkflowExecutionResponse;
            delete_workflow_execution(DeleteWorkflowExecutionRequest) -> DeleteWorkflowExecutionResponse;
            update_workflow_execution_options(UpdateWorkflowExecutionOptionsRequest)
                -> UpdateWorkflowExecutionOptionsResponse;
            poll_workflow_execution_time_skipping(PollWorkflowExecutionTimeSkippingRequest)
                -> PollWorkflowExecutionTimeSkippingResponse;
            pause_workflow_execution(PauseWorkflowExecutionRequest) -> PauseWorkflowExecutionResponse;
            unpause_workflow_execution(UnpauseWorkflowExecutionRequest) -> UnpauseWorkflowExecutionResponse;
            update_workflow_execution(UpdateWorkflowExecutionRequest) -> UpdateWorkflowExecutionResponse;
            poll_workflow_execution_update(PollWorkflowExecutionUpdateRequest) -> PollWorkflowExecutionUpdateResponse;
            query_workflow(QueryWorkflowRequest) -> QueryWorkflowResponse;
            describe_workflow_execution(DescribeWorkflowExecutionRequest) -> DescribeWorkflowExecutionResponse;
            get_workflow_execution_history(GetWorkflowExecutionHistoryRequest) -> GetWorkflowExecutionHistoryResponse;
            get_workflow_execution_history_reverse(GetWorkflowExecutionHistoryReverseRequest)
                -> GetWorkflowExecutionHistoryReverseResponse;
            list_workflow_executions(ListWorkflowExecutionsRequest) -> ListWorkflowExecutionsResponse;
            list_archived_workflow_executions(ListArchivedWorkflowExecutionsRequest)
                -> ListArchivedWorkflowExecutionsResponse;
            scan_workflow_executions(ScanWorkflowExecutionsRequest) -> ScanWorkflowExecutionsResponse;
            count_workflow_executions(CountWorkflowExecutionsRequest) -> CountWorkflowExecutionsResponse;
            list_open_workflow_executions(ListOpenWorkflowExecutionsRequest) -> ListOpenWorkflowExecutionsResponse;
            list_closed_workflow_executions(ListClosedWorkflowExecutionsRequest)
                -> ListClosedWorkflowExecutionsResponse;
            poll_workflow_task_queue(PollWorkflowTaskQueueRequest) -> PollWorkflowTaskQueueResponse;
            respond_workflow_task_completed(RespondWorkflowTaskCompletedRequest)
                -> RespondWorkflowTaskCompletedResponse;
            respond_workflow_task_failed(RespondWorkflowTaskFailedRequest) -> RespondWorkflowTaskFailedResponse;
            respond_query_task_completed(RespondQueryTaskCompletedRequest) -> RespondQueryTaskCompletedResponse;
            reset_sticky_task_queue(ResetStickyTaskQueueRequest) -> ResetStickyTaskQueueResponse;
            poll_activity_task_queue(PollActivityTaskQueueRequest) -> PollActivityTaskQueueResponse;
            record_activity_task_heartbeat(RecordActivityTaskHeartbeatRequest) -> RecordActivityTaskHeartbeatResponse;
            record_activity_task_heartbeat_by_id(RecordActivityTaskHeartbeatByIdRequest)
                -> RecordActivityTaskHeartbeatByIdResponse;
            respond_activity_task_completed(RespondActivityTaskCompletedRequest)
                -> RespondActivityTaskCompletedResponse;
            respond_activity_task_completed_by_id(RespondActivityTaskCompletedByIdRequest)
                -> RespondActivityTaskCompletedByIdResponse;
            respond_activity_task_failed(RespondActivityTaskFailedRequest) -> RespondActivityTaskFailedResponse;
            respond_activity_task_failed_by_id(RespondActivityTaskFailedByIdRequest)
                -> RespondActivityTaskFailedByIdResponse;
            respond_activity_task_canceled(RespondActivityTaskCanceledRequest) -> RespondActivityTaskCanceledResponse;
            respond_activity_task_canceled_by_id(RespondActivityTaskCanceledByIdRequest)
                -> RespondActivityTaskCanceledByIdResponse;
            pause_activity(PauseActivityRequest) -> PauseActivityResponse;
            unpause_activity(UnpauseActivityRequest) -> UnpauseActivityResponse;
            reset_activity(ResetActivityRequest) -> ResetActivityResponse;
            update_activity_options(UpdateActivityOptionsRequest) -> UpdateActivityOptionsResponse;
            poll_nexus_task_queue(PollNexusTaskQueueRequest) -> PollNexusTaskQueueResponse;
            describe_task_queue(DescribeTaskQueueRequest) -> DescribeTaskQueueResponse;
            update_task_queue_config(UpdateTaskQueueConfigRequest) -> UpdateTaskQueueConfigResponse;
            list_task_queue_partitions(ListTaskQueuePartitionsRequest) -> ListTaskQueuePartitionsResponse;
            shutdown_worker(ShutdownWorkerRequest) -> ShutdownWorkerResponse;
            record_worker_heartbeat(RecordWorkerHeartbeatRequest) -> RecordWorkerHeartbeatResponse;
            describe_worker(DescribeWorkerRequest) -> DescribeWorkerResponse;
            list_workers(ListWorkersRequest) -> ListWorkersResponse;
            count_workers(CountWorkersRequest) -> CountWorkersResponse;
            fetch_worker_config(FetchWorkerConfigRequest) -> FetchWorkerConfigResponse;
            update_worker_config(UpdateWorkerConfigRequest) -> UpdateWorkerConfigResponse;
            create_schedule(CreateScheduleRequest) -> CreateScheduleResponse;
            describe_schedule(DescribeScheduleRequest) -> DescribeScheduleResponse;
            update_schedule(UpdateScheduleRequest) -> UpdateScheduleResponse;
            patch_schedule(PatchScheduleRequest) -> PatchScheduleResponse;
            delete_schedule(DeleteScheduleRequest) -> DeleteScheduleResponse;
            list_schedule_matching_times(ListScheduleMatchingTimesRequest) -> ListScheduleMatchingTimesResponse;
            list_schedules(ListSchedulesRequest) -> ListSchedulesResponse;
            count_schedules(CountSchedulesRequest) -> CountSchedulesResponse;
            get_system_info(GetSystemInfoRequest) -> GetSystemInfoResponse;
            get_cluster_info(GetClusterInfoRequest) -> GetClusterInfoResponse;
            get_search_attributes(GetSearchAttributesRequest) -> GetSearchAttributesResponse;
        }
        refuse {
            start_batch_operation(StartBatchOperationRequest) -> StartBatchOperationResponse
                = "method StartBatchOperation is not implemented by this server";
            describe_batch_operation(DescribeBatchOperationRequest) -> DescribeBatchOperationResponse
                = "method DescribeBatchOperation is not implemented by this server";
            list_batch_operations(ListBatchOperationsRequest) -> ListBatchOperationsResponse
                = "method ListBatchOperations is not implemented by this server";
            stop_batch_operation(StopBatchOperationRequest) -> StopBatchOperationResponse
                = "method StopBatchOperation is not implemented by this server";
            create_workflow_rule(CreateWorkflowRuleRequest) -> CreateWorkflowRuleResponse = "method CreateWorkflowRule not supported";
            describe_workflow_rule(DescribeWorkflowRuleRequest) -> DescribeWorkflowRuleResponse = "method DescribeWorkflowRule not supported";
            list_workflow_rules(ListWorkflowRulesRequest) -> ListWorkflowRulesResponse = "method ListWorkflowRules not supported";
            delete_workflow_rule(DeleteWorkflowRuleRequest) -> DeleteWorkflowRuleResponse = "method DeleteWorkflowRule not supported";
            trigger_workflow_rule(TriggerWorkflowRuleRequest) -> TriggerWorkflowRuleResponse = "method TriggerWorkflowRule not supported";
        }
    }
}

service! {
    OperatorService {
        serve {
            add_search_attributes(AddSearchAttributesRequest) -> AddSearchAttributesResponse;
            remove_search_attributes(RemoveSearchAttributesRequest) -> RemoveSearchAttributesResponse;
            list_search_attributes(ListSearchAttributesRequest) -> ListSearchAttributesResponse;
            list_clusters(ListClustersRequest) -> ListClustersResponse;
            delete_namespace(DeleteNamespaceRequest) -> DeleteNamespaceResponse;
        }
        refuse {}
    }
}

#[tonic::async_trait]
impl TestService for Frontend {
    async fn get_current_time(&self, _request: Request<()>) -> Result<Response<GetCurrentTimeResponse>, Status> {
        Ok(Response::new(Frontend::get_current_time(self)))
    }

    async fn lock_time_skipping(
        &self,
        _request: Request<LockTimeSkippingRequest>,
    ) -> Result<Response<LockTimeSkippingResponse>, Status> {
        answer(Frontend::lock_time_skipping(self).map(|()| LockTimeSkippingResponse {}))
    }

    async fn unlock_time_skipping(
        &self,
        _request: Request<UnlockTimeSkippingRequest>,
    ) -> Result<Response<UnlockTimeSkippingResponse>, Status> {
        answer(Frontend::unlock_time_skipping(self).map(|()| UnlockTimeSkippingResponse {}))
    }

    async fn sleep(&self, request: Request<SleepRequest>) -> Result<Response<SleepResponse>, Status> {
        answer(Frontend::sleep(self, request.into_inner(), false).await.map(|()| SleepResponse {}))
    }

    async fn sleep_until(&self, request: Request<SleepUntilRequest>) -> Result<Response<SleepResponse>, Status> {
        answer(Frontend::sleep_until(self, request.into_inner()).await.map(|()| SleepResponse {}))
    }

    async fn unlock_time_skipping_with_sleep(
        &self,
        request: Request<SleepRequest>,
    ) -> Result<Response<SleepResponse>, Status> {
        answer(Frontend::sleep(self, request.into_inner(), true).await.map(|()| SleepResponse {}))
    }
}
