//! A poller takes the workflow task.

use crate::env::{timestamp, timestamp_opt};
use crate::reply::{Decided, Reply, StartedTask};
use crate::task_queue::{QueueRef, StartTask};
use crate::token::{TaskKind, TaskToken};
use crate::workflow::change::{Change, Nothing};
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::state::State;
use crate::workflow::workflow_task::state::WorkflowTask;
use crate::workflow::workflow_task::{clear, virtual_events};
use crate::workflow::{query, update};
use evertide_proto::common::WorkflowType;
use evertide_proto::enums::SuggestContinueAsNewReason as Reason;
use evertide_proto::history::WorkflowTaskStartedEventAttributes;
use evertide_proto::workflowservice::PollWorkflowTaskQueueResponse;

/// Starts the task in flight, if it is the one that the poller came for.
pub(in crate::workflow) fn start(draft: &mut Draft<'_, '_>, poll: &StartTask) -> Decided {
    let Some(task) = draft.exec.task().cloned() else {
        return Ok(Reply::Stale);
    };
    let wanted = task.scheduled_event_id == poll.scheduled_event_id && task.stamp == poll.stamp;
    if !wanted || !draft.state().is_running() {
        return Ok(Reply::Stale);
    }
    if task.is_started() {
        let again = task.request_id == poll.request_id;
        return Ok(if again { answer(draft, &task, true, false) } else { Reply::Stale });
    }
    if task.speculative && !draft.exec.volatile.has_unsent_updates() {
        clear(draft); // What it was for is gone.
        return Ok(Reply::Stale);
    }
    if !poll.queue.is_sticky() && draft.state().info.sticky.is_some() {
        draft.record(Change::StickyGone(Nothing {}));
    }
    let size_bytes = draft.state().info.history_size_bytes;
    let task = put_started(draft, task, poll, size_bytes);
    Ok(answer(draft, &task, !poll.queue.is_sticky(), false))
}

/// Starts the task in flight for the worker that has just completed the last one; it knows the history so far.
pub(in crate::workflow) fn start_inline(draft: &mut Draft<'_, '_>, identity: &str) -> Option<Box<StartedTask>> {
    let task = draft.exec.task().filter(|t| !t.is_started()).cloned()?;
    let poll = StartTask {
        scheduled_event_id: task.scheduled_event_id,
        stamp: task.stamp,
        identity: identity.to_owned(),
        request_id: "request-from-RespondWorkflowTaskCompleted".to_owned(),
        ..StartTask::default()
    };
    let size_bytes = draft.state().info.history_size_bytes;
    let task = put_started(draft, task, &poll, size_bytes);
    started_task(answer(draft, &task, false, true))
}

/// Starts the first task of a run in the commit that makes it, for the client that asked for it.
pub(in crate::workflow) fn start_eager(
    draft: &mut Draft<'_, '_>,
    identity: &str,
    request_id: String,
) -> Option<Box<StartedTask>> {
    let task = draft.exec.task().cloned()?;
    let poll = StartTask { identity: identity.to_owned(), request_id, ..StartTask::default() };
    let task = put_started(draft, task, &poll, 0);
    started_task(answer(draft, &task, true, false))
}

/// The first task of a run again, for a client that repeats its eager start before it has answered.
pub(in crate::workflow) fn start_again(draft: &mut Draft<'_, '_>) -> Option<Box<StartedTask>> {
    let first = |task: &&WorkflowTask| task.started_event_id == 3 && task.attempt == 1;
    let task = draft.exec.task().filter(first).cloned()?;
    started_task(answer(draft, &task, true, false))
}

fn started_task(reply: Reply) -> Option<Box<StartedTask>> {
    match reply {
        Reply::WorkflowTask(started) => Some(started),
        _ => None,
    }
}

