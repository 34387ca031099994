//! What a filter says about where its rows are.
//!
//! The engine decides which rows are meant, row by row. A plan only narrows down which rows need to be looked at: each of
//! its parts is true of every row that is meant, and may be true of others. It is made from the conditions that all
//! must hold; what stands below OR and NOT is left to the engine.

use std::collections::BTreeSet;

use evertide_engine::visibility::{CompareOp, Field, Filter, NAMESPACE_DIVISION, SearchValue, SystemAttribute};
use evertide_store::RUNNING;
use rusqlite::types::Value;

use crate::visibility_rows::rank;

/// Where the rows that are meant must be.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Look-ups that each find the keys of all rows that are meant, the likely shortest first.
    pub(crate) probes: Vec<Probe>,
    pub(crate) close_rank: Ranks,
    pub(crate) start_rank: Ranks,
    pub(crate) workflow_type: Option<String>,
    /// None if the status may be any.
    pub(crate) statuses: Option<BTreeSet<i64>>,
    /// What the kept counts know, if that is all that the filter asks.
    pub(crate) counted: Option<Counted>,
}

/// A range of ranks with both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ranks {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// A look-up of run keys in an index.
#[derive(Debug, PartialEq)]
pub(crate) struct Probe {
    /// The less, the fewer keys it is likely to find.
    order: u8,
    /// What has a `run_key`, as it stands behind FROM, and behind WHERE the namespace with a question mark for its number.
    pub(crate) source: &'static str,
    /// What stands behind that, with a question mark for each parameter.
    pub(crate) condition: String,
    pub(crate) parameters: Vec<Value>,
}

/// The runs of a namespace whatever their kinds. The scopes come first, and there are few.
const RUNS: &str = "scope CROSS JOIN run INDEXED BY run_by_name USING (scope)
    WHERE namespace_id = (SELECT namespace_id FROM scope WHERE scope = ?)";

/// Which of the kept counts to add up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) in_division: Option<bool>,
}

impl Plan {
    pub(crate) fn of(filter: &Filter) -> Self {
        let mut plan = Self {
            probes: Vec::new(),
            close_rank: Ranks::ALL,
            start_rank: Ranks::ALL,
            workflow_type: None,
            statuses: None,
            counted: Some(Counted::default()),
        };
        plan.require(filter);
        if plan.statuses.as_ref().is_some_and(|statuses| statuses.iter().all(|status| *status == i64::from(RUNNING))) {
            plan.close_rank = plan.close_rank.and(Ranks::OPEN);
        }
        if plan.start_rank != Ranks::ALL {
            let Ranks { first, last } = plan.start_rank;
            plan.probes.push(Probe {
                order: 5,
                source: "visibility INDEXED BY visibility_by_start WHERE namespace = ?",
                condition: "start_rank BETWEEN ? AND ?".to_owned(),
                parameters: vec![Value::Integer(first), Value::Integer(last)],
            });
        }
        plan.probes.sort_by_key(|probe| probe.order);
        plan
    }

    /// The status, if there is no choice.
    pub(crate) fn only_status(&self) -> Option<i64> {
        let statuses = self.statuses.as_ref().filter(|statuses| statuses.len() == 1)?;
        statuses.first().copied()
    }

    /// Adds a condition that must hold.
    fn require(&mut self, filter: &Filter) {
        match filter {
            Filter::All => return,
            Filter::And(parts) => return parts.iter().for_each(|part| self.require(part)),
            Filter::IsNull(field) if is_division(field) => return self.count_division(false),
            Filter::Not(part) if matches!(&**part, Filter::IsNull(field) if is_division(field)) => {
                return self.count_division(true);
            }
            Filter::Compare { field, op: CompareOp::Equal, value } if is_status(field) => {
                return self.require_statuses(std::slice::from_ref(value));
            }
            Filter::In { field, values } if is_status(field) => {
                return self.require_statuses(values);
            }
            _ => self.counted = None,
        }
        match filter {
            Filter::Compare { field, op, value } => self.require_comparison(field, *op, value),
            Filter::In { field, values } => self.require_one_of(field, values),
            Filter::Between { field, low, high } => {
                self.require_comparison(field, CompareOp::GreaterOrEqual, low);
                self.require_comparison(field, CompareOp::LessOrEqual, high);
            }
            Filter::StartsWith { field, prefix } => self.require_prefix(field, prefix),
            Filter::Contains { field: Field::Attribute { name, .. }, keywords } => {
                let keywords = keywords.iter().cloned().map(Value::Text);
                self.probe_attribute(2, name, one_of(keywords.len()), keywords);
            }
            Filter::IsNull(Field::System(SystemAttribute::CloseTime)) => {
                self.close_rank = self.close_rank.and(Ranks::OPEN);
            }
            _ => {}
        }
    }

