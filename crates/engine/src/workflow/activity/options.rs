//! Options of an activity: what may be asked for, and what stands for what is left out.

use crate::duration::{checked_ns, from_ns};
use crate::limits::Limits;
use crate::retry_policy;
use crate::workflow::checks::check_priority;
use crate::workflow::checks::check_task_queue;
use evertide_proto::activity::ActivityOptions;
use evertide_proto::enums::TaskQueueKind;
use evertide_proto::history::ActivityTaskScheduledEventAttributes;
use evertide_proto::taskqueue::TaskQueue;
use prost_types::Duration;

/// The timeouts of an activity, nanoseconds; 0 for one that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Timeouts {
    /// From the first scheduling to the end, over all attempts.
    pub schedule_to_close_ns: i64,
    /// From the scheduling of an attempt to its start.
    pub schedule_to_start_ns: i64,
    /// From the start of an attempt to its end.
    pub start_to_close_ns: i64,
    /// From one sign of life of an attempt to the next.
    pub heartbeat_ns: i64,
}

impl Timeouts {
    /// Those of a scheduled event, which are in bounds.
    pub(super) fn of_event(a: &ActivityTaskScheduledEventAttributes) -> Self {
        let ns = |d: &Option<Duration>| crate::env::duration_ns(d.as_ref());
        Self {
            schedule_to_close_ns: ns(&a.schedule_to_close_timeout),
            schedule_to_start_ns: ns(&a.schedule_to_start_timeout),
            start_to_close_ns: ns(&a.start_to_close_timeout),
            heartbeat_ns: ns(&a.heartbeat_timeout),
        }
    }

    /// Those of options that were checked when they were set.
    pub(super) fn of_options(o: &ActivityOptions) -> Self {
        let ns = |d: &Option<Duration>| crate::env::duration_ns(d.as_ref());
        Self {
            schedule_to_close_ns: ns(&o.schedule_to_close_timeout),
            schedule_to_start_ns: ns(&o.schedule_to_start_timeout),
            start_to_close_ns: ns(&o.start_to_close_timeout),
            heartbeat_ns: ns(&o.heartbeat_timeout),
        }
    }

    /// Those that are asked for, checked one by one.
    fn checked(o: &ActivityOptions) -> Result<Self, String> {
        let ns = |name: &str, d: &Option<Duration>| checked_ns(d.as_ref()).map_err(|e| format!("invalid {name}: {e}"));
        Ok(Self {
            schedule_to_close_ns: ns("ScheduleToCloseTimeout", &o.schedule_to_close_timeout)?,
            schedule_to_start_ns: ns("ScheduleToStartTimeout", &o.schedule_to_start_timeout)?,
            start_to_close_ns: ns("StartToCloseTimeout", &o.start_to_close_timeout)?,
            heartbeat_ns: ns("HeartbeatTimeout", &o.heartbeat_timeout)?,
        })
    }

    /// Fills in what is left out and cuts what is too long. `None` if it says too little: one of start-to-close and
    /// schedule-to-close is needed.
    fn filled(self, run_timeout_ns: i64) -> Option<Self> {
        let mut t = self;
        if t.schedule_to_close_ns > 0 {
            let whole_ns = t.schedule_to_close_ns;
            t.schedule_to_start_ns = within(t.schedule_to_start_ns, whole_ns);
            t.start_to_close_ns = within(t.start_to_close_ns, whole_ns);
        } else if t.start_to_close_ns > 0 {
            t.schedule_to_close_ns = run_timeout_ns;
            if t.schedule_to_start_ns == 0 {
                t.schedule_to_start_ns = run_timeout_ns;
            }
        } else {
            return None;
        }
        if run_timeout_ns > 0 {
            let cut = |ns: i64| ns.min(run_timeout_ns);
            t.schedule_to_close_ns = cut(t.schedule_to_close_ns);
            t.schedule_to_start_ns = cut(t.schedule_to_start_ns);
            t.start_to_close_ns = cut(t.start_to_close_ns);
            t.heartbeat_ns = cut(t.heartbeat_ns);
        }
        t.heartbeat_ns = t.heartbeat_ns.min(t.start_to_close_ns);
        Some(t)
    }

