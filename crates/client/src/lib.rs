//! A client of Temporal servers with the complete WorkflowHandle.

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
mod json;
mod list;
mod observer;
mod paging;
pub mod payload;
mod retry;
mod rpc;
mod search_attributes;
mod start;
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
    AnyArgs, Handles, KnownArgs, Query, QueryName, ResultAs, Signal, SignalName, Typed, Untyped, Update, UpdateName,
    Workflow, WorkflowName,
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
