//! What operators have set for task queues. It is durable, and small.

use std::collections::BTreeMap;

use evertide_engine::{Code, Rejection};
use evertide_proto::taskqueue::TaskQueueConfig;
use evertide_store::{QueueKey, RegistryRecord, RegistryWrite, Store, StoreError};
use parking_lot::Mutex;
use prost::Message;

/// The kind of the records in the store's registry.
const KIND: &str = "task_queue";

/// How many task queues may have settings.
const CONFIGURED_QUEUES: usize = 10_000;

/// The settings of all queues that have any: as they are, and as they will be once everything decided is durable.
#[derive(Debug, Default)]
pub(crate) struct QueueConfigs {
    /// With the versions that the store has them under.
    durable: Mutex<BTreeMap<QueueKey, (u64, TaskQueueConfig)>>,
    /// What differs from that.
    pending: Mutex<BTreeMap<QueueKey, (u64, TaskQueueConfig)>>,
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
        let mut pending = self.pending.lock();
        pending.clear();
        *self.durable.lock() = read;
        Ok(())
    }

    /// The settings of a queue, if it has any.
    pub(crate) fn get(&self, key: &QueueKey) -> Option<TaskQueueConfig> {
        self.durable.lock().get(key).map(|(_, config)| config.clone())
    }

    /// All settings.
    pub(crate) fn all(&self) -> Vec<(QueueKey, TaskQueueConfig)> {
        self.durable.lock().iter().map(|(key, (_, config))| (key.clone(), config.clone())).collect()
    }

    /// Changes the settings of a queue. `commit` gets what makes the change durable, and under which version; then it is
    /// to be [published](Self::publish).
    pub(crate) fn change(
        &self,
        key: &QueueKey,
        change: Box<Change<'_>>,
        commit: impl FnOnce(RegistryWrite, u64, TaskQueueConfig),
    ) -> Result<TaskQueueConfig, Rejection> {
        // The lock is held until the commit is queued, so that commits come in the order of changes.
        let mut pending = self.pending.lock();
        let (durable, count) = {
            let durable = self.durable.lock();
            (durable.get(key).cloned(), durable.len() + pending.len())
        };
        let known = pending.get(key).cloned().or(durable);
        if known.is_none() && count >= CONFIGURED_QUEUES {
            let message =
                format!("{CONFIGURED_QUEUES} task queues have settings already, which is the most there may be");
            return Err(Rejection::new(Code::ResourceExhausted, message));
        }
        let (expected, known) = known.unwrap_or_default();
        let config = change(known)?;
        let write = write(key, &config, expected);
        let version = write.version().unwrap_or(0);
        pending.insert(key.clone(), (version, config.clone()));
        commit(write, version, config.clone());
        Ok(config)
    }

    /// A change is durable.
    pub(crate) fn publish(&self, key: &QueueKey, version: u64, config: TaskQueueConfig) {
        let mut pending = self.pending.lock();
        if pending.get(key).is_some_and(|(newest, _)| *newest == version) {
            pending.remove(key);
        }
        self.durable.lock().insert(key.clone(), (version, config));
    }

    /// What was not durable yet has failed: it is forgotten, together with what `forget` does. Nothing changes meanwhile.
    pub(crate) fn roll_back<T>(&self, forget: impl FnOnce() -> T) -> T {
        let mut pending = self.pending.lock();
        let forgotten = forget();
        pending.clear();
        forgotten
    }
}

/// What makes settings durable in place of those of that version.
fn write(key: &QueueKey, config: &TaskQueueConfig, expected: u64) -> RegistryWrite {
    let QueueKey { namespace_id, name, kind } = key.clone();
    let record = Record { namespace_id, name, kind: kind.into(), config: config.clone() };
    RegistryWrite {
        kind: KIND.to_owned(),
        key: format!("{}/{}/{}", key.namespace_id, key.kind, key.name),
        value: Some(record.encode_to_vec().into()),
        expected,
    }
}

/// The rate that settings ask for, tasks a second.
pub(crate) fn rate(config: &TaskQueueConfig) -> Option<f64> {
    let limit = config.queue_rate_limit.as_ref()?.rate_limit.as_ref()?;
    Some(f64::from(limit.requests_per_second))
}

/// A change of settings: from what they are to what they are to be.
pub(crate) type Change<'c> = dyn FnOnce(TaskQueueConfig) -> Result<TaskQueueConfig, Rejection> + Send + 'c;
