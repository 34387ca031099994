//! The settings: names of the reference server, and what each of them sets here.
//!
//! `docs/settings.md` tells the same to people; a test holds the two together.

use crate::callback::AllowedAddress;
use crate::duration::{self, SECOND_NS};
use crate::json::{self, Json};
use crate::limits::Limits;

/// Why a setting has no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ineffective {
    /// The reference has it, and there is nothing here for it to set.
    #[error("the setting {key} has no effect on this server: {why}")]
    WithoutMeaning {
        /// The name as it was given.
        key: String,
        /// What stands in its place.
        why: &'static str,
    },
    /// It is none of the names that are known here.
    #[error("there is no setting {key}")]
    Unknown {
        /// The name as it was given.
        key: String,
    },
    /// The value is not of its kind; what was in force stays so.
    #[error("the setting {key} cannot be {value}: it is {kind}")]
    Unreadable {
        /// The name as it was given.
        key: String,
        /// The value as it was given.
        value: String,
        /// What the value must be.
        kind: &'static str,
    },
}

impl Limits {
    /// Sets what the reference server calls `key` (case does not matter). The value is JSON: a number, a switch, a length of
    /// time like `"30s"` or in seconds, a list. A setting that is given twice has the later value.
    ///
    /// # Errors
    /// The setting has no effect, and nothing is changed.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Ineffective> {
        let is_it = |name: &str| name.eq_ignore_ascii_case(key);
        let Some(setting) = SETTINGS.iter().find(|s| is_it(s.key)) else {
            let without = WITHOUT_MEANING.iter().find(|(keys, _)| keys.iter().any(|name| is_it(name)));
            let key = key.to_owned();
            return Err(match without {
                Some((_, why)) => Ineffective::WithoutMeaning { key, why },
                None => Ineffective::Unknown { key },
            });
        };
        let read = json::parse(value).and_then(|value| setting.field.put(self, &value));
        read.ok_or_else(|| Ineffective::Unreadable {
            key: key.to_owned(),
            value: value.to_owned(),
            kind: setting.field.kind(),
        })
    }
}

/// All names that [`Limits::set`] knows, those without meaning too.
pub fn known_keys() -> impl Iterator<Item = &'static str> {
    let without = WITHOUT_MEANING.iter().flat_map(|(keys, _)| keys.iter().copied());
    SETTINGS.iter().map(|s| s.key).chain(without)
}

/// A name, and the field that it sets.
struct Setting {
    key: &'static str,
    field: Field,
}

type Of<T> = fn(&mut Limits) -> &mut T;

/// A field of the limits, by the kind of its values.
enum Field {
    Count(Of<usize>),
    Number(Of<i64>),
    Small(Of<i32>),
    Switch(Of<bool>),
    /// Nanoseconds.
    Time(Of<i64>),
    /// A share of 1, kept as percent.
    Share(Of<usize>),
    /// A ratio, kept as percent.
    Ratio(Of<i64>),
    Names(Of<Vec<String>>),
    Addresses(Of<Vec<AllowedAddress>>),
}

impl Field {
    fn put(&self, limits: &mut Limits, value: &Json) -> Option<()> {
        match self {
            Self::Count(of) => *of(limits) = whole(value)?.try_into().ok()?,
            Self::Number(of) => *of(limits) = whole(value)?,
            Self::Small(of) => *of(limits) = whole(value)?.try_into().ok()?,
            Self::Switch(of) => *of(limits) = switch(value)?,
            Self::Time(of) => *of(limits) = time_ns(value)?,
            Self::Share(of) => *of(limits) = percent(value).filter(|p| *p <= 100)?.try_into().ok()?,
            Self::Ratio(of) => *of(limits) = percent(value)?,
            Self::Names(of) => *of(limits) = list(value)?.iter().map(text).collect::<Option<_>>()?,
            Self::Addresses(of) => *of(limits) = list(value)?.iter().filter_map(address).collect(),
        }
        Some(())
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Count(_) | Self::Number(_) | Self::Small(_) => "a whole number",
            Self::Switch(_) => "true or false",
            Self::Time(_) => "a length of time, like \"30s\" or 30",
            Self::Share(_) => "a number from 0 to 1",
            Self::Ratio(_) => "a number, not below 0",
            Self::Names(_) => "a list of names",
            Self::Addresses(_) => "a list of objects with Pattern and AllowInsecure",
        }
    }
}

fn whole(value: &Json) -> Option<i64> {
    let Json::Number(number) = value else { return None };
    number.parse().ok()
}

