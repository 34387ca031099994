//! `workflow ...`: its commands and flags, under the names that the official CLI has for them.

use super::asking::Asking;
use super::value;
use clap::{Args, Subcommand, ValueEnum};
use evertide_proto::common::Payload;
use std::time::Duration;

/// `workflow ...`.
#[derive(Debug, Args)]
pub(crate) struct WorkflowLine {
    #[command(flatten)]
    pub(crate) asking: Asking,
    #[command(subcommand)]
    pub(crate) command: WorkflowCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// Start a workflow.
    Start(Box<Start>),
    /// Start a workflow, show its progress and wait for its result. The exit code is 1 if it does not complete.
    Execute(Box<Execute>),
    /// Wait for the result of a workflow. The exit code is 1 if it does not complete.
    Result(Target),
    /// Signal a workflow.
    Signal(Box<Signal>),
    /// Signal a workflow, and start it if it does not run.
    SignalWithStart(Box<SignalWithStart>),
    /// Query a workflow.
    Query(Box<Query>),
    /// Show where the code of a workflow stands.
    Stack(Stack),
    /// Show what a workflow says of itself: its details, and the messages it takes.
    Metadata(Stack),
    /// Send updates, and see what became of them.
    #[command(subcommand)]
    Update(UpdateCommand),
    /// Request the cancellation of a workflow.
    Cancel(Selection),
    /// End a workflow at once, without asking it.
    Terminate(Selection),
    /// Delete a workflow with its history.
    Delete(Selection),
    /// Run a workflow again from a point of its history.
    #[command(args_conflicts_with_subcommands = false)]
    Reset(Box<Reset>),
    /// Show a workflow with its activities and children as a tree, until it closes.
    Trace(Trace),
    /// List the workflows that a filter finds, all without one; the newest first.
    List(List),
    /// Count the workflows that a filter finds, all without one.
    Count(Count),
    /// Tell what there is to know about a run.
    Describe(Target),
    /// Show the history of a run.
    Show(Show),
}

/// `workflow list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// List filter, like: WorkflowType = 'Order' AND ExecutionStatus = 'Running'.
    #[arg(long, short = 'q', default_value = "")]
    pub(crate) query: String,
    /// End after so many.
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    /// How many to ask for at a time.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) page_size: u32,
}

/// `workflow count`.
#[derive(Debug, Args)]
pub(crate) struct Count {
    /// List filter; GROUP BY ExecutionStatus at its end counts by status.
    #[arg(long, short = 'q', default_value = "")]
    pub(crate) query: String,
}

/// Names a run.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Id of the workflow.
    #[arg(long, short = 'w')]
    pub(crate) workflow_id: String,
    /// Id of the run; the latest one if none is given.
    #[arg(long, short = 'r')]
    pub(crate) run_id: Option<String>,
}

/// `workflow show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Wait for new events until the run has closed.
    #[arg(long, short = 'f')]
    pub(crate) follow: bool,
}

/// Names one workflow, or all that a filter finds.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Id of the workflow.
    #[arg(long, short = 'w', required_unless_present = "query", conflicts_with = "query")]
    pub(crate) workflow_id: Option<String>,
    /// Id of the run; the latest one if none is given.
    #[arg(long, short = 'r', conflicts_with = "query")]
    pub(crate) run_id: Option<String>,
    /// List filter: a batch job does it to all workflows that it finds.
    #[arg(long, short = 'q')]
    pub(crate) query: Option<String>,
    /// Why.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Do not ask whether this is meant.
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
    /// How many workflows per second a batch job goes through at most.
    #[arg(long, requires = "query")]
    pub(crate) rps: Option<f32>,
}

/// Arguments.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// Argument as JSON (repeatable).
    #[arg(long, short = 'i', value_name = "JSON", allow_hyphen_values = true, conflicts_with = "input_file")]
    pub(crate) input: Vec<String>,
    /// File with an argument as JSON (repeatable); - is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) input_file: Vec<String>,
    /// Metadata of the payload, as KEY=VALUE; for `encoding` instead of json/plain. Repeated, it is that of the arguments in
    /// their order.
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::key_value)]
    pub(crate) input_meta: Vec<(String, String)>,
    /// The arguments are base64.
    #[arg(long)]
    pub(crate) input_base64: bool,
}

/// Headers of a call.
#[derive(Debug, Args)]
pub(crate) struct Headers {
    /// Header of the workflow's code, as KEY=JSON (repeatable).
    #[arg(long, value_name = "KEY=JSON", value_parser = value::key_payload)]
    pub(crate) headers: Vec<(String, Payload)>,
}

