//! The last heartbeat of each worker.

use bytes::Bytes;
use evertide_engine::Rejection;
use evertide_proto::enums::WorkerStatus;
use evertide_proto::worker::WorkerHeartbeat;
use parking_lot::{Mutex, RwLock};
use prost::Message;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// A worker that has told nothing for so long is gone.
const SILENT_NS: i64 = 5 * 60 * 1_000_000_000;
/// Largest heartbeat, bytes. Those of SDKs have one or two kilobytes.
pub(super) const HEARTBEAT_LIMIT_BYTES: usize = 64 * 1024;
/// How many workers of a namespace are known at most, and how many bytes their heartbeats take; those that were silent
/// longest leave.
const LIMITS: KnownLimits = KnownLimits { workers: 20_000, bytes: 32 * 1024 * 1024 };
/// How many workers are looked at under one lock.
const LOOKED_AT: usize = 64;

#[derive(Debug, Clone, Copy)]
struct KnownLimits {
    workers: usize,
    bytes: usize,
}

/// The last heartbeat of each worker, by the id of its namespace.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    namespaces: RwLock<BTreeMap<String, Arc<Mutex<Known>>>>,
}

/// The workers of one namespace.
#[derive(Debug, Default)]
struct Known {
    /// By worker instance key.
    workers: BTreeMap<Arc<str>, Told>,
    /// Their keys in the order in which they told last.
    order: BTreeMap<u64, Arc<str>>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Told {
    /// Encoded, so that it takes no more than it is counted as.
    heartbeat: Bytes,
    told_ns: i64,
    place: u64,
}

impl Workers {
    /// A worker tells of itself. With the status of one that has shut down it is forgotten.
    ///
    /// # Errors
    /// It tells too much.
    pub(crate) fn note(&self, namespace_id: &str, heartbeat: &WorkerHeartbeat, now_ns: i64) -> Result<(), Rejection> {
        let size_bytes = heartbeat.encoded_len();
        if size_bytes > HEARTBEAT_LIMIT_BYTES {
            let key: String = heartbeat.worker_instance_key.chars().take(100).collect();
            return Err(Rejection::invalid(format!(
                "heartbeat of worker {key:?} has {size_bytes} bytes, the limit is {HEARTBEAT_LIMIT_BYTES}"
            )));
        }
        let known = self.of(namespace_id);
        if heartbeat.status() == WorkerStatus::Shutdown {
            known.lock().forget(&heartbeat.worker_instance_key);
            return Ok(());
        }
        let encoded = heartbeat.encode_to_vec().into();
        known.lock().keep(heartbeat.worker_instance_key.as_str().into(), encoded, now_ns, LIMITS);
        Ok(())
    }

    /// What a worker told last.
    pub(crate) fn last(&self, namespace_id: &str, key: &str, now_ns: i64) -> Option<WorkerHeartbeat> {
        let known = self.of(namespace_id);
        let told = known.lock().workers.get(key).filter(|told| told.is_fresh(now_ns))?.heartbeat.clone();
        WorkerHeartbeat::decode(told).ok()
    }

    /// The first workers of a namespace behind a key that are meant, in the order of their keys, `most` of them.
    pub(crate) fn find(
        &self,
        namespace_id: &str,
        after: Option<&str>,
        most: usize,
        now_ns: i64,
        is_meant: impl Fn(&WorkerHeartbeat) -> bool,
    ) -> Vec<WorkerHeartbeat> {
        let known = self.of(namespace_id);
        let (mut found, mut after) = (Vec::new(), after.map(Arc::from));
        loop {
            let some = known.lock().some_behind(after.as_ref(), now_ns);
            let Some(last) = some.last else { return found };
            let heartbeats = some.heartbeats.into_iter().filter_map(|told| WorkerHeartbeat::decode(told).ok());
            found.extend(heartbeats.filter(&is_meant).take(most - found.len()));
            if found.len() == most {
                return found;
            }
            after = Some(last);
        }
    }

    /// How many workers of a namespace are meant.
    pub(crate) fn count(&self, namespace_id: &str, now_ns: i64, is_meant: impl Fn(&WorkerHeartbeat) -> bool) -> usize {
        let known = self.of(namespace_id);
        let (mut count, mut after) = (0, None);
        loop {
            let some = known.lock().some_behind(after.as_ref(), now_ns);
            let Some(last) = some.last else { return count };
            let heartbeats = some.heartbeats.into_iter().filter_map(|told| WorkerHeartbeat::decode(told).ok());
            count += heartbeats.filter(&is_meant).count();
            after = Some(last);
        }
    }

