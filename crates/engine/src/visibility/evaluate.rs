//! Whether a row is meant by a filter.

use super::attributes::Field;
use super::filter::{CompareOp, Filter};
use super::value::{SearchValue, ValueRef};
use super::words::{has_phrase, words};
use std::cmp::Ordering;

/// What lists show, as far as filters look at it.
pub trait Row {
    /// The value of a field; none if the row has no value. The execution status is its number as [`ValueRef::Int`], the
    /// execution duration is in nanoseconds, and a predefined attribute is among the search attributes.
    fn value(&self, field: &Field) -> Option<ValueRef<'_>>;
}

/// Whether the row is meant.
#[must_use]
pub fn matches(filter: &Filter, row: &impl Row) -> bool {
    evaluate(filter, row) == Some(true)
}

/// What the filter says of the row; none if it is unknown.
#[must_use]
pub fn evaluate(filter: &Filter, row: &impl Row) -> Option<bool> {
    match filter {
        Filter::All => Some(true),
        Filter::And(parts) => all_of(parts, row),
        Filter::Or(parts) => any_of(parts, row),
        Filter::Not(part) => evaluate(part, row).map(|truth| !truth),
        Filter::Compare { field, op, value } => {
            let order = comparable(field, row)?.compare(value.as_value_ref())?;
            Some(holds(*op, order))
        }
        Filter::In { field, values } => {
            let found = comparable(field, row)?;
            Some(values.iter().any(|value| found.compare(value.as_value_ref()) == Some(Ordering::Equal)))
        }
        Filter::Between { field, low, high } => between(comparable(field, row)?, low, high),
        Filter::StartsWith { field, prefix } => match row.value(field)? {
            ValueRef::Keyword(keyword) => Some(keyword.starts_with(prefix.as_str())),
            _ => None,
        },
        Filter::Contains { field, keywords } => Some(match row.value(field) {
            Some(ValueRef::KeywordList(list)) => list.iter().any(|keyword| keywords.contains(keyword)),
            _ => false,
        }),
        Filter::HasPhrase { field, phrases } => Some(match row.value(field) {
            Some(ValueRef::Text(text)) => {
                let text_words: Vec<String> = words(text).collect();
                phrases.iter().any(|phrase| has_phrase(&text_words, phrase))
            }
            _ => false,
        }),
        Filter::IsNull(field) => Some(typed(field, row).is_none()),
    }
}

/// The value of a field if it has the type that the filter was made for.
fn typed<'a>(field: &Field, row: &'a impl Row) -> Option<ValueRef<'a>> {
    let value = row.value(field)?;
    match field {
        Field::System(_) => Some(value),
        Field::Attribute { value_type, .. } => (value.value_type() == *value_type).then_some(value),
    }
}

/// The value that comparisons see.
fn comparable<'a>(field: &Field, row: &'a impl Row) -> Option<ValueRef<'a>> {
    typed(field, row).or_else(|| field.absent_is_last().then_some(ValueRef::Datetime(i64::MAX)))
}

fn all_of(parts: &[Filter], row: &impl Row) -> Option<bool> {
    let mut truth = Some(true);
    for part in parts {
        match evaluate(part, row) {
            Some(false) => return Some(false),
            None => truth = None,
            Some(true) => {}
        }
    }
    truth
}

fn any_of(parts: &[Filter], row: &impl Row) -> Option<bool> {
    let mut truth = Some(false);
    for part in parts {
        match evaluate(part, row) {
            Some(true) => return Some(true),
            None => truth = None,
            Some(false) => {}
        }
    }
    truth
}

fn holds(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Equal => order.is_eq(),
        CompareOp::NotEqual => order.is_ne(),
        CompareOp::Less => order.is_lt(),
        CompareOp::LessOrEqual => order.is_le(),
        CompareOp::Greater => order.is_gt(),
        CompareOp::GreaterOrEqual => order.is_ge(),
    }
}

fn between(found: ValueRef<'_>, low: &SearchValue, high: &SearchValue) -> Option<bool> {
    let not_below = found.compare(low.as_value_ref())?.is_ge();
    let not_above = found.compare(high.as_value_ref())?.is_le();
    Some(not_below && not_above)
}

#[cfg(test)]
mod tests;
