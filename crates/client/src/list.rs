//! Lists and counts of workflows.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use evertide_proto::common::Payload;
use evertide_proto::workflowservice::{
    CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse, ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse,
};
use futures_core::Stream;
use serde::de::DeserializeOwned;

use crate::call::{CallFuture, CallOptions, call_options, into_future};
use crate::client::Client;
use crate::error::Result;
use crate::execution::WorkflowExecution;
use crate::handle::{EventFilter, WorkflowHistory};
use crate::paging::{Page, Paging};
use crate::payload::from_payload;

impl Client {
    /// The workflows that a list filter finds, as a stream: `WorkflowType = 'Order' AND ExecutionStatus = 'Running'`.
    /// An empty filter finds all.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let mut running = client.list_workflows("ExecutionStatus = 'Running'").limit(10);
    /// while let Some(workflow) = running.next().await {
    ///     println!("{}", workflow?.id());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`](crate::ErrorKind::Rpc), with INVALID_ARGUMENT if the filter cannot be read.
    pub fn list_workflows(&self, query: impl Into<String>) -> ListWorkflows {
        ListWorkflows {
            reader: Reader {
                client: self.clone(),
                query: query.into(),
                page_size: 1000,
                options: CallOptions::default(),
            },
            paging: Paging::from_start(),
            current: VecDeque::new(),
            left: usize::MAX,
        }
    }

    /// How many workflows a list filter finds, also by group: `GROUP BY ExecutionStatus`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// assert_eq!(client.count_workflows("WorkflowType = 'Order'").await?.count, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`](crate::ErrorKind::Rpc), with INVALID_ARGUMENT if the filter cannot be read.
    pub fn count_workflows(&self, query: impl Into<String>) -> CountWorkflows {
        CountWorkflows { client: self.clone(), query: query.into(), options: CallOptions::default() }
    }
}

#[derive(Debug, Clone)]
struct Reader {
    client: Client,
    query: String,
    page_size: i32,
    options: CallOptions,
}

impl Reader {
    async fn page(self, token: Bytes) -> Result<ListWorkflowExecutionsResponse> {
        let request = ListWorkflowExecutionsRequest {
            namespace: self.client.namespace().to_owned(),
            page_size: self.page_size,
            next_page_token: token,
            query: self.query,
        };
        self.options.run(self.client.send(request, &self.options, &self.client.codec_for(None))).await
    }
}

impl Page for ListWorkflowExecutionsResponse {
    fn next_page_token(&self) -> &Bytes {
        &self.next_page_token
    }
}

/// The workflows of a list as a [`Stream`]. The options go before the first one is read.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// for id in ["order-7", "order-8", "order-9"] {
///     client.start_workflow("Order").id(id).task_queue("orders").await?;
/// }
/// let orders = client.list_workflows("WorkflowType = 'Order'").page_size(2).limit(100);
/// let mut orders = orders.rpc_timeout(Duration::from_secs(5)).rpc_metadata("x-team", "orders");
/// let mut ids = Vec::new();
/// while let Some(order) = orders.next().await {
///     ids.push(order?.id().to_owned());
/// }
/// assert_eq!(ids.len(), 3);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is listed until the stream is polled"]
pub struct ListWorkflows {
    reader: Reader,
    paging: Paging<ListWorkflowExecutionsResponse>,
    current: VecDeque<WorkflowExecution>,
    left: usize,
}

impl ListWorkflows {
    /// How many workflows a page should have at most. 1000 if nothing is set.
    pub fn page_size(mut self, workflows: u32) -> Self {
        self.reader.page_size = i32::try_from(workflows).unwrap_or(i32::MAX);
        self
    }

    /// Starts at the page of a token that a server gave. An empty one is the first page.
    pub fn next_page_token(mut self, token: impl Into<Bytes>) -> Self {
        self.paging = Paging::Before(token.into());
        self
    }

    /// Ends after so many workflows. Without it the list ends with the last one.
    pub fn limit(mut self, workflows: usize) -> Self {
        self.left = workflows;
        self
    }

    /// Bounds each page.
    pub fn timeout(mut self, limit: std::time::Duration) -> Self {
        self.reader.options.timeout = Some(limit);
        self
    }

    /// Bounds each single request. The default is 30 s.
    pub fn rpc_timeout(mut self, limit: std::time::Duration) -> Self {
        self.reader.options.rpc_timeout = Some(limit);
        self
    }

    /// Adds metadata to each request, over the client's own. A key that ends in `-bin` carries any bytes, all others
    /// printable ASCII.
    pub fn rpc_metadata(mut self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        self.reader.options.add_metadata(key.as_ref(), value.as_ref());
        self
    }

    /// The next workflow, or nothing after the last one.
    ///
    /// # Errors
    /// As [`Client::list_workflows`]. Who reads on after an error asks for the same page again.
    pub async fn next(&mut self) -> Option<Result<WorkflowExecution>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The histories of these workflows, one after the other.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let mut histories = client.list_workflows("WorkflowType = 'Order'").map_histories();
    /// while let Some(history) = histories.next().await {
    ///     println!("{}", history?.to_json()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_histories(self) -> ListHistories {
        ListHistories { list: self, filter: EventFilter::AllEvents, skip_archival: false, reading: None }
    }
}

