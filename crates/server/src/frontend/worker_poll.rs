//! Polls of workers: each waits for a task and is answered empty before its caller gives up.

use crate::frontend::{Call, Frontend, Outcome, validate};
use crate::matching::{Poll, QueueKind};
use crate::node::Polled;
use evertide_engine::namespace::Namespace;
use evertide_engine::task_queue::QueueRef;
use evertide_proto::common::{WorkerVersionCapabilities, WorkerVersionStamp};
use evertide_proto::enums::TaskQueueKind;
use evertide_proto::taskqueue::{PollerScalingDecision, TaskQueue};
use evertide_proto::workflowservice::{
    PollActivityTaskQueueRequest, PollActivityTaskQueueResponse, PollNexusTaskQueueRequest, PollNexusTaskQueueResponse,
    PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse,
};
use tokio::time::Instant;

impl Frontend {
    /// PollWorkflowTaskQueue.
    pub(super) async fn poll_workflow_task_queue(
        &self,
        call: &Call,
        r: PollWorkflowTaskQueueRequest,
    ) -> Outcome<PollWorkflowTaskQueueResponse> {
        let namespace = self.namespace(&r.namespace)?;
        let until = call.poll_until()?;
        validate::identity(self.limits(), &r.identity)?;
        let queue = validate::task_queue(self.limits(), r.task_queue.as_ref())?;
        let poll = Poll {
            identity: r.identity,
            worker_instance_key: r.worker_instance_key,
            worker_version: version(r.worker_version_capabilities),
            ..self.poll(&namespace, queue)
        };
        let begin = Instant::now();
        match self.node.poll_workflow_task(poll, until).await? {
            Polled::Workflow(page) => Ok(PollWorkflowTaskQueueResponse {
                poller_scaling_decision: self.advice(&namespace, &queue.name, QueueKind::Workflow, begin),
                ..self.task_response(*page)
            }),
            Polled::Activity(_) | Polled::Empty => Ok(PollWorkflowTaskQueueResponse::default()),
        }
    }

    /// PollActivityTaskQueue.
    pub(super) async fn poll_activity_task_queue(
        &self,
        call: &Call,
        r: PollActivityTaskQueueRequest,
    ) -> Outcome<PollActivityTaskQueueResponse> {
        let namespace = self.namespace(&r.namespace)?;
        let until = call.poll_until()?;
        validate::identity(self.limits(), &r.identity)?;
        let queue = validate::task_queue(self.limits(), r.task_queue.as_ref())?;
        let poll = Poll {
            identity: r.identity,
            worker_instance_key: r.worker_instance_key,
            worker_version: version(r.worker_version_capabilities),
            max_tasks_per_second: r.task_queue_metadata.and_then(|m| m.max_tasks_per_second),
            ..self.poll(&namespace, queue)
        };
        let begin = Instant::now();
        match self.node.poll_activity_task(poll, until).await? {
            Polled::Activity(task) => Ok(PollActivityTaskQueueResponse {
                poller_scaling_decision: self.advice(&namespace, &queue.name, QueueKind::Activity, begin),
                ..*task
            }),
            Polled::Workflow(_) | Polled::Empty => Ok(PollActivityTaskQueueResponse::default()),
        }
    }

    /// PollNexusTaskQueue: there are no Nexus tasks yet, so it waits in vain; it may carry heartbeats.
    pub(super) async fn poll_nexus_task_queue(
        &self,
        call: &Call,
        r: PollNexusTaskQueueRequest,
    ) -> Outcome<PollNexusTaskQueueResponse> {
        let namespace = self.namespace(&r.namespace)?;
        let until = call.poll_until()?;
        validate::identity(self.limits(), &r.identity)?;
        let queue = validate::task_queue(self.limits(), r.task_queue.as_ref())?;
        self.note_heartbeats(&namespace.id, r.worker_heartbeat)?;
        let poll =
            Poll { identity: r.identity, worker_instance_key: r.worker_instance_key, ..self.poll(&namespace, queue) };
        self.node.poll_nexus_task(poll, until).await?;
        Ok(PollNexusTaskQueueResponse::default())
    }

    /// Whether the worker whose poll began then and has got a task should poll more or less.
    fn advice(
        &self,
        namespace: &Namespace,
        queue: &str,
        kind: QueueKind,
        begin: Instant,
    ) -> Option<PollerScalingDecision> {
        let delta = self.node.advise_poller(&namespace.id, queue, kind, begin.elapsed())?;
        Some(PollerScalingDecision { poll_request_delta_suggestion: delta })
    }

    fn poll(&self, namespace: &Namespace, queue: &TaskQueue) -> Poll {
        Poll {
            namespace_id: namespace.id.clone(),
            queue: queue_ref(queue),
            request_id: self.node.new_uuid(),
            ..Poll::default()
        }
    }
}

/// A queue as the engine names it: a sticky one is told by the name of the normal one beside it.
fn queue_ref(queue: &TaskQueue) -> QueueRef {
    let name = queue.name.clone();
    let normal_name = match (queue.kind() == TaskQueueKind::Sticky, queue.normal_name.is_empty()) {
        (false, _) => String::new(),
        (true, true) => name.clone(), // Older workers do not say it.
        (true, false) => queue.normal_name.clone(),
    };
    QueueRef { name, normal_name }
}

/// The build that a worker stamps on what it does, if it wants to be told apart by it.
fn version(capabilities: Option<WorkerVersionCapabilities>) -> Option<WorkerVersionStamp> {
    let capabilities = capabilities.filter(|c| c.use_versioning)?;
    Some(WorkerVersionStamp { build_id: capabilities.build_id, use_versioning: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sticky_queue_stays_one_without_the_other_name() {
        let queue = |kind: TaskQueueKind, normal: &str| {
            queue_ref(&TaskQueue { name: "q".to_owned(), kind: kind.into(), normal_name: normal.to_owned() })
        };
        assert!(!queue(TaskQueueKind::Normal, "other").is_sticky());
        assert_eq!(queue(TaskQueueKind::Sticky, "n").normal_name, "n");
        assert!(queue(TaskQueueKind::Sticky, "").is_sticky());
    }
}
