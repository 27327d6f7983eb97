//! What can go wrong, one enum per operation; each message follows "failed to …".

mod aggregating;
mod managing;

pub use aggregating::AggregateError;
pub use managing::{
    AuditError, AuditVerifyError, FailureCode, InvokeError, ManageError, MembershipError, RoleError,
    SetError, ValueError,
};

use std::path::PathBuf;
use std::time::Duration;

// ---- Measuring: transactions, records, CSV ----

/// Why a transaction was not started: every object of its pool is in use.
///
/// Nothing is measured; the caller may still send. Counted as `pool_exhausted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("start a transaction, since all {max} of its pool are in flight")]
#[non_exhaustive]
pub struct PoolExhausted {
    /// Objects in the pool.
    pub max: usize,
}

/// Why a transaction definition was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefineError {
    /// The application has no room for a further definition.
    #[error("define a transaction, since {max} are defined already")]
    Full {
        /// Definitions that an application may have.
        max: usize,
    },
    /// The name belongs to an earlier definition.
    #[error("define transaction {name:?}, since that name is taken")]
    Taken {
        /// The name asked for.
        name: String,
    },
    /// The name is empty, too long, or has characters other than letters, digits, `.`, `-` and `_`.
    #[error("define transaction {name:?}, since a name has 1 to {max} letters, digits, '.', '-' or '_'")]
    BadName {
        /// The name asked for.
        name: String,
        /// Longest name, in bytes.
        max: usize,
    },
    /// It has more typed metrics than a transaction may carry.
    #[error("define a transaction with more than {max} typed metrics")]
    TooManyValues {
        /// The bound.
        max: usize,
    },
    /// The timeout is zero or longer than a transaction may last.
    #[error(
        "define a transaction with a timeout of {timeout:?}, since it must be above 0 s and at most {max:?}"
    )]
    BadTimeout {
        /// The timeout asked for.
        timeout: Duration,
        /// The longest timeout.
        max: Duration,
    },
}

/// Why a text is not a `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read a traceparent, which is version, trace, span and flags in hexadecimal digits, joined by '-'")]
#[non_exhaustive]
pub struct TraceparentError;

/// Why a consumer was refused: the application feeds as many as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("subscribe to records, since {max} consumers are subscribed already")]
#[non_exhaustive]
pub struct SubscribeError {
    /// Consumers that an application may feed.
    pub max: usize,
}

/// Why a text is not a correlator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read a correlator, which is 16 hexadecimal digits")]
#[non_exhaustive]
pub struct CorrelatorParseError;

/// Why records were not written to a CSV file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// The file cannot be created.
    #[error("create {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file cannot be written; records since the last commit may be lost.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system or the encoder said.
        source: std::io::Error,
    },
}

// ---- command line -------------------------------------------------------------------------------------------------
use std::io;

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
    #[error("longer than ten years")]
    TooLong,
}

/// A policy that isn't known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be off, open or the ticket of a management group")]
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
    #[error("{} can't be read: {source}; name a TOML file with --config", file.display())]
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
        name: String,
    },
    /// The object's parts make no name.
    #[error("it can't be named: {0}")]
    Name(#[from] ObjectNameError),
    /// The registry is full.
    #[error("{max} objects are registered, no more fit")]
    Full {
        /// The bound.
        max: usize,
    },
}

// ---- management service -------------------------------------------------------------------------------------------

/// An acknowledgement of a batch that was not sent: the manager does not follow the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("batch {seq} is acknowledged but was not sent")]
pub struct AckError {
    /// The number that was acknowledged.
    pub seq: u64,
}

/// A management agent that can't start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The place in the management group can't be taken.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// What was done can't be written down, so nothing is done.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The peer answers management questions already.
    #[error(transparent)]
    Handler(#[from] overlay::AlreadyRegistered),
    /// The peer accepts subscriptions already.
    #[error(transparent)]
    Bind(#[from] overlay::BindError),
    /// The application has no room for a further consumer.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The registry has an agent's objects already, or is full.
    #[error("register the agent's own objects: {0}")]
    Register(#[from] RegisterError),
    /// The agent's own objects can't be named.
    #[error("name the agent's own objects: {0}")]
    Name(#[from] ObjectNameError),
}

/// Objects that could not be read from a peer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GetError {
    /// The peer did not answer, or refused.
    #[error(transparent)]
    Query(#[from] overlay::QueryError),
    /// Question or answer can't be put into bytes or read from them.
    #[error("understand the agent: {0}")]
    Wire(#[from] overlay::wire::WireError),
    /// The agent sends more objects than a registry holds.
    #[error("read all objects: there are more than {max}")]
    TooMany {
        /// The bound.
        max: usize,
    },
    /// The agent sends more bytes than a manager takes.
    #[error("read all objects: there are more than {max} bytes")]
    TooLong {
        /// The bound.
        max: usize,
    },
    /// The agent sends pages without end.
    #[error("read all objects: no end after {pages} pages")]
    Endless {
        /// Pages taken.
        pages: usize,
    },
    /// The agent sends an object that the pattern does not match.
    #[error("read the objects: the agent sends {object:?}, which was not asked for")]
    Unasked {
        /// Its name.
        object: String,
    },
    /// Not all pages came in time.
    #[error("read all objects within {after:?}")]
    TimedOut {
        /// The deadline.
        after: std::time::Duration,
    },
}
