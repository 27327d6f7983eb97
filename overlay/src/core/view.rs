//! What a subscriber knows: what answers its query now, and how that differs from what its reader was told.
//!
//! In: verified editions and word of what is gone, each from a source, and the passing of time. Out: [`Change`]s. A reader
//! that is slow misses editions in between, never the last: an advertisement that waits to be told waits once, so the
//! queue is no longer than what is known. Bounds: [`SUBSCRIPTION_KNOWN_MAX`] advertisements; more are counted and told.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use super::Deadlines;
use crate::advertisement::{DiscoveryQuery, SignedAdvertisement};
use crate::id::AdvertisementId;
use crate::limits::{SUBSCRIPTION_GRACE, SUBSCRIPTION_KNOWN_MAX};

/// What a subscription tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// This answers the query, and has not before or not since it was last told as withdrawn or expired.
    Added(SignedAdvertisement),
    /// A newer edition says something else, and still answers. Renewals that say the same are not told.
    Changed(SignedAdvertisement),
    /// Its publisher has withdrawn it, or changed it so that it no longer answers; this is the edition told last.
    Withdrawn(SignedAdvertisement),
    /// Its lifetime is over, or every rendezvous that told of it says that its publisher has gone, or this peer knows that
    /// its publisher was revoked in the closed group; this is the edition told last.
    Expired(SignedAdvertisement),
    /// So many advertisements that answer were left out, because the subscription knows as many as it may.
    Missed {
        /// How many, at least; 0 when a rendezvous has left out some without saying how many.
        count: u64,
    },
}

/// What one subscription knows.
#[derive(Debug)]
pub(crate) struct View {
    query: DiscoveryQuery,
    entries: HashMap<AdvertisementId, Entry>,
    /// When each entry's lifetime ends; of withdrawn ones, when no older edition can come back.
    expiry: Deadlines<AdvertisementId>,
    /// Entries that may differ from what the reader was told, each once.
    pending: VecDeque<AdvertisementId>,
    /// How often each source has begun to tell everything anew.
    rounds: HashMap<PeerId, u64>,
    missed: Option<u64>,
    merged: u64,
}

#[derive(Debug)]
struct Entry {
    told: Option<Arc<SignedAdvertisement>>,
    state: State,
    /// Of the newest edition, and when it came.
    sequence: u64,
    seen_at: Instant,
    /// Who has told of it, in which of its rounds.
    sources: Vec<(PeerId, u64)>,
    pending: bool,
}

#[derive(Debug)]
enum State {
    Held(Arc<SignedAdvertisement>),
    Withdrawn,
    Expired,
}

impl View {
    /// A view that knows nothing.
    pub(crate) fn new(query: DiscoveryQuery) -> Self {
        Self {
            query,
            entries: HashMap::new(),
            expiry: Deadlines::new(),
            pending: VecDeque::new(),
            rounds: HashMap::new(),
            missed: None,
            merged: 0,
        }
    }

