//! A node: the shell with its threads, and everything that the frontend asks of it.
//!
//! A [`Node`] is a handle. Its committer, its workers and its timer are threads of their own, so that whoever asks may be
//! on any executor, or on none: an answer is a channel's receiver. Without threads ([`NodeOptions::threads`] 0) nothing
//! happens until somebody steps the node, which is how simulations drive it.

mod polling;
mod queue_config;
mod reading;
mod reset;
mod threads;
mod time_skipping;

pub use polling::{OpenPoll, Polled, WorkerAnswer};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evertide_engine::address::Address;
use evertide_engine::effects::QueryAnswer;
use evertide_engine::env::Ids;
use evertide_engine::namespace::Namespaces;
use evertide_engine::request::{Create, Request};
use evertide_engine::workflow::{self, ChainRequest};
use evertide_engine::{Limits, Rejection};
use evertide_proto::enums::NamespaceState;
use evertide_proto::workflowservice::TerminateWorkflowExecutionRequest;
use evertide_store::{Store, StoreError};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::address::ChainKey;
use crate::ask::{Answer, Ask, Job, Respond};
use crate::clock::Clock;
use crate::commit::Subject;
use crate::fault::{Failure, Fault};
use crate::matching::{QueueDescription, QueueKind, ScalingLimits};
use crate::metrics::Counters;
use crate::registry::NamespaceRecord;
use crate::release::Effect;
use crate::shell::{Shell, ShellOptions};
use crate::sizes::Sizes;
use crate::work::Work;
use threads::Threads;

/// How much memory executions may take if nothing else is said, about.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// How many threads wait for the store besides the committer, if nothing else is said.
const WORKERS: usize = 4;

/// How a node is set up.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Start of all randomness; none to take one from the system.
    pub seed: Option<u64>,
    /// Limits of all namespaces.
    pub limits: Limits,
    /// Namespaces that are to be there; those that are missing are made.
    pub namespaces: Vec<String>,
    /// Custom search attributes that these namespaces are to have: name to `IndexedValueType`.
    pub search_attributes: BTreeMap<String, i32>,
    /// How long namespaces made here keep closed runs, nanoseconds; 0 for ever.
    pub retention_ns: i64,
    /// How much memory executions may take, about.
    pub cache_bytes: usize,
    /// How many threads do what waits for the store; 0 for a node that is driven by steps.
    pub threads: usize,
    /// For tests: time jumps to the next thing that is due when nothing else is to be done, unless it is locked; and how
    /// often it is locked at first.
    pub time_locks: Option<i64>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            seed: None,
            limits: Limits::default(),
            namespaces: vec!["default".to_owned()],
            search_attributes: BTreeMap::new(),
            retention_ns: 24 * 3600 * 1_000_000_000,
            cache_bytes: CACHE_BYTES,
            threads: WORKERS,
            time_locks: None,
        }
    }
}

/// A handle on a node. The node stops when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Node {
    pub(crate) shell: Arc<Shell>,
    threads: Arc<Mutex<Threads>>,
    /// A slot for each reset that may be prepared.
    resets: Arc<tokio::sync::Semaphore>,
    stopping: tokio::sync::watch::Receiver<bool>,
    stop: Arc<tokio::sync::watch::Sender<bool>>,
}

