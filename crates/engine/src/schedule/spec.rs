//! When a schedule is due.

use super::calendar::Calendar;
use super::canonical;
use super::error::SpecError;
use crate::duration::{self, SECOND_NS};
use crate::env::{Ids, timestamp_ns};
use crate::time_zone;
use evertide_proto::schedule::ScheduleSpec;
use jiff::tz::TimeZone;

/// The last second in which a schedule can be due: the end of the year 2100, UTC.
const LAST_S: i64 = 4_133_980_799;

/// How many times that exclusions take away a search goes through before it gives up.
const EXCLUDED_MAX: usize = 100_000;

/// The largest uploaded time zone data, bytes. Those of the time zones that there are stay below 4,000.
const TIME_ZONE_DATA_MAX_BYTES: usize = 32 * 1024;

/// When a schedule is due: the times of its calendars and intervals, without those that its exclusions match, from its
/// start to its end, both inclusive. None is before 1970 or after 2100.
#[derive(Clone, Debug)]
pub struct Spec {
    canonical: ScheduleSpec,
    zone: TimeZone,
    sources: Vec<Source>,
    excluded: Vec<Calendar>,
    /// The start of the spec, or that of 1970.
    start_ns: i64,
    last_s: i64,
    jitter_ns: i64,
}

/// What times come from.
#[derive(Clone, Debug)]
enum Source {
    Calendar(Calendar),
    /// The multiples of a length of time since 1970, moved by a phase.
    Interval {
        interval_s: i64,
        phase_s: i64,
    },
}

/// A time at which a schedule is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledTime {
    /// The time of the spec, a whole second, in unix nanoseconds.
    pub nominal_ns: i64,
    /// That time with jitter, before the next nominal time, in unix nanoseconds.
    pub actual_ns: i64,
}

/// A search went through more times than it may without finding one that the spec does not exclude.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schedule calendar specification has too many exclusions. Please modify the specification.")]
pub struct TooManyExclusions;

impl Spec {
    /// Compiles a spec, or says why it cannot be.
    pub fn compile(spec: &ScheduleSpec) -> Result<Self, SpecError> {
        let canonical = canonical::canonical(spec)?;
        let zone = zone(&canonical)?;
        let calendars =
            canonical.structured_calendar.iter().map(|calendar| Source::Calendar(Calendar::compile(calendar)));
        let intervals = canonical.interval.iter().map(|interval| Source::Interval {
            interval_s: duration::to_ns(interval.interval.as_ref()) / SECOND_NS,
            phase_s: duration::to_ns(interval.phase.as_ref()) / SECOND_NS,
        });
        let end_s = canonical.end_time.as_ref().map_or(LAST_S, |end| timestamp_ns(end).div_euclid(SECOND_NS));
        Ok(Self {
            zone,
            sources: calendars.chain(intervals).collect(),
            excluded: canonical.exclude_structured_calendar.iter().map(Calendar::compile).collect(),
            start_ns: canonical.start_time.as_ref().map_or(0, timestamp_ns).max(0),
            last_s: end_s.min(LAST_S),
            jitter_ns: duration::to_ns(canonical.jitter.as_ref()).max(0),
            canonical,
        })
    }

    /// The spec as DescribeSchedule shows it: calendars and cron lines as structured calendars and intervals.
    #[must_use]
    pub fn canonical(&self) -> &ScheduleSpec {
        &self.canonical
    }

    /// The times whose nominal time is after this one (unix nanoseconds). Jitter is a function of the nominal time and of
    /// the seed, which is to tell schedules apart.
    #[must_use]
    pub fn times_after<'a>(&'a self, after_ns: i64, jitter_seed: &'a str) -> Times<'a> {
        let after_s = after_ns.max(self.start_ns - 1).div_euclid(SECOND_NS);
        let upcoming = self.sources.iter().map(|source| source.next_after(after_s, &self.zone)).collect();
        Times { spec: self, jitter_seed, upcoming, excluded_count: 0 }
    }

    /// The first time after this one, both nominal and with jitter. None if there is none.
    pub fn next_time(&self, after_ns: i64, jitter_seed: &str) -> Result<Option<ScheduledTime>, TooManyExclusions> {
        self.times_after(after_ns, jitter_seed).next().transpose()
    }

