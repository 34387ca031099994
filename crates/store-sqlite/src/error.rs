//! What SQLite says, in the words of the contract.

use evertide_store::StoreError;
use rusqlite::ErrorCode;

/// What an error of SQLite means to whoever wanted to do something with a file.
pub(crate) fn storage_error(action: &'static str, location: &str, error: rusqlite::Error) -> StoreError {
    let location = location.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotOurs { location, reason: "it is not a database".to_owned() },
        Some(ErrorCode::DatabaseCorrupt) => corrupt(&location, error),
        None if !matches!(error, rusqlite::Error::SqliteFailure(..)) => corrupt(&location, error),
        _ => StoreError::Unavailable { action, reason: format!("{location}: {error}") },
    }
}

/// Says that what was read makes no sense.
pub(crate) fn corrupt(location: &str, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt { location: location.to_owned(), reason: reason.to_string() }
}
