//! What can go wrong with the store; each message follows "failed to …".

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::sqlite::OpenError;

/// Why the store can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is none yet.
    #[error("open the store {path}: there is none yet; run `mgmt collect` first")]
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// The disk is full, or the file has its largest size: nothing was kept, nothing is acknowledged. Try again.
    #[error("keep records: the disk or the store is full")]
    Full,
    /// A row that no version of this program writes.
    #[error("read the store: a row of table {table} is malformed")]
    Row {
        /// Which table.
        table: &'static str,
    },
    /// SQLite says no.
    #[error("use the store: {0}")]
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ => Self::Database(error),
        }
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::new(io::ErrorKind::StorageFull, StoreError::Full),
            error => Self::other(error),
        }
    }
}
