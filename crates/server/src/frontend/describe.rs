//! DescribeWorkflowExecution.

use crate::frontend::{Call, Frontend, Outcome, unexpected, validate};
use evertide_engine::reply::Reply;
use evertide_engine::workflow::Request;
use evertide_proto::workflowservice::{DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse};

impl Frontend {
    /// DescribeWorkflowExecution.
    pub(super) async fn describe_workflow_execution(
        &self,
        _call: &Call,
        request: DescribeWorkflowExecutionRequest,
    ) -> Outcome<DescribeWorkflowExecutionResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let run = self.run_ref(&namespace, validate::execution(request.execution.as_ref())?);
        match self.node.run(run, Request::Describe).await?.reply {
            Reply::Described(description) => Ok(*description),
            other => Err(unexpected("a description", &other)),
        }
    }
}
