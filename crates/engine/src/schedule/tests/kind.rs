//! Schedules as they act: starts, overlap, closes, pauses, updates, backfills.

use super::world::{End, World, create_request, schedule, text, with_policy, with_state};
use super::*;
use crate::message::{DeliveryResult, Message};
use crate::reply::Reply;
use crate::{Code, Rejection};
use evertide_proto::enums::WorkflowExecutionStatus as Status;
use evertide_proto::schedule::{
    BackfillRequest, SchedulePatch, SchedulePolicies, ScheduleState, TriggerImmediatelyRequest,
};
use overlap::Policy;

fn trigger() -> SchedulePatch {
    SchedulePatch { trigger_immediately: Some(TriggerImmediatelyRequest::default()), ..SchedulePatch::default() }
}

fn backfill(start_s: i64, end_s: i64, policy: Policy) -> SchedulePatch {
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let request = BackfillRequest { start_time: time(start_s), end_time: time(end_s), overlap_policy: policy.into() };
    SchedulePatch { backfill_request: vec![request], ..SchedulePatch::default() }
}

fn paused(notes: &str) -> ScheduleState {
    ScheduleState { paused: true, notes: notes.to_owned(), ..ScheduleState::default() }
}

/// The workflow id for a time of 1970 at that second.
fn id(second: i64) -> String {
    format!("w-{}", timestamp(second * SECOND_NS))
}

#[test]
fn workflows_are_started_at_the_times_of_the_spec() {
    let mut world = World::new(schedule(every(10, 0)));
    assert_eq!(world.exec.state.progress.wake_ns, 1010 * SECOND_NS);
    world.until(1010);
    assert_eq!(world.asked(), [format!("start {}", id(1010))]);
    let start = world.answer();
    let Message::StartWorkflow(message) = &start.message else { panic!("no start") };
    let request = message.request.clone().unwrap();
    assert_eq!(request.workflow_type.unwrap().name, "Order");
    assert_eq!(request.identity, "temporal-scheduler-default-s");
    let attributes = request.search_attributes.unwrap().indexed_fields;
    assert_eq!(&attributes["TemporalScheduledById"].data[..], b"\"s\"");
    assert_eq!(&attributes["TemporalScheduledStartTime"].data[..], b"\"1970-01-01T00:16:50Z\"");
    let info = world.info();
    assert_eq!((info.action_count, info.running_workflows.len()), (1, 1));
    assert_eq!(info.recent_actions[0].start_workflow_status(), Status::Running);
    world.close(&start, End::Completed("1"));
    let info = world.info();
    assert_eq!(info.running_workflows, []);
    assert_eq!(info.recent_actions[0].start_workflow_status(), Status::Completed);
    assert_eq!(info.future_action_times[0].seconds, 1020);
}

#[test]
fn an_overlap_is_skipped_buffered_or_allowed() {
    for (policy, skipped, waiting, untracked) in [
        (Policy::Skip, 3, 0, 0),
        (Policy::BufferOne, 2, 1, 0),
        (Policy::BufferAll, 0, 3, 0),
        (Policy::AllowAll, 0, 0, 4),
    ] {
        let mut world = World::new(with_policy(policy, schedule(every(10, 0))));
        world.until(1010);
        world.answer_all();
        world.until(1040);
        world.answer_all();
        let info = world.info();
        assert_eq!((info.overlap_skipped, info.buffer_size), (skipped, waiting), "{policy:?}");
        let expected = if policy == Policy::AllowAll { (untracked, 0) } else { (1, 1) };
        assert_eq!((info.action_count, info.running_workflows.len() as i64), expected, "{policy:?}");
    }
}

#[test]
fn what_waits_starts_in_order_when_the_one_before_has_closed() {
    let mut world = World::new(with_policy(Policy::BufferAll, schedule(every(10, 0))));
    world.until(1010);
    let first = world.answer();
    world.until(1030);
    assert_eq!(world.asked(), Vec::<String>::new());
    world.close(&first, End::Completed(""));
    assert_eq!(world.asked(), [format!("start {}", id(1020))]);
    let second = world.answer();
    world.close(&second, End::Terminated);
    assert_eq!(world.asked(), [format!("start {}", id(1030))]);
}

