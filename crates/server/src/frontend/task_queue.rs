//! Task queues as operators see them.

use crate::frontend::queue_config::queue_kind;
use crate::frontend::{Call, Frontend, Outcome, validate};
use crate::matching::{PollerInfo as Poller, QueueDescription};
use evertide_engine::Rejection;
use evertide_engine::env::{duration, timestamp};
use evertide_proto::enums::{DescribeTaskQueueMode, RateLimitSource, TaskQueueKind, TaskQueueType};
use evertide_proto::taskqueue::{
    PollerInfo, TaskIdBlock, TaskQueueConfig, TaskQueuePartitionMetadata, TaskQueueStats, TaskQueueStatus,
    TaskQueueTypeInfo, TaskQueueVersionInfo, TaskQueueVersioningInfo,
};
use evertide_proto::workflowservice::describe_task_queue_response::EffectiveRateLimit;
use evertide_proto::workflowservice::{
    DescribeTaskQueueRequest, DescribeTaskQueueResponse, ListTaskQueuePartitionsRequest,
    ListTaskQueuePartitionsResponse,
};
use std::collections::BTreeMap;

/// The priority of tasks that name none.
const DEFAULT_PRIORITY: i32 = 3;
/// The rate that the reference reports for a queue without limits, tasks a second.
const UNLIMITED_PER_SECOND: f32 = 100_000.0;

/// Build ids that a description by version may name. Each is described with all pollers of the queue.
const BUILD_IDS_LIMIT: usize = 100;
/// Types of task queue that it may name; there are no more.
const TYPES_LIMIT: usize = 3;

impl Frontend {
    /// DescribeTaskQueue.
    pub(super) async fn describe_task_queue(
        &self,
        _call: &Call,
        r: DescribeTaskQueueRequest,
    ) -> Outcome<DescribeTaskQueueResponse> {
        let namespace = self.namespace(&r.namespace)?;
        let queue = validate::task_queue(self.limits(), r.task_queue.as_ref())?;
        let sticky = queue.kind() == TaskQueueKind::Sticky;
        refuse_modes(&r, sticky)?;
        check_limits(&r)?;
        if r.api_mode() == DescribeTaskQueueMode::Enhanced {
            return Ok(self.described_by_version(&namespace.id, &queue.name, &r));
        }
        let kind = queue_kind(r.task_queue_type);
        let found = self.node.describe_queue(&namespace.id, &queue.name, kind);
        let config = self.node.queue_config(&namespace.id, &queue.name, kind);
        let (limit, source) = effective_limit(&found, config.as_ref());
        Ok(DescribeTaskQueueResponse {
            stats: r.report_stats.then(|| stats(&found, self.node.now_ns())),
            stats_by_priority_key: if r.report_stats {
                stats_by_priority(&found, self.node.now_ns())
            } else {
                BTreeMap::new()
            },
            task_queue_status: r.include_task_queue_status.then(|| status(&found)),
            pollers: found.pollers.into_iter().map(poller).collect(),
            versioning_info: (!sticky).then(|| TaskQueueVersioningInfo {
                current_version: "__unversioned__".to_owned(),
                ..TaskQueueVersioningInfo::default()
            }),
            effective_rate_limit: Some(EffectiveRateLimit {
                requests_per_second: limit,
                rate_limit_source: source.into(),
            }),
            config: config.filter(|_| r.report_config),
            ..DescribeTaskQueueResponse::default()
        })
    }

    /// The deprecated mode: by build id and type. Tasks are not kept by build, so every build sees all of them.
    fn described_by_version(
        &self,
        namespace_id: &str,
        name: &str,
        r: &DescribeTaskQueueRequest,
    ) -> DescribeTaskQueueResponse {
        let named = r.versions.as_ref().map(|v| v.build_ids.clone()).unwrap_or_default();
        let builds = if named.is_empty() { vec![String::new()] } else { named };
        let both = vec![TaskQueueType::Workflow.into(), TaskQueueType::Activity.into()];
        let kinds = if r.task_queue_types.is_empty() { both } else { r.task_queue_types.clone() };
        let of_kind = |kind: &i32| {
            let found = self.node.describe_queue(namespace_id, name, queue_kind(*kind));
            let stats = r.report_stats.then(|| stats(&found, self.node.now_ns()));
            let pollers = if r.report_pollers { found.pollers } else { Vec::new() };
            (*kind, TaskQueueTypeInfo { stats, pollers: pollers.into_iter().map(poller).collect() })
        };
        let info =
            TaskQueueVersionInfo { types_info: kinds.iter().map(of_kind).collect(), ..TaskQueueVersionInfo::default() };
        let versions_info = builds.into_iter().map(|build| (build, info.clone())).collect();
        DescribeTaskQueueResponse { versions_info, ..DescribeTaskQueueResponse::default() }
    }

    /// ListTaskQueuePartitions: each queue is one.
    pub(super) async fn list_task_queue_partitions(
        &self,
        _call: &Call,
        r: ListTaskQueuePartitionsRequest,
    ) -> Outcome<ListTaskQueuePartitionsResponse> {
        self.namespace(&r.namespace)?;
        let queue = validate::task_queue(self.limits(), r.task_queue.as_ref())?;
        let only = TaskQueuePartitionMetadata { key: queue.name.clone(), owner_host_name: self.facts.address.clone() };
        Ok(ListTaskQueuePartitionsResponse {
            activity_task_queue_partitions: vec![only.clone()],
            workflow_task_queue_partitions: vec![only],
        })
    }
}

