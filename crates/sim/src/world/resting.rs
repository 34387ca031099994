//! The end of a simulation: the faults stop, and everything may finish.

use std::rc::Rc;

use evertide_engine::address::Address;
use evertide_engine::workflow::Request;
use evertide_engine::workflow::activity::Operation;
use evertide_proto::workflowservice as ws;
use evertide_store::{StoreError, VisibilityRow};

use crate::actor::Actor;
use crate::store::NextCommit;
use crate::world::{SECOND_NS, World, everything_of, step_actor};

/// How often everybody may act without anything being done before the clock is moved.
const IDLE_ROUNDS: u32 = 100;
/// How often everybody may act until everything must have ended.
const ROUNDS: u32 = 100_000;

/// Lets everything finish.
pub(super) fn come_to_rest(world: &Rc<World>, actors: &mut [Option<Actor>]) -> Result<(), StoreError> {
    world.resting.set(true);
    world.store.set_next_commit(NextCommit::Works);
    world.store.fail_next_reads(0);
    let clients = usize::try_from(world.options.clients).unwrap_or(0);
    let (mut idle_rounds, mut lets_go) = (0, true);
    for _ in 0..ROUNDS {
        actors.iter_mut().for_each(step_actor);
        if world.settle() {
            idle_rounds = 0;
            continue;
        }
        idle_rounds += 1;
        if idle_rounds < IDLE_ROUNDS {
            continue;
        }
        let open = open_runs(world)?;
        if open.is_empty() && actors.iter().take(clients).all(Option::is_none) {
            return Ok(());
        }
        idle_rounds = 0;
        if std::mem::replace(&mut lets_go, false) {
            open.iter().for_each(|row| let_go(world, row));
            continue;
        }
        lets_go = true;
        let due_ns = world.node().next_due_ns().min(world.now_ns() + 3600 * SECOND_NS);
        world.clock.advance_to_ns(due_ns);
    }
    for row in open_runs(world)? {
        world.fault(format!("{:?} does not end", run_of(&row)));
    }
    if actors.iter().take(clients).any(Option::is_some) {
        world.fault("a client waits for ever".to_owned());
    }
    Ok(())
}

fn open_runs(world: &World) -> Result<Vec<VisibilityRow>, StoreError> {
    Ok(rows(world)?.into_iter().filter(|row| row.close_time_ns.is_none()).collect())
}

/// Whatever operators held goes on.
fn let_go(world: &World, row: &VisibilityRow) {
    let unpause = Request::Unpause(Box::default());
    let activities = ws::UnpauseActivityRequest {
        activity: Some(ws::unpause_activity_request::Activity::UnpauseAll(true)),
        ..ws::UnpauseActivityRequest::default()
    };
    let activities = Request::OperateActivity(Operation::Unpause(Box::new(activities)));
    // Most are not paused, which they say.
    drop(world.node().submit_run(run_of(row), unpause));
    drop(world.node().submit_run(run_of(row), activities));
}

/// All runs of all namespaces that clients use.
pub(super) fn rows(world: &World) -> Result<Vec<VisibilityRow>, StoreError> {
    let mut rows = Vec::new();
    for namespace_id in &world.namespace_ids {
        rows.extend(world.node().store().list(&everything_of(namespace_id))?.rows);
    }
    Ok(rows)
}

pub(super) fn run_of(row: &VisibilityRow) -> Address {
    Address { run_id: row.run_id.clone(), ..Address::workflow(&row.namespace_id, &row.workflow_id) }
}
