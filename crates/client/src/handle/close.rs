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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// order.cancel().reason("it came too late").rpc_timeout(Duration::from_secs(5)).await?;
/// # Ok(())
/// # }
/// ```
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

    /// Why, for the history. Empty if nothing is set.
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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// order.terminate().reason("stuck").detail(&7).rpc_metadata("x-team", "orders").await?;
///
/// let error = order.result::<String>().await.unwrap_err();
/// assert_eq!(error.failure().unwrap().message(), "stuck");
/// assert_eq!(error.details().unwrap().get::<u32>(0)?, 7);
/// # Ok(())
/// # }
/// ```
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

    /// Why, for the history and for whoever waits for the result. Empty if nothing is set.
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
