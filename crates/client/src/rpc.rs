//! The table of all calls: which request belongs to which method, and which of them wait.

use evertide_proto::prost;
use evertide_proto::{operatorservice as operator, testservice as test, workflowservice as workflow};

/// A request of the Temporal API, which knows the method it belongs to.
///
/// Implemented for every request of `WorkflowService` and `OperatorService`, and for those of `TestService`. It is
/// what [`Client::call`](crate::Client::call) accepts, so every method of the API is within reach.
///
/// ```
/// use evertide_client::Rpc;
/// use evertide_client::proto::workflowservice::PollWorkflowTaskQueueRequest as Poll;
///
/// let poll = Poll { namespace: "orders".to_owned(), ..Default::default() };
/// assert_eq!((Poll::METHOD, poll.namespace(), poll.waits()), ("PollWorkflowTaskQueue", Some("orders"), true));
/// assert_eq!(Poll::PATH, "/temporal.api.workflowservice.v1.WorkflowService/PollWorkflowTaskQueue");
/// ```
pub trait Rpc: prost::Message + Send + Sync + Sized + 'static {
    /// The answer to this request.
    type Response: prost::Message + Default + Send + Sync + 'static;

    /// The name of the method, as in the API: `SignalWorkflowExecution`.
    const METHOD: &'static str;

    /// The path of the method in HTTP/2: `/package.Service/Method`.
    const PATH: &'static str;

    /// The namespace that the request is about, if it has one.
    fn namespace(&self) -> Option<&str> {
        None
    }

    /// Whether the server holds the answer back until something happens, which earns the call the longer deadline.
    fn waits(&self) -> bool {
        false
    }
}

macro_rules! rpcs {
    ($module:ident, $service:literal; $($kind:ident $method:ident($request:ty) -> $response:ident;)*) => {
        $(impl Rpc for $request {
            type Response = $module::$response;
            const METHOD: &'static str = stringify!($method);
            const PATH: &'static str = concat!("/", $service, "/", stringify!($method));
            rpcs!(@$kind);
        })*
    };
    (@plain) => {};
    (@namespaced) => {
        fn namespace(&self) -> Option<&str> {
            Some(&self.namespace)
        }
    };
    (@long_poll) => {
        rpcs!(@namespaced);

        fn waits(&self) -> bool {
            true
        }
    };
    (@history) => {
        rpcs!(@namespaced);

        fn waits(&self) -> bool {
            self.wait_new_event
        }
    };
}

