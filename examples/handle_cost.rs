//! What a call of a handle costs, beside the same call of the official Rust client.
//!
//! Both clients make the same calls to the same fake server, which answers at once, in rounds that take turns; printed is
//! the median of the rounds. Only CPU time counts, of this process, which runs on one thread: through a socket the fake
//! is a process of its own, and in process it is the same little service for both.
//!
//! ```text
//! cargo run --release -p evertide-examples --example handle_cost
//! ```
#![allow(missing_docs)] // The SDK's macros write items of their own.

mod handle_cost {
    pub(crate) mod fake;
    pub(crate) mod official;
    pub(crate) mod ours;
}

use handle_cost::fake;
use handle_cost::official::Official;
use handle_cost::ours::Ours;
use rustix::time::{ClockId, clock_gettime};

/// How many calls make a round. Enough for the clock, and few enough for the rounds to see the same machine.
const CALLS: u32 = 400;
/// How many rounds each client gets for each call.
const ROUNDS: usize = 25;

/// One call of a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Start,
    Signal,
    Query,
    ExecuteUpdate,
    Describe,
    Result,
    FetchHistory,
    Cancel,
    Terminate,
}

impl Call {
    const ALL: [Self; 9] = [
        Self::Start,
        Self::Signal,
        Self::Query,
        Self::ExecuteUpdate,
        Self::Describe,
        Self::Result,
        Self::FetchHistory,
        Self::Cancel,
        Self::Terminate,
    ];
}

/// A client under measurement, which holds a handle.
pub(crate) trait Caller {
    async fn call(&self, call: Call) -> anyhow::Result<()>;
}

/// How a client reaches the fake.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Socket(std::net::SocketAddr),
    InProcess,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if std::env::args().nth(1).as_deref() == Some(fake::SERVE) {
        return runtime.block_on(fake::serve());
    }
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let fake = fake::Process::start()?;
    compare("through a socket", &Way::Socket(fake.address), true).await?;
    compare("through a socket, official client without gzip", &Way::Socket(fake.address), false).await?;
    compare("in process", &Way::InProcess, false).await?;
    let official = Official::connect(&Way::InProcess, false).await?;
    println!("\nsize of a handle: {} bytes, official {} bytes", Ours::handle_size(), official.handle_size());
    Ok(())
}

async fn compare(title: &str, way: &Way, gzip: bool) -> anyhow::Result<()> {
    let (ours, official) = (Ours::connect(way).await?, Official::connect(way, gzip).await?);
    println!("\n{title}: CPU time of a call, us\n");
    println!("{:<14} {:>8} {:>9} {:>6}", "call", "evertide", "official", "ratio");
    for call in Call::ALL {
        let (mut of_ours, mut of_official) = (Vec::new(), Vec::new());
        round(&ours, call).await?;
        round(&official, call).await?;
        for _ in 0..ROUNDS {
            of_ours.push(round(&ours, call).await?);
            of_official.push(round(&official, call).await?);
        }
        let (ours_us, official_us) = (median(of_ours), median(of_official));
        println!("{:<14} {ours_us:>8.1} {official_us:>9.1} {:>6.2}", format!("{call:?}"), ours_us / official_us);
    }
    Ok(())
}

/// The CPU time of one call, in microseconds, as the mean of a round.
async fn round(caller: &impl Caller, call: Call) -> anyhow::Result<f64> {
    let begin = cpu_us();
    for _ in 0..CALLS {
        caller.call(call).await?;
    }
    Ok((cpu_us() - begin) / f64::from(CALLS))
}

/// CPU time of this process so far, user and system, in microseconds.
fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
