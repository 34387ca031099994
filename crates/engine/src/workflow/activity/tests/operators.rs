//! What operators do: pause, unpause, reset, change options.

use super::world::{DONE, World, failed, payloads, policy, schedule, schedule_with, seconds};
use crate::rejection::Code;
use crate::reply::Reply;
use crate::workflow::activity::{Operation, Outcome, Stage};
use evertide_proto::activity::ActivityOptions;
use evertide_proto::common::RetryPolicy;
use evertide_proto::enums::PendingActivityState as Shown;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflowservice as ws;
use prost_types::FieldMask;

pub(super) fn pause(id: &str) -> Operation {
    let activity = Some(ws::pause_activity_request::Activity::Id(id.to_owned()));
    Operation::Pause(Box::new(ws::PauseActivityRequest { activity, ..Default::default() }))
}

fn pause_with(id: &str, request_id: &str) -> Operation {
    let activity = Some(ws::pause_activity_request::Activity::Id(id.to_owned()));
    let request_id = request_id.to_owned();
    Operation::Pause(Box::new(ws::PauseActivityRequest { activity, request_id, ..Default::default() }))
}

pub(super) fn unpause(id: &str, adapt: impl FnOnce(&mut ws::UnpauseActivityRequest)) -> Operation {
    let activity = Some(ws::unpause_activity_request::Activity::Id(id.to_owned()));
    let mut request = ws::UnpauseActivityRequest { activity, ..Default::default() };
    adapt(&mut request);
    Operation::Unpause(Box::new(request))
}

pub(super) fn reset(id: &str, adapt: impl FnOnce(&mut ws::ResetActivityRequest)) -> Operation {
    let activity = Some(ws::reset_activity_request::Activity::Id(id.to_owned()));
    let mut request = ws::ResetActivityRequest { activity, ..Default::default() };
    adapt(&mut request);
    Operation::Reset(Box::new(request))
}

pub(super) fn update(id: &str, options: ActivityOptions, paths: &[&str]) -> Operation {
    Operation::UpdateOptions(Box::new(ws::UpdateActivityOptionsRequest {
        activity: Some(ws::update_activity_options_request::Activity::Id(id.to_owned())),
        activity_options: Some(options),
        update_mask: Some(FieldMask { paths: paths.iter().map(|p| (*p).to_owned()).collect() }),
        ..Default::default()
    }))
}

fn pause_info(world: &World) -> Option<String> {
    let value = world.exec.state.search_attribute("TemporalPauseInfo")?;
    Some(String::from_utf8(value.data.to_vec()).expect("json"))
}

#[test]
fn a_paused_activity_waits_for_the_operator_without_timeouts() {
    let mut world = World::new(vec![schedule_with("a", |a| a.schedule_to_close_timeout = seconds(5))]);
    world.operate(pause("a")).unwrap();
    assert_eq!(world.pending("a").state(), Shown::Paused);
    assert_eq!(pause_info(&world).as_deref(), Some("[\"property:activityType=act\"]"));
    assert!(world.poll("a").is_none());
    world.advance(60);
    assert_eq!(world.stage("a"), Some(Stage::Paused));
    world.operate(unpause("a", |_| {})).unwrap();
    assert_eq!(pause_info(&world), None);
    world.advance(0);
    assert_eq!(world.stage("a"), None, "its time had run out meanwhile");
}

#[test]
fn a_repeated_pause_is_no_error_and_another_one_is() {
    let mut world = World::new(vec![schedule("a")]);
    world.operate(pause_with("a", "p1")).unwrap();
    let before = world.pending("a");
    world.advance(1);
    world.operate(pause_with("a", "p1")).unwrap();
    assert_eq!(world.pending("a"), before);
    let refused = world.operate(pause_with("a", "p2")).unwrap_err();
    assert_eq!((refused.code, refused.message.as_ref()), (Code::FailedPrecondition, "activity is already paused"));
}

#[test]
fn a_started_activity_goes_on_while_it_is_paused() {
    let mut world = World::new(vec![schedule("a")]);
    let task = world.poll("a").unwrap();
    world.operate(pause("a")).unwrap();
    assert_eq!(world.pending("a").state(), Shown::PauseRequested);
    let reply = world.answer(&task, Outcome::Heartbeat(None)).unwrap();
    assert_eq!(reply, Reply::Heartbeat { cancel_requested: false, paused: true, reset: false });
    world.answer(&task, DONE).unwrap();
    assert!(world.history(7).starts_with("7 Completed 5/6 by answerer\n"));
    assert_eq!(pause_info(&world), None, "what has ended is not paused");
}

