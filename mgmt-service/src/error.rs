//! What can go wrong, one enum per operation; each message follows "failed to …".

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
