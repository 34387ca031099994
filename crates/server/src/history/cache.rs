//! The newest events of a run, in memory.

use std::collections::VecDeque;

use evertide_proto::history::HistoryEvent;

/// How much history of a run is kept in memory.
const CACHED_HISTORY_BYTES: usize = 512 * 1024;
/// What an event takes in memory besides its encoded size, about: fields that are not set take room all the same.
const EVENT_OVERHEAD_BYTES: usize = size_of::<HistoryEvent>() + 512;

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
