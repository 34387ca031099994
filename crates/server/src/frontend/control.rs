//! Calls of clients and operators on one run: signal, cancel, terminate, delete, options, pause.

use crate::frontend::{Call, Frontend, Outcome, unexpected, validate};
use evertide_engine::reply::Reply;
use evertide_engine::workflow::{Request, check_options, check_pause, check_unpause};
use evertide_proto::workflowservice::{
    DeleteWorkflowExecutionRequest, DeleteWorkflowExecutionResponse, PauseWorkflowExecutionRequest,
    PauseWorkflowExecutionResponse, RequestCancelWorkflowExecutionRequest, RequestCancelWorkflowExecutionResponse,
    ResetStickyTaskQueueRequest, ResetStickyTaskQueueResponse, SignalWorkflowExecutionRequest,
    SignalWorkflowExecutionResponse, TerminateWorkflowExecutionRequest, TerminateWorkflowExecutionResponse,
    UnpauseWorkflowExecutionRequest, UnpauseWorkflowExecutionResponse, UpdateWorkflowExecutionOptionsRequest,
    UpdateWorkflowExecutionOptionsResponse,
};

impl Frontend {
    /// SignalWorkflowExecution.
    pub(super) async fn signal_workflow_execution(
        &self,
        _call: &Call,
        request: SignalWorkflowExecutionRequest,
    ) -> Outcome<SignalWorkflowExecutionResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let run = self.run_ref(&namespace, validate::execution(request.workflow_execution.as_ref())?);
        match self.node.run(run, Request::Signal(Box::new(request))).await?.reply {
            Reply::Signaled { link } => Ok(SignalWorkflowExecutionResponse { link }),
            other => Err(unexpected("a signal", &other)),
        }
    }

    /// RequestCancelWorkflowExecution.
    pub(super) async fn request_cancel_workflow_execution(
        &self,
        _call: &Call,
        request: RequestCancelWorkflowExecutionRequest,
    ) -> Outcome<RequestCancelWorkflowExecutionResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let execution = validate::execution(request.workflow_execution.as_ref())?;
        let run = self.guarded_run_ref(&namespace, execution, &request.first_execution_run_id);
        self.node.run(run, Request::Cancel(Box::new(request))).await?;
        Ok(RequestCancelWorkflowExecutionResponse {})
    }

    /// TerminateWorkflowExecution.
    pub(super) async fn terminate_workflow_execution(
        &self,
        _call: &Call,
        request: TerminateWorkflowExecutionRequest,
    ) -> Outcome<TerminateWorkflowExecutionResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let execution = validate::execution(request.workflow_execution.as_ref())?;
        let run = self.guarded_run_ref(&namespace, execution, &request.first_execution_run_id);
        self.node.run(run, Request::Terminate(Box::new(request))).await?;
        Ok(TerminateWorkflowExecutionResponse {})
    }

    /// DeleteWorkflowExecution.
    pub(super) async fn delete_workflow_execution(
        &self,
        _call: &Call,
        request: DeleteWorkflowExecutionRequest,
    ) -> Outcome<DeleteWorkflowExecutionResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let run = self.run_ref(&namespace, validate::execution(request.workflow_execution.as_ref())?);
        self.node.delete_run(run).await?;
        Ok(DeleteWorkflowExecutionResponse {})
    }

    /// UpdateWorkflowExecutionOptions.
    pub(super) async fn update_workflow_execution_options(
        &self,
        _call: &Call,
        request: UpdateWorkflowExecutionOptionsRequest,
    ) -> Outcome<UpdateWorkflowExecutionOptionsResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let execution = validate::execution_of_operator(request.workflow_execution.as_ref())?;
        check_options(&request, self.limits())?;
        let run = self.run_ref(&namespace, execution);
        match self.node.run(run, Request::UpdateOptions(Box::new(request))).await?.reply {
            Reply::WorkflowOptions(options) => Ok(UpdateWorkflowExecutionOptionsResponse {
                workflow_execution_options: Some(*options),
                ..UpdateWorkflowExecutionOptionsResponse::default()
            }),
            other => Err(unexpected("an update of options", &other)),
        }
    }

    /// PauseWorkflowExecution.
    pub(super) async fn pause_workflow_execution(
        &self,
        _call: &Call,
        request: PauseWorkflowExecutionRequest,
    ) -> Outcome<PauseWorkflowExecutionResponse> {
        let namespace = self.namespace(&request.namespace)?;
        check_pause(&request, self.limits())?;
        let ids = validate::ids(&request.workflow_id, &request.run_id, "Invalid RunId.")?;
        let run = self.run_ref(&namespace, ids);
        self.node.run(run, Request::Pause(Box::new(request))).await?;
        Ok(PauseWorkflowExecutionResponse {})
    }

    /// UnpauseWorkflowExecution.
    pub(super) async fn unpause_workflow_execution(
        &self,
        _call: &Call,
        request: UnpauseWorkflowExecutionRequest,
    ) -> Outcome<UnpauseWorkflowExecutionResponse> {
        let namespace = self.namespace(&request.namespace)?;
        check_unpause(&request, self.limits())?;
        let ids = validate::ids(&request.workflow_id, &request.run_id, "Invalid RunId.")?;
        let run = self.run_ref(&namespace, ids);
        self.node.run(run, Request::Unpause(Box::new(request))).await?;
        Ok(UnpauseWorkflowExecutionResponse {})
    }

    /// ResetStickyTaskQueue.
    pub(super) async fn reset_sticky_task_queue(
        &self,
        _call: &Call,
        request: ResetStickyTaskQueueRequest,
    ) -> Outcome<ResetStickyTaskQueueResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let run = self.run_ref(&namespace, validate::execution(request.execution.as_ref())?);
        self.node.run(run, Request::ResetSticky).await?;
        Ok(ResetStickyTaskQueueResponse {})
    }
}
