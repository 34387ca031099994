//! Payloads in JSON: where a payload holds JSON itself, that stands in its place, as the official CLI has it.
//!
//! In the API's JSON a payload is an object of `metadata` and `data`, both in base64, and no other message has these two.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

/// Replaces all payloads that can be replaced.
pub(crate) fn shorten(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(shorten).collect()),
        Value::Object(fields) => match content(&fields) {
            Some(content) => content,
            None => several(fields.into_iter().map(|(name, value)| (name, shorten(value))).collect()),
        },
        other => other,
    }
}

/// What a payload holds; none if this is no payload, or one that is not JSON.
fn content(fields: &Map<String, Value>) -> Option<Value> {
    if fields.keys().any(|name| !matches!(name.as_str(), "metadata" | "data")) {
        return None;
    }
    let bytes = |value: &Value| BASE64_STANDARD.decode(value.as_str()?).ok();
    let metadata = |name: &str| bytes(fields.get("metadata")?.get(name)?);
    let json = || serde_json::from_slice(&bytes(fields.get("data")?)?).ok();
    match metadata("encoding")?.as_slice() {
        b"json/plain" => json(),
        b"binary/null" => Some(Value::Null),
        b"json/protobuf" => {
            let Some(Value::Object(mut message)) = json() else { return None };
            let name = String::from_utf8(metadata("messageType")?).ok()?;
            message.insert("_protoMessageType".to_owned(), Value::String(name));
            Some(Value::Object(message))
        }
        _ => None,
    }
}

/// Several payloads are an array if each of them could be replaced.
fn several(fields: Map<String, Value>) -> Value {
    let is_payload = |item: &Value| item.get("metadata").is_some_and(|metadata| metadata.get("encoding").is_some());
    match fields.get("payloads") {
        Some(Value::Array(items)) if fields.len() == 1 && !items.iter().any(is_payload) => Value::Array(items.clone()),
        _ => Value::Object(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evertide_client::json;
    use evertide_proto::bytes::Bytes;
    use evertide_proto::common::{Memo, Payload, Payloads};
    use serde_json::json;

    fn payload(encoding: &'static str, data: &'static str) -> Payload {
        let metadata = [("encoding".to_owned(), Bytes::from(encoding))].into();
        Payload { metadata, data: Bytes::from(data), ..Default::default() }
    }

    fn shortened<M: evertide_proto::prost::Message + evertide_proto::prost::Name>(message: &M) -> Value {
        shorten(serde_json::from_str(&json::to_string(message).unwrap()).unwrap())
    }

    #[test]
    fn payloads_of_json_are_that_json() {
        let payloads = vec![payload("json/plain", r#"{"a":[1]}"#), payload("binary/null", "")];
        assert_eq!(shortened(&Payloads { payloads }), json!([{"a": [1]}, null]));
        let fields = [("m".to_owned(), payload("json/plain", "\"x\""))].into();
        assert_eq!(shortened(&Memo { fields }), json!({"fields": {"m": "x"}}));
        let mut message = payload("json/protobuf", r#"{"name":"n"}"#);
        message.metadata.insert("messageType".to_owned(), Bytes::from("a.B"));
        assert_eq!(shortened(&message), json!({"name": "n", "_protoMessageType": "a.B"}));
    }

    #[test]
    fn payloads_of_anything_else_stay_as_they_are() {
        let plain = payload("binary/plain", "ab");
        let whole = json!({"metadata": {"encoding": "YmluYXJ5L3BsYWlu"}, "data": "YWI="});
        assert_eq!(shortened(&plain), whole);
        let mixed = Payloads { payloads: vec![plain, payload("json/plain", "1")] };
        assert_eq!(shortened(&mixed), json!({"payloads": [whole, 1]}));
        assert_eq!(shortened(&payload("json/plain", "broken"))["data"], "YnJva2Vu");
    }
}
