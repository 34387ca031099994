//! What clients and workers share, and the order in which everything happens.

mod resting;
mod verdict;

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use evertide_engine::address::Address;
use evertide_engine::{Ids, Limits};
use evertide_server::clock::{Clock, ManualClock};
use evertide_server::node::{Node, NodeOptions};
use evertide_store::{Filter, ListQuery, StoreError};
use tokio::time::Instant;

use crate::actor::{self, Actor};
use crate::ledger::Ledger;
use crate::options::{Options, Report, Sabotage};
use crate::store::{FaultyStore, NextCommit};
use crate::{client, worker};

const START_NS: i64 = 1_700_000_000_000_000_000;
pub(crate) const SECOND_NS: i64 = 1_000_000_000;
/// The namespaces of all workflows, but for those that pass through one of their own.
const NAMESPACES: [&str; 2] = ["default", "second"];
/// How often everybody may act while the clock waits for them.
const ROUNDS_UNTIL_QUIET: usize = 10_000;

/// Runs a simulation from its seed to its end.
///
/// # Errors
/// The store refuses what the server wants of it, which is a mistake of the server.
pub fn simulate(options: Options) -> Result<Report, StoreError> {
    // Nothing drives this runtime: it is there for whoever sets a deadline, and no deadline ever passes.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| StoreError::Unavailable {
        action: "make a runtime for the simulation",
        reason: error.to_string(),
    })?;
    let _entered = runtime.enter();
    let world = Rc::new(World::new(options)?);
    let mut actors = actors(&world, options);
    for _ in 0..options.steps {
        world.step(&mut actors)?;
    }
    resting::come_to_rest(&world, &mut actors)?;
    drop(actors);
    verdict::report(&world)
}

/// All runs of a namespace.
pub(crate) fn everything_of(namespace_id: &str) -> ListQuery {
    ListQuery { namespace_id: namespace_id.to_owned(), filter: Filter::All, page_size: usize::MAX, after: None }
}

/// A deadline that never passes.
pub(crate) fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(1_000_000)
}

fn actors(world: &Rc<World>, options: Options) -> Vec<Option<Actor>> {
    let clients = (0..options.clients).map(|name| Box::pin(client::run(world.clone(), name)) as Actor);
    let workflows = (0..options.workers).map(|name| Box::pin(worker::run_workflows(world.clone(), name)) as Actor);
    let activities = (0..options.workers).map(|name| Box::pin(worker::run_activities(world.clone(), name)) as Actor);
    clients.chain(workflows).chain(activities).map(Some).collect()
}

/// Everything that there is.
pub(crate) struct World {
    node: RefCell<Node>,
    store: Arc<FaultyStore>,
    clock: Arc<ManualClock>,
    namespace_ids: Vec<String>,
    dice: RefCell<Ids>,
    ledger: RefCell<Ledger>,
    /// Counts the processes that have served.
    life: Cell<u64>,
    resting: Cell<bool>,
    uniques: Cell<u64>,
    /// How many tasks workers have in hand.
    in_hand: Cell<u64>,
    failed_commits: Cell<u64>,
    /// Sums up every choice and when it was made.
    digest: Cell<u64>,
    options: Options,
}

/// Says that a worker has a task in hand, until it is dropped.
pub(crate) struct InHand {
    world: Rc<World>,
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.world.in_hand.set(self.world.in_hand.get() - 1);
    }
}

impl World {
    fn new(options: Options) -> Result<Self, StoreError> {
        let store = Arc::new(FaultyStore::new(options.backend, options.seed, options.sabotage)?);
        let clock = Arc::new(ManualClock::at(START_NS));
        let node = open(&store, &clock, options, 0)?;
        let id_of = |name: &&str| node.namespaces().named(name).map(|n| n.id.clone()).unwrap_or_default();
        let namespace_ids = NAMESPACES.iter().map(id_of).collect();
        Ok(Self {
            node: RefCell::new(node),
            store,
            clock,
            namespace_ids,
            dice: RefCell::new(Ids::new(options.seed)),
            ledger: RefCell::default(),
            life: Cell::new(0),
            resting: Cell::new(false),
            uniques: Cell::new(0),
            in_hand: Cell::new(0),
            failed_commits: Cell::new(0),
            digest: Cell::new(0xcbf2_9ce4_8422_2325),
            options,
        })
    }