    fn count_division(&mut self, in_division: bool) {
        self.counted = match self.counted.take() {
            Some(Counted { in_division: Some(other) }) if other != in_division => None,
            Some(_) => Some(Counted { in_division: Some(in_division) }),
            None => None,
        };
    }

    fn require_statuses(&mut self, values: &[SearchValue]) {
        let mut statuses = BTreeSet::new();
        for value in values {
            match value {
                SearchValue::Int(status) => statuses.insert(*status),
                // Nothing else is a status, but a number that is not whole may stand for one.
                _ => {
                    self.counted = None;
                    return;
                }
            };
        }
        self.statuses = Some(match self.statuses.take() {
            None => statuses,
            Some(others) => &others & &statuses,
        });
    }

    fn require_comparison(&mut self, field: &Field, op: CompareOp, value: &SearchValue) {
        match (field, op, value) {
            (Field::System(SystemAttribute::CloseTime), _, SearchValue::Datetime(time_ns)) => {
                self.close_rank = self.close_rank.and(Ranks::of_times(op, *time_ns));
            }
            (Field::System(SystemAttribute::StartTime), _, SearchValue::Datetime(time_ns)) => {
                self.start_rank = self.start_rank.and(Ranks::of_times(op, *time_ns));
            }
            (Field::System(SystemAttribute::WorkflowType), CompareOp::Equal, SearchValue::Keyword(name)) => {
                self.workflow_type = Some(name.clone());
            }
            (_, CompareOp::Equal, _) => self.require_one_of(field, std::slice::from_ref(value)),
            (Field::Attribute { name, .. }, _, _) => {
                let operator = match op {
                    CompareOp::Less => "<",
                    CompareOp::LessOrEqual => "<=",
                    CompareOp::Greater => ">",
                    CompareOp::GreaterOrEqual => ">=",
                    CompareOp::Equal | CompareOp::NotEqual => return,
                };
                let parameters: Vec<_> = indexed(value).collect();
                if !parameters.is_empty() {
                    self.probe_attribute(4, name, format!("value {operator} ?"), parameters);
                }
            }
            _ => {}
        }
    }

    fn require_one_of(&mut self, field: &Field, values: &[SearchValue]) {
        let parameters: Vec<_> = values.iter().flat_map(indexed).collect();
        let condition = one_of(parameters.len());
        match field {
            Field::System(SystemAttribute::WorkflowId) => self.probes.push(Probe {
                order: 0,
                source: RUNS,
                condition: condition.replacen("value", "id", 1),
                parameters,
            }),
            Field::System(_) => {}
            Field::Attribute { name, .. } => self.probe_attribute(1, name, condition, parameters),
        }
    }

    fn require_prefix(&mut self, field: &Field, prefix: &str) {
        let mut parameters = vec![Value::Text(prefix.to_owned())];
        let mut condition = "value >= ?".to_owned();
        if let Some(end) = behind_prefix(prefix) {
            parameters.push(Value::Text(end));
            condition += " AND value < ?";
        }
        match field {
            Field::System(SystemAttribute::WorkflowId) => self.probes.push(Probe {
                order: 3,
                source: RUNS,
                condition: condition.replace("value", "id"),
                parameters,
            }),
            Field::System(_) => {}
            Field::Attribute { name, .. } => self.probe_attribute(3, name, condition, parameters),
        }
    }

