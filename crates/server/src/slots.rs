//! A bound on how many things of a sort are under way at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many slots; whoever does a thing of the sort holds one.
pub(crate) struct Slots {
    limit: usize,
    taken: AtomicUsize,
    /// Called when half of the slots are free again.
    on_room: Box<dyn Fn() + Send + Sync>,
}

/// One of them, until it is dropped.
pub(crate) struct Slot(Arc<Slots>);

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slots").field("limit", &self.limit).field("taken", &self.taken()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slot")
    }
}

impl Slots {
    pub(crate) fn new(limit: usize, on_room: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { limit, taken: AtomicUsize::new(0), on_room: Box::new(on_room) })
    }

    /// A slot, if there is one left.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Slot> {
        let more = |taken| (taken < self.limit).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Slot(self.clone()))
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Whether there is one left.
    pub(crate) fn has_room(&self) -> bool {
        self.taken() < self.limit
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.0.taken.fetch_sub(1, Ordering::AcqRel) == self.0.limit.div_ceil(2) {
            (self.0.on_room)();
        }
    }
}