#[test]
fn a_failure_while_paused_counts_and_waits() {
    let mut world = World::new(vec![schedule_with("a", |a| a.retry_policy = policy(1, 2))]);
    let task = world.poll("a").unwrap();
    world.operate(pause("a")).unwrap();
    world.answer(&task, failed("one")).unwrap();
    let pending = world.pending("a");
    assert_eq!((pending.state(), pending.attempt), (Shown::Paused, 2));
    assert_eq!(pending.last_failure.unwrap().message, "one");
    world.operate(unpause("a", |_| {})).unwrap();
    let task = world.poll("a").expect("it waits at once");
    assert_eq!(task.attempt, 2);
    assert_eq!(world.pending("a").last_failure, None, "an unpaused attempt forgets the failure before it");
}

#[test]
fn unpausing_may_reset_attempts_and_heartbeat_and_spread_the_starts() {
    let mut world = World::new(vec![schedule("a")]);
    let task = world.poll("a").unwrap();
    world.answer(&task, Outcome::Heartbeat(Some(payloads("h")))).unwrap();
    world.operate(pause("a")).unwrap();
    world.answer(&task, failed("one")).unwrap();
    let unpaused = unpause("a", |r| {
        r.reset_attempts = true;
        r.reset_heartbeat = true;
        r.jitter = seconds(1000);
    });
    world.operate(unpaused).unwrap();
    assert_eq!(world.stage("a"), Some(Stage::Backoff));
    world.advance(1000);
    let task = world.poll("a").unwrap();
    assert_eq!((task.attempt, task.heartbeat_details.as_ref()), (1, None));
}

#[test]
fn a_reset_begins_again_at_once() {
    let mut world = World::new(vec![schedule_with("a", |a| a.retry_policy = policy(30, 0))]);
    let task = world.poll("a").unwrap();
    world.answer(&task, Outcome::Heartbeat(Some(payloads("h")))).unwrap();
    world.answer(&task, failed("one")).unwrap();
    world.operate(reset("a", |_| {})).unwrap();
    let task = world.poll("a").unwrap();
    assert_eq!((task.attempt, task.heartbeat_details), (1, Some(payloads("h"))));
}

#[test]
fn a_reset_of_a_started_activity_is_told_to_its_worker() {
    let mut world = World::new(vec![schedule("a")]);
    let task = world.poll("a").unwrap();
    world.answer(&task, Outcome::Heartbeat(Some(payloads("h")))).unwrap();
    world.operate(reset("a", |r| r.reset_heartbeat = true)).unwrap();
    let reply = world.answer(&task, Outcome::Heartbeat(Some(payloads("i")))).unwrap();
    assert_eq!(reply, Reply::Heartbeat { cancel_requested: false, paused: false, reset: true });
    world.answer(&task, failed("f")).unwrap();
    world.advance(1);
    let task = world.poll("a").unwrap();
    assert_eq!((task.attempt, task.heartbeat_details.as_ref()), (2, None));
    let reply = world.answer(&task, Outcome::Heartbeat(None)).unwrap();
    assert_eq!(reply, Reply::Heartbeat { cancel_requested: false, paused: false, reset: false });
}

#[test]
fn a_reset_of_a_later_attempt_voids_its_token() {
    let mut world = World::new(vec![schedule("a")]);
    let task = world.poll("a").unwrap();
    world.answer(&task, failed("f")).unwrap();
    world.advance(1);
    let task = world.poll("a").unwrap();
    world.operate(reset("a", |_| {})).unwrap();
    assert_eq!(world.answer(&task, DONE).unwrap_err().code, Code::NotFound);
    world.answer_by_id("a", DONE).unwrap();
    assert!(world.history(6).starts_with("6 Started 5 attempt 1 by worker after 'f'\n7 Completed 5/6 by client\n"));
}

#[test]
fn a_reset_may_keep_the_pause() {
    let mut world = World::new(vec![schedule("a")]);
    world.operate(pause("a")).unwrap();
    world.operate(reset("a", |r| r.keep_paused = true)).unwrap();
    assert_eq!(world.stage("a"), Some(Stage::Paused));
    world.operate(reset("a", |_| {})).unwrap();
    assert_eq!(world.stage("a"), Some(Stage::Queued));
}

