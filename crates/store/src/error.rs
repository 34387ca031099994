//! What can go wrong in a store.

use evertide_engine::slot::SlotSet;

use crate::RunKey;

/// Why a store could not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, broken or slow to answer. Nothing of a refused batch is visible or will ever be; the same call
    /// may succeed later.
    #[error("the store cannot {action}: {reason}; free space or repair the disk, then try again")]
    Unavailable {
        /// What was being done, as a verb.
        action: &'static str,
        /// What the storage below said.
        reason: String,
    },
    /// What is stored does not make sense. Going on would make it worse.
    #[error("the store {location} is damaged: {reason}; restore it from a backup")]
    Corrupt {
        /// The file or database.
        location: String,
        /// What was found.
        reason: String,
    },
    /// A newer version of the program has written this store.
    #[error(
        "the store {location} has schema version {found}, and this program knows versions up to {known}; run the newer program"
    )]
    NewerSchema {
        /// The file or database.
        location: String,
        /// The version that was found.
        found: i64,
        /// The newest version that this program reads.
        known: i64,
    },
    /// The file or database holds something else.
    #[error("{location} was not written by this program ({reason}); name another file")]
    NotOurs {
        /// The file or database.
        location: String,
        /// How that was seen.
        reason: String,
    },
    /// Another process is using the store.
    #[error("the store {location} is in use by another process; stop it or name another file")]
    Locked {
        /// The file or database.
        location: String,
    },
    /// The question would have the store look at more rows than it does for one answer. Only another question helps.
    #[error("more than {limit} workflows would have to be looked at")]
    TooManyRows {
        /// How many rows the store looks at for an answer.
        limit: usize,
    },
    /// The store cannot say whether a batch is durable. Nothing of it is visible, and until
    /// [`Store::resolve`](crate::Store::resolve) has found out nothing else is taken, for what it would be built on is
    /// not known.
    #[error("the store cannot say whether what it was given is durable ({reason}); it is asked again")]
    Unknown {
        /// What the storage below said.
        reason: String,
    },
    /// Other writers own these slots now. Nothing of the batch is visible. What memory holds of the slots is out of date;
    /// a batch without them may be taken.
    #[error("another server has taken over the slots {slots:?}")]
    Fenced {
        /// Those of the batch's slots that the writer no longer owns.
        slots: SlotSet,
    },
    /// Another writer has changed a registry record. Nothing of the batch is visible. Read the registry again, and decide
    /// anew.
    #[error("the {kind} record {key} has version {found} and not {expected}: somebody else has changed it")]
    Conflict {
        /// The kind of the record.
        kind: String,
        /// Its key.
        key: String,
        /// The version that the write expected.
        expected: u64,
        /// The version that was found, 0 if there is no record.
        found: u64,
    },
    /// The batch breaks the contract: a mistake of the caller. Nothing of it is visible.
    #[error("the batch is refused at run {run_key}: {reason}; this is a mistake of the server, please report it")]
    Refused {
        /// The run that the write names.
        run_key: RunKey,
        /// The rule that it breaks.
        reason: &'static str,
    },
}
