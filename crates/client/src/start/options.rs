//! The options that all ways to start a workflow share.

use std::collections::BTreeMap;
use std::time::Duration;

use evertide_proto::common::{self, Memo, Payloads, Priority, TimeSkippingConfig, WorkflowType};
use evertide_proto::sdk::UserMetadata;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflow::VersioningOverride;
use evertide_proto::workflowservice::StartWorkflowExecutionRequest;
use serde::Serialize;

pub use evertide_proto::enums::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::failure::prost_duration;
use crate::payload::to_payload;
use crate::search_attributes::SearchAttributes;

/// How a workflow that fails is run again.
///
/// ```
/// use std::time::Duration;
///
/// use evertide_client::RetryPolicy;
///
/// let policy = RetryPolicy::attempts(5)
///     .with_initial_interval(Duration::from_secs(2))
///     .with_backoff_coefficient(1.5)
///     .with_maximum_interval(Duration::from_secs(60))
///     .with_non_retryable("NoMoney");
/// assert_eq!(policy.maximum_attempts, 5);
/// assert_eq!(policy.non_retryable_error_types, ["NoMoney"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The delay before the second attempt. 1 s.
    pub initial_interval: Duration,
    /// By what the delay grows from attempt to attempt. 2.
    pub backoff_coefficient: f64,
    /// The longest delay. A hundred times the first if none is set.
    pub maximum_interval: Option<Duration>,
    /// How many attempts to make in all. 0, the default, is without end.
    pub maximum_attempts: u32,
    /// The types of application failures that end the retries.
    pub non_retryable_error_types: Vec<String>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_secs(1),
            backoff_coefficient: 2.0,
            maximum_interval: None,
            maximum_attempts: 0,
            non_retryable_error_types: Vec::new(),
        }
    }
}

impl RetryPolicy {
    /// At most so many attempts, with the delays of the default.
    pub fn attempts(maximum_attempts: u32) -> Self {
        Self { maximum_attempts, ..Self::default() }
    }

    /// Sets the delay before the second attempt.
    #[must_use]
    pub fn with_initial_interval(mut self, interval: Duration) -> Self {
        self.initial_interval = interval;
        self
    }

    /// Sets by what the delay grows.
    #[must_use]
    pub fn with_backoff_coefficient(mut self, coefficient: f64) -> Self {
        self.backoff_coefficient = coefficient;
        self
    }

    /// Sets the longest delay.
    #[must_use]
    pub fn with_maximum_interval(mut self, interval: Duration) -> Self {
        self.maximum_interval = Some(interval);
        self
    }

    /// Adds a type of failure that ends the retries.
    #[must_use]
    pub fn with_non_retryable(mut self, type_name: impl Into<String>) -> Self {
        self.non_retryable_error_types.push(type_name.into());
        self
    }

    fn into_proto(self) -> common::RetryPolicy {
        common::RetryPolicy {
            initial_interval: prost_duration(self.initial_interval),
            backoff_coefficient: self.backoff_coefficient,
            maximum_interval: self.maximum_interval.and_then(prost_duration),
            maximum_attempts: i32::try_from(self.maximum_attempts).unwrap_or(i32::MAX),
            non_retryable_error_types: self.non_retryable_error_types,
        }
    }
}

/// What a start is made of, beside its arguments.
#[derive(Debug, Clone)]
pub(crate) struct StartOptions {
    /// The request so far. Ids and names are checked when it is finished.
    pub(crate) request: StartWorkflowExecutionRequest,
    pub(crate) task_queue: String,
    pub(crate) memo: BTreeMap<String, common::Payload>,
    pub(crate) search_attributes: SearchAttributes,
    pub(crate) failed: Option<Error>,
}

impl StartOptions {
    pub(crate) fn new(workflow_type: String) -> Self {
        Self {
            request: StartWorkflowExecutionRequest {
                workflow_type: Some(WorkflowType { name: workflow_type }),
                workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate.into(),
                priority: Some(Priority::default()),
                ..Default::default()
            },
            task_queue: String::new(),
            memo: BTreeMap::new(),
            search_attributes: SearchAttributes::new(),
            failed: None,
        }
    }

    pub(crate) fn convert<T: Serialize + ?Sized>(&mut self, value: &T) -> Option<common::Payload> {
        match to_payload(value) {
            Ok(payload) => Some(payload),
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }

    pub(crate) fn user_metadata(&mut self) -> &mut UserMetadata {
        self.request.user_metadata.get_or_insert_default()
    }

    pub(crate) fn set_retry_policy(&mut self, policy: RetryPolicy) {
        self.request.retry_policy = Some(policy.into_proto());
    }

    pub(crate) fn set_versioning_override(&mut self, versioning: VersioningOverride) {
        self.request.versioning_override = Some(versioning);
    }

    pub(crate) fn set_time_skipping(&mut self, config: TimeSkippingConfig) {
        self.request.time_skipping_config = Some(config);
    }

    /// The request with everything in it, if it can be made.
    pub(crate) fn into_request(
        self,
        client: &Client,
        input: Option<Payloads>,
    ) -> Result<StartWorkflowExecutionRequest> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut request = self.request;
        if request.workflow_id.is_empty() {
            return Err(Error::invalid("the start has no workflow id; give it with id"));
        }
        if self.task_queue.is_empty() {
            return Err(Error::invalid("the start has no task queue; give it with task_queue"));
        }
        if request.workflow_type.as_ref().is_none_or(|name| name.name.is_empty()) {
            return Err(Error::invalid("the name of the workflow is empty"));
        }
        request.namespace = client.namespace().to_owned();
        request.identity = client.identity().to_owned();
        if request.request_id.is_empty() {
            request.request_id = uuid::Uuid::new_v4().to_string();
        }
        request.task_queue = Some(TaskQueue { name: self.task_queue, ..Default::default() });
        request.input = input;
        request.memo = (!self.memo.is_empty()).then_some(Memo { fields: self.memo });
        request.search_attributes = self.search_attributes.into_proto();
        Ok(request)
    }
}

