//! The shell around the engine, without threads: everything the server does, step by step.
//!
//! Requests come in by [`Shell::submit`]. Three things then want to be done again and again, by threads or by a simulator:
//! [`Shell::commit_step`] makes decisions durable and releases what they set off, [`Shell::perform`] does what may wait
//! for the store, [`Shell::timer_step`] fires what is due.
//!
//! The shell only composes. Its rooms know nothing of it, and each knows only those made before it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evertide_engine::Limits;
use evertide_store::{Batch, SlotSet, Store, StoreError};
use parking_lot::Mutex;

use crate::ask::{Answer, Job, Respond};
use crate::clock::{Clock, SkippingClock};
use crate::commit::{CommitQueue, Group};
use crate::dispatch::Dispatch;
use crate::fault::{Failure, Fault, store_fault};
use crate::hash::KeyHash;
use crate::matching::Matching;
use crate::messages::{self, Messages};
use crate::metrics::Metrics;
use crate::motion::Motion;
use crate::polls::TaskQueues;
use crate::queries::Queries;
use crate::queue_config::{QueueConfigs, rate};
use crate::registry::NamespaceRegistry;
use crate::release::{Commits, Effect, Effects, failed};
use crate::seed::Seeds;
use crate::shard::{Executions, Rooms};
use crate::sizes::Sizes;
use crate::sweep::Sweep;
use crate::time_skipping::{Skipping, Time};
use crate::timers::Timers;
use crate::wakes::Wakes;
use crate::work::{Work, WorkQueue};

/// How long the committer waits before it asks again what became of a commit.
const RESOLVE_PAUSE: Duration = Duration::from_millis(100);

/// What a shell is made of.
#[derive(Debug, Clone)]
pub(crate) struct ShellOptions {
    /// Start of all randomness.
    pub(crate) seed: u64,
    pub(crate) limits: Limits,
    /// How much memory executions may take, about.
    pub(crate) cache_bytes: usize,
    /// Whether time jumps, and then how often it is locked at first.
    pub(crate) time_locks: Option<i64>,
}

/// Everything the server does, without threads.
pub(crate) struct Shell {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) namespaces: Arc<NamespaceRegistry>,
    pub(crate) queue_configs: Arc<QueueConfigs>,
    pub(crate) seeds: Arc<Seeds>,
    pub(crate) commits: Arc<Commits>,
    pub(crate) queues: Arc<TaskQueues>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) work: Arc<WorkQueue>,
    pub(crate) queries: Arc<Queries>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) time: Arc<Time>,
    pub(crate) dispatch: Dispatch,
    executions: Executions,
    messages: Messages,
    wakes: Wakes,
    sweep: Sweep,
    next_poll_id: AtomicU64,
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell").field("metrics", &self.metrics).finish_non_exhaustive()
    }
}