/// `history_size_bytes` is what the started event tells the worker; of an eager start it is 0.
fn put_started(
    draft: &mut Draft<'_, '_>,
    mut task: WorkflowTask,
    poll: &StartTask,
    history_size_bytes: i64,
) -> WorkflowTask {
    let extra = EventExtra::default;
    if task.is_transient() && task.scheduled_event_id != draft.state().next_event_id {
        // Events have come since the retry was scheduled: it is a first attempt again, over a longer history.
        task.attempt = 1;
        let scheduled = task.scheduled_attributes(draft.state().task_queue());
        task.scheduled_event_id = draft.append(scheduled.into(), extra());
    }
    let attributes = started_attributes(draft, &task, poll, history_size_bytes);
    task.started_time_ns = draft.now_ns();
    task.request_id.clone_from(&poll.request_id);
    task.identity.clone_from(&poll.identity);
    if task.speculative || task.is_transient() {
        task.started_event_id = task.scheduled_event_id + 1;
        task.started_attributes = Some(attributes);
    } else {
        task.started_event_id = draft.append(attributes.into(), extra());
    }
    if task.speculative {
        draft.exec.volatile.speculative = Some(task.clone());
    } else {
        draft.record(Change::Task(task.clone()));
    }
    task
}

fn started_attributes(
    draft: &Draft<'_, '_>,
    task: &WorkflowTask,
    poll: &StartTask,
    history_size_bytes: i64,
) -> WorkflowTaskStartedEventAttributes {
    let reasons = reasons_to_continue_as_new(draft);
    WorkflowTaskStartedEventAttributes {
        scheduled_event_id: task.scheduled_event_id,
        identity: poll.identity.clone(),
        request_id: poll.request_id.clone(),
        suggest_continue_as_new: !reasons.is_empty(),
        suggest_continue_as_new_reasons: reasons.into_iter().map(Into::into).collect(),
        history_size_bytes,
        ..WorkflowTaskStartedEventAttributes::default()
    }
}

fn reasons_to_continue_as_new(draft: &Draft<'_, '_>) -> Vec<Reason> {
    let (state, limits) = (draft.state(), draft.limits());
    let updates = state.updates.len() + draft.exec.volatile.updates.len();
    let many_updates = limits.total_updates * limits.total_updates_suggest_continue_as_new_percent / 100;
    let mut reasons = Vec::new();
    if state.info.history_size_bytes >= limits.history_size_suggest_continue_as_new_bytes {
        reasons.push(Reason::HistorySizeTooLarge);
    }
    if state.next_event_id >= limits.history_count_suggest_continue_as_new {
        reasons.push(Reason::TooManyHistoryEvents);
    }
    if updates >= many_updates.max(1) {
        reasons.push(Reason::TooManyUpdates);
    }
    reasons
}

fn answer(draft: &mut Draft<'_, '_>, task: &WorkflowTask, whole_history: bool, inline: bool) -> Reply {
    let messages = update::messages_for_task(draft, task.started_event_id, inline);
    let queries = query::queries_for_task(draft);
    let state = draft.state();
    let history_from = if whole_history { 1 } else { state.info.previous_started_event_id + 1 };
    let response = PollWorkflowTaskQueueResponse {
        task_token: token(state, task).to_bytes(),
        workflow_execution: Some(state.execution()),
        workflow_type: Some(WorkflowType { name: state.workflow_type().to_owned() }),
        previous_started_event_id: state.info.previous_started_event_id,
        started_event_id: task.started_event_id,
        attempt: task.attempt,
        workflow_execution_task_queue: Some(
            QueueRef { name: state.task_queue().to_owned(), normal_name: String::new() }.to_proto(),
        ),
        scheduled_time: timestamp_opt(task.scheduled_time_ns),
        started_time: Some(timestamp(task.started_time_ns)),
        queries,
        messages,
        ..PollWorkflowTaskQueueResponse::default()
    };
    Reply::WorkflowTask(Box::new(StartedTask {
        response,
        history_from,
        history_until: state.next_event_id,
        page_events: draft.limits().task_history_page_size.max(1),
        virtual_events: virtual_events(state, task),
    }))
}

/// The token of a started task.
fn token(state: &State, task: &WorkflowTask) -> TaskToken {
    TaskToken {
        kind: TaskKind::Workflow.into(),
        namespace_id: state.info.namespace_id.clone(),
        workflow_id: state.info.workflow_id.clone(),
        run_id: state.info.run_id.clone(),
        scheduled_event_id: task.scheduled_event_id,
        started_event_id: task.started_event_id,
        attempt: task.attempt,
        started_time_ns: task.started_time_ns,
        ..TaskToken::default()
    }
}
