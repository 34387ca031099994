//! A request meets its execution.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use evertide_engine::Rejection;
use evertide_engine::address::Address;
use evertide_engine::reply::{QueryPlan, Reply, StartedTask};
use evertide_engine::request::{Create, Request, create, decide};
use evertide_engine::workflow::ChainRequest;
use evertide_store::{BacklogChange, Write};

use crate::address::ChainKey;
use crate::ask::{Answer, Ask, Job, Respond, Wait};
use crate::commit::Subject;
use crate::fault::{Failure, Fault};
use crate::history::TaskHistory;
use crate::release::{Effect, Effects, failed};
use crate::shard::chain::{Chain, Current, Readiness, Shard};
use crate::shard::entry::Entry;
use crate::shard::executions::Executions;
use crate::shard::step::{Changed, Step};
use crate::shard::waiters::Removal;
use crate::work::Work;

/// How soon a run is woken again that did not do what was due.
const WAKE_AGAIN_NS: i64 = 1_000_000_000;

type Result<T> = std::result::Result<T, Failure>;

/// What came of a request.
enum Decision {
    /// This is the answer.
    Answered(Result<Answer>),
    /// The answer comes when the run has that event.
    Watching { run_id: String, event_id: i64 },
    /// The run is removed, and the answer comes, when its messages are delivered.
    Removing { run_id: String, even_open: bool },
}

impl Decision {
    /// What removes runs by itself does not wait for one of them: it comes again.
    fn for_whom(self, waits: bool) -> Self {
        match self {
            Self::Removing { .. } if !waits => {
                Self::Answered(Err(Rejection::precondition("the workflow execution has messages to deliver").into()))
            }
            other => other,
        }
    }
}

impl Executions {
    /// Hands a request to its execution. Never waits for the store: the answer comes by way of `job.respond`. Returns
    /// what may be released at once.
    pub(crate) fn submit(&self, job: Job) -> Effects {
        let key = job.key.clone();
        let mut shard = self.shard(&key).lock();
        if self.rooms.work.is_closed() {
            // What is not in memory would never be read, and its requests would wait for ever.
            return vec![Effect::fail(job.respond, Fault::Stopping)];
        }
        self.admit(&mut shard, job)
    }

    /// Decides a request, or parks it until what it needs is in memory.
    pub(super) fn admit(&self, shard: &mut Shard, job: Job) -> Effects {
        let chain = shard.chain(&job.key);
        match chain.readiness(&job.ask) {
            Readiness::Loading => {
                if let Some(loading) = &mut chain.loading {
                    loading.parked.push(job);
                }
                Effects::new()
            }
            Readiness::Absent(want) => {
                let key = job.key.clone();
                let mark = shard.begin_loading(&key, vec![job]);
                self.rooms.work.push(Work::Load { key, want, mark });
                Effects::new()
            }
            Readiness::Deleted => {
                let refusal = not_found(&job.key, job.ask.run_id());
                self.finish(shard, &job.key, Vec::new(), vec![Effect::fail(job.respond, refusal)])
            }
            Readiness::Ready => self.carry_out(shard, job),
        }
    }

    /// Decides a request whose execution is in memory, and queues or releases what came of it.
    fn carry_out(&self, shard: &mut Shard, job: Job) -> Effects {
        let Job { key, ask, respond } = job;
        let mut step = Step::new(self);
        let row = backlog_row(&respond);
        let waits = matches!(respond, Respond::Caller(_));
        let chain = shard.chain(&key);
        let decided = catch_unwind(AssertUnwindSafe(|| {
            let decision = decide_over(chain, &key, ask, row, &mut step);
            remove_those_ready(chain, &key, &mut step);
            decision.for_whom(waits)
        }));
        let Step { writes, mut effects, .. } = step;
        match decided {
            Ok(Decision::Answered(result)) => effects.push(Effect::answer(respond, result)),
            Ok(Decision::Watching { run_id, event_id }) => chain.waiters.watch(&run_id, event_id, respond),
            Ok(Decision::Removing { run_id, even_open }) => {
                chain.waiters.await_removal(Removal { run_id, even_open, respond });
            }
            Err(_) => return self.drop_chain(shard, &key, respond, effects),
        }
        self.finish(shard, &key, writes, effects)
    }

