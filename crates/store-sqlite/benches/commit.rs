//! How fast transitions become durable: runs that start and close, in batches of several sizes.
//!
//! `cargo bench -p evertide-store-sqlite` prints for each size of batch the transitions in a second, the processor time
//! of each (writing the tables included), and how long commits took: half of them, all but one in a hundred, the slowest.
//! Then it removes runs past their retention as the server does.

use std::time::{Duration, Instant};

use bytes::Bytes;
use evertide_store::{
    Batch, CurrentRun, RunIdentity, RunKey, RunWrite, SlotSet, Store, StoreError, VisibilityRow, Wake, Write,
};
use evertide_store_sqlite::{SqliteOptions, SqliteStore};

const NAMESPACE_ID: &str = "32049b68-7872-4094-8e63-d0dd59896a83";
const LASTS: Duration = Duration::from_secs(4);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for batch_size in [1, 8, 64, 512] {
        let directory = tempfile::tempdir()?;
        let store = SqliteStore::open(directory.path().join("store.db"), &SqliteOptions::default())?;
        measure(&store, batch_size)?;
    }
    let directory = tempfile::tempdir()?;
    let store = SqliteStore::open(directory.path().join("store.db"), &SqliteOptions::default())?;
    Ok(measure_removal(&store)?)
}

/// Closed runs are found and removed, a thousand at a time.
fn measure_removal(store: &SqliteStore) -> Result<(), StoreError> {
    const RUNS: i64 = 50_000;
    const AT_ONCE: usize = 1000;
    let record = Bytes::from(vec![7; 300]);
    for first in (1..=RUNS).step_by(AT_ONCE) {
        let run_keys = first..first + AT_ONCE as i64;
        let writes = run_keys.flat_map(|run_key| [start(run_key, &record), close(run_key, &record)]);
        store.commit(Batch::of_sole_writer(writes.collect()))?;
    }
    store.materialise()?;
    let (began, began_cpu) = (Instant::now(), cpu_time());
    let mut removed = 0_u32;
    loop {
        let expired = store.expired(NAMESPACE_ID, &SlotSet::all(), i64::MAX, AT_ONCE)?;
        if expired.is_empty() {
            break;
        }
        removed += u32::try_from(expired.len()).unwrap_or(u32::MAX);
        let deletes = expired.into_iter().map(|run| Write::DeleteRun { run_key: run.run_key });
        store.commit(Batch::of_sole_writer(deletes.collect()))?;
    }
    store.materialise()?;
    let seconds = began.elapsed().as_secs_f64();
    print!("removal: {:.0} runs/s", f64::from(removed) / seconds);
    if let Some((now, then)) = cpu_time().zip(began_cpu) {
        print!(", {:.1} us of processor time each", (now - then).as_secs_f64() * 1e6 / f64::from(removed));
    }
    println!();
    Ok(())
}

/// Each run has two transitions: it starts, and some batches later it closes.
fn measure(store: &SqliteStore, batch_size: i64) -> Result<(), StoreError> {
    let record = Bytes::from(vec![7; 300]);
    let (began, began_cpu) = (Instant::now(), cpu_time());
    let mut next_run_key: RunKey = 1;
    let mut open = std::collections::VecDeque::new();
    let (mut transitions, mut commits) = (0_u32, Vec::new());
    while began.elapsed() < LASTS {
        let mut batch = Batch::of_sole_writer(Vec::new());
        for _ in 0..batch_size {
            let write = if open.len() > 64 { open.pop_front().map(|run_key| close(run_key, &record)) } else { None };
            batch.writes.push(write.unwrap_or_else(|| {
                next_run_key += 1;
                open.push_back(next_run_key);
                start(next_run_key, &record)
            }));
            transitions += 1;
        }
        let committed = Instant::now();
        store.commit(batch)?;
        commits.push(committed.elapsed());
    }
    commits.sort_unstable();
    let of_hundred =
        |part: usize| commits.get(commits.len() * part / 100).or(commits.last()).copied().unwrap_or_default();
    let seconds = began.elapsed().as_secs_f64();
    let per_second = f64::from(transitions) / seconds;
    let (half, most, all) = (of_hundred(50), of_hundred(99), of_hundred(100));
    print!("batches of {batch_size:3}: {per_second:8.0} transitions/s, commits {half:.1?} {most:.1?} {all:.1?}");
    match cpu_time().zip(began_cpu) {
        Some((now, then)) => {
            println!(", {:.1} us of processor time each", (now - then).as_secs_f64() * 1e6 / f64::from(transitions));
        }
        None => println!(),
    }
    Ok(())
}

fn identity(run_key: RunKey) -> RunIdentity {
    RunIdentity {
        namespace_id: NAMESPACE_ID.to_owned(),
        kind: 0,
        // In no order, as the ids that clients choose.
        id: format!("order-{:016x}", run_key.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed())),
        run_id: format!("0193a1b2-c3d4-7e5f-8a6b-{run_key:012x}"),
    }
}

fn row(run_key: RunKey) -> VisibilityRow {
    let RunIdentity { namespace_id, id: workflow_id, run_id, .. } = identity(run_key);
    VisibilityRow {
        run_key,
        namespace_id,
        root_workflow_id: workflow_id.clone(),
        root_run_id: run_id.clone(),
        workflow_id,
        run_id,
        workflow_type: "OrderWorkflow".to_owned(),
        task_queue: "orders".to_owned(),
        status: 1,
        start_time_ns: 1_700_000_000_000_000_000 + run_key * 50_000,
        ..VisibilityRow::default()
    }
}

fn start(run_key: RunKey, record: &Bytes) -> Write {
    Write::Run(RunWrite {
        run_key,
        create: Some(identity(run_key)),
        current: CurrentRun::Set,
        first_event_id: 1,
        record: record.clone(),
        visibility: Some(row(run_key)),
        wake: Wake::At(1_700_000_000_000 + run_key),
        ..RunWrite::default()
    })
}

fn close(run_key: RunKey, record: &Bytes) -> Write {
    let row = row(run_key);
    Write::Run(RunWrite {
        run_key,
        first_event_id: 4,
        record: record.clone(),
        visibility: Some(VisibilityRow { status: 2, close_time_ns: Some(row.start_time_ns + 1_000_000), ..row }),
        wake: Wake::Never,
        ..RunWrite::default()
    })
}

/// The processor time of this process, where the system tells it in the way of Linux.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 10))
}
