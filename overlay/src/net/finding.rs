//! Finding elsewhere: all leased rendezvous, neighbours or members at hand, and this peer if it is a rendezvous itself,
//! asked at once.
//!
//! In: a query. Out: each answer as it comes, verified, page by page. Bounds: as many answers of each as the query's
//! threshold says, [`FIND_SKIP_MAX`] left out at most. What is found in open groups is kept here for a while; what a
//! rendezvous finds in a closed group is its word, so it is kept out of the cache, and asked for anew each time.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, SelectAll, StreamExt};
use libp2p::PeerId;

use super::closed::Host;
use super::command::Command;
use super::handle::Handle;
use super::lease::Way;
use super::session::SessionHandle;
use crate::advertisement::{DiscoveryQuery, SignedAdvertisement};
use crate::error::QueryError;
use crate::id::GroupId;
use crate::limits::{FIND_SKIP_MAX, NEIGHBOUR_TIMEOUT, NEIGHBOURS_MAX};
use crate::protocol::closed;
use crate::protocol::discovery::{self, DiscoveryRequest, FindAnswer};

/// Pages of answers, from whoever answers first.
pub(crate) type Answers = SelectAll<BoxStream<'static, Vec<SignedAdvertisement>>>;

/// Somebody who is asked.
enum Place {
    Rendezvous(Host),
    /// A neighbour, or a member of the closed group. It speaks for itself, and may stall without being missed.
    Peer(PeerId, SessionHandle),
}

/// How far one of them has answered.
struct Asking {
    handle: Handle,
    way: Way,
    query: DiscoveryQuery,
    place: Place,
    skip: u32,
    found: usize,
    over: bool,
}

impl Handle {
    /// What all who can be asked answer by `way`, each answer as it comes.
    pub(crate) fn find_remotely(&self, way: Way, query: &DiscoveryQuery) -> Answers {
        self.shared.meters.lookups.add(1);
        let hosts = self.shared.hosts_by(way).into_iter().map(Place::Rendezvous);
        self.ask_all(way, query, hosts.chain(self.peers_at_hand(way)))
    }

    /// What the neighbours that are no rendezvous answer, or the members at hand.
    pub(crate) fn find_nearby(&self, way: Way, query: &DiscoveryQuery) -> Answers {
        self.ask_all(way, query, self.peers_at_hand(way).into_iter())
    }

    fn peers_at_hand(&self, way: Way) -> Vec<Place> {
        let shared = &self.shared;
        let neighbours = shared.neighbours.read().clone();
        let mut sessions = match way {
            Way::Open => {
                let leased = self.leased();
                let others = neighbours.into_iter().filter(|peer| !leased.contains(peer));
                others.filter_map(|peer| Some((peer, shared.sessions.of(&peer)?))).collect()
            }
            // Peers connected with this one that have proven to be members, and neighbours that may be.
            Way::Closed(group) => {
                let mut sessions = shared.sessions.all();
                sessions.retain(|(peer, session)| session.has_proof(&group) || neighbours.contains(peer));
                sessions.dedup_by_key(|(peer, _)| *peer);
                sessions
            }
        };
        sessions.truncate(NEIGHBOURS_MAX);
        sessions.into_iter().map(|(peer, session)| Place::Peer(peer, session)).collect()
    }

    fn ask_all(&self, way: Way, query: &DiscoveryQuery, places: impl Iterator<Item = Place>) -> Answers {
        stream::select_all(places.map(|place| {
            let (handle, query) = (self.clone(), query.clone());
            let asking = Asking { handle, way, query, place, skip: 0, found: 0, over: false };
            stream::unfold(asking, Asking::next_page).boxed()
        }))
    }
}

impl Asking {
    async fn next_page(mut self) -> Option<(Vec<SignedAdvertisement>, Self)> {
        if self.over {
            return None;
        }
        let answer =
            self.ask().await.and_then(|answer| FindAnswer::decode(&answer).map_err(|_| QueryError::Failed));
        let Ok(answer) = answer else {
            if matches!(self.place, Place::Rendezvous(_)) {
                self.handle.shared.meters.lookups_failed.add(1);
            }
            return None;
        };
        self.skip = self.skip.saturating_add(u32::try_from(answer.advertisements.len()).unwrap_or(u32::MAX));
        let found = self.verified(answer.advertisements);
        self.found += found.len();
        self.over = !answer.more
            || found.is_empty()
            || self.found >= self.query.threshold
            || self.skip > FIND_SKIP_MAX;
        if !found.is_empty() && self.way == Way::Open {
            // A peer that has ended needs no memory.
            let _ = self.handle.commands.send(Command::Learn { found: found.clone() }).await;
        }
        Some((found, self))
    }

    async fn ask(&self) -> Result<Bytes, QueryError> {
        let query = self.query.clone();
        let request = match self.skip {
            0 => DiscoveryRequest::Find { query },
            // Those before it count, too.
            skip => DiscoveryRequest::FindMore { query, skip },
        };
        let request = Bytes::from(request.encode().map_err(|_| QueryError::Failed)?);
        let (peer, session) = match &self.place {
            Place::Rendezvous(host) => return host.ask(&self.handle.shared, self.way, request).await,
            Place::Peer(peer, session) => (*peer, session),
        };
        match self.way {
            Way::Open => {
                within(NEIGHBOUR_TIMEOUT, session.ask(GroupId::net(), discovery::HANDLER, request)).await
            }
            Way::Closed(group) => {
                let asking = async {
                    self.handle.prove(peer, session, group).await?;
                    session.ask(group, closed::OWN, request).await
                };
                within(NEIGHBOUR_TIMEOUT, asking).await
            }
        }
    }

    /// What answers the query; the rest is dropped and counted.
    fn verified(&self, envelopes: Vec<Bytes>) -> Vec<SignedAdvertisement> {
        let mut found = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            match SignedAdvertisement::verify(envelope) {
                Ok(signed) if self.query.matches(&signed) && self.is_heard(&signed) => found.push(signed),
                _ => self.handle.shared.meters.advertisements_rejected.add(1),
            }
        }
        found
    }

    /// In a closed group a rendezvous may know less of who was revoked than this peer, or pretend to; and a member is
    /// heard as what it has proven to be.
    fn is_heard(&self, signed: &SignedAdvertisement) -> bool {
        let publisher = signed.publisher();
        match (self.way, &self.place) {
            (Way::Closed(_), Place::Peer(peer, _)) if *peer != publisher => false,
            (Way::Closed(group), _) => self.handle.shared.groups.hears(&group, &publisher),
            (Way::Open, _) => true,
        }
    }
}

async fn within<T>(
    after: Duration,
    asking: impl Future<Output = Result<T, QueryError>>,
) -> Result<T, QueryError> {
    tokio::time::timeout(after, asking).await.unwrap_or(Err(QueryError::TimedOut { after }))
}
