//! Lengths of time: those of the protocol, checked, and those written as text. All are whole nanoseconds.

use prost_types::Duration;

/// Nanoseconds in a second.
pub const SECOND_NS: i64 = 1_000_000_000;

/// The longest length of time that a request can ask for: 100 years of 365 days. Longer ones are cut to it.
pub const MAX_DURATION_NS: i64 = 100 * 365 * 24 * 3600 * SECOND_NS;

/// Why a length of time in a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is below zero.
    #[error("negative duration")]
    Negative,
    /// Seconds and nanoseconds contradict each other.
    #[error("duration has seconds and nanos with different signs")]
    MixedSigns,
}

/// The length of time of a request in nanoseconds, cut to [`MAX_DURATION_NS`]; none is 0.
pub fn checked_ns(duration: Option<&Duration>) -> Result<i64, DurationError> {
    let Some(Duration { seconds, nanos }) = duration else {
        return Ok(0);
    };
    if (*seconds > 0 && *nanos < 0) || (*seconds < 0 && *nanos > 0) {
        return Err(DurationError::MixedSigns);
    }
    let total_ns = to_ns(duration);
    if total_ns < 0 {
        return Err(DurationError::Negative);
    }
    Ok(total_ns.min(MAX_DURATION_NS))
}

/// The length of time of a request as events record it, cut to [`MAX_DURATION_NS`]; none stays none.
pub fn checked(duration: Option<&Duration>) -> Result<Option<Duration>, DurationError> {
    let total_ns = checked_ns(duration)?;
    Ok(duration.map(|_| from_ns(total_ns)))
}

/// The length of time in nanoseconds, without a check; none is 0, and what does not fit becomes the nearest number.
#[must_use]
pub fn to_ns(duration: Option<&Duration>) -> i64 {
    duration.map_or(0, |duration| duration.seconds.saturating_mul(SECOND_NS).saturating_add(i64::from(duration.nanos)))
}

/// The protocol's form of a length of time.
#[must_use]
pub fn from_ns(duration_ns: i64) -> Duration {
    // The remainder is below a billion, so that it fits.
    Duration { seconds: duration_ns / SECOND_NS, nanos: (duration_ns % SECOND_NS) as i32 }
}

/// Reads lengths like `300ms`, `-1.5h` or `2h45m`: an optional sign and numbers with units, which are `h`, `m`, `s`, `ms`,
/// `us` (or `µs`) and `ns`. A bare `0` needs no unit.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    parse_with(text, &[])
}

/// As [`parse`], with the further unit `d` for 24 hours.
#[must_use]
pub fn parse_with_days(text: &str) -> Option<i64> {
    parse_with(text, &[("d", 24 * 3600 * SECOND_NS)])
}

/// The units. A unit that begins like another one stands before it.
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),  // The micro sign,
    ("\u{3bc}s", 1_000), // and the Greek letter that looks like it.
    ("ms", 1_000_000),
    ("s", SECOND_NS),
    ("m", 60 * SECOND_NS),
    ("h", 3600 * SECOND_NS),
];

fn parse_with(text: &str, further_units: &[(&str, i64)]) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total_ns: i128 = 0;
    while !rest.is_empty() {
        let (whole, after_whole) = leading_digits(rest);
        let (fraction, after_number) = match after_whole.strip_prefix('.') {
            Some(after_point) => leading_digits(after_point),
            None => ("", after_whole),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (unit, unit_ns) = UNITS.iter().chain(further_units).find(|(unit, _)| after_number.starts_with(unit))?;
        rest = &after_number[unit.len()..];
        total_ns += scaled(whole, fraction, *unit_ns)?;
        if total_ns > i128::from(i64::MAX) + i128::from(negative) {
            return None;
        }
    }
    i64::try_from(if negative { -total_ns } else { total_ns }).ok()
}

fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `whole.fraction` times a unit, cut to whole nanoseconds. Digits of the fraction that no unit can show are not read.
fn scaled(whole: &str, fraction: &str, unit_ns: i64) -> Option<i128> {
    const SHOWN_DIGITS: usize = 18;
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.into() };
    let shown = &fraction[..fraction.len().min(SHOWN_DIGITS)];
    let numerator: i128 = if shown.is_empty() { 0 } else { shown.parse::<i64>().ok()?.into() };
    let denominator = 10_i128.pow(shown.len() as u32); // At most 18.
    let unit_ns = i128::from(unit_ns);
    Some(whole * unit_ns + numerator * unit_ns / denominator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: i64, nanos: i32) -> Result<i64, DurationError> {
        checked_ns(Some(&Duration { seconds, nanos }))
    }

    #[test]
    fn lengths_of_requests_are_checked_and_cut() {
        assert_eq!(checked_ns(None), Ok(0));
        assert_eq!(check(1, 5), Ok(1_000_000_005));
        assert_eq!(check(-1, 0), Err(DurationError::Negative));
        assert_eq!(check(0, -1), Err(DurationError::Negative));
        assert_eq!(check(1, -1), Err(DurationError::MixedSigns));
        assert_eq!(check(-1, 1), Err(DurationError::MixedSigns));
        assert_eq!(check(101 * 365 * 24 * 3600, 0), Ok(MAX_DURATION_NS));
        assert_eq!(check(i64::MAX, 0), Ok(MAX_DURATION_NS));
        assert_eq!(check(i64::MIN, 0), Err(DurationError::Negative));
    }

    #[test]
    fn lengths_are_written_back() {
        assert_eq!(checked(None), Ok(None));
        assert_eq!(checked(Some(&from_ns(0))), Ok(Some(from_ns(0))));
        assert_eq!(checked(Some(&from_ns(i64::MAX))), Ok(Some(from_ns(MAX_DURATION_NS))));
        assert_eq!(from_ns(1_500_000_000), Duration { seconds: 1, nanos: 500_000_000 });
        assert_eq!(from_ns(-1_500_000_000), Duration { seconds: -1, nanos: -500_000_000 });
        assert_eq!(to_ns(Some(&from_ns(i64::MIN))), i64::MIN);
    }

    #[test]
    fn texts_are_read() {
        let table = [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("300ms", Some(300_000_000)),
            ("-1.5h", Some(-5_400 * SECOND_NS)),
            ("2h45m", Some(9_900 * SECOND_NS)),
            ("+5s", Some(5 * SECOND_NS)),
            (".5s", Some(SECOND_NS / 2)),
            ("1.s", Some(SECOND_NS)),
            ("1\u{b5}s2\u{3bc}s3us", Some(6_000)),
            ("0.3333333333333333333h", Some(1_199_999_999_999)),
            ("9223372036854775807ns", Some(i64::MAX)),
            ("-9223372036854775808ns", Some(i64::MIN)),
            ("-9223372036854775807ns1ns", Some(i64::MIN)),
            ("9223372036854775807ns1ns", None),
            ("3000000h", None),
            ("", None),
            ("-", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("1d", None),
            ("1 s", None),
            ("1s ", None),
            ("3 seconds", None),
        ];
        for (text, wanted) in table {
            assert_eq!(parse(text), wanted, "{text}");
        }
    }

    #[test]
    fn days_are_24_hours() {
        assert_eq!(parse_with_days("1d1h"), Some(25 * 3600 * SECOND_NS));
        assert_eq!(parse_with_days("1.5d"), Some(36 * 3600 * SECOND_NS));
    }
}
