//! Values as payloads and back.
//!
//! A value is anything that serde knows. The encodings, and the order in which they are tried, are those that all
//! Temporal SDKs agree on:
//!
//! | value | encoding |
//! |---|---|
//! | `()`, `None` | `binary/null` |
//! | bytes, as in [`bytes::Bytes`] with its serde feature or `serde_bytes` | `binary/plain` |
//! | [`Proto`]`::json(message)` | `json/protobuf` |
//! | [`Proto`]`::new(message)` | `binary/protobuf` |
//! | [`Raw`]`(payload)` | as the payload says |
//! | everything else | `json/plain` |

mod de;
mod ser;
mod special;

pub use special::{Proto, Raw};

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use evertide_proto::common::{Payload, Payloads};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// The metadata key that names a payload's encoding.
pub(crate) const ENCODING: &str = "encoding";
/// The metadata key that names a message's type.
pub(crate) const MESSAGE_TYPE: &str = "messageType";
pub(crate) const NULL: &str = "binary/null";
pub(crate) const BINARY: &str = "binary/plain";
pub(crate) const JSON: &str = "json/plain";
pub(crate) const JSON_PROTOBUF: &str = "json/protobuf";
pub(crate) const BINARY_PROTOBUF: &str = "binary/protobuf";

/// Turns a value into a payload.
///
/// ```
/// use evertide_client::payload::to_payload;
///
/// let payload = to_payload("tea")?;
/// assert_eq!(&payload.metadata["encoding"][..], b"json/plain");
/// assert_eq!(&payload.data[..], br#""tea""#);
/// # Ok::<(), evertide_client::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if the value's `Serialize` fails.
pub fn to_payload<T: Serialize + ?Sized>(value: &T) -> Result<Payload> {
    ser::to_payload(value)
        .map_err(|error| Error::conversion(format!("a {} cannot be sent: {error}", std::any::type_name::<T>())))
}

/// Turns a payload into a value.
///
/// ```
/// use evertide_client::payload::{from_payload, to_payload};
///
/// let payload = to_payload(&(3, "tea"))?;
/// let (count, what): (u32, String) = from_payload(&payload)?;
/// assert_eq!((count, what.as_str()), (3, "tea"));
/// assert!(from_payload::<bool>(&payload).is_err());
/// # Ok::<(), evertide_client::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if the payload's encoding is unknown or its content is not
/// a `T`.
pub fn from_payload<T: DeserializeOwned>(payload: &Payload) -> Result<T> {
    de::from_payload(payload).map_err(|error| {
        Error::conversion(format!(
            "the payload ({}) is not a {}: {error}",
            encoding(payload).unwrap_or("without an encoding"),
            std::any::type_name::<T>()
        ))
    })
}

/// The first of several payloads as a value; none at all reads as `()` or `None`.
pub(crate) fn first<T: DeserializeOwned>(payloads: &[Payload], of: &str) -> Result<T> {
    if payloads.len() > 1 {
        tracing::warn!(count = payloads.len(), "only the first payload of {of} is used");
    }
    match payloads.first() {
        Some(payload) => from_payload(payload),
        None => de::from_nothing().map_err(|_| {
            Error::conversion(format!(
                "there is no value in {of}, where a {} was expected; ask for Option or ()",
                std::any::type_name::<T>()
            ))
        }),
    }
}

/// The encoding that a payload names.
pub(crate) fn encoding(payload: &Payload) -> Option<&str> {
    std::str::from_utf8(payload.metadata.get(ENCODING)?).ok()
}

pub(crate) fn payload(encoding: &'static str, data: impl Into<Bytes>) -> Payload {
    let metadata = BTreeMap::from([(ENCODING.to_owned(), Bytes::from_static(encoding.as_bytes()))]);
    Payload { metadata, data: data.into(), ..Default::default() }
}

/// A value that a call can give: anything that serde can read. Implemented for every such type.
///
/// ```
/// use evertide_client::{Result, ResultValue, WorkflowHandle};
///
/// async fn result_of<T: ResultValue>(handle: &WorkflowHandle) -> Result<T> {
///     handle.result().follow_runs(false).await
/// }
/// ```
pub trait ResultValue: DeserializeOwned + Send + 'static {}

impl<T: DeserializeOwned + Send + 'static> ResultValue for T {}

/// Several values at once, as the arguments of a call: a tuple of up to eight.
///
/// ```
/// use evertide_client::Args;
/// use evertide_client::payload::to_payload;
///
/// assert_eq!(("tea", 3).to_payloads()?, [to_payload("tea")?, to_payload(&3)?]);
/// assert_eq!((<(String, u32)>::COUNT, <()>::COUNT), (2, 0));
/// # Ok::<(), evertide_client::Error>(())
/// ```
pub trait Args: Send + 'static {
    /// How many there are.
    const COUNT: usize;

    /// The payloads, in order.
    ///
    /// # Errors
    /// As [`to_payload`].
    fn to_payloads(&self) -> Result<Vec<Payload>>;
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),*) $count:literal;)*) => {
        $(impl<$($name: Serialize + Send + 'static),*> Args for ($($name,)*) {
            const COUNT: usize = $count;

            fn to_payloads(&self) -> Result<Vec<Payload>> {
                Ok(vec![$(to_payload(&self.$index)?),*])
            }
        })*
    };
}

tuples! {
    () 0;
    (A 0) 1;
    (A 0, B 1) 2;
    (A 0, B 1, C 2) 3;
    (A 0, B 1, C 2, D 3) 4;
    (A 0, B 1, C 2, D 3, E 4) 5;
    (A 0, B 1, C 2, D 3, E 4, F 5) 6;
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6) 7;
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7) 8;
}

/// Values that came along with something, such as the details of a failure, read one by one.
///
/// ```
/// use evertide_client::Details;
/// use evertide_client::payload::to_payload;
///
/// let details = Details::new(vec![to_payload("tea")?, to_payload(&3)?]);
/// assert_eq!((details.get::<String>(0)?.as_str(), details.get::<u32>(1)?), ("tea", 3));
/// assert_eq!((details.len(), details.get::<Option<u32>>(2)?), (2, None));
/// assert_eq!(details.payloads()[1], to_payload(&3)?);
/// assert!(!details.is_empty());
/// assert_eq!(format!("{details:?}"), r#"["tea", 3]"#);
/// # Ok::<(), evertide_client::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Details(Vec<Payload>);

impl Details {
    /// Details of these payloads.
    pub fn new(payloads: Vec<Payload>) -> Self {
        Self(payloads)
    }

    pub(crate) fn from_proto(payloads: Option<Payloads>) -> Self {
        Self(payloads.unwrap_or_default().payloads)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value at a position, counted from 0. One that is not there reads as `()` or `None`.
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if it is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, index: usize) -> Result<T> {
        let one = self.0.get(index).map_or(&[][..], std::slice::from_ref);
        first(one, "the details at this position")
    }

    /// The payloads as they came, after the codec.
    pub fn payloads(&self) -> &[Payload] {
        &self.0
    }
}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(Shown)).finish()
    }
}

/// A payload as a person wants to see it.
struct Shown<'a>(&'a Payload);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = encoding(self.0).unwrap_or("no encoding");
        match std::str::from_utf8(&self.0.data) {
            Ok(text) if encoding.starts_with("json/") => f.write_str(text),
            _ => write!(f, "{encoding} of {} bytes", self.0.data.len()),
        }
    }
}

#[cfg(test)]
mod tests;
