//! Failures of workflows, activities, children and Nexus operations, as a chain of causes.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use evertide_proto::enums::{ApplicationErrorCategory, NexusHandlerErrorRetryBehavior, RetryState, TimeoutType};
use evertide_proto::failure as proto;
use evertide_proto::failure::failure::FailureInfo as Info;
use serde::Serialize;

use crate::codec::BoundCodec;
use crate::error::Result;
use crate::payload::{self, Details};

/// One link in the chain of a failure. [`source`](StdError::source) is its cause.
///
/// A failed workflow that ran an activity usually ends with an application failure, whose cause is the activity's
/// failure, whose cause is the application failure that the activity raised. [`chain`](Failure::chain) walks them.
///
/// ```
/// use evertide_client::{Failure, FailureKind};
///
/// let failure = Failure::application("no money").with_type("NoMoney").with_detail(&7)?.non_retryable();
/// assert!(matches!(failure.kind(), FailureKind::Application { non_retryable: true, .. }));
/// assert_eq!((failure.message(), failure.type_name()), ("no money", Some("NoMoney")));
/// assert_eq!(failure.details().unwrap().get::<u32>(0)?, 7);
/// assert_eq!(failure.to_string(), "NoMoney: no money");
/// assert!(failure.cause().is_none() && !failure.is_cancelled());
/// # Ok::<(), evertide_client::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Failure(Box<Link>);

#[derive(Debug, Clone)]
struct Link {
    kind: FailureKind,
    cause: Option<Failure>,
    proto: proto::Failure,
}

/// What kind of failure it is, with what is known about it.
///
/// ```
/// use std::time::Duration;
///
/// use evertide_client::{Failure, FailureKind};
///
/// let failure = Failure::application("busy").with_next_retry_delay(Duration::from_secs(5));
/// match failure.kind() {
///     FailureKind::Application { non_retryable, next_retry_delay, .. } => {
///         assert_eq!((*non_retryable, *next_retry_delay), (false, Some(Duration::from_secs(5))));
///     }
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FailureKind {
    /// Raised by the application's code in a workflow or an activity.
    Application {
        /// The type that the application gave it; retry policies name these types.
        type_name: String,
        /// What the application added.
        details: Details,
        /// Whether it forbids retries.
        non_retryable: bool,
        /// The delay before the next try, where the application asked for one.
        next_retry_delay: Option<Duration>,
        /// How loudly it should be reported.
        category: ApplicationErrorCategory,
    },
    /// A timeout of a workflow, an activity or a child.
    Timeout {
        /// Which of the timeouts passed.
        timeout_type: TimeoutType,
        /// The details of the activity's last heartbeat.
        last_heartbeat_details: Details,
    },
    /// A cancellation that was acted upon.
    Cancelled {
        /// What was added when it was reported.
        details: Details,
    },
    /// A termination from outside.
    Terminated {
        /// What the caller added.
        details: Details,
        /// Who terminated it.
        identity: String,
    },
    /// A failure of the server.
    Server {
        /// Whether it forbids retries.
        non_retryable: bool,
    },
    /// The workflow was reset while the activity ran.
    ResetWorkflow {
        /// The details of the activity's last heartbeat.
        last_heartbeat_details: Details,
    },
    /// An activity failed; the cause says how.
    Activity {
        /// The event that scheduled it.
        scheduled_event_id: i64,
        /// The event that started it.
        started_event_id: i64,
        /// The worker that ran it.
        identity: String,
        /// Its type.
        activity_type: String,
        /// Its id.
        activity_id: String,
        /// Why it was not tried again.
        retry_state: RetryState,
    },
    /// A child workflow failed; the cause says how.
    ChildWorkflow {
        /// The child's namespace.
        namespace: String,
        /// The child's id.
        workflow_id: String,
        /// The child's run.
        run_id: String,
        /// The child's type.
        workflow_type: String,
        /// The event that asked for it.
        initiated_event_id: i64,
        /// The event that reported its start.
        started_event_id: i64,
        /// Why it was not tried again.
        retry_state: RetryState,
    },
    /// A Nexus operation failed; the cause says how.
    NexusOperation {
        /// The event that scheduled it.
        scheduled_event_id: i64,
        /// The endpoint it was sent to.
        endpoint: String,
        /// The service at that endpoint.
        service: String,
        /// The operation of that service.
        operation: String,
        /// The token of an operation that had started.
        operation_token: String,
    },
    /// A Nexus handler answered with an error.
    NexusHandler {
        /// The type of the error, as the Nexus protocol names it.
        type_name: String,
        /// Whether the handler wants to be called again.
        retry_behavior: NexusHandlerErrorRetryBehavior,
    },
    /// The server says nothing about the kind.
    Unspecified,
}

