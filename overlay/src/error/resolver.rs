//! What can go wrong with questions (JXTA resolver protocol).

use std::time::Duration;

use thiserror::Error;

use super::RefuseReason;

/// The name is taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("register the handler {name:?}: it is registered already, or its name is too long")]
pub struct AlreadyRegistered {
    /// The handler's name.
    pub name: String,
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The peer can't be reached.
    #[error("ask the peer: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("ask the peer: no answer within {after:?}")]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The handler says no.
    #[error("ask the peer: it refuses ({0})")]
    Refused(RefuseReason),
    /// Nobody there has registered the name.
    #[error("ask the peer: it has no handler of that name")]
    NoHandler,
    /// Too many queries wait there, or here for it.
    #[error("ask the peer: it is busy")]
    Busy,
    /// The handler gave up.
    #[error("ask the peer: its handler failed")]
    Failed,
    /// The question or the answer is too large.
    #[error("ask the peer: {len} bytes, at most {max} allowed")]
    TooLarge {
        /// Bytes of it.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The session ended before an answer came.
    #[error("ask the peer: the session was closed")]
    Closed,
}
