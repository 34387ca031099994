//! One run in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use evertide_engine::workflow::{Execution, QueryAnswer, UpdateSignal};
use evertide_proto::history::HistoryEvent;
use evertide_store::RunKey;
use tokio::sync::{mpsc, oneshot};

use crate::shard::{Respond, RunRef};

/// How much history of a run is kept in memory.
const CACHED_HISTORY_BYTES: usize = 512 * 1024;
/// What a run takes in memory besides the encoded size of its state and history, about: most of its state is fields that
/// are not set, which take room all the same.
const ENTRY_OVERHEAD_BYTES: usize = 2 * size_of::<Execution>() + 4096;
/// What an event takes in memory besides its encoded size, about: the same holds for its attributes.
const EVENT_OVERHEAD_BYTES: usize = size_of::<HistoryEvent>() + 512;

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
    /// What the store knows of when to look at it next; the outer none if it does not know the run yet.
    pub(crate) stored_wake: Option<Option<i64>>,
    /// What the timers know of when to look at it next; 0 for never.
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
        !matches!(&self.respond, Respond::Caller(caller) if caller.is_closed())
    }
}

impl Entry {
    /// A run that has just been made: its events are still to come.
    pub(crate) fn created(run: Arc<RunRef>, run_key: RunKey, exec: Execution) -> Self {
        Self { open: true, ..Self::with_events(run, run_key, exec, EventCache::starting_at(1)) }
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
            stored_wake: None,
            timer_ns: 0,
            history_watchers: Vec::new(),
            update_waiters: BTreeMap::new(),
            query_waiters: BTreeMap::new(),
        }
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
}

/// The newest events of a run without a gap, in the portions in which they were written.
#[derive(Debug)]
pub(crate) struct EventCache {
    portions: VecDeque<Portion>,
    /// Id of the first event that is kept.
    first_event_id: i64,
    pub(crate) size_bytes: usize,
}

#[derive(Debug)]
struct Portion {
    events: Vec<HistoryEvent>,
    size_bytes: usize,
}

impl EventCache {
    pub(crate) fn starting_at(event_id: i64) -> Self {
        Self { portions: VecDeque::new(), first_event_id: event_id, size_bytes: 0 }
    }

    /// Appends events that follow those that are here.
    pub(crate) fn push(&mut self, events: Vec<HistoryEvent>, size_bytes: usize) {
        if events.is_empty() {
            return;
        }
        let size_bytes = size_bytes + events.len() * EVENT_OVERHEAD_BYTES;
        self.size_bytes += size_bytes;
        self.portions.push_back(Portion { events, size_bytes });
        while self.size_bytes > CACHED_HISTORY_BYTES && self.portions.len() > 1 {
            let Some(oldest) = self.portions.pop_front() else {
                break;
            };
            self.size_bytes -= oldest.size_bytes;
            self.first_event_id = oldest.events.last().map_or(self.first_event_id, |e| e.event_id + 1);
        }
    }

    /// Events `from..until`, at most `limit`; none if their beginning is not here.
    pub(crate) fn slice(&self, from: i64, until: i64, limit: usize) -> Option<Vec<HistoryEvent>> {
        if from < self.first_event_id {
            return None;
        }
        let wanted = self.portions.iter().flat_map(|p| &p.events);
        Some(wanted.filter(|e| e.event_id >= from && e.event_id < until).take(limit).cloned().collect())
    }
}
