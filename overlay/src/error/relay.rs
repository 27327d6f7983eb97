//! What can go wrong with a relay: reserving at it, and reaching a peer through it.

use thiserror::Error;

/// Why a relay gave no reservation or no circuit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RelayError {
    /// It has no room, or this peer asks too often; try again later.
    #[error("the relay is at its limits")]
    Full,
    /// It doesn't let this peer in.
    #[error("the relay refuses")]
    Refused,
    /// The peer to be reached has no reservation there.
    #[error("the peer has no reservation at the relay")]
    NoReservation,
    /// The peer to be reached doesn't answer the relay.
    #[error("the peer does not answer the relay")]
    NoAnswer,
    /// It doesn't relay.
    #[error("it is no relay")]
    NotARelay,
    /// The connection with it is gone, or never was.
    #[error("the relay is gone")]
    Gone,
    /// Something else.
    #[error("{reason}")]
    Failed {
        /// What the relay or the transport said.
        reason: String,
    },
}
