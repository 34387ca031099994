//! What the server says of itself.

use crate::frontend::namespace::UnregisteredNamespace;
use crate::frontend::versions::{SERVER_VERSION, SUPPORTED_CLIENTS, below};
use crate::frontend::{Call, Frontend, Outcome};
use evertide_engine::visibility::{SystemAttribute, predefined_attributes};
use evertide_proto::version::VersionInfo;
use evertide_proto::workflowservice::get_system_info_response::Capabilities;
use evertide_proto::workflowservice::{
    GetClusterInfoRequest, GetClusterInfoResponse, GetSearchAttributesRequest, GetSearchAttributesResponse,
    GetSystemInfoRequest, GetSystemInfoResponse,
};
use std::collections::BTreeMap;

/// Where versions of namespaces begin, which matter between clusters only.
pub(super) const INITIAL_FAILOVER_VERSION: i64 = 1;

/// Facts about a server that do not change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Name of the cluster, `active` where nobody has chosen another.
    pub cluster_name: String,
    /// Id of the cluster.
    pub cluster_id: String,
    /// The sort of store.
    pub persistence: String,
    /// How many shards there are.
    pub shards: i32,
    /// The address on which it serves, as text; empty in process.
    pub address: String,
    /// What a namespace is like that somebody uses without having registered it; none where it is refused.
    pub unregistered_namespaces: Option<UnregisteredNamespace>,
}

impl Default for ServerFacts {
    fn default() -> Self {
        Self {
            cluster_name: "active".to_owned(),
            cluster_id: "00000000-0000-0000-0000-000000000000".to_owned(),
            persistence: "memory".to_owned(),
            shards: 1,
            address: String::new(),
            unregistered_namespaces: None,
        }
    }
}

impl Frontend {
    /// GetSystemInfo: only what is there. Clients choose their behaviour by it.
    pub(super) async fn get_system_info(
        &self,
        _call: &Call,
        _request: GetSystemInfoRequest,
    ) -> Outcome<GetSystemInfoResponse> {
        let capabilities = Capabilities {
            signal_and_query_header: true,
            internal_error_differentiation: true,
            activity_failure_include_heartbeat: true,
            supports_schedules: true,
            encoded_failure_attributes: true,
            build_id_based_versioning: true,
            upsert_memo: true,
            eager_workflow_start: true,
            sdk_metadata: true,
            count_group_by_execution_status: true,
            nexus: false,
            server_scaled_deployments: false,
            server_scaled_provider_cloud_run: false,
        };
        Ok(GetSystemInfoResponse { server_version: SERVER_VERSION.to_owned(), capabilities: Some(capabilities) })
    }

    /// GetClusterInfo.
    pub(super) async fn get_cluster_info(
        &self,
        _call: &Call,
        _request: GetClusterInfoRequest,
    ) -> Outcome<GetClusterInfoResponse> {
        Ok(GetClusterInfoResponse {
            supported_clients: SUPPORTED_CLIENTS
                .iter()
                .map(|(name, major)| ((*name).to_owned(), below(*major)))
                .collect(),
            server_version: SERVER_VERSION.to_owned(),
            cluster_id: self.facts.cluster_id.clone(),
            version_info: Some(VersionInfo::default()),
            cluster_name: self.facts.cluster_name.clone(),
            history_shard_count: self.facts.shards,
            persistence_store: self.facts.persistence.clone(),
            visibility_store: self.facts.persistence.clone(),
            initial_failover_version: INITIAL_FAILOVER_VERSION,
            failover_version_increment: 10,
        })
    }

    /// GetSearchAttributes: those of the system and of all namespaces.
    pub(super) async fn get_search_attributes(
        &self,
        _call: &Call,
        _request: GetSearchAttributesRequest,
    ) -> Outcome<GetSearchAttributesResponse> {
        let mut keys = system_attributes();
        for namespace in self.node.namespaces().iter() {
            keys.extend(namespace.search_attributes.iter().map(|(name, kind)| (name.clone(), *kind)));
        }
        Ok(GetSearchAttributesResponse { keys })
    }
}

/// The search attributes that every namespace has, with their `IndexedValueType`.
pub(super) fn system_attributes() -> BTreeMap<String, i32> {
    let system = SystemAttribute::ALL.into_iter().map(|a| (a.name(), a.value_type()));
    let all = system.chain(predefined_attributes());
    all.map(|(name, kind)| (name.to_owned(), kind.to_proto())).collect()
}
