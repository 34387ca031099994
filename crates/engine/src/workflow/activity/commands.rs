//! What a workflow asks of its activities: schedule one, cancel one.

use crate::task_queue::{Dispatch, TaskClass};
use crate::workflow::activity::options::{self, Subject};
use crate::workflow::activity::starting::{Poller, put_started, task_answer};
use crate::workflow::activity::{Stage, dispatch, refresh_pause_info, run_timeout_ns, takes_tasks};
use crate::workflow::bad_command::BadCommand;
use crate::workflow::change::is_end_of_started_work;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::state::State;
use evertide_proto::activity::ActivityOptions;
use evertide_proto::command::Command;
use evertide_proto::command::ScheduleActivityTaskCommandAttributes as Schedule;
use evertide_proto::command::command::Attributes as A;
use evertide_proto::common::{Payload, Payloads};
use evertide_proto::enums::WorkflowTaskFailedCause as Cause;
use evertide_proto::history::history_event::Attributes as EventAttributes;
use evertide_proto::history::{
    ActivityTaskCancelRequestedEventAttributes, ActivityTaskCanceledEventAttributes,
    ActivityTaskScheduledEventAttributes,
};
use evertide_proto::workflowservice::PollActivityTaskQueueResponse;
use prost::Message;

/// What a canceled activity says that no worker has had.
const NOT_STARTED: &[u8] = b"\"ACTIVITY_ID_NOT_STARTED\"";

/// ScheduleActivityTask.
pub(in crate::workflow) fn schedule_command(
    draft: &mut Draft<'_, '_>,
    command: Command,
    completed_id: i64,
) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::ScheduleActivityTaskCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    let eager = a.request_eager_execution && draft.limits().activity_eager_execution;
    let attributes = scheduled_attributes(draft.state(), *a, completed_id, draft.limits())
        .map_err(|text| BadCommand::task(Cause::BadScheduleActivityAttributes, text))?;
    check_room(draft, &attributes)?;
    let scheduled_event_id = draft.event_with(attributes, extra);
    if !eager {
        dispatch(draft, scheduled_event_id);
    }
    Ok(())
}

/// What the scheduled event says: the command, checked and completed.
fn scheduled_attributes(
    state: &State,
    a: Schedule,
    completed_id: i64,
    limits: &crate::Limits,
) -> Result<ActivityTaskScheduledEventAttributes, String> {
    let mut asked = ActivityOptions {
        task_queue: a.task_queue,
        schedule_to_close_timeout: a.schedule_to_close_timeout,
        schedule_to_start_timeout: a.schedule_to_start_timeout,
        start_to_close_timeout: a.start_to_close_timeout,
        heartbeat_timeout: a.heartbeat_timeout,
        retry_policy: a.retry_policy,
        priority: a.priority,
        start_delay: None,
    };
    let subject = Subject {
        activity_id: &a.activity_id,
        activity_type: a.activity_type.as_ref().map_or("", |t| &t.name),
        run_timeout_ns: run_timeout_ns(state),
        workflow_queue: state.task_queue(),
    };
    options::normalize(&mut asked, &subject, limits)?;
    let elsewhere = asked.task_queue.as_ref().is_some_and(|q| q.name != state.task_queue());
    if a.use_workflow_build_id && elsewhere {
        return Err("Activity with UseCompatibleVersion cannot run on different task queue.".to_owned());
    }
    Ok(ActivityTaskScheduledEventAttributes {
        activity_id: a.activity_id,
        activity_type: a.activity_type,
        task_queue: asked.task_queue,
        header: a.header,
        input: a.input,
        schedule_to_close_timeout: asked.schedule_to_close_timeout,
        schedule_to_start_timeout: asked.schedule_to_start_timeout,
        start_to_close_timeout: asked.start_to_close_timeout,
        heartbeat_timeout: asked.heartbeat_timeout,
        workflow_task_completed_event_id: completed_id,
        retry_policy: asked.retry_policy,
        use_workflow_build_id: a.use_workflow_build_id,
        priority: asked.priority,
    })
}

/// Whether the run can take this activity: its size, how many there are, whether its id is free.
fn check_room(draft: &Draft<'_, '_>, a: &ActivityTaskScheduledEventAttributes) -> Result<(), BadCommand> {
    let limits = draft.limits();
    if a.input.as_ref().map_or(0, Message::encoded_len) > limits.blob_size_bytes {
        let text = "ScheduleActivityTaskCommandAttributes.Input exceeds size limit.";
        return Err(BadCommand::terminate(Cause::BadScheduleActivityAttributes, text));
    }
    let (pending, limit) = (draft.state().activities.len(), limits.pending_activities);
    if pending >= limit {
        let text =
            format!("the number of pending activities, {pending}, has reached the per-workflow limit of {limit}");
        return Err(BadCommand::task(Cause::PendingActivitiesLimitExceeded, text));
    }
    if draft.state().activity_by_id(&a.activity_id).is_some() {
        let id = &a.activity_id;
        let text =
            format!("invalid history builder state for action: add-activitytask-scheduled-event, ActivityID: {id}");
        return Err(BadCommand::task(Cause::ScheduleActivityDuplicateId, text));
    }
    Ok(())
}

