//! A node without threads on a store in memory, stepped until nothing is left to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use evertide_engine::address::Address;
use evertide_engine::limits::Limits;
use evertide_engine::reply::Reply;
use evertide_engine::task_queue::QueueRef;
use evertide_engine::token::TaskToken;
use evertide_engine::workflow::activity::{Answer as ActivityAnswer, Outcome, Which};
use evertide_engine::workflow::{ChainRequest, Request};
use evertide_proto::command::{
    Command, CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes, StartTimerCommandAttributes,
};
use evertide_proto::common::{ActivityType, Priority, TimeSkippingConfig, WorkflowExecution, WorkflowType};
use evertide_proto::enums::{EventType, NamespaceState, WorkflowExecutionStatus};
use evertide_proto::history::HistoryEvent;
use evertide_proto::prost_types::Duration;
use evertide_proto::taskqueue::{StickyExecutionAttributes, TaskQueue};
use evertide_proto::workflowservice as ws;
use evertide_server::clock::ManualClock;
use evertide_server::fault::Failure;
use evertide_server::history::{HistoryRead, HistoryWait, WorkflowTaskPage};
use evertide_server::matching::{Poll, QueueKind};
use evertide_server::node::{AnswerReceiver, Node, NodeOptions, OpenPoll, Polled};
use evertide_server::registry::NamespaceRecord;
use evertide_store::{
    BacklogCursor, Batch, ExpiredRun, Filter, HistoryLimit, HistoryRecord, ListPage, ListQuery, MemoryStore, OpenState,
    QueueKey, RegistryRecord, RunKey, SlotSet, Store, StoreError, StoredRun, Write,
};

pub(crate) const SECOND_NS: i64 = 1_000_000_000;
const START_NS: i64 = 1_700_000_000 * SECOND_NS;

/// A node and what it stands on.
pub(crate) struct Rig {
    pub(crate) node: Node,
    pub(crate) store: Arc<FailingStore>,
    pub(crate) namespace_id: String,
    clock: Arc<ManualClock>,
    seed: u64,
    cache_bytes: usize,
    time_locks: Option<i64>,
    polls: u64,
}

