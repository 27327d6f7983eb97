//! What can go wrong with questions (JXTA resolver protocol).

use std::time::Duration;

use thiserror::Error;

use super::{PublishError, RefuseReason};

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
    /// It sent more answers than there is room for; the question was cancelled.
    #[error("ask the peer: it sends more answers than it was given room for")]
    Overrun,
    /// The session ended before an answer came.
    #[error("ask the peer: the session was closed")]
    Closed,
}

/// Why an answer was not given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The asker has cancelled, its deadline has passed, or its session has ended; stop working on it.
    #[error("answer the query: nobody awaits it any more")]
    Cancelled,
    /// The asker takes one answer, and has it.
    #[error("answer the query: its asker takes one answer, and has it")]
    Enough,
    /// The answer is too large for a session frame; give it in several.
    #[error("answer the query: {len} bytes, at most {max} allowed")]
    TooLarge {
        /// Bytes of it, with its envelope.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
}

/// Why a handler does not serve in a group.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The name is taken.
    #[error(transparent)]
    AlreadyRegistered(#[from] AlreadyRegistered),
    /// Its advertisement can't be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}
