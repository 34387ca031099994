//! The calls that send an update.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use evertide_proto::common::Payloads;
use evertide_proto::enums::UpdateWorkflowExecutionLifecycleStage as Stage;
use evertide_proto::update::{Input as UpdateInput, Meta, Request, WaitPolicy};
use evertide_proto::workflowservice::{UpdateWorkflowExecutionRequest, UpdateWorkflowExecutionResponse};

use super::{UpdateHandle, UpdateResult, WaitForStage, ended_wait};
use crate::call::{CallOptions, call_options};
use crate::client::Client;
use crate::codec::BoundCodec;
use crate::definition::{KnownArgs, Reader};
use crate::error::{Error, Result};
use crate::handle::{Ids, id};
use crate::input::{Input, takes_args};

/// What an update is, apart from what it waits for.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: Cow<'static, str>,
    pub(crate) id: Option<String>,
    pub(crate) stage: Option<WaitForStage>,
}

/// The stage that a caller chose.
fn check_stage(stage: Option<WaitForStage>) -> Result<WaitForStage> {
    match stage {
        None => Err(Error::invalid("start_update needs wait_for_stage: Accepted or Completed")),
        Some(WaitForStage::Admitted) => {
            Err(Error::invalid("ADMITTED wait stage not supported; wait for Accepted or Completed"))
        }
        Some(stage) => Ok(stage),
    }
}

