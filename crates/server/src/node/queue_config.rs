//! What operators set for task queues.

use evertide_proto::taskqueue::TaskQueueConfig;
use evertide_store::{QueueKey, Write};
use tokio::sync::oneshot;

use crate::ask::{Answer, Respond};
use crate::fault::Failure;
use crate::matching::QueueKind;
use crate::node::{Node, answered};
use crate::queue_config::{Change, rate};
use crate::release::Effect;
use crate::work::Work;

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
        let _one_at_a_time = self.shell.queue_configs.changing.lock().await;
        let config = change(self.shell.queue_configs.get(&key).unwrap_or_default())?;
        let (sender, receiver) = oneshot::channel();
        let answer = Effect::answer(Respond::Caller(sender), Ok(Answer::default()));
        let write = self.shell.queue_configs.write(&key, &config);
        let version = write.version().unwrap_or(0);
        self.shell.commits.push(vec![Write::Registry(write)], vec![answer]);
        answered(receiver).await?;
        self.shell.queue_configs.put(key.clone(), version, config.clone());
        self.shell.queues.set_rate(&key, rate(&config));
        self.shell.work.push(Work::Resume(key));
        Ok(config)
    }
}
