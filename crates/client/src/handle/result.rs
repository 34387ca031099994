//! `WorkflowHandle::result`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evertide_proto::common::{Payloads, WorkflowExecution};
use evertide_proto::enums::HistoryEventFilterType;
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes;
use evertide_proto::workflowservice::GetWorkflowExecutionHistoryRequest;

use super::{Ids, id, text};
use crate::call::{CallOptions, call_options};
use crate::client::Client;
use crate::codec::BoundCodec;
use crate::definition::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::failure::Failure;
use crate::payload::Details;

/// The first pause before a run is asked again whose history ended without its close. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The wait for a result; it begins when it is awaited.
///
/// ```no_run
/// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
/// use std::time::Duration;
///
/// use evertide_client::ErrorKind;
///
/// let alone = order.result::<String>().follow_runs(false).timeout(Duration::from_secs(3600)).await;
/// match alone {
///     Ok(receipt) => println!("{receipt}"),
///     Err(error) => match error.kind() {
///         ErrorKind::WorkflowContinuedAsNew { new_run_id } => println!("it goes on as {new_run_id}"),
///         ErrorKind::Timeout { limit } => println!("it takes longer than {limit:?}"),
///         _ => return Err(error),
///     },
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a result is waited for when this is awaited"]
pub struct WorkflowResult<T> {
    client: Client,
    ids: Ids,
    follow_runs: bool,
    options: CallOptions,
    read: Reader<T>,
}

call_options!(WorkflowResult<T>);

impl<T> WorkflowResult<T> {
    pub(crate) fn new(client: Client, ids: Ids, read: Reader<T>) -> Self {
        Self { client, ids, follow_runs: true, options: CallOptions::default(), read }
    }

    pub(crate) fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Whether to go on with the next run where the workflow continued as new, is retried or is a cron job. Yes by
    /// default.
    pub fn follow_runs(mut self, follow: bool) -> Self {
        self.follow_runs = follow;
        self
    }
}

impl<T> WorkflowResult<T> {
    pub(crate) async fn run(self) -> Result<T> {
        self.ids.check()?;
        let codec = self.ids.codec(&self.client);
        let wait = Wait { client: &self.client, ids: &self.ids, options: &self.options, codec: &codec };
        let payloads = self
            .options
            .run(async {
                if self.ids.skips_time {
                    return self.client.with_time_unlocked(wait.result(self.follow_runs)).await;
                }
                wait.result(self.follow_runs).await
            })
            .await?;
        let payloads = codec.decode(payloads).await?;
        (self.read)(&payloads, "the workflow's result")
    }
}

impl<T: Send + 'static> IntoFuture for WorkflowResult<T> {
    type Output = Result<T>;
    type IntoFuture = crate::call::CallFuture<T>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// How a run ended.
enum Closing {
    Completed(Option<Payloads>),
    Failed(Error),
    /// It handed over to another run, and would end like this by itself.
    Next(Arc<str>, Result<Option<Payloads>>),
}

struct Wait<'a> {
    client: &'a Client,
    ids: &'a Ids,
    options: &'a CallOptions,
    codec: &'a BoundCodec,
}

impl Wait<'_> {
    /// Walks from run to run until one closes without another to follow.
    async fn result(&self, follow_runs: bool) -> Result<Option<Payloads>> {
        let mut run_id = self.ids.result_run_id.clone();
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(event) = self.close_event(run_id.as_deref()).await? else {
                if run_id.is_none() {
                    return Err(Error::protocol("No completion event found in the history of the latest run"));
                }
                // The server ended the stream of an open run. It is asked again, though never in a tight loop.
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
                continue;
            };
            pause = FIRST_PAUSE;
            match self.closing(event).await? {
                Closing::Completed(payloads) => return Ok(payloads),
                Closing::Failed(error) => return Err(error),
                Closing::Next(next, _) if follow_runs => run_id = Some(next),
                Closing::Next(_, by_itself) => return by_itself,
            }
        }
    }

    /// Waits for the event that closes a run, through as many long polls as it takes.
    async fn close_event(&self, run_id: Option<&str>) -> Result<Option<HistoryEvent>> {
        let mut token = Bytes::new();
        loop {
            let request = GetWorkflowExecutionHistoryRequest {
                namespace: self.client.namespace().to_owned(),
                execution: Some(WorkflowExecution {
                    workflow_id: self.ids.workflow_id.to_string(),
                    run_id: text(run_id),
                }),
                next_page_token: token.clone(),
                wait_new_event: true,
                history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
                skip_archival: true,
                ..Default::default()
            };
            let page = match self.client.send(request, self.options, self.codec).await {
                Ok(page) => page,
                Err(error) if self.options.rearms(&error) => continue,
                Err(error) => return Err(error),
            };
            let events = super::history::events_of(page.history, page.raw_history)?;
            if let Some(event) = events.into_iter().next() {
                return Ok(Some(event));
            }
            if page.next_page_token.is_empty() {
                return Ok(None);
            }
            token = page.next_page_token;
        }
    }

    async fn closing(&self, event: HistoryEvent) -> Result<Closing> {
        let (next, by_itself) = match event.attributes {
            Some(Attributes::WorkflowExecutionCompletedEventAttributes(closed)) => {
                (closed.new_execution_run_id, Ok(closed.result))
            }
            Some(Attributes::WorkflowExecutionFailedEventAttributes(closed)) => {
                let failure = Failure::decode(closed.failure.unwrap_or_default(), self.codec).await?;
                (closed.new_execution_run_id, failed(failure))
            }
            Some(Attributes::WorkflowExecutionCanceledEventAttributes(closed)) => {
                let details = Details::new(self.codec.decode(closed.details).await?);
                (String::new(), failed(Failure::cancelled(details)))
            }
            Some(Attributes::WorkflowExecutionTerminatedEventAttributes(closed)) => {
                let details = Details::new(self.codec.decode(closed.details).await?);
                (String::new(), failed(Failure::terminated(closed.reason, details, closed.identity)))
            }
            Some(Attributes::WorkflowExecutionTimedOutEventAttributes(closed)) => {
                (closed.new_execution_run_id, failed(Failure::timed_out()))
            }
            Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(closed)) => {
                if closed.new_execution_run_id.is_empty() {
                    return Err(Error::protocol("the workflow continued as new, and its history does not say as what"));
                }
                let new_run_id = closed.new_execution_run_id.clone();
                let stopped = Err(Error::new(ErrorKind::WorkflowContinuedAsNew { new_run_id }));
                (closed.new_execution_run_id, stopped)
            }
            _ => {
                return Err(Error::protocol(format!(
                    "event {} of type {} does not close a workflow",
                    event.event_id, event.event_type
                )));
            }
        };
        Ok(match (id(&next), by_itself) {
            (Some(next), by_itself) => Closing::Next(next, by_itself),
            (None, Ok(payloads)) => Closing::Completed(payloads),
            (None, Err(error)) => Closing::Failed(error),
        })
    }
}

fn failed(failure: Failure) -> Result<Option<Payloads>> {
    Err(Error::new(ErrorKind::WorkflowFailed(failure)))
}
