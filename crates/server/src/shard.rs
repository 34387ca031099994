//! Executions in memory: where decisions are made.
//!
//! A shard holds the chains (all runs of one workflow id) that hash to it, behind one lock. Under that lock a request is
//! decided, its changes become the writes of one commit, and the commit joins the queue: so the order of commits is the
//! order of decisions. Nothing under the lock waits for the store. What is not in memory is read by a worker while the
//! chain is marked as loading and its requests are parked.

mod chain;
mod deciding;
mod entry;
mod executions;
mod loading;
mod placing;
mod step;
mod waiters;

pub use crate::ask::{Answer, RunView, UpdateNews, Wait};
pub(crate) use executions::{Executions, Rooms};
