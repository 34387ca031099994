use super::*;

fn run() -> Arc<Address> {
    Arc::new(Address::default())
}

/// The runs that are due, in order.
fn fired(timers: &Timers, now_ns: i64) -> Vec<RunKey> {
    let mut keys = Vec::new();
    loop {
        let due = timers.take_due(now_ns);
        let woken = due.iter().filter_map(|work| match work {
            Work::Wake { run_key, .. } => Some(*run_key),
            _ => None,
        });
        let before = keys.len();
        keys.extend(woken);
        if keys.len() == before {
            return keys;
        }
    }
}

/// Reads everything from a store that has these rows, as the shell does.
fn refill(timers: &Timers, rows: &[(i64, RunKey)]) {
    if let Some(refill) = timers.begin_refill() {
        let wanted: Vec<_> = rows
            .iter()
            .filter(|row| refill.after().is_none_or(|after| **row > after))
            .take(REFILL_ROWS)
            .copied()
            .collect();
        timers.end_refill(&wanted, wanted.len() < REFILL_ROWS);
    }
}

const MS: i64 = 1_000_000;

#[test]
fn runs_fire_in_order_and_once() {
    let timers = Timers::new(0);
    timers.set(1, &run(), 30);
    timers.set(2, &run(), 10);
    timers.set(3, &run(), 20);
    timers.set(2, &run(), 40);
    timers.set(3, &run(), 0);
    assert_eq!(fired(&timers, 30), [1]);
    assert_eq!(fired(&timers, 100), [2]);
    assert_eq!(fired(&timers, 1000), [0_i64; 0]);
}

#[test]
fn what_the_store_has_fires_as_well() {
    let timers = Timers::new(0);
    let rows: Vec<_> = (0..25_000).map(|n| (n + 1, n)).collect();
    let mut keys = Vec::new();
    for now_ms in [5_000, 15_000, 25_000] {
        for _ in 0..10 {
            keys.extend(fired(&timers, now_ms * MS));
            refill(&timers, &rows);
        }
        keys.extend(fired(&timers, now_ms * MS));
        keys.sort_unstable();
        keys.dedup(); // A row at the edge of what was read may fire twice: firing is only a look.
        assert_eq!(keys, (0..now_ms).collect::<Vec<_>>());
    }
}

#[test]
fn too_many_due_times_are_left_to_the_store_and_found_there() {
    let timers = Timers::new(0);
    refill(&timers, &[]);
    let count = i64::try_from(WINDOW).unwrap() + 10;
    for key in 0..count {
        timers.set(key, &run(), (key + 1) * MS);
    }
    let rows: Vec<_> = (0..count).map(|key| (key + 1, key)).collect();
    assert!(timers.shared.window.lock().due.len() < WINDOW, "the later half was let go");
    let mut keys = Vec::new();
    for _ in 0..100 {
        keys.extend(fired(&timers, count * MS));
        refill(&timers, &rows);
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys, (0..count).collect::<Vec<_>>());
}

#[test]
fn nothing_committed_while_the_store_is_read_is_missed() {
    let timers = Timers::new(0);
    timers.begin_refill().unwrap();
    timers.set(7, &run(), 50 * MS); // Committed after the read, so the rows do not have it.
    timers.set(8, &run(), 60 * MS); // The rows have an older time of this one.
    timers.end_refill(&[(20, 8)], true);
    assert_eq!(fired(&timers, 40 * MS), [0_i64; 0]);
    assert_eq!(fired(&timers, 100 * MS), [7, 8]);
}

#[test]
fn a_read_that_fails_is_made_again() {
    let timers = Timers::new(0);
    let failed = timers.begin_refill().unwrap();
    timers.fail_refill(failed);
    refill(&timers, &[(3, 3)]);
    assert_eq!(fired(&timers, 10 * MS), [3]);
}

#[test]
fn more_runs_than_are_read_at_once_may_be_due_in_one_millisecond() {
    let timers = Timers::new(0);
    let mut rows: BTreeSet<(i64, RunKey)> = (0..2 * REFILL_ROWS as i64 + 10).map(|key| (7, key)).collect();
    for _ in 0..10 {
        for key in fired(&timers, 8 * MS) {
            rows.remove(&(7, key)); // What was due at it is done, and the store knows of it.
        }
        refill(&timers, &Vec::from_iter(rows.iter().copied()));
    }
    assert_eq!(rows.len(), 0);
}

#[test]
fn no_more_runs_are_woken_at_once_than_there_are_slots() {
    let timers = Timers::new(0);
    refill(&timers, &[]);
    for key in 0..WAKES_AT_ONCE as i64 + 5 {
        timers.set(key, &run(), MS);
    }
    let mut wakes = timers.take_due(MS);
    assert_eq!(wakes.len(), WAKES_AT_ONCE);
    assert_eq!(timers.take_due(MS).len(), 0, "the rest waits");
    assert!(timers.wait(|due_ns| {
        assert!(due_ns > MS, "there is nothing to do until some of them are done");
        Duration::ZERO
    }));
    wakes.truncate(WAKES_AT_ONCE - 2);
    assert_eq!(timers.take_due(MS).len(), 2);
}
