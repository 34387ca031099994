//! `WorkflowHandle::fetch_history_events` and `WorkflowHandle::fetch_history`.

mod json;
mod token;

pub use token::ResumeToken;

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use evertide_proto::common::DataBlob;
use evertide_proto::enums::HistoryEventFilterType;
use evertide_proto::history::history_event::Attributes;
use evertide_proto::history::{self as proto};
use evertide_proto::prost::Message;
use evertide_proto::workflowservice::{GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse};
use futures_core::Stream;

use super::Ids;
use crate::call::{CallOptions, call_options, into_future};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::paging::{Page, Paging};

/// Which events to read.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::EventFilter;
/// use evertide_client::proto::enums::EventType;
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// order.terminate().await?;
/// let mut events = order.fetch_history_events().event_filter_type(EventFilter::CloseEvent);
/// assert_eq!(events.next().await.unwrap()?.event_type(), EventType::WorkflowExecutionTerminated);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventFilter {
    /// All of them.
    #[default]
    AllEvents,
    /// The one that closed the run.
    CloseEvent,
}

/// What to read, and from where.
#[derive(Debug, Clone)]
struct Reader {
    client: Client,
    ids: Ids,
    page_size: i32,
    wait_new_event: bool,
    filter: EventFilter,
    skip_archival: bool,
    options: CallOptions,
}

