//! Lists and counts: the filter language, its typed form, and the search attributes that it speaks of.
//!
//! A query is text like `WorkflowType = 'order' AND (CfPrice > 10 OR CloseTime IS NULL)`. [`parse`] reads it against the
//! [`Attributes`] of a namespace and gives a [`Query`]: a [`Filter`] in which every name is resolved and every value has
//! the type of its attribute, so that nothing is left to interpret for whoever evaluates it. [`matches()`] evaluates it on a
//! [`Row`]; a store may instead compile it to its own language, and must find the same rows.
//!
//! Reading goes in three steps: `lexer` makes tokens, `syntax` makes an untyped tree and refuses what is not grammar,
//! `typing` resolves names, converts values and refuses what makes no sense. The wording of refusals is the reference
//! server's, because clients show and some compare it.
//!
//! The values themselves travel as payloads: [`payload`] decodes, checks and encodes them.

mod attributes;
mod error;
mod evaluate;
mod filter;
mod lexer;
mod listing;
mod literal;
pub mod payload;
mod print;
mod syntax;
mod typing;
mod value;
mod words;

pub use attributes::{Attributes, Field, NAMESPACE_DIVISION, SystemAttribute, is_reserved, predefined_attributes};
pub use error::FilterError;
pub use evaluate::{Row, evaluate, matches};
pub use filter::{CompareOp, Filter, Query};
pub use listing::{Closed, Listing};
pub use literal::{execution_status_name, parse_execution_status};
pub use typing::parse;
pub use value::{AttributeType, SearchValue, ValueRef};
pub use words::words;

/// The longest query that is read, in bytes. It bounds what one request can cost; the reference server is bounded by the
/// size of a request only.
pub const MAX_QUERY_BYTES: usize = 256 * 1024;

/// How deep parentheses and NOT may nest. The reference server allows 200; half of it is still more than anyone writes, and
/// reading it needs less than half of the stack that a thread has.
pub const MAX_NESTING: usize = 100;

/// How many conditions and listed values a query may have together. A database that the filter is compiled for has a
/// limit of its own for parameters, and it is higher.
pub const MAX_TERMS: usize = 10_000;
