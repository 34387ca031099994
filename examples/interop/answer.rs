//! What the driver tells, as JSON that reads the same whichever language asked the server.

use std::time::{SystemTime, UNIX_EPOCH};

use evertide_client::{
    Details, Error, ErrorKind, Failure, FailureKind, SearchAttributeKey, SearchAttributes, WorkflowExecutionDescription,
};
use serde_json::{Map, Value, json};

/// A description, with its memo, its search attributes and its user metadata decoded.
pub(crate) async fn description(description: &WorkflowExecutionDescription) -> evertide_client::Result<Value> {
    Ok(json!({
        "id": description.id(),
        "run_id": description.run_id(),
        "type": description.workflow_type(),
        "task_queue": description.task_queue(),
        "status": description.status().map(|status| status.as_str_name()),
        "history_length": description.history_length(),
        "started": description.start_time().map(seconds),
        "closed": description.close_time().map(seconds),
        "memo": description.memo::<Value>().await?,
        "search_attributes": search_attributes(&description.search_attributes()),
        "summary": description.static_summary().await?,
        "details": description.static_details().await?,
    }))
}

/// One attribute of each type, by which a test knows it.
pub(crate) const TEXT: SearchAttributeKey<String> = SearchAttributeKey::text("InteropText");
pub(crate) const KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("InteropKeyword");
pub(crate) const INT: SearchAttributeKey<i64> = SearchAttributeKey::int("InteropInt");
pub(crate) const DOUBLE: SearchAttributeKey<f64> = SearchAttributeKey::double("InteropDouble");
pub(crate) const BOOL: SearchAttributeKey<bool> = SearchAttributeKey::bool("InteropBool");
pub(crate) const DATETIME: SearchAttributeKey<SystemTime> = SearchAttributeKey::datetime("InteropDatetime");
pub(crate) const KEYWORD_LIST: SearchAttributeKey<Vec<String>> = SearchAttributeKey::keyword_list("InteropKeywordList");

fn search_attributes(attributes: &SearchAttributes) -> Value {
    let mut told = Map::new();
    told.extend(attributes.get(TEXT).map(|text| (TEXT.name().to_owned(), json!(text))));
    told.extend(attributes.get(KEYWORD).map(|keyword| (KEYWORD.name().to_owned(), json!(keyword))));
    told.extend(attributes.get(INT).map(|number| (INT.name().to_owned(), json!(number))));
    told.extend(attributes.get(DOUBLE).map(|number| (DOUBLE.name().to_owned(), json!(number))));
    told.extend(attributes.get(BOOL).map(|yes| (BOOL.name().to_owned(), json!(yes))));
    told.extend(attributes.get(DATETIME).map(|time| (DATETIME.name().to_owned(), json!(seconds(time)))));
    told.extend(attributes.get(KEYWORD_LIST).map(|list| (KEYWORD_LIST.name().to_owned(), json!(list))));
    told.into()
}

/// A time in seconds since 1970, in microseconds, as not every language has finer ones.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_micros() as f64 / 1e6)
}

/// What went wrong: the kind by its name, with what belongs to it.
pub(crate) fn error(error: &Error) -> Value {
    let mut told = json!({ "kind": variant(error.kind()), "message": format!("{error:#}") });
    match error.kind() {
        ErrorKind::WorkflowContinuedAsNew { new_run_id } => told["new_run_id"] = json!(new_run_id),
        ErrorKind::WorkflowAlreadyStarted { run_id, .. } => told["run_id"] = json!(run_id),
        ErrorKind::QueryRejected { status } => told["status"] = json!(status.map(|status| status.as_str_name())),
        ErrorKind::QueryFailed { message, .. } => told["message"] = json!(message),
        ErrorKind::Rpc => told["code"] = json!(error.code().map(|code| code as i32)),
        _ => {}
    }
    if let Some(failure) = error.failure().filter(|_| !matches!(error.kind(), ErrorKind::QueryFailed { .. })) {
        told["chain"] = failure.chain().map(link).collect();
    }
    told
}

fn link(failure: &Failure) -> Value {
    let mut told = json!({ "kind": variant(failure.kind()), "message": failure.message() });
    match failure.kind() {
        FailureKind::Application { type_name, non_retryable, details, .. } => {
            told["type"] = json!(type_name);
            told["non_retryable"] = json!(non_retryable);
            told["details"] = values(details);
        }
        FailureKind::Cancelled { details } | FailureKind::Terminated { details, .. } => {
            told["details"] = values(details);
        }
        FailureKind::Activity { activity_type, .. } => {
            told["type"] = json!(activity_type);
            told["retry_state"] = json!(failure.retry_state().map(|state| state.as_str_name()));
        }
        _ => {}
    }
    told
}

fn values(details: &Details) -> Value {
    (0..details.len()).map(|index| details.get::<Value>(index).unwrap_or_default()).collect()
}

/// The name of a variant, without what is in it.
fn variant(kind: &impl std::fmt::Debug) -> String {
    format!("{kind:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}