fn open(
    store: &Arc<FailingStore>,
    clock: &Arc<ManualClock>,
    seed: u64,
    cache_bytes: usize,
    time_locks: Option<i64>,
) -> Node {
    let limits = Limits { workflow_time_skipping: true, ..Limits::default() };
    let options =
        NodeOptions { seed: Some(seed), limits, cache_bytes, threads: 0, time_locks, ..NodeOptions::default() };
    Node::open(store.clone(), clock.clone(), options).unwrap()
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(1, 1 << 30, None)
    }

    /// A node whose time jumps unless it is locked, as often as this at first.
    pub(crate) fn skipping(time_locks: i64) -> Self {
        Self::with(1, 1 << 30, Some(time_locks))
    }

    pub(crate) fn with_cache(cache_bytes: usize) -> Self {
        Self::with(1, cache_bytes, None)
    }

    pub(crate) fn with_seed(seed: u64) -> Self {
        Self::with(seed, 1 << 30, None)
    }

    fn with(seed: u64, cache_bytes: usize, time_locks: Option<i64>) -> Self {
        Self::on(FailingStore::default(), seed, cache_bytes, time_locks)
    }

    /// A node whose store is to hold so much.
    pub(crate) fn with_budget(budget_bytes: usize) -> Self {
        Self::on(FailingStore::with_budget(budget_bytes), 1, 1 << 30, None)
    }

    fn on(store: FailingStore, seed: u64, cache_bytes: usize, time_locks: Option<i64>) -> Self {
        let store = Arc::new(store);
        let clock = Arc::new(ManualClock::at(START_NS));
        let node = open(&store, &clock, seed, cache_bytes, time_locks);
        let namespace_id = node.namespaces().named("default").unwrap().id.clone();
        Self { node, store, namespace_id, clock, seed, cache_bytes, time_locks, polls: 0 }
    }

    /// The process dies; another one takes up what is stored.
    pub(crate) fn crash(&mut self) {
        self.seed += 1000;
        self.node = open(&self.store, &self.clock, self.seed, self.cache_bytes, self.time_locks);
    }

    pub(crate) fn advance(&mut self, by_ns: i64) -> &mut Self {
        self.clock.advance_ns(by_ns);
        self
    }

    // -- stepping ------------------------------------------------------------------------------------------------------

    /// Steps until nothing is left to do.
    pub(crate) fn settle(&mut self) -> &mut Self {
        while self.step() {}
        self
    }

    /// Steps at most so often.
    pub(crate) fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }

    fn step(&self) -> bool {
        self.node.work_step(0) || self.node.commit_step() || self.node.timer_step()
    }

    /// Does everything but commit.
    pub(crate) fn work(&mut self) {
        while self.node.work_step(0) || self.node.timer_step() {}
    }

    /// Steps until something that was asked for has come.
    pub(crate) fn block<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            assert!(self.step(), "nothing is left to do, and the future is not ready");
        }
    }

    // -- clients -------------------------------------------------------------------------------------------------------

    pub(crate) fn run_ref(&self, workflow_id: &str, run_id: &str) -> Address {
        Address { run_id: run_id.to_owned(), ..Address::workflow(&self.namespace_id, workflow_id) }
    }

    fn start_request(&mut self, workflow_id: &str) -> ws::StartWorkflowExecutionRequest {
        ws::StartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: workflow_id.to_owned(),
            workflow_type: Some(WorkflowType { name: "type".to_owned() }),
            task_queue: Some(TaskQueue { name: "queue".to_owned(), ..TaskQueue::default() }),
            request_id: format!("start {workflow_id}"),
            ..ws::StartWorkflowExecutionRequest::default()
        }
    }

    pub(crate) fn submit_start(&mut self, workflow_id: &str) -> AnswerReceiver {
        let request = self.start_request(workflow_id);
        self.submit_start_request(request)
    }

    fn submit_start_request(&mut self, request: ws::StartWorkflowExecutionRequest) -> AnswerReceiver {
        let workflow_id = request.workflow_id.clone();
        self.node.submit_chain(&self.namespace_id, &workflow_id, ChainRequest::Start(Box::new(request)))
    }

    pub(crate) fn start(&mut self, workflow_id: &str) -> &mut Self {
        let _later = self.submit_start(workflow_id);
        self
    }

    pub(crate) fn start_with_priority(&mut self, workflow_id: &str, priority_key: i32) {
        let priority = Some(Priority { priority_key, ..Priority::default() });
        let request = ws::StartWorkflowExecutionRequest { priority, ..self.start_request(workflow_id) };
        let _later = self.submit_start_request(request);
    }

    /// A workflow whose own time skips.
    pub(crate) fn start_skipping(&mut self, workflow_id: &str) -> &mut Self {
        let config = TimeSkippingConfig { enabled: true, ..TimeSkippingConfig::default() };
        let request = self.start_request(workflow_id);
        let request = ws::StartWorkflowExecutionRequest { time_skipping_config: Some(config), ..request };
        let _later = self.submit_start_request(request);
        self
    }

    pub(crate) fn submit(&mut self, workflow_id: &str, run_id: &str, request: Request) -> AnswerReceiver {
        let run = self.run_ref(workflow_id, run_id);
        self.node.submit_run(run, request)
    }

    pub(crate) fn submit_signal(&mut self, workflow_id: &str, name: &str) -> AnswerReceiver {
        let signal = ws::SignalWorkflowExecutionRequest {
            signal_name: name.to_owned(),
            workflow_execution: Some(execution(workflow_id)),
            ..ws::SignalWorkflowExecutionRequest::default()
        };
        self.submit(workflow_id, "", Request::Signal(Box::new(signal)))
    }

    pub(crate) fn signal(&mut self, workflow_id: &str, name: &str) {
        let mut answer = self.submit_signal(workflow_id, name);
        self.settle();
        answer.try_recv().unwrap().unwrap();
    }

    pub(crate) fn terminate(&mut self, workflow_id: &str) {
        let terminate = ws::TerminateWorkflowExecutionRequest::default();
        let mut answer = self.submit(workflow_id, "", Request::Terminate(Box::new(terminate)));
        self.settle();
        answer.try_recv().unwrap().unwrap();
    }

    pub(crate) fn submit_describe(&mut self, workflow_id: &str) -> AnswerReceiver {
        self.submit(workflow_id, "", Request::Describe)
    }

    /// Something that goes wrong while the execution is locked.
    pub(crate) fn submit_panic(&mut self, workflow_id: &str) -> AnswerReceiver {
        self.node.submit_look(self.run_ref(workflow_id, ""), |_| panic!("as the test wants it"))
    }

    pub(crate) fn describe(&mut self, workflow_id: &str) -> Result<ws::DescribeWorkflowExecutionResponse, Failure> {
        let mut answer = self.submit_describe(workflow_id);
        self.settle();
        match answer.try_recv().unwrap()?.reply {
            Reply::Described(description) => Ok(*description),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn status(&mut self, workflow_id: &str) -> WorkflowExecutionStatus {
        self.describe(workflow_id).unwrap().workflow_execution_info.unwrap().status()
    }

    pub(crate) fn read(&mut self, workflow_id: &str, read: HistoryRead) -> Vec<HistoryEvent> {
        let (node, run) = (self.node.clone(), self.run_ref(workflow_id, ""));
        self.block(async move { node.history(&run, read).await }).unwrap().events
    }

    pub(crate) fn history(&mut self, workflow_id: &str) -> Vec<HistoryEvent> {
        let events = self.read(workflow_id, HistoryRead::Forward { from_event_id: 1, max_events: usize::MAX });
        for (place, event) in events.iter().enumerate() {
            assert_eq!(event.event_id, place as i64 + 1, "a history has no gaps");
        }
        events
    }

    pub(crate) fn count(&mut self, workflow_id: &str, event_type: EventType) -> usize {
        self.history(workflow_id).iter().filter(|e| e.event_type() == event_type).count()
    }

    /// A wait for history, answered in a channel.
    pub(crate) fn submit_wait(&mut self, workflow_id: &str, wait: HistoryWait) -> AnswerReceiver {
        self.node.submit_wait(self.run_ref(workflow_id, ""), wait)
    }

    pub(crate) fn delete_namespace(&mut self) -> String {
        let node = self.node.clone();
        self.block(async move { node.delete_namespace("default").await }).unwrap()
    }

    /// Registers a namespace, or does nothing if there is one of that name.
    pub(crate) fn register_namespace(&mut self, name: &str) -> Result<(), Failure> {
        let record = NamespaceRecord {
            id: format!("id of {name}"),
            name: name.to_owned(),
            state: NamespaceState::Registered.into(),
            ..NamespaceRecord::default()
        };
        let (node, name) = (self.node.clone(), name.to_owned());
        self.block(async move { node.change_namespace(&name, |found| Ok(Some(found.unwrap_or(record)))).await })
            .map(drop)
    }

    // -- workers -------------------------------------------------------------------------------------------------------

    pub(crate) fn poll_request(&mut self, queue: &str, normal_name: &str) -> Poll {
        self.polls += 1;
        Poll {
            namespace_id: self.namespace_id.clone(),
            queue: QueueRef { name: queue.to_owned(), normal_name: normal_name.to_owned() },
            identity: "worker".to_owned(),
            request_id: format!("poll {}", self.polls),
            ..Poll::default()
        }
    }

    pub(crate) fn poll(&mut self, queue: &str, normal_name: &str) -> OpenPoll {
        let poll = self.poll_request(queue, normal_name);
        self.node.open_poll(QueueKind::Workflow, poll)
    }

    pub(crate) fn poll_of(&mut self, queue: &str, worker_instance_key: &str) -> OpenPoll {
        let poll = Poll { worker_instance_key: worker_instance_key.to_owned(), ..self.poll_request(queue, "") };
        self.node.open_poll(QueueKind::Workflow, poll)
    }

    pub(crate) fn poll_activity(&mut self, queue: &str) -> OpenPoll {
        let poll = self.poll_request(queue, "");
        self.node.open_poll(QueueKind::Activity, poll)
    }

    /// A poll of a worker that wants the whole queue to give out so many activities a second.
    pub(crate) fn poll_activity_at_rate(&mut self, queue: &str, per_second: f64) -> OpenPoll {
        let poll = Poll { max_tasks_per_second: Some(per_second), ..self.poll_request(queue, "") };
        self.node.open_poll(QueueKind::Activity, poll)
    }

    pub(crate) fn no_task_yet(&self, poll: &OpenPoll) -> bool {
        !poll.has_ended()
    }

    pub(crate) fn task(&self, mut poll: OpenPoll) -> WorkflowTaskPage {
        match poll.take() {
            Some(Ok(Polled::Workflow(page))) => *page,
            other => panic!("no workflow task but {other:?}"),
        }
    }

    pub(crate) fn activity(&self, mut poll: OpenPoll) -> ws::PollActivityTaskQueueResponse {
        match poll.take() {
            Some(Ok(Polled::Activity(task))) => *task,
            other => panic!("no activity task but {other:?}"),
        }
    }

    pub(crate) fn workflow_id(&self, task: &WorkflowTaskPage) -> String {
        task.response.workflow_execution.clone().unwrap().workflow_id
    }

    pub(crate) fn event_types(&self, task: &ws::PollWorkflowTaskQueueResponse) -> Vec<i32> {
        task.history.as_ref().unwrap().events.iter().map(|e| e.event_type).collect()
    }

    pub(crate) fn submit_complete(&mut self, task: &WorkflowTaskPage, commands: Vec<Command>) -> AnswerReceiver {
        self.submit_completion(task, commands, None)
    }

    fn submit_completion(
        &mut self,
        task: &WorkflowTaskPage,
        commands: Vec<Command>,
        sticky_attributes: Option<StickyExecutionAttributes>,
    ) -> AnswerReceiver {
        let token = TaskToken::from_bytes(&task.response.task_token).unwrap();
        let request = ws::RespondWorkflowTaskCompletedRequest {
            task_token: task.response.task_token.clone(),
            commands,
            sticky_attributes,
            ..ws::RespondWorkflowTaskCompletedRequest::default()
        };
        let run = self.run_ref(&token.workflow_id, &token.run_id);
        self.node.submit_run(run, Request::CompleteWorkflowTask(Box::new(request), token))
    }

    pub(crate) fn complete(&mut self, task: &WorkflowTaskPage, commands: Vec<Command>) {
        let mut answer = self.submit_complete(task, commands);
        self.settle();
        answer.try_recv().unwrap().unwrap();
    }

    pub(crate) fn complete_sticky(&mut self, task: &WorkflowTaskPage, queue: &str) {
        let sticky = StickyExecutionAttributes {
            worker_task_queue: Some(TaskQueue { name: queue.to_owned(), ..TaskQueue::default() }),
            schedule_to_start_timeout: Some(Duration { seconds: 10, nanos: 0 }),
        };
        let mut answer = self.submit_completion(task, Vec::new(), Some(sticky));
        self.settle();
        answer.try_recv().unwrap().unwrap();
    }

    pub(crate) fn complete_activity(&mut self, token: &Bytes) {
        let token = TaskToken::from_bytes(token).unwrap();
        let run = self.run_ref(&token.workflow_id, &token.run_id);
        let answer =
            ActivityAnswer { which: Which::Token(token), identity: String::new(), outcome: Outcome::Completed(None) };
        let mut answer = self.node.submit_run(run, Request::Activity(answer));
        self.settle();
        answer.try_recv().unwrap().unwrap();
    }
}

fn execution(workflow_id: &str) -> WorkflowExecution {
    WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: String::new() }
}

