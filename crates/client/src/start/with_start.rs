//! Updates that start their workflow.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evertide_proto::common::Payloads;
use evertide_proto::errordetails::{MultiOperationExecutionFailure, WorkflowExecutionAlreadyStartedFailure};
use evertide_proto::failure::MultiOperationExecutionAborted;
use evertide_proto::prost::{Message as _, Name};
use evertide_proto::workflowservice::execute_multi_operation_request::Operation as Operations;
use evertide_proto::workflowservice::execute_multi_operation_request::operation::Operation;
use evertide_proto::workflowservice::execute_multi_operation_response::response::Response;
use evertide_proto::workflowservice::{
    ExecuteMultiOperationRequest, StartWorkflowExecutionRequest, StartWorkflowExecutionResponse,
    UpdateWorkflowExecutionResponse,
};
use tokio::sync::watch;
use tonic::{Code, Status};

use super::{Names, StartOptions, WorkflowIdConflictPolicy, start_options, take_started};
use crate::call::{CallOptions, call_options};
use crate::client::Client;
use crate::codec::BoundCodec;
use crate::definition::{Known, KnownArgs, Reader, ResultAs, UpdateName, WorkflowName};
use crate::error::{Error, Result, unpack};
use crate::handle::{
    Ids, Message, UpdateHandle, UpdateResult, WaitForStage, WorkflowHandle, ended_wait, first_outcome, update_id,
    update_request,
};
use crate::input::{Input, takes_args};

/// A start to go with an update: see [`Client::start_update_with_start_workflow`].
///
/// It is for one call. Its handle is known as soon as the server has answered for the first time. The options are
/// those of [`StartWorkflow`](crate::StartWorkflow).
///
/// ```no_run
/// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
/// use std::sync::Arc;
///
/// use evertide_client::WorkflowIdConflictPolicy::UseExisting;
///
/// let cart = client.with_start_workflow("Cart").id("cart-7").task_queue("carts").arg("Ada");
/// let cart = Arc::new(cart.id_conflict_policy(UseExisting));
/// let items: u32 = client.execute_update_with_start_workflow("add_item", &cart).arg(&3).await?;
/// cart.workflow_handle().await?.signal("check_out").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WithStartWorkflowOperation<A, W> {
    input: Input,
    start: StartOptions,
    client: Client,
    used: AtomicBool,
    started: watch::Sender<Option<Result<Ids>>>,
    types: PhantomData<fn(A) -> W>,
}

takes_args!(WithStartWorkflowOperation<W>);
start_options!(WithStartWorkflowOperation<A, W>);

impl<A, W> WithStartWorkflowOperation<A, W> {
    fn new(client: Client, workflow_type: String) -> Self {
        Self {
            input: Input::default(),
            start: StartOptions::new(workflow_type),
            client,
            used: AtomicBool::new(false),
            started: watch::Sender::new(None),
            types: PhantomData,
        }
    }

    /// Tells whoever waits for the handle that there will be none, unless there is one already.
    fn fail(&self, error: &Error) {
        self.started.send_if_modified(|started| {
            let first = started.is_none();
            if first {
                *started = Some(Err(error.clone()));
            }
            first
        });
    }

    /// The handle of the workflow, as soon as the call has started it or found it running.
    ///
    /// ```no_run
    /// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
    /// use std::sync::Arc;
    ///
    /// use evertide_client::WaitForStage::Completed;
    /// use evertide_client::WorkflowIdConflictPolicy::UseExisting;
    ///
    /// let cart = client.with_start_workflow("Cart").id("cart-7").task_queue("carts").id_conflict_policy(UseExisting);
    /// let cart = Arc::new(cart);
    /// let update = client.start_update_with_start_workflow("add_item", &cart).arg(&3).wait_for_stage(Completed);
    /// tokio::spawn(update.into_future());
    /// println!("{} is started, whether or not the update is completed", cart.workflow_handle().await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error of the call, if that fails first.
    pub async fn workflow_handle(&self) -> Result<WorkflowHandle<W>> {
        let mut started = self.started.subscribe();
        let ids = match started.wait_for(Option::is_some).await {
            Ok(ids) => ids.clone(),
            Err(_) => None,
        };
        let ids = ids.unwrap_or_else(|| Err(Error::invalid("the operation was dropped before it was used")))?;
        Ok(WorkflowHandle::new(self.client.clone(), ids))
    }
}

