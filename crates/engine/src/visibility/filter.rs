//! The typed form of a query.

use super::attributes::{Field, NAMESPACE_DIVISION};
use super::error::FilterError;
use super::value::{AttributeType, SearchValue};

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names say it.
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Which rows are meant.
///
/// Every condition is true, false or unknown, as in SQL: where a row has no value, a condition on it is unknown, unless
/// said otherwise; NOT leaves unknown as it is, AND is false if a part is false, OR is true if a part is true; and a row is
/// meant only if the whole is true. Where a row has no close time, comparisons and ranges see a time after all others: see
/// [`Field::absent_is_last`].
///
/// A value has the type of its field, with these exceptions: the execution status is the protocol's number as
/// [`SearchValue::Int`], and a field of whole numbers may meet a [`SearchValue::Double`].
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Every row.
    All,
    /// Rows for which all the parts are true.
    And(Vec<Filter>),
    /// Rows for which one of the parts is true.
    Or(Vec<Filter>),
    /// Rows for which the part is false. `NOT IN`, `NOT BETWEEN`, `NOT STARTS_WITH` and `IS NOT NULL` are written so too.
    Not(Box<Filter>),
    /// A scalar compared with a value. Strings compare byte by byte.
    Compare {
        /// What is compared. Neither a text nor a keyword list.
        field: Field,
        /// How.
        op: CompareOp,
        /// With what.
        value: SearchValue,
    },
    /// A scalar that equals one of several values.
    In {
        /// What is looked for. Neither a text nor a keyword list.
        field: Field,
        /// Where; never empty.
        values: Vec<SearchValue>,
    },
    /// A scalar between two values, both included.
    Between {
        /// What is compared: a time, a number or a keyword.
        field: Field,
        /// The least value.
        low: SearchValue,
        /// The greatest value.
        high: SearchValue,
    },
    /// A keyword with this prefix. It is taken literally: there are no wildcards.
    StartsWith {
        /// A keyword.
        field: Field,
        /// The prefix.
        prefix: String,
    },
    /// A keyword list that holds one of these keywords. Never unknown: a row without a list holds none.
    Contains {
        /// A keyword list.
        field: Field,
        /// What is looked for; never empty.
        keywords: Vec<String>,
    },
    /// A text with one of these phrases: its words, one directly after the other. Words are as [`words`](super::words)
    /// finds them. Never unknown: a row without a text has no words.
    HasPhrase {
        /// A text.
        field: Field,
        /// The phrases, each of one word or more. Without any, no row is meant.
        phrases: Vec<Vec<String>>,
    },
    /// Rows without a value. Never unknown.
    IsNull(Field),
}

/// A query: which rows, and how a count is to be split.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Which rows, by what the text says. See [`Query::within`].
    pub filter: Filter,
    /// The field by whose values rows are to be counted.
    pub group_by: Option<Field>,
    /// Whether the text speaks of the namespace division, so that nothing about it is implied.
    pub names_division: bool,
}

impl Query {
    /// The query of rows in a division, by default of those in none: what is not asked for by its division is left out of
    /// lists. A query that names the division stays as it is.
    #[must_use]
    pub fn within(mut self, division: Option<&str>) -> Self {
        if self.names_division {
            return self;
        }
        let field = Field::Attribute { name: NAMESPACE_DIVISION.to_owned(), value_type: AttributeType::Keyword };
        let implied = match division {
            None => Filter::IsNull(field),
            Some(name) => Filter::Compare { field, op: CompareOp::Equal, value: SearchValue::Keyword(name.to_owned()) },
        };
        self.filter = match self.filter {
            Filter::All => implied,
            filter => Filter::And(vec![implied, filter]),
        };
        self.names_division = true;
        self
    }

    /// The filter of a list, which cannot be grouped.
    pub fn into_list_filter(self) -> Result<Filter, FilterError> {
        match self.group_by {
            None => Ok(self.filter),
            Some(_) => Err(FilterError::NotSupported("'GROUP BY' clause".to_owned())),
        }
    }
}
