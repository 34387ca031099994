//! Why a query is refused.

use super::{MAX_NESTING, MAX_QUERY_BYTES, MAX_TERMS};
use crate::Rejection;

/// Why a query is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It is not grammar.
    #[error("invalid query: malformed SQL query: syntax error at position {position}{}", near_text(near))]
    Malformed {
        /// Where reading stopped: just after the offending token, in bytes, the first byte being 1.
        position: usize,
        /// The offending token; empty at the end of the query.
        near: String,
    },
    /// Parentheses and NOTs are too deep.
    #[error("invalid query: malformed SQL query: max nesting level reached ({MAX_NESTING})")]
    NestedTooDeep,
    /// It is too long to be read.
    #[error("invalid query: length {length} exceeds limit {MAX_QUERY_BYTES}; split the query")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It has too many conditions and values.
    #[error("invalid query: more than {MAX_TERMS} conditions and values; split the query")]
    TooManyTerms,
    /// It is SQL, but not of this language.
    #[error("invalid query: operation is not supported: {0}")]
    NotSupported(String),
    /// An attribute, an operator and a value do not go together.
    #[error("invalid query: invalid expression: {0}")]
    Invalid(String),
    /// A value cannot be read as one of its attribute.
    #[error("invalid query: invalid value for search attribute {0}")]
    InvalidValue(String),
}

fn near_text(near: &str) -> String {
    if near.is_empty() { String::new() } else { format!(" near '{near}'") }
}

impl From<FilterError> for Rejection {
    fn from(error: FilterError) -> Self {
        Self::invalid(error.to_string())
    }
}
