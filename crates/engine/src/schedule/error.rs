//! Why a spec is refused. The texts are those of the reference server, which clients show to people.

use std::fmt;

/// What is wrong with one field of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldProblem {
    /// A single value is none of the field's.
    Value,
    /// The start of a range is none of the field's values.
    Start,
    /// The end of a range is none of the field's values, or is before its start.
    End,
    /// A step is not a positive number.
    Step,
    /// A step is missing after its slash.
    NoStep,
    /// More than one slash.
    Slashes,
    /// More than one dash.
    Dashes,
}

/// A field of a calendar that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name.
    pub field: &'static str,
    /// Its least value.
    pub least: i32,
    /// Its greatest value.
    pub greatest: i32,
    /// What is wrong.
    pub problem: FieldProblem,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, least, greatest, problem } = self;
        match problem {
            FieldProblem::Value => write!(f, "{field} is not in range [{least}-{greatest}]"),
            FieldProblem::Start => write!(f, "{field} Start is not in range [{least}-{greatest}]"),
            FieldProblem::End => write!(f, "{field} End is before Start or not in range [{least}-{greatest}]"),
            FieldProblem::Step => write!(f, "{field} has invalid Step"),
            FieldProblem::NoStep => write!(f, "{field} missing step value"),
            FieldProblem::Slashes => write!(f, "{field} has too many slashes"),
            FieldProblem::Dashes => write!(f, "{field} has too many dashes"),
        }
    }
}

/// Why a spec is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A calendar of texts or a cron line has fields that cannot be read.
    #[error("{}", joined(.0))]
    Texts(Vec<FieldError>),
    /// A structured calendar has ranges that cannot be.
    #[error("invalid calendar spec: {}", joined(.0))]
    Ranges(Vec<FieldError>),
    /// The comment of a calendar exceeds 200 bytes.
    #[error("invalid calendar spec: comment is too long")]
    LongComment,
    /// A cron line has fewer or more fields, or a name that is not known.
    #[error("CronString does not have 5-7 fields")]
    CronFields,
    /// A cron line ends after its time zone.
    #[error("CronString has time zone but missing fields")]
    CronOnlyTimeZone,
    /// `@every` stands alone.
    #[error("CronString does not have interval after @every")]
    NoInterval,
    /// What follows `@every` is not a length of time.
    #[error("time: invalid duration {0:?}")]
    Duration(String),
    /// A length of time contradicts itself or exceeds what the protocol allows.
    #[error("{0} is not a valid duration")]
    BadDuration(&'static str),
    /// An interval below a second.
    #[error("interval is too small")]
    SmallInterval,
    /// A phase below zero.
    #[error("phase is negative")]
    NegativePhase,
    /// A phase that is not below its interval.
    #[error("phase cannot be greater than Interval")]
    LargePhase,
    /// The spec's time zone and those of its cron lines are not one.
    #[error("conflicting timezone names")]
    ConflictingTimeZones,
    /// The time zone is not known.
    #[error("unknown time zone {0}")]
    UnknownTimeZone(String),
    /// The uploaded time zone data cannot be read.
    #[error("malformed time zone information")]
    TimeZoneData,
    /// The uploaded time zone data is larger than any time zone needs.
    #[error("time zone data of {size_bytes} bytes exceeds {max_bytes} bytes")]
    LargeTimeZoneData {
        /// How large it is.
        size_bytes: usize,
        /// How large it may be.
        max_bytes: usize,
    },
    /// There are more calendars, intervals, cron lines and exclusions than a spec may have.
    #[error("{count} calendars, intervals, cron strings and exclusions exceed {max}")]
    TooLarge {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
}

fn joined(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
