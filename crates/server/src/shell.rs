//! The shell around the engine, without threads: everything the server does, step by step.
//!
//! Requests come in by [`Shell::submit`]. Three things then want to be done again and again, by threads or by a simulator:
//! [`Shell::commit_step`] makes decisions durable and releases what they set off, [`Shell::perform`] does what may wait
//! for the store, [`Shell::timer_step`] looks at what is due.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use evertide_engine::Limits;
use evertide_store::{Filter, ListQuery, RunIdentity, RunKey, Store, StoreError};
use parking_lot::Mutex;

use crate::clock::{Clock, SkippingClock};
use crate::commit::{CommitQueue, Group};
use crate::fault::{Failure, Fault};
use crate::hash::slot_of;
use crate::matching::{Match, Matching, PollEnd, REFILL_TASKS, Taken, Waiting};
use crate::metrics::Metrics;
use crate::queries::Queries;
use crate::queue_config::{QueueConfigs, rate};
use crate::registry::{NamespaceRecord, NamespaceRegistry};
use crate::seed::Seeds;
use crate::shard::{Answer, Ask, Chain, ChainKey, Job, Release, Respond, RunRef, Shard, start_request, store_fault};
use crate::time_skipping::{Motion, TimeSkipping};
use crate::timers::{REFILL_ROWS, Timers};
use crate::work::{Work, WorkQueue};
use evertide_engine::workflow::{ChainRequest, Delivery, DeliveryResult, Reply, Request};
use evertide_engine::{Code, Detail};
use evertide_store::QueueKey;

