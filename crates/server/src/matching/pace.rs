//! How fast a queue gives out its tasks.

/// A second, in nanoseconds.
const SECOND_NS: i64 = 1_000_000_000;

/// A limit on the tasks that leave a queue, with a burst of one second's worth.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// What an operator set, tasks a second. It goes before what workers want.
    pub(super) of_operator: Option<f64>,
    /// What the worker that polled last wants, tasks a second.
    pub(super) of_worker: Option<f64>,
    /// When the next task would be due if all went out evenly.
    even_ns: i64,
    /// Somebody will look at the queue again when it may go on.
    pub(super) is_awaited: bool,
}

impl Pace {
    /// Whether a task may leave now.
    pub(super) fn is_ready(&self, now_ns: i64) -> bool {
        self.delay_ns(now_ns) == Some(0)
    }

    /// How long until a task may leave; none if none ever may.
    pub(super) fn delay_ns(&self, now_ns: i64) -> Option<i64> {
        let Some(per_second) = self.per_second() else { return Some(0) };
        let interval_ns = interval_ns(per_second)?;
        let early_ns = (SECOND_NS - interval_ns).max(0);
        Some(self.even_ns.saturating_sub(early_ns).saturating_sub(now_ns).max(0))
    }

    /// A task leaves.
    pub(super) fn take(&mut self, now_ns: i64) {
        if let Some(interval_ns) = self.per_second().and_then(interval_ns) {
            self.even_ns = self.even_ns.max(now_ns).saturating_add(interval_ns);
        }
    }

    fn per_second(&self) -> Option<f64> {
        self.of_operator.or(self.of_worker)
    }
}

/// The time between two tasks; none if there are to be none at all.
#[allow(clippy::cast_possible_truncation)] // Rates so low that the time does not fit are as good as none.
fn interval_ns(per_second: f64) -> Option<i64> {
    (per_second > 0.0).then(|| (1e9 / per_second) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many tasks leave within a time, taken as soon as they may.
    fn leaves_within(pace: &mut Pace, time_ns: i64) -> usize {
        let (mut now_ns, mut count) = (SECOND_NS, 0);
        while let Some(delay_ns) = pace.delay_ns(now_ns) {
            now_ns += delay_ns;
            if now_ns > SECOND_NS + time_ns {
                break;
            }
            pace.take(now_ns);
            count += 1;
        }
        count
    }

    #[test]
    fn tasks_leave_at_the_rate_after_a_burst() {
        let mut pace = Pace { of_worker: Some(10.0), ..Pace::default() };
        assert_eq!(leaves_within(&mut pace, 0), 10);
        assert_eq!(leaves_within(&mut pace, SECOND_NS), 10);
        let mut slow = Pace { of_worker: Some(0.5), ..Pace::default() };
        assert_eq!(leaves_within(&mut slow, 4 * SECOND_NS), 3);
    }

    #[test]
    fn the_operator_goes_before_the_worker_and_zero_stops_all() {
        let stopped = Pace { of_operator: Some(0.0), of_worker: Some(10.0), ..Pace::default() };
        assert_eq!(stopped.delay_ns(0), None);
        assert!(!stopped.is_ready(0));
        assert!(Pace::default().is_ready(0));
    }
}