    /// Writes them into options.
    pub(super) fn put_into(self, o: &mut ActivityOptions) {
        o.schedule_to_close_timeout = Some(from_ns(self.schedule_to_close_ns));
        o.schedule_to_start_timeout = Some(from_ns(self.schedule_to_start_ns));
        o.start_to_close_timeout = Some(from_ns(self.start_to_close_ns));
        o.heartbeat_timeout = Some(from_ns(self.heartbeat_ns));
    }
}

/// A part within a whole; as long as the whole if it is not set.
fn within(part_ns: i64, whole_ns: i64) -> i64 {
    if part_ns == 0 { whole_ns } else { part_ns.min(whole_ns) }
}

/// What the options belong to.
pub(super) struct Subject<'a> {
    /// Activity id.
    pub activity_id: &'a str,
    /// Name of the activity type.
    pub activity_type: &'a str,
    /// The workflow's run timeout, nanoseconds, if the options are to stay within it; else 0.
    pub run_timeout_ns: i64,
    /// Queue of the workflow: what is forbidden to others is allowed to its own.
    pub workflow_queue: &'a str,
}

/// Checks the options of a new activity and fills in what is left out. The error is the text for the caller.
pub(super) fn normalize(options: &mut ActivityOptions, subject: &Subject<'_>, limits: &Limits) -> Result<(), String> {
    check_queue(options.task_queue.as_ref(), subject.workflow_queue, limits)?;
    if subject.activity_id.is_empty() {
        return Err("activityId is not set".to_owned());
    }
    if subject.activity_type.is_empty() {
        return Err("activityType is not set".to_owned());
    }
    let policy = options.retry_policy.take().unwrap_or_default();
    options.retry_policy = Some(retry_policy::checked(&policy).map_err(|e| e.message.into_owned())?);
    check_length("activityId", subject.activity_id, limits)?;
    check_length("activityType", subject.activity_type, limits)?;
    check_priority(options.priority.as_ref()).map_err(|e| format!("invalid priorities: {e}"))?;
    normalize_timeouts(options, subject)?;
    if let Some(queue) = &mut options.task_queue
        && queue.kind() == TaskQueueKind::Unspecified
    {
        queue.set_kind(TaskQueueKind::Normal);
    }
    Ok(())
}

/// Checks options that an operator has put together, and fills in what is left out. Id, type and retry policy are those
/// of a pending activity.
pub(super) fn normalize_changed(
    options: &mut ActivityOptions,
    subject: &Subject<'_>,
    limits: &Limits,
) -> Result<(), String> {
    check_queue(options.task_queue.as_ref(), subject.workflow_queue, limits)?;
    normalize_timeouts(options, subject)
}

fn normalize_timeouts(options: &mut ActivityOptions, subject: &Subject<'_>) -> Result<(), String> {
    let filled = Timeouts::checked(options)?.filled(subject.run_timeout_ns).ok_or_else(|| {
        format!(
            "a valid StartToClose or ScheduleToCloseTimeout is not set on ScheduleActivityTaskCommand. \
             ActivityId={} ActivityType={}",
            subject.activity_id, subject.activity_type
        )
    })?;
    filled.put_into(options);
    Ok(())
}

fn check_queue(queue: Option<&TaskQueue>, workflow_queue: &str, limits: &Limits) -> Result<(), String> {
    match check_task_queue(queue, limits.id_length_bytes) {
        Err(_) if queue.is_some_and(|q| !q.name.is_empty() && q.name == workflow_queue) => Ok(()),
        checked => checked.map_err(|e| e.message.into_owned()),
    }
}

fn check_length(field: &str, value: &str, limits: &Limits) -> Result<(), String> {
    let (length, limit) = (value.len(), limits.id_length_bytes);
    if length > limit {
        return Err(format!("{field} exceeds length limit. Length={length} Limit={limit}"));
    }
    Ok(())
}