impl<A: KnownArgs, W> WithStartWorkflowOperation<A, W> {
    /// The request of the start, once.
    fn take(&self) -> Result<StartWorkflowExecutionRequest> {
        if self.start.request.workflow_id_conflict_policy == WorkflowIdConflictPolicy::Unspecified as i32 {
            return Err(Error::invalid(
                "a start that goes with an update needs id_conflict_policy: UseExisting, Fail or TerminateExisting",
            ));
        }
        let request = self.start.clone().into_request(&self.client, self.input.clone().finish::<A>()?)?;
        if self.used.swap(true, Ordering::AcqRel) {
            return Err(Error::invalid("WithStartWorkflowOperation cannot be reused; make a new one for each call"));
        }
        Ok(request)
    }
}

/// A start that a call shares with its caller.
type Shared<A, W> = Arc<WithStartWorkflowOperation<A, W>>;

impl Client {
    /// Describes a start that goes with an update, to be given to
    /// [`start_update_with_start_workflow`](Self::start_update_with_start_workflow).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
    /// use evertide_client::WorkflowIdConflictPolicy::UseExisting;
    ///
    /// let cart = client.with_start_workflow("Cart").id("cart-7").task_queue("carts").id_conflict_policy(UseExisting);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_start_workflow<W: Known>(
        &self,
        workflow: impl WorkflowName<W>,
    ) -> WithStartWorkflowOperation<W::Args, W> {
        WithStartWorkflowOperation::new(self.clone(), workflow.into_name().into_owned())
    }

    /// Updates a workflow and starts it with the same request if it does not run: both happen or neither does.
    ///
    /// ```no_run
    /// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
    /// use std::sync::Arc;
    ///
    /// use evertide_client::{WaitForStage::Accepted, WorkflowIdConflictPolicy::UseExisting};
    ///
    /// let cart = client.with_start_workflow("Cart").id("cart-7").task_queue("carts").id_conflict_policy(UseExisting);
    /// let cart = Arc::new(cart);
    /// let update =
    ///     client.start_update_with_start_workflow("add_item", &cart).arg(&3).wait_for_stage(Accepted).await?;
    /// let handle = cart.workflow_handle().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`WorkflowHandle::start_update`], and further
    /// [`ErrorKind::WorkflowAlreadyStarted`](crate::ErrorKind::WorkflowAlreadyStarted) if the policies of the start
    /// forbid to join a workflow that is there, and
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if the start has no conflict policy or was
    /// used before.
    pub fn start_update_with_start_workflow<K: Known, A, W>(
        &self,
        update: impl UpdateName<W, K>,
        operation: &Arc<WithStartWorkflowOperation<A, W>>,
    ) -> StartUpdateWithStart<K::Args, K::Output, A, W> {
        StartUpdateWithStart {
            call: Call::new(self.clone(), update.into_name(), Arc::clone(operation), None),
            input: Input::default(),
            options: CallOptions::default(),
            types: PhantomData,
        }
    }

    /// As [`start_update_with_start_workflow`](Self::start_update_with_start_workflow), and waits for the result.
    ///
    /// ```no_run
    /// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
    /// use std::sync::Arc;
    ///
    /// use evertide_client::WorkflowIdConflictPolicy::UseExisting;
    ///
    /// let cart = client.with_start_workflow("Cart").id("cart-7").task_queue("carts").id_conflict_policy(UseExisting);
    /// let items: u32 = client.execute_update_with_start_workflow("add_item", &Arc::new(cart)).arg(&3).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`start_update_with_start_workflow`](Self::start_update_with_start_workflow), and
    /// [`ErrorKind::UpdateFailed`](crate::ErrorKind::UpdateFailed) if the update is refused or fails.
    pub fn execute_update_with_start_workflow<T, K, A, W>(
        &self,
        update: impl UpdateName<W, K>,
        operation: &Arc<WithStartWorkflowOperation<A, W>>,
    ) -> ExecuteUpdateWithStart<K::Args, T, A, W>
    where
        K: Known<Output: ResultAs<T>>,
    {
        let stage = Some(WaitForStage::Completed);
        ExecuteUpdateWithStart {
            call: Call::new(self.clone(), update.into_name(), Arc::clone(operation), stage),
            input: Input::default(),
            options: CallOptions::default(),
            read: K::Output::read,
            args: PhantomData,
        }
    }
}

