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
fn with_everything_pending() {
    compare(0..5, &quiet());
}

#[test]
fn with_every_commit_written_to_the_tables() {
    let options = SqliteOptions { layer_bytes: 0, full_layers: 0, ..quiet() };
    compare(100..104, &options);
}

#[test]
fn with_tables_written_at_a_small_size() {
    let options = SqliteOptions { layer_bytes: 100_000, full_layers: 0, wal_bytes: 1, ..quiet() };
    compare(200..205, &options);
}

#[test]
fn with_many_layers_over_the_tables() {
    let options = SqliteOptions { layer_bytes: 0, full_layers: 20, ..quiet() };
    compare(500..505, &options);
    let options = SqliteOptions { layer_bytes: 30_000, full_layers: 3, ..quiet() };
    compare(505..510, &options);
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
