//! The rendezvous service: who holds a lease, may publish and look up, and what each is answered (JXTA).
//!
//! In: requests as bytes, sessions opened and lost, bans, the passing of time. Out: answers or refusals, each counted.
//! Bounds: those of the lease table, the index and the rates; at most [`BANNED_MAX`] bans. Pure: the caller supplies
//! `now`; [`Service::poll_timeout`] says when to call [`Service::expire`].

mod closed;
mod listing;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use overlay::limits::FIND_ANSWER_MAX;
use overlay::protocol::discovery::{DiscoveryRequest, FindAnswer, PublishAnswer};
use overlay::protocol::rendezvous::{LeaseGrant, RendezvousRequest};
use overlay::wire::WireError;
use overlay::{DiscoveryQuery, GroupId, PeerId, RateLimiter, RefuseReason, SignedAdvertisement};

pub use self::listing::{GroupRow, PeerRow};
use crate::closed_groups::ClosedGroups;
use crate::counters::Counters;
use crate::index::Index;
use crate::lease_table::{LeaseRefused, LeaseTable};
use crate::limits::{BANNED_MAX, Limits, RATE_PEERS_MAX};

/// Everything that a rendezvous knows and decides.
#[derive(Debug)]
pub struct Service {
    leases: LeaseTable,
    index: Index,
    lease_rate: RateLimiter,
    lookup_rate: RateLimiter,
    publication_rate: RateLimiter,
    entry_rate: RateLimiter,
    closed: ClosedGroups,
    /// The rendezvous's own peer.
    own: Option<PeerId>,
    banned: HashSet<PeerId>,
    counters: Arc<Counters>,
}

/// What a request is answered: bytes, or why not.
pub type Answer = Result<Bytes, RefuseReason>;

/// The list of bans is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ban the peer: {max} peers are banned already")]
pub struct BansFull {
    /// The bound.
    pub max: usize,
}

impl Service {
    /// A service that knows nobody and counts in `counters`.
    #[must_use]
    pub fn new(limits: &Limits, counters: Arc<Counters>) -> Self {
        Self {
            leases: LeaseTable::new(limits.lease.clone()),
            index: Index::new(limits.index.clone()),
            lease_rate: RateLimiter::new(limits.rate.lease, RATE_PEERS_MAX),
            lookup_rate: RateLimiter::new(limits.rate.lookup, RATE_PEERS_MAX),
            publication_rate: RateLimiter::new(limits.rate.publication, RATE_PEERS_MAX),
            entry_rate: RateLimiter::new(limits.rate.entry, RATE_PEERS_MAX),
            closed: ClosedGroups::default(),
            own: None,
            banned: HashSet::new(),
            counters,
        }
    }

    /// Answers a lease request or a cancellation.
    pub fn lease(&mut self, now: Instant, from: PeerId, body: &[u8]) -> Answer {
        let answer = self.admit(now, &from).and_then(|()| self.answer_lease(now, from, body));
        self.finish(answer)
    }

    /// Answers a publication or a lookup that was asked in `group`.
    pub fn discovery(&mut self, now: Instant, from: PeerId, group: GroupId, body: &[u8]) -> Answer {
        let answer = self.admit(now, &from).and_then(|()| self.answer_discovery(now, from, group, body));
        self.finish(answer)
    }

    /// A peer has a session now. Returns whether it may stay: a banned one may not.
    pub fn session_opened(&mut self, now: Instant, peer: &PeerId) -> bool {
        self.leases.seen(now, peer);
        let banned = self.banned.contains(peer);
        if banned {
            self.counters.refused_banned.increment();
        }
        !banned
    }

    /// The last session of a peer is gone: what it holds stays for the grace.
    pub fn session_lost(&mut self, now: Instant, peer: &PeerId) {
        if self.leases.suspect(now, peer) {
            self.counters.leases_suspected.increment();
        }
        self.show();
    }

    /// Bans a peer: it loses its lease and everything published, and is refused from now on.
    ///
    /// # Errors
    /// [`BansFull`] when there are [`BANNED_MAX`] bans.
    pub fn ban(&mut self, now: Instant, peer: PeerId) -> Result<(), BansFull> {
        if self.banned.len() >= BANNED_MAX && !self.banned.contains(&peer) {
            return Err(BansFull { max: BANNED_MAX });
        }
        self.banned.insert(peer);
        self.end_lease(now, &peer);
        self.show();
        Ok(())
    }

    /// Keeps what the rendezvous's own peer publishes now, and nothing else of it; it needs no lease from itself.
    /// What finds no room is left out and counted, each time.
    pub fn host(&mut self, now: Instant, own: &PeerId, published: Vec<SignedAdvertisement>) {
        self.own = Some(*own);
        self.index.remove_peer(own);
        for signed in published {
            if self.index.keep(now, signed).is_err() {
                self.counters.publications_refused.increment();
            }
        }
        self.show();
    }

    /// Ends leases and advertisements whose time has come.
    pub fn expire(&mut self, now: Instant) {
        while let Some(peer) = self.leases.pop_expired(now) {
            self.counters.leases_expired.increment();
            self.counters.advertisements_dropped.add(self.index.remove_peer(&peer));
            self.closed.remove_peer(now, &peer);
        }
        self.closed.expire(now);
        self.drop_ended();
        self.counters.advertisements_expired.add(self.index.expire(now));
        self.show();
    }

