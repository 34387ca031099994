//! Requests that change a run, and how they are followed to their end.

use evertide_engine::address::Address;
use evertide_engine::effects::UpdateSignal;
use evertide_engine::reply::Reply;
use evertide_engine::reply::UpdateStatus;
use evertide_engine::workflow::Request;
use evertide_proto::common::WorkflowExecution;
use evertide_proto::enums::UpdateWorkflowExecutionLifecycleStage as Stage;
use evertide_proto::update::outcome::Value;
use evertide_proto::update::{Input, Meta, Outcome, Request as UpdateRequest, WaitPolicy};
use evertide_proto::workflowservice as ws;
use evertide_server::fault::Fault;
use evertide_server::shard::{Answer, Wait};

use crate::actor::call;
use crate::client::{ATTEMPTS, Asking};

fn execution(run: &Address) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: run.id.clone(), run_id: run.run_id.clone() })
}

impl Asking {
    pub(super) async fn signal(&self) {
        let request = ws::SignalWorkflowExecutionRequest {
            workflow_execution: execution(&self.target),
            signal_name: self.unique.clone(),
            request_id: self.unique.clone(),
            ..ws::SignalWorkflowExecutionRequest::default()
        };
        if let Some(answer) = self.ask_run("signal", || Request::Signal(Box::new(request.clone()))).await {
            self.world.ledger().signals.insert(((*answer.run).clone(), self.unique.clone()));
        }
    }

    pub(super) async fn cancel(&self) {
        let request =
            ws::RequestCancelWorkflowExecutionRequest { request_id: self.unique.clone(), ..Default::default() };
        let send = || self.world.node().submit_run(self.target.clone(), Request::Cancel(Box::new(request.clone())));
        // A run that has ended since it was asked to says so again: this does not show that it is open.
        if let Some(Ok(_)) = self.until_known(send).await {
            self.done("cancel");
        }
    }

    pub(super) async fn terminate(&self) {
        let request = ws::TerminateWorkflowExecutionRequest { reason: self.unique.clone(), ..Default::default() };
        // A repeat after an unknown outcome may hit the next run, which is then terminated with the same reason.
        if let Some(answer) = self.ask_run("terminate", || Request::Terminate(Box::new(request.clone()))).await {
            self.world.ledger().terminations.insert(((*answer.run).clone(), self.unique.clone()));
        }
    }

    pub(super) fn update_request(&self, run: &Address) -> ws::UpdateWorkflowExecutionRequest {
        ws::UpdateWorkflowExecutionRequest {
            workflow_execution: execution(run),
            wait_policy: Some(WaitPolicy { lifecycle_stage: Stage::Completed.into() }),
            request: Some(UpdateRequest {
                meta: Some(Meta { update_id: self.unique.clone(), identity: "client".to_owned() }),
                input: Some(Input { name: "update".to_owned(), ..Input::default() }),
                ..UpdateRequest::default()
            }),
            ..ws::UpdateWorkflowExecutionRequest::default()
        }
    }

    pub(super) async fn update(&self) {
        self.update_run(&self.target).await;
    }

    /// Sends an update until it is completed, refused, or the client loses patience.
    pub(super) async fn update_run(&self, run: &Address) {
        let request = self.update_request(run);
        for _ in 0..ATTEMPTS {
            let answer = self.ask_run_of(run, "update", || Request::Update(Box::new(request.clone()))).await;
            let Some(Answer { reply: Reply::Update(status), wait, run, .. }) = answer else { return };
            if self.follow_update(&run, *status, wait).await {
                return;
            }
        }
    }

    /// Listens to how an update goes on. False if the server has lost it.
    pub(super) async fn follow_update(&self, run: &Address, status: UpdateStatus, wait: Option<Wait>) -> bool {
        let run = Address { run_id: status.run_id.clone(), ..run.clone() };
        self.note_update(&run, status.stage, status.outcome.as_ref());
        if status.outcome.is_some() {
            return true;
        }
        let Some(Wait::Update(mut signals)) = wait else {
            self.world.fault(format!("the update {} of {run:?} is not over, and nobody will tell", self.unique));
            return true;
        };
        loop {
            let signal = call(&self.world, async { signals.recv().await.ok_or_else(|| Fault::Stopping.into()) });
            match signal.await {
                Ok(UpdateSignal::Accepted) => self.note_update(&run, Stage::Accepted.into(), None),
                Ok(UpdateSignal::Completed(outcome)) => {
                    self.note_update(&run, Stage::Completed.into(), Some(&outcome));
                    return true;
                }
                Ok(UpdateSignal::Aborted(_)) => return true,
                Err(_) => return false,
            }
        }
    }

    fn note_update(&self, run: &Address, stage: i32, outcome: Option<&Outcome>) {
        let key = (run.clone(), self.unique.clone());
        match outcome.and_then(|o| o.value.as_ref()) {
            Some(Value::Success(_)) => {
                self.world.ledger().completed_updates.insert(key);
            }
            Some(Value::Failure(_)) => {}
            None if stage >= i32::from(Stage::Accepted) => {
                self.world.ledger().accepted_updates.insert(key);
            }
            None => {}
        }
    }
}
