//! UpdateTaskQueueConfig: limits and weights that operators set for a task queue.

use crate::frontend::{Call, Frontend, Outcome, validate};
use crate::matching::QueueKind;
use evertide_engine::env::timestamp;
use evertide_engine::{Limits, Rejection};
use evertide_proto::enums::TaskQueueType;
use evertide_proto::taskqueue::{ConfigMetadata, RateLimitConfig, TaskQueue, TaskQueueConfig};
use evertide_proto::workflowservice::update_task_queue_config_request::RateLimitUpdate;
use evertide_proto::workflowservice::{UpdateTaskQueueConfigRequest, UpdateTaskQueueConfigResponse};
use std::collections::BTreeMap;

/// Longest reason or identity, characters.
const TEXT_CHARACTERS: usize = 1000;
/// Longest fairness key, bytes.
const FAIRNESS_KEY_BYTES: usize = 64;

impl Frontend {
    /// UpdateTaskQueueConfig.
    pub(super) async fn update_task_queue_config(
        &self,
        _call: &Call,
        r: UpdateTaskQueueConfigRequest,
    ) -> Outcome<UpdateTaskQueueConfigResponse> {
        let namespace = self.namespace(&r.namespace)?;
        let named = TaskQueue { name: r.task_queue.clone(), ..TaskQueue::default() };
        validate::task_queue(self.limits(), Some(&named))?;
        check(&r, self.limits())?;
        let key = queue_kind(r.task_queue_type).key(&namespace.id, &r.task_queue);
        let (now_ns, most) = (self.node.now_ns(), self.limits().fairness_weight_overrides);
        let change = move |found| {
            let config = changed(found, r, now_ns);
            if config.fairness_weight_overrides.len() > most {
                let message = "fairness weight overrides update rejected: exceeding maximum key size";
                return Err(Rejection::invalid(message));
            }
            Ok(config)
        };
        let config = self.node.change_queue_config(key, Box::new(change)).await?;
        Ok(UpdateTaskQueueConfigResponse { config: Some(config) })
    }
}

/// The kind of queue that a request means; the one for workflows if it says none.
pub(super) fn queue_kind(kind: i32) -> QueueKind {
    match TaskQueueType::try_from(kind) {
        Ok(TaskQueueType::Activity) => QueueKind::Activity,
        Ok(TaskQueueType::Nexus) => QueueKind::Nexus,
        _ => QueueKind::Workflow,
    }
}

fn check(r: &UpdateTaskQueueConfigRequest, limits: &Limits) -> Result<(), Rejection> {
    let of_workflows = queue_kind(r.task_queue_type) == QueueKind::Workflow;
    if of_workflows && r.update_queue_rate_limit.is_some() {
        return Err(Rejection::invalid("Setting rate limit on workflow task queues is not allowed."));
    }
    if of_workflows && r.update_fairness_key_rate_limit_default.is_some() {
        return Err(Rejection::invalid("Setting fairness key rate limit on workflow task queues is not allowed."));
    }
    check_text("Identity", &r.identity)?;
    check_rate("UpdateQueueRateLimit", r.update_queue_rate_limit.as_ref())?;
    check_rate("UpdateFairnessKeyRateLimitDefault", r.update_fairness_key_rate_limit_default.as_ref())?;
    check_weights(r, limits.fairness_weight_overrides)
}

fn check_weights(r: &UpdateTaskQueueConfigRequest, most: usize) -> Result<(), Rejection> {
    let asked = r.set_fairness_weight_overrides.len() + r.unset_fairness_weight_overrides.len();
    if asked > most {
        let message = format!("too many fairness weight overrides in request: got {asked}, maximum {most}");
        return Err(Rejection::invalid(message));
    }
    let named = r.set_fairness_weight_overrides.keys().chain(&r.unset_fairness_weight_overrides);
    for key in named {
        if key.is_empty() {
            return Err(Rejection::invalid("fairness weight override key must not be empty"));
        }
        if key.len() > FAIRNESS_KEY_BYTES {
            return Err(Rejection::invalid("fairness key length exceeds limit"));
        }
    }
    for (key, weight) in &r.set_fairness_weight_overrides {
        if r.unset_fairness_weight_overrides.contains(key) {
            let message = format!("fairness weight override key \"{key}\" present in both set and unset lists");
            return Err(Rejection::invalid(message));
        }
        if *weight <= 0.0 {
            // The reference says it twice, and clients compare.
            let message = format!("invalid fairness weight weight for key \"{key}\": must be greater than zero");
            return Err(Rejection::invalid(message));
        }
    }
    Ok(())
}

