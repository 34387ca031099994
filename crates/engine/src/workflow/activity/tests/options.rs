//! Options of new activities: what is filled in, what is refused.

use super::world::{World, policy, schedule, schedule_with, seconds};
use crate::Limits;
use crate::env::duration_ns;
use crate::workflow::activity::options::Timeouts;
use evertide_proto::command::ScheduleActivityTaskCommandAttributes as Schedule;
use evertide_proto::common::{Payload, Payloads, Priority};
use evertide_proto::taskqueue::TaskQueue;

fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue { name: name.to_owned(), ..TaskQueue::default() })
}

/// Schedule-to-close, schedule-to-start, start-to-close and heartbeat, in seconds, as asked for and as scheduled.
fn scheduled(asked: [i64; 4], run_timeout: i64) -> [i64; 4] {
    let some = |n: i64| if n == 0 { None } else { seconds(n) };
    let command = schedule_with("a", |a| {
        a.schedule_to_close_timeout = some(asked[0]);
        a.schedule_to_start_timeout = some(asked[1]);
        a.start_to_close_timeout = some(asked[2]);
        a.heartbeat_timeout = some(asked[3]);
    });
    let world = World::with(Limits::default(), vec![command], |r| r.workflow_run_timeout = seconds(run_timeout));
    let activity = world.exec.state.activity_by_id("a").unwrap();
    let t = Timeouts::of_event(&activity.scheduled);
    [t.schedule_to_close_ns, t.schedule_to_start_ns, t.start_to_close_ns, t.heartbeat_ns].map(|ns| ns / 1_000_000_000)
}

#[test]
fn timeouts_are_filled_in_and_cut() {
    assert_eq!(scheduled([0, 0, 10, 0], 0), [0, 0, 10, 0]);
    assert_eq!(scheduled([20, 0, 0, 0], 0), [20, 20, 20, 0]);
    assert_eq!(scheduled([20, 70, 60, 0], 0), [20, 20, 20, 0]);
    assert_eq!(scheduled([20, 6, 5, 0], 0), [20, 6, 5, 0]);
    assert_eq!(scheduled([0, 90, 5, 90], 0), [0, 90, 5, 5]);
    assert_eq!(scheduled([0, 0, 10, 0], 30), [30, 30, 10, 0]);
    assert_eq!(scheduled([0, 300, 100, 200], 30), [30, 30, 30, 30]);
    assert_eq!(scheduled([100, 0, 0, 0], 30), [30, 30, 30, 0]);
    assert_eq!(scheduled([20, 0, 5, 3], 30), [20, 20, 5, 3]);
}

#[test]
fn every_activity_has_a_retry_policy() {
    let world = World::new(vec![schedule("a")]);
    let activity = world.exec.state.activity_by_id("a").unwrap();
    let policy = activity.scheduled.retry_policy.as_ref().unwrap();
    assert_eq!(duration_ns(policy.maximum_interval.as_ref()), 100_000_000_000);
    assert_eq!(policy.maximum_attempts, 0);
}

type Adapt = Box<dyn FnOnce(&mut Schedule)>;

#[test]
fn a_bad_schedule_command_says_what_is_wrong() {
    let cases: Vec<(Adapt, &str)> = vec![
        (Box::new(|a| a.activity_id.clear()), "activityId is not set"),
        (Box::new(|a| a.activity_type = None), "activityType is not set"),
        (
            Box::new(|a| a.start_to_close_timeout = None),
            "a valid StartToClose or ScheduleToCloseTimeout is not set on ScheduleActivityTaskCommand. ActivityId=a ActivityType=act",
        ),
        (Box::new(|a| a.start_to_close_timeout = seconds(-1)), "invalid StartToCloseTimeout: negative duration"),
        (Box::new(|a| a.heartbeat_timeout = seconds(-1)), "invalid HeartbeatTimeout: negative duration"),
        (Box::new(|a| a.activity_id = "a".repeat(1001)), "activityId exceeds length limit. Length=1001 Limit=1000"),
        (Box::new(|a| a.retry_policy = policy(1, -1)), "MaximumAttempts cannot be negative on retry policy."),
        (
            Box::new(|a| a.priority = Some(Priority { priority_key: -1, ..Priority::default() })),
            "invalid priorities: priority key can't be negative",
        ),
        (Box::new(|a| a.task_queue = None), "taskQueue is not set"),
        (Box::new(|a| a.task_queue = queue("")), "missing task queue name"),
        (Box::new(|a| a.task_queue = queue("/_sys/x/1")), "task queue name cannot start with reserved prefix /_sys/"),
        (
            Box::new(|a| a.use_workflow_build_id = true),
            "Activity with UseCompatibleVersion cannot run on different task queue.",
        ),
    ];
    for (adapt, text) in cases {
        let mut world = World::unanswered(Limits::default(), |_| {});
        let refused = world.turn(vec![schedule_with("a", adapt)]).unwrap_err();
        assert_eq!(refused.message, format!("BadScheduleActivityAttributes: {text}"));
        assert!(world.exec.state.activities.is_empty());
        assert!(world.history(4).starts_with("4 WORKFLOW_TASK_FAILED\n"));
    }
}

#[test]
fn an_id_in_use_and_too_many_activities_fail_the_workflow_task() {
    let limits = Limits { pending_activities: 2, ..Limits::default() };
    let mut world = World::with(limits, vec![schedule("a")], |_| {});
    assert_eq!(
        world.turn_after_signal(vec![schedule("b"), schedule("a")]).unwrap_err().message,
        "PendingActivitiesLimitExceeded: the number of pending activities, 2, has reached the per-workflow limit of 2"
    );
    assert_eq!(world.exec.state.activities.len(), 1, "nothing of a bad answer takes effect");
    let mut world = World::new(vec![schedule("a")]);
    assert_eq!(
        world.turn_after_signal(vec![schedule("a")]).unwrap_err().message,
        "ScheduleActivityDuplicateId: invalid history builder state for action: add-activitytask-scheduled-event, ActivityID: a"
    );
}

#[test]
fn too_large_an_input_ends_the_workflow() {
    let limits = Limits { blob_size_bytes: 10, ..Limits::default() };
    let mut world = World::unanswered(limits, |_| {});
    let input = Payloads { payloads: vec![Payload { data: vec![0; 20].into(), ..Payload::default() }] };
    let refused = world.turn(vec![schedule_with("a", |a| a.input = Some(input))]).unwrap_err();
    assert_eq!(
        refused.message,
        "BadScheduleActivityAttributes: ScheduleActivityTaskCommandAttributes.Input exceeds size limit."
    );
    assert!(!world.exec.state.is_running());
}

#[test]
fn a_task_has_the_priority_of_workflow_and_command_together() {
    let theirs = Priority { priority_key: 2, fairness_key: "theirs".to_owned(), fairness_weight: 1.5 };
    let mine = Priority { fairness_key: "mine".to_owned(), ..Priority::default() };
    let command = schedule_with("a", |a| a.priority = Some(mine.clone()));
    let mut world = World::with(Limits::default(), vec![command], |r| r.priority = Some(theirs));
    let task = world.poll("a").unwrap();
    let merged = Priority { priority_key: 2, fairness_key: "mine".to_owned(), fairness_weight: 1.5 };
    assert_eq!(task.priority, Some(merged));
    assert_eq!(world.pending("a").priority, Some(mine));
}
