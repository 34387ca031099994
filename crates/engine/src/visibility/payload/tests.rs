use super::*;
use proptest::prelude::*;

fn json(data: &str) -> Payload {
    with_encoding(JSON, data)
}

fn with_encoding(encoding: &'static str, data: &str) -> Payload {
    Payload {
        metadata: [(ENCODING.to_owned(), Bytes::from_static(encoding.as_bytes()))].into(),
        data: data.to_owned().into(),
        ..Payload::default()
    }
}

fn registry() -> Attributes {
    Attributes::new(
        AttributeType::ALL.map(|value_type| (format!("Cf{}", value_type.name()), value_type)).into_iter().collect(),
    )
}

fn all(fields: &[(&str, Payload)]) -> SearchAttributes {
    let indexed_fields = fields.iter().map(|(name, payload)| ((*name).to_owned(), payload.clone())).collect();
    SearchAttributes { indexed_fields }
}

fn refusal(fields: &[(&str, Payload)]) -> String {
    check(&all(fields), &registry(), "orders", &Limits::default()).unwrap_err().message.into_owned()
}

#[test]
fn payloads_are_decoded_as_their_type() {
    use SearchValue as V;
    let text = |text: &str| text.to_owned();
    let table = [
        ("\"a\\u00e9\"", AttributeType::Keyword, Some(V::Keyword(text("a\u{e9}")))),
        ("[\"only\"]", AttributeType::Keyword, Some(V::Keyword(text("only")))),
        ("\"some words\"", AttributeType::Text, Some(V::Text(text("some words")))),
        ("-7", AttributeType::Int, Some(V::Int(-7))),
        ("9223372036854775807", AttributeType::Int, Some(V::Int(i64::MAX))),
        ("3", AttributeType::Double, Some(V::Double(3.0))),
        ("[1.5]", AttributeType::Double, Some(V::Double(1.5))),
        ("false", AttributeType::Bool, Some(V::Bool(false))),
        ("\"1970-01-01T00:00:01Z\"", AttributeType::Datetime, Some(V::Datetime(1_000_000_000))),
        ("[\"x\", \"y\"]", AttributeType::KeywordList, Some(V::KeywordList(vec![text("x"), text("y")]))),
        ("null", AttributeType::Int, None),
        ("[]", AttributeType::Keyword, None),
        ("[]", AttributeType::KeywordList, None),
    ];
    for (data, value_type, wanted) in table {
        assert_eq!(decode(&json(data), value_type), Ok(wanted), "{data}");
    }
    assert_eq!(decode(&with_encoding(NULL, ""), AttributeType::Bool), Ok(None));
}

#[test]
fn what_is_of_another_type_is_refused() {
    let table = [
        ("CfInt", "\"five\"", "invalid value for search attribute CfInt of type Int: five"),
        ("CfInt", "1.5", "invalid value for search attribute CfInt of type Int: 1.5"),
        ("CfInt", "[1, 2]", "invalid value for search attribute CfInt of type Int: [1 2]"),
        ("CfDouble", "\"x\"", "invalid value for search attribute CfDouble of type Double: x"),
        ("CfBool", "1", "invalid value for search attribute CfBool of type Bool: 1"),
        ("CfDatetime", "\"2024-01-01\"", "invalid value for search attribute CfDatetime of type Datetime: 2024-01-01"),
        ("CfKeyword", "5", "invalid value for search attribute CfKeyword of type Keyword: 5"),
        ("CfText", "true", "invalid value for search attribute CfText of type Text: true"),
        ("CfKeywordList", "\"one\"", "invalid value for search attribute CfKeywordList of type KeywordList: one"),
        ("CfKeywordList", "[1, 2]", "invalid value for search attribute CfKeywordList of type KeywordList: [1 2]"),
        ("CfKeyword", "raw", "invalid value for search attribute CfKeyword of type Keyword: value from <raw>"),
        (
            "TemporalScheduledStartTime",
            "\"not a time\"",
            "invalid value for search attribute TemporalScheduledStartTime of type Datetime: not a time",
        ),
    ];
    for (name, data, wanted) in table {
        assert_eq!(refusal(&[(name, json(data))]), wanted);
    }
    for payload in [Payload::default(), with_encoding("json/protobuf", "\"a\"")] {
        assert!(refusal(&[("CfKeyword", payload)]).starts_with("invalid value for search attribute CfKeyword"));
    }
}

#[test]
fn names_must_be_known_and_settable() {
    let value = || json("\"x\"");
    for name in ["Nonsense", "cfkeyword", "Memo"] {
        let wanted = format!("Namespace orders has no mapping defined for search attribute {name}");
        assert_eq!(refusal(&[("WorkflowId", value()), (name, value())]), wanted);
    }
    for name in ["WorkflowId", "StartTime", "TemporalWorkerDeployment"] {
        assert_eq!(refusal(&[(name, value())]), format!("{name} attribute can't be set in SearchAttributes"));
    }
    let settable = [("BuildIds", json("[\"b\"]")), ("TemporalScheduledById", value())];
    assert_eq!(check(&all(&settable), &registry(), "orders", &Limits::default()), Ok(()));
}

