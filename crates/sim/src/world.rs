//! What clients and workers share, and the order in which everything happens.

mod resting;

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;

use evertide_engine::Ids;
use evertide_server::clock::{Clock, ManualClock};
use evertide_server::node::{Node, NodeOptions};
use evertide_store::{MemoryStore, Store, StoreError};

use crate::actor::{self, Actor};
use crate::ledger::Ledger;
use crate::store::{FaultyStore, NextCommit};
use crate::{client, worker};

const START_NS: i64 = 1_700_000_000_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

/// What a simulation is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Chooses everything that is left to chance.
    pub seed: u64,
    /// How many steps are made before the world comes to rest.
    pub steps: u64,
    /// How many clients there are.
    pub clients: u64,
    /// How many workers of workflow tasks there are, and as many of activities.
    pub workers: u64,
    /// How much memory executions may take: 0 makes nearly each request read from the store.
    pub cache_bytes: usize,
    /// Whether the process dies and commits fail.
    pub faults: bool,
    /// Whether the store also says that commits are durable which are not. No server can bear that: it shows that the
    /// checkers see what is lost.
    pub lies: bool,
}

impl Options {
    /// A simulation of ordinary size, whose kind depends on the seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let cache_bytes = if seed.is_multiple_of(3) { 0 } else { 1 << 30 };
        Self { seed, steps: 6000, clients: 3, workers: 2, cache_bytes, faults: !seed.is_multiple_of(5), lies: false }
    }
}

/// What came of a simulation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong; nothing if all is well.
    pub faults: Vec<String>,
    /// Sums up all histories: equal for equal simulations.
    pub digest: u64,
    /// How many runs there are.
    pub runs: usize,
    /// How many events they have.
    pub events: usize,
    /// How many signals clients were told of as taken.
    pub signals: usize,
    /// How many updates clients were told of as successful.
    pub updates: usize,
    /// How often the process died.
    pub crashes: u64,
    /// How many commits failed.
    pub failed_commits: u64,
}

/// Runs a simulation from its seed to its end.
///
/// # Errors
/// The store in memory refuses what the server wants of it, which is a mistake of the server.
pub fn simulate(options: Options) -> Result<Report, StoreError> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    simulate_on(options, store)
}

fn simulate_on(options: Options, store: Arc<dyn Store>) -> Result<Report, StoreError> {
    let world = Rc::new(World::new(options, store)?);
    let mut actors = actors(&world, options);
    for _ in 0..options.steps {
        world.step(&mut actors)?;
    }
    resting::come_to_rest(&world, &mut actors)?;
    drop(actors);
    resting::report(&world)
}

fn actors(world: &Rc<World>, options: Options) -> Vec<Option<Actor>> {
    let clients = (0..options.clients).map(|name| Box::pin(client::run(world.clone(), name)) as Actor);
    let workflows = (0..options.workers).map(|name| Box::pin(worker::run_workflows(world.clone(), name)) as Actor);
    let activities = (0..options.workers).map(|_| Box::pin(worker::run_activities(world.clone())) as Actor);
    clients.chain(workflows).chain(activities).map(Some).collect()
}

/// Everything that there is.
pub(crate) struct World {
    node: RefCell<Node>,
    store: Arc<FaultyStore>,
    clock: Arc<ManualClock>,
    namespace_id: String,
    dice: RefCell<Ids>,
    ledger: RefCell<Ledger>,
    /// Counts the processes that have served.
    life: Cell<u64>,
    resting: Cell<bool>,
    uniques: Cell<u64>,
    failed_commits: Cell<u64>,
    options: Options,
}

impl World {
    fn new(options: Options, inner: Arc<dyn Store>) -> Result<Self, StoreError> {
        let store = Arc::new(FaultyStore::over(inner));
        let clock = Arc::new(ManualClock::at(START_NS));
        let node = open(&store, &clock, options, 0)?;
        let namespace_id = node.namespaces().named("default").map(|n| n.id.clone()).unwrap_or_default();
        Ok(Self {
            node: RefCell::new(node),
            store,
            clock,
            namespace_id,
            dice: RefCell::new(Ids::new(options.seed)),
            ledger: RefCell::default(),
            life: Cell::new(0),
            resting: Cell::new(false),
            uniques: Cell::new(0),
            failed_commits: Cell::new(0),
            options,
        })
    }

