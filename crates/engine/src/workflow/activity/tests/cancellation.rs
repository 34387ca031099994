//! Cancel requests, to those that have started and those that have not.

use super::world::{DONE, World, cancel, failed, policy, schedule, schedule_with, seconds};
use crate::reply::Reply;
use crate::task_queue::TaskClass;
use crate::workflow::activity::{Outcome, Stage};

#[test]
fn an_unstarted_activity_is_canceled_at_once_and_frees_its_id() {
    let mut world = World::new(vec![schedule("a")]);
    world.turn_after_signal(vec![cancel(5), schedule("a")]).unwrap();
    assert_eq!(
        world.history(9),
        "9 WORKFLOW_TASK_COMPLETED\n10 CancelRequested 5\n11 Scheduled a\n12 Canceled 5/0 for 10 by wf-worker\n\
         13 WORKFLOW_TASK_SCHEDULED\n"
    );
    assert_eq!(world.exec.state.activities.keys().copied().collect::<Vec<_>>(), [11]);
}

#[test]
fn scheduled_and_canceled_in_one_task_it_is_never_dispatched() {
    let world = World::new(vec![schedule("a"), cancel(5)]);
    assert!(world.history(5).starts_with("5 Scheduled a\n6 CancelRequested 5\n7 Canceled 5/0 for 6 by wf-worker\n"));
    assert!(world.dispatches.iter().all(|d| d.class != TaskClass::Activity));
}

#[test]
fn in_backoff_it_counts_as_not_started() {
    let mut world = World::new(vec![schedule_with("a", |a| a.retry_policy = policy(30, 0))]);
    let task = world.poll("a").unwrap();
    world.answer(&task, failed("one")).unwrap();
    world.turn_after_signal(vec![cancel(5)]).unwrap();
    assert!(world.history(11).starts_with("11 Canceled 5/0 for 10 by wf-worker\n"));
    assert_eq!(world.stage("a"), None);
}

#[test]
fn a_started_activity_hears_of_it_by_its_heartbeat() {
    let mut world = World::new(vec![schedule("a")]);
    let task = world.poll("a").unwrap();
    let refused = world.answer(&task, Outcome::Canceled(None)).unwrap_err();
    assert_eq!(refused.message, "unable to mark activity as canceled without activity being request canceled first");
    world.turn_after_signal(vec![cancel(5)]).unwrap();
    assert_eq!(world.stage("a"), Some(Stage::Started));
    let reply = world.answer(&task, Outcome::Heartbeat(None)).unwrap();
    assert_eq!(reply, Reply::Heartbeat { cancel_requested: true, paused: false, reset: false });
    world.answer(&task, Outcome::Canceled(None)).unwrap();
    assert_eq!(
        world.history(11),
        "11 Started 5 attempt 1 by worker\n12 Canceled 5/11 for 10 by answerer\n13 WORKFLOW_TASK_SCHEDULED\n"
    );
}

#[test]
fn after_a_cancel_request_nothing_is_retried() {
    let heartbeat = |id: &str| schedule_with(id, |a| a.heartbeat_timeout = seconds(5));
    let mut world = World::new(vec![heartbeat("a"), heartbeat("b"), heartbeat("c")]);
    let (a, b) = (world.poll("a").unwrap(), world.poll("b").unwrap());
    world.poll("c").unwrap();
    world.turn_after_signal(vec![cancel(5), cancel(6), cancel(7)]).unwrap();
    world.answer(&a, DONE).unwrap();
    world.answer(&b, failed("f")).unwrap();
    world.advance(6);
    let history = world.history(15);
    for line in
        ["Completed 5/15 by answerer\n", "'f' CANCEL_REQUESTED\n", "'activity Heartbeat timeout' CANCEL_REQUESTED\n"]
    {
        assert!(history.contains(line), "{history}");
    }
}

#[test]
fn an_end_that_waits_unseen_stands() {
    let mut world = World::new(vec![schedule("a")]);
    let task = world.poll("a").unwrap();
    world.signal();
    let token = world.take_workflow_task();
    world.answer(&task, DONE).unwrap();
    world.answer_task(token, vec![cancel(5)]).unwrap();
    assert!(
        world
            .history(10)
            .starts_with("10 CancelRequested 5\n11 Started 5 attempt 1 by worker\n12 Completed 5/11 by answerer\n")
    );
}

#[test]
fn what_cannot_be_canceled_fails_the_workflow_task() {
    let text = |id: i64| {
        format!(
            "BadRequestCancelActivityAttributes: invalid history builder state for action: \
             add-activitytask-cancel-requested-event, ScheduledEventID: {id}"
        )
    };
    let mut world = World::new(vec![schedule("a")]);
    assert_eq!(
        world.turn_after_signal(vec![cancel(0)]).unwrap_err().message,
        "BadRequestCancelActivityAttributes: ScheduledEventId is not set on RequestCancelActivityTaskCommand."
    );
    let mut world = World::new(vec![schedule("a")]);
    assert_eq!(world.turn_after_signal(vec![cancel(6)]).unwrap_err().message, text(6));
    let mut world = World::new(vec![schedule("a")]);
    world.poll("a").unwrap();
    world.turn_after_signal(vec![cancel(5)]).unwrap();
    assert_eq!(world.turn_after_signal(vec![cancel(5)]).unwrap_err().message, text(5));
}
