//! Runs that skip time, seen from outside: what the history says, what the clock shows, when the run is due.

use crate::env::{duration, timestamp};
use crate::limits::Limits;
use crate::rejection::{Code, Rejection};
use crate::reply::Reply;
use crate::workflow::testing::{SECOND_NS, START_NS, World, command, start_request};
use crate::workflow::{FastForwardEnd, Request};
use evertide_proto::command as c;
use evertide_proto::common::{
    ActivityType, FastForwardConfig, RetryPolicy, TimeSkippingConfig, TimeSkippingInfo, WorkflowType,
};
use evertide_proto::failure::failure::FailureInfo;
use evertide_proto::failure::{ApplicationFailureInfo, Failure};
use evertide_proto::history::history_event::Attributes;
use evertide_proto::history::{
    HistoryEvent, WorkflowExecutionStartedEventAttributes, WorkflowExecutionTimeSkippingTransitionedEventAttributes,
};
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflow::WorkflowExecutionOptions;
use evertide_proto::workflowservice as ws;
use prost_types::FieldMask;

const HOUR_S: i64 = 3600;
const HOUR_NS: i64 = HOUR_S * SECOND_NS;

fn limits() -> Limits {
    Limits { workflow_time_skipping: true, ..Limits::default() }
}

fn enabled() -> TimeSkippingConfig {
    TimeSkippingConfig { enabled: true, ..TimeSkippingConfig::default() }
}

fn fast_forward(id: &str, seconds: i64) -> TimeSkippingConfig {
    let config = FastForwardConfig { id: id.to_owned(), duration: Some(duration(seconds * SECOND_NS)) };
    TimeSkippingConfig { fast_forward_config: Some(config), ..enabled() }
}

fn request(config: TimeSkippingConfig) -> ws::StartWorkflowExecutionRequest {
    ws::StartWorkflowExecutionRequest { time_skipping_config: Some(config), ..start_request() }
}

fn world(config: TimeSkippingConfig) -> World {
    World::start_within(request(config), limits()).unwrap()
}

fn timer(id: &str, seconds: i64) -> c::Command {
    command(c::StartTimerCommandAttributes {
        timer_id: id.to_owned(),
        start_to_fire_timeout: Some(duration(seconds * SECOND_NS)),
    })
}

fn failure() -> Failure {
    let info = FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo::default());
    Failure { failure_info: Some(info), ..Failure::default() }
}

fn done() -> c::Command {
    command(c::CompleteWorkflowExecutionCommandAttributes::default())
}

impl World {
    /// A worker answers the next task.
    fn answer(&mut self, commands: Vec<c::Command>) {
        let task = self.poll().expect("there is a task");
        self.complete(&task, commands).unwrap();
    }

    /// What is due happens, without any time passing in the world.
    fn now(&mut self) -> &mut Self {
        self.advance(0);
        self
    }

    fn skips(&self) -> Vec<(HistoryEvent, WorkflowExecutionTimeSkippingTransitionedEventAttributes)> {
        let skips = self.events.iter().filter_map(|event| match &event.attributes {
            Some(Attributes::WorkflowExecutionTimeSkippingTransitionedEventAttributes(a)) => Some((event.clone(), **a)),
            _ => None,
        });
        skips.collect()
    }

    fn info(&mut self) -> Option<TimeSkippingInfo> {
        match self.step(Request::Describe) {
            Ok(Reply::Described(d)) => d.workflow_extended_info.unwrap().time_skipping_info,
            other => panic!("{other:?}"),
        }
    }

    fn is_enabled(&mut self) -> bool {
        self.info().unwrap().effective_config.unwrap().enabled
    }

    fn configure(&mut self, config: Option<TimeSkippingConfig>) -> Result<WorkflowExecutionOptions, Rejection> {
        self.update_options("time_skipping_config", config)
    }

