//! Handles of activities that are completed from outside their worker.

use std::sync::Arc;

use bytes::Bytes;
use evertide_proto::common::Payloads;
use evertide_proto::workflowservice::{self as service};
use serde::Serialize;

use crate::call::{CallOptions, into_future};
use crate::client::Client;
use crate::codec::BoundCodec;
use crate::definition::AnyArgs;
use crate::error::{ActivityCancellation, Error, ErrorKind, Result};
use crate::failure::Failure;
use crate::input::Input;

impl Client {
    /// A handle of an activity by the task token that its worker got; nothing is sent.
    ///
    /// ```no_run
    /// # async fn run(client: evertide_client::Client, task_token: Vec<u8>) -> evertide_client::Result<()> {
    /// let activity = client.get_async_activity_handle_for_token(task_token);
    /// activity.complete("paid").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_async_activity_handle_for_token(&self, task_token: impl Into<Bytes>) -> AsyncActivityHandle {
        AsyncActivityHandle { client: self.clone(), target: Target::Token(task_token.into()) }
    }

    /// A handle of an activity by its id and its workflow; nothing is sent. The workflow's latest run is meant, unless
    /// [`AsyncActivityHandle::with_run_id`] names another.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let activity = client.get_async_activity_handle("order-7", "charge");
    /// assert!(activity.heartbeat().await.unwrap_err().is_not_found(), "there is no such workflow");
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_async_activity_handle(
        &self,
        workflow_id: impl Into<Arc<str>>,
        activity_id: impl Into<Arc<str>>,
    ) -> AsyncActivityHandle {
        let target = Target::Id { workflow_id: workflow_id.into(), run_id: "".into(), activity_id: activity_id.into() };
        AsyncActivityHandle { client: self.clone(), target }
    }
}

/// A handle of an activity whose function has returned, or runs elsewhere, and which someone else reports on.
///
/// ```no_run
/// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
/// use evertide_client::{ErrorKind, Failure};
///
/// let activity = client.get_async_activity_handle("order-7", "charge");
/// match activity.heartbeat().detail("dialling").await {
///     Ok(()) => activity.complete("paid").await?,
///     Err(error) if matches!(error.kind(), ErrorKind::ActivityCancelled(_)) => activity.report_cancellation().await?,
///     Err(error) => activity.fail(Failure::from_error(&error)).await?,
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AsyncActivityHandle {
    client: Client,
    target: Target,
}

/// How the activity is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Token(Bytes),
    Id { workflow_id: Arc<str>, run_id: Arc<str>, activity_id: Arc<str> },
}

impl Target {
    fn check(&self) -> Result<()> {
        match self {
            Self::Token(token) if token.is_empty() => Err(Error::invalid("the task token is empty")),
            // A standalone activity has no workflow, so that id may be empty.
            Self::Id { activity_id, .. } if activity_id.is_empty() => Err(Error::invalid("the activity id is empty")),
            _ => Ok(()),
        }
    }
}

impl AsyncActivityHandle {
    /// The same activity in a given run of its workflow. An empty id is the latest run. A handle by token stays as it
    /// is.
    ///
    /// ```no_run
    /// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let run_id = order.result_run_id().unwrap_or_default();
    /// let activity = client.get_async_activity_handle("order-7", "charge").with_run_id(run_id);
    /// activity.complete("paid").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_run_id(mut self, run: impl Into<Arc<str>>) -> Self {
        if let Target::Id { run_id, .. } = &mut self.target {
            *run_id = run.into();
        }
        self
    }

    /// Reports that the activity is alive.
    ///
    /// ```no_run
    /// # async fn run(activity: evertide_client::AsyncActivityHandle) -> evertide_client::Result<()> {
    /// activity.heartbeat().detail(&50).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::ActivityCancelled`] if it should stop.
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat(Report::new(self))
    }

    /// Completes the activity with a result.
    ///
    /// ```no_run
    /// # async fn run(activity: evertide_client::AsyncActivityHandle) -> evertide_client::Result<()> {
    /// activity.complete("paid").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`], with NOT_FOUND if the activity is not there any more.
    pub fn complete<T: Serialize + ?Sized>(&self, result: &T) -> CompleteActivity {
        let mut report = Report::new(self);
        report.values.push(result);
        CompleteActivity(report)
    }

    /// Fails the activity. [`Failure::from_error`] turns any error into a failure.
    ///
    /// ```no_run
    /// # async fn run(activity: evertide_client::AsyncActivityHandle) -> evertide_client::Result<()> {
    /// use evertide_client::Failure;
    ///
    /// activity.fail(Failure::application("no money").with_type("NoMoney").non_retryable()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`], with NOT_FOUND if the activity is not there any more.
    pub fn fail(&self, failure: Failure) -> FailActivity {
        FailActivity { report: Report::new(self), failure }
    }

    /// Reports that the activity followed a request to cancel it.
    ///
    /// ```no_run
    /// # async fn run(activity: evertide_client::AsyncActivityHandle) -> evertide_client::Result<()> {
    /// activity.report_cancellation().detail("half of it was refunded").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`], with NOT_FOUND if the activity is not there any more.
    pub fn report_cancellation(&self) -> ReportCancellation {
        ReportCancellation(Report::new(self))
    }
}

