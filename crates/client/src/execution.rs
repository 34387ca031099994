//! What lists and descriptions tell about a run.

use std::time::SystemTime;

use evertide_proto::enums::WorkflowExecutionStatus;
use evertide_proto::prost_types::Timestamp;
use evertide_proto::workflow::WorkflowExecutionInfo;
use serde::de::DeserializeOwned;

use crate::codec::BoundCodec;
use crate::error::Result;
use crate::payload;
use crate::search_attributes::SearchAttributes;

/// A run of a workflow, as lists and descriptions tell of it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::WorkflowExecutionStatus;
///
/// client.start_workflow("Order").id("order-7").task_queue("orders").memo("note", "a gift").await?;
/// let order = client.list_workflows("WorkflowType = 'Order'").next().await.unwrap()?;
/// assert_eq!((order.id(), order.workflow_type(), order.task_queue()), ("order-7", "Order", "orders"));
/// assert_eq!(order.status(), Some(WorkflowExecutionStatus::Running));
/// assert!(order.start_time().is_some() && order.close_time().is_none());
/// assert_eq!((order.parent_id(), order.parent_run_id()), (None, None));
/// assert_eq!((order.root_id(), order.root_run_id()), (Some("order-7"), Some(order.run_id())));
/// assert_eq!(order.memo_value("note").await?, Some("a gift".to_owned()));
/// assert!(order.memo_keys().eq(["note"]) && order.search_attributes().is_empty());
/// assert_eq!((order.namespace(), order.raw_info().task_queue.as_str()), ("default", order.task_queue()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct WorkflowExecution {
    info: WorkflowExecutionInfo,
    codec: BoundCodec,
}

impl WorkflowExecution {
    /// The codec may be that of the whole client; here it gets the workflow as its context.
    pub(crate) fn new(info: WorkflowExecutionInfo, mut codec: BoundCodec) -> Self {
        codec.context.workflow_id = info.execution.as_ref().map(|execution| execution.workflow_id.as_str().into());
        Self { info, codec }
    }

    /// The information as it came.
    pub fn raw_info(&self) -> &WorkflowExecutionInfo {
        &self.info
    }

    /// The id of the workflow.
    pub fn id(&self) -> &str {
        self.info.execution.as_ref().map_or("", |execution| &execution.workflow_id)
    }

    /// The id of the run.
    pub fn run_id(&self) -> &str {
        self.info.execution.as_ref().map_or("", |execution| &execution.run_id)
    }

    /// The namespace that was asked.
    pub fn namespace(&self) -> &str {
        &self.codec.context.namespace
    }

    /// The type of the workflow.
    pub fn workflow_type(&self) -> &str {
        self.info.r#type.as_ref().map_or("", |workflow_type| &workflow_type.name)
    }

    /// The task queue of the run.
    pub fn task_queue(&self) -> &str {
        &self.info.task_queue
    }

    /// The status. None if the server named none, or one that is not known here.
    pub fn status(&self) -> Option<WorkflowExecutionStatus> {
        Some(self.info.status()).filter(|status| *status != WorkflowExecutionStatus::Unspecified)
    }

    /// When the run was created. None if the server does not say.
    pub fn start_time(&self) -> Option<SystemTime> {
        time(self.info.start_time)
    }

    /// When the run began or will begin to run, after its delay. None if the server does not say.
    pub fn execution_time(&self) -> Option<SystemTime> {
        time(self.info.execution_time)
    }

    /// When the run closed. None while it is open.
    pub fn close_time(&self) -> Option<SystemTime> {
        time(self.info.close_time)
    }

    /// How many events the history has. Zero in lists while the run is open.
    pub fn history_length(&self) -> i64 {
        self.info.history_length
    }

    /// The id of the parent workflow. None if it is not a child.
    pub fn parent_id(&self) -> Option<&str> {
        self.info.parent_execution.as_ref().map(|parent| parent.workflow_id.as_str()).filter(|id| !id.is_empty())
    }

    /// The run of the parent workflow. None if it is not a child.
    pub fn parent_run_id(&self) -> Option<&str> {
        self.info.parent_execution.as_ref().map(|parent| parent.run_id.as_str()).filter(|id| !id.is_empty())
    }

    /// The id of the workflow at the root of the family, which is its own for one without a parent. None if the server
    /// does not say.
    pub fn root_id(&self) -> Option<&str> {
        self.info.root_execution.as_ref().map(|root| root.workflow_id.as_str()).filter(|id| !id.is_empty())
    }

    /// The run of the workflow at the root of the family. None if the server does not say.
    pub fn root_run_id(&self) -> Option<&str> {
        self.info.root_execution.as_ref().map(|root| root.run_id.as_str()).filter(|id| !id.is_empty())
    }

    /// The search attributes.
    pub fn search_attributes(&self) -> SearchAttributes {
        SearchAttributes::from_proto(self.info.search_attributes.clone())
    }

    /// The keys of the memo.
    pub fn memo_keys(&self) -> impl Iterator<Item = &str> {
        self.info.memo.iter().flat_map(|memo| memo.fields.keys()).map(String::as_str)
    }

    /// A value of the memo, or nothing if there is no such key.
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if it is not a `T`.
    pub async fn memo_value<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.info.memo.as_ref().and_then(|memo| memo.fields.get(key)) else {
            return Ok(None);
        };
        payload::from_payload(&self.codec.decode_one(value.clone()).await?).map(Some)
    }

    /// The whole memo, with values of one type, such as `serde_json::Value`. Empty if there is no memo.
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if a value is not a `T`.
    pub async fn memo<T: DeserializeOwned>(&self) -> Result<std::collections::BTreeMap<String, T>> {
        let mut memo = std::collections::BTreeMap::new();
        for (key, value) in self.info.memo.iter().flat_map(|memo| &memo.fields) {
            let value = self.codec.decode_one(value.clone()).await?;
            memo.insert(key.clone(), payload::from_payload(&value)?);
        }
        Ok(memo)
    }
}

/// A time of the API. The zero time, which some servers send for "never", is none.
fn time(time: Option<Timestamp>) -> Option<SystemTime> {
    time.filter(|time| (time.seconds, time.nanos) != (0, 0))?.try_into().ok()
}
