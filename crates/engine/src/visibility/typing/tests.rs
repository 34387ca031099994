use super::*;
use crate::visibility::Row;
use crate::visibility::evaluate::evaluate;
use crate::visibility::value::ValueRef;
use crate::visibility::{MAX_NESTING, MAX_TERMS};
use proptest::prelude::*;

/// A namespace with a custom search attribute of each type.
fn attributes() -> Attributes {
    let custom = [
        ("CfKeyword", AttributeType::Keyword),
        ("CfText", AttributeType::Text),
        ("CfInt", AttributeType::Int),
        ("CfDouble", AttributeType::Double),
        ("CfBool", AttributeType::Bool),
        ("CfDatetime", AttributeType::Datetime),
        ("CfList", AttributeType::KeywordList),
        ("odd-name", AttributeType::Keyword),
        ("Group", AttributeType::Keyword),
    ];
    Attributes::new(custom.map(|(name, value_type)| (name.to_owned(), value_type)).into())
}

/// The filter, written back.
fn read(query: &str) -> String {
    match parse(query, &attributes()) {
        Ok(query) => query.filter.to_string(),
        Err(error) => panic!("{query}: {error}"),
    }
}

fn refusal(query: &str) -> String {
    match parse(query, &attributes()) {
        Ok(read) => panic!("{query} was read as {}", read.filter),
        Err(error) => error.to_string(),
    }
}

fn check_refusals(table: &[(&str, &str)]) {
    for (query, wanted) in table {
        assert_eq!(refusal(query), format!("invalid query: {wanted}"), "{query}");
    }
}

#[test]
fn conditions_are_read() {
    let table = [
        ("", ""),
        (" \n", ""),
        ("WorkflowId <> 'a'", "WorkflowId != 'a'"),
        ("WorkflowId NOT IN ('a', \"b\")", "NOT (WorkflowId IN ('a', 'b'))"),
        ("WorkflowId NOT STARTS_WITH 'a'", "NOT (WorkflowId STARTS_WITH 'a')"),
        ("WorkflowId starts_with 'a%'", "WorkflowId STARTS_WITH 'a%'"),
        ("CfInt NOT BETWEEN -1 AND +2", "NOT (CfInt BETWEEN -1 AND 2)"),
        ("CfInt > 1.5 and CfInt < 1e3", "CfInt > 1.5 AND CfInt < 1000"),
        ("CfInt = -9223372036854775808", "CfInt = -9223372036854775808"),
        ("CfInt < 9223372036854775808", "CfInt < 9.223372036854776e18"),
        ("CfDouble = - 5", "CfDouble = -5.0"),
        ("CfDouble = -.5", "CfDouble = -0.5"),
        ("CfBool = TRUE", "CfBool = true"),
        ("CloseTime IS NOT NULL", "NOT (CloseTime IS NULL)"),
        ("NOT CloseTime IS NULL", "NOT (CloseTime IS NULL)"),
        ("StartTime > '1970-01-01T00:00:01Z'", "StartTime > 1000000000"),
        ("StartTime > 1577836800000000000", "StartTime > 1577836800000000000"),
        ("ExecutionStatus = 'Running'", "ExecutionStatus = 1"),
        ("ExecutionStatus IN ('WORKFLOW_EXECUTION_STATUS_FAILED', 2)", "ExecutionStatus IN (3, 2)"),
        ("ExecutionDuration > '1m'", "ExecutionDuration > 60000000000"),
        ("ExecutionDuration > '00:01:00'", "ExecutionDuration > 60000000000"),
        ("CfList = 'x'", "CfList IN ('x')"),
        ("CfList != 'x'", "NOT (CfList IN ('x'))"),
        ("CfText = 'Quick-brown  Fox'", "CfText = 'quick-brown fox'"),
        ("CfText != '--'", "NOT (CfText = '-')"),
        ("`odd-name` = 'x'", "`odd-name` = 'x'"),
        ("`Group` = 'x' AND `CfInt` = 1", "`Group` = 'x' AND CfInt = 1"),
        ("ScheduleId = 's'", "WorkflowId = 's'"),
        ("TemporalWorkflowId = 's'", "WorkflowId = 's'"),
        ("ScheduledById = 's'", "TemporalScheduledById = 's'"),
        ("(((WorkflowId = 'a')))", "WorkflowId = 'a'"),
        ("CfInt = 1;", "CfInt = 1"),
        ("CfInt = 1 -- and more\n AND /* not */ CfInt = 2 # end", "CfInt = 1 AND CfInt = 2"),
        ("WorkflowId = 'it''s' OR WorkflowId = 'it\\'s'", "WorkflowId = 'it\\'s' OR WorkflowId = 'it\\'s'"),
    ];
    for (query, wanted) in table {
        assert_eq!(read(query), wanted, "{query}");
    }
}

