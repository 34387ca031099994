//! One run in memory.

use std::sync::Arc;

use evertide_engine::address::Address;
use evertide_engine::execution::Execution;
use evertide_engine::workflow;
use evertide_store::{RunKey, Wake};

use crate::ask::{Answer, RunView};
use crate::history::EventCache;

/// What a run takes in memory besides the encoded size of its state and history, about: most of its state is fields that
/// are not set, which take room all the same.
const ENTRY_OVERHEAD_BYTES: usize = 2 * size_of::<workflow::Execution>() + 4096;

/// A run in memory.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) run: Arc<Address>,
    pub(crate) run_key: RunKey,
    pub(crate) exec: Execution,
    /// Lists show it as open.
    pub(crate) open: bool,
    /// The newest part of its history.
    pub(crate) events: EventCache,
    /// The newest commit that the run is part of; the far future while that is not queued yet.
    pub(crate) ticket: u64,
    /// Size of the last snapshot; 0 if there is none.
    pub(crate) snapshot_bytes: usize,
    /// Records since the last snapshot.
    pub(crate) records: usize,
    /// Their size.
    pub(crate) records_bytes: usize,
    /// Size of the state when it was last measured, and what was added since.
    pub(crate) state_bytes: usize,
    /// What was last written of its due time; `Keep` if nothing was since the run was read.
    pub(crate) stored_wake: Wake,
    /// The due time in the timers; 0 for never.
    pub(crate) timer_ns: i64,
}

impl Entry {
    /// A run that has just been made: its events are still to come.
    pub(crate) fn created(run: Arc<Address>, run_key: RunKey, exec: Execution) -> Self {
        Self {
            open: true,
            stored_wake: Wake::Never,
            ..Self::with_events(run, run_key, exec, EventCache::starting_at(1))
        }
    }

    /// A run with the newest of its events.
    pub(crate) fn with_events(run: Arc<Address>, run_key: RunKey, exec: Execution, events: EventCache) -> Self {
        Self {
            run,
            run_key,
            open: exec.is_open(),
            exec,
            events,
            ticket: 0,
            records: 0,
            records_bytes: 0,
            state_bytes: 0,
            stored_wake: Wake::Keep,
            timer_ns: 0,
            snapshot_bytes: 0,
        }
    }

    /// What a reader sees.
    pub(crate) fn view(&self) -> RunView<'_> {
        RunView { run: &self.run, run_key: self.run_key, exec: &self.exec, events: &self.events }
    }

    /// An answer that says no more than which run has answered.
    pub(crate) fn answer(&self) -> Answer {
        Answer::of(self.run.clone())
    }

    /// What it takes in memory, about.
    pub(crate) fn size_bytes(&self) -> usize {
        ENTRY_OVERHEAD_BYTES + self.state_bytes + self.events.size_bytes()
    }

    /// Whether nothing would be lost if it left memory now that everything up to this commit is durable.
    pub(crate) fn may_leave(&self, durable_ticket: u64) -> bool {
        self.ticket <= durable_ticket && self.exec.may_leave()
    }
}
