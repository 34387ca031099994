//! What a decision may know besides state and request: the time, fresh identifiers, limits, the namespaces.

use crate::limits::Limits;
use crate::namespace::Namespaces;
use prost_types::Timestamp;

pub use crate::duration::{from_ns as duration, to_ns as duration_ns};
use uuid::{Builder, Uuid};

/// The surroundings of one decision. Equal surroundings, state and request give an equal decision.
#[derive(Debug)]
pub struct Env<'a> {
    /// The time of the decision, nanoseconds since the Unix epoch.
    pub now_ns: i64,
    /// Source of identifiers and jitter.
    pub ids: Ids,
    /// Limits in force for the namespace of the execution.
    pub limits: &'a Limits,
    /// All namespaces, for commands that name another one and for search attributes.
    pub namespaces: &'a Namespaces,
}

/// A deterministic stream of identifiers and random numbers, from a seed that the shell stamps on each decision.
#[derive(Debug, Clone)]
pub struct Ids {
    state: u64,
}

impl Ids {
    /// A stream that is determined by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number of the stream (SplitMix64).
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }

    /// A run id: a UUID of version 7, so that runs sort by their start.
    pub fn run_id(&mut self, now_ns: i64) -> String {
        let millis = u64::try_from(now_ns / 1_000_000).unwrap_or(0);
        let (a, b) = (self.next_u64().to_be_bytes(), self.next_u64().to_be_bytes());
        let random = [a[0], a[1], b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]];
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string()
    }

    /// A UUID of version 4, for request ids and the like.
    pub fn uuid(&mut self) -> String {
        let random = (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64());
        Builder::from_random_bytes(random.to_be_bytes()).into_uuid().to_string()
    }
}

/// Whether `text` is a UUID, as run ids must be.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

/// Nanoseconds since the epoch as the protocol's timestamp.
#[must_use]
pub fn timestamp(ns: i64) -> Timestamp {
    Timestamp { seconds: ns.div_euclid(1_000_000_000), nanos: i32::try_from(ns.rem_euclid(1_000_000_000)).unwrap_or(0) }
}

/// As [`timestamp`], with 0 (never) as none.
#[must_use]
pub fn timestamp_opt(ns: i64) -> Option<Timestamp> {
    (ns != 0).then(|| timestamp(ns))
}

/// The protocol's timestamp as nanoseconds since the epoch, saturating.
#[must_use]
pub fn timestamp_ns(t: &Timestamp) -> i64 {
    t.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(t.nanos))
}

/// The smaller of two lengths of time where 0 means "without limit".
#[must_use]
pub fn shorter_ns(a: i64, b: i64) -> i64 {
    match (a, b) {
        (0, x) | (x, 0) => x,
        (a, b) => a.min(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_ids_of_the_right_versions() {
        let (mut a, mut b) = (Ids::new(7), Ids::new(7));
        let run = a.run_id(1_700_000_000_000_000_000);
        assert_eq!(run, b.run_id(1_700_000_000_000_000_000));
        assert!(is_uuid(&run) && run.as_bytes()[14] == b'7');
        let id = a.uuid();
        assert!(is_uuid(&id) && id.as_bytes()[14] == b'4');
        assert_ne!(id, a.uuid());
    }

    #[test]
    fn times_go_both_ways() {
        for ns in [0, 1, 1_999_999_999, 1_700_000_000_123_456_789] {
            assert_eq!(timestamp_ns(&timestamp(ns)), ns);
            assert_eq!(duration_ns(Some(&duration(ns))), ns);
        }
    }
}
