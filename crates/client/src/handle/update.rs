//! Updates: `start_update`, `execute_update` and the handle of an update.

mod call;

pub use call::{ExecuteUpdate, StartUpdate};
pub(crate) use call::{Message, first_outcome, update_id, update_request};

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use evertide_proto::common::{Payload, WorkflowExecution};
use evertide_proto::enums::UpdateWorkflowExecutionLifecycleStage as Stage;
use evertide_proto::update::outcome::Value;
use evertide_proto::update::{Outcome, UpdateRef, WaitPolicy};
use evertide_proto::workflowservice::PollWorkflowExecutionUpdateRequest;

use super::{Ids, text};
use crate::call::{CallOptions, call_options};
use crate::client::Client;
use crate::codec::BoundCodec;
use crate::definition::{Reader, ResultAs, Typed, Untyped};
use crate::error::{Error, ErrorKind, Result};
use crate::failure::Failure;
use crate::payload::ResultValue;

/// How far an update must come before the call that sends it returns.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
/// use evertide_client::{ErrorKind, WaitForStage};
///
/// let update = client.get_workflow_handle("order-7").start_update("add_item").arg(&7);
/// let refused = update.wait_for_stage(WaitForStage::Admitted).await.unwrap_err();
/// assert!(matches!(refused.kind(), ErrorKind::InvalidArgument(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitForStage {
    /// The server has it. Servers do not wait for this yet, so it is refused before anything is sent.
    Admitted,
    /// The workflow's validator let it pass, or refused it.
    Accepted,
    /// The workflow's handler returned.
    Completed,
}

impl From<WaitForStage> for Stage {
    fn from(stage: WaitForStage) -> Self {
        match stage {
            WaitForStage::Admitted => Self::Admitted,
            WaitForStage::Accepted => Self::Accepted,
            WaitForStage::Completed => Self::Completed,
        }
    }
}

/// A handle of one update. A clone is cheap, and shares the outcome if it is known.
///
/// ```no_run
/// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
/// use evertide_client::WaitForStage::Accepted;
///
/// let update = order.start_update("add_item").arg(&7).id("add-7").wait_for_stage(Accepted).await?;
/// assert_eq!((update.id(), update.workflow_id()), ("add-7", order.id()));
/// let items: u32 = update.result().await?;
/// # Ok(())
/// # }
/// ```
pub struct UpdateHandle<O = Untyped> {
    client: Client,
    id: Arc<str>,
    workflow_id: Arc<str>,
    workflow_run_id: Option<Arc<str>>,
    known: Option<Arc<Outcome>>,
    output: PhantomData<fn() -> O>,
}

impl<O> UpdateHandle<O> {
    pub(crate) fn new(
        client: Client,
        workflow: &Ids,
        id: Arc<str>,
        workflow_run_id: Option<Arc<str>>,
        known: Option<Outcome>,
    ) -> Self {
        Self {
            client,
            id,
            workflow_id: Arc::clone(&workflow.workflow_id),
            workflow_run_id,
            known: known.filter(|outcome| outcome.value.is_some()).map(Arc::new),
            output: PhantomData,
        }
    }

    /// The id of the update.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// let update = client.get_workflow_handle("order-7").get_update_handle("add-7");
    /// assert_eq!(update.id(), "add-7");
    /// # Ok(())
    /// # }
    /// ```
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id of the workflow.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// let update = client.get_workflow_handle("order-7").get_update_handle("add-7");
    /// assert_eq!(update.workflow_id(), "order-7");
    /// # Ok(())
    /// # }
    /// ```
    pub fn workflow_id(&self) -> &str {
        &self.workflow_id
    }

