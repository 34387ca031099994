//! The one error type of the crate.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evertide_proto::enums::WorkflowExecutionStatus;
use evertide_proto::google::rpc;
use evertide_proto::prost::{Message, Name};
use tonic::{Code, Status};

use crate::client::advice;
use crate::failure::{Failure, FailureKind};
use crate::payload::Details;

/// A result of this crate.
///
/// ```
/// use evertide_client::{Client, Result};
///
/// async fn approve(client: &Client, order: &str) -> Result<()> {
///     client.get_workflow_handle(order).signal("approve").await
/// }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Anything that can go wrong in a call: [`kind`](Error::kind) says what, [`source`](StdError::source) says why.
///
/// The chain of sources of a failed workflow leads through its [`Failure`]s down to the application's own error. A
/// clone is cheap and shares everything.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::proto::errordetails::NotFoundFailure;
/// use evertide_client::{Code, ErrorKind};
///
/// let error = client.get_workflow_handle("nobody").describe().await.unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::Rpc));
/// assert_eq!((error.code(), error.grpc_status().map(|status| status.code())), (Some(Code::NotFound), error.code()));
/// assert!(error.is_not_found() && !error.is_retryable());
/// assert!(error.detail::<NotFoundFailure>().is_some());
/// assert!(format!("{error:#}").starts_with("the server answered NotFound: "));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    source: Option<Source>,
}

enum Source {
    Status(Status),
    Other(Box<dyn StdError + Send + Sync>),
}

/// What went wrong.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::ErrorKind;
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// let error = client.start_workflow("Order").id("order-7").task_queue("orders").await.unwrap_err();
/// match error.kind() {
///     ErrorKind::WorkflowAlreadyStarted { run_id, .. } => assert_eq!(run_id.as_deref(), order.result_run_id()),
///     other => panic!("{other}"),
/// }
///
/// order.terminate().reason("twice").detail(&7).await?;
/// let error = order.result::<String>().await.unwrap_err();
/// match error.kind() {
///     ErrorKind::WorkflowFailed(failure) => assert_eq!(failure.message(), "twice"),
///     other => panic!("{other}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The workflow closed as failed, cancelled, terminated or timed out; the failure says which.
    WorkflowFailed(Failure),
    /// The workflow continued as a new run, and the call was told not to follow.
    WorkflowContinuedAsNew {
        /// The run that took over.
        new_run_id: String,
    },
    /// The query was not delivered, because of the reject condition and the workflow's status.
    QueryRejected {
        /// The status of the workflow, if the server named one.
        status: Option<WorkflowExecutionStatus>,
    },
    /// The query reached the workflow, and its handler failed, or there is no such handler.
    QueryFailed {
        /// What the handler said.
        message: String,
        /// The handler's failure, where the worker sent one.
        failure: Option<Failure>,
    },
    /// The update was refused by its validator, or its handler failed.
    UpdateFailed(Failure),
    /// The wait for an update ended by its deadline or by a cancellation; the update itself goes on.
    UpdateTimeoutOrCancelled,
    /// A workflow with this id is there already, and the policies of the start do not allow another.
    WorkflowAlreadyStarted {
        /// The id that is taken.
        workflow_id: String,
        /// The type that was asked for.
        workflow_type: String,
        /// The run that has the id, if the server named it.
        run_id: Option<String>,
        /// The first run of that run's chain, if the server named it.
        first_run_id: Option<String>,
    },
    /// The activity was cancelled, paused or reset while it reported a heartbeat.
    ActivityCancelled(ActivityCancellation),
    /// The server refused the call, did not answer in time, or could not be reached by the last try.
    ///
    /// [`Error::grpc_status`] has the code, the message and the details.
    Rpc,
    /// The time given by `.timeout(...)` passed; what was asked for may still happen.
    Timeout {
        /// The time that was given.
        limit: Duration,
    },
    /// The connection could not be made, or the server could not say who it is.
    Connect,
    /// The call was not made, because it asks for something that cannot be.
    InvalidArgument(String),
    /// A value could not be turned into a payload or a payload into a value, or the codec failed.
    Conversion(String),
    /// The server answered with something that the protocol does not allow.
    Protocol(String),
    /// The configuration of the environment could not be read.
    Configuration(String),
}

