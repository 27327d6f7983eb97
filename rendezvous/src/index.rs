//! The index: advertisements of lease holders, found by attribute (JXTA: shared resource distributed index).
//!
//! In: signed bytes from a peer, queries, the ends of leases, the passing of time. Out: answers. A policy over
//! [`overlay::AdvertisementCache`]: a peer publishes only what it signed itself, nobody's advertisement makes another's
//! go, and what is published lives no longer than the operator lets it. Bounds: [`IndexLimits`]; beyond, refused.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use overlay::{
    AdvertisementCache, AdvertisementError, AdvertisementId, CacheLimits, CacheRefused, DiscoveryQuery,
    GroupId, Inserted, PeerId, RefuseReason, SignedAdvertisement,
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

/// Who may find an advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Who asks, whatever group it names.
    Everybody,
    /// The members of the closed group that it was published in.
    Members,
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
        let bounds = CacheLimits {
            total: limits.advertisements_max,
            per_publisher: limits.per_peer_max,
            bytes: limits.bytes_max,
        };
        Self { limits, cache: AdvertisementCache::new(bounds), closed: AdvertisementCache::new(bounds) }
    }

    /// Verifies and keeps what `from` published for everybody, for the remote lifetime it wished, cut to the configured one.
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
        Ok(self.keep(now, Audience::Everybody, Self::verify(from, envelope)?)?)
    }

    /// What `from` published, verified. Costs one signature check, about 50 µs.
    ///
    /// # Errors
    /// [`IndexRefused::Invalid`], [`IndexRefused::NotPublisher`].
    pub fn verify(from: &PeerId, envelope: Bytes) -> Result<SignedAdvertisement, IndexRefused> {
        let signed = SignedAdvertisement::verify(envelope)?;
        match signed.publisher() {
            publisher if publisher == *from => Ok(signed),
            publisher => Err(IndexRefused::NotPublisher { publisher }),
        }
    }

    /// Keeps what was verified and may be here, as long as [`Self::publish`] would. What is for members is in the group
    /// in which its publisher has proven its place; the caller has made sure.
    ///
    /// # Errors
    /// As [`CacheRefused`] says; then nothing has changed.
    pub fn keep(
        &mut self,
        now: Instant,
        audience: Audience,
        signed: SignedAdvertisement,
    ) -> Result<Inserted, CacheRefused> {
        let keep_for = signed.lifetime().remote.min(self.limits.remote_lifetime_max);
        self.of_mut(audience).expire(now);
        self.check_room(self.of(audience), &signed)?;
        self.of_mut(audience).insert(now, signed, keep_for)
    }

    /// What answers `query` now among what is for `audience`, at most its threshold; for members it names their group.
    #[must_use]
    pub fn find(
        &self,
        now: Instant,
        audience: Audience,
        query: &DiscoveryQuery,
    ) -> Vec<Arc<SignedAdvertisement>> {
        debug_assert!(
            audience == Audience::Everybody || query.group.is_some(),
            "nothing is asked across closed groups"
        );
        self.of(audience).find(now, query)
    }

    /// The newest edition of this id, a withdrawal too.
    #[must_use]
    pub fn get(&self, audience: Audience, id: &AdvertisementId) -> Option<&Arc<SignedAdvertisement>> {
        self.of(audience).get(id)
    }

    /// What `peer` has published for `audience` that counts now.
    #[must_use]
    pub fn of_peer(&self, now: Instant, audience: Audience, peer: PeerId) -> Vec<Arc<SignedAdvertisement>> {
        self.of(audience).find(now, &DiscoveryQuery::new().publisher(peer).threshold(usize::MAX))
    }

    /// Everything that counts now. O(n), for an operator's eyes.
    #[must_use]
    pub fn all(&self, now: Instant) -> Vec<Arc<SignedAdvertisement>> {
        let everything = DiscoveryQuery::new().threshold(usize::MAX);
        let (mut all, closed) = (self.cache.find(now, &everything), self.closed.find(now, &everything));
        all.extend(closed);
        all
    }

    /// Removes what `peer` published in the closed group, where it has lost its place; says how many that were.
    pub fn remove_in_closed(&mut self, peer: &PeerId, group: &GroupId) -> usize {
        self.closed.remove_publications(peer, group)
    }

    /// Removes what `peer` published for `audience`; says how many that were.
    pub fn remove_for(&mut self, audience: Audience, peer: &PeerId) -> usize {
        self.of_mut(audience).remove_publisher(peer)
    }

    /// Removes everything of `peer`, whose lease has ended; says how many that were.
    pub fn remove_peer(&mut self, peer: &PeerId) -> usize {
        self.cache.remove_publisher(peer) + self.closed.remove_publisher(peer)
    }

    /// Removes what `peer` published with sequences below `since`, in an earlier life; says how many that were.
    pub fn remove_before(&mut self, peer: &PeerId, since: u64) -> usize {
        self.cache.remove_older(peer, since) + self.closed.remove_older(peer, since)
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

    fn of(&self, audience: Audience) -> &AdvertisementCache {
        match audience {
            Audience::Everybody => &self.cache,
            Audience::Members => &self.closed,
        }
    }

    fn of_mut(&mut self, audience: Audience) -> &mut AdvertisementCache {
        match audience {
            Audience::Everybody => &mut self.cache,
            Audience::Members => &mut self.closed,
        }
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
            Self::NotPublisher { .. } | Self::Cache(_) => RefuseReason::Policy,
        }
    }
}

#[cfg(test)]
mod tests;
