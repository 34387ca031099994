//! Measures finding workflows in a file with a million closed ones.
//!
//! ```text
//! cargo run --release -p evertide --example visibility
//! cargo run --release -p evertide --example visibility -- --rows 100000 --seconds 2
//! ```
//!
//! The rows are written through the store, in large batches; everything else goes through the services of a server in
//! this process. Printed are the time to a first page for typical filters, counts, the rate of starts with and without
//! lists beside them, and the CPU time that visibility adds to a workflow. Nothing here is a test.

mod visibility {
    pub(crate) mod cost;
    pub(crate) mod fill;
}

use clap::Parser;
use evertide_proto::common::WorkflowType;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::workflowservice::workflow_service_client::WorkflowServiceClient;
use evertide_proto::workflowservice::{
    CountWorkflowExecutionsRequest, DescribeNamespaceRequest, ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse, StartWorkflowExecutionRequest,
};
use evertide_server::server::Wire;
use evertide_server::{RunningServer, Server};
use std::path::Path;
use std::time::{Duration, Instant};
use visibility::cost;
use visibility::fill::{self, ATTRIBUTES};

type Client = WorkflowServiceClient<Wire>;

/// Entries of a page, as the web UI asks for them.
const PAGE_SIZE: i32 = 100;
/// Callers that start workflows at once.
const STARTERS: usize = 16;
/// Lists asked for each second beside the starts: some dashboards.
const LISTS_PER_SECOND: u32 = 20;

/// Measures finding workflows.
#[derive(Debug, Parser)]
struct Args {
    /// How many closed workflows to look in.
    #[arg(long, default_value_t = 1_000_000)]
    rows: i64,
    /// How often each question is asked.
    #[arg(long, default_value_t = 51)]
    times: usize,
    /// How often starts are measured, with and without lists.
    #[arg(long, default_value_t = 4)]
    turns: u32,
    /// How long each time, seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// How many workflows show the CPU time that visibility costs.
    #[arg(long, default_value_t = 100_000)]
    workflows: i64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(&args, &folder.path().join("visibility.db")))?;
    drop(runtime);
    for with_rows in [false, true, false, true] {
        let cpu = cost::measure(folder.path(), args.workflows, with_rows)?;
        let name = if with_rows { "with" } else { "without" };
        println!("{:<58} {:>9.1} us", format!("CPU of the store per workflow {name} visibility"), cpu);
    }
    Ok(())
}

async fn run(args: &Args, file: &Path) -> anyhow::Result<()> {
    let server = serve(file).await?;
    let namespace_id = namespace_id(&server).await?;
    server.shutdown().await;
    let began = Instant::now();
    let filled = fill::fill(file, &namespace_id, args.rows)?;
    let bytes = std::fs::metadata(file)?.len();
    println!("{} rows written in {:.1?}, {} MB", args.rows, began.elapsed(), bytes / 1_000_000);
    let began = Instant::now();
    let server = serve(file).await?;
    println!("opened in {:.1?}", began.elapsed());
    let client = WorkflowServiceClient::new(server.service());
    for (name, query) in filled.queries() {
        list_latency(&client, args.times, name, &query).await?;
    }
    for (name, query) in filled.scans() {
        list_to_end(&client, name, &query).await?;
    }
    for (name, query) in filled.counts() {
        count_latency(&client, args.times, name, &query).await?;
    }
    starts(&client, args, &filled).await?;
    server.shutdown().await;
    Ok(())
}

async fn serve(file: &Path) -> anyhow::Result<RunningServer> {
    let mut builder = Server::builder().db_file(file).retention(Duration::from_secs(365 * 86_400));
    for (name, kind) in ATTRIBUTES {
        builder = builder.search_attribute(name, kind);
    }
    Ok(builder.start().await?)
}

async fn namespace_id(server: &RunningServer) -> anyhow::Result<String> {
    let request = DescribeNamespaceRequest { namespace: "default".to_owned(), ..DescribeNamespaceRequest::default() };
    let answer = WorkflowServiceClient::new(server.service()).describe_namespace(request).await?.into_inner();
    Ok(answer.namespace_info.unwrap_or_default().id)
}

async fn page(client: &Client, query: &str, token: bytes::Bytes) -> anyhow::Result<ListWorkflowExecutionsResponse> {
    let request = ListWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        page_size: PAGE_SIZE,
        query: query.to_owned(),
        next_page_token: token,
    };
    Ok(client.clone().list_workflow_executions(request).await?.into_inner())
}

async fn list_latency(client: &Client, times: usize, name: &str, query: &str) -> anyhow::Result<()> {
    let mut taken = Vec::new();
    let mut found = 0;
    for _ in 0..times {
        let began = Instant::now();
        found = page(client, query, bytes::Bytes::new()).await?.executions.len();
        taken.push(began.elapsed());
    }
    told(&format!("first page, {name} ({found} found)"), taken);
    Ok(())
}

