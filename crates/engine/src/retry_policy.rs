//! Retry policies of workflows and activities: what they default to, when they are refused, and what comes after a failure.

use crate::Rejection;
use crate::duration::{self, SECOND_NS};
use evertide_proto::common::RetryPolicy;
use evertide_proto::enums::{RetryState, TimeoutType};
use evertide_proto::failure::Failure;
use evertide_proto::failure::failure::FailureInfo;

/// The first interval where none is given.
const DEFAULT_INITIAL_INTERVAL_NS: i64 = SECOND_NS;
/// What an interval is multiplied by where nothing is given.
const DEFAULT_BACKOFF_COEFFICIENT: f64 = 2.0;
/// How many times the first interval the longest one is where none is given.
const DEFAULT_MAXIMUM_INTERVAL_FACTOR: i64 = 100;
/// How a type of timeout is listed among the types of errors that are not retried: `TemporalTimeout:StartToClose`.
const TIMEOUT_TYPE_PREFIX: &str = "TemporalTimeout:";

/// The policy with what it leaves out filled in: 1 s, doubled up to 100 times the first interval, without end.
#[must_use]
pub fn with_defaults(policy: &RetryPolicy) -> RetryPolicy {
    let mut filled = policy.clone();
    if duration::to_ns(filled.initial_interval.as_ref()) == 0 {
        filled.initial_interval = Some(duration::from_ns(DEFAULT_INITIAL_INTERVAL_NS));
    }
    if duration::to_ns(filled.maximum_interval.as_ref()) == 0 {
        let initial_ns = duration::to_ns(filled.initial_interval.as_ref());
        let maximum_ns = initial_ns.saturating_mul(DEFAULT_MAXIMUM_INTERVAL_FACTOR);
        filled.maximum_interval = Some(duration::from_ns(maximum_ns));
    }
    if filled.backoff_coefficient == 0.0 {
        filled.backoff_coefficient = DEFAULT_BACKOFF_COEFFICIENT;
    }
    filled
}

/// The policy of a request as events record it: filled in, checked, its intervals cut to the longest length of time. An
/// activity without a policy has `checked(&RetryPolicy::default())`; a workflow without one is not retried.
///
/// With one attempt nothing else of the policy matters, and nothing else is checked.
pub fn checked(policy: &RetryPolicy) -> Result<RetryPolicy, Rejection> {
    let mut policy = with_defaults(policy);
    if policy.maximum_attempts == 1 {
        return Ok(policy);
    }
    policy.initial_interval = duration::checked(policy.initial_interval.as_ref())
        .map_err(|error| Rejection::invalid(format!("invalid InitialInterval set on retry policy: {error}")))?;
    if policy.backoff_coefficient.is_nan() || policy.backoff_coefficient < 1.0 {
        return Err(Rejection::invalid("BackoffCoefficient cannot be less than 1 on retry policy."));
    }
    policy.maximum_interval = duration::checked(policy.maximum_interval.as_ref())
        .map_err(|error| Rejection::invalid(format!("invalid MaximumInterval set on retry policy: {error}")))?;
    if interval_ns(&policy.maximum_interval) < interval_ns(&policy.initial_interval) {
        return Err(Rejection::invalid("MaximumInterval cannot be less than InitialInterval on retry policy."));
    }
    if policy.maximum_attempts < 0 {
        return Err(Rejection::invalid("MaximumAttempts cannot be negative on retry policy."));
    }
    let timeouts = policy.non_retryable_error_types.iter().filter_map(|name| name.strip_prefix(TIMEOUT_TYPE_PREFIX));
    if let Some(unknown) = timeouts.into_iter().find(|name| !is_timeout_type(name)) {
        return Err(Rejection::invalid(format!("Invalid timeout type value: {unknown}.")));
    }
    Ok(policy)
}

fn interval_ns(interval: &Option<prost_types::Duration>) -> i64 {
    duration::to_ns(interval.as_ref())
}

fn is_timeout_type(name: &str) -> bool {
    let timeout_types =
        [TimeoutType::StartToClose, TimeoutType::ScheduleToStart, TimeoutType::ScheduleToClose, TimeoutType::Heartbeat];
    timeout_types
        .into_iter()
        .any(|timeout_type| name == timeout_name(timeout_type) || name == timeout_type.as_str_name())
}

/// The short name of a type of timeout, as messages and policies have it: `StartToClose`.
#[must_use]
pub fn timeout_name(timeout_type: TimeoutType) -> &'static str {
    match timeout_type {
        TimeoutType::Unspecified => "Unspecified",
        TimeoutType::StartToClose => "StartToClose",
        TimeoutType::ScheduleToStart => "ScheduleToStart",
        TimeoutType::ScheduleToClose => "ScheduleToClose",
        TimeoutType::Heartbeat => "Heartbeat",
    }
}

