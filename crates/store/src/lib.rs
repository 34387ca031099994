//! The storage contract, its in-memory model and its conformance suite.
//!
//! A store keeps rows and answers look-ups. It never looks into them: records, snapshots, tasks and registry values are
//! opaque bytes, and every rule about workflows lives in the engine. Only lists look at what they show, and what a filter
//! means is the engine's rule too. What a store promises is on [`Store`]; what it is
//! given is a [`Batch`]. [`MemoryStore`] is the model: plain maps, no durability, and the answers that every other
//! store is compared with.
//!
//! Start reading at [`Store`], then [`batch`], then [`memory`].

pub mod batch;
pub mod codec;
mod contract;
mod error;
pub mod memory;
pub mod numbers;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
pub mod visibility;

pub use batch::{
    BacklogChange, Batch, CurrentRun, QueueKey, RegistryWrite, RunIdentity, RunKey, RunWrite, Stored, Wake, Write,
};
pub use contract::{ExpiredRun, HistoryLimit, HistoryRecord, RegistryRecord, Store, StoredRun};
pub use error::StoreError;
pub use evertide_engine::slot::{Slot, SlotSet};
pub use evertide_engine::visibility::{Filter, SearchValue};
pub use memory::MemoryStore;
pub use numbers::{BacklogCursor, OpenState};
pub use visibility::{ListCursor, ListPage, ListQuery, RUNNING, VisibilityRow};