#[test]
fn a_value_of_another_type_is_taken_where_it_reads_as_one_of_the_attribute() {
    let table = [
        ("CfInt = '5'", "CfInt = 5"),
        ("CfInt BETWEEN '-1' AND ' 1e3 '", "CfInt BETWEEN -1 AND 1000"),
        ("CfInt > '1.5'", "CfInt > 1.5"),
        ("CfDouble = '1.5'", "CfDouble = 1.5"),
        ("HistoryLength IN ('3', 4)", "HistoryLength IN (3, 4)"),
        ("CfBool = 1 OR CfBool != 0", "CfBool = true OR CfBool != false"),
        ("WorkflowId IN ('a', 5, 1.50, -7)", "WorkflowId IN ('a', '5', '1.5', '-7')"),
        ("ExecutionStatus = 99", "ExecutionStatus = 99"),
        ("CloseTime < '9999-12-31T23:59:58Z'", "CloseTime < 9223372036854775806"),
        ("CloseTime < '9999-12-31T23:59:59Z'", "CloseTime < 9223372036854775807"),
    ];
    for (query, wanted) in table {
        assert_eq!(read(query), wanted, "{query}");
    }
}

#[test]
fn and_binds_tighter_than_or_and_not_than_both() {
    let table = [
        ("CfInt = 1 OR CfInt = 2 AND CfInt = 3", "CfInt = 1 OR (CfInt = 2 AND CfInt = 3)"),
        ("CfInt = 1 AND CfInt = 2 OR CfInt = 3", "(CfInt = 1 AND CfInt = 2) OR CfInt = 3"),
        ("(CfInt = 1 OR CfInt = 2) AND CfInt = 3", "(CfInt = 1 OR CfInt = 2) AND CfInt = 3"),
        ("NOT CfInt = 1 AND CfInt = 2", "NOT (CfInt = 1) AND CfInt = 2"),
        ("NOT NOT CfInt = 1", "NOT (NOT (CfInt = 1))"),
        ("CfInt BETWEEN 1 AND 2 AND CfInt = 3", "CfInt BETWEEN 1 AND 2 AND CfInt = 3"),
        ("CfInt = 1 && CfInt = 2 || CfInt = 3", "(CfInt = 1 AND CfInt = 2) OR CfInt = 3"),
    ];
    for (query, wanted) in table {
        assert_eq!(read(query), wanted, "{query}");
    }
}

#[test]
fn what_is_not_grammar_is_refused_with_its_place() {
    check_refusals(&[
        ("WorkflowType =", "malformed SQL query: syntax error at position 15"),
        ("= 'x'", "malformed SQL query: syntax error at position 2 near '='"),
        ("CfInt = 1 XOR CfInt = 2", "malformed SQL query: syntax error at position 14 near 'xor'"),
        ("SELECT 1", "malformed SQL query: syntax error at position 7 near 'select'"),
        ("WorkflowId = 'x' 'y'", "malformed SQL query: syntax error at position 21 near 'y'"),
        ("WorkflowId = 'x", "malformed SQL query: syntax error at position 16 near 'x'"),
    ]);
    let malformed = [
        "WorkflowId IN ()",
        "WorkflowId IN 'a'",
        "WorkflowId CONTAINS 'x'",
        "WorkflowId IS 'x'",
        "WorkflowId NOT 'x'",
        "CfInt = 1 AND",
        "CfInt = 1 AND ()",
        "(CfInt = 1",
        "CfInt = 1)",
        "CfInt = 1 CfInt = 2",
        "NOT",
        "CfInt = 1; DROP TABLE x",
        "CfInt = 1 = 2",
        "lower(CfInt",
        "CfInt = 1 LIMIT",
        "ORDER StartTime",
        "GROUP BY",
        "CfInt = 0x",
        "\u{e9} = 1",
        "/* CfInt = 1",
    ];
    for query in malformed {
        assert!(refusal(query).starts_with("invalid query: malformed SQL query: syntax error"), "{query}");
    }
}

