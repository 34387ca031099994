//! Timers and markers.
//!
//! A timer is pending from TimerStarted until it fires or is canceled. One that fired behind a started workflow task
//! is no longer pending, but a cancel in that task still takes it back.

pub(super) mod state;

use crate::duration;
use crate::workflow::bad_command::BadCommand;
use crate::workflow::change::Change;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::state::State;
use crate::workflow::workflow_task;
use evertide_proto::command::Command;
use evertide_proto::command::command::Attributes as A;
use evertide_proto::enums::WorkflowTaskFailedCause as Cause;
use evertide_proto::history::history_event::Attributes as EventAttributes;
use evertide_proto::history::{
    MarkerRecordedEventAttributes, TimerCanceledEventAttributes, TimerFiredEventAttributes, TimerStartedEventAttributes,
};

/// StartTimer.
pub(super) fn start_command(draft: &mut Draft<'_, '_>, command: Command, completed_id: i64) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::StartTimerCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    let bad = |text: String| BadCommand::task(Cause::BadStartTimerAttributes, text);
    if a.timer_id.is_empty() {
        return Err(bad("TimerId is not set on StartTimerCommand.".to_owned()));
    }
    check_id(draft, &a.timer_id, ["TimerId", "StartTimerCommand"], Cause::BadStartTimerAttributes)?;
    let timeout = duration::checked(a.start_to_fire_timeout.as_ref()).map_err(|e| {
        bad(format!("An invalid StartToFireTimeout is set on StartTimerCommand: {e}. TimerId={}", a.timer_id))
    })?;
    if draft.state().timers.contains_key(&a.timer_id) {
        let text =
            format!("invalid history builder state for action: add-timer-started-event, TimerID: {}", a.timer_id);
        return Err(BadCommand::task(Cause::StartTimerDuplicateId, text));
    }
    let attributes = TimerStartedEventAttributes {
        timer_id: a.timer_id,
        start_to_fire_timeout: timeout,
        workflow_task_completed_event_id: completed_id,
    };
    draft.event_with(attributes, extra);
    Ok(())
}

/// CancelTimer.
pub(super) fn cancel_command(
    draft: &mut Draft<'_, '_>,
    command: Command,
    completed_id: i64,
    identity: &str,
) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::CancelTimerCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    let bad = |text: String| BadCommand::task(Cause::BadCancelTimerAttributes, text);
    if a.timer_id.is_empty() {
        return Err(bad("TimerId is not set on CancelTimerCommand.".to_owned()));
    }
    check_id(draft, &a.timer_id, ["TimerId", "CancelTimerCommand"], Cause::BadCancelTimerAttributes)?;
    let started_event_id = if let Some(timer) = draft.state().timers.get(&a.timer_id) {
        timer.started_event_id
    } else if let Some((place, started_event_id)) = fired_unseen(draft.state(), &a.timer_id) {
        draft.record(Change::Unbuffered(place));
        started_event_id
    } else {
        let text =
            format!("invalid history builder state for action: add-timer-canceled-event, TimerID: {}", a.timer_id);
        return Err(bad(text));
    };
    let attributes = TimerCanceledEventAttributes {
        timer_id: a.timer_id,
        started_event_id,
        workflow_task_completed_event_id: completed_id,
        identity: identity.to_owned(),
    };
    draft.event_with(attributes, extra);
    Ok(())
}

/// Where in the buffer the firing of a timer waits, and the id of its started event.
fn fired_unseen(state: &State, timer_id: &str) -> Option<(u32, i64)> {
    state.buffered.iter().enumerate().find_map(|(place, event)| match &event.attributes {
        Some(EventAttributes::TimerFiredEventAttributes(a)) if a.timer_id == timer_id => {
            Some((u32::try_from(place).ok()?, a.started_event_id))
        }
        _ => None,
    })
}

/// RecordMarker.
pub(super) fn marker_command(draft: &mut Draft<'_, '_>, command: Command, completed_id: i64) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::RecordMarkerCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    if a.marker_name.is_empty() {
        let text = "MarkerName is not set on RecordMarkerCommand.";
        return Err(BadCommand::task(Cause::BadRecordMarkerAttributes, text));
    }
    check_id(draft, &a.marker_name, ["MarkerName", "RecordMarkerCommand"], Cause::BadRecordMarkerAttributes)?;
    let size: usize = a.details.values().map(prost::Message::encoded_len).sum();
    if size > draft.limits().blob_size_bytes {
        let text = "RecordMarkerCommandAttributes.Details exceeds size limit.";
        return Err(BadCommand::terminate(Cause::BadRecordMarkerAttributes, text));
    }
    let attributes = MarkerRecordedEventAttributes {
        marker_name: a.marker_name,
        details: a.details,
        workflow_task_completed_event_id: completed_id,
        header: a.header,
        failure: a.failure,
    };
    draft.event_with(attributes, extra);
    Ok(())
}

/// Ids and names in commands have a greatest length.
fn check_id(draft: &Draft<'_, '_>, value: &str, [field, command]: [&str; 2], cause: Cause) -> Result<(), BadCommand> {
    let limit = draft.limits().id_length_bytes;
    if value.len() <= limit {
        return Ok(());
    }
    let text =
        format!("{field} on {command} exceeds length limit. {field}={value} Length={} Limit={limit}", value.len());
    Err(BadCommand::task(cause, text))
}

/// When the next timer fires, nanoseconds; 0 if none is pending.
pub(super) fn deadline_ns(state: &State) -> i64 {
    state.timers.values().map(|t| t.due_ns.max(1)).min().unwrap_or(0)
}

/// Fires every timer that is due, in order of their times, and wakes the workflow.
pub(super) fn wake(draft: &mut Draft<'_, '_>) {
    let now_ns = draft.now_ns();
    let timers = draft.state().timers.iter().filter(|(_, t)| t.due_ns <= now_ns);
    let mut due: Vec<_> = timers.map(|(id, t)| (t.due_ns, t.started_event_id, id.clone())).collect();
    if due.is_empty() {
        return;
    }
    due.sort();
    for (_, started_event_id, timer_id) in due {
        draft.arrive(TimerFiredEventAttributes { timer_id, started_event_id }, EventExtra::default());
    }
    workflow_task::schedule(draft);
}
