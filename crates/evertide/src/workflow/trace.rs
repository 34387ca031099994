//! `workflow trace`: a workflow with its activities, timers and children as a tree.

mod tree;

use crate::asking::Asked;
use crate::cli::Output;
use crate::cli::workflow::{Fold, Trace};
use crate::output::print;
use anyhow::bail;
use evertide_proto::enums::WorkflowExecutionStatus as Status;
use std::io::IsTerminal;
use std::time::Duration;

/// How often the tree is drawn anew while the workflow runs.
const REDRAW: Duration = Duration::from_secs(1);

/// Which children are shown with what is below them.
struct Shown {
    folded: Vec<Status>,
    /// How many levels of children are shown.
    depth: Option<u32>,
}

impl Shown {
    fn of(options: &Trace) -> Self {
        let folded = match options.fold.as_slice() {
            _ if options.no_fold => Vec::new(),
            [] => vec![Status::Completed, Status::Canceled, Status::Terminated],
            some => some.iter().copied().map(status).collect(),
        };
        Self { folded, depth: u32::try_from(options.depth).ok() }
    }

    fn is_open(&self, status: Status, level: u32) -> bool {
        !self.folded.contains(&status) && self.depth.is_none_or(|depth| level <= depth)
    }
}

fn status(fold: Fold) -> Status {
    match fold {
        Fold::Running => Status::Running,
        Fold::Completed => Status::Completed,
        Fold::Failed => Status::Failed,
        Fold::Canceled => Status::Canceled,
        Fold::Terminated => Status::Terminated,
        Fold::TimedOut => Status::TimedOut,
        Fold::ContinueAsNew => Status::ContinuedAsNew,
    }
}

/// Draws the tree until the workflow closes: anew each second at a terminal, once at the end elsewhere.
pub(super) async fn run(asked: &Asked, options: &Trace, output: Output) -> anyhow::Result<()> {
    if output != Output::Table {
        bail!("a trace is for people; `workflow describe` and `workflow show` have JSON");
    }
    let shown = Shown::of(options);
    let is_live = std::io::stdout().is_terminal();
    let mut lines_before = 0;
    loop {
        let target = &options.target;
        let drawn =
            tree::draw(asked, &target.workflow_id, target.run_id.as_deref().unwrap_or_default(), &shown).await?;
        if is_live && lines_before > 0 {
            print(&format!("\u{1b}[{lines_before}A\u{1b}[J"))?; // Up to the first line, and clear what is below.
        }
        if is_live || drawn.status != Status::Running {
            print(&drawn.text)?;
        }
        if drawn.status != Status::Running {
            return Ok(());
        }
        lines_before = drawn.text.lines().count();
        tokio::time::sleep(REDRAW).await;
    }
}