fn command(attributes: impl Into<evertide_proto::command::command::Attributes>) -> Command {
    let attributes = attributes.into();
    Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() }
}

pub(crate) fn complete_workflow() -> Command {
    command(CompleteWorkflowExecutionCommandAttributes::default())
}

pub(crate) fn start_timer(timer_id: &str, seconds: i64) -> Command {
    command(StartTimerCommandAttributes {
        timer_id: timer_id.to_owned(),
        start_to_fire_timeout: Some(Duration { seconds, nanos: 0 }),
    })
}

pub(crate) fn schedule_activity(activity_id: &str) -> Command {
    command(ScheduleActivityTaskCommandAttributes {
        activity_id: activity_id.to_owned(),
        activity_type: Some(ActivityType { name: "type".to_owned() }),
        task_queue: Some(TaskQueue { name: "queue".to_owned(), ..TaskQueue::default() }),
        start_to_close_timeout: Some(Duration { seconds: 60, nanos: 0 }),
        ..ScheduleActivityTaskCommandAttributes::default()
    })
}

pub(crate) fn start_child(workflow_id: &str) -> Command {
    command(StartChildWorkflowExecutionCommandAttributes {
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType { name: "type".to_owned() }),
        task_queue: Some(TaskQueue { name: "queue".to_owned(), ..TaskQueue::default() }),
        ..StartChildWorkflowExecutionCommandAttributes::default()
    })
}

