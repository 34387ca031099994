//! Measures a server from a second process over gRPC, and compares two of them side by side.
//!
//! ```text
//! cargo run --release -p evertide --example bench -- noop   --server "target/release/evertide server start-dev" [--against "temporal server start-dev"]
//! cargo run --release -p evertide --example bench -- update --server ...
//! ```
//!
//! and so for the other kinds of work, which `--help` tells. The client accepts packed answers, as those of SDKs do.
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
use bench::client::{Kind, Load};
use bench::process::ServerProcess;
use bench::report::Figures;
use clap::{Parser, Subcommand};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Callers at once.
const CALLERS: usize = 64;
/// How long a server gets to put away what a load has left behind.
const REST: Duration = Duration::from_secs(5);

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
    /// How many workflows `soak` and `open` make.
    #[arg(long, global = true)]
    count: Option<usize>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum What {
    /// Start, one workflow task, complete, result by long poll: one at a time, then 64 at once.
    Noop,
    /// An update of an idle workflow, accepted and completed by a worker: one at a time, then 64 at once.
    Update,
    /// Ten activities in sequence, start to result: one workflow at a time, then 64 at once.
    Activities,
    /// 100,000 workflows of `noop`, 64 at once, and the memory that they leave behind.
    Soak,
    /// 1,000,000 workflows that stay open and idle, and the memory that they take, before and after a restart.
    Open,
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
    let mut server = ServerProcess::start(command)?;
    server.ready().await.context("the server did not answer GetSystemInfo")?;
    figures.add("startup_ms", started.elapsed().as_secs_f64() * 1000.0);
    match args.what {
        What::Startup => {}
        What::Idle => idle(&server, &mut figures, seconds).await?,
        What::Noop => alone_and_together(&server, Kind::Noop, seconds, &mut figures).await?,
        What::Update => alone_and_together(&server, Kind::Update, seconds, &mut figures).await?,
        What::Activities => alone_and_together(&server, Kind::Activities, seconds, &mut figures).await?,
        What::Soak => {
            let load = Load::new(&server.address(), CALLERS, Kind::Noop).await?;
            let end = End::Count(args.count.unwrap_or(100_000));
            drive(&server, Arc::new(load), CALLERS, end, &mut figures).await?;
            figures.add("rss_peak_mb", server.peak_rss_mb()?);
            tokio::time::sleep(REST).await;
        }
        What::Open => {
            open(&mut server, args.count.unwrap_or(1_000_000), &mut figures).await?;
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

/// One caller after another, then many at once.
async fn alone_and_together(
    server: &ServerProcess,
    kind: Kind,
    seconds: Duration,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    for callers in [1, CALLERS] {
        let load = Load::new(&server.address(), callers, kind).await?;
        drive(server, Arc::new(load), callers, End::After(seconds), figures).await?;
    }
    Ok(())
}

async fn open(server: &mut ServerProcess, count: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let load = Arc::new(Load::new(&server.address(), CALLERS, Kind::Open).await?);
    drive(server, load.clone(), CALLERS, End::Count(count), figures).await?;
    while load.answered() < count {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(load);
    figures.add("rss_peak_mb", server.peak_rss_mb()?);
    tokio::time::sleep(REST).await;
    figures.add("rss_before_restart_mb", server.rss_mb()?);
    let started = Instant::now();
    server.restart()?;
    server.ready().await?;
    figures.add("restart_ms", started.elapsed().as_secs_f64() * 1000.0);
    tokio::time::sleep(REST).await;
    Ok(())
}

/// When callers stop.
#[derive(Debug, Clone, Copy)]
enum End {
    After(Duration),
    Count(usize),
}

/// Runs `callers` loops of the load and adds what they saw.
async fn drive(
    server: &ServerProcess,
    load: Arc<Load>,
    callers: usize,
    end: End,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let serial = Arc::new(AtomicUsize::new(0));
    let cpu = server.cpu()?;
    let began = Instant::now();
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let (load, serial) = (load.clone(), serial.clone());
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let number = serial.fetch_add(1, Ordering::Relaxed);
                let ends = match end {
                    End::After(time) => began.elapsed() >= time,
                    End::Count(count) => number >= count,
                };
                if ends {
                    return anyhow::Ok(latencies);
                }
                let one = Instant::now();
                load.once(caller, number).await?;
                latencies.push(one.elapsed());
            }
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
    let name = format!("{}_{callers}", load.kind().name());
    figures.add(format!("{name}_per_s"), count / elapsed.as_secs_f64());
    figures.add(format!("{name}_p50_ms"), at(0.5));
    figures.add(format!("{name}_p99_ms"), at(0.99));
    figures.add(format!("{name}_server_cpu_us"), used.as_secs_f64() * 1e6 / count);
    Ok(())
}
