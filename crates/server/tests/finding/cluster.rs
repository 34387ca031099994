//! The one cluster that there is, as operators and namespaces see it.

use super::client;
use evertide_proto::operatorservice::ListClustersRequest;
use evertide_proto::operatorservice::operator_service_client::OperatorServiceClient;
use evertide_proto::prost_types::Duration;
use evertide_proto::replication::{ClusterReplicationConfig, NamespaceReplicationConfig};
use evertide_proto::workflowservice::{
    DescribeNamespaceRequest, GetClusterInfoRequest, ListArchivedWorkflowExecutionsRequest, RegisterNamespaceRequest,
    UpdateNamespaceRequest,
};
use evertide_server::Server;
use tonic::{Code, Status};

fn told(refused: &Status) -> (Code, &str) {
    (refused.code(), refused.message())
}

#[tokio::test]
async fn clusters_are_listed_and_there_is_but_one() {
    let server = Server::builder().start().await.unwrap();
    let mut operator = OperatorServiceClient::new(server.service());
    let clusters = operator.list_clusters(ListClustersRequest::default()).await.unwrap().into_inner().clusters;
    let info = client(&server).get_cluster_info(GetClusterInfoRequest {}).await.unwrap().into_inner();
    let [cluster] = &clusters[..] else { panic!("{clusters:?}") };
    assert_eq!((&cluster.cluster_name, &cluster.cluster_id), (&info.cluster_name, &info.cluster_id));
    assert!(cluster.is_connection_enabled);
    server.shutdown().await;
}

#[tokio::test]
async fn a_namespace_is_in_this_cluster_or_refused() {
    let server = Server::builder().start().await.unwrap();
    let client = &mut client(&server);
    let day = Some(Duration { seconds: 86_400, nanos: 0 });
    let register = |namespace: &str, active_cluster_name: &str, clusters: &[&str]| {
        let of = |name: &&str| ClusterReplicationConfig { cluster_name: (*name).to_owned(), ..Default::default() };
        RegisterNamespaceRequest {
            namespace: namespace.to_owned(),
            workflow_execution_retention_period: day,
            active_cluster_name: active_cluster_name.to_owned(),
            clusters: clusters.iter().map(of).collect(),
            ..RegisterNamespaceRequest::default()
        }
    };
    for (active, clusters) in [("elsewhere", &[][..]), ("", &["active", "elsewhere"])] {
        let refused = client.register_namespace(register("n", active, clusters)).await.unwrap_err();
        assert_eq!(told(&refused), (Code::InvalidArgument, "Invalid cluster name: elsewhere"));
    }
    client.register_namespace(register("n", "active", &["active"])).await.unwrap();
    let replication = NamespaceReplicationConfig { active_cluster_name: "elsewhere".to_owned(), ..Default::default() };
    let update = UpdateNamespaceRequest {
        namespace: "n".to_owned(),
        replication_config: Some(replication),
        ..UpdateNamespaceRequest::default()
    };
    let refused = client.update_namespace(update).await.unwrap_err();
    assert_eq!(told(&refused), (Code::InvalidArgument, "Invalid cluster name: elsewhere"));

    let refused = client.register_namespace(register("temporal-system", "", &[])).await.unwrap_err();
    assert_eq!(told(&refused), (Code::AlreadyExists, "Namespace \"temporal-system\" already exists"));
    let both = DescribeNamespaceRequest { namespace: "n".to_owned(), id: "i".to_owned(), ..Default::default() };
    assert_eq!(client.describe_namespace(both).await.unwrap_err().code(), Code::InvalidArgument);
    server.shutdown().await;
}

#[tokio::test]
async fn there_is_no_archive_to_list() {
    let server = Server::builder().start().await.unwrap();
    let client = &mut client(&server);
    let request = |namespace: &str| ListArchivedWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        ..ListArchivedWorkflowExecutionsRequest::default()
    };
    let refused = client.list_archived_workflow_executions(request("default")).await.unwrap_err();
    assert_eq!(told(&refused), (Code::InvalidArgument, "Cluster is not configured for visibility archival."));
    let refused = client.list_archived_workflow_executions(request("nobody")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    server.shutdown().await;
}
