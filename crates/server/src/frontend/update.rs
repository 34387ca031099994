//! Updates: sending one, asking for one, and waiting until it is as far as the caller wants.

use crate::frontend::{Call, Frontend, Outcome, unexpected, validate};
use crate::shard::{Answer, UpdateNews, Wait};
use evertide_engine::Rejection;
use evertide_engine::address::Address;
use evertide_engine::effects::UpdateSignal;
use evertide_engine::reply::Reply;
use evertide_engine::reply::UpdateStatus;
use evertide_engine::workflow::Request;
use evertide_engine::workflow::update::check_request;
use evertide_proto::common::link::workflow_event::{Reference, RequestIdReference};
use evertide_proto::common::link::{Variant, Workflow, WorkflowEvent};
use evertide_proto::common::{Link, WorkflowExecution};
use evertide_proto::enums::{EventType, UpdateWorkflowExecutionLifecycleStage as Stage};
use evertide_proto::update::outcome::Value;
use evertide_proto::update::{Outcome as UpdateOutcome, UpdateRef};
use evertide_proto::workflowservice::{
    PollWorkflowExecutionUpdateRequest, PollWorkflowExecutionUpdateResponse, UpdateWorkflowExecutionRequest,
    UpdateWorkflowExecutionResponse,
};
use tokio::time::{Instant, timeout_at};

impl Frontend {
    /// UpdateWorkflowExecution.
    pub(super) async fn update_workflow_execution(
        &self,
        _call: &Call,
        request: UpdateWorkflowExecutionRequest,
    ) -> Outcome<UpdateWorkflowExecutionResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let run = self.run_ref(&namespace, validate::execution(request.workflow_execution.as_ref())?);
        check_request(&request, self.limits())?;
        let answer = self.node.run(run, Request::Update(Box::new(request))).await?;
        match answer {
            Answer { reply: Reply::Update(status), wait, run, .. } => {
                self.updated(&namespace.name, &run, *status, wait).await
            }
            Answer { reply, .. } => Err(unexpected("an update", &reply)),
        }
    }

    /// The answer to an update call, when the update is as far as the caller wants or the time is up.
    pub(super) async fn updated(
        &self,
        namespace: &str,
        run: &Address,
        status: UpdateStatus,
        wait: Option<Wait>,
    ) -> Outcome<UpdateWorkflowExecutionResponse> {
        let status = self.wait_for_update(status, wait).await?;
        Ok(UpdateWorkflowExecutionResponse {
            update_ref: Some(update_ref(run, &status)),
            link: link(namespace, run, &status),
            stage: status.stage,
            outcome: status.outcome,
        })
    }

    /// PollWorkflowExecutionUpdate.
    pub(super) async fn poll_workflow_execution_update(
        &self,
        _call: &Call,
        request: PollWorkflowExecutionUpdateRequest,
    ) -> Outcome<PollWorkflowExecutionUpdateResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let update = request.update_ref.as_ref();
        let update = update.ok_or_else(|| Rejection::invalid("UpdateRef is not set on request."))?;
        let (workflow_id, run_id) =
            update.workflow_execution.as_ref().map_or(("", ""), |e| (e.workflow_id.as_str(), e.run_id.as_str()));
        if workflow_id.is_empty() {
            return Err(Rejection::invalid("Can't load workflow execution.  WorkflowId not set.").into());
        }
        let run = self.run_ref(&namespace, validate::ids(workflow_id, run_id, "RunId is not valid UUID.")?);
        let answer = self.node.run(run, Request::PollUpdate(Box::new(request))).await?;
        let Answer { reply: Reply::Update(status), wait, run, .. } = answer else {
            return Err(unexpected("a poll of an update", &answer.reply));
        };
        let status = self.wait_for_update(*status, wait).await?;
        Ok(PollWorkflowExecutionUpdateResponse {
            update_ref: Some(update_ref(&run, &status)),
            stage: status.stage,
            outcome: status.outcome,
        })
    }

    /// Whoever gives up before the server does is told so by the deadline: an answer without outcome would be taken for
    /// an invitation to go on waiting.
    async fn wait_for_update(&self, status: UpdateStatus, wait: Option<Wait>) -> Outcome<UpdateStatus> {
        match wait {
            Some(Wait::Update(signals)) if status.stage < status.wait_stage => {
                follow(status, signals, Instant::now() + self.long_poll()).await
            }
            _ => Ok(status),
        }
    }
}

