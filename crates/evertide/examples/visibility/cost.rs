//! What visibility adds to the CPU time of a workflow: the same commits with and without rows for lists.

use super::fill::row;
use anyhow::Context;
use bytes::Bytes;
use evertide_store::{Batch, CurrentRun, RunIdentity, RunWrite, Store, VisibilityRow, Write};
use evertide_store_sqlite::{SqliteOptions, SqliteStore};
use std::path::Path;

/// Runs that start, or close, in one commit, as they do under load.
const RUNS_AT_ONCE: i64 = 50;
/// Size of what is kept of a start and of a close, bytes.
const RECORD_BYTES: usize = 300;
const RUNNING: i32 = 1;

/// CPU time of a workflow that starts and closes, microseconds, in a file of its own.
pub(crate) fn measure(folder: &Path, workflows: i64, with_rows: bool) -> anyhow::Result<f64> {
    let file = tempfile::Builder::new().suffix(".db").tempfile_in(folder)?.into_temp_path();
    let store = SqliteStore::open(&file, &SqliteOptions::default())?;
    let began = cpu_seconds()?;
    let mut first = 0;
    while first < workflows {
        let numbers = first..workflows.min(first + RUNS_AT_ONCE);
        let starts = numbers.clone().map(|n| Write::Run(start(n, with_rows)));
        store.commit(Batch::of_sole_writer(starts.collect()))?;
        let ends = numbers.map(|n| Write::Run(end(n, with_rows)));
        store.commit(Batch::of_sole_writer(ends.collect()))?;
        first += RUNS_AT_ONCE;
    }
    store.materialise()?;
    Ok((cpu_seconds()? - began) * 1e6 / workflows as f64)
}

fn start(n: i64, with_row: bool) -> RunWrite {
    let row = closed(n);
    let create = RunIdentity {
        namespace_id: row.namespace_id.clone(),
        kind: 0,
        id: row.workflow_id.clone(),
        run_id: row.run_id.clone(),
    };
    let open = VisibilityRow {
        status: RUNNING,
        close_time_ns: None,
        history_length: None,
        history_size_bytes: None,
        state_transition_count: None,
        execution_duration_ns: None,
        ..row
    };
    RunWrite { create: Some(create), current: CurrentRun::Set, ..step(n, 1, with_row.then_some(open)) }
}

fn end(n: i64, with_row: bool) -> RunWrite {
    step(n, 4, with_row.then(|| closed(n)))
}

fn step(n: i64, first_event_id: i64, visibility: Option<VisibilityRow>) -> RunWrite {
    RunWrite {
        run_key: n + 1,
        first_event_id,
        record: Bytes::from(vec![7; RECORD_BYTES]),
        visibility,
        ..RunWrite::default()
    }
}

fn closed(n: i64) -> VisibilityRow {
    row("namespace", n + 1, n, 1_700_000_000_000_000_000 + n * 1_000_000)
}

/// CPU time of this process so far, user and system.
pub(crate) fn cpu_seconds() -> anyhow::Result<f64> {
    /// Clock ticks a second, as Linux reports them to every process.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').context("unreadable stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
}
