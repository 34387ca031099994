//! The promises that the generated messages make beyond the API's own.

use evertide_proto::bytes::Bytes;
use evertide_proto::command::{RequestCancelActivityTaskCommandAttributes, command};
use evertide_proto::common::{Payload, Payloads};
use evertide_proto::enums::{CommandType, EventType};
use evertide_proto::errordetails::NamespaceNotFoundFailure;
use evertide_proto::history::{HistoryEvent, WorkflowTaskScheduledEventAttributes, history_event};
use evertide_proto::prost::Message;
use evertide_proto::prost_types::Any;

fn payload(data: &'static str) -> Payload {
    Payload {
        metadata: [
            ("messageType".to_owned(), Bytes::from_static(b"a.B")),
            ("encoding".to_owned(), Bytes::from_static(b"json/protobuf")),
        ]
        .into(),
        data: Bytes::from_static(data.as_bytes()),
        ..Payload::default()
    }
}

#[test]
fn a_payload_is_decoded_without_a_copy() {
    let payloads = Payloads { payloads: vec![payload("{}"), payload("null")] };
    let encoded = Bytes::from(payloads.encode_to_vec());
    let decoded = Payloads::decode(encoded.clone()).expect("what was encoded can be decoded");
    assert_eq!(decoded, payloads);
    assert!(encoded.as_ptr_range().contains(&decoded.payloads[1].data.as_ptr()));
}

#[test]
fn maps_are_encoded_in_the_order_of_their_keys() {
    let encoded = payload("{}").encode_to_vec();
    let position = |key: &[u8]| encoded.windows(key.len()).position(|window| window == key);
    assert!(position(b"encoding").is_some());
    assert!(position(b"encoding") < position(b"messageType"));
}

#[test]
fn attributes_tell_their_type() {
    let attributes = history_event::Attributes::from(WorkflowTaskScheduledEventAttributes::default());
    assert_eq!(attributes.event_type(), EventType::WorkflowTaskScheduled);
    let attributes = command::Attributes::from(RequestCancelActivityTaskCommandAttributes::default());
    assert_eq!(attributes.command_type(), CommandType::RequestCancelActivityTask);
}

#[test]
fn a_history_event_stays_small() {
    // Buffers, caches and pages hold events by the thousand, whatever their kind.
    let size_bytes = size_of::<HistoryEvent>();
    assert!(size_bytes <= 400, "{size_bytes} bytes");
}

#[test]
fn error_details_carry_the_type_url_that_clients_look_for() {
    let detail = NamespaceNotFoundFailure { namespace: "orders".to_owned() };
    let any = Any::from_msg(&detail).expect("a message can be encoded");
    assert_eq!(any.type_url, "type.googleapis.com/temporal.api.errordetails.v1.NamespaceNotFoundFailure");
    assert_eq!(any.to_msg(), Ok(detail));
}
