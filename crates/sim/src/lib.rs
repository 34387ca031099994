//! Deterministic simulation of the server: one thread, one seed, no time but its own.
//!
//! [`simulate`] runs a node without threads on a store in memory or on a file. Clients and workers are plain sequential
//! code that is polled in an order that the seed chooses, between the steps of the node, jumps of the clock, commits and
//! reads that fail, commits of which nobody knows, and crashes. At the end the faults stop, everything may finish, and
//! the checkers look at what is left: nothing acknowledged may be lost, no history may have a gap or a second end,
//! everything that was started must end, and what was deleted must be gone. Where nobody does harm, no task may time out.
//! A seed that fails once fails again, with the same trace.
//!
//! - [`program`] is the workflow code: a function from a history to commands.
//! - `client` and `worker` are the actors, `world` is what they share, `store` fails and loses power.
//! - [`check`] looks at histories, `ledger` keeps what was acknowledged, `world/verdict.rs` compares the two.

#![allow(deprecated)] // `control` is the only field that tells signals to the same workflow apart.

mod actor;
pub mod check;
mod client;
mod ledger;
mod options;
pub mod program;
mod store;
mod worker;
mod world;

pub use options::{Backend, Options, Report, Sabotage};
pub use world::simulate;
