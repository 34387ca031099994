//! What clients ask of the clock of a server that skips time.

use std::time::Duration;

use evertide_engine::Rejection;

use crate::fault::{Failure, Fault};
use crate::node::Node;
use crate::time_skipping::{Sleep, Until};

impl Node {
    /// Locks time once more: it goes at the world's pace until every lock is taken away.
    ///
    /// # Errors
    /// The server does not skip time.
    pub fn lock_time(&self) -> Result<(), Rejection> {
        self.shell.time.lock()
    }

    /// Takes one lock away.
    ///
    /// # Errors
    /// The server does not skip time, or time is not locked.
    pub fn unlock_time(&self) -> Result<(), Rejection> {
        self.shell.time.unlock()
    }

    /// Sleeps by the server's clock. With `unlock_meanwhile` one lock is taken away, and taken again at the very point at
    /// which the sleep ends, or when nobody waits for it any more.
    ///
    /// # Errors
    /// The server does not skip time, time is not locked where it is to be unlocked, no clock goes that far, or the
    /// server stops.
    pub async fn sleep(&self, length: Duration, unlock_meanwhile: bool) -> Result<(), Failure> {
        let length_ns = i64::try_from(length.as_nanos()).unwrap_or(i64::MAX);
        self.asleep(self.shell.time.sleep(Until::After(length_ns), unlock_meanwhile)?).await
    }

    /// Sleeps until the server's clock shows this time, nanoseconds since the epoch.
    ///
    /// # Errors
    /// The server does not skip time, no clock goes that far, or the server stops.
    pub async fn sleep_until(&self, at_ns: i64) -> Result<(), Failure> {
        self.asleep(self.shell.time.sleep(Until::Time(at_ns), false)?).await
    }

    /// Whether the server is about to stop.
    #[must_use]
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    async fn asleep(&self, sleep: Option<Sleep>) -> Result<(), Failure> {
        let Some(sleep) = sleep else { return Ok(()) };
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = sleep.wait() => Ok(()),
            _ = stopping.wait_for(|stopping| *stopping) => Err(Fault::Stopping.into()),
        }
    }
}