impl Failure {
    /// An application failure, to be reported for an activity.
    pub fn application(message: impl Into<String>) -> Self {
        let info = proto::ApplicationFailureInfo::default();
        Self::from_proto(proto::Failure {
            message: message.into(),
            failure_info: Some(Info::ApplicationFailureInfo(info)),
            ..Default::default()
        })
    }

    /// An application failure made of an error with all its sources, each the cause of the one before.
    ///
    /// ```
    /// use evertide_client::Failure;
    ///
    /// let error = "seven".parse::<u32>().unwrap_err();
    /// let failure = Failure::from_error(&error).with_type("ParseIntError");
    /// assert_eq!(failure.message(), "invalid digit found in string");
    /// ```
    pub fn from_error(error: &(dyn StdError + 'static)) -> Self {
        if let Some(failure) = error.downcast_ref::<Self>() {
            return failure.clone();
        }
        let mut failure = Self::application(error.to_string());
        if let Some(source) = error.source() {
            let cause = Self::from_error(source);
            failure.0.proto.cause = Some(Box::new(cause.0.proto.clone()));
            failure.0.cause = Some(cause);
        }
        failure
    }

    /// Sets the type that retry policies know the failure by. A failure that is not the application's stays as it is.
    pub fn with_type(self, type_name: impl Into<String>) -> Self {
        self.change(|info| info.r#type = type_name.into())
    }

    /// Forbids retries. A failure that is not the application's stays as it is.
    pub fn non_retryable(self) -> Self {
        self.change(|info| info.non_retryable = true)
    }

    /// Sets the delay before the next try. A failure that is not the application's stays as it is.
    pub fn with_next_retry_delay(self, delay: Duration) -> Self {
        self.change(|info| info.next_retry_delay = prost_duration(delay))
    }

    /// Adds a detail. A failure that is not the application's stays as it is.
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if the value cannot be sent.
    pub fn with_detail<T: Serialize + ?Sized>(self, detail: &T) -> Result<Self> {
        let detail = payload::to_payload(detail)?;
        Ok(self.change(|info| info.details.get_or_insert_default().payloads.push(detail)))
    }

    /// Changes what only an application failure has; another failure stays as it is.
    fn change(self, change: impl FnOnce(&mut proto::ApplicationFailureInfo)) -> Self {
        let mut proto = self.0.proto;
        if let Some(Info::ApplicationFailureInfo(info)) = &mut proto.failure_info {
            change(info);
        }
        Self::from_proto(proto)
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> &FailureKind {
        &self.0.kind
    }

    /// What it says, without its causes.
    pub fn message(&self) -> &str {
        &self.0.proto.message
    }

    /// The stack trace of the SDK that raised it; empty if there is none.
    pub fn stack_trace(&self) -> &str {
        &self.0.proto.stack_trace
    }

    /// The name of the SDK that raised it, as `PythonSDK`; empty if the server did.
    pub fn origin(&self) -> &str {
        &self.0.proto.source
    }

    /// What caused it. None for the last failure of the chain.
    pub fn cause(&self) -> Option<&Self> {
        self.0.cause.as_ref()
    }

    /// This failure and its causes, outermost first.
    ///
    /// ```no_run
    /// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// if let Err(error) = order.result::<String>().await {
    ///     for failure in error.failure().iter().flat_map(|failure| failure.chain()) {
    ///         eprintln!("{failure}");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |failure| Self::cause(failure))
    }

    /// The application failure nearest to the end of the chain. None if the application raised nothing.
    ///
    /// ```no_run
    /// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
    /// if let Err(error) = order.result::<String>().await {
    ///     let cause = error.failure().and_then(|failure| failure.application_cause());
    ///     let type_name = cause.and_then(|cause| cause.type_name());
    ///     assert_eq!(type_name, Some("NoMoney"), "the activity that charges raised it");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn application_cause(&self) -> Option<&Self> {
        self.chain().filter(|failure| matches!(failure.kind(), FailureKind::Application { .. })).last()
    }

    /// The type that the application gave it, or the Nexus handler. None for every other kind.
    pub fn type_name(&self) -> Option<&str> {
        match self.kind() {
            FailureKind::Application { type_name, .. } | FailureKind::NexusHandler { type_name, .. } => Some(type_name),
            _ => None,
        }
    }

    /// What was added to it. None for kinds that have no details.
    pub fn details(&self) -> Option<&Details> {
        match self.kind() {
            FailureKind::Application { details, .. }
            | FailureKind::Cancelled { details }
            | FailureKind::Terminated { details, .. } => Some(details),
            FailureKind::Timeout { last_heartbeat_details, .. }
            | FailureKind::ResetWorkflow { last_heartbeat_details } => Some(last_heartbeat_details),
            _ => None,
        }
    }

    /// Why what failed was not tried again. None for all but activities and children.
    pub fn retry_state(&self) -> Option<RetryState> {
        match self.kind() {
            FailureKind::Activity { retry_state, .. } | FailureKind::ChildWorkflow { retry_state, .. } => {
                Some(*retry_state)
            }
            _ => None,
        }
    }

    /// Whether it reports a cancellation, be it of the workflow itself or of what it waited for.
    pub fn is_cancelled(&self) -> bool {
        self.chain().any(|failure| matches!(failure.kind(), FailureKind::Cancelled { .. }))
    }

    /// The message of the API, after the codec.
    pub fn as_proto(&self) -> &proto::Failure {
        &self.0.proto
    }

    /// The message of the API.
    pub fn into_proto(self) -> proto::Failure {
        self.0.proto
    }

    /// A failure as the API describes it. Encoded attributes are restored if they are plain JSON.
    ///
    /// ```
    /// use evertide_client::Failure;
    /// use evertide_client::proto::enums::RetryState;
    /// use evertide_client::proto::failure::{self as proto, ActivityFailureInfo, failure::FailureInfo};
    ///
    /// let info = ActivityFailureInfo { retry_state: RetryState::MaximumAttemptsReached.into(), ..Default::default() };
    /// let failure = Failure::from_proto(proto::Failure {
    ///     message: "the activity failed".to_owned(),
    ///     source: "PythonSDK".to_owned(),
    ///     cause: Some(Box::new(Failure::application("no money").into_proto())),
    ///     failure_info: Some(FailureInfo::ActivityFailureInfo(info)),
    ///     ..Default::default()
    /// });
    /// assert_eq!(failure.retry_state(), Some(RetryState::MaximumAttemptsReached));
    /// assert_eq!((failure.origin(), failure.stack_trace()), ("PythonSDK", ""));
    /// assert_eq!(failure.application_cause().unwrap().message(), "no money");
    /// assert_eq!(failure.as_proto().message, failure.message());
    /// ```
    pub fn from_proto(proto: proto::Failure) -> Self {
        // Causes are converted from the innermost outwards, so that a chain of any length needs no deep stack.
        let mut links = Vec::new();
        let mut next = Some(Box::new(proto));
        while let Some(mut failure) = next {
            next = failure.cause.take();
            links.push(*failure);
        }
        let mut cause: Option<Self> = None;
        for mut proto in links.into_iter().rev() {
            restore_attributes(&mut proto);
            proto.cause = cause.as_ref().map(|cause| Box::new(cause.0.proto.clone()));
            cause = Some(Self(Box::new(Link { kind: kind_of(&proto), cause, proto })));
        }
        cause.unwrap_or_else(|| Self::application("an empty failure"))
    }

    /// As [`from_proto`](Self::from_proto), through the codec.
    pub(crate) async fn decode(mut proto: proto::Failure, codec: &BoundCodec) -> Result<Self> {
        codec.decode_failure(&mut proto).await?;
        Ok(Self::from_proto(proto))
    }

    pub(crate) fn cancelled(details: Details) -> Self {
        let info = proto::CanceledFailureInfo { details: Some(details_proto(&details)), ..Default::default() };
        Self::from_proto(proto::Failure {
            message: "Workflow cancelled".into(),
            failure_info: Some(Info::CanceledFailureInfo(info)),
            ..Default::default()
        })
    }

    pub(crate) fn terminated(reason: String, details: Details, identity: String) -> Self {
        let message = if reason.is_empty() { "Workflow terminated".to_owned() } else { reason };
        let info = proto::TerminatedFailureInfo { identity };
        let mut failure = Self::from_proto(proto::Failure {
            message,
            failure_info: Some(Info::TerminatedFailureInfo(info)),
            ..Default::default()
        });
        if let FailureKind::Terminated { details: own, .. } = &mut failure.0.kind {
            *own = details;
        }
        failure
    }

    pub(crate) fn timed_out() -> Self {
        let info =
            proto::TimeoutFailureInfo { timeout_type: TimeoutType::StartToClose.into(), last_heartbeat_details: None };
        Self::from_proto(proto::Failure {
            message: "Workflow timed out".into(),
            failure_info: Some(Info::TimeoutFailureInfo(info)),
            ..Default::default()
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            FailureKind::Application { type_name, .. } if !type_name.is_empty() => write!(f, "{type_name}: ")?,
            FailureKind::Activity { activity_type, .. } => write!(f, "activity {activity_type}: ")?,
            FailureKind::ChildWorkflow { workflow_type, workflow_id, .. } => {
                write!(f, "child workflow {workflow_type} ({workflow_id}): ")?;
            }
            FailureKind::NexusOperation { service, operation, .. } => {
                write!(f, "Nexus operation {service}/{operation}: ")?;
            }
            _ => {}
        }
        f.write_str(self.message())
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause().map(|cause| cause as _)
    }
}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        self.0.proto == other.0.proto
    }
}

