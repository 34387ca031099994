//! Any sequence of what can happen to activities keeps the invariants, which [`World::step`] checks.

use super::operators::{pause, reset, unpause, update};
use super::world::{DONE, Task, World, cancel, failed, payloads, policy, schedule_with, seconds};
use crate::workflow::activity::{Outcome, Stage};
use evertide_proto::activity::ActivityOptions;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Move {
    Poll,
    Complete,
    CompleteById,
    Fail,
    Heartbeat,
    ReportCanceled,
    Schedule,
    Cancel,
    OpenTask,
    CloseTask,
    Pause,
    Unpause,
    Reset,
    ChangeTimeout,
    Advance(i64),
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        4 => Just(Move::Poll),
        1 => Just(Move::Complete),
        1 => Just(Move::CompleteById),
        3 => Just(Move::Fail),
        1 => Just(Move::Heartbeat),
        1 => Just(Move::ReportCanceled),
        2 => Just(Move::Schedule),
        1 => Just(Move::Cancel),
        1 => Just(Move::OpenTask),
        1 => Just(Move::CloseTask),
        2 => Just(Move::Pause),
        2 => Just(Move::Unpause),
        1 => Just(Move::Reset),
        1 => Just(Move::ChangeTimeout),
        3 => (0..20i64).prop_map(Move::Advance),
    ]
}

struct Play {
    world: World,
    tasks: Vec<Task>,
    open: Option<crate::token::TaskToken>,
}

impl Play {
    /// Refusals are part of the play: what must hold is checked at each step, whatever comes of it.
    fn play(&mut self, what: &Move, id: &str) {
        let world = &mut self.world;
        let task = self.tasks.iter().rev().find(|t| t.activity_id == id).cloned();
        match what {
            Move::Poll => self.tasks.extend(world.poll(id)),
            Move::Complete | Move::Fail | Move::Heartbeat | Move::ReportCanceled => {
                let outcome = match what {
                    Move::Complete => DONE,
                    Move::Fail => failed("f"),
                    Move::Heartbeat => Outcome::Heartbeat(Some(payloads("h"))),
                    _ => Outcome::Canceled(None),
                };
                if let Some(task) = task {
                    let _ = world.answer(&task, outcome);
                }
            }
            Move::CompleteById => drop(world.answer_by_id(id, DONE)),
            Move::Schedule => self.command(vec![activity(id)]),
            Move::Cancel => {
                let scheduled = world.exec.state.activity_by_id(id).map(|a| a.scheduled_event_id);
                self.command(scheduled.map(cancel).into_iter().collect());
            }
            Move::OpenTask => self.open_task(),
            Move::CloseTask => {
                if let Some(token) = self.open.take() {
                    let _ = world.answer_task(token, Vec::new());
                }
            }
            Move::Pause => drop(world.operate(pause(id))),
            Move::Unpause => drop(world.operate(unpause(id, |r| r.jitter = seconds(3)))),
            Move::Reset => drop(world.operate(reset(id, |r| r.reset_heartbeat = true))),
            Move::ChangeTimeout => {
                let asked = ActivityOptions { start_to_close_timeout: seconds(3), ..ActivityOptions::default() };
                drop(world.operate(update(id, asked, &["start_to_close_timeout"])));
            }
            Move::Advance(seconds) => world.advance(*seconds),
        }
    }

    fn open_task(&mut self) {
        if !self.world.exec.task_started() {
            self.world.signal();
            self.open = Some(self.world.take_workflow_task());
        }
    }

    fn command(&mut self, commands: Vec<evertide_proto::command::Command>) {
        self.open_task();
        if let Some(token) = self.open.take() {
            let _ = self.world.answer_task(token, commands);
        }
    }
}

fn activity(id: &str) -> evertide_proto::command::Command {
    schedule_with(id, |a| {
        a.retry_policy = policy(2, 4);
        a.schedule_to_close_timeout = seconds(60);
        a.heartbeat_timeout = seconds(5);
    })
}

proptest! {
    #[test]
    fn invariants_hold_whatever_happens(script in prop::collection::vec((moves(), 0..3usize), 1..60)) {
        let ids = ["a", "b", "c"];
        let world = World::new(ids.iter().map(|id| activity(id)).collect());
        let mut play = Play { world, tasks: Vec::new(), open: None };
        for (what, which) in &script {
            play.play(what, ids[*which]);
        }
        // Nobody does anything any more: whatever nobody holds back ends by itself.
        for id in ids {
            let _ = play.world.operate(unpause(id, |_| {}));
        }
        play.world.advance(600);
        for id in ids {
            prop_assert_ne!(play.world.stage(id), Some(Stage::Backoff));
            prop_assert_eq!(play.world.stage(id), None);
        }
    }
}
