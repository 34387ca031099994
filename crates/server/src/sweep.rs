//! What is removed in the course of time: runs past their retention, those of deleted namespaces, queues nobody uses.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use evertide_engine::address::Address;
use evertide_store::{Filter, ListQuery, SlotSet, Store, StoreError};
use parking_lot::Mutex;

use crate::address::{ChainKey, stored};
use crate::ask::{Answer, Ask, Job, Respond};
use crate::clock::Clock;
use crate::commit::Subject;
use crate::fault::Failure;
use crate::polls::TaskQueues;
use crate::registry::{NamespaceRecord, NamespaceRegistry};
use crate::release::{Commits, Effect};
use crate::work::{Work, WorkQueue};

/// How many runs of a namespace are being removed at once.
const SWEEP_RUNS: usize = 1000;

/// Finds what is to be removed.
pub(crate) struct Sweep {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) namespaces: Arc<NamespaceRegistry>,
    pub(crate) queues: Arc<TaskQueues>,
    pub(crate) commits: Arc<Commits>,
    pub(crate) work: Arc<WorkQueue>,
    /// The round that is under way.
    pub(crate) round: Mutex<Weak<Round>>,
}

/// Runs that are being removed. When all of them are, the next ones are looked for at once, if there may be more: so
/// removals go as fast as the store takes them, and no more of them are under way than one round has.
pub(crate) struct Round {
    /// The store may have more than this round found.
    more: AtomicBool,
    removed: AtomicUsize,
    work: Arc<WorkQueue>,
}

impl Drop for Round {
    fn drop(&mut self) {
        // What could not be removed is left to the next regular sweep.
        if self.more.load(Ordering::Relaxed) && self.removed.load(Ordering::Relaxed) > 0 {
            self.work.push(Work::Sweep);
        }
    }
}

impl Sweep {
    /// Whether runs are being removed.
    pub(crate) fn is_under_way(&self) -> bool {
        self.round.lock().strong_count() > 0
    }

    /// Forgets queues that nobody uses. Returns the requests that remove runs whose retention is over and those of deleted
    /// namespaces.
    pub(crate) fn begin(&self) -> Vec<Job> {
        let now_ns = self.clock.world_ns(); // Workers poll, and people look at what has ended, at the world's pace.
        self.queues.forget_idle(now_ns);
        let round = Round { more: AtomicBool::new(false), removed: AtomicUsize::new(0), work: self.work.clone() };
        let round = Arc::new(round);
        {
            let mut under_way = self.round.lock();
            if under_way.strong_count() > 0 {
                return Vec::new(); // It looks for more by itself.
            }
            *under_way = Arc::downgrade(&round);
        }
        let mut jobs = Vec::new();
        for record in self.namespaces.records() {
            let found = if record.is_deleted() {
                self.runs_of(&record)
            } else if record.retention_ns > 0 {
                self.expired(&record.id, now_ns.saturating_sub(record.retention_ns))
            } else {
                self.expired(&record.id, i64::MIN) // Only for want of room.
            };
            match found {
                Ok(runs) => {
                    round.more.fetch_or(runs.len() >= SWEEP_RUNS, Ordering::Relaxed);
                    jobs.extend(runs.into_iter().map(|run| removal(run, record.is_deleted(), round.clone())));
                }
                Err(error) => tracing::warn!(%error, "runs that are to be removed cannot be found"),
            }
        }
        jobs
    }

    fn expired(&self, namespace_id: &str, before_ns: i64) -> Result<Vec<Address>, StoreError> {
        let expired = self.store.expired(namespace_id, &SlotSet::all(), before_ns, SWEEP_RUNS)?;
        Ok(expired.into_iter().filter_map(|run| stored(run.identity)).collect())
    }

    /// The runs of a deleted namespace, open ones too. When there are none left the namespace itself is removed.
    fn runs_of(&self, record: &NamespaceRecord) -> Result<Vec<Address>, StoreError> {
        let query =
            ListQuery { namespace_id: record.id.clone(), filter: Filter::All, page_size: SWEEP_RUNS, after: None };
        let rows = self.store.list(&query)?.rows;
        if rows.is_empty() {
            // The change refuses nothing.
            let _ = self.namespaces.change(
                &record.name,
                |_| Ok(None),
                |writes, registered| {
                    self.commits.push(Subject::Registry, writes, vec![Effect::Namespaces(registered)]);
                },
            );
        }
        let mut runs = Vec::new();
        for row in rows {
            runs.extend(self.store.run(row.run_key)?.and_then(|run| stored(run.identity)));
        }
        Ok(runs)
    }
}

fn removal(run: Address, even_open: bool, round: Arc<Round>) -> Job {
    let removed = move |result: Result<Answer, Failure>| {
        round.removed.fetch_add(usize::from(result.is_ok()), Ordering::Relaxed);
    };
    let ask = Ask::Delete { run_id: run.run_id.clone(), even_open };
    Job { key: Arc::new(ChainKey::of(&run)), ask, respond: Respond::Call(Box::new(removed)) }
}
