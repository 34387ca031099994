//! Due times: which run is to be looked at when.
//!
//! The truth is in the executions; the store keeps one due time for each run, in milliseconds. In memory is a window of
//! the nearest ones. What fires is only a look: the execution itself knows what is due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evertide_engine::address::Address;
use evertide_store::RunKey;
use parking_lot::{Condvar, Mutex};

use crate::hash::FixedMap;
use crate::slots::Slots;
use crate::work::Work;

/// How many due times are held in memory; when there are more, the later half is left to the store.
const WINDOW: usize = 50_000;
/// How many due times are read from the store at once.
pub(crate) const REFILL_ROWS: usize = 10_000;
/// How many runs are being woken at once, until what was due at them is durable.
const WAKES_AT_ONCE: usize = 256;
/// How long to wait before something that failed is tried again.
const RETRY_NS: i64 = 1_000_000_000;
/// How often retention is looked after.
const SWEEP_NS: i64 = 60 * 1_000_000_000;

/// Due times of runs.
#[derive(Debug)]
pub(crate) struct Timers {
    shared: Arc<Shared>,
    waking: Arc<Slots>,
}

#[derive(Debug)]
struct Shared {
    window: Mutex<Window>,
    changed: Condvar,
}

impl Shared {
    /// Something calls for a look. Whoever has just found nothing to do waits by now, and hears of it.
    fn poke(&self) {
        drop(self.window.lock());
        self.changed.notify_all();
    }
}

#[derive(Debug)]
struct Window {
    due: BTreeSet<(i64, RunKey)>,
    by_run: FixedMap<RunKey, Due>,
    /// Due times up to here (nanoseconds) are in memory, later ones in the store.
    reaches_ns: i64,
    refilling: bool,
    /// What is done later: what failed and is tried again, and the like.
    retries: BTreeMap<(i64, u64), Work>,
    next_retry: u64,
    next_sweep_ns: i64,
    closed: bool,
}

#[derive(Debug)]
struct Due {
    at_ns: i64,
    /// None if only the store has been asked so far.
    run: Option<Arc<Address>>,
}

impl Timers {
    pub(crate) fn new(now_ns: i64) -> Self {
        let window = Window {
            due: BTreeSet::new(),
            by_run: FixedMap::default(),
            reaches_ns: 0,
            refilling: false,
            retries: BTreeMap::new(),
            next_retry: 0,
            next_sweep_ns: now_ns.saturating_add(SWEEP_NS),
            closed: false,
        };
        let shared = Arc::new(Shared { window: Mutex::new(window), changed: Condvar::new() });
        let woken = shared.clone();
        Self { shared, waking: Slots::new(WAKES_AT_ONCE, move || woken.poke()) }
    }

    /// The run is to be looked at then; 0 for never.
    pub(crate) fn set(&self, run_key: RunKey, run: &Arc<Address>, at_ns: i64) {
        let mut window = self.shared.window.lock();
        window.remove(run_key);
        if at_ns == 0 {
            return;
        }
        // What is due at once is never left to the store, which may not know of it: a speculative task is volatile.
        if at_ns > window.reaches_ns && window.due.len() >= WINDOW {
            return;
        }
        let earliest = window.due.first().is_none_or(|(first_ns, _)| at_ns < *first_ns);
        window.insert(run_key, at_ns, Some(run.clone()));
        window.shrink();
        drop(window);
        if earliest {
            self.shared.changed.notify_one();
        }
    }

    /// Does this work after a while.
    pub(crate) fn retry(&self, now_ns: i64, work: Work) {
        self.at(now_ns.saturating_add(RETRY_NS), work);
    }

    /// Does this work then.
    pub(crate) fn at(&self, at_ns: i64, work: Work) {
        let mut window = self.shared.window.lock();
        let number = window.next_retry;
        window.next_retry += 1;
        window.retries.insert((at_ns, number), work);
        drop(window);
        self.shared.changed.notify_one();
    }

    /// Takes out what is due.
    pub(crate) fn take_due(&self, now_ns: i64) -> Vec<Work> {
        let mut window = self.shared.window.lock();
        let mut work = Vec::new();
        while let Some((at_ns, run_key)) = window.due.first().copied()
            && at_ns <= now_ns
            && let Some(waking) = self.waking.take()
        {
            window.due.pop_first();
            let run = window.by_run.remove(&run_key).and_then(|due| due.run);
            work.push(Work::Wake { run_key, run, waking });
        }
        while let Some(retry) = window.retries.first_entry()
            && retry.key().0 <= now_ns
        {
            work.push(retry.remove());
        }
        if window.next_sweep_ns <= now_ns {
            window.next_sweep_ns = now_ns.saturating_add(SWEEP_NS);
            work.push(Work::Sweep);
        }
        if window.wants_refill(now_ns) {
            window.refilling = true;
            work.push(Work::RefillTimers);
        }
        work
    }

    /// When something is due next; the far future if nothing is.
    pub(crate) fn next_due_ns(&self) -> i64 {
        self.shared.window.lock().next_due_ns(true)
    }