/// A store in memory whose commits can be made to fail.
#[derive(Default)]
pub(crate) struct FailingStore {
    inner: MemoryStore,
    failing: AtomicUsize,
    /// What becomes of the next commit, and is not known before the store is asked again.
    next_is_unknown: Mutex<Option<bool>>,
    /// A batch of which nobody knows, with what will become of it.
    in_doubt: Mutex<Option<(Batch, bool)>>,
    /// What happens while a commit fails.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    damaged: AtomicUsize,
    record_bytes: AtomicUsize,
    snapshot_bytes: AtomicUsize,
}

impl FailingStore {
    pub(crate) fn fail_next_commits(&self, count: usize) {
        self.failing.store(count, Ordering::Relaxed);
    }

    /// The next commit ends without a word of what became of it.
    pub(crate) fn leave_next_commit_unknown(&self, is_durable: bool) {
        *self.next_is_unknown.lock().unwrap() = Some(is_durable);
    }

    /// An empty store that is to hold so much.
    fn with_budget(budget_bytes: usize) -> Self {
        Self { inner: MemoryStore::with_budget(budget_bytes), ..Self::default() }
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.inner.size_bytes()
    }

    /// Another writer on the same store.
    pub(crate) fn join(&self) -> MemoryStore {
        self.inner.join()
    }

