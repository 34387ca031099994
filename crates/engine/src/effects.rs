//! What a decision did: changes for the store, effects for the world. `E` is the execution that a decision may make.

use crate::rejection::Rejection;
use crate::reply::{Decided, Reply};
use crate::task_queue::Dispatch;
use bytes::Bytes;
use evertide_proto::common::Payloads;
use evertide_proto::update::Outcome;

/// Field of a record that says how many decisions it holds, where it is more than one. All kinds of records have it.
const DECISIONS_TAG: u32 = 2;

/// What a decision did: to be made durable, then released.
#[derive(Debug)]
pub struct Written<E> {
    record: Vec<u8>,
    decisions: i64,
    /// For the world, after the commit.
    pub effects: Effects,
    /// The next execution of the chain, made in the same commit.
    pub successor: Option<Box<New<E>>>,
}

impl<E> Written<E> {
    /// What one decision did. `record` holds its changes, encoded; it is empty if nothing durable changed.
    pub(crate) fn new(record: Vec<u8>, effects: Effects) -> Self {
        let decisions = i64::from(!record.is_empty());
        Self { record, decisions, effects, successor: None }
    }

    /// Whether nothing durable changed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.record.is_empty()
    }

    /// Puts a decision that followed at once behind this one: both are one record.
    pub fn join(&mut self, more: Self) {
        self.record.extend(more.record); // Records are lists of changes, so joining them is joining their bytes.
        self.decisions += more.decisions;
        self.effects.join(more.effects);
        self.successor = more.successor.or(self.successor.take());
    }

    /// The changes of a single decision, for tests.
    #[cfg(test)]
    pub(crate) fn record_bytes(&self) -> &[u8] {
        &self.record
    }

    /// The record as the store keeps it; empty if nothing durable changed.
    #[must_use]
    pub fn take_record(&mut self) -> Bytes {
        let mut record = std::mem::take(&mut self.record);
        if self.decisions > 1 {
            prost::encoding::int64::encode(DECISIONS_TAG, &self.decisions, &mut record);
        }
        record.into()
    }

    /// The same of another type of executions.
    pub(crate) fn map<F>(self, f: fn(E) -> F) -> Written<F> {
        let Self { record, decisions, effects, successor } = self;
        Written { record, decisions, effects, successor: successor.map(|new| Box::new(new.map(f))) }
    }
}

/// What is to happen in the world once a decision is durable. Each effect can be derived again from the state, so
/// none is lost in a crash.
#[derive(Debug, Default)]
pub struct Effects {
    /// Tasks for pollers.
    pub dispatches: Vec<Dispatch>,
    /// Numbers of messages in the outbox that are to be delivered now.
    pub messages: Vec<i64>,
    /// Updates whose waiters have something to hear.
    pub updates: Vec<(String, UpdateSignal)>,
    /// Queries that have been answered.
    pub queries: Vec<(String, QueryAnswer)>,
    /// What lists show of the execution has changed.
    pub visibility: bool,
}

impl Effects {
    fn join(&mut self, more: Self) {
        self.dispatches.extend(more.dispatches);
        self.messages.extend(more.messages);
        self.updates.extend(more.updates);
        self.queries.extend(more.queries);
        self.visibility |= more.visibility;
    }
}

/// What the waiters of an update are told.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateSignal {
    /// A worker has accepted it.
    Accepted,
    /// It is finished, by success, failure or rejection.
    Completed(Outcome),
    /// It will not be finished.
    Aborted(Rejection),
}

/// How a query ended.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryAnswer {
    /// The worker's result.
    Answered(Option<Payloads>),
    /// The query cannot be answered, or the worker said so.
    Failed(Rejection),
    /// The workflow task went by without an answer and no other comes: ask a worker directly.
    AskDirectly,
}

/// An execution that a decision made.
#[derive(Debug)]
pub struct New<E> {
    /// The execution.
    pub exec: E,
    /// Its first changes and effects.
    pub written: Written<E>,
}

impl<E> New<E> {
    pub(crate) fn map<F>(self, f: fn(E) -> F) -> New<F> {
        New { exec: f(self.exec), written: self.written.map(f) }
    }
}

/// What a decision over an id did.
#[derive(Debug)]
pub struct Made<E> {
    /// To the current execution, if it was touched. Commit it before the new one.
    pub current: Option<Written<E>>,
    /// The execution it made, which is now the current one.
    pub new: Option<Box<New<E>>>,
    /// The answer. A refusal may come with something written: a request that meets a limit of the current run ends it.
    pub decided: Decided,
}

impl<E> Made<E> {
    /// An answer, and nothing else.
    pub(crate) fn answer(reply: Reply) -> Self {
        Self { current: None, new: None, decided: Ok(reply) }
    }

    /// A decision over the current execution.
    pub(crate) fn of_current((written, decided): (Written<E>, Decided)) -> Self {
        Self { current: Some(written), new: None, decided }
    }

    /// A new execution, in place of the current one if that was ended for it.
    pub(crate) fn of_new(current: Option<Written<E>>, new: New<E>, reply: Reply) -> Self {
        Self { current, new: Some(Box::new(new)), decided: Ok(reply) }
    }

    pub(crate) fn map<F>(self, f: fn(E) -> F) -> Made<F> {
        Made {
            current: self.current.map(|written| written.map(f)),
            new: self.new.map(|new| Box::new(new.map(f))),
            decided: self.decided,
        }
    }
}

impl<E> From<Rejection> for Made<E> {
    fn from(rejection: Rejection) -> Self {
        Self { current: None, new: None, decided: Err(rejection) }
    }
}
