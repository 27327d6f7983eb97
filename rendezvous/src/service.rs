//! The rendezvous service: who holds a lease, may publish and look up, and what each is answered (JXTA).
//!
//! In: requests as bytes, sessions opened and lost, bans, the passing of time. Out: answers or refusals, each counted.
//! Bounds: those of the lease table, the index and the rates; at most [`BANNED_MAX`] bans. Pure: the caller supplies
//! `now`; [`Service::poll_timeout`] says when to call [`Service::expire`].

mod closed;
mod listing;
mod subscribing;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use overlay::limits::{FIND_ANSWER_MAX, FIND_SKIP_MAX};
use overlay::protocol::discovery::{DiscoveryRequest, FindAnswer, PublishAnswer};
use overlay::protocol::rendezvous::{LeaseGrant, RendezvousRequest};
use overlay::wire::WireError;
use overlay::{DiscoveryQuery, GroupId, Inserted, PeerId, RateLimiter, RefuseReason, SignedAdvertisement};

pub use self::listing::{GroupRow, PeerRow};
use crate::closed_groups::ClosedGroups;
use crate::counters::Counters;
use crate::index::{Audience, Index, IndexRefused};
use crate::lease_table::{LeaseRefused, LeaseTable};
use crate::limits::{BANNED_MAX, Limits, RATE_PEERS_MAX};
pub use crate::subscriptions::Notified;
use crate::subscriptions::Subscriptions;

/// Everything that a rendezvous knows and decides.
#[derive(Debug)]
pub struct Service {
    leases: LeaseTable,
    index: Index,
    lease_rate: RateLimiter,
    lookup_rate: RateLimiter,
    publication_rate: RateLimiter,
    subscriptions: Subscriptions,
    entry_rate: RateLimiter,
    closed: ClosedGroups,
    /// The rendezvous's own peer, which needs no lease from itself.
    own: Option<PeerId>,
    banned: HashSet<PeerId>,
    counters: Arc<Counters>,
}

/// Who asks when, and among what.
#[derive(Clone, Copy, Debug)]
struct Asked {
    now: Instant,
    from: PeerId,
    audience: Audience,
    group: GroupId,
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

impl Asked {
    /// A query that names no group asks in the group it came by; in a closed one, whatever it names.
    fn within(&self, mut query: DiscoveryQuery) -> DiscoveryQuery {
        match self.audience {
            Audience::Everybody => query.group.get_or_insert(self.group),
            Audience::Members => query.group.insert(self.group),
        };
        query
    }
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
            subscriptions: Subscriptions::default(),
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
        self.subscriptions.heard_of(peer);
        let banned = self.banned.contains(peer);
        if banned {
            self.counters.refused_banned.increment();
        }
        !banned
    }

    /// The last session of a peer is gone: what it holds stays for the grace.
    pub fn session_lost(&mut self, now: Instant, peer: &PeerId) {
        self.subscriptions.stall(peer);
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
        self.host_for(now, Audience::Everybody, published);
    }

