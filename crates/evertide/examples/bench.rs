//! Measures a server from a second process over gRPC, and compares two of them side by side.
//!
//! ```text
//! cargo run --release -p evertide --example bench -- noop   --server "target/release/evertide server start-dev" [--against "temporal server start-dev"]
//! cargo run --release -p evertide --example bench -- update --server ...
//! cargo run --release -p evertide --example bench -- startup --server ...
//! cargo run --release -p evertide --example bench -- idle --server ...
//! ```
//!
//! A server command is started on a free port (`--port N --headless` are added) and stopped at the end; `{file}` in it
//! becomes the path of a fresh data file, so that `--db-filename {file}` measures durable work. Rates, latencies and the
//! server's CPU time for each unit of work are printed, and the ratio where two servers run. Nothing here is a test.

mod bench {
    pub(crate) mod client;
    pub(crate) mod process;
    pub(crate) mod report;
}

use anyhow::Context;
use bench::client::Load;
use bench::process::ServerProcess;
use bench::report::Figures;
use clap::{Parser, Subcommand};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Measures a server of the Temporal protocol.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    what: What,
    /// Command that starts the server to measure.
    #[arg(long, global = true, default_value = "target/release/evertide server start-dev --db-filename {file}")]
    server: String,
    /// Command of a second server, measured in the same run.
    #[arg(long, global = true)]
    against: Option<String>,
    /// How long to measure each, seconds.
    #[arg(long, global = true, default_value_t = 5)]
    seconds: u64,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum What {
    /// Start, one workflow task, complete, result by long poll: one at a time, then 64 at once.
    Noop,
    /// An update of an idle workflow, accepted and completed by a worker: one at a time, then 64 at once.
    Update,
    /// From exec to the first answered GetSystemInfo.
    Startup,
    /// CPU and memory while ten pollers wait and nothing happens.
    Idle,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(&args))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let ours = measure(args, &args.server).await?;
    print!("{ours}");
    if let Some(against) = &args.against {
        let theirs = measure(args, against).await?;
        print!("{theirs}");
        print!("{}", ours.ratios(&theirs));
    }
    Ok(())
}

async fn measure(args: &Args, command: &str) -> anyhow::Result<Figures> {
    let mut figures = Figures::of(command);
    let seconds = Duration::from_secs(args.seconds);
    let started = Instant::now();
    let server = ServerProcess::start(command)?;
    server.ready().await.context("the server did not answer GetSystemInfo")?;
    figures.add("startup_ms", started.elapsed().as_secs_f64() * 1000.0);
    match args.what {
        What::Startup => {}
        What::Idle => idle(&server, &mut figures, seconds).await?,
        What::Noop => {
            for callers in [1, 64] {
                let load = Load::noop(&server.address(), callers).await?;
                drive(&server, Arc::new(load), callers, seconds, &mut figures, "noop").await?;
            }
        }
        What::Update => {
            for callers in [1, 64] {
                let load = Load::update(&server.address(), callers).await?;
                drive(&server, Arc::new(load), callers, seconds, &mut figures, "update").await?;
            }
        }
    }
    figures.add("rss_mb", server.rss_mb()?);
    Ok(figures)
}

async fn idle(server: &ServerProcess, figures: &mut Figures, seconds: Duration) -> anyhow::Result<()> {
    let load = Load::pollers(&server.address(), 10).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let cpu = server.cpu()?;
    tokio::time::sleep(seconds).await;
    let used = server.cpu()?.saturating_sub(cpu);
    figures.add("idle_cpu_percent", 100.0 * used.as_secs_f64() / seconds.as_secs_f64());
    drop(load);
    Ok(())
}

/// Runs `callers` loops of the load for a while and adds what they saw.
async fn drive(
    server: &ServerProcess,
    load: Arc<Load>,
    callers: usize,
    seconds: Duration,
    figures: &mut Figures,
    name: &str,
) -> anyhow::Result<()> {
    let serial = Arc::new(AtomicUsize::new(0));
    let cpu = server.cpu()?;
    let began = Instant::now();
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let (load, serial) = (load.clone(), serial.clone());
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            while began.elapsed() < seconds {
                let one = Instant::now();
                load.once(caller, serial.fetch_add(1, Ordering::Relaxed)).await?;
                latencies.push(one.elapsed());
            }
            anyhow::Ok(latencies)
        }));
    }
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let elapsed = began.elapsed();
    let used = server.cpu()?.saturating_sub(cpu);
    let count = latencies.len().max(1) as f64;
    latencies.sort();
    let at = |share: f64| latencies.get(((count - 1.0) * share) as usize).map_or(0.0, |d| d.as_secs_f64() * 1000.0);
    figures.add(format!("{name}_{callers}_per_s"), count / elapsed.as_secs_f64());
    figures.add(format!("{name}_{callers}_p50_ms"), at(0.5));
    figures.add(format!("{name}_{callers}_p99_ms"), at(0.99));
    figures.add(format!("{name}_{callers}_server_cpu_us"), used.as_secs_f64() * 1e6 / count);
    Ok(())
}
