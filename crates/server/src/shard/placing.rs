//! Tasks that a decision sets off: started at once where a poll waits, or put on their queues.

use std::collections::VecDeque;

use evertide_engine::reply::Reply;
use evertide_engine::request::{Request, Written, decide};
use evertide_engine::task_queue::{Dispatch, Lasts};
use evertide_engine::workflow;
use evertide_store::QueueKey;

use crate::history::TaskHistory;
use crate::matching::{QueueKind, STICKY_ATTENDED_NS, Task, TaskRow};
use crate::polls::{PollEnd, TaskQueues, Waiting, start_request};
use crate::shard::entry::Entry;
use crate::shard::executions::Surroundings;

/// How many decisions may follow directly from one, as when tasks are started for polls that wait.
const FOLLOW_UPS: usize = 10_000;

/// A task without a row stays on its queue for so long at least; the execution has given it up long before.
const VOLATILE_TASK_NS: i64 = 5 * 60 * 1_000_000_000;

/// A decision together with those that followed from it at once, and where its tasks are.
pub(super) struct Placed {
    pub(super) written: Written,
    /// Polls that get a task.
    pub(super) started: Vec<(Waiting, PollEnd)>,
    /// Polls whose task the execution did not start: they take the next one of their queue.
    pub(super) unserved: Vec<(QueueKey, Waiting)>,
    /// Tasks that no poll waits for.
    pub(super) queued: Vec<(QueueKey, Task)>,
}

/// Gives each task of a decision to a poll that waits for it, in the same commit.
pub(super) fn start_for_pollers(
    entry: &mut Entry,
    mut written: Written,
    queues: &TaskQueues,
    world_ns: i64,
    around: &Surroundings<'_>,
) -> Placed {
    let mut dispatches = VecDeque::from(std::mem::take(&mut written.effects.dispatches));
    let mut placed = Placed { written, started: Vec::new(), unserved: Vec::new(), queued: Vec::new() };
    let mut follow_ups = 0;
    while let Some(dispatch) = dispatches.pop_front() {
        follow_ups += 1;
        let (key, task) = task_of(entry, &dispatch, around.now_ns);
        let sticky = !task.row.normal_name.is_empty();
        if sticky && !queues.is_attended(&key, world_ns - STICKY_ATTENDED_NS) {
            let give_up = Request::Workflow(workflow::Request::GiveUpSticky { queue: key.name });
            let (more, _) = decide(give_up, &mut entry.exec, &mut around.env());
            dispatches.extend(placed.join(more));
            continue;
        }
        let waiting =
            if follow_ups < FOLLOW_UPS { queues.take_poller(&key, task.row.priority, world_ns) } else { None };
        let Some(waiting) = waiting else {
            placed.queued.push((key, task));
            continue;
        };
        let request = start_request(&key, &task.row, &waiting);
        let (more, decided) = decide(request, &mut entry.exec, &mut around.env());
        dispatches.extend(placed.join(more));
        match decided {
            Ok(Reply::WorkflowTask(started)) => {
                let history = TaskHistory::new(entry.run.clone(), entry.run_key, started);
                placed.started.push((waiting, PollEnd::Workflow(history)));
            }
            Ok(Reply::ActivityTask(task)) => placed.started.push((waiting, PollEnd::Activity(task))),
            Ok(_) | Err(_) => placed.unserved.push((key, waiting)),
        }
    }
    placed
}

impl Placed {
    /// Puts a decision that followed behind the others. Returns its dispatches.
    fn join(&mut self, mut more: Written) -> Vec<Dispatch> {
        let dispatches = std::mem::take(&mut more.effects.dispatches);
        self.written.join(more);
        dispatches
    }
}

/// Where a dispatch goes, as a task.
pub(super) fn task_of(entry: &Entry, dispatch: &Dispatch, now_ns: i64) -> (QueueKey, Task) {
    let row = TaskRow {
        kind: entry.run.kind.number().into(),
        id: entry.run.id.clone(),
        run_id: entry.run.run_id.clone(),
        scheduled_event_id: dispatch.scheduled_event_id,
        stamp: dispatch.stamp,
        normal_name: dispatch.queue.normal_name.clone(),
        priority: dispatch.priority.as_ref().map_or(0, |p| p.priority_key),
        added_ns: now_ns,
    };
    let task = match dispatch.lasts {
        Lasts::Durably => Task::durable(row),
        Lasts::Until { timeout_ns } => Task::until(now_ns.saturating_add(timeout_ns.max(VOLATILE_TASK_NS)), row),
    };
    (QueueKind::of(dispatch.class).key(&entry.run.namespace_id, &dispatch.queue.name), task)
}