/// Whether a failure leaves room for another attempt. Only the outermost failure counts, not its causes. A failure that
/// says nothing of its kind can be retried, and so can none at all.
#[must_use]
pub fn is_retryable(failure: Option<&Failure>, non_retryable_types: &[String]) -> bool {
    let is_listed = |name: &str| non_retryable_types.iter().any(|listed| listed == name);
    match failure.and_then(|failure| failure.failure_info.as_ref()) {
        Some(FailureInfo::TerminatedFailureInfo(_) | FailureInfo::CanceledFailureInfo(_)) => false,
        Some(FailureInfo::TimeoutFailureInfo(info)) => match info.timeout_type() {
            timeout_type @ (TimeoutType::StartToClose | TimeoutType::Heartbeat) => {
                !is_listed(&format!("{TIMEOUT_TYPE_PREFIX}{}", timeout_name(timeout_type)))
            }
            _ => false,
        },
        Some(FailureInfo::ServerFailureInfo(info)) => !info.non_retryable,
        Some(FailureInfo::ApplicationFailureInfo(info)) => !info.non_retryable && !is_listed(&info.r#type),
        _ => true,
    }
}

/// What fails: the rules differ in two points, see [`next_attempt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// A run of a workflow.
    Workflow,
    /// An activity.
    Activity,
}

/// What comes after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Another attempt after this time.
    After {
        /// How long to wait, from now.
        interval_ns: i64,
    },
    /// No other attempt, and why.
    No(RetryState),
}

/// A failed attempt, and when it failed.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// What was attempted.
    pub retried: Retried,
    /// The number of the attempt, the first being 1.
    pub number: i32,
    /// How it failed.
    pub failure: Option<&'a Failure>,
    /// The time, in unix nanoseconds.
    pub now_ns: i64,
    /// When no attempt may begin any more, in unix nanoseconds; none if there is no end to it.
    pub expiration_ns: Option<i64>,
}

/// What comes after a failed attempt under a policy that was [`checked`], or under none.
///
/// The delay that an application failure asks for replaces the interval. For an activity it may be longer than the policy's
/// longest interval, but zero ends the retries; for a workflow it is cut, and zero means the longest interval. Timeouts that
/// begin with the scheduling end an activity's retries with `TIMEOUT`, and a workflow's, where a child or an activity failed
/// so and the workflow passed it on, with `NON_RETRYABLE_FAILURE`.
///
/// Whether the activity or workflow was asked to cancel is for the caller to see to.
#[must_use]
pub fn next_attempt(policy: Option<&RetryPolicy>, attempt: &Attempt<'_>) -> Retry {
    let Some(policy) = policy else {
        return Retry::No(RetryState::RetryPolicyNotSet);
    };
    if attempt.retried == Retried::Activity && is_schedule_timeout(attempt.failure) {
        return Retry::No(RetryState::Timeout);
    }
    if !is_retryable(attempt.failure, &policy.non_retryable_error_types) {
        return Retry::No(RetryState::NonRetryableFailure);
    }
    let number = attempt.number.max(1);
    if policy.maximum_attempts > 0 && number >= policy.maximum_attempts {
        return Retry::No(RetryState::MaximumAttemptsReached);
    }
    match interval_before_next(policy, attempt, number) {
        Some(interval_ns)
            if attempt.expiration_ns.is_none_or(|end_ns| interval_ns <= end_ns.saturating_sub(attempt.now_ns)) =>
        {
            Retry::After { interval_ns }
        }
        _ => Retry::No(RetryState::Timeout),
    }
}

fn is_schedule_timeout(failure: Option<&Failure>) -> bool {
    match failure.and_then(|failure| failure.failure_info.as_ref()) {
        Some(FailureInfo::TimeoutFailureInfo(info)) => {
            matches!(info.timeout_type(), TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose)
        }
        _ => false,
    }
}

/// How long to wait; none if there is nothing to wait for.
fn interval_before_next(policy: &RetryPolicy, attempt: &Attempt<'_>, number: i32) -> Option<i64> {
    let maximum_ns = interval_ns(&policy.maximum_interval);
    let asked_ns = asked_delay_ns(attempt.failure);
    if attempt.retried == Retried::Activity
        && let Some(delay_ns) = asked_ns
    {
        return (delay_ns > 0).then_some(delay_ns);
    }
    let interval_ns = asked_ns.unwrap_or_else(|| exponential_interval_ns(policy, number));
    match (interval_ns > 0, maximum_ns > 0) {
        (true, true) => Some(interval_ns.min(maximum_ns)),
        (true, false) => Some(interval_ns),
        (false, true) => Some(maximum_ns),
        (false, false) => None,
    }
}