/// Gives a builder with a field `start` the setters of all starts.
macro_rules! start_options {
    ($builder:ident<$($parameter:ident),*>) => {
        impl<$($parameter),*> $builder<$($parameter),*> {
            /// The id of the workflow. Must be given.
            pub fn id(mut self, id: impl Into<String>) -> Self {
                self.start.request.workflow_id = id.into();
                self
            }

            /// The task queue whose workers run the workflow. Must be given.
            pub fn task_queue(mut self, name: impl Into<String>) -> Self {
                self.start.task_queue = name.into();
                self
            }

            /// Bounds the whole chain of runs, with retries and continue-as-new. Without it the chain has no bound.
            pub fn execution_timeout(mut self, limit: std::time::Duration) -> Self {
                self.start.request.workflow_execution_timeout = crate::failure::prost_duration(limit);
                self
            }

            /// Bounds each run. Without it a run has the time of the whole chain.
            pub fn run_timeout(mut self, limit: std::time::Duration) -> Self {
                self.start.request.workflow_run_timeout = crate::failure::prost_duration(limit);
                self
            }

            /// Bounds each workflow task. Servers give it 10 s if nothing is set, and at most 120 s.
            pub fn task_timeout(mut self, limit: std::time::Duration) -> Self {
                self.start.request.workflow_task_timeout = crate::failure::prost_duration(limit);
                self
            }

            /// What to do if a **closed** workflow has the id. Starting another is allowed by default.
            pub fn id_reuse_policy(mut self, policy: crate::start::WorkflowIdReusePolicy) -> Self {
                self.start.request.workflow_id_reuse_policy = policy.into();
                self
            }

            /// What to do if a **running** workflow has the id. The start fails by default.
            pub fn id_conflict_policy(mut self, policy: crate::start::WorkflowIdConflictPolicy) -> Self {
                self.start.request.workflow_id_conflict_policy = policy.into();
                self
            }

            /// The id by which the server knows a start that is sent again. A new one is made for each call if none is
            /// given.
            pub fn request_id(mut self, id: impl Into<String>) -> Self {
                self.start.request.request_id = id.into();
                self
            }

            /// How the workflow is run again when it fails. It is not, by default.
            pub fn retry_policy(mut self, policy: crate::start::RetryPolicy) -> Self {
                self.start.set_retry_policy(policy);
                self
            }

            /// Runs the workflow again and again at these times: cron's five fields, such as `0 9 * * MON`, or
            /// `@every 90m`. They are in UTC unless `CRON_TZ=Europe/Paris` or the like stands before them.
            pub fn cron_schedule(mut self, schedule: impl Into<String>) -> Self {
                self.start.request.cron_schedule = schedule.into();
                self
            }

            /// Adds a value to the memo, which descriptions and lists show. One that cannot be sent ends the start with
            /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion).
            pub fn memo<Value: serde::Serialize + ?Sized>(mut self, key: impl Into<String>, value: &Value) -> Self {
                if let Some(payload) = self.start.convert(value) {
                    self.start.memo.insert(key.into(), payload);
                }
                self
            }

            /// The search attributes to start with.
            pub fn search_attributes(mut self, attributes: crate::search_attributes::SearchAttributes) -> Self {
                self.start.search_attributes = attributes;
                self
            }

            /// A line about this workflow, for people.
            pub fn static_summary(mut self, summary: impl AsRef<str>) -> Self {
                let payload = self.start.convert(summary.as_ref());
                self.start.user_metadata().summary = payload;
                self
            }

            /// A text about this workflow, for people.
            pub fn static_details(mut self, details: impl AsRef<str>) -> Self {
                let payload = self.start.convert(details.as_ref());
                self.start.user_metadata().details = payload;
                self
            }

            /// Waits before the first workflow task. Not together with a cron schedule.
            pub fn start_delay(mut self, delay: std::time::Duration) -> Self {
                self.start.request.workflow_start_delay = crate::failure::prost_duration(delay);
                self
            }

            /// Which workflows go first on a task queue. Lower keys go first; servers know 1 to 5, and take 3 for 0,
            /// which is the default.
            pub fn priority_key(mut self, key: i32) -> Self {
                self.start.request.priority.get_or_insert_default().priority_key = key;
                self
            }

            /// Shares a task queue fairly between keys, by weight. A key has the weight 1 if it is given 0.
            pub fn fairness(mut self, key: impl Into<String>, weight: f32) -> Self {
                let priority = self.start.request.priority.get_or_insert_default();
                priority.fairness_key = key.into();
                priority.fairness_weight = weight;
                self
            }

            /// Adds a header, which interceptors of workers read.
            pub fn header(mut self, key: impl Into<String>, value: evertide_proto::common::Payload) -> Self {
                self.start.request.header.get_or_insert_default().fields.insert(key.into(), value);
                self
            }

            /// Runs the workflow on another version of its workers than the queue's own.
            pub fn versioning_override(mut self, versioning: evertide_proto::workflow::VersioningOverride) -> Self {
                self.start.set_versioning_override(versioning);
                self
            }

            /// Lets the time of this workflow be skipped.
            pub fn time_skipping(mut self, config: evertide_proto::common::TimeSkippingConfig) -> Self {
                self.start.set_time_skipping(config);
                self
            }
        }
    };
}
pub(crate) use start_options;
