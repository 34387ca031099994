//! Readers beside commits.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use evertide_store::{HistoryLimit, ListQuery, SlotSet, Store};
use evertide_store_sqlite::{SqliteOptions, SqliteStore};

use super::{quiet, start, step};

const STEPS: i64 = 150;

/// Everything acknowledged before a read is in its answer, without a gap, while the tables are being written.
fn read_while_committing(options: &SqliteOptions) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("store.db"), options).unwrap();
    store.commit(start(1, b"1")).unwrap();
    let acknowledged = AtomicI64::new(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for event_id in 2..=STEPS {
                store.commit(step(1, event_id, event_id.to_string().as_bytes())).unwrap();
                store.commit(start(event_id, b"started")).unwrap();
                acknowledged.store(event_id, Ordering::SeqCst);
            }
        });
        scope.spawn(|| check_while(&store, &acknowledged, check_records));
        scope.spawn(|| check_while(&store, &acknowledged, check_list));
    });
}

fn check_while(store: &SqliteStore, acknowledged: &AtomicI64, check: impl Fn(&SqliteStore, usize)) {
    loop {
        let at_least = acknowledged.load(Ordering::SeqCst);
        check(store, usize::try_from(at_least).unwrap());
        if at_least == STEPS {
            return;
        }
    }
}

fn check_records(store: &SqliteStore, at_least: usize) {
    let records = store.run(1).unwrap().unwrap().records;
    assert!(records.len() >= at_least, "{} records of {at_least}", records.len());
    for (number, record) in (1..).zip(&records) {
        assert_eq!(**record, *number.to_string().as_bytes());
    }
    let history = store.history(1, 1, HistoryLimit::ALL).unwrap();
    assert!(history.len() >= records.len(), "{} records of {}", history.len(), records.len());
    let wakes = store.wakes(&SlotSet::all(), i64::MAX, None, usize::MAX).unwrap();
    assert!(wakes.len() >= at_least, "{} wakes of {at_least}", wakes.len());
    assert!(wakes.is_sorted());
}

fn check_list(store: &SqliteStore, at_least: usize) {
    let query = ListQuery {
        namespace_id: "namespace".to_owned(),
        filter: evertide_store::Filter::All,
        page_size: usize::MAX,
        after: None,
    };
    let rows = store.list(&query).unwrap().rows;
    assert!(rows.len() >= at_least, "{} rows of {at_least}", rows.len());
    assert!(store.count("namespace", &query.filter).unwrap() >= rows.len() as u64);
}

#[test]
fn with_tables_written_by_a_thread() {
    let options = SqliteOptions { idle: Some(Duration::ZERO), layer_bytes: 3000, wal_bytes: 100_000, ..quiet() };
    read_while_committing(&options);
}

#[test]
fn with_tables_written_by_commits() {
    read_while_committing(&SqliteOptions { layer_bytes: 3000, full_layers: 0, wal_bytes: 1, ..quiet() });
}
