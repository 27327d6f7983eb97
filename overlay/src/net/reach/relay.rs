//! The relay that is served: libp2p's, with the limits of a [`Reach`].
//!
//! libp2p counts a renewal as one reservation more, so a relay that is full would lose those it has, one by one. What
//! is full is therefore decided here: who holds a reservation renews it, whoever comes anew needs room.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libp2p::{Multiaddr, PeerId, relay};

use crate::core::Reach;
use crate::limits::{RELAY_REQUEST_BURST, RELAY_REQUEST_PERIOD};

/// The peers that hold a reservation here, or were just let in to make one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holders(Arc<Mutex<HashSet<PeerId>>>);

impl Holders {
    /// Lets `peer` in, unless others fill all of `room`.
    fn admit(&self, peer: PeerId, room: usize) -> bool {
        let mut holders = self.lock();
        holders.contains(&peer) || (holders.len() < room && holders.insert(peer))
    }

    /// `peer` holds nothing here any more.
    pub(crate) fn release(&self, peer: &PeerId) {
        self.lock().remove(peer);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<PeerId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A relay of the peer `id`, which says at once that it is one; `holders` are counted by it.
pub(crate) fn relay_server(id: PeerId, reach: &Reach, holders: Holders) -> relay::Behaviour {
    let room = reach.reservations as usize;
    // Asked for each reservation after all other bounds; the last of them, so that only who is let in is counted.
    let admit = move |peer: PeerId, _: &Multiaddr, _| holders.admit(peer, room);
    let config = relay::Config {
        max_reservations: usize::MAX,
        // libp2p lets one more in than it says; each reservation is a connection, of which a peer has a few anyway.
        max_reservations_per_peer: crate::limits::SESSIONS_PER_PEER_MAX - 1,
        reservation_duration: reach.reservation_life,
        reservation_rate_limiters: Vec::new(),
        max_circuits: reach.circuits as usize,
        max_circuits_per_peer: (reach.circuits_per_peer as usize).saturating_sub(1),
        max_circuit_duration: reach.circuit_life.min(Duration::from_secs(u32::MAX.into())),
        max_circuit_bytes: reach.circuit_bytes,
        circuit_src_rate_limiters: Vec::new(),
    };
    let mut config = config
        .reservation_rate_per_peer(RELAY_REQUEST_BURST, RELAY_REQUEST_PERIOD)
        .circuit_src_per_peer(RELAY_REQUEST_BURST, RELAY_REQUEST_PERIOD);
    config.reservation_rate_limiters.push(Box::new(admit));
    let mut relay = relay::Behaviour::new(id, config);
    relay.set_status(Some(relay::Status::Enable));
    relay
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_reservation_renews_it_where_nobody_new_finds_room() {
        let (holders, first, second) = (Holders::default(), PeerId::random(), PeerId::random());
        assert!(holders.admit(first, 1));
        assert!(holders.admit(first, 1));
        assert!(!holders.admit(second, 1));
        holders.release(&first);
        assert!(holders.admit(second, 1));
    }
}
