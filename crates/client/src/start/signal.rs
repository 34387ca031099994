//! The signal of a start.

use evertide_proto::workflowservice::{SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest};

use crate::definition::AnyArgs;
use crate::error::{Error, Result};
use crate::input::Input;

#[derive(Debug, Default)]
pub(super) struct StartSignal {
    pub(super) name: String,
    pub(super) input: Input,
}

impl StartSignal {
    /// The start as a signal with start.
    pub(super) fn into_request(
        self,
        start: StartWorkflowExecutionRequest,
    ) -> Result<SignalWithStartWorkflowExecutionRequest> {
        if self.name.is_empty() {
            return Err(Error::invalid("the signal of the start has no name; give it with start_signal"));
        }
        Ok(SignalWithStartWorkflowExecutionRequest {
            namespace: start.namespace,
            workflow_id: start.workflow_id,
            workflow_type: start.workflow_type,
            task_queue: start.task_queue,
            input: start.input,
            workflow_execution_timeout: start.workflow_execution_timeout,
            workflow_run_timeout: start.workflow_run_timeout,
            workflow_task_timeout: start.workflow_task_timeout,
            identity: start.identity,
            request_id: start.request_id,
            workflow_id_reuse_policy: start.workflow_id_reuse_policy,
            workflow_id_conflict_policy: start.workflow_id_conflict_policy,
            signal_name: self.name,
            signal_input: self.input.finish::<AnyArgs>()?,
            retry_policy: start.retry_policy,
            cron_schedule: start.cron_schedule,
            memo: start.memo,
            search_attributes: start.search_attributes,
            header: start.header,
            workflow_start_delay: start.workflow_start_delay,
            user_metadata: start.user_metadata,
            links: start.links,
            versioning_override: start.versioning_override,
            priority: start.priority,
            time_skipping_config: start.time_skipping_config,
            ..Default::default()
        })
    }
}
