//! A client of Temporal servers with the complete WorkflowHandle.
//!
//! It starts workflows and does to them whatever can be done from outside: signal, query, update, cancel, terminate,
//! describe, wait for the result, read the history. It works with Evertide, in the same process or over gRPC, and with
//! every other server of the Temporal protocol. It runs no workflows; that is what SDKs are for.
//!
//! ```no_run
//! # async fn run() -> evertide_client::Result<()> {
//! use evertide_client::{Client, WaitForStage::Accepted};
//!
//! let client = Client::connect("localhost:7233").namespace("default").await?;
//! let order = client.start_workflow("Order").id("order-7").task_queue("orders").arg("tea").await?;
//!
//! order.signal("approve").arg("Ada").await?;
//! let state: String = order.query("state").await?;
//! let update = order.start_update("add_item").arg(&3).wait_for_stage(Accepted).await?;
//! let items: u32 = update.result().await?;
//! let receipt: String = order.result().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The contract
//!
//! The handle keeps the contract of the Python SDK's `WorkflowHandle`, under the same names.
//!
//! | Python | here | example |
//! |---|---|---|
//! | `handle.id`, `run_id`, `result_run_id`, `first_execution_run_id` | [the same](WorkflowHandle::run_id) | `handle.run_id()` |
//! | `handle.result(follow_runs=)` | [`result`](WorkflowHandle::result) | `handle.result::<String>().follow_runs(false).await?` |
//! | `handle.signal(name, arg)` | [`signal`](WorkflowHandle::signal) | `handle.signal("approve").arg("Ada").await?` |
//! | `handle.query(name, arg, reject_condition=)` | [`query`](WorkflowHandle::query) | `handle.query::<u32, _>("count").await?` |
//! | `handle.start_update(name, arg, wait_for_stage=, id=)` | [`start_update`](WorkflowHandle::start_update) | `handle.start_update("add").arg(&1).wait_for_stage(Accepted).await?` |
//! | `handle.execute_update(name, arg, id=)` | [`execute_update`](WorkflowHandle::execute_update) | `handle.execute_update::<u32, _>("add").arg(&1).await?` |
//! | `handle.get_update_handle(id)` | [`get_update_handle`](WorkflowHandle::get_update_handle) | `handle.get_update_handle("u-1").result::<u32>().await?` |
//! | `handle.get_update_handle_for(update, id)` | [`get_update_handle_for`](WorkflowHandle::get_update_handle_for) | `handle.get_update_handle_for(Add, "u-1").result().await?` |
//! | `handle.cancel(reason=)` | [`cancel`](WorkflowHandle::cancel) | `handle.cancel().reason("late").await?` |
//! | `handle.terminate(*args, reason=)` | [`terminate`](WorkflowHandle::terminate) | `handle.terminate().reason("stuck").detail(&7).await?` |
//! | `handle.describe()` | [`describe`](WorkflowHandle::describe) | `handle.describe().await?.status()` |
//! | `handle.fetch_history()` | [`fetch_history`](WorkflowHandle::fetch_history) | `handle.fetch_history().await?.to_json()?` |
//! | `handle.fetch_history_events(page_size=, wait_new_event=, ...)` | [`fetch_history_events`](WorkflowHandle::fetch_history_events) | `handle.fetch_history_events().wait_new_event(true)` |
//! | `rpc_timeout=`, `rpc_metadata=` | on every call, with `timeout` for the whole | `handle.cancel().rpc_timeout(limit).await?` |
//! | `Client.connect(...)` | [`Client::connect`] | `Client::connect("localhost:7233").await?` |
//! | `ClientConfig.load_client_connect_config()` | [`Client::from_environment`] | `Client::from_environment()?.await?` |
//! | `client.get_workflow_handle(id, run_id=)` | [`Client::get_workflow_handle`] | `client.get_workflow_handle("w").with_run_id(run)` |
//! | `client.get_workflow_handle_for(workflow, id)` | [`Client::get_workflow_handle_for`] | `client.get_workflow_handle_for::<Order>("w")` |
//! | `client.start_workflow(...)` | [`Client::start_workflow`] | `client.start_workflow("W").id("w").task_queue("q").await?` |
//! | `client.start_workflow(..., start_signal=)` | [`StartWorkflow::start_signal`] | `start.start_signal("approve").start_signal_arg("Ada").await?` |
//! | `client.execute_workflow(...)` | [`Client::execute_workflow`] | `client.execute_workflow::<u32, _>("W").id("w").task_queue("q").await?` |
//! | `WithStartWorkflowOperation(...)` | [`Client::with_start_workflow`] | `client.with_start_workflow("W").id("w").task_queue("q")` |
//! | `client.start_update_with_start_workflow(...)` | [the same](Client::start_update_with_start_workflow) | `client.start_update_with_start_workflow("add", &start).wait_for_stage(Accepted).await?` |
//! | `client.execute_update_with_start_workflow(...)` | [the same](Client::execute_update_with_start_workflow) | `client.execute_update_with_start_workflow::<u32, _, _, _>("add", &start).await?` |
//! | `client.list_workflows(query)` | [`Client::list_workflows`] | `client.list_workflows("WorkflowType = 'W'").next().await` |
//! | `client.list_workflows(...).map_histories()` | [`ListWorkflows::map_histories`] | `client.list_workflows("").map_histories()` |
//! | `client.count_workflows(query)` | [`Client::count_workflows`] | `client.count_workflows("").await?.count` |
//! | `client.get_async_activity_handle(task_token=)` | [`Client::get_async_activity_handle_for_token`] | `activity.complete("done").await?` |
//! | `client.get_async_activity_handle(workflow_id=, ...)` | [`Client::get_async_activity_handle`] | `activity.heartbeat().detail(&50).await?` |
//! | `WorkflowHistory.from_json`, `to_json` | [`WorkflowHistory::from_json`] | `WorkflowHistory::from_json("w", text)?` |
//! | `PayloadCodec` | [`PayloadCodec`] | `Client::connect(address).codec(MyCodec)` |
//! | `Interceptor` | [`Interceptor`] | `Client::connect(address).interceptor(MyInterceptor)` |
//! | `client.workflow_service.x(request)` | [`Client::call`] | `client.call(GetClusterInfoRequest::default()).await?` |
//!
//! | Python error | [`ErrorKind`] |
//! |---|---|
//! | `WorkflowFailureError` | [`WorkflowFailed`](ErrorKind::WorkflowFailed), the cause as [`Failure`] and by `source()` |
//! | `WorkflowContinuedAsNewError` | [`WorkflowContinuedAsNew`](ErrorKind::WorkflowContinuedAsNew) |
//! | `WorkflowQueryRejectedError` | [`QueryRejected`](ErrorKind::QueryRejected) |
//! | `WorkflowQueryFailedError` | [`QueryFailed`](ErrorKind::QueryFailed) |
//! | `WorkflowUpdateFailedError` | [`UpdateFailed`](ErrorKind::UpdateFailed) |
//! | `WorkflowUpdateRPCTimeoutOrCancelledError` | [`UpdateTimeoutOrCancelled`](ErrorKind::UpdateTimeoutOrCancelled) |
//! | `WorkflowAlreadyStartedError` | [`WorkflowAlreadyStarted`](ErrorKind::WorkflowAlreadyStarted) |
//! | `AsyncActivityCancelledError` | [`ActivityCancelled`](ErrorKind::ActivityCancelled) |
//! | `RPCError` | [`Rpc`](ErrorKind::Rpc), the status as [`Error::grpc_status`] |
//!
//! # How calls behave
//!
//! - A call is a builder. Nothing happens until it is awaited, and its future may be spawned and sent.
//! - Dropping the future of a call cancels its request, never the workflow.
//! - What was lost on the way is sent again, with the same request id, so nothing happens twice: up to ten times within
//!   ten seconds, see [`RetryOptions`]. Everything else surfaces at once.
//! - Each request has 30 s, and 70 s if it waits for something; `.rpc_timeout(...)` changes that for one call.
//!   `.timeout(...)` bounds the whole call with all its requests.
//! - Values are whatever serde knows, see [`payload`].
//! - Names are strings with any values, or definitions that the compiler checks: those of [`workflow!`], [`signal!`],
//!   [`query!`] and [`update!`], or with the feature `temporalio` those of workflows for the official Rust SDK.
//!
//! Who comes from the official Rust client finds the way in [`migration`].
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `envconfig` (default) | [`envconfig`]: `TEMPORAL_*` variables and the profile file |
//! | `temporalio` | `temporalio`: workflows of the official Rust SDK as definitions |
//! | `tls` | TLS and mTLS with ring, and the roots of the operating system |

