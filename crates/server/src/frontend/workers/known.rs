//! The last heartbeat of each worker.

use evertide_proto::enums::WorkerStatus;
use evertide_proto::worker::WorkerHeartbeat;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// A worker that has told nothing for so long is gone.
const SILENT_NS: i64 = 5 * 60 * 1_000_000_000;
/// How many workers are known at most; those that were silent longest make room.
const WORKERS: usize = 100_000;

/// The last heartbeat of each worker, by namespace id and worker instance key.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    known: Mutex<BTreeMap<(String, String), Known>>,
}

#[derive(Debug)]
struct Known {
    heartbeat: WorkerHeartbeat,
    told_ns: i64,
}

impl Workers {
    /// A worker tells of itself. With the status of one that has shut down it is forgotten.
    pub(crate) fn note(&self, namespace_id: &str, heartbeat: WorkerHeartbeat, now_ns: i64) {
        let key = (namespace_id.to_owned(), heartbeat.worker_instance_key.clone());
        let mut known = self.known.lock();
        if heartbeat.status() == WorkerStatus::Shutdown {
            known.remove(&key);
            return;
        }
        known.insert(key, Known { heartbeat, told_ns: now_ns });
        if known.len() > WORKERS {
            make_room(&mut known, now_ns);
        }
    }

    /// What a worker told last.
    pub(crate) fn last(&self, namespace_id: &str, key: &str, now_ns: i64) -> Option<WorkerHeartbeat> {
        let known = self.known.lock();
        let found = known.get(&(namespace_id.to_owned(), key.to_owned()))?;
        (now_ns - found.told_ns < SILENT_NS).then(|| found.heartbeat.clone())
    }

    /// All workers of a namespace in the order of their keys.
    pub(crate) fn all(&self, namespace_id: &str, now_ns: i64) -> Vec<WorkerHeartbeat> {
        let mut known = self.known.lock();
        known.retain(|_, worker| now_ns - worker.told_ns < SILENT_NS);
        let first = (namespace_id.to_owned(), String::new());
        let of_namespace = known.range(first..).take_while(|((id, _), _)| id == namespace_id);
        of_namespace.map(|(_, worker)| worker.heartbeat.clone()).collect()
    }
}

fn make_room(known: &mut BTreeMap<(String, String), Known>, now_ns: i64) {
    known.retain(|_, worker| now_ns - worker.told_ns < SILENT_NS);
    let longest_silent = known.iter().min_by_key(|(_, worker)| worker.told_ns).map(|(key, _)| key.clone());
    if let Some(key) = longest_silent.filter(|_| known.len() > WORKERS) {
        known.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeat(key: &str, status: WorkerStatus) -> WorkerHeartbeat {
        WorkerHeartbeat { worker_instance_key: key.to_owned(), status: status.into(), ..WorkerHeartbeat::default() }
    }

    fn keys(workers: &Workers, now_ns: i64) -> Vec<String> {
        workers.all("ns", now_ns).into_iter().map(|w| w.worker_instance_key).collect()
    }

    #[test]
    fn a_worker_is_known_until_it_shuts_down_or_falls_silent() {
        let workers = Workers::default();
        for (key, told_ns) in [("a", 0), ("b", 1), ("c", 1)] {
            workers.note("ns", heartbeat(key, WorkerStatus::Running), told_ns);
        }
        workers.note("other", heartbeat("z", WorkerStatus::Running), 1);
        workers.note("ns", heartbeat("b", WorkerStatus::ShuttingDown), 1);
        assert_eq!(keys(&workers, 1), ["a", "b", "c"]);
        workers.note("ns", heartbeat("b", WorkerStatus::Shutdown), 1);
        assert_eq!(keys(&workers, 1), ["a", "c"]);
        assert!(workers.last("ns", "a", SILENT_NS).is_none());
        assert_eq!(keys(&workers, SILENT_NS), ["c"]);
    }
}
