//! Batches as bytes, for stores that append them to a log.
//!
//! The first byte is the version of the encoding; behind it stands a Protocol Buffers message, so that fields may be
//! added without a new version. A field's number is never used again for something else.

use bytes::{Buf, Bytes};
use prost::Message;

use crate::batch::{BacklogChange, Batch, CurrentRun, QueueKey, RegistryWrite, RunIdentity, RunWrite, Wake, Write};
use crate::visibility::VisibilityRow;

mod attributes;
mod message;

pub use attributes::{decode_search_attributes, encode_search_attributes};

/// The version that is written. All up to it are read.
const VERSION: u8 = 1;

/// Why bytes are not a batch.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// There is nothing at all.
    #[error("the encoded batch is empty")]
    Empty,
    /// A newer program has written it.
    #[error("the batch is encoded in version {found}, and this program reads versions up to {VERSION}")]
    Version {
        /// The version found.
        found: u8,
    },
    /// The bytes are not a message of this version.
    #[error("the encoded batch is damaged: {0}")]
    Message(#[from] prost::DecodeError),
    /// A message lacks what gives it meaning.
    #[error("the encoded batch is damaged: {0} is missing")]
    Missing(&'static str),
}

/// Appends the encoded writes of a batch to a buffer, which may be used again and again. The slots that it relies on are
/// of the moment, and not kept.
pub fn encode_batch(batch: &Batch, buffer: &mut Vec<u8>) {
    let message = message::Batch { writes: batch.writes.iter().map(encode_write).collect() };
    buffer.reserve(1 + message.encoded_len());
    buffer.push(VERSION);
    message.encode_raw(buffer);
}

/// Reads a batch, to be applied again by the writer that has everything now. The bytes in it share the given buffer.
///
/// # Errors
/// When the bytes were not written by [`encode_batch`] of this version or an older one.
pub fn decode_batch(mut encoded: Bytes) -> Result<Batch, CodecError> {
    if !encoded.has_remaining() {
        return Err(CodecError::Empty);
    }
    let found = encoded.get_u8();
    if found == 0 || found > VERSION {
        return Err(CodecError::Version { found });
    }
    let message = message::Batch::decode(encoded)?;
    let writes = message.writes.into_iter().map(decode_write);
    Ok(Batch::of_sole_writer(writes.collect::<Result<_, _>>()?))
}

fn encode_write(write: &Write) -> message::Write {
    let kind = match write {
        Write::Run(run) => message::write::Kind::Run(Box::new(encode_run(run))),
        Write::DeleteRun { run_key } => message::write::Kind::DeleteRun(*run_key),
        Write::Registry(RegistryWrite { kind, key, value, expected }) => {
            message::write::Kind::Registry(message::Registry {
                kind: kind.clone(),
                key: key.clone(),
                value: value.clone(),
                expected: *expected,
            })
        }
    };
    message::Write { kind: Some(kind) }
}

fn decode_write(write: message::Write) -> Result<Write, CodecError> {
    Ok(match write.kind.ok_or(CodecError::Missing("the kind of a write"))? {
        message::write::Kind::Run(run) => Write::Run(decode_run(*run)?),
        message::write::Kind::DeleteRun(run_key) => Write::DeleteRun { run_key },
        message::write::Kind::Registry(registry) => {
            let message::Registry { kind, key, value, expected } = registry;
            Write::Registry(RegistryWrite { kind, key, value, expected })
        }
    })
}

fn encode_run(run: &RunWrite) -> message::RunWrite {
    let current = match run.current {
        CurrentRun::Keep => message::CurrentRun::Keep,
        CurrentRun::Set => message::CurrentRun::Set,
        CurrentRun::Clear => message::CurrentRun::Clear,
    };
    message::RunWrite {
        run_key: run.run_key,
        create: run.create.as_ref().map(|identity| message::RunIdentity {
            namespace_id: identity.namespace_id.clone(),
            id: identity.id.clone(),
            run_id: identity.run_id.clone(),
            kind: identity.kind.into(),
        }),
        current: current.into(),
        first_event_id: run.first_event_id,
        record: run.record.clone(),
        snapshot: run.snapshot.clone(),
        visibility: run.visibility.as_ref().map(encode_row).map(Box::new),
        wake: match run.wake {
            Wake::Keep => None,
            Wake::Never => Some(message::Wake { due_ms: None }),
            Wake::At(due_ms) => Some(message::Wake { due_ms: Some(due_ms) }),
        },
        backlog: run.backlog.iter().map(encode_backlog).collect(),
    }
}

fn decode_run(run: message::RunWrite) -> Result<RunWrite, CodecError> {
    let current = match run.current() {
        message::CurrentRun::Keep => CurrentRun::Keep,
        message::CurrentRun::Set => CurrentRun::Set,
        message::CurrentRun::Clear => CurrentRun::Clear,
    };
    let backlog = run.backlog.into_iter().map(decode_backlog);
    Ok(RunWrite {
        run_key: run.run_key,
        create: run.create.map(decode_identity).transpose()?,
        current,
        first_event_id: run.first_event_id,
        record: run.record,
        snapshot: run.snapshot,
        visibility: run.visibility.map(|row| decode_row(*row)).transpose()?,
        wake: run.wake.map_or(Wake::Keep, |wake| wake.due_ms.map_or(Wake::Never, Wake::At)),
        backlog: backlog.collect::<Result<_, _>>()?,
    })
}

fn decode_identity(identity: message::RunIdentity) -> Result<RunIdentity, CodecError> {
    Ok(RunIdentity {
        namespace_id: identity.namespace_id,
        kind: u8::try_from(identity.kind).map_err(|_| CodecError::Missing("a kind of execution below 256"))?,
        id: identity.id,
        run_id: identity.run_id,
    })
}

fn encode_backlog(change: &BacklogChange) -> message::BacklogChange {
    let (queue, task_id, task) = match change {
        BacklogChange::Put { queue, task_id, task } => (queue, task_id, Some(task.clone())),
        BacklogChange::Delete { queue, task_id } => (queue, task_id, None),
    };
    message::BacklogChange {
        namespace_id: queue.namespace_id.clone(),
        queue_name: queue.name.clone(),
        queue_kind: u32::from(queue.kind),
        task_id: *task_id,
        task,
    }
}

fn decode_backlog(change: message::BacklogChange) -> Result<BacklogChange, CodecError> {
    let queue = QueueKey {
        namespace_id: change.namespace_id,
        name: change.queue_name,
        kind: u8::try_from(change.queue_kind).map_err(|_| CodecError::Missing("a queue kind below 256"))?,
    };
    let task_id = change.task_id;
    Ok(match change.task {
        Some(task) => BacklogChange::Put { queue, task_id, task },
        None => BacklogChange::Delete { queue, task_id },
    })
}

fn encode_row(row: &VisibilityRow) -> message::VisibilityRow {
    message::VisibilityRow {
        run_key: row.run_key,
        namespace_id: row.namespace_id.clone(),
        workflow_id: row.workflow_id.clone(),
        run_id: row.run_id.clone(),
        workflow_type: row.workflow_type.clone(),
        task_queue: row.task_queue.clone(),
        status: row.status,
        start_time_ns: row.start_time_ns,
        execution_time_ns: row.execution_time_ns,
        close_time_ns: row.close_time_ns,
        history_length: row.history_length,
        history_size_bytes: row.history_size_bytes,
        state_transition_count: row.state_transition_count,
        execution_duration_ns: row.execution_duration_ns,
        parent_workflow_id: row.parent_workflow_id.clone(),
        parent_run_id: row.parent_run_id.clone(),
        root_workflow_id: row.root_workflow_id.clone(),
        root_run_id: row.root_run_id.clone(),
        memo: row.memo.clone(),
        search_attributes: attributes::encode(&row.search_attributes),
        division: row.division.clone(),
        payload: row.payload.clone(),
    }
}

fn decode_row(row: message::VisibilityRow) -> Result<VisibilityRow, CodecError> {
    Ok(VisibilityRow {
        run_key: row.run_key,
        namespace_id: row.namespace_id,
        workflow_id: row.workflow_id,
        run_id: row.run_id,
        workflow_type: row.workflow_type,
        task_queue: row.task_queue,
        status: row.status,
        start_time_ns: row.start_time_ns,
        execution_time_ns: row.execution_time_ns,
        close_time_ns: row.close_time_ns,
        history_length: row.history_length,
        history_size_bytes: row.history_size_bytes,
        state_transition_count: row.state_transition_count,
        execution_duration_ns: row.execution_duration_ns,
        parent_workflow_id: row.parent_workflow_id,
        parent_run_id: row.parent_run_id,
        root_workflow_id: row.root_workflow_id,
        root_run_id: row.root_run_id,
        memo: row.memo,
        search_attributes: attributes::decode(row.search_attributes)?,
        division: row.division,
        payload: row.payload,
    })
}
