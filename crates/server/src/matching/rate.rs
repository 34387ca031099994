//! How many a second, over the last half minute.

/// A part of the time that is looked at, nanoseconds.
const PART_NS: i64 = 5 * 1_000_000_000;
/// How many parts are looked at.
const PARTS: usize = 6;

/// Counts things as they come, and forgets them after half a minute.
#[derive(Debug, Clone, Default)]
pub(super) struct Rate {
    counts: [u32; PARTS],
    /// When the newest part began, nanoseconds since the epoch; 0 before the first thing.
    part_ns: i64,
    /// When the first thing came, or the first after a long silence.
    since_ns: i64,
}

impl Rate {
    /// One came.
    pub(super) fn count(&mut self, now_ns: i64) {
        self.pass(now_ns);
        self.counts[0] = self.counts[0].saturating_add(1);
    }

    /// How many came a second.
    #[allow(clippy::cast_precision_loss)] // Half a minute has few nanoseconds.
    pub(super) fn per_second(&self, now_ns: i64) -> f32 {
        let mut now = self.clone();
        now.pass(now_ns);
        let count: f64 = now.counts.iter().map(|count| f64::from(*count)).sum();
        let seconds = (now_ns - now.since_ns).clamp(PART_NS / 5, PART_NS * PARTS as i64) as f64 / 1e9;
        #[allow(clippy::cast_possible_truncation)] // The protocol has the rate with less precision.
        let rate = (count / seconds) as f32;
        rate
    }

    fn pass(&mut self, now_ns: i64) {
        let passed = usize::try_from((now_ns - self.part_ns) / PART_NS).unwrap_or(0);
        if self.part_ns == 0 || passed >= PARTS {
            *self = Self { counts: [0; PARTS], part_ns: now_ns, since_ns: now_ns };
            return;
        }
        self.counts.rotate_right(passed);
        self.counts[..passed].fill(0);
        self.part_ns += PART_NS * i64::try_from(passed).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: i64 = 1_000_000_000;

    #[test]
    fn a_rate_is_of_the_last_half_minute() {
        let mut rate = Rate::default();
        assert!(rate.per_second(SECOND_NS) == 0.0);
        for second in 1..=100 {
            (0..3).for_each(|_| rate.count(second * SECOND_NS));
        }
        let steady = rate.per_second(101 * SECOND_NS);
        assert!((2.5..=3.5).contains(&steady), "{steady}");
        assert!(rate.per_second(115 * SECOND_NS) < steady);
        assert!(rate.per_second(200 * SECOND_NS) == 0.0);
    }

    #[test]
    fn the_first_ones_are_not_spread_over_a_time_that_was_not() {
        let mut rate = Rate::default();
        (0..10).for_each(|_| rate.count(500 * SECOND_NS));
        assert!((4.9..=5.1).contains(&rate.per_second(502 * SECOND_NS)));
    }
}
