//! Attempts: starts, ends, retries, timeouts, heartbeats.

use super::world::{
    DONE, SECOND, World, command, failed, failure, failure_with, payloads, policy, schedule, schedule_with, seconds,
};
use crate::Limits;
use crate::rejection::Code;
use crate::reply::Reply;
use crate::task_queue::{StartTask, TaskClass};
use crate::workflow::Request;
use crate::workflow::activity::{Outcome, Stage, oversize_failures};
use evertide_proto::command::CompleteWorkflowExecutionCommandAttributes;
use evertide_proto::common::{Payload, Payloads};
use evertide_proto::failure::{Failure, TimeoutFailureInfo, failure::FailureInfo};
use prost::Message;

fn policy_command(initial_seconds: i64, attempts: i32) -> Vec<evertide_proto::command::Command> {
    vec![schedule_with("a", |a| a.retry_policy = policy(initial_seconds, attempts))]
}

#[test]
fn the_started_event_is_written_with_the_end() {
    let mut world = World::new(vec![schedule("a")]);
    let task = world.poll("a").expect("it waits");
    assert_eq!(world.history(6), "");
    world.answer(&task, DONE).unwrap();
    assert_eq!(
        world.history(5),
        "5 Scheduled a\n6 Started 5 attempt 1 by worker\n7 Completed 5/6 by answerer\n8 WORKFLOW_TASK_SCHEDULED\n"
    );
}

#[test]
fn a_repeated_poll_gets_the_same_task_and_another_one_none() {
    let mut world = World::new(vec![schedule("a")]);
    let poll = |request_id: &str| StartTask {
        scheduled_event_id: 5,
        request_id: request_id.to_owned(),
        ..StartTask::default()
    };
    let first = world.step(Request::StartActivity(poll("one"))).unwrap();
    world.now += SECOND;
    assert_eq!(world.step(Request::StartActivity(poll("one"))).unwrap(), first);
    assert_eq!(world.step(Request::StartActivity(poll("two"))).unwrap(), Reply::Stale);
    assert_eq!(
        world.step(Request::StartActivity(StartTask { scheduled_event_id: 6, ..poll("one") })).unwrap(),
        Reply::Stale
    );
}

#[test]
fn retried_attempts_leave_no_event() {
    let mut world = World::new(vec![schedule("a")]);
    for (attempt, message) in [(1, "one"), (2, "two")] {
        let task = world.poll("a").expect("it waits");
        assert_eq!(task.attempt, attempt);
        world.answer(&task, failed(message)).unwrap();
        assert_eq!(world.stage("a"), Some(Stage::Backoff));
        assert!(world.poll("a").is_none());
        world.advance(1 << (attempt - 1));
    }
    let task = world.poll("a").expect("two intervals have passed");
    world.answer(&task, DONE).unwrap();
    assert_eq!(
        world.history(6),
        "6 Started 5 attempt 3 by worker after 'two'\n7 Completed 5/6 by answerer\n8 WORKFLOW_TASK_SCHEDULED\n"
    );
}

#[test]
fn the_last_attempt_fails_the_activity() {
    let mut world = World::new(policy_command(1, 2));
    let task = world.poll("a").unwrap();
    world.answer(&task, failed("one")).unwrap();
    world.advance(1);
    let task = world.poll("a").unwrap();
    world.answer(&task, failed("two")).unwrap();
    assert_eq!(
        world.history(6),
        "6 Started 5 attempt 2 by worker after 'one'\n7 Failed 5/6 'two' MAXIMUM_ATTEMPTS_REACHED\n8 WORKFLOW_TASK_SCHEDULED\n"
    );
}

