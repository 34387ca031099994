//! Which workflow and which of its runs a handle is for.

use std::sync::Arc;

use evertide_proto::common::WorkflowExecution;

use super::WorkflowRef;
use crate::client::Client;
use crate::codec::BoundCodec;

/// The workflow and the runs that a handle is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ids {
    pub(crate) workflow_id: Arc<str>,
    pub(crate) run_id: Option<Arc<str>>,
    pub(crate) result_run_id: Option<Arc<str>>,
    pub(crate) first_execution_run_id: Option<Arc<str>>,
    pub(crate) eagerly_started: bool,
    /// Whether this workflow was started by the client of a time-skipping server, so that its result unlocks time.
    pub(crate) skips_time: bool,
}

impl Ids {
    pub(crate) fn of_workflow(workflow_id: Arc<str>) -> Self {
        Self {
            workflow_id,
            run_id: None,
            result_run_id: None,
            first_execution_run_id: None,
            eagerly_started: false,
            skips_time: false,
        }
    }

    pub(crate) fn of_reference(reference: &WorkflowRef) -> Self {
        let id = |id: &Option<String>| id.as_deref().map(Arc::from);
        Self {
            run_id: id(&reference.run_id),
            result_run_id: id(&reference.result_run_id),
            first_execution_run_id: id(&reference.first_execution_run_id),
            ..Self::of_workflow(reference.workflow_id.as_str().into())
        }
    }

    /// The execution that most calls address.
    pub(crate) fn execution(&self) -> WorkflowExecution {
        WorkflowExecution { workflow_id: self.workflow_id.to_string(), run_id: text(self.run_id.as_deref()) }
    }

    pub(crate) fn first_execution_run_id(&self) -> String {
        text(self.first_execution_run_id.as_deref())
    }

    /// The client's codec for this workflow.
    pub(crate) fn codec(&self, client: &Client) -> BoundCodec {
        client.codec_for(Some(Arc::clone(&self.workflow_id)))
    }

    /// No workflow has an empty id, so there is no use in asking.
    pub(crate) fn check(&self) -> crate::Result<()> {
        match self.workflow_id.is_empty() {
            true => Err(crate::Error::invalid("the workflow id of this handle is empty")),
            false => Ok(()),
        }
    }
}

/// An id as the API has it, where none is the empty string.
pub(crate) fn text(id: Option<&str>) -> String {
    id.unwrap_or_default().to_owned()
}

/// An id of the API, where the empty string is none.
pub(crate) fn id(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}
