//! Who is told of publications, and what publishers that have gone leave to be told.
//!
//! In: subscriptions, what came of notifications, peers and places that have ended, what the rendezvous's own peer
//! publishes. Out: notifications. What is for members of a closed group is told to its subscribers there alone, and a
//! subscription ends with its holder's lease, in a closed group with its place.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use overlay::protocol::notification::Notification;
use overlay::{DiscoveryQuery, PeerId, RefuseReason, SignedAdvertisement};

use super::{Answer, Asked, Service};
use crate::index::Audience;
use crate::limits::SUBSCRIPTION_COST;
use crate::subscriptions::Notified;

impl Service {
    /// The next notification to send, and to whom; the service hears by [`Self::notified`] what came of it.
    pub fn poll_notification(&mut self, now: Instant) -> Option<(PeerId, Notification)> {
        // Whose place is over is told nothing more.
        self.closed.expire(now);
        self.drop_ended(now);
        self.subscriptions.poll(now, &self.index)
    }

    /// A notification was answered, refused or lost.
    pub fn notified(&mut self, peer: &PeerId, number: u64, notified: Notified) {
        match notified {
            Notified::Heard => self.counters.notifications.increment(),
            Notified::Refused | Notified::Lost => self.counters.notifications_failed.increment(),
        }
        self.subscriptions.notified(peer, number, notified);
        self.show();
    }

    /// Whether anybody has a subscription.
    #[must_use]
    pub fn has_subscriptions(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// Only who holds a lease is told.
    pub(super) fn subscribe(&mut self, asked: Asked, number: u64, query: DiscoveryQuery) -> Answer {
        let Asked { now, from, .. } = asked;
        if self.leases.live(now, &from).is_none() && self.own != Some(from) {
            return Err(RefuseReason::NotLeased);
        }
        self.lookup_rate.spend(now, from, SUBSCRIPTION_COST).map_err(|_| RefuseReason::TooMany)?;
        self.subscriptions.begin(from, number, asked.audience, asked.within(query))?;
        Ok(Bytes::new())
    }

    /// Keeps what the rendezvous's own peer publishes now for `audience`, and nothing else of it.
    pub(super) fn host_for(&mut self, now: Instant, audience: Audience, published: Vec<SignedAdvertisement>) {
        let Some(own) = self.own else { return };
        let before = self.index.of_peer(now, audience, own);
        let before: HashMap<_, _> = before.into_iter().map(|old| (old.id(), old)).collect();
        self.index.remove_for(audience, &own);
        for signed in published {
            let id = signed.id();
            let old = before.get(&id);
            if self.index.keep(now, audience, signed).is_err() {
                self.counters.publications_refused.increment();
            } else if let Some(new) = self.index.get(audience, &id).filter(|new| old != Some(new)) {
                self.subscriptions.published(audience, old.map(Arc::as_ref), new);
            }
        }
        for (_, old) in before.iter().filter(|(id, _)| self.index.get(audience, id).is_none()) {
            self.subscriptions.gone(audience, old);
        }
        self.show();
    }

    /// Removes what a peer published and asked to be told; who has subscribed to it hears that it has gone.
    pub(super) fn drop_peer(&mut self, now: Instant, peer: &PeerId) {
        self.subscriptions.end_all(peer);
        for audience in [Audience::Everybody, Audience::Members] {
            for signed in self.index.of_peer(now, audience, *peer) {
                self.subscriptions.gone(audience, &signed);
            }
        }
        self.counters.advertisements_dropped.add(self.index.remove_peer(peer));
    }

    /// Removes what a peer published in an earlier life, below `since`.
    pub(super) fn drop_before(&mut self, now: Instant, peer: PeerId, since: u64) {
        for audience in [Audience::Everybody, Audience::Members] {
            let of_peer = self.index.of_peer(now, audience, peer);
            for signed in of_peer.iter().filter(|signed| signed.sequence() < since) {
                self.subscriptions.gone(audience, signed);
            }
        }
        self.counters.advertisements_dropped.add(self.index.remove_before(&peer, since));
    }

    /// Takes along what was published and asked to be told by places that have ended.
    pub(super) fn drop_ended(&mut self, now: Instant) {
        while let Some((peer, group)) = self.closed.poll_ended() {
            self.counters.places_ended.increment();
            self.subscriptions.end_in(&peer, &group);
            for signed in self.index.of_peer(now, Audience::Members, peer) {
                if signed.advertisement().group == group {
                    self.subscriptions.gone(Audience::Members, &signed);
                }
            }
            self.counters.advertisements_dropped.add(self.index.remove_in_closed(&peer, &group));
        }
        self.counters.news_dropped.add(self.closed.take_dropped());
    }
}
