//! Search attributes as they travel: payloads of JSON, typed.
//!
//! A client sends payloads with an encoding and perhaps a type of its own, which comes back to it in histories and
//! descriptions. Values are read by the type that the namespace's registry has for the name, whatever the client calls
//! them. [`check`] refuses what cannot be kept; [`typed`], [`listed`] and [`values`] give what is kept to histories, to
//! lists and to filters.

use super::attributes::Attributes;
use super::literal::parse_datetime;
use super::value::{AttributeType, SearchValue};
use crate::json::{self, Json};
use crate::{Limits, Rejection};
use bytes::Bytes;
use evertide_proto::common::{Payload, SearchAttributes};
use prost::Message;

const ENCODING: &str = "encoding";
const TYPE: &str = "type";
const JSON: &str = "json/plain";
const NULL: &str = "binary/null";

/// A payload that is no value of the wanted type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown}")]
pub struct Undecodable {
    /// What the payload holds, as messages show it.
    pub shown: String,
}

/// The value in a payload, as one of this type; none if the payload unsets the attribute, as `null` and an empty list do.
///
/// A list of one item is taken for the item where the type is not a list.
pub fn decode(payload: &Payload, value_type: AttributeType) -> Result<Option<SearchValue>, Undecodable> {
    let json = match payload.metadata.get(ENCODING).map(Bytes::as_ref) {
        Some(encoding) if encoding == NULL.as_bytes() => return Ok(None),
        Some(encoding) if encoding == JSON.as_bytes() => std::str::from_utf8(&payload.data).ok().and_then(json::parse),
        _ => None,
    };
    let Some(json) = json else {
        return Err(Undecodable { shown: format!("value from <{}>", payload.data.escape_ascii()) });
    };
    let value = match (&json, value_type) {
        (Json::Null, _) => return Ok(None),
        (Json::List(items), _) if items.is_empty() => return Ok(None),
        (Json::List(items), AttributeType::KeywordList) => {
            items.iter().map(text_of).collect::<Option<Vec<_>>>().map(SearchValue::KeywordList)
        }
        (Json::List(items), _) => match items.as_slice() {
            [item] => scalar(item, value_type),
            _ => None,
        },
        (value, _) => scalar(value, value_type),
    };
    value.map(Some).ok_or_else(|| Undecodable { shown: json.to_string() })
}

/// A text; null in a list of texts is an empty one.
fn text_of(json: &Json) -> Option<String> {
    match json {
        Json::Text(text) => Some(text.clone()),
        Json::Null => Some(String::new()),
        _ => None,
    }
}

fn scalar(json: &Json, value_type: AttributeType) -> Option<SearchValue> {
    match (value_type, json) {
        (AttributeType::Text, Json::Text(text)) => Some(SearchValue::Text(text.clone())),
        (AttributeType::Keyword, Json::Text(text)) => Some(SearchValue::Keyword(text.clone())),
        (AttributeType::Int, Json::Number(number)) => number.parse().ok().map(SearchValue::Int),
        (AttributeType::Double, Json::Number(number)) => {
            number.parse::<f64>().ok().filter(|value| value.is_finite()).map(SearchValue::Double)
        }
        (AttributeType::Bool, Json::Bool(value)) => Some(SearchValue::Bool(*value)),
        (AttributeType::Datetime, Json::Text(text)) => parse_datetime(text).map(SearchValue::Datetime),
        _ => None,
    }
}

/// The payload of a value, with its type.
#[must_use]
pub fn encode(value: &SearchValue) -> Payload {
    let data = match value {
        SearchValue::Text(text) | SearchValue::Keyword(text) => json::quoted(text),
        SearchValue::Int(number) => number.to_string(),
        SearchValue::Double(number) => number.to_string(),
        SearchValue::Bool(value) => value.to_string(),
        SearchValue::Datetime(time_ns) => json::quoted(&datetime_text(*time_ns)),
        SearchValue::KeywordList(keywords) => {
            let keywords: Vec<_> = keywords.iter().map(|keyword| json::quoted(keyword)).collect();
            format!("[{}]", keywords.join(","))
        }
    };
    let payload = Payload {
        metadata: [(ENCODING.to_owned(), Bytes::from_static(JSON.as_bytes()))].into(),
        data: data.into(),
        ..Payload::default()
    };
    with_type(&payload, value.value_type())
}

/// A time in RFC 3339, in UTC.
fn datetime_text(time_ns: i64) -> String {
    // Every count of nanoseconds in 64 bits is within the range of timestamps, so the fallback is never taken.
    jiff::Timestamp::from_nanosecond(time_ns.into()).unwrap_or_default().to_string()
}

/// The payload with its type in the metadata, whatever the client wrote there.
#[must_use]
pub fn with_type(payload: &Payload, value_type: AttributeType) -> Payload {
    let mut payload = payload.clone();
    payload.metadata.insert(TYPE.to_owned(), Bytes::from_static(value_type.name().as_bytes()));
    payload
}

