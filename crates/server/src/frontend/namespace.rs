//! Namespaces: register, describe, list, update, deprecate.

use crate::fault::Failure;
use crate::frontend::operator::SYSTEM_NAMESPACE;
use crate::frontend::{Call, Frontend, Outcome, validate};
use crate::registry::NamespaceRecord;
use evertide_engine::env::{duration, duration_ns, timestamp};
use evertide_engine::{Code, Detail, Limits, Rejection};
use evertide_proto::enums::{ArchivalState, NamespaceState};
use evertide_proto::namespace::namespace_info::{Capabilities, Limits as ShownLimits};
use evertide_proto::namespace::{BadBinaries, BadBinaryInfo, NamespaceConfig, NamespaceInfo, UpdateNamespaceInfo};
use evertide_proto::prost_types::Duration;
use evertide_proto::replication::{ClusterReplicationConfig, NamespaceReplicationConfig};
use evertide_proto::workflowservice::{
    DeprecateNamespaceRequest, DeprecateNamespaceResponse, DescribeNamespaceRequest, DescribeNamespaceResponse,
    ListNamespacesRequest, ListNamespacesResponse, RegisterNamespaceRequest, RegisterNamespaceResponse,
    UpdateNamespaceRequest, UpdateNamespaceResponse,
};
use std::collections::BTreeMap;

/// Shortest time for which closed runs are kept, nanoseconds.
const RETENTION_MIN_NS: i64 = 3600 * 1_000_000_000;
/// Longest such time, nanoseconds: a longer one is taken for this.
const RETENTION_MAX_NS: i64 = 36_500 * 86_400 * 1_000_000_000;
/// Namespaces on one page where the caller does not say how many.
const PAGE_SIZE: usize = 100;

/// What a namespace is like that is made because somebody uses it, as Temporal's test server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnregisteredNamespace {
    /// Custom search attributes: name to `IndexedValueType`.
    pub search_attributes: BTreeMap<String, i32>,
    /// How long closed runs are kept, nanoseconds.
    pub retention_ns: i64,
}

impl Frontend {
    /// Makes the namespace for whose lack a call was refused, where any namespace will do. Whether the call is worth
    /// another try.
    pub(super) async fn makes_namespace_for<T>(&self, outcome: &Outcome<T>) -> bool {
        let Some(UnregisteredNamespace { search_attributes, retention_ns }) = &self.facts.unregistered_namespaces
        else {
            return false;
        };
        let Err(Failure::Rejected(Rejection { detail: Detail::NamespaceNotFound { namespace }, .. })) = outcome else {
            return false;
        };
        let record = NamespaceRecord {
            id: self.node.new_uuid(),
            name: namespace.clone(),
            state: NamespaceState::Registered.into(),
            search_attributes: search_attributes.clone(),
            retention_ns: *retention_ns,
            ..NamespaceRecord::default()
        };
        let made = self.node.change_namespace(namespace, |found| Ok(found.or(Some(record)))).await;
        made.is_ok()
    }

    /// RegisterNamespace.
    pub(super) async fn register_namespace(
        &self,
        _call: &Call,
        r: RegisterNamespaceRequest,
    ) -> Outcome<RegisterNamespaceResponse> {
        if r.is_global_namespace {
            return Err(Rejection::invalid("Cannot register global namespace when not enabled").into());
        }
        if r.namespace.is_empty() {
            return Err(Rejection::invalid("Namespace not set on request.").into());
        }
        validate::namespace_length(self.limits(), &r.namespace)?;
        self.check_clusters(&r.active_cluster_name, &r.clusters)?;
        if r.namespace == SYSTEM_NAMESPACE {
            return Err(already_exists(&r.namespace).into());
        }
        let retention_ns = retention_ns(r.workflow_execution_retention_period.as_ref())?;
        let name = r.namespace;
        let record = NamespaceRecord {
            id: self.node.new_uuid(),
            name: name.clone(),
            state: NamespaceState::Registered.into(),
            description: r.description,
            owner_email: r.owner_email,
            data: r.data,
            retention_ns,
            ..NamespaceRecord::default()
        };
        self.node
            .change_namespace(&name, move |found| match found {
                None => Ok(Some(record)),
                Some(_) => Err(already_exists(&record.name)),
            })
            .await?;
        Ok(RegisterNamespaceResponse {})
    }

