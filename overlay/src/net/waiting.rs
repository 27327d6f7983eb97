//! Who waits for a session with a peer that is being dialed.

use std::collections::HashMap;

use libp2p::PeerId;
use tokio::sync::oneshot;

use super::session::SessionHandle;
use super::substream::OpenError;
use crate::limits::WAITING_OPENS_MAX;

type Waiter = oneshot::Sender<Result<SessionHandle, OpenError>>;

/// The waiters of each peer, at most [`WAITING_OPENS_MAX`] a peer; one more is told *busy*.
#[derive(Debug, Default)]
pub(crate) struct Waiting(HashMap<PeerId, Vec<Waiter>>);

impl Waiting {
    /// Lets `waiter` wait for a session with `peer`.
    pub(crate) fn add(&mut self, peer: PeerId, waiter: Waiter) {
        let waiters = self.0.entry(peer).or_default();
        waiters.retain(|waiter| !waiter.is_closed());
        if waiters.len() < WAITING_OPENS_MAX {
            waiters.push(waiter);
        } else {
            let _ = waiter.send(Err(OpenError::Busy));
        }
    }

    /// Whether anybody waits for `peer`.
    pub(crate) fn has(&self, peer: &PeerId) -> bool {
        self.0.get(peer).is_some_and(|waiters| waiters.iter().any(|waiter| !waiter.is_closed()))
    }

    /// Gives all who wait for `peer` what came of it. Who has gone away misses nothing.
    pub(crate) fn settle(&mut self, peer: &PeerId, result: &Result<SessionHandle, OpenError>) {
        for waiter in self.0.remove(peer).unwrap_or_default() {
            let _ = waiter.send(result.clone());
        }
    }
}
