//! What is wrong with a worker's command.

use crate::limits::Limits;
use crate::rejection::Rejection;
use evertide_proto::enums::WorkflowTaskFailedCause as Cause;
use prost::Message;

/// What is wrong with a command, and what comes of it.
#[derive(Debug)]
pub(super) enum BadCommand {
    /// The workflow task fails with this cause.
    Task(Cause, String),
    /// The workflow task fails with this cause, and the workflow is terminated: trying again cannot help.
    Workflow(Cause, String),
    /// Only the call is refused; the task can be answered again.
    Call(Rejection),
}

impl BadCommand {
    /// The workflow task fails.
    pub(super) fn task(cause: Cause, message: impl Into<String>) -> Self {
        Self::Task(cause, message.into())
    }

    /// The workflow task fails and the workflow is terminated.
    pub(super) fn terminate(cause: Cause, message: impl Into<String>) -> Self {
        Self::Workflow(cause, message.into())
    }

    /// The call is refused.
    pub(super) fn rpc(rejection: Rejection) -> Self {
        Self::Call(rejection)
    }
}

/// A payload in a closing command has a greatest size; over it the workflow is terminated.
pub(super) fn check_size<M: Message>(
    limits: &Limits,
    message: Option<&M>,
    cause: Cause,
    text: impl FnOnce() -> String,
) -> Result<(), BadCommand> {
    if message.map_or(0, Message::encoded_len) > limits.blob_size_bytes {
        return Err(BadCommand::terminate(cause, text()));
    }
    Ok(())
}