    fn update_options(
        &mut self,
        path: &str,
        time_skipping_config: Option<TimeSkippingConfig>,
    ) -> Result<WorkflowExecutionOptions, Rejection> {
        let options = WorkflowExecutionOptions { time_skipping_config, ..WorkflowExecutionOptions::default() };
        let request = ws::UpdateWorkflowExecutionOptionsRequest {
            workflow_execution_options: Some(options),
            update_mask: Some(FieldMask { paths: vec![path.to_owned()] }),
            ..ws::UpdateWorkflowExecutionOptionsRequest::default()
        };
        match self.step(Request::UpdateOptions(Box::new(request)))? {
            Reply::WorkflowOptions(options) => Ok(*options),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_run_that_only_waits_goes_to_its_timer() {
    let mut world = world(enabled());
    world.answer(vec![timer("t", HOUR_S)]);
    assert_eq!(world.exec.deadline_ns(), world.now_ns, "in the world the timer is due now");
    world.now().answer(vec![done()]);
    world.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 TimerStarted
         6 WorkflowExecutionTimeSkippingTransitioned
         7 TimerFired
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted
         10 WorkflowTaskCompleted
         11 WorkflowExecutionCompleted",
    );
    let (event, skip) = world.skips().remove(0);
    assert_eq!(event.event_time, Some(timestamp(START_NS)), "it tells of the time before");
    assert_eq!(skip.wall_clock_time, Some(timestamp(START_NS)));
    assert_eq!(skip.target_time, Some(timestamp(START_NS + HOUR_NS)));
    assert!(event.worker_may_ignore && !skip.disabled_after_fast_forward);
    assert!(world.events[6..].iter().all(|e| e.event_time == Some(timestamp(START_NS + HOUR_NS))));
    let info = world.info().unwrap();
    assert_eq!(info.current_time, Some(timestamp(START_NS + HOUR_NS)));
    assert_eq!(info.effective_config, Some(TimeSkippingConfig { max_session_skip_count: 200, ..enabled() }));
}

#[test]
fn timers_fire_one_by_one_each_after_its_own_skip() {
    let mut world = world(enabled());
    world.answer(vec![timer("two", 2 * HOUR_S), timer("one", HOUR_S)]);
    world.now();
    assert_eq!(world.exec.state.timers.len(), 1);
    assert_eq!(world.skips().len(), 1, "a workflow task is to be done first");
    world.answer(Vec::new());
    world.now();
    assert!(world.exec.state.timers.is_empty());
    assert_eq!(world.exec.state.skipped_ns(), 2 * HOUR_NS);
}

#[test]
fn a_delay_of_the_start_is_skipped() {
    let request =
        ws::StartWorkflowExecutionRequest { workflow_start_delay: Some(duration(HOUR_NS)), ..request(enabled()) };
    let mut world = World::start_within(request, limits()).unwrap();
    world.now();
    world.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowExecutionTimeSkippingTransitioned
         3 WorkflowTaskScheduled",
    );
}

#[test]
fn an_idle_run_goes_to_its_timeout_only_once_it_has_begun() {
    let request =
        ws::StartWorkflowExecutionRequest { workflow_run_timeout: Some(duration(HOUR_NS)), ..request(enabled()) };
    let mut world = World::start_within(request, limits()).unwrap();
    assert!(world.skips().is_empty());
    world.answer(Vec::new());
    world.now();
    assert!(!world.exec.state.is_running());
    assert_eq!(world.exec.state.info.close_time_ns, START_NS + HOUR_NS);
}

#[test]
fn without_anything_to_wait_for_nothing_is_skipped() {
    let mut world = world(enabled());
    world.answer(Vec::new());
    assert_eq!((world.skips().len(), world.exec.deadline_ns()), (0, 0));
}

#[test]
fn an_activity_holds_the_clock_but_its_backoff_does_not() {
    let mut world = world(enabled());
    let policy = RetryPolicy { initial_interval: Some(duration(HOUR_NS)), ..RetryPolicy::default() };
    let activity = command(c::ScheduleActivityTaskCommandAttributes {
        activity_id: "a".to_owned(),
        activity_type: Some(ActivityType { name: "act".to_owned() }),
        task_queue: Some(TaskQueue { name: "q".to_owned(), ..TaskQueue::default() }),
        start_to_close_timeout: Some(duration(60 * SECOND_NS)),
        retry_policy: Some(policy),
        ..c::ScheduleActivityTaskCommandAttributes::default()
    });
    world.answer(vec![activity, timer("t", 2 * HOUR_S)]);
    assert!(world.skips().is_empty());
    let task = world.poll_activity().expect("there is a task");
    let token = crate::token::TaskToken::from_bytes(&task.task_token).unwrap();
    let failed = crate::workflow::activity::Answer {
        which: crate::workflow::activity::Which::Token(token),
        identity: String::new(),
        outcome: crate::workflow::activity::Outcome::Failed(Some(Box::new(failure())), None),
    };
    world.step(Request::Activity(failed)).unwrap();
    world.now();
    assert_eq!(world.exec.state.skipped_ns(), HOUR_NS, "to the retry, which comes before the timer");
    let task = world.poll_activity().expect("the next attempt");
    assert_eq!(task.attempt, 2);
    assert_eq!(world.skips().len(), 1);
}

#[test]
fn skips_are_counted_and_the_last_one_ends_it() {
    let mut world = world(TimeSkippingConfig { max_session_skip_count: 1, ..enabled() });
    world.answer(vec![timer("one", HOUR_S), timer("two", 2 * HOUR_S)]);
    assert!(!world.is_enabled());
    world.now().answer(Vec::new());
    assert_eq!(world.exec.deadline_ns(), world.now_ns + HOUR_NS, "the other timer passes in the world's time");
    let (_, skip) = world.skips().remove(0);
    assert!(!skip.disabled_after_fast_forward, "the event does not tell");
    world.configure(Some(TimeSkippingConfig { max_session_skip_count: 1, ..enabled() })).unwrap();
    assert_eq!(world.skips().len(), 2, "a new session begins, in the same step");
}

#[test]
fn a_fast_forward_goes_so_far_and_no_further() {
    let mut world = world(fast_forward("f", HOUR_S));
    world.answer(vec![timer("t", 2 * HOUR_S)]);
    let (_, skip) = world.skips().remove(0);
    assert_eq!(skip.target_time, Some(timestamp(START_NS + HOUR_NS)));
    assert!(skip.disabled_after_fast_forward && !world.is_enabled());
    assert_eq!(world.exec.deadline_ns(), world.now_ns + HOUR_NS);
    let seen = world.exec.state.fast_forward("f", 0);
    assert_eq!(seen.end, Some(FastForwardEnd::Completed));
    assert!(seen.info.unwrap().has_completed);
    assert!(matches!(world.exec.state.fast_forward("g", 0).end, Some(FastForwardEnd::Failed(_))));
}

#[test]
fn a_fast_forward_may_end_by_the_worlds_time() {
    let mut world = world(fast_forward("f", 5));
    let task = world.poll().expect("there is a task");
    assert_eq!(world.exec.state.fast_forward("f", 0).end, None);
    world.advance(6 * SECOND_NS);
    assert!(!world.is_enabled());
    assert!(world.skips().is_empty(), "it waits behind the task");
    world.complete(&task, vec![timer("t", HOUR_S)]).unwrap();
    let (_, skip) = world.skips().remove(0);
    assert_eq!((skip.target_time, skip.disabled_after_fast_forward), (None, true));
    assert_eq!(world.exec.state.skipped_ns(), 0);
}

#[test]
fn options_set_the_clock_of_a_running_workflow() {
    let mut world = World::start_within(start_request(), limits()).unwrap();
    world.answer(vec![timer("t", HOUR_S)]);
    assert_eq!(world.info(), None);
    let set = world.configure(Some(enabled())).unwrap();
    assert_eq!(set.time_skipping_config, Some(TimeSkippingConfig { max_session_skip_count: 200, ..enabled() }));
    assert_eq!(world.history().lines().last(), Some("7 WorkflowExecutionTimeSkippingTransitioned"));
    let before = world.events.len();
    world.configure(Some(enabled())).unwrap();
    assert_eq!(world.events.len(), before, "an equal configuration changes nothing");
    world.configure(None).unwrap();
    let info = world.info().unwrap();
    assert_eq!(info.effective_config, None);
    assert_eq!(info.current_time, Some(timestamp(START_NS + HOUR_NS)), "skipped time stays");
}

#[test]
fn a_fast_forward_that_is_set_again_is_another_one() {
    let mut world = world(fast_forward("f", HOUR_S));
    let target_ns = START_NS + HOUR_NS;
    world.advance(SECOND_NS);
    world.configure(Some(fast_forward("f", HOUR_S))).unwrap();
    let seen = world.exec.state.fast_forward("f", target_ns);
    assert_eq!(seen.end, Some(FastForwardEnd::Failed("the fast-forward was reset")));
    assert_eq!(world.exec.state.fast_forward("f", target_ns + SECOND_NS).end, None);
}

#[test]
fn a_fast_forward_ends_in_vain_with_its_run() {
    let mut world = world(fast_forward("f", HOUR_S));
    world.answer(vec![done()]);
    let end = world.exec.state.fast_forward("f", START_NS + HOUR_NS).end;
    assert_eq!(end, Some(FastForwardEnd::Failed("the execution ended before the fast-forward completed")));
}

fn started(events: &[HistoryEvent]) -> &WorkflowExecutionStartedEventAttributes {
    match &events[0].attributes {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(a)) => a,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_next_run_goes_on_with_the_clock() {
    let mut world = world(fast_forward("f", 3 * HOUR_S));
    world.answer(vec![timer("t", HOUR_S)]);
    let again = command(c::ContinueAsNewWorkflowExecutionCommandAttributes {
        workflow_type: Some(WorkflowType { name: "wf".to_owned() }),
        ..c::ContinueAsNewWorkflowExecutionCommandAttributes::default()
    });
    world.now().answer(vec![again]);
    let next = world.next_run.clone().expect("it continues as new");
    assert_eq!(next.state.info.start_time_ns, START_NS + HOUR_NS);
    assert_eq!(next.state.skipped_ns(), HOUR_NS);
    let taken_over = next.state.started.time_skipping_state_propagation.unwrap();
    assert_eq!(taken_over.initial_skip_count, 1);
    assert_eq!(taken_over.fast_forward_target_time, Some(timestamp(START_NS + 3 * HOUR_NS)));
    assert_eq!(next.state.fast_forward("f", START_NS + 3 * HOUR_NS).end, None);
    assert_eq!(world.exec.state.fast_forward("f", 0).end, None, "whoever waits goes on with the next run");
}

#[test]
fn a_child_begins_with_the_clock_of_its_parent() {
    for alone in [false, true] {
        let mut world = world(TimeSkippingConfig { disable_propagation: alone, ..enabled() });
        world.answer(vec![timer("t", HOUR_S)]);
        let child = command(c::StartChildWorkflowExecutionCommandAttributes {
            workflow_id: "child".to_owned(),
            workflow_type: Some(WorkflowType { name: "wf".to_owned() }),
            ..c::StartChildWorkflowExecutionCommandAttributes::default()
        });
        world.now().answer(vec![child, timer("later", HOUR_S)]);
        let initiated = &world.exec.state.children.values().next().unwrap().initiated;
        assert_eq!(initiated.time_skipping_config.is_none(), alone);
        let taken_over = initiated.time_skipping_state_propagation.unwrap();
        assert_eq!(taken_over.initial_skipped_duration, Some(duration(HOUR_NS)));
        assert_eq!(world.skips().len(), 1, "a child that runs holds the clock");
    }
}

#[test]
fn a_run_that_is_reset_has_the_clock_of_that_point_and_fast_forwards_anew() {
    let mut world = world(fast_forward("f", 3 * HOUR_S));
    world.answer(vec![timer("t", HOUR_S)]);
    world.now().answer(Vec::new());
    assert_eq!(world.exec.state.skipped_ns(), 3 * HOUR_NS, "to the end of the fast-forward");
    let second_task_started = 9;
    let reset = world.reset_to(second_task_started + 1).exec.state;
    assert_eq!((reset.skipped_ns(), reset.info.start_time_ns), (HOUR_NS, START_NS + HOUR_NS));
    let skipping = reset.info.time_skipping.clone().unwrap();
    assert_eq!((skipping.skip_count, skipping.fast_forward_reached), (1, false));
    assert_eq!(skipping.fast_forward_target_ns, START_NS + 4 * HOUR_NS);
    assert_eq!(reset.fast_forward("f", 0).end, None);
}

#[test]
fn what_is_wrong_is_told_in_order() {
    let refused = |config| World::start_within(request(config), limits()).unwrap_err();
    let mut config = fast_forward(" ", 0);
    assert_eq!(refused(config.clone()).message, "Time skipping config invalid: fast_forward duration must be positive");
    config.fast_forward_config.as_mut().unwrap().duration = Some(duration(1));
    assert_eq!(refused(config.clone()).message, "Time skipping config invalid: fast_forward_id must be set");
    config.fast_forward_config.as_mut().unwrap().id = "f".to_owned();
    config.enabled = false;
    assert_eq!(refused(config).message, "time_skipping_config: cannot set fast_forward when enabled is false");
    let off = World::start_within(request(TimeSkippingConfig::default()), Limits::default()).unwrap_err();
    assert_eq!(off.code, Code::Unimplemented);
    let mut world = world(enabled());
    let partial = world.update_options("time_skipping_config.enabled", Some(enabled())).unwrap_err();
    assert_eq!(partial.message, "error applying update_options: time_skipping_config doesn't support partial update");
}

#[test]
fn the_started_event_says_how_the_clock_is_set() {
    let world = world(TimeSkippingConfig::default());
    let config = started(&world.events).time_skipping_config.clone().unwrap();
    assert_eq!((config.enabled, config.max_session_skip_count), (false, 200), "filled in");
    assert!(started(&world.events).time_skipping_state_propagation.is_none());
}
