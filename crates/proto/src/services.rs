//! The table of what the API offers, for whoever must treat all methods alike.

/// A service of the API.
///
/// ```
/// use evertide_proto::SERVICES;
///
/// let operator = SERVICES.iter().find(|service| service.name.ends_with(".OperatorService")).unwrap();
/// assert_eq!(operator.name, "temporal.api.operatorservice.v1.OperatorService");
/// assert!(operator.methods.contains(&"AddSearchAttributes"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// The full name, as it stands in a request's path: `temporal.api.workflowservice.v1.WorkflowService`.
    pub name: &'static str,
    /// The names of its methods, in the order of the definition: `StartWorkflowExecution`.
    pub methods: &'static [&'static str],
}

/// All services of the API.
///
/// ```
/// let methods: usize = evertide_proto::SERVICES.iter().map(|service| service.methods.len()).sum();
/// assert!(methods > 100);
/// ```
pub const SERVICES: &[Service] = include!(concat!(env!("OUT_DIR"), "/services.rs"));
