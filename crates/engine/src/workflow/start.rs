//! Starting workflows: what a start request must be, what happens when the id is taken, signal-with-start.

mod prepare;
mod seed;

pub(super) use prepare::{prepare, prepare_signal_with_start};
pub(super) use seed::seed_of;

use crate::env::Env;
use crate::limits::Limits;
use crate::message::Watcher;
use crate::rejection::{Code, Detail, Rejection};
use crate::reply::StartedTask;
use crate::reply::{Decided, Reply};
use crate::workflow::ChainOutcome;
use crate::workflow::Written;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::identity::SERVER_IDENTITY;
use crate::workflow::links::request_id_link;
use crate::workflow::links::started_link;
use crate::workflow::run_seed::RunSeed;
use crate::workflow::state::Execution;
use crate::workflow::{close, conclude, signal, workflow_task};
use evertide_proto::common::{Callback, Link, Payload, Payloads};
use evertide_proto::enums::{
    EventType, WorkflowExecutionStatus as Status, WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse,
};
use evertide_proto::history::WorkflowExecutionOptionsUpdatedEventAttributes;
use evertide_proto::workflowservice::{SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest};

/// StartWorkflowExecution.
pub(super) fn start(
    request: StartWorkflowExecutionRequest,
    current: Option<&mut Execution>,
    env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    start_watched(request, None, current, env)
}

/// As [`start`], for an execution that is told when a workflow closes which this makes.
pub(super) fn start_watched(
    request: StartWorkflowExecutionRequest,
    watcher: Option<Watcher>,
    current: Option<&mut Execution>,
    env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    let request = prepare(request, env)?;
    let Some(current) = current else {
        return create(request, watcher, None, env);
    };
    if let Some(mut reply) = seen_before(&current.state, &request.request_id) {
        let again = conclude::over_run(current, env, |draft| {
            if let Reply::Started { eager_task, started: true, .. } = &mut reply
                && request.request_eager_execution
            {
                *eager_task = workflow_task::start_again(draft);
            }
            Ok(reply)
        });
        return Ok(ChainOutcome::of_current(again));
    }
    match admit(current, request.workflow_id_conflict_policy(), request.workflow_id_reuse_policy())? {
        Admission::New => create(request, watcher, None, env),
        Admission::Terminate => create(request, watcher, Some(current), env),
        Admission::UseExisting => {
            let attached = conclude::over_run(current, env, |draft| use_existing(&request, draft));
            Ok(ChainOutcome::of_current(attached))
        }
    }
}

/// What the current run means for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// A new run is made.
    New,
    /// The open run is terminated and a new one made, in one commit.
    Terminate,
    /// The open run is what the caller gets.
    UseExisting,
}

/// The matrix of conflict and reuse policies, for an id that has been used.
pub(super) fn admit(current: &Execution, conflict: Conflict, reuse: Reuse) -> Result<Admission, Rejection> {
    let info = &current.state.info;
    if current.state.is_running() {
        return match conflict {
            Conflict::UseExisting => Ok(Admission::UseExisting),
            Conflict::TerminateExisting => Ok(Admission::Terminate),
            _ => Err(taken(
                current,
                format!(
                    "Workflow execution is already running. WorkflowId: {}, RunId: {}.",
                    info.workflow_id, info.run_id
                ),
            )),
        };
    }
    let failed = matches!(info.status(), Status::Failed | Status::Canceled | Status::Terminated | Status::TimedOut);
    match reuse {
        Reuse::AllowDuplicateFailedOnly if !failed => Err(taken(
            current,
            format!(
                "Workflow execution already finished successfully. WorkflowId: {}, RunId: {}. \
                 Workflow Id reuse policy: allow duplicate workflow Id if last run failed.",
                info.workflow_id, info.run_id
            ),
        )),
        Reuse::RejectDuplicate => Err(taken(
            current,
            format!(
                "Workflow execution already finished. WorkflowId: {}, RunId: {}. \
                 Workflow Id reuse policy: reject duplicate workflow Id.",
                info.workflow_id, info.run_id
            ),
        )),
        _ => Ok(Admission::New),
    }
}

fn taken(current: &Execution, message: String) -> Rejection {
    let info = &current.state.info;
    Rejection {
        code: Code::AlreadyExists,
        message: message.into(),
        detail: Detail::AlreadyStarted {
            start_request_id: info.create_request_id.clone(),
            run_id: info.run_id.clone(),
            first_run_id: info.first_run_id.clone(),
        },
    }
}

