//! `WorkflowHandle::cancel` and `WorkflowHandle::terminate`.

use evertide_proto::workflowservice::{RequestCancelWorkflowExecutionRequest, TerminateWorkflowExecutionRequest};
use serde::Serialize;

use super::Ids;
use crate::call::{CallOptions, call_options, into_future};
use crate::client::Client;
use crate::definition::AnyArgs;
use crate::error::Result;
use crate::input::Input;

/// A request to cancel; awaiting it sends it.
#[derive(Debug)]
#[must_use = "a cancellation is requested when it is awaited"]
pub struct Cancel {
    client: Client,
    ids: Ids,
    reason: String,
    options: CallOptions,
}

call_options!(Cancel);
into_future!(Cancel => ());

impl Cancel {
    pub(super) fn new(client: Client, ids: Ids) -> Self {
        Self { client, ids, reason: String::new(), options: CallOptions::default() }
    }

    /// Why, for the history.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    async fn run(self) -> Result<()> {
        self.ids.check()?;
        let request = RequestCancelWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_execution: Some(self.ids.execution()),
            identity: self.client.identity().to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            first_execution_run_id: self.ids.first_execution_run_id(),
            reason: self.reason,
            ..Default::default()
        };
        let codec = self.ids.codec(&self.client);
        self.options.run(self.client.send(request, &self.options, &codec)).await.map(drop)
    }
}

/// A termination; awaiting it sends it.
#[derive(Debug)]
#[must_use = "a termination is sent when it is awaited"]
pub struct Terminate {
    client: Client,
    ids: Ids,
    reason: String,
    details: Input,
    options: CallOptions,
}

call_options!(Terminate);
into_future!(Terminate => ());

impl Terminate {
    pub(super) fn new(client: Client, ids: Ids) -> Self {
        Self { client, ids, reason: String::new(), details: Input::default(), options: CallOptions::default() }
    }

    /// Why, for the history and for whoever waits for the result.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Adds a detail for whoever waits for the result.
    pub fn detail<T: Serialize + ?Sized>(mut self, detail: &T) -> Self {
        self.details.push(detail);
        self
    }

    async fn run(self) -> Result<()> {
        self.ids.check()?;
        let request = TerminateWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_execution: Some(self.ids.execution()),
            reason: self.reason,
            details: self.details.finish::<AnyArgs>()?,
            identity: self.client.identity().to_owned(),
            first_execution_run_id: self.ids.first_execution_run_id(),
            ..Default::default()
        };
        let codec = self.ids.codec(&self.client);
        self.options.run(self.client.send(request, &self.options, &codec)).await.map(drop)
    }
}