/// Starts the activities of the task just answered that its worker wants to have itself: they were scheduled without
/// being dispatched. Returns what the worker gets, in order of their scheduling.
pub(in crate::workflow) fn start_eager(
    draft: &mut Draft<'_, '_>,
    completed_id: i64,
    identity: &str,
) -> Vec<PollActivityTaskQueueResponse> {
    if !takes_tasks(draft.state()) {
        return Vec::new();
    }
    let new = draft
        .state()
        .activities
        .values()
        .filter(|a| a.scheduled.workflow_task_completed_event_id == completed_id && a.stage() == Stage::Queued);
    let mut waiting: Vec<i64> = new.map(|a| a.scheduled_event_id).collect();
    waiting.retain(|id| !draft.effects.dispatches.iter().any(|d| is_task_of(d, *id)));
    waiting.into_iter().filter_map(|id| start_one(draft, id, identity)).collect()
}

fn start_one(draft: &mut Draft<'_, '_>, id: i64, identity: &str) -> Option<PollActivityTaskQueueResponse> {
    let request_id = draft.env.ids.uuid();
    put_started(draft, id, &Poller { identity, request_id: &request_id });
    let activity = draft.state().activities.get(&id)?;
    // The worker knows the workflow's priority and the policy that it has just asked for.
    let priority = activity.priority().cloned();
    Some(PollActivityTaskQueueResponse { priority, retry_policy: None, ..task_answer(draft.state(), activity) })
}

fn is_task_of(dispatch: &Dispatch, id: i64) -> bool {
    dispatch.class == TaskClass::Activity && dispatch.scheduled_event_id == id
}

/// RequestCancelActivityTask. An activity that no worker has is canceled at once; one that has just ended unseen stays
/// ended.
pub(in crate::workflow) fn cancel_command(
    draft: &mut Draft<'_, '_>,
    command: Command,
    completed_id: i64,
) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::RequestCancelActivityTaskCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    let bad = |text: String| BadCommand::task(Cause::BadRequestCancelActivityAttributes, text);
    let scheduled_event_id = a.scheduled_event_id;
    if scheduled_event_id <= 0 {
        return Err(bad("ScheduledEventId is not set on RequestCancelActivityTaskCommand.".to_owned()));
    }
    let allowed = match draft.state().activities.get(&scheduled_event_id) {
        Some(activity) => activity.run.cancel_requested_event_id == 0,
        None => ended_unseen(draft.state(), scheduled_event_id),
    };
    if !allowed {
        return Err(bad(format!(
            "invalid history builder state for action: add-activitytask-cancel-requested-event, \
             ScheduledEventID: {scheduled_event_id}"
        )));
    }
    let requested = ActivityTaskCancelRequestedEventAttributes {
        scheduled_event_id,
        workflow_task_completed_event_id: completed_id,
    };
    let requested_id = draft.event_with(requested, extra);
    cancel_unstarted(draft, scheduled_event_id, requested_id);
    Ok(())
}

/// Whether the end of an activity waits behind the started workflow task.
fn ended_unseen(state: &State, scheduled_event_id: i64) -> bool {
    let ends = state.buffered.iter().filter(|e| is_end_of_started_work(e));
    ends.filter_map(|e| e.attributes.as_ref()).any(|attributes| {
        let ended = match attributes {
            EventAttributes::ActivityTaskCompletedEventAttributes(a) => a.scheduled_event_id,
            EventAttributes::ActivityTaskFailedEventAttributes(a) => a.scheduled_event_id,
            EventAttributes::ActivityTaskTimedOutEventAttributes(a) => a.scheduled_event_id,
            EventAttributes::ActivityTaskCanceledEventAttributes(a) => a.scheduled_event_id,
            _ => 0,
        };
        ended == scheduled_event_id
    })
}

fn cancel_unstarted(draft: &mut Draft<'_, '_>, scheduled_event_id: i64, requested_id: i64) {
    let Some(activity) = draft.state().activities.get(&scheduled_event_id) else {
        return;
    };
    if activity.stage() == Stage::Started {
        return;
    }
    let paused = activity.run.pause.is_some();
    let details = Payload {
        metadata: [("encoding".to_owned(), bytes::Bytes::from_static(b"json/plain"))].into(),
        data: bytes::Bytes::from_static(NOT_STARTED),
        ..Payload::default()
    };
    let canceled = ActivityTaskCanceledEventAttributes {
        details: Some(Payloads { payloads: vec![details] }),
        latest_cancel_requested_event_id: requested_id,
        scheduled_event_id,
        identity: draft.exec.task().map_or_else(String::new, |t| t.identity.clone()),
        ..ActivityTaskCanceledEventAttributes::default()
    };
    // It waits behind the task being answered, so that it follows all events of the commands.
    draft.arrive(canceled, EventExtra::default());
    draft.effects.dispatches.retain(|d| !is_task_of(d, scheduled_event_id));
    if paused {
        refresh_pause_info(draft);
    }
}
