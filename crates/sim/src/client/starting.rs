//! Requests that may make a run.

use evertide_engine::Rejection;
use evertide_engine::address::Address;
use evertide_engine::reply::Reply;
use evertide_engine::workflow::ChainRequest;
use evertide_proto::common::RetryPolicy;
use evertide_proto::enums::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use evertide_proto::workflowservice as ws;
use evertide_server::node::AnswerReceiver;
use evertide_server::shard::Answer;

use crate::actor::call;
use crate::client::Asking;
use crate::program;
use crate::worker::Hands;

impl Asking {
    fn start_request(&self) -> ws::StartWorkflowExecutionRequest {
        let world = &self.world;
        let conflict = match world.below(4) {
            0 => WorkflowIdConflictPolicy::UseExisting,
            1 => WorkflowIdConflictPolicy::TerminateExisting,
            _ => WorkflowIdConflictPolicy::Fail,
        };
        let runs_left = if world.below(4) == 0 { 2 } else { 0 };
        let retry_policy = RetryPolicy { maximum_attempts: 2, ..RetryPolicy::default() };
        ws::StartWorkflowExecutionRequest {
            namespace: world.namespace_of(&self.target),
            workflow_id: self.target.id.clone(),
            workflow_type: Some(program::workflow_type()),
            task_queue: program::task_queue_of(&self.target.id),
            request_id: self.unique.clone(),
            workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate.into(),
            workflow_id_conflict_policy: conflict.into(),
            input: Some(program::input(runs_left)),
            retry_policy: (world.below(4) == 0).then_some(retry_policy),
            ..ws::StartWorkflowExecutionRequest::default()
        }
    }

    fn submit_chain(&self, request: ChainRequest) -> AnswerReceiver {
        self.world.node().submit_chain(&self.target.namespace_id, &self.target.id, request)
    }

    /// The run that a request has made or found.
    fn started(&self, what: &'static str, outcome: Option<Result<Answer, Rejection>>) -> Option<(Address, Answer)> {
        let answer = outcome?.ok()?;
        let reply = match &answer.reply {
            Reply::StartedAndUpdated { started, .. } => started,
            reply => reply,
        };
        let Reply::Started { run_id, .. } = reply else { return None };
        let run = Address { run_id: run_id.clone(), ..self.target.clone() };
        self.world.ledger().touch(&run, self.sent_ns);
        self.done(what);
        Some((run, answer))
    }

    pub(super) async fn start(&self, hands: &mut Hands) {
        let mut request = self.start_request();
        request.request_eager_execution = self.world.below(4) == 0;
        let send = || self.submit_chain(ChainRequest::Start(Box::new(request.clone())));
        let Some((_, answer)) = self.started("start", self.until_known(send).await) else { return };
        let Some(task) = answer.task else { return };
        // The first workflow task came with the answer, since this client is a worker as well.
        let node = self.world.node();
        let _in_hand = self.world.take_in_hand();
        if let Ok(page) = call(&self.world, node.task_page(task)).await {
            self.done("eager workflow task");
            hands.answer_workflow_task(&self.world, page, None).await;
        }
    }

    pub(super) async fn signal_with_start(&self) {
        let request = ws::SignalWithStartWorkflowExecutionRequest {
            namespace: self.world.namespace_of(&self.target),
            workflow_id: self.target.id.clone(),
            workflow_type: Some(program::workflow_type()),
            task_queue: program::task_queue_of(&self.target.id),
            request_id: self.unique.clone(),
            signal_name: self.unique.clone(),
            workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate.into(),
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting.into(),
            ..ws::SignalWithStartWorkflowExecutionRequest::default()
        };
        let send = || self.submit_chain(ChainRequest::SignalWithStart(Box::new(request.clone())));
        if let Some((run, _)) = self.started("signal with start", self.until_known(send).await) {
            self.world.ledger().signals.insert((run, self.unique.clone()));
        }
    }

    pub(super) async fn update_with_start(&self) {
        let mut start = self.start_request();
        start.workflow_id_conflict_policy = WorkflowIdConflictPolicy::UseExisting.into();
        let update = self.update_request(&self.target);
        let send =
            || self.submit_chain(ChainRequest::UpdateWithStart(Box::new(start.clone()), Box::new(update.clone())));
        let Some((run, answer)) = self.started("update with start", self.until_known(send).await) else { return };
        if let Answer { reply: Reply::StartedAndUpdated { updated, .. }, wait, .. } = answer
            && let Reply::Update(status) = *updated
            && !self.follow_update(&run, *status, wait).await
        {
            // The server has lost it: it is sent again, as an update of the run that was found.
            self.update_run(&run).await;
        }
    }
}