    /// When [`Self::expire`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timeouts = [self.leases.poll_timeout(), self.index.poll_timeout(), self.closed.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    /// Any frame of a holder renews its lease, before anything can be refused but to the banned.
    fn admit(&mut self, now: Instant, from: &PeerId) -> Result<(), RefuseReason> {
        if self.banned.contains(from) {
            return Err(RefuseReason::Banned);
        }
        // What is due ends first, so that a late frame cannot revive it.
        self.expire(now);
        self.leases.seen(now, from);
        Ok(())
    }

    fn answer_lease(&mut self, now: Instant, from: PeerId, body: &[u8]) -> Answer {
        self.lease_rate.spend(now, from, 1).map_err(|_| RefuseReason::TooMany)?;
        match RendezvousRequest::decode(body).map_err(|_| RefuseReason::Malformed)? {
            RendezvousRequest::Lease { wanted, since } => {
                let granted = self.leases.request(now, from, wanted);
                let grant = granted.map_err(|LeaseRefused::Full { .. }| RefuseReason::Full)?;
                let counter =
                    if grant.renewed { &self.counters.leases_renewed } else { &self.counters.leases_granted };
                counter.increment();
                self.counters.advertisements_dropped.add(self.index.remove_before(&from, since));
                encoded(LeaseGrant { ttl: grant.ttl, fresh: !grant.renewed }.encode())
            }
            RendezvousRequest::Cancel => {
                if self.end_lease(now, &from) {
                    self.counters.leases_cancelled.increment();
                }
                Ok(Bytes::new())
            }
        }
    }

    fn answer_discovery(&mut self, now: Instant, from: PeerId, group: GroupId, body: &[u8]) -> Answer {
        match DiscoveryRequest::decode(body).map_err(|_| RefuseReason::Malformed)? {
            DiscoveryRequest::Publish { advertisements } => self.publish(now, from, advertisements),
            DiscoveryRequest::Find { query } => self.find(now, from, group, query),
        }
    }

    fn publish(&mut self, now: Instant, from: PeerId, advertisements: Vec<Bytes>) -> Answer {
        if self.leases.live(now, &from).is_none() {
            return Err(RefuseReason::NotLeased);
        }
        let mut answer = PublishAnswer { accepted: 0, refused: 0 };
        for envelope in advertisements {
            let kept = self.publish_one(now, from, envelope);
            self.count_publication(kept, &mut answer);
        }
        encoded(answer.encode())
    }

    fn count_publication(&self, kept: Result<(), RefuseReason>, answer: &mut PublishAnswer) {
        match kept {
            Ok(()) => {
                self.counters.publications.increment();
                answer.accepted += 1;
            }
            Err(reason) => {
                self.counters.refused(reason).increment();
                self.counters.publications_refused.increment();
                answer.refused += 1;
            }
        }
    }

    /// One token buys one signature check.
    fn publish_one(&mut self, now: Instant, from: PeerId, envelope: Bytes) -> Result<(), RefuseReason> {
        self.publication_rate.spend(now, from, 1).map_err(|_| RefuseReason::TooMany)?;
        self.index.publish(now, &from, envelope).map(drop).map_err(|refused| refused.reason())
    }

    /// A query that names no group asks in the group it came by.
    fn find(&mut self, now: Instant, from: PeerId, group: GroupId, mut query: DiscoveryQuery) -> Answer {
        self.lookup_rate.spend(now, from, 1).map_err(|_| RefuseReason::TooMany)?;
        query.group.get_or_insert(group);
        // One more than an answer may hold tells whether there are more.
        query.threshold = query.threshold.min(FIND_ANSWER_MAX + 1);
        let answer = found(&self.index.find(now, &query));
        self.count_found(&answer);
        encoded(answer.encode())
    }

    fn count_found(&self, answer: &FindAnswer) {
        self.counters.lookups.increment();
        self.counters.found.add(answer.advertisements.len());
    }

    fn end_lease(&mut self, now: Instant, peer: &PeerId) -> bool {
        self.closed.remove_peer(now, peer);
        self.drop_ended();
        self.counters.advertisements_dropped.add(self.index.remove_peer(peer));
        self.leases.cancel(peer)
    }

    fn finish(&mut self, answer: Answer) -> Answer {
        if let Err(reason) = answer {
            self.counters.refused(reason).increment();
        }
        self.show();
        answer
    }

    /// Brings the gauges up to date.
    fn show(&self) {
        self.counters.leases.set(self.leases.len());
        self.counters.advertisements.set(self.index.len());
        self.counters.index_bytes.set(self.index.bytes());
        self.counters.banned.set(self.banned.len());
        self.counters.closed_groups.set(self.closed.len());
        self.counters.places.set(self.closed.places());
    }
}

/// The answer that holds as much of what was found as fits.
fn found(found: &[Arc<SignedAdvertisement>]) -> FindAnswer {
    let envelopes = found.iter().take(FIND_ANSWER_MAX).map(|signed| signed.to_bytes());
    let mut answer = FindAnswer::fitting(envelopes);
    answer.more |= found.len() > FIND_ANSWER_MAX;
    answer
}

/// An answer as bytes. Every answer is made to fit; one that does not is refused rather than sent cut.
fn encoded(bytes: Result<Vec<u8>, WireError>) -> Answer {
    debug_assert!(bytes.is_ok(), "answers are cut to what fits a session frame");
    bytes.map(Bytes::from).map_err(|_| RefuseReason::Full)
}

#[cfg(test)]
mod tests;
