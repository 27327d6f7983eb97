//! What can go wrong, one type per operation; each variant tells the caller what to do next.

mod membership;
mod refuse;

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::wire::WireError;

pub use membership::{CredentialError, JoinError};
pub use refuse::RefuseReason;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseIdError {
    /// The text names another kind of thing.
    #[error("the text does not start with {expected:?}")]
    WrongKind {
        /// How a text of this kind starts.
        expected: &'static str,
    },
    /// What follows the prefix is not 64 hex digits.
    #[error("the prefix is not followed by 64 hex digits")]
    NotHex,
    /// What follows the prefix was cut or changed.
    #[error("the text was cut or changed")]
    Damaged,
}

/// Why a text is no query; each says at which character, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseQueryError {
    /// Something else had to come.
    #[error("read the query: {expected} expected at character {at}")]
    Expected {
        /// Where.
        at: usize,
        /// What had to come.
        expected: &'static str,
    },
    /// The value can't be read.
    #[error("read the query: no {what} at character {at}")]
    Value {
        /// Where it begins.
        at: usize,
        /// What it had to be.
        what: &'static str,
    },
    /// One of the query's own fields is there already.
    #[error("read the query: a second {field}= at character {at}")]
    Twice {
        /// Where the second one is.
        at: usize,
        /// Its name.
        field: &'static str,
    },
    /// Conditions stand in too many others.
    #[error("read the query: more than {max} levels of conditions at character {at}")]
    TooDeep {
        /// Where.
        at: usize,
        /// The bound.
        max: usize,
    },
    /// What was read has too many or too long conditions.
    #[error("read the query up to character {at}: {bound}")]
    TooLarge {
        /// Its end.
        at: usize,
        /// Which bound it breaks.
        bound: WireError,
    },
}

/// Why an identity file can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file can't be read or made.
    #[error("use the identity file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than the owner may read the file.
    #[error("use the identity file {path}: others may read it (mode {mode:o}); run `chmod 600` on it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no key.
    #[error("use the identity file {path}: it holds no Ed25519 key")]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
}

/// Why an advertisement was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AdvertisementError {
    /// The bytes are no advertisement.
    #[error("the bytes are no advertisement: {0}")]
    Malformed(#[from] WireError),
    /// The envelope can't be read or its signature is wrong.
    #[error("the signature does not verify")]
    BadSignature,
    /// Signed by somebody else than it names as publisher.
    #[error("the signer is not the publisher")]
    WrongPublisher,
    /// More attributes or bytes than allowed.
    #[error("{what} is {len}, at most {max} allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        len: usize,
        /// How large it may be.
        max: usize,
    },
}

/// Why a peer could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// An address can't be listened on.
    #[error("listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: libp2p::Multiaddr,
        /// What the transport said.
        reason: String,
    },
    /// A rendezvous address doesn't end in `/p2p/<peer id>`.
    #[error("use the rendezvous address {address}: it does not end in /p2p/<peer id>")]
    RendezvousAddress {
        /// The address.
        address: libp2p::Multiaddr,
    },
    /// The transport could not be made.
    #[error("set up the transport: {0}")]
    Transport(String),
}

/// Why no lease was had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// No rendezvous was given to this peer.
    #[error("lease from a rendezvous: none is configured")]
    NoRendezvous,
    /// None granted a lease in time.
    #[error("lease from a rendezvous within {after:?}: {last}")]
    TimedOut {
        /// How long was waited.
        after: Duration,
        /// What the last try ended in.
        last: String,
    },
    /// The peer has ended.
    #[error("lease from a rendezvous: the peer has ended")]
    Closed,
}

/// Why something was not published.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The advertisement breaks a bound.
    #[error("publish the advertisement: {0}")]
    Invalid(#[from] AdvertisementError),
    /// No rendezvous serves a closed group; what is said in it stays in it.
    #[error("publish the advertisement: no rendezvous serves closed groups")]
    ClosedGroup,
    /// This peer publishes as much as it may.
    #[error("publish the advertisement: {max} are published already")]
    Full {
        /// The bound.
        max: usize,
    },
    /// Every leased rendezvous refused or did not answer; it stays in the local cache and is tried again with
    /// each lease.
    #[error("publish the advertisement at a rendezvous: {0}")]
    Rendezvous(QueryError),
    /// The peer has ended.
    #[error("publish the advertisement: the peer has ended")]
    Closed,
}

/// Why something was not withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WithdrawError {
    /// This peer does not publish it in this group, or no longer.
    #[error("withdraw the advertisement: this peer does not publish it")]
    NotPublished,
    /// The withdrawal can't be signed.
    #[error("withdraw the advertisement: {0}")]
    Invalid(#[from] AdvertisementError),
    /// Every leased rendezvous refused or did not answer; each is told again with its next lease.
    #[error("withdraw the advertisement at a rendezvous: {0}")]
    Rendezvous(QueryError),
    /// The peer has ended.
    #[error("withdraw the advertisement: the peer has ended")]
    Closed,
}

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