#[derive(Debug)]
struct Call<A, W> {
    client: Client,
    message: Message,
    operation: Shared<A, W>,
}

impl<A, W> Call<A, W> {
    fn new(client: Client, name: Cow<'static, str>, operation: Shared<A, W>, stage: Option<WaitForStage>) -> Self {
        Self { client, message: Message { name, id: None, stage }, operation }
    }
}

impl<A: KnownArgs, W> Call<A, W> {
    async fn run<O>(self, input: Option<Payloads>, options: &CallOptions) -> Result<UpdateHandle<O>> {
        let completed = self.message.stage == Some(WaitForStage::Completed);
        let mut update = update_request(&self.client, self.message, input)?;
        let start = self.operation.take().inspect_err(|error| self.operation.fail(error))?;
        let mut ids = Ids::of_workflow(start.workflow_id.as_str().into());
        update.workflow_execution = Some(ids.execution());
        let id = update_id(&update);
        let pair = Pair { client: &self.client, names: Names::of(&start), options, codec: ids.codec(&self.client) };
        let operations = [Operation::StartWorkflow(start), Operation::UpdateWorkflow(update)];
        let request = ExecuteMultiOperationRequest {
            namespace: self.client.namespace().to_owned(),
            operations: operations.map(|operation| Operations { operation: Some(operation) }).into(),
            ..Default::default()
        };
        let sent = options.run_update(async {
            let answer = pair.send_until_seen(request, |started| {
                take_started(&mut ids, started);
                self.operation.started.send_replace(Some(Ok(ids.clone())));
            });
            let answer = answer.await?;
            let run_id = ids.result_run_id.clone();
            let mut handle = UpdateHandle::new(self.client.clone(), &ids, id, run_id, answer.outcome);
            if completed {
                handle.await_outcome(options, &pair.codec).await?;
            }
            Ok(handle)
        });
        sent.await.inspect_err(|error| self.operation.fail(error))
    }
}

/// A start and an update on their way.
struct Pair<'a> {
    client: &'a Client,
    names: Names,
    options: &'a CallOptions,
    codec: BoundCodec,
}

impl Pair<'_> {
    /// Sends the same request until the workflow has seen the update, and tells of the start on the first answer.
    async fn send_until_seen(
        &self,
        request: ExecuteMultiOperationRequest,
        mut on_start: impl FnMut(&StartWorkflowExecutionResponse),
    ) -> Result<UpdateWorkflowExecutionResponse> {
        let mut told = false;
        loop {
            let answer = match self.client.send(request.clone(), self.options, &self.codec).await {
                Ok(answer) => answer,
                Err(error) if self.options.rearms(&error) => continue,
                Err(error) => return Err(self.explain(ended_wait(error))),
            };
            let mut responses = answer.responses.into_iter().map(|response| response.response);
            let (Some(Some(Response::StartWorkflow(started))), Some(Some(Response::UpdateWorkflow(updated)))) =
                (responses.next(), responses.next())
            else {
                return Err(Error::protocol("the server answered neither for the start nor for the update"));
            };
            if !std::mem::replace(&mut told, true) {
                on_start(&started);
            }
            if first_outcome(&updated) {
                return Ok(updated);
            }
        }
    }

    /// Finds the operation that failed by itself; the others were only given up with it.
    fn explain(&self, error: Error) -> Error {
        if !matches!(error.kind(), crate::ErrorKind::Rpc) {
            return error;
        }
        let Some(failure) = error.detail::<MultiOperationExecutionFailure>() else {
            return error;
        };
        let own = failure.statuses.into_iter().find(|status| {
            let aborted = MultiOperationExecutionAborted::full_name();
            let kind = status.details.first().and_then(|detail| detail.type_url.rsplit('/').next());
            status.code != Code::Ok as i32 && kind != Some(aborted.as_str())
        });
        let Some(own) = own else { return error };
        let already = own.details.first().and_then(unpack::<WorkflowExecutionAlreadyStartedFailure>);
        let rpc =
            evertide_proto::google::rpc::Status { code: own.code, message: own.message.clone(), details: own.details };
        let status = Status::with_details(Code::from_i32(own.code), own.message, rpc.encode_to_vec().into());
        match already {
            Some(detail) if status.code() == Code::AlreadyExists => {
                Error::status(self.names.already_started(detail), status)
            }
            _ => Error::rpc(status),
        }
    }
}

