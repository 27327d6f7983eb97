//! What can go wrong, one type per operation; each variant tells the caller what to do next.

mod membership;
mod pipe;
mod publish;
mod refuse;
mod relay;
mod resolver;

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::wire::WireError;

pub use membership::{CredentialError, JoinError};
pub use pipe::{BindError, ConnectError, RecvError, SendError};
pub use publish::{PublishError, SubscribeError, WithdrawError};
pub use refuse::RefuseReason;
pub use relay::RelayError;
pub use resolver::{AlreadyRegistered, AnswerError, QueryError, ServeError};

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
    /// The directory for the cache can't be made or read.
    #[error("use the cache directory {path}: {reason}")]
    CacheDir {
        /// The directory.
        path: std::path::PathBuf,
        /// What the system said.
        reason: String,
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
