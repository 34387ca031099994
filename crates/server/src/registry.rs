//! The namespaces: durable records, and what decisions see of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use evertide_engine::Rejection;
use evertide_engine::namespace::{Namespace, Namespaces};
use evertide_proto::enums::NamespaceState;
use evertide_proto::namespace::BadBinaryInfo;
use evertide_store::{RegistryRecord, RegistryWrite, Store, StoreError, Write};
use parking_lot::{Mutex, RwLock};
use prost::Message;

/// The kind of the records in the store's registry.
const KIND: &str = "namespace";

/// All that is known of a namespace.
#[derive(Clone, PartialEq, Message)]
pub struct NamespaceRecord {
    /// UUID; never given out twice.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Name, unique at any time.
    #[prost(string, tag = "2")]
    pub name: String,
    /// `NamespaceState` of the protocol.
    #[prost(enumeration = "NamespaceState", tag = "3")]
    pub state: i32,
    /// For people.
    #[prost(string, tag = "4")]
    pub description: String,
    /// For people.
    #[prost(string, tag = "5")]
    pub owner_email: String,
    /// For clients.
    #[prost(btree_map = "string, string", tag = "6")]
    pub data: BTreeMap<String, String>,
    /// How long closed runs are kept, nanoseconds; 0 for ever.
    #[prost(int64, tag = "7")]
    pub retention_ns: i64,
    /// Custom search attributes: name to `IndexedValueType` of the protocol.
    #[prost(btree_map = "string, int32", tag = "8")]
    pub search_attributes: BTreeMap<String, i32>,
    /// Checksums of workers' binaries that an operator has marked as bad, for clients.
    #[prost(btree_map = "string, message", tag = "9")]
    pub bad_binaries: BTreeMap<String, BadBinaryInfo>,
}

impl NamespaceRecord {
    pub(crate) fn for_decisions(&self) -> Namespace {
        Namespace {
            id: self.id.clone(),
            name: self.name.clone(),
            search_attributes: self.search_attributes.clone(),
            retention_ns: self.retention_ns,
            state: self.state,
        }
    }

    /// Whether it was deleted: nobody can use it any more, and its runs are being removed.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.state() == NamespaceState::Deleted
    }
}

/// All namespaces at one time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registered {
    /// By id, with the versions that the store has them under.
    records: BTreeMap<String, (u64, NamespaceRecord)>,
    visible: Arc<Namespaces>,
}

impl Registered {
    fn of(records: BTreeMap<String, (u64, NamespaceRecord)>) -> Self {
        let mut visible = Namespaces::default();
        for (_, record) in records.values().filter(|(_, record)| !record.is_deleted()) {
            visible.put(record.for_decisions());
        }
        Self { records, visible: Arc::new(visible) }
    }
}

/// The namespaces: as they are, and as they will be once everything decided is durable.
#[derive(Debug)]
pub(crate) struct NamespaceRegistry {
    durable: RwLock<Arc<Registered>>,
    pending: Mutex<Arc<Registered>>,
}

impl NamespaceRegistry {
    pub(crate) fn open(store: &dyn Store) -> Result<Self, StoreError> {
        let registry = Self { durable: RwLock::default(), pending: Mutex::default() };
        registry.read(store)?;
        Ok(registry)
    }

    /// Reads what the store has, in place of what is known.
    pub(crate) fn read(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mut pending = self.pending.lock();
        let mut records = BTreeMap::new();
        for RegistryRecord { key: id, value, version } in store.registry(KIND)? {
            let record = NamespaceRecord::decode(value).map_err(|error| StoreError::Corrupt {
                location: format!("record of namespace {id}"),
                reason: error.to_string(),
            })?;
            records.insert(id, (version, record));
        }
        *pending = Arc::new(Registered::of(records));
        *self.durable.write() = pending.clone();
        Ok(())
    }

    /// What decisions see.
    pub(crate) fn snapshot(&self) -> Arc<Namespaces> {
        self.durable.read().visible.clone()
    }

    /// All records in the order of their names, deleted ones too.
    pub(crate) fn records(&self) -> Vec<NamespaceRecord> {
        let mut records: Vec<_> = self.durable.read().records.values().map(|(_, record)| record.clone()).collect();
        records.sort_by(|a, b| a.name.cmp(&b.name));
        records
    }

    /// Changes what is known under a name: `change` gets the record, if there is one, and gives the new one, or none to
    /// remove it. `commit` gets what makes the change durable, and what is to be [published](Self::publish) then.
    pub(crate) fn change(
        &self,
        name: &str,
        change: impl FnOnce(Option<NamespaceRecord>) -> Result<Option<NamespaceRecord>, Rejection>,
        commit: impl FnOnce(Vec<Write>, Arc<Registered>),
    ) -> Result<Option<NamespaceRecord>, Rejection> {
        // The lock is held until the commit is queued, so that commits come in the order of changes.
        let mut pending = self.pending.lock();
        let found = pending.records.values().map(|(_, record)| record).find(|record| record.name == name).cloned();
        let new = change(found.clone())?;
        let mut records = pending.records.clone();
        let mut writes = Vec::new();
        if let Some(old) = &found
            && new.as_ref().is_none_or(|n| n.id != old.id)
        {
            let (expected, _) = records.remove(&old.id).unwrap_or_default();
            let (kind, key) = (KIND.to_owned(), old.id.clone());
            writes.push(Write::Registry(RegistryWrite { kind, key, value: None, expected }));
        }
        if let Some(record) = &new {
            let expected = records.get(&record.id).map_or(0, |(version, _)| *version);
            let (kind, key) = (KIND.to_owned(), record.id.clone());
            let write = RegistryWrite { kind, key, value: Some(record.encode_to_vec().into()), expected };
            records.insert(record.id.clone(), (write.version().unwrap_or(0), record.clone()));
            writes.push(Write::Registry(write));
        }
        let registered = Arc::new(Registered::of(records));
        *pending = registered.clone();
        commit(writes, registered);
        Ok(new)
    }

    /// A change is durable.
    pub(crate) fn publish(&self, registered: Arc<Registered>) {
        *self.durable.write() = registered;
    }

    /// What was not durable yet has failed: it is forgotten, together with what `forget` does. Nothing changes meanwhile.
    pub(crate) fn roll_back<T>(&self, forget: impl FnOnce() -> T) -> T {
        let mut pending = self.pending.lock();
        let forgotten = forget();
        *pending = self.durable.read().clone();
        forgotten
    }
}