    fn of(&self, namespace_id: &str) -> Arc<Mutex<Known>> {
        if let Some(known) = self.namespaces.read().get(namespace_id) {
            return known.clone();
        }
        self.namespaces.write().entry(namespace_id.to_owned()).or_default().clone()
    }
}

impl Told {
    fn is_fresh(&self, now_ns: i64) -> bool {
        now_ns - self.told_ns < SILENT_NS
    }
}

/// A few workers, and the key of the last one that was looked at; none at the end.
struct Some {
    heartbeats: Vec<Bytes>,
    last: Option<Arc<str>>,
}

impl Known {
    fn keep(&mut self, key: Arc<str>, heartbeat: Bytes, now_ns: i64, limits: KnownLimits) {
        self.forget(&key);
        let place = self.next;
        self.next += 1;
        self.bytes += heartbeat.len();
        self.order.insert(place, key.clone());
        self.workers.insert(key, Told { heartbeat, told_ns: now_ns, place });
        while let Some((_, oldest)) = self.order.first_key_value() {
            let is_silent = self.workers.get(oldest).is_none_or(|told| !told.is_fresh(now_ns));
            if !is_silent && self.workers.len() <= limits.workers && self.bytes <= limits.bytes {
                return;
            }
            let oldest = oldest.clone();
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, key: &str) {
        if let Some(told) = self.workers.remove(key) {
            self.order.remove(&told.place);
            self.bytes -= told.heartbeat.len();
        }
    }

    fn some_behind(&self, after: Option<&Arc<str>>, now_ns: i64) -> Some {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut heartbeats, mut last) = (Vec::new(), None);
        for (key, told) in self.workers.range::<Arc<str>, _>((from, Bound::Unbounded)).take(LOOKED_AT) {
            heartbeats.extend(told.is_fresh(now_ns).then(|| told.heartbeat.clone()));
            last = Some(key.clone());
        }
        Some { heartbeats, last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeat(key: &str, status: WorkerStatus) -> WorkerHeartbeat {
        WorkerHeartbeat { worker_instance_key: key.to_owned(), status: status.into(), ..WorkerHeartbeat::default() }
    }

    fn keys(workers: &Workers, now_ns: i64) -> Vec<String> {
        let found = workers.find("ns", None, usize::MAX, now_ns, |_| true);
        found.into_iter().map(|w| w.worker_instance_key).collect()
    }

    #[test]
    fn a_worker_is_known_until_it_shuts_down_or_falls_silent() {
        let workers = Workers::default();
        let note = |namespace_id: &str, key: &str, status, now_ns| {
            workers.note(namespace_id, &heartbeat(key, status), now_ns).unwrap();
        };
        for (key, told_ns) in [("a", 0), ("b", 1), ("c", 1)] {
            note("ns", key, WorkerStatus::Running, told_ns);
        }
        note("other", "z", WorkerStatus::Running, 1);
        note("ns", "b", WorkerStatus::ShuttingDown, 1);
        assert_eq!(keys(&workers, 1), ["a", "b", "c"]);
        note("ns", "b", WorkerStatus::Shutdown, 1);
        assert_eq!(keys(&workers, 1), ["a", "c"]);
        assert!(workers.last("ns", "a", SILENT_NS).is_none());
        assert_eq!(keys(&workers, SILENT_NS), ["c"]);
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended_and_counts_see_all() {
        let workers = Workers::default();
        for number in 0..2 * LOOKED_AT + 7 {
            workers.note("ns", &heartbeat(&format!("{number:04}"), WorkerStatus::Running), 0).unwrap();
        }
        let is_even = |w: &WorkerHeartbeat| w.worker_instance_key.parse::<usize>().unwrap() % 2 == 0;
        let page = |after, most| workers.find("ns", after, most, 0, is_even);
        let whole: Vec<_> = page(None, usize::MAX).into_iter().map(|w| w.worker_instance_key).collect();
        assert_eq!(whole.len(), LOOKED_AT + 4);
        assert_eq!(workers.count("ns", 0, is_even), whole.len());
        let second = page(Some(&whole[49]), 10);
        assert_eq!(
            second.iter().map(|w| &w.worker_instance_key).collect::<Vec<_>>(),
            whole[50..60].iter().collect::<Vec<_>>()
        );
    }

    #[test]
    fn those_that_were_silent_longest_leave_when_there_are_too_many_or_too_much() {
        let mut known = Known::default();
        let keep = |known: &mut Known, key: &str, bytes: usize, now_ns| {
            known.keep(key.into(), vec![0; bytes].into(), now_ns, KnownLimits { workers: 3, bytes: 100 });
        };
        for key in ["a", "b", "c"] {
            keep(&mut known, key, 10, 0);
        }
        keep(&mut known, "a", 20, 1);
        keep(&mut known, "d", 10, 2);
        let left = |known: &Known| known.workers.keys().map(|key| key.to_string()).collect::<String>();
        assert_eq!((left(&known).as_str(), known.bytes), ("acd", 40));
        keep(&mut known, "e", 75, 3);
        assert_eq!((left(&known).as_str(), known.bytes), ("de", 85));
        keep(&mut known, "f", 1, SILENT_NS + 2);
        assert_eq!((left(&known).as_str(), known.order.len()), ("ef", 2));
    }

    #[test]
    fn a_heartbeat_that_tells_too_much_is_refused_and_changes_nothing() {
        let workers = Workers::default();
        let mut large = heartbeat("a", WorkerStatus::Running);
        workers.note("ns", &large, 0).unwrap();
        large.worker_identity = "i".repeat(HEARTBEAT_LIMIT_BYTES);
        let refusal = workers.note("ns", &large, 1).unwrap_err();
        assert!(refusal.message.contains("heartbeat of worker \"a\""), "{refusal}");
        assert_eq!(workers.last("ns", "a", 1).unwrap().worker_identity, "");
    }
}
