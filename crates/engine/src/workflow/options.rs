//! Options of a running workflow: priority, versioning override; pause and unpause.

use crate::env::timestamp;
use crate::limits::Limits;
use crate::rejection::Rejection;
use crate::reply::{Decided, Reply};
use crate::visibility::SearchValue;
use crate::workflow::change::Fact;
use crate::workflow::checks::check_priority;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use crate::workflow::{activity, search_attributes, time_skipping, versioning_override, workflow_task};
use evertide_proto::common::Priority;
use evertide_proto::history::{
    WorkflowExecutionOptionsUpdatedEventAttributes, WorkflowExecutionPausedEventAttributes,
    WorkflowExecutionUnpausedEventAttributes,
};
use evertide_proto::workflow::versioning_override::Override;
use evertide_proto::workflow::{VersioningOverride, WorkflowExecutionOptions, WorkflowExecutionPauseInfo};
use evertide_proto::workflowservice::{
    PauseWorkflowExecutionRequest, UnpauseWorkflowExecutionRequest, UpdateWorkflowExecutionOptionsRequest,
};

/// The path of the configuration of time skipping in a mask.
const CLOCK: &str = "timeSkippingConfig";

/// UpdateWorkflowExecutionOptions.
pub(super) fn update_options(draft: &mut Draft<'_, '_>, request: UpdateWorkflowExecutionOptionsRequest) -> Decided {
    check_options(&request, draft.limits())?;
    if !draft.state().is_running() {
        return Err(Rejection::already_completed());
    }
    let mask = request.update_mask.unwrap_or_default();
    let mut asked = request.workflow_execution_options.unwrap_or_default();
    time_skipping::check(asked.time_skipping_config.as_mut(), draft.limits())?;
    versioning_override::check(asked.versioning_override.as_ref(), draft.state().task_queue())?;
    let before = current(draft);
    let mut after = before.clone();
    merge(&mut after, &asked, &mask.paths)
        .map_err(|text| Rejection::invalid(format!("error applying update_options: {text}")))?;
    // A fast-forward that is asked for again begins anew.
    let fast_forwards = after.time_skipping_config.as_ref().is_some_and(|c| c.fast_forward_config.is_some());
    let begins_anew = fast_forwards && mask.paths.iter().any(|p| camel_path(p) == CLOCK);
    if after != before || begins_anew {
        write(draft, &before, &after, begins_anew, request.identity);
    }
    Ok(Reply::WorkflowOptions(Box::new(after)))
}

/// What is wrong with a change of options, whatever the workflow.
///
/// # Errors
/// Missing parts, a priority or a configuration of time skipping that cannot be.
pub fn check_options(request: &UpdateWorkflowExecutionOptionsRequest, limits: &Limits) -> Result<(), Rejection> {
    if request.update_mask.is_none() {
        return Err(Rejection::invalid("UpdateMask is required"));
    }
    let Some(asked) = &request.workflow_execution_options else {
        return Err(Rejection::invalid("WorkflowExecutionOptions is required"));
    };
    check_priority(asked.priority.as_ref()).map_err(Rejection::invalid)?;
    time_skipping::check(asked.time_skipping_config.clone().as_mut(), limits)
}

fn current(draft: &Draft<'_, '_>) -> WorkflowExecutionOptions {
    let info = &draft.state().info;
    WorkflowExecutionOptions {
        versioning_override: info.versioning_override.clone(),
        priority: info.priority.clone(),
        time_skipping_config: info.time_skipping.as_ref().and_then(|t| t.config.clone()),
    }
}

/// Takes over the fields that the mask names.
fn merge(into: &mut WorkflowExecutionOptions, from: &WorkflowExecutionOptions, paths: &[String]) -> Result<(), String> {
    let camel: Vec<String> = paths.iter().map(|p| camel_path(p)).collect();
    let has = |name: &str| camel.iter().any(|p| p == name);
    let pinned = has("versioningOverride.deployment") || has("versioningOverride.pinnedVersion");
    if has("versioningOverride.behavior") != pinned {
        return Err("versioning_override fields must be updated together".to_owned());
    }
    for path in &camel {
        match path.as_str() {
            "versioningOverride"
            | "versioningOverride.behavior"
            | "versioningOverride.deployment"
            | "versioningOverride.pinnedVersion" => {
                into.versioning_override.clone_from(&from.versioning_override);
            }
            CLOCK => into.time_skipping_config.clone_from(&from.time_skipping_config),
            other if other.starts_with("timeSkippingConfig.") => {
                return Err("time_skipping_config doesn't support partial update".to_owned());
            }
            "priority" => into.priority.clone_from(&from.priority),
            other if other.starts_with("versioningOverride.") => {
                return Err("versioning_override doesn't support partial updates".to_owned());
            }
            other => merge_priority(into.priority.get_or_insert_default(), from.priority.as_ref(), other)?,
        }
    }
    Ok(())
}

fn merge_priority(into: &mut Priority, from: Option<&Priority>, path: &str) -> Result<(), String> {
    let from = from.cloned().unwrap_or_default();
    match path {
        "priority.priorityKey" => into.priority_key = from.priority_key,
        "priority.fairnessKey" => into.fairness_key = from.fairness_key,
        "priority.fairnessWeight" => into.fairness_weight = from.fairness_weight,
        other => return Err(format!("unknown field in the update mask: {other}")),
    }
    Ok(())
}

