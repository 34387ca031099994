//! Trouble of the server's own, as opposed to a [`Rejection`] of what the caller asked for.

use evertide_engine::Rejection;
use evertide_store::StoreError;

/// The server could not do what it should have done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The store cannot be written or read now. Whether the request took effect is unknown; a repeat is safe.
    #[error("the store is not available, please retry: {0}")]
    Unavailable(String),
    /// A mistake in the server. The execution was reloaded, others are not affected.
    #[error("internal error, please retry: {0}")]
    Internal(String),
    /// The execution changed while the request was prepared from an older state of it.
    #[error("the workflow execution has changed meanwhile, please retry")]
    Moved,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// The rules refuse it.
    #[error("{0}")]
    Rejected(#[from] Rejection),
    /// The server failed.
    #[error("{0}")]
    Fault(#[from] Fault),
}

/// What a failure of the store means for whoever waits.
pub(crate) fn store_fault(error: StoreError) -> Fault {
    match error {
        // What another server holds or has changed is for the caller to try again, which then finds it so.
        StoreError::Unavailable { .. }
        | StoreError::Unknown { .. }
        | StoreError::Fenced { .. }
        | StoreError::Conflict { .. } => Fault::Unavailable(error.to_string()),
        _ => {
            tracing::error!(%error, "the store failed");
            Fault::Internal(error.to_string())
        }
    }
}
