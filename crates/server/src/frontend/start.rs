//! Calls that may make a run: start, signal-with-start, update-with-start, reset.

use crate::fault::Failure;
use crate::frontend::{Call, Frontend, Outcome, unexpected, validate};
use evertide_engine::namespace::Namespace;
use evertide_engine::reply::Reply;
use evertide_engine::workflow::ChainRequest;
use evertide_engine::{Code, Detail, Rejection};
use evertide_proto::workflowservice::execute_multi_operation_request::operation::Operation as Asked;
use evertide_proto::workflowservice::execute_multi_operation_response::Response as Part;
use evertide_proto::workflowservice::execute_multi_operation_response::response::Response as Answered;
use evertide_proto::workflowservice::{
    ExecuteMultiOperationRequest, ExecuteMultiOperationResponse, ResetWorkflowExecutionRequest,
    ResetWorkflowExecutionResponse, SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse,
    StartWorkflowExecutionRequest, StartWorkflowExecutionResponse, UpdateWorkflowExecutionRequest,
    UpdateWorkflowExecutionResponse,
};

impl Frontend {
    /// StartWorkflowExecution.
    pub(super) async fn start_workflow_execution(
        &self,
        _call: &Call,
        request: StartWorkflowExecutionRequest,
    ) -> Outcome<StartWorkflowExecutionResponse> {
        let namespace = self.namespace(&request.namespace)?;
        validate::takes_new_workflows(&namespace)?;
        let workflow_id = request.workflow_id.clone();
        let answer = self.node.chain(&namespace.id, &workflow_id, ChainRequest::Start(Box::new(request))).await?;
        let eager_workflow_task = self.task_of(answer.task).await?;
        Ok(StartWorkflowExecutionResponse { eager_workflow_task, ..started(answer.reply)? })
    }

    /// SignalWithStartWorkflowExecution.
    pub(super) async fn signal_with_start_workflow_execution(
        &self,
        _call: &Call,
        request: SignalWithStartWorkflowExecutionRequest,
    ) -> Outcome<SignalWithStartWorkflowExecutionResponse> {
        let namespace = self.namespace(&request.namespace)?;
        validate::takes_new_workflows(&namespace)?;
        let workflow_id = request.workflow_id.clone();
        let request = ChainRequest::SignalWithStart(Box::new(request));
        match self.node.chain(&namespace.id, &workflow_id, request).await?.reply {
            Reply::Started { run_id, first_run_id, started, signal_link, .. } => {
                Ok(SignalWithStartWorkflowExecutionResponse {
                    first_execution_run_id: first_run_id,
                    run_id,
                    started,
                    signal_link,
                })
            }
            other => Err(unexpected("a signal with start", &other)),
        }
    }

    /// ExecuteMultiOperation: start and update in one.
    pub(super) async fn execute_multi_operation(
        &self,
        _call: &Call,
        request: ExecuteMultiOperationRequest,
    ) -> Outcome<ExecuteMultiOperationResponse> {
        let namespace = self.namespace(&request.namespace)?;
        validate::takes_new_workflows(&namespace)?;
        let (start, update) = operations(request)?;
        let (start, update) = loop {
            match self.start_and_update(&namespace, start.clone(), update.clone()).await? {
                // The run closed before it answered. The next one gets the update: its own, or one that is started now.
                (found, Err(Failure::Rejected(r))) if !found.started && r.code == Code::NotFound => {}
                other => break other,
            }
        };
        let update = update.map_err(|failure| match failure {
            Failure::Rejected(rejection) => update_failed(start.started, rejection).into(),
            fault => fault,
        })?;
        let part = |response| Part { response: Some(response) };
        let responses = vec![part(Answered::StartWorkflow(start)), part(Answered::UpdateWorkflow(update))];
        Ok(ExecuteMultiOperationResponse { responses })
    }

