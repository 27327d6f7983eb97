//! The peer: the handle that everything starts from.

mod builder;
mod groups;
mod resolver;

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, stream};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use crate::advertisement::{DiscoveryQuery, SignedAdvertisement};
use crate::core::{Path, Reached};
use crate::error::{ConnectError, LeaseError};
use crate::event::Events;
use crate::limits::PUBLICATIONS_MAX;
use crate::meters::{LinkMeters, Meters};
use crate::net::{Command, Handle, ReachSteps, Way, within};

pub use builder::PeerBuilder;

/// A running peer. Clones are the same peer; it ends at once when the last clone and all that was made of it are
/// dropped, or politely by [`shutdown`](Self::shutdown).
#[derive(Debug, Clone)]
pub struct Peer {
    handle: Handle,
}

impl Peer {
    /// A peer to be.
    pub fn builder() -> PeerBuilder {
        PeerBuilder::new()
    }

    /// This peer's id: the hash of its public key, proven to each peer it talks to.
    pub fn id(&self) -> PeerId {
        self.handle.shared.id
    }

    /// Where this peer can be dialed, complete with `/p2p/<peer id>`; loopback addresses last.
    pub fn addresses(&self) -> Vec<Multiaddr> {
        self.handle.shared.addresses.read().clone()
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        Events::new(self.handle.shared.events.subscribe(), self.handle.shared.meters.clone())
    }

    /// What this peer counts.
    pub fn meters(&self) -> Arc<Meters> {
        self.handle.shared.meters.clone()
    }

    /// Rendezvous whose lease holds now.
    pub fn leased(&self) -> Vec<PeerId> {
        self.handle.shared.leases.borrow().held.clone()
    }

    /// What this peer publishes itself in open groups that it is in, as it was last signed. Cancel-safe.
    pub async fn published(&self) -> Vec<SignedAdvertisement> {
        self.published_by(|way| way == Way::Open).await
    }

    /// What this peer publishes itself in closed groups that it is in, as it was last signed: for members of each group
    /// and nobody else. Cancel-safe.
    pub async fn published_in_closed_groups(&self) -> Vec<SignedAdvertisement> {
        self.published_by(|way| matches!(way, Way::Closed(_))).await
    }

    async fn published_by(&self, is_wanted: impl Fn(Way) -> bool) -> Vec<SignedAdvertisement> {
        let query = DiscoveryQuery::new().publisher(self.id()).threshold(PUBLICATIONS_MAX);
        let mut published = self.handle.find_locally(query).await;
        let groups = &self.handle.shared.groups;
        published.retain(|signed| groups.way(&signed.advertisement().group).is_some_and(&is_wanted));
        published
    }

    /// Tells each time that [`published`](Self::published) has changed since it was last polled; changes that come
    /// together are told once. Ends with the peer.
    pub fn publications_changed(&self) -> impl Stream<Item = ()> + Send + use<> {
        let mut changes = self.handle.shared.published.subscribe();
        changes.mark_unchanged();
        stream::unfold(changes, async |mut changes| changes.changed().await.ok().map(|()| ((), changes)))
    }

    /// Waits for the first lease and says whose it is; returns at once while one holds. Cancel-safe.
    ///
    /// # Errors
    /// [`LeaseError::NoRendezvous`] at once without any configured, [`LeaseError::TimedOut`] with what the last try ended in.
    pub async fn wait_leased(&self, deadline: Duration) -> Result<PeerId, LeaseError> {
        let mut leases = self.handle.shared.leases.subscribe();
        if leases.borrow().configured == 0 {
            return Err(LeaseError::NoRendezvous);
        }
        let waiting = leases.wait_for(|leases| !leases.held.is_empty());
        if let Ok(held) = tokio::time::timeout(deadline, waiting).await {
            let held = held.map_err(|_| LeaseError::Closed)?;
            return held.held.first().copied().ok_or(LeaseError::Closed);
        }
        let last = self.handle.shared.leases.borrow().last_failure.clone();
        Err(LeaseError::TimedOut { after: deadline, last: last.unwrap_or_else(|| "no answer".to_owned()) })
    }

    /// Remembers where `peer` may be dialed.
    pub async fn add_address(&self, peer: PeerId, address: Multiaddr) {
        // A peer that has ended has nothing to remember.
        let _ = self.handle.commands.send(Command::AddAddress { peer, address }).await;
    }

