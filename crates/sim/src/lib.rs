//! Deterministic simulation of the server.
