//! The storage contract, its in-memory model and its conformance suite.