/// `a_b.c_d` as `aB.cD`; masks come in either form.
fn camel_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut upper = false;
    for c in path.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

fn write(
    draft: &mut Draft<'_, '_>,
    before: &WorkflowExecutionOptions,
    after: &WorkflowExecutionOptions,
    begins_anew: bool,
    identity: String,
) {
    let sets_clock = begins_anew || before.time_skipping_config != after.time_skipping_config;
    let attributes = WorkflowExecutionOptionsUpdatedEventAttributes {
        versioning_override: after.versioning_override.clone(),
        unset_versioning_override: after.versioning_override.is_none(),
        priority: if before.priority == after.priority { None } else { after.priority.clone() },
        identity,
        time_skipping_config: after.time_skipping_config.clone().filter(|_| sets_clock),
        time_skipping_config_updated: sets_clock,
        ..WorkflowExecutionOptionsUpdatedEventAttributes::default()
    };
    draft.arrive(attributes, EventExtra { worker_may_ignore: true, ..EventExtra::default() });
    if before.versioning_override != after.versioning_override {
        show_versioning(draft, after.versioning_override.as_ref());
    }
    draft.effects.visibility = true;
}

/// An override shows in the search attributes: how the run is versioned, and no build that it ran on without one.
fn show_versioning(draft: &mut Draft<'_, '_>, versioning: Option<&VersioningOverride>) {
    let behavior = match versioning.and_then(|v| v.r#override.as_ref()) {
        Some(Override::AutoUpgrade(true)) => Some("AutoUpgrade"),
        Some(Override::Pinned(_)) => Some("Pinned"),
        _ => None,
    };
    let value = behavior.map(|b| SearchValue::Keyword(b.to_owned()));
    search_attributes::set_value_by_server(draft, "TemporalWorkflowVersioningBehavior", value.as_ref());
    let builds: &[String] = if behavior.is_some() { &[] } else { &["unversioned".to_owned()] };
    search_attributes::set_by_server(draft, "BuildIds", builds);
}

/// What is wrong with a pause, whatever the workflow.
///
/// # Errors
/// UNIMPLEMENTED if pausing is off; INVALID_ARGUMENT for a text that is too long.
pub fn check_pause(request: &PauseWorkflowExecutionRequest, limits: &Limits) -> Result<(), Rejection> {
    if !limits.workflow_pause {
        let namespace = &request.namespace;
        return Err(Rejection::unimplemented(format!("workflow pause is not enabled for namespace: {namespace}")));
    }
    check_texts(&request.reason, &request.request_id, &request.identity, limits)
}

/// What is wrong with the end of a pause, whatever the workflow.
///
/// # Errors
/// INVALID_ARGUMENT for a text that is too long.
pub fn check_unpause(request: &UnpauseWorkflowExecutionRequest, limits: &Limits) -> Result<(), Rejection> {
    check_texts(&request.reason, &request.request_id, &request.identity, limits)
}

fn check_texts(reason: &str, request_id: &str, identity: &str, limits: &Limits) -> Result<(), Rejection> {
    let texts = [("reason", reason), ("request id", request_id), ("identity", identity)];
    match texts.into_iter().find(|(_, text)| text.len() > limits.id_length_bytes) {
        Some((name, _)) => Err(Rejection::invalid(format!("{name} is too long."))),
        None => Ok(()),
    }
}

/// PauseWorkflowExecution.
pub(super) fn pause(draft: &mut Draft<'_, '_>, request: PauseWorkflowExecutionRequest) -> Decided {
    check_pause(&request, draft.limits())?;
    if !draft.state().is_running() {
        return Err(Rejection::already_completed());
    }
    let info = &draft.state().info;
    if info.pause.is_some() {
        if !request.request_id.is_empty() && info.pause_request_id == request.request_id {
            return Ok(Reply::Done);
        }
        return Err(Rejection::precondition("workflow is already paused."));
    }
    let pause = WorkflowExecutionPauseInfo {
        identity: request.identity.clone(),
        paused_time: Some(timestamp(draft.now_ns())),
        reason: request.reason.clone(),
    };
    let attributes = WorkflowExecutionPausedEventAttributes {
        identity: request.identity,
        reason: request.reason,
        request_id: request.request_id,
    };
    draft.arrive(attributes, EventExtra { worker_may_ignore: true, ..EventExtra::default() });
    draft.record(Fact::Paused(pause).into());
    workflow_task::withdraw(draft);
    activity::refresh_pause_info(draft);
    draft.effects.visibility = true;
    Ok(Reply::Done)
}

/// UnpauseWorkflowExecution.
pub(super) fn unpause(draft: &mut Draft<'_, '_>, request: UnpauseWorkflowExecutionRequest) -> Decided {
    check_unpause(&request, draft.limits())?;
    if !draft.state().is_running() {
        return Err(Rejection::already_completed());
    }
    if draft.state().info.pause.is_none() {
        return Err(Rejection::precondition("workflow is not paused."));
    }
    let attributes = WorkflowExecutionUnpausedEventAttributes {
        identity: request.identity,
        reason: request.reason,
        request_id: request.request_id,
    };
    draft.arrive(attributes, EventExtra { worker_may_ignore: true, ..EventExtra::default() });
    draft.record(Fact::Unpaused(true).into());
    activity::refresh_pause_info(draft);
    activity::dispatch_all(draft);
    workflow_task::hand_out_again(draft);
    draft.effects.visibility = true;
    Ok(Reply::Done)
}

#[cfg(test)]
mod tests;
