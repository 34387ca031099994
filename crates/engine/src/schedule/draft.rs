//! A decision under way.

use super::Written;
use super::error::SpecError;
use super::spec::Spec;
use super::state::{Change, Definition, Identity, Progress, Record, State};
use crate::effects::Effects;
use crate::env::Env;
use crate::rejection::Rejection;
use prost::Message;

/// A decision under way: what it has changed so far, and the progress that it works on.
pub(super) struct Draft<'a, 'e> {
    state: &'a mut State,
    pub(super) env: &'a mut Env<'e>,
    /// The progress as it will be.
    pub(super) progress: Progress,
    pub(super) spec: Spec,
    /// Numbers of messages that are to be delivered.
    pub(super) messages: Vec<i64>,
    changes: Vec<Change>,
}

impl<'a, 'e> Draft<'a, 'e> {
    /// A decision over a schedule that exists.
    ///
    /// # Errors
    /// Its spec cannot be read, which was checked when it was taken in.
    pub(super) fn over(state: &'a mut State, env: &'a mut Env<'e>) -> Result<Self, Rejection> {
        let spec = Spec::compile(&state.definition.spec).map_err(invalid_spec)?;
        let progress = state.progress.clone();
        Ok(Self { state, env, progress, spec, messages: Vec::new(), changes: Vec::new() })
    }

    /// A decision that makes a schedule.
    pub(super) fn create(
        state: &'a mut State,
        env: &'a mut Env<'e>,
        identity: Identity,
        definition: Definition,
        spec: Spec,
    ) -> Self {
        let mut draft =
            Self { state, env, progress: Progress::default(), spec, messages: Vec::new(), changes: Vec::new() };
        draft.record(Change::Created(identity));
        draft.record(Change::Defined(definition));
        draft
    }

    pub(super) fn state(&self) -> &State {
        self.state
    }

    /// Applies a change and keeps it for the record.
    pub(super) fn record(&mut self, change: Change) {
        self.state.apply(&change);
        self.changes.push(change);
    }

    /// Gives the schedule something else to do.
    pub(super) fn define(&mut self, definition: Definition, spec: Spec) {
        self.spec = spec;
        self.record(Change::Defined(definition));
    }

    /// Ends the decision: what it did becomes one record.
    pub(super) fn into_written(mut self) -> Written {
        if self.progress != self.state.progress {
            let progress = std::mem::take(&mut self.progress);
            self.record(Change::Progress(progress));
        }
        if self.changes.is_empty() {
            return Written::new(Vec::new(), Effects { messages: self.messages, ..Effects::default() });
        }
        self.state.decisions += 1;
        let record = Record::new(self.changes).encode_to_vec();
        Written::new(record, Effects { messages: self.messages, visibility: true, ..Effects::default() })
    }
}

/// What a caller hears of a spec that cannot be.
pub(super) fn invalid_spec(error: SpecError) -> Rejection {
    Rejection::invalid(format!("Invalid schedule spec: {error}"))
}
