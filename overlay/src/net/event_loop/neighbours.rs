//! Ad-hoc mode: peers on the same local network, found by mDNS, meet without a rendezvous.
//!
//! In: what mDNS tells, what identify says of a connected peer, and questions for what this peer publishes itself.
//! Out: a session with each neighbour that speaks our protocol, and answers. Anybody on the network can forge an
//! mDNS packet, so it only says where to dial: the handshake proves who is there.

use bytes::Bytes;
use libp2p::PeerId;

use super::EventLoop;
use crate::advertisement::DiscoveryQuery;
use crate::error::RefuseReason;
use crate::limits::{FIND_ANSWER_MAX, PUBLICATIONS_MAX};
#[cfg(feature = "mdns")]
use crate::limits::{MDNS_ADDRESSES_MAX, NEIGHBOURS_MAX};
use crate::net::Query;
use crate::net::behaviour::IDENTIFY;
use crate::net::lease::Way;
use crate::protocol::discovery::{DiscoveryRequest, FindAnswer};

#[cfg(feature = "mdns")]
impl EventLoop {
    pub(super) fn on_mdns(&mut self, event: libp2p::mdns::Event) {
        match event {
            libp2p::mdns::Event::Discovered(found) => {
                for (peer, address) in found {
                    self.on_neighbour(peer, address);
                }
                let heard = &mut self.swarm.behaviour_mut().mdns;
                // libp2p keeps all that it hears, for as long as the packets say.
                if heard.as_ref().is_some_and(|mdns| mdns.discovered_nodes().len() > MDNS_ADDRESSES_MAX) {
                    *heard = None.into();
                    self.shared.meters.mdns_overflows.add(1);
                    tracing::warn!("mDNS is off: more than {MDNS_ADDRESSES_MAX} addresses were told");
                }
            }
            libp2p::mdns::Event::Expired(gone) => {
                for (peer, _) in gone {
                    let heard = self.swarm.behaviour().mdns.as_ref();
                    if !heard.is_some_and(|mdns| mdns.discovered_nodes().any(|known| *known == peer)) {
                        self.shared.neighbours.write().remove(&peer);
                    }
                }
            }
        }
    }

    /// Both sides hear of each other; the one with the lower id dials, or the one that can't be dialed.
    fn on_neighbour(&mut self, peer: PeerId, address: libp2p::Multiaddr) {
        let mut neighbours = self.shared.neighbours.write();
        if peer == self.shared.id {
            return;
        }
        if neighbours.len() >= NEIGHBOURS_MAX && !neighbours.contains(&peer) {
            self.shared.meters.neighbours_ignored.add(1);
            return;
        }
        neighbours.insert(peer);
        drop(neighbours);
        self.book.add(peer, address);
        let dials = self.shared.id < peer || self.shared.addresses.read().is_empty();
        if dials && !self.swarm.behaviour().substream.is_connected(&peer) {
            self.dial(peer);
        }
    }
}

impl EventLoop {
    /// All programs on libp2p share mDNS; those that speak something else are left alone.
    pub(super) fn check_neighbour(&mut self, peer: PeerId, protocol: &str) {
        if protocol != IDENTIFY && self.shared.neighbours.write().remove(&peer) {
            // Not connected is what is wanted.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// Answers a neighbour's question with what this peer publishes itself.
    pub(super) fn answer_neighbour(&self, query: Query) {
        let now = std::time::Instant::now();
        // Who asks in a closed group has proven its place there; others hear of open groups only, and if they may.
        let closed = matches!(self.shared.groups.way(&query.group), Some(Way::Closed(_)));
        if !closed && !self.shared.handlers.answers_neighbours() {
            return query.refuse(RefuseReason::NotMember);
        }
        let answer = own_query(&query.body, self.shared.id).and_then(|(own, skip)| {
            let own = own.map(|own| if closed { own.group(query.group) } else { own });
            let mut found = own.map(|own| self.cache.find(now, &own)).unwrap_or_default();
            found.retain(|signed| {
                closed || self.shared.groups.way(&signed.advertisement().group) == Some(Way::Open)
            });
            let page = found.iter().skip(skip).take(FIND_ANSWER_MAX).map(|signed| signed.to_bytes());
            let mut answer = FindAnswer::fitting(page);
            answer.more |= found.len() > skip.saturating_add(FIND_ANSWER_MAX);
            answer.encode().map_err(|_| RefuseReason::Malformed)
        });
        match answer {
            Ok(answer) => query.reply(Bytes::from(answer)),
            Err(reason) => query.refuse(reason),
        }
    }
}

/// The question in `body`, asked of the publications of `me` alone, `None` when it asks for another publisher's; and how
/// many answers are known from the pages before.
fn own_query(body: &[u8], me: PeerId) -> Result<(Option<DiscoveryQuery>, usize), RefuseReason> {
    let (query, skip) = match DiscoveryRequest::decode(body).map_err(|_| RefuseReason::Malformed)? {
        DiscoveryRequest::Find { query } => (query, 0),
        DiscoveryRequest::FindMore { query, skip } => (query, skip as usize),
        _ => return Err(RefuseReason::Policy),
    };
    // What is not for the asker is left out behind this; nobody publishes more.
    let threshold = query.threshold.min(PUBLICATIONS_MAX);
    let mine = query.publisher.is_none_or(|publisher| publisher == me);
    Ok((mine.then(|| query.publisher(me).threshold(threshold)), skip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_is_asked_for_its_own_publications_only() {
        let (me, other) = (PeerId::random(), PeerId::random());
        let find = |query: DiscoveryQuery| DiscoveryRequest::Find { query }.encode().unwrap();
        let own = own_query(&find(DiscoveryQuery::new().threshold(9)), me).unwrap().0.unwrap();
        assert_eq!((own.publisher, own.threshold), (Some(me), 9));
        let many = own_query(&find(DiscoveryQuery::new().threshold(1 << 20)), me).unwrap().0.unwrap();
        assert_eq!(many.threshold, PUBLICATIONS_MAX);
        assert_eq!(own_query(&find(DiscoveryQuery::new().publisher(other)), me), Ok((None, 0)));
        let publish = DiscoveryRequest::Publish { advertisements: Vec::new() }.encode().unwrap();
        assert_eq!(own_query(&publish, me), Err(RefuseReason::Policy));
        assert_eq!(own_query(&[1, 2, 3], me), Err(RefuseReason::Malformed));
    }
}
