//! Where a simulation keeps what is durable.

use std::path::PathBuf;
use std::sync::Arc;

use evertide_engine::Ids;
use evertide_store::{MemoryStore, Store, StoreError};
use evertide_store_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use crate::options::Backend;

/// The model in memory, or a file.
pub(super) enum Backing {
    Memory(Arc<MemoryStore>),
    Sqlite {
        /// None only while the file is opened anew.
        store: Option<Arc<SqliteStore>>,
        options: SqliteOptions,
        folder: TempDir,
    },
}

impl Backing {
    pub(super) fn new(backend: Backend, seed: u64) -> Result<Self, StoreError> {
        if backend == Backend::Memory {
            return Ok(Self::Memory(Arc::new(MemoryStore::new())));
        }
        let folder = folder().map_err(|error| StoreError::Unavailable {
            action: "make a folder for the simulation",
            reason: error.to_string(),
        })?;
        let mut backing = Self::Sqlite { store: None, options: options(seed), folder };
        backing.reopen()?;
        Ok(backing)
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => store.clone(),
            Self::Sqlite { store: Some(store), .. } => store.clone(),
            Self::Sqlite { store: None, .. } => unreachable!("it is none only within `reopen`"),
        }
    }

    /// Another process opens the file.
    pub(super) fn reopen(&mut self) -> Result<(), StoreError> {
        if let Self::Sqlite { store, options, folder } = self {
            *store = None;
            *store = Some(Arc::new(SqliteStore::open(folder.path().join("store.db"), options)?));
        }
        Ok(())
    }

    pub(super) fn materialise(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { store: Some(store), .. } => store.materialise(),
            _ => Ok(()),
        }
    }
}

/// Small layers, so that they are written to the tables while the simulation runs; and no thread beside it.
fn options(seed: u64) -> SqliteOptions {
    let mut dice = Ids::new(seed);
    let mut choose = |choices: [usize; 3]| choices[usize::try_from(dice.below(3)).unwrap_or(0)];
    SqliteOptions {
        idle: None,
        layer_bytes: choose([1, 30_000, 1_000_000]),
        full_layers: choose([0, 1, 3]),
        few_rows: choose([0, 10, 1000]),
        ..SqliteOptions::default()
    }
}

/// In memory where the system offers that: a simulation proves nothing about disks, and commits thousands of times.
fn folder() -> std::io::Result<TempDir> {
    let in_memory = PathBuf::from("/dev/shm");
    if in_memory.is_dir()
        && let Ok(folder) = tempfile::tempdir_in(in_memory)
    {
        return Ok(folder);
    }
    tempfile::tempdir()
}
