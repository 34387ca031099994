//! The TestService: the clock of a server that skips time.
//!
//! A length of time that is unset or negative, and a time that has been, are answered at once and change nothing.

use crate::frontend::{Frontend, Outcome};
use evertide_engine::Rejection;
use evertide_engine::env::{duration_ns, timestamp, timestamp_ns};
use evertide_proto::testservice::{GetCurrentTimeResponse, SleepRequest, SleepUntilRequest};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The times that the protocol can say, seconds since the epoch: the years 1 to 9999.
const TIMES_S: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

impl Frontend {
    /// GetCurrentTime.
    pub(super) fn get_current_time(&self) -> GetCurrentTimeResponse {
        GetCurrentTimeResponse { time: Some(timestamp(self.node.now_ns())) }
    }

    /// LockTimeSkipping.
    pub(super) fn lock_time_skipping(&self) -> Outcome<()> {
        Ok(self.node.lock_time()?)
    }

    /// UnlockTimeSkipping.
    pub(super) fn unlock_time_skipping(&self) -> Outcome<()> {
        Ok(self.node.unlock_time()?)
    }

    /// Sleep, and with `unlock_meanwhile` UnlockTimeSkippingWithSleep.
    pub(super) async fn sleep(&self, request: SleepRequest, unlock_meanwhile: bool) -> Outcome<()> {
        let length = request.duration.unwrap_or_default();
        if !(-999_999_999..=999_999_999).contains(&length.nanos) {
            return Err(Rejection::invalid(format!("the duration has {} nanoseconds", length.nanos)).into());
        }
        let length_ns = u64::try_from(duration_ns(Some(&length))).unwrap_or(0);
        self.node.sleep(Duration::from_nanos(length_ns), unlock_meanwhile).await
    }

    /// SleepUntil.
    pub(super) async fn sleep_until(&self, request: SleepUntilRequest) -> Outcome<()> {
        let at = request.timestamp.unwrap_or_default();
        if !TIMES_S.contains(&at.seconds) {
            return Err(
                Rejection::invalid(format!("{} seconds are no time between the years 1 and 9999", at.seconds)).into()
            );
        }
        let at_ns = timestamp_ns(&at);
        self.node.sleep_until(at_ns).await
    }
}
