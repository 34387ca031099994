//! A request meets its execution.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use evertide_engine::Rejection;
use evertide_engine::workflow::query::QueryPlan;
use evertide_engine::workflow::{ChainRequest, NewRun, Reply, Request, StartedTask, decide, decide_chain};
use evertide_store::{BacklogChange, Write};
use parking_lot::MutexGuard;
use tokio::sync::{mpsc, oneshot};

use crate::fault::{Failure, Fault};
use crate::history::TaskHistory;
use crate::shard::chain::Place;
use crate::shard::{
    Answer, Ask, Chain, ChainKey, Current, Entry, HistoryWatcher, Job, Release, Respond, RunRef, RunView, Shard, Step,
    Wait,
};
use crate::shell::Shell;
use crate::work::Work;

/// How soon a run is looked at again that did not do what was due.
const WAKE_AGAIN_NS: i64 = 1_000_000_000;

type Result<T> = std::result::Result<T, Failure>;

/// What came of a request.
enum Outcome {
    /// This is the answer.
    Answered(Result<Answer>),
    /// The answer comes when the run has that event.
    Watching { run_id: String, event_id: i64 },
}

impl Shell {
    /// Hands a request to its execution. Never waits for the store: the answer comes by way of `job.respond`.
    pub(crate) fn submit(&self, job: Job) {
        let key = job.key.clone();
        let mut shard = self.shard(&key).lock();
        if self.work.is_closed() {
            drop(shard); // What is not in memory would never be read, and its requests would wait for ever.
            return self.respond(job.respond, Err(Fault::Stopping.into()));
        }
        let chain = shard.chain(&key);
        match chain.place(&job.ask) {
            Place::Loading => {
                if let Some(loading) = &mut chain.loading {
                    loading.parked.push(job);
                }
            }
            Place::Absent(want) => {
                let mark = shard.begin_loading(&key, vec![job]);
                drop(shard);
                self.work.push(Work::Load { key, want, mark });
            }
            Place::Deleted => {
                let answer = Err(not_found(&key, job.ask.run_id()).into());
                let release = Release { answers: vec![(job.respond, answer)], ..Release::default() };
                self.finish(shard, &key, Vec::new(), release);
            }
            Place::Ready => self.carry_out(shard, job),
        }
    }

    /// Decides a request whose execution is in memory, and queues or releases what came of it.
    fn carry_out(&self, mut shard: MutexGuard<'_, Shard>, job: Job) {
        let _until_queued = self.moving();
        let Job { key, ask, respond } = job;
        let mut step = Step::new(self);
        if let Respond::Poll { queue, task, .. } = &respond
            && task.durable
        {
            step.settled.push(BacklogChange::Delete { queue: queue.clone(), task_id: task.id });
        }
        let chain = shard.chain(&key);
        let decided = catch_unwind(AssertUnwindSafe(|| decide_over(chain, &key, ask, &mut step)));
        let Step { writes, mut release, .. } = step;
        match decided {
            Ok(Outcome::Answered(result)) => {
                release.answers.push((respond, result));
                self.finish(shard, &key, writes, release);
            }
            Ok(Outcome::Watching { run_id, event_id }) => {
                if let Some(entry) = chain.runs.get_mut(&run_id) {
                    entry.watch(HistoryWatcher { event_id, respond });
                }
                self.finish(shard, &key, writes, release);
            }
            Err(_) => self.drop_chain(shard, &key, respond, release),
        }
    }

    /// Queues what was decided, in the order of decisions; what wrote nothing and saw only what is durable is released
    /// at once.
    fn finish(&self, mut shard: MutexGuard<'_, Shard>, key: &ChainKey, writes: Vec<Write>, release: Release) {
        let durable = self.commits.durable();
        let Some(chain) = shard.find(key) else { return };
        let at_once = writes.is_empty() && chain.last_ticket <= durable && release.tasks.is_empty();
        if at_once {
            shard.settle(key, durable);
            drop(shard);
            return self.release(release);
        }
        let wrote = !writes.is_empty();
        let ticket = self.commits.push(writes, release);
        if wrote {
            chain.note_ticket(ticket);
        }
        shard.settle(key, durable);
    }

