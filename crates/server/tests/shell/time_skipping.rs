//! A node whose time jumps: when it does, how far, and what keeps it.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use evertide_engine::Code;
use evertide_proto::enums::EventType;
use evertide_proto::history::HistoryEvent;
use evertide_server::fault::Failure;

use super::rig::{Rig, SECOND_NS, complete_workflow, schedule_activity, start_child, start_timer};

const HOUR_S: i64 = 3600;
const HOUR_NS: i64 = HOUR_S * SECOND_NS;
const HOUR: Duration = Duration::from_secs(3600);

impl Rig {
    /// A worker answers the next workflow task.
    fn answer(&mut self, commands: Vec<evertide_proto::command::Command>) -> String {
        let poll = self.poll("queue", "");
        self.settle();
        let task = self.task(poll);
        self.complete(&task, commands);
        self.workflow_id(&task)
    }

    fn started(&mut self, workflow_id: &str, commands: Vec<evertide_proto::command::Command>) {
        self.start(workflow_id).settle();
        assert_eq!(self.answer(commands), workflow_id);
    }

    /// How far the clock goes in what is done, hours.
    fn hours(&mut self, act: impl FnOnce(&mut Self)) -> i64 {
        let before_ns = self.node.now_ns();
        act(self);
        self.settle();
        (self.node.now_ns() - before_ns) / HOUR_NS
    }

    fn unlocked_hours(&mut self) -> i64 {
        self.hours(|rig| rig.node.unlock_time().unwrap())
    }

    /// Hours from the first event to this one.
    fn hour_of(&mut self, workflow_id: &str, event_type: EventType) -> i64 {
        let events = self.history(workflow_id);
        let ns = |e: &HistoryEvent| e.event_time.as_ref().map_or(0, evertide_engine::env::timestamp_ns);
        let found = events.iter().find(|e| e.event_type() == event_type).expect("there is such an event");
        (ns(found) - ns(&events[0])) / HOUR_NS
    }
}

/// One look at a future, as an executor would take it.
fn is_ready(future: std::pin::Pin<&mut impl Future>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
}

#[test]
fn the_clock_jumps_to_the_next_timer_once_it_is_unlocked() {
    let mut rig = Rig::skipping(1);
    rig.started("w", vec![start_timer("t", HOUR_S)]);
    assert_eq!(rig.hours(|_| ()), 0, "it is locked");
    assert_eq!(rig.unlocked_hours(), 1);
    rig.answer(vec![complete_workflow()]);
    assert_eq!(rig.hour_of("w", EventType::TimerFired), 1);
    assert_eq!(rig.hours(|rig| rig.node.lock_time().unwrap()), 0);
}

#[test]
fn timers_of_all_workflows_fire_in_the_order_of_their_times() {
    let mut rig = Rig::skipping(1);
    let hours = [5, 2, 9, 1, 7];
    for hour in hours {
        rig.started(&format!("w{hour}"), vec![start_timer("t", hour * HOUR_S)]);
    }
    assert_eq!(rig.unlocked_hours(), 1, "to the first only, whose task is to be done");
    let order: Vec<String> = hours.iter().map(|_| rig.answer(vec![complete_workflow()])).collect();
    assert_eq!(order, ["w1", "w2", "w5", "w7", "w9"]);
    assert_eq!(rig.hours(|_| ()), 0, "nothing is due any more");
}

#[test]
fn what_others_have_to_do_holds_the_clock() {
    let mut rig = Rig::skipping(0);
    rig.start("other").settle();
    let poll = rig.poll("queue", "");
    rig.settle();
    let other = rig.task(poll);
    assert_eq!(rig.hours(|rig| rig.started("w", vec![start_timer("t", HOUR_S), schedule_activity("a")])), 0);
    let poll = rig.poll_activity("queue");
    rig.settle();
    let activity = rig.activity(poll);
    assert_eq!(rig.hours(|rig| rig.complete(&other, vec![complete_workflow()])), 0, "the activity runs still");
    rig.complete_activity(&activity.task_token);
    assert_eq!(rig.hours(|rig| drop(rig.answer(Vec::new()))), 1);
}

#[test]
fn a_child_that_runs_holds_nothing_and_its_news_do() {
    let mut rig = Rig::skipping(0);
    rig.started("parent", vec![start_child("child"), start_timer("t", 2 * HOUR_S)]);
    let woken: Vec<String> = (0..2)
        .map(|_| {
            let poll = rig.poll("queue", "");
            rig.settle();
            let task = rig.task(poll);
            let id = rig.workflow_id(&task);
            rig.complete(&task, if id == "child" { vec![start_timer("t", HOUR_S)] } else { Vec::new() });
            id
        })
        .collect();
    assert!(woken.contains(&"child".to_owned()) && woken.contains(&"parent".to_owned()));
    assert_eq!(rig.answer(vec![complete_workflow()]), "child");
    assert_eq!(rig.answer(Vec::new()), "parent", "the news of the child's end come first");
    assert_eq!(rig.hour_of("parent", EventType::ChildWorkflowExecutionCompleted), 1);
    assert_eq!(rig.answer(vec![complete_workflow()]), "parent");
    assert_eq!(rig.hour_of("parent", EventType::TimerFired), 2);
}

