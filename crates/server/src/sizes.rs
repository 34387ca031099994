//! What a server holds in memory, counted.

/// What a node holds in memory, counted at one moment: for tests that a server that is left alone returns to where it
/// began. Everything in here has a bound, which ARCHITECTURE.md names, or leaves when nobody needs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sizes {
    /// Workflow ids of which anything is in memory.
    pub chains: usize,
    /// Runs in memory.
    pub runs: usize,
    /// What runs and workflow ids take in memory, about, in bytes.
    pub executions_bytes: usize,
    /// Those who wait for events, updates and queries of runs; some may have gone and not been noticed yet.
    pub waiters: usize,
    /// Requests that wait for a run to be read from the store.
    pub parked_requests: usize,
    /// Task queues that are known.
    pub queues: usize,
    /// Polls that wait for a task.
    pub polls: usize,
    /// Tasks in memory that wait for a poll.
    pub tasks: usize,
    /// Queries that wait for a worker by themselves.
    pub queries: usize,
    /// Due times of runs in memory.
    pub due_times: usize,
    /// What is to be tried again, or done at a time of its own.
    pub retries: usize,
    /// Runs that are being woken.
    pub wakes: usize,
    /// What is to be done by whoever has a thread to spare.
    pub work: usize,
    /// Decisions on their way to the store.
    pub commits: usize,
    /// The size of the decisions that are not durable yet, in bytes.
    pub undurable_bytes: usize,
}