#[test]
fn the_running_one_is_asked_once_to_make_room() {
    for (policy, asked) in [(Policy::CancelOther, "cancel"), (Policy::TerminateOther, "terminate")] {
        let mut world = World::new(with_policy(policy, schedule(every(10, 0))));
        world.until(1010);
        let first = world.answer();
        world.until(1030);
        assert_eq!(world.asked(), [format!("{asked} {}", id(1010))]);
        let Message::EndWorkflow(end) = world.answer_with(DeliveryResult::Taken).message else { panic!("no end") };
        assert!(end.reason.ends_with("by schedule overlap policy"), "{}", end.reason);
        world.until(1035);
        world.close(&first, End::Terminated);
        assert_eq!(world.asked(), [format!("start {}", id(1030))], "the newest one takes the place");
    }
}

#[test]
fn the_news_of_an_end_may_overtake_the_answer_to_the_start() {
    let mut world = World::new(schedule(every(10, 0)));
    world.until(1010);
    let start = world.sent.values().next().unwrap().clone();
    world.close(&start, End::Failed("early"));
    let info = world.info();
    assert_eq!((info.action_count, info.running_workflows.len()), (1, 0));
    assert_eq!(info.recent_actions[0].start_workflow_status(), Status::Failed);
    world.answer();
    assert_eq!(world.info().action_count, 1, "the answer adds nothing");
    world.close(&start, End::Failed("again"));
    assert_eq!(world.info().running_workflows, []);
}

#[test]
fn a_start_that_is_refused_is_over() {
    let mut world = World::new(schedule(every(10, 0)));
    world.until(1010);
    world.answer_with(DeliveryResult::Refused { message: "taken".to_owned() });
    assert_eq!((world.info().action_count, world.asked()), (0, vec![]));
    world.until(1020);
    assert_eq!(world.asked(), [format!("start {}", id(1020))]);
}

#[test]
fn results_and_failures_are_handed_on() {
    let mut world = World::new(with_policy(Policy::BufferAll, schedule(every(10, 0))));
    let mut got = Vec::new();
    let mut second = 1000;
    for end in [End::Completed("1"), End::Failed("no"), End::TimedOut, End::Completed(""), End::Completed("2")] {
        second += 10;
        world.until(second);
        let start = world.answer();
        let Message::StartWorkflow(message) = &start.message else { panic!("no start") };
        let request = message.request.clone().unwrap();
        got.push((request.last_completion_result, request.continued_failure.map(|failure| failure.message)));
        world.close(&start, end);
    }
    let failed = Some("no".to_owned());
    let one = Some(text("1"));
    assert_eq!(
        got,
        [(None, None), (one.clone(), None), (one.clone(), failed.clone()), (one.clone(), failed), (one, None)]
    );
}

#[test]
fn a_failure_pauses_where_that_is_wanted() {
    let policies = SchedulePolicies { pause_on_failure: true, ..SchedulePolicies::default() };
    let mut world =
        World::new(evertide_proto::schedule::Schedule { policies: Some(policies), ..schedule(every(10, 0)) });
    world.until(1010);
    let token = world.described().conflict_token;
    let start = world.answer();
    world.close(&start, End::Failed("it broke"));
    assert_eq!(world.state().notes, format!("paused due to workflow failure: {}: it broke", id(1010)));
    assert_ne!(world.described().conflict_token, token);
    world.until(1100);
    assert_eq!((world.info().action_count, world.asked()), (1, vec![]));
}

#[test]
fn a_pause_is_not_made_up_for() {
    let mut world = World::new(with_state(paused("born paused"), schedule(every(10, 0))));
    assert_eq!(world.exec.state.progress.wake_ns, 0);
    world.now_ns = 1055 * SECOND_NS;
    assert_eq!(world.info().future_action_times[0].seconds, 1060);
    world.patch("p", SchedulePatch { unpause: "go".to_owned(), ..SchedulePatch::default() });
    assert_eq!((world.state().paused, world.state().notes.as_str()), (false, "go"));
    world.until(1060);
    assert_eq!(world.asked(), [format!("start {}", id(1060))]);
}

