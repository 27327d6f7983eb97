//! Closed groups at the rendezvous: who proves its place is served in the group, and nobody else is.
//!
//! In: requests of members, their departures. Out: answers, each refusal the same whatever is wrong. What is published in
//! a closed group is kept apart from everything else, so that no question in another group or in none can find it.

use std::time::Instant;

use bytes::Bytes;
use overlay::protocol::closed::ClosedRequest;
use overlay::protocol::discovery::DiscoveryRequest;
use overlay::{PeerId, RefuseReason, SignedAdvertisement};

use super::{Answer, Service, encoded};
use crate::closed_groups::{News, Papers};
use crate::index::Audience;

impl Service {
    /// Answers a proof, a departure, or a question in a closed group. `now_s` is in seconds since 1970.
    pub fn closed(&mut self, now: Instant, now_s: u64, from: PeerId, body: &[u8]) -> Answer {
        let answer = self.admit(now, &from).and_then(|()| self.answer_closed(now, now_s, from, body));
        self.drop_ended(now);
        self.finish(answer)
    }

    /// What members are to be told of revocations, each once.
    pub fn poll_news(&mut self) -> Option<News> {
        self.closed.poll_news()
    }

    /// Keeps what the rendezvous's own peer publishes in closed groups, for those who prove their place there.
    pub fn host_closed(&mut self, now: Instant, published: Vec<SignedAdvertisement>) {
        self.host_for(now, Audience::Members, published);
    }

    fn answer_closed(&mut self, now: Instant, now_s: u64, from: PeerId, body: &[u8]) -> Answer {
        match ClosedRequest::decode(body).map_err(|_| RefuseReason::Malformed)? {
            ClosedRequest::Enter { genesis, chain, revocations } => {
                self.entry_rate.spend(now, from, 1).map_err(|_| RefuseReason::TooMany)?;
                // A place ends with its lease, so there is none without; the rendezvous's own peer needs none.
                if self.leases.live(now, &from).is_none() && self.own != Some(from) {
                    return Err(RefuseReason::NotLeased);
                }
                let papers = Papers { genesis, chain, revocations };
                let news = self.closed.enter(now, now_s, from, papers)?;
                self.counters.places_given.increment();
                encoded(news.encode().map(Vec::from))
            }
            ClosedRequest::Leave { group } => {
                self.closed.leave(now, &from, &group);
                Ok(Bytes::new())
            }
            ClosedRequest::Ask { group, request } => {
                if !self.closed.has_place(&from, &group) {
                    return Err(RefuseReason::NotMember);
                }
                let request = DiscoveryRequest::decode(&request).map_err(|_| RefuseReason::Malformed)?;
                self.answer_for(now, from, Audience::Members, group, request)
            }
        }
    }
}

#[cfg(test)]
mod tests;