    /// The run that has the update, or none for the latest.
    ///
    /// ```no_run
    /// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// use evertide_client::WaitForStage::Accepted;
    ///
    /// let update = order.start_update("add_item").arg(&7).wait_for_stage(Accepted).await?;
    /// println!("run {:?} accepted it", update.workflow_run_id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn workflow_run_id(&self) -> Option<&str> {
        self.workflow_run_id.as_deref()
    }

    /// Whether the outcome came with the answer to the call that sent the update.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// let update = client.get_workflow_handle("order-7").get_update_handle("add-7");
    /// assert!(!update.has_outcome(), "nobody was asked yet");
    /// # Ok(())
    /// # }
    /// ```
    pub fn has_outcome(&self) -> bool {
        self.known.is_some()
    }

    /// The same update in a given run of the workflow. An empty id is the latest run.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// let update = client.get_workflow_handle("order-7").get_update_handle("add-7");
    /// let update = update.with_workflow_run_id("01a204e3-0000-7000-8000-000000000000");
    /// assert_eq!(update.workflow_run_id(), Some("01a204e3-0000-7000-8000-000000000000"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_workflow_run_id(mut self, run_id: impl Into<Arc<str>>) -> Self {
        let run_id = run_id.into();
        self.workflow_run_id = (!run_id.is_empty()).then_some(run_id);
        self
    }

    /// Waits for the outcome unless it is known, with none of the caller's options but the bound of the whole.
    pub(crate) async fn await_outcome(&mut self, options: &CallOptions, codec: &BoundCodec) -> Result<()> {
        if self.known.is_none() {
            let options = CallOptions { timeout: options.timeout, ..CallOptions::default() };
            self.known = Some(Arc::new(poll_outcome(self, &options, codec).await?));
        }
        Ok(())
    }

    pub(crate) fn wait<T>(&self) -> UpdateResult<T>
    where
        O: ResultAs<T>,
    {
        UpdateResult::of(self.clone_parts(), O::read)
    }

    fn clone_parts(&self) -> UpdateHandle<Untyped> {
        UpdateHandle {
            client: self.client.clone(),
            id: Arc::clone(&self.id),
            workflow_id: Arc::clone(&self.workflow_id),
            workflow_run_id: self.workflow_run_id.clone(),
            known: self.known.clone(),
            output: PhantomData,
        }
    }
}

impl UpdateHandle<Untyped> {
    /// Waits for the update's outcome. Nothing is sent if it is known already.
    ///
    /// ```no_run
    /// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// let items: u32 = order.get_update_handle("add-7").result().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::UpdateFailed`] if it was refused or its handler failed,
    /// [`ErrorKind::UpdateTimeoutOrCancelled`] if the wait ends first.
    pub fn result<T: ResultValue>(&self) -> UpdateResult<T> {
        self.wait()
    }
}

impl<T: ResultValue> UpdateHandle<Typed<T>> {
    /// Waits for the update's outcome. Nothing is sent if it is known already.
    ///
    /// ```no_run
    /// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// use evertide_client::update;
    ///
    /// update!(AddItem = "add_item", (u32,) -> u32);
    ///
    /// let items = order.get_update_handle_for(AddItem, "add-7").result().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::UpdateFailed`] if it was refused or its handler failed,
    /// [`ErrorKind::UpdateTimeoutOrCancelled`] if the wait ends first.
    pub fn result(&self) -> UpdateResult<T> {
        self.wait()
    }
}

impl<O> Clone for UpdateHandle<O> {
    fn clone(&self) -> Self {
        let UpdateHandle { client, id, workflow_id, workflow_run_id, known, .. } = self.clone_parts();
        Self { client, id, workflow_id, workflow_run_id, known, output: PhantomData }
    }
}

impl<O> PartialEq for UpdateHandle<O> {
    fn eq(&self, other: &Self) -> bool {
        self.client.namespace() == other.client.namespace()
            && (&self.id, &self.workflow_id, &self.workflow_run_id)
                == (&other.id, &other.workflow_id, &other.workflow_run_id)
    }
}

impl<O> Eq for UpdateHandle<O> {}

