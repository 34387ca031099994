//! How executions are named inside the server.

use evertide_engine::slot::Slot;
use evertide_store::RunIdentity;

/// The number of workflows among the kinds of executions that the store tells apart.
pub(crate) const WORKFLOW: u8 = 0;

/// Names a chain: all runs of one workflow id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChainKey {
    pub(crate) namespace_id: String,
    pub(crate) workflow_id: String,
}

impl ChainKey {
    /// Where its runs belong.
    pub(crate) fn slot(&self) -> Slot {
        Slot::of(&self.namespace_id, WORKFLOW, &self.workflow_id)
    }
}

/// Names a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunRef {
    /// Namespace id (not name).
    pub namespace_id: String,
    /// Workflow id.
    pub workflow_id: String,
    /// Run id; where a run is looked for, empty means the current one.
    pub run_id: String,
}

impl RunRef {
    /// The current run of a workflow id.
    pub fn current(namespace_id: impl Into<String>, workflow_id: impl Into<String>) -> Self {
        Self { namespace_id: namespace_id.into(), workflow_id: workflow_id.into(), run_id: String::new() }
    }

    /// A run as the store names it.
    pub(crate) fn stored(identity: RunIdentity) -> Self {
        Self { namespace_id: identity.namespace_id, workflow_id: identity.id, run_id: identity.run_id }
    }

    /// How the store names it.
    pub(crate) fn identity(&self) -> RunIdentity {
        RunIdentity {
            namespace_id: self.namespace_id.clone(),
            kind: WORKFLOW,
            id: self.workflow_id.clone(),
            run_id: self.run_id.clone(),
        }
    }

    pub(crate) fn chain(&self) -> ChainKey {
        ChainKey { namespace_id: self.namespace_id.clone(), workflow_id: self.workflow_id.clone() }
    }
}
