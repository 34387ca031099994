//! Where the shell gets the time from.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of time. The engine never asks one: each decision gets the time as a value.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use evertide_server::clock::Clock;
///
/// /// Everything happens at midnight of 1970.
/// #[derive(Debug)]
/// struct Stopped;
///
/// impl Clock for Stopped {
///     fn now_ns(&self) -> i64 {
///         0
///     }
/// }
///
/// assert_eq!(Stopped.world_ns(), 0);
/// assert_eq!(Stopped.sleep_until(1_000_000), Duration::from_millis(1));
/// ```
pub trait Clock: Debug + Send + Sync + 'static {
    /// Nanoseconds since the Unix epoch. Never goes back.
    fn now_ns(&self) -> i64;

    /// As [`Self::now_ns`] without any jumps: the time that workers and connections live in.
    fn world_ns(&self) -> i64 {
        self.now_ns()
    }

    /// How long a thread may sleep until this clock reaches `due_ns`, if nothing moves the clock meanwhile.
    fn sleep_until(&self, due_ns: i64) -> Duration {
        let left_ns = due_ns.saturating_sub(self.now_ns()).max(0);
        Duration::from_nanos(left_ns.unsigned_abs())
    }
}

/// The time of the machine, held still while the machine's clock is set back.
///
/// ```
/// use evertide_server::clock::{Clock, SystemClock};
///
/// let clock = SystemClock::default();
/// let before = clock.now_ns();
/// assert!(clock.now_ns() >= before);
/// ```
#[derive(Debug, Default)]
pub struct SystemClock {
    newest_ns: AtomicI64,
}

impl Clock for SystemClock {
    fn now_ns(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ns = i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX);
        now_ns.max(self.newest_ns.fetch_max(now_ns, Ordering::Relaxed))
    }
}

/// A clock that stands still until it is moved: for tests and simulation.
///
/// ```
/// use evertide_server::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::at(5);
/// clock.advance_ns(2);
/// clock.advance_to_ns(6);
/// assert_eq!(clock.now_ns(), 7, "it never goes back");
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now_ns: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now_ns`.
    #[must_use]
    pub fn at(now_ns: i64) -> Self {
        Self { now_ns: AtomicI64::new(now_ns) }
    }

    /// Moves the clock on.
    pub fn advance_ns(&self, by_ns: i64) {
        self.now_ns.fetch_add(by_ns.max(0), Ordering::Relaxed);
    }

    /// Moves the clock on to `now_ns`; without effect if that is past.
    pub fn advance_to_ns(&self, now_ns: i64) {
        self.now_ns.fetch_max(now_ns, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now_ns(&self) -> i64 {
        self.now_ns.load(Ordering::Relaxed)
    }
}

/// A clock that goes with another and jumps ahead of it.
///
/// ```
/// use std::sync::Arc;
///
/// use evertide_server::clock::{Clock, ManualClock, SkippingClock};
///
/// let clock = SkippingClock::over(Arc::new(ManualClock::at(5)));
/// assert_eq!((clock.now_ns(), clock.world_ns()), (5, 5));
/// ```
#[derive(Debug)]
pub struct SkippingClock {
    world: Arc<dyn Clock>,
    ahead_ns: AtomicI64,
}

impl SkippingClock {
    /// A clock that shows what `world` shows, until it jumps.
    #[must_use]
    pub fn over(world: Arc<dyn Clock>) -> Self {
        Self { world, ahead_ns: AtomicI64::new(0) }
    }

    /// Jumps ahead.
    pub(crate) fn jump_ns(&self, by_ns: i64) {
        self.ahead_ns.fetch_add(by_ns.max(0), Ordering::AcqRel);
    }
}

impl Clock for SkippingClock {
    fn now_ns(&self) -> i64 {
        self.world.now_ns().saturating_add(self.ahead_ns.load(Ordering::Acquire))
    }

    fn world_ns(&self) -> i64 {
        self.world.world_ns()
    }
}