#[test]
fn changed_options_are_in_force_and_schedule_a_backoff_anew() {
    let mut world = World::new(vec![schedule_with("a", |a| a.retry_policy = policy(30, 5))]);
    let task = world.poll("a").unwrap();
    world.answer(&task, failed("one")).unwrap();
    let asked = ActivityOptions {
        start_to_close_timeout: seconds(7),
        schedule_to_close_timeout: seconds(99),
        retry_policy: Some(RetryPolicy { initial_interval: seconds(2), maximum_attempts: 2, ..Default::default() }),
        ..ActivityOptions::default()
    };
    let paths = ["start_to_close_timeout", "retryPolicy.initialInterval", "retry_policy.maximum_attempts", "unknown"];
    let Reply::ActivityOptions(Some(now)) = world.operate(update("a", asked, &paths)).unwrap() else {
        panic!("the options are answered");
    };
    assert_eq!((now.start_to_close_timeout, now.schedule_to_close_timeout), (seconds(7), seconds(0)));
    let policy = now.retry_policy.unwrap();
    assert_eq!((policy.initial_interval, policy.maximum_interval), (seconds(2), seconds(3000)));
    world.advance(1);
    assert_eq!(world.stage("a"), Some(Stage::Backoff));
    world.advance(1);
    let task = world.poll("a").expect("two seconds after the failure");
    assert_eq!(task.start_to_close_timeout, seconds(10), "a task shows what the workflow asked for");
    world.advance(8);
    assert!(world.history(7).starts_with("7 TimedOut 5/6 'activity StartToClose timeout' MAXIMUM_ATTEMPTS_REACHED\n"));
}

#[test]
fn an_unstarted_activity_moves_to_another_queue_and_back() {
    let mut world = World::new(vec![schedule("a")]);
    let elsewhere = TaskQueue { name: "elsewhere".to_owned(), ..TaskQueue::default() };
    let asked = ActivityOptions { task_queue: Some(elsewhere), ..ActivityOptions::default() };
    world.operate(update("a", asked, &["task_queue.name"])).unwrap();
    assert_eq!(world.pending("a").activity_options.unwrap().task_queue.unwrap().name, "elsewhere");
    let restore = Operation::UpdateOptions(Box::new(ws::UpdateActivityOptionsRequest {
        activity: Some(ws::update_activity_options_request::Activity::MatchAll(true)),
        restore_original: true,
        ..Default::default()
    }));
    world.operate(restore).unwrap();
    assert_eq!(world.pending("a").activity_options.unwrap().task_queue.unwrap().name, "qa");
    assert!(world.poll("a").is_some());
}

#[test]
fn what_operators_cannot_do_is_refused() {
    let mut world = World::new(vec![schedule("a")]);
    let nothing = Operation::Reset(Box::default());
    assert_eq!(
        world.operate(nothing).unwrap_err().message,
        "Either Activity.Id or Activity.Type should be set on request."
    );
    assert_eq!(
        world.operate(pause("b")).unwrap_err().message,
        "Can't find pending activity with such ID. Invalid activityID or activity already completed"
    );
    let negative = ActivityOptions { start_to_close_timeout: seconds(-5), ..ActivityOptions::default() };
    assert_eq!(
        world.operate(update("a", negative, &["start_to_close_timeout"])).unwrap_err().message,
        "invalid StartToCloseTimeout: negative duration"
    );
    let named = || Some(ws::update_activity_options_request::Activity::Id("a".to_owned()));
    let request = |r: ws::UpdateActivityOptionsRequest| Operation::UpdateOptions(Box::new(r));
    let no_options = ws::UpdateActivityOptionsRequest { activity: named(), ..Default::default() };
    assert_eq!(world.operate(request(no_options)).unwrap_err().message, "ActivityOptions are not provided");
    let no_mask = ws::UpdateActivityOptionsRequest {
        activity: named(),
        activity_options: Some(ActivityOptions::default()),
        ..Default::default()
    };
    assert_eq!(world.operate(request(no_mask)).unwrap_err().message, "UpdateMask is not provided");
    let both = ws::UpdateActivityOptionsRequest {
        activity: named(),
        restore_original: true,
        update_mask: Some(FieldMask { paths: vec!["priority".to_owned()] }),
        ..Default::default()
    };
    assert_eq!(world.operate(request(both)).unwrap_err().message, "Both UpdateMask and RestoreOriginal are provided");
}
