//! Updates: admitted (volatile), accepted (durable), completed (durable).

use crate::env::Env;
use crate::rejection::Rejection;
use crate::workflow::chain::ChainOutcome;
use crate::workflow::draft::{Decided, Draft};
use crate::workflow::state::Execution;
use evertide_proto::update::Outcome;
use evertide_proto::workflowservice as ws;

/// How far an update is.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateStatus {
    /// Update id.
    pub update_id: String,
    /// Run that has it.
    pub run_id: String,
    /// `UpdateWorkflowExecutionLifecycleStage` reached.
    pub stage: i32,
    /// Its outcome, once completed.
    pub outcome: Option<Outcome>,
    /// Stage that the caller waits for (`UpdateWorkflowExecutionLifecycleStage`); answer at once if it is reached.
    pub wait_stage: i32,
    /// Request id of the caller, for the link of the answer.
    pub request_id: String,
}

/// UpdateWorkflowExecution.
pub(super) fn update(_draft: &mut Draft<'_, '_>, _request: ws::UpdateWorkflowExecutionRequest) -> Decided {
    Err(Rejection::unimplemented("updates"))
}

/// PollWorkflowExecutionUpdate.
pub(super) fn poll(_draft: &mut Draft<'_, '_>, _request: &ws::PollWorkflowExecutionUpdateRequest) -> Decided {
    Err(Rejection::unimplemented("updates"))
}

/// ExecuteMultiOperation.
pub(super) fn update_with_start(
    _start: ws::StartWorkflowExecutionRequest,
    _update: ws::UpdateWorkflowExecutionRequest,
    _current: Option<&mut Execution>,
    _env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    Err(Rejection::unimplemented("updates"))
}

/// Messages of a worker's answer that no command has taken yet.
#[derive(Debug, Default)]
pub(super) struct Messages {
    waiting: Vec<evertide_proto::protocol::Message>,
}

impl Messages {
    /// All of an answer.
    pub(super) fn new(messages: Vec<evertide_proto::protocol::Message>) -> Self {
        Self { waiting: messages }
    }
}

/// Messages for the worker that starts a task; from now on it has those updates.
pub(super) fn messages_for_task(
    _draft: &mut Draft<'_, '_>,
    _started_event_id: i64,
) -> Vec<evertide_proto::protocol::Message> {
    Vec::new()
}

/// What is wrong with messages before anything is done.
pub(super) fn check_messages(_messages: &[evertide_proto::protocol::Message]) -> Result<(), Rejection> {
    Ok(())
}

/// Whether an answer to a speculative task leaves nothing behind, so that the task never happened.
pub(super) fn leaves_nothing(
    _draft: &Draft<'_, '_>,
    task: &crate::workflow::WorkflowTask,
    _request: &ws::RespondWorkflowTaskCompletedRequest,
) -> bool {
    let _ = task.speculative;
    false
}

/// Takes the rejections of an answer that leaves nothing behind.
pub(super) fn take_rejections(_draft: &mut Draft<'_, '_>, _messages: &[evertide_proto::protocol::Message]) {}

/// Rejects the updates that were sent with the task and that its answer does not mention.
pub(super) fn reject_unprocessed(_draft: &mut Draft<'_, '_>) {}

/// ProtocolMessage, a command: takes its message at this place.
pub(super) fn message_command(
    _draft: &mut Draft<'_, '_>,
    _command: evertide_proto::command::Command,
    _completion: &mut crate::workflow::command::Completion,
) -> Result<(), crate::workflow::command::BadCommand> {
    Err(crate::workflow::command::BadCommand::rpc(Rejection::unimplemented("updates")))
}

/// Takes the messages that no command has taken.
pub(super) fn take_messages(
    _draft: &mut Draft<'_, '_>,
    completion: &mut crate::workflow::command::Completion,
) -> Result<(), crate::workflow::command::BadCommand> {
    completion.messages.waiting.clear();
    Ok(())
}

/// The task that updates were sent with was not answered: they come again with the next one.
pub(super) fn on_task_lost(draft: &mut Draft<'_, '_>) {
    for update in &mut draft.exec.volatile.updates {
        update.sent = false;
    }
}

/// The worker's answer was wrong: the updates that were sent with it fail.
pub(super) fn on_bad_answer(_draft: &mut Draft<'_, '_>) {}

/// The run has closed: whoever waits for an update is told.
pub(super) fn on_close(_draft: &mut Draft<'_, '_>, _has_successor: bool) {}
