//! Schedules on a node: they start workflows at their times and wait for them, through crashes and jumps of the clock.

use evertide_engine::address::Address;
use evertide_engine::request::Create;
use evertide_engine::schedule::describe::describe;
use evertide_proto::common::WorkflowType;
use evertide_proto::enums::ScheduleOverlapPolicy as Policy;
use evertide_proto::enums::WorkflowExecutionStatus as Status;
use evertide_proto::prost_types::Duration;
use evertide_proto::schedule::schedule_action::Action;
use evertide_proto::schedule::{IntervalSpec, Schedule, ScheduleAction, ScheduleInfo, SchedulePolicies, ScheduleSpec};
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflow::NewWorkflowExecutionInfo;
use evertide_proto::workflowservice::CreateScheduleRequest;

use super::rig::{Rig, SECOND_NS, complete_workflow, start_timer};

const HOUR_S: i64 = 3600;

impl Rig {
    /// Makes the schedule `s`, which starts workflows `w` every so many seconds.
    fn create_schedule(&mut self, interval_s: i64, policy: Policy) {
        let workflow = NewWorkflowExecutionInfo {
            workflow_id: "w".to_owned(),
            workflow_type: Some(WorkflowType { name: "type".to_owned() }),
            task_queue: Some(TaskQueue { name: "queue".to_owned(), ..TaskQueue::default() }),
            ..NewWorkflowExecutionInfo::default()
        };
        let interval = Some(Duration { seconds: interval_s, nanos: 0 });
        let schedule = Schedule {
            spec: Some(ScheduleSpec {
                interval: vec![IntervalSpec { interval, phase: None }],
                ..ScheduleSpec::default()
            }),
            action: Some(ScheduleAction { action: Some(Action::StartWorkflow(workflow)) }),
            policies: Some(SchedulePolicies { overlap_policy: policy.into(), ..SchedulePolicies::default() }),
            state: None,
        };
        let request = CreateScheduleRequest {
            namespace: "default".to_owned(),
            schedule_id: "s".to_owned(),
            schedule: Some(schedule),
            request_id: "create".to_owned(),
            ..CreateScheduleRequest::default()
        };
        let (node, address) = (self.node.clone(), self.schedule());
        self.block(async move { node.create(&address, Create::Schedule(Box::new(request))).await }).unwrap();
    }

    fn schedule(&self) -> Address {
        Address::schedule(&*self.namespace_id, "s")
    }

    fn schedule_info(&mut self) -> ScheduleInfo {
        let (node, address, now_ns) = (self.node.clone(), self.schedule(), self.node.now_ns());
        let described = self.block(async move {
            node.look(address, move |view| {
                view.exec.as_schedule().map(|schedule| describe(&schedule.state, &Default::default(), now_ns))
            })
            .await
        });
        described.unwrap().unwrap().info.unwrap()
    }

    /// The workflow ids of the newest actions.
    fn actions(&mut self) -> Vec<String> {
        let actions = self.schedule_info().recent_actions.into_iter();
        actions.map(|action| action.start_workflow_result.unwrap().workflow_id).collect()
    }

    /// A worker completes the next workflow. Returns its id.
    fn complete_next(&mut self) -> String {
        let poll = self.poll("queue", "");
        self.settle();
        let task = self.task(poll);
        self.complete(&task, vec![complete_workflow()]);
        self.settle();
        self.workflow_id(&task)
    }
}

#[test]
fn a_workflow_is_started_at_each_time_and_waited_for() {
    let mut rig = Rig::new();
    rig.create_schedule(10, Policy::BufferOne);
    rig.settle();
    rig.advance(10 * SECOND_NS).settle();
    let first = "w-2023-11-14T22:13:30Z".to_owned();
    assert_eq!(rig.actions(), std::slice::from_ref(&first));
    assert_eq!(rig.status(&first), Status::Running);
    rig.advance(10 * SECOND_NS).settle();
    rig.advance(10 * SECOND_NS).settle();
    let info = rig.schedule_info();
    assert_eq!((info.action_count, info.buffer_size, info.overlap_skipped), (1, 1, 1));
    assert_eq!(rig.complete_next(), first);
    assert_eq!(rig.actions(), [first, "w-2023-11-14T22:13:40Z".to_owned()]);
    assert_eq!(rig.schedule_info().recent_actions[0].start_workflow_status(), Status::Completed);
}

#[test]
fn a_crash_at_any_step_neither_loses_nor_doubles_an_action() {
    for steps in 0..24 {
        let mut rig = Rig::new();
        rig.create_schedule(10, Policy::BufferAll);
        rig.settle();
        rig.advance(20 * SECOND_NS);
        rig.steps(steps);
        rig.crash();
        rig.settle();
        let (first, second) = ("w-2023-11-14T22:13:30Z".to_owned(), "w-2023-11-14T22:13:40Z".to_owned());
        let info = rig.schedule_info();
        assert_eq!((info.action_count, info.buffer_size), (1, 1), "after {steps} steps");
        let poll = rig.poll("queue", "");
        rig.settle();
        let task = rig.task(poll);
        let closing = rig.submit_complete(&task, vec![complete_workflow()]);
        rig.steps(steps);
        rig.crash();
        rig.settle();
        drop(closing);
        if rig.status(&first) == Status::Running {
            // The answer of the worker was lost with the process; it answers again.
            rig.advance(11 * SECOND_NS).settle();
            assert_eq!(rig.complete_next(), first);
        }
        assert_eq!(rig.actions()[..2], [first, second], "after {steps} steps");
    }
}

#[test]
fn time_jumps_from_one_action_to_the_next_while_somebody_waits() {
    let mut rig = Rig::skipping(1);
    rig.create_schedule(HOUR_S, Policy::AllowAll);
    rig.settle();
    assert_eq!(rig.schedule_info().action_count, 0, "a schedule alone moves no clock");
    rig.start("sleeper").settle();
    let poll = rig.poll("queue", "");
    rig.settle();
    let task = rig.task(poll);
    rig.complete(&task, vec![start_timer("three hours", 3 * HOUR_S)]);
    rig.settle();
    let before_ns = rig.node.now_ns();
    rig.node.unlock_time().unwrap();
    rig.settle();
    // The workflow that the first action starts has no worker: until somebody works on it, time goes as in the world.
    let info = rig.schedule_info();
    assert_eq!(info.action_count, 1);
    assert!((1..=HOUR_S).contains(&((rig.node.now_ns() - before_ns) / SECOND_NS)));
    rig.complete_next();
    assert_eq!(rig.schedule_info().action_count, 2, "and then it jumps on");
}

#[test]
fn a_deleted_schedule_starts_nothing_and_leaves_what_runs() {
    let mut rig = Rig::new();
    rig.create_schedule(10, Policy::Skip);
    rig.settle();
    rig.advance(10 * SECOND_NS).settle();
    let started = rig.actions();
    let (node, address) = (rig.node.clone(), rig.schedule());
    rig.block(async move { node.remove(address).await }).unwrap();
    rig.advance(60 * SECOND_NS).settle();
    rig.crash();
    rig.settle();
    assert_eq!(rig.status(&started[0]), Status::Running);
    assert_eq!(rig.complete_next(), started[0], "nobody hears of its end, and it ends all the same");
    assert_eq!(rig.status(&started[0]), Status::Completed);
}
