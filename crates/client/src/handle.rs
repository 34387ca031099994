//! The handle of a workflow.

mod close;
mod describe;
mod history;
mod ids;
mod query;
mod reference;
mod result;
mod signal;
mod update;

pub use close::{Cancel, Terminate};
pub use describe::{Describe, WorkflowExecutionDescription};
pub use history::{
    EventFilter, FetchHistory, HistoryEvent, HistoryEvents, HistoryPage, HistoryPages, ResumeToken, WorkflowHistory,
};
pub use query::QueryCall;
pub use reference::WorkflowRef;
pub use result::WorkflowResult;
pub use signal::SignalCall;
pub use update::{ExecuteUpdate, StartUpdate, UpdateHandle, UpdateResult, WaitForStage};

pub(crate) use ids::{Ids, id, text};
pub(crate) use update::{Message, ended_wait, first_outcome, update_id, update_request};

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use crate::client::Client;
use crate::definition::{Known, QueryName, ResultAs, SignalName, Untyped, UpdateName, Workflow};
use crate::payload::ResultValue;

/// A handle of a workflow: everything that can be asked of it from outside.
///
/// A handle knows up to three runs, and each call uses the one that fits:
///
/// - [`run_id`](Self::run_id): the run that signals, queries, updates and the other calls address. Without it they
///   reach the **latest** run of the workflow, also after it continued as new or was retried.
/// - [`result_run_id`](Self::result_run_id): the run whose [`result`](Self::result) is waited for.
/// - [`first_execution_run_id`](Self::first_execution_run_id): the first run of the chain, which keeps cancellations,
///   terminations and updates from hitting another workflow that took the same id since.
///
/// A handle from [`start_workflow`](Client::start_workflow) has no `run_id` and both others; one from
/// [`get_workflow_handle`](Client::get_workflow_handle) has what it is given. A clone is cheap. Two handles are equal
/// if they name the same workflow and the same runs in the same namespace.
///
/// Dropping a future of a call cancels the request, never the workflow.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::WorkflowExecutionStatus;
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").arg("tea").await?;
/// order.signal("approve").arg("Ada").await?;
/// assert_eq!(order.describe().await?.status(), Some(WorkflowExecutionStatus::Running));
/// assert_eq!(order.run_id(), None, "calls reach the latest run");
/// assert_eq!(order.result_run_id(), order.first_execution_run_id());
/// # Ok(())
/// # }
/// ```
pub struct WorkflowHandle<W = Untyped> {
    client: Client,
    ids: Ids,
    workflow: PhantomData<fn() -> W>,
}

impl<W> WorkflowHandle<W> {
    pub(crate) fn new(client: Client, ids: Ids) -> Self {
        Self { client, ids, workflow: PhantomData }
    }

    /// The id of the workflow.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// assert_eq!(client.get_workflow_handle("order-7").id(), "order-7");
    /// # Ok(())
    /// # }
    /// ```
    pub fn id(&self) -> &str {
        &self.ids.workflow_id
    }

