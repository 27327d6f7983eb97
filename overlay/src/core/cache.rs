//! The cache of advertisements: bounded, indexed by attribute, ordered by expiry.
//!
//! In: verified advertisements and the passing of time. Out: answers to queries. A greater sequence replaces a
//! smaller, a withdrawal too, which keeps its place and is never returned, as is an expired one. Full: the one that would expire next makes room for one that would
//! expire later, else the newcomer is refused. No publisher holds more than its share.

mod plan;
mod slots;
mod span;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use thiserror::Error;

use self::plan::{AttributeIndex, Plan};
use self::slots::{Slot, SlotsBy};
use super::Deadlines;
use crate::advertisement::{DiscoveryQuery, SignedAdvertisement};
use crate::id::{AdvertisementId, GroupId};

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
    /// At its slot each; free slots are empty.
    entries: Vec<Option<Arc<SignedAdvertisement>>>,
    free: Vec<Slot>,
    by_id: HashMap<AdvertisementId, Slot>,
    by_attribute: AttributeIndex,
    by_kind: SlotsBy<u16>,
    by_group: SlotsBy<GroupId>,
    by_publisher: SlotsBy<PeerId>,
    expiry: Deadlines<Slot>,
    bytes: usize,
    evicted: u64,
}

impl AdvertisementCache {
    /// An empty cache.
    pub fn new(limits: CacheLimits) -> Self {
        Self {
            limits,
            entries: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            by_attribute: AttributeIndex::default(),
            by_kind: SlotsBy::default(),
            by_group: SlotsBy::default(),
            by_publisher: SlotsBy::default(),
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
        let known = self.by_id.get(&signed.id()).copied().and_then(|slot| Some((slot, self.at(slot)?)));
        match known {
            Some((slot, known)) if known.to_bytes() == signed.to_bytes() => {
                self.expiry.set(slot, self.expiry.get(&slot).map_or(expires_at, |old| old.max(expires_at)));
                Ok(Inserted::Same)
            }
            Some((_, known)) if known.sequence() >= signed.sequence() => Err(CacheRefused::Stale),
            Some((slot, known)) => {
                let grown = signed.to_bytes().len().saturating_sub(known.to_bytes().len());
                if self.bytes.saturating_add(grown) > self.limits.bytes {
                    return Err(CacheRefused::Full);
                }
                self.remove(slot);
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
        let live = |slot: &Slot| self.expiry.get(slot).is_some_and(|at| at > now);
        let matching =
            |slot: Slot| self.at(slot).filter(|signed| query.matches(signed) && live(&slot)).cloned();
        let mut seen = HashSet::new();
        match self.plan(query) {
            Some(plan @ Plan::Union(_)) => {
                let once = plan.slots().filter(|slot| seen.insert(*slot));
                once.filter_map(matching).take(query.threshold).collect()
            }
            Some(plan) => plan.slots().filter_map(matching).take(query.threshold).collect(),
            None => self.by_id.values().copied().filter_map(matching).take(query.threshold).collect(),
        }
    }

    /// The newest edition of this id: also a withdrawal, and one that has expired and is not swept yet.
    pub fn get(&self, id: &AdvertisementId) -> Option<&Arc<SignedAdvertisement>> {
        self.by_id.get(id).and_then(|slot| self.at(*slot))
    }

    /// Takes out everything of `publisher` and says how many that were.
    pub fn remove_publisher(&mut self, publisher: &PeerId) -> usize {
        self.remove_where(publisher, |_| true)
    }

    /// Takes out the editions of `publisher` with a sequence below `sequence` and says how many that were.
    pub fn remove_older(&mut self, publisher: &PeerId, sequence: u64) -> usize {
        self.remove_where(publisher, |signed| signed.sequence() < sequence)
    }

    /// Takes out everything of `publisher` in `group` and says how many that were. O(its advertisements).
    pub fn remove_publications(&mut self, publisher: &PeerId, group: &GroupId) -> usize {
        let slots = self.by_publisher.get(publisher).into_iter().flat_map(|slots| slots.iter());
        let in_group =
            |slot: &Slot| self.at(*slot).is_some_and(|signed| signed.advertisement().group == *group);
        let slots: Vec<_> = slots.filter(in_group).collect();
        slots.into_iter().filter(|slot| self.remove(*slot)).count()
    }

    /// Takes out what expired until `now` and says how many that were.
    pub fn expire(&mut self, now: Instant) -> usize {
        let mut expired = 0;
        while self.expiry.next().is_some_and(|at| at <= now) {
            let Some(slot) = self.expiry.first().copied() else {
                break;
            };
            self.remove(slot);
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
        self.by_id.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Bytes of the signed advertisements held, without the index.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many were taken out early to make room, since the start.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn at(&self, slot: Slot) -> Option<&Arc<SignedAdvertisement>> {
        self.entries.get(usize::try_from(slot).ok()?)?.as_ref()
    }

    /// The smallest known set that holds all answers; nothing when they can be anywhere.
    fn plan(&self, query: &DiscoveryQuery) -> Option<Plan<'_>> {
        let mut plans = self.by_attribute.plans(&query.conditions);
        plans.extend(query.publisher.map(|publisher| slots(self.by_publisher.get(&publisher))));
        plans.extend(query.kind.map(|kind| slots(self.by_kind.get(&kind.code()))));
        plans.extend(query.group.map(|group| slots(self.by_group.get(&group))));
        Plan::rarest(plans)
    }

    fn make_room(&mut self, signed: &SignedAdvertisement, expires_at: Instant) -> Result<(), CacheRefused> {
        let max = self.limits.per_publisher;
        if self.by_publisher.get(&signed.publisher()).is_some_and(|slots| slots.len() >= max) {
            return Err(CacheRefused::PublisherFull { max });
        }
        let len = signed.to_bytes().len();
        if self.limits.total == 0 || len > self.limits.bytes {
            return Err(CacheRefused::Full);
        }
        while self.by_id.len() >= self.limits.total || self.bytes + len > self.limits.bytes {
            let next = self.expiry.first().copied().zip(self.expiry.next());
            let Some((slot, _)) = next.filter(|(_, at)| *at < expires_at) else {
                return Err(CacheRefused::Full);
            };
            self.remove(slot);
            self.evicted += 1;
        }
        Ok(())
    }

    fn put(&mut self, signed: SignedAdvertisement, expires_at: Instant) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            // Bounded by `limits.total`; memory ends long before the numbers do.
            Slot::try_from(self.entries.len() - 1).unwrap_or(Slot::MAX)
        });
        let advertisement = signed.advertisement();
        self.by_id.insert(signed.id(), slot);
        if !signed.is_withdrawn() {
            self.by_attribute.insert(&advertisement.attributes, slot);
            self.by_kind.insert(advertisement.kind.code(), slot);
            self.by_group.insert(advertisement.group, slot);
        }
        self.by_publisher.insert(signed.publisher(), slot);
        self.expiry.set(slot, expires_at);
        self.bytes += signed.to_bytes().len();
        if let Some(entry) = usize::try_from(slot).ok().and_then(|index| self.entries.get_mut(index)) {
            *entry = Some(Arc::new(signed));
        }
    }

    fn remove_where(&mut self, publisher: &PeerId, goes: impl Fn(&SignedAdvertisement) -> bool) -> usize {
        let known = self.by_publisher.get(publisher).into_iter().flat_map(|slots| slots.iter());
        let slots: Vec<_> = known.filter(|slot| self.at(*slot).is_some_and(|signed| goes(signed))).collect();
        slots.into_iter().filter(|slot| self.remove(*slot)).count()
    }

    fn remove(&mut self, slot: Slot) -> bool {
        let entry = usize::try_from(slot).ok().and_then(|index| self.entries.get_mut(index));
        let Some(signed) = entry.and_then(Option::take) else {
            return false;
        };
        let advertisement = signed.advertisement();
        self.by_id.remove(&signed.id());
        self.by_attribute.remove(&advertisement.attributes, slot);
        self.by_kind.remove(&advertisement.kind.code(), slot);
        self.by_group.remove(&advertisement.group, slot);
        self.by_publisher.remove(&signed.publisher(), slot);
        self.expiry.remove(&slot);
        self.bytes -= signed.to_bytes().len();
        self.free.push(slot);
        true
    }
}

/// What an index without this key says is that there is nothing.
fn slots(known: Option<&slots::Slots>) -> Plan<'_> {
    known.map_or_else(Plan::nothing, Plan::Slots)
}

#[cfg(test)]
mod tests;
