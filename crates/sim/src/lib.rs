//! Deterministic simulation of the server: one thread, one seed, no time but its own.
//!
//! [`simulate`] runs a node without threads on a store in memory. Clients and workers are plain sequential code that is
//! polled in an order that the seed chooses, between the steps of the node, jumps of the clock, commits that fail and
//! crashes before and after a commit. At the end the faults stop, everything may finish, and the checkers look at what is
//! left: nothing acknowledged may be lost, no history may have a gap or a second end, everything that was started must end.
//! A seed that fails once fails again, with the same trace.
//!
//! - [`program`] is the workflow code: a function from a history to commands.
//! - `client` and `worker` are the actors, `world` is what they share, `store` loses power.
//! - [`check`] looks at histories, `ledger` keeps what was acknowledged.

#![allow(deprecated)] // `control` is the only field that tells signals to the same workflow apart.

mod actor;
pub mod check;
mod client;
mod ledger;
pub mod program;
mod store;
mod worker;
mod world;

pub use world::{Options, Report, simulate};
