//! The one table from refusals and faults to gRPC statuses. No other place builds a status.
//!
//! Clients switch on the code together with the type of the first detail, so a [`Detail`] becomes the message of
//! `temporal.api.errordetails.v1` that clients expect with it.

use crate::fault::{Failure, Fault};
use evertide_engine::{Code, Detail, Rejection};
use evertide_proto::enums::{ResourceExhaustedCause, ResourceExhaustedScope};
use evertide_proto::errordetails as details;
use evertide_proto::google::rpc;
use prost::{Message, Name};
use prost_types::Any;
use tonic::Status;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

/// When a client may try again that was refused because the server has too much to do, milliseconds.
const RETRY_WHEN_OVERLOADED_MS: u32 = 1000;

/// The status of a request that was refused or could not be carried out.
pub(crate) fn status(failure: &Failure) -> Status {
    match failure {
        Failure::Rejected(rejection) => refusal(rejection),
        Failure::Fault(fault) => faulty(fault),
    }
}

/// The status of a refusal.
pub(crate) fn refusal(rejection: &Rejection) -> Status {
    let message = rejection.message.to_string();
    let mut headers = MetadataMap::new();
    if let Detail::ResourceExhausted { cause, scope } = &rejection.detail {
        // The reference's proxies read cause and scope from headers, before they decode anything.
        insert(&mut headers, "x-resource-exhausted-cause", cause_name(*cause));
        insert(&mut headers, "x-resource-exhausted-scope", scope_name(*scope));
        if *cause == i32::from(ResourceExhaustedCause::SystemOverloaded) {
            insert(&mut headers, "grpc-retry-pushback-ms", RETRY_WHEN_OVERLOADED_MS.to_string());
        }
    }
    let code = tonic_code(code(rejection));
    match detail(&rejection.detail) {
        None => Status::with_metadata(code, message, headers),
        Some(detail) => {
            let whole = rpc::Status { code: code as i32, message: message.clone(), details: vec![detail] };
            Status::with_details_and_metadata(code, message, whole.encode_to_vec().into(), headers)
        }
    }
}

/// The status of a fault of the server's own: the caller did nothing wrong and may try again.
fn faulty(fault: &Fault) -> Status {
    match fault {
        Fault::Internal(_) => Status::internal(fault.to_string()),
        Fault::Unavailable(_) | Fault::Moved | Fault::Stopping => Status::unavailable(fault.to_string()),
    }
}

/// The code of a refusal: that of a multi-operation is its first operation's that went wrong by itself.
fn code(rejection: &Rejection) -> Code {
    let Detail::MultiOperation(parts) = &rejection.detail else { return rejection.code };
    let own_fault = |r: &&Rejection| r.code != Code::Ok && r.detail != Detail::MultiOperationAborted;
    parts.iter().find(own_fault).map_or(Code::Aborted, |r| r.code)
}

fn tonic_code(code: Code) -> tonic::Code {
    match code {
        Code::Ok => tonic::Code::Ok,
        Code::InvalidArgument => tonic::Code::InvalidArgument,
        Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Code::NotFound => tonic::Code::NotFound,
        Code::AlreadyExists => tonic::Code::AlreadyExists,
        Code::PermissionDenied => tonic::Code::PermissionDenied,
        Code::ResourceExhausted => tonic::Code::ResourceExhausted,
        Code::FailedPrecondition => tonic::Code::FailedPrecondition,
        Code::Aborted => tonic::Code::Aborted,
        Code::Unimplemented => tonic::Code::Unimplemented,
        Code::Internal => tonic::Code::Internal,
        Code::Unavailable => tonic::Code::Unavailable,
    }
}

fn detail(detail: &Detail) -> Option<Any> {
    Some(match detail {
        Detail::None => return None,
        Detail::NotFound => any(&details::NotFoundFailure::default()),
        Detail::NamespaceNotFound { namespace } => {
            any(&details::NamespaceNotFoundFailure { namespace: namespace.clone() })
        }
        Detail::NamespaceInvalidState { namespace, state, allowed } => any(&details::NamespaceInvalidStateFailure {
            namespace: namespace.clone(),
            state: *state,
            allowed_states: allowed.clone(),
        }),
        Detail::NamespaceAlreadyExists => any(&details::NamespaceAlreadyExistsFailure {}),
        Detail::AlreadyStarted { start_request_id, run_id, first_run_id } => {
            any(&details::WorkflowExecutionAlreadyStartedFailure {
                start_request_id: start_request_id.clone(),
                run_id: run_id.clone(),
                first_execution_run_id: first_run_id.clone(),
            })
        }
        Detail::QueryFailed(failure) => any(&details::QueryFailedFailure { failure: failure.as_deref().cloned() }),
        Detail::WorkflowNotReady => any(&details::WorkflowNotReadyFailure {}),
        Detail::ResourceExhausted { cause, scope } => {
            any(&details::ResourceExhaustedFailure { cause: *cause, scope: *scope })
        }
        Detail::PermissionDenied { reason } => any(&details::PermissionDeniedFailure { reason: reason.clone() }),
        Detail::ClientVersionNotSupported { client_version, client_name, supported_versions } => {
            any(&details::ClientVersionNotSupportedFailure {
                client_version: client_version.clone(),
                client_name: client_name.clone(),
                supported_versions: supported_versions.clone(),
            })
        }
        Detail::ServerVersionNotSupported { server_version, client_supported_server_versions } => {
            any(&details::ServerVersionNotSupportedFailure {
                server_version: server_version.clone(),
                client_supported_server_versions: client_supported_server_versions.clone(),
            })
        }
        Detail::MultiOperationAborted => any(&evertide_proto::failure::MultiOperationExecutionAborted {}),
        Detail::MultiOperation(parts) => {
            any(&details::MultiOperationExecutionFailure { statuses: parts.iter().map(operation).collect() })
        }
    })
}