/// The delay that an application failure asks for.
fn asked_delay_ns(failure: Option<&Failure>) -> Option<i64> {
    match failure?.failure_info.as_ref()? {
        FailureInfo::ApplicationFailureInfo(info) => {
            info.next_retry_delay.as_ref().map(|delay| duration::to_ns(Some(delay)))
        }
        _ => None,
    }
}

/// The interval after the attempt with this number, before it is cut to the longest one.
fn exponential_interval_ns(policy: &RetryPolicy, number: i32) -> i64 {
    let initial_ns = interval_ns(&policy.initial_interval) as f64;
    // What is too large for the number becomes the largest one.
    (initial_ns * policy.backoff_coefficient.powi(number - 1)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use evertide_proto::failure::{
        ApplicationFailureInfo, CanceledFailureInfo, ServerFailureInfo, TerminatedFailureInfo, TimeoutFailureInfo,
    };

    fn seconds(seconds: i64) -> Option<prost_types::Duration> {
        Some(duration::from_ns(seconds * SECOND_NS))
    }

    fn failure(info: FailureInfo) -> Failure {
        Failure { failure_info: Some(info), ..Failure::default() }
    }

    fn application(error_type: &str, non_retryable: bool) -> Failure {
        failure(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: error_type.to_owned(),
            non_retryable,
            ..ApplicationFailureInfo::default()
        }))
    }

    fn delayed(delay: Option<prost_types::Duration>) -> Failure {
        failure(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            next_retry_delay: delay,
            ..ApplicationFailureInfo::default()
        }))
    }

    fn timeout(timeout_type: TimeoutType) -> Failure {
        failure(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: timeout_type.into(),
            ..TimeoutFailureInfo::default()
        }))
    }

    fn after(number: i32) -> Attempt<'static> {
        Attempt { retried: Retried::Activity, number, failure: None, now_ns: 0, expiration_ns: None }
    }

    fn wait(seconds: i64) -> Retry {
        Retry::After { interval_ns: seconds * SECOND_NS }
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let filled = checked(&RetryPolicy::default()).unwrap();
        let wanted = RetryPolicy {
            initial_interval: seconds(1),
            backoff_coefficient: 2.0,
            maximum_interval: seconds(100),
            ..RetryPolicy::default()
        };
        assert_eq!(filled, wanted);
        let five = RetryPolicy { initial_interval: seconds(5), ..RetryPolicy::default() };
        assert_eq!(checked(&five).unwrap().maximum_interval, seconds(500));
        let once = RetryPolicy { backoff_coefficient: 0.1, maximum_attempts: 1, ..RetryPolicy::default() };
        assert_eq!(checked(&once).unwrap(), RetryPolicy { backoff_coefficient: 0.1, maximum_attempts: 1, ..wanted });
    }

    #[test]
    fn intervals_are_cut_to_the_longest_length_of_time() {
        let long = RetryPolicy { initial_interval: seconds(1 << 33), ..RetryPolicy::default() };
        let policy = checked(&long).unwrap();
        assert_eq!(duration::to_ns(policy.initial_interval.as_ref()), duration::MAX_DURATION_NS);
        assert_eq!(policy.initial_interval, policy.maximum_interval);
    }

    #[test]
    fn unsound_policies_are_refused() {
        let policy = RetryPolicy::default;
        let types = |name: &str| RetryPolicy { non_retryable_error_types: vec![name.to_owned()], ..policy() };
        let table = [
            (
                RetryPolicy { initial_interval: seconds(-1), ..policy() },
                "invalid InitialInterval set on retry policy: negative duration",
            ),
            (
                RetryPolicy { backoff_coefficient: 0.5, ..policy() },
                "BackoffCoefficient cannot be less than 1 on retry policy.",
            ),
            (
                RetryPolicy { backoff_coefficient: f64::NAN, ..policy() },
                "BackoffCoefficient cannot be less than 1 on retry policy.",
            ),
            (
                RetryPolicy { maximum_interval: seconds(-1), ..policy() },
                "invalid MaximumInterval set on retry policy: negative duration",
            ),
            (
                RetryPolicy { initial_interval: seconds(5), maximum_interval: seconds(4), ..policy() },
                "MaximumInterval cannot be less than InitialInterval on retry policy.",
            ),
            (RetryPolicy { maximum_attempts: -1, ..policy() }, "MaximumAttempts cannot be negative on retry policy."),
            (types("TemporalTimeout:Nonsense"), "Invalid timeout type value: Nonsense."),
            (types("TemporalTimeout:Unspecified"), "Invalid timeout type value: Unspecified."),
        ];
        for (policy, wanted) in table {
            assert_eq!(checked(&policy).unwrap_err(), Rejection::invalid(wanted));
        }
        assert!(checked(&types("TemporalTimeout:StartToClose")).is_ok());
        assert!(checked(&types("Anything")).is_ok());
    }

    #[test]
    fn only_some_failures_are_retried() {
        let listed = ["Bad".to_owned(), "TemporalTimeout:Heartbeat".to_owned()];
        let retried = |failure: Failure| is_retryable(Some(&failure), &listed);
        assert!(is_retryable(None, &listed));
        assert!(retried(Failure::default()));
        assert!(retried(application("Other", false)));
        assert!(!retried(application("Bad", false)));
        assert!(!retried(application("Other", true)));
        assert!(retried(timeout(TimeoutType::StartToClose)));
        assert!(!retried(timeout(TimeoutType::Heartbeat)));
        assert!(!retried(timeout(TimeoutType::ScheduleToStart)));
        assert!(!retried(timeout(TimeoutType::ScheduleToClose)));
        assert!(retried(failure(FailureInfo::ServerFailureInfo(ServerFailureInfo { non_retryable: false }))));
        assert!(!retried(failure(FailureInfo::ServerFailureInfo(ServerFailureInfo { non_retryable: true }))));
        assert!(!retried(failure(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default()))));
        assert!(!retried(failure(FailureInfo::TerminatedFailureInfo(TerminatedFailureInfo::default()))));
        let wrapped = Failure { cause: Some(Box::new(application("Bad", true))), ..Failure::default() };
        assert!(retried(wrapped));
    }

    #[test]
    fn intervals_grow_to_the_longest_one() {
        let policy = checked(&RetryPolicy { maximum_interval: seconds(10), ..RetryPolicy::default() }).unwrap();
        let waits = [1, 2, 3, 4, 5, 100_000].map(|number| next_attempt(Some(&policy), &after(number)));
        assert_eq!(waits, [1, 2, 4, 8, 10, 10].map(wait));
    }

    #[test]
    fn retries_end_for_a_reason() {
        let policy = checked(&RetryPolicy { maximum_attempts: 3, ..RetryPolicy::default() }).unwrap();
        let bad = application("Bad", true);
        let next = |attempt| next_attempt(Some(&policy), &attempt);
        assert_eq!(next_attempt(None, &after(1)), Retry::No(RetryState::RetryPolicyNotSet));
        assert_eq!(next(after(2)), wait(2));
        assert_eq!(next(after(3)), Retry::No(RetryState::MaximumAttemptsReached));
        let refused = Attempt { failure: Some(&bad), ..after(3) };
        assert_eq!(next(refused), Retry::No(RetryState::NonRetryableFailure));
        let in_time = Attempt { now_ns: SECOND_NS, expiration_ns: Some(3 * SECOND_NS), ..after(2) };
        assert_eq!(next(in_time), wait(2));
        assert_eq!(next(Attempt { now_ns: SECOND_NS + 1, ..in_time }), Retry::No(RetryState::Timeout));
        let late = timeout(TimeoutType::ScheduleToClose);
        let scheduled = Attempt { failure: Some(&late), ..after(1) };
        assert_eq!(next(scheduled), Retry::No(RetryState::Timeout));
        let passed_on = Attempt { retried: Retried::Workflow, ..scheduled };
        assert_eq!(next(passed_on), Retry::No(RetryState::NonRetryableFailure));
    }

    #[test]
    fn a_failure_can_ask_for_its_delay() {
        let policy = checked(&RetryPolicy { maximum_interval: seconds(10), ..RetryPolicy::default() }).unwrap();
        let next = |retried, delay_seconds| {
            let failure = delayed(seconds(delay_seconds));
            next_attempt(Some(&policy), &Attempt { retried, failure: Some(&failure), ..after(1) })
        };
        assert_eq!(next(Retried::Activity, 60), wait(60));
        assert_eq!(next(Retried::Activity, 0), Retry::No(RetryState::Timeout));
        assert_eq!(next(Retried::Activity, -1), Retry::No(RetryState::Timeout));
        assert_eq!(next(Retried::Workflow, 60), wait(10));
        assert_eq!(next(Retried::Workflow, 7), wait(7));
        assert_eq!(next(Retried::Workflow, 0), wait(10));
    }
}
