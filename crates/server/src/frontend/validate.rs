//! What every request must have before a rule looks at it: a namespace that exists, an execution, a token.

use evertide_engine::env::is_uuid;
use evertide_engine::namespace::{Namespace, Namespaces};
use evertide_engine::token::{TaskKind, TaskToken};
use evertide_engine::{Code, Detail, Limits, Rejection};
use evertide_proto::common::WorkflowExecution;
use evertide_proto::enums::NamespaceState;
use evertide_proto::taskqueue::TaskQueue;
use std::sync::Arc;

/// Prefix of the names that the reference gives to partitions of a queue.
const PARTITION_PREFIX: &str = "/_sys/";

/// The namespace of a request.
///
/// # Errors
/// It must be named, and exist.
pub(crate) fn namespace(namespaces: &Namespaces, limits: &Limits, name: &str) -> Result<Arc<Namespace>, Rejection> {
    if name.is_empty() {
        return Err(Rejection::invalid("Namespace is empty."));
    }
    known_namespace(namespaces, limits, name)
}

/// As [`namespace`], for the calls on namespaces themselves, which word it in another way.
///
/// # Errors
/// It must be named, and exist.
pub(crate) fn administered_namespace(
    namespaces: &Namespaces,
    limits: &Limits,
    name: &str,
) -> Result<Arc<Namespace>, Rejection> {
    if name.is_empty() {
        return Err(Rejection::invalid("Namespace not set on request."));
    }
    known_namespace(namespaces, limits, name)
}

fn known_namespace(namespaces: &Namespaces, limits: &Limits, name: &str) -> Result<Arc<Namespace>, Rejection> {
    namespace_length(limits, name)?;
    namespaces.named(name).cloned().ok_or_else(|| Rejection::namespace_not_found(name))
}

/// A namespace's name is no longer than any other name.
///
/// # Errors
/// It is.
pub(crate) fn namespace_length(limits: &Limits, name: &str) -> Result<(), Rejection> {
    if name.len() > limits.id_length_bytes {
        return Err(Rejection::invalid("Namespace length exceeds limit."));
    }
    Ok(())
}

/// Only a registered namespace takes new workflows; a deprecated one lets those that run end.
///
/// # Errors
/// It is deprecated.
pub(crate) fn takes_new_workflows(namespace: &Namespace) -> Result<(), Rejection> {
    if namespace.state == i32::from(NamespaceState::Registered) {
        return Ok(());
    }
    let state = NamespaceState::try_from(namespace.state).unwrap_or_default();
    Err(Rejection {
        code: Code::FailedPrecondition,
        message: format!("Namespace has invalid state: {}. Must be Registered.", state_name(state)).into(),
        detail: Detail::NamespaceInvalidState {
            namespace: namespace.name.clone(),
            state: namespace.state,
            allowed: vec![NamespaceState::Registered.into()],
        },
    })
}

fn state_name(state: NamespaceState) -> &'static str {
    match state {
        NamespaceState::Unspecified => "Unspecified",
        NamespaceState::Registered => "Registered",
        NamespaceState::Deprecated => "Deprecated",
        NamespaceState::Deleted => "Deleted",
    }
}

/// A task token and the namespace that it belongs to. A namespace named in the request must be that one.
///
/// # Errors
/// The token must be one of this kind and of the namespace named; one of the reference server is read as well, and names
/// a task that is not here.
pub(crate) fn token(
    namespaces: &Namespaces,
    limits: &Limits,
    name: &str,
    bytes: &[u8],
    kind: TaskKind,
) -> Result<(TaskToken, Arc<Namespace>), Rejection> {
    let named = if name.is_empty() { None } else { Some(known_namespace(namespaces, limits, name)?) };
    if bytes.is_empty() {
        return Err(Rejection::invalid("Task token not set on request."));
    }
    let token = TaskToken::from_bytes(bytes).or_else(|| TaskToken::from_reference(bytes, kind));
    let token = token.ok_or_else(Rejection::bad_token)?;
    let own = namespaces
        .with_id(&token.namespace_id)
        .cloned()
        .ok_or_else(|| Rejection::namespace_not_found(&token.namespace_id))?;
    if named.is_some_and(|n| n.id != own.id) {
        return Err(Rejection::invalid("Operation requested with a token from a different namespace."));
    }
    if token.kind() != kind {
        return Err(Rejection::bad_token());
    }
    Ok((token, own))
}

/// An execution that a request is about: the workflow id, and the run id if one is meant.
///
/// # Errors
/// The workflow id must be there, and a run id must be a UUID.
pub(crate) fn execution(execution: Option<&WorkflowExecution>) -> Result<(String, Option<String>), Rejection> {
    let execution = execution.ok_or_else(|| Rejection::invalid("Execution is not set on request."))?;
    ids(&execution.workflow_id, &execution.run_id, "Invalid RunId.")
}