/// How many parts the executions in memory are divided into.
const SHARDS: usize = 16;
/// How many runs past their retention are removed in one go, of each namespace.
const SWEEP_RUNS: usize = 100;

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
    pub(crate) limits: Limits,
    pub(crate) namespaces: NamespaceRegistry,
    pub(crate) queue_configs: QueueConfigs,
    pub(crate) seeds: Seeds,
    pub(crate) commits: CommitQueue,
    pub(crate) matching: Matching,
    pub(crate) timers: Timers,
    pub(crate) work: WorkQueue,
    pub(crate) queries: Queries,
    pub(crate) metrics: Metrics,
    pub(crate) motion: Motion,
    pub(crate) time_skipping: Option<TimeSkipping>,
    shards: Vec<Mutex<Shard>>,
    next_run_key: AtomicI64,
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
        let shell = Self {
            namespaces: NamespaceRegistry::open(&*store)?,
            queue_configs: QueueConfigs::open(&*store)?,
            limits: options.limits,
            seeds: Seeds::new(options.seed),
            commits: CommitQueue::new(open_state.next_task_id, motion.clone()),
            matching: Matching::new(),
            timers: Timers::new(clock.now_ns()),
            work: WorkQueue::new(motion.clone()),
            queries: Queries::default(),
            metrics: Metrics::default(),
            motion,
            time_skipping: skipping.map(|(clock, locks)| TimeSkipping::new(clock, locks)),
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::new(options.cache_bytes / SHARDS))).collect(),
            next_run_key: AtomicI64::new(open_state.next_run_key),
            next_poll_id: AtomicU64::new(1),
            store,
            clock,
        };
        shell.take_up_backlog()?;
        Ok(shell)
    }

    fn take_up_backlog(&self) -> Result<(), StoreError> {
        for (key, count) in self.store.backlog_queues()? {
            self.matching.found_backlog(&key, count);
        }
        for (key, config) in self.queue_configs.all() {
            self.matching.set_rate(&key, rate(&config));
        }
        Ok(())
    }

    pub(crate) fn shard(&self, key: &ChainKey) -> &Mutex<Shard> {
        &self.shards[slot_of(key, SHARDS)]
    }

    pub(crate) fn next_run_key(&self) -> RunKey {
        self.next_run_key.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn next_poll_id(&self) -> u64 {
        self.next_poll_id.fetch_add(1, Ordering::Relaxed)
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

    fn commit(&self, group: Group) {
        let Group { batch, releases, last_ticket } = group;
        let _until_released = self.moved(releases.len());
        self.metrics.note_batch(&batch);
        let committed = if batch.writes.is_empty() {
            Ok(())
        } else {
            let reason = || StoreError::Unavailable { action: "commit", reason: "the store panicked".to_owned() };
            self.guarded("the store", || self.store.commit(batch)).unwrap_or_else(|| Err(reason()))
        };
        match committed {
            Ok(()) => {
                self.commits.settle(last_ticket);
                for release in releases {
                    self.guarded("a release", || self.release(release));
                }
            }
            Err(error) => self.give_up(releases, error),
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

    /// The store refused a batch: nothing in memory is to be trusted any more, since later decisions were built on it.
    fn give_up(&self, mut releases: Vec<Release>, error: StoreError) {
        tracing::error!(%error, "a commit failed; everything is read from the store again");
        self.metrics.note_failed_commit();
        let fault = store_fault(error);
        let mut shards: Vec<_> = self.shards.iter().map(Mutex::lock).collect();
        let (queued, last_ticket) = self.commits.drain();
        let chains: Vec<Chain> = shards.iter_mut().flat_map(|shard| shard.take_all()).collect();
        let _until_failed = self.moved(queued.len());
        self.commits.settle(last_ticket);
        drop(shards);
        releases.extend(queued);
        for release in releases {
            self.fail_release(release, &fault);
        }
        for chain in chains {
            self.fail_waiters(Some(chain), &fault);
        }
        self.timers.forget();
        self.matching.forget_tasks();
        self.see_to_held_back();
        self.namespaces.forget_pending();
    }

    /// The threads have ended: whoever still waits for something is told.
    pub(crate) fn shut_down(&self) {
        for shard in &self.shards {
            let chains = shard.lock().take_all();
            for chain in chains {
                self.fail_waiters(Some(chain), &Fault::Stopping);
            }
        }
    }

    /// Does one thing.
    pub(crate) fn perform(&self, work: Work) {
        let _until_done = self.moved(1);
        match work {
            Work::Load { key, want, mark } => self.load(&key, &want, mark),
            Work::Unblock { key, mark } => self.unblock(&key, mark),
            Work::Submit(job) => self.submit(*job),
            Work::Deliver { source, id, delivery } => self.deliver(source, id, *delivery),
            Work::Wake { run_key, run } => self.wake(run_key, run),
            Work::Refill(key) => self.refill(&key),
            Work::RefillTimers => self.refill_timers(),
            Work::PollAgain(key, waiting) => {
                let found = self.matching.poll_again(&key, *waiting, self.clock.world_ns());
                self.follow_poll(&key, found);
                self.see_to_held_back();
            }
            Work::GoOn(key) => {
                let found = self.matching.go_on(&key, self.clock.world_ns());
                self.see_to_held_back();
                found.into_iter().for_each(|found| self.hand_out(found));
            }
            Work::Sweep => self.sweep(),
            Work::Read(read) => read(self),
        }
    }

    /// Looks at what is due. Whether anything was.
    pub(crate) fn timer_step(&self) -> bool {
        let _until_fired = self.moving();
        self.fire_due()
    }

    pub(crate) fn fire_due(&self) -> bool {
        self.wake_sleepers();
        let due = self.timers.take_due(self.clock.now_ns());
        let any = !due.is_empty();
        for work in due {
            self.work.push(work);
        }
        any
    }

    // -- release -------------------------------------------------------------------------------------------------------

    /// What a decision set off happens now: it is durable.
    pub(crate) fn release(&self, release: Release) {
        if let Some(namespaces) = release.namespaces {
            self.namespaces.publish(namespaces);
        }
        for (run_key, run, at_ns) in &release.timers {
            self.timers.set(*run_key, run, *at_ns);
        }
        // Tasks come first: whoever is told of a decision finds its task on the queue.
        for (key, task) in release.tasks {
            if let Some(found) = self.matching.add(&key, task, self.clock.world_ns()) {
                self.hand_out(found);
            }
            self.see_to_held_back();
        }
        for (waiting, end) in release.polls {
            waiting.answer(Ok(end));
        }
        for (respond, result) in release.answers {
            self.respond(respond, result);
        }
        for (waiter, signal) in release.updates {
            let _ = waiter.send(signal); // Its caller may have gone.
        }
        for (waiter, answer) in release.queries {
            let _ = waiter.send(answer);
        }
        for (source, id, delivery) in release.messages {
            self.work.push(Work::Deliver { source, id, delivery });
        }
        for work in release.work {
            self.work.push(work);
        }
    }

    /// Those who wait for a decision that will never be durable are told.
    pub(crate) fn fail_release(&self, release: Release, fault: &Fault) {
        for (waiting, _) in release.polls {
            waiting.answer(Err(fault.clone().into()));
        }
        for (respond, _) in release.answers {
            self.respond(respond, Err(fault.clone().into()));
        }
        for work in release.work {
            match work {
                Work::PollAgain(_, waiting) => waiting.answer(Err(fault.clone().into())),
                Work::Unblock { .. } => {} // The chain that it would unblock is gone as well.
                other => self.work.push(other),
            }
        }
    }

    /// Those who wait at a chain that leaves memory are told. Update and query waiters hear it by the end of their
    /// channels.
    pub(crate) fn fail_waiters(&self, chain: Option<Chain>, fault: &Fault) {
        let Some(chain) = chain else { return };
        for entry in chain.runs.into_values() {
            for watcher in entry.history_watchers {
                self.respond(watcher.respond, Err(fault.clone().into()));
            }
        }
        for job in chain.loading.map(|l| l.parked).unwrap_or_default() {
            self.respond(job.respond, Err(fault.clone().into()));
        }
    }

    /// Tells whoever asked.
    pub(crate) fn respond(&self, respond: Respond, result: Result<Answer, Failure>) {
        match respond {
            Respond::Nobody => {}
            Respond::Caller(caller) => {
                let _ = caller.send(result); // Whoever has gone need not be told.
            }
            Respond::Poll { queue, waiting, task } => self.end_start(&queue, *waiting, task, result),
            Respond::Sender { source, id } => self.answer_message(&source, id, result),
            Respond::Timers { run_key, run } => self.look_again(run_key, &run, &result),
        }
    }

    // -- polls ---------------------------------------------------------------------------------------------------------

    /// A poll that has looked at its queue: it takes what it found there.
    pub(crate) fn follow_poll(&self, key: &QueueKey, (found, wants_refill): (Option<Match>, bool)) {
        if wants_refill {
            self.work.push(Work::Refill(key.clone()));
        }
        if let Some(found) = found {
            self.hand_out(found);
        }
    }

    /// A poll and a task have found each other: the execution is asked to start it, by whoever has time.
    pub(crate) fn hand_out(&self, found: Match) {
        if let Some(job) = start_job(found) {
            self.work.push(Work::Submit(Box::new(job)));
        }
    }

    /// The execution has said whether the poll gets the task.
    fn end_start(
        &self,
        key: &QueueKey,
        waiting: crate::matching::Waiting,
        task: crate::matching::Task,
        result: Result<Answer, Failure>,
    ) {
        let end = match result {
            Ok(Answer { task: Some(history), .. }) => PollEnd::Workflow(history),
            Ok(Answer { reply: Reply::ActivityTask(activity), .. }) => PollEnd::Activity(activity),
            Ok(_) | Err(Failure::Rejected(_)) => {
                if task.durable {
                    self.commits.drop_row(key.clone(), task.id);
                    self.matching.settled(key);
                }
                return self.work.push(Work::PollAgain(key.clone(), Box::new(waiting)));
            }
            Err(Failure::Fault(fault)) => {
                if matches!(fault, Fault::Unavailable(_)) {
                    self.matching.put_back(key, task);
                    self.timers.retry(self.clock.now_ns(), Work::GoOn(key.clone()));
                }
                return waiting.answer(Err(fault.into()));
            }
        };
        if task.durable {
            self.matching.settled(key);
        }
        waiting.answer(Ok(end));
    }

    fn refill(&self, key: &QueueKey) {
        let Some(read_to) = self.matching.begin_refill(key) else {
            return;
        };
        match self.store.backlog(key, Some(read_to), REFILL_TASKS) {
            Ok(rows) => {
                for found in self.matching.end_refill(key, rows, self.clock.world_ns()) {
                    self.hand_out(found);
                }
                self.see_to_held_back();
            }
            Err(error) => {
                tracing::warn!(%error, queue = key.name, "the backlog of a task queue cannot be read");
                self.matching.fail_refill(key);
                self.timers.retry(self.clock.now_ns(), Work::Refill(key.clone()));
            }
        }
    }

    /// The poll that a task that has just come up may be given to at once.
    pub(crate) fn take_poller(&self, key: &QueueKey) -> Option<Waiting> {
        self.matching.take_poller(key, self.clock.world_ns())
    }

    /// Queues whose limit holds tasks back are looked at again when it lets them go, and those whose polls wait for
    /// tasks in the store are read on.
    pub(crate) fn see_to_held_back(&self) {
        for (key, delay_ns) in self.matching.take_held_back() {
            self.timers.at(self.clock.now_ns().saturating_add(delay_ns), Work::GoOn(key));
        }
        for key in self.matching.take_hungry() {
            self.work.push(Work::Refill(key));
        }
    }

    // -- messages between executions -----------------------------------------------------------------------------------

    fn deliver(&self, source: Arc<RunRef>, id: i64, delivery: Delivery) {
        let key = ChainKey { namespace_id: delivery.namespace_id.clone(), workflow_id: delivery.workflow_id.clone() };
        let run_id = delivery.run_id.clone();
        let ask = if delivery.message.may_make_a_run() {
            Ask::Chain(Box::new(ChainRequest::Deliver(Box::new(delivery))))
        } else {
            Ask::Run { run_id, request: Box::new(Request::Deliver(Box::new(delivery))) }
        };
        self.submit(Job { key: Arc::new(key), ask, respond: Respond::Sender { source, id } });
    }

    /// The target has taken a message, or not: its sender hears it.
    fn answer_message(&self, source: &Arc<RunRef>, id: i64, result: Result<Answer, Failure>) {
        let result = match result {
            Ok(Answer { reply: Reply::Delivered(result), .. }) => result,
            Ok(Answer { reply, .. }) => {
                tracing::error!(?reply, "an execution did not say how it took a message");
                DeliveryResult::NotFound
            }
            // The target is busy: a passing condition.
            Err(Failure::Rejected(refusal)) if refusal.code == Code::ResourceExhausted => {
                return self.deliver_later(source, id);
            }
            Err(Failure::Rejected(refusal)) => match (&refusal.code, &refusal.detail) {
                (Code::AlreadyExists, _) | (_, Detail::AlreadyStarted { .. }) => DeliveryResult::ChildExists,
                _ => DeliveryResult::NotFound,
            },
            Err(Failure::Fault(fault)) => {
                // Whether the target has it is unknown. The sender still has the message, and sends it again when it
                // is read from the store, which happens when it is due to be looked at.
                tracing::warn!(%fault, "a message between executions waits for the store");
                return self.deliver_later(source, id);
            }
        };
        let request = Box::new(Request::Delivered { id, result });
        let job = Job {
            key: Arc::new(source.chain()),
            ask: Ask::Run { run_id: source.run_id.clone(), request },
            respond: Respond::Nobody,
        };
        self.work.push(Work::Submit(Box::new(job)));
    }

    fn deliver_later(&self, source: &Arc<RunRef>, id: i64) {
        let again = source.clone();
        let read = move |shell: &Shell| shell.deliver_again(&again, id);
        self.timers.retry(self.clock.now_ns(), Work::Read(Box::new(read)));
    }

    fn deliver_again(&self, source: &Arc<RunRef>, id: i64) {
        let (sender, mut receiver) = tokio::sync::oneshot::channel();
        let look = move |view: &crate::shard::RunView<'_>| {
            let _ = sender.send(view.exec.delivery(id));
        };
        let job = Job {
            key: Arc::new(source.chain()),
            ask: Ask::Look { run_id: source.run_id.clone(), look: Box::new(look) },
            respond: Respond::Nobody,
        };
        self.submit(job);
        // If the sender is not in memory it is being read, and sets off its messages by itself.
        if let Ok(Some(delivery)) = receiver.try_recv() {
            self.deliver(source.clone(), id, delivery);
        }
    }

    // -- due times -----------------------------------------------------------------------------------------------------

    fn wake(&self, run_key: RunKey, run: Option<Arc<RunRef>>) {
        let run = match run {
            Some(run) => run,
            None => match self.store.run(run_key) {
                Ok(Some(stored)) => Arc::new(RunRef {
                    namespace_id: stored.identity.namespace_id,
                    workflow_id: stored.identity.id,
                    run_id: stored.identity.run_id,
                }),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "a run that is due cannot be read");
                    return self.timers.retry(self.clock.now_ns(), Work::Wake { run_key, run: None });
                }
            },
        };
        let job = Job {
            key: Arc::new(run.chain()),
            ask: Ask::Run { run_id: run.run_id.clone(), request: Box::new(Request::Wake) },
            respond: Respond::Timers { run_key, run },
        };
        self.submit(job);
    }

    /// A run that was due has been looked at: when next?
    fn look_again(&self, run_key: RunKey, run: &Arc<RunRef>, result: &Result<Answer, Failure>) {
        if let Err(Failure::Fault(fault)) = result {
            tracing::warn!(%fault, "a run that is due waits for the store");
            let work = Work::Wake { run_key, run: Some(run.clone()) };
            self.timers.retry(self.clock.now_ns(), work);
        }
    }

    fn refill_timers(&self) {
        let Some(refill) = self.timers.begin_refill() else {
            return;
        };
        match self.store.wakes(i64::MAX, refill.after(), REFILL_ROWS) {
            Ok(rows) => self.timers.end_refill(refill, &rows, rows.len() < REFILL_ROWS),
            Err(error) => {
                tracing::warn!(%error, "the due times cannot be read");
                self.timers.fail_refill(refill);
                self.timers.retry(self.clock.now_ns(), Work::RefillTimers);
            }
        }
    }

    /// Removes runs whose retention is over and those of deleted namespaces, and forgets queues that nobody uses.
    fn sweep(&self) {
        let now_ns = self.clock.world_ns(); // Workers poll, and people look at what has ended, at the world's pace.
        self.matching.forget_idle(now_ns);
        let mut more = false;
        for record in self.namespaces.records() {
            let removed = if record.is_deleted() {
                self.empty(&record)
            } else if record.retention_ns > 0 {
                self.remove_expired(&record.id, now_ns.saturating_sub(record.retention_ns))
            } else {
                continue;
            };
            match removed {
                Ok(removed) => more |= removed >= SWEEP_RUNS,
                Err(error) => tracing::warn!(%error, "runs that are to be removed cannot be found"),
            }
        }
        if more {
            self.timers.retry(self.clock.now_ns(), Work::Sweep);
        }
    }

    fn remove_expired(&self, namespace_id: &str, before_ns: i64) -> Result<usize, StoreError> {
        let expired = self.store.expired(namespace_id, before_ns, SWEEP_RUNS)?;
        for run_key in &expired {
            if let Some(stored) = self.store.run(*run_key)? {
                self.remove_run(stored.identity, false);
            }
        }
        Ok(expired.len())
    }

    /// Removes runs of a deleted namespace, open ones too, and at last what is known of it.
    fn empty(&self, record: &NamespaceRecord) -> Result<usize, StoreError> {
        let query =
            ListQuery { namespace_id: record.id.clone(), filter: Filter::All, page_size: SWEEP_RUNS, after: None };
        let rows = self.store.list(&query)?.rows;
        let found = rows.len();
        for row in rows {
            let identity =
                RunIdentity { namespace_id: row.namespace_id, kind: 0, id: row.workflow_id, run_id: row.run_id };
            self.remove_run(identity, true);
        }
        if found == 0 {
            // The change refuses nothing.
            let _ = self.namespaces.change(&self.commits, &record.name, |_| Ok(None), Respond::Nobody);
        }
        Ok(found)
    }

    fn remove_run(&self, identity: RunIdentity, even_open: bool) {
        let key = ChainKey { namespace_id: identity.namespace_id, workflow_id: identity.id };
        let ask = Ask::Delete { run_id: identity.run_id, even_open };
        self.submit(Job { key: Arc::new(key), ask, respond: Respond::Nobody });
    }
}

/// The request that starts a task for the poll that found it. A query needs no execution: the poll gets it at once.
pub(crate) fn start_job(found: Match) -> Option<Job> {
    let Match { key, waiting, taken } = found;
    let task = match taken {
        Taken::Task(task) => task,
        Taken::Query(offer) => {
            waiting.answer(Ok(PollEnd::Query(offer)));
            return None;
        }
    };
    let chain = ChainKey { namespace_id: key.namespace_id.clone(), workflow_id: task.row.workflow_id.clone() };
    let request = Box::new(start_request(&key, &task.row, &waiting));
    Some(Job {
        key: Arc::new(chain),
        ask: Ask::Run { run_id: task.row.run_id.clone(), request },
        respond: Respond::Poll { queue: key, waiting: Box::new(waiting), task },
    })
}