#[test]
fn what_is_not_a_condition_is_refused() {
    check_refusals(&[
        ("nonsense", "invalid expression: incomplete expression"),
        ("1 = 1", "invalid expression: must be a column name but was a number"),
        ("'x' = WorkflowId", "invalid expression: must be a column name but was a text"),
        ("lower(WorkflowId) = 'x'", "invalid expression: must be a column name but was a function"),
        ("HistoryLength + 1 > 1", "invalid expression: must be a column name but was an arithmetic expression"),
        ("(WorkflowId) = 'x'", "invalid expression: must be a column name but was an expression in parentheses"),
        ("lower(WorkflowId)", "operation is not supported: function expression"),
        ("CfInt = 1 AND 1", "operation is not supported: expression of type a number"),
        ("EXISTS (SELECT (1))", "operation is not supported: expression of type EXISTS"),
        ("WorkflowId = (SELECT 1)", "invalid expression: unexpected value type a subquery"),
        ("WorkflowId IN (SELECT 1)", "invalid expression: unexpected value type a subquery"),
        ("WorkflowId = ('a', 'b')", "invalid expression: unexpected value type a list of values"),
        ("WorkflowId = NULL", "invalid expression: unexpected value type NULL"),
        ("WorkflowId = concat('a', ')')", "operation is not supported: nested func"),
        (
            "WorkflowId = RunId",
            "operation is not supported: column name on the right side of comparison expression (did you forget to quote \
             'RunId'?)",
        ),
        (
            "WorkflowId = `a-b`",
            "operation is not supported: column name on the right side of comparison expression (did you forget to quote \
             '`a-b`'?)",
        ),
        ("WorkflowId IS TRUE", "invalid expression: 'IS' operator can only be used with 'NULL' or 'NOT NULL'"),
        ("WorkflowId LIKE 'a%'", "invalid expression: invalid operator 'like' in `WorkflowId like 'a%'`"),
        ("Nonsense REGEXP 'x'", "invalid expression: invalid operator 'regexp' in `Nonsense regexp 'x'`"),
        ("WorkflowId <=> 'a'", "invalid expression: invalid operator '<=>' in `WorkflowId <=> 'a'`"),
    ]);
}

#[test]
fn unknown_names_are_refused() {
    for (name, query) in [
        ("Nonsense", "Nonsense = 1"),
        ("Nonsense", "CfInt = 1 OR Nonsense IS NULL"),
        ("Nonsense", "Nonsense IN ('a')"),
        ("Nonsense", "Nonsense BETWEEN 1 AND 2"),
        ("Nonsense", "GROUP BY Nonsense"),
        ("workflowid", "workflowid = 'a'"),
        ("Memo", "Memo = 'a'"),
        ("a.b", "a.b = 'a'"),
    ] {
        let wanted = format!("invalid query: invalid expression: column name '{name}' is not a valid search attribute");
        assert_eq!(refusal(query), wanted);
    }
}

#[test]
fn values_must_fit_their_attribute() {
    check_refusals(&[
        ("StartTime > '2020-01-01'", "invalid expression: unable to parse datetime '2020-01-01'"),
        ("StartTime > 1.5", "invalid expression: unexpected value type float64 for search attribute StartTime"),
        ("StartTime > now()", "operation is not supported: nested func"),
        ("CfInt = 'five'", "invalid expression: unexpected value type string for search attribute CfInt"),
        ("CfInt = 'NaN'", "invalid expression: unexpected value type string for search attribute CfInt"),
        ("CfInt = true", "invalid expression: unexpected value type bool for search attribute CfInt"),
        ("CfDouble = '0x10'", "invalid expression: unexpected value type string for search attribute CfDouble"),
        ("CfBool = 2", "invalid expression: unexpected value type int64 for search attribute CfBool"),
        ("CfBool = 'true'", "invalid expression: unexpected value type string for search attribute CfBool"),
        ("WorkflowId = true", "invalid expression: unexpected value type bool for search attribute WorkflowId"),
        ("CfDouble = 1e999", "invalid expression: unable to parse 1e999"),
        ("ExecutionStatus = 'running'", "invalid expression: invalid ExecutionStatus value 'running'"),
        ("ExecutionStatus IN ('Running', 'x')", "invalid expression: invalid ExecutionStatus value 'x'"),
        (
            "ExecutionDuration > '3 seconds'",
            "invalid value for search attribute ExecutionDuration: 3 seconds (invalid duration)",
        ),
        (
            "ExecutionDuration > '00:61:00'",
            "invalid value for search attribute ExecutionDuration: 00:61:00 (invalid duration: minutes must be from 0 to 59)",
        ),
        ("CfText = ''", "invalid expression: unexpected value for Text type search attribute (no tokens found in '')"),
        (
            "WorkflowId STARTS_WITH 1",
            "invalid expression: right-hand side of 'starts_with' must be a literal string (got: 1)",
        ),
    ]);
}

