//! Search attributes, which the server indexes and the list filter asks for.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::SystemTime;

use bytes::Bytes;
use evertide_proto::common::{Payload, SearchAttributes as Proto};
use evertide_proto::prost_types::Timestamp;

use crate::error::{Error, Result};
use crate::payload::{from_payload, to_payload};

/// The metadata key that names the type of an attribute.
const TYPE: &str = "type";

/// The name of a search attribute with the type of its values.
///
/// ```
/// use evertide_client::{SearchAttributeKey, SearchAttributes};
///
/// const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("CustomerId");
/// const AMOUNT: SearchAttributeKey<i64> = SearchAttributeKey::int("Amount");
///
/// let attributes = SearchAttributes::new().with(CUSTOMER, "c-7".to_owned()).with(AMOUNT, 12);
/// assert_eq!(attributes.get(AMOUNT), Some(12));
/// ```
#[derive(Debug)]
pub struct SearchAttributeKey<T> {
    name: &'static str,
    kind: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for SearchAttributeKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SearchAttributeKey<T> {}

impl<T> SearchAttributeKey<T> {
    const fn new(name: &'static str, kind: &'static str) -> Self {
        Self { name, kind, value: PhantomData }
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl SearchAttributeKey<String> {
    /// Text that is searched by its words.
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use evertide_client::SearchAttributeKey;
    ///
    /// const TITLE: SearchAttributeKey<String> = SearchAttributeKey::text("Title");
    /// const PRICE: SearchAttributeKey<f64> = SearchAttributeKey::double("Price");
    /// const PAID: SearchAttributeKey<bool> = SearchAttributeKey::bool("Paid");
    /// const DUE: SearchAttributeKey<SystemTime> = SearchAttributeKey::datetime("Due");
    /// const TAGS: SearchAttributeKey<Vec<String>> = SearchAttributeKey::keyword_list("Tags");
    /// assert_eq!([TITLE.name(), PRICE.name(), DUE.name()], ["Title", "Price", "Due"]);
    /// ```
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, "Text")
    }

    /// Text that is searched as a whole.
    pub const fn keyword(name: &'static str) -> Self {
        Self::new(name, "Keyword")
    }
}

impl SearchAttributeKey<i64> {
    /// A whole number.
    pub const fn int(name: &'static str) -> Self {
        Self::new(name, "Int")
    }
}

impl SearchAttributeKey<f64> {
    /// A number with a fraction.
    pub const fn double(name: &'static str) -> Self {
        Self::new(name, "Double")
    }
}

impl SearchAttributeKey<bool> {
    /// Yes or no.
    pub const fn bool(name: &'static str) -> Self {
        Self::new(name, "Bool")
    }
}

impl SearchAttributeKey<SystemTime> {
    /// A point in time.
    pub const fn datetime(name: &'static str) -> Self {
        Self::new(name, "Datetime")
    }
}

impl SearchAttributeKey<Vec<String>> {
    /// Several texts, each searched as a whole.
    pub const fn keyword_list(name: &'static str) -> Self {
        Self::new(name, "KeywordList")
    }
}

/// A type that a search attribute can have.
///
/// ```
/// use evertide_client::{SearchAttributeKey, SearchAttributeValue, SearchAttributes};
///
/// fn changed<T: SearchAttributeValue + PartialEq>(
///     key: SearchAttributeKey<T>,
///     before: &SearchAttributes,
///     after: &SearchAttributes,
/// ) -> bool {
///     before.get(key) != after.get(key)
/// }
///
/// let amount = SearchAttributeKey::int("Amount");
/// assert!(changed(amount, &SearchAttributes::new(), &SearchAttributes::new().with(amount, 12)));
/// ```
pub trait SearchAttributeValue: Sized + sealed::Sealed {
    #[doc(hidden)]
    fn encode(&self) -> Result<Payload>;
    #[doc(hidden)]
    fn decode(payload: &Payload) -> Option<Self>;
}

mod sealed {
    /// The server knows these types and no others.
    #[allow(unnameable_types)]
    pub trait Sealed {}
}

macro_rules! plain_values {
    ($($value:ty),*) => {
        $(
            impl sealed::Sealed for $value {}
            impl SearchAttributeValue for $value {
                fn encode(&self) -> Result<Payload> {
                    to_payload(self)
                }

                fn decode(payload: &Payload) -> Option<Self> {
                    // Servers give a list of one as its one value, and the other way round.
                    let unlisted = || from_payload::<[Self; 1]>(payload).map(|[value]| value);
                    from_payload(payload).or_else(|_| unlisted()).ok()
                }
            }
        )*
    };
}

plain_values!(String, i64, f64, bool);

impl sealed::Sealed for Vec<String> {}
impl SearchAttributeValue for Vec<String> {
    fn encode(&self) -> Result<Payload> {
        to_payload(self)
    }

    fn decode(payload: &Payload) -> Option<Self> {
        from_payload(payload).or_else(|_| from_payload(payload).map(|value| vec![value])).ok()
    }
}

impl sealed::Sealed for SystemTime {}
impl SearchAttributeValue for SystemTime {
    fn encode(&self) -> Result<Payload> {
        to_payload(&Timestamp::from(*self).to_string())
    }