    /// How many due times are in memory, how many things are to be done later, and how many runs are being woken.
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        let window = self.shared.window.lock();
        (window.due.len(), window.retries.len(), self.waking.taken())
    }

    /// When the next run is due, as far as the clock may jump; none if the store must be read first.
    pub(crate) fn next_run_due_ns(&self) -> Option<i64> {
        let window = self.shared.window.lock();
        let first_ns = window.due.first().map(|(at_ns, _)| *at_ns);
        let unknown = window.refilling || (first_ns.is_none() && window.reaches_ns != i64::MAX);
        (!unknown).then(|| first_ns.unwrap_or(i64::MAX).min(window.reaches_ns))
    }

    /// The clock has jumped. What waits for the world's time comes no sooner for it; all else is looked at.
    pub(crate) fn leave_behind(&self, by_ns: i64) {
        let mut window = self.shared.window.lock();
        window.next_sweep_ns = window.next_sweep_ns.saturating_add(by_ns);
        let retries = std::mem::take(&mut window.retries);
        window.retries =
            retries.into_iter().map(|((at_ns, n), work)| ((at_ns.saturating_add(by_ns), n), work)).collect();
        drop(window);
        self.shared.changed.notify_all();
    }

    /// Sleeps until something may be due. Whether to go on.
    pub(crate) fn wait(&self, sleep_until: impl Fn(i64) -> Duration) -> bool {
        let mut window = self.shared.window.lock();
        if window.closed {
            return false;
        }
        let nap = sleep_until(window.next_due_ns(self.waking.has_room()));
        if !nap.is_zero() {
            self.shared.changed.wait_for(&mut window, nap);
        }
        !window.closed
    }

    /// The clock was moved, or something else calls for a look.
    pub(crate) fn poke(&self) {
        self.shared.poke();
    }

    pub(crate) fn close(&self) {
        self.shared.window.lock().closed = true;
        self.shared.changed.notify_all();
    }

    /// From where on the store is to be read, if it has anything that is not here. From now on due times of any distance
    /// are taken in, so that nothing that is committed while the store is read is missed.
    pub(crate) fn begin_refill(&self) -> Option<Refill> {
        let mut window = self.shared.window.lock();
        window.refilling = true;
        let from_ns = std::mem::replace(&mut window.reaches_ns, i64::MAX);
        (from_ns != i64::MAX).then_some(Refill { from_ns })
    }

    /// What was read. `complete` if the store has no more.
    pub(crate) fn end_refill(&self, rows: &[(i64, RunKey)], complete: bool) {
        let mut window = self.shared.window.lock();
        window.refilling = false;
        for (due_ms, run_key) in rows {
            if !window.by_run.contains_key(run_key) {
                window.insert(*run_key, due_ms.saturating_mul(1_000_000), None);
            }
        }
        if !complete {
            let last_ms = rows.last().map_or(0, |(due_ms, _)| *due_ms);
            window.cut_at(last_ms.saturating_mul(1_000_000));
        }
        window.shrink();
        drop(window);
        self.shared.changed.notify_one();
    }

    /// The store could not be read, which is to be tried again: what was in memory before is still all that is.
    pub(crate) fn fail_refill(&self, refill: Refill) {
        let mut window = self.shared.window.lock();
        window.cut_at(refill.from_ns);
    }
}

/// A read of due times that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refill {
    from_ns: i64,
}

impl Refill {
    /// Behind which due time of the store to begin. What is in memory already does no harm.
    pub(crate) fn after(self) -> Option<(i64, RunKey)> {
        (self.from_ns > 0).then(|| (self.from_ns / 1_000_000 - 1, RunKey::MAX))
    }
}

impl Window {
    fn insert(&mut self, run_key: RunKey, at_ns: i64, run: Option<Arc<Address>>) {
        self.due.insert((at_ns, run_key));
        self.by_run.insert(run_key, Due { at_ns, run });
    }

    fn remove(&mut self, run_key: RunKey) {
        if let Some(old) = self.by_run.remove(&run_key) {
            self.due.remove(&(old.at_ns, run_key));
        }
    }

    /// Leaves everything after `reaches_ns` to the store.
    fn cut_at(&mut self, reaches_ns: i64) {
        self.reaches_ns = reaches_ns;
        while let Some((at_ns, run_key)) = self.due.last().copied()
            && at_ns > reaches_ns
        {
            self.due.pop_last();
            self.by_run.remove(&run_key);
        }
    }

    fn shrink(&mut self) {
        if self.due.len() <= WINDOW || self.refilling {
            return;
        }
        if let Some((middle_ns, _)) = self.due.iter().nth(WINDOW / 2).copied() {
            self.cut_at(middle_ns);
        }
    }

    /// The window is read on when it is nearly used up and the store may have more.
    fn wants_refill(&self, now_ns: i64) -> bool {
        !self.refilling && self.reaches_ns != i64::MAX && (self.due.is_empty() || self.reaches_ns <= now_ns)
    }

    /// When something is due next; runs only if any may be woken.
    fn next_due_ns(&self, wakes_runs: bool) -> i64 {
        let first = self.due.first().filter(|_| wakes_runs);
        let run = first.map_or(i64::MAX, |(at_ns, _)| *at_ns);
        let retry = self.retries.keys().next().map_or(i64::MAX, |(at_ns, _)| *at_ns);
        let refill = if self.refilling || self.reaches_ns == i64::MAX {
            i64::MAX
        } else if self.due.is_empty() {
            0
        } else {
            self.reaches_ns
        };
        run.min(retry).min(refill).min(self.next_sweep_ns)
    }
}

#[cfg(test)]
mod tests;
