//! The index: advertisements of lease holders, found by attribute (JXTA: shared resource distributed index).
//!
//! In: signed bytes from a peer, queries, the ends of leases, the passing of time. Out: answers. A policy over
//! [`overlay::AdvertisementCache`]: a peer publishes only what it signed itself, nobody's advertisement makes another's
//! go, and what is published lives no longer than the operator lets it. Bounds: [`IndexLimits`]; beyond, refused.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use overlay::{
    AdvertisementCache, AdvertisementError, CacheLimits, CacheRefused, DiscoveryQuery, Inserted, PeerId,
    RefuseReason, SignedAdvertisement,
};

use crate::limits::IndexLimits;

/// Advertisements by attribute, ordered by expiry.
#[derive(Debug)]
pub struct Index {
    limits: IndexLimits,
    cache: AdvertisementCache,
}

/// Why an advertisement was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexRefused {
    /// The bytes are no advertisement whose signature holds.
    #[error("index the advertisement: {0}")]
    Invalid(#[from] AdvertisementError),
    /// Somebody else signed it; publishing for others comes with federation.
    #[error("index the advertisement: its publisher {publisher} is another peer")]
    NotPublisher {
        /// Who signed it.
        publisher: PeerId,
    },
    /// The index or the publisher's share of it is full, or what is known is newer.
    #[error("index the advertisement: {0}")]
    Cache(#[from] CacheRefused),
}

impl Index {
    /// An empty index.
    #[must_use]
    pub fn new(limits: IndexLimits) -> Self {
        let cache = AdvertisementCache::new(CacheLimits {
            total: limits.advertisements_max,
            per_publisher: limits.per_peer_max,
            bytes: limits.bytes_max,
        });
        Self { limits, cache }
    }

    /// Verifies and keeps what `from` published, for the remote lifetime it wished, cut to the configured one.
    ///
    /// Costs one signature check, about 50 µs. The caller has made sure that `from` holds a lease.
    ///
    /// # Errors
    /// As [`IndexRefused`] says; then nothing has changed.
    pub fn publish(
        &mut self,
        now: Instant,
        from: &PeerId,
        envelope: Bytes,
    ) -> Result<Inserted, IndexRefused> {
        let signed = SignedAdvertisement::verify(envelope)?;
        if signed.publisher() != *from {
            return Err(IndexRefused::NotPublisher { publisher: signed.publisher() });
        }
        Ok(self.keep(now, signed)?)
    }

    /// Keeps what was verified and may be here, as long as [`Self::publish`] would.
    ///
    /// # Errors
    /// As [`CacheRefused`] says; then nothing has changed.
    pub fn keep(&mut self, now: Instant, signed: SignedAdvertisement) -> Result<Inserted, CacheRefused> {
        let keep_for = signed.lifetime().remote.min(self.limits.remote_lifetime_max);
        self.cache.expire(now);
        self.check_room(&signed)?;
        self.cache.insert(now, signed, keep_for)
    }

    /// What answers `query` now, at most its threshold.
    #[must_use]
    pub fn find(&self, now: Instant, query: &DiscoveryQuery) -> Vec<Arc<SignedAdvertisement>> {
        self.cache.find(now, query)
    }

    /// Everything that counts now. O(n), for an operator's eyes.
    #[must_use]
    pub fn all(&self, now: Instant) -> Vec<Arc<SignedAdvertisement>> {
        self.cache.find(now, &DiscoveryQuery::new().threshold(usize::MAX))
    }

    /// Removes everything of `peer`, whose lease has ended; says how many that were.
    pub fn remove_peer(&mut self, peer: &PeerId) -> usize {
        self.cache.remove_publisher(peer)
    }

    /// Removes what `peer` published with sequences below `since`, in an earlier life; says how many that were.
    pub fn remove_before(&mut self, peer: &PeerId, since: u64) -> usize {
        self.cache.remove_older(peer, since)
    }

    /// Removes what has expired; says how many that were.
    pub fn expire(&mut self, now: Instant) -> usize {
        self.cache.expire(now)
    }

    /// When [`Self::expire`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.cache.poll_timeout()
    }

    /// How many advertisements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }

    /// Bytes of the advertisements.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// Refuses what would make the cache evict others or exceed its bytes: here who came first stays.
    fn check_room(&self, signed: &SignedAdvertisement) -> Result<(), CacheRefused> {
        let crowded = self.cache.len() >= self.limits.advertisements_max
            || self.cache.bytes().saturating_add(signed.to_bytes().len()) > self.limits.bytes_max;
        if !crowded {
            return Ok(());
        }
        // What replaces its own older edition, and is no longer, needs no room; a withdrawal never is.
        match self.cache.get(&signed.id()) {
            Some(known) if signed.to_bytes().len() <= known.to_bytes().len() => Ok(()),
            _ => Err(CacheRefused::Full),
        }
    }
}

impl IndexRefused {
    /// What the publisher is told, and under which reason it is counted.
    #[must_use]
    pub fn reason(&self) -> RefuseReason {
        match self {
            Self::Invalid(_) => RefuseReason::Malformed,
            Self::Cache(CacheRefused::PublisherFull { .. } | CacheRefused::Full) => RefuseReason::Full,
            Self::NotPublisher { .. } | Self::Cache(_) => RefuseReason::Policy,
        }
    }
}

#[cfg(test)]
mod tests;