    /// DescribeNamespace, by name or by id. A deleted one is described until it is gone.
    pub(super) async fn describe_namespace(
        &self,
        _call: &Call,
        r: DescribeNamespaceRequest,
    ) -> Outcome<DescribeNamespaceResponse> {
        if !r.namespace.is_empty() && !r.id.is_empty() {
            let message = "GetNamespace operation failed.  Both ID and Name specified in request.";
            return Err(Rejection::invalid(message).into());
        }
        if r.namespace.is_empty() && r.id.is_empty() {
            return Err(Rejection::invalid("Namespace not set on request.").into());
        }
        validate::namespace_length(self.limits(), &r.namespace)?;
        let (named, is_it): (_, fn(&NamespaceRecord, &str) -> bool) = match r.id.as_str() {
            "" => (&r.namespace, |record, name| record.name == name),
            _ => (&r.id, |record, id| record.id == id),
        };
        let found = self.node.namespace_records().into_iter().find(|record| is_it(record, named));
        let record = found.ok_or_else(|| Rejection::namespace_not_found(named))?;
        Ok(described(&record, self.limits()))
    }

    /// ListNamespaces, in the order of their names.
    pub(super) async fn list_namespaces(
        &self,
        _call: &Call,
        r: ListNamespacesRequest,
    ) -> Outcome<ListNamespacesResponse> {
        let size = usize::try_from(r.page_size).ok().filter(|n| *n > 0).unwrap_or(PAGE_SIZE);
        let after =
            String::from_utf8(r.next_page_token.to_vec()).map_err(|_| Rejection::invalid("Invalid NextPageToken."))?;
        let shown =
            |record: &NamespaceRecord| r.namespace_filter.is_some_and(|f| f.include_deleted) || !is_deleted(record);
        let records = self.node.namespace_records();
        let mut left = records.iter().filter(|record| record.name > after && shown(record));
        let page: Vec<_> = left.by_ref().take(size).collect();
        let more = left.next().is_some();
        let last = page.last().filter(|_| more).map(|record| record.name.clone().into_bytes().into());
        Ok(ListNamespacesResponse {
            namespaces: page.into_iter().map(|record| described(record, self.limits())).collect(),
            next_page_token: last.unwrap_or_default(),
        })
    }

    /// UpdateNamespace: what is set is changed, data is merged by key.
    pub(super) async fn update_namespace(
        &self,
        _call: &Call,
        r: UpdateNamespaceRequest,
    ) -> Outcome<UpdateNamespaceResponse> {
        let name = validate::administered_namespace(&self.node.namespaces(), self.limits(), &r.namespace)?.name.clone();
        if r.promote_namespace {
            let message = "global namespace is not enabled on this cluster, cannot update global namespace or promote \
                           local namespace: ";
            return Err(Rejection::invalid(format!("{message}{name}")).into());
        }
        if let Some(replication) = &r.replication_config {
            self.check_clusters(&replication.active_cluster_name, &replication.clusters)?;
        }
        let config = r.config.unwrap_or_default();
        if !config.custom_search_attribute_aliases.is_empty() {
            let message = "search attributes have no aliases on this server, which keeps them by their own names: use \
                           AddSearchAttributes";
            return Err(Rejection::invalid(message).into());
        }
        let retention = config.workflow_execution_retention_ttl;
        let retention_ns = retention.map(|d| retention_ns(Some(&d))).transpose()?;
        let marked = config.bad_binaries.unwrap_or_default().binaries;
        let (most, now_ns) = (self.limits().bad_binaries, self.node.now_ns());
        let info = r.update_info.unwrap_or_default();
        let changed = self
            .node
            .change_namespace(&name, move |found| {
                let mut record = found.ok_or_else(|| Rejection::namespace_not_found(&r.namespace))?;
                merge(&mut record, info)?;
                mark_bad_binaries(&mut record, marked, most, now_ns)?;
                if !r.delete_bad_binary.is_empty() && record.bad_binaries.remove(&r.delete_bad_binary).is_none() {
                    let message = format!("Bad binary checksum {} doesn't exists.", r.delete_bad_binary);
                    return Err(Rejection::invalid(message));
                }
                record.retention_ns = retention_ns.unwrap_or(record.retention_ns);
                Ok(Some(record))
            })
            .await?;
        let DescribeNamespaceResponse { namespace_info, config, replication_config, .. } =
            described(&changed.unwrap_or_default(), self.limits());
        Ok(UpdateNamespaceResponse { namespace_info, config, replication_config, ..UpdateNamespaceResponse::default() })
    }

