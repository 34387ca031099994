//! A server whose time jumps: for tests of workflows that wait for weeks.
//!
//! The clock goes at the world's pace while anybody holds it: by a lock, by an execution that has something to do
//! ([`Execution::holds`](evertide_engine::workflow::Execution::holds)), by a query at a worker, or because
//! something is under way inside the server. Once nobody does, it jumps to the next thing that is due. That is all there
//! is to it: everything else in the server asks the same clock as always, and what is due fires as it always does.
//!
//! An activity may unlock time as well, to sleep or to wait for another workflow. Then it is itself that holds the time,
//! so there may be no lock left to take; and a test may want time to pass over a task that no worker takes. So each
//! unlock beyond the last lock takes away one hold of an execution, as long as there is one.
//!
//! "Under way" is counted in [`Motion`](crate::motion::Motion): from when a request is taken up until everything that it set off inside the
//! server has come to an end. A jump is decided under the lock of the ledger, and whoever sets something in motion from
//! outside passes that lock, so nothing is ever decided by the time before a jump and kept after it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use evertide_engine::Rejection;
use evertide_store::RunKey;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::clock::{Clock, SkippingClock};
use crate::hash::FixedMap;
use crate::motion::Motion;
use crate::queries::Queries;
use crate::timers::Timers;
use crate::work::WorkQueue;

/// The first day of the year 2200, which no clock jumps past: the times of the protocol end not long after.
const LAST_NS: i64 = 7_258_118_400 * 1_000_000_000;

/// Something under way, until it is dropped: then the clock may be free to jump.
#[derive(Debug)]
pub(crate) struct Moving<'t> {
    time: &'t Time,
    count: usize,
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        if self.time.motion.end(self.count) {
            self.time.skip();
        }
    }
}

/// The server's time: what is due fires, and where the clock jumps, it jumps to that.
#[derive(Debug)]
pub(crate) struct Time {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) motion: Motion,
    pub(crate) timers: Arc<Timers>,
    pub(crate) work: Arc<WorkQueue>,
    pub(crate) queries: Arc<Queries>,
    /// None on a server whose clock does not jump.
    pub(crate) skipping: Option<Skipping>,
}

/// The clock that jumps, and who keeps it from jumping.
#[derive(Debug)]
pub(crate) struct Skipping {
    clock: Arc<SkippingClock>,
    ledger: Mutex<Ledger>,
    /// When the next sleeper wakes, for the timer's thread, which must not wait for the ledger.
    next_sleeper_ns: AtomicI64,
}

#[derive(Debug, Default)]
struct Ledger {
    /// How often time was locked and not unlocked; below 0 if it was unlocked more often.
    locks: i64,
    /// How often each execution holds the time.
    holders: FixedMap<RunKey, i64>,
    /// How often all of them together do.
    holds: i64,
    /// Who sleeps, by when they wake.
    sleepers: BTreeMap<(i64, u64), Sleeper>,
    next_sleeper: u64,
    /// It was told that the clock goes no further.
    end_told: bool,
}

#[derive(Debug)]
struct Sleeper {
    woken: oneshot::Sender<()>,
    /// Takes a lock at the very point at which it wakes.
    locks: bool,
}

impl Ledger {
    fn is_held(&self) -> bool {
        self.locks + self.holds > 0
    }

    fn hold(&mut self, run_key: RunKey, holds: usize) {
        let holds = i64::try_from(holds).unwrap_or(i64::MAX);
        let before = if holds == 0 { self.holders.remove(&run_key) } else { self.holders.insert(run_key, holds) };
        self.holds += holds - before.unwrap_or_default();
    }

    /// Whoever waits for something that never comes is told why, once.
    fn note_end(&mut self, next_due_ns: i64) {
        if next_due_ns != i64::MAX && !self.end_told {
            self.end_told = true;
            tracing::warn!("what is due next is after the year 2199, to which no clock goes here: no time is skipped");
        }
    }

    fn unlock(&mut self) -> Result<(), Rejection> {
        if !self.is_held() {
            return Err(Rejection::precondition("time skipping is not locked: there is no lock to take away"));
        }
        self.locks -= 1;
        Ok(())
    }
}

impl Skipping {
    pub(crate) fn new(clock: Arc<SkippingClock>, locks: i64) -> Self {
        let ledger = Ledger { locks, ..Ledger::default() };
        Self { clock, ledger: Mutex::new(ledger), next_sleeper_ns: AtomicI64::new(i64::MAX) }
    }

    fn note_next_sleeper(&self, ledger: &Ledger) {
        let next_ns = ledger.sleepers.keys().next().map_or(i64::MAX, |(at_ns, _)| *at_ns);
        self.next_sleeper_ns.store(next_ns, Ordering::Release);
    }

    /// Wakes whoever has slept long enough.
    fn wake_sleepers(&self, ledger: &mut Ledger, now_ns: i64) {
        while let Some(first) = ledger.sleepers.first_entry()
            && first.key().0 <= now_ns
        {
            let sleeper = first.remove();
            ledger.locks += i64::from(sleeper.locks);
            // Who has gone has taken his sleeper out, unless he went this moment.
            let _ = sleeper.woken.send(());
        }
        self.note_next_sleeper(ledger);
    }
}