    /// If exclusions match a time, the time until which they are sure to match.
    fn excluded_until(&self, unix_s: i64) -> Option<i64> {
        self.excluded.iter().filter_map(|calendar| calendar.matches_until(unix_s, &self.zone)).max()
    }

    /// By how much a time is put off so that it stays before the following one, in whole milliseconds.
    fn jitter_ns(&self, nominal_s: i64, following_s: Option<i64>, seed: &str) -> i64 {
        const MILLISECOND_NS: i64 = 1_000_000;
        let gap_ns = following_s.map_or(i64::MAX, |following_s| (following_s - nominal_s).saturating_mul(SECOND_NS));
        let range_ms = self.jitter_ns.min(gap_ns) / MILLISECOND_NS;
        let fraction = u128::from(Ids::new(hash(nominal_s, seed)).next_u64());
        // The fraction, in 64 bits, of a range that is not negative is below that range.
        ((fraction * u128::from(range_ms.unsigned_abs())) >> 64) as i64 * MILLISECOND_NS
    }
}

fn zone(spec: &ScheduleSpec) -> Result<TimeZone, SpecError> {
    let data = &spec.timezone_data;
    if data.is_empty() {
        let name = &spec.timezone_name;
        return time_zone::named(name).ok_or_else(|| SpecError::UnknownTimeZone(name.clone()));
    }
    if data.len() > TIME_ZONE_DATA_MAX_BYTES {
        return Err(SpecError::LargeTimeZoneData { size_bytes: data.len(), max_bytes: TIME_ZONE_DATA_MAX_BYTES });
    }
    TimeZone::tzif(&spec.timezone_name, data).map_err(|_| SpecError::TimeZoneData)
}

/// FNV-1a over a time and a text: equal in every process and on every machine.
fn hash(nominal_s: i64, seed: &str) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = nominal_s.to_le_bytes();
    bytes.iter().chain(seed.as_bytes()).fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

impl Source {
    fn next_after(&self, unix_s: i64, zone: &TimeZone) -> Option<i64> {
        match self {
            Self::Calendar(calendar) => calendar.next_after(unix_s, zone),
            Self::Interval { interval_s, phase_s } => {
                let past = unix_s.checked_sub(*phase_s)?.div_euclid(*interval_s);
                past.checked_add(1)?.checked_mul(*interval_s)?.checked_add(*phase_s)
            }
        }
    }
}

/// The times of a spec, in their order. It ends with an error where exclusions leave nothing to find.
#[derive(Debug)]
pub struct Times<'a> {
    spec: &'a Spec,
    jitter_seed: &'a str,
    /// The next time of each source.
    upcoming: Vec<Option<i64>>,
    excluded_count: usize,
}

impl Times<'_> {
    fn first_upcoming(&self) -> Option<i64> {
        self.upcoming.iter().copied().flatten().min()
    }

    /// Moves on to what comes after a time.
    fn pass(&mut self, unix_s: i64) {
        for (source, next) in self.spec.sources.iter().zip(&mut self.upcoming) {
            if next.is_some_and(|next_s| next_s <= unix_s) {
                *next = source.next_after(unix_s, &self.spec.zone);
            }
        }
    }
}

impl Iterator for Times<'_> {
    type Item = Result<ScheduledTime, TooManyExclusions>;

    fn next(&mut self) -> Option<Self::Item> {
        let nominal_s = loop {
            let nominal_s = self.first_upcoming().filter(|nominal_s| *nominal_s <= self.spec.last_s)?;
            let Some(until_s) = self.spec.excluded_until(nominal_s) else { break nominal_s };
            self.excluded_count += 1;
            if self.excluded_count > EXCLUDED_MAX {
                self.upcoming.clear();
                return Some(Err(TooManyExclusions));
            }
            self.pass(until_s - 1);
        };
        self.pass(nominal_s);
        let jitter_ns = self.spec.jitter_ns(nominal_s, self.first_upcoming(), self.jitter_seed);
        let nominal_ns = nominal_s * SECOND_NS; // The last second of a spec is well below the end of 64 bits.
        Some(Ok(ScheduledTime { nominal_ns, actual_ns: nominal_ns + jitter_ns }))
    }
}
