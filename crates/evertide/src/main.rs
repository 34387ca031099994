//! The one binary: servers for development, for tests and for keeps, and commands that ask a server.
//!
//! Flags, signals, output and exit codes live here; what a server is, `evertide_server` knows, and how one is asked,
//! `evertide_client`.

mod asking;
mod banner;
mod cli;
mod health;
mod logging;
mod namespace;
mod output;
mod run;
mod search_attribute;
mod workflow;

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Gives memory back after bursts and costs less than the system's; docs/performance.md has both.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(end) => return end.tell(),
    };
    let done =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Into::into).and_then(|runtime| {
            let done = runtime.block_on(run::run(command));
            // What still waits on a socket has nothing to lose.
            runtime.shutdown_background();
            done
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough, as `head` does.
        Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
