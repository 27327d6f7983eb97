//! Where peers may be dialed: a bounded memory of addresses, the most recent first.

use std::collections::{HashMap, VecDeque};

use libp2p::{Multiaddr, PeerId};

use super::path::is_circuit;
use crate::limits::{ADDRESS_BOOK_PEERS_MAX, ADDRESSES_PER_PEER_MAX};

/// The addresses of up to [`ADDRESS_BOOK_PEERS_MAX`] peers; the peer that was touched longest ago goes first.
#[derive(Debug, Default)]
pub(crate) struct AddressBook {
    peers: HashMap<PeerId, Entry>,
    touches: u64,
}

#[derive(Debug, Default)]
struct Entry {
    addresses: VecDeque<Multiaddr>,
    touched: u64,
}

impl AddressBook {
    /// Remembers that `peer` may be dialed at `address`, before all that is known.
    pub(crate) fn add(&mut self, peer: PeerId, address: Multiaddr) {
        if !self.peers.contains_key(&peer) && self.peers.len() >= ADDRESS_BOOK_PEERS_MAX {
            let oldest = self.peers.iter().min_by_key(|(_, entry)| entry.touched).map(|(peer, _)| *peer);
            oldest.map(|oldest| self.peers.remove(&oldest));
        }
        self.touches += 1;
        let entry = self.peers.entry(peer).or_default();
        entry.touched = self.touches;
        entry.addresses.retain(|known| *known != address);
        entry.addresses.push_front(address);
        entry.addresses.truncate(ADDRESSES_PER_PEER_MAX);
    }

    /// The addresses of `peer`, the most recent first, those through relays last.
    pub(crate) fn of(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let Some(entry) = self.peers.get(peer) else { return Vec::new() };
        let (circuits, mut addresses): (Vec<_>, Vec<_>) =
            entry.addresses.iter().cloned().partition(is_circuit);
        addresses.extend(circuits);
        addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn the_newest_address_comes_first_and_the_oldest_is_forgotten() {
        let (mut book, peer) = (AddressBook::default(), PeerId::random());
        for number in 0..20 {
            book.add(peer, port(number));
        }
        book.add(peer, port(15));
        let known = book.of(&peer);
        assert_eq!(known.len(), ADDRESSES_PER_PEER_MAX);
        assert_eq!(known.first(), Some(&port(15)));
        assert!(!known.contains(&port(0)));
    }

    #[test]
    fn the_way_through_a_relay_comes_last_however_new() {
        let (mut book, peer) = (AddressBook::default(), PeerId::random());
        let circuit: Multiaddr = format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}/p2p-circuit").parse().unwrap();
        for address in [port(1), port(2), circuit.clone()] {
            book.add(peer, address);
        }
        assert_eq!(book.of(&peer), [port(2), port(1), circuit]);
    }

    #[test]
    fn a_flood_of_peers_does_not_grow_the_book_beyond_its_bound() {
        let mut book = AddressBook::default();
        let first = PeerId::random();
        book.add(first, port(1));
        for _ in 0..ADDRESS_BOOK_PEERS_MAX {
            book.add(PeerId::random(), port(1));
        }
        assert_eq!(book.peers.len(), ADDRESS_BOOK_PEERS_MAX);
        assert!(book.of(&first).is_empty());
    }
}
