//! Closed groups at the rendezvous: who proves its place is served in the group, and nobody else is.
//!
//! In: requests of members, their departures. Out: answers, each refusal the same whatever is wrong. What is published in
//! a closed group is kept apart from everything else, so that no question in another group or in none can find it.

use std::time::Instant;

use bytes::Bytes;
use overlay::limits::FIND_ANSWER_MAX;
use overlay::protocol::closed::ClosedRequest;
use overlay::protocol::discovery::{DiscoveryRequest, PublishAnswer};
use overlay::{DiscoveryQuery, GroupId, PeerId, RefuseReason, SignedAdvertisement};

use super::{Answer, Service, encoded, found};
use crate::closed_groups::{News, Papers};

impl Service {
    /// Answers a proof, a departure, or a question in a closed group. `now_s` is in seconds since 1970.
    pub fn closed(&mut self, now: Instant, now_s: u64, from: PeerId, body: &[u8]) -> Answer {
        let answer = self.admit(now, &from).and_then(|()| self.answer_closed(now, now_s, from, body));
        self.drop_ended();
        self.finish(answer)
    }

    /// What members are to be told of revocations, each once.
    pub fn poll_news(&mut self) -> Option<News> {
        self.closed.poll_news()
    }

    /// Keeps what the rendezvous's own peer publishes in closed groups, for those who prove their place there.
    pub fn host_closed(&mut self, now: Instant, published: Vec<SignedAdvertisement>) {
        for signed in published {
            if self.index.keep_closed(now, signed).is_err() {
                self.counters.publications_refused.increment();
            }
        }
        self.show();
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
                match DiscoveryRequest::decode(&request).map_err(|_| RefuseReason::Malformed)? {
                    DiscoveryRequest::Publish { advertisements } => {
                        self.publish_closed(now, from, group, advertisements)
                    }
                    DiscoveryRequest::Find { query } => self.find_closed(now, from, group, query),
                }
            }
        }
    }

    fn publish_closed(
        &mut self,
        now: Instant,
        from: PeerId,
        group: GroupId,
        envelopes: Vec<Bytes>,
    ) -> Answer {
        let mut answer = PublishAnswer { accepted: 0, refused: 0 };
        for envelope in envelopes {
            let room = self.publication_rate.spend(now, from, 1).map_err(|_| RefuseReason::TooMany);
            let kept = room.and_then(|()| {
                let kept = self.index.publish_closed(now, &from, group, envelope);
                kept.map_err(|refused| refused.reason())
            });
            self.count_publication(kept.map(drop), &mut answer);
        }
        encoded(answer.encode())
    }

    /// Whatever group the question names, it is answered in this one.
    fn find_closed(&mut self, now: Instant, from: PeerId, group: GroupId, query: DiscoveryQuery) -> Answer {
        self.lookup_rate.spend(now, from, 1).map_err(|_| RefuseReason::TooMany)?;
        let threshold = query.threshold.min(FIND_ANSWER_MAX + 1);
        let answer = found(&self.index.find_closed(now, &query.group(group).threshold(threshold)));
        self.count_found(&answer);
        encoded(answer.encode())
    }

    /// Takes what was published by places that have ended along.
    pub(super) fn drop_ended(&mut self) {
        while let Some((peer, group)) = self.closed.poll_ended() {
            self.counters.places_ended.increment();
            self.counters.advertisements_dropped.add(self.index.remove_in_closed(&peer, &group));
        }
        self.counters.news_dropped.add(self.closed.take_dropped());
    }
}

#[cfg(test)]
mod tests;
