//! Histories: the events of a run, from memory or from the store.

use std::sync::Arc;

use bytes::Bytes;
use evertide_engine::address::Address;
use evertide_engine::address::Kind;
use evertide_engine::execution::Execution;
use evertide_engine::reply::StartedTask;
use evertide_proto::history::{History, HistoryEvent};
use evertide_proto::workflowservice::PollWorkflowTaskQueueResponse;
use evertide_store::{HistoryLimit, RunKey, Store};

mod cache;

pub(crate) use cache::EventCache;

use crate::fault::{Fault, store_fault};

/// How much is read from the store at once.
const READ_BYTES: usize = 1024 * 1024;
const READ_RECORDS: usize = 256;

/// A started workflow task on its way to a worker, with its history as far as that was in memory.
#[derive(Debug)]
pub struct TaskHistory {
    pub(crate) run: Arc<Address>,
    run_key: RunKey,
    started: Box<StartedTask>,
    events: Option<Vec<HistoryEvent>>,
}

/// A workflow task as a worker gets it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkflowTaskPage {
    /// The answer to the poll with the first page of its history, without a page token.
    pub response: PollWorkflowTaskQueueResponse,
    /// Where the history goes on; 0 if this is all of it.
    pub next_event_id: i64,
    /// The task's history ends before this event.
    pub until_event_id: i64,
    /// The run.
    pub run: Arc<Address>,
}

impl TaskHistory {
    pub(crate) fn new(run: Arc<Address>, run_key: RunKey, started: Box<StartedTask>) -> Self {
        Self { run, run_key, started, events: None }
    }

    /// Takes the events from memory, if they are there.
    pub(crate) fn fill(&mut self, events: &EventCache) {
        let (from, until) = (self.started.history_from, self.started.history_until);
        self.events = events.slice(from, until, self.started.page_events);
    }

    /// Whether nothing has to be read from the store.
    pub(crate) fn is_complete(&self) -> bool {
        self.events.is_some()
    }

    /// The task for the worker; reads from the store what was not in memory.
    pub(crate) fn into_page(self, store: &dyn Store) -> Result<WorkflowTaskPage, Fault> {
        let (from, until) = (self.started.history_from, self.started.history_until);
        let mut events = match self.events {
            Some(events) => events,
            None => read_events(store, self.run_key, from, until, self.started.page_events)?,
        };
        let reached = events.last().map_or(from, |e| e.event_id + 1);
        let next_event_id = if reached < until { reached } else { 0 };
        let mut started = *self.started;
        if next_event_id == 0 {
            events.append(&mut started.virtual_events);
        }
        started.response.history = Some(History { events });
        Ok(WorkflowTaskPage { response: started.response, next_event_id, until_event_id: until, run: self.run })
    }
}

/// Events `from..until` of a run from the store, at most `limit`, oldest first.
pub(crate) fn read_events(
    store: &dyn Store,
    run_key: RunKey,
    from: i64,
    until: i64,
    limit: usize,
) -> Result<Vec<HistoryEvent>, Fault> {
    let mut events: Vec<HistoryEvent> = Vec::new();
    let mut next = from;
    while next < until && events.len() < limit {
        let bounds = HistoryLimit { records: READ_RECORDS, size_bytes: READ_BYTES };
        let records = store.history(run_key, next, bounds).map_err(store_fault)?;
        let before = next;
        for record in records {
            for event in events_of(record.record)? {
                if event.event_id >= next && event.event_id < until && events.len() < limit {
                    next = event.event_id + 1;
                    events.push(event);
                }
            }
        }
        if next == before {
            break; // The history ends here.
        }
    }
    Ok(events)
}

/// Events of a run below `before`, at most `limit`, newest first.
pub(crate) fn read_events_before(
    store: &dyn Store,
    run_key: RunKey,
    before: i64,
    limit: usize,
) -> Result<Vec<HistoryEvent>, Fault> {
    let mut events: Vec<HistoryEvent> = Vec::new();
    let mut next = before;
    while next > 1 && events.len() < limit {
        let bounds = HistoryLimit { records: READ_RECORDS, size_bytes: READ_BYTES };
        let records = store.history_before(run_key, next, bounds).map_err(store_fault)?;
        let began_at = next;
        for record in records {
            let mut portion: Vec<_> = events_of(record.record)?;
            portion.reverse();
            for event in portion {
                if event.event_id < next && events.len() < limit {
                    next = event.event_id;
                    events.push(event);
                }
            }
        }
        if next == began_at {
            break;
        }
    }
    Ok(events)
}

/// The events in a record. Only workflows have histories.
fn events_of(record: Bytes) -> Result<Vec<HistoryEvent>, Fault> {
    let damaged = |_| Fault::Internal("a history record cannot be decoded".to_owned());
    Execution::events_of(Kind::Workflow, record).map_err(damaged)
}

/// Which part of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryRead {
    /// From an event on, oldest first.
    Forward {
        /// The first event.
        from_event_id: i64,
        /// How many at most.
        max_events: usize,
    },
    /// From an event back, newest first.
    Backward {
        /// The first event given: the newest.
        from_event_id: i64,
        /// How many at most.
        max_events: usize,
    },
}

impl HistoryRead {
    /// Only the newest event.
    #[must_use]
    pub fn last_event() -> Self {
        Self::Backward { from_event_id: i64::MAX, max_events: 1 }
    }

    /// The events of a run that ends before `end`, if they are in memory.
    pub(crate) fn in_memory(&self, cache: &EventCache, end: i64) -> Option<Vec<HistoryEvent>> {
        match *self {
            Self::Forward { from_event_id, max_events } => cache.slice(from_event_id, end, max_events),
            Self::Backward { from_event_id, max_events } => {
                let until = from_event_id.saturating_add(1).min(end);
                let from = until.saturating_sub(i64::try_from(max_events).unwrap_or(i64::MAX)).max(1);
                let mut events = cache.slice(from, until, max_events)?;
                events.reverse();
                Some(events)
            }
        }
    }
}

/// Part of a run's history, with where the run stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryPage {
    /// The run that was read.
    pub run_id: String,
    /// The events.
    pub events: Vec<HistoryEvent>,
    /// Id that the next event of the run gets.
    pub next_event_id: i64,
    /// Whether the run is open.
    pub running: bool,
    /// Events of the workflow task in flight that are not written yet; they follow the history.
    pub virtual_events: Vec<HistoryEvent>,
}

/// What a reader waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryWait {
    /// The end of the run.
    Close,
    /// An event above this one, or the end of the run.
    After {
        /// The newest event that the reader has.
        event_id: i64,
    },
}