/// What all reports have in common.
#[derive(Debug)]
struct Report {
    client: Client,
    target: Target,
    values: Input,
    options: CallOptions,
}

impl Report {
    fn new(handle: &AsyncActivityHandle) -> Self {
        Self {
            client: handle.client.clone(),
            target: handle.target.clone(),
            values: Input::default(),
            options: CallOptions::default(),
        }
    }

    /// Splits into what is sent and how.
    fn start(self) -> Result<(Sender, Target, Option<Payloads>)> {
        self.target.check()?;
        let workflow_id = match &self.target {
            Target::Token(_) => None,
            Target::Id { workflow_id, .. } => Some(Arc::clone(workflow_id)),
        };
        let codec = self.client.codec_for(workflow_id);
        Ok((
            Sender { client: self.client, codec, options: self.options },
            self.target,
            self.values.finish::<AnyArgs>()?,
        ))
    }
}

struct Sender {
    client: Client,
    codec: BoundCodec,
    options: CallOptions,
}

impl Sender {
    async fn send<R: crate::interceptor::Intercepted>(&self, request: R) -> Result<R::Response> {
        self.options.run(self.client.send(request, &self.options, &self.codec)).await
    }

    fn namespace(&self) -> String {
        self.client.namespace().to_owned()
    }

    fn identity(&self) -> String {
        self.client.identity().to_owned()
    }
}

/// Sends one of two requests, by how the activity is known, with their common fields filled in.
macro_rules! send {
    ($sender:ident, $target:ident, $by_token:ident, $by_id:ident { $($field:ident: $value:expr),* $(,)? }) => {
        match $target {
            Target::Token(task_token) => {
                let request = service::$by_token {
                    task_token,
                    namespace: $sender.namespace(),
                    identity: $sender.identity(),
                    $($field: $value,)*
                    ..Default::default()
                };
                $sender.send(request).await.map(Answer::Token)
            }
            Target::Id { workflow_id, run_id, activity_id } => {
                let request = service::$by_id {
                    workflow_id: workflow_id.to_string(),
                    run_id: run_id.to_string(),
                    activity_id: activity_id.to_string(),
                    namespace: $sender.namespace(),
                    identity: $sender.identity(),
                    $($field: $value,)*
                    ..Default::default()
                };
                $sender.send(request).await.map(Answer::Id)
            }
        }
    };
}

/// The answer to one of two requests.
enum Answer<T, I> {
    Token(T),
    Id(I),
}

/// Gives the builder of a report the options that all calls have.
macro_rules! report_options {
    ($builder:ident, $($report:tt)+) => {
        impl $builder {
            /// Bounds the whole operation, with its retries.
            pub fn timeout(mut self, limit: std::time::Duration) -> Self {
                self.$($report)+.options.timeout = Some(limit);
                self
            }

            /// Bounds each single request. The default is 30 s.
            pub fn rpc_timeout(mut self, limit: std::time::Duration) -> Self {
                self.$($report)+.options.rpc_timeout = Some(limit);
                self
            }

            /// Adds metadata to each request, over the client's own. A key that ends in `-bin` carries any bytes, all
            /// others printable ASCII.
            pub fn rpc_metadata(mut self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
                self.$($report)+.options.add_metadata(key.as_ref(), value.as_ref());
                self
            }
        }
    };
}

