//! The same answers as the model, however what was committed is spread over log, memory and tables.

use std::time::Duration;

use evertide_store::suite::{self, Reopening};
use evertide_store_sqlite::{SqliteOptions, SqliteStore};

use super::quiet;

fn compare(seeds: std::ops::Range<u64>, options: &SqliteOptions) {
    for seed in seeds {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        suite::run(seed, 200, Reopening::NowAndThen, || SqliteStore::open(&path, options).unwrap());
    }
}

#[test]
fn with_what_is_pending_written_by_lists_only() {
    compare(0..5, &quiet());
}

#[test]
fn with_every_commit_written_to_the_tables() {
    let options = SqliteOptions { pending_bytes: 0, ..quiet() };
    compare(100..104, &options);
}

#[test]
fn with_tables_written_at_a_small_size() {
    let options = SqliteOptions { pending_bytes: 100_000, wal_bytes: 1, ..quiet() };
    compare(200..205, &options);
}

#[test]
fn with_a_thread_that_writes_the_tables_at_any_time() {
    let options = SqliteOptions { idle: Some(Duration::from_micros(50)), ..quiet() };
    compare(300..304, &options);
}

#[test]
fn with_lists_that_only_go_through_all_rows() {
    let options = SqliteOptions { few_rows: 0, ..quiet() };
    compare(400..404, &options);
}
