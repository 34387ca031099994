//! What workers and operators say of activities, by the token of a task or by activity id.

use crate::frontend::{Call, Frontend, Outcome, unexpected, validate};
use evertide_engine::Rejection;
use evertide_engine::reply::Reply;
use evertide_engine::token::TaskKind;
use evertide_engine::workflow::Request;
use evertide_engine::workflow::activity::{Answer, Operation, Outcome as Said, Which, oversize_failures};
use evertide_proto::common::WorkflowExecution;
use evertide_proto::workflowservice::{
    PauseActivityRequest, PauseActivityResponse, RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatByIdResponse, RecordActivityTaskHeartbeatRequest, RecordActivityTaskHeartbeatResponse,
    ResetActivityRequest, ResetActivityResponse, RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledByIdResponse, RespondActivityTaskCanceledRequest, RespondActivityTaskCanceledResponse,
    RespondActivityTaskCompletedByIdRequest, RespondActivityTaskCompletedByIdResponse,
    RespondActivityTaskCompletedRequest, RespondActivityTaskCompletedResponse, RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedByIdResponse, RespondActivityTaskFailedRequest, RespondActivityTaskFailedResponse,
    UnpauseActivityRequest, UnpauseActivityResponse, UpdateActivityOptionsRequest, UpdateActivityOptionsResponse,
};

/// What a heartbeat is answered with.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    cancel_requested: bool,
    activity_paused: bool,
    activity_reset: bool,
}

/// An activity named by ids.
struct ById<'r> {
    namespace: &'r str,
    workflow_id: &'r str,
    run_id: &'r str,
    activity_id: &'r str,
}

/// The activity that a request names by ids; such requests have the same fields and no type in common.
macro_rules! by_id {
    ($request:ident) => {
        ById {
            namespace: &$request.namespace,
            workflow_id: &$request.workflow_id,
            run_id: &$request.run_id,
            activity_id: &$request.activity_id,
        }
    };
}

impl Frontend {
    async fn by_token(&self, namespace: &str, token: &[u8], identity: String, outcome: Said) -> Outcome<Reply> {
        let (token, namespace) = self.token(namespace, token, TaskKind::Activity)?;
        validate::identity(self.limits(), &identity)?;
        let run = self.run_ref(&namespace, (token.workflow_id.clone(), Some(token.run_id.clone())));
        let answer = Answer { which: Which::Token(token), identity, outcome };
        Ok(self.node.run(run, Request::Activity(answer)).await?.reply)
    }

    async fn by_id(&self, of: ById<'_>, identity: String, outcome: Said) -> Outcome<Reply> {
        let namespace = self.namespace(of.namespace)?;
        let ids = validate::ids(of.workflow_id, of.run_id, "RunId is not valid UUID.")?;
        if of.activity_id.is_empty() {
            return Err(Rejection::invalid("ActivityId is not set on request.").into());
        }
        validate::identity(self.limits(), &identity)?;
        let answer = Answer { which: Which::Id(of.activity_id.to_owned()), identity, outcome };
        Ok(self.node.run(self.run_ref(&namespace, ids), Request::Activity(answer)).await?.reply)
    }

    /// RespondActivityTaskCompleted.
    pub(super) async fn respond_activity_task_completed(
        &self,
        _call: &Call,
        r: RespondActivityTaskCompletedRequest,
    ) -> Outcome<RespondActivityTaskCompletedResponse> {
        self.by_token(&r.namespace, &r.task_token, r.identity, Said::Completed(r.result)).await?;
        Ok(RespondActivityTaskCompletedResponse {})
    }

    /// RespondActivityTaskCompletedById.
    pub(super) async fn respond_activity_task_completed_by_id(
        &self,
        _call: &Call,
        r: RespondActivityTaskCompletedByIdRequest,
    ) -> Outcome<RespondActivityTaskCompletedByIdResponse> {
        self.by_id(by_id!(r), r.identity, Said::Completed(r.result)).await?;
        Ok(RespondActivityTaskCompletedByIdResponse {})
    }

    /// RespondActivityTaskFailed.
    pub(super) async fn respond_activity_task_failed(
        &self,
        _call: &Call,
        r: RespondActivityTaskFailedRequest,
    ) -> Outcome<RespondActivityTaskFailedResponse> {
        let said = Said::Failed(r.failure.map(Box::new), r.last_heartbeat_details);
        let failures = oversize_failures(&said, self.limits());
        self.by_token(&r.namespace, &r.task_token, r.identity, said).await?;
        Ok(RespondActivityTaskFailedResponse { failures })
    }

    /// RespondActivityTaskFailedById.
    pub(super) async fn respond_activity_task_failed_by_id(
        &self,
        _call: &Call,
        r: RespondActivityTaskFailedByIdRequest,
    ) -> Outcome<RespondActivityTaskFailedByIdResponse> {
        let said = Said::Failed(r.failure.map(Box::new), r.last_heartbeat_details);
        let failures = oversize_failures(&said, self.limits());
        self.by_id(by_id!(r), r.identity, said).await?;
        Ok(RespondActivityTaskFailedByIdResponse { failures })
    }

