//! The embeddable server.
//!
//! A request goes from the frontend to the shard of its execution, is decided there by the engine, becomes durable
//! by the committer, and only then is answered and sets off what follows from it. Nothing here knows a rule of a workflow;
//! nothing outside [`node`] knows threads.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use evertide_proto::workflowservice::GetClusterInfoRequest;
//! use evertide_proto::workflowservice::workflow_service_client::WorkflowServiceClient;
//! use evertide_server::Server;
//!
//! let server = Server::builder().start().await?; // In memory, without a port.
//! let mut client = WorkflowServiceClient::new(server.service());
//! let info = client.get_cluster_info(GetClusterInfoRequest::default()).await?.into_inner();
//! println!("{}", info.server_version);
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Start reading at [`node::Node`], then `shard.rs` (where decisions are made) and `commit.rs` (where they become durable).
#![allow(deprecated)] // The protocol keeps deprecated fields that older clients still read.

mod address;
mod ask;
pub mod clock;
mod commit;
mod dispatch;
pub mod fault;
pub mod frontend;
mod hash;
pub mod history;
pub mod matching;
mod messages;
mod metrics;
mod motion;
pub mod node;
mod polls;
mod queries;
mod queue_config;
pub mod registry;
mod release;
mod seed;
pub mod server;
pub mod shard;
mod shell;
mod sizes;
mod slots;
mod sweep;
mod time_skipping;
mod timers;
mod visibility;
mod wakes;
mod work;

pub use evertide_engine::visibility::AttributeType;
pub use server::{RunningServer, Server, ServerBuilder, StartError, TimeSkipping};
pub use sizes::Sizes;