    fn decode(payload: &Payload) -> Option<Self> {
        let time: Timestamp = String::decode(payload)?.parse().ok()?;
        time.try_into().ok()
    }
}

/// The search attributes of a workflow, or those to start it with.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use evertide_client::{SearchAttributeKey, SearchAttributes};
///
/// const DUE: SearchAttributeKey<SystemTime> = SearchAttributeKey::datetime("Due");
/// const TAGS: SearchAttributeKey<Vec<String>> = SearchAttributeKey::keyword_list("Tags");
///
/// let due = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
/// let attributes = SearchAttributes::new().with(DUE, due).with(TAGS, vec!["gift".to_owned()]);
/// assert_eq!(attributes.get(DUE), Some(due));
/// assert_eq!(attributes.type_of("Tags"), Some("KeywordList"));
/// assert_eq!((attributes.len(), attributes.names().collect::<Vec<_>>()), (2, vec!["Due", "Tags"]));
/// assert_eq!(attributes.value::<String>("Due")?, "1970-01-02T00:00:00Z");
/// assert_eq!(attributes.get(SearchAttributeKey::int("Due")), None, "it is a time");
/// # Ok::<(), evertide_client::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchAttributes(BTreeMap<String, Payload>);

impl SearchAttributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an attribute. A value that cannot be sent, which only a fraction that is not a number is, is left out.
    #[must_use]
    pub fn with<T: SearchAttributeValue>(mut self, key: SearchAttributeKey<T>, value: T) -> Self {
        if let Ok(mut payload) = value.encode() {
            payload.metadata.insert(TYPE.to_owned(), Bytes::from_static(key.kind.as_bytes()));
            self.0.insert(key.name.to_owned(), payload);
        }
        self
    }

    /// Adds an attribute as a payload.
    ///
    /// ```
    /// use evertide_client::SearchAttributes;
    /// use evertide_client::payload::to_payload;
    ///
    /// let attributes = SearchAttributes::new().with_payload("Amount", to_payload(&12)?);
    /// assert_eq!(attributes.payload("Amount"), Some(&to_payload(&12)?));
    /// assert!(!attributes.is_empty());
    /// # Ok::<(), evertide_client::Error>(())
    /// ```
    #[must_use]
    pub fn with_payload(mut self, name: impl Into<String>, payload: Payload) -> Self {
        self.0.insert(name.into(), payload);
        self
    }

    /// The value of an attribute. None if it is not there or has another type.
    pub fn get<T: SearchAttributeValue>(&self, key: SearchAttributeKey<T>) -> Option<T> {
        let payload = self.0.get(key.name)?;
        // Only what the server says to be of the type is; without a word from it the value itself must do.
        let same = payload.metadata.get(TYPE).is_none_or(|kind| kind.as_ref() == key.kind.as_bytes());
        same.then(|| T::decode(payload)).flatten()
    }

    /// The type of an attribute, as the server names it. None if it is not there or has no type.
    pub fn type_of(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.0.get(name)?.metadata.get(TYPE)?).ok()
    }

    /// The names of all attributes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The payload of an attribute. None if it is not there.
    pub fn payload(&self, name: &str) -> Option<&Payload> {
        self.0.get(name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An attribute with any serde value, such as for a type that is not known here.
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if it is missing or not a `T`.
    pub fn value<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        let payload = self.0.get(name).ok_or_else(|| Error::conversion(format!("no search attribute {name}")))?;
        from_payload(payload)
    }

    pub(crate) fn from_proto(proto: Option<Proto>) -> Self {
        Self(proto.unwrap_or_default().indexed_fields)
    }

    pub(crate) fn into_proto(self) -> Option<Proto> {
        (!self.is_empty()).then_some(Proto { indexed_fields: self.0 })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_type_comes_back_as_it_was() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 120_000_000);
        let tags = vec!["a".to_owned(), "b".to_owned()];
        let attributes = SearchAttributes::new()
            .with(SearchAttributeKey::text("T"), "some words".to_owned())
            .with(SearchAttributeKey::keyword("K"), "one".to_owned())
            .with(SearchAttributeKey::int("I"), -3)
            .with(SearchAttributeKey::double("D"), 1.5)
            .with(SearchAttributeKey::bool("B"), true)
            .with(SearchAttributeKey::datetime("W"), time)
            .with(SearchAttributeKey::keyword_list("L"), tags.clone());
        let attributes = SearchAttributes::from_proto(attributes.into_proto());
        assert_eq!(attributes.get(SearchAttributeKey::text("T")).as_deref(), Some("some words"));
        assert_eq!(attributes.get(SearchAttributeKey::int("I")), Some(-3));
        assert_eq!(attributes.get(SearchAttributeKey::double("D")), Some(1.5));
        assert_eq!(attributes.get(SearchAttributeKey::bool("B")), Some(true));
        assert_eq!(attributes.get(SearchAttributeKey::datetime("W")), Some(time));
        assert_eq!(attributes.get(SearchAttributeKey::keyword_list("L")), Some(tags));
        assert_eq!(attributes.type_of("L"), Some("KeywordList"));
        assert_eq!(attributes.get(SearchAttributeKey::text("K")), None, "a keyword is not a text");
        assert_eq!(attributes.get(SearchAttributeKey::int("missing")), None);
        assert_eq!(attributes.names().collect::<String>(), "BDIKLTW");
    }

    #[test]
    fn times_are_written_as_the_other_sdks_write_them() {
        let attributes = SearchAttributes::new().with(SearchAttributeKey::datetime("W"), SystemTime::UNIX_EPOCH);
        assert_eq!(attributes.value::<String>("W").unwrap(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn no_attributes_are_not_sent() {
        assert_eq!(SearchAttributes::new().into_proto(), None);
    }
}
