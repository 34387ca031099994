//! Conditions as text: filters in the language itself, and operands for messages.

use super::attributes::Field;
use super::filter::{CompareOp, Filter};
use super::lexer::is_bare_name;
use super::syntax::{Comparison, Operand};
use super::value::SearchValue;
use std::fmt::{self, Display, Formatter};

/// A name as it must stand in a query.
pub(super) fn bare_or_in_backticks(name: &str) -> String {
    if name.split('.').all(is_bare_name) { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

/// A text as it must stand in a query.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\0' => quoted.push_str("\\0"),
            '\'' | '"' | '\\' => quoted.extend(['\\', c]),
            '\u{8}' => quoted.push_str("\\b"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{1a}' => quoted.push_str("\\Z"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// An operand as it was written, more or less.
pub(super) fn operand_text(operand: &Operand) -> String {
    match operand {
        Operand::Column(name) => bare_or_in_backticks(name),
        Operand::Text(text) => quoted(text),
        Operand::Number(number) => number.clone(),
        Operand::Bool(value) => value.to_string(),
        Operand::Null => "null".to_owned(),
        Operand::Tuple(values) => format!("({})", values.iter().map(operand_text).collect::<Vec<_>>().join(", ")),
        Operand::Function | Operand::Other(_) => format!("<{}>", operand.kind()),
    }
}

/// A comparison as it was written, more or less.
pub(super) fn comparison_text(comparison: &Comparison) -> String {
    let Comparison { left, operator, right } = comparison;
    format!("{} {operator} {}", operand_text(left), operand_text(right))
}

/// Writes the filter in the language, such that reading it gives the same filter. [`Filter::All`] is empty text, and can
/// therefore only be read back when it is the whole.
impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::And(parts) => write_joined(f, parts, " AND "),
            Self::Or(parts) => write_joined(f, parts, " OR "),
            Self::Not(part) => write!(f, "NOT ({part})"),
            Self::Compare { field, op, value } => write!(f, "{field} {op} {value}"),
            Self::In { field, values } => {
                let values = values.iter().map(ToString::to_string).collect::<Vec<_>>();
                write!(f, "{field} IN ({})", values.join(", "))
            }
            Self::Between { field, low, high } => write!(f, "{field} BETWEEN {low} AND {high}"),
            Self::StartsWith { field, prefix } => {
                write!(f, "{field} STARTS_WITH {}", quoted(prefix))
            }
            Self::Contains { field, keywords } => {
                let keywords = keywords.iter().map(|keyword| quoted(keyword)).collect::<Vec<_>>();
                write!(f, "{field} IN ({})", keywords.join(", "))
            }
            Self::HasPhrase { field, phrases } if phrases.is_empty() => write!(f, "{field} = '-'"),
            Self::HasPhrase { field, phrases } => {
                let phrases = phrases.iter().map(|phrase| phrase.join("-")).collect::<Vec<_>>();
                write!(f, "{field} = {}", quoted(&phrases.join(" ")))
            }
            Self::IsNull(field) => write!(f, "{field} IS NULL"),
        }
    }
}

/// Parts that have parts themselves stand in parentheses, so that reading does not join them with their neighbours.
fn write_joined(f: &mut Formatter<'_>, parts: &[Filter], separator: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        match part {
            Filter::And(_) | Filter::Or(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&bare_or_in_backticks(self.name()))
    }
}

impl Display for CompareOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

/// The value as it stands in a query. Times are written as nanoseconds, so that nothing is lost.
impl Display for SearchValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Keyword(text) => f.write_str(&quoted(text)),
            Self::Int(number) | Self::Datetime(number) => write!(f, "{number}"),
            Self::Double(number) => write!(f, "{number:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::KeywordList(keywords) => {
                let keywords = keywords.iter().map(|keyword| quoted(keyword)).collect::<Vec<_>>();
                write!(f, "({})", keywords.join(", "))
            }
        }
    }
}