/// A heartbeat; awaiting it sends it.
///
/// ```no_run
/// # async fn run(activity: evertide_client::AsyncActivityHandle) -> evertide_client::Result<()> {
/// use std::time::Duration;
///
/// let heartbeat = activity.heartbeat().detail(&50).detail("of 100 pages");
/// heartbeat.rpc_timeout(Duration::from_secs(5)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a heartbeat is sent when it is awaited"]
pub struct Heartbeat(Report);

report_options!(Heartbeat, 0);
into_future!(Heartbeat => ());

impl Heartbeat {
    /// Adds a detail, which the next attempt of the activity can read.
    pub fn detail<T: Serialize + ?Sized>(mut self, detail: &T) -> Self {
        self.0.values.push(detail);
        self
    }

    async fn run(self) -> Result<()> {
        let (sender, target, details) = self.0.start()?;
        let answer = send!(
            sender,
            target,
            RecordActivityTaskHeartbeatRequest,
            RecordActivityTaskHeartbeatByIdRequest { details: details }
        )?;
        let told = match answer {
            Answer::Token(answer) => ActivityCancellation {
                cancel_requested: answer.cancel_requested,
                paused: answer.activity_paused,
                reset: answer.activity_reset,
            },
            Answer::Id(answer) => ActivityCancellation {
                cancel_requested: answer.cancel_requested,
                paused: answer.activity_paused,
                reset: answer.activity_reset,
            },
        };
        match told == ActivityCancellation::default() {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::ActivityCancelled(told))),
        }
    }
}

/// The completion of an activity; awaiting it sends it.
///
/// ```no_run
/// # async fn run(activity: evertide_client::AsyncActivityHandle) -> evertide_client::Result<()> {
/// use std::time::Duration;
///
/// activity.complete("paid").timeout(Duration::from_secs(60)).rpc_metadata("x-team", "orders").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a completion is sent when it is awaited"]
pub struct CompleteActivity(Report);

report_options!(CompleteActivity, 0);
into_future!(CompleteActivity => ());

impl CompleteActivity {
    async fn run(self) -> Result<()> {
        let (sender, target, result) = self.0.start()?;
        send!(
            sender,
            target,
            RespondActivityTaskCompletedRequest,
            RespondActivityTaskCompletedByIdRequest { result: result }
        )
        .map(drop)
    }
}

/// The failure of an activity; awaiting it sends it.
///
/// ```no_run
/// # async fn run(activity: evertide_client::AsyncActivityHandle) -> evertide_client::Result<()> {
/// use std::time::Duration;
///
/// use evertide_client::Failure;
///
/// let failure = Failure::application("busy").with_next_retry_delay(Duration::from_secs(30));
/// activity.fail(failure).last_heartbeat_detail(&50).timeout(Duration::from_secs(60)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a failure is sent when it is awaited"]
pub struct FailActivity {
    report: Report,
    failure: Failure,
}

report_options!(FailActivity, report);
into_future!(FailActivity => ());

impl FailActivity {
    /// Adds a detail, as that of a last heartbeat.
    pub fn last_heartbeat_detail<T: Serialize + ?Sized>(mut self, detail: &T) -> Self {
        self.report.values.push(detail);
        self
    }

    async fn run(self) -> Result<()> {
        let failure = Some(self.failure.into_proto());
        let (sender, target, details) = self.report.start()?;
        send!(
            sender,
            target,
            RespondActivityTaskFailedRequest,
            RespondActivityTaskFailedByIdRequest { failure: failure, last_heartbeat_details: details }
        )
        .map(drop)
    }
}

/// The report of a cancellation; awaiting it sends it.
///
/// ```no_run
/// # async fn run(activity: evertide_client::AsyncActivityHandle) -> evertide_client::Result<()> {
/// use std::time::Duration;
///
/// activity.report_cancellation().detail(&50).timeout(Duration::from_secs(60)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a cancellation is reported when this is awaited"]
pub struct ReportCancellation(Report);

report_options!(ReportCancellation, 0);
into_future!(ReportCancellation => ());

impl ReportCancellation {
    /// Adds a detail.
    pub fn detail<T: Serialize + ?Sized>(mut self, detail: &T) -> Self {
        self.0.values.push(detail);
        self
    }

    async fn run(self) -> Result<()> {
        let (sender, target, details) = self.0.start()?;
        send!(
            sender,
            target,
            RespondActivityTaskCanceledRequest,
            RespondActivityTaskCanceledByIdRequest { details: details }
        )
        .map(drop)
    }
}
