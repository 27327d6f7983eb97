//! SQLite as all programs here open it: a file for its owner alone, flushed at each commit, its tables of this version.
//!
//! In: a path and the steps of the tables. Out: a connection that waits `SQLITE_BUSY_TIMEOUT` for other programs.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite_migration::Migrations;

use crate::limits::SQLITE_BUSY_TIMEOUT;

/// Why a database can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file can't be made, or its mode not be set.
    #[error("open the database {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its tables can't be brought to this version's form.
    #[error("open the database {}: {reason}", path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// SQLite says no.
    #[error("open the database {}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// Opens the file, makes it (mode 0600) where it is missing, and brings its tables to the form after all `steps`.
/// What was committed is on the disk (`synchronous=FULL`), and others may read meanwhile (WAL).
///
/// # Errors
/// [`OpenError`]; nothing is ever deleted because of one.
pub fn open(path: &Path, steps: &Migrations<'_>) -> Result<Connection, OpenError> {
    make_private(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    let mut connection =
        connect(path).map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
    steps
        .to_latest(&mut connection)
        .map_err(|error| OpenError::Migration { path: path.to_owned(), reason: error.to_string() })?;
    Ok(connection)
}

/// SQLite's integers are signed; what a peer sends beyond their range is kept at its end.
#[must_use]
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(SQLITE_BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Makes the file before SQLite does, so that it and the files beside it are for the owner alone.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    drop(file);
    Ok(())
}