/// Why an activity should stop, as a heartbeat's answer tells.
///
/// ```no_run
/// # async fn run(activity: evertide_client::AsyncActivityHandle) -> evertide_client::Result<()> {
/// use evertide_client::ErrorKind;
///
/// if let Err(error) = activity.heartbeat().await
///     && let ErrorKind::ActivityCancelled(why) = error.kind()
///     && why.cancel_requested
/// {
///     activity.report_cancellation().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ActivityCancellation {
    /// Its cancellation was requested.
    pub cancel_requested: bool,
    /// It was paused.
    pub paused: bool,
    /// It was reset.
    pub reset: bool,
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The status that the server answered with. None if the error is not about a request.
    pub fn grpc_status(&self) -> Option<&Status> {
        match &self.0.source {
            Some(Source::Status(status)) => Some(status),
            Some(Source::Other(error)) => error.downcast_ref::<Error>().and_then(Error::grpc_status),
            None => None,
        }
    }

    /// The code of that status. None if there is no status.
    pub fn code(&self) -> Option<Code> {
        self.grpc_status().map(Status::code)
    }

    /// The first detail of the status that is of type `M`. None if there is no such detail, or no status.
    pub fn detail<M: Message + Name + Default>(&self) -> Option<M> {
        status_detail(self.grpc_status()?)
    }

    /// The failure that the workflow, the update or the query ended with. None for every other error.
    pub fn failure(&self) -> Option<&Failure> {
        match self.kind() {
            ErrorKind::WorkflowFailed(failure) | ErrorKind::UpdateFailed(failure) => Some(failure),
            ErrorKind::QueryFailed { failure, .. } => failure.as_ref(),
            _ => None,
        }
    }

    /// The details of the last failure in the chain, which is usually the application's own. None if it cannot have
    /// any.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// order.terminate().reason("stuck").detail(&7).await?;
    /// let error = order.result::<String>().await.unwrap_err();
    /// assert_eq!(error.failure().map(|failure| failure.message()), Some("stuck"));
    /// assert_eq!(error.details().unwrap().get::<u32>(0)?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn details(&self) -> Option<&Details> {
        self.failure()?.chain().last()?.details()
    }

    /// Whether the same call may succeed when it is made again later.
    ///
    /// The client has already retried what can be retried; this tells whether more patience makes sense.
    pub fn is_retryable(&self) -> bool {
        match self.kind() {
            ErrorKind::Rpc | ErrorKind::Connect => self.grpc_status().is_some_and(crate::retry::is_retryable),
            ErrorKind::Timeout { .. } | ErrorKind::UpdateTimeoutOrCancelled => true,
            _ => false,
        }
    }

    /// Whether what the call is about does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(Code::NotFound)
    }

    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Arc::new(Inner { kind, source: None }))
    }

    pub(crate) fn with_source(kind: ErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Arc::new(Inner { kind, source: Some(Source::Other(source.into())) }))
    }

    /// A connection that did not come about, with advice before the cause where there is some.
    pub(crate) fn connect(source: impl StdError + Send + Sync + 'static) -> Self {
        match advice(&source) {
            Some(advice) => Self::with_source(ErrorKind::Connect, Advised { advice, source: Box::new(source) }),
            None => Self::with_source(ErrorKind::Connect, source),
        }
    }

    pub(crate) fn rpc(status: Status) -> Self {
        Self::status(ErrorKind::Rpc, status)
    }

    pub(crate) fn status(kind: ErrorKind, status: Status) -> Self {
        Self(Arc::new(Inner { kind, source: Some(Source::Status(status)) }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument(message.into()))
    }

    pub(crate) fn conversion(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conversion(message.into()))
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol(message.into()))
    }

    /// The same cause under another kind.
    pub(crate) fn into_kind(self, kind: ErrorKind) -> Self {
        match self.grpc_status() {
            Some(status) => Self::status(kind, status.clone()),
            None => Self::with_source(kind, self),
        }
    }

    /// Whether the call ended by its deadline or by a cancellation, rather than by an answer.
    pub(crate) fn is_deadline_or_cancelled(&self) -> bool {
        matches!(self.kind(), ErrorKind::Rpc) && matches!(self.code(), Some(Code::DeadlineExceeded | Code::Cancelled))
    }
}

/// An error behind what to do about it.
#[derive(Debug)]
struct Advised {
    advice: String,
    source: Box<dyn StdError + Send + Sync>,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.advice)
    }
}

