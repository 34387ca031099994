//! A file of an earlier program: it opens, is brought up to date, and keeps everything.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use evertide_store::codec::decode_batch;
use evertide_store::{BacklogCursor, Filter, HistoryLimit, ListQuery, RegistryRecord, Slot, SlotSet, Store, Write};
use evertide_store_sqlite::SqliteStore;
use rusqlite::Connection;

use super::quiet;

fn unpack(path: &Path) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v1");
    for suffix in ["", "-wal"] {
        let packed = std::fs::read(data.join(format!("evertide.db{suffix}.gz"))).unwrap();
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        let mut to = path.as_os_str().to_owned();
        to.push(suffix);
        std::fs::write(to, unpacked).unwrap();
    }
}

/// What the old file holds, read with the statements of its day: the names of runs, from tables and log, and by run key
/// how many records only the log holds.
struct Before {
    names: BTreeMap<i64, [String; 3]>,
    wakes: Vec<(i64, i64)>,
    current: BTreeMap<[String; 2], i64>,
    logged_records: BTreeMap<i64, usize>,
    chunks: i64,
}

fn before(path: &Path) -> Before {
    let file = Connection::open(path).unwrap();
    let rows = |sql: &str, visit: &mut dyn FnMut(&rusqlite::Row<'_>)| {
        let mut statement = file.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            visit(row);
        }
    };
    let (mut names, mut current, mut wakes) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let sql = "SELECT run_key, namespace_id, workflow_id, run_id, wake_ms FROM run JOIN namespace USING (namespace)";
    rows(sql, &mut |row| {
        let run_key = row.get(0).unwrap();
        names.insert(run_key, [1, 2, 3].map(|column| row.get(column).unwrap()));
        wakes.extend(row.get::<_, Option<i64>>(4).unwrap().map(|wake_ms| (wake_ms, run_key)));
    });
    let sql = "SELECT run_key, namespace_id, workflow_id FROM current_run JOIN namespace USING (namespace)";
    rows(sql, &mut |row| {
        current.insert([1, 2].map(|column| row.get(column).unwrap()), row.get(0).unwrap());
    });
    let mut logged_records = BTreeMap::<i64, usize>::new();
    rows("SELECT batch FROM log ORDER BY position", &mut |row| {
        let batch = decode_batch(row.get::<_, Vec<u8>>(0).unwrap().into()).unwrap();
        for write in batch.writes {
            let Write::Run(run) = write else { panic!("{write:?}") };
            *logged_records.entry(run.run_key).or_default() += usize::from(!run.record.is_empty());
            if let Some(names_of_run) = run.create {
                let name = [names_of_run.namespace_id.clone(), names_of_run.id.clone()];
                current.insert(name, run.run_key);
                names.insert(run.run_key, [names_of_run.namespace_id, names_of_run.id, names_of_run.run_id]);
            }
        }
    });
    let chunks = file.query_row("SELECT COUNT(*) FROM history", [], |row| row.get::<_, i64>(0)).unwrap();
    wakes.sort_unstable();
    Before { names, wakes, current, logged_records, chunks }
}

fn check(store: &SqliteStore, before: &Before) {
    let mut records = BTreeMap::new();
    for (run_key, [namespace_id, id, run_id]) in &before.names {
        assert_eq!(store.find_run(namespace_id, 0, id, run_id).unwrap(), Some(*run_key));
        assert_eq!(store.find_run(namespace_id, 1, id, run_id).unwrap(), None, "another kind");
        let run = store.run(*run_key).unwrap().unwrap();
        assert_eq!((&run.identity.id, run.identity.kind), (id, 0));
        let history = store.history(*run_key, 1, HistoryLimit::ALL).unwrap();
        assert!(history.iter().is_sorted_by_key(|record| record.first_event_id), "run {run_key}");
        assert_eq!(run.snapshot.is_some(), history.len() > 64, "a long run has a snapshot");
        records.insert(*run_key, history.len());
    }
    for ([namespace_id, id], run_key) in &before.current {
        assert_eq!(store.current_run(namespace_id, 0, id).unwrap(), Some(*run_key));
        assert_eq!(store.current_run(namespace_id, 2, id).unwrap(), None, "another kind");
    }
    for (run_key, logged) in &before.logged_records {
        assert!(records[run_key] >= *logged, "{records:?}");
    }
    let (fewest, most) = (records.values().min().unwrap(), records.values().max().unwrap());
    assert!(*fewest >= 1 && *most > 70 && before.chunks > 10, "{records:?}");
    assert_eq!(store.wakes(&SlotSet::all(), i64::MAX, None, usize::MAX).unwrap(), before.wakes);
    let namespaces: Vec<_> = store.registry("namespace").unwrap();
    assert_eq!(namespaces.len(), 2);
    let listed = namespaces.iter().map(|RegistryRecord { key: namespace_id, version, .. }| {
        assert_eq!(*version, 1);
        let query = ListQuery { namespace_id: namespace_id.clone(), filter: Filter::All, page_size: 100, after: None };
        let rows = store.list(&query).unwrap().rows;
        assert_eq!(store.count(namespace_id, &Filter::All).unwrap(), rows.len() as u64);
        rows.len()
    });
    assert_eq!(listed.sum::<usize>(), before.names.len());
    let backlog = store.backlog_queues(&SlotSet::all()).unwrap();
    // Six greetings and one that was terminated wait for a worker, an activity for its own, and two workflows for their
    // next task.
    assert_eq!(backlog.iter().map(|(_, count)| count).sum::<u64>(), 10, "{backlog:?}");
    for (queue, count) in &backlog {
        let read = |slots: &SlotSet| store.backlog(queue, slots, &BacklogCursor::default(), usize::MAX).unwrap();
        assert_eq!(read(&SlotSet::all()).len() as u64, *count);
        // Each is in the slot of its run.
        let of_runs: SlotSet =
            before.names.values().map(|[namespace_id, id, _]| Slot::of(namespace_id, 0, id)).collect();
        assert_eq!(read(&of_runs).len() as u64, *count);
        assert!(read(&SlotSet::all().without(&of_runs)).is_empty());
    }
}

#[test]
fn a_file_of_the_first_schema_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let (old, path) = (directory.path().join("old.db"), directory.path().join("store.db"));
    unpack(&old);
    let before = before(&old);
    assert!(before.names.len() > 15 && !before.wakes.is_empty() && !before.logged_records.is_empty());
    unpack(&path);
    let store = SqliteStore::open(&path, &quiet()).unwrap();
    check(&store, &before);
    store.materialise().unwrap();
    check(&store, &before);
    drop(store);
    check(&SqliteStore::open(&path, &quiet()).unwrap(), &before);
}
