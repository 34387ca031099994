//! Lists that no index serves.

use evertide_store::{Filter, ListQuery, Store, StoreError, VisibilityRow};
use evertide_store_sqlite::{SqliteOptions, SqliteStore};

use super::{quiet, start};
use evertide_engine::visibility::{AttributeType, CompareOp, Field, SearchValue, SystemAttribute};

/// Every tenth of a hundred runs waits in another queue. Every third run is not in the tables yet.
fn filled(options: &SqliteOptions) -> (SqliteStore, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("store.db"), options).unwrap();
    let (pending, tabled): (Vec<_>, Vec<_>) = (1..=100).partition(|run_key| run_key % 3 == 0);
    for run_key in tabled.into_iter().chain(pending) {
        if run_key == 3 {
            store.materialise().unwrap();
        }
        let mut batch = start(run_key, b"started");
        if let [evertide_store::Write::Run(run)] = &mut batch.writes[..]
            && let Some(row) = &mut run.visibility
        {
            row.task_queue = if run_key % 10 == 0 { "rare" } else { "usual" }.to_owned();
        }
        store.commit(batch).unwrap();
    }
    (store, directory)
}

fn in_rare_queue() -> Filter {
    let field = Field::System(SystemAttribute::TaskQueue);
    Filter::Compare { field, op: CompareOp::Equal, value: SearchValue::Keyword("rare".to_owned()) }
}

/// All pages up to the end, and how many there were.
fn paged(store: &SqliteStore, filter: &Filter, page_size: usize) -> (Vec<VisibilityRow>, usize) {
    let namespace_id = "namespace".to_owned();
    let mut query = ListQuery { namespace_id, filter: filter.clone(), page_size, after: None };
    let (mut rows, mut pages) = (Vec::new(), 0);
    loop {
        let page = store.list(&query).unwrap();
        assert!(page.rows.len() <= page_size);
        rows.extend(page.rows);
        pages += 1;
        match page.next {
            Some(next) => query.after = Some(next),
            None => return (rows, pages),
        }
    }
}

#[test]
fn a_list_that_looks_at_many_rows_answers_in_between_and_misses_none() {
    let (all, _directory) = filled(&quiet());
    let (expected, pages) = paged(&all, &in_rare_queue(), 100);
    assert_eq!((expected.len(), pages), (10, 1));
    for scan_rows in [1, 7, 10, 99, 100] {
        let (store, _directory) = filled(&SqliteOptions { scan_rows, ..quiet() });
        for page_size in [1, 3, 100] {
            let (rows, pages) = paged(&store, &in_rare_queue(), page_size);
            assert_eq!(rows, expected, "{scan_rows} rows, pages of {page_size}");
            assert!(pages >= 67 / scan_rows, "{pages} pages with {scan_rows} rows each");
        }
    }
}

#[test]
fn a_value_that_every_row_has_is_found_without_an_index() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, &quiet()).unwrap();
    for run_key in 1..=20 {
        let mut batch = start(run_key, b"started");
        if let [evertide_store::Write::Run(run)] = &mut batch.writes[..]
            && let Some(row) = &mut run.visibility
        {
            let mut builds = vec!["unversioned".to_owned()];
            builds.extend((run_key % 5 == 0).then(|| "unversioned:blue".to_owned()));
            row.search_attributes = vec![("BuildIds".to_owned(), SearchValue::KeywordList(builds))];
        }
        store.commit(batch).unwrap();
    }
    let field = Field::Attribute { name: "BuildIds".to_owned(), value_type: AttributeType::KeywordList };
    let count = |builds: &[&str]| {
        let keywords = builds.iter().map(|build| (*build).to_owned()).collect();
        store.count("namespace", &Filter::Contains { field: field.clone(), keywords }).unwrap()
    };
    for _ in 0..2 {
        assert_eq!(count(&["unversioned"]), 20);
        assert_eq!(count(&["unversioned:blue"]), 4);
        assert_eq!(count(&["unversioned", "unversioned:blue"]), 20);
        assert_eq!(count(&["unversioned:green"]), 0);
        store.materialise().unwrap();
    }
    drop(store);
    let file = rusqlite::Connection::open(&path).unwrap();
    let rows: i64 = file.query_row("SELECT COUNT(*) FROM search_attribute", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 4, "one for each blue build");
}

#[test]
fn a_count_that_would_look_at_too_many_rows_is_refused() {
    let tabled = 67;
    let (store, _directory) = filled(&SqliteOptions { count_rows: tabled, ..quiet() });
    assert_eq!(store.count("namespace", &in_rare_queue()).unwrap(), 10);
    let (store, _directory) = filled(&SqliteOptions { count_rows: tabled - 1, ..quiet() });
    let refused = store.count("namespace", &in_rare_queue()).unwrap_err();
    assert!(matches!(refused, StoreError::TooManyRows { limit } if limit == tabled - 1), "{refused}");
    // What is kept needs no look.
    assert_eq!(store.count("namespace", &Filter::All).unwrap(), 100);
}
