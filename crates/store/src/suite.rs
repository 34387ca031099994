//! The conformance suite: any store against the model.
//!
//! A seed stands for one sequence of batches and questions. The sequence goes through the store under test and through a
//! [`MemoryStore`], and every answer must be the same. A difference panics with the seed and the step, so that the same
//! sequence can be run again. [`run_with_writers`] does the same with a store that several writers share.

use crate::batch::Batch;
use crate::contract::Store;
use crate::error::StoreError;
use crate::memory::MemoryStore;

mod filters;
mod question;
mod random;
mod world;
mod writers;

use question::Question;
use random::Random;
use world::World;

pub use writers::{Shared, run_with_writers};

/// What the suite does with the store under test beside committing and asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopening {
    /// It lives as long as the sequence.
    Never,
    /// It is dropped now and then, and what is opened next must give the same answers.
    NowAndThen,
}

/// Runs one sequence. `open` gives the store under test, empty at first, and the same one again after it was dropped.
///
/// # Panics
/// When the store answers differently from the model.
pub fn run<S: Store>(seed: u64, steps: u32, reopening: Reopening, mut open: impl FnMut() -> S) {
    let mut random = Random::new(seed);
    let model = MemoryStore::new();
    let mut world = World::of(vec![model.open_state().expect("the model never fails")]);
    let mut store = open();
    for step in 0..steps {
        let place = Place { seed, step };
        let batch = world.batch(&mut random);
        place.commit(&model, &store, &batch);
        if random.one_in(8) {
            place.commit(&model, &store, &world.refused_batch(&mut random));
        }
        if reopening == Reopening::NowAndThen && random.one_in(16) {
            drop(store);
            store = open();
        }
        for _ in 0..random.below(4) {
            place.ask(&model, &store, &world.question(&mut random));
        }
        if step % 64 == 63 || step + 1 == steps {
            for question in world.every_question() {
                place.ask(&model, &store, &question);
            }
        }
    }
}

/// Where in which sequence, for the message of a failure.
#[derive(Clone, Copy)]
struct Place {
    seed: u64,
    step: u32,
}

impl Place {
    fn commit(self, model: &MemoryStore, store: &dyn Store, batch: &Batch) {
        let expected = outcome(model.commit(batch.clone()));
        let found = outcome(store.commit(batch.clone()));
        assert_eq!(found, expected, "{self}: commit of {batch:#?}");
    }

    fn ask(self, model: &MemoryStore, store: &dyn Store, question: &Question) {
        let difference = question.difference(model, store);
        assert!(difference.is_none(), "{self}: {question:?}\n{}", difference.unwrap_or_default());
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {}, step {}", self.seed, self.step)
    }
}

/// The outcome of a commit as far as it must be the same everywhere.
fn outcome(result: Result<(), StoreError>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode_batch, encode_batch};

    #[test]
    fn encoded_batches_mean_the_same() {
        let mut random = Random::new(1);
        let mut world = World::of(vec![MemoryStore::new().open_state().unwrap()]);
        for _ in 0..300 {
            let batch = world.batch(&mut random);
            let mut encoded = Vec::new();
            encode_batch(&batch, &mut encoded);
            assert_eq!(decode_batch(encoded.into()).unwrap().writes, batch.writes);
        }
    }
}