mod activity;
mod call;
mod client;
mod codec;
mod definition;
#[cfg(feature = "envconfig")]
pub mod envconfig;
mod error;
mod execution;
mod failure;
mod handle;
mod input;
mod interceptor;
pub mod json;
mod list;
pub mod migration;
mod observer;
mod paging;
pub mod payload;
mod retry;
mod rpc;
mod search_attributes;
mod start;
#[cfg(feature = "temporalio")]
pub mod temporalio;
mod time_skipping;
mod transport;

pub use evertide_proto as proto;
pub use evertide_proto::enums::{QueryRejectCondition, WorkflowExecutionStatus};
pub use tonic::{Code, Status};

pub use activity::{AsyncActivityHandle, CompleteActivity, FailActivity, Heartbeat, ReportCancellation};
pub use call::CallFuture;
#[cfg(feature = "tls")]
pub use client::Tls;
pub use client::{Client, Connect, RawCall};
pub use codec::{CodecContext, CodecFuture, PayloadCodec};
pub use definition::{
    AnyArgs, AsArg, Defined, Handles, Known, KnownArgs, Query, QueryName, ResultAs, Signal, SignalName, Typed, Untyped,
    Update, UpdateName, Workflow, WorkflowName,
};
pub use error::{ActivityCancellation, Error, ErrorKind, Result};
pub use execution::WorkflowExecution;
pub use failure::{Failure, FailureKind};
pub use handle::{
    Cancel, Describe, EventFilter, ExecuteUpdate, FetchHistory, HistoryEvent, HistoryEvents, HistoryPage, HistoryPages,
    QueryCall, ResumeToken, SignalCall, StartUpdate, Terminate, UpdateHandle, UpdateResult, WaitForStage,
    WorkflowExecutionDescription, WorkflowHandle, WorkflowHistory, WorkflowRef, WorkflowResult,
};
pub use interceptor::{Intercepted, Interceptor, InterceptorFuture, Next, OutboundCall};
pub use list::{CountWorkflows, ListHistories, ListWorkflows, WorkflowExecutionCount, WorkflowExecutionCountGroup};
pub use observer::{RpcObserver, RpcReport};
pub use payload::{Args, Details, ResultValue};
pub use retry::RetryOptions;
pub use rpc::Rpc;
pub use search_attributes::{SearchAttributeKey, SearchAttributeValue, SearchAttributes};
pub use start::{
    ExecuteUpdateWithStart, ExecuteWorkflow, RetryPolicy, StartUpdateWithStart, StartWorkflow,
    WithStartWorkflowOperation, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
pub use time_skipping::AutoTimeSkippingDisabled;
pub use transport::{Compression, Transport};
