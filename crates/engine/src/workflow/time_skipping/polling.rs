//! Waiting for a fast-forward to end: PollWorkflowExecutionTimeSkipping.

use crate::workflow::state::State;
use evertide_proto::common::TimeSkippingFastForwardInfo;

/// A fast-forward as somebody sees it who waits for its end.
#[derive(Debug, Clone, PartialEq)]
pub struct FastForward {
    /// What is known of it; none if none is configured.
    pub info: Option<TimeSkippingFastForwardInfo>,
    /// How it ended; none while it goes on.
    pub end: Option<FastForwardEnd>,
    /// The run has closed into this one, where it goes on; empty if it has not.
    pub next_run_id: String,
}

/// How a fast-forward ended for somebody who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FastForwardEnd {
    /// Time has come to its target.
    Completed,
    /// It is not to be waited for, or not any more; this is why.
    Failed(&'static str),
}

impl State {
    /// The fast-forward of that id, for somebody who has seen it end at `seen_target_ns` when it began to wait (0 at
    /// first).
    #[must_use]
    pub fn fast_forward(&self, id: &str, seen_target_ns: i64) -> FastForward {
        let skipping = self.info.time_skipping.as_ref();
        let info = skipping.and_then(super::TimeSkipping::fast_forward_info);
        let target_ns = skipping.map_or(0, |s| s.fast_forward_target_ns);
        let enabled = skipping.is_some_and(super::TimeSkipping::is_enabled);
        let end = match &info {
            Some(info) if info.fast_forward_id == id => {
                if seen_target_ns != 0 && target_ns != seen_target_ns {
                    Some(FastForwardEnd::Failed("the fast-forward was reset"))
                } else if info.has_completed {
                    Some(FastForwardEnd::Completed)
                } else if !self.is_running() && self.info.new_run_id.is_empty() {
                    Some(FastForwardEnd::Failed("the execution ended before the fast-forward completed"))
                } else if !enabled {
                    Some(FastForwardEnd::Failed("time skipping was disabled before the fast-forward completed"))
                } else {
                    None
                }
            }
            _ => Some(FastForwardEnd::Failed(
                "the requested fast_forward_id does not match the execution's current fast-forward",
            )),
        };
        FastForward { info, end, next_run_id: self.info.new_run_id.clone() }
    }
}