impl Shell {
    /// Takes up what the store holds.
    pub(crate) fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        options: ShellOptions,
    ) -> Result<Self, StoreError> {
        let open_state = store.open_state()?;
        let skipping = options.time_locks.map(|locks| (Arc::new(SkippingClock::over(clock.clone())), locks));
        let clock = skipping.as_ref().map_or(clock, |(skipping, _)| skipping.clone());
        let motion = if skipping.is_some() { Motion::counted() } else { Motion::default() };
        let limits = Arc::new(options.limits);
        let namespaces = Arc::new(NamespaceRegistry::open(&*store)?);
        let queue_configs = Arc::new(QueueConfigs::open(&*store)?);
        let seeds = Arc::new(Seeds::new(options.seed));
        let keys = KeyHash::new(options.seed);
        let metrics = Arc::new(Metrics::default());
        let commits = Arc::new(CommitQueue::new(open_state.next_task_id, motion.clone()));
        let queues = Arc::new(Matching::new(keys.clone()));
        let timers = Arc::new(Timers::new(clock.now_ns()));
        let work = Arc::new(WorkQueue::new(motion.clone()));
        let queries = Arc::new(Queries::default());
        let time = Arc::new(Time {
            clock: clock.clone(),
            motion,
            timers: timers.clone(),
            work: work.clone(),
            queries: queries.clone(),
            skipping: skipping.map(|(clock, locks)| Skipping::new(clock, locks)),
        });
        let rooms = Rooms {
            store: store.clone(),
            clock: clock.clone(),
            limits: limits.clone(),
            namespaces: namespaces.clone(),
            queue_configs: queue_configs.clone(),
            seeds: seeds.clone(),
            commits: commits.clone(),
            queues: queues.clone(),
            work: work.clone(),
            time: time.clone(),
            metrics: metrics.clone(),
        };
        let shell = Self {
            executions: Executions::new(rooms, keys, options.cache_bytes, open_state.next_run_key),
            dispatch: Dispatch {
                store: store.clone(),
                clock: clock.clone(),
                queues: queues.clone(),
                queries: queries.clone(),
                commits: commits.clone(),
                timers: timers.clone(),
                work: work.clone(),
            },
            messages: Messages { clock: clock.clone(), timers: timers.clone(), work: work.clone() },
            wakes: Wakes { store: store.clone(), clock: clock.clone(), timers: timers.clone() },
            sweep: Sweep {
                store: store.clone(),
                clock: clock.clone(),
                namespaces: namespaces.clone(),
                queues: queues.clone(),
                commits: commits.clone(),
                work: work.clone(),
                round: Mutex::default(),
            },
            next_poll_id: AtomicU64::new(1),
            store,
            clock,
            limits,
            namespaces,
            queue_configs,
            seeds,
            commits,
            queues,
            timers,
            work,
            queries,
            metrics,
            time,
        };
        shell.take_up_backlog()?;
        Ok(shell)
    }

    fn take_up_backlog(&self) -> Result<(), StoreError> {
        for (key, count) in self.store.backlog_queues(&SlotSet::all())? {
            self.queues.found_backlog(&key, count);
        }
        for (key, config) in self.queue_configs.all() {
            self.queues.set_rate(&key, rate(&config));
        }
        Ok(())
    }

    pub(crate) fn next_poll_id(&self) -> u64 {
        self.next_poll_id.fetch_add(1, Ordering::Relaxed)
    }

    /// What is in memory.
    pub(crate) fn sizes(&self) -> Sizes {
        let (queues, polls, tasks) = self.queues.sizes();
        let (due_times, retries, wakes) = self.timers.sizes();
        let (commits, undurable_bytes) = self.commits.sizes();
        let mut sizes = Sizes {
            queues,
            polls,
            tasks,
            queries: self.queries.len(),
            due_times,
            retries,
            wakes,
            work: self.work.len(),
            commits,
            undurable_bytes,
            ..Sizes::default()
        };
        for shard in self.executions.sizes() {
            sizes.chains += shard.chains;
            sizes.runs += shard.runs;
            sizes.waiters += shard.waiters;
            sizes.parked_requests += shard.parked;
            sizes.executions_bytes += shard.size_bytes;
        }
        sizes
    }

    /// Hands a request to its execution. Never waits for the store: the answer comes by way of `job.respond`.
    pub(crate) fn submit(&self, job: Job) {
        let _until_released = self.time.moving();
        let effects = self.executions.submit(job);
        self.release(effects);
    }

    // -- steps ---------------------------------------------------------------------------------------------------------

    /// Makes the oldest queued decisions durable and releases what they set off. Whether there were any.
    pub(crate) fn commit_step(&self) -> bool {
        let Some(group) = self.commits.take() else {
            return false;
        };
        self.commit(group);
        true
    }

    /// As [`Self::commit_step`], waiting for decisions; false once the queue is closed and empty.
    pub(crate) fn commit_wait(&self) -> bool {
        let Some(group) = self.commits.wait() else {
            return false;
        };
        self.commit(group);
        true
    }

    fn commit(&self, mut group: Group<Effects>) {
        let releases = std::mem::take(&mut group.releases);
        let _until_released = self.time.moved(releases.len());
        let batch = std::mem::take(&mut group.batch);
        self.metrics.note_batch(&batch);
        let committed = if batch.writes.is_empty() {
            Ok(())
        } else {
            let reason = || StoreError::Unavailable { action: "commit", reason: "the store panicked".to_owned() };
            self.guarded("the store", || self.make_durable(batch)).unwrap_or_else(|| Err(reason()))
        };
        match committed {
            Ok(()) => {
                self.commits.mark_durable(group.last_ticket);
                for effects in releases {
                    self.guarded("a release", || self.release(effects));
                }
                if self.store.is_over_budget() && !self.sweep.is_under_way() {
                    self.work.push(Work::Sweep);
                }
            }
            Err(error @ StoreError::Conflict { .. }) => {
                self.commits.mark_durable(group.last_ticket);
                self.read_registry(error, releases);
            }
            Err(error) => self.give_up(&mut group, releases, error),
        }
        self.commits.free(group.size_bytes);
    }

    /// Commits a batch, and does not come back before it is known what became of it.
    fn make_durable(&self, batch: Batch) -> Result<(), StoreError> {
        let mut committed = self.store.commit(batch);
        while let Err(StoreError::Unknown { reason }) = committed {
            tracing::error!(reason, "whether a commit is durable is not known yet");
            committed = match self.store.resolve() {
                Ok(true) => Ok(()),
                Ok(false) => Err(StoreError::Unavailable { action: "commit", reason }),
                Err(_) if self.commits.is_closed() => Err(StoreError::Unavailable { action: "commit", reason }),
                Err(error) => {
                    std::thread::sleep(RESOLVE_PAUSE);
                    Err(error)
                }
            };
        }
        committed
    }

    /// Another server has changed what these decisions were to change: whoever asked for them may ask again.
    fn read_registry(&self, error: StoreError, releases: Vec<Effects>) {
        tracing::warn!(%error, "the registry is read from the store again");
        let read = self.namespaces.read(&*self.store).and_then(|()| self.queue_configs.read(&*self.store));
        if let Err(error) = read {
            tracing::error!(%error, "the registry cannot be read");
        }
        let fault = store_fault(error);
        for effects in releases {
            self.release(failed(effects, &fault));
        }
    }

    /// Keeps a mistake in one thing from ending the thread that does all things of its sort.
    pub(crate) fn guarded<T>(&self, what: &str, run: impl FnOnce() -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(run));
        if result.is_err() {
            self.metrics.note_panic();
            tracing::error!(what, "something panicked; the server goes on");
        }
        result.ok()
    }

    /// The store has not taken a group: what memory holds of its slots was decided in vain, and is read again. What belongs
    /// to other slots depends on none of it and stays.
    fn give_up(&self, group: &mut Group<Effects>, releases: Vec<Effects>, error: StoreError) {
        tracing::error!(%error, "a commit failed; the executions concerned are read from the store again");
        self.metrics.note_failed_commit();
        let fault = store_fault(error);
        let (dropped, left) = self.executions.forget_failed(group, &fault);
        let _until_failed = self.time.moved(dropped);
        for effects in releases {
            self.release(failed(effects, &fault));
        }
        self.release(left);
    }

    /// The threads have ended: whoever still waits for something is told.
    pub(crate) fn shut_down(&self) {
        let left = self.executions.clear(&Fault::Stopping);
        self.release(left);
    }

    /// Does one thing.
    pub(crate) fn perform(&self, work: Work) {
        let _until_done = self.time.moved(1);
        match work {
            Work::Load { key, want, mark } => self.release(self.executions.load(&key, &want, mark)),
            Work::Unblock { key, mark } => self.release(self.executions.unblock(&key, mark)),
            Work::Submit(job) => self.submit(*job),
            Work::Deliver { source, id, delivery } => self.submit(messages::delivery(source, id, *delivery)),
            Work::DeliverAgain { source, id } => self.submit(self.messages.delivery_again(source, id)),
            Work::Wake { run_key, run, waking } => {
                self.wakes.wake(run_key, run, waking).into_iter().for_each(|job| self.submit(job));
            }
            Work::Refill(key) => self.dispatch.refill(&key),
            Work::RefillTimers => self.wakes.refill(),
            Work::PollAgain(key, waiting) => self.dispatch.poll_again(&key, *waiting),
            Work::PutBack(key, task) => self.dispatch.put_back(&key, *task),
            Work::Resume(key) => self.dispatch.resume(&key),
            Work::Sweep => {
                self.executions.forget_idle();
                self.sweep.begin().into_iter().for_each(|job| self.submit(job));
            }
            Work::Read(read) => read(&*self.store),
        }
    }

    /// Fires what is due. Whether anything was.
    pub(crate) fn timer_step(&self) -> bool {
        let _until_fired = self.time.moving();
        self.time.fire_due()
    }

    // -- release -------------------------------------------------------------------------------------------------------

    /// What a decision set off happens now: it is durable.
    fn release(&self, effects: Effects) {
        for effect in effects {
            match effect {
                Effect::Namespaces(registered) => self.namespaces.publish(registered),
                Effect::Wake { run_key, run, at_ns } => self.timers.set(run_key, &run, at_ns),
                Effect::Task { queue, task } => self.dispatch.add(&queue, task),
                Effect::Poll { waiting, end } => waiting.answer.send(end),
                Effect::Answer { respond, result } => self.respond(respond, result),
                Effect::QueueConfig { queue, version, config } => {
                    self.queues.set_rate(&queue, rate(&config));
                    self.queue_configs.publish(&queue, version, *config);
                    self.work.push(Work::Resume(queue));
                }
                Effect::Update { waiters, signal } => waiters.tell(signal),
                Effect::Query { waiter, answer } => drop(waiter.send(answer)), // Whoever waits may have gone.
                Effect::Message { source, id, delivery } => self.work.push(Work::Deliver { source, id, delivery }),
                Effect::Work(work) => self.work.push(work),
            }
        }
    }

    /// Tells whoever asked.
    fn respond(&self, respond: Respond, result: Result<Answer, Failure>) {
        match respond {
            Respond::Nobody => {}
            Respond::Caller(caller) => drop(caller.send(result)), // Whoever has gone need not be told.
            Respond::Poll { queue, waiting, task } => self.dispatch.end_start(&queue, *waiting, *task, result),
            Respond::Sender { source, id } => self.messages.answered(&source, id, result),
            Respond::Timers { run_key, run, waking } => self.wakes.woken(run_key, run, waking, &result),
            Respond::Call(call) => call(result),
        }
    }
}