    /// DeprecateNamespace: it takes no new workflows.
    pub(super) async fn deprecate_namespace(
        &self,
        _call: &Call,
        r: DeprecateNamespaceRequest,
    ) -> Outcome<DeprecateNamespaceResponse> {
        validate::administered_namespace(&self.node.namespaces(), self.limits(), &r.namespace)?;
        let name = r.namespace.clone();
        self.node
            .change_namespace(&name, move |found| {
                let mut record = found.ok_or_else(|| Rejection::namespace_not_found(&r.namespace))?;
                record.state = NamespaceState::Deprecated.into();
                Ok(Some(record))
            })
            .await?;
        Ok(DeprecateNamespaceResponse {})
    }

    /// There is one cluster for a namespace to be in.
    fn check_clusters(&self, active: &str, clusters: &[ClusterReplicationConfig]) -> Result<(), Rejection> {
        let named = clusters.iter().map(|cluster| cluster.cluster_name.as_str());
        let mut named = named.chain(Some(active).filter(|active| !active.is_empty()));
        match named.find(|name| *name != self.facts.cluster_name) {
            Some(name) => Err(Rejection::invalid(format!("Invalid cluster name: {name}"))),
            None => Ok(()),
        }
    }

    /// The record of a namespace that was there a moment ago.
    pub(super) fn record(&self, name: &str) -> Outcome<NamespaceRecord> {
        let found = self.node.namespace_records().into_iter().find(|record| record.name == name);
        Ok(found.ok_or_else(|| Rejection::namespace_not_found(name))?)
    }
}

fn is_deleted(record: &NamespaceRecord) -> bool {
    record.state == i32::from(NamespaceState::Deleted)
}

fn already_exists(name: &str) -> Rejection {
    Rejection {
        code: Code::AlreadyExists,
        message: format!("Namespace \"{name}\" already exists").into(),
        detail: Detail::NamespaceAlreadyExists,
    }
}

fn retention_ns(period: Option<&Duration>) -> Result<i64, Rejection> {
    let ns = duration_ns(period);
    if ns < RETENTION_MIN_NS {
        return Err(Rejection::invalid("A valid retention period is not set on request."));
    }
    Ok(ns.min(RETENTION_MAX_NS))
}

fn merge(record: &mut NamespaceRecord, info: UpdateNamespaceInfo) -> Result<(), Rejection> {
    let deprecated = i32::from(NamespaceState::Deprecated);
    match NamespaceState::try_from(info.state) {
        Ok(NamespaceState::Unspecified) => {}
        Ok(state) if i32::from(state) == record.state => {}
        Ok(NamespaceState::Deprecated) => record.state = deprecated,
        _ => return Err(Rejection::invalid("Invalid namespace state update.")),
    }
    if !info.description.is_empty() {
        record.description = info.description;
    }
    if !info.owner_email.is_empty() {
        record.owner_email = info.owner_email;
    }
    record.data.extend(info.data);
    Ok(())
}

