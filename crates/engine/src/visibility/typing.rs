//! From an untyped tree to a [`Filter`]: names are resolved, values converted, and what makes no sense is refused.

use super::MAX_QUERY_BYTES;
use super::attributes::{Attributes, Field, NAMESPACE_DIVISION, SystemAttribute};
use super::error::FilterError;
use super::filter::{CompareOp, Filter, Query};
use super::literal::{parse_datetime, parse_duration_ns, parse_execution_status};
use super::print::{bare_or_in_backticks, comparison_text, operand_text};
use super::syntax::{Comparison, Expr, IsTest, Operand, Statement, parse_statement};
use super::value::{AttributeType, SearchValue};
use super::words::phrases;

fn invalid(message: impl Into<String>) -> FilterError {
    FilterError::Invalid(message.into())
}

fn not_supported(message: impl Into<String>) -> FilterError {
    FilterError::NotSupported(message.into())
}

/// Reads a query against the names of a namespace. Blank text means every row.
pub fn parse(text: &str, attributes: &Attributes) -> Result<Query, FilterError> {
    if text.len() > MAX_QUERY_BYTES {
        return Err(FilterError::TooLong { length: text.len() });
    }
    let statement = parse_statement(text)?;
    Typing { attributes, names_division: false }.query(&statement)
}

struct Typing<'a> {
    attributes: &'a Attributes,
    names_division: bool,
}

/// An attribute as a query names it.
struct Column<'a> {
    /// The name in the query, for messages.
    alias: &'a str,
    field: Field,
}

impl Column<'_> {
    fn value_type(&self) -> AttributeType {
        self.field.value_type()
    }

    fn is(&self, attribute: SystemAttribute) -> bool {
        self.field == Field::System(attribute)
    }
}

impl Typing<'_> {
    fn query(mut self, statement: &Statement) -> Result<Query, FilterError> {
        if statement.has_order_by {
            return Err(not_supported("'ORDER BY' clause"));
        }
        if statement.has_limit {
            return Err(not_supported("'LIMIT' clause"));
        }
        let filter = match &statement.condition {
            Some(condition) => self.condition(condition)?,
            None => Filter::All,
        };
        let group_by = self.group_by(&statement.group_by)?;
        Ok(Query { filter, group_by, names_division: self.names_division })
    }

    fn group_by(&mut self, fields: &[Operand]) -> Result<Option<Field>, FilterError> {
        let [field] = fields else {
            return match fields {
                [] => Ok(None),
                _ => Err(not_supported("'GROUP BY' clause supports only a single field")),
            };
        };
        let field = self.column(field)?.field;
        if field.name() != SystemAttribute::ExecutionStatus.name() {
            return Err(not_supported("'GROUP BY' clause is only supported for ExecutionStatus"));
        }
        Ok(Some(field))
    }

    fn condition(&mut self, condition: &Expr) -> Result<Filter, FilterError> {
        Ok(match condition {
            Expr::And(parts) => Filter::And(self.conditions(parts)?),
            Expr::Or(parts) => Filter::Or(self.conditions(parts)?),
            Expr::Not(part) => negated(self.condition(part)?),
            Expr::Compare(comparison) => self.comparison(comparison)?,
            Expr::Between { left, negated: is_negated, low, high } => {
                let between = self.between(left, low, high)?;
                if *is_negated { negated(between) } else { between }
            }
            Expr::Is { left, is } => self.is_test(left, *is)?,
            Expr::Exists => return Err(not_supported("expression of type EXISTS")),
            Expr::Bare(Operand::Function) => return Err(not_supported("function expression")),
            Expr::Bare(Operand::Column(_)) => return Err(invalid("incomplete expression")),
            Expr::Bare(operand) => {
                return Err(not_supported(format!("expression of type {}", operand.kind())));
            }
        })
    }

    fn conditions(&mut self, parts: &[Expr]) -> Result<Vec<Filter>, FilterError> {
        parts.iter().map(|part| self.condition(part)).collect()
    }

    fn column<'a>(&mut self, operand: &'a Operand) -> Result<Column<'a>, FilterError> {
        let Operand::Column(alias) = operand else {
            return Err(invalid(format!("must be a column name but was {}", operand.kind())));
        };
        let Some(field) = self.attributes.resolve(alias) else {
            return Err(invalid(format!("column name '{alias}' is not a valid search attribute")));
        };
        self.names_division |= field.name() == NAMESPACE_DIVISION;
        Ok(Column { alias, field })
    }

    fn is_test(&mut self, left: &Operand, is: IsTest) -> Result<Filter, FilterError> {
        let is_null = Filter::IsNull(self.column(left)?.field);
        match is {
            IsTest::Null => Ok(is_null),
            IsTest::NotNull => Ok(negated(is_null)),
            IsTest::Boolean => Err(invalid("'IS' operator can only be used with 'NULL' or 'NOT NULL'")),
        }
    }

    fn between(&mut self, left: &Operand, low: &Operand, high: &Operand) -> Result<Filter, FilterError> {
        let column = self.column(left)?;
        let value_type = column.value_type();
        if matches!(value_type, AttributeType::Bool | AttributeType::KeywordList | AttributeType::Text) {
            return Err(invalid(format!(
                "cannot do range condition on search attribute '{}' of type {}",
                column.alias,
                value_type.name()
            )));
        }
        let low = typed_value(&column, &literal(low)?)?;
        let high = typed_value(&column, &literal(high)?)?;
        Ok(Filter::Between { field: column.field, low, high })
    }

    fn comparison(&mut self, comparison: &Comparison) -> Result<Filter, FilterError> {
        let operator = comparison.operator;
        if matches!(operator, "like" | "not like" | "regexp" | "not regexp" | "<=>") {
            return Err(invalid(format!("invalid operator '{operator}' in `{}`", comparison_text(comparison))));
        }
        let column = self.column(&comparison.left)?;
        let literals = match (&comparison.right, operator) {
            (Operand::Tuple(values), "in" | "not in") => values.iter().map(literal).collect::<Result<Vec<_>, _>>()?,
            (operand, _) => vec![literal(operand)?],
        };
        match operator {
            "!=" => Ok(negated_equality(equality(column, &literals, comparison)?)),
            "not in" => Ok(negated(equality(column, &literals, comparison)?)),
            "=" | "in" => equality(column, &literals, comparison),
            "starts_with" => starts_with(column, &literals, comparison),
            "not starts_with" => Ok(negated(starts_with(column, &literals, comparison)?)),
            _ => ordering(column, &literals, comparison),
        }
    }
}

