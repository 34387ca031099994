//! The polls of a worker: one for each queue, all at once, as SDKs hold them.

use std::pin::Pin;
use std::rc::Rc;

use evertide_engine::task_queue::QueueRef;
use evertide_server::fault::Failure;
use evertide_server::matching::{Poll, QueueKind};
use evertide_server::node::Polled;

use crate::actor::look;
use crate::program::QUEUES;
use crate::world::{World, far_future};

type Ending = Pin<Box<dyn Future<Output = Result<Polled, Failure>>>>;

/// A worker's polls.
pub(super) struct Polls {
    kind: QueueKind,
    identity: String,
    queues: Vec<Queue>,
    /// The queue that is looked at first next time.
    next: usize,
}

struct Queue {
    namespace_id: String,
    name: QueueRef,
    /// The poll that waits there, and the process that it waits for.
    open: Option<(u64, Ending)>,
}

impl Polls {
    /// Polls of all queues of all namespaces, and of the worker's own for workflows in its cache.
    pub(super) fn new(world: &World, kind: QueueKind, sticky: Option<&str>, identity: &str) -> Self {
        let names = QUEUES.iter().flat_map(|queue| {
            let normal = QueueRef { name: (*queue).to_owned(), normal_name: String::new() };
            // One sticky queue serves the workflows of all normal ones.
            let sticky = sticky.filter(|_| *queue == QUEUES[0]);
            let sticky = sticky.map(|s| QueueRef { name: s.to_owned(), normal_name: (*queue).to_owned() });
            [Some(normal), sticky].into_iter().flatten()
        });
        let names: Vec<QueueRef> = names.collect();
        let queues = world.namespace_ids().iter().flat_map(|namespace_id| {
            let queue = |name: &QueueRef| Queue { namespace_id: namespace_id.clone(), name: name.clone(), open: None };
            names.iter().map(queue).collect::<Vec<_>>()
        });
        Self { kind, identity: identity.to_owned(), queues: queues.collect(), next: 0 }
    }

    /// The task of one of the polls, if one has come. Now and then a poll goes away instead, perhaps with a task.
    pub(super) fn look(&mut self, world: &Rc<World>) -> Option<Polled> {
        let (kind, identity) = (self.kind, self.identity.clone());
        let count = self.queues.len();
        for offset in 0..count {
            let place = (self.next + offset) % count;
            let queue = &mut self.queues[place];
            let mut open = match queue.open.take() {
                Some((life, open)) if life == world.life() => open,
                _ => begin(world, kind, &identity, queue),
            };
            let end = look(&mut open);
            match end {
                Some(Ok(Polled::Empty)) => {}
                Some(Err(fault)) => world.fault_without_reason(&format!("a poll ended with {fault}")),
                Some(Ok(task)) => {
                    self.next = place + 1;
                    return Some(task);
                }
                None if world.mischief(100) => {} // Whoever polled has gone.
                None => queue.open = Some((world.life(), open)),
            }
        }
        None
    }
}

fn begin(world: &Rc<World>, kind: QueueKind, identity: &str, queue: &Queue) -> Ending {
    let poll = Poll {
        namespace_id: queue.namespace_id.clone(),
        queue: queue.name.clone(),
        identity: identity.to_owned(),
        request_id: world.unique(),
        ..Poll::default()
    };
    let node = world.node();
    Box::pin(async move {
        match kind {
            QueueKind::Activity => node.poll_activity_task(poll, far_future()).await,
            _ => node.poll_workflow_task(poll, far_future()).await,
        }
    })
}