impl Reader {
    async fn page(self, token: Bytes) -> Result<HistoryPage> {
        self.ids.check()?;
        let codec = self.ids.codec(&self.client);
        let request = GetWorkflowExecutionHistoryRequest {
            namespace: self.client.namespace().to_owned(),
            execution: Some(self.ids.execution()),
            maximum_page_size: self.page_size,
            next_page_token: token.clone(),
            wait_new_event: self.wait_new_event,
            history_event_filter_type: match self.filter {
                EventFilter::AllEvents => HistoryEventFilterType::AllEvent,
                EventFilter::CloseEvent => HistoryEventFilterType::CloseEvent,
            }
            .into(),
            skip_archival: self.skip_archival,
        };
        loop {
            let page = self.client.send(request.clone(), &self.options, &codec).await;
            match page {
                Ok(page) => return HistoryPage::new(token, page),
                Err(error) if self.wait_new_event && self.options.rearms(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The events of a page, which some servers send as they are stored.
pub(super) fn events_of(history: Option<proto::History>, raw: Vec<DataBlob>) -> Result<Vec<proto::HistoryEvent>> {
    let mut events = history.unwrap_or_default().events;
    for blob in raw {
        let batch = proto::History::decode(blob.data)
            .map_err(|error| Error::protocol(format!("a stored batch of events cannot be read: {error}")))?;
        events.extend(batch.events);
    }
    Ok(events)
}

/// One page of a history.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// let page = order.fetch_history_events().page_size(1).pages().next().await.unwrap()?;
/// assert_eq!(page.events.len(), 1);
/// let mut rest = order.fetch_history_events().next_page_token(page.next_page_token);
/// assert_eq!(rest.next().await.unwrap()?.event_id, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HistoryPage {
    /// The events of the page; there may be none, with more pages to come.
    pub events: Vec<proto::HistoryEvent>,
    /// The token of the next page, empty after the last one.
    pub next_page_token: Bytes,
    /// Whether the history comes from the archive.
    pub archived: bool,
    /// The token of this page.
    token: Bytes,
}

impl HistoryPage {
    fn new(token: Bytes, page: GetWorkflowExecutionHistoryResponse) -> Result<Self> {
        Ok(Self {
            events: events_of(page.history, page.raw_history)?,
            next_page_token: page.next_page_token,
            archived: page.archived,
            token,
        })
    }
}

/// An event of a history, and where to go on after it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// let first = order.fetch_history_events().next().await.unwrap()?;
/// assert_eq!(first.event_id, 1, "the event's fields are within reach");
/// let mut rest = order.fetch_history_events().resume(first.resume_token);
/// assert_eq!(rest.next().await.unwrap()?.event_id, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HistoryEvent {
    /// The event.
    pub event: proto::HistoryEvent,
    /// Where to go on behind this event: see [`HistoryEvents::resume`].
    pub resume_token: ResumeToken,
}

impl Deref for HistoryEvent {
    type Target = proto::HistoryEvent;

    fn deref(&self) -> &proto::HistoryEvent {
        &self.event
    }
}

/// The events of a history as a stream.
///
/// It is a [`Stream`], and has a [`next`](Self::next) of its own for those who need no combinators. The options go
/// before the first event is read. Nothing is sent until then; each page is read when the one before is used up.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// use evertide_client::EventFilter;
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// let events = order.fetch_history_events().page_size(100).event_filter_type(EventFilter::AllEvents);
/// let mut events = events.timeout(Duration::from_secs(60)).rpc_metadata("x-team", "orders");
/// let mut ids = Vec::new();
/// while let Some(event) = events.next().await {
///     ids.push(event?.event_id);
/// }
/// assert_eq!(ids, [1, 2]);
/// # Ok(())
/// # }
/// ```
#[must_use = "no event is read until the stream is polled"]
pub struct HistoryEvents {
    pages: HistoryPages,
    current: VecDeque<proto::HistoryEvent>,
    position: ResumeToken,
}

impl HistoryEvents {
    pub(super) fn new(client: Client, ids: Ids) -> Self {
        let reader = Reader {
            client,
            ids,
            page_size: 0,
            wait_new_event: false,
            filter: EventFilter::AllEvents,
            skip_archival: false,
            options: CallOptions::default(),
        };
        let pages = HistoryPages { reader, paging: Paging::from_start() };
        Self { pages, current: VecDeque::new(), position: ResumeToken::default() }
    }

    /// How many events a page should have at most. The server decides if nothing is set.
    pub fn page_size(mut self, events: u32) -> Self {
        self.pages.reader.page_size = i32::try_from(events).unwrap_or(i32::MAX);
        self
    }

    /// Starts at the page of a token, as it stood in [`HistoryPage`](field@HistoryPage::next_page_token). An empty one
    /// is the first page.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let first = order.fetch_history_events().page_size(1).pages().next().await.unwrap()?;
    /// let mut rest = order.fetch_history_events().page_size(1).next_page_token(first.next_page_token);
    /// assert_eq!(rest.next().await.unwrap()?.event_id, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_page_token(mut self, token: impl Into<Bytes>) -> Self {
        self.position = ResumeToken::at_page(token.into());
        self.pages.paging = Paging::Before(self.position.page_token());
        self
    }

    /// Starts behind the event that a token came with. The options must be those of then.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// use evertide_client::ResumeToken;
    ///
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let mut events = order.fetch_history_events();
    /// events.next().await.unwrap()?;
    /// let stored = events.resume_token().to_bytes();
    ///
    /// let mut rest = order.fetch_history_events().resume(ResumeToken::from_bytes(&stored)?);
    /// assert_eq!(rest.next().await.unwrap()?.event_id, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(mut self, token: ResumeToken) -> Self {
        self.pages.paging = Paging::Before(token.page_token());
        self.position = token;
        self
    }

    /// Goes on waiting for new events until the run closes. Otherwise the stream ends with what is there.
    ///
    /// ```no_run
    /// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// let mut events = order.fetch_history_events().wait_new_event(true);
    /// while let Some(event) = events.next().await {
    ///     println!("{:?}", event?.event_type());
    /// }
    /// println!("{order} has closed");
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_new_event(mut self, wait: bool) -> Self {
        self.pages.reader.wait_new_event = wait;
        self
    }

    /// Which events to read. All of them if nothing is set.
    pub fn event_filter_type(mut self, filter: EventFilter) -> Self {
        self.pages.reader.filter = filter;
        self
    }

    /// Reads nothing from the archive.
    pub fn skip_archival(mut self, skip: bool) -> Self {
        self.pages.reader.skip_archival = skip;
        self
    }

    /// The history page by page.
    pub fn pages(self) -> HistoryPages {
        self.pages
    }

    /// The next event, or nothing after the last one.
    ///
    /// # Errors
    /// As [`WorkflowHandle::fetch_history_events`](crate::WorkflowHandle::fetch_history_events).
    pub async fn next(&mut self) -> Option<Result<HistoryEvent>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Where to go on behind the last event that was read.
    pub fn resume_token(&self) -> ResumeToken {
        self.position.clone()
    }

    fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.pages.reader.options
    }

    /// Bounds each page, with the long polls it takes.
    pub fn timeout(mut self, limit: std::time::Duration) -> Self {
        self.options_mut().timeout = Some(limit);
        self
    }

    /// Bounds each single request. The default is 30 s, and 70 s for requests that wait for something.
    pub fn rpc_timeout(mut self, limit: std::time::Duration) -> Self {
        self.options_mut().rpc_timeout = Some(limit);
        self
    }

    /// Adds metadata to each request, over the client's own. A key that ends in `-bin` carries any bytes, all others
    /// printable ASCII.
    pub fn rpc_metadata(mut self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        self.options_mut().add_metadata(key.as_ref(), value.as_ref());
        self
    }

