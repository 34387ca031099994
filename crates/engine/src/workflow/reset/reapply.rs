//! What came from outside after the reset point and is written again in the new run.
//!
//! Signals and updates are, unless the caller excludes them; changed options always; cancel requests and terminations
//! never. Answers of children and other workflows are, if what they answer was asked for before the point. Runs that
//! the chain continued into count as well, but what they asked for is no business of the new run.

use crate::workflow::change::is_end_of_started_work;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::reset::base::ResetBase;
use crate::workflow::state::Execution;
use crate::workflow::{child_workflow, nexus_operation};
use evertide_proto::enums::{
    ResetReapplyExcludeType as Exclude, ResetReapplyType, UpdateAdmittedEventOrigin as Origin,
};
use evertide_proto::history::history_event::Attributes as A;
use evertide_proto::history::{
    HistoryEvent, NexusOperationScheduledEventAttributes, WorkflowExecutionUpdateAdmittedEventAttributes,
};
use evertide_proto::update;
use evertide_proto::workflowservice::ResetWorkflowExecutionRequest;
use std::collections::BTreeMap;

type Operations = BTreeMap<i64, NexusOperationScheduledEventAttributes>;

/// What the caller does not want to be written again.
#[derive(Debug, Clone, Copy)]
struct Excluded {
    signals: bool,
    updates: bool,
    operations: bool,
    everything: bool,
}

impl Excluded {
    fn of(request: &ResetWorkflowExecutionRequest) -> Self {
        let only = request.reset_reapply_type();
        let listed: Vec<_> = request.reset_reapply_exclude_types().collect();
        let signals = listed.contains(&Exclude::Signal) || only == ResetReapplyType::None;
        let updates =
            listed.contains(&Exclude::Update) || matches!(only, ResetReapplyType::None | ResetReapplyType::Signal);
        let operations = listed.contains(&Exclude::Nexus);
        let everything = signals && updates && operations && listed.contains(&Exclude::CancelRequest);
        Self { signals, updates, operations, everything }
    }
}

/// Writes again what is to be written again, in the order in which it came.
///
/// `operations` are the Nexus operations that are pending at the reset point; those that end here are taken out.
pub(super) fn reapply(
    draft: &mut Draft<'_, '_>,
    operations: &mut Operations,
    base: &ResetBase,
    current: Option<&Execution>,
    request: &ResetWorkflowExecutionRequest,
) {
    let excluded = Excluded::of(request);
    if excluded.everything {
        return;
    }
    let point = request.workflow_task_finish_event_id;
    for event in base.events.iter().filter(|e| e.event_id >= point) {
        again(draft, event, excluded);
        answer_again(draft, event);
        end_operation_again(draft, operations, event, excluded);
    }
    let mut last_run_id = base.exec.state.info.run_id.as_str();
    let mut last_events = &base.events;
    for events in &base.later {
        let Some(next_run_id) = continued_into(last_events) else {
            break;
        };
        (last_run_id, last_events) = (next_run_id, events);
        for event in events.iter().filter(|e| ResetBase::takes_of_later_runs(e)) {
            again(draft, event, excluded);
        }
    }
    // What waits behind a started workflow task is not in the history yet.
    if let Some(current) = current.filter(|c| c.state.info.run_id == last_run_id) {
        let is_base = base.exec.state.info.run_id == last_run_id;
        let (ends, others): (Vec<_>, Vec<_>) = current.state.buffered.iter().partition(|e| is_end_of_started_work(e));
        for event in others.into_iter().chain(ends) {
            again(draft, event, excluded);
            if is_base {
                answer_again(draft, event);
                end_operation_again(draft, operations, event, excluded);
            }
        }
    }
}

/// The run that a run with these events continued into as new. Other successors (retry, cron) are not followed.
fn continued_into(events: &[HistoryEvent]) -> Option<&str> {
    match &events.last()?.attributes {
        Some(A::WorkflowExecutionContinuedAsNewEventAttributes(a)) => Some(&a.new_execution_run_id),
        _ => None,
    }
}

