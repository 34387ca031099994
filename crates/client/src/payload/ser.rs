//! The serializer that chooses the encoding by what the value turns out to be.

use bytes::Bytes;
use evertide_proto::common::Payload;
use evertide_proto::prost::Message;
use serde::ser::{Error as _, Impossible};
use serde::{Serialize, Serializer};
use serde_json::Error;

use super::special::RAW;

type Json = serde_json::Serializer<Vec<u8>>;

pub(super) fn to_payload<T: Serialize + ?Sized>(value: &T) -> Result<Payload, Error> {
    let mut json = Json::new(Vec::with_capacity(128));
    let mut special = None;
    value.serialize(TopLevel { json: &mut json, special: &mut special })?;
    Ok(special.unwrap_or_else(|| super::payload(super::JSON, json.into_inner())))
}

/// Sees the outermost shape of a value. Nothing and bytes have encodings of their own; the rest goes on to JSON.
struct TopLevel<'a> {
    json: &'a mut Json,
    special: &'a mut Option<Payload>,
}

macro_rules! to_json {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(self, value: $type) -> Result<(), Error> {
            self.json.$method(value)
        })*
    };
}

impl<'a> Serializer for TopLevel<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = <&'a mut Json as Serializer>::SerializeSeq;
    type SerializeTuple = <&'a mut Json as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <&'a mut Json as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <&'a mut Json as Serializer>::SerializeTupleVariant;
    type SerializeMap = <&'a mut Json as Serializer>::SerializeMap;
    type SerializeStruct = <&'a mut Json as Serializer>::SerializeStruct;
    type SerializeStructVariant = <&'a mut Json as Serializer>::SerializeStructVariant;

    to_json! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        *self.special = Some(super::payload(super::BINARY, Bytes::copy_from_slice(value)));
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        *self.special = Some(super::payload(super::NULL, Bytes::new()));
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<(), Error> {
        self.json.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Error> {
        if name == RAW {
            *self.special = Some(value.serialize(RawPayload)?);
            return Ok(());
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.json.serialize_newtype_variant(name, index, variant, value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        self.json.serialize_seq(len)
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, Error> {
        self.json.serialize_tuple(len)
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, Error> {
        self.json.serialize_tuple_struct(name, len)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        self.json.serialize_tuple_variant(name, index, variant, len)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, Error> {
        self.json.serialize_map(len)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, Error> {
        self.json.serialize_struct(name, len)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        self.json.serialize_struct_variant(name, index, variant, len)
    }
}

/// Takes the bytes out of a marked newtype.
struct RawPayload;

macro_rules! only_bytes {
    ($($method:ident($($type:ty),*) $(-> $compound:ty)?;)*) => {
        $(only_bytes!(@one $method($($type),*) $(-> $compound)?);)*
    };
    (@one $method:ident($($type:ty),*) -> $compound:ty) => {
        fn $method(self, $(_: $type),*) -> Result<$compound, Error> {
            Err(not_a_payload())
        }
    };
    (@one $method:ident($($type:ty),*)) => {
        only_bytes!(@one $method($($type),*) -> Payload);
    };
}

fn not_a_payload() -> Error {
    Error::custom("a marked payload must hold bytes")
}

type Never = Impossible<Payload, Error>;

impl Serializer for RawPayload {
    type Ok = Payload;
    type Error = Error;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    fn serialize_bytes(self, value: &[u8]) -> Result<Payload, Error> {
        Payload::decode(value).map_err(Error::custom)
    }

    only_bytes! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct(&'static str, usize) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Payload, Error> {
        Err(not_a_payload())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<Payload, Error> {
        Err(not_a_payload())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Payload, Error> {
        Err(not_a_payload())
    }
}
