//! Values of flags.

use evertide_engine::visibility::AttributeType;
use evertide_proto::bytes::Bytes;
use evertide_proto::common::Payload;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

/// The type of a search attribute.
pub(crate) type Attribute = AttributeType;

/// `Name=Type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SearchAttribute {
    pub(crate) name: String,
    pub(crate) kind: AttributeType,
}

impl FromStr for SearchAttribute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, kind) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("write it as Name=Type")?;
        Ok(Self { name: name.to_owned(), kind: attribute_type(kind)? })
    }
}

/// The name of a type, in any case.
pub(crate) fn attribute_type(name: &str) -> Result<Attribute, String> {
    AttributeType::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
        format!("there is no type {name}; take Text, Keyword, Int, Double, Bool, Datetime or KeywordList")
    })
}

/// `KEY=VALUE`.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A length of time like `500ms`, `90s`, `12h`, `3d` or `1d12h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let length_ns = evertide_engine::duration::parse_with_days(text).filter(|_| text != "0");
    let length_ns = length_ns.and_then(|length_ns| u64::try_from(length_ns).ok());
    let wrong = || "write it with ms, s, m, h or d behind each number, like 12h or 3d".to_owned();
    length_ns.map(Duration::from_nanos).ok_or_else(wrong)
}

/// `KEY=JSON`, the value as a payload.
pub(crate) fn key_payload(text: &str) -> Result<(String, Payload), String> {
    let (key, value) = key_value(text)?;
    match serde_json::from_str::<serde_json::Value>(&value) {
        Ok(_) => Ok((key, json_payload(value))),
        Err(error) => Err(format!("{value:?} is not JSON ({error}); a text has quotes of its own: {key}='\"...\"'")),
    }
}

/// A payload of a text that is JSON.
pub(crate) fn json_payload(json: impl Into<Bytes>) -> Payload {
    let encoding = ("encoding".to_owned(), Bytes::from_static(b"json/plain"));
    Payload { metadata: [encoding].into(), data: json.into(), ..Payload::default() }
}

/// `KEY=JSON`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DynamicConfig {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for DynamicConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("write it as KEY=JSON")?;
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

/// An address, or `localhost`.
pub(crate) fn ip(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| "write it as an IP address, like 127.0.0.1 or 0.0.0.0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_case_of_a_type_does_not_matter() {
        let read: SearchAttribute = "Amount=double".parse().unwrap();
        assert_eq!(read, SearchAttribute { name: "Amount".to_owned(), kind: AttributeType::Double });
        assert!("=Int".parse::<SearchAttribute>().is_err());
        assert!("Amount".parse::<SearchAttribute>().is_err());
    }

    #[test]
    fn a_length_of_time_has_units() {
        assert_eq!(duration("1d12h"), Ok(Duration::from_secs(36 * 3600)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        for wrong in ["", "3", "h", "3w", "-3d", "3d ", "99999999999999999999d", "999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_of_keys_are_json() {
        assert_eq!(key_payload("a=[1]"), Ok(("a".to_owned(), json_payload("[1]"))));
        let told = key_payload("a=word").unwrap_err();
        assert!(told.contains("\"word\"") && told.contains("a='\"...\"'"), "{told}");
    }

    #[test]
    fn a_value_may_hold_an_equals_sign() {
        let read: DynamicConfig = "a.b=\"x=y\"".parse().unwrap();
        assert_eq!((read.key.as_str(), read.value.as_str()), ("a.b", "\"x=y\""));
    }
}