/// Whether the payload takes the attribute away instead of setting it. This holds for memos as well.
#[must_use]
pub fn is_unset(payload: &Payload) -> bool {
    let is_null = payload.metadata.get(ENCODING).is_some_and(|encoding| encoding.as_ref() == NULL.as_bytes());
    is_null || matches!(payload.data.trim_ascii(), b"" | b"null" | b"[]")
}

/// Refuses search attributes that a client must not or cannot set: unknown and reserved names, values of another type than
/// the name's, and too many of them. How large they are is [`check_size`]'s to look at. `namespace` is the name that
/// messages show.
pub fn check(
    search_attributes: &SearchAttributes,
    attributes: &Attributes,
    namespace: &str,
    limits: &Limits,
) -> Result<(), Rejection> {
    let fields = &search_attributes.indexed_fields;
    let unknown = |name: &&String| !Attributes::is_fixed(name) && attributes.attribute_type(name).is_none();
    if let Some(name) = fields.keys().find(unknown) {
        return Err(Rejection::invalid(format!(
            "Namespace {namespace} has no mapping defined for search attribute {name}"
        )));
    }
    if fields.len() > limits.search_attribute_keys {
        return Err(Rejection::invalid(format!(
            "number of search attributes {} exceeds limit {}",
            fields.len(),
            limits.search_attribute_keys
        )));
    }
    for (name, payload) in fields {
        check_value(name, payload, attributes)?;
    }
    Ok(())
}

fn check_value(name: &str, payload: &Payload, attributes: &Attributes) -> Result<(), Rejection> {
    let Some(value_type) = attributes.attribute_type(name).filter(|_| Attributes::is_settable(name)) else {
        return Err(Rejection::invalid(format!("{name} attribute can't be set in SearchAttributes")));
    };
    decode(payload, value_type).map(drop).map_err(|undecodable| {
        let type_name = value_type.name();
        Rejection::invalid(format!("invalid value for search attribute {name} of type {type_name}: {undecodable}"))
    })
}

/// Refuses search attributes that are too large, one or all together. Merged ones are checked again by this.
pub fn check_size(search_attributes: &SearchAttributes, limits: &Limits) -> Result<(), Rejection> {
    let limit = limits.search_attribute_value_bytes;
    for (name, payload) in &search_attributes.indexed_fields {
        let size = payload.data.len();
        if size > limit {
            return Err(Rejection::invalid(format!(
                "search attribute {name} value size {size} exceeds size limit {limit}"
            )));
        }
    }
    let (size, limit) = (search_attributes.encoded_len(), limits.search_attributes_total_bytes);
    if size > limit {
        return Err(Rejection::invalid(format!("total size of search attributes {size} exceeds size limit {limit}")));
    }
    Ok(())
}

/// Search attributes as histories and descriptions show them: each with the type that its client gave it, else with that
/// of the namespace, and without names that the namespace does not know any more.
#[must_use]
pub fn typed(search_attributes: &SearchAttributes, attributes: &Attributes) -> SearchAttributes {
    let known = |(name, payload): (&String, &Payload)| {
        let value_type = attributes.attribute_type(name)?;
        let has_type = payload.metadata.contains_key(TYPE);
        Some((name.clone(), if has_type { payload.clone() } else { with_type(payload, value_type) }))
    };
    SearchAttributes { indexed_fields: search_attributes.indexed_fields.iter().filter_map(known).collect() }
}

/// Search attributes as lists show them: with the namespace's types, and a list of one item is the item where the type is
/// not a list.
#[must_use]
pub fn listed(search_attributes: &SearchAttributes, attributes: &Attributes) -> SearchAttributes {
    let shown = |(name, payload): (&String, &Payload)| {
        let value_type = attributes.attribute_type(name)?;
        let value = decode(payload, value_type).ok()??;
        let is_wrapped = value_type != AttributeType::KeywordList && payload.data.trim_ascii_start().starts_with(b"[");
        Some((name.clone(), if is_wrapped { encode(&value) } else { with_type(payload, value_type) }))
    };
    SearchAttributes { indexed_fields: search_attributes.indexed_fields.iter().filter_map(shown).collect() }
}

/// The values that filters look at, in the order of the names. What is unset, unknown or not of its type has none.
#[must_use]
pub fn values(search_attributes: &SearchAttributes, attributes: &Attributes) -> Vec<(String, SearchValue)> {
    let value = |(name, payload): (&String, &Payload)| {
        let value = decode(payload, attributes.attribute_type(name)?).ok()??;
        Some((name.clone(), value))
    };
    search_attributes.indexed_fields.iter().filter_map(value).collect()
}

#[cfg(test)]
mod tests;
