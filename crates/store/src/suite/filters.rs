//! Random filters over the fields of the suite's rows.

use evertide_engine::visibility::{
    AttributeType, CompareOp, Field, Filter, NAMESPACE_DIVISION, SearchValue, SystemAttribute, words,
};

use super::random::Random;
use super::world::{WORDS, WORKFLOW_IDS, WORKFLOW_TYPES, search_value, time_ns};

const OPERATORS: [CompareOp; 6] = [
    CompareOp::Equal,
    CompareOp::NotEqual,
    CompareOp::Less,
    CompareOp::LessOrEqual,
    CompareOp::Greater,
    CompareOp::GreaterOrEqual,
];

/// A tree of at most this depth, or a filter of the kind that stores may answer from kept counts.
pub(super) fn any_filter(random: &mut Random) -> Filter {
    if random.one_in(4) {
        return Filter::And((0..random.below(4)).map(|_| counted_condition(random)).collect());
    }
    filter(random, 3)
}

fn counted_condition(random: &mut Random) -> Filter {
    let division = Field::Attribute { name: NAMESPACE_DIVISION.to_owned(), value_type: AttributeType::Keyword };
    let status = Field::System(SystemAttribute::ExecutionStatus);
    match random.below(4) {
        0 => Filter::IsNull(division),
        1 => Filter::Not(Box::new(Filter::IsNull(division))),
        _ => Filter::In { values: (0..=random.below(4)).map(|_| value(random, &status)).collect(), field: status },
    }
}

/// A tree of at most this depth.
fn filter(random: &mut Random, depth: u32) -> Filter {
    if depth == 0 {
        return condition(random);
    }
    let parts = |random: &mut Random| (0..random.below(4)).map(|_| filter(random, depth - 1)).collect();
    match random.below(9) {
        0 => Filter::All,
        1..4 => Filter::And(parts(random)),
        4 => Filter::Or(parts(random)),
        5 => Filter::Not(Box::new(filter(random, depth - 1))),
        _ => condition(random),
    }
}

fn condition(random: &mut Random) -> Filter {
    let field = field(random);
    if random.one_in(6) {
        return Filter::IsNull(field);
    }
    match field.value_type() {
        AttributeType::Text => Filter::HasPhrase {
            field,
            phrases: (0..=random.below(2)).map(|_| words(random.pick::<&str>(&WORDS)).collect()).collect(),
        },
        AttributeType::KeywordList => Filter::Contains {
            field,
            keywords: (0..=random.below(2)).map(|_| (*random.pick(&WORDS)).to_owned()).collect(),
        },
        value_type => scalar_condition(random, field, value_type),
    }
}

fn scalar_condition(random: &mut Random, field: Field, value_type: AttributeType) -> Filter {
    match random.below(5) {
        0 => Filter::In { values: (0..=random.below(2)).map(|_| value(random, &field)).collect(), field },
        1 => Filter::Between { low: value(random, &field), high: value(random, &field), field },
        2 if value_type == AttributeType::Keyword => Filter::StartsWith {
            field,
            prefix: (*random.pick(&["or", "order", "Sh", "re", "", "zebra\u{10ffff}"])).to_owned(),
        },
        _ => Filter::Compare { op: *random.pick(&OPERATORS), value: value(random, &field), field },
    }
}

fn field(random: &mut Random) -> Field {
    if random.one_in(2) {
        return Field::System(*random.pick(&SystemAttribute::ALL));
    }
    if random.one_in(6) {
        return Field::Attribute { name: NAMESPACE_DIVISION.to_owned(), value_type: AttributeType::Keyword };
    }
    let value_type = *random.pick(&AttributeType::ALL);
    Field::Attribute { name: value_type.name().to_owned(), value_type }
}

fn value(random: &mut Random, field: &Field) -> SearchValue {
    let one_of = |random: &mut Random, choices: &[&str]| SearchValue::Keyword((*random.pick(choices)).to_owned());
    match field {
        Field::System(SystemAttribute::ExecutionStatus) => SearchValue::Int(random.between(1, 7)),
        Field::System(SystemAttribute::WorkflowType) => one_of(random, &WORKFLOW_TYPES),
        Field::System(attribute) if attribute.value_type() == AttributeType::Keyword => one_of(random, &WORKFLOW_IDS),
        Field::System(SystemAttribute::CloseTime) if random.one_in(8) => SearchValue::Datetime(i64::MAX),
        Field::System(attribute) if attribute.value_type() == AttributeType::Datetime => {
            SearchValue::Datetime(time_ns(random))
        }
        _ if field.value_type() == AttributeType::Int && random.one_in(3) => {
            search_value(random, AttributeType::Double)
        }
        _ => search_value(random, field.value_type()),
    }
}
