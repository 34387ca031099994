//! What operators have set for task queues. It is durable, and small.

use std::collections::BTreeMap;

use evertide_engine::Rejection;
use evertide_proto::taskqueue::TaskQueueConfig;
use evertide_store::{QueueKey, Store, StoreError, Write};
use parking_lot::Mutex;
use prost::Message;

/// The kind of the records in the store's registry.
const KIND: &str = "task_queue";

/// The settings of all queues that have any.
#[derive(Debug, Default)]
pub(crate) struct QueueConfigs {
    known: Mutex<BTreeMap<QueueKey, TaskQueueConfig>>,
    /// Held while a change is on its way to the store, so that changes come one after the other.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

/// A record: the settings with the queue that they are for.
#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(string, tag = "1")]
    namespace_id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint32, tag = "3")]
    kind: u32,
    #[prost(message, required, tag = "4")]
    config: TaskQueueConfig,
}

impl QueueConfigs {
    pub(crate) fn open(store: &dyn Store) -> Result<Self, StoreError> {
        let mut known = BTreeMap::new();
        for (key, bytes) in store.registry(KIND)? {
            let damaged =
                |reason: String| StoreError::Corrupt { location: format!("settings of task queue {key}"), reason };
            let record = Record::decode(bytes).map_err(|error| damaged(error.to_string()))?;
            let kind = u8::try_from(record.kind).map_err(|error| damaged(error.to_string()))?;
            let queue = QueueKey { namespace_id: record.namespace_id, name: record.name, kind };
            known.insert(queue, record.config);
        }
        Ok(Self { known: Mutex::new(known), ..Self::default() })
    }

    /// The settings of a queue, if it has any.
    pub(crate) fn get(&self, key: &QueueKey) -> Option<TaskQueueConfig> {
        self.known.lock().get(key).cloned()
    }

    /// All settings.
    pub(crate) fn all(&self) -> Vec<(QueueKey, TaskQueueConfig)> {
        self.known.lock().iter().map(|(key, config)| (key.clone(), config.clone())).collect()
    }

    /// Settings that are durable now.
    pub(crate) fn put(&self, key: QueueKey, config: TaskQueueConfig) {
        self.known.lock().insert(key, config);
    }
}

/// What makes settings durable.
pub(crate) fn write(key: &QueueKey, config: &TaskQueueConfig) -> Write {
    let QueueKey { namespace_id, name, kind } = key.clone();
    let record = Record { namespace_id, name, kind: kind.into(), config: config.clone() };
    Write::Registry {
        kind: KIND.to_owned(),
        key: format!("{}/{}/{}", key.namespace_id, key.kind, key.name),
        value: Some(record.encode_to_vec().into()),
    }
}

/// The rate that settings ask for, tasks a second.
pub(crate) fn rate(config: &TaskQueueConfig) -> Option<f64> {
    let limit = config.queue_rate_limit.as_ref()?.rate_limit.as_ref()?;
    Some(f64::from(limit.requests_per_second))
}

/// A change of settings: from what they are to what they are to be.
pub(crate) type Change<'c> = dyn FnOnce(TaskQueueConfig) -> Result<TaskQueueConfig, Rejection> + Send + 'c;