    /// Ends leases and advertisements whose time has come.
    pub fn expire(&mut self, now: Instant) {
        while let Some(peer) = self.leases.pop_expired(now) {
            self.counters.leases_expired.increment();
            self.drop_peer(now, &peer);
            self.closed.remove_peer(now, &peer);
        }
        self.closed.expire(now);
        self.drop_ended(now);
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
        self.subscriptions.heard_of(from);
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
                self.drop_before(now, from, since);
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
            DiscoveryRequest::Publish { .. } if self.leases.live(now, &from).is_none() => {
                Err(RefuseReason::NotLeased)
            }
            request => self.answer_for(now, from, Audience::Everybody, group, request),
        }
    }

    /// Answers a question among what is for `audience`; who asks for members has a place in `group`.
    fn answer_for(
        &mut self,
        now: Instant,
        from: PeerId,
        audience: Audience,
        group: GroupId,
        request: DiscoveryRequest,
    ) -> Answer {
        let asked = Asked { now, from, audience, group };
        match request {
            DiscoveryRequest::Publish { advertisements } => self.publish(asked, advertisements),
            DiscoveryRequest::Find { query } => self.find(asked, query, 0),
            DiscoveryRequest::FindMore { query, skip } => self.find(asked, query, skip),
            DiscoveryRequest::Subscribe { number, query } => self.subscribe(asked, number, query),
            DiscoveryRequest::Unsubscribe { number } => {
                self.subscriptions.end(&from, number);
                Ok(Bytes::new())
            }
        }
    }

    fn publish(&mut self, asked: Asked, advertisements: Vec<Bytes>) -> Answer {
        let mut answer = PublishAnswer { accepted: 0, refused: 0 };
        for envelope in advertisements {
            let kept = self.publish_one(asked, envelope);
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
    fn publish_one(&mut self, asked: Asked, envelope: Bytes) -> Result<(), RefuseReason> {
        let Asked { now, from, audience, group } = asked;
        self.publication_rate.spend(now, from, 1).map_err(|_| RefuseReason::TooMany)?;
        let signed = Index::verify(&from, envelope).map_err(|refused| refused.reason())?;
        if audience == Audience::Members && signed.advertisement().group != group {
            return Err(RefuseReason::Policy);
        }
        let id = signed.id();
        let old = self.index.get(audience, &id).cloned();
        let kept = self.index.keep(now, audience, signed);
        let kept = kept.map_err(|refused| IndexRefused::from(refused).reason())?;
        if let Some(new) = self.index.get(audience, &id).filter(|_| kept != Inserted::Same) {
            self.subscriptions.published(audience, old.as_deref(), new);
        }
        Ok(())
    }

    fn find(&mut self, asked: Asked, query: DiscoveryQuery, skip: u32) -> Answer {
        if skip > FIND_SKIP_MAX {
            return Err(RefuseReason::Full);
        }
        // A page costs what it takes to look through those before it.
        let cost = 1 + skip / 1_000;
        self.lookup_rate.spend(asked.now, asked.from, cost).map_err(|_| RefuseReason::TooMany)?;
        let (mut query, skip) = (asked.within(query), skip as usize);
        // One more than an answer may hold tells whether there are more.
        query.threshold = query.threshold.min(skip + FIND_ANSWER_MAX + 1);
        let found = self.index.find(asked.now, asked.audience, &query);
        let envelopes = found.iter().skip(skip).take(FIND_ANSWER_MAX).map(|signed| signed.to_bytes());
        let mut answer = FindAnswer::fitting(envelopes);
        answer.more |= found.len() > skip + FIND_ANSWER_MAX;
        self.counters.lookups.increment();
        self.counters.found.add(answer.advertisements.len());
        encoded(answer.encode())
    }

    fn end_lease(&mut self, now: Instant, peer: &PeerId) -> bool {
        self.drop_peer(now, peer);
        self.closed.remove_peer(now, peer);
        self.drop_ended(now);
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
    fn show(&mut self) {
        self.counters.leases.set(self.leases.len());
        self.counters.advertisements.set(self.index.len());
        self.counters.index_bytes.set(self.index.bytes());
        self.counters.subscriptions.set(self.subscriptions.len());
        self.counters.subscriptions_restarted.add(self.subscriptions.take_restarted());
        self.counters.banned.set(self.banned.len());
        self.counters.closed_groups.set(self.closed.len());
        self.counters.places.set(self.closed.places());
    }
}

/// An answer as bytes. Every answer is made to fit; one that does not is refused rather than sent cut.
fn encoded(bytes: Result<Vec<u8>, WireError>) -> Answer {
    debug_assert!(bytes.is_ok(), "answers are cut to what fits a session frame");
    bytes.map(Bytes::from).map_err(|_| RefuseReason::Full)
}

#[cfg(test)]
mod tests;