    /// The next commit fails, and this happens before anybody knows.
    pub(crate) fn fail_next_commit_and(&self, meanwhile: impl FnOnce() + Send + 'static) {
        self.fail_next_commits(1);
        *self.meanwhile.lock().unwrap() = Some(Box::new(meanwhile));
    }

    /// The next so many reads of runs find something that cannot be read.
    pub(crate) fn damage_next_reads(&self, count: usize) {
        self.damaged.store(count, Ordering::Relaxed);
    }

    /// How many bytes of records and of snapshots were written.
    pub(crate) fn written_bytes(&self) -> (usize, usize) {
        (self.record_bytes.load(Ordering::Relaxed), self.snapshot_bytes.load(Ordering::Relaxed))
    }

    fn note_bytes(&self, batch: &Batch) {
        for write in &batch.writes {
            if let Write::Run(run) = write {
                self.record_bytes.fetch_add(run.record.len(), Ordering::Relaxed);
                self.snapshot_bytes.fetch_add(run.snapshot.as_ref().map_or(0, Bytes::len), Ordering::Relaxed);
            }
        }
    }

    /// How many runs of a namespace there are.
    pub(crate) fn runs(&self, namespace_id: &str) -> u64 {
        self.inner.count(namespace_id, &Filter::All).unwrap()
    }
}

type Stored<T> = Result<T, StoreError>;

