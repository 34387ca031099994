//! A Rust client with the complete WorkflowHandle.
