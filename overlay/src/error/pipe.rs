//! What can go wrong with pipes: binding, connecting, sending, receiving.

use std::time::Duration;

use thiserror::Error;

use crate::wire::WireError;

/// Why a pipe was not bound.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BindError {
    /// The pipe is bound here already.
    #[error("bind the pipe: it is bound at this peer already")]
    AlreadyBound,
    /// This peer binds as many pipes as it may.
    #[error("bind the pipe: {max} pipes are bound already")]
    Full {
        /// The bound.
        max: usize,
    },
}

/// Why a peer or its pipe was not reached.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No address is known or none answers.
    #[error("reach the peer: {reason}")]
    Unreachable {
        /// What each try ended in.
        reason: String,
    },
    /// All that is known are ways through relays, and the last one did not let it through.
    #[error("reach the peer: {0}")]
    Relay(#[from] super::RelayError),
    /// No answer in time.
    #[error("reach the peer: no answer within {after:?}")]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The other side does not let this peer in.
    #[error("open the pipe: the other side refuses")]
    Refused,
    /// Nobody binds the pipe there.
    #[error("open the pipe: it is not bound there")]
    NoSuchPipe,
    /// The other side has no room now; try again later.
    #[error("open the pipe: the other side is busy")]
    Busy,
    /// Nobody who binds the pipe has accepted in time.
    #[error("open the pipe: none of {tried} who bind it has accepted within {after:?}")]
    NoBinder {
        /// Binders known at the last try.
        tried: usize,
        /// How long they were looked for.
        after: Duration,
    },
    /// The first message is too large.
    #[error("open the pipe: the first message has {len} bytes, at most {max} allowed")]
    TooLarge {
        /// Bytes of the message.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The other side speaks something else, or this peer has ended.
    #[error("open the pipe: the connection was closed")]
    Closed,
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message is too large; the pipe goes on.
    #[error("send the message: it has {len} bytes, at most {max} allowed")]
    TooLarge {
        /// Bytes of the message.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The pipe broke; what was sent before may or may not have arrived.
    #[error("send the message: the pipe is closed ({unconfirmed} bytes had not left)")]
    Closed {
        /// Bytes that were accepted and not handed to the transport.
        unconfirmed: usize,
    },
    /// The binder is gone, and no other has accepted in time; the message was not sent.
    #[error("send the message: nobody who binds the pipe has accepted within {after:?}")]
    NoBinder {
        /// How long one was looked for.
        after: Duration,
    },
    /// The resumable pipe is over: it was not resumed in time, or the other end gave it up.
    #[error(
        "send the message: the pipe was not resumed, {unconfirmed} messages are unconfirmed: failed to {last}"
    )]
    NotResumed {
        /// Messages that were accepted and that the other end has not acknowledged; it may have got some of them.
        unconfirmed: usize,
        /// What the last try ended in.
        last: ConnectError,
    },
}

/// Why nothing more is received.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The pipe broke without a farewell.
    #[error("receive a message: the pipe was reset")]
    Reset,
    /// The other side sent what is no frame.
    #[error("receive a message: {0}")]
    Garbage(#[from] WireError),
}
