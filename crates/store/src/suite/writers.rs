//! Several writers on one store: together they are as good as one.

use std::collections::BTreeSet;

use evertide_engine::slot::SlotSet;

use super::question::Question;
use super::random::Random;
use super::world::{World, queues};
use super::{Place, outcome};
use crate::batch::{Batch, QueueKey};
use crate::contract::Store;
use crate::error::StoreError;
use crate::memory::MemoryStore;
use crate::numbers::BacklogCursor;

/// A store as one of several writers has it.
pub trait Shared: Store + Sized {
    /// Another writer on what is stored; it owns nothing yet.
    fn join(&self) -> Self;

    /// Takes slots over from whoever has them.
    fn claim(&self, slots: &SlotSet);
}

impl Shared for MemoryStore {
    fn join(&self) -> Self {
        Self::join(self)
    }

    fn claim(&self, slots: &SlotSet) {
        Self::claim(self, slots);
    }
}

/// Runs one sequence of batches by two writers, which take slots from one another. What was taken is what a sole writer
/// has made of the same batches, and nothing of a writer that has lost a slot is.
///
/// # Panics
/// When it is not.
pub fn run_with_writers<S: Shared>(seed: u64, steps: u32, first: S) {
    let mut random = Random::new(seed);
    let model = MemoryStore::new();
    let second = first.join();
    let stores = [first, second];
    let mut world = World::of(stores.iter().map(|store| store.open_state().expect("it opens")).collect());
    let mut readers = [Reader::default(), Reader::default()];
    for step in 0..steps {
        let place = Place { seed, step };
        world.writer = usize::from(random.one_in(2));
        let (mine, other) = (world.writer, 1 - world.writer);
        match random.below(8) {
            0 => {
                let slots = World::some_slots(&mut random);
                stores[mine].claim(&slots);
                world.writers[mine].slots.add(&slots);
                world.writers[other].slots = world.writers[other].slots.without(&slots);
                readers[mine].gain(&stores[mine], &slots);
            }
            1 => {
                let before = world.clone();
                let batch = world.batch(&mut random);
                world = before;
                place.fenced(&stores[other], batch, &world.writers[other].slots);
            }
            _ => {
                let batch = world.batch(&mut random);
                let as_sole_writer = Batch { slots: SlotSet::all(), ..batch.clone() };
                assert_eq!(outcome(model.commit(as_sole_writer)), Ok(()), "{place}");
                assert_eq!(outcome(stores[mine].commit(batch)), Ok(()), "{place}");
            }
        }
        for store in &stores {
            let question = world.question(&mut random);
            // What a writer begins with is its own.
            if !matches!(question, Question::OpenState) {
                place.ask(&model, store, &question);
            }
        }
        readers[mine].read(&stores[mine], &world.writers[mine].slots, random.below(4));
    }
    for (store, (state, reader)) in stores.iter().zip(world.writers.iter().zip(&mut readers)) {
        assert_eq!(store.open_state().expect("it opens").slots, state.slots);
        reader.finish(store, &state.slots);
    }
}

impl Place {
    /// A batch by a writer that does not own all of its slots is refused, and the refusal names those.
    fn fenced(self, store: &dyn Store, batch: Batch, owned: &SlotSet) {
        let lost = batch.slots.without(owned);
        if lost.is_empty() {
            return;
        }
        match store.commit(batch) {
            Err(StoreError::Fenced { slots }) => assert_eq!(slots, lost, "{self}"),
            other => panic!("{self}: a batch of another writer ends in {other:?}"),
        }
    }
}

/// Reads backlogs on and on, as a writer does for its queues.
#[derive(Default)]
struct Reader {
    cursors: Vec<(QueueKey, BacklogCursor)>,
    seen: BTreeSet<i64>,
}

impl Reader {
    fn gain(&mut self, store: &dyn Store, slots: &SlotSet) {
        for queue in queues() {
            let tasks = store.backlog(&queue, slots, &BacklogCursor::default(), usize::MAX);
            self.seen.extend(tasks.expect("it can be read").into_iter().map(|(task_id, _)| task_id));
        }
    }

    fn read(&mut self, store: &dyn Store, slots: &SlotSet, limit: u64) {
        if self.cursors.is_empty() {
            self.cursors = queues().map(|queue| (queue, BacklogCursor::default())).collect();
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        for (queue, cursor) in &mut self.cursors {
            for (task_id, _) in store.backlog(queue, slots, cursor, limit).expect("it can be read") {
                cursor.advance(task_id);
                self.seen.insert(task_id);
            }
        }
    }

    /// Whoever reads to the end has missed nothing.
    fn finish(&mut self, store: &dyn Store, slots: &SlotSet) {
        self.read(store, slots, u64::MAX);
        for queue in queues() {
            let all = store.backlog(&queue, slots, &BacklogCursor::default(), usize::MAX);
            for (task_id, _) in all.expect("it can be read") {
                assert!(self.seen.contains(&task_id), "task {task_id} of {queue:?} was never read");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_writers_in_memory() {
        for seed in 0..40 {
            run_with_writers(seed, 200, MemoryStore::new());
        }
    }
}
