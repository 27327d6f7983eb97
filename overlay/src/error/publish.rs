//! What can go wrong with publications.

use thiserror::Error;

use super::{AdvertisementError, QueryError};
use crate::wire::WireError;

/// Why something was not published.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The advertisement breaks a bound.
    #[error("publish the advertisement: {0}")]
    Invalid(#[from] AdvertisementError),
    /// The group is closed and this peer is no member of it now.
    #[error("publish the advertisement: this peer is no member of the group")]
    NotMember,
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

/// Why there is no subscription.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// This peer is no member of the closed group.
    #[error("subscribe: this peer is no member of the closed group")]
    NotMember,
    /// The query breaks a bound of queries, or is longer than a rendezvous keeps.
    #[error("subscribe: {0}")]
    Query(#[from] WireError),
    /// This peer has as many subscriptions as it may.
    #[error("subscribe: {max} subscriptions are held already")]
    Full {
        /// The bound.
        max: usize,
    },
}