#[test]
fn operators_must_fit_their_attribute() {
    check_refusals(&[
        (
            "CfList > 'x'",
            "invalid expression: operator '>' not supported for KeywordList type search attribute in `CfList > 'x'`",
        ),
        (
            "CfList NOT STARTS_WITH 'x'",
            "invalid expression: operator 'not starts_with' not supported for KeywordList type search attribute in `CfList \
             not starts_with 'x'`",
        ),
        (
            "CfText NOT IN ('lazy', 'x')",
            "invalid expression: operator 'not in' not supported for Text type search attribute in `CfText not in ('lazy', \
             'x')`",
        ),
        (
            "CfDatetime STARTS_WITH '2024'",
            "invalid expression: operator 'starts_with' not supported for Datetime type search attribute in `CfDatetime \
             starts_with '2024'`",
        ),
        (
            "CfList BETWEEN 'x' AND 'y'",
            "invalid expression: cannot do range condition on search attribute 'CfList' of type KeywordList",
        ),
        (
            "CfBool BETWEEN true AND false",
            "invalid expression: cannot do range condition on search attribute 'CfBool' of type Bool",
        ),
    ]);
}

#[test]
fn clauses_of_sql_are_refused() {
    check_refusals(&[
        ("CfInt = 1 ORDER BY StartTime DESC, CloseTime", "operation is not supported: 'ORDER BY' clause"),
        ("ORDER BY StartTime", "operation is not supported: 'ORDER BY' clause"),
        ("CfInt = 1 LIMIT 1, 2", "operation is not supported: 'LIMIT' clause"),
        (
            "GROUP BY ExecutionStatus, WorkflowType",
            "operation is not supported: 'GROUP BY' clause supports only a single field",
        ),
        (
            "GROUP BY TemporalNamespaceDivision",
            "operation is not supported: 'GROUP BY' clause is only supported for ExecutionStatus",
        ),
        (
            "CfInt = 1 GROUP BY WorkflowType",
            "operation is not supported: 'GROUP BY' clause is only supported for ExecutionStatus",
        ),
    ]);
}

#[test]
fn counts_are_grouped_and_lists_are_not() {
    let query = parse("CfInt = 1 GROUP BY ExecutionStatus", &attributes()).unwrap();
    assert_eq!(query.group_by, Some(Field::System(SystemAttribute::ExecutionStatus)));
    let error = query.into_list_filter().unwrap_err();
    assert_eq!(error.to_string(), "invalid query: operation is not supported: 'GROUP BY' clause");
    assert_eq!(crate::Rejection::from(error).code, crate::rejection::Code::InvalidArgument);
}

#[test]
fn a_division_is_implied_unless_it_is_named() {
    let within = |text: &str, division| parse(text, &attributes()).unwrap().within(division).filter.to_string();
    assert_eq!(within("", None), "TemporalNamespaceDivision IS NULL");
    assert_eq!(
        within("CfInt = 1 OR CfInt = 2", None),
        "TemporalNamespaceDivision IS NULL AND (CfInt = 1 OR CfInt = 2)"
    );
    assert_eq!(within("CfInt = 1", Some("x")), "TemporalNamespaceDivision = 'x' AND CfInt = 1");
    assert_eq!(within("TemporalNamespaceDivision = 'y'", None), "TemporalNamespaceDivision = 'y'");
}

