//! What the lease keeper wants done, done; and pushes of what this peer publishes.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use libp2p::PeerId;
use tokio::sync::oneshot;

use super::{Ended, EventLoop};
use crate::advertisement::SignedAdvertisement;
use crate::core::{LeaseEffect, PeerEvent};
use crate::limits::LEASE_REQUEST_TIMEOUT;
use crate::net::lease::{self, Way};
use crate::net::shared::Leases;
use crate::protocol::rendezvous::LeaseGrant;

impl EventLoop {
    pub(super) fn follow_lease_effects(&mut self, now: Instant) {
        let mut changed = false;
        while let Some(effect) = self.leases.poll_effect() {
            match effect {
                LeaseEffect::Request(rendezvous) => {
                    let (reply, session) = oneshot::channel();
                    self.session_with(rendezvous, Vec::new(), reply);
                    let since = self.born;
                    self.tasks.spawn(async move {
                        Ended::Lease { rendezvous, result: lease::request(session, since).await }
                    });
                }
                LeaseEffect::PushAll(rendezvous) => self.push_everything(now, rendezvous),
                LeaseEffect::Forgotten(rendezvous) => {
                    let begin = |leases: &mut Leases| *leases.grants.entry(rendezvous).or_default() += 1;
                    self.shared.leases.send_modify(begin);
                }
                LeaseEffect::Granted { rendezvous, ttl } => {
                    changed = true;
                    #[cfg(feature = "reach")]
                    self.reserve_at_rendezvous(rendezvous);
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

    pub(super) fn on_lease_result(&mut self, rendezvous: PeerId, result: Result<LeaseGrant, String>) {
        let (now, jitter) = (Instant::now(), random());
        match result {
            Ok(grant) => {
                self.shared.meters.leases_granted.add(1);
                self.leases.granted(now, rendezvous, grant, jitter);
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

    /// Pushes all that is published to one rendezvous.
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

    /// What was published in a group that this peer has left is not pushed any more.
    fn push(&mut self, rendezvous: PeerId, advertisements: &[SignedAdvertisement]) {
        let Some(session) = self.shared.sessions.of(&rendezvous) else {
            return self.leases.push_failed(&rendezvous);
        };
        let mut ways: BTreeMap<Way, Vec<Bytes>> = BTreeMap::new();
        for signed in advertisements {
            if let Some(way) = self.shared.groups.way(&signed.advertisement().group) {
                ways.entry(way).or_default().push(signed.to_bytes());
            }
        }
        let shared = self.shared.clone();
        self.tasks.spawn(async move {
            let mut all_taken = true;
            for (way, envelopes) in ways {
                let pushing = lease::push(&shared, &session, way, &envelopes);
                match tokio::time::timeout(LEASE_REQUEST_TIMEOUT, pushing).await {
                    // What was refused is counted.
                    Ok(Ok(answer)) => all_taken &= answer.refused == 0,
                    _ => {
                        shared.meters.publications_failed.add(1);
                        all_taken = false;
                    }
                }
            }
            if all_taken { Ended::Done } else { Ended::NotPushed { rendezvous } }
        });
    }
}

/// A random number for jitter; without random bytes there is none.
pub(super) fn random() -> u32 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_or(0, |()| u32::from_le_bytes(bytes))
}