    /// The run that calls address, or none for the latest.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// let latest = client.get_workflow_handle("order-7");
    /// assert_eq!(latest.run_id(), None);
    /// let pinned = latest.with_run_id("01a204e3-0000-7000-8000-000000000000");
    /// assert_eq!(pinned.run_id(), Some("01a204e3-0000-7000-8000-000000000000"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_id(&self) -> Option<&str> {
        self.ids.run_id.as_deref()
    }

    /// The run whose result is waited for, or none for the latest.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// assert_eq!(order.result_run_id(), Some(order.describe().await?.run_id()));
    /// assert_eq!(client.get_workflow_handle("order-7").result_run_id(), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn result_run_id(&self) -> Option<&str> {
        self.ids.result_run_id.as_deref()
    }

    /// The first run of the chain that cancellations, terminations and updates must belong to, or none for any chain.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// assert_eq!(order.first_execution_run_id(), order.result_run_id(), "it began the chain");
    /// # Ok(())
    /// # }
    /// ```
    pub fn first_execution_run_id(&self) -> Option<&str> {
        self.ids.first_execution_run_id.as_deref()
    }

    /// Whether the server handed the first workflow task out with the answer to the start.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// assert!(!order.eagerly_started(), "nobody asked for it");
    /// # Ok(())
    /// # }
    /// ```
    pub fn eagerly_started(&self) -> bool {
        self.ids.eagerly_started
    }

    /// The client that this handle calls through.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// let order = client.get_workflow_handle("order-7");
    /// let payment = order.client().get_workflow_handle("payment-7");
    /// assert_eq!(payment.client().namespace(), "default");
    /// # Ok(())
    /// # }
    /// ```
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The same workflow, with every call addressed to one run, also the wait for its result. An empty id is the latest
    /// run.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let pinned = client.get_workflow_handle("order-7").with_run_id(order.result_run_id().unwrap());
    /// pinned.signal("approve").arg("Ada").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_run_id(mut self, run_id: impl Into<Arc<str>>) -> Self {
        let run_id = run_id.into();
        self.ids.run_id = (!run_id.is_empty()).then_some(run_id);
        self.ids.result_run_id.clone_from(&self.ids.run_id);
        self
    }

    /// The same workflow, with cancellations, terminations and updates bound to the chain that begins with a run. An
    /// empty id is any chain.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let of_another = client.get_workflow_handle("order-7");
    /// let of_another = of_another.with_first_execution_run_id("01a204e3-0000-7000-8000-000000000000");
    /// assert!(of_another.terminate().await.unwrap_err().is_not_found());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_first_execution_run_id(mut self, run_id: impl Into<Arc<str>>) -> Self {
        let run_id = run_id.into();
        self.ids.first_execution_run_id = (!run_id.is_empty()).then_some(run_id);
        self
    }

    /// The same workflow, with the messages and the result of a definition. Nothing is checked.
    ///
    /// ```no_run
    /// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
    /// use evertide_client::workflow;
    ///
    /// workflow!(Order = "OrderWorkflow", (String,) -> u32);
    ///
    /// let total: u32 = client.get_workflow_handle("order-7").typed::<Order>().result().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn typed<D: Known>(self) -> WorkflowHandle<D> {
        WorkflowHandle::new(self.client, self.ids)
    }

    /// The same workflow without a definition.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// use evertide_client::workflow;
    ///
    /// workflow!(Order = "OrderWorkflow", (String,) -> u32);
    /// workflow!(Refund = "RefundWorkflow", (String,) -> ());
    ///
    /// let order = client.get_workflow_handle_for::<Order>("order-7").untyped();
    /// let refund = client.get_workflow_handle_for::<Refund>("refund-7").untyped();
    /// let handles = [order, refund];
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn untyped(self) -> WorkflowHandle {
        WorkflowHandle::new(self.client, self.ids)
    }

    pub(crate) fn into_parts(self) -> (Client, Ids) {
        (self.client, self.ids)
    }

    /// What must be stored to have this handle again later or elsewhere: see [`Client::bind`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// let order = client.get_workflow_handle("order-7");
    /// let stored = serde_json::to_string(&order.to_ref())?;
    /// assert_eq!(stored, r#"{"namespace":"default","workflow_id":"order-7"}"#);
    /// assert_eq!(client.bind(&serde_json::from_str(&stored)?), order);
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_ref(&self) -> WorkflowRef {
        let owned = |id: &Option<Arc<str>>| id.as_deref().map(str::to_owned);
        WorkflowRef {
            namespace: Some(self.client.namespace().to_owned()),
            workflow_id: self.id().to_owned(),
            run_id: owned(&self.ids.run_id),
            result_run_id: owned(&self.ids.result_run_id),
            first_execution_run_id: owned(&self.ids.first_execution_run_id),
        }
    }

    /// Signals the workflow.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// order.signal("approve").arg("Ada").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`](crate::ErrorKind::Rpc), with NOT_FOUND if there is no such workflow or it is closed.
    pub fn signal<K: Known>(&self, signal: impl SignalName<W, K>) -> SignalCall<K::Args> {
        SignalCall::new(self.client.clone(), self.ids.clone(), signal.into_name())
    }

    /// Queries the workflow; also one that is closed, unless a reject condition forbids it.
    ///
    /// ```no_run
    /// # async fn run(handle: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// let state: String = handle.query("state").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::QueryFailed`](crate::ErrorKind::QueryFailed) if the handler fails or there is none,
    /// [`ErrorKind::QueryRejected`](crate::ErrorKind::QueryRejected) by the reject condition.
    pub fn query<T, K>(&self, query: impl QueryName<W, K>) -> QueryCall<K::Args, T>
    where
        K: Known<Output: ResultAs<T>>,
    {
        QueryCall::new(self.client.clone(), self.ids.clone(), query.into_name(), K::Output::read)
    }

    /// Sends an update and waits until the workflow accepts it, or until it completes.
    ///
    /// The stage to wait for must be chosen with [`wait_for_stage`](StartUpdate::wait_for_stage).
    ///
    /// ```no_run
    /// # async fn run(handle: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// use evertide_client::WaitForStage::Accepted;
    ///
    /// let update = handle.start_update("add_item").arg(&7).wait_for_stage(Accepted).await?;
    /// let items: u32 = update.result().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::UpdateTimeoutOrCancelled`](crate::ErrorKind::UpdateTimeoutOrCancelled) if the wait ends first. An
    /// update that is refused is no error here; its handle's result tells.
    pub fn start_update<K: Known>(&self, update: impl UpdateName<W, K>) -> StartUpdate<K::Args, K::Output> {
        StartUpdate::new(self.client.clone(), self.ids.clone(), update.into_name())
    }

    /// Sends an update and waits for its result, with one request if the server answers in time.
    ///
    /// ```no_run
    /// # async fn run(handle: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// let items: u32 = handle.execute_update("add_item").arg(&7).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::UpdateFailed`](crate::ErrorKind::UpdateFailed) if it is refused or fails, and as
    /// [`start_update`](Self::start_update).
    pub fn execute_update<T, K>(&self, update: impl UpdateName<W, K>) -> ExecuteUpdate<K::Args, T>
    where
        K: Known<Output: ResultAs<T>>,
    {
        ExecuteUpdate::new(self.client.clone(), self.ids.clone(), update.into_name(), K::Output::read)
    }

    /// A handle of an update that was sent before; nothing is sent. Its run is this handle's, unless
    /// [`UpdateHandle::with_workflow_run_id`] names another.
    ///
    /// ```no_run
    /// # async fn run(handle: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// let items: u32 = handle.get_update_handle("add-7").result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_update_handle(&self, id: impl Into<Arc<str>>) -> UpdateHandle {
        UpdateHandle::new(self.client.clone(), &self.ids, id.into(), self.ids.run_id.clone(), None)
    }

    /// As [`get_update_handle`](Self::get_update_handle), with the result of a definition.
    ///
    /// ```no_run
    /// # async fn run(handle: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// use evertide_client::update;
    ///
    /// update!(AddItem = "add_item", (u32,) -> u32);
    ///
    /// let items: u32 = handle.get_update_handle_for(AddItem, "add-7").result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_update_handle_for<K: Known>(
        &self,
        update: impl UpdateName<W, K>,
        id: impl Into<Arc<str>>,
    ) -> UpdateHandle<K::Output> {
        drop(update);
        UpdateHandle::new(self.client.clone(), &self.ids, id.into(), self.ids.run_id.clone(), None)
    }

    /// Requests the cancellation of the workflow, which decides by itself what to do about it. A workflow that is
    /// closed already is no error.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// order.cancel().reason("it came too late").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`](crate::ErrorKind::Rpc), with NOT_FOUND if there is no such workflow.
    pub fn cancel(&self) -> Cancel {
        Cancel::new(self.client.clone(), self.ids.clone())
    }

    /// Ends the workflow at once, without asking it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// order.terminate().reason("stuck").detail(&7).await?;
    /// assert!(order.signal("approve").await.unwrap_err().is_not_found(), "it is closed");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`](crate::ErrorKind::Rpc), with NOT_FOUND if there is no such workflow or it is closed.
    pub fn terminate(&self) -> Terminate {
        Terminate::new(self.client.clone(), self.ids.clone())
    }

    /// Describes the workflow: status, times, memo, search attributes, pending activities and more.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// use evertide_client::WorkflowExecutionStatus;
    ///
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let description = order.describe().await?;
    /// assert_eq!(description.status(), Some(WorkflowExecutionStatus::Running));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`](crate::ErrorKind::Rpc), with NOT_FOUND if there is no such workflow.
    pub fn describe(&self) -> Describe {
        Describe::new(self.client.clone(), self.ids.clone())
    }

    /// Reads the whole history.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let history = order.fetch_history().await?;
    /// assert_eq!(history.run_id(), order.result_run_id());
    /// println!("{}", history.to_json_pretty()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`](crate::ErrorKind::Rpc), with NOT_FOUND if there is no such workflow.
    pub fn fetch_history(&self) -> FetchHistory {
        FetchHistory::new(self.fetch_history_events())
    }

    /// The events of the history as a stream, page by page as it is read. Nothing is sent until then.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// use evertide_client::proto::enums::EventType;
    ///
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let mut events = order.fetch_history_events();
    /// let first = events.next().await.unwrap()?;
    /// assert_eq!(first.event_type(), EventType::WorkflowExecutionStarted);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// An event may be [`ErrorKind::Rpc`](crate::ErrorKind::Rpc), with NOT_FOUND if there is no such workflow. Who
    /// reads on after an error asks for the same page again.
    pub fn fetch_history_events(&self) -> HistoryEvents {
        HistoryEvents::new(self.client.clone(), self.ids.clone())
    }
}

