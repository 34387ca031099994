//! Doing what the command line says: starting servers and stopping them at a signal.

use crate::cli::{Command, Common, LogFormat, LogLevel, Start, StartDev, TestServer};
use crate::{banner, health, logging, namespace, search_attribute, workflow};
use anyhow::Context;
use evertide_server::{Server, ServerBuilder, TimeSkipping};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Does it, and returns when it is done.
pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::StartDev(options) => start_dev(*options).await,
        Command::Start(options) => start(*options).await,
        Command::TestServer(options) => test_server(&options).await,
        Command::Health(options) => health::check(&options).await,
        Command::Workflow(line) => workflow::run(&line).await,
        Command::Namespace(line) => namespace::run(&line).await,
        Command::SearchAttribute(line) => search_attribute::run(&line).await,
    }
}

async fn start_dev(options: StartDev) -> anyhow::Result<()> {
    logging::start(options.log_level, options.common.log_format);
    if let Some(port) = options.accepted.ui_port {
        tracing::info!(port, "this server has no web UI; nothing is served on its port");
    }
    let address = (options.common.ip, options.common.port).into();
    let builder = described(&options.common);
    let builder = match &options.db_filename {
        Some(path) => builder.db_file(path),
        None => builder.memory_budget_bytes(options.memory_budget_mib.saturating_mul(1024 * 1024)),
    };
    let builder = if options.time_skipping { builder.time_skipping(TimeSkipping::Locked) } else { builder };
    serve(builder, address, options.db_filename.as_deref()).await
}

async fn start(options: Start) -> anyhow::Result<()> {
    logging::start(options.log_level, options.common.log_format);
    let file = match options.db_filename {
        Some(path) => path,
        None => default_file()?,
    };
    let address = (options.common.ip, options.common.port).into();
    serve(described(&options.common).db_file(&file), address, Some(&file)).await
}

async fn test_server(options: &TestServer) -> anyhow::Result<()> {
    logging::start(LogLevel::Warn, LogFormat::Text);
    let begin = if options.enable_time_skipping { TimeSkipping::Unlocked } else { TimeSkipping::Locked };
    let builder = Server::builder().time_skipping(begin).like_temporal_test_server();
    serve(builder, (Ipv4Addr::UNSPECIFIED, options.port).into(), None).await
}

/// What both kinds of server have in common.
fn described(options: &Common) -> ServerBuilder {
    let mut builder = Server::builder();
    for name in &options.namespace {
        builder = builder.namespace(name);
    }
    for attribute in &options.search_attribute {
        builder = builder.search_attribute(&attribute.name, attribute.kind);
    }
    for config in &options.dynamic_config_value {
        builder = builder.dynamic_config(&config.key, &config.value);
    }
    builder
}

/// Where the state is kept if nobody says so: where programs of this user keep theirs.
fn default_file() -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    let directory =
        data.context("neither XDG_DATA_HOME nor HOME is set; name a file with --db-filename")?.join("evertide");
    std::fs::create_dir_all(&directory).with_context(|| {
        format!("cannot make the directory {}; name a file with --db-filename", directory.display())
    })?;
    Ok(directory.join("evertide.db"))
}

async fn serve(builder: ServerBuilder, address: SocketAddr, file: Option<&Path>) -> anyhow::Result<()> {
    // From here on a signal is not lost, even if it comes before the server is ready.
    let mut signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    let server = builder.listen(address).start().await?;
    println!("{}", banner::ready(server.local_addr().unwrap_or(address), file));
    any(&mut signals).await;
    server.shutdown().await;
    Ok(())
}

/// Waits for either signal.
async fn any([interrupt, terminate]: &mut [Signal; 2]) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
