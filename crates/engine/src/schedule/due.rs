//! What has come due in a span of time that has passed.

use super::spec::{ScheduledTime, Spec};

/// The most times of a schedule that one decision goes through. After a long absence the rest follows in further decisions,
/// so that other work gets its turn.
pub const TIMES_PER_DECISION: usize = 10_000;

/// A span of time, and which of its times count.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Behind this time, in unix nanoseconds.
    pub after_ns: i64,
    /// To this time, which belongs to it, in unix nanoseconds.
    pub until_ns: i64,
    /// Times before this one are ignored: they are from before the schedule was changed. In unix nanoseconds.
    pub not_before_ns: i64,
    /// How long before the end of the span a time may be without being missed, in nanoseconds; none for backfills.
    pub catchup_window_ns: Option<i64>,
    /// How many times to go through at most.
    pub limit: usize,
}

/// What follows a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The schedule is due again at this time, in unix nanoseconds.
    At(i64),
    /// The schedule is never due again.
    Never,
    /// The limit was reached; the span goes on after `processed_ns`.
    Rest,
}

/// What has come due.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// What is to be started, oldest first.
    pub starts: Vec<ScheduledTime>,
    /// How many times are too long past.
    pub missed: i64,
    /// Up to here all times were taken, in unix nanoseconds: the start of the span or the last time in it. It is not the end
    /// of the span, since a nominal time may have passed whose time with jitter is still to come.
    pub processed_ns: i64,
    /// What follows.
    pub next: Next,
}

/// The times of a span.
#[must_use]
pub fn due(spec: &Spec, jitter_seed: &str, span: Span) -> Due {
    let mut due = Due { starts: Vec::new(), missed: 0, processed_ns: span.after_ns, next: Next::Never };
    // A spec whose exclusions leave nothing to find is never due again, until it is changed.
    for (count, time) in spec.times_after(span.after_ns, jitter_seed).map_while(Result::ok).enumerate() {
        if time.actual_ns > span.until_ns {
            due.next = Next::At(time.actual_ns);
            break;
        }
        if count == span.limit {
            due.next = Next::Rest;
            break;
        }
        due.processed_ns = time.actual_ns;
        if time.actual_ns < span.not_before_ns {
            continue;
        }
        let late_ns = span.until_ns.saturating_sub(time.actual_ns);
        if span.catchup_window_ns.is_some_and(|window_ns| late_ns > window_ns) {
            due.missed += 1;
        } else {
            due.starts.push(time);
        }
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::{SECOND_NS, from_ns};
    use evertide_proto::schedule::{IntervalSpec, ScheduleSpec};

    fn every(seconds: i64, jitter_s: i64) -> Spec {
        let interval = IntervalSpec { interval: Some(from_ns(seconds * SECOND_NS)), phase: None };
        let jitter = Some(from_ns(jitter_s * SECOND_NS));
        Spec::compile(&ScheduleSpec { interval: vec![interval], jitter, ..Default::default() }).unwrap()
    }

    fn span(after_s: i64, until_s: i64) -> Span {
        Span {
            after_ns: after_s * SECOND_NS,
            until_ns: until_s * SECOND_NS,
            not_before_ns: 0,
            catchup_window_ns: None,
            limit: TIMES_PER_DECISION,
        }
    }

    fn starts(due: &Due) -> Vec<i64> {
        due.starts.iter().map(|time| time.nominal_ns / SECOND_NS).collect()
    }

    #[test]
    fn a_span_excludes_its_start_and_includes_its_end() {
        let due = due(&every(10, 0), "", span(100, 120));
        assert_eq!(starts(&due), [110, 120]);
        assert_eq!((due.processed_ns, due.next), (120 * SECOND_NS, Next::At(130 * SECOND_NS)));
    }

    #[test]
    fn what_is_later_than_the_catchup_window_is_missed() {
        let due = due(&every(10, 0), "", Span { catchup_window_ns: Some(20 * SECOND_NS), ..span(0, 60) });
        assert_eq!((starts(&due), due.missed), (vec![40, 50, 60], 3));
    }

    #[test]
    fn times_before_a_change_do_not_count() {
        let changed = Span { not_before_ns: 40 * SECOND_NS, catchup_window_ns: Some(0), ..span(0, 50) };
        let due = due(&every(10, 0), "", changed);
        assert_eq!((starts(&due), due.missed, due.processed_ns), (vec![50], 1, 50 * SECOND_NS));
    }

    #[test]
    fn a_long_span_is_taken_in_parts() {
        let spec = every(1, 0);
        let first = due(&spec, "", Span { limit: 3, ..span(0, 5) });
        assert_eq!((starts(&first), first.next), (vec![1, 2, 3], Next::Rest));
        let second = due(&spec, "", Span { after_ns: first.processed_ns, limit: 3, ..span(0, 5) });
        assert_eq!((starts(&second), second.next), (vec![4, 5], Next::At(6 * SECOND_NS)));
    }

    #[test]
    fn spans_that_follow_one_another_lose_no_time_to_jitter() {
        let spec = every(10, 10);
        let whole = due(&spec, "seed", span(0, 1000));
        let (mut after_ns, mut found) = (0, Vec::new());
        for until_s in 1..=1000 {
            let part = due(&spec, "seed", Span { after_ns, ..span(0, until_s) });
            after_ns = part.processed_ns;
            found.extend(part.starts);
        }
        assert_eq!(found, whole.starts);
        assert!(found.len() >= 99);
    }

    #[test]
    fn a_spec_can_end() {
        let spec = Spec::compile(&ScheduleSpec::default()).unwrap();
        assert_eq!(
            due(&spec, "", span(7, 50)),
            Due { starts: vec![], missed: 0, processed_ns: 7 * SECOND_NS, next: Next::Never }
        );
    }
}
