//! What is removed in the course of time: runs past their retention, those of deleted namespaces, queues nobody uses.

use std::sync::Arc;

use evertide_store::{Filter, ListQuery, SlotSet, Store, StoreError, VisibilityRow};

use crate::address::RunRef;
use crate::ask::{Ask, Job, Respond};
use crate::clock::Clock;
use crate::polls::TaskQueues;
use crate::registry::{NamespaceRecord, NamespaceRegistry};
use crate::release::{Commits, Effect};
use crate::timers::Timers;
use crate::work::Work;

/// How many runs are removed in one go, of each namespace.
const SWEEP_RUNS: usize = 100;

/// Finds what is to be removed.
pub(crate) struct Sweep {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) namespaces: Arc<NamespaceRegistry>,
    pub(crate) queues: Arc<TaskQueues>,
    pub(crate) commits: Arc<Commits>,
    pub(crate) timers: Arc<Timers>,
}

impl Sweep {
    /// Forgets queues that nobody uses. Returns the requests that remove runs whose retention is over and those of deleted
    /// namespaces.
    pub(crate) fn begin(&self) -> Vec<Job> {
        let now_ns = self.clock.world_ns(); // Workers poll, and people look at what has ended, at the world's pace.
        self.queues.forget_idle(now_ns);
        let mut jobs = Vec::new();
        let mut more = false;
        for record in self.namespaces.records() {
            let removals = if record.is_deleted() {
                self.emptying(&record)
            } else if record.retention_ns > 0 {
                self.expired(&record.id, now_ns.saturating_sub(record.retention_ns))
            } else {
                continue;
            };
            match removals {
                Ok(removals) => {
                    more |= removals.len() >= SWEEP_RUNS;
                    jobs.extend(removals);
                }
                Err(error) => tracing::warn!(%error, "runs that are to be removed cannot be found"),
            }
        }
        if more {
            self.timers.retry(self.clock.now_ns(), Work::Sweep);
        }
        jobs
    }

    fn expired(&self, namespace_id: &str, before_ns: i64) -> Result<Vec<Job>, StoreError> {
        let expired = self.store.expired(namespace_id, &SlotSet::all(), before_ns, SWEEP_RUNS)?;
        Ok(expired.into_iter().map(|run| removal(RunRef::stored(run.identity), false)).collect())
    }

    /// The runs of a deleted namespace, open ones too. When there are none left the namespace itself is removed.
    fn emptying(&self, record: &NamespaceRecord) -> Result<Vec<Job>, StoreError> {
        let query =
            ListQuery { namespace_id: record.id.clone(), filter: Filter::All, page_size: SWEEP_RUNS, after: None };
        let rows = self.store.list(&query)?.rows;
        if rows.is_empty() {
            // The change refuses nothing.
            let _ = self.namespaces.change(
                &record.name,
                |_| Ok(None),
                |writes, registered| {
                    self.commits.push(writes, vec![Effect::Namespaces(registered)]);
                },
            );
        }
        let run = |row: VisibilityRow| RunRef {
            namespace_id: row.namespace_id,
            workflow_id: row.workflow_id,
            run_id: row.run_id,
        };
        Ok(rows.into_iter().map(|row| removal(run(row), true)).collect())
    }
}

fn removal(run: RunRef, even_open: bool) -> Job {
    Job { key: Arc::new(run.chain()), ask: Ask::Delete { run_id: run.run_id, even_open }, respond: Respond::Nobody }
}
