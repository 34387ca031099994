//! `WorkflowHandle::describe`.

use std::ops::Deref;

use evertide_proto::sdk::UserMetadata;
use evertide_proto::workflow::PendingActivityInfo;
use evertide_proto::workflowservice::{DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse};
use serde::de::DeserializeOwned;

use super::Ids;
use crate::call::{CallOptions, call_options, into_future};
use crate::client::Client;
use crate::codec::BoundCodec;
use crate::error::Result;
use crate::execution::WorkflowExecution;
use crate::payload;

/// The request for a description; awaiting it sends it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// let description = order.describe().timeout(Duration::from_secs(10)).await?;
/// assert_eq!(description.id(), "order-7");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a description is asked for when this is awaited"]
pub struct Describe {
    client: Client,
    ids: Ids,
    options: CallOptions,
}

call_options!(Describe);
into_future!(Describe => WorkflowExecutionDescription);

impl Describe {
    pub(super) fn new(client: Client, ids: Ids) -> Self {
        Self { client, ids, options: CallOptions::default() }
    }

    async fn run(self) -> Result<WorkflowExecutionDescription> {
        self.ids.check()?;
        let request = DescribeWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            execution: Some(self.ids.execution()),
        };
        let codec = self.ids.codec(&self.client);
        let raw = self.options.run(self.client.send(request, &self.options, &codec)).await?;
        let info = raw.workflow_execution_info.clone().unwrap_or_default();
        Ok(WorkflowExecutionDescription { execution: WorkflowExecution::new(info, codec.clone()), raw, codec })
    }
}

/// What the server knows about a run. Everything that a list tells is there through [`WorkflowExecution`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// let start = client.start_workflow("Order").id("order-7").task_queue("orders").static_summary("a gift");
/// let description = start.static_details("with a ribbon").await?.describe().await?;
/// assert_eq!(description.workflow_type(), "Order");
/// assert_eq!(description.static_summary().await?.as_deref(), Some("a gift"));
/// assert_eq!(description.static_details().await?.as_deref(), Some("with a ribbon"));
/// assert!(description.pending_activities().is_empty());
/// assert!(description.raw_description().pending_children.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct WorkflowExecutionDescription {
    execution: WorkflowExecution,
    raw: DescribeWorkflowExecutionResponse,
    codec: BoundCodec,
}

impl Deref for WorkflowExecutionDescription {
    type Target = WorkflowExecution;

    fn deref(&self) -> &WorkflowExecution {
        &self.execution
    }
}

impl WorkflowExecutionDescription {
    /// The answer as it came, with what has no method here: pending children, callbacks, extended information.
    pub fn raw_description(&self) -> &DescribeWorkflowExecutionResponse {
        &self.raw
    }

    /// The activities that are scheduled or running.
    pub fn pending_activities(&self) -> &[PendingActivityInfo] {
        &self.raw.pending_activities
    }

    /// The summary that the workflow was started with. None if there was none.
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if it is not a text.
    pub async fn static_summary(&self) -> Result<Option<String>> {
        self.decode(self.user_metadata().and_then(|metadata| metadata.summary.clone())).await
    }

    /// The details that the workflow was started with. None if there were none.
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if they are not a text.
    pub async fn static_details(&self) -> Result<Option<String>> {
        self.decode(self.user_metadata().and_then(|metadata| metadata.details.clone())).await
    }

    fn user_metadata(&self) -> Option<&UserMetadata> {
        self.raw.execution_config.as_ref()?.user_metadata.as_ref()
    }

    async fn decode<T: DeserializeOwned>(&self, payload: Option<evertide_proto::common::Payload>) -> Result<Option<T>> {
        match payload {
            Some(payload) => payload::from_payload(&self.codec.decode_one(payload).await?).map(Some),
            None => Ok(None),
        }
    }
}
