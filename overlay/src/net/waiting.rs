//! Who waits for a session with a peer that is being dialed.

use std::collections::HashMap;

use libp2p::PeerId;
use tokio::sync::oneshot;

use super::session::SessionHandle;
use super::substream::OpenError;
use crate::limits::{REDIALS_MAX, WAITING_OPENS_MAX};

type Waiter = oneshot::Sender<Result<SessionHandle, OpenError>>;

/// The waiters of each peer, at most [`WAITING_OPENS_MAX`] a peer; one more is told *busy*.
#[derive(Debug, Default)]
pub(crate) struct Waiting(HashMap<PeerId, Waiters>);

#[derive(Debug, Default)]
struct Waiters {
    waiters: Vec<Waiter>,
    /// How often the peer was dialed again for them.
    redials: u32,
}

impl Waiting {
    /// Lets `waiter` wait for a session with `peer`.
    pub(crate) fn add(&mut self, peer: PeerId, waiter: Waiter) {
        let waiters = &mut self.0.entry(peer).or_default().waiters;
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
        let waiting = self.0.get_mut(peer)?;
        if waiting.waiters.iter().all(oneshot::Sender::is_closed) {
            return None;
        }
        waiting.redials += 1;
        Some(waiting.redials <= REDIALS_MAX)
    }

    /// Gives all who wait for `peer` what came of it. Who has gone away misses nothing.
    pub(crate) fn settle(&mut self, peer: &PeerId, result: &Result<SessionHandle, OpenError>) {
        for waiter in self.0.remove(peer).unwrap_or_default().waiters {
            let _ = waiter.send(result.clone());
        }
    }
}
