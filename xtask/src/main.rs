//! Chores of this repository that no user of the product runs.
//!
//! `cargo run -p xtask -- protos DIRECTORY` renews `crates/proto/descriptors.bin` from the proto files of Temporal's
//! published crate `temporalio-protos`. It never downloads: whoever upgrades unpacks that crate and passes its
//! `protos` folder, so that a build of this repository depends on nothing but the repository.
//!
//! `cargo run -p xtask -- api` renews the text of the client's public API, and `api --check` compares it with the code.

mod api;
mod protos;

use std::path::Path;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["protos", directory] => protos::write_descriptors(Path::new(directory)),
        ["api"] => api::write(),
        ["api", "--check"] => api::check(),
        _ => bail!("usage: cargo run -p xtask -- protos DIRECTORY_OF_PROTO_FILES | api [--check]"),
    }
}