impl<O> fmt::Debug for UpdateHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateHandle")
            .field("id", &self.id)
            .field("workflow_id", &self.workflow_id)
            .field("workflow_run_id", &self.workflow_run_id)
            .field("known", &self.known.is_some())
            .finish()
    }
}

/// The wait for an update's outcome; it begins when it is awaited.
///
/// ```no_run
/// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
/// use std::time::Duration;
///
/// use evertide_client::ErrorKind;
///
/// let update = order.get_update_handle("add-7");
/// match update.result::<u32>().timeout(Duration::from_secs(5)).await {
///     Ok(items) => println!("{items} items"),
///     Err(error) if matches!(error.kind(), ErrorKind::UpdateTimeoutOrCancelled) => println!("not yet"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an outcome is waited for when this is awaited"]
pub struct UpdateResult<T> {
    handle: UpdateHandle<Untyped>,
    options: CallOptions,
    read: Reader<T>,
}

call_options!(UpdateResult<T>);

impl<T> UpdateResult<T> {
    pub(crate) fn of(handle: UpdateHandle<Untyped>, read: Reader<T>) -> Self {
        Self { handle, options: CallOptions::default(), read }
    }
}

impl<T> UpdateResult<T> {
    pub(crate) async fn run(self) -> Result<T> {
        let handle = self.handle;
        let codec = handle.client.codec_for(Some(Arc::clone(&handle.workflow_id)));
        let outcome = match &handle.known {
            Some(outcome) => {
                self.options.check()?;
                Outcome::clone(outcome)
            }
            None => self.options.run_update(poll_outcome(&handle, &self.options, &codec)).await?,
        };
        (self.read)(&result_of(outcome, &codec).await?, "the update's result")
    }
}

impl<T: Send + 'static> IntoFuture for UpdateResult<T> {
    type Output = Result<T>;
    type IntoFuture = crate::call::CallFuture<T>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Asks for the outcome again and again, since the server answers a poll before its deadline even without one.
pub(crate) async fn poll_outcome<O>(
    handle: &UpdateHandle<O>,
    options: &CallOptions,
    codec: &BoundCodec,
) -> Result<Outcome> {
    if handle.id.is_empty() {
        return Err(Error::invalid("the id of the update is empty"));
    }
    let request = PollWorkflowExecutionUpdateRequest {
        namespace: handle.client.namespace().to_owned(),
        update_ref: Some(UpdateRef {
            workflow_execution: Some(WorkflowExecution {
                workflow_id: handle.workflow_id.to_string(),
                run_id: text(handle.workflow_run_id()),
            }),
            update_id: handle.id.to_string(),
        }),
        identity: handle.client.identity().to_owned(),
        wait_policy: Some(WaitPolicy { lifecycle_stage: Stage::Completed.into() }),
    };
    loop {
        match handle.client.send(request.clone(), options, codec).await {
            Ok(answer) => {
                if let Some(outcome) = answer.outcome.filter(|outcome| outcome.value.is_some()) {
                    return Ok(outcome);
                }
            }
            Err(error) if options.rearms(&error) => {}
            Err(error) => return Err(ended_wait(error)),
        }
    }
}

/// The error of a wait that ended by its deadline or by a cancellation.
pub(crate) fn ended_wait(error: Error) -> Error {
    match error.is_deadline_or_cancelled() {
        true => error.into_kind(ErrorKind::UpdateTimeoutOrCancelled),
        false => error,
    }
}

/// The payloads of an outcome, or its failure.
async fn result_of(outcome: Outcome, codec: &BoundCodec) -> Result<Vec<Payload>> {
    match outcome.value {
        Some(Value::Failure(failure)) => {
            Err(Error::new(ErrorKind::UpdateFailed(Failure::decode(failure, codec).await?)))
        }
        Some(Value::Success(payloads)) => codec.decode(Some(payloads)).await,
        None => Err(Error::protocol("the update's outcome is neither a success nor a failure")),
    }
}
