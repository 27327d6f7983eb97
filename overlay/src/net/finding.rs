//! Finding elsewhere: all leased rendezvous, neighbours, and this peer if it is a rendezvous itself, asked at once.
//!
//! In: a query. Out: each answer as it comes, verified, page by page. Bounds: as many answers of each as the query's
//! threshold says, [`FIND_SKIP_MAX`] pages at most; what is found is kept here for a while.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, SelectAll, StreamExt};

use super::command::Command;
use super::handle::Handle;
use super::session::SessionHandle;
use crate::advertisement::{DiscoveryQuery, SignedAdvertisement};
use crate::error::QueryError;
use crate::id::GroupId;
use crate::limits::{FIND_SKIP_MAX, NEIGHBOUR_TIMEOUT};
use crate::protocol::discovery::{self, DiscoveryRequest, FindAnswer};

/// Pages of answers, from whoever answers first.
pub(crate) type Answers = SelectAll<BoxStream<'static, Vec<SignedAdvertisement>>>;

/// Somebody who is asked.
enum Place {
    Rendezvous(SessionHandle),
    /// It may stall without being missed.
    Neighbour(SessionHandle),
    /// The rendezvous that this peer is itself.
    Own,
}

/// How far one of them has answered.
struct Asking {
    handle: Handle,
    query: DiscoveryQuery,
    place: Place,
    skip: u32,
    found: usize,
    over: bool,
}

impl Handle {
    /// What all who can be asked answer, each answer as it comes.
    pub(crate) fn find_remotely(&self, query: &DiscoveryQuery) -> Answers {
        let shared = &self.shared;
        let leased = self.leased().into_iter().filter_map(|peer| shared.sessions.of(&peer));
        let own = shared.handlers.has(discovery::HANDLER).then_some(Place::Own);
        let neighbours = self.neighbours().into_iter().map(Place::Neighbour);
        self.ask_all(query, leased.map(Place::Rendezvous).chain(own).chain(neighbours))
    }

    /// What the neighbours that are no rendezvous answer.
    pub(crate) fn find_nearby(&self, query: &DiscoveryQuery) -> Answers {
        self.ask_all(query, self.neighbours().into_iter().map(Place::Neighbour))
    }

    fn neighbours(&self) -> Vec<SessionHandle> {
        let leased = self.leased();
        let neighbours = self.shared.neighbours.read();
        let others = neighbours.iter().filter(|peer| !leased.contains(peer));
        others.filter_map(|peer| self.shared.sessions.of(peer)).collect()
    }

    fn ask_all(&self, query: &DiscoveryQuery, places: impl Iterator<Item = Place>) -> Answers {
        stream::select_all(places.map(|place| {
            let (handle, query) = (self.clone(), query.clone());
            let asking = Asking { handle, query, place, skip: 0, found: 0, over: false };
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
            if !matches!(self.place, Place::Neighbour(_)) {
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
        if !found.is_empty() {
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
        let (shared, net) = (&self.handle.shared, GroupId::net());
        match &self.place {
            Place::Rendezvous(session) => session.ask(net, discovery::HANDLER, request).await,
            Place::Neighbour(session) => {
                within(NEIGHBOUR_TIMEOUT, session.ask(net, discovery::HANDLER, request)).await
            }
            Place::Own => {
                shared.handlers.ask(shared.id, net, discovery::HANDLER, request, &shared.meters).await
            }
        }
    }

    /// What answers the query; the rest is dropped and counted.
    fn verified(&self, envelopes: Vec<Bytes>) -> Vec<SignedAdvertisement> {
        let mut found = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            match SignedAdvertisement::verify(envelope) {
                Ok(signed) if self.query.matches(&signed) => found.push(signed),
                _ => self.handle.shared.meters.advertisements_rejected.add(1),
            }
        }
        found
    }
}

async fn within<T>(
    after: Duration,
    asking: impl Future<Output = Result<T, QueryError>>,
) -> Result<T, QueryError> {
    tokio::time::timeout(after, asking).await.unwrap_or(Err(QueryError::TimedOut { after }))
}
