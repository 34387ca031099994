//! The Temporal API as Rust types and service traits.
