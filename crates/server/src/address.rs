//! How executions are named inside the server: an [`Address`] names one, a [`ChainKey`] all runs of an id.

use evertide_engine::address::{Address, Kind};
use evertide_engine::slot::Slot;
use evertide_store::RunIdentity;

/// Names a chain: all runs of one id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChainKey {
    pub(crate) namespace_id: String,
    pub(crate) kind: Kind,
    pub(crate) id: String,
}

impl ChainKey {
    /// The chain of an execution.
    pub(crate) fn of(address: &Address) -> Self {
        Self { namespace_id: address.namespace_id.clone(), kind: address.kind, id: address.id.clone() }
    }

    /// Where its runs belong.
    pub(crate) fn slot(&self) -> Slot {
        Slot::of(&self.namespace_id, self.kind.number(), &self.id)
    }

    /// One of its runs; without a run id the current one.
    pub(crate) fn run(&self, run_id: &str) -> Address {
        Address {
            namespace_id: self.namespace_id.clone(),
            kind: self.kind,
            id: self.id.clone(),
            run_id: run_id.to_owned(),
        }
    }
}

/// An execution as the store names it; none of a kind that this version does not know.
pub(crate) fn stored(identity: RunIdentity) -> Option<Address> {
    let kind = Kind::from_number(identity.kind)?;
    Some(Address { namespace_id: identity.namespace_id, kind, id: identity.id, run_id: identity.run_id })
}

/// How the store names an execution.
pub(crate) fn identity(address: &Address) -> RunIdentity {
    RunIdentity {
        namespace_id: address.namespace_id.clone(),
        kind: address.kind.number(),
        id: address.id.clone(),
        run_id: address.run_id.clone(),
    }
}