#[test]
fn failures_that_end_at_once_say_why() {
    let cases = [
        (failure_with("f", |i| i.non_retryable = true), "NON_RETRYABLE_FAILURE"),
        (failure_with("f", |i| i.r#type = "fatal".to_owned()), "NON_RETRYABLE_FAILURE"),
        (failure_with("f", |i| i.next_retry_delay = seconds(0)), "TIMEOUT"),
        (failure_with("f", |i| i.next_retry_delay = seconds(100)), "TIMEOUT"),
    ];
    for (failure, state) in cases {
        let mut world = World::new(vec![schedule_with("a", |a| {
            a.schedule_to_close_timeout = seconds(60);
            let policy = a.retry_policy.get_or_insert_default();
            policy.non_retryable_error_types = vec!["fatal".to_owned()];
        })]);
        let task = world.poll("a").unwrap();
        world.answer(&task, Outcome::Failed(Some(Box::new(failure)), None)).unwrap();
        assert!(world.history(7).starts_with(&format!("7 Failed 5/6 'f' {state}\n")), "{}", world.history(7));
    }
}

#[test]
fn a_delay_that_the_failure_asks_for_replaces_the_interval() {
    let mut world = World::new(policy_command(1, 0));
    let task = world.poll("a").unwrap();
    let failure = failure_with("later", |i| i.next_retry_delay = seconds(500));
    world.answer(&task, Outcome::Failed(Some(Box::new(failure)), None)).unwrap();
    assert_eq!(world.pending("a").current_retry_interval, seconds(500));
    world.advance(499);
    assert_eq!(world.stage("a"), Some(Stage::Backoff));
    world.advance(1);
    assert_eq!(world.stage("a"), Some(Stage::Queued));
}

#[test]
fn a_token_is_good_for_one_attempt() {
    let mut world = World::new(vec![schedule("a")]);
    let first = world.poll("a").unwrap();
    world.answer(&first, failed("one")).unwrap();
    world.advance(1);
    let second = world.poll("a").unwrap();
    for outcome in [DONE, failed("late"), Outcome::Canceled(None), Outcome::Heartbeat(None)] {
        let refused = world.answer(&first, outcome).unwrap_err();
        assert_eq!(refused.code, Code::NotFound);
    }
    world.answer(&second, DONE).unwrap();
    assert_eq!(world.answer(&second, DONE).unwrap_err().code, Code::NotFound);
}

#[test]
fn by_id_only_completion_needs_no_start() {
    let mut world = World::new(vec![schedule("a")]);
    for outcome in [failed("early"), Outcome::Heartbeat(None), Outcome::Canceled(None)] {
        assert_eq!(world.answer_by_id("a", outcome).unwrap_err().code, Code::NotFound);
    }
    assert_eq!(
        world.answer_by_id("b", DONE).unwrap_err().message,
        "cannot find pending activity with ActivityID b, check workflow execution history for more details"
    );
    world.answer_by_id("a", DONE).unwrap();
    assert_eq!(
        world.history(6),
        "6 Started 5 attempt 1 by client\n7 Completed 5/6 by client\n8 WORKFLOW_TASK_SCHEDULED\n"
    );
}

#[test]
fn workers_report_application_failures() {
    let mut world = World::new(vec![schedule("a")]);
    let task = world.poll("a").unwrap();
    let info = FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo::default());
    let timeout = Failure { failure_info: Some(info), ..Failure::default() };
    let refused = world.answer(&task, Outcome::Failed(Some(Box::new(timeout)), None)).unwrap_err();
    assert_eq!(refused.message, "Failure must have ApplicationFailureInfo.");
    world.answer(&task, Outcome::Failed(None, None)).unwrap();
    assert_eq!(world.stage("a"), Some(Stage::Backoff));
}

#[test]
fn not_started_in_time_it_times_out_without_a_retry() {
    let mut world = World::new(vec![schedule_with("a", |a| a.schedule_to_start_timeout = seconds(3))]);
    world.advance(2);
    assert_eq!(world.history(6), "");
    world.advance(1);
    assert_eq!(
        world.history(6),
        "6 TimedOut 5/0 'activity ScheduleToStart timeout' TIMEOUT\n7 WORKFLOW_TASK_SCHEDULED\n"
    );
}

#[test]
fn the_schedule_to_start_timeout_is_told_where_both_are_due() {
    let mut world = World::new(vec![schedule_with("a", |a| {
        a.start_to_close_timeout = None;
        a.schedule_to_close_timeout = seconds(3);
    })]);
    world.advance(3);
    assert!(world.history(6).starts_with("6 TimedOut 5/0 'activity ScheduleToStart timeout' TIMEOUT\n"));
}

#[test]
fn a_timed_out_attempt_is_retried_like_a_failure() {
    let mut world = World::new(policy_command(1, 2));
    world.poll("a").unwrap();
    world.advance(9);
    assert_eq!(world.stage("a"), Some(Stage::Started));
    world.advance(1);
    let pending = world.pending("a");
    assert_eq!(pending.attempt, 2);
    assert!(pending.last_attempt_complete_time.is_none(), "a timeout leaves no time of an end");
    world.advance(1);
    world.poll("a").unwrap();
    world.advance(11);
    assert_eq!(
        world.history(6),
        "6 Started 5 attempt 2 by worker after 'activity StartToClose timeout'\n\
         7 TimedOut 5/6 'activity StartToClose timeout' because of 'activity StartToClose timeout' MAXIMUM_ATTEMPTS_REACHED\n\
         8 WORKFLOW_TASK_SCHEDULED\n"
    );
}

#[test]
fn no_time_for_a_retry_is_told_as_schedule_to_close() {
    let mut world = World::new(vec![schedule_with("a", |a| {
        a.start_to_close_timeout = seconds(1);
        a.schedule_to_close_timeout = seconds(20);
        a.retry_policy = policy(30, 0);
    })]);
    world.poll("a").unwrap();
    world.advance(2);
    assert_eq!(
        world.history(7),
        "7 TimedOut 5/6 'Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up \
         retrying' TIMEOUT\n8 WORKFLOW_TASK_SCHEDULED\n"
    );
}

#[test]
fn schedule_to_close_runs_over_all_attempts() {
    let mut world = World::new(vec![schedule_with("a", |a| {
        a.start_to_close_timeout = None;
        a.schedule_to_close_timeout = seconds(6);
    })]);
    let task = world.poll("a").unwrap();
    world.answer(&task, failed("first")).unwrap();
    world.advance(5);
    assert_eq!(world.stage("a"), Some(Stage::Queued));
    world.advance(1);
    assert_eq!(
        world.history(6),
        "6 TimedOut 5/0 'Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up \
         retrying' because of 'first' TIMEOUT\n7 WORKFLOW_TASK_SCHEDULED\n"
    );
}

#[test]
fn heartbeats_renew_the_timeout_and_outlive_the_attempt() {
    let mut world = World::new(vec![schedule_with("a", |a| {
        a.start_to_close_timeout = seconds(100);
        a.heartbeat_timeout = seconds(4);
    })]);
    let task = world.poll("a").unwrap();
    for n in 0..3 {
        world.advance(3);
        let reply = world.answer(&task, Outcome::Heartbeat(Some(payloads(&n.to_string())))).unwrap();
        assert_eq!(reply, Reply::Heartbeat { cancel_requested: false, paused: false, reset: false });
    }
    assert_eq!(world.history(6), "", "heartbeats write nothing");
    world.advance(4);
    assert_eq!(world.stage("a"), Some(Stage::Backoff));
    world.advance(1);
    let task = world.poll("a").unwrap();
    assert_eq!(task.heartbeat_details, Some(payloads("2")));
    world.answer(&task, Outcome::Heartbeat(None)).unwrap();
    let pending = world.pending("a");
    assert!(pending.heartbeat_details.is_none() && pending.last_heartbeat_time.is_some());
}

#[test]
fn the_last_heartbeat_of_a_failure_is_kept() {
    let mut world = World::new(vec![schedule("a")]);
    let task = world.poll("a").unwrap();
    world.answer(&task, Outcome::Failed(Some(Box::new(failure("f"))), Some(payloads("last")))).unwrap();
    world.advance(1);
    assert_eq!(world.poll("a").unwrap().heartbeat_details, Some(payloads("last")));
}

#[test]
fn ends_that_wait_behind_a_workflow_task_come_last_and_name_their_starts() {
    let mut world = World::new(vec![schedule("a"), schedule("b")]);
    let (a, b) = (world.poll("a").unwrap(), world.poll("b").unwrap());
    world.signal();
    let token = world.take_workflow_task();
    world.answer(&a, DONE).unwrap();
    world.signal();
    world.answer(&b, DONE).unwrap();
    assert_eq!(world.stage("a"), None, "it has ended although nothing is written yet");
    world.answer_task(token, vec![schedule("a")]).unwrap();
    assert_eq!(
        world.history(10),
        "10 WORKFLOW_TASK_COMPLETED\n11 Scheduled a\n12 Started 5 attempt 1 by worker\n13 WORKFLOW_EXECUTION_SIGNALED\n\
         14 Started 6 attempt 1 by worker\n15 Completed 5/12 by answerer\n16 Completed 6/14 by answerer\n\
         17 WORKFLOW_TASK_SCHEDULED\n"
    );
}

fn of_size(bytes: usize) -> Payloads {
    Payloads { payloads: vec![Payload { data: vec![b'x'; bytes].into(), ..Payload::default() }] }
}

fn small_limits() -> Limits {
    Limits { blob_size_bytes: 100_000, ..Limits::default() }
}

#[test]
fn what_is_too_large_ends_the_activity() {
    let large = || Some(of_size(100_001));
    let huge = Some(Box::new(failure(&"x".repeat(100_001))));
    let cases = [
        (Outcome::Completed(large()), "Complete result exceeds size limit."),
        (Outcome::Canceled(large()), "Cancel details exceed size limit."),
        (Outcome::Heartbeat(large()), "Heartbeat details exceed size limit."),
        (Outcome::Failed(huge, None), "Failure exceeds size limit."),
    ];
    for (outcome, message) in cases {
        let mut world = World::with(small_limits(), vec![schedule("a")], |_| {});
        let task = world.poll("a").unwrap();
        let heartbeat = matches!(outcome, Outcome::Heartbeat(_));
        let reply = world.answer(&task, outcome).unwrap();
        assert_eq!(reply == Reply::Heartbeat { cancel_requested: true, paused: false, reset: false }, heartbeat);
        assert!(world.history(7).starts_with(&format!("7 Failed 5/6 '{message}' NON_RETRYABLE_FAILURE\n")));
    }
}

#[test]
fn a_last_heartbeat_that_is_too_large_is_left_out_and_told() {
    let mut world = World::with(small_limits(), vec![schedule("a")], |_| {});
    let task = world.poll("a").unwrap();
    let outcome = Outcome::Failed(Some(Box::new(failure("f"))), Some(of_size(100_001)));
    let told = oversize_failures(&outcome, &small_limits());
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].message, "Heartbeat details exceed size limit.");
    world.answer(&task, outcome).unwrap();
    world.advance(1);
    assert_eq!(world.poll("a").unwrap().heartbeat_details, None);
}