fn kind_of(failure: &proto::Failure) -> FailureKind {
    match failure.failure_info.clone() {
        Some(Info::ApplicationFailureInfo(info)) => FailureKind::Application {
            category: info.category(),
            type_name: info.r#type,
            details: Details::from_proto(info.details),
            non_retryable: info.non_retryable,
            next_retry_delay: info.next_retry_delay.and_then(|delay| delay.try_into().ok()),
        },
        Some(Info::TimeoutFailureInfo(info)) => FailureKind::Timeout {
            timeout_type: info.timeout_type(),
            last_heartbeat_details: Details::from_proto(info.last_heartbeat_details),
        },
        Some(Info::CanceledFailureInfo(info)) => FailureKind::Cancelled { details: Details::from_proto(info.details) },
        Some(Info::TerminatedFailureInfo(info)) => {
            FailureKind::Terminated { details: Details::default(), identity: info.identity }
        }
        Some(Info::ServerFailureInfo(info)) => FailureKind::Server { non_retryable: info.non_retryable },
        Some(Info::ResetWorkflowFailureInfo(info)) => {
            FailureKind::ResetWorkflow { last_heartbeat_details: Details::from_proto(info.last_heartbeat_details) }
        }
        Some(Info::ActivityFailureInfo(info)) => FailureKind::Activity {
            retry_state: info.retry_state(),
            scheduled_event_id: info.scheduled_event_id,
            started_event_id: info.started_event_id,
            identity: info.identity,
            activity_type: info.activity_type.unwrap_or_default().name,
            activity_id: info.activity_id,
        },
        Some(Info::ChildWorkflowExecutionFailureInfo(info)) => child_workflow(info),
        Some(Info::NexusOperationExecutionFailureInfo(info)) => FailureKind::NexusOperation {
            scheduled_event_id: info.scheduled_event_id,
            endpoint: info.endpoint,
            service: info.service,
            operation: info.operation,
            operation_token: info.operation_token,
        },
        Some(Info::NexusHandlerFailureInfo(info)) => {
            FailureKind::NexusHandler { retry_behavior: info.retry_behavior(), type_name: info.r#type }
        }
        None => FailureKind::Unspecified,
    }
}

fn child_workflow(info: proto::ChildWorkflowExecutionFailureInfo) -> FailureKind {
    let retry_state = info.retry_state();
    let execution = info.workflow_execution.unwrap_or_default();
    FailureKind::ChildWorkflow {
        namespace: info.namespace,
        workflow_id: execution.workflow_id,
        run_id: execution.run_id,
        workflow_type: info.workflow_type.unwrap_or_default().name,
        initiated_event_id: info.initiated_event_id,
        started_event_id: info.started_event_id,
        retry_state,
    }
}

/// Message and stack trace may have been moved into a payload, to be encrypted with the rest.
fn restore_attributes(failure: &mut proto::Failure) {
    #[derive(serde::Deserialize)]
    struct Attributes {
        message: Option<String>,
        stack_trace: Option<String>,
    }
    let Some(payload) = &failure.encoded_attributes else {
        return;
    };
    let Ok(attributes) = payload::from_payload::<Attributes>(payload) else {
        return;
    };
    failure.message = attributes.message.unwrap_or_default();
    failure.stack_trace = attributes.stack_trace.unwrap_or_default();
}

fn details_proto(details: &Details) -> evertide_proto::common::Payloads {
    evertide_proto::common::Payloads { payloads: details.payloads().to_vec() }
}

/// A duration as the API has it.
pub(crate) fn prost_duration(duration: Duration) -> Option<evertide_proto::prost_types::Duration> {
    // What is too long for the API to say is as good as the longest it can.
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let nanos = i32::try_from(duration.subsec_nanos()).unwrap_or_default();
    Some(evertide_proto::prost_types::Duration { seconds, nanos })
}

/// A query's failure from its status, where the worker sent one.
pub(crate) fn query_failure(status: &tonic::Status) -> Option<proto::Failure> {
    crate::error::status_detail::<evertide_proto::errordetails::QueryFailedFailure>(status)?.failure
}