fn operation(rejection: &Rejection) -> details::multi_operation_execution_failure::OperationStatus {
    details::multi_operation_execution_failure::OperationStatus {
        code: tonic_code(rejection.code) as i32,
        message: rejection.message.to_string(),
        details: detail(&rejection.detail).into_iter().collect(),
    }
}

/// Packs a detail. The type's name is behind the prefix that every reader of `Any` knows.
fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: format!("type.googleapis.com/{}", M::full_name()), value: message.encode_to_vec() }
}

fn insert(headers: &mut MetadataMap, key: &'static str, value: String) {
    if let Ok(value) = AsciiMetadataValue::try_from(value) {
        headers.insert(key, value);
    }
}

fn cause_name(cause: i32) -> String {
    camel(ResourceExhaustedCause::try_from(cause).unwrap_or_default().as_str_name(), "RESOURCE_EXHAUSTED_CAUSE_")
}

fn scope_name(scope: i32) -> String {
    camel(ResourceExhaustedScope::try_from(scope).unwrap_or_default().as_str_name(), "RESOURCE_EXHAUSTED_SCOPE_")
}

/// `PREFIX_BUSY_WORKFLOW` as `BusyWorkflow`, the way the reference writes enums as text.
fn camel(name: &str, prefix: &str) -> String {
    let words = name.strip_prefix(prefix).unwrap_or(name).split('_');
    words.fold(String::new(), |mut text, word| {
        let mut letters = word.chars();
        text.extend(letters.next());
        text.push_str(&letters.as_str().to_lowercase());
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(status: &Status) -> rpc::Status {
        rpc::Status::decode(status.details()).unwrap()
    }

    #[test]
    fn a_refusal_carries_its_detail() {
        let status = refusal(&Rejection::namespace_not_found("x"));
        let whole = decoded(&status);
        assert_eq!((status.code(), status.message()), (tonic::Code::NotFound, "Namespace x is not found."));
        assert_eq!(whole.code, 5);
        assert_eq!(
            whole.details[0].type_url,
            "type.googleapis.com/temporal.api.errordetails.v1.NamespaceNotFoundFailure"
        );
        let detail = details::NamespaceNotFoundFailure::decode(&whole.details[0].value[..]).unwrap();
        assert_eq!(detail.namespace, "x");
    }

    #[test]
    fn a_refusal_without_detail_has_no_details_at_all() {
        assert!(refusal(&Rejection::invalid("no")).details().is_empty());
    }

    #[test]
    fn exhaustion_says_cause_and_scope_in_headers() {
        let status = refusal(&Rejection::busy("later"));
        assert_eq!(status.metadata().get("x-resource-exhausted-cause").unwrap(), "BusyWorkflow");
        assert_eq!(status.metadata().get("x-resource-exhausted-scope").unwrap(), "Namespace");
    }

    #[test]
    fn who_meets_an_overloaded_server_is_told_when_to_try_again() {
        let status = refusal(&Rejection::overloaded("later"));
        assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "1000");
        assert_eq!(status.metadata().get("x-resource-exhausted-cause").unwrap(), "SystemOverloaded");
        assert!(refusal(&Rejection::busy("later")).metadata().get("grpc-retry-pushback-ms").is_none());
    }

    #[test]
    fn a_multi_operation_has_the_code_of_the_operation_at_fault() {
        let aborted = Rejection {
            code: Code::Aborted,
            message: "Operation was aborted.".into(),
            detail: Detail::MultiOperationAborted,
        };
        let parts = vec![aborted, Rejection::not_found("gone")];
        let whole = Rejection {
            code: Code::Aborted,
            message: "Update-with-Start could not be executed.".into(),
            detail: Detail::MultiOperation(parts),
        };
        let status = refusal(&whole);
        assert_eq!(status.code(), tonic::Code::NotFound);
        let failure = details::MultiOperationExecutionFailure::decode(&decoded(&status).details[0].value[..]).unwrap();
        assert_eq!(failure.statuses.iter().map(|s| s.code).collect::<Vec<_>>(), [10, 5]);
    }
}
