//! What is on the disk at any moment is a store that holds what was committed until then.

use std::path::{Path, PathBuf};

use evertide_store::{HistoryLimit, MemoryStore, OpenState, SlotSet, Store};
use evertide_store_sqlite::{SqliteOptions, SqliteStore};

use super::{quiet, start, step};

/// Copies the files as a crash would leave them: without the lock, and without what lives in memory.
fn copy(path: &Path, to: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap().file_name();
        let suffix = file.to_str().unwrap().strip_prefix(name).unwrap();
        if suffix.is_empty() || suffix == "-wal" || suffix.starts_with(".log-") {
            std::fs::copy(path.with_file_name(&file), to.join(format!("copy.db{suffix}"))).unwrap();
        }
    }
    to.join("copy.db")
}

fn everything(store: &dyn Store, runs: i64) -> Vec<String> {
    let mut answers = vec![
        format!("{:?}", store.open_state().unwrap()),
        format!("{:?}", store.wakes(&SlotSet::all(), i64::MAX, None, usize::MAX).unwrap()),
    ];
    for run_key in 1..=runs {
        answers.push(format!("{:?}", store.run(run_key).unwrap()));
        answers.push(format!("{:?}", store.history(run_key, 1, HistoryLimit::ALL).unwrap()));
        answers.push(format!("{:?}", store.current_run("namespace", 0, &format!("workflow-{run_key}")).unwrap()));
    }
    answers
}

/// Commits runs one by one, and opens a copy of the files after each.
fn survives(options: &SqliteOptions) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, options).unwrap();
    let model = MemoryStore::new();
    for run_key in 1..=12 {
        let mut batches = vec![start(run_key, b"started")];
        batches.extend((run_key > 3).then(|| step(run_key - 3, run_key, b"stepped")));
        for batch in batches {
            store.commit(batch.clone()).unwrap();
            model.commit(batch).unwrap();
            let elsewhere = tempfile::tempdir().unwrap();
            let copied = SqliteStore::open(copy(&path, elsewhere.path()), &quiet()).unwrap();
            assert_eq!(everything(&copied, run_key), everything(&model, run_key));
        }
        if run_key % 5 == 0 {
            store.materialise().unwrap();
        }
    }
}

#[test]
fn before_the_tables_are_written() {
    survives(&quiet());
}

#[test]
fn after_the_tables_are_written() {
    let options = SqliteOptions { layer_bytes: 2000, full_layers: 0, wal_bytes: 1, ..quiet() };
    survives(&options);
}

#[test]
fn numbers_are_not_given_out_again_after_a_deletion() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, &quiet()).unwrap();
    store.commit(start(41, b"started")).unwrap();
    let delete = evertide_store::Write::DeleteRun { run_key: 41 };
    store.commit(evertide_store::Batch::of_sole_writer(vec![delete])).unwrap();
    store.materialise().unwrap();
    drop(store);
    let store = SqliteStore::open(&path, &quiet()).unwrap();
    let expected = OpenState { slots: SlotSet::all(), next_run_key: 42, next_task_id: 1 };
    assert_eq!(store.open_state().unwrap(), expected);
    assert_eq!(store.run(41).unwrap(), None);
}