fn negated(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

/// What `!=` makes of what `=` makes.
fn negated_equality(filter: Filter) -> Filter {
    match filter {
        Filter::Compare { field, value, .. } => Filter::Compare { field, op: CompareOp::NotEqual, value },
        other => negated(other),
    }
}

/// A value that is written out.
#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
}

impl Literal {
    /// The name of its type in messages.
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Int(_) => "int64",
            Self::Double(_) => "float64",
            Self::Bool(_) => "bool",
        }
    }
}

fn literal(operand: &Operand) -> Result<Literal, FilterError> {
    match operand {
        Operand::Text(text) => Ok(Literal::Text(text.clone())),
        Operand::Bool(value) => Ok(Literal::Bool(*value)),
        Operand::Number(digits) => number(digits).ok_or_else(|| invalid(format!("unable to parse {digits}"))),
        Operand::Function => Err(not_supported("nested func")),
        Operand::Column(name) => Err(not_supported(format!(
            "column name on the right side of comparison expression (did you forget to quote '{}'?)",
            bare_or_in_backticks(name)
        ))),
        Operand::Null | Operand::Tuple(_) | Operand::Other(_) => {
            Err(invalid(format!("unexpected value type {}", operand.kind())))
        }
    }
}

/// Converts a value to one that the filter compares the attribute with.
fn typed_value(column: &Column<'_>, literal: &Literal) -> Result<SearchValue, FilterError> {
    if column.is(SystemAttribute::ExecutionStatus) {
        return status_value(column, literal);
    }
    if column.is(SystemAttribute::ExecutionDuration)
        && let Literal::Text(text) = literal
    {
        return parse_duration_ns(text)
            .map(SearchValue::Int)
            .map_err(|problem| FilterError::InvalidValue(format!("{}: {text} ({problem})", column.alias)));
    }
    match (column.value_type(), literal) {
        (AttributeType::Datetime, Literal::Int(time_ns)) => Ok(SearchValue::Datetime(*time_ns)),
        (AttributeType::Datetime, Literal::Text(text)) => parse_datetime(text)
            .map(SearchValue::Datetime)
            .ok_or_else(|| invalid(format!("unable to parse datetime '{text}'"))),
        (value_type, literal) => read_as(value_type, literal).ok_or_else(|| unexpected_type(column, literal)),
    }
}

/// The value as one of a scalar type: of the type itself, or of another one in which it can be written just as well, such
/// as `'5'` for 5, 5 for `'5'` and 1 for `true`.
fn read_as(value_type: AttributeType, literal: &Literal) -> Option<SearchValue> {
    match (value_type, literal) {
        (AttributeType::Int, Literal::Int(number)) => Some(SearchValue::Int(*number)),
        (AttributeType::Int, Literal::Double(number)) => Some(int_or_double(*number)),
        (AttributeType::Double, Literal::Int(number)) => Some(SearchValue::Double(*number as f64)),
        (AttributeType::Double, Literal::Double(number)) => Some(SearchValue::Double(*number)),
        (AttributeType::Int | AttributeType::Double, Literal::Text(text)) => {
            read_as(value_type, &number(text.trim_ascii())?)
        }
        (AttributeType::Bool, Literal::Bool(value)) => Some(SearchValue::Bool(*value)),
        (AttributeType::Bool, Literal::Int(number @ (0 | 1))) => Some(SearchValue::Bool(*number == 1)),
        (AttributeType::Keyword, Literal::Text(text)) => Some(SearchValue::Keyword(text.clone())),
        (AttributeType::Keyword, Literal::Int(number)) => Some(SearchValue::Keyword(number.to_string())),
        (AttributeType::Keyword, Literal::Double(number)) => Some(SearchValue::Keyword(number.to_string())),
        _ => None,
    }
}

