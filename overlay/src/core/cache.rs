//! The cache of advertisements: bounded, indexed by attribute, ordered by expiry.
//!
//! In: verified advertisements and the passing of time. Out: answers to queries. A greater sequence replaces a
//! smaller; an expired one is never returned. Full: the one that would expire next makes room for one that would
//! expire later, else the newcomer is refused. No publisher holds more than its share.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use thiserror::Error;

use super::Deadlines;
use crate::advertisement::{Condition, DiscoveryQuery, SignedAdvertisement, Value, WireValue};
use crate::id::AdvertisementId;

/// How much a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// Advertisements in all.
    pub total: usize,
    /// Advertisements of one publisher.
    pub per_publisher: usize,
    /// Bytes of signed advertisements in all.
    pub bytes: usize,
}

/// What an insertion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It was not there.
    New,
    /// An older edition was replaced.
    Replaced,
    /// The same edition was there; it is kept for longer if asked to.
    Same,
}

/// Why an advertisement was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CacheRefused {
    /// A newer edition is there, or another one with the same sequence.
    #[error("a newer edition is known")]
    Stale,
    /// The publisher has as many as one may.
    #[error("the publisher has {max} advertisements already")]
    PublisherFull {
        /// The bound.
        max: usize,
    },
    /// Everything that is there expires later than this one would.
    #[error("the cache is full")]
    Full,
    /// It would expire at once.
    #[error("its lifetime is over")]
    Expired,
}

/// Advertisements that can be looked up by attribute in time that grows with the answers, not with the cache.
#[derive(Debug)]
pub struct AdvertisementCache {
    limits: CacheLimits,
    entries: HashMap<AdvertisementId, Arc<SignedAdvertisement>>,
    by_attribute: HashMap<(String, WireValue), BTreeSet<AdvertisementId>>,
    by_kind: HashMap<u16, BTreeSet<AdvertisementId>>,
    by_publisher: HashMap<PeerId, BTreeSet<AdvertisementId>>,
    expiry: Deadlines<AdvertisementId>,
    bytes: usize,
    evicted: u64,
}

impl AdvertisementCache {
    /// An empty cache.
    pub fn new(limits: CacheLimits) -> Self {
        Self {
            limits,
            entries: HashMap::new(),
            by_attribute: HashMap::new(),
            by_kind: HashMap::new(),
            by_publisher: HashMap::new(),
            expiry: Deadlines::new(),
            bytes: 0,
            evicted: 0,
        }
    }

    /// Keeps `signed` for `keep_for`, in O(attributes · log n).
    ///
    /// # Errors
    /// As [`CacheRefused`] says; then nothing has changed.
    pub fn insert(
        &mut self,
        now: Instant,
        signed: SignedAdvertisement,
        keep_for: Duration,
    ) -> Result<Inserted, CacheRefused> {
        let expires_at = now.checked_add(keep_for).ok_or(CacheRefused::Expired)?;
        if keep_for.is_zero() {
            return Err(CacheRefused::Expired);
        }
        let id = signed.id();
        let known =
            self.entries.get(&id).map(|known| (known.sequence(), known.to_bytes() == signed.to_bytes()));
        match known {
            Some((sequence, true)) if sequence == signed.sequence() => {
                self.expiry.set(id, self.expiry.get(&id).map_or(expires_at, |old| old.max(expires_at)));
                Ok(Inserted::Same)
            }
            Some((sequence, _)) if sequence >= signed.sequence() => Err(CacheRefused::Stale),
            Some(_) => {
                self.remove(&id);
                self.put(signed, expires_at);
                Ok(Inserted::Replaced)
            }
            None => {
                self.make_room(&signed, expires_at)?;
                self.put(signed, expires_at);
                Ok(Inserted::New)
            }
        }
    }

    /// What answers `query` at `now`, at most its threshold; looks only through the rarest of its conditions.
    pub fn find(&self, now: Instant, query: &DiscoveryQuery) -> Vec<Arc<SignedAdvertisement>> {
        let live = |id: &AdvertisementId| self.expiry.get(id).is_some_and(|at| at > now);
        let matching = |id: &AdvertisementId| {
            self.entries.get(id).filter(|signed| live(id) && query.matches(signed)).cloned()
        };
        match self.candidates(query) {
            Candidates::None => Vec::new(),
            Candidates::Some(ids) => ids.iter().filter_map(matching).take(query.threshold).collect(),
            Candidates::All => self.entries.keys().filter_map(matching).take(query.threshold).collect(),
        }
    }

