//! What handles ask of the event loop, done.

use std::time::Instant;

use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use super::EventLoop;
use crate::advertisement::{Advertisement, Lifetime, SignedAdvertisement, addresses_of};
use crate::core::{CacheRefused, Due};
use crate::error::{PublishError, WithdrawError};
use crate::id::{AdvertisementId, GroupId};
use crate::limits::{FOUND_KEPT_MAX, PUBLICATIONS_MAX};
use crate::net::command::Command;
use crate::net::lease::Way;
#[cfg(feature = "reach")]
use crate::net::reach::circuit_refusal;
use crate::net::session::SessionHandle;
use crate::net::spawn::innermost;
use crate::net::substream::OpenError;

impl EventLoop {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Open { peer, request } => self.swarm.behaviour_mut().substream.open(peer, None, request),
            Command::Session { peer, addresses, reply } => self.session_with(peer, addresses, reply),
            Command::AddAddress { peer, address } => self.book.add(peer, address),
            Command::Publish { advertisement, lifetime, reply } => {
                // Who asked may have gone away; the publication stands.
                let _ = reply.send(self.publish(advertisement, lifetime));
            }
            Command::Withdraw { group, id, reply } => {
                // Who asked tells the rendezvous; gone away, it leaves that to this.
                if let Err(Ok(tombstone)) = reply.send(self.withdraw(group, id)) {
                    self.push_to_all(&[tombstone]);
                }
            }
            Command::NotPushed { rendezvous } => self.leases.push_failed(&rendezvous),
            Command::Find { query, reply } => {
                let _ = reply.send(self.cache.find(Instant::now(), &query));
            }
            Command::Learn { found } => found.into_iter().for_each(|signed| self.learn(signed)),
            Command::Close { peer } => {
                // Not connected is what was asked for.
                let _ = self.swarm.disconnect_peer_id(peer);
            }
            Command::Ban { peer, banned, reply } => {
                let list = &mut self.swarm.behaviour_mut().banned;
                if banned {
                    list.block_peer(peer)
                } else {
                    list.unblock_peer(peer)
                };
                let _ = reply.send(());
            }
            // Handled where the loop ends.
            Command::Shutdown { .. } => {}
        }
    }

    /// Gives a session with `peer` to `reply` as soon as there is one, dialing if there is no connection.
    pub(super) fn session_with(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        reply: oneshot::Sender<Result<SessionHandle, OpenError>>,
    ) {
        addresses.into_iter().rev().for_each(|address| self.book.add(peer, address));
        if let Some(session) = self.shared.sessions.of(&peer) {
            let _ = reply.send(Ok(session));
            return;
        }
        self.waiting.add(peer, reply);
        if !self.swarm.behaviour().substream.is_connected(&peer) {
            self.dial(peer);
        }
    }

    /// Dials for those who came while the last connection was about to close.
    pub(super) fn redial_for_waiting(&mut self, peer: PeerId) {
        match self.waiting.redial(&peer) {
            None => {}
            Some(true) => self.dial(peer),
            Some(false) => {
                let reason = "it closes each connection at once".to_owned();
                self.waiting.settle(&peer, &Err(OpenError::Unreachable(reason)));
            }
        }
    }

    pub(super) fn dial(&mut self, peer: PeerId) {
        let addresses = self.book.of(&peer);
        if peer == self.shared.id || addresses.is_empty() {
            let reason = if addresses.is_empty() { "no address is known" } else { "it is this peer itself" };
            return self.waiting.settle(&peer, &Err(OpenError::Unreachable(reason.to_owned())));
        }
        // Beside a dial that runs, only what that does not try: what a lookup has found meanwhile.
        let addresses = self.waiting.untried(&peer, addresses);
        if addresses.is_empty() {
            return;
        }
        let options = DialOpts::peer_id(peer).addresses(addresses.clone());
        let options = options.condition(PeerCondition::Disconnected).build();
        let dial = options.connection_id();
        self.waiting.dialing(peer, dial, addresses);
        match self.swarm.dial(options) {
            Ok(()) => {}
            // The connection that is up opens its session.
            Err(DialError::DialPeerConditionFalse(_)) => drop(self.waiting.dial_ended(&peer, dial)),
            Err(error) => self.on_dial_failed(peer, dial, &error),
        }
    }

    pub(super) fn on_dial_failed(&mut self, peer: PeerId, dial: ConnectionId, error: &DialError) {
        let others_run = self.waiting.dial_ended(&peer, dial);
        self.shared.meters.dials_failed.add(1);
        #[cfg(feature = "reach")]
        self.on_direct_try_failed(peer, error);
        if others_run || self.swarm.behaviour().substream.is_connected(&peer) {
            return;
        }
        #[cfg(feature = "reach")]
        if let DialError::Transport(tries) = error
            && tries.iter().all(|(address, _)| crate::core::is_circuit(address))
            && let Some(refusal) = tries.iter().find_map(|(_, error)| circuit_refusal(error))
        {
            return self.waiting.settle(&peer, &Err(OpenError::Relay(refusal)));
        }
        self.waiting.settle(&peer, &Err(OpenError::Unreachable(what_failed(error))));
    }

    fn publish(
        &mut self,
        advertisement: Advertisement,
        lifetime: Lifetime,
    ) -> Result<SignedAdvertisement, PublishError> {
        let now = Instant::now();
        let signed = self.sign(Due { advertisement: advertisement.clone(), lifetime, withdrawn: false })?;
        if !self.publications.keep(now, signed.id(), advertisement, lifetime) {
            return Err(PublishError::Full { max: PUBLICATIONS_MAX });
        }
        self.keep_own(now, &signed);
        Ok(signed)
    }

    fn withdraw(
        &mut self,
        group: GroupId,
        id: AdvertisementId,
    ) -> Result<SignedAdvertisement, WithdrawError> {
        let now = Instant::now();
        let tombstone = self.publications.withdraw(now, group, id).ok_or(WithdrawError::NotPublished)?;
        let signed = self.sign(tombstone)?;
        self.keep_own(now, &signed);
        Ok(signed)
    }

    /// Keeps what was found elsewhere, and where the peers among it can be reached.
    fn learn(&mut self, signed: SignedAdvertisement) {
        let peer = signed.publisher();
        if peer == self.shared.id {
            return;
        }
        // In a closed group only its own members are heard; what comes by another way may be anybody's.
        if let Some(Way::Closed(_)) = self.shared.groups.way(&signed.advertisement().group) {
            return self.shared.meters.advertisements_rejected.add(1);
        }
        for address in addresses_of(&signed).into_iter().rev() {
            self.book.add(peer, address);
        }
        let keep_for = signed.lifetime().remote.min(FOUND_KEPT_MAX);
        let now = Instant::now();
        self.shared.subscriptions.offer(now, &signed, false, keep_for);
        self.save(&signed);
        match self.cache.insert(now, signed, keep_for) {
            Ok(_) | Err(CacheRefused::Stale) => {}
            Err(_) => self.shared.meters.advertisements_rejected.add(1),
        }
    }
}

/// What each try of a dial ended in.
pub(super) fn what_failed(error: &DialError) -> String {
    match error {
        DialError::Transport(tries) => {
            let tries: Vec<_> =
                tries.iter().map(|(address, error)| format!("{address}: {}", innermost(error))).collect();
            tries.join("; ")
        }
        other => innermost(other),
    }
}