    /// RespondActivityTaskCanceled.
    pub(super) async fn respond_activity_task_canceled(
        &self,
        _call: &Call,
        r: RespondActivityTaskCanceledRequest,
    ) -> Outcome<RespondActivityTaskCanceledResponse> {
        self.by_token(&r.namespace, &r.task_token, r.identity, Said::Canceled(r.details)).await?;
        Ok(RespondActivityTaskCanceledResponse {})
    }

    /// RespondActivityTaskCanceledById.
    pub(super) async fn respond_activity_task_canceled_by_id(
        &self,
        _call: &Call,
        r: RespondActivityTaskCanceledByIdRequest,
    ) -> Outcome<RespondActivityTaskCanceledByIdResponse> {
        self.by_id(by_id!(r), r.identity, Said::Canceled(r.details)).await?;
        Ok(RespondActivityTaskCanceledByIdResponse {})
    }

    /// RecordActivityTaskHeartbeat.
    pub(super) async fn record_activity_task_heartbeat(
        &self,
        _call: &Call,
        r: RecordActivityTaskHeartbeatRequest,
    ) -> Outcome<RecordActivityTaskHeartbeatResponse> {
        let reply = self.by_token(&r.namespace, &r.task_token, r.identity, Said::Heartbeat(r.details)).await?;
        let Wanted { cancel_requested, activity_paused, activity_reset } = wanted(&reply)?;
        Ok(RecordActivityTaskHeartbeatResponse { cancel_requested, activity_paused, activity_reset })
    }

    /// RecordActivityTaskHeartbeatById.
    pub(super) async fn record_activity_task_heartbeat_by_id(
        &self,
        _call: &Call,
        r: RecordActivityTaskHeartbeatByIdRequest,
    ) -> Outcome<RecordActivityTaskHeartbeatByIdResponse> {
        let reply = self.by_id(by_id!(r), r.identity, Said::Heartbeat(r.details)).await?;
        let Wanted { cancel_requested, activity_paused, activity_reset } = wanted(&reply)?;
        Ok(RecordActivityTaskHeartbeatByIdResponse { cancel_requested, activity_paused, activity_reset })
    }

    async fn operate(
        &self,
        namespace: &str,
        execution: Option<&WorkflowExecution>,
        operation: Operation,
    ) -> Outcome<Reply> {
        let namespace = self.namespace(namespace)?;
        let run = self.run_ref(&namespace, validate::execution_of_operator(execution)?);
        Ok(self.node.run(run, Request::OperateActivity(operation)).await?.reply)
    }

    /// PauseActivity.
    pub(super) async fn pause_activity(&self, _call: &Call, r: PauseActivityRequest) -> Outcome<PauseActivityResponse> {
        let (namespace, execution) = (r.namespace.clone(), r.execution.clone());
        self.operate(&namespace, execution.as_ref(), Operation::Pause(Box::new(r))).await?;
        Ok(PauseActivityResponse {})
    }

    /// UnpauseActivity.
    pub(super) async fn unpause_activity(
        &self,
        _call: &Call,
        r: UnpauseActivityRequest,
    ) -> Outcome<UnpauseActivityResponse> {
        let (namespace, execution) = (r.namespace.clone(), r.execution.clone());
        self.operate(&namespace, execution.as_ref(), Operation::Unpause(Box::new(r))).await?;
        Ok(UnpauseActivityResponse {})
    }

    /// ResetActivity.
    pub(super) async fn reset_activity(&self, _call: &Call, r: ResetActivityRequest) -> Outcome<ResetActivityResponse> {
        let (namespace, execution) = (r.namespace.clone(), r.execution.clone());
        self.operate(&namespace, execution.as_ref(), Operation::Reset(Box::new(r))).await?;
        Ok(ResetActivityResponse {})
    }

    /// UpdateActivityOptions.
    pub(super) async fn update_activity_options(
        &self,
        _call: &Call,
        r: UpdateActivityOptionsRequest,
    ) -> Outcome<UpdateActivityOptionsResponse> {
        let (namespace, execution) = (r.namespace.clone(), r.execution.clone());
        let operation = Operation::UpdateOptions(Box::new(r));
        match self.operate(&namespace, execution.as_ref(), operation).await? {
            Reply::ActivityOptions(options) => {
                Ok(UpdateActivityOptionsResponse { activity_options: options.map(|o| *o) })
            }
            other => Err(unexpected("an update of activity options", &other)),
        }
    }
}

fn wanted(reply: &Reply) -> Outcome<Wanted> {
    match *reply {
        Reply::Heartbeat { cancel_requested, paused, reset } => {
            Ok(Wanted { cancel_requested, activity_paused: paused, activity_reset: reset })
        }
        ref other => Err(unexpected("a heartbeat", other)),
    }
}
