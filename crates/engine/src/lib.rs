//! Every decision of the server, as pure functions.
//!
//! A rule of the system is a function from state, request and [`Env`] to changes and effects. This crate knows no
//! clock, no disk, no network, no randomness, no threads and no hash order: time, identifiers and limits come in
//! through [`Env`], and what should happen in the world goes out as values (see [`workflow::Effects`]).
//!
//! Start reading at [`workflow::decide()`]; the state of one run is [`workflow::State`], and it changes in one place only,
//! [`workflow::State::apply`].
#![allow(deprecated)] // The protocol keeps deprecated fields that older clients still read.

pub mod callback;
pub mod cron;
pub mod duration;
pub mod env;
mod json;
pub mod limits;
pub mod namespace;
pub mod rejection;
pub mod retry_policy;
pub mod schedule;
pub mod slot;
mod time_zone;
pub mod token;
pub mod visibility;
pub mod workflow;

pub use env::{Env, Ids};
pub use limits::Limits;
pub use rejection::{Code, Detail, Rejection};
pub use slot::{SLOTS, Slot, SlotSet};