    /// Queues what was decided, in the order of decisions. What wrote nothing and saw only what is durable is returned,
    /// to be released at once.
    fn finish(&self, shard: &mut Shard, key: &Arc<ChainKey>, writes: Vec<Write>, effects: Effects) -> Effects {
        let durable = self.rooms.commits.durable();
        let Some(chain) = shard.find(key) else { return Effects::new() };
        let has_task = || effects.iter().any(|effect| matches!(effect, Effect::Task { .. }));
        if writes.is_empty() && chain.last_ticket <= durable && !has_task() {
            shard.remeasure(key, durable);
            return effects;
        }
        let wrote = !writes.is_empty();
        let ticket = self.rooms.commits.push(Subject::Slot(key.slot()), writes, effects);
        if wrote {
            chain.note_ticket(ticket);
        }
        shard.remeasure(key, durable);
        Effects::new()
    }

    /// A decision went wrong halfway: what memory says of the chain is not to be trusted. It is read again when
    /// everything decided before is durable; until then its requests wait.
    fn drop_chain(&self, shard: &mut Shard, key: &Arc<ChainKey>, respond: Respond, effects: Effects) -> Effects {
        self.rooms.metrics.note_panic();
        tracing::error!(id = key.id, "a decision panicked; the execution is read again");
        let fault = Fault::Internal("a decision of the server went wrong".to_owned());
        let chain = shard.remove(key);
        let mark = shard.begin_loading(key, Vec::new());
        let unblock = Work::Unblock { key: key.clone(), mark };
        self.rooms.commits.push(Subject::Slot(key.slot()), Vec::new(), vec![Effect::Work(unblock)]);
        let mut told = chain.map_or_else(Effects::new, |chain| chain.fail_waiters(&fault));
        told.extend(failed(effects, &fault));
        told.push(Effect::fail(respond, fault));
        told
    }
}

/// The row of the task that a poll has come for: it leaves the backlog with the decision that starts the task.
fn backlog_row(respond: &Respond) -> Option<BacklogChange> {
    match respond {
        Respond::Poll { queue, task, .. } if task.durable => {
            Some(BacklogChange::Delete { queue: queue.clone(), task_id: task.id })
        }
        _ => None,
    }
}

/// What a caller hears when there is no such run.
pub(super) fn not_found(key: &ChainKey, run_id: &str) -> Rejection {
    key.run(run_id).not_found()
}

fn decide_over(
    chain: &mut Chain,
    key: &ChainKey,
    ask: Ask,
    row: Option<BacklogChange>,
    step: &mut Step<'_>,
) -> Decision {
    match ask {
        Ask::Run { run_id, request } => Decision::Answered(decide_run(chain, key, &run_id, *request, row, step)),
        Ask::Create(request) => Decision::Answered(decide_over_chain(chain, key, *request, step)),
        Ask::Reset { request, mut base } => {
            let run_id = base.exec.state.info.run_id.clone();
            match chain.run_mut(&run_id).and_then(|entry| entry.exec.as_workflow()) {
                Some(run) if run.state.next_event_id == base.exec.state.next_event_id => {
                    base.exec = run.clone();
                    let request = Create::Workflow(ChainRequest::Reset(request, base));
                    Decision::Answered(decide_over_chain(chain, key, request, step))
                }
                _ => Decision::Answered(Err(Fault::Moved.into())),
            }
        }
        Ask::Look { run_id, look } => {
            let Some(entry) = chain.run_mut(&run_id) else {
                return Decision::Answered(Err(not_found(key, &run_id).into()));
            };
            look(&entry.view());
            Decision::Answered(Ok(entry.answer()))
        }
        Ask::Await { run_id, event_id } => {
            let Some(entry) = chain.run_mut(&run_id) else {
                return Decision::Answered(Err(not_found(key, &run_id).into()));
            };
            if entry.exec.position() > event_id || !entry.exec.is_open() {
                return Decision::Answered(Ok(entry.answer()));
            }
            Decision::Watching { run_id: entry.run.run_id.clone(), event_id }
        }
        Ask::Delete { run_id, even_open } => delete(chain, key, &run_id, even_open, step),
    }
}

