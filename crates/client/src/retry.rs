//! Which failed calls are made again, and when.

use std::error::Error as _;
use std::time::Duration;

use tonic::{Code, Status};

use crate::client::advice;

/// How failed calls are retried: a growing delay with jitter, bounded in tries and in time.
///
/// A retried call is the same request, with the same request id, so the server does nothing twice.
///
/// ```
/// use std::time::Duration;
///
/// use evertide_client::{Client, RetryOptions};
///
/// let mut patient = RetryOptions::default();
/// patient.max_tries = 100;
/// patient.max_elapsed_time = Some(Duration::from_secs(300));
/// let connect = Client::connect("localhost:7233").retry(patient);
/// assert_eq!(RetryOptions::none().max_tries, 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RetryOptions {
    /// The delay before the second try. 100 ms.
    pub initial_interval: Duration,
    /// By what the delay grows from try to try. 1.7.
    pub multiplier: f64,
    /// By which share each delay is varied at random, up and down. 0.2.
    pub randomization_factor: f64,
    /// The longest delay. 5 s.
    pub max_interval: Duration,
    /// How long to go on after the first failure. 10 s. `None` is without end.
    pub max_elapsed_time: Option<Duration>,
    /// How many tries to make in all. 10. With one there are no retries.
    pub max_tries: u32,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_millis(100),
            multiplier: 1.7,
            randomization_factor: 0.2,
            max_interval: Duration::from_secs(5),
            max_elapsed_time: Some(Duration::from_secs(10)),
            max_tries: 10,
        }
    }
}

impl RetryOptions {
    /// Every failure surfaces at once.
    pub fn none() -> Self {
        Self { max_tries: 1, ..Self::default() }
    }

    /// The delay after the `tries`-th try, or nothing if that was the last.
    pub(crate) fn delay(&self, tries: u32, since_first_failure: Duration) -> Option<Duration> {
        if tries >= self.max_tries {
            return None;
        }
        let exponent = i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX);
        let base = self.initial_interval.as_secs_f64() * self.multiplier.powi(exponent);
        let base = base.min(self.max_interval.as_secs_f64());
        let varied = base * (1.0 + self.randomization_factor * (2.0 * random_unit() - 1.0));
        let delay = Duration::try_from_secs_f64(varied).unwrap_or(self.max_interval);
        match self.max_elapsed_time {
            Some(limit) if since_first_failure + delay > limit => None,
            _ => Some(delay),
        }
    }
}

/// A number between 0 and 1, from the generator that makes the request ids.
fn random_unit() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u64_pair().0 >> 32;
    bits as f64 / f64::from(u32::MAX)
}

/// Whether a failed call is worth another try.
///
/// A cancellation counts only if it comes from our own side of the connection, which then has a source: the
/// connection was lost under the call. What TLS refuses it refuses again.
pub(crate) fn is_retryable(status: &Status) -> bool {
    match status.code() {
        Code::DataLoss
        | Code::Internal
        | Code::Unknown
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable => advice(status).is_none(),
        Code::Cancelled => status.source().is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_by_the_multiplier_up_to_the_cap() {
        let options = RetryOptions { randomization_factor: 0.0, max_elapsed_time: None, ..RetryOptions::default() };
        let delays: Vec<_> =
            (1..=11).map(|tries| options.delay(tries, Duration::ZERO).map(|delay| delay.as_millis())).collect();
        assert_eq!(delays[..4], [Some(100), Some(170), Some(289), Some(491)]);
        assert_eq!(delays[7], Some(4103));
        assert_eq!(delays[8], Some(5000));
        assert_eq!(delays[9..], [None, None]);
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let options = RetryOptions::default();
        for _ in 0..100 {
            let delay = options.delay(1, Duration::ZERO).expect("the first try is not the last");
            assert!((80..=120).contains(&delay.as_millis()), "{delay:?}");
        }
    }

    #[test]
    fn no_delay_reaches_beyond_the_limit_in_time() {
        let options = RetryOptions::default();
        assert_eq!(options.delay(2, Duration::from_millis(9_950)), None);
        assert!(options.delay(2, Duration::from_secs(5)).is_some());
    }

    #[test]
    fn only_losses_are_retried() {
        assert!(is_retryable(&Status::unavailable("")));
        assert!(is_retryable(&Status::aborted("")));
        assert!(!is_retryable(&Status::not_found("")));
        assert!(!is_retryable(&Status::cancelled("by the server")));
        assert!(!is_retryable(&Status::deadline_exceeded("")));
    }
}
