//! Search attributes as bytes, within a batch or alone.

use bytes::Bytes;
use evertide_engine::visibility::SearchValue;
use prost::Message;

use super::CodecError;
use super::message::search_attribute::Value;
use super::message::{KeywordList, SearchAttribute, SearchAttributes};

/// The search attributes of one row as bytes; empty if there are none.
pub fn encode_search_attributes(attributes: &[(String, SearchValue)]) -> Vec<u8> {
    let message = SearchAttributes { attributes: encode(attributes) };
    message.encode_to_vec()
}

/// Reads what [`encode_search_attributes`] has written.
///
/// # Errors
/// When the bytes are something else.
pub fn decode_search_attributes(encoded: Bytes) -> Result<Vec<(String, SearchValue)>, CodecError> {
    decode(SearchAttributes::decode(encoded)?.attributes)
}

pub(super) fn encode(attributes: &[(String, SearchValue)]) -> Vec<SearchAttribute> {
    let messages =
        attributes.iter().map(|(name, value)| SearchAttribute { name: name.clone(), value: Some(encode_value(value)) });
    messages.collect()
}

pub(super) fn decode(messages: Vec<SearchAttribute>) -> Result<Vec<(String, SearchValue)>, CodecError> {
    let attributes = messages.into_iter().map(|message| {
        let value = message.value.ok_or(CodecError::Missing("the value of a search attribute"))?;
        Ok((message.name, decode_value(value)))
    });
    attributes.collect()
}

fn encode_value(value: &SearchValue) -> Value {
    match value {
        SearchValue::Text(text) => Value::Text(text.clone()),
        SearchValue::Keyword(keyword) => Value::Keyword(keyword.clone()),
        SearchValue::Int(number) => Value::Int(*number),
        SearchValue::Double(number) => Value::Double(*number),
        SearchValue::Bool(truth) => Value::Bool(*truth),
        SearchValue::Datetime(time_ns) => Value::Datetime(*time_ns),
        SearchValue::KeywordList(keywords) => Value::KeywordList(KeywordList { keywords: keywords.clone() }),
    }
}

fn decode_value(value: Value) -> SearchValue {
    match value {
        Value::Text(text) => SearchValue::Text(text),
        Value::Keyword(keyword) => SearchValue::Keyword(keyword),
        Value::Int(number) => SearchValue::Int(number),
        Value::Double(number) => SearchValue::Double(number),
        Value::Bool(truth) => SearchValue::Bool(truth),
        Value::Datetime(time_ns) => SearchValue::Datetime(time_ns),
        Value::KeywordList(list) => SearchValue::KeywordList(list.keywords),
    }
}
