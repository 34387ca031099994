//! Starting workflows.

mod options;
mod signal;
mod with_start;

pub use options::{RetryPolicy, WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
pub(crate) use options::{StartOptions, start_options};
pub use with_start::{ExecuteUpdateWithStart, StartUpdateWithStart, WithStartWorkflowOperation};

use std::marker::PhantomData;
use std::sync::Arc;

use evertide_proto::errordetails::WorkflowExecutionAlreadyStartedFailure;
use evertide_proto::workflowservice::{
    SignalWithStartWorkflowExecutionResponse, StartWorkflowExecutionRequest, StartWorkflowExecutionResponse,
};
use serde::Serialize;
use tonic::Code;

use crate::call::{CallOptions, call_options};
use crate::client::Client;
use crate::definition::{KnownArgs, Reader};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::{Ids, WorkflowHandle, WorkflowResult, id};
use crate::input::{Input, takes_args};
use crate::interceptor::Intercepted;

/// A start that is being made; awaiting it starts the workflow and gives its handle.
///
/// An id and a task queue must be given. The handle acts on the latest run of the chain, and waits for the result of
/// the run that was started.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// use evertide_client::{RetryPolicy, WorkflowIdConflictPolicy};
///
/// let start = client.start_workflow("Order").id("order-7").task_queue("orders").arg("tea").arg(&3);
/// let start = start.run_timeout(Duration::from_secs(3600)).retry_policy(RetryPolicy::attempts(5));
/// let start = start.memo("note", "a gift").static_summary("An order of tea");
/// let order = start.id_conflict_policy(WorkflowIdConflictPolicy::UseExisting).await?;
/// assert_eq!(order.describe().await?.memo_value("note").await?, Some("a gift".to_owned()));
/// # Ok(())
/// # }
/// ```
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// use evertide_client::payload::to_payload;
/// use evertide_client::{SearchAttributes, WorkflowIdReusePolicy};
///
/// let start = client.start_workflow("Report").id("report").task_queue("reports").request_id("the-same-when-repeated");
/// let start = start.cron_schedule("CRON_TZ=Europe/Paris 0 9 * * MON").task_timeout(Duration::from_secs(20));
/// let start = start.execution_timeout(Duration::from_secs(365 * 86_400)).static_details("The sales of the week");
/// let start = start.id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate).priority_key(4).fairness("sales", 2.0);
/// let start = start.search_attributes(SearchAttributes::new()).header("tenant", to_payload("seven")?);
/// let report = start.await?;
///
/// let reminder = client.start_workflow("Reminder").id("reminder-7").task_queue("reminders");
/// let reminder = reminder.start_delay(Duration::from_secs(86_400)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a workflow is started when this is awaited"]
pub struct StartWorkflow<A, W> {
    client: Client,
    input: Input,
    start: StartOptions,
    signal: Option<signal::StartSignal>,
    request_eager_start: bool,
    options: CallOptions,
    types: PhantomData<fn(A) -> W>,
}

call_options!(StartWorkflow<A, W>);
takes_args!(StartWorkflow<W>);
start_options!(StartWorkflow<A, W>);

impl<A, W> StartWorkflow<A, W> {
    pub(crate) fn new(client: Client, workflow_type: String) -> Self {
        Self {
            client,
            input: Input::default(),
            start: StartOptions::new(workflow_type),
            signal: None,
            request_eager_start: false,
            options: CallOptions::default(),
            types: PhantomData,
        }
    }

    /// Signals the workflow with the same call, and starts it only if none with this id runs.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let start = || client.start_workflow("Order").id("order-7").task_queue("orders");
    /// let first = start().start_signal("add_item").start_signal_args(("tea", 3)).await?;
    /// let second = start().start_signal("add_item").start_signal_arg("cake").start_signal_arg(&1).await?;
    /// assert_eq!(first.result_run_id(), second.result_run_id(), "it was started once and signalled twice");
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_signal(mut self, name: impl Into<String>) -> Self {
        self.signal.get_or_insert_default().name = name.into();
        self
    }

    /// Adds an argument of the signal.
    pub fn start_signal_arg<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.signal.get_or_insert_default().input.push(value);
        self
    }

    /// Sets all arguments of the signal at once, as a tuple. Not together with `start_signal_arg`.
    pub fn start_signal_args(mut self, args: impl crate::payload::Args) -> Self {
        self.signal.get_or_insert_default().input.set(&args);
        self
    }

    /// Asks for the first workflow task with the answer, for a worker in this process. Not together with a signal.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let start = client.start_workflow("Order").id("order-7").task_queue("orders").request_eager_start(true);
    /// let order = start.await?;
    /// println!("the server {} eager", if order.eagerly_started() { "is" } else { "is not" });
    /// # Ok(())
    /// # }
    /// ```
    pub fn request_eager_start(mut self, yes: bool) -> Self {
        self.request_eager_start = yes;
        self
    }
}