    /// Makes sure that there is a session with `peer`, dialing it at `addresses` and those remembered. Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn dial(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        deadline: Duration,
    ) -> Result<(), ConnectError> {
        within(deadline, self.handle.session(peer, addresses)).await.map(drop)
    }

    /// [`dial`](Self::dial)s the peer that `address` ends in, as in `/ip4/192.0.2.1/tcp/4001/p2p/12D3…`, and says which
    /// it is. Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`], `Unreachable` for an address that names no peer.
    pub async fn dial_address(&self, address: Multiaddr, deadline: Duration) -> Result<PeerId, ConnectError> {
        let Some(Protocol::P2p(peer)) = address.iter().last() else {
            let reason = format!("{address} does not end in /p2p/ and the peer's id");
            return Err(ConnectError::Unreachable { reason });
        };
        self.dial(peer, vec![address], deadline).await.map(|()| peer)
    }

    /// Makes sure that there is a session with `peer`: an open one, else by dialing what is remembered, else by
    /// what the rendezvous know of it. Says how long each step took. Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn reach(&self, peer: PeerId, deadline: Duration) -> Result<Reached, ConnectError> {
        let steps = ReachSteps::default();
        self.reach_by(peer, deadline, &steps).await.map(|()| steps.so_far())
    }

    /// As [`reach`](Self::reach); `steps` tells how far it is, and how far it was if the peer is not reached.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn reach_by(
        &self,
        peer: PeerId,
        deadline: Duration,
        steps: &ReachSteps,
    ) -> Result<(), ConnectError> {
        let reached = within(deadline, self.handle.reach_measured(peer, steps)).await;
        steps.end();
        reached.map(|_| ())
    }

    /// The smoothed round trip to `peer`, measured on its session every
    /// [`SESSION_PING_INTERVAL`](crate::limits::SESSION_PING_INTERVAL), first when it opens; `None` without a session
    /// or before the first answer.
    pub fn round_trip(&self, peer: PeerId) -> Option<Duration> {
        self.handle.shared.sessions.of(&peer)?.round_trip()
    }

    /// What passed over the connections with `peer` that have a session; all zero without any.
    pub fn link_meters(&self, peer: PeerId) -> LinkMeters {
        let mut sum = LinkMeters::default();
        self.handle.shared.sessions.of_peer(&peer).iter().for_each(|session| session.count_into(&mut sum));
        sum
    }

    /// The peers with which there are connections now. Who follows [`events`](Self::events) from before on misses none.
    pub fn connected(&self) -> Vec<PeerId> {
        self.handle.shared.paths.peers()
    }

    /// The connections with `peer`, the oldest first: which way each goes, and whether through a relay.
    pub fn paths(&self, peer: PeerId) -> Vec<Path> {
        self.handle.shared.paths.of(&peer)
    }

    /// Closes all connections with `peer`.
    pub async fn close(&self, peer: PeerId) {
        // A peer that has ended has none.
        let _ = self.handle.commands.send(Command::Close { peer }).await;
    }

    /// Refuses all connections with `peer` from now on, either way and through relays too, and closes those there are;
    /// at a relay its reservations and circuits end with them. Lasts until [`unban`](Self::unban) or the end of this
    /// peer; how many are banned is up to the caller. Cancel-safe: it may still happen.
    pub async fn ban(&self, peer: PeerId) {
        self.set_banned(peer, true).await;
    }

    /// Lets a banned peer come again. Cancel-safe: it may still happen.
    pub async fn unban(&self, peer: PeerId) {
        self.set_banned(peer, false).await;
    }

    async fn set_banned(&self, peer: PeerId, banned: bool) {
        let (reply, done) = oneshot::channel();
        // A peer that has ended lets nobody in.
        if self.handle.commands.send(Command::Ban { peer, banned, reply }).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Ends politely: leases are cancelled (at most a second), then all connections are closed.
    pub async fn shutdown(&self) {
        let (reply, ended) = oneshot::channel();
        if self.handle.commands.send(Command::Shutdown { reply }).await.is_ok() {
            // An error means that it has ended, which is what was asked for.
            let _ = ended.await;
        }
    }
}