fn decide_run(
    chain: &mut Chain,
    key: &ChainKey,
    run_id: &str,
    request: Request,
    row: Option<BacklogChange>,
    step: &mut Step<'_>,
) -> Result<Answer> {
    let (Some(entry), waiters) = chain.run_and_waiters(run_id) else {
        return Err(not_found(key, run_id).into());
    };
    let first_event_id = entry.exec.position();
    let woken_ns = matches!(request, Request::Wake).then(|| entry.exec.skipped_ns());
    let (written, decided) = decide(request, &mut entry.exec, &mut step.around.env());
    // The row of a stale task leaves the backlog another way.
    let starts = matches!(decided, Ok(Reply::WorkflowTask(_) | Reply::ActivityTask(_)));
    let changed = Changed { first_event_id, written, started_row: row.filter(|_| starts) };
    let created = step.change(entry, waiters, changed);
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
    if at_ns != 0 && at_ns <= step.around.now_ns && entry.exec.skipped_ns() == skipped_ns {
        tracing::warn!(run_id = entry.run.run_id, "what is due at a run was not done; it is tried again");
        at_ns = step.around.now_ns.saturating_add(WAKE_AGAIN_NS);
    }
    step.effects.push(Effect::Wake { run_key: entry.run_key, run: entry.run.clone(), at_ns });
}

fn decide_over_chain(chain: &mut Chain, key: &ChainKey, request: Create, step: &mut Step<'_>) -> Result<Answer> {
    let (mut current, waiters) = chain.run_and_waiters("");
    let first_event_id = current.as_ref().map_or(1, |entry| entry.exec.position());
    let exec = current.as_mut().map(|entry| &mut entry.exec);
    let outcome = create(request, exec, &mut step.around.env());
    let mut run = current.as_ref().map(|entry| entry.run.clone());
    let mut created = Vec::new();
    if let (Some(entry), Some(written)) = (current, outcome.current) {
        created.extend(step.change(entry, waiters, Changed { first_event_id, written, started_row: None }));
    }
    if let Some(new) = outcome.new {
        let runs = step.create(*new, waiters);
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
fn answer(chain: &mut Chain, run: Arc<Address>, mut reply: Reply) -> Result<Answer> {
    let mut task = None;
    if let Some(started) = started_task(&mut reply)
        && let Some(entry) = chain.runs.get(&run.run_id)
    {
        let mut history = TaskHistory::new(entry.run.clone(), entry.run_key, started);
        history.fill(&entry.events);
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
        Reply::Query(QueryPlan::Buffered { id }) => Some(Wait::Query(chain.waiters.await_query(run_id, id))),
        Reply::Update(status) if status.outcome.is_none() && status.stage < status.wait_stage => {
            Some(Wait::Update(chain.waiters.follow_update(&status.run_id, &status.update_id)))
        }
        Reply::StartedAndUpdated { updated, .. } => wait_for(chain, run_id, updated),
        _ => None,
    }
}

/// Removes a run, unless it has messages that are not delivered yet.
fn delete(chain: &mut Chain, key: &ChainKey, run_id: &str, even_open: bool, step: &mut Step<'_>) -> Decision {
    let Some(entry) = chain.run_mut(run_id) else {
        return Decision::Answered(Err(not_found(key, run_id).into()));
    };
    if entry.exec.is_open() && !even_open {
        return Decision::Answered(Err(Rejection::precondition("the workflow execution is still running").into()));
    }
    let run_id = entry.run.run_id.clone();
    if !entry.exec.outbox().is_empty() {
        return Decision::Removing { run_id, even_open };
    }
    Decision::Answered(remove(chain, key, &run_id, step))
}

/// Removes a run. Those who wait at it hear that it is not there.
fn remove(chain: &mut Chain, key: &ChainKey, run_id: &str, step: &mut Step<'_>) -> Result<Answer> {
    let Some(entry) = chain.runs.remove(run_id) else {
        return Err(not_found(key, run_id).into());
    };
    if matches!(&chain.current, Current::Run(current) if current == run_id) {
        chain.current = Current::Nobody;
    }
    step.forget_holder(&entry);
    step.writes.push(Write::DeleteRun { run_key: entry.run_key });
    step.effects.push(Effect::Wake { run_key: entry.run_key, run: entry.run.clone(), at_ns: 0 });
    for respond in chain.waiters.take_run(run_id) {
        step.effects.push(Effect::fail(respond, not_found(key, run_id)));
    }
    chain.deleted.push((run_id.to_owned(), u64::MAX));
    Ok(Answer::of(entry.run))
}

/// Removes the runs whose messages are delivered now, for those who wait for that.
fn remove_those_ready(chain: &mut Chain, key: &ChainKey, step: &mut Step<'_>) {
    let runs = &chain.runs;
    let is_ready = |run_id: &str| runs.get(run_id).is_some_and(|entry| entry.exec.outbox().is_empty());
    for Removal { run_id, even_open, respond } in chain.waiters.take_removals(is_ready) {
        if let Decision::Answered(result) = delete(chain, key, &run_id, even_open, step) {
            step.effects.push(Effect::answer(respond, result));
        }
    }
}
