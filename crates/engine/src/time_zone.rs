//! Time zones by name, from the data that is compiled in.

use jiff::tz::TimeZone;

/// The time zone with that name; none if there is no such zone. A server has no zone of its own: without a name it is UTC.
pub(crate) fn named(name: &str) -> Option<TimeZone> {
    match name {
        "" | "UTC" | "Local" => Some(TimeZone::UTC),
        name => TimeZone::get(name).ok(),
    }
}
