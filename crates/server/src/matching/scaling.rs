//! Advice to workers: whether to poll more or less.

/// From when on which advice is given.
#[derive(Debug, Clone, Copy)]
pub struct ScalingLimits {
    /// Age of a backlog from which there are too few polls, nanoseconds.
    pub backlog_age_ns: i64,
    /// Wait of a poll from which there are too many, nanoseconds.
    pub wait_ns: i64,
    /// How often a second polls are to become more, for each poller.
    pub decisions_per_second: i64,
    /// Tasks added for 100 that are handed out, from which there are too few polls.
    pub add_to_dispatch_percent: i64,
}

/// What the queue is like when a poll has got its task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) backlog_count: i64,
    pub(super) backlog_age_ns: i64,
    /// A limit holds tasks back, so that more polls would not help.
    pub(super) is_throttled: bool,
    pub(super) added_per_second: f32,
    pub(super) dispatched_per_second: f32,
    pub(super) pollers: usize,
}

/// Keeps advice to poll more from coming too often: a burst of a second's worth, shared by the pollers.
#[derive(Debug, Default)]
pub(super) struct Scaling {
    /// When the next one would be due if all came evenly, nanoseconds since the epoch.
    even_ns: i64,
}

impl Scaling {
    /// How many polls more or less the worker should have whose poll waited for so long.
    pub(super) fn advise(&mut self, waited_ns: i64, load: Load, limits: &ScalingLimits, now_ns: i64) -> Option<i32> {
        if waited_ns >= limits.wait_ns && load.backlog_count == 0 {
            return Some(-1);
        }
        if !self.may_advise(load.pollers, limits.decisions_per_second, now_ns) || load.is_throttled {
            return None;
        }
        let is_behind = load.backlog_count > 0 && load.backlog_age_ns > limits.backlog_age_ns;
        (is_behind || falls_behind(load, limits)).then_some(1)
    }

    fn may_advise(&mut self, pollers: usize, per_second: i64, now_ns: i64) -> bool {
        const SECOND_NS: i64 = 1_000_000_000;
        let pollers = i64::try_from(pollers.max(1)).unwrap_or(i64::MAX);
        let Some(interval_ns) = SECOND_NS.checked_div(per_second.saturating_mul(pollers)) else { return false };
        if self.even_ns > now_ns.saturating_add(SECOND_NS - interval_ns) {
            return false;
        }
        self.even_ns = self.even_ns.max(now_ns).saturating_add(interval_ns);
        true
    }
}

/// Whether more comes than goes. Matters where nothing becomes a backlog.
fn falls_behind(load: Load, limits: &ScalingLimits) -> bool {
    #[allow(clippy::cast_precision_loss)] // A percentage is small.
    let percent = limits.add_to_dispatch_percent as f32;
    load.dispatched_per_second > 0.0 && load.added_per_second * 100.0 > load.dispatched_per_second * percent
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: i64 = 1_000_000_000;
    const LIMITS: ScalingLimits = ScalingLimits {
        backlog_age_ns: SECOND_NS / 5,
        wait_ns: SECOND_NS,
        decisions_per_second: 10,
        add_to_dispatch_percent: 120,
    };
    const CALM: Load = Load {
        backlog_count: 0,
        backlog_age_ns: 0,
        is_throttled: false,
        added_per_second: 5.0,
        dispatched_per_second: 5.0,
        pollers: 1,
    };
    const BEHIND: Load = Load { backlog_count: 3, backlog_age_ns: SECOND_NS, ..CALM };

    fn advise(waited_ns: i64, load: Load) -> Option<i32> {
        Scaling::default().advise(waited_ns, load, &LIMITS, SECOND_NS)
    }

    #[test]
    fn long_waits_mean_fewer_polls_and_backlogs_more() {
        assert_eq!(advise(0, CALM), None);
        assert_eq!(advise(SECOND_NS, CALM), Some(-1));
        assert_eq!(advise(0, BEHIND), Some(1));
        assert_eq!(
            advise(SECOND_NS, BEHIND),
            Some(1),
            "a poll that waited for the store has not waited for want of tasks"
        );
        assert_eq!(advise(0, Load { backlog_age_ns: SECOND_NS / 10, ..BEHIND }), None);
        assert_eq!(advise(0, Load { is_throttled: true, ..BEHIND }), None);
        assert_eq!(advise(0, Load { added_per_second: 7.0, ..CALM }), Some(1));
    }

    #[test]
    fn advice_to_poll_more_comes_only_so_often() {
        let mut scaling = Scaling::default();
        let mut advised = |pollers, now_ns| {
            let load = Load { pollers, ..BEHIND };
            (0..100).filter(|_| scaling.advise(0, load, &LIMITS, now_ns).is_some()).count()
        };
        assert_eq!(advised(1, 100 * SECOND_NS), 10);
        assert_eq!(advised(1, 101 * SECOND_NS), 10);
        assert_eq!(advised(4, 110 * SECOND_NS), 40);
    }
}
