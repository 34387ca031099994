//! The storage contract on one SQLite file.
