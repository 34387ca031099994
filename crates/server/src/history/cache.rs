//! The newest events of a run, in memory.

use std::collections::VecDeque;

use bytes::Bytes;
use evertide_proto::history::HistoryEvent;

use crate::history::events_of;

/// How much history of a run is kept in memory.
const CACHED_HISTORY_BYTES: usize = 512 * 1024;
/// What a record takes in memory besides its bytes, about.
const RECORD_OVERHEAD_BYTES: usize = size_of::<Portion>() + 64;

/// The newest events of a run without a gap, in the records in which they were written: an encoded event takes a tenth of
/// the room of a decoded one, and to decode it costs no more than to copy it.
#[derive(Debug)]
pub(crate) struct EventCache {
    portions: VecDeque<Portion>,
    /// Id of the first event that is kept.
    first_event_id: i64,
    size_bytes: usize,
}

#[derive(Debug)]
struct Portion {
    record: Bytes,
    first_event_id: i64,
    next_event_id: i64,
}

impl EventCache {
    pub(crate) fn starting_at(event_id: i64) -> Self {
        Self { portions: VecDeque::new(), first_event_id: event_id, size_bytes: 0 }
    }

    /// What it takes in memory, about.
    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Appends a record with events `first_event_id..next_event_id`, which follow those that are here.
    pub(crate) fn push(&mut self, record: Bytes, first_event_id: i64, next_event_id: i64) {
        if next_event_id <= first_event_id {
            return;
        }
        self.size_bytes += record.len() + RECORD_OVERHEAD_BYTES;
        self.portions.push_back(Portion { record, first_event_id, next_event_id });
        while self.size_bytes > CACHED_HISTORY_BYTES && self.portions.len() > 1 {
            let Some(oldest) = self.portions.pop_front() else {
                break;
            };
            self.size_bytes -= oldest.record.len() + RECORD_OVERHEAD_BYTES;
            self.first_event_id = oldest.next_event_id;
        }
    }

    /// Events `from..until`, at most `limit`; none if their beginning is not here.
    pub(crate) fn slice(&self, from: i64, until: i64, limit: usize) -> Option<Vec<HistoryEvent>> {
        if from < self.first_event_id {
            return None;
        }
        let mut events = Vec::new();
        for portion in self.portions.iter().skip_while(|p| p.next_event_id <= from) {
            if portion.first_event_id >= until || events.len() >= limit {
                break;
            }
            let all = events_of(portion.record.clone()).ok()?;
            let wanted = all.into_iter().filter(|e| e.event_id >= from && e.event_id < until);
            events.extend(wanted.take(limit - events.len()));
        }
        Some(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evertide_engine::workflow::{Change, Record};
    use prost::Message;

    fn record(event_ids: std::ops::Range<i64>, worker_size_bytes: usize) -> Bytes {
        let event = |event_id| HistoryEvent {
            event_id,
            user_metadata: Some(evertide_proto::sdk::UserMetadata {
                summary: Some(evertide_proto::common::Payload {
                    data: vec![0; worker_size_bytes].into(),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..HistoryEvent::default()
        };
        Record::new(event_ids.map(|id| Change::Event(event(id))).collect()).encode_to_vec().into()
    }

    fn ids(events: Option<Vec<HistoryEvent>>) -> Option<Vec<i64>> {
        events.map(|events| events.iter().map(|e| e.event_id).collect())
    }

    #[test]
    fn what_is_kept_has_no_gap_and_no_more_than_fits() {
        let mut cache = EventCache::starting_at(1);
        for first in (1..100).step_by(3) {
            cache.push(record(first..first + 3, 20 * 1024), first, first + 3);
            assert!(cache.size_bytes() <= CACHED_HISTORY_BYTES);
            let kept = cache.first_event_id..first + 3;
            assert_eq!(ids(cache.slice(kept.start, i64::MAX, usize::MAX)), Some(kept.collect()));
        }
        assert_eq!(cache.slice(cache.first_event_id - 1, i64::MAX, 1), None, "its beginning is in the store");
    }

    #[test]
    fn a_slice_begins_and_ends_where_it_is_told_to() {
        let mut cache = EventCache::starting_at(5);
        cache.push(record(5..8, 1), 5, 8);
        cache.push(record(8..8, 1), 8, 8);
        cache.push(record(8..12, 1), 8, 12);
        assert_eq!(ids(cache.slice(6, 10, 100)), Some(vec![6, 7, 8, 9]));
        assert_eq!(ids(cache.slice(6, 10, 3)), Some(vec![6, 7, 8]));
        assert_eq!(ids(cache.slice(12, 20, 3)), Some(vec![]));
        assert_eq!(ids(cache.slice(4, 20, 3)), None);
    }
}
