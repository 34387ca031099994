use std::sync::Arc;

use super::*;

fn task(id: i64) -> Task {
    Task { id, ..Task::durable(TaskRow { id: format!("w{id}"), ..TaskRow::default() }) }
}

/// Where the last read of the backlog has come.
fn read_to(id: i64) -> Option<BacklogCursor> {
    let mut cursor = BacklogCursor::default();
    (id > 0).then(|| cursor.advance(id));
    Some(cursor)
}

fn row(id: i64) -> (i64, Bytes) {
    (id, task(id).row.encode_to_vec().into())
}

/// A poll that listens as long as the other half is there.
#[derive(Debug)]
struct Listener(Arc<()>);

impl PollAnswer for Listener {
    fn is_live(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn end_empty(self) {}
}

fn waiting(id: u64) -> (Waiting<Listener>, Arc<()>) {
    let listens = Arc::new(());
    (Waiting { id, poll: Poll::default(), answer: Listener(listens.clone()) }, listens)
}

fn taken(queue: &mut Queue<Listener>) -> Option<i64> {
    let (waiting, _end) = waiting(0);
    queue.pollers.push_back(waiting);
    match queue.pair(0) {
        Some((_, Taken::Task(task))) => Some(task.id),
        _ => None,
    }
}

#[test]
fn what_does_not_fit_into_the_window_is_read_later() {
    let mut queue = Queue::default();
    let count = i64::try_from(WINDOW_TASKS).unwrap() + 5;
    for id in 1..=count {
        queue.add(task(id), 0);
    }
    for id in 1..=count - 5 {
        assert_eq!(taken(&mut queue), Some(id));
    }
    assert_eq!(queue.begin_refill(), read_to(count - 5));
    queue.end_refill((count - 4..=count).map(row).collect());
    for id in count - 4..=count {
        assert_eq!(taken(&mut queue), Some(id));
    }
    assert_eq!(queue.begin_refill(), None, "there is no more");
}

#[test]
fn a_task_that_comes_while_the_backlog_is_read_is_read_again() {
    let mut queue = Queue::default();
    queue.found_backlog(1);
    assert_eq!(queue.begin_refill(), read_to(0));
    queue.add(task(2), 0); // Its row was not there yet when the store was read.
    queue.end_refill(vec![row(1)]);
    assert_eq!(taken(&mut queue), Some(1));
    assert_eq!(queue.begin_refill(), read_to(1));
    queue.end_refill(vec![row(2)]);
    assert_eq!(taken(&mut queue), Some(2));
}

#[test]
fn a_new_task_does_not_overtake_the_backlog() {
    let mut queue = Queue::default();
    queue.found_backlog(1);
    let (poll, _end) = waiting(1);
    queue.pollers.push_back(poll);
    assert!(queue.take_idle_poller(0, 0).is_none());
    assert!(queue.is_starved());
}

#[test]
fn a_poll_whose_caller_has_gone_gets_nothing() {
    let mut queue = Queue::default();
    let (gone, end) = waiting(1);
    drop(end);
    let (here, _end) = waiting(2);
    queue.pollers.extend([gone, here]);
    queue.add(task(1), 0);
    let (found, _) = queue.pair(0).unwrap();
    assert_eq!(found.id, 2);
}

#[test]
fn a_backlog_outlives_its_workers_and_a_task_in_memory_its_timeout() {
    const HOUR_NS: i64 = 3600 * 1_000_000_000;
    let mut queue = Queue::<Listener>::default();
    queue.add(task(1), 0);
    queue.add(Task { id: 2, ..Task::until(HOUR_NS, TaskRow::default()) }, 0);
    queue.forget_old(HOUR_NS / 2, HOUR_NS - 1);
    assert_eq!(queue.task_count(), 2);
    queue.forget_old(10 * HOUR_NS, HOUR_NS);
    assert_eq!(queue.task_count(), 1);
    assert_eq!(taken(&mut queue), Some(1));
}

#[test]
fn pollers_are_known_up_to_a_number() {
    let mut queue = Queue::<Listener>::default();
    for n in 0..2 * KNOWN_POLLERS {
        let now_ns = i64::try_from(n).unwrap() + 1;
        queue.note_poll(&Poll { identity: format!("worker {n}"), ..Poll::default() }, now_ns);
    }
    let known = queue.describe(0, 0).pollers;
    assert_eq!(known.len(), KNOWN_POLLERS);
    assert!(known.iter().any(|info| info.identity == "worker 1999"));
}
