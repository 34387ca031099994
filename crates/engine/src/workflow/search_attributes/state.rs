//! Search attributes and memo, as the state of a run keeps them.

use crate::visibility::payload;
use evertide_proto::common::{Memo, Payload, SearchAttributes};
use std::collections::BTreeMap;

/// Merges search attributes into those of the run: what is unset is taken out.
pub(in crate::workflow) fn merge(into: &mut Option<SearchAttributes>, from: &SearchAttributes) {
    let fields = &mut into.get_or_insert_default().indexed_fields;
    merge_fields(fields, from.indexed_fields.iter());
    if fields.is_empty() {
        *into = None;
    }
}

/// Merges memo fields into those of the run: what is null is taken out.
pub(in crate::workflow) fn merge_memo(into: &mut Option<Memo>, from: &Memo) {
    let fields = &mut into.get_or_insert_default().fields;
    merge_fields(fields, from.fields.iter());
    if fields.is_empty() {
        *into = None;
    }
}

fn merge_fields<'a>(fields: &mut BTreeMap<String, Payload>, from: impl Iterator<Item = (&'a String, &'a Payload)>) {
    for (name, value) in from {
        if payload::is_unset(value) {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
}