/// The answer to a request id that the current run has seen: the same as the first time.
pub(super) fn seen_before(state: &crate::workflow::State, request_id: &str) -> Option<Reply> {
    let seen = state.request_ids.get(request_id)?;
    let started = seen.event_type == i32::from(EventType::WorkflowExecutionStarted)
        || (seen.event_type == i32::from(EventType::WorkflowExecutionSignaled)
            && state.info.create_request_id == request_id);
    let link = if started {
        started_link(state)
    } else {
        request_id_link(state, request_id, EventType::WorkflowExecutionOptionsUpdated)
    };
    Some(Reply::Started {
        run_id: state.info.run_id.clone(),
        first_run_id: state.info.first_run_id.clone(),
        started,
        status: state.info.status,
        link: Some(link),
        eager_task: None,
        signal_link: None,
    })
}

/// A new run; `replaced` is terminated in the same commit.
fn create(
    request: StartWorkflowExecutionRequest,
    watcher: Option<Watcher>,
    replaced: Option<&mut Execution>,
    env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    check_room_for_callbacks(&[], &request.completion_callbacks, env.limits)?;
    let identity = request.identity.clone();
    let eager = request.request_eager_execution && env.limits.eager_workflow_start;
    let seed = seed_of(request, env);
    let replaced = replaced.map(|current| replace(current, &seed, env));
    let wants_eager = eager && seed.started.first_workflow_task_backoff.as_ref().is_none_or(is_zero);
    let mut seed = seed;
    seed.creation.watchers.extend(watcher);
    seed.started.eager_execution_accepted = wants_eager;
    let mut eager_task = None;
    let new = conclude::new_run(seed, env, |draft| {
        workflow_task::schedule(draft);
        if wants_eager {
            draft.effects.dispatches.clear();
            let request_id = draft.state().info.create_request_id.clone();
            eager_task = workflow_task::start_eager(draft, &identity, request_id);
        }
    });
    let reply = started_reply(&new.exec.state, eager_task);
    Ok(ChainOutcome::of_new(replaced, new, reply))
}

/// A run takes only so many completion callbacks in its life.
fn check_room_for_callbacks(attached: &[Callback], more: &[Callback], limits: &Limits) -> Result<(), Rejection> {
    let (attached, limit) = (attached.len(), limits.callbacks);
    if more.is_empty() || attached + more.len() <= limit {
        return Ok(());
    }
    Err(Rejection::precondition(format!(
        "cannot attach more than {limit} callbacks to a workflow ({attached} callbacks already attached)"
    )))
}

fn is_zero(d: &prost_types::Duration) -> bool {
    d.seconds == 0 && d.nanos == 0
}

/// Terminates the open run because a new one takes its id.
pub(super) fn replace(current: &mut Execution, seed: &RunSeed, env: &mut Env<'_>) -> Written {
    let details = format!("terminated by new runID: {}", seed.creation.run_id);
    let termination = close::Termination {
        reason: "TerminateIfRunning WorkflowIdReusePolicy".to_owned(),
        details: Some(Payloads { payloads: vec![json_text(&details)] }),
        identity: SERVER_IDENTITY.to_owned(),
        links: Vec::new(),
    };
    let (written, _) = conclude::over_run(current, env, |draft| {
        close::terminate(draft, termination);
        Ok(())
    });
    written
}

/// A text as a JSON payload.
pub(super) fn json_text(text: &str) -> Payload {
    let mut data = String::with_capacity(text.len() + 2);
    data.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                data.push('\\');
                data.push(c);
            }
            c if u32::from(c) < 0x20 => data.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => data.push(c),
        }
    }
    data.push('"');
    json_payload(data)
}

/// A payload of JSON text.
pub(super) fn json_payload(json: String) -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), bytes::Bytes::from_static(b"json/plain"))].into(),
        data: json.into(),
        ..Payload::default()
    }
}

/// The answer about a run that this call made.
pub(super) fn started_reply(state: &crate::workflow::State, eager_task: Option<Box<StartedTask>>) -> Reply {
    Reply::Started {
        run_id: state.info.run_id.clone(),
        first_run_id: state.info.first_run_id.clone(),
        started: true,
        status: state.info.status,
        link: Some(started_link(state)),
        eager_task,
        signal_link: None,
    }
}