/// The part of an update that is the same for one workflow that runs and for one that is started with it.
pub(crate) fn update_request(
    client: &Client,
    message: Message,
    input: Option<Payloads>,
) -> Result<UpdateWorkflowExecutionRequest> {
    let stage = check_stage(message.stage)?;
    if message.name.is_empty() {
        return Err(Error::invalid("the name of the update is empty"));
    }
    let update_id = match message.id {
        Some(id) if id.is_empty() => {
            return Err(Error::invalid("the id of the update is empty; leave it out for a new one"));
        }
        Some(id) => id,
        None => uuid::Uuid::new_v4().to_string(),
    };
    Ok(UpdateWorkflowExecutionRequest {
        namespace: client.namespace().to_owned(),
        wait_policy: Some(WaitPolicy { lifecycle_stage: Stage::from(stage).into() }),
        request: Some(Request {
            meta: Some(Meta { update_id, identity: client.identity().to_owned() }),
            input: Some(UpdateInput { header: None, name: message.name.into_owned(), args: input }),
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// The id in a request that [`update_request`] made.
pub(crate) fn update_id(request: &UpdateWorkflowExecutionRequest) -> Arc<str> {
    let meta = request.request.as_ref().and_then(|request| request.meta.as_ref());
    meta.map(|meta| meta.update_id.as_str()).unwrap_or_default().into()
}

/// Whether an answer tells that the workflow has seen the update. Before that, the same request is sent again.
pub(crate) fn first_outcome(answer: &UpdateWorkflowExecutionResponse) -> bool {
    answer.stage >= Stage::Accepted as i32
}

/// An update that is being made; awaiting it sends it and gives its handle.
///
/// ```no_run
/// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
/// use std::time::Duration;
///
/// use evertide_client::WaitForStage::Accepted;
///
/// let update = order.start_update("add_item").arg("tea").arg(&3).id("add-7").wait_for_stage(Accepted);
/// let update = update.timeout(Duration::from_secs(20)).await?;
/// let items: u32 = update.result().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an update is sent when it is awaited"]
pub struct StartUpdate<A, O> {
    call: Call,
    input: Input,
    options: CallOptions,
    types: PhantomData<fn(A) -> O>,
}

#[derive(Debug)]
struct Call {
    client: Client,
    ids: Ids,
    message: Message,
}

call_options!(StartUpdate<A, O>);
takes_args!(StartUpdate<O>);

impl<A, O> StartUpdate<A, O> {
    pub(in crate::handle) fn new(client: Client, ids: Ids, name: Cow<'static, str>) -> Self {
        Self {
            call: Call { client, ids, message: Message { name, id: None, stage: None } },
            input: Input::default(),
            options: CallOptions::default(),
            types: PhantomData,
        }
    }

    /// How far the update must come. Must be set.
    pub fn wait_for_stage(mut self, stage: WaitForStage) -> Self {
        self.call.message.stage = Some(stage);
        self
    }

    /// The id of the update. The same id sent twice is one update. A new one is made if none is given.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.call.message.id = Some(id.into());
        self
    }
}

impl<A: KnownArgs, O> StartUpdate<A, O> {
    async fn run(self) -> Result<UpdateHandle<O>> {
        let codec = self.call.ids.codec(&self.call.client);
        self.call.run(self.input.finish::<A>()?, &self.options, &codec).await
    }
}

impl<A: KnownArgs, O: 'static> IntoFuture for StartUpdate<A, O> {
    type Output = Result<UpdateHandle<O>>;
    type IntoFuture = crate::call::CallFuture<UpdateHandle<O>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl Call {
    async fn run<O>(
        self,
        input: Option<Payloads>,
        options: &CallOptions,
        codec: &BoundCodec,
    ) -> Result<UpdateHandle<O>> {
        self.ids.check()?;
        let completed = self.message.stage == Some(WaitForStage::Completed);
        let mut request = update_request(&self.client, self.message, input)?;
        request.workflow_execution = Some(self.ids.execution());
        request.first_execution_run_id = self.ids.first_execution_run_id();
        let update_id = update_id(&request);
        options
            .run_update(async {
                let answer = send_until_seen(&self.client, request, options, codec).await?;
                let execution = answer.update_ref.and_then(|reference| reference.workflow_execution);
                let run_id = execution.and_then(|execution| id(&execution.run_id)).or_else(|| self.ids.run_id.clone());
                let mut handle = UpdateHandle::new(self.client.clone(), &self.ids, update_id, run_id, answer.outcome);
                if completed {
                    handle.await_outcome(options, codec).await?;
                }
                Ok(handle)
            })
            .await
    }
}

/// Sends the same request until the workflow has seen the update.
async fn send_until_seen(
    client: &Client,
    request: UpdateWorkflowExecutionRequest,
    options: &CallOptions,
    codec: &BoundCodec,
) -> Result<UpdateWorkflowExecutionResponse> {
    loop {
        match client.send(request.clone(), options, codec).await {
            Ok(answer) if first_outcome(&answer) => return Ok(answer),
            Ok(_) => {}
            Err(error) if options.rearms(&error) => {}
            Err(error) => return Err(ended_wait(error)),
        }
    }
}

/// An update whose result is waited for; awaiting it sends it.
///
/// ```no_run
/// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
/// use std::time::Duration;
///
/// let update = order.execute_update("add_item").args(("tea", 3)).id("add-7");
/// let items: u32 = update.timeout(Duration::from_secs(20)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an update is sent when it is awaited"]
pub struct ExecuteUpdate<A, T> {
    call: Call,
    input: Input,
    options: CallOptions,
    read: Reader<T>,
    args: PhantomData<fn(A)>,
}

call_options!(ExecuteUpdate<A, T>);
takes_args!(ExecuteUpdate<T>);

impl<A, T> ExecuteUpdate<A, T> {
    pub(in crate::handle) fn new(client: Client, ids: Ids, name: Cow<'static, str>, read: Reader<T>) -> Self {
        let message = Message { name, id: None, stage: Some(WaitForStage::Completed) };
        Self {
            call: Call { client, ids, message },
            input: Input::default(),
            options: CallOptions::default(),
            read,
            args: PhantomData,
        }
    }

    /// The id of the update. The same id sent twice is one update. A new one is made if none is given.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.call.message.id = Some(id.into());
        self
    }
}

impl<A: KnownArgs, T> ExecuteUpdate<A, T> {
    async fn run(self) -> Result<T> {
        let codec = self.call.ids.codec(&self.call.client);
        let handle = self.call.run(self.input.finish::<A>()?, &self.options, &codec).await?;
        UpdateResult::of(handle, self.read).run().await
    }
}

impl<A: KnownArgs, T: Send + 'static> IntoFuture for ExecuteUpdate<A, T> {
    type Output = Result<T>;
    type IntoFuture = crate::call::CallFuture<T>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
