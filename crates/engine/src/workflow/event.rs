//! What an event carries besides its attributes.

use evertide_proto::command::Command;
use evertide_proto::common::Link;
use evertide_proto::sdk::{EventGroupMarker, UserMetadata};

/// Parts of an event that are not its attributes.
#[derive(Debug, Clone, Default)]
pub struct EventExtra {
    /// Time of the event, nanoseconds; 0 for the time of the decision.
    pub time_ns: i64,
    /// Summary and details for people.
    pub user_metadata: Option<UserMetadata>,
    /// Links to other executions.
    pub links: Vec<Link>,
    /// Workers that do not know the event may skip it.
    pub worker_may_ignore: bool,
    /// Groups that the event belongs to.
    pub event_group_markers: Vec<EventGroupMarker>,
}

impl EventExtra {
    /// What an event takes over from its command.
    pub(super) fn of(command: &Command) -> Self {
        Self {
            user_metadata: command.user_metadata.clone(),
            event_group_markers: command.event_group_markers.clone(),
            ..Self::default()
        }
    }

    /// For an event that is written later than it happened.
    pub(super) fn at(time_ns: i64) -> Self {
        Self { time_ns, ..Self::default() }
    }
}
