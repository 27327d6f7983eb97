//! Who waits for a session with a peer that is being dialed, and the dials that run for them: what is found out about a
//! peer's addresses is dialed beside what was remembered, and only the last dial's failure is told.

use std::collections::HashMap;

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use super::session::SessionHandle;
use super::substream::OpenError;
use crate::limits::{DIALS_PER_PEER_MAX, REDIALS_MAX, WAITING_OPENS_MAX};

type Waiter = oneshot::Sender<Result<SessionHandle, OpenError>>;

/// The waiters of each peer, at most [`WAITING_OPENS_MAX`] a peer; one more is told *busy*.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    of_peers: HashMap<PeerId, Waiters>,
    /// The dials that run, at most [`DIALS_PER_PEER_MAX`] of a peer, and what they try.
    dials: HashMap<PeerId, Vec<(ConnectionId, Vec<Multiaddr>)>>,
}

#[derive(Debug, Default)]
struct Waiters {
    waiters: Vec<Waiter>,
    /// How often the peer was dialed again for them.
    redials: u32,
}

impl Waiting {
    /// Lets `waiter` wait for a session with `peer`.
    pub(crate) fn add(&mut self, peer: PeerId, waiter: Waiter) {
        let waiters = &mut self.of_peers.entry(peer).or_default().waiters;
        waiters.retain(|waiter| !waiter.is_closed());
        if waiters.len() < WAITING_OPENS_MAX {
            waiters.push(waiter);
        } else {
            let _ = waiter.send(Err(OpenError::Busy));
        }
    }

    /// Whether anybody waits for `peer`, whose last connection has closed, and how it goes on for them: dialed again, at
    /// most [`REDIALS_MAX`] times, since one that closes each connection at once would be dialed without end.
    pub(crate) fn redial(&mut self, peer: &PeerId) -> Option<bool> {
        let waiting = self.of_peers.get_mut(peer)?;
        if waiting.waiters.iter().all(oneshot::Sender::is_closed) {
            return None;
        }
        waiting.redials += 1;
        Some(waiting.redials <= REDIALS_MAX)
    }

    /// Those of the `known` addresses that no dial tries yet; none when as many dials run as may.
    pub(crate) fn untried(&self, peer: &PeerId, mut known: Vec<Multiaddr>) -> Vec<Multiaddr> {
        let dials = self.dials.get(peer).map_or(&[][..], Vec::as_slice);
        if dials.len() >= DIALS_PER_PEER_MAX {
            return Vec::new();
        }
        known.retain(|address| !dials.iter().any(|(_, tried)| tried.contains(address)));
        known
    }

    /// A dial runs.
    pub(crate) fn dialing(&mut self, peer: PeerId, dial: ConnectionId, tries: Vec<Multiaddr>) {
        self.dials.entry(peer).or_default().push((dial, tries));
    }

    /// A dial has ended, of those that are known here or of others; whether one of those here still runs.
    pub(crate) fn dial_ended(&mut self, peer: &PeerId, dial: ConnectionId) -> bool {
        let Some(dials) = self.dials.get_mut(peer) else { return false };
        dials.retain(|(other, _)| *other != dial);
        let runs = !dials.is_empty();
        if !runs {
            self.dials.remove(peer);
        }
        runs
    }

    /// Gives all who wait for `peer` what came of it. Who has gone away misses nothing.
    pub(crate) fn settle(&mut self, peer: &PeerId, result: &Result<SessionHandle, OpenError>) {
        for waiter in self.of_peers.remove(peer).unwrap_or_default().waiters {
            let _ = waiter.send(result.clone());
        }
    }
}