impl WorkflowHandle<Untyped> {
    /// Waits until the workflow closes and gives its result.
    ///
    /// By default the wait follows the chain: a run that continues as new, is retried or is a cron job hands over to
    /// the next. There is no limit in time, unless [`timeout`](WorkflowResult::timeout) sets one.
    ///
    /// ```no_run
    /// # async fn run(handle: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// let receipt: String = handle.result().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::WorkflowFailed`](crate::ErrorKind::WorkflowFailed) if it failed, was cancelled or terminated or
    /// timed out, [`ErrorKind::WorkflowContinuedAsNew`](crate::ErrorKind::WorkflowContinuedAsNew) if runs are not
    /// followed, [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if the result is not a `T`.
    pub fn result<T: ResultValue>(&self) -> WorkflowResult<T> {
        self.wait()
    }
}

impl<W: Workflow> WorkflowHandle<W> {
    /// Waits until the workflow closes and gives its result, as for a handle without a definition.
    ///
    /// ```no_run
    /// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
    /// use evertide_client::workflow;
    ///
    /// workflow!(Order = "OrderWorkflow", (String,) -> u32);
    ///
    /// let order = client.start_workflow(Order).id("order-7").task_queue("orders").arg("tea").await?;
    /// let total: u32 = order.result().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::WorkflowFailed`](crate::ErrorKind::WorkflowFailed) if it failed, was cancelled or terminated or
    /// timed out, [`ErrorKind::WorkflowContinuedAsNew`](crate::ErrorKind::WorkflowContinuedAsNew) if runs are not
    /// followed, [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if the result is not what is defined.
    pub fn result(&self) -> WorkflowResult<W::Output> {
        self.wait()
    }
}

