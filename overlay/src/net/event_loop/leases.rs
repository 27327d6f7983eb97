//! What the lease keeper wants done, done; and pushes of what this peer publishes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::PeerId;
use tokio::sync::oneshot;

use super::{Ended, EventLoop};
use crate::advertisement::SignedAdvertisement;
use crate::core::{LeaseEffect, PeerEvent};
use crate::limits::LEASE_REQUEST_TIMEOUT;
use crate::net::lease;

impl EventLoop {
    pub(super) fn follow_lease_effects(&mut self, now: Instant) {
        let mut changed = false;
        while let Some(effect) = self.leases.poll_effect() {
            match effect {
                LeaseEffect::Request(rendezvous) => {
                    let (reply, session) = oneshot::channel();
                    self.session_with(rendezvous, Vec::new(), reply);
                    self.tasks.spawn(async move {
                        Ended::Lease { rendezvous, result: lease::request(session).await }
                    });
                }
                LeaseEffect::Granted { rendezvous, ttl } => {
                    changed = true;
                    self.push_everything(now, rendezvous);
                    self.shared.tell(PeerEvent::LeaseGranted { rendezvous, ttl });
                }
                LeaseEffect::Lost { rendezvous, reason } => {
                    changed = true;
                    tracing::warn!(%rendezvous, %reason, "lease lost");
                    self.shared.tell(PeerEvent::LeaseLost { rendezvous, reason });
                }
            }
        }
        if changed {
            self.publish_lease_state();
        }
    }

    pub(super) fn on_lease_result(&mut self, rendezvous: PeerId, result: Result<Duration, String>) {
        let (now, jitter) = (Instant::now(), random());
        match result {
            Ok(ttl) => {
                self.shared.meters.leases_granted.add(1);
                self.leases.granted(now, rendezvous, ttl, jitter);
            }
            Err(reason) => {
                tracing::debug!(%rendezvous, %reason, "lease request failed");
                self.shared.meters.lease_failures.add(1);
                self.leases.failed(now, rendezvous, reason, jitter);
                self.publish_lease_state();
            }
        }
    }

    fn publish_lease_state(&self) {
        let (held, last_failure) = (self.leases.leased(), self.leases.last_failure());
        self.shared.leases.send_modify(|leases| {
            leases.held = held;
            leases.last_failure = last_failure;
        });
    }

    /// Pushes all that is published to a rendezvous whose lease has begun.
    fn push_everything(&mut self, now: Instant, rendezvous: PeerId) {
        let all = self.publications.all(now);
        let signed: Vec<_> = all.into_iter().filter_map(|due| self.sign(due).ok()).collect();
        self.push(rendezvous, &signed);
    }

    /// Pushes `advertisements` to each rendezvous whose lease holds.
    pub(super) fn push_to_all(&mut self, advertisements: &[SignedAdvertisement]) {
        for rendezvous in self.leases.leased() {
            self.push(rendezvous, advertisements);
        }
    }

    fn push(&mut self, rendezvous: PeerId, advertisements: &[SignedAdvertisement]) {
        let Some(session) = self.shared.sessions.of(&rendezvous) else { return };
        let envelopes: Vec<Bytes> = advertisements.iter().map(SignedAdvertisement::to_bytes).collect();
        let shared = self.shared.clone();
        self.tasks.spawn(async move {
            let pushing = lease::push(&session, &envelopes, &shared.meters);
            if let Ok(Ok(_)) = tokio::time::timeout(LEASE_REQUEST_TIMEOUT, pushing).await {
                return Ended::Done;
            }
            shared.meters.publications_failed.add(1);
            Ended::Done
        });
    }
}

/// A random number for jitter; without random bytes there is none.
fn random() -> u32 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_or(0, |()| u32::from_le_bytes(bytes))
}
