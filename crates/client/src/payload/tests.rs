use std::collections::BTreeMap;

use bytes::Bytes;
use evertide_proto::common::{Payload, WorkflowExecution};
use serde::{Deserialize, Serialize};

use super::{Args, Details, Proto, Raw, encoding, first, from_payload, to_payload};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: String,
    amount_cents: i64,
    note: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Box { width: u32 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(String);

/// Bytes that serialize as bytes, as those of `serde_bytes` do.
#[derive(Debug, PartialEq)]
struct Plain(Vec<u8>);

impl Serialize for Plain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

fn shown(payload: &Payload) -> (String, String) {
    (encoding(payload).unwrap_or_default().to_owned(), String::from_utf8_lossy(&payload.data).into_owned())
}

#[track_caller]
fn check<T>(value: T, expected_encoding: &str, expected_data: &str)
where
    T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let payload = to_payload(&value).unwrap();
    assert_eq!(shown(&payload), (expected_encoding.to_owned(), expected_data.to_owned()));
    assert_eq!(from_payload::<T>(&payload).unwrap(), value);
}

#[test]
fn values_take_the_encoding_of_their_kind() {
    check((), "binary/null", "");
    check(None::<i32>, "binary/null", "");
    check(Some(3), "json/plain", "3");
    check(u64::MAX, "json/plain", "18446744073709551615");
    check(i128::MIN, "json/plain", "-170141183460469231731687303715884105728");
    check("tide".to_owned(), "json/plain", "\"tide\"");
    check(true, "json/plain", "true");
    check(vec![1, 2], "json/plain", "[1,2]");
    check((1, "a".to_owned()), "json/plain", "[1,\"a\"]");
    check(BTreeMap::from([("a".to_owned(), 1)]), "json/plain", "{\"a\":1}");
    check(Wrapped("in".into()), "json/plain", "\"in\"");
    check(Shape::Point, "json/plain", "\"Point\"");
    check(Shape::Circle(1.5), "json/plain", "{\"Circle\":1.5}");
    check(Shape::Box { width: 2 }, "json/plain", "{\"Box\":{\"width\":2}}");
    let order = Order { id: "o".into(), amount_cents: 5, note: None };
    check(order, "json/plain", "{\"id\":\"o\",\"amount_cents\":5,\"note\":null}");
}

#[test]
fn bytes_are_plain_and_read_as_bytes_or_numbers() {
    let payload = to_payload(&Plain(vec![0, 255])).unwrap();
    assert_eq!(encoding(&payload), Some("binary/plain"));
    assert_eq!(payload.data.as_ref(), [0, 255]);
    assert_eq!(from_payload::<Vec<u8>>(&payload).unwrap(), [0, 255]);
}

#[test]
fn a_raw_payload_passes_as_it_is() {
    let mut strange = super::payload("binary/strange", Bytes::from_static(b"x"));
    strange.metadata.insert("key".into(), Bytes::from_static(b"1"));
    let sent = to_payload(&Raw(strange.clone())).unwrap();
    assert_eq!(sent, strange);
    assert_eq!(from_payload::<Raw>(&sent).unwrap(), Raw(strange));
    assert_eq!(encoding(&first::<Raw>(&[], "nothing").unwrap().0), Some("binary/null"));
}

#[test]
fn a_raw_payload_inside_another_value_is_refused_when_it_is_read() {
    let payload = to_payload(&vec![Raw(Payload::default())]).unwrap();
    let error = from_payload::<Vec<Raw>>(&payload).unwrap_err().to_string();
    assert!(error.contains("not for a part of one"), "{error}");
}

#[test]
fn messages_travel_in_both_encodings() {
    let message = WorkflowExecution { workflow_id: "w".into(), run_id: "r".into() };
    let binary = to_payload(&Proto::new(message.clone())).unwrap();
    assert_eq!(encoding(&binary), Some("binary/protobuf"));
    assert_eq!(binary.metadata["messageType"].as_ref(), b"temporal.api.common.v1.WorkflowExecution");
    assert_eq!(from_payload::<Proto<WorkflowExecution>>(&binary).unwrap().into_inner(), message);

    let json = to_payload(&Proto::json(message.clone())).unwrap();
    assert_eq!(shown(&json), ("json/protobuf".into(), r#"{"workflowId":"w","runId":"r"}"#.into()));
    assert_eq!(*from_payload::<Proto<WorkflowExecution>>(&json).unwrap(), message);
    let as_map: BTreeMap<String, String> = from_payload(&json).unwrap();
    assert_eq!(as_map["workflowId"], "w");
}

#[test]
fn what_cannot_be_read_says_why() {
    let text = to_payload("x").unwrap();
    let error = from_payload::<i32>(&text).unwrap_err().to_string();
    assert!(error.contains("json/plain") && error.contains("i32"), "{error}");

    let encrypted = super::payload("binary/encrypted", Bytes::from_static(b"?"));
    let error = from_payload::<i32>(&encrypted).unwrap_err().to_string();
    assert!(error.contains("is a codec missing"), "{error}");

    let message = to_payload(&Proto::new(WorkflowExecution::default())).unwrap();
    let error = from_payload::<String>(&message).unwrap_err().to_string();
    assert!(error.contains("Proto<M>"), "{error}");

    let trailing = super::payload("json/plain", Bytes::from_static(b"1 2"));
    assert!(from_payload::<i32>(&trailing).is_err());
    assert!(from_payload::<i32>(&Payload::default()).unwrap_err().to_string().contains("without an encoding"));
}

#[test]
fn nothing_reads_as_nothing_only() {
    first::<()>(&[], "the result").unwrap();
    assert_eq!(first::<Option<i32>>(&[], "the result").unwrap(), None);
    let error = first::<i32>(&[], "the result").unwrap_err().to_string();
    assert!(error.contains("no value in the result"), "{error}");
    assert_eq!(first::<i32>(&[to_payload(&1).unwrap(), to_payload(&2).unwrap()], "the result").unwrap(), 1);
    let null = super::payload("json/plain", Bytes::from_static(b"null"));
    assert_eq!(from_payload::<Option<i32>>(&null).unwrap(), None);
    from_payload::<()>(&null).unwrap();
}

#[test]
fn arguments_are_tuples() {
    assert_eq!(<() as Args>::COUNT, 0);
    let payloads = (1, "two", Some(3.0)).to_payloads().unwrap();
    assert_eq!(payloads.iter().map(|payload| shown(payload).1).collect::<Vec<_>>(), ["1", "\"two\"", "3.0"]);
}

#[test]
fn a_value_that_fails_to_serialize_is_a_conversion_error() {
    let map = BTreeMap::from([((1, 2), 3)]);
    let error = to_payload(&map).unwrap_err();
    assert!(matches!(error.kind(), crate::ErrorKind::Conversion(_)), "{error}");
}

#[test]
fn details_are_read_by_position() {
    let details = Details::new(vec![to_payload("a").unwrap(), to_payload(&2).unwrap()]);
    assert_eq!(details.get::<String>(0).unwrap(), "a");
    assert_eq!(details.get::<i32>(1).unwrap(), 2);
    assert_eq!(details.get::<Option<i32>>(2).unwrap(), None);
    assert!(details.get::<i32>(2).is_err());
    assert_eq!(format!("{details:?}"), "[\"a\", 2]");
}
