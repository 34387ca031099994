//! One run in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use evertide_engine::workflow::{Execution, QueryAnswer, UpdateSignal};
use evertide_store::{RunKey, Wake};
use tokio::sync::{mpsc, oneshot};

use crate::address::RunRef;
use crate::ask::{Answer, Respond, RunView};
use crate::fault::Fault;
use crate::history::EventCache;
use crate::release::{Effect, Effects};

/// What a run takes in memory besides the encoded size of its state and history, about: most of its state is fields that
/// are not set, which take room all the same.
const ENTRY_OVERHEAD_BYTES: usize = 2 * size_of::<Execution>() + 4096;

/// A run in memory, with those who wait for something of it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) run: Arc<RunRef>,
    pub(crate) run_key: RunKey,
    pub(crate) exec: Execution,
    /// Lists show it as open.
    pub(crate) open: bool,
    /// The newest part of its history.
    pub(crate) events: EventCache,
    /// The newest commit that the run is part of; the far future while that is not queued yet.
    pub(crate) ticket: u64,
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
    pub(crate) history_watchers: Vec<HistoryWatcher>,
    pub(crate) update_waiters: BTreeMap<String, Vec<mpsc::UnboundedSender<UpdateSignal>>>,
    pub(crate) query_waiters: BTreeMap<String, oneshot::Sender<QueryAnswer>>,
}

/// Somebody who waits for an event.
pub(crate) struct HistoryWatcher {
    pub(crate) event_id: i64,
    pub(crate) respond: Respond,
}

impl std::fmt::Debug for HistoryWatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryWatcher").field("event_id", &self.event_id).finish_non_exhaustive()
    }
}

impl HistoryWatcher {
    fn is_live(&self) -> bool {
        self.respond.is_live()
    }
}

impl Entry {
    /// A run that has just been made: its events are still to come.
    pub(crate) fn created(run: Arc<RunRef>, run_key: RunKey, exec: Execution) -> Self {
        Self {
            open: true,
            stored_wake: Wake::Never,
            ..Self::with_events(run, run_key, exec, EventCache::starting_at(1))
        }
    }

    /// A run with the newest of its events.
    pub(crate) fn with_events(run: Arc<RunRef>, run_key: RunKey, exec: Execution, events: EventCache) -> Self {
        Self {
            run,
            run_key,
            open: exec.state.is_running(),
            exec,
            events,
            ticket: 0,
            records: 0,
            records_bytes: 0,
            state_bytes: 0,
            stored_wake: Wake::Keep,
            timer_ns: 0,
            history_watchers: Vec::new(),
            update_waiters: BTreeMap::new(),
            query_waiters: BTreeMap::new(),
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
        ENTRY_OVERHEAD_BYTES + self.state_bytes + self.events.size_bytes
    }

    /// Whether nothing would be lost if it left memory once it is durable.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.history_watchers.retain(HistoryWatcher::is_live);
        self.update_waiters.retain(|_, waiters| {
            waiters.retain(|w| !w.is_closed());
            !waiters.is_empty()
        });
        self.query_waiters.retain(|_, waiter| !waiter.is_closed());
        let volatile = &self.exec.volatile;
        self.history_watchers.is_empty()
            && self.update_waiters.is_empty()
            && self.query_waiters.is_empty()
            && volatile.speculative.is_none()
            && volatile.queries.is_empty()
            && volatile.updates.is_empty()
            && self.exec.state.outbox.is_empty()
    }

    /// Takes out those who wait for an event that is there now, or for ever in vain.
    pub(crate) fn ripe_watchers(&mut self) -> Vec<Respond> {
        if self.history_watchers.is_empty() {
            return Vec::new();
        }
        let (next, open) = (self.exec.state.next_event_id, self.exec.state.is_running());
        let (ripe, waiting): (Vec<_>, Vec<_>) =
            self.history_watchers.drain(..).partition(|w| !open || w.event_id < next);
        self.history_watchers = waiting;
        ripe.into_iter().map(|w| w.respond).collect()
    }

    /// Joins those who wait for an event.
    pub(crate) fn watch(&mut self, watcher: HistoryWatcher) {
        self.history_watchers.retain(HistoryWatcher::is_live);
        self.history_watchers.push(watcher);
    }

    /// Those who wait for an event are told that it does not come. Update and query waiters hear it by the end of their
    /// channels.
    pub(crate) fn fail_watchers(self, fault: &Fault) -> Effects {
        self.history_watchers.into_iter().map(|w| Effect::fail(w.respond, fault.clone())).collect()
    }
}
