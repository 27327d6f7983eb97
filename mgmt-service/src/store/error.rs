//! What can go wrong with the store; each message follows "failed to …".

use std::io;
use std::path::PathBuf;

use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
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
        // The index of the log beside the file can't grow on a full disk either, and SQLite has another code for that.
        let no_index = error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHMSIZE);
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ if no_index => Self::Full,
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

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn whatever_finds_no_room_is_tried_again_and_nothing_else_is() {
        let is_full = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            io::Error::from(StoreError::from(error)).kind() == io::ErrorKind::StorageFull
        };
        assert!(is_full(ffi::SQLITE_FULL) && is_full(SQLITE_IOERR_SHMSIZE));
        assert!(!is_full(ffi::SQLITE_IOERR_READ) && !is_full(ffi::SQLITE_CORRUPT));
    }
}
