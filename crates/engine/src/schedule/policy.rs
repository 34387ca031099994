//! What a schedule does where it does not say, and what keeps it from acting.

use super::overlap;
use crate::duration::{self, SECOND_NS};
use evertide_proto::enums::WorkflowExecutionStatus as Status;
use evertide_proto::schedule::{SchedulePolicies, ScheduleState};

/// How late an action may be where the schedule does not say, nanoseconds: 365 days.
pub const CATCHUP_WINDOW_DEFAULT_NS: i64 = 365 * 24 * 3600 * SECOND_NS;

/// The shortest catch-up window, nanoseconds.
pub const CATCHUP_WINDOW_MIN_NS: i64 = 10 * SECOND_NS;

/// The longest notes of a schedule, bytes.
pub const NOTES_MAX_BYTES: usize = 1000;

/// The policies as DescribeSchedule shows them: overlapping actions are skipped, late ones are caught up with for a year.
#[must_use]
pub fn with_defaults(policies: SchedulePolicies) -> SchedulePolicies {
    let catchup_window_ns = catchup_window_ns(&policies);
    SchedulePolicies {
        overlap_policy: overlap::policy_or_skip(policies.overlap_policy).into(),
        catchup_window: Some(duration::from_ns(catchup_window_ns)),
        ..policies
    }
}

/// How late an action may be, nanoseconds.
#[must_use]
pub fn catchup_window_ns(policies: &SchedulePolicies) -> i64 {
    match &policies.catchup_window {
        None => CATCHUP_WINDOW_DEFAULT_NS,
        window => duration::to_ns(window.as_ref()).max(CATCHUP_WINDOW_MIN_NS),
    }
}

/// Whether a schedule acts by itself: it is not paused and has actions left. Triggers and backfills always act.
#[must_use]
pub fn may_act(state: &ScheduleState) -> bool {
    !state.paused && (!state.limited_actions || state.remaining_actions > 0)
}

/// Uses one action of a schedule that limits them; false, and nothing is used, if it may not act.
pub fn use_action(state: &mut ScheduleState) -> bool {
    if !may_act(state) {
        return false;
    }
    if state.limited_actions {
        state.remaining_actions -= 1;
    }
    true
}

/// Pauses a schedule if its policy wants that after this end of a workflow, and says why in its notes. Only failures and
/// timeouts count, not what somebody cancelled or terminated. Returns whether it did.
pub fn pause_after(
    policies: &SchedulePolicies,
    state: &mut ScheduleState,
    workflow_id: &str,
    status: Status,
    failure_message: &str,
) -> bool {
    if !policies.pause_on_failure || state.paused {
        return false;
    }
    let mut notes = match status {
        Status::Failed => format!("paused due to workflow failure: {workflow_id}: {failure_message}"),
        Status::TimedOut => format!("paused due to workflow timeout: {workflow_id}"),
        _ => return false,
    };
    notes.truncate(notes.floor_char_boundary(NOTES_MAX_BYTES));
    state.paused = true;
    state.notes = notes;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(catchup_window_s: Option<i64>, pause_on_failure: bool) -> SchedulePolicies {
        let catchup_window = catchup_window_s.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
        SchedulePolicies { catchup_window, pause_on_failure, ..Default::default() }
    }

    #[test]
    fn a_catchup_window_is_a_year_or_at_least_ten_seconds() {
        assert_eq!(catchup_window_ns(&policies(None, false)), CATCHUP_WINDOW_DEFAULT_NS);
        assert_eq!(catchup_window_ns(&policies(Some(0), false)), CATCHUP_WINDOW_MIN_NS);
        assert_eq!(catchup_window_ns(&policies(Some(-5), false)), CATCHUP_WINDOW_MIN_NS);
        assert_eq!(catchup_window_ns(&policies(Some(11), false)), 11 * SECOND_NS);
        assert_eq!(catchup_window_ns(&policies(Some(i64::MAX), false)), i64::MAX);
    }

    #[test]
    fn a_pause_and_the_limit_hold_actions_back() {
        let mut state = ScheduleState { limited_actions: true, remaining_actions: 2, ..Default::default() };
        assert_eq!([use_action(&mut state), use_action(&mut state), use_action(&mut state)], [true, true, false]);
        assert_eq!(state.remaining_actions, 0);
        let mut unlimited = ScheduleState { remaining_actions: -1, ..Default::default() };
        assert!(use_action(&mut unlimited) && unlimited.remaining_actions == -1);
        unlimited.paused = true;
        assert!(!use_action(&mut unlimited));
    }

    #[test]
    fn a_failure_or_a_timeout_pauses() {
        let pausing = policies(None, true);
        let notes_after = |status, policies: &SchedulePolicies| {
            let mut state = ScheduleState { notes: "before".to_owned(), ..Default::default() };
            let is_paused = pause_after(policies, &mut state, "w-1", status, "it broke");
            assert_eq!(state.paused, is_paused);
            state.notes
        };
        assert_eq!(notes_after(Status::Failed, &pausing), "paused due to workflow failure: w-1: it broke");
        assert_eq!(notes_after(Status::TimedOut, &pausing), "paused due to workflow timeout: w-1");
        for status in [Status::Completed, Status::Canceled, Status::Terminated] {
            assert_eq!(notes_after(status, &pausing), "before");
        }
        assert_eq!(notes_after(Status::Failed, &policies(None, false)), "before");
    }

    #[test]
    fn notes_of_a_long_failure_are_cut_between_characters() {
        let mut state = ScheduleState::default();
        assert!(pause_after(&policies(None, true), &mut state, "w", Status::Failed, &"\u{fc}".repeat(1000)));
        assert!(state.notes.len() <= NOTES_MAX_BYTES && state.notes.ends_with('\u{fc}'));
        let mut paused = ScheduleState { paused: true, notes: "by hand".to_owned(), ..Default::default() };
        assert!(!pause_after(&policies(None, true), &mut paused, "w", Status::Failed, ""));
        assert_eq!(paused.notes, "by hand");
    }
}
