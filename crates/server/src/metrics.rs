//! Counters of what the shell does, for whoever wants to show them.

use std::sync::atomic::{AtomicU64, Ordering};

use evertide_store::Batch;

/// Counters since the node was opened.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    batches: AtomicU64,
    writes: AtomicU64,
    failed_commits: AtomicU64,
    panics: AtomicU64,
}

/// The counters at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Batches given to the store.
    pub batches: u64,
    /// Writes in them.
    pub writes: u64,
    /// Batches that the store did not take.
    pub failed_commits: u64,
    /// Decisions that went wrong halfway.
    pub panics: u64,
}

impl Metrics {
    pub(crate) fn note_batch(&self, batch: &Batch) {
        if !batch.writes.is_empty() {
            self.batches.fetch_add(1, Ordering::Relaxed);
            self.writes.fetch_add(batch.writes.len() as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn note_failed_commit(&self) {
        self.failed_commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            batches: self.batches.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            failed_commits: self.failed_commits.load(Ordering::Relaxed),
            panics: self.panics.load(Ordering::Relaxed),
        }
    }
}