    /// The condition is about the column `value`.
    fn probe_attribute(
        &mut self,
        order: u8,
        name: &str,
        condition: String,
        parameters: impl IntoIterator<Item = Value>,
    ) {
        let parameters: Vec<_> = std::iter::once(Value::Text(name.to_owned())).chain(parameters).collect();
        let is_exact = condition == one_of(parameters.len() - 1);
        let lacks_rows = name == BUILD_IDS && (!is_exact || parameters.iter().any(|value| is_everywhere(name, value)));
        if name == NAMESPACE_DIVISION || lacks_rows {
            return;
        }
        self.probes.push(Probe {
            order,
            source: "search_attribute WHERE namespace = ?",
            condition: format!("name = ? AND {condition}"),
            parameters,
        });
    }
}

impl Ranks {
    const ALL: Self = Self { first: i64::MIN, last: i64::MAX };

    /// Those of runs without a close time.
    const OPEN: Self = Self { first: !i64::MAX, last: !i64::MAX };

    /// The ranks of times that compare so with a time. Later times have lower ranks.
    fn of_times(op: CompareOp, time_ns: i64) -> Self {
        let at = rank(time_ns);
        match op {
            CompareOp::Equal => Self { first: at, last: at },
            CompareOp::NotEqual => Self::ALL,
            CompareOp::Less => Self { first: at.saturating_add(1), last: i64::MAX },
            CompareOp::LessOrEqual => Self { first: at, last: i64::MAX },
            CompareOp::Greater => Self { first: i64::MIN, last: at.saturating_sub(1) },
            CompareOp::GreaterOrEqual => Self { first: i64::MIN, last: at },
        }
    }

    fn and(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), last: self.last.min(other.last) }
    }
}

fn is_division(field: &Field) -> bool {
    matches!(field, Field::Attribute { name, .. } if name == NAMESPACE_DIVISION)
}

fn is_status(field: &Field) -> bool {
    *field == Field::System(SystemAttribute::ExecutionStatus)
}

/// The attribute that every workflow has that ever ran.
const BUILD_IDS: &str = "BuildIds";

/// Whether nearly every row has a value, so that an index finds too many rows to be of use: such values have none there.
pub(crate) fn is_everywhere(name: &str, value: &Value) -> bool {
    name == BUILD_IDS && matches!(value, Value::Text(build_id) if build_id == "unversioned")
}

/// A value as the index of search attributes has it; several for a list, none if the index lacks it.
pub(crate) fn indexed(value: &SearchValue) -> impl Iterator<Item = Value> + use<> {
    let values = match value {
        SearchValue::Text(_) => Vec::new(),
        SearchValue::Keyword(keyword) => vec![Value::Text(keyword.clone())],
        SearchValue::Int(number) | SearchValue::Datetime(number) => vec![Value::Integer(*number)],
        // It equals nothing, itself included.
        SearchValue::Double(number) if number.is_nan() => Vec::new(),
        SearchValue::Double(number) => vec![Value::Real(*number)],
        SearchValue::Bool(truth) => vec![Value::Integer(i64::from(*truth))],
        SearchValue::KeywordList(keywords) => {
            let distinct: BTreeSet<_> = keywords.iter().collect();
            distinct.into_iter().cloned().map(Value::Text).collect()
        }
    };
    values.into_iter()
}

fn one_of(count: usize) -> String {
    format!("value IN ({})", vec!["?"; count].join(", "))
}

/// The least string behind all strings with a prefix, if there is one.
fn behind_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_string_behind_a_prefix() {
        let behind = |prefix| behind_prefix(prefix).unwrap_or_default();
        assert_eq!(behind("ab"), "ac");
        assert_eq!(behind("a\u{7f}"), "a\u{80}");
        assert_eq!(behind("a\u{d7ff}"), "a\u{e000}");
        assert_eq!(behind("a\u{10ffff}"), "b");
        assert_eq!(behind_prefix("\u{10ffff}"), None);
        assert_eq!(behind_prefix(""), None);
    }
}
