//! Values that decide about their own encoding, hidden from every other serializer behind marked newtypes.

use std::fmt;
use std::ops::Deref;

use evertide_proto::common::Payload;
use evertide_proto::prost::{Message, Name};
use serde::de::{Error as _, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Marks a newtype whose content is a whole payload, encoded as a protobuf message.
pub(super) const RAW: &str = "$evertide::raw";

/// A payload that is passed as it is, as an argument or as a result.
///
/// ```
/// use evertide_client::payload::{Raw, from_payload, to_payload};
///
/// let payload = to_payload(&1)?;
/// let Raw(same) = from_payload(&payload)?;
/// assert_eq!(to_payload(&Raw(same))?, payload);
/// # Ok::<(), evertide_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Raw(pub Payload);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(RAW, &Encoded(&self.0))
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserializer.deserialize_newtype_struct(RAW, EncodedVisitor)?;
        Payload::decode(bytes.as_slice()).map(Self).map_err(D::Error::custom)
    }
}

/// A message in its binary form, for the way through serde.
struct Encoded<'a>(&'a Payload);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.encode_to_vec())
    }
}

struct EncodedVisitor;

impl<'de> Visitor<'de> for EncodedVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a payload; Raw and Proto stand for a whole argument or result, not for a part of one")
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

/// How a protobuf message is written. Both ways are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ProtoEncoding {
    /// `binary/protobuf`.
    #[default]
    Binary,
    /// `json/protobuf`, for messages of the Temporal API, whose descriptors this crate carries.
    Json,
}

/// A protobuf message as a value.
///
/// ```
/// use evertide_client::payload::{Proto, from_payload, to_payload};
/// use evertide_client::proto::common::WorkflowType;
///
/// let payload = to_payload(&Proto::json(WorkflowType { name: "Order".to_owned() }))?;
/// assert_eq!(&payload.data[..], br#"{"name":"Order"}"#);
/// let message: Proto<WorkflowType> = from_payload(&payload)?;
/// assert_eq!(message.name, "Order");
///
/// let payload = to_payload(&Proto::new(message.into_inner()))?;
/// assert_eq!(&payload.metadata["encoding"][..], b"binary/protobuf");
/// # Ok::<(), evertide_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Proto<M> {
    message: M,
    encoding: ProtoEncoding,
}

impl<M> Proto<M> {
    /// A message that is sent in binary form.
    pub fn new(message: M) -> Self {
        Self { message, encoding: ProtoEncoding::Binary }
    }

    /// A message of the Temporal API that is sent as canonical JSON. Sending another message so is
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion).
    pub fn json(message: M) -> Self {
        Self { message, encoding: ProtoEncoding::Json }
    }

    /// The message.
    pub fn into_inner(self) -> M {
        self.message
    }
}

impl<M> Deref for Proto<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.message
    }
}

impl<M: Message + Name> Serialize for Proto<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = M::full_name();
        let mut payload = match self.encoding {
            ProtoEncoding::Binary => super::payload(super::BINARY_PROTOBUF, self.message.encode_to_vec()),
            ProtoEncoding::Json => {
                let json = crate::json::to_string(&self.message).map_err(S::Error::custom)?;
                super::payload(super::JSON_PROTOBUF, json)
            }
        };
        payload.metadata.insert(super::MESSAGE_TYPE.to_owned(), name.into_bytes().into());
        Raw(payload).serialize(serializer)
    }
}

impl<'de, M: Message + Name + Default> Deserialize<'de> for Proto<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Raw(payload) = Raw::deserialize(deserializer)?;
        match super::encoding(&payload) {
            Some(super::BINARY_PROTOBUF) => M::decode(payload.data).map(Self::new).map_err(D::Error::custom),
            Some(super::JSON_PROTOBUF) => {
                let text = std::str::from_utf8(&payload.data).map_err(D::Error::custom)?;
                crate::json::from_str(text).map(Self::json).map_err(D::Error::custom)
            }
            other => Err(D::Error::custom(format!("{} is not a protobuf message", other.unwrap_or("no encoding")))),
        }
    }
}
