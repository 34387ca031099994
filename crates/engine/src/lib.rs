//! Every decision of the server, as pure functions.
//!
//! A rule of the system is a function from state, request and [`Env`] to changes and effects. This crate knows no
//! clock, no disk, no network, no randomness, no threads and no hash order: time, identifiers and limits come in
//! through [`Env`], and what should happen in the world goes out as values (see [`effects::Effects`]).
//!
//! Everything durable is an [`execution::Execution`] of some kind. Start reading at [`request::decide`]; of workflows at
//! [`workflow::decide()`], whose state is [`workflow::State`] and changes in one place only, [`workflow::State::apply`].
#![allow(deprecated)] // The protocol keeps deprecated fields that older clients still read.

pub mod address;
pub mod callback;
pub mod cron;
pub mod duration;
pub mod effects;
pub mod env;
pub mod execution;
mod json;
pub mod limits;
pub mod message;
pub mod namespace;
pub mod rejection;
pub mod reply;
pub mod request;
pub mod retry_policy;
pub mod schedule;
pub mod slot;
pub mod task_queue;
mod time_zone;
pub mod token;
pub mod visibility;
pub mod workflow;

pub use env::{Env, Ids};
pub use limits::Limits;
pub use rejection::{Code, Detail, Rejection};
pub use slot::{SLOTS, Slot, SlotSet};