/// An update that starts its workflow; awaiting it sends it and gives the update's handle.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
/// use std::sync::Arc;
///
/// use evertide_client::{ErrorKind, WaitForStage::Accepted};
///
/// let cart = Arc::new(client.with_start_workflow("Cart").id("cart-7").task_queue("carts"));
/// let update = client.start_update_with_start_workflow("add_item", &cart).arg("tea").id("add-7");
/// let error = update.wait_for_stage(Accepted).await.unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::InvalidArgument(_)), "the start has no conflict policy");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an update is sent when it is awaited"]
pub struct StartUpdateWithStart<U, O, A, W> {
    call: Call<A, W>,
    input: Input,
    options: CallOptions,
    types: PhantomData<fn(U) -> O>,
}

call_options!(StartUpdateWithStart<U, O, A, W>);
takes_args!(StartUpdateWithStart<O, A, W>);

impl<U, O, A, W> StartUpdateWithStart<U, O, A, W> {
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

impl<U: KnownArgs, O: 'static, A: KnownArgs, W: 'static> IntoFuture for StartUpdateWithStart<U, O, A, W> {
    type Output = Result<UpdateHandle<O>>;
    type IntoFuture = crate::call::CallFuture<UpdateHandle<O>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.call.run(self.input.finish::<U>()?, &self.options).await })
    }
}

/// An update that starts its workflow and whose result is waited for; awaiting it sends it.
///
/// ```no_run
/// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use evertide_client::WorkflowIdConflictPolicy::UseExisting;
///
/// let cart = client.with_start_workflow("Cart").id("cart-7").task_queue("carts").id_conflict_policy(UseExisting);
/// let update = client.execute_update_with_start_workflow("add_item", &Arc::new(cart)).args(("tea", 3));
/// let items: u32 = update.id("add-7").timeout(Duration::from_secs(20)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an update is sent when it is awaited"]
pub struct ExecuteUpdateWithStart<U, T, A, W> {
    call: Call<A, W>,
    input: Input,
    options: CallOptions,
    read: Reader<T>,
    args: PhantomData<fn(U)>,
}

call_options!(ExecuteUpdateWithStart<U, T, A, W>);
takes_args!(ExecuteUpdateWithStart<T, A, W>);

impl<U, T, A, W> ExecuteUpdateWithStart<U, T, A, W> {
    /// The id of the update. The same id sent twice is one update. A new one is made if none is given.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.call.message.id = Some(id.into());
        self
    }
}

impl<U, T, A, W> IntoFuture for ExecuteUpdateWithStart<U, T, A, W>
where
    U: KnownArgs,
    T: Send + 'static,
    A: KnownArgs,
    W: 'static,
{
    type Output = Result<T>;
    type IntoFuture = crate::call::CallFuture<T>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let handle = self.call.run(self.input.finish::<U>()?, &self.options).await?;
            UpdateResult::of(handle, self.read).run().await
        })
    }
}