    /// A decision went wrong halfway: what memory says of the chain is not to be trusted. It is read again when
    /// everything decided before is durable; until then its requests wait.
    fn drop_chain(&self, mut shard: MutexGuard<'_, Shard>, key: &Arc<ChainKey>, respond: Respond, release: Release) {
        self.metrics.note_panic();
        tracing::error!(workflow_id = key.workflow_id, "a decision panicked; the execution is read again");
        let fault = Fault::Internal("a decision of the server went wrong".to_owned());
        let chain = shard.remove(key);
        let mark = shard.begin_loading(key, Vec::new());
        let unblock = Work::Unblock { key: key.clone(), mark };
        self.commits.push(Vec::new(), Release { work: vec![unblock], ..Release::default() });
        drop(shard);
        self.fail_waiters(chain, &fault);
        self.fail_release(release, &fault);
        self.respond(respond, Err(fault.into()));
    }
}

impl Ask {
    pub(crate) fn run_id(&self) -> &str {
        match self {
            Self::Run { run_id, .. }
            | Self::Look { run_id, .. }
            | Self::Await { run_id, .. }
            | Self::Delete { run_id, .. } => run_id,
            Self::Chain(_) | Self::Reset { .. } => "",
        }
    }
}

/// What a caller hears when there is no such run.
pub(crate) fn not_found(key: &ChainKey, run_id: &str) -> Rejection {
    if run_id.is_empty() {
        Rejection::workflow_not_found(&key.workflow_id)
    } else {
        Rejection::run_not_found(&key.workflow_id, run_id)
    }
}

fn decide_over(chain: &mut Chain, key: &ChainKey, ask: Ask, step: &mut Step<'_>) -> Outcome {
    match ask {
        Ask::Run { run_id, request } => Outcome::Answered(decide_run(chain, key, &run_id, *request, step)),
        Ask::Chain(request) => Outcome::Answered(decide_over_chain(chain, key, *request, step)),
        Ask::Reset { request, mut base } => {
            let run_id = base.exec.state.info.run_id.clone();
            match chain.run_mut(&run_id) {
                Some(entry) if entry.exec.state.next_event_id == base.exec.state.next_event_id => {
                    base.exec = entry.exec.clone();
                    let request = ChainRequest::Reset(request, base);
                    Outcome::Answered(decide_over_chain(chain, key, request, step))
                }
                _ => Outcome::Answered(Err(Fault::Moved.into())),
            }
        }
        Ask::Look { run_id, look } => {
            let Some(entry) = chain.run_mut(&run_id) else {
                return Outcome::Answered(Err(not_found(key, &run_id).into()));
            };
            look(&RunView { run: &entry.run, run_key: entry.run_key, exec: &entry.exec, entry });
            Outcome::Answered(Ok(Answer { run: entry.run.clone(), ..Answer::default() }))
        }
        Ask::Await { run_id, event_id } => {
            let Some(entry) = chain.run_mut(&run_id) else {
                return Outcome::Answered(Err(not_found(key, &run_id).into()));
            };
            let state = &entry.exec.state;
            if state.next_event_id > event_id || !state.is_running() {
                return Outcome::Answered(Ok(Answer { run: entry.run.clone(), ..Answer::default() }));
            }
            Outcome::Watching { run_id: entry.run.run_id.clone(), event_id }
        }
        Ask::Delete { run_id, even_open } => Outcome::Answered(delete(chain, key, &run_id, even_open, step)),
    }
}

fn decide_run(
    chain: &mut Chain,
    key: &ChainKey,
    run_id: &str,
    request: Request,
    step: &mut Step<'_>,
) -> Result<Answer> {
    let Some(entry) = chain.run_mut(run_id) else {
        return Err(not_found(key, run_id).into());
    };
    let first_event_id = entry.exec.state.next_event_id;
    let woken_ns = matches!(request, Request::Wake).then(|| entry.exec.state.skipped_ns());
    let (written, decided) = decide(request, &mut entry.exec, &mut step.around.env());
    if !matches!(decided, Ok(Reply::WorkflowTask(_) | Reply::ActivityTask(_))) {
        step.settled.clear(); // The poll did not get its task here; a void task leaves its queue another way.
    }
    let created = step.change(entry, first_event_id, written);
    if let Some(skipped_ns) = woken_ns {
        set_timer_again(entry, skipped_ns, step);
    }
    let run = entry.run.clone();
    add_runs(chain, created);
    answer(chain, run, decided?)
}

/// The timers took the run out when it was due: they get it back, whether or not anything has changed. A run whose clock
/// has skipped on from `skipped_ns` is due again at once.
fn set_timer_again(entry: &Entry, skipped_ns: i64, step: &mut Step<'_>) {
    let mut at_ns = entry.timer_ns;
    if at_ns != 0 && at_ns <= step.around.now_ns && entry.exec.state.skipped_ns() == skipped_ns {
        tracing::warn!(run_id = entry.run.run_id, "what is due at a run was not done; it is looked at again");
        at_ns = step.around.now_ns.saturating_add(WAKE_AGAIN_NS);
    }
    step.release.timers.push((entry.run_key, entry.run.clone(), at_ns));
}

