//! How a workflow ended: `workflow result`, and the second half of `workflow execute`.

use super::named;
use crate::asking::{Asked, one_line};
use crate::cli::Output;
use crate::cli::workflow::Target;
use crate::output::{Listing, facts, length, print, print_value, value};
use anyhow::{Context, bail};
use evertide_client::EventFilter;
use evertide_proto::common::Payloads;
use evertide_proto::failure::Failure;
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes;
use evertide_proto::prost_types;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// `workflow result`.
pub(super) async fn result(asked: &Asked, target: &Target, output: Output) -> anyhow::Result<()> {
    let run_id = match &target.run_id {
        Some(run_id) => run_id.clone(),
        None => asked.told(named(asked, &target.workflow_id, "").describe().await)?.run_id().to_owned(),
    };
    let close = closing_event(asked, &target.workflow_id, &run_id).await?;
    let ended = Ended::of(&close)?;
    if output == Output::Table {
        print(&ended.facts(None))?;
    } else {
        let whole = Whole {
            workflow_id: target.workflow_id.clone(),
            run_id,
            r#type: None,
            namespace: Some(asked.client.namespace().to_owned()),
            task_queue: None,
            duration_millis: None,
            history: None,
            ended: &ended,
        };
        print_value(&whole, output)?;
    }
    ended.into_outcome()
}

/// Waits for the event that closes the last run of a chain.
pub(super) async fn closing_event(asked: &Asked, workflow_id: &str, run_id: &str) -> anyhow::Result<HistoryEvent> {
    let mut run_id = run_id.to_owned();
    loop {
        let handle = named(asked, workflow_id, &run_id);
        let mut events = handle.fetch_history_events().event_filter_type(EventFilter::CloseEvent).wait_new_event(true);
        let close = asked.told(events.next().await.context("the server named no closing event")?)?.event;
        match next_run(&close) {
            Some(next) => run_id = next.to_owned(),
            None => return Ok(close),
        }
    }
}

/// The run that follows: after continue-as-new, a retry, or by a cron schedule.
fn next_run(close: &HistoryEvent) -> Option<&str> {
    let next = match close.attributes.as_ref()? {
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(event) => &event.new_execution_run_id,
        Attributes::WorkflowExecutionCompletedEventAttributes(event) => &event.new_execution_run_id,
        Attributes::WorkflowExecutionFailedEventAttributes(event) => &event.new_execution_run_id,
        Attributes::WorkflowExecutionTimedOutEventAttributes(event) => &event.new_execution_run_id,
        _ => return None,
    };
    Some(next.as_str()).filter(|run_id| !run_id.is_empty())
}

/// Prints the events of a run and of those that follow it, until the last one closes.
pub(super) async fn print_progress(
    asked: &Asked,
    workflow_id: &str,
    run_id: &str,
    is_detailed: bool,
) -> anyhow::Result<()> {
    let mut run_id = run_id.to_owned();
    let mut listing = Listing::of("events", Output::Table, &["Id", "Time", "Type"]);
    loop {
        let mut events = named(asked, workflow_id, &run_id).fetch_history_events().wait_new_event(true);
        let mut next = None;
        while let Some(event) = events.next().await {
            let event = asked.told(event)?.event;
            if is_detailed {
                print(&(serde_json::to_string_pretty(&value(&event)?)? + "\n"))?;
            } else {
                listing.add(&event, || super::event_cells(&event))?;
                listing.print_rows()?;
            }
            next = next_run(&event).map(str::to_owned);
        }
        match next {
            Some(next) => run_id = next,
            None => return Ok(()),
        }
    }
}

/// The history of a run as replayers read it: without shorthand.
pub(super) async fn history(asked: &Asked, workflow_id: &str, run_id: &str) -> anyhow::Result<Value> {
    let history = asked.told(named(asked, workflow_id, run_id).fetch_history().await)?;
    Ok(serde_json::from_str(&history.to_json()?)?)
}

/// How a workflow ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ended {
    /// COMPLETED, FAILED, TIMEOUT, CANCELED or TERMINATED.
    status: &'static str,
    close_event: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip)]
    failure: Option<Failure>,
    #[serde(skip)]
    reason: String,
}

impl Ended {
    pub(super) fn of(close: &HistoryEvent) -> anyhow::Result<Self> {
        let mut ended =
            Self { status: "", close_event: value(close)?, result: None, failure: None, reason: String::new() };
        match close.attributes.as_ref() {
            Some(Attributes::WorkflowExecutionCompletedEventAttributes(event)) => {
                ended.status = "COMPLETED";
                ended.result = Some(results(event.result.as_ref())?);
            }
            Some(Attributes::WorkflowExecutionFailedEventAttributes(event)) => {
                ended.status = "FAILED";
                ended.failure = event.failure.clone();
            }
            Some(Attributes::WorkflowExecutionTimedOutEventAttributes(_)) => ended.status = "TIMEOUT",
            Some(Attributes::WorkflowExecutionCanceledEventAttributes(_)) => ended.status = "CANCELED",
            Some(Attributes::WorkflowExecutionTerminatedEventAttributes(event)) => {
                ended.status = "TERMINATED";
                ended.reason = event.reason.clone();
            }
            _ => bail!("the server closed the run with an event of type {}", close.event_type().as_str_name()),
        }
        Ok(ended)
    }

    /// For people.
    pub(super) fn facts(&self, took: Option<Duration>) -> String {
        let took = took.map(|took| prost_types::Duration {
            seconds: i64::try_from(took.as_secs()).unwrap_or(i64::MAX),
            nanos: took.subsec_nanos().cast_signed(),
        });
        let result = self.result.as_ref().filter(|result| !result.is_null());
        let failure = self.failure.as_ref().map(failure_line).unwrap_or_default();
        facts(&[
            ("RunTime", length(took)),
            ("Status", self.status.to_owned()),
            ("Result", result.map(ToString::to_string).unwrap_or_default()),
            ("Failure", failure),
            ("Reason", self.reason.clone()),
        ])
    }

    /// An error unless the workflow completed.
    pub(super) fn into_outcome(self) -> anyhow::Result<()> {
        if self.status == "COMPLETED" {
            return Ok(());
        }
        match &self.failure {
            Some(failure) => bail!("workflow failed: {}", one_line(&failure_line(failure))),
            None => bail!("workflow failed: it ended as {}", self.status),
        }
    }
}

/// A failure with its causes on one line.
pub(super) fn failure_line(failure: &Failure) -> String {
    let causes = std::iter::successors(Some(failure), |failure| failure.cause.as_deref());
    causes.map(|failure| failure.message.as_str()).collect::<Vec<_>>().join(": ")
}

/// Results as JSON: a single one alone.
pub(super) fn results(payloads: Option<&Payloads>) -> anyhow::Result<Value> {
    match payloads.map(|payloads| payloads.payloads.as_slice()) {
        None => Ok(Value::Null),
        Some([only]) => value(only),
        Some(several) => value(&Payloads { payloads: several.to_vec() }),
    }
}

/// What is printed as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Whole<'a> {
    pub(super) workflow_id: String,
    pub(super) run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task_queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration_millis: Option<u128>,
    #[serde(flatten)]
    pub(super) ended: &'a Ended,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) history: Option<Value>,
}