#[test]
fn a_query_can_cost_only_so_much() {
    let deep = |depth: usize| format!("{}CfInt = 1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(read(&deep(MAX_NESTING)), "CfInt = 1");
    assert_eq!(parse(&deep(MAX_NESTING + 1), &attributes()), Err(FilterError::NestedTooDeep));
    for text in ["(", "NOT ", "NOT (", "- ", "CfInt = -(", "CfInt IN (("] {
        let text = text.repeat(100 * 1024 / text.len());
        assert_eq!(parse(&text, &attributes()), Err(FilterError::NestedTooDeep));
    }
    let many = |count: usize| vec!["CfInt = 1"; count].join(" OR ");
    assert!(parse(&many(MAX_TERMS), &attributes()).is_ok());
    assert_eq!(parse(&many(MAX_TERMS + 1), &attributes()), Err(FilterError::TooManyTerms));
    let listed = format!("CfInt IN ({})", vec!["1"; MAX_TERMS + 1].join(","));
    assert_eq!(parse(&listed, &attributes()), Err(FilterError::TooManyTerms));
    let long = format!("WorkflowId = '{}'", "x".repeat(MAX_QUERY_BYTES));
    assert_eq!(parse(&long, &attributes()), Err(FilterError::TooLong { length: long.len() }));
    let dotted = format!("{} = 1", vec!["a"; 50_000].join("."));
    assert!(matches!(parse(&dotted, &attributes()), Err(FilterError::Invalid(_))));
}

/// A row without any value.
struct Blank;

impl Row for Blank {
    fn value(&self, _: &Field) -> Option<ValueRef<'_>> {
        None
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{0,3}", "[ -~]{0,8}", ".{0,4}", Just("it's \\ \"x\"\n\0\u{1a}".to_owned())]
}

fn scalar_field() -> impl Strategy<Value = Field> {
    let names = [
        "WorkflowId",
        "ExecutionStatus",
        "StartTime",
        "CloseTime",
        "HistoryLength",
        "ExecutionDuration",
        "CfKeyword",
        "CfInt",
        "CfDouble",
        "CfBool",
        "CfDatetime",
        "odd-name",
        "Group",
        "TemporalScheduledById",
    ];
    proptest::sample::select(names.to_vec()).prop_map(|name| attributes().resolve(name).unwrap())
}

fn value_of(field: &Field) -> BoxedStrategy<SearchValue> {
    if *field == Field::System(SystemAttribute::ExecutionStatus) {
        return (0..9_i64).prop_map(SearchValue::Int).boxed();
    }
    match field.value_type() {
        AttributeType::Int => any::<i64>().prop_map(SearchValue::Int).boxed(),
        AttributeType::Double => any::<f64>()
            .prop_filter("a number that can be written", |number| number.is_finite())
            .prop_map(SearchValue::Double)
            .boxed(),
        AttributeType::Bool => any::<bool>().prop_map(SearchValue::Bool).boxed(),
        AttributeType::Datetime => any::<i64>().prop_map(SearchValue::Datetime).boxed(),
        _ => text().prop_map(SearchValue::Keyword).boxed(),
    }
}

fn operator() -> impl Strategy<Value = CompareOp> {
    proptest::sample::select(vec![
        CompareOp::Equal,
        CompareOp::NotEqual,
        CompareOp::Less,
        CompareOp::LessOrEqual,
        CompareOp::Greater,
        CompareOp::GreaterOrEqual,
    ])
}

fn field(name: &'static str) -> Field {
    attributes().resolve(name).unwrap()
}

fn condition() -> impl Strategy<Value = Filter> {
    let compare = scalar_field().prop_flat_map(|field| {
        (operator(), value_of(&field)).prop_map(move |(op, value)| Filter::Compare { field: field.clone(), op, value })
    });
    let is_in = scalar_field().prop_flat_map(|field| {
        proptest::collection::vec(value_of(&field), 1..4)
            .prop_map(move |values| Filter::In { field: field.clone(), values })
    });
    let between = scalar_field().prop_filter("a type with ranges", |field| field.value_type() != AttributeType::Bool);
    let between = between.prop_flat_map(|field| {
        (value_of(&field), value_of(&field)).prop_map(move |(low, high)| Filter::Between {
            field: field.clone(),
            low,
            high,
        })
    });
    let phrases = proptest::collection::vec(proptest::collection::vec("[a-z0-9]{1,3}", 1..3), 0..3);
    prop_oneof![
        compare,
        is_in,
        between,
        text().prop_map(|prefix| Filter::StartsWith { field: field("CfKeyword"), prefix }),
        proptest::collection::vec(text(), 1..3)
            .prop_map(|keywords| Filter::Contains { field: field("CfList"), keywords }),
        phrases.prop_map(|phrases| Filter::HasPhrase { field: field("CfText"), phrases }),
        scalar_field().prop_map(Filter::IsNull),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    condition().prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_that_is_written_reads_as_the_same_filter(filter in filter()) {
        let query = parse(&filter.to_string(), &attributes()).unwrap();
        prop_assert_eq!(query.filter, filter);
    }

    #[test]
    fn anything_can_be_asked(text in "\\PC{0,60}") {
        let _either_way = parse(&text, &attributes());
    }

    #[test]
    fn any_words_can_be_asked(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "AND", "OR", "NOT", "(", ")", "CfInt", "CfList", "WorkflowId", "CloseTime", "=", "<", "IN", "BETWEEN", "IS", "NULL",
                "1", "'a'", "-", ",", "GROUP BY", "ExecutionStatus", "STARTS_WITH", "LIKE", "EXISTS", "SELECT", "lower(", "true", ".",
                "ORDER BY", "LIMIT", "`", "'", "\"", "/*", "--",
            ]),
            0..20,
        ),
    ) {
        if let Ok(query) = parse(&words.join(" "), &attributes()) {
            let written = query.filter.to_string();
            prop_assert_eq!(parse(&written, &attributes()).unwrap().filter.to_string(), written);
            let _either_way = evaluate(&query.filter, &Blank);
        }
    }
}