rpcs! { workflow, "temporal.api.workflowservice.v1.WorkflowService";
    namespaced RegisterNamespace(workflow::RegisterNamespaceRequest) -> RegisterNamespaceResponse;
    namespaced DescribeNamespace(workflow::DescribeNamespaceRequest) -> DescribeNamespaceResponse;
    plain ListNamespaces(workflow::ListNamespacesRequest) -> ListNamespacesResponse;
    namespaced UpdateNamespace(workflow::UpdateNamespaceRequest) -> UpdateNamespaceResponse;
    namespaced DeprecateNamespace(workflow::DeprecateNamespaceRequest) -> DeprecateNamespaceResponse;
    namespaced StartWorkflowExecution(workflow::StartWorkflowExecutionRequest) -> StartWorkflowExecutionResponse;
    long_poll ExecuteMultiOperation(workflow::ExecuteMultiOperationRequest) -> ExecuteMultiOperationResponse;
    history GetWorkflowExecutionHistory(workflow::GetWorkflowExecutionHistoryRequest) -> GetWorkflowExecutionHistoryResponse;
    namespaced GetWorkflowExecutionHistoryReverse(workflow::GetWorkflowExecutionHistoryReverseRequest) -> GetWorkflowExecutionHistoryReverseResponse;
    long_poll PollWorkflowTaskQueue(workflow::PollWorkflowTaskQueueRequest) -> PollWorkflowTaskQueueResponse;
    namespaced RespondWorkflowTaskCompleted(workflow::RespondWorkflowTaskCompletedRequest) -> RespondWorkflowTaskCompletedResponse;
    namespaced RespondWorkflowTaskFailed(workflow::RespondWorkflowTaskFailedRequest) -> RespondWorkflowTaskFailedResponse;
    long_poll PollActivityTaskQueue(workflow::PollActivityTaskQueueRequest) -> PollActivityTaskQueueResponse;
    namespaced RecordActivityTaskHeartbeat(workflow::RecordActivityTaskHeartbeatRequest) -> RecordActivityTaskHeartbeatResponse;
    namespaced RecordActivityTaskHeartbeatById(workflow::RecordActivityTaskHeartbeatByIdRequest) -> RecordActivityTaskHeartbeatByIdResponse;
    namespaced RespondActivityTaskCompleted(workflow::RespondActivityTaskCompletedRequest) -> RespondActivityTaskCompletedResponse;
    namespaced RespondActivityTaskCompletedById(workflow::RespondActivityTaskCompletedByIdRequest) -> RespondActivityTaskCompletedByIdResponse;
    namespaced RespondActivityTaskFailed(workflow::RespondActivityTaskFailedRequest) -> RespondActivityTaskFailedResponse;
    namespaced RespondActivityTaskFailedById(workflow::RespondActivityTaskFailedByIdRequest) -> RespondActivityTaskFailedByIdResponse;
    namespaced RespondActivityTaskCanceled(workflow::RespondActivityTaskCanceledRequest) -> RespondActivityTaskCanceledResponse;
    namespaced RespondActivityTaskCanceledById(workflow::RespondActivityTaskCanceledByIdRequest) -> RespondActivityTaskCanceledByIdResponse;
    namespaced RequestCancelWorkflowExecution(workflow::RequestCancelWorkflowExecutionRequest) -> RequestCancelWorkflowExecutionResponse;
    namespaced SignalWorkflowExecution(workflow::SignalWorkflowExecutionRequest) -> SignalWorkflowExecutionResponse;
    namespaced SignalWithStartWorkflowExecution(workflow::SignalWithStartWorkflowExecutionRequest) -> SignalWithStartWorkflowExecutionResponse;
    namespaced ResetWorkflowExecution(workflow::ResetWorkflowExecutionRequest) -> ResetWorkflowExecutionResponse;
    namespaced TerminateWorkflowExecution(workflow::TerminateWorkflowExecutionRequest) -> TerminateWorkflowExecutionResponse;
    namespaced DeleteWorkflowExecution(workflow::DeleteWorkflowExecutionRequest) -> DeleteWorkflowExecutionResponse;
    namespaced ListOpenWorkflowExecutions(workflow::ListOpenWorkflowExecutionsRequest) -> ListOpenWorkflowExecutionsResponse;
    namespaced ListClosedWorkflowExecutions(workflow::ListClosedWorkflowExecutionsRequest) -> ListClosedWorkflowExecutionsResponse;
    namespaced ListWorkflowExecutions(workflow::ListWorkflowExecutionsRequest) -> ListWorkflowExecutionsResponse;
    namespaced ListArchivedWorkflowExecutions(workflow::ListArchivedWorkflowExecutionsRequest) -> ListArchivedWorkflowExecutionsResponse;
    namespaced ScanWorkflowExecutions(workflow::ScanWorkflowExecutionsRequest) -> ScanWorkflowExecutionsResponse;
    namespaced CountWorkflowExecutions(workflow::CountWorkflowExecutionsRequest) -> CountWorkflowExecutionsResponse;
    plain GetSearchAttributes(workflow::GetSearchAttributesRequest) -> GetSearchAttributesResponse;
    namespaced RespondQueryTaskCompleted(workflow::RespondQueryTaskCompletedRequest) -> RespondQueryTaskCompletedResponse;
    namespaced ResetStickyTaskQueue(workflow::ResetStickyTaskQueueRequest) -> ResetStickyTaskQueueResponse;
    namespaced ShutdownWorker(workflow::ShutdownWorkerRequest) -> ShutdownWorkerResponse;
    namespaced QueryWorkflow(workflow::QueryWorkflowRequest) -> QueryWorkflowResponse;
    namespaced DescribeWorkflowExecution(workflow::DescribeWorkflowExecutionRequest) -> DescribeWorkflowExecutionResponse;
    namespaced DescribeTaskQueue(workflow::DescribeTaskQueueRequest) -> DescribeTaskQueueResponse;
    plain GetClusterInfo(workflow::GetClusterInfoRequest) -> GetClusterInfoResponse;
    plain GetSystemInfo(workflow::GetSystemInfoRequest) -> GetSystemInfoResponse;
    namespaced ListTaskQueuePartitions(workflow::ListTaskQueuePartitionsRequest) -> ListTaskQueuePartitionsResponse;
    namespaced CreateSchedule(workflow::CreateScheduleRequest) -> CreateScheduleResponse;
    namespaced DescribeSchedule(workflow::DescribeScheduleRequest) -> DescribeScheduleResponse;
    namespaced UpdateSchedule(workflow::UpdateScheduleRequest) -> UpdateScheduleResponse;
    namespaced PatchSchedule(workflow::PatchScheduleRequest) -> PatchScheduleResponse;
    namespaced ListScheduleMatchingTimes(workflow::ListScheduleMatchingTimesRequest) -> ListScheduleMatchingTimesResponse;
    namespaced DeleteSchedule(workflow::DeleteScheduleRequest) -> DeleteScheduleResponse;
    namespaced ListSchedules(workflow::ListSchedulesRequest) -> ListSchedulesResponse;
    namespaced CountSchedules(workflow::CountSchedulesRequest) -> CountSchedulesResponse;
    namespaced UpdateWorkerBuildIdCompatibility(workflow::UpdateWorkerBuildIdCompatibilityRequest) -> UpdateWorkerBuildIdCompatibilityResponse;
    namespaced GetWorkerBuildIdCompatibility(workflow::GetWorkerBuildIdCompatibilityRequest) -> GetWorkerBuildIdCompatibilityResponse;
    namespaced UpdateWorkerVersioningRules(workflow::UpdateWorkerVersioningRulesRequest) -> UpdateWorkerVersioningRulesResponse;
    namespaced GetWorkerVersioningRules(workflow::GetWorkerVersioningRulesRequest) -> GetWorkerVersioningRulesResponse;
    namespaced GetWorkerTaskReachability(workflow::GetWorkerTaskReachabilityRequest) -> GetWorkerTaskReachabilityResponse;
    namespaced DescribeDeployment(workflow::DescribeDeploymentRequest) -> DescribeDeploymentResponse;
    namespaced DescribeWorkerDeploymentVersion(workflow::DescribeWorkerDeploymentVersionRequest) -> DescribeWorkerDeploymentVersionResponse;
    namespaced ListDeployments(workflow::ListDeploymentsRequest) -> ListDeploymentsResponse;
    namespaced GetDeploymentReachability(workflow::GetDeploymentReachabilityRequest) -> GetDeploymentReachabilityResponse;
    namespaced GetCurrentDeployment(workflow::GetCurrentDeploymentRequest) -> GetCurrentDeploymentResponse;
    namespaced SetCurrentDeployment(workflow::SetCurrentDeploymentRequest) -> SetCurrentDeploymentResponse;
    namespaced SetWorkerDeploymentCurrentVersion(workflow::SetWorkerDeploymentCurrentVersionRequest) -> SetWorkerDeploymentCurrentVersionResponse;
    namespaced DescribeWorkerDeployment(workflow::DescribeWorkerDeploymentRequest) -> DescribeWorkerDeploymentResponse;
    namespaced DeleteWorkerDeployment(workflow::DeleteWorkerDeploymentRequest) -> DeleteWorkerDeploymentResponse;
    namespaced DeleteWorkerDeploymentVersion(workflow::DeleteWorkerDeploymentVersionRequest) -> DeleteWorkerDeploymentVersionResponse;
    namespaced SetWorkerDeploymentRampingVersion(workflow::SetWorkerDeploymentRampingVersionRequest) -> SetWorkerDeploymentRampingVersionResponse;
    namespaced ListWorkerDeployments(workflow::ListWorkerDeploymentsRequest) -> ListWorkerDeploymentsResponse;
    namespaced CreateWorkerDeployment(workflow::CreateWorkerDeploymentRequest) -> CreateWorkerDeploymentResponse;
    namespaced CreateWorkerDeploymentVersion(workflow::CreateWorkerDeploymentVersionRequest) -> CreateWorkerDeploymentVersionResponse;
    namespaced UpdateWorkerDeploymentVersionComputeConfig(workflow::UpdateWorkerDeploymentVersionComputeConfigRequest) -> UpdateWorkerDeploymentVersionComputeConfigResponse;
    namespaced ValidateWorkerDeploymentVersionComputeConfig(workflow::ValidateWorkerDeploymentVersionComputeConfigRequest) -> ValidateWorkerDeploymentVersionComputeConfigResponse;
    namespaced UpdateWorkerDeploymentVersionMetadata(workflow::UpdateWorkerDeploymentVersionMetadataRequest) -> UpdateWorkerDeploymentVersionMetadataResponse;
    namespaced SetWorkerDeploymentManager(workflow::SetWorkerDeploymentManagerRequest) -> SetWorkerDeploymentManagerResponse;
    long_poll UpdateWorkflowExecution(workflow::UpdateWorkflowExecutionRequest) -> UpdateWorkflowExecutionResponse;
    namespaced PollWorkflowExecutionUpdate(workflow::PollWorkflowExecutionUpdateRequest) -> PollWorkflowExecutionUpdateResponse;
    namespaced StartBatchOperation(workflow::StartBatchOperationRequest) -> StartBatchOperationResponse;
    namespaced StopBatchOperation(workflow::StopBatchOperationRequest) -> StopBatchOperationResponse;
    namespaced DescribeBatchOperation(workflow::DescribeBatchOperationRequest) -> DescribeBatchOperationResponse;
    namespaced ListBatchOperations(workflow::ListBatchOperationsRequest) -> ListBatchOperationsResponse;
    long_poll PollNexusTaskQueue(workflow::PollNexusTaskQueueRequest) -> PollNexusTaskQueueResponse;
    namespaced RespondNexusTaskCompleted(workflow::RespondNexusTaskCompletedRequest) -> RespondNexusTaskCompletedResponse;
    namespaced RespondNexusTaskFailed(workflow::RespondNexusTaskFailedRequest) -> RespondNexusTaskFailedResponse;
    namespaced UpdateActivityOptions(workflow::UpdateActivityOptionsRequest) -> UpdateActivityOptionsResponse;
    namespaced UpdateWorkflowExecutionOptions(workflow::UpdateWorkflowExecutionOptionsRequest) -> UpdateWorkflowExecutionOptionsResponse;
    namespaced PauseActivity(workflow::PauseActivityRequest) -> PauseActivityResponse;
    namespaced UnpauseActivity(workflow::UnpauseActivityRequest) -> UnpauseActivityResponse;
    namespaced ResetActivity(workflow::ResetActivityRequest) -> ResetActivityResponse;
    namespaced CreateWorkflowRule(workflow::CreateWorkflowRuleRequest) -> CreateWorkflowRuleResponse;
    namespaced DescribeWorkflowRule(workflow::DescribeWorkflowRuleRequest) -> DescribeWorkflowRuleResponse;
    namespaced DeleteWorkflowRule(workflow::DeleteWorkflowRuleRequest) -> DeleteWorkflowRuleResponse;
    namespaced ListWorkflowRules(workflow::ListWorkflowRulesRequest) -> ListWorkflowRulesResponse;
    namespaced TriggerWorkflowRule(workflow::TriggerWorkflowRuleRequest) -> TriggerWorkflowRuleResponse;
    namespaced RecordWorkerHeartbeat(workflow::RecordWorkerHeartbeatRequest) -> RecordWorkerHeartbeatResponse;
    namespaced ListWorkers(workflow::ListWorkersRequest) -> ListWorkersResponse;
    namespaced CountWorkers(workflow::CountWorkersRequest) -> CountWorkersResponse;
    namespaced UpdateTaskQueueConfig(workflow::UpdateTaskQueueConfigRequest) -> UpdateTaskQueueConfigResponse;
    namespaced FetchWorkerConfig(workflow::FetchWorkerConfigRequest) -> FetchWorkerConfigResponse;
    namespaced UpdateWorkerConfig(workflow::UpdateWorkerConfigRequest) -> UpdateWorkerConfigResponse;
    namespaced DescribeWorker(workflow::DescribeWorkerRequest) -> DescribeWorkerResponse;
    namespaced PauseWorkflowExecution(workflow::PauseWorkflowExecutionRequest) -> PauseWorkflowExecutionResponse;
    namespaced UnpauseWorkflowExecution(workflow::UnpauseWorkflowExecutionRequest) -> UnpauseWorkflowExecutionResponse;
    namespaced StartActivityExecution(workflow::StartActivityExecutionRequest) -> StartActivityExecutionResponse;
    namespaced StartNexusOperationExecution(workflow::StartNexusOperationExecutionRequest) -> StartNexusOperationExecutionResponse;
    namespaced DescribeActivityExecution(workflow::DescribeActivityExecutionRequest) -> DescribeActivityExecutionResponse;
    namespaced DescribeNexusOperationExecution(workflow::DescribeNexusOperationExecutionRequest) -> DescribeNexusOperationExecutionResponse;
    namespaced PollActivityExecution(workflow::PollActivityExecutionRequest) -> PollActivityExecutionResponse;
    namespaced PollNexusOperationExecution(workflow::PollNexusOperationExecutionRequest) -> PollNexusOperationExecutionResponse;
    namespaced ListActivityExecutions(workflow::ListActivityExecutionsRequest) -> ListActivityExecutionsResponse;
    namespaced ListNexusOperationExecutions(workflow::ListNexusOperationExecutionsRequest) -> ListNexusOperationExecutionsResponse;
    namespaced CountActivityExecutions(workflow::CountActivityExecutionsRequest) -> CountActivityExecutionsResponse;
    namespaced CountNexusOperationExecutions(workflow::CountNexusOperationExecutionsRequest) -> CountNexusOperationExecutionsResponse;
    namespaced RequestCancelActivityExecution(workflow::RequestCancelActivityExecutionRequest) -> RequestCancelActivityExecutionResponse;
    namespaced RequestCancelNexusOperationExecution(workflow::RequestCancelNexusOperationExecutionRequest) -> RequestCancelNexusOperationExecutionResponse;
    namespaced TerminateActivityExecution(workflow::TerminateActivityExecutionRequest) -> TerminateActivityExecutionResponse;
    namespaced DeleteActivityExecution(workflow::DeleteActivityExecutionRequest) -> DeleteActivityExecutionResponse;
    namespaced PauseActivityExecution(workflow::PauseActivityExecutionRequest) -> PauseActivityExecutionResponse;
    namespaced ResetActivityExecution(workflow::ResetActivityExecutionRequest) -> ResetActivityExecutionResponse;
    namespaced UnpauseActivityExecution(workflow::UnpauseActivityExecutionRequest) -> UnpauseActivityExecutionResponse;
    namespaced UpdateActivityExecutionOptions(workflow::UpdateActivityExecutionOptionsRequest) -> UpdateActivityExecutionOptionsResponse;
    namespaced TerminateNexusOperationExecution(workflow::TerminateNexusOperationExecutionRequest) -> TerminateNexusOperationExecutionResponse;
    namespaced DeleteNexusOperationExecution(workflow::DeleteNexusOperationExecutionRequest) -> DeleteNexusOperationExecutionResponse;
    long_poll PollWorkflowExecutionTimeSkipping(workflow::PollWorkflowExecutionTimeSkippingRequest) -> PollWorkflowExecutionTimeSkippingResponse;
}