impl Node {
    /// Takes up what the store holds, and starts the threads.
    ///
    /// # Errors
    /// The store cannot be read, or the namespaces that are missing cannot be made.
    pub fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>, options: NodeOptions) -> Result<Self, StoreError> {
        let seed = options.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        let shell_options = ShellOptions {
            seed,
            limits: options.limits,
            cache_bytes: options.cache_bytes,
            time_locks: options.time_locks,
        };
        let shell = Arc::new(Shell::open(store, clock, shell_options)?);
        for name in &options.namespaces {
            make_namespace(&shell, name, &options.search_attributes, options.retention_ns)?;
        }
        let threads = Threads::start(&shell, options.threads);
        let resets = Arc::new(tokio::sync::Semaphore::new(reset::RESETS_AT_ONCE));
        let (stop, stopping) = tokio::sync::watch::channel(false);
        Ok(Self { shell, threads: Arc::new(Mutex::new(threads)), resets, stopping, stop: Arc::new(stop) })
    }

    // -- requests ------------------------------------------------------------------------------------------------------

    /// Asks one run; an empty run id means the current one.
    ///
    /// # Errors
    /// The rules refuse it, there is no such run, or the server fails.
    pub async fn run(&self, run: Address, request: impl Into<Request>) -> Result<Answer, Failure> {
        let request = request.into();
        self.shell.commits.wait_for_room().await;
        answered(self.submit_run(run, request)).await
    }

    /// As [`Self::run`], with the answer in a channel.
    pub fn submit_run(&self, run: Address, request: impl Into<Request>) -> AnswerReceiver {
        let key = ChainKey::of(&run);
        self.submit(key, Ask::Run { run_id: run.run_id, request: Box::new(request.into()) })
    }

    /// Asks an id, in a way that may make an execution.
    ///
    /// # Errors
    /// The rules refuse it or the server fails.
    pub async fn create(&self, address: &Address, create: Create) -> Result<Answer, Failure> {
        answered(self.submit(ChainKey::of(address), Ask::Create(Box::new(create)))).await
    }

    /// Removes an execution, even if it is open.
    ///
    /// # Errors
    /// There is no such execution, or the server fails.
    pub async fn remove(&self, address: Address) -> Result<(), Failure> {
        let ask = Ask::Delete { run_id: address.run_id.clone(), even_open: true };
        answered(self.submit(ChainKey::of(&address), ask)).await?;
        Ok(())
    }

    /// Asks a workflow id, in a way that may make a run.
    ///
    /// # Errors
    /// The rules refuse it or the server fails.
    pub async fn chain(&self, namespace_id: &str, workflow_id: &str, request: ChainRequest) -> Result<Answer, Failure> {
        self.shell.commits.wait_for_room().await;
        answered(self.submit_chain(namespace_id, workflow_id, request)).await
    }

    /// As [`Self::chain`], with the answer in a channel.
    pub fn submit_chain(&self, namespace_id: &str, workflow_id: &str, request: ChainRequest) -> AnswerReceiver {
        let key = ChainKey::of(&Address::workflow(namespace_id, workflow_id));
        self.submit(key, Ask::Create(Box::new(Create::Workflow(request))))
    }

    pub(crate) fn submit(&self, key: ChainKey, ask: Ask) -> AnswerReceiver {
        let (sender, receiver) = oneshot::channel();
        self.shell.submit(Job { key: Arc::new(key), ask, respond: Respond::Caller(sender) });
        receiver
    }

    /// Removes a run, which is terminated first if it is open.
    ///
    /// # Errors
    /// There is no such run, or the server fails.
    pub async fn delete_run(&self, run: Address) -> Result<(), Failure> {
        let found = self.look(run, |view| (view.run.clone(), view.exec.is_open())).await?;
        let (run, running) = found;
        if running {
            let terminate = TerminateWorkflowExecutionRequest {
                reason: "Delete workflow execution".to_owned(),
                ..TerminateWorkflowExecutionRequest::default()
            };
            // It may have ended by itself meanwhile.
            let _ = self.run((*run).clone(), workflow::Request::Terminate(Box::new(terminate))).await;
        }
        let ask = Ask::Delete { run_id: run.run_id.clone(), even_open: false };
        answered(self.submit(ChainKey::of(&run), ask)).await?;
        Ok(())
    }

    // -- task queues ---------------------------------------------------------------------------------------------------

    /// What is known of a task queue.
    #[must_use]
    pub fn describe_queue(&self, namespace_id: &str, name: &str, kind: QueueKind) -> QueueDescription {
        let world_ns = self.shell.clock.world_ns();
        let mut found = self.shell.queues.describe(&kind.key(namespace_id, name), world_ns);
        found.polled_later_by(self.now_ns() - world_ns);
        found
    }

    /// What a worker is told whose poll has waited for so long and then got a task: how many polls more or less it should
    /// have; none if all is well.
    #[must_use]
    pub fn advise_poller(&self, namespace_id: &str, name: &str, kind: QueueKind, waited: Duration) -> Option<i32> {
        let limits = &self.shell.limits;
        let scaling = ScalingLimits {
            backlog_age_ns: limits.poller_scaling_backlog_age_ns,
            wait_ns: limits.poller_scaling_wait_ns,
            decisions_per_second: limits.poller_scaling_decisions_per_second,
            add_to_dispatch_percent: limits.poller_scaling_add_to_dispatch_percent,
        };
        let waited_ns = i64::try_from(waited.as_nanos()).unwrap_or(i64::MAX);
        let key = kind.key(namespace_id, name);
        self.shell.queues.advise(&key, waited_ns, &scaling, self.shell.clock.world_ns())
    }

    /// A worker polls a queue no more: it is not shown among those that do.
    pub fn forget_poller(&self, namespace_id: &str, name: &str, kind: QueueKind, identity: &str) {
        self.shell.queues.forget_poller(&kind.key(namespace_id, name), identity);
    }

    /// A worker goes away: its polls end, and its sticky queue is used no more.
    pub fn shutdown_worker(&self, namespace_id: &str, worker_instance_key: &str, sticky_queue: &str) {
        self.shell.queues.end_worker(namespace_id, worker_instance_key, sticky_queue);
    }

    /// A worker answers a query that was sent to it by itself. Whether anybody was still waiting for it.
    #[must_use]
    pub fn answer_query(&self, query_id: &str, answer: QueryAnswer) -> bool {
        let waited = self.shell.queries.answer(query_id, answer);
        self.shell.time.skip();
        waited
    }

    // -- namespaces ----------------------------------------------------------------------------------------------------

    /// The namespaces that can be used.
    #[must_use]
    pub fn namespaces(&self) -> Arc<Namespaces> {
        self.shell.namespaces.snapshot()
    }

    /// All that is known of all namespaces, in the order of their names; deleted ones until their runs are gone.
    #[must_use]
    pub fn namespace_records(&self) -> Vec<NamespaceRecord> {
        self.shell.namespaces.records()
    }

    /// Changes what is known under a name: `change` gets the record, if there is one, and gives the new one, or none to
    /// remove it. Returns the new one when it is durable.
    ///
    /// # Errors
    /// `change` refuses, or the server fails.
    pub async fn change_namespace(
        &self,
        name: &str,
        change: impl FnOnce(Option<NamespaceRecord>) -> Result<Option<NamespaceRecord>, Rejection>,
    ) -> Result<Option<NamespaceRecord>, Failure> {
        let (changed, durable) = change_namespace(&self.shell, name, change)?;
        answered(durable).await?;
        Ok(changed)
    }

    /// Deletes a namespace: its name is free at once, its runs are removed in the course of time. Returns the name under
    /// which it is known until then.
    ///
    /// # Errors
    /// There is no such namespace, or the server fails.
    pub async fn delete_namespace(&self, name: &str) -> Result<String, Failure> {
        let asked = name.to_owned();
        let deleted = self
            .change_namespace(name, move |found| {
                let mut record = found.ok_or_else(|| Rejection::namespace_not_found(&asked))?;
                let suffix: String = record.id.chars().take(5).collect();
                record.name = format!("{}-deleted-{suffix}", record.name);
                record.state = NamespaceState::Deleted.into();
                Ok(Some(record))
            })
            .await?;
        self.shell.work.push(Work::Sweep);
        Ok(deleted.unwrap_or_default().name)
    }

    // -- the rest ------------------------------------------------------------------------------------------------------

    /// Limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shell.limits
    }

    /// The time, nanoseconds since the epoch.
    #[must_use]
    pub fn now_ns(&self) -> i64 {
        self.shell.clock.now_ns()
    }

    /// A fresh UUID of version 4.
    #[must_use]
    pub fn new_uuid(&self) -> String {
        Ids::new(self.shell.seeds.next()).uuid()
    }

    /// The store, for lists and counts.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shell.store
    }

    /// Counters of what was done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shell.metrics.counters()
    }

    /// What is in memory, counted: for tests that nothing grows without end.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.shell.sizes()
    }

    /// The clock was moved by somebody: what is due now is looked at.
    pub fn clock_moved(&self) {
        self.shell.timers.poke();
    }

    /// Ends what waits: polls and long polls are answered empty, now and from now on.
    pub fn end_waits(&self) {
        self.stop.send_replace(true);
        self.shell.queues.end_all_polls();
    }

    /// Stops the threads, when everything that was decided is durable.
    pub async fn stop(&self) {
        self.end_waits();
        let threads = std::mem::take(&mut *self.threads.lock());
        let joined = tokio::task::spawn_blocking(move || threads.stop()).await;
        if let Err(error) = joined {
            tracing::error!(%error, "the threads of the node did not stop in order");
        }
    }

    // -- steps ---------------------------------------------------------------------------------------------------------

    /// Makes the oldest queued decisions durable, on a node without threads. Whether there were any.
    pub fn commit_step(&self) -> bool {
        self.shell.commit_step()
    }

    /// Does one of the things that are to be done (`choice` modulo their number), on a node without threads. Whether
    /// there was any.
    pub fn work_step(&self, choice: u64) -> bool {
        let Some(work) = self.shell.work.take_at(choice) else {
            return false;
        };
        self.shell.perform(work);
        true
    }

    /// Looks at what is due, on a node without threads. Whether anything was.
    pub fn timer_step(&self) -> bool {
        self.shell.timer_step()
    }

    /// When something is due next, nanoseconds since the epoch; the far future if nothing is.
    #[must_use]
    pub fn next_due_ns(&self) -> i64 {
        self.shell.timers.next_due_ns()
    }
}