/// Signals, updates and options.
fn again(draft: &mut Draft<'_, '_>, event: &HistoryEvent, excluded: Excluded) {
    match &event.attributes {
        Some(A::WorkflowExecutionSignaledEventAttributes(a)) if !excluded.signals => {
            draft.arrive(*a.clone(), links_of(event));
        }
        Some(A::WorkflowExecutionUpdateAdmittedEventAttributes(a)) if !excluded.updates => {
            admit(draft, a.request.as_ref(), a.origin);
        }
        // An accepted update without its request was admitted by an earlier event, which brings it back.
        Some(A::WorkflowExecutionUpdateAcceptedEventAttributes(a)) if !excluded.updates => {
            admit(draft, a.accepted_request.as_ref(), Origin::Reapply.into());
        }
        Some(A::WorkflowExecutionOptionsUpdatedEventAttributes(a))
            if !draft.state().request_ids.contains_key(&a.attached_request_id) =>
        {
            let extra = EventExtra { worker_may_ignore: true, ..links_of(event) };
            draft.arrive(*a.clone(), extra);
        }
        _ => {}
    }
}

fn links_of(event: &HistoryEvent) -> EventExtra {
    EventExtra { links: event.links.clone(), ..EventExtra::default() }
}

/// Brings an update back, which a worker then handles anew.
fn admit(draft: &mut Draft<'_, '_>, request: Option<&update::Request>, origin: i32) {
    let Some(request) = request else { return };
    let update_id = request.meta.as_ref().map_or("", |m| &m.update_id);
    if draft.state().updates.contains_key(update_id) {
        return; // Runs of one chain may have used the same id; one run cannot.
    }
    let attributes = WorkflowExecutionUpdateAdmittedEventAttributes { request: Some(request.clone()), origin };
    draft.arrive(attributes, EventExtra::default());
}

/// Answers to what the run asked of others before the reset point, if it is pending still.
fn answer_again(draft: &mut Draft<'_, '_>, event: &HistoryEvent) {
    let Some(attributes) = event.attributes.clone() else {
        return;
    };
    match attributes {
        A::ExternalWorkflowExecutionSignaledEventAttributes(a) => {
            if draft.state().external_signals.contains_key(&a.initiated_event_id) {
                draft.arrive(*a, EventExtra::default());
            }
        }
        A::SignalExternalWorkflowExecutionFailedEventAttributes(a) => {
            if draft.state().external_signals.contains_key(&a.initiated_event_id) {
                draft.arrive(*a, EventExtra::default());
            }
        }
        A::ExternalWorkflowExecutionCancelRequestedEventAttributes(a) => {
            if draft.state().external_cancels.contains_key(&a.initiated_event_id) {
                draft.arrive(*a, EventExtra::default());
            }
        }
        A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(a) => {
            if draft.state().external_cancels.contains_key(&a.initiated_event_id) {
                draft.arrive(*a, EventExtra::default());
            }
        }
        A::StartChildWorkflowExecutionFailedEventAttributes(a) => {
            child_workflow::write_failed(draft, a.initiated_event_id, a.cause());
        }
        A::ChildWorkflowExecutionStartedEventAttributes(a) => {
            let pending = draft.state().children.get(&a.initiated_event_id);
            let run_id = a.workflow_execution.as_ref().map_or("", |e| &e.run_id);
            if pending.is_some_and(|child| child.run_id.is_empty()) {
                child_workflow::write_started(draft, a.initiated_event_id, run_id);
            }
        }
        attributes => end_child_again(draft, attributes),
    }
}

/// The end of a child names the child's started event, which may be another one in this run.
fn end_child_again(draft: &mut Draft<'_, '_>, mut attributes: A) {
    let (initiated, started) = match &mut attributes {
        A::ChildWorkflowExecutionCompletedEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionFailedEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionCanceledEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionTimedOutEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionTerminatedEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        _ => return,
    };
    let Some(child) = draft.state().children.get(&initiated) else {
        return;
    };
    *started = child.started_event_id;
    draft.arrive(attributes, EventExtra::default());
}

/// The end of a Nexus operation that was scheduled before the reset point.
fn end_operation_again(
    draft: &mut Draft<'_, '_>,
    operations: &mut Operations,
    event: &HistoryEvent,
    excluded: Excluded,
) {
    let Some(scheduled_event_id) = nexus_operation::ended(event.attributes.as_ref()) else { return };
    if !excluded.operations
        && operations.remove(&scheduled_event_id).is_some()
        && let Some(attributes) = event.attributes.clone()
    {
        draft.arrive(attributes, links_of(event));
    }
}
