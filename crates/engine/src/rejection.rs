//! Refusals: what a caller is told when a request cannot be carried out.
//!
//! A [`Rejection`] is a value of the rules, not of the transport: the frontend turns it into a gRPC status, and
//! nobody else does. SDKs switch on the pair of code and detail type, so both are part of the rule. A rejected
//! request has changed nothing.

use evertide_proto::failure::Failure;
use std::borrow::Cow;

/// The gRPC code of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // The names are gRPC's own.
pub enum Code {
    Ok,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    Unimplemented,
    Internal,
    Unavailable,
}

/// The error detail that goes with a refusal (`temporal.api.errordetails.v1`).
#[derive(Debug, Clone, PartialEq)]
pub enum Detail {
    /// No detail.
    None,
    /// `NotFoundFailure`.
    NotFound,
    /// `NamespaceNotFoundFailure`.
    NamespaceNotFound {
        /// The name that was asked for.
        namespace: String,
    },
    /// `NamespaceInvalidStateFailure`.
    NamespaceInvalidState {
        /// Name of the namespace.
        namespace: String,
        /// Its `NamespaceState`.
        state: i32,
        /// States in which the call is allowed.
        allowed: Vec<i32>,
    },
    /// `NamespaceAlreadyExistsFailure`.
    NamespaceAlreadyExists,
    /// `WorkflowExecutionAlreadyStartedFailure`.
    AlreadyStarted {
        /// Request id that started the run in the way.
        start_request_id: String,
        /// The run in the way.
        run_id: String,
        /// First run of its chain.
        first_run_id: String,
    },
    /// `QueryFailedFailure`.
    QueryFailed(Option<Box<Failure>>),
    /// `WorkflowNotReadyFailure`.
    WorkflowNotReady,
    /// `ResourceExhaustedFailure`: cause and scope of the protocol's enums.
    ResourceExhausted {
        /// `ResourceExhaustedCause`.
        cause: i32,
        /// `ResourceExhaustedScope`.
        scope: i32,
    },
    /// `PermissionDeniedFailure`.
    PermissionDenied {
        /// Why.
        reason: String,
    },
    /// `ClientVersionNotSupportedFailure`.
    ClientVersionNotSupported {
        /// The client's version.
        client_version: String,
        /// Its name.
        client_name: String,
        /// The versions of it that would do, as a range.
        supported_versions: String,
    },
    /// `ServerVersionNotSupportedFailure`.
    ServerVersionNotSupported {
        /// The server's version.
        server_version: String,
        /// The versions that would do for the client, as a range.
        client_supported_server_versions: String,
    },
    /// `MultiOperationExecutionAborted` (of one operation of several).
    MultiOperationAborted,
    /// `MultiOperationExecutionFailure`: one status for each operation.
    MultiOperation(Vec<Rejection>),
}

/// A refusal of a request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// gRPC code.
    pub code: Code,
    /// Text for people; clients compare some of them.
    pub message: Cow<'static, str>,
    /// Detail for programs.
    pub detail: Detail,
}

/// `RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT`.
const CAUSE_CONCURRENT_LIMIT: i32 = 2;
/// `RESOURCE_EXHAUSTED_CAUSE_SYSTEM_OVERLOADED`.
const CAUSE_SYSTEM_OVERLOADED: i32 = 3;
/// `RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW`.
const CAUSE_BUSY_WORKFLOW: i32 = 5;
/// `RESOURCE_EXHAUSTED_SCOPE_NAMESPACE`.
const SCOPE_NAMESPACE: i32 = 1;
/// `RESOURCE_EXHAUSTED_SCOPE_SYSTEM`.
const SCOPE_SYSTEM: i32 = 2;

impl Rejection {
    /// A refusal with any code and no detail.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), detail: Detail::None }
    }

    /// The request itself is wrong: repeating it cannot help.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// What the request names is not there (any more).
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Code::NotFound, message: message.into(), detail: Detail::NotFound }
    }

    /// The state of the system does not allow it now.
    pub fn precondition(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::FailedPrecondition, message)
    }

    /// The method or option is not there.
    pub fn unimplemented(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unimplemented, message)
    }

    /// A passing condition: the same call may succeed later.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// The workflow cannot answer yet (`WorkflowNotReadyFailure`).
    pub fn not_ready(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Code::FailedPrecondition, message: message.into(), detail: Detail::WorkflowNotReady }
    }

    /// The workflow is too busy or closing; clients retry.
    pub fn busy(message: impl Into<Cow<'static, str>>) -> Self {
        let detail = Detail::ResourceExhausted { cause: CAUSE_BUSY_WORKFLOW, scope: SCOPE_NAMESPACE };
        Self { code: Code::ResourceExhausted, message: message.into(), detail }
    }

    /// Too many of a kind at once.
    pub fn concurrent_limit(message: impl Into<Cow<'static, str>>) -> Self {
        let detail = Detail::ResourceExhausted { cause: CAUSE_CONCURRENT_LIMIT, scope: SCOPE_NAMESPACE };
        Self { code: Code::ResourceExhausted, message: message.into(), detail }
    }

    /// The server has too much of this kind to do; clients retry.
    pub fn overloaded(message: impl Into<Cow<'static, str>>) -> Self {
        let detail = Detail::ResourceExhausted { cause: CAUSE_SYSTEM_OVERLOADED, scope: SCOPE_SYSTEM };
        Self { code: Code::ResourceExhausted, message: message.into(), detail }
    }

    /// The namespace does not exist.
    #[must_use]
    pub fn namespace_not_found(namespace: &str) -> Self {
        Self {
            code: Code::NotFound,
            message: format!("Namespace {namespace} is not found.").into(),
            detail: Detail::NamespaceNotFound { namespace: namespace.to_owned() },
        }
    }

    /// No run of that workflow id.
    #[must_use]
    pub fn workflow_not_found(workflow_id: &str) -> Self {
        Self::not_found(format!("workflow not found for ID: {workflow_id}"))
    }

    /// That run is not there.
    #[must_use]
    pub fn run_not_found(workflow_id: &str, run_id: &str) -> Self {
        Self::not_found(format!(
            "workflow execution not found for workflow ID \"{workflow_id}\" and run ID \"{run_id}\""
        ))
    }

    /// The run has ended.
    #[must_use]
    pub fn already_completed() -> Self {
        Self::not_found("workflow execution already completed")
    }

    /// The guard by first run id does not hold.
    #[must_use]
    pub fn chain_mismatch() -> Self {
        Self::not_found("workflow execution not found")
    }

    /// A task token is good for nothing any more.
    #[must_use]
    pub fn stale_workflow_task() -> Self {
        Self::not_found("Workflow task not found.")
    }

    /// A task token cannot be read.
    #[must_use]
    pub fn bad_token() -> Self {
        Self::invalid("Error deserializing task token.")
    }
}
