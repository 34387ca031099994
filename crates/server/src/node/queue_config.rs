//! What operators set for task queues.

use evertide_proto::taskqueue::TaskQueueConfig;
use evertide_store::{QueueKey, Write};
use tokio::sync::oneshot;

use crate::ask::{Answer, Respond};
use crate::commit::Subject;
use crate::fault::Failure;
use crate::matching::QueueKind;
use crate::node::{Node, answered};
use crate::queue_config::Change;
use crate::release::Effect;

impl Node {
    /// The settings of a queue, if it has any.
    #[must_use]
    pub fn queue_config(&self, namespace_id: &str, name: &str, kind: QueueKind) -> Option<TaskQueueConfig> {
        self.shell.queue_configs.get(&kind.key(namespace_id, name))
    }

    /// Changes the settings of a queue, and returns them when they are durable and in force.
    ///
    /// # Errors
    /// `change` refuses, or the server fails.
    pub async fn change_queue_config(
        &self,
        key: QueueKey,
        change: Box<Change<'_>>,
    ) -> Result<TaskQueueConfig, Failure> {
        let (sender, receiver) = oneshot::channel();
        let commits = &self.shell.commits;
        let config = self.shell.queue_configs.change(&key, change, |write, version, config| {
            let answer = Effect::answer(Respond::Caller(sender), Ok(Answer::default()));
            let changed = Effect::QueueConfig { queue: key.clone(), version, config: Box::new(config) };
            commits.push(Subject::Registry, vec![Write::Registry(write)], vec![changed, answer]);
        })?;
        answered(receiver).await?;
        Ok(config)
    }
}