impl Time {
    /// Something begins that was not set off by anything under way. Everything that looks at the clock in the course of
    /// it sees the time after any jump.
    pub(crate) fn moving(&self) -> Moving<'_> {
        if let Some(skipping) = &self.skipping {
            let ledger = skipping.ledger.lock();
            self.motion.begin();
            drop(ledger);
        }
        Moving { time: self, count: 1 }
    }

    /// So many things that are under way end when this is dropped.
    pub(crate) fn moved(&self, count: usize) -> Moving<'_> {
        Moving { time: self, count }
    }

    /// An execution was decided upon, read from the store, or removed: it holds the time so often.
    pub(crate) fn note_holder(&self, run_key: RunKey, holds: impl FnOnce() -> usize) {
        if let Some(skipping) = &self.skipping {
            skipping.ledger.lock().hold(run_key, holds());
        }
    }

    /// When the next sleeper wakes; the far future if nobody sleeps.
    pub(crate) fn next_sleeper_ns(&self) -> i64 {
        self.skipping.as_ref().map_or(i64::MAX, |s| s.next_sleeper_ns.load(Ordering::Acquire))
    }

    /// Wakes whoever has slept long enough.
    pub(crate) fn wake_sleepers(&self) {
        let Some(skipping) = &self.skipping else { return };
        let now_ns = self.clock.now_ns();
        if skipping.next_sleeper_ns.load(Ordering::Acquire) <= now_ns {
            skipping.wake_sleepers(&mut skipping.ledger.lock(), now_ns);
        }
    }

    /// Does what is due. Whether anything was.
    pub(crate) fn fire_due(&self) -> bool {
        self.wake_sleepers();
        let due = self.timers.take_due(self.clock.now_ns());
        let any = !due.is_empty();
        for work in due {
            self.work.push(work);
        }
        any
    }

    /// Lets the clock jump to the next thing that is due, if nobody holds it. What is due then fires.
    pub(crate) fn skip(&self) {
        while self.jump() {
            self.fire_due();
            if !self.motion.end(1) {
                return;
            }
        }
    }

    /// Whether the clock has jumped; then something is under way: to fire what is due.
    fn jump(&self) -> bool {
        let Some(skipping) = &self.skipping else { return false };
        let mut ledger = skipping.ledger.lock();
        if ledger.is_held() || !self.motion.is_none() || !self.queries.is_empty() {
            return false;
        }
        let Some(run_due_ns) = self.timers.next_run_due_ns() else { return false };
        let sleeper_ns = skipping.next_sleeper_ns.load(Ordering::Acquire);
        let point_ns = run_due_ns.min(sleeper_ns);
        let by_ns = point_ns.saturating_sub(self.clock.now_ns());
        if by_ns <= 0 {
            return false; // What is due already fires by itself.
        }
        if point_ns > LAST_NS {
            ledger.note_end(point_ns);
            return false;
        }
        self.motion.begin();
        skipping.clock.jump_ns(by_ns);
        self.timers.leave_behind(by_ns);
        skipping.wake_sleepers(&mut ledger, point_ns);
        true
    }

    // -- what clients ask ----------------------------------------------------------------------------------------------

    fn checked(&self) -> Result<&Skipping, Rejection> {
        self.skipping.as_ref().ok_or_else(|| {
            Rejection::unimplemented(
                "this server does not skip time; start it as a test server (`evertide PORT`) or with time skipping",
            )
        })
    }

    /// Locks time once more.
    pub(crate) fn lock(&self) -> Result<(), Rejection> {
        self.checked()?.ledger.lock().locks += 1;
        Ok(())
    }

    /// Takes one lock away.
    pub(crate) fn unlock(&self) -> Result<(), Rejection> {
        let mut ledger = self.checked()?.ledger.lock();
        ledger.unlock()?;
        drop(ledger);
        self.skip();
        Ok(())
    }

    /// Somebody sleeps for a while, or until a time. With `unlock` one lock is taken away until he wakes or goes. None if
    /// the time has come already.
    pub(crate) fn sleep(self: &Arc<Self>, until: Until, unlock_meanwhile: bool) -> Result<Option<Sleep>, Rejection> {
        let skipping = self.checked()?;
        let mut ledger = skipping.ledger.lock();
        let now_ns = self.clock.now_ns();
        let at_ns = match until {
            Until::Time(at_ns) => at_ns,
            Until::After(length_ns) => now_ns.saturating_add(length_ns),
        };
        if at_ns <= now_ns {
            return Ok(None);
        }
        if at_ns > LAST_NS {
            return Err(Rejection::invalid("the time to wake is after the year 2199, to which no clock goes here"));
        }
        if unlock_meanwhile {
            ledger.unlock()?;
        }
        let (woken, wakes) = oneshot::channel();
        let key = (at_ns, ledger.next_sleeper);
        ledger.next_sleeper += 1;
        ledger.sleepers.insert(key, Sleeper { woken, locks: unlock_meanwhile });
        skipping.note_next_sleeper(&ledger);
        drop(ledger);
        self.timers.poke();
        self.skip();
        Ok(Some(Sleep { bed: Bed { time: self.clone(), key }, wakes }))
    }
}

/// How long somebody sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// So many nanoseconds.
    After(i64),
    /// Until that time, nanoseconds since the epoch.
    Time(i64),
}

/// Somebody who sleeps until the clock is there. Dropping it ends the sleep, and gives the lock back that was taken away
/// for it.
#[derive(Debug)]
pub(crate) struct Sleep {
    bed: Bed,
    wakes: oneshot::Receiver<()>,
}

impl Sleep {
    /// Waits for the clock.
    pub(crate) async fn wait(self) {
        let Self { bed, wakes } = self;
        // Without a sender the server is gone, and so is its time.
        let _ = wakes.await;
        drop(bed);
    }
}

#[derive(Debug)]
struct Bed {
    time: Arc<Time>,
    key: (i64, u64),
}

impl Drop for Bed {
    fn drop(&mut self) {
        let Some(skipping) = &self.time.skipping else { return };
        let mut ledger = skipping.ledger.lock();
        if let Some(sleeper) = ledger.sleepers.remove(&self.key) {
            ledger.locks += i64::from(sleeper.locks);
            skipping.note_next_sleeper(&ledger);
        }
    }
}