fn refuse_modes(r: &DescribeTaskQueueRequest, sticky: bool) -> Result<(), Rejection> {
    let enhanced = r.api_mode() == DescribeTaskQueueMode::Enhanced;
    if enhanced && sticky {
        return Err(Rejection::invalid(
            "Enhanced DescribeTaskQueue is not valid for a sticky queue, use api_mode=UNSPECIFIED or a normal queue.",
        ));
    }
    if r.report_stats && sticky {
        return Err(Rejection::invalid("DescribeTaskQueue stats are only supported for the root partition"));
    }
    Ok(())
}

fn check_limits(r: &DescribeTaskQueueRequest) -> Result<(), Rejection> {
    let builds = r.versions.as_ref().map_or(0, |v| v.build_ids.len());
    let named = [("build ids", builds, BUILD_IDS_LIMIT), ("task queue types", r.task_queue_types.len(), TYPES_LIMIT)];
    for (what, count, limit) in named {
        if count > limit {
            return Err(Rejection::invalid(format!("{count} {what} are named, the limit is {limit}")));
        }
    }
    Ok(())
}

/// What an operator has set, else the limit of the worker that polled last, if it set one.
#[allow(clippy::cast_possible_truncation)] // The protocol reports a rate with less precision than it takes one.
fn effective_limit(found: &QueueDescription, config: Option<&TaskQueueConfig>) -> (f32, RateLimitSource) {
    let set = config.and_then(|c| c.queue_rate_limit.as_ref()?.rate_limit);
    if let Some(limit) = set {
        return (limit.requests_per_second, RateLimitSource::Api);
    }
    let newest = found.pollers.iter().filter(|p| p.max_tasks_per_second.is_some()).max_by_key(|p| p.last_access_ns);
    match newest.and_then(|p| p.max_tasks_per_second) {
        Some(rate) => (rate as f32, RateLimitSource::Worker),
        None => (UNLIMITED_PER_SECOND, RateLimitSource::System),
    }
}

fn poller(poller: Poller) -> PollerInfo {
    PollerInfo {
        last_access_time: Some(timestamp(poller.last_access_ns)),
        identity: poller.identity,
        rate_per_second: poller.max_tasks_per_second.unwrap_or(f64::from(UNLIMITED_PER_SECOND)),
        ..PollerInfo::default()
    }
}

fn stats(found: &QueueDescription, now_ns: i64) -> TaskQueueStats {
    let oldest_ns = found.oldest_task_ns;
    TaskQueueStats {
        approximate_backlog_count: found.backlog_count,
        approximate_backlog_age: Some(duration(if oldest_ns == 0 { 0 } else { (now_ns - oldest_ns).max(0) })),
        tasks_add_rate: found.rates.values().map(|r| r.added).sum(),
        tasks_dispatch_rate: found.rates.values().map(|r| r.dispatched).sum(),
        ..TaskQueueStats::default()
    }
}

/// The part of the backlog that is in memory, and what came and went, by priority; the default one always shows.
fn stats_by_priority(found: &QueueDescription, now_ns: i64) -> BTreeMap<i32, TaskQueueStats> {
    let priorities = found.by_priority.keys().chain(found.rates.keys()).chain([&DEFAULT_PRIORITY]);
    let shown = |priority: &i32| {
        let (count, oldest_ns) = found.by_priority.get(priority).copied().unwrap_or((0, now_ns));
        let rates = found.rates.get(priority).copied().unwrap_or_default();
        let stats = TaskQueueStats {
            approximate_backlog_count: count,
            approximate_backlog_age: Some(duration((now_ns - oldest_ns).max(0))),
            tasks_add_rate: rates.added,
            tasks_dispatch_rate: rates.dispatched,
            ..TaskQueueStats::default()
        };
        (*priority, stats)
    };
    priorities.map(shown).collect()
}

fn status(found: &QueueDescription) -> TaskQueueStatus {
    TaskQueueStatus {
        backlog_count_hint: found.backlog_count,
        rate_per_second: f64::from(UNLIMITED_PER_SECOND),
        task_id_block: Some(TaskIdBlock::default()),
        ..TaskQueueStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evertide_proto::taskqueue::TaskQueueVersionSelection;

    #[test]
    fn a_description_names_a_limited_number_of_versions_and_types() {
        let request = |builds: usize, types: usize| DescribeTaskQueueRequest {
            versions: Some(TaskQueueVersionSelection {
                build_ids: vec!["b".to_owned(); builds],
                ..TaskQueueVersionSelection::default()
            }),
            task_queue_types: vec![1; types],
            ..DescribeTaskQueueRequest::default()
        };
        let told = |builds, types| check_limits(&request(builds, types)).map_err(|refusal| refusal.message);
        assert_eq!(told(BUILD_IDS_LIMIT, TYPES_LIMIT), Ok(()));
        assert_eq!(told(200_000, 1).unwrap_err(), "200000 build ids are named, the limit is 100");
        assert_eq!(told(0, 4).unwrap_err(), "4 task queue types are named, the limit is 3");
    }
}
