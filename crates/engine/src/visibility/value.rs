//! The values of search attributes.

use evertide_proto::enums::IndexedValueType;
use std::cmp::Ordering;

/// The type of a search attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttributeType {
    /// Words, matched one by one and without regard to case.
    Text,
    /// One string, matched whole.
    Keyword,
    /// A whole number.
    Int,
    /// A floating-point number.
    Double,
    /// True or false.
    Bool,
    /// A time.
    Datetime,
    /// Several strings, each matched whole.
    KeywordList,
}

impl AttributeType {
    /// All types.
    pub const ALL: [Self; 7] =
        [Self::Text, Self::Keyword, Self::Int, Self::Double, Self::Bool, Self::Datetime, Self::KeywordList];

    /// The name, as it stands in the `type` metadata of a payload and in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Keyword => "Keyword",
            Self::Int => "Int",
            Self::Double => "Double",
            Self::Bool => "Bool",
            Self::Datetime => "Datetime",
            Self::KeywordList => "KeywordList",
        }
    }

    /// The number of the protocol's enum.
    #[must_use]
    pub fn to_proto(self) -> i32 {
        let value = match self {
            Self::Text => IndexedValueType::Text,
            Self::Keyword => IndexedValueType::Keyword,
            Self::Int => IndexedValueType::Int,
            Self::Double => IndexedValueType::Double,
            Self::Bool => IndexedValueType::Bool,
            Self::Datetime => IndexedValueType::Datetime,
            Self::KeywordList => IndexedValueType::KeywordList,
        };
        value as i32
    }

    /// The type with that number in the protocol's enum; none for `UNSPECIFIED` and for unknown numbers.
    #[must_use]
    pub fn from_proto(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|value_type| value_type.to_proto() == number)
    }
}

/// The value of a search attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchValue {
    /// Words, matched one by one.
    Text(String),
    /// One string, matched whole.
    Keyword(String),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// A time in unix nanoseconds. Times outside the range of the number stand at its nearer end.
    Datetime(i64),
    /// Several strings, each matched whole. Never empty: an empty list is no value.
    KeywordList(Vec<String>),
}

/// A borrowed [`SearchValue`], which is what a [`Row`](super::Row) answers with.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // The variants are those of `SearchValue`.
pub enum ValueRef<'a> {
    Text(&'a str),
    Keyword(&'a str),
    Int(i64),
    Double(f64),
    Bool(bool),
    Datetime(i64),
    KeywordList(&'a [String]),
}

impl SearchValue {
    /// The type that the value has.
    #[must_use]
    pub fn value_type(&self) -> AttributeType {
        self.as_value_ref().value_type()
    }

    /// The value, borrowed.
    #[must_use]
    pub fn as_value_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Text(text) => ValueRef::Text(text),
            Self::Keyword(keyword) => ValueRef::Keyword(keyword),
            Self::Int(number) => ValueRef::Int(*number),
            Self::Double(number) => ValueRef::Double(*number),
            Self::Bool(value) => ValueRef::Bool(*value),
            Self::Datetime(time_ns) => ValueRef::Datetime(*time_ns),
            Self::KeywordList(keywords) => ValueRef::KeywordList(keywords),
        }
    }
}

impl ValueRef<'_> {
    /// The type that the value has.
    #[must_use]
    pub fn value_type(self) -> AttributeType {
        match self {
            Self::Text(_) => AttributeType::Text,
            Self::Keyword(_) => AttributeType::Keyword,
            Self::Int(_) => AttributeType::Int,
            Self::Double(_) => AttributeType::Double,
            Self::Bool(_) => AttributeType::Bool,
            Self::Datetime(_) => AttributeType::Datetime,
            Self::KeywordList(_) => AttributeType::KeywordList,
        }
    }

    /// How two scalar values of one type stand to each other; numbers compare with numbers. None if they cannot be
    /// compared. Keywords compare byte by byte.
    #[must_use]
    pub fn compare(self, other: ValueRef<'_>) -> Option<Ordering> {
        match (self, other) {
            (ValueRef::Keyword(left), ValueRef::Keyword(right)) => Some(left.cmp(right)),
            (ValueRef::Int(left), ValueRef::Int(right)) | (ValueRef::Datetime(left), ValueRef::Datetime(right)) => {
                Some(left.cmp(&right))
            }
            (ValueRef::Double(left), ValueRef::Double(right)) => left.partial_cmp(&right),
            (ValueRef::Int(left), ValueRef::Double(right)) => compare_int_with_double(left, right),
            (ValueRef::Double(left), ValueRef::Int(right)) => {
                compare_int_with_double(right, left).map(Ordering::reverse)
            }
            (ValueRef::Bool(left), ValueRef::Bool(right)) => Some(left.cmp(&right)),
            _ => None,
        }
    }
}

/// Compares without loss: a whole number of 64 bits does not fit into a floating-point number.
fn compare_int_with_double(int: i64, double: f64) -> Option<Ordering> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= TWO_TO_63 {
        return Some(Ordering::Less);
    }
    if double < -TWO_TO_63 {
        return Some(Ordering::Greater);
    }
    let whole = double.trunc() as i64; // In range by the checks above.
    let fraction = double.fract();
    Some(int.cmp(&whole).then(0.0_f64.partial_cmp(&fraction)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_without_loss() {
        let order = |int, double| ValueRef::Int(int).compare(ValueRef::Double(double));
        assert_eq!(order(2, 1.5), Some(Ordering::Greater));
        assert_eq!(order(-2, -2.5), Some(Ordering::Greater));
        assert_eq!(order(-2, -1.5), Some(Ordering::Less));
        assert_eq!(order(3, 3.0), Some(Ordering::Equal));
        assert_eq!(order(i64::MAX, 9_223_372_036_854_775_808.0), Some(Ordering::Less));
        assert_eq!(order(i64::MIN, -9_223_372_036_854_775_808.0), Some(Ordering::Equal));
        assert_eq!(order(9_007_199_254_740_993, 9_007_199_254_740_992.0), Some(Ordering::Greater));
        assert_eq!(order(1, f64::NAN), None);
    }

    #[test]
    fn types_have_the_numbers_of_the_protocol() {
        for value_type in AttributeType::ALL {
            assert_eq!(AttributeType::from_proto(value_type.to_proto()), Some(value_type));
        }
        assert_eq!(AttributeType::from_proto(0), None);
        assert_eq!(AttributeType::from_proto(77), None);
    }
}