impl<A: KnownArgs, W> StartWorkflow<A, W> {
    async fn run(self) -> Result<WorkflowHandle<W>> {
        let client = self.client;
        let mut request = self.start.into_request(&client, self.input.finish::<A>()?)?;
        let mut ids = Ids::of_workflow(request.workflow_id.as_str().into());
        ids.skips_time = client.settings().time_skipping.is_some();
        let names = Names::of(&request);
        match self.signal {
            Some(_) if self.request_eager_start => {
                return Err(Error::invalid("a start with a signal cannot be eager"));
            }
            Some(signal) => {
                let request = signal.into_request(request)?;
                let answer = self.options.run(send(&client, request, &self.options, &ids, &names)).await?;
                take_signalled(&mut ids, answer);
            }
            None => {
                request.request_eager_execution = self.request_eager_start;
                let answer = self.options.run(send(&client, request, &self.options, &ids, &names)).await?;
                take_started(&mut ids, &answer);
            }
        }
        Ok(WorkflowHandle::new(client, ids))
    }
}

impl<A: KnownArgs, W: 'static> IntoFuture for StartWorkflow<A, W> {
    type Output = Result<WorkflowHandle<W>>;
    type IntoFuture = crate::call::CallFuture<WorkflowHandle<W>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

async fn send<R: Intercepted>(
    client: &Client,
    request: R,
    options: &CallOptions,
    ids: &Ids,
    names: &Names,
) -> Result<R::Response> {
    client.send(request, options, &ids.codec(client)).await.map_err(|error| names.explain(error))
}

/// What a start was called, for its error.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    workflow_id: String,
    workflow_type: String,
}

impl Names {
    pub(crate) fn of(request: &StartWorkflowExecutionRequest) -> Self {
        Self {
            workflow_id: request.workflow_id.clone(),
            workflow_type: request.workflow_type.as_ref().map(|name| name.name.clone()).unwrap_or_default(),
        }
    }

    /// Tells a start that was refused because of its id from other errors.
    fn explain(&self, error: Error) -> Error {
        if error.code() != Some(Code::AlreadyExists) {
            return error;
        }
        match error.detail::<WorkflowExecutionAlreadyStartedFailure>() {
            Some(detail) => error.into_kind(self.already_started(detail)),
            None => error,
        }
    }

    pub(crate) fn already_started(&self, detail: WorkflowExecutionAlreadyStartedFailure) -> ErrorKind {
        let some = |id: String| (!id.is_empty()).then_some(id);
        ErrorKind::WorkflowAlreadyStarted {
            workflow_id: self.workflow_id.clone(),
            workflow_type: self.workflow_type.clone(),
            run_id: some(detail.run_id),
            first_run_id: some(detail.first_execution_run_id),
        }
    }
}

/// The runs of a handle after a start: its own result, and the chain that it began or joined.
pub(crate) fn take_started(ids: &mut Ids, answer: &StartWorkflowExecutionResponse) {
    ids.result_run_id = id(&answer.run_id);
    ids.first_execution_run_id =
        id_like(&answer.first_execution_run_id, &ids.result_run_id).or_else(|| ids.result_run_id.clone());
    ids.eagerly_started = answer.eager_workflow_task.is_some();
}

/// After a signal with start the first run is known only if the server names it, or if the run is new.
fn take_signalled(ids: &mut Ids, answer: SignalWithStartWorkflowExecutionResponse) {
    ids.result_run_id = id(&answer.run_id);
    let own: Option<Arc<str>> = ids.result_run_id.clone().filter(|_| answer.started);
    ids.first_execution_run_id = id_like(&answer.first_execution_run_id, &ids.result_run_id).or(own);
}

/// An id of the API that shares the text of another if it is the same.
fn id_like(text: &str, other: &Option<Arc<str>>) -> Option<Arc<str>> {
    other.clone().filter(|other| **other == *text).or_else(|| id(text))
}

/// A start whose result is waited for; awaiting it starts the workflow. The options are those of [`StartWorkflow`].
///
/// ```no_run
/// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
/// use std::time::Duration;
///
/// let receipt = client.execute_workflow("Order").id("order-7").task_queue("orders").args(("tea", 3));
/// let receipt: String = receipt.execution_timeout(Duration::from_secs(86_400)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a workflow is started when this is awaited"]
pub struct ExecuteWorkflow<A, W, T> {
    client: Client,
    input: Input,
    start: StartOptions,
    options: CallOptions,
    read: Reader<T>,
    types: PhantomData<fn(A) -> W>,
}

call_options!(ExecuteWorkflow<A, W, T>);
takes_args!(ExecuteWorkflow<W, T>);
start_options!(ExecuteWorkflow<A, W, T>);

impl<A, W, T> ExecuteWorkflow<A, W, T> {
    pub(crate) fn new(start: StartWorkflow<A, W>, read: Reader<T>) -> Self {
        Self {
            client: start.client,
            input: start.input,
            start: start.start,
            options: start.options,
            read,
            types: PhantomData,
        }
    }
}

impl<A: KnownArgs, W, T> ExecuteWorkflow<A, W, T> {
    async fn run(self) -> Result<T> {
        let each = CallOptions { timeout: None, ..self.options.clone() };
        let start = StartWorkflow::<A, W> {
            client: self.client,
            input: self.input,
            start: self.start,
            signal: None,
            request_eager_start: false,
            options: each,
            types: PhantomData,
        };
        let whole = self.options;
        whole
            .run(async {
                let handle = start.run().await?.untyped();
                let (client, ids) = handle.into_parts();
                WorkflowResult::new(client, ids, self.read).with_options(whole.clone()).run().await
            })
            .await
    }
}

impl<A: KnownArgs, W: 'static, T: Send + 'static> IntoFuture for ExecuteWorkflow<A, W, T> {
    type Output = Result<T>;
    type IntoFuture = crate::call::CallFuture<T>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
