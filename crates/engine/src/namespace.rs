//! Namespaces as a decision sees them: names, ids and the search attributes that they define.

use crate::visibility::{AttributeType, Attributes};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the rules need to know of one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespace {
    /// UUID of the namespace; names may be given again, ids never.
    pub id: String,
    /// Name, unique at any time.
    pub name: String,
    /// Custom search attributes: name to `IndexedValueType` of the protocol.
    pub search_attributes: BTreeMap<String, i32>,
    /// How long closed runs are kept, nanoseconds.
    pub retention_ns: i64,
    /// `NamespaceState` of the protocol.
    pub state: i32,
}

impl Namespace {
    /// The search attributes that the namespace knows.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let typed = self.search_attributes.iter();
        let custom = typed.filter_map(|(name, number)| Some((name.clone(), AttributeType::from_proto(*number)?)));
        Attributes::new(custom.collect())
    }
}

/// All namespaces, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespaces {
    by_name: BTreeMap<String, Arc<Namespace>>,
}

impl Namespaces {
    /// The namespace of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Namespace>> {
        self.by_name.get(name)
    }

    /// The namespace of that id.
    #[must_use]
    pub fn with_id(&self, id: &str) -> Option<&Arc<Namespace>> {
        self.by_name.values().find(|n| n.id == id)
    }

    /// All namespaces in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        self.by_name.values()
    }

    /// Adds or replaces a namespace.
    pub fn put(&mut self, namespace: Namespace) {
        self.by_name.insert(namespace.name.clone(), Arc::new(namespace));
    }

    /// Takes a namespace out.
    pub fn remove(&mut self, name: &str) -> Option<Arc<Namespace>> {
        self.by_name.remove(name)
    }
}