/// Where an answer comes.
pub type AnswerReceiver = oneshot::Receiver<Result<Answer, Failure>>;

async fn answered(receiver: AnswerReceiver) -> Result<Answer, Failure> {
    receiver.await.unwrap_or_else(|_| Err(Fault::Stopping.into()))
}

/// Queues a change of a namespace. Returns the new record, and where it is said that the change is durable.
fn change_namespace(
    shell: &Shell,
    name: &str,
    change: impl FnOnce(Option<NamespaceRecord>) -> Result<Option<NamespaceRecord>, Rejection>,
) -> Result<(Option<NamespaceRecord>, AnswerReceiver), Rejection> {
    let (sender, receiver) = oneshot::channel();
    let changed = shell.namespaces.change(name, change, |writes, registered| {
        let answer = Effect::answer(Respond::Caller(sender), Ok(Answer::default()));
        shell.commits.push(Subject::Registry, writes, vec![Effect::Namespaces(registered), answer]);
    })?;
    Ok((changed, receiver))
}

/// Makes a namespace at the start, before any thread runs, or gives one that exists the search attributes asked for.
fn make_namespace(
    shell: &Shell,
    name: &str,
    search_attributes: &BTreeMap<String, i32>,
    retention_ns: i64,
) -> Result<(), StoreError> {
    let id = Ids::new(shell.seeds.next()).uuid();
    let wanted = |found: Option<NamespaceRecord>| {
        let mut record = found.unwrap_or_else(|| NamespaceRecord {
            id,
            name: name.to_owned(),
            state: NamespaceState::Registered.into(),
            retention_ns,
            ..NamespaceRecord::default()
        });
        for (attribute, kind) in search_attributes {
            record.search_attributes.entry(attribute.clone()).or_insert(*kind);
        }
        Ok(Some(record))
    };
    let failed = |reason: String| StoreError::Unavailable { action: "make a namespace", reason };
    let (_, mut durable) = change_namespace(shell, name, wanted).map_err(|refusal| failed(refusal.to_string()))?;
    while shell.commit_step() {}
    match durable.try_recv() {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(failure)) => Err(failed(failure.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}
