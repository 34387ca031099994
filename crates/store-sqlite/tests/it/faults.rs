//! A disk that is full for a while.

use evertide_store::{Filter, HistoryLimit, ListQuery, Store, StoreError};
use evertide_store_sqlite::{SqliteOptions, SqliteStore, StoreSizes};

use super::{quiet, start, step};

#[test]
fn a_full_disk_refuses_commits_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, &quiet()).unwrap();
    store.commit(start(1, b"started")).unwrap();
    store.set_size_limit_bytes(Some(600 * 1024)).unwrap();

    let record = vec![7; 40_000];
    let mut committed = 0;
    let refused = loop {
        match store.commit(step(1, 2 + committed, &record)) {
            Ok(()) => committed += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
    assert!(committed > 0);
    let history = |store: &SqliteStore| store.history(1, 1, HistoryLimit::ALL).unwrap().len();
    assert_eq!(history(&store), 1 + usize::try_from(committed).unwrap());
    assert!(matches!(store.materialise(), Err(StoreError::Unavailable { .. })));
    assert_eq!(history(&store), 1 + usize::try_from(committed).unwrap());

    store.set_size_limit_bytes(None).unwrap();
    store.commit(step(1, 2 + committed, b"after")).unwrap();
    store.materialise().unwrap();
    drop(store);
    let store = SqliteStore::open(&path, &quiet()).unwrap();
    let records = store.history(1, 1, HistoryLimit::ALL).unwrap();
    assert_eq!(records.len(), 2 + usize::try_from(committed).unwrap());
    assert_eq!(&*records.last().unwrap().record, b"after");
}

#[test]
fn a_commit_is_acknowledged_though_the_tables_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let options = SqliteOptions { layer_bytes: 300_000, full_layers: 0, ..quiet() };
    let store = SqliteStore::open(&path, &options).unwrap();
    store.set_size_limit_bytes(Some(1000 * 1024)).unwrap();
    // The log has room for what the tables, with their indexes, have not.
    let records = 21;
    store.commit(start(1, &[7; 40_000])).unwrap();
    for event_id in 2..records {
        store.commit(step(1, event_id, &[7; 40_000])).unwrap();
    }
    assert!(matches!(store.materialise(), Err(StoreError::Unavailable { .. })));
    let StoreSizes { log_bytes, full_layers, table_failures } = store.sizes();
    assert!(log_bytes > 100_000 && full_layers >= 1 && table_failures >= 1, "{:?}", store.sizes());
    let query = ListQuery { namespace_id: "namespace".to_owned(), filter: Filter::All, page_size: 10, after: None };
    assert_eq!(store.list(&query).unwrap().rows.len(), 1);
    store.set_size_limit_bytes(None).unwrap();
    store.materialise().unwrap();
    assert_eq!(store.sizes(), StoreSizes { log_bytes: 0, full_layers: 0, table_failures });
    assert_eq!(store.list(&query).unwrap().rows.len(), 1);
    assert_eq!(store.history(1, 1, HistoryLimit::ALL).unwrap().len(), 20);
}
