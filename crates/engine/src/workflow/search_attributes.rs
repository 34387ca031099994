//! Search attributes and memo of a run: merged by commands, maintained by the server.

pub(super) mod state;

use crate::env::Env;
use crate::rejection::Rejection;
use crate::visibility::{Attributes, SearchValue, payload};
use crate::workflow::bad_command::BadCommand;
use crate::workflow::change::Fact;
use crate::workflow::draft::Draft;
use crate::workflow::event::EventExtra;
use evertide_proto::command::Command;
use evertide_proto::command::command::Attributes as A;
use evertide_proto::common::{Memo, Payload, SearchAttributes};
use evertide_proto::enums::WorkflowTaskFailedCause as Cause;
use evertide_proto::history::{
    UpsertWorkflowSearchAttributesEventAttributes, WorkflowPropertiesModifiedEventAttributes,
};
use prost::Message;

/// Search attributes of a namespace; none if it is unknown.
fn attributes_of(namespace: &str, env: &Env<'_>) -> Attributes {
    env.namespaces.named(namespace).map_or_else(Attributes::default, |n| n.attributes())
}

/// Why search attributes are refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// An unknown or reserved name, a value of the wrong type, or too many of them.
    Wrong(Rejection),
    /// They are too large.
    TooLarge(Rejection),
}

impl From<Refused> for Rejection {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong(rejection) | Refused::TooLarge(rejection) => rejection,
        }
    }
}

impl Refused {
    /// What it means for a command. What is too large ends the workflow, for no other attempt would be smaller.
    pub(super) fn in_command(self, too_large: Cause) -> BadCommand {
        match self {
            Self::Wrong(rejection) => BadCommand::task(Cause::BadSearchAttributes, rejection.message),
            Self::TooLarge(rejection) => BadCommand::terminate(too_large, rejection.message),
        }
    }
}

/// Checks search attributes of a client, and gives each value without a type the one that the namespace has for it.
pub(super) fn check(attributes: &mut SearchAttributes, namespace: &str, env: &Env<'_>) -> Result<(), Refused> {
    if attributes.indexed_fields.is_empty() {
        return Ok(());
    }
    let known = attributes_of(namespace, env);
    payload::check(attributes, &known, namespace, env.limits).map_err(Refused::Wrong)?;
    payload::check_size(attributes, env.limits).map_err(Refused::TooLarge)?;
    *attributes = payload::typed(attributes, &known);
    Ok(())
}

/// Takes out what unsets nothing at a start, and the message itself if nothing is left.
pub(super) fn drop_nulls(attributes: &mut Option<SearchAttributes>) {
    if let Some(attributes) = attributes {
        attributes.indexed_fields.retain(|_, value| !payload::is_unset(value));
    }
    attributes.take_if(|attributes| attributes.indexed_fields.is_empty());
}

/// As [`drop_nulls`], for a memo.
pub(super) fn drop_null_fields(memo: &mut Option<Memo>) {
    if let Some(memo) = memo {
        memo.fields.retain(|_, value| !payload::is_unset(value));
    }
    memo.take_if(|memo| memo.fields.is_empty());
}

/// UpsertWorkflowSearchAttributes.
pub(super) fn upsert_command(draft: &mut Draft<'_, '_>, command: Command, completed_id: i64) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::UpsertWorkflowSearchAttributesCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    let bad = |text: std::borrow::Cow<'static, str>| BadCommand::task(Cause::BadSearchAttributes, text);
    let Some(mut attributes) = a.search_attributes else {
        return Err(bad("SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.".into()));
    };
    if attributes.indexed_fields.is_empty() {
        return Err(bad("IndexedFields is not set on UpsertWorkflowSearchAttributesCommand.".into()));
    }
    let namespace = draft.state().info.namespace.clone();
    check(&mut attributes, &namespace, draft.env).map_err(|r| r.in_command(Cause::BadSearchAttributes))?;
    let mut merged = draft.state().info.search_attributes.clone();
    state::merge(&mut merged, &attributes);
    if let Some(merged) = &merged {
        let too_large = |rejection| Refused::TooLarge(rejection).in_command(Cause::BadSearchAttributes);
        payload::check_size(merged, draft.limits()).map_err(too_large)?;
    }
    let event = UpsertWorkflowSearchAttributesEventAttributes {
        workflow_task_completed_event_id: completed_id,
        search_attributes: Some(attributes),
    };
    draft.event_with(event, extra);
    draft.effects.visibility = true;
    Ok(())
}

/// ModifyWorkflowProperties.
pub(super) fn modify_properties_command(
    draft: &mut Draft<'_, '_>,
    command: Command,
    completed_id: i64,
) -> Result<(), BadCommand> {
    let extra = EventExtra::of(&command);
    let Some(A::ModifyWorkflowPropertiesCommandAttributes(a)) = command.attributes else {
        return Ok(());
    };
    let cause = Cause::BadModifyWorkflowPropertiesAttributes;
    let Some(memo) = a.upserted_memo else {
        return Err(BadCommand::task(cause, "UpsertedMemo is not set on ModifyWorkflowPropertiesCommand."));
    };
    if memo.fields.is_empty() {
        return Err(BadCommand::task(cause, "UpsertedMemo.Fields is not set on ModifyWorkflowPropertiesCommand."));
    }
    let mut merged = draft.state().info.memo.clone();
    state::merge_memo(&mut merged, &memo);
    if merged.as_ref().map_or(0, Message::encoded_len) > draft.limits().memo_size_bytes {
        return Err(BadCommand::terminate(
            cause,
            "ModifyWorkflowPropertiesCommandAttributes. Memo exceeds size limit.",
        ));
    }
    let event = WorkflowPropertiesModifiedEventAttributes {
        workflow_task_completed_event_id: completed_id,
        upserted_memo: Some(memo),
    };
    draft.event_with(event, extra);
    draft.effects.visibility = true;
    Ok(())
}

/// Sets a keyword-list attribute that the server maintains; no value takes it away.
pub(super) fn set_by_server(draft: &mut Draft<'_, '_>, name: &str, values: &[String]) {
    let value = (!values.is_empty()).then(|| SearchValue::KeywordList(values.to_vec()));
    set_value_by_server(draft, name, value.as_ref());
}

/// Sets an attribute that the server maintains; none takes it away.
pub(super) fn set_value_by_server(draft: &mut Draft<'_, '_>, name: &str, value: Option<&SearchValue>) {
    let value = value.map_or_else(Payload::default, payload::encode);
    let present = draft.state().search_attribute(name);
    if present == Some(&value) || (present.is_none() && payload::is_unset(&value)) {
        return;
    }
    let attributes = SearchAttributes { indexed_fields: [(name.to_owned(), value)].into() };
    draft.record(Fact::ServerAttributes(attributes).into());
    draft.effects.visibility = true;
}

/// Adds a value to a keyword-list attribute that the server maintains.
pub(super) fn add_by_server(draft: &mut Draft<'_, '_>, name: &str, value: &str) {
    let mut values = listed_by_server(draft, name);
    if values.iter().any(|v| v == value) {
        return;
    }
    values.push(value.to_owned());
    set_by_server(draft, name, &values);
}

/// The values of a keyword-list attribute that the server maintains.
pub(super) fn listed_by_server(draft: &Draft<'_, '_>, name: &str) -> Vec<String> {
    let Some(value) = draft.state().search_attribute(name) else {
        return Vec::new();
    };
    match payload::decode(value, crate::visibility::AttributeType::KeywordList) {
        Ok(Some(SearchValue::KeywordList(values))) => values,
        _ => Vec::new(),
    }
}