    fn take_page(&mut self, page: HistoryPage) {
        // Only the page that the stream began with can have been read in part before.
        let skip = if page.token == self.position.page_token() { self.position.offset() } else { 0 };
        self.position = ResumeToken::new(page.token, skip, page.next_page_token);
        self.current = page.events.into();
        self.current.drain(..skip.min(self.current.len()));
    }
}

impl Stream for HistoryEvents {
    type Item = Result<HistoryEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.current.pop_front() {
                let last_of_page = self.current.is_empty();
                self.position.advance(last_of_page);
                return Poll::Ready(Some(Ok(HistoryEvent { event, resume_token: self.position.clone() })));
            }
            match ready!(Pin::new(&mut self.pages).poll_next(cx)) {
                Some(Ok(page)) => self.take_page(page),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for HistoryEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryEvents").field("pages", &self.pages).field("position", &self.position).finish()
    }
}

/// The pages of a history as a stream.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// let mut pages = order.fetch_history_events().page_size(1).pages();
/// while let Some(page) = pages.next().await {
///     assert!(page?.events.len() <= 1);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "no page is read until the stream is polled"]
pub struct HistoryPages {
    reader: Reader,
    paging: Paging<HistoryPage>,
}

impl HistoryPages {
    /// The next page, or nothing after the last one.
    ///
    /// # Errors
    /// As [`WorkflowHandle::fetch_history_events`](crate::WorkflowHandle::fetch_history_events).
    pub async fn next(&mut self) -> Option<Result<HistoryPage>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for HistoryPages {
    type Item = Result<HistoryPage>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { reader, paging } = &mut *self;
        paging.poll_page(cx, |token| {
            let reader = reader.clone();
            Box::pin(async move { reader.options.clone().run(reader.page(token)).await })
        })
    }
}

impl Page for HistoryPage {
    fn next_page_token(&self) -> &Bytes {
        &self.next_page_token
    }
}

/// The read of a whole history; it begins when it is awaited.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// use evertide_client::EventFilter;
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// order.terminate().await?;
/// let fetch = order.fetch_history().event_filter_type(EventFilter::CloseEvent).skip_archival(true);
/// let history = fetch.timeout(Duration::from_secs(60)).await?;
/// assert_eq!(history.events.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a history is read when this is awaited"]
pub struct FetchHistory {
    events: HistoryEvents,
    options: CallOptions,
}

call_options!(FetchHistory);
into_future!(FetchHistory => WorkflowHistory);

impl FetchHistory {
    pub(super) fn new(events: HistoryEvents) -> Self {
        Self { events, options: CallOptions::default() }
    }

    /// Which events to read. All of them if nothing is set.
    pub fn event_filter_type(mut self, filter: EventFilter) -> Self {
        self.events = self.events.event_filter_type(filter);
        self
    }

    /// Reads nothing from the archive.
    pub fn skip_archival(mut self, skip: bool) -> Self {
        self.events = self.events.skip_archival(skip);
        self
    }

    async fn run(mut self) -> Result<WorkflowHistory> {
        let workflow_id = self.events.pages.reader.ids.workflow_id.to_string();
        let whole = self.options.clone();
        // The time is for the whole read, and not for each page.
        *self.events.options_mut() = CallOptions { timeout: None, ..self.options };
        let mut pages = self.events.pages();
        whole
            .run(async move {
                let mut events = Vec::new();
                while let Some(page) = pages.next().await {
                    events.append(&mut page?.events);
                }
                Ok(WorkflowHistory { workflow_id, events })
            })
            .await
    }
}

/// A whole history of one run.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::WorkflowHistory;
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// let history = order.fetch_history().await?;
/// let stored = history.to_json()?;
/// assert_eq!(WorkflowHistory::from_json("order-7", &stored)?, history);
/// assert_eq!(history.run_id(), order.result_run_id());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WorkflowHistory {
    /// The id of the workflow.
    pub workflow_id: String,
    /// The events, in order.
    pub events: Vec<proto::HistoryEvent>,
}

impl WorkflowHistory {
    /// A history of these events.
    pub fn new(workflow_id: impl Into<String>, events: Vec<proto::HistoryEvent>) -> Self {
        Self { workflow_id: workflow_id.into(), events }
    }

    /// The run, as its first event tells. None without that event.
    pub fn run_id(&self) -> Option<&str> {
        match self.events.first()?.attributes.as_ref()? {
            Attributes::WorkflowExecutionStartedEventAttributes(started) => {
                Some(started.original_execution_run_id.as_str()).filter(|run_id| !run_id.is_empty())
            }
            _ => None,
        }
    }
}