    // -- for actors ----------------------------------------------------------------------------------------------------

    /// The process that serves now.
    pub(crate) fn node(&self) -> Node {
        self.node.borrow().clone()
    }

    pub(crate) fn namespace_ids(&self) -> &[String] {
        &self.namespace_ids
    }

    /// The name of the namespace that a run is in.
    pub(crate) fn namespace_of(&self, run: &Address) -> String {
        let place = self.namespace_ids.iter().position(|id| *id == run.namespace_id);
        place.map_or_else(String::new, |place| NAMESPACES[place].to_owned())
    }

    /// The current run of a workflow id, most often one at the top, in the first namespace.
    pub(crate) fn some_workflow(&self) -> Address {
        let namespace_id = &self.namespace_ids[usize::from(self.below(4) == 0)];
        let mut workflow_id = format!("w{}", self.below(client::WORKFLOW_IDS));
        if self.below(4) == 0
            && let Ok(rows) = self.node().store().list(&everything_of(namespace_id))
            && let Ok(place) = usize::try_from(self.below(rows.rows.len() as u64))
            && let Some(row) = rows.rows.into_iter().nth(place)
        {
            workflow_id = row.workflow_id;
        }
        Address::workflow(namespace_id, workflow_id)
    }

    pub(crate) fn now_ns(&self) -> i64 {
        self.clock.now_ns()
    }

    pub(crate) fn retention_ns(&self) -> i64 {
        self.options.retention_ns
    }

    /// Counts the processes that have served: when it changes, nothing comes back from the old one.
    pub(crate) fn life(&self) -> u64 {
        self.life.get()
    }