#[test]
fn actions_can_be_limited_but_not_those_that_are_asked_for() {
    let state = ScheduleState { limited_actions: true, remaining_actions: 2, ..ScheduleState::default() };
    let mut world = World::new(with_policy(Policy::AllowAll, with_state(state, schedule(every(10, 0)))));
    assert_eq!(world.info().future_action_times.len(), 2);
    world.until(1100);
    world.answer_all();
    assert_eq!((world.info().action_count, world.state().remaining_actions), (2, 0));
    world.patch("t", trigger());
    world.answer_all();
    assert_eq!((world.info().action_count, world.state().remaining_actions), (3, 0));
    assert_eq!(world.info().future_action_times, []);
}

#[test]
fn a_request_that_is_repeated_changes_nothing() {
    let mut world = World::new(with_policy(Policy::AllowAll, schedule(cron(&["@yearly"]))));
    world.patch("same", trigger());
    world.now_ns += 5 * SECOND_NS;
    world.patch("same", trigger());
    world.patch("other", trigger());
    assert_eq!(world.asked(), [format!("start {}", id(1000)), format!("start {}", id(1005))]);
}

#[test]
fn an_update_replaces_what_is_to_be_done() {
    let mut world = World::new(schedule(every(10, 0)));
    world.until(1010);
    world.answer_all();
    let token = world.exec.state.progress.conflict_token;
    world.now_ns = 1015 * SECOND_NS;
    assert_eq!(world.update(with_state(paused("new"), schedule(every(3, 0))), Some(token)), Ok(Reply::Done));
    assert_eq!((world.state(), world.info().action_count), (paused("new"), 1));
    let stale = world.update(schedule(every(5, 0)), Some(token)).unwrap_err();
    assert_eq!((stale.code, &*stale.message), (Code::FailedPrecondition, "mismatched conflict token"));
    assert_eq!(world.state().notes, "new");
    assert_eq!(world.update(schedule(every(60, 0)), None), Ok(Reply::Done));
    world.until(1080);
    assert_eq!(world.info().overlap_skipped, 2, "only what is due since the update counts: 1020 and 1080");
}

#[test]
fn what_a_server_that_was_down_has_missed_is_caught_up_with() {
    let policies = SchedulePolicies { catchup_window: Some(from_ns(30 * SECOND_NS)), ..SchedulePolicies::default() };
    let spec = evertide_proto::schedule::Schedule { policies: Some(policies), ..schedule(every(10, 0)) };
    let mut world = World::new(with_policy(Policy::AllowAll, spec));
    world.now_ns = 1105 * SECOND_NS;
    world.ask(Request::Wake).unwrap();
    assert_eq!(world.asked(), [1080, 1090, 1100].map(|second| format!("start {}", id(second))));
    assert_eq!(world.info().missed_catchup_window, 7);
}

#[test]
fn a_long_absence_is_caught_up_with_in_parts() {
    let mut world = World::new(with_policy(Policy::Skip, schedule(every(1, 0))));
    world.now_ns = 101_000 * SECOND_NS;
    let mut decisions = 0;
    while world.exec.state.progress.wake_ns <= 101_001 * SECOND_NS && decisions < 100 {
        world.ask(Request::Wake).unwrap();
        decisions += 1;
        world.now_ns += 2_000_000;
        if world.exec.state.progress.wake_ns >= 101_001 * SECOND_NS {
            break;
        }
    }
    assert_eq!(decisions, 10, "ten thousand times each");
    assert_eq!(world.info().overlap_skipped + world.info().buffer_dropped + 1, 100_000);
}

#[test]
fn a_backfill_takes_all_its_times_and_goes_on_as_it_is_answered() {
    let mut world = World::new(with_state(paused(""), schedule(every(3600, 0))));
    world.patch("b", backfill(0, 7200, Policy::AllowAll));
    assert_eq!(world.asked(), [0, 3600, 7200].map(|second| format!("start {}", id(second))));
    world.answer_all();
    world.patch("century", backfill(0, 100 * 365 * 86_400, Policy::AllowAll));
    assert_eq!(world.sent.len(), 100, "only so many starts are under way");
    world.answer_all_for(1000);
    assert_eq!((world.sent.len(), world.info().action_count), (100, 1003));
    world.patch("skip", backfill(0, 3600, Policy::Skip));
    assert_eq!(world.exec.state.progress.backfills.len(), 2);
}