#[test]
fn a_large_failure_is_cut_for_the_next_attempt() {
    let mut world = World::new(vec![schedule("a")]);
    let task = world.poll("a").unwrap();
    let mut failure = failure_with(&"\u{e9}".repeat(5000), |i| i.r#type = "kind".to_owned());
    failure.cause = Some(Box::new(self::failure("unheard")));
    world.answer(&task, Outcome::Failed(Some(Box::new(failure)), None)).unwrap();
    let kept = world.pending("a").last_failure.unwrap();
    assert_eq!(kept.message, "Failure exceeds size limit.");
    let cause = kept.cause.clone().unwrap();
    assert!(matches!(&cause.failure_info, Some(FailureInfo::ApplicationFailureInfo(i)) if i.r#type == "kind"));
    assert!(cause.message.len() > 3000 && kept.encoded_len() < 4096 + 100);
}

#[test]
fn a_closed_workflow_has_no_part_in_its_activities() {
    let mut world = World::new(vec![schedule("a"), schedule("b")]);
    let task = world.poll("a").unwrap();
    let complete = command(CompleteWorkflowExecutionCommandAttributes::default().into());
    world.turn_after_signal(vec![complete]).unwrap();
    assert_eq!(world.answer(&task, DONE).unwrap_err().message, "workflow execution already completed");
    assert!(world.poll("b").is_none());
    assert_eq!(world.exec.deadline_ns(), 0);
    assert_eq!(world.pending("b").attempt, 1, "it is still shown");
}

#[test]
fn eager_activities_come_with_the_answer() {
    let mut world = World::unanswered(Limits::default(), |_| {});
    let eager = |id: &str| schedule_with(id, |a| a.request_eager_execution = true);
    let tasks = world.turn(vec![eager("a"), schedule("b"), eager("c"), eager("d"), super::world::cancel(8)]).unwrap();
    let ids: Vec<_> = tasks.iter().map(|t| t.activity_id.as_str()).collect();
    assert_eq!(ids, ["a", "c"]);
    let dispatched = world.dispatches.iter().filter(|d| d.class == TaskClass::Activity).count();
    assert_eq!(dispatched, 1);
    world.answer(&tasks[1], DONE).unwrap();
    assert_eq!(world.stage("a"), Some(Stage::Started));
    assert_eq!(world.stage("c"), None);
}
