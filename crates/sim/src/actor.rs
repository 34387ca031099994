//! Actors: sequential code that is polled step by step.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use evertide_server::fault::{Failure, Fault};

use crate::world::World;

/// A client or a worker.
pub(crate) type Actor = Pin<Box<dyn Future<Output = ()>>>;

/// How often an actor looks whether its answer has come before it goes away.
const PATIENCE: u64 = 400;

/// Lets an actor go on to the next place where it waits. Whether it is done.
pub(crate) fn step(actor: &mut Actor) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    actor.as_mut().poll(&mut context).is_ready()
}

/// Looks once whether an answer has come.
pub(crate) fn look<T>(answer: &mut Pin<Box<dyn Future<Output = T>>>) -> Option<T> {
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// Gives way to everybody else once.
pub(crate) async fn give_way() {
    let mut gave_way = false;
    poll_fn(|_| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        Poll::Pending
    })
    .await;
}

/// Waits for an answer of the node. If the process dies meanwhile, the answer is that nothing is known.
pub(crate) async fn call<T>(world: &Rc<World>, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let life = world.life();
    let mut answer = Box::pin(answer);
    poll_fn(|context| {
        if world.life() != life {
            return Poll::Ready(Err(Fault::Stopping.into()));
        }
        answer.as_mut().poll(context)
    })
    .await
}

/// As [`call`], but whoever asks goes away when the answer takes too long, or, if `hasty`, after a while of chance.
pub(crate) async fn call_for_a_while<T>(
    world: &Rc<World>,
    hasty: bool,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Option<Result<T, Failure>> {
    let mut looks = if hasty { world.below(10) } else { PATIENCE };
    let mut answer = Box::pin(call(world, answer));
    poll_fn(|context| {
        if let Poll::Ready(answer) = answer.as_mut().poll(context) {
            return Poll::Ready(Some(answer));
        }
        if looks == 0 {
            return Poll::Ready(None);
        }
        looks -= 1;
        Poll::Pending
    })
    .await
}