/// Reads all pages of a filter that no index serves: how long the longest single answer took.
async fn list_to_end(client: &Client, name: &str, query: &str) -> anyhow::Result<()> {
    let (mut taken, mut token, mut found) = (Vec::new(), bytes::Bytes::new(), 0);
    loop {
        let began = Instant::now();
        let page = page(client, query, token).await?;
        taken.push(began.elapsed());
        found += page.executions.len();
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    told(&format!("each page to the end, {name} ({found} in {} pages)", taken.len()), taken);
    Ok(())
}

async fn count_latency(client: &Client, times: usize, name: &str, query: &str) -> anyhow::Result<()> {
    let mut taken = Vec::new();
    let mut count = 0;
    for _ in 0..times {
        let request = CountWorkflowExecutionsRequest { namespace: "default".to_owned(), query: query.to_owned() };
        let began = Instant::now();
        count = client.clone().count_workflow_executions(request).await?.into_inner().count;
        taken.push(began.elapsed());
    }
    told(&format!("count, {name} ({count})"), taken);
    Ok(())
}

fn told(name: &str, mut taken: Vec<Duration>) {
    taken.sort();
    let at =
        |share: usize| taken.get(taken.len() * share / 100).or(taken.last()).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    println!("{name:<58} {:>9.2} ms p50 {:>9.2} ms p99", at(50), at(99));
}

/// Starts with and without lists beside them, in turns, so that a busy machine is as busy for both. Each turn begins and
/// ends at rest: what one leaves to be brought into the tables is its own CPU time and not the next one's, and a turn is
/// so long that this hardly counts for the rate.
async fn starts(client: &Client, args: &Args, filled: &fill::Filled) -> anyhow::Result<()> {
    let mut counts = [0_u64; 2];
    let mut cpu_seconds = [0.0; 2];
    for turn in 0..2 * args.turns {
        let with_lists = turn % 2 == 1;
        at_rest().await?;
        let cpu_before = cost::cpu_seconds()?;
        let lists = with_lists.then(|| tokio::spawn(dashboards(client.clone(), filled.queries())));
        counts[usize::from(with_lists)] += start_for(client, Duration::from_secs(args.seconds.into()), turn).await?;
        if let Some(lists) = lists {
            lists.abort();
        }
        at_rest().await?;
        cpu_seconds[usize::from(with_lists)] += cost::cpu_seconds()? - cpu_before;
    }
    let seconds = f64::from(args.turns * args.seconds);
    let told = |which: usize, name: &str| {
        let (per_second, cpu_us) =
            (counts[which] as f64 / seconds, cpu_seconds[which] * 1e6 / counts[which].max(1) as f64);
        let name = format!("starts by {STARTERS} callers {name}");
        println!("{name:<58} {per_second:>9.0} /s {cpu_us:>13.0} us CPU each");
        (per_second, cpu_us)
    };
    let (alone, alone_cpu_us) = told(0, "alone");
    let (beside, beside_cpu_us) = told(1, &format!("beside {LISTS_PER_SECOND} lists a second"));
    let change = |with: f64, without: f64| (with / without - 1.0) * 100.0;
    println!(
        "{:<58} {:>+9.1} %  {:>+13.1} % CPU",
        "what the lists change",
        change(beside, alone),
        change(beside_cpu_us, alone_cpu_us)
    );
    Ok(())
}

/// Waits until this process has had nothing to do for a while: longer than the store waits before it writes its tables.
async fn at_rest() -> anyhow::Result<()> {
    loop {
        let before = cost::cpu_seconds()?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        if cost::cpu_seconds()? - before < 0.015 {
            return Ok(());
        }
    }
}

async fn start_for(client: &Client, seconds: Duration, turn: u32) -> anyhow::Result<u64> {
    let began = Instant::now();
    let mut tasks = Vec::new();
    for caller in 0..STARTERS {
        let mut client = client.clone();
        tasks.push(tokio::spawn(async move {
            let mut started = 0_u64;
            while began.elapsed() < seconds {
                let request = StartWorkflowExecutionRequest {
                    namespace: "default".to_owned(),
                    workflow_id: format!("new-{turn}-{caller}-{started}"),
                    request_id: format!("{turn}-{caller}-{started}"),
                    workflow_type: Some(WorkflowType { name: "New".to_owned() }),
                    task_queue: Some(TaskQueue { name: "new".to_owned(), ..TaskQueue::default() }),
                    ..StartWorkflowExecutionRequest::default()
                };
                client.start_workflow_execution(request).await?;
                started += 1;
            }
            anyhow::Ok(started)
        }));
    }
    let mut started = 0;
    for task in tasks {
        started += task.await??;
    }
    Ok(started)
}

/// Asks one question after the other, so many a second, until it is stopped.
async fn dashboards(client: Client, queries: Vec<(&'static str, String)>) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / LISTS_PER_SECOND);
    for (_, query) in queries.iter().cycle() {
        ticks.tick().await;
        page(&client, query, bytes::Bytes::new()).await?;
    }
    Ok(())
}
