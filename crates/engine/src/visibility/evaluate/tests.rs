use super::*;
use crate::visibility::attributes::{Attributes, SystemAttribute};
use crate::visibility::typing::parse;
use crate::visibility::value::AttributeType;
use std::collections::BTreeMap;

#[derive(Default)]
struct TestRow {
    values: BTreeMap<&'static str, SearchValue>,
}

impl Row for TestRow {
    fn value(&self, field: &Field) -> Option<ValueRef<'_>> {
        self.values.get(field.name()).map(SearchValue::as_value_ref)
    }
}

fn attributes() -> Attributes {
    Attributes::new(
        AttributeType::ALL.map(|value_type| (format!("Cf{}", value_type.name()), value_type)).into_iter().collect(),
    )
}

fn keyword(text: &str) -> SearchValue {
    SearchValue::Keyword(text.to_owned())
}

fn row(values: impl IntoIterator<Item = (&'static str, SearchValue)>) -> TestRow {
    TestRow { values: values.into_iter().collect() }
}

/// An open and a closed workflow, and one that has none of the attributes asked for.
fn rows() -> [(&'static str, TestRow); 3] {
    let list = |keywords: &[&str]| SearchValue::KeywordList(keywords.iter().map(|k| (*k).to_owned()).collect());
    let open = row([
        ("WorkflowId", keyword("a")),
        ("ExecutionStatus", SearchValue::Int(1)),
        ("CfKeyword", keyword("alpha")),
        ("CfInt", SearchValue::Int(5)),
        ("CfDouble", SearchValue::Double(1.5)),
        ("CfBool", SearchValue::Bool(true)),
        ("CfKeywordList", list(&["x", "y"])),
        ("CfText", SearchValue::Text("The quick-brown fox, jumps over 2 lazy dogs".to_owned())),
    ]);
    let closed = row([
        ("WorkflowId", keyword("ab")),
        ("ExecutionStatus", SearchValue::Int(2)),
        ("CloseTime", SearchValue::Datetime(10)),
        ("HistoryLength", SearchValue::Int(3)),
        ("CfKeyword", keyword("beta")),
        ("CfInt", SearchValue::Int(-7)),
        ("CfBool", SearchValue::Bool(false)),
        ("CfKeywordList", list(&["y"])),
        ("CfText", SearchValue::Text("Lazy cat".to_owned())),
    ]);
    let bare = row([("WorkflowId", keyword("p%q")), ("ExecutionStatus", SearchValue::Int(1))]);
    [("open", open), ("closed", closed), ("bare", bare)]
}

fn found(query: &str) -> Vec<&'static str> {
    let filter = parse(query, &attributes()).unwrap().filter;
    rows().into_iter().filter(|(_, row)| matches(&filter, row)).map(|(name, _)| name).collect()
}

fn check_table(table: &[(&str, &[&str])]) {
    for (query, wanted) in table {
        assert_eq!(found(query), *wanted, "{query}");
    }
}

#[test]
fn scalars_are_compared() {
    check_table(&[
        ("", &["open", "closed", "bare"]),
        ("WorkflowId = 'a'", &["open"]),
        ("WorkflowId != 'a'", &["closed", "bare"]),
        ("WorkflowId > 'a'", &["closed", "bare"]),
        ("WorkflowId <= 'ab'", &["open", "closed"]),
        ("WorkflowId BETWEEN 'a' AND 'ab'", &["open", "closed"]),
        ("WorkflowId NOT BETWEEN 'a' AND 'ab'", &["bare"]),
        ("WorkflowId IN ('a', 'x')", &["open"]),
        ("WorkflowId NOT IN ('a', 'x')", &["closed", "bare"]),
        ("WorkflowId STARTS_WITH 'a'", &["open", "closed"]),
        ("WorkflowId STARTS_WITH 'p%'", &["bare"]),
        ("WorkflowId STARTS_WITH 'p_'", &[]),
        ("WorkflowId NOT STARTS_WITH 'a'", &["bare"]),
        ("CfInt > 4.5", &["open"]),
        ("CfInt BETWEEN -7.5 AND 0", &["closed"]),
        ("CfDouble > 1", &["open"]),
        ("CfBool = true", &["open"]),
        ("CfBool < true", &["closed"]),
        ("ExecutionStatus = 'Running'", &["open", "bare"]),
        ("ExecutionStatus != 'Running'", &["closed"]),
    ]);
}

#[test]
fn conditions_on_missing_values_are_unknown() {
    check_table(&[
        ("CfInt = 5", &["open"]),
        ("CfInt != 5", &["closed"]),
        ("NOT CfInt = 5", &["closed"]),
        ("CfInt NOT IN (5)", &["closed"]),
        ("CfKeyword NOT STARTS_WITH 'a'", &["closed"]),
        ("CfInt = 5 OR WorkflowId = 'p%q'", &["open", "bare"]),
        ("NOT (CfInt = 5 AND WorkflowId = 'zz')", &["open", "closed", "bare"]),
        ("NOT (CfInt = 5 OR CfInt = -7 OR CfInt IS NULL)", &[]),
        ("CfInt IS NULL", &["bare"]),
        ("NOT CfInt IS NULL", &["open", "closed"]),
        ("HistoryLength < 0 OR HistoryLength >= 0", &["closed"]),
        ("CfDatetime > '2020-01-01T00:00:00Z' OR NOT CfDatetime > '2020-01-01T00:00:00Z'", &[]),
    ]);
}

#[test]
fn what_is_open_closes_after_everything_else() {
    check_table(&[
        ("CloseTime > 5", &["open", "closed", "bare"]),
        ("CloseTime > 10", &["open", "bare"]),
        ("CloseTime <= 10", &["closed"]),
        ("NOT CloseTime <= 10", &["open", "bare"]),
        ("CloseTime BETWEEN 0 AND 100", &["closed"]),
        ("CloseTime IN (10)", &["closed"]),
        ("CloseTime NOT IN (10)", &["open", "bare"]),
        ("CloseTime IS NULL", &["open", "bare"]),
    ]);
}

#[test]
fn lists_hold_keywords_or_do_not() {
    check_table(&[
        ("CfKeywordList = 'x'", &["open"]),
        ("CfKeywordList = 'x' AND CfKeywordList = 'y'", &["open"]),
        ("CfKeywordList = 'y'", &["open", "closed"]),
        ("CfKeywordList = 'z'", &[]),
        ("CfKeywordList != 'x'", &["closed", "bare"]),
        ("CfKeywordList IN ('x', 'z')", &["open"]),
        ("CfKeywordList NOT IN ('y')", &["bare"]),
        ("NOT CfKeywordList = 'x'", &["closed", "bare"]),
        ("CfKeywordList IS NULL", &["bare"]),
    ]);
}

#[test]
fn texts_have_words() {
    check_table(&[
        ("CfText = 'LAZY'", &["open", "closed"]),
        ("CfText = 'brown'", &["open"]),
        ("CfText = 'quick-brown'", &["open"]),
        ("CfText = 'brown-quick'", &[]),
        ("CfText = 'fox cat'", &["open", "closed"]),
        ("CfText = 'lazy mouse'", &["open", "closed"]),
        ("CfText = 'la'", &[]),
        ("CfText = '2'", &["open"]),
        ("CfText != 'fox'", &["closed", "bare"]),
        ("CfText != 'lazy'", &["bare"]),
        ("CfText = '?'", &[]),
        ("CfText IS NOT NULL", &["open", "closed"]),
    ]);
}

#[test]
fn a_value_of_an_earlier_type_is_no_value() {
    let stale = row([("CfInt", keyword("5"))]);
    let truth = |query: &str| evaluate(&parse(query, &attributes()).unwrap().filter, &stale);
    assert_eq!(truth("CfInt = 5"), None);
    assert_eq!(truth("CfInt IS NULL"), Some(true));
    let status = Filter::IsNull(Field::System(SystemAttribute::ExecutionStatus));
    let running = row([("ExecutionStatus", SearchValue::Int(1))]);
    assert_eq!(evaluate(&status, &running), Some(false));
}