impl Store for FailingStore {
    fn commit(&self, batch: Batch) -> Stored<()> {
        if self.failing.load(Ordering::Relaxed) > 0 {
            self.failing.fetch_sub(1, Ordering::Relaxed);
            let meanwhile = self.meanwhile.lock().unwrap().take();
            meanwhile.into_iter().for_each(|meanwhile| meanwhile());
            return Err(StoreError::Unavailable { action: "commit", reason: "the test says so".to_owned() });
        }
        assert!(self.in_doubt.lock().unwrap().is_none(), "a commit before it is known what became of the last");
        if let Some(is_durable) = self.next_is_unknown.lock().unwrap().take() {
            *self.in_doubt.lock().unwrap() = Some((batch, is_durable));
            return Err(StoreError::Unknown { reason: "the test says so".to_owned() });
        }
        self.note_bytes(&batch);
        self.inner.commit(batch)
    }

    fn is_over_budget(&self) -> bool {
        self.inner.is_over_budget()
    }

    fn resolve(&self) -> Stored<bool> {
        match self.in_doubt.lock().unwrap().take() {
            Some((batch, true)) => self.inner.commit(batch).map(|()| true),
            _ => Ok(false),
        }
    }

    fn open_state(&self) -> Stored<OpenState> {
        self.inner.open_state()
    }

    fn current_run(&self, namespace_id: &str, kind: u8, id: &str) -> Stored<Option<RunKey>> {
        self.inner.current_run(namespace_id, kind, id)
    }

    fn find_run(&self, namespace_id: &str, kind: u8, id: &str, run_id: &str) -> Stored<Option<RunKey>> {
        self.inner.find_run(namespace_id, kind, id, run_id)
    }

    fn run(&self, run_key: RunKey) -> Stored<Option<StoredRun>> {
        if self.damaged.load(Ordering::Relaxed) > 0 {
            self.damaged.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreError::Corrupt {
                location: format!("run {run_key}"),
                reason: "the test says so".to_owned(),
            });
        }
        self.inner.run(run_key)
    }

    fn history(&self, run_key: RunKey, from_event_id: i64, limit: HistoryLimit) -> Stored<Vec<HistoryRecord>> {
        self.inner.history(run_key, from_event_id, limit)
    }

    fn history_before(&self, run_key: RunKey, before: i64, limit: HistoryLimit) -> Stored<Vec<HistoryRecord>> {
        self.inner.history_before(run_key, before, limit)
    }

    fn wakes(
        &self,
        slots: &SlotSet,
        until_ms: i64,
        after: Option<(i64, RunKey)>,
        limit: usize,
    ) -> Stored<Vec<(i64, RunKey)>> {
        self.inner.wakes(slots, until_ms, after, limit)
    }

    fn backlog(
        &self,
        queue: &QueueKey,
        slots: &SlotSet,
        after: &BacklogCursor,
        limit: usize,
    ) -> Stored<Vec<(i64, Bytes)>> {
        self.inner.backlog(queue, slots, after, limit)
    }

    fn backlog_queues(&self, slots: &SlotSet) -> Stored<Vec<(QueueKey, u64)>> {
        self.inner.backlog_queues(slots)
    }

    fn registry(&self, kind: &str) -> Stored<Vec<RegistryRecord>> {
        self.inner.registry(kind)
    }

    fn registry_version(&self) -> Stored<u64> {
        self.inner.registry_version()
    }

    fn list(&self, query: &ListQuery) -> Stored<ListPage> {
        self.inner.list(query)
    }

    fn count(&self, namespace_id: &str, filter: &Filter) -> Stored<u64> {
        self.inner.count(namespace_id, filter)
    }

    fn count_by_status(&self, namespace_id: &str, filter: &Filter) -> Stored<Vec<(i32, u64)>> {
        self.inner.count_by_status(namespace_id, filter)
    }

    fn expired(
        &self,
        namespace_id: &str,
        slots: &SlotSet,
        closed_before_ns: i64,
        limit: usize,
    ) -> Stored<Vec<ExpiredRun>> {
        self.inner.expired(namespace_id, slots, closed_before_ns, limit)
    }
}
