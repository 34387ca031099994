//! Messages between executions: part of a commit on each side, so that each is delivered exactly once.
//!
//! A decision puts a message into its run's outbox in the same commit as the event that asks for it. After the commit
//! the shell delivers it to the target, whose decision and answer are a commit of their own; then the answer comes
//! back to the sender as [`Request::Delivered`](crate::workflow::Request::Delivered), which takes the message out.
//! After a crash the shell delivers again whatever is still in the outbox; targets know repeats by their request ids.
//!
//! A message names what it needs and no more; [`Delivery`] is the message with all that the target must know.

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) mod world;

use crate::message::{ChildStart, Delivery, Message, Sender};
use crate::workflow::state::{Execution, State};

impl Execution {
    /// The message of that number with all that its target must know; `None` if it has been answered.
    #[must_use]
    pub fn delivery(&self, id: i64) -> Option<Delivery> {
        let state = &self.state;
        let out = state.outbox.get(&id)?;
        let message = out.message.clone()?;
        let child = match &message {
            Message::StartChild(start) => Some(Box::new(child_start(state, start.initiated_event_id)?)),
            _ => None,
        };
        Some(Delivery {
            target: out.target()?,
            source: Sender {
                namespace_id: state.info.namespace_id.clone(),
                namespace: state.info.namespace.clone(),
                execution: state.execution(),
            },
            message,
            child,
        })
    }
}

fn child_start(state: &State, initiated_event_id: i64) -> Option<ChildStart> {
    let child = state.children.get(&initiated_event_id)?;
    Some(ChildStart {
        initiated: child.initiated.clone(),
        request_id: child.request_id.clone(),
        root: state.root_execution(),
        parent_priority: state.info.priority.clone(),
    })
}