#[test]
fn there_must_not_be_too_much() {
    let long = json(&format!("\"{}\"", "x".repeat(2049)));
    let error = check_size(&all(&[("CfKeyword", long)]), &Limits::default()).unwrap_err();
    assert_eq!(error.message, "search attribute CfKeyword value size 2051 exceeds size limit 2048");
    let two = [("CfInt", json("1")), ("CfDouble", json("1"))];
    let few = Limits { search_attribute_keys: 1, ..Limits::default() };
    let error = check(&all(&two), &registry(), "orders", &few).unwrap_err();
    assert_eq!(error.message, "number of search attributes 2 exceeds limit 1");
    let small = Limits { search_attributes_total_bytes: 10, ..Limits::default() };
    let error = check_size(&all(&two), &small).unwrap_err();
    let size = all(&two).encoded_len();
    assert_eq!(error.message, format!("total size of search attributes {size} exceeds size limit 10"));
}

#[test]
fn a_type_is_added_where_the_client_gives_none_and_lists_go_by_the_namespace() {
    let mut claimed = json("\"t\"");
    claimed.metadata.insert(TYPE.to_owned(), "Text".into());
    let attributes = all(&[("CfKeyword", claimed), ("CfInt", json("1")), ("Removed", json("1"))]);
    let shown = typed(&attributes, &registry());
    let types = |shown: &SearchAttributes| -> Vec<(String, Bytes)> {
        shown.indexed_fields.iter().map(|(name, p)| (name.clone(), p.metadata[TYPE].clone())).collect()
    };
    let wanted = |keyword: &'static str| {
        [("CfInt".to_owned(), Bytes::from("Int")), ("CfKeyword".to_owned(), Bytes::from(keyword))]
    };
    assert_eq!(types(&shown), wanted("Text"));
    assert_eq!(shown.indexed_fields["CfKeyword"].data, "\"t\"");
    assert_eq!(types(&listed(&shown, &registry())), wanted("Keyword"));
}

#[test]
fn lists_show_single_values_and_nothing_that_is_unset() {
    let attributes = all(&[
        ("CfKeyword", json("[\"only\"]")),
        ("CfDatetime", json("\"2024-03-01T00:00:00.123456789+02:00\"")),
        ("CfInt", json("null")),
        ("CfText", with_encoding(NULL, "")),
        ("CfKeywordList", json("[\"x\",\"y\"]")),
    ]);
    let shown = listed(&attributes, &registry());
    let data: Vec<_> = shown.indexed_fields.iter().map(|(name, payload)| (name.as_str(), &payload.data[..])).collect();
    let wanted: [(&str, &[u8]); 3] = [
        ("CfDatetime", b"\"2024-03-01T00:00:00.123456789+02:00\""),
        ("CfKeyword", b"\"only\""),
        ("CfKeywordList", b"[\"x\",\"y\"]"),
    ];
    assert_eq!(data, wanted);
    let values: Vec<_> = values(&attributes, &registry()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(values, ["CfDatetime", "CfKeyword", "CfKeywordList"]);
}

#[test]
fn null_and_nothing_take_an_attribute_away() {
    for payload in [with_encoding(NULL, ""), json("null"), json("[]"), json(""), Payload::default()] {
        assert!(is_unset(&payload));
    }
    for payload in [json("\"\""), json("0"), json("false"), json("[null]")] {
        assert!(!is_unset(&payload));
    }
}

fn value() -> impl Strategy<Value = SearchValue> {
    prop_oneof![
        any::<String>().prop_map(SearchValue::Text),
        any::<String>().prop_map(SearchValue::Keyword),
        any::<i64>().prop_map(SearchValue::Int),
        any::<f64>()
            .prop_filter("a number that can be written", |number| number.is_finite())
            .prop_map(SearchValue::Double),
        any::<bool>().prop_map(SearchValue::Bool),
        any::<i64>().prop_map(SearchValue::Datetime),
        proptest::collection::vec(any::<String>(), 1..4).prop_map(SearchValue::KeywordList),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same_value(value in value()) {
        let payload = encode(&value);
        prop_assert_eq!(&payload.metadata[TYPE][..], value.value_type().name().as_bytes());
        prop_assert_eq!(decode(&payload, value.value_type()), Ok(Some(value)));
    }

    #[test]
    fn anything_can_be_sent(data in any::<Vec<u8>>(), value_type in proptest::sample::select(AttributeType::ALL.to_vec())) {
        let payload = Payload { data: data.into(), ..json("") };
        let _either_way = decode(&payload, value_type);
    }
}
