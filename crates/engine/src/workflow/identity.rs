//! Who the server is in events that it makes by itself.

/// The server, as in most events.
pub(super) const SERVER_IDENTITY: &str = "history-service";

/// Who terminates a run because it is reset.
pub(super) const RESETTER_IDENTITY: &str = "history-resetter";
