//! What can go wrong, one enum per operation; messages follow "failed to …".

// ---- command line -------------------------------------------------------------------------------------------------
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A duration that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Not a duration at all.
    #[error("not a duration such as 45s or 10m: {reason}")]
    Malformed {
        /// What the reader stumbled over.
        reason: String,
    },
    /// Nothing lasts zero.
    #[error("must be longer than zero")]
    Zero,
    /// Above `limits::DURATION_MAX`.
    #[error("longer than a year")]
    TooLong,
}

/// A policy that isn't known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be off or open")]
pub struct PolicyError;

/// Logging that can't start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// The filter can't be read.
    #[error("log filter {filter:?} can't be read ({reason}); write one such as info or info,overlay=debug")]
    Filter {
        /// The filter that was given.
        filter: String,
        /// What the reader stumbled over.
        reason: String,
    },
    /// Something in this process logs already.
    #[error("logging runs already")]
    Already,
}

/// A configuration file that can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Absent, forbidden or not UTF-8.
    #[error("{} can't be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// Above `limits::CONFIG_BYTES_MAX`.
    #[error("{} has more than {max} bytes", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The bound in bytes.
        max: u64,
    },
    /// Not TOML, an unknown key, a value of the wrong type.
    #[error("{}, line {line}, column {column}: {reason}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
}

/// A data directory that can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// The platform names no place for data.
    #[error("no home directory is known")]
    NoHome,
    /// Another process works in it.
    #[error("{} is used by another process; end it or name another directory with --data-dir", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It can't be made, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The directory or the file in it.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// A name that can't be shown or is too long.
    #[error("a name has 1 to {max} bytes and no control characters")]
    Name {
        /// The bound in bytes.
        max: usize,
    },
}

// ---- managed objects ----------------------------------------------------------------------------------------------

/// An object name or pattern that can't be read or built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ObjectNameError {
    /// The text breaks the grammar at one place.
    #[error("at character {at}: {reason}")]
    Malformed {
        /// The place, from 1; one past the end when something is missing there.
        at: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// Above `limits::OBJECT_NAME_BYTES_MAX`.
    #[error("longer than {max} bytes")]
    TooLong {
        /// The bound in bytes.
        max: usize,
    },
    /// Above `limits::OBJECT_NAME_KEYS_MAX`.
    #[error("more than {max} keys")]
    TooManyKeys {
        /// The bound.
        max: usize,
    },
    /// A name needs a key.
    #[error("no key")]
    NoKeys,
    /// Empty, or with a colon, a wildcard or a line break.
    #[error("{domain:?} can't be a domain")]
    Domain {
        /// What was given.
        domain: String,
    },
    /// Empty, twice, or with a character that means something in a list.
    #[error("{key:?} can't be a key here")]
    Key {
        /// What was given.
        key: String,
    },
}

/// An object that was not registered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another object has the name.
    #[error("{name} is registered already")]
    NameTaken {
        /// The name.
        name: crate::jmx::ObjectName,
    },
    /// The registry is full.
    #[error("{max} objects are registered, no more fit")]
    Full {
        /// The bound.
        max: usize,
    },
}