/// Marks binaries as bad, at this time; those that were marked before stay so.
fn mark_bad_binaries(
    record: &mut NamespaceRecord,
    marked: BTreeMap<String, BadBinaryInfo>,
    most: usize,
    now_ns: i64,
) -> Result<(), Rejection> {
    let now = |info| BadBinaryInfo { create_time: Some(timestamp(now_ns)), ..info };
    record.bad_binaries.extend(marked.into_iter().map(|(checksum, info)| (checksum, now(info))));
    if record.bad_binaries.len() > most {
        return Err(Rejection::invalid(format!("Total resetBinaries cannot exceed the max limit: {most}")));
    }
    Ok(())
}

fn described(record: &NamespaceRecord, limits: &Limits) -> DescribeNamespaceResponse {
    let info = NamespaceInfo {
        name: record.name.clone(),
        state: record.state,
        description: record.description.clone(),
        owner_email: record.owner_email.clone(),
        data: record.data.clone(),
        id: record.id.clone(),
        capabilities: Some(capabilities(limits)),
        limits: Some(ShownLimits {
            blob_size_limit_error: shown(limits.blob_size_bytes),
            memo_size_limit_error: shown(limits.memo_size_bytes),
            workflow_task_completion_size_limit_error: 0,
        }),
        supports_schedules: true,
    };
    let config = NamespaceConfig {
        workflow_execution_retention_ttl: Some(duration(record.retention_ns)),
        bad_binaries: Some(BadBinaries { binaries: record.bad_binaries.clone() }),
        history_archival_state: ArchivalState::Disabled.into(),
        visibility_archival_state: ArchivalState::Disabled.into(),
        ..NamespaceConfig::default()
    };
    let cluster = "active".to_owned();
    let replication = NamespaceReplicationConfig {
        active_cluster_name: cluster.clone(),
        clusters: vec![ClusterReplicationConfig { cluster_name: cluster, ..ClusterReplicationConfig::default() }],
        ..NamespaceReplicationConfig::default()
    };
    DescribeNamespaceResponse {
        namespace_info: Some(info),
        config: Some(config),
        replication_config: Some(replication),
        ..DescribeNamespaceResponse::default()
    }
}

/// What can be done in a namespace: only what is there, for clients choose their behaviour by it.
fn capabilities(limits: &Limits) -> Capabilities {
    Capabilities {
        eager_workflow_start: limits.eager_workflow_start,
        sync_update: limits.updates,
        async_update: limits.updates && limits.updates_wait_for_acceptance,
        worker_heartbeats: limits.worker_heartbeats,
        reported_problems_search_attribute: limits.workflow_task_problems_to_report > 0,
        workflow_pause: limits.workflow_pause,
        poller_autoscaling: true,
        poller_autoscaling_auto_enroll: limits.poller_autoscaling_auto_enroll,
        worker_poll_complete_on_shutdown: limits.cancel_worker_polls_on_shutdown,
        ..Capabilities::default()
    }
}

fn shown(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_merges_and_never_goes_back() {
        let mut record = NamespaceRecord {
            state: NamespaceState::Registered.into(),
            description: "old".to_owned(),
            data: [("a".to_owned(), "1".to_owned())].into(),
            ..NamespaceRecord::default()
        };
        let info = UpdateNamespaceInfo {
            state: NamespaceState::Deprecated.into(),
            data: [("b".to_owned(), "2".to_owned())].into(),
            ..UpdateNamespaceInfo::default()
        };
        merge(&mut record, info).unwrap();
        assert_eq!((record.description.as_str(), record.data.len()), ("old", 2));
        let back = UpdateNamespaceInfo { state: NamespaceState::Registered.into(), ..UpdateNamespaceInfo::default() };
        assert_eq!(merge(&mut record, back).unwrap_err().message, "Invalid namespace state update.");
    }

    #[test]
    fn retention_has_bounds() {
        assert!(retention_ns(Some(&Duration { seconds: 3600, nanos: 0 })).is_ok());
        assert!(retention_ns(Some(&Duration { seconds: 3599, nanos: 0 })).is_err());
        assert!(retention_ns(None).is_err());
        assert_eq!(retention_ns(Some(&Duration { seconds: 9_000_000_000, nanos: 0 })), Ok(RETENTION_MAX_NS));
    }
}
