//! One `match`: from a request over a schedule to the rule.

use super::advance::{advance, take_due};
use super::draft::Draft;
use super::state::{Change, Identity, Record, State};
use super::{Execution, Made, New, Written};
use crate::effects::Effects;
use crate::env::Env;
use crate::message::{Delivery, DeliveryResult, Message};
use crate::rejection::Rejection;
use crate::reply::{Decided, Reply};
use crate::schedule::{answers, request};
use evertide_proto::workflowservice as ws;
use prost::Message as _;

/// How many decisions a run of a schedule records before a new run takes its place.
const DECISIONS_PER_RUN: i64 = 10_000;

/// A request over one schedule.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// UpdateSchedule.
    Update(Box<ws::UpdateScheduleRequest>),
    /// PatchSchedule.
    Patch(Box<ws::PatchScheduleRequest>),
    /// Something is due.
    Wake,
    /// A message from a workflow.
    Deliver(Box<Delivery>),
    /// The answer to a message of its own.
    Delivered {
        /// Its number.
        id: i64,
        /// How it was taken.
        result: DeliveryResult,
    },
}

/// Decides a request over one schedule: changes it and says what was written, or rejects and changes nothing.
pub fn decide(request: Request, exec: &mut Execution, env: &mut Env<'_>) -> (Written, Decided) {
    let nothing = || Written::new(Vec::new(), Effects::default());
    if !exec.state.is_open() {
        let decided = match request {
            Request::Deliver(_) => Ok(Reply::Delivered(DeliveryResult::NotFound)),
            Request::Wake | Request::Delivered { .. } => Ok(Reply::Done),
            Request::Update(_) | Request::Patch(_) => Err(not_found(&exec.state)),
        };
        return (nothing(), decided);
    }
    let mut draft = match Draft::over(&mut exec.state, env) {
        Ok(draft) => draft,
        Err(rejection) => return (nothing(), Err(rejection)),
    };
    let decided = match request {
        Request::Update(update) => request::update(&mut draft, *update),
        Request::Patch(patch) => request::patch(&mut draft, *patch),
        Request::Wake => Ok(wake(&mut draft)),
        Request::Deliver(delivery) => deliver(&mut draft, *delivery),
        Request::Delivered { id, result } => {
            answers::delivered(&mut draft, id, result);
            Ok(Reply::Done)
        }
    };
    if decided.is_err() {
        return (nothing(), decided); // Requests are checked before anything is recorded.
    }
    let successor = successor(&mut draft);
    let mut written = draft.into_written();
    written.successor = successor;
    (written, decided)
}

/// CreateSchedule.
pub fn create(request: ws::CreateScheduleRequest, current: Option<&mut Execution>, env: &mut Env<'_>) -> Made {
    request::create(request, current, env).unwrap_or_else(Made::from)
}

/// Does what is due, and hands out again the messages that nobody has answered.
fn wake(draft: &mut Draft<'_, '_>) -> Reply {
    draft.messages = draft.progress.messages().collect();
    let next = take_due(draft);
    advance(draft, next);
    Reply::Done
}

fn deliver(draft: &mut Draft<'_, '_>, delivery: Delivery) -> Decided {
    match delivery.message {
        Message::WorkflowClosed(news) => answers::closed(draft, news),
        _ => return Err(Rejection::invalid("this message is not for a schedule")),
    }
    Ok(Reply::Delivered(DeliveryResult::Taken))
}

/// What a caller hears when there is no such schedule any more.
fn not_found(state: &State) -> Rejection {
    Rejection::not_found(format!("schedule not found for ID: {}", state.identity.schedule_id))
}

/// The next run of a schedule whose records have become many, in whose place this one closes. It waits until no message is
/// under way, since answers go to the run that has sent them.
fn successor(draft: &mut Draft<'_, '_>) -> Option<Box<New>> {
    let state = draft.state();
    if state.decisions < DECISIONS_PER_RUN
        || draft.progress.closed_ns != 0
        || draft.progress.messages().next().is_some()
    {
        return None;
    }
    let run_id = draft.env.ids.run_id(draft.env.now_ns);
    let state = draft.state();
    let identity = Identity { run_id, ..state.identity.clone() };
    let (definition, carried) = (state.definition.clone(), state.carried.clone());
    let mut changes = vec![Change::Created(identity), Change::Defined(definition), Change::Carried(carried)];
    changes.extend(state.request_ids.iter().cloned().map(Change::RequestId));
    changes.push(Change::Progress(draft.progress.clone()));
    let record = Record::new(changes);
    let mut next = Execution::default();
    next.state.apply_record(&record);
    draft.progress.closed_ns = draft.env.now_ns;
    draft.progress.wake_ns = 0;
    let effects = Effects { visibility: true, ..Effects::default() };
    let written = Written::new(record.encode_to_vec(), effects);
    Some(Box::new(New { exec: next, written }))
}
