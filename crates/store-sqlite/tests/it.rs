//! The store on a file, from outside.
#![allow(clippy::unwrap_used)] // In tests a panic is the report.

#[path = "it/crash.rs"]
mod crash;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/model.rs"]
mod model;
#[path = "it/opening.rs"]
mod opening;
#[path = "it/readers.rs"]
mod readers;
#[path = "it/released.rs"]
mod released;
#[path = "it/scans.rs"]
mod scans;

use evertide_store::{Batch, CurrentRun, RunIdentity, RunKey, RunWrite, VisibilityRow, Wake, Write};
use evertide_store_sqlite::SqliteOptions;

/// Options under which nothing happens behind the test's back.
fn quiet() -> SqliteOptions {
    SqliteOptions { idle: None, ..SqliteOptions::default() }
}

/// A run that starts with one record.
fn start(run_key: RunKey, record: &[u8]) -> Batch {
    let identity = RunIdentity {
        namespace_id: "namespace".to_owned(),
        kind: 0,
        id: format!("workflow-{run_key}"),
        run_id: format!("run-{run_key}"),
    };
    let row = VisibilityRow {
        namespace_id: identity.namespace_id.clone(),
        workflow_id: identity.id.clone(),
        run_id: identity.run_id.clone(),
        status: 1,
        start_time_ns: run_key,
        ..VisibilityRow::default()
    };
    batch(RunWrite {
        run_key,
        create: Some(identity),
        current: CurrentRun::Set,
        first_event_id: 1,
        record: record.to_vec().into(),
        visibility: Some(row),
        wake: Wake::At(1000 + run_key),
        ..RunWrite::default()
    })
}

/// A record more for a run.
fn step(run_key: RunKey, first_event_id: i64, record: &[u8]) -> Batch {
    batch(RunWrite { run_key, first_event_id, record: record.to_vec().into(), ..RunWrite::default() })
}

fn batch(write: RunWrite) -> Batch {
    Batch::of_sole_writer(vec![Write::Run(write)])
}
