//! The links of a peer as objects `juxta:type=link,peer=ID`: bytes, substreams, round trip, as the overlay meters them.
//!
//! In: the peer's news of connections. Out: an object for each peer it is connected with, at most `LINK_BEANS_MAX`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use overlay::{Peer, PeerEvent, PeerId};

use crate::jmx::{BeanServer, ManagedBean, ObjectName, Registration};
use crate::limits::LINK_BEANS_MAX;

/// The links that are shown.
#[derive(Debug)]
pub(super) struct Links {
    peer: Peer,
    beans: BeanServer,
    shown: HashMap<PeerId, Registration>,
}

impl Links {
    /// Those that there are now; the others come with their [events](Self::hear), followed from before on.
    pub(super) fn new(peer: &Peer, beans: &BeanServer) -> Self {
        let mut links = Self { peer: peer.clone(), beans: beans.clone(), shown: HashMap::new() };
        links.look();
        links
    }

    /// Shows those that there are, and no others: for when events were missed.
    pub(super) fn look(&mut self) {
        let connected: HashSet<PeerId> = self.peer.connected().into_iter().collect();
        self.shown.retain(|shown, _| connected.contains(shown));
        connected.into_iter().for_each(|peer| self.show(peer));
    }

    /// Takes in what has happened to the peer.
    pub(super) fn hear(&mut self, event: &PeerEvent) {
        match event {
            PeerEvent::Connected { peer } => self.show(*peer),
            PeerEvent::Disconnected { peer } => drop(self.shown.remove(peer)),
            _ => {}
        }
    }

    fn show(&mut self, to: PeerId) {
        if self.shown.len() >= LINK_BEANS_MAX || self.shown.contains_key(&to) {
            return;
        }
        let name = ObjectName::new(super::DOMAIN, [("type", "link"), ("peer", &to.to_string())]);
        // A registry that is full counts that itself.
        let registered =
            name.ok().and_then(|name| self.beans.register(name, Arc::new(bean(&self.peer, to))).ok());
        self.shown.extend(registered.map(|registration| (to, registration)));
    }
}

fn bean(peer: &Peer, to: PeerId) -> ManagedBean {
    let read = |read: fn(overlay::LinkMeters) -> u64| {
        let peer = peer.clone();
        move || read(peer.link_meters(to))
    };
    let paths = peer.clone();
    ManagedBean::new("the connections with one peer")
        .shows("path", "direct, relayed or none", move || match paths.paths(to).as_slice() {
            [] => "none",
            found if found.iter().any(|path| !path.relayed) => "direct",
            _ => "relayed",
        })
        .shows("connections", "how many there are", read(|link| link.connections))
        .shows("bytes_in", "bytes read from their substreams", read(|link| link.bytes_in))
        .shows("bytes_out", "bytes written to their substreams", read(|link| link.bytes_out))
        .shows("substreams", "substreams open now", read(|link| link.substreams))
        .shows(
            "round_trip_us",
            "microseconds, smoothed; 0 before the first",
            read(|link| {
                link.round_trip.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
            }),
        )
}
