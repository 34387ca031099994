//! Namespaces and task queues: what is set for them, and namespaces that come and go.

use evertide_engine::workflow::ChainRequest;
use evertide_proto::enums::NamespaceState;
use evertide_proto::taskqueue::{ConfigMetadata, RateLimit, RateLimitConfig, TaskQueueConfig};
use evertide_proto::workflowservice as ws;
use evertide_server::matching::QueueKind;
use evertide_server::registry::NamespaceRecord;

use crate::actor::call;
use crate::client::Asking;
use crate::ledger::Setting;
use crate::program::{self, QUEUES};

impl Asking {
    /// Sets this client's own entry in the data of a namespace.
    pub(super) async fn set_namespace_data(&self) {
        let namespace = self.world.namespace_of(&self.target);
        let key = format!("client-{}", self.client);
        let setting = Setting::NamespaceData { namespace: namespace.clone(), key: key.clone() };
        let number = self.world.ledger().next_number(&setting);
        let change = move |found: Option<NamespaceRecord>| {
            let mut record = found.unwrap_or_default();
            record.data.insert(key, number.to_string());
            Ok(Some(record))
        };
        let node = self.world.node();
        if self.wait(node.change_namespace(&namespace, change)).await.is_some() {
            self.world.ledger().note_set(&setting, number);
            self.done("change namespace");
        }
    }

    /// Limits a queue, each client one of its own, so that nobody overwrites the settings of another.
    pub(super) async fn set_queue_rate(&self) {
        let Some(queue) = usize::try_from(self.client).ok().and_then(|client| QUEUES.get(client)) else { return };
        let namespace_id = self.target.namespace_id.clone();
        let setting = Setting::QueueRate { namespace_id: namespace_id.clone(), queue: (*queue).to_owned() };
        let number = self.world.ledger().next_number(&setting);
        // The reason tells which setting this is.
        let metadata = ConfigMetadata { reason: number.to_string(), ..ConfigMetadata::default() };
        let rate_limit = RateLimit { requests_per_second: 1.0 + self.world.below(50) as f32 };
        let limit = RateLimitConfig { rate_limit: Some(rate_limit), metadata: Some(metadata) };
        let change = move |mut config: TaskQueueConfig| {
            config.queue_rate_limit = Some(limit);
            Ok(config)
        };
        let node = self.world.node();
        let key = QueueKind::Workflow.key(&namespace_id, queue);
        if self.wait(node.change_queue_config(key, Box::new(change))).await.is_some() {
            self.world.ledger().note_set(&setting, number);
            self.done("change task queue");
        }
    }

    /// Makes a namespace, starts a workflow in it, and removes it again.
    pub(super) async fn pass_through_a_namespace(&self) {
        let (name, id) = (format!("passing-{}", self.unique), format!("id-of-passing-{}", self.unique));
        let record = NamespaceRecord {
            id: id.clone(),
            name: name.clone(),
            state: NamespaceState::Registered.into(),
            ..NamespaceRecord::default()
        };
        let node = self.world.node();
        let make = |found: Option<NamespaceRecord>| Ok(found.or(Some(record)));
        if call(&self.world, node.change_namespace(&name, make)).await.is_err() {
            return;
        }
        let request = ws::StartWorkflowExecutionRequest {
            namespace: name.clone(),
            workflow_id: "visitor".to_owned(),
            workflow_type: Some(program::workflow_type()),
            task_queue: program::task_queue_of("visitor"),
            request_id: self.unique.clone(),
            ..ws::StartWorkflowExecutionRequest::default()
        };
        let send = || self.world.node().submit_chain(&id, "visitor", ChainRequest::Start(Box::new(request.clone())));
        self.until_known(send).await;
        for _ in 0..super::ATTEMPTS {
            let node = self.world.node();
            if call(&self.world, node.delete_namespace(&name)).await.is_ok() {
                self.world.ledger().deleted_namespaces.insert(id);
                self.done("delete namespace");
                return;
            }
        }
    }
}
