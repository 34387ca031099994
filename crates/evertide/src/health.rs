//! `operator cluster health`.

use crate::cli::Health;
use anyhow::{Context, bail};
use std::time::Duration;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// How long the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Prints SERVING, or fails.
pub(crate) async fn check(options: &Health) -> anyhow::Result<()> {
    let address = &options.address;
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .with_context(|| format!("{address} is not an address; write it as host:port"))?;
    let channel = endpoint
        .connect_timeout(TIMEOUT)
        .timeout(TIMEOUT)
        .connect()
        .await
        .with_context(|| format!("no server answers on {address}"))?;
    let service = "temporal.api.workflowservice.v1.WorkflowService".to_owned();
    let answer = HealthClient::new(channel)
        .check(HealthCheckRequest { service })
        .await
        .with_context(|| format!("the server on {address} does not say how it is"))?;
    match answer.into_inner().status() {
        ServingStatus::Serving => println!("SERVING"),
        other => bail!("the server on {address} is {}", other.as_str_name()),
    }
    Ok(())
}
