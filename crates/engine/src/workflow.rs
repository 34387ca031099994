//! Workflow executions: one run's state, its transitions, and everything that can be asked of it.
//!
//! - [`State`] is what is durable of a run; it changes only in [`State::apply`], change by change.
//! - [`Volatile`] is what may be lost: queries, updates not yet accepted, a speculative workflow task.
//! - [`decide()`] is one `match` from [`Request`] to the component that owns the rule; each component file holds its
//!   transitions and invariants.
//! - [`Draft`] collects [`Change`]s and [`Effects`](crate::effects::Effects); nobody hears of either before the shell has
//!   made them durable.

pub mod activity;
mod apply;
mod bad_command;
mod chain;
mod change;
mod checks;
mod child_workflow;
mod close;
mod command;
mod conclude;
mod continue_as_new;
mod decide;
mod describe;
mod draft;
mod event;
#[cfg(test)]
mod examples;
mod external_workflow;
mod identity;
mod info;
mod invariants;
mod links;
mod listing;
mod nexus_operation;
mod options;
mod outbox;
#[cfg(test)]
mod properties;
pub mod query;
mod reset;
mod run_seed;
mod search_attributes;
mod signal;
mod start;
mod state;
mod successor;
#[cfg(test)]
mod testing;
mod time_skipping;
mod timeout;
mod timer;
pub mod update;
mod versioning_override;
mod volatile;
mod watch;
mod watchers;
mod workflow_task;

pub use activity::state::{Activity, ActivityRun};
pub use chain::{ChainRequest, decide_chain};
pub use change::{Change, Record};
pub use child_workflow::state::Child;
pub use decide::{Request, decide};
pub use draft::Draft;
pub use external_workflow::state::External;
pub use info::{Creation, Info, RequestId};
pub use nexus_operation::SYSTEM_ENDPOINT;
pub use options::{check_options, check_pause, check_unpause};
pub use reset::base::ResetBase;
pub use state::{Execution, State};
pub use time_skipping::{
    FastForward, FastForwardEnd, TimeSkipping, check_enabled as check_time_skipping, check_fast_forward_id,
};
pub use timer::state::Timer;
pub use update::state::UpdateInfo;
pub use volatile::{LiveQuery, LiveUpdate, Volatile};
pub use watch::{check_search_attributes, check_start};
pub use workflow_task::state::{Sticky, WorkflowTask};

/// What a decision over a run did.
pub type Written = crate::effects::Written<Execution>;
/// A run that a decision made.
pub type NewRun = crate::effects::New<Execution>;
/// What a decision over a workflow id did.
pub type ChainOutcome = crate::effects::Made<Execution>;