    /// Takes an edition in, told by `source` or found here, to be believed for `keep_for`, and no longer than its
    /// lifetime since it first came. O(log n).
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        signed: Arc<SignedAdvertisement>,
        source: Option<PeerId>,
        keep_for: Duration,
    ) {
        let (id, matches) = (signed.id(), self.query.matches(&signed));
        let round = source.map(|source| (source, self.rounds.get(&source).copied().unwrap_or_default()));
        let full = self.entries.len() >= SUBSCRIPTION_KNOWN_MAX;
        let Some(entry) = self.entries.get_mut(&id) else {
            match (matches, full) {
                (false, _) => {}
                (true, true) => *self.missed.get_or_insert_default() += 1,
                (true, false) => {
                    let entry = Entry {
                        told: None,
                        sequence: signed.sequence(),
                        seen_at: now,
                        sources: round.into_iter().collect(),
                        pending: true,
                        state: State::Held(signed.clone()),
                    };
                    self.entries.insert(id, entry);
                    self.pending.push_back(id);
                    self.expiry.set(id, now + keep_for.min(signed.lifetime().remote));
                }
            }
            return;
        };
        let renewed = signed.sequence() > entry.sequence;
        if signed.sequence() < entry.sequence || !renewed && matches!(entry.state, State::Withdrawn) {
            return;
        }
        if let Some((source, round)) = round {
            entry.sources.retain(|(known, _)| *known != source);
            entry.sources.push((source, round));
        }
        let old = self.expiry.get(&id).filter(|_| !renewed);
        if renewed {
            (entry.sequence, entry.seen_at) = (signed.sequence(), now);
            let unread = entry.pending && matches!(entry.state, State::Held(_));
            self.merged += u64::from(unread);
        }
        let remote = signed.lifetime().remote;
        let until = old.map_or(now + keep_for, |old| old.max(now + keep_for)).min(entry.seen_at + remote);
        if matches && until <= now {
            return;
        }
        entry.state = if matches { State::Held(signed) } else { State::Withdrawn };
        // What is withdrawn is remembered for as long as others may still keep an older edition.
        self.expiry.set(id, if matches { until } else { now + remote });
        self.remember(id);
    }

    /// `source` no longer knows of `id`; nobody may.
    pub(crate) fn gone(&mut self, id: AdvertisementId, source: PeerId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let told_of = entry.sources.len();
        entry.sources.retain(|(known, _)| *known != source);
        let last = told_of > 0 && entry.sources.is_empty();
        if last && matches!(entry.state, State::Held(_)) {
            self.expire_entry(id);
        }
    }

    /// `source` begins to tell everything anew.
    pub(crate) fn restart(&mut self, source: PeerId) {
        *self.rounds.entry(source).or_default() += 1;
    }

    /// `source` has told everything: what only it knew of, and has not told again, is soon forgotten. O(n).
    pub(crate) fn complete(&mut self, now: Instant, source: PeerId) {
        let round = self.rounds.get(&source).copied().unwrap_or_default();
        for (id, entry) in &mut self.entries {
            let told_of = entry.sources.len();
            entry.sources.retain(|(known, told)| *known != source || *told == round);
            let forgotten = entry.sources.is_empty() && told_of > 0 && matches!(entry.state, State::Held(_));
            if let Some(until) = self.expiry.get(id).filter(|_| forgotten) {
                self.expiry.set(*id, until.min(now + SUBSCRIPTION_GRACE));
            }
        }
    }

    /// Nobody believes what those publish any more. O(n).
    pub(crate) fn disbelieve(&mut self, disbelieved: impl Fn(&PeerId) -> bool) {
        let of_them =
            |entry: &Entry| matches!(&entry.state, State::Held(signed) if disbelieved(&signed.publisher()));
        let theirs = self.entries.iter().filter(|(_, entry)| of_them(entry));
        let theirs: Vec<_> = theirs.map(|(id, _)| *id).collect();
        theirs.into_iter().for_each(|id| self.expire_entry(id));
    }

    /// A source has left answers out.
    pub(crate) fn cut(&mut self) {
        self.missed.get_or_insert_default();
    }

    /// Lets time pass; says whether there may be something to tell.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(id) = self.expiry.pop_due(now) {
            any = true;
            self.expire_entry(id);
        }
        any
    }

    /// When to call [`expire`](Self::expire) next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.expiry.next()
    }

    /// The next thing to tell the reader.
    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        if let Some(count) = self.missed.take() {
            return Some(Change::Missed { count });
        }
        while let Some(id) = self.pending.pop_front() {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            entry.pending = false;
            let told = entry.told.take();
            let change = match (&entry.state, told) {
                (State::Held(signed), told) => {
                    entry.told = Some(signed.clone());
                    let said = told.map(|told| told.advertisement() == signed.advertisement());
                    match said {
                        None => Some(Change::Added(SignedAdvertisement::clone(signed))),
                        Some(false) => Some(Change::Changed(SignedAdvertisement::clone(signed))),
                        Some(true) => None,
                    }
                }
                (State::Withdrawn, told) => {
                    if self.expiry.get(&id).is_none() {
                        self.entries.remove(&id);
                    }
                    told.map(|told| Change::Withdrawn(Arc::unwrap_or_clone(told)))
                }
                (State::Expired, told) => {
                    self.entries.remove(&id);
                    told.map(|told| Change::Expired(Arc::unwrap_or_clone(told)))
                }
            };
            if change.is_some() {
                return change;
            }
        }
        None
    }

    /// How many editions the reader has missed since the last call because a newer one came before it looked.
    pub(crate) fn take_merged(&mut self) -> u64 {
        std::mem::take(&mut self.merged)
    }

    fn expire_entry(&mut self, id: AdvertisementId) {
        self.expiry.remove(&id);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.told.is_none() {
            return self.forget(id);
        }
        // A withdrawal that the reader has not seen yet stays one.
        if matches!(entry.state, State::Held(_)) {
            entry.state = State::Expired;
        }
        self.remember(id);
    }

    /// Takes out what the reader never heard of.
    fn forget(&mut self, id: AdvertisementId) {
        self.entries.remove(&id);
        self.pending.retain(|waiting| *waiting != id);
    }

    fn remember(&mut self, id: AdvertisementId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if !std::mem::replace(&mut entry.pending, true) {
            self.pending.push_back(id);
        }
    }
}

#[cfg(test)]
mod tests;