/// The open run is what the caller gets; options for that case are written to it.
fn use_existing(request: &StartWorkflowExecutionRequest, draft: &mut Draft<'_, '_>) -> Decided {
    let mut link = started_link(draft.state());
    if let Some(options) = request.on_conflict_options {
        if options.attach_completion_callbacks {
            let attached = &draft.state().info.callbacks;
            check_room_for_callbacks(attached, &request.completion_callbacks, draft.limits())?;
        }
        let attributes = WorkflowExecutionOptionsUpdatedEventAttributes {
            attached_request_id: if options.attach_request_id { request.request_id.clone() } else { String::new() },
            attached_completion_callbacks: if options.attach_completion_callbacks {
                request.completion_callbacks.clone()
            } else {
                Vec::new()
            },
            ..WorkflowExecutionOptionsUpdatedEventAttributes::default()
        };
        let links = if options.attach_links { request.links.clone() } else { Vec::new() };
        let extra = EventExtra { links, worker_may_ignore: true, ..EventExtra::default() };
        draft.arrive(attributes, extra);
        if options.attach_request_id {
            let kind = EventType::WorkflowExecutionOptionsUpdated;
            link = request_id_link(draft.state(), &request.request_id, kind);
        }
    }
    let info = &draft.state().info;
    Ok(Reply::Started {
        run_id: info.run_id.clone(),
        first_run_id: info.first_run_id.clone(),
        started: false,
        status: info.status,
        link: Some(link),
        eager_task: None,
        signal_link: None,
    })
}

/// SignalWithStartWorkflowExecution.
pub(super) fn signal_with_start(
    request: SignalWithStartWorkflowExecutionRequest,
    current: Option<&mut Execution>,
    env: &mut Env<'_>,
) -> Result<ChainOutcome, Rejection> {
    let (start, to_send) = prepare_signal_with_start(request, env)?;
    let replaced = match current {
        None => None,
        Some(current) if !current.state.is_running() && has_taken(&current.state, &to_send) => {
            return Ok(ChainOutcome::answer(signaled_reply(&current.state, &to_send.request_id)));
        }
        Some(current) if current.state.is_running() => {
            if start.workflow_id_conflict_policy() != Conflict::TerminateExisting {
                let signaled = conclude::over_run(current, env, |draft| signal_existing(draft, to_send));
                return Ok(ChainOutcome::of_current(signaled));
            }
            Some(current)
        }
        Some(current) => {
            admit(current, start.workflow_id_conflict_policy(), start.workflow_id_reuse_policy())?;
            None
        }
    };
    check_room_for_callbacks(&[], &start.completion_callbacks, env.limits)?;
    let seed = seed_of(start, env);
    let current = replaced.map(|current| replace(current, &seed, env));
    let request_id = to_send.request_id.clone();
    let new = conclude::new_run(seed, env, |draft| {
        signal::write(draft, to_send);
        workflow_task::schedule(draft);
    });
    let signal_link = request_id_link(&new.exec.state, &request_id, EventType::WorkflowExecutionSignaled);
    let reply = with_signal_link(started_reply(&new.exec.state, None), signal_link);
    Ok(ChainOutcome::of_new(current, new, reply))
}

fn signal_existing(draft: &mut Draft<'_, '_>, to_send: signal::Signal) -> Decided {
    let request_id = to_send.request_id.clone();
    signal::take(draft, to_send, signal::Wake::EvenIfDelayed)?;
    Ok(signaled_reply(draft.state(), &request_id))
}

/// Whether the run has had this very signal: then the call is a repeat, also once the run has closed.
fn has_taken(state: &crate::workflow::State, to_send: &signal::Signal) -> bool {
    !to_send.request_id.is_empty() && state.signal_request_ids.contains_key(&to_send.request_id)
}

/// The answer of a signal-with-start that has not made a run.
fn signaled_reply(state: &crate::workflow::State, request_id: &str) -> Reply {
    Reply::Started {
        run_id: state.info.run_id.clone(),
        first_run_id: state.info.first_run_id.clone(),
        started: false,
        status: state.info.status,
        link: None,
        eager_task: None,
        signal_link: Some(request_id_link(state, request_id, EventType::WorkflowExecutionSignaled)),
    }
}

fn with_signal_link(reply: Reply, link: Link) -> Reply {
    match reply {
        Reply::Started { run_id, first_run_id, started, status, eager_task, .. } => {
            Reply::Started { run_id, first_run_id, started, status, link: None, eager_task, signal_link: Some(link) }
        }
        other => other,
    }
}