impl Stream for ListWorkflows {
    type Item = Result<WorkflowExecution>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { reader, paging, current, left } = &mut *self;
        loop {
            if *left == 0 {
                return Poll::Ready(None);
            }
            if let Some(workflow) = current.pop_front() {
                *left -= 1;
                return Poll::Ready(Some(Ok(workflow)));
            }
            match ready!(paging.poll_page(cx, |token| Box::pin(reader.clone().page(token)))) {
                Some(Ok(page)) => {
                    let codec = reader.client.codec_for(None);
                    let found = page.executions.into_iter();
                    *current = found.map(|info| WorkflowExecution::new(info, codec.clone())).collect();
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for ListWorkflows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListWorkflows").field("query", &self.reader.query).field("paging", &self.paging).finish()
    }
}

/// The histories of the workflows of a list as a [`Stream`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::EventFilter;
///
/// client.start_workflow("Order").id("order-7").task_queue("orders").await?.terminate().await?;
/// let histories = client.list_workflows("WorkflowType = 'Order'").map_histories();
/// let mut endings = histories.event_filter_type(EventFilter::CloseEvent).skip_archival(true);
/// let ending = endings.next().await.unwrap()?;
/// assert_eq!((ending.workflow_id.as_str(), ending.events.len()), ("order-7", 1));
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is read until the stream is polled"]
pub struct ListHistories {
    list: ListWorkflows,
    filter: EventFilter,
    skip_archival: bool,
    reading: Option<CallFuture<WorkflowHistory>>,
}

impl ListHistories {
    /// Which events to read.
    pub fn event_filter_type(mut self, filter: EventFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Reads nothing from the archive.
    pub fn skip_archival(mut self, skip: bool) -> Self {
        self.skip_archival = skip;
        self
    }

    /// The next history, or nothing after the last one.
    ///
    /// # Errors
    /// As [`Client::list_workflows`] and [`WorkflowHandle::fetch_history`](crate::WorkflowHandle::fetch_history).
    /// Behind a history that could not be read comes the next one.
    pub async fn next(&mut self) -> Option<Result<WorkflowHistory>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for ListHistories {
    type Item = Result<WorkflowHistory>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { list, filter, skip_archival, reading } = &mut *self;
        loop {
            if let Some(history) = reading {
                let history = ready!(history.as_mut().poll(cx));
                *reading = None;
                return Poll::Ready(Some(history));
            }
            match ready!(Pin::new(&mut *list).poll_next(cx)) {
                Some(Ok(workflow)) => {
                    let handle = list.reader.client.get_workflow_handle(workflow.id()).with_run_id(workflow.run_id());
                    let history = handle.fetch_history().event_filter_type(*filter).skip_archival(*skip_archival);
                    *reading = Some(history.into_future());
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for ListHistories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListHistories").field("list", &self.list).finish_non_exhaustive()
    }
}

/// A count that is being made; awaiting it asks for it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// let count = client.count_workflows("WorkflowType = 'Order'").timeout(Duration::from_secs(10)).await?;
/// assert_eq!(count.count, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a count is asked for when this is awaited"]
pub struct CountWorkflows {
    client: Client,
    query: String,
    options: CallOptions,
}

call_options!(CountWorkflows);
into_future!(CountWorkflows => WorkflowExecutionCount);

impl CountWorkflows {
    async fn run(self) -> Result<WorkflowExecutionCount> {
        let request =
            CountWorkflowExecutionsRequest { namespace: self.client.namespace().to_owned(), query: self.query };
        let codec = self.client.codec_for(None);
        let raw = self.options.run(self.client.send(request, &self.options, &codec)).await?;
        Ok(WorkflowExecutionCount::new(raw))
    }
}

/// How many workflows were found.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// client.start_workflow("Order").id("order-8").task_queue("orders").await?.terminate().await?;
/// let count = client.count_workflows("GROUP BY ExecutionStatus").await?;
/// assert_eq!((count.count, count.groups.len()), (2, 2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WorkflowExecutionCount {
    /// In all. With groups it may be an estimate.
    pub count: i64,
    /// By group; empty unless the filter asks for groups.
    pub groups: Vec<WorkflowExecutionCountGroup>,
}

impl WorkflowExecutionCount {
    fn new(raw: CountWorkflowExecutionsResponse) -> Self {
        let groups = raw.groups.into_iter();
        Self {
            count: raw.count,
            groups: groups
                .map(|group| WorkflowExecutionCountGroup { count: group.count, values: group.group_values })
                .collect(),
        }
    }
}

/// How many workflows one group has.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// let count = client.count_workflows("GROUP BY ExecutionStatus").await?;
/// let group = &count.groups[0];
/// assert_eq!((group.value::<String>(0)?.as_str(), group.count), ("Running", 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WorkflowExecutionCountGroup {
    /// How many.
    pub count: i64,
    values: Vec<Payload>,
}

impl WorkflowExecutionCountGroup {
    /// The value of the group at a position of GROUP BY, counted from 0.
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if it is not there or not a `T`.
    pub fn value<T: DeserializeOwned>(&self, index: usize) -> Result<T> {
        match self.values.get(index) {
            Some(value) => from_payload(value),
            None => Err(crate::Error::conversion(format!(
                "the group has {} values, and none at position {index}",
                self.values.len()
            ))),
        }
    }
}
