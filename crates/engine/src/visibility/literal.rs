//! Values as they are written in queries and payloads: times, lengths of time and statuses.

use crate::duration::{self, SECOND_NS};
use jiff::civil::Date;

/// The statuses of an execution, at the protocol's numbers.
const EXECUTION_STATUSES: [&str; 9] =
    ["Unspecified", "Running", "Completed", "Failed", "Canceled", "Terminated", "ContinuedAsNew", "TimedOut", "Paused"];

/// The short name of a status, such as `TimedOut`; none for numbers that are no status.
#[must_use]
pub fn execution_status_name(status: i32) -> Option<&'static str> {
    EXECUTION_STATUSES.get(usize::try_from(status).ok()?).copied()
}

/// The status with that name: the short one, or the protocol's, such as `WORKFLOW_EXECUTION_STATUS_TIMED_OUT`.
#[must_use]
pub fn parse_execution_status(name: &str) -> Option<i32> {
    let full = evertide_proto::enums::WorkflowExecutionStatus::from_str_name(name);
    if let Some(status) = full {
        return Some(status as i32);
    }
    EXECUTION_STATUSES.into_iter().zip(0..).find(|(short, _)| *short == name).map(|(_, status)| status)
}

/// The last second of the year 9999, in unix seconds: when what is open counts as closing.
const END_OF_TIME_SECONDS: i64 = 253_402_300_799;

/// Reads a time in RFC 3339, such as `2024-02-29T12:00:00.5+02:00`, as unix nanoseconds. What is finer than a nanosecond is
/// cut off. A time that the number cannot hold becomes the nearest one that it can, but `i64::MAX` stands for the end of
/// time only, so that nothing before it is taken for later than what is open.
pub(super) fn parse_datetime(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let fixed = bytes.get(..19)?;
    if [4, 7, 10, 13, 16].map(|at| fixed[at]) != *b"--T::" {
        return None;
    }
    let number = |from: usize, to: usize| digits(&fixed[from..to]);
    let date = Date::new(
        i16::try_from(number(0, 4)?).ok()?,
        i8::try_from(number(5, 7)?).ok()?,
        i8::try_from(number(8, 10)?).ok()?,
    );
    let days = date.ok()?.since(Date::constant(1970, 1, 1)).ok()?.get_days();
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction_ns, zone) = fraction(&bytes[19..])?;
    let seconds = i64::from(days) * 86_400 + hour * 3600 + minute * 60 + second - zone_offset_seconds(zone)?;
    let time_ns = i128::from(seconds) * i128::from(SECOND_NS) + i128::from(fraction_ns);
    let latest = if seconds < END_OF_TIME_SECONDS { i64::MAX - 1 } else { i64::MAX };
    Some(time_ns.clamp(i64::MIN.into(), latest.into()) as i64) // In range by the clamp.
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// The fraction of a second in nanoseconds, and what follows it.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(after_mark) = bytes.strip_prefix(b".").or_else(|| bytes.strip_prefix(b",")) else {
        return Some((0, bytes));
    };
    let length = after_mark.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(after_mark.len());
    if length == 0 {
        return None;
    }
    let shown = digits(&after_mark[..length.min(9)])?;
    let missing = 9 - length.min(9);
    Some((shown * 10_i64.pow(missing as u32), &after_mark[length..])) // At most 9.
}

fn zone_offset_seconds(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let offset = hours * 3600 + minutes * 60;
            (hours < 25 && minutes < 60).then_some(if *sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

/// Reads a length of time as a query writes it: whole nanoseconds, `1d1h` or `hh:mm:ss`.
pub(super) fn parse_duration_ns(text: &str) -> Result<i64, &'static str> {
    if let Ok(duration_ns) = text.parse::<i64>() {
        return Ok(duration_ns);
    }
    if let Some(duration_ns) = duration::parse_with_days(text) {
        return Ok(duration_ns);
    }
    let parts: Option<Vec<i64>> = text.split(':').map(|part| part.trim_start().parse().ok()).collect();
    let Some([hours, minutes, seconds]) = parts.as_deref() else {
        return Err("invalid duration");
    };
    if *hours < 0 {
        return Err("invalid duration: hours must be a positive number");
    }
    if !(0..60).contains(minutes) {
        return Err("invalid duration: minutes must be from 0 to 59");
    }
    if !(0..60).contains(seconds) {
        return Err("invalid duration: seconds must be from 0 to 59");
    }
    Ok(hours.saturating_mul(3600).saturating_add(minutes * 60 + seconds).saturating_mul(SECOND_NS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let table = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1969-12-31T23:59:59.5Z", Some(-500_000_000)),
            ("2024-02-29T12:00:00Z", Some(1_709_208_000_000_000_000)),
            ("2024-02-29T14:00:00.123456789+02:00", Some(1_709_208_000_123_456_789)),
            ("2024-02-29T00:30:00.1234567891-11:30", Some(1_709_208_000_123_456_789)),
            ("2024-02-29T12:00:00,25Z", Some(1_709_208_000_250_000_000)),
            ("9999-12-31T23:59:58Z", Some(i64::MAX - 1)),
            ("9999-12-31T23:59:59Z", Some(i64::MAX)),
            ("0001-01-01T00:00:00Z", Some(i64::MIN)),
            ("2023-02-29T00:00:00Z", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-01-01T00:00:60Z", None),
            ("2024-01-01T00:00:00", None),
            ("2024-01-01T00:00Z", None),
            ("2024-01-01 00:00:00Z", None),
            ("2024-01-01T00:00:00.Z", None),
            ("2024-01-01T00:00:00+0200", None),
            ("2024-01-01T00:00:00+02:60", None),
            ("2024-01-01T00:00:00z", None),
            ("2024-01-01T00:00:0\u{e9}Z", None),
            ("+024-01-01T00:00:00Z", None),
            ("", None),
        ];
        for (text, wanted) in table {
            assert_eq!(parse_datetime(text), wanted, "{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_read() {
        assert_eq!(parse_duration_ns("3000000000"), Ok(3 * SECOND_NS));
        assert_eq!(parse_duration_ns("1d1h"), Ok(25 * 3600 * SECOND_NS));
        assert_eq!(parse_duration_ns("100:00:03"), Ok(360_003 * SECOND_NS));
        assert_eq!(parse_duration_ns("00:61:00"), Err("invalid duration: minutes must be from 0 to 59"));
        assert_eq!(parse_duration_ns("00:00:-1"), Err("invalid duration: seconds must be from 0 to 59"));
        assert_eq!(parse_duration_ns("-1:00:00"), Err("invalid duration: hours must be a positive number"));
        for text in ["", "3 seconds", "1:2", "1:2:3:4", "::"] {
            assert_eq!(parse_duration_ns(text), Err("invalid duration"), "{text}");
        }
    }

    #[test]
    fn statuses_have_two_names() {
        assert_eq!(parse_execution_status("TimedOut"), Some(7));
        assert_eq!(parse_execution_status("WORKFLOW_EXECUTION_STATUS_TIMED_OUT"), Some(7));
        assert_eq!(parse_execution_status("timedout"), None);
        for status in 0..9 {
            let name = execution_status_name(status).unwrap();
            assert_eq!(parse_execution_status(name), Some(status));
        }
        assert_eq!(execution_status_name(9), None);
        assert_eq!(execution_status_name(-1), None);
        assert!(evertide_proto::enums::WorkflowExecutionStatus::try_from(9).is_err(), "a status without a short name");
    }
}