    /// Takes out everything of `publisher` and says how many that were.
    pub fn remove_publisher(&mut self, publisher: &PeerId) -> usize {
        let ids = self.by_publisher.get(publisher).cloned().unwrap_or_default();
        ids.iter().filter(|id| self.remove(id)).count()
    }

    /// Takes out what expired until `now` and says how many that were.
    pub fn expire(&mut self, now: Instant) -> usize {
        let mut expired = 0;
        while self.expiry.next().is_some_and(|at| at <= now) {
            let Some(id) = self.expiry.first().copied() else {
                break;
            };
            self.remove(&id);
            expired += 1;
        }
        expired
    }

    /// When to call [`expire`](Self::expire) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.expiry.next()
    }

    /// Advertisements held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of the signed advertisements held, without the index.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many were taken out early to make room, since the start.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The smallest set of ids that holds all answers.
    fn candidates(&self, query: &DiscoveryQuery) -> Candidates<'_> {
        let mut sets = Vec::with_capacity(query.conditions.len() + 2);
        for Condition::Equals { attribute, value } in &query.conditions {
            sets.push(self.by_attribute.get(&(attribute.clone(), value.wire())));
        }
        if let Some(publisher) = &query.publisher {
            sets.push(self.by_publisher.get(publisher));
        }
        if let Some(kind) = query.kind {
            sets.push(self.by_kind.get(&kind.code()));
        }
        if sets.iter().any(Option::is_none) {
            return Candidates::None;
        }
        match sets.into_iter().flatten().min_by_key(|set| set.len()) {
            Some(ids) => Candidates::Some(ids),
            None => Candidates::All,
        }
    }

    fn make_room(&mut self, signed: &SignedAdvertisement, expires_at: Instant) -> Result<(), CacheRefused> {
        let max = self.limits.per_publisher;
        if self.by_publisher.get(&signed.publisher()).is_some_and(|ids| ids.len() >= max) {
            return Err(CacheRefused::PublisherFull { max });
        }
        let len = signed.to_bytes().len();
        if self.limits.total == 0 || len > self.limits.bytes {
            return Err(CacheRefused::Full);
        }
        while self.entries.len() >= self.limits.total || self.bytes + len > self.limits.bytes {
            let next = self.expiry.first().copied().zip(self.expiry.next());
            let Some((id, _)) = next.filter(|(_, at)| *at < expires_at) else {
                return Err(CacheRefused::Full);
            };
            self.remove(&id);
            self.evicted += 1;
        }
        Ok(())
    }

    fn put(&mut self, signed: SignedAdvertisement, expires_at: Instant) {
        let id = signed.id();
        for (name, value) in &signed.advertisement().attributes {
            self.by_attribute.entry(index_entry(name, value)).or_default().insert(id);
        }
        self.by_kind.entry(signed.advertisement().kind.code()).or_default().insert(id);
        self.by_publisher.entry(signed.publisher()).or_default().insert(id);
        self.expiry.set(id, expires_at);
        self.bytes += signed.to_bytes().len();
        self.entries.insert(id, Arc::new(signed));
    }

    fn remove(&mut self, id: &AdvertisementId) -> bool {
        let Some(signed) = self.entries.remove(id) else {
            return false;
        };
        for (name, value) in &signed.advertisement().attributes {
            take_from(&mut self.by_attribute, &index_entry(name, value), id);
        }
        take_from(&mut self.by_kind, &signed.advertisement().kind.code(), id);
        take_from(&mut self.by_publisher, &signed.publisher(), id);
        self.expiry.remove(id);
        self.bytes -= signed.to_bytes().len();
        true
    }
}

/// Where the answers to a query can be.
enum Candidates<'a> {
    None,
    Some(&'a BTreeSet<AdvertisementId>),
    All,
}

fn index_entry(name: &str, value: &Value) -> (String, WireValue) {
    (name.to_owned(), value.wire())
}

fn take_from<K: std::hash::Hash + Eq>(
    index: &mut HashMap<K, BTreeSet<AdvertisementId>>,
    key: &K,
    id: &AdvertisementId,
) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