#[test]
fn a_backfill_with_a_buffer_fills_only_half_of_it() {
    let mut world = World::new(with_state(paused(""), schedule(every(1, 0))));
    world.patch("b", backfill(0, 100_000, Policy::BufferAll));
    let progress = &world.exec.state.progress;
    assert_eq!((progress.starts.len(), progress.buffer.len(), progress.buffer_dropped), (1, 500, 0));
    let first = world.answer();
    world.close(&first, End::Completed(""));
    assert_eq!(world.asked(), [format!("start {}", id(1))]);
}

#[test]
fn a_schedule_that_has_nothing_more_to_do_ends_after_a_week() {
    let ending = ScheduleSpec { end_time: Some(timestamp(1010 * SECOND_NS)), ..every(10, 0) };
    let mut world = World::new(schedule(ending));
    world.until(1010);
    let start = world.answer();
    assert_eq!(world.exec.state.progress.wake_ns, 0, "a workflow runs");
    world.close(&start, End::Completed(""));
    let week_s = 7 * 86_400;
    world.until(1000 + week_s);
    assert!(world.exec.state.is_open());
    world.until(1020 + week_s);
    assert!(!world.exec.state.is_open());
    let told = world.update(schedule(every(1, 0)), None).unwrap_err();
    assert_eq!(told, Rejection::not_found("schedule not found for ID: s"));
}

#[test]
fn a_schedule_of_many_records_goes_on_in_a_new_run() {
    let mut world = World::new(schedule(every(10, 0)));
    let run_id = world.exec.state.identity.run_id.clone();
    let before = world.described();
    world.pretend_decisions(10_000);
    world.patch("p", SchedulePatch { pause: "still here".to_owned(), ..SchedulePatch::default() });
    assert_ne!(world.exec.state.identity.run_id, run_id);
    assert_eq!(world.exec.state.decisions, 1);
    assert_eq!(world.state().notes, "still here");
    assert_eq!(world.info().create_time, before.info.unwrap().create_time);
    world.patch("p", trigger());
    assert_eq!(world.asked(), Vec::<String>::new(), "the request id is known in the new run");
}

#[test]
fn an_initial_patch_acts_at_once() {
    let mut request = create_request(schedule(cron(&["@yearly"])));
    request.initial_patch = Some(SchedulePatch { pause: "from the start".to_owned(), ..trigger() });
    let world = World::created(request).unwrap();
    assert_eq!(world.asked(), [format!("start {}", id(1000))]);
    assert_eq!(world.state(), paused("from the start"));
}

#[test]
fn the_workflow_id_can_be_kept() {
    let policies = SchedulePolicies { keep_original_workflow_id: true, ..SchedulePolicies::default() };
    let mut world =
        World::new(evertide_proto::schedule::Schedule { policies: Some(policies), ..schedule(every(10, 0)) });
    world.until(1010);
    assert_eq!(world.asked(), ["start w"]);
    world.answer_all();
    let allow = TriggerImmediatelyRequest { overlap_policy: Policy::AllowAll.into(), ..Default::default() };
    world.patch("t", SchedulePatch { trigger_immediately: Some(allow), ..SchedulePatch::default() });
    assert_eq!(world.asked(), [format!("start {}", id(1010))], "what may overlap has its time in its id");
}

#[test]
fn what_a_creation_must_hold() {
    let refused = |change: &dyn Fn(&mut evertide_proto::workflowservice::CreateScheduleRequest)| {
        let mut request = create_request(schedule(every(10, 0)));
        change(&mut request);
        let rejection = World::created(request).err().unwrap();
        assert_eq!(rejection.code, Code::InvalidArgument);
        rejection.message.into_owned()
    };
    assert_eq!(refused(&|r| r.schedule_id.clear()), "ScheduleId is not set on request.");
    assert!(refused(&|r| r.schedule_id = "s".repeat(990)).contains("exceeds maximum allowed length"));
    assert_eq!(refused(&|r| r.request_id.clear()), "RequestId is not set on request.");
    assert_eq!(refused(&|r| r.schedule = Some(schedule(every(0, 0)))), "Invalid schedule spec: interval is too small");
    let notes = paused(&"n".repeat(1001));
    assert_eq!(
        refused(&|r| r.schedule = Some(with_state(notes.clone(), schedule(every(1, 0))))),
        "Schedule notes exceeds limit."
    );
}

mod random {
    use super::*;
    use proptest::prelude::*;