fn check_rate(name: &str, update: Option<&RateLimitUpdate>) -> Result<(), Rejection> {
    let Some(update) = update else { return Ok(()) };
    if update.rate_limit.is_some_and(|limit| limit.requests_per_second < 0.0) {
        let message = format!("RequestsPerSecond for {name} rate limit must be non-negative.");
        return Err(Rejection::invalid(message));
    }
    check_text(&format!("{name}.Reason"), &update.reason)
}

fn check_text(name: &str, text: &str) -> Result<(), Rejection> {
    if text.chars().count() > TEXT_CHARACTERS {
        let message = format!("{name} field too long (max {TEXT_CHARACTERS} characters).");
        return Err(Rejection::invalid(message));
    }
    Ok(())
}

/// The settings after a request. A limit that is named without a rate is taken away; who did it stays on record.
fn changed(mut config: TaskQueueConfig, r: UpdateTaskQueueConfigRequest, now_ns: i64) -> TaskQueueConfig {
    let identity = r.identity;
    let limit = |update: RateLimitUpdate| RateLimitConfig {
        rate_limit: update.rate_limit,
        metadata: Some(ConfigMetadata {
            reason: update.reason,
            update_identity: identity.clone(),
            update_time: Some(timestamp(now_ns)),
        }),
    };
    if let Some(update) = r.update_queue_rate_limit {
        config.queue_rate_limit = Some(limit(update));
    }
    if let Some(update) = r.update_fairness_key_rate_limit_default {
        config.fairness_keys_rate_limit_default = Some(limit(update));
    }
    let weights: &mut BTreeMap<String, f32> = &mut config.fairness_weight_overrides;
    weights.extend(r.set_fairness_weight_overrides);
    weights.retain(|key, _| !r.unset_fairness_weight_overrides.contains(key));
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use evertide_proto::taskqueue::RateLimit;

    fn request(rate: Option<f32>) -> UpdateTaskQueueConfigRequest {
        let rate_limit = rate.map(|requests_per_second| RateLimit { requests_per_second });
        UpdateTaskQueueConfigRequest {
            task_queue_type: TaskQueueType::Activity.into(),
            update_queue_rate_limit: Some(RateLimitUpdate { rate_limit, reason: "why".to_owned() }),
            ..UpdateTaskQueueConfigRequest::default()
        }
    }

    #[test]
    fn a_limit_without_a_rate_is_taken_away() {
        let set = changed(TaskQueueConfig::default(), request(Some(3.0)), 1);
        assert_eq!(crate::queue_config::rate(&set), Some(3.0));
        let unset = changed(set, request(None), 2);
        assert_eq!(crate::queue_config::rate(&unset), None);
        assert_eq!(unset.queue_rate_limit.unwrap().metadata.unwrap().reason, "why");
    }

    #[test]
    fn rates_are_for_activities_and_not_negative() {
        let check = |r: &UpdateTaskQueueConfigRequest| check(r, &Limits::default());
        assert!(check(&request(Some(0.0))).is_ok());
        assert!(check(&request(Some(-1.0))).is_err());
        let workflows = UpdateTaskQueueConfigRequest { task_queue_type: 0, ..request(Some(1.0)) };
        assert!(check(&workflows).is_err());
    }

    #[test]
    fn weights_have_a_number_and_a_name() {
        let set = |keys: &[&str]| UpdateTaskQueueConfigRequest {
            set_fairness_weight_overrides: keys.iter().map(|key| ((*key).to_owned(), 1.0)).collect(),
            ..UpdateTaskQueueConfigRequest::default()
        };
        let limits = Limits { fairness_weight_overrides: 2, ..Limits::default() };
        assert_eq!(check(&set(&["a", "b"]), &limits), Ok(()));
        let told = |keys: &[&str]| check(&set(keys), &limits).unwrap_err().message.into_owned();
        assert_eq!(told(&["a", "b", "c"]), "too many fairness weight overrides in request: got 3, maximum 2");
        assert_eq!(told(&[""]), "fairness weight override key must not be empty");
    }
}
