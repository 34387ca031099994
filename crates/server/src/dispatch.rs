//! Tasks and polls that have found each other, and the backlogs that queues are filled from.

use std::sync::Arc;

use evertide_engine::address::Kind;
use evertide_engine::reply::Reply;
use evertide_store::{QueueKey, SlotSet, Store};

use crate::address::ChainKey;
use crate::ask::{Answer, Ask, Job, Respond};
use crate::clock::Clock;
use crate::fault::{Failure, Fault};
use crate::matching::{Need, REFILL_TASKS, Taken, Task};
use crate::polls::{Match, PollEnd, TaskQueues, Waiting, start_request};
use crate::queries::Queries;
use crate::release::Commits;
use crate::timers::Timers;
use crate::work::{Work, WorkQueue};

/// Brings tasks to polls.
pub(crate) struct Dispatch {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) queues: Arc<TaskQueues>,
    pub(crate) queries: Arc<Queries>,
    pub(crate) commits: Arc<Commits>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) work: Arc<WorkQueue>,
}

impl Dispatch {
    /// A poll joins its queue; its end comes through the channel in `waiting`. Returns the request that starts the task it
    /// has found, if any.
    pub(crate) fn poll(&self, key: &QueueKey, waiting: Waiting) -> Option<Job> {
        let found = self.queues.poll(key, waiting, self.clock.world_ns());
        self.take_up(key, found)
    }

    /// A poll whose task was stale takes the next one.
    pub(crate) fn poll_again(&self, key: &QueueKey, waiting: Waiting) {
        let found = self.queues.poll_again(key, waiting, self.clock.world_ns());
        let job = self.take_up(key, found);
        self.start_later(job);
    }

    fn take_up(&self, key: &QueueKey, (found, wants_refill): (Option<Match>, bool)) -> Option<Job> {
        self.meet_needs();
        if wants_refill {
            self.work.push(Work::Refill(key.clone()));
        }
        found.and_then(|found| self.start(found))
    }

    /// A task joins its queue.
    pub(crate) fn add(&self, key: &QueueKey, task: Task) {
        let found = self.queues.add(key, task, self.clock.world_ns());
        self.hand_out(found);
    }

    /// A query waits for whoever polls.
    pub(crate) fn ask(&self, key: &QueueKey, query_id: String) {
        let found = self.queues.ask(key, query_id, self.clock.world_ns());
        self.hand_out(found);
    }

    /// A task that could not be started goes back to its place.
    pub(crate) fn put_back(&self, key: &QueueKey, task: Task) {
        let found = self.queues.put_back(key, task, self.clock.world_ns());
        self.hand_out(found);
    }

    /// The limit of a queue lets tasks leave again, or has changed.
    pub(crate) fn resume(&self, key: &QueueKey) {
        let found = self.queues.resume(key, self.clock.world_ns());
        self.hand_out(found);
    }

    /// Reads more of a backlog.
    pub(crate) fn refill(&self, key: &QueueKey) {
        let Some(read_to) = self.queues.begin_refill(key) else {
            return;
        };
        match self.store.backlog(key, &SlotSet::all(), &read_to, REFILL_TASKS) {
            Ok(rows) => {
                let found = self.queues.end_refill(key, rows, self.clock.world_ns());
                self.hand_out(found);
            }
            Err(error) => {
                tracing::warn!(%error, queue = key.name, "the backlog of a task queue cannot be read");
                self.queues.fail_refill(key);
                self.timers.retry(self.clock.now_ns(), Work::Refill(key.clone()));
            }
        }
    }

    /// The execution has said whether the poll gets the task.
    pub(crate) fn end_start(&self, key: &QueueKey, waiting: Waiting, task: Task, result: Result<Answer, Failure>) {
        let end = match result {
            Ok(Answer { task: Some(history), .. }) => PollEnd::Workflow(history),
            Ok(Answer { reply: Reply::ActivityTask(activity), .. }) => PollEnd::Activity(activity),
            Ok(_) | Err(Failure::Rejected(_)) => {
                if task.durable {
                    self.commits.drop_row(key.clone(), task.id);
                    self.queues.note_left(key);
                }
                return self.work.push(Work::PollAgain(key.clone(), Box::new(waiting)));
            }
            Err(Failure::Fault(fault)) => {
                // It is not given out again at once: what has failed would only fail again.
                if !matches!(fault, Fault::Stopping) {
                    self.timers.retry(self.clock.now_ns(), Work::PutBack(key.clone(), Box::new(task)));
                }
                return waiting.answer.send(Err(fault.into()));
            }
        };
        if task.durable {
            self.queues.note_left(key);
        }
        waiting.answer.send(Ok(end));
    }

    /// Polls and tasks have found each other: the executions are asked to start them, by whoever has time.
    fn hand_out(&self, found: impl IntoIterator<Item = Match>) {
        let jobs: Vec<_> = found.into_iter().filter_map(|found| self.start(found)).collect();
        self.meet_needs();
        self.start_later(jobs);
    }

    fn start_later(&self, jobs: impl IntoIterator<Item = Job>) {
        jobs.into_iter().for_each(|job| self.work.push(Work::Submit(Box::new(job))));
    }

    /// The request that starts a task for the poll that found it. A query needs no execution: the poll gets it at once.
    fn start(&self, found: Match) -> Option<Job> {
        let Match { key, waiting, taken } = found;
        let task = match taken {
            Taken::Task(task) => task,
            Taken::Query(query_id) => {
                match self.queries.take_offer(&query_id) {
                    Some(offer) => waiting.answer.send(Ok(PollEnd::Query(offer))),
                    None => self.work.push(Work::PollAgain(key, Box::new(waiting))),
                }
                return None;
            }
        };
        let Some(kind) = u8::try_from(task.row.kind).ok().and_then(Kind::from_number) else {
            self.work.push(Work::PollAgain(key, Box::new(waiting))); // A later version has put it here.
            return None;
        };
        let chain = ChainKey { namespace_id: key.namespace_id.clone(), kind, id: task.row.id.clone() };
        let request = Box::new(start_request(&key, &task.row, &waiting));
        Some(Job {
            key: Arc::new(chain),
            ask: Ask::Run { run_id: task.row.run_id.clone(), request },
            respond: Respond::Poll { queue: key, waiting: Box::new(waiting), task: Box::new(task) },
        })
    }

    /// Throttled queues are resumed when their limit lets the next task leave, and starved ones are filled.
    fn meet_needs(&self) {
        for need in self.queues.take_needs() {
            match need {
                Need::Refill(queue) => self.work.push(Work::Refill(queue)),
                Need::Resume { queue, after_ns } => {
                    self.timers.at(self.clock.now_ns().saturating_add(after_ns), Work::Resume(queue));
                }
            }
        }
    }
}
