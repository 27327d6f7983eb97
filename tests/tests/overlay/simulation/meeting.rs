//! A rendezvous: the service that ships, on or off, and its bounds.

use std::sync::Arc;
use std::time::Instant;

use overlay::protocol::discovery::{DiscoveryRequest, FindAnswer};
use overlay::{DiscoveryQuery, GroupId, Keypair, PeerId, SignedAdvertisement};
use rendezvous::counters::Counters;
use rendezvous::limits::Limits;
use rendezvous::{Answer, Service};

use super::network::Question;

/// A rendezvous.
#[derive(Debug)]
pub(super) struct Meeting {
    pub(super) id: PeerId,
    pub(super) is_on: bool,
    pub(super) service: Service,
    pub(super) timer: Option<Instant>,
    limits: Limits,
    counters: Arc<Counters>,
}

impl Meeting {
    /// A rendezvous that runs and knows nobody.
    pub(super) fn new(number: u8, leases_max: usize) -> Self {
        let mut limits = Limits::default();
        limits.lease.leases_max = leases_max.min(limits.lease.leases_max);
        let counters = Arc::new(Counters::default());
        let service = Service::new(&limits, Arc::clone(&counters));
        let id = Keypair::ed25519_from_bytes([number; 32]).unwrap().public().to_peer_id();
        Self { id, is_on: true, service, timer: None, limits, counters }
    }

    /// Loses all that it knew.
    pub(super) fn forget(&mut self) {
        self.counters = Arc::new(Counters::default());
        self.service = Service::new(&self.limits, Arc::clone(&self.counters));
    }

    pub(super) fn answer(&mut self, now: Instant, from: PeerId, question: &Question) -> Answer {
        let answer = match question {
            Question::Lease(body) => self.service.lease(now, from, body),
            Question::Discovery(body) => self.service.discovery(now, from, GroupId::net(), body),
        };
        self.assert_bounds();
        answer
    }

    /// What it answers `asker`.
    pub(super) fn find(
        &mut self,
        now: Instant,
        asker: PeerId,
        query: DiscoveryQuery,
    ) -> Vec<SignedAdvertisement> {
        let body = DiscoveryRequest::Find { query }.encode().unwrap();
        let answer = self.answer(now, asker, &Question::Discovery(body)).unwrap();
        let found = FindAnswer::decode(&answer).unwrap().advertisements;
        found.into_iter().map(|envelope| SignedAdvertisement::verify(envelope).unwrap()).collect()
    }

    /// Leases that it grants at most.
    pub(super) fn leases_max(&self) -> usize {
        self.limits.lease.leases_max
    }

    /// Advertisements that anybody finds here.
    pub(super) fn found_in_all(&self, now: Instant) -> usize {
        self.service.groups(now).iter().map(|group| group.advertisements).sum()
    }

    /// Nobody without a lease has something here.
    pub(super) fn assert_served_by_lease(&self, now: Instant) {
        let of_holders: usize = self.service.peers(now).iter().map(|peer| peer.advertisements).sum();
        assert_eq!(
            of_holders,
            self.found_in_all(now),
            "an advertisement of nobody who holds a lease is served"
        );
    }

    fn assert_bounds(&self) {
        let (leases, index) = (&self.limits.lease, &self.limits.index);
        assert!(self.counters.leases.value() <= leases.leases_max as u64, "more leases than may be");
        assert!(
            self.counters.advertisements.value() <= index.advertisements_max as u64,
            "the index overflows"
        );
        assert!(self.counters.index_bytes.value() <= index.bytes_max as u64, "the index has too many bytes");
    }
}
