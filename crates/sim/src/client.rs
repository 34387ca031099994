//! Clients: they ask for everything that can be asked for, and write down what they were told.

mod administering;
mod changing;
mod operating;
mod reading;
mod starting;

use std::rc::Rc;

use evertide_engine::Rejection;
use evertide_engine::address::Address;
use evertide_engine::reply::Reply;
use evertide_engine::workflow::Request;
use evertide_server::fault::{Failure, Fault};
use evertide_server::node::AnswerReceiver;
use evertide_server::shard::Answer;

pub(crate) use reading::text;

use crate::actor::{call, call_for_a_while, give_way};
use crate::worker::Hands;
use crate::world::World;

/// How many workflow ids there are at the top of each namespace: few, so that requests meet.
pub(crate) const WORKFLOW_IDS: u64 = 4;
/// How often a request is repeated whose outcome is unknown.
const ATTEMPTS: usize = 8;

/// One request of a client.
struct Asking {
    world: Rc<World>,
    /// The client.
    client: u64,
    /// A workflow id, whose current run is meant.
    target: Address,
    /// No other request has this name.
    unique: String,
    /// When the request was made, nanoseconds since the epoch.
    sent_ns: i64,
}

/// A client, until everything is to end.
pub(crate) async fn run(world: Rc<World>, client: u64) {
    let mut hands = Hands::new(format!("client-{client}"));
    let mut count = 0;
    while !world.resting() {
        count += 1;
        let asking = Asking {
            client,
            target: world.some_workflow(),
            unique: format!("{client}.{count}"),
            sent_ns: world.now_ns(),
            world: world.clone(),
        };
        asking.ask(&mut hands).await;
        for _ in 0..world.below(20) {
            give_way().await;
        }
    }
}

impl Asking {
    async fn ask(&self, hands: &mut Hands) {
        match self.world.below(36) {
            0..=5 => self.start(hands).await,
            6..=8 => self.signal_with_start().await,
            9..=10 => self.update_with_start().await,
            11..=13 => self.signal().await,
            14 => self.cancel().await,
            15 => self.terminate().await,
            16..=18 => self.update().await,
            19..=20 => self.query().await,
            21 => self.reset().await,
            22 => self.delete().await,
            23..=24 => self.pause_workflow().await,
            25..=27 => self.operate_activities().await,
            28 => self.set_namespace_data().await,
            29 => self.set_queue_rate().await,
            30 => self.pass_through_a_namespace().await,
            31 => self.wait_for_the_end().await,
            32..=33 => self.list().await,
            _ => self.read().await,
        }
    }

    /// Sends a request until its outcome is known, as SDKs do, or gives up.
    async fn until_known(&self, send: impl Fn() -> AnswerReceiver) -> Option<Result<Answer, Rejection>> {
        for _ in 0..ATTEMPTS {
            let receiver = send();
            let answer = call(&self.world, async { receiver.await.unwrap_or(Err(Fault::Stopping.into())) });
            match answer.await {
                Ok(answer) => return Some(Ok(answer)),
                Err(Failure::Rejected(rejection)) => return Some(Err(rejection)),
                Err(Failure::Fault(_)) => give_way().await,
            }
        }
        None
    }

    /// Sends a request to the current run of the target until its outcome is known. The answer, if it is a good one.
    async fn ask_run(&self, what: &'static str, request: impl Fn() -> Request) -> Option<Answer> {
        self.ask_run_of(&self.target, what, request).await
    }

    async fn ask_run_of(&self, run: &Address, what: &'static str, request: impl Fn() -> Request) -> Option<Answer> {
        let send = || self.world.node().submit_run(run.clone(), request());
        let answer = self.until_known(send).await?.ok()?;
        self.world.ledger().touch(&answer.run, self.sent_ns);
        self.done(what);
        Some(answer)
    }

    /// What was asked for is done.
    fn done(&self, what: &'static str) {
        self.world.ledger().note_done(what);
    }

    /// The current run of the target as it is described, with its names.
    async fn describe(&self) -> Option<(Address, evertide_proto::workflowservice::DescribeWorkflowExecutionResponse)> {
        let send = || self.world.node().submit_run(self.target.clone(), Request::Describe);
        let answer = self.until_known(send).await?.ok()?;
        let Reply::Described(description) = answer.reply else { return None };
        Some(((*answer.run).clone(), *description))
    }

    /// Waits for an answer, but not for ever: now and then the caller goes away while it is on its way.
    async fn wait<T>(&self, answer: impl Future<Output = Result<T, Failure>>) -> Option<T> {
        let hasty = self.world.mischief(6);
        call_for_a_while(&self.world, hasty, answer).await?.ok()
    }
}
