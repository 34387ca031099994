//! The deserializer that reads a payload as its encoding says.

use evertide_proto::common::Payload;
use evertide_proto::prost::Message;
use serde::de::value::SeqDeserializer;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::Error;

use super::special::RAW;

pub(super) fn from_payload<T: DeserializeOwned>(payload: &Payload) -> Result<T, Error> {
    T::deserialize(PayloadDeserializer(payload))
}

/// What is not there reads as a value only if the type allows for nothing.
pub(super) fn from_nothing<T: DeserializeOwned>() -> Result<T, Error> {
    T::deserialize(Null)
}

struct PayloadDeserializer<'de>(&'de Payload);

impl<'de> Deserializer<'de> for PayloadDeserializer<'de> {
    type Error = Error;

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == RAW {
            return visitor.visit_byte_buf(self.0.encode_to_vec());
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match super::encoding(self.0) {
            Some(super::NULL) => Null.deserialize_any(visitor),
            Some(super::BINARY) => visitor.visit_byte_buf(self.0.data.to_vec()),
            Some(super::JSON | super::JSON_PROTOBUF) => self.json(|json| json.deserialize_any(visitor)),
            other => Err(unreadable(other)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match super::encoding(self.0) {
            Some(super::NULL) => visitor.visit_none(),
            Some(super::JSON | super::JSON_PROTOBUF) if self.0.data.trim_ascii() == b"null" => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match super::encoding(self.0) {
            Some(super::JSON | super::JSON_PROTOBUF) => {
                self.json(|json| json.deserialize_enum(name, variants, visitor))
            }
            other => Err(unreadable(other)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match super::encoding(self.0) {
            Some(super::BINARY) => visitor.visit_byte_buf(self.0.data.to_vec()),
            _ => self.deserialize_any(visitor),
        }
    }

    /// Plain bytes read as a list of numbers too, because that is what a `Vec<u8>` asks for.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match super::encoding(self.0) {
            Some(super::BINARY) => visitor.visit_seq(SeqDeserializer::<_, Error>::new(self.0.data.iter().copied())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.json(|json| json.deserialize_i128(visitor))
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.json(|json| json.deserialize_u128(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string unit unit_struct tuple tuple_struct map struct identifier
        ignored_any
    }
}

impl<'de> PayloadDeserializer<'de> {
    fn json<T>(
        &self,
        read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::SliceRead<'de>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut json = serde_json::Deserializer::from_slice(&self.0.data);
        let value = read(&mut json)?;
        json.end()?;
        Ok(value)
    }
}

fn unreadable(encoding: Option<&str>) -> Error {
    match encoding {
        Some(super::BINARY_PROTOBUF) => Error::custom("a protobuf message must be read as Proto<M>"),
        Some(other) => Error::custom(format!("no converter for the encoding {other}; is a codec missing?")),
        None => Error::custom("the payload names no encoding"),
    }
}

/// Nothing, in place of a value.
struct Null;

impl<'de> Deserializer<'de> for Null {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == RAW {
            return visitor.visit_byte_buf(super::payload(super::NULL, bytes::Bytes::new()).encode_to_vec());
        }
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
