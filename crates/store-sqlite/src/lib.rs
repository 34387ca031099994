//! The storage contract on one SQLite file.
//!
//! **Log first, tables later.** A commit appends one row to a log and syncs; that is all a caller waits for. The batch is
//! also kept in memory, digested by `pending`, and reads lay that over the tables. When nothing happens, or when a
//! `layer` of it is full, it is written to the tables in a transaction that also shortens the log: a run that came and
//! went in the meantime costs one row of history and one of visibility. Commits go on between two layers. Opening a
//! store reads the log's tail back into memory, and nothing else needs to be repaired.
//!
//! One connection writes; any number read. The file belongs to one process at a time.
//!
//! Start reading at [`SqliteStore`], then `layers` and `pending`, then `materialise`; the tables are in `schema`.

mod chunk;
mod error;
mod exclusive;
mod layers;
mod list;
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

pub use store::{SqliteOptions, SqliteStore};
