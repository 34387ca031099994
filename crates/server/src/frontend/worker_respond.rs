//! What workers answer to workflow tasks and query tasks.

use crate::frontend::{Call, Frontend, Outcome, system_operation, unexpected, validate};
use evertide_engine::Rejection;
use evertide_engine::reply::Reply;
use evertide_engine::token::TaskKind;
use evertide_engine::workflow::Request;
use evertide_proto::workflowservice::{
    RespondQueryTaskCompletedRequest, RespondQueryTaskCompletedResponse, RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse, RespondWorkflowTaskFailedRequest, RespondWorkflowTaskFailedResponse,
};

impl Frontend {
    /// RespondWorkflowTaskCompleted.
    pub(super) async fn respond_workflow_task_completed(
        &self,
        _call: &Call,
        mut request: RespondWorkflowTaskCompletedRequest,
    ) -> Outcome<RespondWorkflowTaskCompletedResponse> {
        let (token, namespace) = self.token(&request.namespace, &request.task_token, TaskKind::Workflow)?;
        validate::identity(self.limits(), &request.identity)?;
        if request.intermediate_page || request.page_number != 0 {
            let name = &namespace.name;
            let message = format!("workflow task completion pagination is disabled for this namespace {name}");
            return Err(Rejection::precondition(message).into());
        }
        system_operation::in_binary(&mut request.commands);
        let run = self.run_ref(&namespace, (token.workflow_id.clone(), Some(token.run_id.clone())));
        let answer = self.node.run(run, Request::CompleteWorkflowTask(Box::new(request), token)).await?;
        let Reply::TaskCompleted { reset_history_event_id, activity_tasks, .. } = answer.reply else {
            return Err(unexpected("a completed workflow task", &answer.reply));
        };
        let workflow_task = self.task_of(answer.task).await?;
        Ok(RespondWorkflowTaskCompletedResponse { workflow_task, activity_tasks, reset_history_event_id })
    }

    /// RespondWorkflowTaskFailed.
    pub(super) async fn respond_workflow_task_failed(
        &self,
        _call: &Call,
        request: RespondWorkflowTaskFailedRequest,
    ) -> Outcome<RespondWorkflowTaskFailedResponse> {
        let (token, namespace) = self.token(&request.namespace, &request.task_token, TaskKind::Workflow)?;
        validate::identity(self.limits(), &request.identity)?;
        let run = self.run_ref(&namespace, (token.workflow_id.clone(), Some(token.run_id.clone())));
        self.node.run(run, Request::FailWorkflowTask(Box::new(request), token)).await?;
        Ok(RespondWorkflowTaskFailedResponse {})
    }

    /// RespondQueryTaskCompleted.
    pub(super) async fn respond_query_task_completed(
        &self,
        _call: &Call,
        request: RespondQueryTaskCompletedRequest,
    ) -> Outcome<RespondQueryTaskCompletedResponse> {
        let (token, _) = self.token(&request.namespace, &request.task_token, TaskKind::Query)?;
        self.answer_query(&token.query_id, request)?;
        Ok(RespondQueryTaskCompletedResponse {})
    }
}
