//! Executions that are not in memory are read from the store.

use std::collections::btree_map::Entry::Vacant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use evertide_engine::workflow::{Execution, Record, State};
use evertide_store::{RunKey, StoreError, StoredRun};
use prost::Message;

use crate::fault::Fault;
use crate::shard::deciding::not_found;
use crate::shard::entry::EventCache;
use crate::shard::{ChainKey, Current, Entry, Job, RunRef};
use crate::shell::Shell;
use crate::work::Work;

/// The number of workflows among the kinds of executions that the store tells apart.
const WORKFLOW: u8 = 0;

/// What is to be read of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Want {
    /// Which run is current, and that run.
    Current,
    /// The run of that id.
    Run(String),
}

impl Shell {
    /// Reads part of a chain and lets the parked requests go on.
    pub(crate) fn load(&self, key: &Arc<ChainKey>, want: &Want, mark: u64) {
        let read = catch_unwind(AssertUnwindSafe(|| self.read_run(key, want)));
        let read = read.unwrap_or_else(|_| {
            tracing::error!(workflow_id = key.workflow_id, "what is stored of an execution cannot be applied");
            Err(Fault::Internal("the stored execution cannot be read".to_owned()))
        });
        let mut shard = self.shard(key).lock();
        let Some(chain) = shard.find(key) else { return };
        // A mark of its own tells this read from a later one: after a failed commit everything is read anew.
        if chain.loading.as_ref().is_none_or(|l| l.mark != mark) {
            return;
        }
        let parked = chain.loading.take().map(|l| l.parked).unwrap_or_default();
        let mut missing = None;
        let mut fault = None;
        match read {
            Ok(Some(entry)) => {
                let run_id = entry.run.run_id.clone();
                if *want == Want::Current {
                    chain.current = Current::Run(run_id.clone());
                }
                if let Vacant(place) = chain.runs.entry(run_id) {
                    self.resume(&entry);
                    place.insert(entry);
                }
            }
            Ok(None) => match want {
                Want::Current => chain.current = Current::Nobody,
                Want::Run(run_id) => missing = Some(run_id.clone()),
            },
            Err(error) => fault = Some(error),
        }
        shard.settle(key, self.commits.durable());
        drop(shard);
        for job in parked {
            self.go_on(job, missing.as_deref(), fault.as_ref());
        }
    }

    /// A chain whose decisions were all made durable may be read again.
    pub(crate) fn unblock(&self, key: &ChainKey, mark: u64) {
        let mut shard = self.shard(key).lock();
        let marked = |shard: &mut crate::shard::Shard| {
            shard.find(key).and_then(|chain| chain.loading.as_ref()).is_some_and(|l| l.mark == mark)
        };
        if !marked(&mut shard) {
            return;
        }
        let chain = shard.remove(key);
        drop(shard);
        let parked = chain.and_then(|chain| chain.loading).map(|l| l.parked).unwrap_or_default();
        for job in parked {
            self.submit(job);
        }
    }

    fn go_on(&self, job: Job, missing: Option<&str>, fault: Option<&Fault>) {
        if let Some(fault) = fault {
            return self.respond(job.respond, Err(fault.clone().into()));
        }
        let is_missing = missing.is_some_and(|run_id| run_id == job.ask.run_id());
        if is_missing {
            let refusal = not_found(&job.key, job.ask.run_id());
            return self.respond(job.respond, Err(refusal.into()));
        }
        self.submit(job);
    }

    fn read_run(&self, key: &ChainKey, want: &Want) -> Result<Option<Entry>, Fault> {
        let run_key = match want {
            Want::Current => self.store.current_run(&key.namespace_id, WORKFLOW, &key.workflow_id),
            Want::Run(run_id) => self.store.find_run(&key.namespace_id, WORKFLOW, &key.workflow_id, run_id),
        };
        let Some(run_key) = run_key.map_err(store_fault)? else {
            return Ok(None);
        };
        let Some(stored) = self.store.run(run_key).map_err(store_fault)? else {
            return Ok(None);
        };
        entry_of(run_key, stored).map(Some)
    }

    /// A run comes back into memory: what it had set off when it left is set off again.
    fn resume(&self, entry: &Entry) {
        self.note_holder(entry);
        for id in entry.exec.state.outbox.keys() {
            if let Some(delivery) = entry.exec.delivery(*id) {
                let delivery = Box::new(delivery);
                self.work.push(Work::Deliver { source: entry.run.clone(), id: *id, delivery });
            }
        }
    }
}

/// What a failure of the store means for whoever waits.
pub(crate) fn store_fault(error: StoreError) -> Fault {
    match error {
        StoreError::Unavailable { .. } => Fault::Unavailable(error.to_string()),
        _ => {
            tracing::error!(%error, "the store failed");
            Fault::Internal(error.to_string())
        }
    }
}

/// A run as it was stored becomes a run in memory.
fn entry_of(run_key: RunKey, stored: StoredRun) -> Result<Entry, Fault> {
    let unreadable = |what: &str| Fault::Internal(format!("{what} of run {run_key} cannot be decoded"));
    let mut state = match &stored.snapshot {
        Some(snapshot) => State::decode(snapshot.clone()).map_err(|_| unreadable("the snapshot"))?,
        None => State::default(),
    };
    let mut events = EventCache::starting_at(state.next_event_id.max(1));
    let mut records_bytes = 0;
    let records = stored.records.len();
    for bytes in stored.records {
        let size_bytes = bytes.len();
        let record = decode_record(bytes).ok_or_else(|| unreadable("a record"))?;
        state.apply_record(&record);
        events.push(record.into_events().collect(), size_bytes);
        records_bytes += size_bytes;
    }
    let run = Arc::new(RunRef {
        namespace_id: stored.identity.namespace_id,
        workflow_id: stored.identity.id,
        run_id: stored.identity.run_id,
    });
    let exec = Execution { state, ..Execution::default() };
    let mut entry = Entry::with_events(run, run_key, exec, events);
    entry.records = records;
    entry.records_bytes = records_bytes;
    entry.state_bytes = entry.exec.state.encoded_len();
    entry.timer_ns = entry.exec.deadline_ns();
    Ok(entry)
}

/// A record from its bytes.
pub(crate) fn decode_record(bytes: Bytes) -> Option<Record> {
    Record::decode(bytes).ok()
}
