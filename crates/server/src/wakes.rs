//! Runs that are due: each is asked to do what is due at it, and the due times are read on from the store.

use std::sync::Arc;

use evertide_engine::address::Address;
use evertide_engine::request::Request;
use evertide_store::{RunKey, SlotSet, Store};

use crate::address::{ChainKey, stored as stored_address};
use crate::ask::{Answer, Ask, Job, Respond};
use crate::clock::Clock;
use crate::fault::Failure;
use crate::slots::Slot;
use crate::timers::{REFILL_ROWS, Timers};
use crate::work::Work;

/// Wakes runs.
pub(crate) struct Wakes {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timers: Arc<Timers>,
}

impl Wakes {
    /// The request that wakes a run; none if there is no such run, or if it cannot be read now.
    pub(crate) fn wake(&self, run_key: RunKey, run: Option<Arc<Address>>, waking: Slot) -> Option<Job> {
        let run = match run {
            Some(run) => run,
            None => match self.store.run(run_key) {
                Ok(stored) => Arc::new(stored_address(stored?.identity)?),
                Err(error) => {
                    tracing::warn!(%error, "a run that is due cannot be read");
                    self.timers.retry(self.clock.now_ns(), Work::Wake { run_key, run: None, waking });
                    return None;
                }
            },
        };
        Some(Job {
            key: Arc::new(ChainKey::of(&run)),
            ask: Ask::Run { run_id: run.run_id.clone(), request: Box::new(Request::Wake) },
            respond: Respond::Timers { run_key, run, waking },
        })
    }

    /// A run that was due has been woken, or could not be.
    pub(crate) fn woken(&self, run_key: RunKey, run: Arc<Address>, waking: Slot, result: &Result<Answer, Failure>) {
        if let Err(Failure::Fault(fault)) = result {
            tracing::warn!(%fault, "a run that is due waits for the store");
            self.timers.retry(self.clock.now_ns(), Work::Wake { run_key, run: Some(run), waking });
        }
    }

    /// Reads more of the due times.
    pub(crate) fn refill(&self) {
        let Some(refill) = self.timers.begin_refill() else {
            return;
        };
        match self.store.wakes(&SlotSet::all(), i64::MAX, refill.after(), REFILL_ROWS) {
            Ok(rows) => self.timers.end_refill(&rows, rows.len() < REFILL_ROWS),
            Err(error) => {
                tracing::warn!(%error, "the due times cannot be read");
                self.timers.fail_refill(refill);
                self.timers.retry(self.clock.now_ns(), Work::RefillTimers);
            }
        }
    }
}
