//! The Temporal API as Rust types and service traits.
//!
//! Everything here is generated from `descriptors.bin` by the build script; nothing is decided here. The modules under
//! [`temporal`] and [`google`] nest as the packages of the API do, and each `v1` also has its short name at the root:
//! [`common`] is `temporal::api::common::v1`.
//!
//! - Fields of bytes are [`bytes::Bytes`], so a payload is shared rather than copied.
//! - Maps are `BTreeMap`, so equal messages have equal encodings.
//! - The attributes of events and commands are boxed; each kind of them converts with `into()`, and tells its type.
//! - Every method of a service trait has a body that answers UNIMPLEMENTED and names the method.
//!
//! ```
//! use evertide_proto::enums::EventType;
//! use evertide_proto::history::history_event::Attributes;
//! use evertide_proto::history::{HistoryEvent, TimerFiredEventAttributes};
//! use evertide_proto::prost::{Message, Name};
//!
//! let attributes = Attributes::from(TimerFiredEventAttributes { timer_id: "7".to_owned(), started_event_id: 5 });
//! let event_type = attributes.event_type();
//! assert_eq!(event_type, EventType::TimerFired);
//!
//! let event = HistoryEvent { event_type: event_type.into(), attributes: Some(attributes), ..Default::default() };
//! assert_eq!(HistoryEvent::decode(event.encode_to_vec().as_slice())?, event);
//! assert_eq!(HistoryEvent::full_name(), "temporal.api.history.v1.HistoryEvent");
//! # Ok::<(), evertide_proto::prost::DecodeError>(())
//! ```
//!
//! The features `client` and `server`, both on by default, add the client stubs and the service traits. A crate that
//! only speaks of messages turns them off and is spared the gRPC stack.

mod attributes;
mod services;

pub use bytes;
pub use prost;
pub use prost_types;
#[cfg(any(feature = "client", feature = "server"))]
pub use tonic;

pub use generated::{google, nexusannotations, temporal};
pub use services::{SERVICES, Service};
pub use temporal::api::activity::v1 as activity;
pub use temporal::api::batch::v1 as batch;
pub use temporal::api::callback::v1 as callback;
pub use temporal::api::command::v1 as command;
pub use temporal::api::common::v1 as common;
pub use temporal::api::compute::v1 as compute;
pub use temporal::api::deployment::v1 as deployment;
pub use temporal::api::enums::v1 as enums;
pub use temporal::api::errordetails::v1 as errordetails;
pub use temporal::api::export::v1 as export;
pub use temporal::api::failure::v1 as failure;
pub use temporal::api::filter::v1 as filter;
pub use temporal::api::history::v1 as history;
pub use temporal::api::namespace::v1 as namespace;
pub use temporal::api::nexus::v1 as nexus;
pub use temporal::api::nexusoperation::v1 as nexusoperation;
pub use temporal::api::nexusservices::workerservice::v1 as workerservice;
pub use temporal::api::notificationservice::v1 as notificationservice;
pub use temporal::api::operatorservice::v1 as operatorservice;
pub use temporal::api::protocol::v1 as protocol;
pub use temporal::api::protometa::v1 as protometa;
pub use temporal::api::query::v1 as query;
pub use temporal::api::replication::v1 as replication;
pub use temporal::api::rules::v1 as rules;
pub use temporal::api::schedule::v1 as schedule;
pub use temporal::api::sdk::v1 as sdk;
pub use temporal::api::taskqueue::v1 as taskqueue;
pub use temporal::api::testservice::v1 as testservice;
pub use temporal::api::update::v1 as update;
pub use temporal::api::version::v1 as version;
pub use temporal::api::worker::v1 as worker;
pub use temporal::api::workflow::v1 as workflow;
pub use temporal::api::workflowservice::v1 as workflowservice;

/// The encoded `FileDescriptorSet` of the whole API with everything it imports, without comments, with custom options.
///
/// ```
/// use evertide_proto::DESCRIPTORS;
/// use evertide_proto::prost::Message;
/// use evertide_proto::prost_types::FileDescriptorSet;
///
/// let files = FileDescriptorSet::decode(DESCRIPTORS)?.file;
/// assert!(files.iter().any(|file| file.name() == "temporal/api/workflowservice/v1/service.proto"));
/// # Ok::<(), evertide_proto::prost::DecodeError>(())
/// ```
pub const DESCRIPTORS: &[u8] = include_bytes!("../descriptors.bin");

/// The descriptor set carries no comments, and the generators answer for the style of what they write.
#[allow(missing_docs, rust_2018_idioms, unreachable_pub, clippy::all, clippy::unwrap_used)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/modules.rs"));
}
