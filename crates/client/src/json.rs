//! Messages of the Temporal API as canonical JSON, in both directions.

use std::sync::LazyLock;

use evertide_proto::prost::{Message, Name};
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, Kind, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use crate::error::{Error, Result};

/// The descriptors of the whole API, read when the first message is turned into JSON.
static DESCRIPTORS: LazyLock<std::result::Result<DescriptorPool, String>> =
    LazyLock::new(|| DescriptorPool::decode(evertide_proto::DESCRIPTORS).map_err(|error| error.to_string()));

fn descriptor<M: Name>() -> Result<MessageDescriptor> {
    let pool = DESCRIPTORS.as_ref().map_err(|error| Error::conversion(format!("the API's descriptors: {error}")))?;
    let name = M::full_name();
    pool.get_message_by_name(&name).ok_or_else(|| {
        Error::conversion(format!("{name} is not a message of the Temporal API, so it has no JSON form here"))
    })
}

fn dynamic<M: Message + Name>(message: &M) -> Result<DynamicMessage> {
    DynamicMessage::decode(descriptor::<M>()?, message.encode_to_vec().as_slice())
        .map_err(|error| Error::conversion(error.to_string()))
}

/// Writes a message on one line.
///
/// ```
/// use evertide_client::json;
/// use evertide_client::proto::common::WorkflowExecution;
///
/// let run = WorkflowExecution { workflow_id: "order-7".to_owned(), ..Default::default() };
/// assert_eq!(json::to_string(&run)?, r#"{"workflowId":"order-7"}"#);
/// # Ok::<(), evertide_client::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if it is not of the Temporal API, or has a value that JSON
/// cannot say.
pub fn to_string<M: Message + Name>(message: &M) -> Result<String> {
    let message = dynamic(message)?;
    let mut json = serde_json::Serializer::new(Vec::new());
    finish(message.serialize_with_options(&mut json, &SerializeOptions::new()), json.into_inner())
}

/// Writes a message with line breaks and two spaces of indentation.
///
/// ```
/// use evertide_client::json;
/// use evertide_client::proto::common::WorkflowExecution;
///
/// let run = WorkflowExecution { workflow_id: "order-7".to_owned(), ..Default::default() };
/// assert_eq!(json::to_string_pretty(&run)?, "{\n  \"workflowId\": \"order-7\"\n}");
/// # Ok::<(), evertide_client::Error>(())
/// ```
///
/// # Errors
/// As [`to_string`].
pub fn to_string_pretty<M: Message + Name>(message: &M) -> Result<String> {
    let message = dynamic(message)?;
    let mut json = serde_json::Serializer::pretty(Vec::new());
    finish(message.serialize_with_options(&mut json, &SerializeOptions::new()), json.into_inner())
}

fn finish(written: serde_json::Result<()>, bytes: Vec<u8>) -> Result<String> {
    written.map_err(|error| Error::conversion(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| Error::conversion(error.to_string()))
}

/// Reads a message; fields that are not known are passed over.
///
/// ```
/// use evertide_client::json;
/// use evertide_client::proto::common::WorkflowExecution;
///
/// let run: WorkflowExecution = json::from_str(r#"{"workflowId": "order-7", "unknown": 1}"#)?;
/// assert_eq!(run.workflow_id, "order-7");
/// assert!(json::from_str::<WorkflowExecution>("7").is_err());
/// # Ok::<(), evertide_client::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if it is not JSON or not this message.
pub fn from_str<M: Message + Name + Default>(text: &str) -> Result<M> {
    let mut json = serde_json::Deserializer::from_str(text);
    let message = read::<M, _>(&mut json)?;
    json.end().map_err(|error| Error::conversion(error.to_string()))?;
    Ok(message)
}

/// Reads a message from JSON that is already parsed.
pub(crate) fn from_value<M: Message + Name + Default>(value: serde_json::Value) -> Result<M> {
    read::<M, _>(value)
}

fn read<'de, M, D>(deserializer: D) -> Result<M>
where
    M: Message + Name + Default,
    D: serde::Deserializer<'de, Error = serde_json::Error>,
{
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    DynamicMessage::deserialize_with_options(descriptor::<M>()?, deserializer, &options)
        .and_then(|message| message.transcode_to::<M>().map_err(serde::de::Error::custom))
        .map_err(|error| Error::conversion(format!("the JSON is not a {}: {error}", M::NAME)))
}

/// Turns short names of enum values, as older tools write them, into those of the API: `TimerFired` becomes
/// `EVENT_TYPE_TIMER_FIRED`.
pub(crate) fn spell_enums_out<M: Name>(value: &mut Value) -> Result<()> {
    spell_message(&descriptor::<M>()?, value);
    Ok(())
}

fn spell_message(message: &MessageDescriptor, value: &mut Value) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        let field = message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name));
        let Some(field) = field else { continue };
        match (field.kind(), value) {
            (Kind::Message(entry), Value::Object(map)) if entry.is_map_entry() => {
                let kind = entry.map_entry_value_field().kind();
                map.values_mut().for_each(|value| spell(&kind, value));
            }
            (kind, Value::Array(list)) => list.iter_mut().for_each(|value| spell(&kind, value)),
            (kind, value) => spell(&kind, value),
        }
    }
}

fn spell(kind: &Kind, value: &mut Value) {
    match (kind, value) {
        (Kind::Message(message), value) => spell_message(message, value),
        (Kind::Enum(names), Value::String(name)) if names.get_value_by_name(name).is_none() => {
            // All values of an enum begin alike, and the one for zero ends in UNSPECIFIED.
            let zero = names.default_value().name().to_owned();
            let full = format!("{}{}", zero.strip_suffix("UNSPECIFIED").unwrap_or_default(), screaming(name));
            if names.get_value_by_name(&full).is_some() {
                *name = full;
            }
        }
        _ => {}
    }
}

/// `TimerFired` as `TIMER_FIRED`. Capitals in a row stay together.
fn screaming(name: &str) -> String {
    let mut screaming = String::with_capacity(name.len() + 8);
    let mut after_capital = true;
    for letter in name.chars() {
        if letter.is_uppercase() && !after_capital {
            screaming.push('_');
        }
        after_capital = letter.is_uppercase();
        screaming.extend(letter.to_uppercase());
    }
    screaming
}
