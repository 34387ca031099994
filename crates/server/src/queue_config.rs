//! What operators have set for task queues. It is durable, and small.

use std::collections::BTreeMap;

use evertide_engine::Rejection;
use evertide_proto::taskqueue::TaskQueueConfig;
use evertide_store::{QueueKey, RegistryRecord, RegistryWrite, Store, StoreError};
use parking_lot::Mutex;
use prost::Message;

/// The kind of the records in the store's registry.
const KIND: &str = "task_queue";

/// The settings of all queues that have any.
#[derive(Debug, Default)]
pub(crate) struct QueueConfigs {
    /// With the versions that the store has them under.
    known: Mutex<BTreeMap<QueueKey, (u64, TaskQueueConfig)>>,
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
        let configs = Self::default();
        configs.read(store)?;
        Ok(configs)
    }

    /// Reads what the store has, in place of what is known.
    pub(crate) fn read(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mut read = BTreeMap::new();
        for RegistryRecord { key, value, version } in store.registry(KIND)? {
            let damaged =
                |reason: String| StoreError::Corrupt { location: format!("settings of task queue {key}"), reason };
            let record = Record::decode(value).map_err(|error| damaged(error.to_string()))?;
            let kind = u8::try_from(record.kind).map_err(|error| damaged(error.to_string()))?;
            let queue = QueueKey { namespace_id: record.namespace_id, name: record.name, kind };
            read.insert(queue, (version, record.config));
        }
        *self.known.lock() = read;
        Ok(())
    }

    /// The settings of a queue, if it has any.
    pub(crate) fn get(&self, key: &QueueKey) -> Option<TaskQueueConfig> {
        self.known.lock().get(key).map(|(_, config)| config.clone())
    }

    /// All settings.
    pub(crate) fn all(&self) -> Vec<(QueueKey, TaskQueueConfig)> {
        self.known.lock().iter().map(|(key, (_, config))| (key.clone(), config.clone())).collect()
    }

    /// What makes settings durable in place of those that are known.
    pub(crate) fn write(&self, key: &QueueKey, config: &TaskQueueConfig) -> RegistryWrite {
        let QueueKey { namespace_id, name, kind } = key.clone();
        let record = Record { namespace_id, name, kind: kind.into(), config: config.clone() };
        RegistryWrite {
            kind: KIND.to_owned(),
            key: format!("{}/{}/{}", key.namespace_id, key.kind, key.name),
            value: Some(record.encode_to_vec().into()),
            expected: self.known.lock().get(key).map_or(0, |(version, _)| *version),
        }
    }

    /// Settings that are durable now, under a version.
    pub(crate) fn put(&self, key: QueueKey, version: u64, config: TaskQueueConfig) {
        self.known.lock().insert(key, (version, config));
    }
}

/// The rate that settings ask for, tasks a second.
pub(crate) fn rate(config: &TaskQueueConfig) -> Option<f64> {
    let limit = config.queue_rate_limit.as_ref()?.rate_limit.as_ref()?;
    Some(f64::from(limit.requests_per_second))
}

/// A change of settings: from what they are to what they are to be.
pub(crate) type Change<'c> = dyn FnOnce(TaskQueueConfig) -> Result<TaskQueueConfig, Rejection> + Send + 'c;