impl<W: Known> WorkflowHandle<W> {
    /// The wait for the result, read as the handle's definition says.
    pub(crate) fn wait<T>(&self) -> WorkflowResult<T>
    where
        W::Output: ResultAs<T>,
    {
        WorkflowResult::new(self.client.clone(), self.ids.clone(), W::Output::read)
    }
}

impl<W> Clone for WorkflowHandle<W> {
    fn clone(&self) -> Self {
        Self::new(self.client.clone(), self.ids.clone())
    }
}

impl<W> PartialEq for WorkflowHandle<W> {
    fn eq(&self, other: &Self) -> bool {
        self.client.namespace() == other.client.namespace() && self.to_key() == other.to_key()
    }
}

impl<W> Eq for WorkflowHandle<W> {}

impl<W> Hash for WorkflowHandle<W> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.client.namespace().hash(state);
        self.to_key().hash(state);
    }
}

impl<W> WorkflowHandle<W> {
    /// What makes two handles equal within a namespace.
    fn to_key(&self) -> [Option<&str>; 4] {
        [Some(self.id()), self.run_id(), self.result_run_id(), self.first_execution_run_id()]
    }
}

impl<W> fmt::Debug for WorkflowHandle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowHandle")
            .field("namespace", &self.client.namespace())
            .field("id", &self.id())
            .field("run_id", &self.run_id())
            .field("result_run_id", &self.result_run_id())
            .field("first_execution_run_id", &self.first_execution_run_id())
            .finish()
    }
}

/// The id of the workflow, and the run if the handle is bound to one: `order-1/0199...`.
impl<W> fmt::Display for WorkflowHandle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())?;
        match self.run_id() {
            Some(run_id) => write!(f, "/{run_id}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
