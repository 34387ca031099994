//! What a request says beside its message: how long its caller waits, and which client it is.

use crate::frontend::versions;
use evertide_engine::Rejection;
use std::time::Duration;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

/// How long before the caller's deadline an empty answer is sent, so that it arrives in time.
const MARGIN: Duration = Duration::from_secs(1);
/// A poll with less time than this is refused: it could not be answered in time.
const SHORTEST_POLL: Duration = Duration::from_secs(2);
/// Longest wait of a poll for a task.
const LONGEST_POLL: Duration = Duration::from_secs(60);

/// The circumstances of one request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// When the caller stops waiting, if it said so.
    pub deadline: Option<Instant>,
    /// Name of the client, as `temporal-go` or `temporal-ui`; empty if it did not say.
    pub client_name: String,
    /// The client finds the next run of a chain in the close event of the one before.
    pub follows_next_run: bool,
}

impl Call {
    /// Reads the headers of a request that has just come in.
    ///
    /// # Errors
    /// Client and server are not made for each other.
    pub(crate) fn admitted(headers: &MetadataMap) -> Result<Self, Rejection> {
        let text = |key: &str| headers.get(key).and_then(|v| v.to_str().ok()).unwrap_or_default();
        versions::check(text("client-name"), text("client-version"), text("supported-server-versions"))?;
        Ok(Self::of(headers))
    }

    fn of(headers: &MetadataMap) -> Self {
        let text = |key: &str| headers.get(key).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let timeout = parse_timeout(text("grpc-timeout"));
        let features = text("supported-features");
        Self {
            deadline: timeout.and_then(|t| Instant::now().checked_add(t)),
            client_name: text("client-name").to_owned(),
            follows_next_run: features.split(',').any(|f| f.trim() == "follows-next-run-id"),
        }
    }

    /// Whether a person looks through this client, who wants to see what is written and nothing else.
    pub(crate) fn is_cli_or_ui(&self) -> bool {
        matches!(self.client_name.as_str(), "temporal-cli" | "temporal-ui")
    }

    /// When a poll for a task must be answered.
    ///
    /// # Errors
    /// A poll needs a deadline that is not too near.
    pub(crate) fn poll_until(&self) -> Result<Instant, Rejection> {
        let now = Instant::now();
        let deadline = self.deadline.ok_or_else(|| Rejection::invalid("Context timeout is not set."))?;
        // The header has the whole time at the caller's start; some of it is gone on the way.
        if deadline.saturating_duration_since(now) < SHORTEST_POLL {
            return Err(Rejection::precondition("Context timeout is too short."));
        }
        Ok((deadline - MARGIN).min(now + LONGEST_POLL))
    }

    /// When a wait of at most `longest` must be answered, even with nothing.
    pub(crate) fn wait_until(&self, longest: Duration) -> Instant {
        let now = Instant::now();
        let end = now + longest;
        self.deadline.map_or(end, |d| end.min(d.checked_sub(MARGIN).unwrap_or(now).max(now)))
    }
}

/// Reads a `grpc-timeout` header: up to eight digits and a unit.
pub(crate) fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_digits_and_a_unit() {
        assert_eq!(parse_timeout("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for wrong in ["", "m", "15", "1s", "-1S", "123456789S", "1é"] {
            assert_eq!(parse_timeout(wrong), None, "{wrong}");
        }
    }

    fn call(headers: &[(&'static str, &'static str)]) -> Call {
        let mut map = MetadataMap::new();
        for (key, value) in headers {
            map.insert(*key, value.parse().unwrap());
        }
        Call::of(&map)
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_is_answered_before_its_caller_gives_up() {
        let left = |timeout| call(&[("grpc-timeout", timeout)]).poll_until().map(|t| t - Instant::now());
        assert_eq!(left("10S"), Ok(Duration::from_secs(9)));
        assert_eq!(left("5M"), Ok(Duration::from_secs(60)));
        assert_eq!(left("1999m").unwrap_err().message, "Context timeout is too short.");
        assert_eq!(call(&[]).poll_until().unwrap_err().message, "Context timeout is not set.");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_has_an_end_of_its_own() {
        let left = |c: Call| c.wait_until(Duration::from_secs(20)) - Instant::now();
        assert_eq!(left(call(&[])), Duration::from_secs(20));
        assert_eq!(left(call(&[("grpc-timeout", "70S")])), Duration::from_secs(20));
        assert_eq!(left(call(&[("grpc-timeout", "5S")])), Duration::from_secs(4));
        assert_eq!(left(call(&[("grpc-timeout", "100m")])), Duration::ZERO);
    }

    #[test]
    fn features_and_client_are_read() {
        let c = call(&[("client-name", "temporal-ui"), ("supported-features", "x, follows-next-run-id")]);
        assert!(c.follows_next_run && c.is_cli_or_ui());
        assert!(!call(&[]).follows_next_run);
    }
}
