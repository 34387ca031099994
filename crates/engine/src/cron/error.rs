//! Why a schedule cannot be read.

/// Why a schedule cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// There is nothing.
    #[error("empty cron schedule")]
    Empty,
    /// The time zone is not known.
    #[error("cron schedule: unknown time zone '{0}'")]
    UnknownTimeZone(String),
    /// There are not five fields.
    #[error("cron schedule: expected 5 fields, found {0}")]
    FieldCount(usize),
    /// The descriptor is not known.
    #[error("cron schedule: unrecognized descriptor '{0}'")]
    UnknownDescriptor(String),
    /// A field is not one.
    #[error("cron schedule: cannot read '{text}' as {field}")]
    BadField {
        /// What the field is for.
        field: &'static str,
        /// The part of it that cannot be read.
        text: String,
    },
}