    // -- for actors ----------------------------------------------------------------------------------------------------

    /// The process that serves now.
    pub(crate) fn node(&self) -> Node {
        self.node.borrow().clone()
    }

    pub(crate) fn namespace_id(&self) -> &str {
        &self.namespace_id
    }

    /// Counts the processes that have served: when it changes, nothing comes back from the old one.
    pub(crate) fn life(&self) -> u64 {
        self.life.get()
    }

    /// A number below `bound`.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.dice.borrow_mut().below(bound)
    }

    /// Whether something goes wrong that does so once in `times`; never while the world comes to rest.
    pub(crate) fn mischief(&self, times: u64) -> bool {
        self.options.faults && !self.resting() && self.below(times) == 0
    }

    /// Whether everything is to end: clients ask for nothing new, and nothing goes wrong any more.
    pub(crate) fn resting(&self) -> bool {
        self.resting.get()
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

    // -- the order of things -------------------------------------------------------------------------------------------

    /// One thing happens, whichever the seed chooses.
    fn step(&self, actors: &mut [Option<Actor>]) -> Result<(), StoreError> {
        match self.below(100) {
            0..=49 => self.step_actor(actors),
            50..=79 => {
                let choice = self.below(u64::MAX);
                self.node().work_step(choice);
            }
            80..=92 => self.commit()?,
            93..=96 => {
                self.node().timer_step();
            }
            97..=98 => self.let_time_pass(),
            _ => self.misfortune()?,
        }
        Ok(())
    }

    fn step_actor(&self, actors: &mut [Option<Actor>]) {
        let place = usize::try_from(self.below(actors.len() as u64)).unwrap_or(0);
        if let Some(running) = &mut actors[place]
            && actor::step(running)
        {
            actors[place] = None;
        }
    }

    fn commit(&self) -> Result<(), StoreError> {
        let ordered = self.store.next_commit();
        self.node().commit_step();
        if ordered != NextCommit::Works && self.store.next_commit() == NextCommit::Works {
            self.failed_commits.set(self.failed_commits.get() + 1);
            if ordered == NextCommit::IsUnknown {
                self.crash()?;
            }
        }
        Ok(())
    }

    fn let_time_pass(&self) {
        let due_ns = self.node().next_due_ns();
        let now_ns = self.clock.now_ns();
        if self.below(2) == 0 && due_ns < now_ns + 3600 * SECOND_NS {
            self.clock.advance_to_ns(due_ns);
        } else {
            let milliseconds = i64::try_from(self.below(3000)).unwrap_or(0);
            self.clock.advance_ns(milliseconds * 1_000_000);
        }
    }

    /// The next commit fails, or the process dies.
    fn misfortune(&self) -> Result<(), StoreError> {
        if !self.options.faults {
            return Ok(());
        }
        match self.below(4) {
            0 => self.store.set_next_commit(NextCommit::Fails),
            1 => self.store.set_next_commit(NextCommit::IsUnknown),
            2 if self.options.lies => self.store.set_next_commit(NextCommit::IsALie),
            _ => self.crash()?,
        }
        Ok(())
    }

    /// The process dies; another one takes up what is durable.
    fn crash(&self) -> Result<(), StoreError> {
        self.store.set_next_commit(NextCommit::Works);
        self.life.set(self.life.get() + 1);
        *self.node.borrow_mut() = open(&self.store, &self.clock, self.options, self.life.get())?;
        Ok(())
    }
}

fn open(store: &Arc<FaultyStore>, clock: &Arc<ManualClock>, options: Options, life: u64) -> Result<Node, StoreError> {
    let options = NodeOptions {
        seed: Some(options.seed.wrapping_mul(1_000_003).wrapping_add(life)),
        cache_bytes: options.cache_bytes,
        retention_ns: 0,
        threads: 0,
        ..NodeOptions::default()
    };
    Node::open(store.clone(), clock.clone(), options)
}
