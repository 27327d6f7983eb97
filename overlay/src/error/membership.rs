//! What can go wrong with credentials and with becoming a member.

use thiserror::Error;

use super::{ParseIdError, QueryError};
use crate::wire::WireError;

/// Why a credential, a ticket or a revocation list is not valid. Told to nobody but its holder and this side's logs:
/// who shows it to another peer hears of a refusal without a reason.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The bytes are none.
    #[error("the bytes are malformed: {0}")]
    Malformed(#[from] WireError),
    /// The signature is wrong, or its key is not Ed25519.
    #[error("the signature does not verify")]
    BadSignature,
    /// The group needs none, or its policy is unknown here.
    #[error("the group takes no credentials")]
    NotClosed,
    /// There are none, or more than an issuer's and a member's.
    #[error("{len} credentials follow the authority, 1 or 2 allowed")]
    ChainLength {
        /// How many.
        len: usize,
    },
    /// For another group.
    #[error("it is for another group")]
    WrongGroup,
    /// For another peer than the one that shows it.
    #[error("it is for another peer")]
    WrongSubject,
    /// Signed by neither the authority nor the peer that the credential before it is for.
    #[error("its signer may not issue it")]
    WrongIssuer,
    /// Its signer is a member and no issuer, or it makes an issuer without being the authority's.
    #[error("its signer has not the role to issue it")]
    NotAnIssuer,
    /// Its time has not come; the clocks may differ.
    #[error("it begins in {seconds} s; compare the clocks")]
    NotYetValid {
        /// Seconds until it begins.
        seconds: u64,
    },
    /// Its time is over.
    #[error("it ended {seconds} s ago")]
    Expired {
        /// Seconds since it ended.
        seconds: u64,
    },
    /// It lives longer than any may.
    #[error("it lives for {seconds} s, at most {max} allowed")]
    TooLongLived {
        /// Seconds of its life.
        seconds: u64,
        /// Seconds allowed.
        max: u64,
    },
    /// Its subject, or the issuer behind it, was revoked.
    #[error("it was revoked")]
    Revoked,
    /// The list holds as many peers as it may.
    #[error("{max} peers are revoked already")]
    ListFull {
        /// The bound.
        max: usize,
    },
    /// The passphrase is not the group's.
    #[error("the passphrase is not this group's")]
    WrongPassphrase,
    /// The system has no random bytes or no memory to give.
    #[error("the system has no resources for it: {0}")]
    System(String),
}

/// Why a group was not created or joined.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The text is no ticket.
    #[error("read the ticket: {0}")]
    Ticket(#[from] ParseIdError),
    /// The credentials don't make this peer a member, or can't be made.
    #[error("become a member: {0}")]
    Credential(#[from] CredentialError),
    /// The issuers refuse: the ticket was used by somebody else, is over, or this peer was revoked.
    #[error("become a member: the issuer refuses")]
    Refused,
    /// No issuer gave an answer; what the last one's silence was.
    #[error("become a member: no issuer answers: {0}")]
    Unanswered(QueryError),
    /// The ticket names no issuer.
    #[error("become a member: the ticket names no issuer")]
    NoIssuer,
    /// This peer is in as many groups as it may.
    #[error("become a member: this peer is in {max} groups already")]
    Full {
        /// The bound.
        max: usize,
    },
}
