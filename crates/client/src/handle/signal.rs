//! `WorkflowHandle::signal`.

use std::borrow::Cow;
use std::marker::PhantomData;

use evertide_proto::workflowservice::SignalWorkflowExecutionRequest;

use super::Ids;
use crate::call::{CallOptions, call_options, into_future};
use crate::client::Client;
use crate::definition::KnownArgs;
use crate::error::{Error, Result};
use crate::input::{Input, takes_args};

/// A signal that is being made; awaiting it sends it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// order.signal("add_item").arg("tea").arg(&3).rpc_timeout(Duration::from_secs(5)).await?;
/// order.signal("add_item").args(("tea", 3)).rpc_metadata("x-team", "orders").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a signal is sent when it is awaited"]
pub struct SignalCall<A> {
    client: Client,
    ids: Ids,
    name: Cow<'static, str>,
    input: Input,
    options: CallOptions,
    args: PhantomData<fn() -> A>,
}

call_options!(SignalCall<A>);
takes_args!(SignalCall);

impl<A> SignalCall<A> {
    pub(super) fn new(client: Client, ids: Ids, name: Cow<'static, str>) -> Self {
        Self { client, ids, name, input: Input::default(), options: CallOptions::default(), args: PhantomData }
    }
}

impl<A: KnownArgs> SignalCall<A> {
    async fn run(self) -> Result<()> {
        self.ids.check()?;
        if self.name.is_empty() {
            return Err(Error::invalid("the name of the signal is empty"));
        }
        let request = SignalWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_execution: Some(self.ids.execution()),
            signal_name: self.name.into_owned(),
            input: self.input.finish::<A>()?,
            identity: self.client.identity().to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        let codec = self.ids.codec(&self.client);
        self.options.run(self.client.send(request, &self.options, &codec)).await.map(drop)
    }
}

into_future!(SignalCall<A: KnownArgs> => ());