rpcs! { operator, "temporal.api.operatorservice.v1.OperatorService";
    namespaced AddSearchAttributes(operator::AddSearchAttributesRequest) -> AddSearchAttributesResponse;
    namespaced RemoveSearchAttributes(operator::RemoveSearchAttributesRequest) -> RemoveSearchAttributesResponse;
    namespaced ListSearchAttributes(operator::ListSearchAttributesRequest) -> ListSearchAttributesResponse;
    namespaced DeleteNamespace(operator::DeleteNamespaceRequest) -> DeleteNamespaceResponse;
    plain AddOrUpdateRemoteCluster(operator::AddOrUpdateRemoteClusterRequest) -> AddOrUpdateRemoteClusterResponse;
    plain RemoveRemoteCluster(operator::RemoveRemoteClusterRequest) -> RemoveRemoteClusterResponse;
    plain ListClusters(operator::ListClustersRequest) -> ListClustersResponse;
    plain GetNexusEndpoint(operator::GetNexusEndpointRequest) -> GetNexusEndpointResponse;
    plain CreateNexusEndpoint(operator::CreateNexusEndpointRequest) -> CreateNexusEndpointResponse;
    plain UpdateNexusEndpoint(operator::UpdateNexusEndpointRequest) -> UpdateNexusEndpointResponse;
    plain DeleteNexusEndpoint(operator::DeleteNexusEndpointRequest) -> DeleteNexusEndpointResponse;
    plain ListNexusEndpoints(operator::ListNexusEndpointsRequest) -> ListNexusEndpointsResponse;
}

rpcs! { test, "temporal.api.testservice.v1.TestService";
    plain LockTimeSkipping(test::LockTimeSkippingRequest) -> LockTimeSkippingResponse;
    plain UnlockTimeSkipping(test::UnlockTimeSkippingRequest) -> UnlockTimeSkippingResponse;
    plain UnlockTimeSkippingWithSleep(test::SleepRequest) -> SleepResponse;
    plain SleepUntil(test::SleepUntilRequest) -> SleepResponse;
    plain GetCurrentTime(()) -> GetCurrentTimeResponse;
}