    /// One thing that happens.
    #[derive(Debug, Clone)]
    enum Step {
        Pass(u8),
        Answer(bool),
        Close(u8),
        Trigger(u8),
        Backfill(u8, u8),
        Pause(bool),
        Update(u8),
    }

    const POLICIES: [Policy; 7] = [
        Policy::Unspecified,
        Policy::Skip,
        Policy::BufferOne,
        Policy::BufferAll,
        Policy::CancelOther,
        Policy::TerminateOther,
        Policy::AllowAll,
    ];

    fn a_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1..30u8).prop_map(Step::Pass),
            4 => any::<bool>().prop_map(Step::Answer),
            3 => any::<u8>().prop_map(Step::Close),
            1 => (0..7u8).prop_map(Step::Trigger),
            1 => (0..7u8, 0..90u8).prop_map(|(policy, length)| Step::Backfill(policy, length)),
            1 => any::<bool>().prop_map(Step::Pause),
            1 => (1..7u8).prop_map(Step::Update),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        /// Whatever happens in whatever order, [`World`] checks after each step what must hold; in the end every start was
        /// made once, and nothing is left that could be done.
        #[test]
        fn no_action_is_lost_or_doubled(steps in prop::collection::vec(a_step(), 1..60), policy in 1..7usize) {
            let mut world = World::new(with_policy(POLICIES[policy], schedule(every(10, 0))));
            let mut running = Vec::new();
            let mut ids = std::collections::BTreeSet::new();
            let mut answer = |world: &mut World, running: &mut Vec<_>, well: bool| {
                let Some(delivery) = world.sent.values().next().cloned() else { return };
                let Message::StartWorkflow(start) = &delivery.message else {
                    world.answer_with(DeliveryResult::Taken);
                    return;
                };
                assert!(ids.insert(start.request.clone().unwrap().request_id), "a start is made once");
                if well {
                    world.answer();
                    running.extend(start.watcher.is_some().then_some(delivery));
                } else {
                    world.answer_with(DeliveryResult::ChildExists);
                }
            };
            for (number, step) in steps.iter().enumerate() {
                match *step {
                    Step::Pass(seconds) => world.until(world.now_ns / SECOND_NS + i64::from(seconds)),
                    Step::Answer(well) => answer(&mut world, &mut running, well),
                    Step::Close(how) => {
                        if let Some(start) = running.pop() {
                            let end = if how % 2 == 0 { End::Completed("1") } else { End::Failed("no") };
                            world.close(&start, end);
                        }
                    }
                    Step::Trigger(policy) => {
                        let overlap_policy = POLICIES[usize::from(policy)].into();
                        let request = TriggerImmediatelyRequest { overlap_policy, ..Default::default() };
                        let patch = SchedulePatch { trigger_immediately: Some(request), ..SchedulePatch::default() };
                        world.patch(&number.to_string(), patch);
                    }
                    Step::Backfill(policy, length) => {
                        world.patch(&number.to_string(), backfill(0, length.into(), POLICIES[usize::from(policy)]));
                    }
                    Step::Pause(pause) => {
                        let notes = |yes: bool| if yes { "n".to_owned() } else { String::new() };
                        let patch = SchedulePatch { pause: notes(pause), unpause: notes(!pause), ..SchedulePatch::default() };
                        world.patch(&number.to_string(), patch);
                    }
                    Step::Update(policy) => {
                        let policy = POLICIES[usize::from(policy)];
                        world.update(with_policy(policy, schedule(every(7, 0))), None).unwrap();
                    }
                }
            }
            // Everything ends: what waits gets its turn, and what is paused stays so.
            world.patch("pause", SchedulePatch { pause: "end".to_owned(), ..SchedulePatch::default() });
            for _ in 0..100_000 {
                if !world.sent.is_empty() {
                    answer(&mut world, &mut running, true);
                } else if let Some(start) = running.pop() {
                    world.close(&start, End::Completed(""));
                } else if world.exec.state.progress.wake_ns != 0 {
                    world.until(world.exec.state.progress.wake_ns / SECOND_NS + 1);
                } else {
                    break;
                }
            }
            let progress = &world.exec.state.progress;
            prop_assert!(progress.buffer.is_empty() && progress.backfills.is_empty() && progress.running.is_empty());
            prop_assert_eq!(progress.messages().count(), 0);
        }
    }
}
