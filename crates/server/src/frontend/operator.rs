//! The operator's service: search attributes, deleting namespaces, the one cluster that there is.

use crate::frontend::{Call, Frontend, Outcome, system, validate};
use evertide_engine::Rejection;
use evertide_engine::visibility::Attributes;
use evertide_proto::operatorservice::{
    AddSearchAttributesRequest, AddSearchAttributesResponse, ClusterMetadata, DeleteNamespaceRequest,
    DeleteNamespaceResponse, ListClustersRequest, ListClustersResponse, ListSearchAttributesRequest,
    ListSearchAttributesResponse, RemoveSearchAttributesRequest, RemoveSearchAttributesResponse,
};

/// The reference's own namespace; the name is kept free of users here too.
pub(super) const SYSTEM_NAMESPACE: &str = "temporal-system";

impl Frontend {
    /// AddSearchAttributes: one wrong name refuses all; what is there already stays as it is.
    pub(super) async fn add_search_attributes(
        &self,
        _call: &Call,
        r: AddSearchAttributesRequest,
    ) -> Outcome<AddSearchAttributesResponse> {
        if r.search_attributes.is_empty() {
            return Err(Rejection::invalid("SearchAttributes are not set on request.").into());
        }
        let name = self.namespace_with_attributes(&r.namespace)?;
        self.change_attributes(&name, move |attributes| attributes.add(&r.search_attributes)).await?;
        Ok(AddSearchAttributesResponse {})
    }

    /// RemoveSearchAttributes: unknown ones are fine.
    pub(super) async fn remove_search_attributes(
        &self,
        _call: &Call,
        r: RemoveSearchAttributesRequest,
    ) -> Outcome<RemoveSearchAttributesResponse> {
        if r.search_attributes.is_empty() {
            return Err(Rejection::invalid("SearchAttributes are not set on request.").into());
        }
        let name = self.namespace_with_attributes(&r.namespace)?;
        self.change_attributes(&name, move |attributes| attributes.remove(&r.search_attributes)).await?;
        Ok(RemoveSearchAttributesResponse {})
    }

    /// ListSearchAttributes.
    pub(super) async fn list_search_attributes(
        &self,
        _call: &Call,
        r: ListSearchAttributesRequest,
    ) -> Outcome<ListSearchAttributesResponse> {
        let name = self.namespace_with_attributes(&r.namespace)?;
        Ok(ListSearchAttributesResponse {
            custom_attributes: self.record(&name)?.search_attributes,
            system_attributes: system::system_attributes(),
            ..ListSearchAttributesResponse::default()
        })
    }

    /// DeleteNamespace, by name or by id: the name is free at once, the runs go in the background.
    pub(super) async fn delete_namespace(
        &self,
        _call: &Call,
        r: DeleteNamespaceRequest,
    ) -> Outcome<DeleteNamespaceResponse> {
        if !r.namespace.is_empty() && !r.namespace_id.is_empty() {
            return Err(Rejection::invalid("Only one of namespace name or Id should be set on request.").into());
        }
        if r.namespace == SYSTEM_NAMESPACE {
            return Err(Rejection::precondition("unable to delete system namespace").into());
        }
        let namespaces = self.node.namespaces();
        let namespace = if r.namespace_id.is_empty() {
            validate::administered_namespace(&namespaces, self.limits(), &r.namespace)?
        } else {
            let found = namespaces.with_id(&r.namespace_id).cloned();
            found.ok_or_else(|| Rejection::namespace_not_found(&r.namespace_id))?
        };
        if self.limits().protected_namespaces.contains(&namespace.name) {
            let message = format!("namespace {} is protected from deletion", namespace.name);
            return Err(Rejection::precondition(message).into());
        }
        let deleted_namespace = self.node.delete_namespace(&namespace.name).await?;
        Ok(DeleteNamespaceResponse { deleted_namespace })
    }

    /// ListClusters: this one.
    pub(super) async fn list_clusters(&self, _call: &Call, r: ListClustersRequest) -> Outcome<ListClustersResponse> {
        if !r.next_page_token.is_empty() {
            return Err(Rejection::invalid("Invalid NextPageToken.").into());
        }
        let cluster = ClusterMetadata {
            cluster_name: self.facts.cluster_name.clone(),
            cluster_id: self.facts.cluster_id.clone(),
            initial_failover_version: system::INITIAL_FAILOVER_VERSION,
            history_shard_count: self.facts.shards,
            is_connection_enabled: true,
            ..ClusterMetadata::default()
        };
        Ok(ListClustersResponse { clusters: vec![cluster], ..ListClustersResponse::default() })
    }

    fn namespace_with_attributes(&self, name: &str) -> Outcome<String> {
        if name.is_empty() {
            return Err(Rejection::invalid("Namespace is not set on request.").into());
        }
        Ok(self.namespace(name)?.name.clone())
    }

    async fn change_attributes(
        &self,
        name: &str,
        change: impl FnOnce(&mut Attributes) -> Result<(), Rejection> + Send + 'static,
    ) -> Outcome<()> {
        let asked = name.to_owned();
        self.node
            .change_namespace(name, move |found| {
                let mut record = found.ok_or_else(|| Rejection::namespace_not_found(&asked))?;
                let mut attributes = record.for_decisions().attributes();
                change(&mut attributes)?;
                let custom = attributes.custom().iter();
                record.search_attributes = custom.map(|(name, kind)| (name.clone(), kind.to_proto())).collect();
                Ok(Some(record))
            })
            .await?;
        Ok(())
    }
}
