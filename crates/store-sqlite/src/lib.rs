//! The storage contract on one SQLite file.
//!
//! **Log first, tables later.** A commit appends one frame to a `log`, which is files of its own, and syncs; that is all a
//! caller waits for. The batch is also kept in memory, digested by `pending`, and reads lay that over the tables. When
//! nothing happens, or when a `layer` of it is full, it is written to the tables in one transaction, after which the log
//! needs it no longer: a run that came and went in the meantime costs one row of history and one of visibility. Commits
//! go on all the time. Opening a store reads what the log has and the tables lack back into memory, and nothing else needs
//! to be repaired.
//!
//! One connection writes; any number read. The files belong to one process at a time.
//!
//! Start reading at [`SqliteStore`], then `layers` and `pending`, then `materialise`; the tables are in `schema`.

mod chunk;
mod error;
mod exclusive;
mod layers;
mod list;
mod log;
mod materialise;
mod pending;
mod plan;
mod readers;
mod row_values;
mod schema;
mod store;
mod tables;
mod upkeep;
mod visibility_rows;
mod writer;

pub use store::{SqliteOptions, SqliteStore, StoreSizes};
