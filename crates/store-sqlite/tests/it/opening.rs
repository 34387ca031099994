//! Files that are not, or not only, ours.

use evertide_store::{Store, StoreError};
use evertide_store_sqlite::SqliteStore;
use rusqlite::Connection;

use super::{quiet, start};

fn open(path: &std::path::Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, &quiet())
}

#[test]
fn a_file_has_one_user_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).unwrap();
    let second = open(&path).unwrap_err();
    assert!(matches!(second, StoreError::Locked { .. }), "{second}");
    assert!(second.to_string().contains("in use by another process"), "{second}");
    drop(store);
    open(&path).unwrap();
}

#[test]
fn another_programs_file_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    let text = "not a database, but long enough to have a header of its own ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, StoreError::NotOurs { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    let path = directory.path().join("theirs.db");
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (id INTEGER)").unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, StoreError::NotOurs { .. }), "{refused}");
    let mode: String = theirs.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete");
}

#[test]
fn a_new_file_begins_anew_beside_what_the_old_one_has_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).unwrap();
    store.commit(start(1, b"started")).unwrap();
    drop(store);
    let logged = std::fs::read(directory.path().join("store.db.log-0")).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(directory.path().join(format!("store.db{suffix}")));
    }
    let store = open(&path).unwrap();
    assert_eq!(store.run(1).unwrap(), None);
    store.commit(start(1, b"started anew")).unwrap();
    drop(store);
    assert_eq!(&*open(&path).unwrap().run(1).unwrap().unwrap().records[0], b"started anew");
    // Its own log was exchanged for that of another: nothing is taken from it.
    std::fs::write(directory.path().join("store.db.log-0"), logged).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, StoreError::NotOurs { .. }), "{refused}");
}

#[test]
fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    drop(open(&path).unwrap());
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 1000).unwrap();
    drop(newer);
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, StoreError::NewerSchema { found: 1000, .. }), "{refused}");
}
