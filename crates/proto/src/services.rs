//! The table of what the API offers, for whoever must treat all methods alike.

/// A service of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// The full name, as it stands in a request's path: `temporal.api.workflowservice.v1.WorkflowService`.
    pub name: &'static str,
    /// The names of its methods, in the order of the definition: `StartWorkflowExecution`.
    pub methods: &'static [&'static str],
}

/// All services of the API.
pub const SERVICES: &[Service] = include!(concat!(env!("OUT_DIR"), "/services.rs"));
