//! Values of flags.

use evertide_engine::visibility::AttributeType;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

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
        let kind = AttributeType::ALL.into_iter().find(|k| k.name().eq_ignore_ascii_case(kind)).ok_or_else(|| {
            format!("there is no type {kind}; take Text, Keyword, Int, Double, Bool, Datetime or KeywordList")
        })?;
        Ok(Self { name: name.to_owned(), kind })
    }
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
    fn a_value_may_hold_an_equals_sign() {
        let read: DynamicConfig = "a.b=\"x=y\"".parse().unwrap();
        assert_eq!((read.key.as_str(), read.value.as_str()), ("a.b", "\"x=y\""));
    }
}
