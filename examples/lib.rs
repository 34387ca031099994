//! Programs that use Evertide as its users do: see `order.rs`, and `cargo run -p evertide-examples --example order`.
//!
//! They have a package of their own because the official Rust SDK, whose worker they run, is a large dependency.
