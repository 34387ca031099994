//! The messages of a schedule, made from its state when they are sent.

use super::state::{EndOf, Start, State};
use crate::address::{Address, Kind};
use crate::message::{Delivery, EndWorkflow, Message, Sender, StartWorkflow, Watcher};
use crate::visibility::{SearchValue, payload};
use evertide_proto::common::{SearchAttributes, WorkflowExecution};
use evertide_proto::enums::{ScheduleOverlapPolicy, WorkflowIdReusePolicy};
use evertide_proto::schedule::schedule_action::Action;
use evertide_proto::workflowservice::StartWorkflowExecutionRequest;

/// Search attribute of a workflow: the nominal time that it was started for.
const SCHEDULED_START_TIME: &str = "TemporalScheduledStartTime";
/// Search attribute of a workflow: the schedule that started it.
const SCHEDULED_BY_ID: &str = "TemporalScheduledById";

/// The request id of a start: the same whenever its message is sent again.
pub(super) fn request_id(state: &State, message_id: i64) -> String {
    format!("{}:{message_id}", state.identity.run_id)
}

/// The message of that number with all that its target must know; none if it has been answered.
pub(super) fn delivery(state: &State, id: i64) -> Option<Delivery> {
    let (workflow_id, message) = match (state.progress.starts.get(&id), state.progress.endings.get(&id)) {
        (Some(start), _) => (&start.workflow_id, start_message(state, id, start)?),
        (None, Some(end)) => (&end.workflow_id, end_message(state, end)),
        (None, None) => return None,
    };
    let identity = &state.identity;
    let sender = WorkflowExecution { workflow_id: identity.schedule_id.clone(), run_id: identity.run_id.clone() };
    Some(Delivery {
        target: Address::workflow(identity.namespace_id.clone(), workflow_id.clone()),
        source: Sender {
            namespace_id: identity.namespace_id.clone(),
            namespace: identity.namespace.clone(),
            execution: sender,
        },
        message,
        child: None,
    })
}

fn start_message(state: &State, id: i64, start: &Start) -> Option<Message> {
    let Some(Action::StartWorkflow(workflow)) = state.definition.action.action.clone() else { return None };
    let overlaps = start.start.overlap_policy() == ScheduleOverlapPolicy::AllowAll || !start.tracked;
    let carried = if overlaps { None } else { Some(state.carried.clone()) };
    let carried = carried.unwrap_or_default();
    let reuse = match start.start.manual {
        true => WorkflowIdReusePolicy::AllowDuplicate,
        // An id with its nominal time is used once; one that is kept is used again and again.
        false if state.definition.policies.keep_original_workflow_id => WorkflowIdReusePolicy::AllowDuplicate,
        false => WorkflowIdReusePolicy::RejectDuplicate,
    };
    let request = StartWorkflowExecutionRequest {
        namespace: state.identity.namespace.clone(),
        workflow_id: start.workflow_id.clone(),
        workflow_type: workflow.workflow_type,
        task_queue: workflow.task_queue,
        input: workflow.input,
        workflow_execution_timeout: workflow.workflow_execution_timeout,
        workflow_run_timeout: workflow.workflow_run_timeout,
        workflow_task_timeout: workflow.workflow_task_timeout,
        identity: identity(state),
        request_id: request_id(state, id),
        workflow_id_reuse_policy: reuse.into(),
        retry_policy: workflow.retry_policy,
        memo: workflow.memo,
        search_attributes: Some(search_attributes(state, workflow.search_attributes, start.start.nominal_ns)),
        header: workflow.header,
        last_completion_result: carried.last_completion_result,
        continued_failure: carried.continued_failure,
        user_metadata: workflow.user_metadata,
        versioning_override: workflow.versioning_override,
        priority: workflow.priority,
        ..StartWorkflowExecutionRequest::default()
    };
    let watcher = start.tracked.then(|| Watcher {
        kind: Kind::Schedule.number().into(),
        namespace_id: state.identity.namespace_id.clone(),
        id: state.identity.schedule_id.clone(),
        request_id: request.request_id.clone(),
    });
    Some(Message::StartWorkflow(StartWorkflow { request: Some(request), watcher }))
}

/// Who asks in the name of a schedule.
fn identity(state: &State) -> String {
    format!("temporal-scheduler-{}-{}", state.identity.namespace, state.identity.schedule_id)
}

fn search_attributes(state: &State, given: Option<SearchAttributes>, nominal_ns: i64) -> SearchAttributes {
    let mut attributes = given.unwrap_or_default();
    let whole_ns = nominal_ns.div_euclid(1_000_000_000) * 1_000_000_000;
    let time = payload::encode(&SearchValue::Datetime(whole_ns));
    let id = payload::encode(&SearchValue::Keyword(state.identity.schedule_id.clone()));
    attributes.indexed_fields.insert(SCHEDULED_START_TIME.to_owned(), time);
    attributes.indexed_fields.insert(SCHEDULED_BY_ID.to_owned(), id);
    attributes
}

fn end_message(state: &State, end: &EndOf) -> Message {
    let reason = if end.terminate { "terminated" } else { "cancelled" };
    Message::EndWorkflow(EndWorkflow {
        terminate: end.terminate,
        first_run_id: end.first_run_id.clone(),
        reason: format!("{reason} by schedule overlap policy"),
        identity: identity(state),
    })
}