    /// Starts and updates, and waits for the update; the start is done whatever becomes of the update.
    async fn start_and_update(
        &self,
        namespace: &Namespace,
        start: StartWorkflowExecutionRequest,
        update: UpdateWorkflowExecutionRequest,
    ) -> Outcome<(StartWorkflowExecutionResponse, Outcome<UpdateWorkflowExecutionResponse>)> {
        let workflow_id = start.workflow_id.clone();
        let request = ChainRequest::UpdateWithStart(Box::new(start), Box::new(update));
        let answer = self.node.chain(&namespace.id, &workflow_id, request).await?;
        let Reply::StartedAndUpdated { started: start, updated } = answer.reply else {
            return Err(unexpected("an update with start", &answer.reply));
        };
        let start = started(*start)?;
        let update = match *updated {
            Reply::Update(status) => {
                // What was completed before this call is not linked to it.
                let known = status.outcome.is_some();
                let updated = self.updated(&namespace.name, &answer.run, *status, answer.wait).await;
                updated.map(|u| if known { UpdateWorkflowExecutionResponse { link: None, ..u } } else { u })
            }
            other => Err(unexpected("an update", &other)),
        };
        Ok((start, update))
    }

    /// ResetWorkflowExecution.
    pub(super) async fn reset_workflow_execution(
        &self,
        _call: &Call,
        request: ResetWorkflowExecutionRequest,
    ) -> Outcome<ResetWorkflowExecutionResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let (workflow_id, run_id) = validate::execution(request.workflow_execution.as_ref())?;
        let run = self.run_ref(&namespace, (workflow_id, run_id));
        match self.node.reset(run, request).await?.reply {
            Reply::Reset { run_id } => Ok(ResetWorkflowExecutionResponse { run_id }),
            other => Err(unexpected("a reset", &other)),
        }
    }
}

fn started(reply: Reply) -> Outcome<StartWorkflowExecutionResponse> {
    let Reply::Started { run_id, first_run_id: first_execution_run_id, started, status, link, .. } = reply else {
        return Err(unexpected("a start", &reply));
    };
    let eager_workflow_task = None;
    Ok(StartWorkflowExecutionResponse { run_id, first_execution_run_id, started, status, eager_workflow_task, link })
}

/// The update has failed on its own: a start that made a run stands, one that found a run has not been needed.
fn update_failed(started: bool, update: Rejection) -> Rejection {
    refused(if started { Rejection::new(Code::Ok, "") } else { aborted() }, update)
}

/// The refusal of the whole, with what becomes of each part.
fn refused(start: Rejection, update: Rejection) -> Rejection {
    let message = "Update-with-Start could not be executed.".into();
    Rejection { code: update.code, message, detail: Detail::MultiOperation(vec![start, update]) }
}

fn aborted() -> Rejection {
    Rejection { detail: Detail::MultiOperationAborted, ..Rejection::new(Code::Aborted, "Operation was aborted.") }
}

fn another_namespace() -> Rejection {
    Rejection::invalid("Operation namespace did not match request's namespace.")
}

/// A start and an update, in this order and nothing else.
fn operations(
    request: ExecuteMultiOperationRequest,
) -> Result<(StartWorkflowExecutionRequest, UpdateWorkflowExecutionRequest), Rejection> {
    let mut operations = request.operations.into_iter().map(|o| o.operation);
    match (operations.next().flatten(), operations.next().flatten(), operations.next()) {
        (Some(Asked::StartWorkflow(mut start)), Some(Asked::UpdateWorkflow(mut update)), None) => {
            let foreign = |namespace: &String| !namespace.is_empty() && *namespace != request.namespace;
            let (start_abroad, update_abroad) = (foreign(&start.namespace), foreign(&update.namespace));
            if start_abroad || update_abroad {
                let part = |abroad| if abroad { another_namespace() } else { aborted() };
                return Err(refused(part(start_abroad), part(update_abroad)));
            }
            start.namespace.clone_from(&request.namespace);
            update.namespace.clone_from(&request.namespace);
            Ok((start, update))
        }
        _ => Err(Rejection::invalid("Operations have to be exactly [Start, Update].")),
    }
}