#[test]
fn locks_are_counted_and_only_taken_locks_are_given_back() {
    let mut rig = Rig::skipping(1);
    rig.started("w", vec![start_timer("t", HOUR_S)]);
    rig.node.lock_time().unwrap();
    assert_eq!(rig.unlocked_hours(), 0);
    assert_eq!(rig.unlocked_hours(), 1);
    rig.answer(vec![complete_workflow()]);
    assert_eq!(rig.node.unlock_time().unwrap_err().code, Code::FailedPrecondition);
    rig.node.lock_time().unwrap();
    rig.node.unlock_time().unwrap();
}

#[test]
fn a_sleep_ends_where_it_is_to_end_and_locks_again() {
    let mut rig = Rig::skipping(1);
    rig.started("w", vec![start_timer("t", 3 * HOUR_S)]);
    let node = rig.node.clone();
    let before_ns = rig.node.now_ns();
    let mut sleep = pin!(node.sleep(2 * HOUR, true));
    assert!(is_ready(sleep.as_mut()));
    assert_eq!(rig.node.now_ns() - before_ns, 2 * HOUR_NS, "not to the timer");
    assert_eq!(rig.hours(|_| ()), 0);
    rig.node.unlock_time().unwrap();
    rig.settle();
    assert_eq!(rig.count("w", EventType::TimerFired), 1);
}

#[test]
fn whoever_gives_up_sleeping_gives_the_lock_back() {
    let mut rig = Rig::skipping(1);
    rig.start("busy").settle();
    let node = rig.node.clone();
    {
        let mut sleep = pin!(node.sleep(HOUR, true));
        assert!(!is_ready(sleep.as_mut()), "a workflow task is to be done");
    }
    rig.answer(vec![complete_workflow()]);
    rig.node.unlock_time().unwrap();
    assert!(rig.node.unlock_time().is_err(), "there was one lock again, and no more");
}

#[test]
fn time_may_pass_over_a_task_that_no_worker_takes() {
    let mut rig = Rig::skipping(0);
    rig.start("w").settle();
    assert_eq!(rig.hours(|_| ()), 0);
    let node = rig.node.clone();
    let before_ns = node.now_ns();
    assert!(is_ready(pin!(node.sleep(HOUR, true))), "an unlock more takes the hold of the task away");
    assert_eq!((node.now_ns() - before_ns) / HOUR_NS, 1);
    assert_eq!(rig.answer(vec![complete_workflow()]), "w");
}

#[test]
fn an_activity_may_sleep_though_it_holds_the_clock_itself() {
    let mut rig = Rig::skipping(0);
    rig.started("w", vec![schedule_activity("a")]);
    let poll = rig.poll_activity("queue");
    rig.settle();
    let activity = rig.activity(poll);
    let node = rig.node.clone();
    let mut sleep = pin!(node.sleep(Duration::from_secs(30), true));
    assert!(is_ready(sleep.as_mut()));
    rig.complete_activity(&activity.task_token);
    assert_eq!(rig.count("w", EventType::ActivityTaskCompleted), 1, "half its time had passed");
    rig.answer(vec![complete_workflow()]);
    assert!(node.unlock_time().is_err(), "the clock is as free as before");
}

#[test]
fn sleepers_wake_in_the_order_of_their_times() {
    let mut rig = Rig::skipping(1);
    let node = rig.node.clone();
    let end_ns = rig.node.now_ns() + 2 * HOUR_NS;
    let (mut long, mut short) = (pin!(node.sleep_until(end_ns)), pin!(node.sleep(HOUR, false)));
    assert!(!is_ready(long.as_mut()) && !is_ready(short.as_mut()));
    rig.advance(HOUR_NS).settle();
    assert!(is_ready(short.as_mut()) && !is_ready(long.as_mut()), "locked, they sleep in the world's time");
    assert_eq!(rig.unlocked_hours(), 1);
    assert!(is_ready(long.as_mut()));
}

#[test]
fn a_run_that_skips_to_the_next_attempt_when_it_is_woken_makes_it_at_once() {
    let mut rig = Rig::new();
    rig.start_skipping("w").settle();
    assert_eq!(rig.answer(vec![schedule_activity("a")]), "w");
    let poll = rig.poll_activity("queue");
    rig.settle();
    assert_eq!(rig.activity(poll).attempt, 1);
    rig.advance(61 * SECOND_NS).settle(); // Its time is up, so that it is tried again a second later.
    let poll = rig.poll_activity("queue");
    rig.settle();
    assert_eq!(rig.activity(poll).attempt, 2, "that second is skipped");
}

#[test]
fn no_clock_goes_to_absurd_times() {
    let mut rig = Rig::skipping(0);
    rig.started("w", vec![start_timer("t", 250 * 365 * 24 * HOUR_S)]);
    assert_eq!(rig.hours(|_| ()), 0);
    let node = rig.node.clone();
    let mut refused = pin!(node.sleep(Duration::MAX, false));
    let Poll::Ready(Err(Failure::Rejected(refusal))) = refused.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("not refused")
    };
    assert_eq!(refusal.code, Code::InvalidArgument);
    assert!(is_ready(pin!(node.sleep(Duration::ZERO, true))), "no time at all is over at once");
}

#[test]
fn a_server_that_does_not_skip_time_says_so() {
    let rig = Rig::new();
    for refusal in [rig.node.lock_time().unwrap_err(), rig.node.unlock_time().unwrap_err()] {
        assert_eq!(refusal.code, Code::Unimplemented);
    }
}