impl StdError for Advised {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

/// The first detail of type `M` in what `grpc-status-details-bin` carried.
pub(crate) fn status_detail<M: Message + Name + Default>(status: &Status) -> Option<M> {
    let status = rpc::Status::decode(status.details()).ok()?;
    status.details.iter().find_map(unpack)
}

/// The content of an `Any`, if it is an `M`.
pub(crate) fn unpack<M: Message + Name + Default>(any: &evertide_proto::prost_types::Any) -> Option<M> {
    let name = any.type_url.rsplit('/').next()?;
    if name != M::full_name() {
        return None;
    }
    M::decode(any.value.as_slice()).ok()
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        if let Some(failure) = self.failure() {
            return Some(failure);
        }
        match (self.0.source.as_ref()?, self.kind()) {
            // Their text is the status already.
            (Source::Status(status), ErrorKind::Rpc | ErrorKind::QueryFailed { .. }) => status.source(),
            (Source::Status(status), _) => Some(status),
            (Source::Other(error), _) => Some(error.as_ref()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind);
        if let Some(source) = StdError::source(self) {
            debug.field("source", &source);
        }
        debug.finish()
    }
}

/// `{}` tells what went wrong, and `{:#}` adds every cause behind it.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind(), self.grpc_status()) {
            (ErrorKind::Rpc, Some(status)) => {
                write!(f, "the server answered {:?}: {}", status.code(), status.message())?;
            }
            (kind, _) => kind.fmt(f)?,
        }
        let mut source = StdError::source(self).filter(|_| f.alternate());
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorkflowFailed(failure) => f.write_str(match failure.kind() {
                FailureKind::Cancelled { .. } => "the workflow was cancelled",
                FailureKind::Terminated { .. } => "the workflow was terminated",
                FailureKind::Timeout { .. } => "the workflow timed out",
                _ => "the workflow failed",
            }),
            Self::WorkflowContinuedAsNew { new_run_id } => {
                write!(f, "the workflow continued as run {new_run_id}; ask for that run, or let result() follow runs")
            }
            Self::QueryRejected { status: Some(status) } => {
                write!(f, "the query was rejected, because the workflow's status is {}", status.as_str_name())
            }
            Self::QueryRejected { status: None } => f.write_str("the query was rejected"),
            Self::QueryFailed { message, .. } => write!(f, "the query failed: {message}"),
            Self::UpdateFailed(_) => f.write_str("the update was refused or failed"),
            Self::UpdateTimeoutOrCancelled => f.write_str(
                "the wait for the update ended before its outcome; the update goes on, and its handle can wait again",
            ),
            Self::WorkflowAlreadyStarted { workflow_id, run_id, .. } => {
                write!(f, "workflow {workflow_id} is already started")?;
                if let Some(run_id) = run_id {
                    write!(f, " as run {run_id}")?;
                }
                f.write_str("; use another id, or an id policy that allows this start")
            }
            Self::ActivityCancelled(why) => {
                let reasons = [(why.cancel_requested, "cancelled"), (why.paused, "paused"), (why.reset, "reset")];
                let reasons: Vec<_> = reasons.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
                write!(f, "the activity should stop, it was {}", reasons.join(" and "))
            }
            Self::Rpc => f.write_str("the call failed"),
            Self::Timeout { limit } => write!(f, "no result within {limit:?}; what was asked for may still happen"),
            Self::Connect => f.write_str("could not connect to the server"),
            Self::InvalidArgument(message)
            | Self::Conversion(message)
            | Self::Protocol(message)
            | Self::Configuration(message) => f.write_str(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_and_may_cross_threads() {
        fn sendable<T: Send + Sync + Clone + 'static>() {}
        sendable::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn the_whole_chain_is_told_once_on_request() {
        let failure = Failure::from_proto(evertide_proto::failure::Failure {
            message: "outer".into(),
            cause: Some(Box::new(Failure::application("inner").with_type("Broken").into_proto())),
            ..Default::default()
        });
        let error = Error::new(ErrorKind::WorkflowFailed(failure));
        assert_eq!(error.to_string(), "the workflow failed");
        assert_eq!(format!("{error:#}"), "the workflow failed: outer: Broken: inner");
        let error = Error::rpc(Status::not_found("no such workflow"));
        assert_eq!(format!("{error:#}"), "the server answered NotFound: no such workflow");
    }

    #[test]
    fn a_status_stays_reachable_under_another_kind() {
        let error = Error::rpc(Status::deadline_exceeded("too late")).into_kind(ErrorKind::UpdateTimeoutOrCancelled);
        assert_eq!(error.code(), Some(Code::DeadlineExceeded));
        assert!(error.to_string().contains("goes on"));
        assert!(StdError::source(&error).is_some_and(|source| source.to_string().contains("too late")));
    }
}