/// As [`execution`], for the younger calls, which say it in other words and take a missing execution for an empty one.
///
/// # Errors
/// The workflow id must be there, and a run id must be a UUID.
pub(crate) fn execution_of_operator(
    execution: Option<&WorkflowExecution>,
) -> Result<(String, Option<String>), Rejection> {
    let (workflow_id, run_id) = execution.map_or(("", ""), |e| (e.workflow_id.as_str(), e.run_id.as_str()));
    ids(workflow_id, run_id, "RunId is not valid UUID.")
}

/// A workflow id and run id that stand alone in a request.
///
/// # Errors
/// The workflow id must be there, and a run id must be a UUID.
pub(crate) fn ids(
    workflow_id: &str,
    run_id: &str,
    not_a_uuid: &'static str,
) -> Result<(String, Option<String>), Rejection> {
    if workflow_id.is_empty() {
        return Err(Rejection::invalid("WorkflowId is not set on request."));
    }
    if run_id.is_empty() {
        return Ok((workflow_id.to_owned(), None));
    }
    if !is_uuid(run_id) {
        return Err(Rejection::invalid(not_a_uuid));
    }
    Ok((workflow_id.to_owned(), Some(run_id.to_owned())))
}

/// A task queue that workers poll or operators look at.
///
/// # Errors
/// It must have a name, not too long and not reserved.
pub(crate) fn task_queue<'q>(limits: &Limits, queue: Option<&'q TaskQueue>) -> Result<&'q TaskQueue, Rejection> {
    let queue = queue.ok_or_else(|| Rejection::invalid("taskQueue is not set"))?;
    if queue.name.is_empty() {
        return Err(Rejection::invalid("missing task queue name"));
    }
    if queue.name.len() > limits.id_length_bytes {
        return Err(Rejection::invalid("taskQueue length exceeds limit"));
    }
    if queue.name.starts_with(PARTITION_PREFIX) {
        return Err(Rejection::invalid("task queue name cannot start with reserved prefix /_sys/"));
    }
    Ok(queue)
}

/// A worker's name for itself.
///
/// # Errors
/// It is too long.
pub(crate) fn identity(limits: &Limits, identity: &str) -> Result<(), Rejection> {
    if identity.len() > limits.id_length_bytes {
        return Err(Rejection::invalid("Identity length exceeds limit."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespaces() -> Namespaces {
        let mut all = Namespaces::default();
        for name in ["one", "two"] {
            let state = NamespaceState::Registered.into();
            all.put(Namespace { id: format!("id of {name}"), name: name.to_owned(), state, ..Namespace::default() });
        }
        all
    }

    fn told<T: std::fmt::Debug>(result: Result<T, Rejection>) -> String {
        result.unwrap_err().message.to_string()
    }

    #[test]
    fn a_namespace_must_be_named_and_known() {
        let (all, limits) = (namespaces(), Limits::default());
        assert_eq!(namespace(&all, &limits, "one").unwrap().id, "id of one");
        assert_eq!(told(namespace(&all, &limits, "")), "Namespace is empty.");
        assert_eq!(told(namespace(&all, &limits, "three")), "Namespace three is not found.");
        assert_eq!(told(namespace(&all, &limits, &"n".repeat(1001))), "Namespace length exceeds limit.");
        assert_eq!(told(administered_namespace(&all, &limits, "")), "Namespace not set on request.");
    }

    #[test]
    fn a_token_speaks_for_its_namespace() {
        let (all, limits) = (namespaces(), Limits::default());
        let bytes =
            TaskToken { kind: TaskKind::Activity.into(), namespace_id: "id of one".to_owned(), ..TaskToken::default() }
                .to_bytes();
        let read = |name: &str, bytes: &[u8], kind| token(&all, &limits, name, bytes, kind);
        assert_eq!(read("", &bytes, TaskKind::Activity).unwrap().1.name, "one");
        assert_eq!(read("one", &bytes, TaskKind::Activity).unwrap().1.name, "one");
        assert_eq!(
            told(read("two", &bytes, TaskKind::Activity)),
            "Operation requested with a token from a different namespace."
        );
        assert_eq!(told(read("one", &bytes, TaskKind::Workflow)), "Error deserializing task token.");
        assert_eq!(told(read("one", b"garbage", TaskKind::Workflow)), "Error deserializing task token.");
        assert_eq!(told(read("one", b"", TaskKind::Workflow)), "Task token not set on request.");
    }

    #[test]
    fn a_run_id_is_a_uuid() {
        let of = |workflow_id: &str, run_id: &str| {
            execution(Some(&WorkflowExecution { workflow_id: workflow_id.into(), run_id: run_id.into() }))
        };
        assert_eq!(of("w", "").unwrap(), ("w".to_owned(), None));
        assert_eq!(told(of("", "")), "WorkflowId is not set on request.");
        assert_eq!(told(of("w", "x")), "Invalid RunId.");
        assert_eq!(told(execution(None)), "Execution is not set on request.");
        assert_eq!(told(execution_of_operator(None)), "WorkflowId is not set on request.");
    }
}