    /// A number below `bound`.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let number = self.dice.borrow_mut().below(bound);
        self.sum_up(bound);
        self.sum_up(number);
        self.sum_up(self.now_ns().cast_unsigned());
        number
    }

    fn sum_up(&self, number: u64) {
        self.digest.set((self.digest.get() ^ number).wrapping_mul(0x0100_0000_01b3));
    }

    /// Whether something goes wrong that does so once in `times`; never while everything is to end.
    pub(crate) fn mischief(&self, times: u64) -> bool {
        self.options.faults && !self.resting() && self.below(times) == 0
    }

    /// Whether this goes wrong on purpose, once in `times`.
    pub(crate) fn sabotages(&self, what: Sabotage, times: u64) -> bool {
        self.options.sabotage == Some(what) && !self.resting() && self.below(times) == 0
    }

    /// Whether everything is to end: clients ask for nothing new, and nothing goes wrong any more.
    pub(crate) fn resting(&self) -> bool {
        self.resting.get()
    }

    /// A worker takes a task: until it drops what this gives, the clock waits for it where nobody does harm.
    pub(crate) fn take_in_hand(self: &Rc<Self>) -> InHand {
        self.in_hand.set(self.in_hand.get() + 1);
        InHand { world: self.clone() }
    }

    /// A name that nothing else in the simulation has.
    pub(crate) fn unique(&self) -> String {
        self.uniques.set(self.uniques.get() + 1);
        format!("unique {}", self.uniques.get())
    }

    pub(crate) fn ledger(&self) -> RefMut<'_, Ledger> {
        self.ledger.borrow_mut()
    }

    pub(crate) fn fault(&self, what: String) {
        self.ledger().faults.push(what);
    }

    /// Something that has a reason only where harm is done.
    pub(crate) fn fault_without_reason(&self, what: &str) {
        if !self.options.faults {
            self.fault(format!("{what}, though nobody did harm"));
        }
    }

    // -- what happens --------------------------------------------------------------------------------------------------

    fn step(&self, actors: &mut [Option<Actor>]) -> Result<(), StoreError> {
        match self.below(100) {
            0..=49 => {
                let place = usize::try_from(self.below(actors.len() as u64)).unwrap_or(0);
                step_actor(&mut actors[place]);
            }
            50..=79 => {
                let choice = self.below(u64::MAX);
                self.node().work_step(choice);
            }
            80..=92 => self.commit()?,
            93..=96 => {
                self.node().timer_step();
            }
            97..=98 if self.options.faults => self.let_time_pass(),
            97..=98 => self.let_time_pass_when_all_is_quiet(actors),
            _ => self.do_something_rare()?,
        }
        Ok(())
    }

    fn commit(&self) -> Result<(), StoreError> {
        let ordered = self.store.next_commit();
        self.node().commit_step();
        if ordered == NextCommit::Works || self.store.next_commit() == ordered {
            return Ok(());
        }
        self.failed_commits.set(self.failed_commits.get() + 1);
        if ordered == NextCommit::IsTheLast {
            self.crash()?;
        }
        Ok(())
    }

    fn let_time_pass(&self) {
        let due_ns = self.node().next_due_ns();
        let now_ns = self.now_ns();
        if self.below(2) == 0 && due_ns < now_ns + 3600 * SECOND_NS {
            self.clock.advance_to_ns(due_ns);
        } else {
            let milliseconds = i64::try_from(self.below(3000)).unwrap_or(0);
            self.clock.advance_ns(milliseconds * 1_000_000);
        }
    }

    /// Lets everybody do all that there is to do, and only then time pass, until something is due: so no timeout has a
    /// reason.
    fn let_time_pass_when_all_is_quiet(&self, actors: &mut [Option<Actor>]) {
        let workers = usize::try_from(self.options.clients).unwrap_or(0);
        let mut quiet_rounds = 0;
        for _ in 0..ROUNDS_UNTIL_QUIET {
            let mut is_busy = self.settle();
            // Clients may hold a task, too; those who ask for something else are not waited for.
            let range = if self.in_hand.get() > 0 { 0 } else { workers };
            actors[range..].iter_mut().for_each(step_actor);
            is_busy |= self.in_hand.get() > 0 || self.settle();
            quiet_rounds = if is_busy { 0 } else { quiet_rounds + 1 };
            if quiet_rounds > 2 {
                let milliseconds = i64::try_from(self.below(3000)).unwrap_or(0);
                let later_ns = self.now_ns() + milliseconds * 1_000_000;
                self.clock.advance_to_ns(self.node().next_due_ns().min(later_ns));
                return;
            }
        }
        self.fault("somebody is always busy".to_owned());
    }

    /// Lets the node do all that it has to do now. Whether it did anything.
    fn settle(&self) -> bool {
        let node = self.node();
        let mut is_busy = false;
        while node.work_step(0) || node.commit_step() || node.timer_step() {
            is_busy = true;
        }
        is_busy
    }

    /// The store writes its tables; or, where something goes wrong, the next commit or reads fail, or the process dies.
    fn do_something_rare(&self) -> Result<(), StoreError> {
        if self.below(3) == 0 {
            return self.store.materialise();
        }
        if !self.options.faults {
            return Ok(());
        }
        let lies = self.options.sabotage == Some(Sabotage::LosesCommits);
        match self.below(6) {
            0 => self.store.set_next_commit(NextCommit::Fails),
            1 => self.store.set_next_commit(NextCommit::IsTheLast),
            2 => self.store.set_next_commit(NextCommit::IsUnknown { durable: self.below(2) == 0 }),
            3 => self.store.fail_next_reads(1 + self.below(4)),
            4 if lies => self.store.set_next_commit(NextCommit::IsALie),
            _ => self.crash()?,
        }
        Ok(())
    }

    /// The process dies; another one takes up what is durable.
    fn crash(&self) -> Result<(), StoreError> {
        self.store.reopen()?;
        self.life.set(self.life.get() + 1);
        *self.node.borrow_mut() = open(&self.store, &self.clock, self.options, self.life.get())?;
        Ok(())
    }
}

fn step_actor(actor: &mut Option<Actor>) {
    if let Some(running) = actor
        && actor::step(running)
    {
        *actor = None;
    }
}

fn open(store: &Arc<FaultyStore>, clock: &Arc<ManualClock>, options: Options, life: u64) -> Result<Node, StoreError> {
    let options = NodeOptions {
        seed: Some(options.seed.wrapping_mul(1_000_003).wrapping_add(life)),
        limits: Limits { workflow_pause: true, ..Limits::default() },
        namespaces: NAMESPACES.map(str::to_owned).to_vec(),
        cache_bytes: options.cache_bytes,
        retention_ns: options.retention_ns,
        threads: 0,
        ..NodeOptions::default()
    };
    Node::open(store.clone(), clock.clone(), options)
}
