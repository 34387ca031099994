//! The Rust handle and the official Rust SDK's worker, for programs in other languages: the tests of interoperation
//! drive both.
//!
//! ```text
//! interop drive ADDRESS         one JSON command a line on standard input, one JSON answer a line on standard output
//! interop work ADDRESS QUEUE    a worker of the official SDK with the workflow of `ledger.rs`, until standard input ends
//! ```
#![allow(missing_docs)] // The SDK's macros write items of their own.

mod interop {
    pub(crate) mod answer;
    pub(crate) mod driver;
    pub(crate) mod ledger;
}

use interop::{driver, ledger};

const USAGE: &str = "usage: interop drive ADDRESS | interop work ADDRESS QUEUE";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = match arguments.as_slice() {
        ["drive", address] => runtime.block_on(driver::drive(address)),
        // The SDK's workers are not `Send`: they stay on the thread that runs them.
        ["work", address, queue] => tokio::task::LocalSet::new().block_on(&runtime, ledger::work(address, queue)),
        _ => anyhow::bail!(USAGE),
    };
    // Whoever reads standard input cannot be interrupted, so nobody waits for that.
    runtime.shutdown_background();
    ended
}