/// What a workflow is started with.
#[derive(Debug, Args)]
pub(crate) struct StartOptions {
    /// Id of the workflow; a new UUID if none is given.
    #[arg(long, short = 'w')]
    pub(crate) workflow_id: Option<String>,
    /// Type of the workflow.
    #[arg(long = "type", alias = "name")]
    pub(crate) workflow_type: String,
    /// Task queue that its workers poll.
    #[arg(long, short = 't')]
    pub(crate) task_queue: String,
    /// How long a run may take, like 90s or 12h.
    #[arg(long, value_parser = value::duration)]
    pub(crate) run_timeout: Option<Duration>,
    /// How long all its runs may take, with retries and continue-as-new.
    #[arg(long, value_parser = value::duration)]
    pub(crate) execution_timeout: Option<Duration>,
    /// How long a workflow task may take.
    #[arg(long, default_value = "10s", value_parser = value::duration)]
    pub(crate) task_timeout: Duration,
    /// Search attribute, as KEY=JSON (repeatable).
    #[arg(long, value_name = "KEY=JSON", value_parser = value::key_payload)]
    pub(crate) search_attribute: Vec<(String, Payload)>,
    /// Field of the memo, as KEY=JSON (repeatable).
    #[arg(long, value_name = "KEY=JSON", value_parser = value::key_payload)]
    pub(crate) memo: Vec<(String, Payload)>,
    #[command(flatten)]
    pub(crate) headers: Headers,
    /// Summary for people, one line of Markdown.
    #[arg(long)]
    pub(crate) static_summary: Option<String>,
    /// Details for people, in Markdown.
    #[arg(long)]
    pub(crate) static_details: Option<String>,
    /// Priority from 1, the highest, to 5.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) priority_key: i32,
    /// Key of the group that shares a task queue fairly with others.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) fairness_key: String,
    /// Weight of that group.
    #[arg(long, default_value_t = 0.0, hide_default_value = true)]
    pub(crate) fairness_weight: f32,
    /// Cron schedule; schedules do this better.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) cron: String,
    /// Fail if a workflow with this id runs; otherwise that one is shown.
    #[arg(long)]
    pub(crate) fail_existing: bool,
    /// How long the first workflow task waits, unless a signal or an update comes.
    #[arg(long, value_parser = value::duration)]
    pub(crate) start_delay: Option<Duration>,
    /// Whether the id of a closed workflow may be taken again.
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) id_reuse_policy: Option<IdReusePolicy>,
    /// What to do if a workflow with this id runs.
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) id_conflict_policy: Option<IdConflictPolicy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum IdReusePolicy {
    AllowDuplicate,
    AllowDuplicateFailedOnly,
    RejectDuplicate,
    TerminateIfRunning,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum IdConflictPolicy {
    Fail,
    UseExisting,
    TerminateExisting,
}

/// `workflow start`.
#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) start: StartOptions,
    #[command(flatten)]
    pub(crate) input: Input,
}

/// `workflow execute`.
#[derive(Debug, Args)]
pub(crate) struct Execute {
    #[command(flatten)]
    pub(crate) start: StartOptions,
    #[command(flatten)]
    pub(crate) input: Input,
    /// Show the events as JSON; with -o json, the whole history.
    #[arg(long)]
    pub(crate) detailed: bool,
}

/// `workflow signal-with-start`.
#[derive(Debug, Args)]
pub(crate) struct SignalWithStart {
    #[command(flatten)]
    pub(crate) start: StartOptions,
    #[command(flatten)]
    pub(crate) input: Input,
    /// Name of the signal.
    #[arg(long, alias = "signal-type")]
    pub(crate) signal_name: String,
    /// Argument of the signal as JSON (repeatable).
    #[arg(long, value_name = "JSON", allow_hyphen_values = true, conflicts_with = "signal_input_file")]
    signal_input: Vec<String>,
    /// File with an argument of the signal as JSON (repeatable); - is standard input.
    #[arg(long, value_name = "FILE")]
    signal_input_file: Vec<String>,
    /// Metadata of the signal's payload, as KEY=VALUE (repeatable).
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::key_value)]
    signal_input_meta: Vec<(String, String)>,
    /// The arguments of the signal are base64.
    #[arg(long)]
    signal_input_base64: bool,
}

impl SignalWithStart {
    /// The arguments of the signal.
    pub(crate) fn signal_input(&self) -> Input {
        Input {
            input: self.signal_input.clone(),
            input_file: self.signal_input_file.clone(),
            input_meta: self.signal_input_meta.clone(),
            input_base64: self.signal_input_base64,
        }
    }
}

/// `workflow signal`.
#[derive(Debug, Args)]
pub(crate) struct Signal {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Name of the signal.
    #[arg(long, alias = "type")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) headers: Headers,
}

/// `workflow query`.
#[derive(Debug, Args)]
pub(crate) struct Query {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Name of the query.
    #[arg(long, alias = "type")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) headers: Headers,
    #[command(flatten)]
    pub(crate) reject: Reject,
}