fn decide_over_chain(chain: &mut Chain, key: &ChainKey, request: ChainRequest, step: &mut Step<'_>) -> Result<Answer> {
    let mut current = chain.current_mut();
    let first_event_id = current.as_ref().map_or(1, |entry| entry.exec.state.next_event_id);
    let exec = current.as_mut().map(|entry| &mut entry.exec);
    let outcome = decide_chain(request, exec, &mut step.around.env());
    let mut run = current.as_ref().map(|entry| entry.run.clone());
    let mut created = Vec::new();
    if let (Some(entry), Some(written)) = (current, outcome.current) {
        created.extend(step.change(entry, first_event_id, written));
    }
    if let Some(new) = outcome.new {
        let new: NewRun = *new;
        let runs = step.create(new);
        run = runs.first().map(|entry| entry.run.clone());
        created.extend(runs);
    }
    add_runs(chain, created);
    let reply = outcome.decided?;
    let run = run.ok_or_else(|| Failure::from(not_found(key, "")))?;
    answer(chain, run, reply)
}

/// Takes in runs that were just made; the last one is the current run now.
fn add_runs(chain: &mut Chain, created: Vec<Entry>) {
    for entry in created {
        chain.current = Current::Run(entry.run.run_id.clone());
        chain.runs.insert(entry.run.run_id.clone(), entry);
    }
}

/// The answer with what goes with it: history for a workflow task, and a way to hear how things go on.
fn answer(chain: &mut Chain, run: Arc<RunRef>, mut reply: Reply) -> Result<Answer> {
    let mut task = None;
    if let Some(started) = started_task(&mut reply)
        && let Some(entry) = chain.runs.get(&run.run_id)
    {
        let mut history = TaskHistory::new(entry, started);
        history.fill(entry);
        task = Some(history);
    }
    let wait = wait_for(chain, &run.run_id, &reply);
    Ok(Answer { reply, run, task, wait })
}

/// Takes the workflow task that a reply hands out: it goes to its worker together with its history.
fn started_task(reply: &mut Reply) -> Option<Box<StartedTask>> {
    match reply {
        Reply::TaskCompleted { new_task, .. } => new_task.take(),
        Reply::Started { eager_task, .. } => eager_task.take(),
        _ => match std::mem::take(reply) {
            Reply::WorkflowTask(started) => Some(started),
            other => {
                *reply = other;
                None
            }
        },
    }
}

fn wait_for(chain: &mut Chain, run_id: &str, reply: &Reply) -> Option<Wait> {
    match reply {
        Reply::Query(QueryPlan::Buffered { id }) => {
            let (sender, receiver) = oneshot::channel();
            chain.runs.get_mut(run_id)?.query_waiters.insert(id.clone(), sender);
            Some(Wait::Query(receiver))
        }
        Reply::Update(status) if status.outcome.is_none() && status.stage < status.wait_stage => {
            let (sender, receiver) = mpsc::unbounded_channel();
            let waiters = &mut chain.runs.get_mut(&status.run_id)?.update_waiters;
            waiters.entry(status.update_id.clone()).or_default().push(sender);
            Some(Wait::Update(receiver))
        }
        Reply::StartedAndUpdated { updated, .. } => wait_for(chain, run_id, updated),
        _ => None,
    }
}

/// Removes a run. Those who wait at it hear that it is not there.
fn delete(chain: &mut Chain, key: &ChainKey, run_id: &str, even_open: bool, step: &mut Step<'_>) -> Result<Answer> {
    let Some(entry) = chain.run_mut(run_id) else {
        return Err(not_found(key, run_id).into());
    };
    if entry.exec.state.is_running() && !even_open {
        return Err(Rejection::precondition("the workflow execution is still running").into());
    }
    let run_id = entry.run.run_id.clone();
    let Some(entry) = chain.runs.remove(&run_id) else {
        return Err(not_found(key, &run_id).into());
    };
    if chain.current == Current::Run(run_id.clone()) {
        chain.current = Current::Nobody;
    }
    step.forget_holder(entry.run_key);
    step.writes.push(Write::DeleteRun { run_key: entry.run_key });
    step.release.timers.push((entry.run_key, entry.run.clone(), 0));
    for watcher in entry.history_watchers {
        let answer = Err(not_found(key, &run_id).into());
        step.release.answers.push((watcher.respond, answer));
    }
    chain.deleted.push((run_id, u64::MAX));
    Ok(Answer { run: entry.run, ..Answer::default() })
}