/// Follows an update until it is as far as wanted. When the time is up, how far it is is the answer.
async fn follow(mut status: UpdateStatus, mut signals: UpdateNews, until: Instant) -> Outcome<UpdateStatus> {
    while status.stage < status.wait_stage {
        match timeout_at(until, signals.recv()).await {
            Err(_) => break,
            Ok(Some(UpdateSignal::Accepted)) => status.stage = Stage::Accepted.into(),
            Ok(Some(UpdateSignal::Completed(outcome))) => {
                status.stage = Stage::Completed.into();
                status.outcome = Some(outcome);
            }
            Ok(Some(UpdateSignal::Aborted(rejection))) => return Err(rejection.into()),
            Ok(None) => return Err(lost().into()),
        }
    }
    Ok(status)
}

/// The server has forgotten an update that was not accepted yet: the client sends it again.
fn lost() -> Rejection {
    Rejection::unavailable("workflow update was aborted")
}

fn update_ref(run: &Address, status: &UpdateStatus) -> UpdateRef {
    let execution = WorkflowExecution { workflow_id: run.id.clone(), run_id: status.run_id.clone() };
    UpdateRef { workflow_execution: Some(execution), update_id: status.update_id.clone() }
}

/// Where the update is in the history, once a worker has said something of it.
fn link(namespace: &str, run: &Address, status: &UpdateStatus) -> Option<Link> {
    let failed = matches!(&status.outcome, Some(UpdateOutcome { value: Some(Value::Failure(_)) }));
    let (namespace, workflow_id, run_id) = (namespace.to_owned(), run.id.clone(), status.run_id.clone());
    let variant = if failed {
        Variant::Workflow(Workflow { namespace, workflow_id, run_id, reason: "Update rejected".to_owned() })
    } else if status.stage >= i32::from(Stage::Accepted) {
        let reference = Reference::RequestIdRef(RequestIdReference {
            request_id: status.request_id.clone(),
            event_type: EventType::WorkflowExecutionUpdateAccepted.into(),
        });
        Variant::WorkflowEvent(WorkflowEvent { namespace, workflow_id, run_id, reference: Some(reference) })
    } else {
        return None;
    };
    Some(Link { variant: Some(variant) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::UpdateSender;
    use std::time::Duration;

    fn status(wait_stage: Stage) -> UpdateStatus {
        UpdateStatus {
            update_id: "u".to_owned(),
            run_id: "r".to_owned(),
            stage: Stage::Admitted.into(),
            outcome: None,
            wait_stage: wait_stage.into(),
            request_id: String::new(),
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_the_stage_that_is_wanted() {
        let sender = UpdateSender::default();
        let signals = sender.follow();
        sender.tell(UpdateSignal::Accepted);
        let reached = follow(status(Stage::Accepted), signals, soon()).await.unwrap();
        assert_eq!(reached.stage, i32::from(Stage::Accepted));
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_time_is_up_the_stage_reached_is_the_answer() {
        let sender = UpdateSender::default();
        let signals = sender.follow();
        sender.tell(UpdateSignal::Accepted);
        let reached = follow(status(Stage::Completed), signals, soon()).await.unwrap();
        assert_eq!((reached.stage, reached.outcome), (i32::from(Stage::Accepted), None));
        drop(sender);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_update_is_to_be_sent_again() {
        let sender = UpdateSender::default();
        let signals = sender.follow();
        drop(sender);
        let failure = follow(status(Stage::Completed), signals, soon()).await.unwrap_err();
        assert_eq!(failure, lost().into());
    }

    #[test]
    fn only_what_a_worker_has_seen_has_a_link() {
        let run = Address { id: "w".to_owned(), ..Address::default() };
        assert_eq!(link("ns", &run, &status(Stage::Completed)), None);
        let accepted = UpdateStatus { stage: Stage::Accepted.into(), ..status(Stage::Completed) };
        let found = link("ns", &run, &accepted).unwrap().variant.unwrap();
        assert!(matches!(found, Variant::WorkflowEvent(_)), "{found:?}");
    }
}
