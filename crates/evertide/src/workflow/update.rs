//! `workflow update ...`.

use super::{execution, input, result};
use crate::asking::Asked;
use crate::cli::Output;
use crate::cli::workflow::{Target, UpdateCommand, UpdateOptions, UpdateTarget};
use crate::output::{facts, print, print_value, value};
use anyhow::bail;
use evertide_proto::enums::UpdateWorkflowExecutionLifecycleStage as Stage;
use evertide_proto::update::outcome::Value as Outcome;
use evertide_proto::update::{Input, Meta, Request, UpdateRef, WaitPolicy};
use evertide_proto::workflowservice::{PollWorkflowExecutionUpdateRequest, UpdateWorkflowExecutionRequest};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// What is told about an update.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    update_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(skip)]
    failure_line: String,
}

/// `workflow update ...`.
pub(super) async fn run(asked: &Asked, command: &UpdateCommand, output: Output) -> anyhow::Result<()> {
    match command {
        UpdateCommand::Start(options) => send(asked, &options.update, Stage::Accepted, output).await,
        UpdateCommand::Execute(options) => send(asked, &options.update, Stage::Completed, output).await,
        UpdateCommand::Result(target) => {
            let outcome = outcome(asked, &target.target, &target.update_id).await?;
            let mut told = Told { update_id: target.update_id.clone(), ..Default::default() };
            told.take(outcome)?;
            told.print(output)?;
            if told.failure.is_some() { bail!("the update failed: {}", told.failure_line) } else { Ok(()) }
        }
        UpdateCommand::Describe(target) => describe(asked, target, output).await,
    }
}

/// Sends an update and waits for a stage of it.
async fn send(asked: &Asked, options: &UpdateOptions, stage: Stage, output: Output) -> anyhow::Result<()> {
    let update_id = options.update_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
    let meta = Meta { update_id: update_id.clone(), identity: asked.client.identity().to_owned() };
    let input = Input {
        header: input::header(&options.headers),
        name: options.name.clone(),
        args: input::payloads(&options.input)?,
    };
    let request = UpdateWorkflowExecutionRequest {
        namespace: asked.client.namespace().to_owned(),
        workflow_execution: Some(execution(&options.target.workflow_id, options.target.run_id.as_deref())),
        first_execution_run_id: options.first_execution_run_id.clone().unwrap_or_default(),
        wait_policy: Some(WaitPolicy { lifecycle_stage: stage.into() }),
        request: Some(Request { meta: Some(meta), input: Some(input), ..Default::default() }),
    };
    // A server that answers before the stage is reached is asked again, with the same id.
    let answer = loop {
        let answer = asked.told(asked.client.call(request.clone()).await)?;
        if answer.stage >= Stage::Accepted.into() {
            break answer;
        }
    };
    let mut told = Told { name: Some(options.name.clone()), update_id, ..Default::default() };
    let outcome = match answer.outcome {
        Some(outcome) => outcome.value,
        None if stage == Stage::Accepted => None,
        None => {
            let run_id = answer.update_ref.and_then(|reference| reference.workflow_execution).map(|run| run.run_id);
            let target = Target { workflow_id: options.target.workflow_id.clone(), run_id };
            self::outcome(asked, &target, &told.update_id).await?
        }
    };
    told.take(outcome)?;
    if told.failure.is_some() {
        bail!("unable to update workflow: {}", told.failure_line);
    }
    if stage == Stage::Accepted {
        told.result = None;
    }
    told.print(output)
}

/// Waits for the outcome of an update.
async fn outcome(asked: &Asked, target: &Target, update_id: &str) -> anyhow::Result<Option<Outcome>> {
    loop {
        let request = poll(asked, target, update_id, Some(WaitPolicy { lifecycle_stage: Stage::Completed.into() }));
        if let Some(outcome) = asked.told(asked.client.call(request).await)?.outcome {
            return Ok(outcome.value);
        }
    }
}

async fn describe(asked: &Asked, target: &UpdateTarget, output: Output) -> anyhow::Result<()> {
    let answer = asked.told(asked.client.call(poll(asked, &target.target, &target.update_id, None)).await)?;
    let stage = answer.stage().as_str_name().trim_start_matches("UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_");
    let stage = crate::output::short_name(stage, "");
    let mut told = Told { update_id: target.update_id.clone(), stage: Some(stage), ..Default::default() };
    told.take(answer.outcome.and_then(|outcome| outcome.value))?;
    told.print(output)
}

fn poll(
    asked: &Asked,
    target: &Target,
    update_id: &str,
    wait_policy: Option<WaitPolicy>,
) -> PollWorkflowExecutionUpdateRequest {
    let workflow_execution = Some(execution(&target.workflow_id, target.run_id.as_deref()));
    PollWorkflowExecutionUpdateRequest {
        namespace: asked.client.namespace().to_owned(),
        update_ref: Some(UpdateRef { workflow_execution, update_id: update_id.to_owned() }),
        identity: asked.client.identity().to_owned(),
        wait_policy,
    }
}

impl Told {
    fn take(&mut self, outcome: Option<Outcome>) -> anyhow::Result<()> {
        match outcome {
            None => {}
            Some(Outcome::Success(payloads)) => self.result = Some(result::results(Some(&payloads))?),
            Some(Outcome::Failure(failure)) => {
                self.failure_line = result::failure_line(&failure);
                self.failure = Some(value(&failure)?);
            }
        }
        Ok(())
    }

    fn print(&self, output: Output) -> anyhow::Result<()> {
        if output != Output::Table {
            return print_value(self, output);
        }
        print(&facts(&[
            ("Name", self.name.clone().unwrap_or_default()),
            ("UpdateId", self.update_id.clone()),
            ("Stage", self.stage.clone().unwrap_or_default()),
            ("Result", self.result.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("Failure", self.failure_line.clone()),
        ]))
    }
}
