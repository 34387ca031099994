//! What a simulation is like, and what came of it.

use evertide_engine::Ids;

/// What a simulation is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Chooses everything that is left to chance.
    pub seed: u64,
    /// How many steps are made before everything is to end.
    pub steps: u64,
    /// How many clients there are.
    pub clients: u64,
    /// How many workers of workflow tasks there are, and as many of activities.
    pub workers: u64,
    /// How much memory executions may take: 0 makes nearly each request read from the store.
    pub cache_bytes: usize,
    /// How long closed runs are kept, nanoseconds; 0 for ever.
    pub retention_ns: i64,
    /// Where everything is stored.
    pub backend: Backend,
    /// Whether processes die, commits and reads fail, workers fail tasks or lose them. Without it the clock moves only
    /// while everybody waits for it, so that a task that times out was lost by the server.
    pub faults: bool,
    /// Something that no server can bear, to show that the checkers see what becomes of it.
    pub sabotage: Option<Sabotage>,
}

/// A store that the server runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The model in memory.
    Memory,
    /// A file, which is opened anew after each crash.
    Sqlite,
}

/// What goes wrong on purpose, behind the server's back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Commits are said to be durable which are not.
    LosesCommits,
    /// Runs that are removed stay in the store.
    KeepsDeletedRuns,
    /// Changes of namespaces and of settings of task queues are not stored.
    LosesSettings,
    /// Due times are not stored.
    LosesWakes,
    /// Tasks of a backlog are not stored.
    LosesBacklog,
    /// Workers take tasks and forget them, though nobody is said to do harm.
    ForgetsTasks,
    /// Workers answer queries without having seen the newest part of the history.
    AnswersStale,
}

impl Options {
    /// A simulation of ordinary size, whose kind depends on the seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut dice = Ids::new(seed ^ 0x5eed_0f0f_0710_2024);
        let cache_bytes = [0, 100_000, 1 << 20, 1 << 30];
        let retention_ns = [0, 0, 40_000_000_000];
        Self {
            seed,
            steps: 6000,
            clients: 3,
            workers: 2,
            cache_bytes: cache_bytes[usize::try_from(dice.below(4)).unwrap_or(0)],
            retention_ns: retention_ns[usize::try_from(dice.below(3)).unwrap_or(0)],
            backend: if seed % 4 == 3 { Backend::Sqlite } else { Backend::Memory },
            faults: !seed.is_multiple_of(5),
            sabotage: None,
        }
    }
}

/// What came of a simulation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong; nothing if all is well.
    pub faults: Vec<String>,
    /// Sums up every choice that was made, the time of each, and all histories: equal for equal simulations.
    pub digest: u64,
    /// How many runs there are at the end.
    pub runs: usize,
    /// How many events they have.
    pub events: usize,
    /// How many workflow tasks and attempts of activities ended by timeout.
    pub timeouts: usize,
    /// How often the process died.
    pub crashes: u64,
    /// How many commits did not simply work.
    pub failed_commits: u64,
    /// How many reads failed.
    pub failed_reads: u64,
    /// How often a client was told that what it asked for is done, by what it asked for.
    pub done: std::collections::BTreeMap<&'static str, usize>,
}