fn switch(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(switch) => Some(*switch),
        Json::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn time_ns(value: &Json) -> Option<i64> {
    let ns = match value {
        Json::Text(text) => duration::parse(text)?,
        value => whole(value)?.checked_mul(SECOND_NS)?,
    };
    Some(ns).filter(|ns| *ns >= 0)
}

#[allow(clippy::cast_possible_truncation)] // It is rounded, and checked to be small.
fn percent(value: &Json) -> Option<i64> {
    let Json::Number(number) = value else { return None };
    let percent = (number.parse::<f64>().ok()? * 100.0).round();
    (0.0..=1e9).contains(&percent).then_some(percent as i64)
}

fn list(value: &Json) -> Option<&[Json]> {
    match value {
        Json::List(items) => Some(items),
        _ => None,
    }
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// One of the allowed addresses; one without a pattern allows nothing.
fn address(value: &Json) -> Option<AllowedAddress> {
    let Json::Object(fields) = value else { return None };
    let field = |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let pattern = field("Pattern").and_then(text).filter(|pattern| !pattern.is_empty())?;
    Some(AllowedAddress { pattern, allow_insecure: field("AllowInsecure").and_then(switch).unwrap_or(false) })
}

macro_rules! settings {
    ($($key:literal => $kind:ident $field:ident;)*) => {
        &[$(Setting { key: $key, field: Field::$kind(|limits| &mut limits.$field) }),*]
    };
}

const SETTINGS: &[Setting] = settings! {
    "callback.allowedAddresses" => Addresses callback_addresses;
    "callback.maxPerExecution" => Count callbacks_per_request;
    "component.callbacks.allowedAddresses" => Addresses callback_addresses;
    "frontend.callbackHeaderMaxSize" => Count callback_header_bytes;
    "frontend.callbackURLMaxLength" => Count callback_url_bytes;
    "frontend.enableCancelWorkerPollsOnShutdown" => Switch cancel_worker_polls_on_shutdown;
    "frontend.enableUpdateWorkflowExecution" => Switch updates;
    "frontend.enableUpdateWorkflowExecutionAsyncAccepted" => Switch updates_wait_for_acceptance;
    "frontend.historyMaxPageSize" => Count history_page_size;
    "frontend.linkMaxSize" => Count link_size_bytes;
    "frontend.maxBadBinaries" => Count bad_binaries;
    "frontend.maxLinksPerRequest" => Count links_per_request;
    "frontend.pollerAutoscalingAutoEnroll" => Switch poller_autoscaling_auto_enroll;
    "frontend.searchAttributesNumberOfKeysLimit" => Count search_attribute_keys;
    "frontend.searchAttributesSizeOfValueLimit" => Count search_attribute_value_bytes;
    "frontend.searchAttributesTotalSizeLimit" => Count search_attributes_total_bytes;
    "frontend.sendRawWorkflowHistory" => Switch raw_history;
    "frontend.TimeSkippingEnabled" => Switch workflow_time_skipping;
    "frontend.WorkerHeartbeatsEnabled" => Switch worker_heartbeats;
    "frontend.WorkflowPauseEnabled" => Switch workflow_pause;
    "frontend.WorkflowTimeSkippingEnabled" => Switch workflow_time_skipping;
    "frontend.WorkflowTimeSkippingMaxSkipPerSession" => Small time_skipping_max_per_session;
    "history.defaultWorkflowTaskTimeout" => Time workflow_task_timeout_default_ns;
    "history.longPollExpirationInterval" => Time long_poll_ns;
    "history.maxBufferedQueryCount" => Count buffered_queries;
    "history.maximumBufferedEventsBatch" => Count buffered_events;
    "history.maximumBufferedEventsSizeInBytes" => Count buffered_events_size_bytes;
    "history.maximumSignalsPerExecution" => Number signals;
    "history.maxInFlightUpdates" => Count in_flight_updates;
    "history.maxTotalUpdates" => Count total_updates;
    "history.maxTotalUpdates.suggestContinueAsNewThreshold" => Share total_updates_suggest_continue_as_new_percent;
    "history.workflowIdReuseMinimalInterval" => Time workflow_id_reuse_min_interval_ns;
    "history.workflowTaskHeartbeatTimeout" => Time workflow_task_heartbeat_timeout_ns;
    "history.workflowTaskRetryMaxInterval" => Time workflow_task_retry_max_interval_ns;
    "limit.blobSize.error" => Count blob_size_bytes;
    "limit.historyCount.error" => Number history_count;
    "limit.historyCount.suggestContinueAsNew" => Number history_count_suggest_continue_as_new;
    "limit.historyMaxPageSize" => Count history_page_size;
    "limit.historySize.error" => Number history_size_bytes;
    "limit.historySize.suggestContinueAsNew" => Number history_size_suggest_continue_as_new_bytes;
    "limit.maxIDLength" => Count id_length_bytes;
    "limit.memoSize.error" => Count memo_size_bytes;
    "limit.mutableStateActivityFailureSize.error" => Count failure_in_state_size_bytes;
    "limit.mutableStateSize.error" => Count mutable_state_size_bytes;
    "limit.numPendingActivities.error" => Count pending_activities;
    "limit.numPendingCancelRequests.error" => Count pending_cancel_requests;
    "limit.numPendingChildExecutions.error" => Count pending_children;
    "limit.numPendingSignals.error" => Count pending_signals;
    "matching.historyMaxPageSize" => Count task_history_page_size;
    "matching.maxFairnessKeyWeightOverrides" => Count fairness_weight_overrides;
    "matching.pollerScalingDecisionsPerSecond" => Number poller_scaling_decisions_per_second;
    "matching.pollerScalingMinimumBacklog" => Time poller_scaling_backlog_age_ns;
    "matching.pollerScalingTaskAddToDispatchRatio" => Ratio poller_scaling_add_to_dispatch_percent;
    "matching.pollerScalingWaitTime" => Time poller_scaling_wait_ns;
    "system.enableActivityEagerExecution" => Switch activity_eager_execution;
    "system.enableCrossNamespaceCommands" => Switch cross_namespace_commands;
    "system.enableEagerWorkflowStart" => Switch eager_workflow_start;
    "system.maxCallbacksPerWorkflow" => Count callbacks;
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute" => Small workflow_task_problems_to_report;
    "worker.protectedNamespaces" => Names protected_namespaces;
};

/// Settings of the reference that SDKs, their tests and the official CLI give, and that set nothing here.
const WITHOUT_MEANING: &[(&[&str], &str)] = &[
    (&["frontend.enableServerVersionCheck"], "it never looks for newer versions of itself"),
    (
        &[
            "system.clusterMetadataRefreshInterval",
            "system.forceNexusEndpointRefreshOnRead",
            "system.forceSearchAttributesCacheRefreshOnRead",
            "system.namespaceCacheRefreshInterval",
            "system.refreshNexusEndpointsMinWait",
        ],
        "what is changed is in force at once, since there is no cache to refresh",
    ),
    (
        &[
            "frontend.namespaceBurst",
            "frontend.namespaceCount",
            "frontend.namespaceRPS",
            "frontend.namespaceRPS.visibility",
            "frontend.persistenceMaxQPS",
            "frontend.rps",
            "history.persistenceMaxQPS",
            "history.rps",
            "matching.persistenceMaxQPS",
            "matching.rps",
            "worker.persistenceMaxQPS",
        ],
        "requests are not limited by their rate",
    ),
    (
        &[
            "limit.blobSize.warn",
            "limit.historyCount.warn",
            "limit.historySize.warn",
            "limit.memoSize.warn",
            "limit.mutableStateActivityFailureSize.warn",
            "limit.mutableStateSize.warn",
        ],
        "only the limit of the same name with `.error` counts",
    ),
    (
        &[
            "frontend.activityAPIsEnabled",
            "frontend.enableExecuteMultiOperation",
            "frontend.ListWorkersEnabled",
            "history.enableCHASMSignalBacklinks",
            "history.enableRequestIdRefLinks",
            "history.enableSignalWithStartFromWorkflow",
            "system.enableActivityLocalDispatch",
        ],
        "what it switches on is always on",
    ),
    (
        &[
            "history.cacheMaxSize",
            "history.enableChasm",
            "history.enableTransitionHistory",
            "history.hostLevelCacheMaxSize",
            "matching.numTaskqueueReadPartitions",
            "matching.numTaskqueueWritePartitions",
            "matching.useNewMatcher",
        ],
        "it is about how the reference works inside",
    ),
    (
        &[
            "frontend.enableVersioningDataAPIs",
            "frontend.enableVersioningWorkflowAPIs",
            "frontend.workerVersioningDataAPIs",
            "frontend.workerVersioningRuleAPIs",
            "frontend.workerVersioningWorkflowAPIs",
            "matching.maxTaskQueuesInDeploymentVersion",
            "matching.wv.VersionDrainageStatusRefreshInterval",
            "matching.wv.VersionDrainageStatusVisibilityGracePeriod",
            "system.enableDeployments",
            "system.enableDeploymentVersions",
            "worker.buildIdScavengerEnabled",
            "worker.removableBuildIdDurationSinceDefault",
        ],
        "worker versioning is not built yet",
    ),
    (
        &[
            "callback.request.timeout",
            "component.callbacks.request.timeout",
            "component.nexusoperations.callback.endpoint.template",
            "component.nexusoperations.recordCancelRequestCompletionEvents",
            "component.nexusoperations.useSystemCallbackURL",
            "history.enableCHASMCallbacks",
            "history.enableUpdateCallbacks",
            "nexusoperation.enableStandalone",
            "system.enableNexus",
        ],
        "Nexus and the delivery of callbacks are not built yet",
    ),
    (
        &["frontend.workerCommandsEnabled", "system.enableCancelActivityWorkerCommand"],
        "commands to workers are not built yet",
    ),
    (
        &[
            "activity.enableCallbacks",
            "activity.enableStandalone",
            "activity.longPollTimeout",
            "activity.startDelayEnabled",
        ],
        "standalone activities are not built yet",
    ),
    (
        &["frontend.enableBatchOperationsForStandaloneActivities", "frontend.MaxConcurrentBatchOperationPerNamespace"],
        "batch jobs are not built yet",
    ),
];

#[cfg(test)]
mod tests;
