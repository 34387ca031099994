//! Messages between executions: each goes to its target as a request, and what the target says goes back to the sender.

use std::sync::Arc;

use evertide_engine::address::Address;
use evertide_engine::message::{Delivery, DeliveryResult};
use evertide_engine::reply::Reply;
use evertide_engine::request::{Create, Request};
use evertide_engine::{Code, Detail};

use crate::address::ChainKey;
use crate::ask::{Answer, Ask, Job, Respond, RunView};
use crate::clock::Clock;
use crate::fault::Failure;
use crate::timers::Timers;
use crate::work::{Work, WorkQueue};

/// Carries messages and their answers.
pub(crate) struct Messages {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) work: Arc<WorkQueue>,
}

/// The request that hands a message to its target.
pub(crate) fn delivery(source: Arc<Address>, id: i64, delivery: Delivery) -> Job {
    let key = ChainKey::of(&delivery.target);
    let run_id = delivery.target.run_id.clone();
    let ask = if delivery.message.may_make_a_run() {
        Ask::Create(Box::new(Create::Deliver(Box::new(delivery))))
    } else {
        Ask::Run { run_id, request: Box::new(Request::Deliver(Box::new(delivery))) }
    };
    Job { key: Arc::new(key), ask, respond: Respond::Sender { source, id } }
}

impl Messages {
    /// The target has taken a message, or not: its sender hears it.
    pub(crate) fn answered(&self, source: &Arc<Address>, id: i64, result: Result<Answer, Failure>) {
        let result = match result {
            Ok(Answer { reply: Reply::Delivered(result), .. }) => result,
            Ok(Answer { reply, .. }) => {
                tracing::error!(?reply, "an execution did not say how it took a message");
                DeliveryResult::NotFound
            }
            // The target is busy: a passing condition.
            Err(Failure::Rejected(refusal)) if refusal.code == Code::ResourceExhausted => {
                return self.deliver_later(source, id);
            }
            Err(Failure::Rejected(refusal)) => match (&refusal.code, &refusal.detail) {
                (Code::AlreadyExists, _) | (_, Detail::AlreadyStarted { .. }) => DeliveryResult::ChildExists,
                _ => DeliveryResult::NotFound,
            },
            Err(Failure::Fault(fault)) => {
                // Whether the target has it is unknown; it knows a repeat by its request id.
                tracing::warn!(%fault, "a message between executions waits for the store");
                return self.deliver_later(source, id);
            }
        };
        let request = Box::new(Request::Delivered { id, result });
        let job = Job {
            key: Arc::new(ChainKey::of(source)),
            ask: Ask::Run { run_id: source.run_id.clone(), request },
            respond: Respond::Nobody,
        };
        self.work.push(Work::Submit(Box::new(job)));
    }

    fn deliver_later(&self, source: &Arc<Address>, id: i64) {
        self.timers.retry(self.clock.now_ns(), Work::DeliverAgain { source: source.clone(), id });
    }

    /// The request that asks a sender for a message once more. A sender that has to be read for it sets off its messages
    /// by itself, and the target knows the repeat.
    pub(crate) fn delivery_again(&self, source: Arc<Address>, id: i64) -> Job {
        let (key, run_id, work) = (Arc::new(ChainKey::of(&source)), source.run_id.clone(), self.work.clone());
        let look = move |view: &RunView<'_>| {
            if let Some(delivery) = view.exec.delivery(id) {
                work.push(Work::Deliver { source, id, delivery: Box::new(delivery) });
            }
        };
        Job { key, ask: Ask::Look { run_id, look: Box::new(look) }, respond: Respond::Nobody }
    }
}
