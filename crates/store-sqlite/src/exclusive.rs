//! One process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use evertide_store::StoreError;

/// Held while the store is open. The operating system lets go of it when the process ends, however it ends.
///
/// It is a file beside the database, because SQLite's own exclusive mode would keep our own readers out as well.
#[derive(Debug)]
pub(crate) struct ExclusiveUse {
    _file: File,
}

impl ExclusiveUse {
    pub(crate) fn of(database: &Path) -> Result<Self, StoreError> {
        let location = database.display().to_string();
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let unavailable = |error: std::io::Error| StoreError::Unavailable {
            action: "lock the database",
            reason: format!("{location}: {error}"),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { location }),
            Err(TryLockError::Error(error)) => Err(unavailable(error)),
        }
    }
}