/// The number that is written in decimal digits, perhaps with a sign, a fraction and an exponent.
fn number(text: &str) -> Option<Literal> {
    if !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Ok(int) = text.parse() {
        return Some(Literal::Int(int));
    }
    text.parse().ok().filter(|double: &f64| double.is_finite()).map(Literal::Double)
}

fn unexpected_type(column: &Column<'_>, literal: &Literal) -> FilterError {
    invalid(format!("unexpected value type {} for search attribute {}", literal.kind(), column.alias))
}

/// The whole number that a number like `1e3` is, if it is one.
fn int_or_double(number: f64) -> SearchValue {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53: below it every whole number has its own.
    if number.fract() == 0.0 && number.abs() < EXACT {
        SearchValue::Int(number as i64)
    } else {
        SearchValue::Double(number)
    }
}

fn status_value(column: &Column<'_>, literal: &Literal) -> Result<SearchValue, FilterError> {
    match literal {
        Literal::Text(name) => parse_execution_status(name)
            .map(|status| SearchValue::Int(status.into()))
            .ok_or_else(|| invalid(format!("invalid ExecutionStatus value '{name}'"))),
        // A number that is no status is one that nobody has.
        Literal::Int(number) => Ok(SearchValue::Int(*number)),
        Literal::Double(_) | Literal::Bool(_) => Err(unexpected_type(column, literal)),
    }
}

/// The texts of literals that must all be texts.
fn texts(column: &Column<'_>, literals: &[Literal]) -> Result<Vec<String>, FilterError> {
    let text = |literal: &Literal| match literal {
        Literal::Text(text) => Ok(text.clone()),
        other => Err(unexpected_type(column, other)),
    };
    literals.iter().map(text).collect()
}

/// `=` and `IN`, and what `!=` and `NOT IN` negate.
fn equality(column: Column<'_>, literals: &[Literal], comparison: &Comparison) -> Result<Filter, FilterError> {
    let is_list = matches!(comparison.operator, "in" | "not in");
    match column.value_type() {
        AttributeType::KeywordList => {
            let keywords = texts(&column, literals)?;
            Ok(Filter::Contains { field: column.field, keywords })
        }
        AttributeType::Text if is_list => Err(unsupported_operator(&column, comparison)),
        AttributeType::Text => {
            let text = texts(&column, literals)?.concat();
            if text.split(' ').all(str::is_empty) {
                return Err(invalid(format!(
                    "unexpected value for Text type search attribute (no tokens found in {})",
                    operand_text(&comparison.right)
                )));
            }
            Ok(Filter::HasPhrase { field: column.field, phrases: phrases(&text) })
        }
        _ => {
            let mut values =
                literals.iter().map(|literal| typed_value(&column, literal)).collect::<Result<Vec<_>, _>>()?;
            match (is_list, values.pop()) {
                (false, Some(value)) => Ok(Filter::Compare { field: column.field, op: CompareOp::Equal, value }),
                (_, last) => {
                    values.extend(last);
                    Ok(Filter::In { field: column.field, values })
                }
            }
        }
    }
}

/// `<`, `<=`, `>` and `>=`.
fn ordering(column: Column<'_>, literals: &[Literal], comparison: &Comparison) -> Result<Filter, FilterError> {
    let op = match comparison.operator {
        "<" => CompareOp::Less,
        "<=" => CompareOp::LessOrEqual,
        ">" => CompareOp::Greater,
        _ => CompareOp::GreaterOrEqual,
    };
    match (column.value_type(), literals) {
        (AttributeType::Text | AttributeType::KeywordList, _) => Err(unsupported_operator(&column, comparison)),
        (_, [literal]) => {
            let value = typed_value(&column, literal)?;
            Ok(Filter::Compare { field: column.field, op, value })
        }
        _ => Err(invalid("unexpected value type a list of values")),
    }
}

fn starts_with(column: Column<'_>, literals: &[Literal], comparison: &Comparison) -> Result<Filter, FilterError> {
    let not_text = || {
        invalid(format!(
            "right-hand side of '{}' must be a literal string (got: {})",
            comparison.operator,
            operand_text(&comparison.right)
        ))
    };
    match (column.value_type(), literals) {
        (AttributeType::Keyword, [literal]) if column.is(SystemAttribute::ExecutionStatus) => {
            status_value(&column, literal)?;
            Err(not_text())
        }
        (AttributeType::Keyword, [Literal::Text(prefix)]) => {
            Ok(Filter::StartsWith { field: column.field, prefix: prefix.clone() })
        }
        (AttributeType::Keyword, _) => Err(not_text()),
        _ => Err(unsupported_operator(&column, comparison)),
    }
}

fn unsupported_operator(column: &Column<'_>, comparison: &Comparison) -> FilterError {
    invalid(format!(
        "operator '{}' not supported for {} type search attribute in `{}`",
        comparison.operator,
        column.value_type().name(),
        comparison_text(comparison)
    ))
}

#[cfg(test)]
mod tests;
