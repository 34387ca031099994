//! Counts what is under way inside the server, so that a clock that jumps knows when nothing is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts what is under way inside the server; without time skipping it counts nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Motion(Option<Arc<AtomicUsize>>);

impl Motion {
    pub(crate) fn counted() -> Self {
        Self(Some(Arc::default()))
    }

    /// One thing more is under way.
    pub(crate) fn begin(&self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// So many things have ended. Whether nothing is under way any more.
    pub(crate) fn end(&self, ended: usize) -> bool {
        self.0.as_ref().is_some_and(|count| count.fetch_sub(ended, Ordering::AcqRel) == ended)
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.as_ref().is_none_or(|count| count.load(Ordering::Acquire) == 0)
    }
}
