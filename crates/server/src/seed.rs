//! Where the randomness of decisions comes from.

use std::sync::atomic::{AtomicU64, Ordering};

/// Gives each decision a seed of its own; equal starts give equal seeds in equal order.
#[derive(Debug)]
pub(crate) struct Seeds {
    next: AtomicU64,
}

impl Seeds {
    pub(crate) fn new(start: u64) -> Self {
        Self { next: AtomicU64::new(start) }
    }

    pub(crate) fn next(&self) -> u64 {
        // An odd step visits every number; it differs from the step within a decision's own stream, so that the streams
        // of two decisions do not run in parallel.
        let state = self.next.fetch_add(0xd1b5_4a32_d192_ed03, Ordering::Relaxed);
        let mixed = (state ^ (state >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ (mixed >> 32)
    }
}