/// When a query is rejected.
#[derive(Debug, Args)]
pub(crate) struct Reject {
    /// Reject the query of a workflow in this state.
    #[arg(long, value_enum)]
    pub(crate) reject_condition: Option<RejectCondition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum RejectCondition {
    /// It is closed.
    NotOpen,
    /// It is closed and did not complete.
    NotCompletedCleanly,
}

/// `workflow stack` and `workflow metadata`.
#[derive(Debug, Args)]
pub(crate) struct Stack {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) reject: Reject,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UpdateCommand {
    /// Send an update and wait until the workflow accepts it.
    Start(Box<StartUpdate>),
    /// Send an update and wait for its result. With the id of an update that was sent, wait for that one.
    Execute(Box<ExecuteUpdate>),
    /// Wait for the result of an update that was sent.
    Result(UpdateTarget),
    /// Tell how far an update is, without waiting.
    Describe(UpdateTarget),
}

/// What an update is sent with.
#[derive(Debug, Args)]
pub(crate) struct UpdateOptions {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Name of the update.
    #[arg(long, alias = "type")]
    pub(crate) name: String,
    /// Id of the update; a new UUID if none is given.
    #[arg(long)]
    pub(crate) update_id: Option<String>,
    /// First run of the chain that is meant.
    #[arg(long)]
    pub(crate) first_execution_run_id: Option<String>,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) headers: Headers,
}

/// `workflow update start`.
#[derive(Debug, Args)]
pub(crate) struct StartUpdate {
    #[command(flatten)]
    pub(crate) update: UpdateOptions,
    /// What to wait for.
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) wait_for_stage: WaitForStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitForStage {
    /// Until the workflow accepts the update, or rejects it.
    Accepted,
}

/// `workflow update execute`.
#[derive(Debug, Args)]
pub(crate) struct ExecuteUpdate {
    #[command(flatten)]
    pub(crate) update: UpdateOptions,
}

/// Names an update.
#[derive(Debug, Args)]
pub(crate) struct UpdateTarget {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Id of the update.
    #[arg(long)]
    pub(crate) update_id: String,
}

/// `workflow reset`. Its flags stand before or behind the subcommand.
#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// Id of the workflow.
    #[arg(long, short = 'w', global = true)]
    pub(crate) workflow_id: Option<String>,
    /// Id of the run; the latest one if none is given.
    #[arg(long, short = 'r', global = true)]
    pub(crate) run_id: Option<String>,
    /// The event to run again from, which ends a workflow task.
    #[arg(long, short = 'e', global = true)]
    pub(crate) event_id: Option<i64>,
    /// Where to run again from, instead of an event.
    #[arg(long = "type", short = 't', global = true, value_enum, ignore_case = true)]
    pub(crate) point: Option<ResetPoint>,
    /// Build id, for the type BuildId.
    #[arg(long, global = true)]
    pub(crate) build_id: Option<String>,
    /// Why.
    #[arg(long, global = true)]
    pub(crate) reason: Option<String>,
    /// Which later events to apply again. --reapply-exclude is its newer form.
    #[arg(long, global = true, value_enum, default_value = "All", ignore_case = true)]
    pub(crate) reapply_type: ReapplyType,
    /// Which later events not to apply again (repeatable).
    #[arg(long, global = true, value_enum, ignore_case = true)]
    pub(crate) reapply_exclude: Vec<ReapplyExclude>,
    /// List filter: a batch job resets all workflows that it finds.
    #[arg(long, short = 'q', global = true)]
    pub(crate) query: Option<String>,
    /// Do not ask whether this is meant.
    #[arg(long, short = 'y', global = true)]
    pub(crate) yes: bool,
    #[command(subcommand)]
    pub(crate) then: Option<AfterReset>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum ResetPoint {
    FirstWorkflowTask,
    LastWorkflowTask,
    LastContinuedAsNew,
    BuildId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum ReapplyType {
    All,
    Signal,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum ReapplyExclude {
    All,
    Signal,
    Update,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AfterReset {
    /// Reset, and set the versioning override of the new run with it.
    WithWorkflowUpdateOptions(VersioningOptions),
}

/// A versioning override.
#[derive(Debug, Args)]
pub(crate) struct VersioningOptions {
    /// How the workflow follows the versions of its workers.
    #[arg(long, value_enum)]
    pub(crate) versioning_override_behavior: VersioningBehavior,
    /// Deployment of the version, for pinned and one_time.
    #[arg(long)]
    pub(crate) versioning_override_deployment_name: Option<String>,
    /// Build id of the version, for pinned and one_time.
    #[arg(long)]
    pub(crate) versioning_override_build_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum VersioningBehavior {
    Pinned,
    OneTime,
    AutoUpgrade,
}

/// `workflow trace`.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Show children in this state without what is below them (repeatable): running, completed, failed, canceled,
    /// terminated, timedout or continueasnew. Completed, canceled and terminated ones if none is given.
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) fold: Vec<Fold>,
    /// Show what is below all children.
    #[arg(long)]
    pub(crate) no_fold: bool,
    /// How many levels of children to show; -1 shows all.
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    pub(crate) depth: i32,
    /// Accepted as the official CLI does.
    #[arg(long, hide = true)]
    concurrency: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum Fold {
    Running,
    Completed,
    Failed,
    Canceled,
    Terminated,
    TimedOut,
    ContinueAsNew,
}
