//! The index: advertisements of lease holders, found by attribute (JXTA: shared resource distributed index).
//!
//! In: signed bytes from a peer, queries, the ends of leases, the passing of time. Out: answers. A policy over
//! [`overlay::AdvertisementCache`]: a peer publishes only what it signed itself, nobody's advertisement makes another's
//! go, and what is published lives no longer than the operator lets it. Bounds: [`IndexLimits`]; beyond, refused.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use overlay::{
    AdvertisementCache, AdvertisementError, CacheLimits, CacheRefused, DiscoveryQuery, GroupId, Inserted,
    PeerId, RefuseReason, SignedAdvertisement,
};

use crate::limits::IndexLimits;

/// Advertisements by attribute, ordered by expiry.
#[derive(Debug)]
pub struct Index {
    limits: IndexLimits,
    /// What was published for everybody, whatever group it names.
    cache: AdvertisementCache,
    /// What members published in closed groups, each for its own members.
    closed: AdvertisementCache,
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
    /// It was published in a closed group and names another one.
    #[error("index the advertisement: it is for another group")]
    OtherGroup,
    /// The index or the publisher's share of it is full, or what is known is newer.
    #[error("index the advertisement: {0}")]
    Cache(#[from] CacheRefused),
}

impl Index {
    /// An empty index.
    #[must_use]
    pub fn new(limits: IndexLimits) -> Self {
        let bounds = CacheLimits {
            total: limits.advertisements_max,
            per_publisher: limits.per_peer_max,
            bytes: limits.bytes_max,
        };
        Self { limits, cache: AdvertisementCache::new(bounds), closed: AdvertisementCache::new(bounds) }
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
        Ok(self.keep(now, own_of(from, envelope)?)?)
    }

    /// [`Self::publish`] by who has proven its place in the closed group, for those who have.
    ///
    /// # Errors
    /// As [`IndexRefused`] says, [`IndexRefused::OtherGroup`] for one that names another group.
    pub fn publish_closed(
        &mut self,
        now: Instant,
        from: &PeerId,
        group: GroupId,
        envelope: Bytes,
    ) -> Result<Inserted, IndexRefused> {
        let signed = own_of(from, envelope)?;
        if signed.advertisement().group != group {
            return Err(IndexRefused::OtherGroup);
        }
        Ok(self.keep_closed(now, signed)?)
    }

    /// Keeps what was verified and may be here, as long as [`Self::publish`] would.
    ///
    /// # Errors
    /// As [`CacheRefused`] says; then nothing has changed.
    pub fn keep(&mut self, now: Instant, signed: SignedAdvertisement) -> Result<Inserted, CacheRefused> {
        let keep_for = signed.lifetime().remote.min(self.limits.remote_lifetime_max);
        self.cache.expire(now);
        self.check_room(&self.cache, &signed)?;
        self.cache.insert(now, signed, keep_for)
    }

    /// Keeps what was verified and is for the members of its closed group alone.
    ///
    /// # Errors
    /// As [`CacheRefused`] says; then nothing has changed.
    pub fn keep_closed(
        &mut self,
        now: Instant,
        signed: SignedAdvertisement,
    ) -> Result<Inserted, CacheRefused> {
        let keep_for = signed.lifetime().remote.min(self.limits.remote_lifetime_max);
        self.closed.expire(now);
        self.check_room(&self.closed, &signed)?;
        self.closed.insert(now, signed, keep_for)
    }

    /// What answers `query`, which names a closed group, among what its members published there.
    #[must_use]
    pub fn find_closed(&self, now: Instant, query: &DiscoveryQuery) -> Vec<Arc<SignedAdvertisement>> {
        debug_assert!(query.group.is_some(), "nothing is asked across closed groups");
        self.closed.find(now, query)
    }

    /// Removes what `peer` published in the closed group, where it has lost its place; says how many that were.
    pub fn remove_in_closed(&mut self, peer: &PeerId, group: &GroupId) -> usize {
        self.closed.remove_publications(peer, group)
    }

    /// What answers `query` now, at most its threshold; nothing that was published in a closed group.
    #[must_use]
    pub fn find(&self, now: Instant, query: &DiscoveryQuery) -> Vec<Arc<SignedAdvertisement>> {
        self.cache.find(now, query)
    }

    /// Everything that counts now. O(n), for an operator's eyes.
    #[must_use]
    pub fn all(&self, now: Instant) -> Vec<Arc<SignedAdvertisement>> {
        let everything = DiscoveryQuery::new().threshold(usize::MAX);
        let (mut all, closed) = (self.cache.find(now, &everything), self.closed.find(now, &everything));
        all.extend(closed);
        all
    }

    /// Removes everything of `peer`, whose lease has ended; says how many that were.
    pub fn remove_peer(&mut self, peer: &PeerId) -> usize {
        self.cache.remove_publisher(peer) + self.closed.remove_publisher(peer)
    }

    /// Removes what `peer` published with sequences below `since`, in an earlier life; says how many that were.
    pub fn remove_before(&mut self, peer: &PeerId, since: u64) -> usize {
        self.cache.remove_older(peer, since)
    }

    /// Removes what has expired; says how many that were.
    pub fn expire(&mut self, now: Instant) -> usize {
        self.cache.expire(now) + self.closed.expire(now)
    }

    /// When [`Self::expire`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.cache.poll_timeout().into_iter().chain(self.closed.poll_timeout()).min()
    }

    /// How many advertisements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cache.len() + self.closed.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the advertisements.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.cache.bytes() + self.closed.bytes()
    }

    /// Refuses what would make the cache evict others or exceed its bytes: here who came first stays.
    fn check_room(
        &self,
        cache: &AdvertisementCache,
        signed: &SignedAdvertisement,
    ) -> Result<(), CacheRefused> {
        let crowded = self.len() >= self.limits.advertisements_max
            || self.bytes().saturating_add(signed.to_bytes().len()) > self.limits.bytes_max;
        if !crowded {
            return Ok(());
        }
        // What replaces its own older edition, and is no longer, needs no room; a withdrawal never is.
        match cache.get(&signed.id()) {
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
            Self::NotPublisher { .. } | Self::OtherGroup | Self::Cache(_) => RefuseReason::Policy,
        }
    }
}

/// The advertisement in `envelope`, if `from` signed it itself.
fn own_of(from: &PeerId, envelope: Bytes) -> Result<SignedAdvertisement, IndexRefused> {
    let signed = SignedAdvertisement::verify(envelope)?;
    match signed.publisher() {
        publisher if publisher == *from => Ok(signed),
        publisher => Err(IndexRefused::NotPublisher { publisher }),
    }
}

#[cfg(test)]
mod tests;
