//! `workflow`: starting workflows, finding them, looking at them and sending them messages.

mod batch;
mod describe;
mod ending;
mod input;
mod message;
mod reset;
mod result;
mod start;
mod trace;
mod update;

use crate::asking::Asked;
use crate::cli::workflow::{Count, List, Show, Target};
use crate::cli::{Output, WorkflowCommand, WorkflowLine};
use crate::output::{Listing, print, print_json, short_name, table, time};
use evertide_client::WorkflowHandle;
use evertide_proto::common::WorkflowExecution;
use evertide_proto::history::HistoryEvent;
use evertide_proto::workflow::WorkflowExecutionInfo;
use evertide_proto::workflowservice::{CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse};

/// Does it.
pub(crate) async fn run(line: &WorkflowLine) -> anyhow::Result<()> {
    let asked = Asked::connect(&line.asking).await?;
    let output = line.asking.output;
    match &line.command {
        WorkflowCommand::Start(options) => start::start(&asked, options, output).await,
        WorkflowCommand::Execute(options) => start::execute(&asked, options, output).await,
        WorkflowCommand::SignalWithStart(options) => start::signal_with_start(&asked, options, output).await,
        WorkflowCommand::Result(target) => result::result(&asked, target, output).await,
        WorkflowCommand::Signal(options) => message::signal(&asked, options, output).await,
        WorkflowCommand::Query(options) => message::query(&asked, options, output).await,
        WorkflowCommand::Stack(options) => message::stack(&asked, options, output).await,
        WorkflowCommand::Metadata(options) => message::metadata(&asked, options, output).await,
        WorkflowCommand::Update(command) => update::run(&asked, command, output).await,
        WorkflowCommand::Cancel(selection) => ending::cancel(&asked, selection, output).await,
        WorkflowCommand::Terminate(selection) => ending::terminate(&asked, selection, output).await,
        WorkflowCommand::Delete(selection) => ending::delete(&asked, selection, output).await,
        WorkflowCommand::Reset(options) => reset::run(&asked, options, output).await,
        WorkflowCommand::Trace(options) => trace::run(&asked, options, output).await,
        WorkflowCommand::List(options) => list(&asked, options, output).await,
        WorkflowCommand::Count(options) => count(&asked, options, output).await,
        WorkflowCommand::Describe(target) => describe::run(&asked, target, output).await,
        WorkflowCommand::Show(options) => show(&asked, options, output).await,
    }
}

/// A handle of the run that is meant.
fn handle(asked: &Asked, target: &Target) -> WorkflowHandle {
    named(asked, &target.workflow_id, target.run_id.as_deref().unwrap_or_default())
}

/// A handle of a run; of the latest one if the run id is empty.
fn named(asked: &Asked, workflow_id: &str, run_id: &str) -> WorkflowHandle {
    let handle = asked.client.get_workflow_handle(workflow_id);
    if run_id.is_empty() { handle } else { handle.with_run_id(run_id) }
}

/// A run as requests name it.
fn execution(workflow_id: &str, run_id: Option<&str>) -> WorkflowExecution {
    WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: run_id.unwrap_or_default().to_owned() }
}

/// Says that something was done, to people alone.
fn say(sentence: &str, output: Output) -> anyhow::Result<()> {
    if output == Output::Table { print(&format!("{sentence}\n")) } else { Ok(()) }
}

/// An event in a table.
fn event_cells(event: &HistoryEvent) -> Vec<String> {
    let kind = short_name(event.event_type().as_str_name(), "EVENT_TYPE_");
    vec![event.event_id.to_string(), time(event.event_time), kind]
}

async fn list(asked: &Asked, options: &List, output: Output) -> anyhow::Result<()> {
    let mut workflows = asked.client.list_workflows(options.query.as_str()).page_size(options.page_size);
    if let Some(limit) = options.limit {
        workflows = workflows.limit(limit);
    }
    let mut listing = Listing::of("workflows", output, &["Status", "WorkflowId", "Type", "StartTime", "CloseTime"]);
    while let Some(workflow) = workflows.next().await {
        let workflow = asked.told(workflow)?;
        let info = workflow.raw_info();
        listing.add(info, || {
            let (id, kind) = (workflow.id().to_owned(), workflow.workflow_type().to_owned());
            vec![status(info), id, kind, time(info.start_time), time(info.close_time)]
        })?;
    }
    listing.finish()
}

/// The status as filters name it.
fn status(info: &WorkflowExecutionInfo) -> String {
    short_name(info.status().as_str_name(), "WORKFLOW_EXECUTION_STATUS_")
}

async fn count(asked: &Asked, options: &Count, output: Output) -> anyhow::Result<()> {
    let namespace = asked.client.namespace().to_owned();
    let request = CountWorkflowExecutionsRequest { namespace, query: options.query.clone() };
    let answer = asked.told(asked.client.call(request).await)?;
    match output {
        Output::Table => print(&counted(&answer)),
        Output::Json | Output::Jsonl => print_json(&answer, output),
    }
}

fn counted(answer: &CountWorkflowExecutionsResponse) -> String {
    let total = format!("Total: {}\n", answer.count);
    if answer.groups.is_empty() {
        return total;
    }
    let rows: Vec<_> = answer
        .groups
        .iter()
        .map(|group| {
            // Values are JSON, and names are shown without their quotes.
            let values = group
                .group_values
                .iter()
                .map(|value| String::from_utf8_lossy(&value.data).trim_matches('"').to_owned());
            vec![values.collect::<Vec<_>>().join(", "), group.count.to_string()]
        })
        .collect();
    total + "\n" + &table(&["Group", "Count"], &rows)
}

async fn show(asked: &Asked, options: &Show, output: Output) -> anyhow::Result<()> {
    let handle = handle(asked, &options.target);
    if output == Output::Json && !options.follow {
        let history = asked.told(handle.fetch_history().await)?;
        return print(&(history.to_json_pretty()? + "\n"));
    }
    let mut events = handle.fetch_history_events().wait_new_event(options.follow);
    let mut listing = Listing::of("events", output, &["Id", "Time", "Type"]);
    while let Some(event) = events.next().await {
        let event = asked.told(event)?;
        listing.add(&event.event, || event_cells(&event.event))?;
        if options.follow && output == Output::Table {
            listing.print_rows()?;
        }
    }
    listing.finish()
}
