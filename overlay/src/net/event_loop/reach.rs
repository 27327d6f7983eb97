//! Being reached: reservations at relays, ways past them, and what is known of this peer from outside.
//!
//! In: what libp2p's relay, DCUtR, AutoNAT and UPnP tell. Out: reservations that are kept, addresses that are
//! advertised, and for each relayed path why it is not direct. Bounds: [`RELAYS_MAX`](crate::limits::RELAYS_MAX)
//! reservations, [`ADDRESS_CANDIDATES_MAX`] addresses told by others, [`DIRECT_TRIES_MAX`] tries at one peer.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, autonat, dcutr, relay};

use super::EventLoop;
use super::commands::what_failed;
use super::leases::random;
use crate::core::{NotDirect, PeerEvent, RelayUse, ReservationEffect, Reservations, is_circuit};
use crate::error::{RelayError, SpawnError};
use crate::limits::{ADDRESS_CANDIDATES_MAX, ADDRESSES_PER_PEER_MAX, DIRECT_TRIES_MAX};
use crate::net::behaviour::BehaviourEvent;
use crate::net::reach::{Holders, reservation_refusal};

/// What is known about being reached.
#[derive(Debug, Default)]
pub(crate) struct Reaching {
    /// Whether this peer is a relay.
    serves: bool,
    /// Whether rendezvous are asked for reservations.
    auto: bool,
    /// Whether somebody outside has reached this peer without a relay.
    reachable: bool,
    reservations: Reservations,
    /// The relay that each listener is for.
    listeners: HashMap<ListenerId, PeerId>,
    /// Relays that were named, and where they are.
    named: HashMap<PeerId, Multiaddr>,
    /// Where others say that they see this peer.
    candidates: HashSet<Multiaddr>,
    /// Who has a place at this relay.
    holders: Holders,
}

impl Reaching {
    /// What is to be kept up; the addresses through relays are taken out of `listen`.
    ///
    /// # Errors
    /// [`SpawnError::Listen`] for one that names no relay.
    pub(crate) fn new(
        serves: bool,
        used: RelayUse,
        holders: Holders,
        listen: &mut Vec<Multiaddr>,
    ) -> Result<Self, SpawnError> {
        let (circuits, direct): (Vec<_>, Vec<_>) = std::mem::take(listen).into_iter().partition(is_circuit);
        *listen = direct;
        let mut named = HashMap::new();
        for address in circuits {
            let relay: Multiaddr = address.iter().take_while(|part| *part != Protocol::P2pCircuit).collect();
            let Some(Protocol::P2p(peer)) = relay.iter().last() else {
                let reason = "no /p2p/<peer id> of a relay stands before /p2p-circuit".to_owned();
                return Err(SpawnError::Listen { address, reason });
            };
            named.insert(peer, relay);
        }
        Ok(Self { serves, auto: used == RelayUse::Auto, named, holders, ..Self::default() })
    }

    /// When to let time pass next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.reservations.poll_timeout()
    }

    /// `peer` is gone, and its reservation with it.
    pub(super) fn release(&self, peer: &PeerId) {
        self.holders.release(peer);
    }
}

impl EventLoop {
    /// Begins to keep this up.
    pub(crate) fn reach(&mut self, reaching: Reaching) {
        self.reaching = reaching;
        let addresses = self.shared.addresses.read().clone();
        addresses.into_iter().for_each(|address| self.serve_at(address));
        let named: Vec<_> = self.reaching.named.clone().into_iter().collect();
        for (relay, address) in named {
            self.book.add(relay, address);
            self.want_reservation(relay);
        }
    }

    /// Tells those who reserve here that they can be reached at `address`, through this relay.
    pub(super) fn serve_at(&mut self, address: Multiaddr) {
        if self.reaching.serves && !is_circuit(&address) {
            self.swarm.add_external_address(address);
        }
    }

    /// A rendezvous has granted a lease; now it may be asked for a reservation.
    pub(super) fn reserve_at_rendezvous(&mut self, rendezvous: PeerId) {
        let named = self.reaching.named.contains_key(&rendezvous);
        if named || (self.reaching.auto && !self.reaching.reachable) {
            self.want_reservation(rendezvous);
        }
    }

    fn want_reservation(&mut self, relay: PeerId) {
        if !self.reaching.reservations.want(Instant::now(), relay) {
            self.shared.meters.relays_ignored.add(1);
        }
    }

    pub(super) fn follow_reservations(&mut self, now: Instant) {
        self.reaching.reservations.handle_timeout(now);
        while let Some(effect) = self.reaching.reservations.poll_effect() {
            match effect {
                ReservationEffect::Reserve(relay) => self.reserve(now, relay),
                ReservationEffect::Held(relay) => self.shared.tell(PeerEvent::RelayReserved { relay }),
                ReservationEffect::Lost(relay, error) => {
                    tracing::debug!(%relay, reason = %error, "no reservation");
                    self.shared.meters.relay_reservations_lost.add(1);
                    self.shared.tell(PeerEvent::RelayLost { relay, error });
                }
            }
        }
        self.shared.meters.relay_reservations.set(self.reaching.reservations.held());
    }

    /// Listens at `relay`, unless nobody knows where it is.
    fn reserve(&mut self, now: Instant, relay: PeerId) {
        let known = self.book.of(&relay).into_iter().find(|address| !is_circuit(address));
        let listening = known.map(|address| {
            let address = address.with_p2p(relay).unwrap_or_else(|other| other);
            self.swarm.listen_on(address.with(Protocol::P2pCircuit))
        });
        match listening {
            Some(Ok(listener)) => drop(self.reaching.listeners.insert(listener, relay)),
            Some(Err(error)) => {
                let reason = error.to_string();
                self.reaching.reservations.lost(now, relay, RelayError::Failed { reason }, random());
            }
            None => self.reaching.reservations.lost(now, relay, RelayError::Gone, random()),
        }
    }

    /// What libp2p tells about reach; the rest is of no interest.
    pub(super) fn on_reach_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::RelayClient(
                relay::client::Event::ReservationReqAccepted { relay_peer_id, .. },
            )) => self.reaching.reservations.granted(relay_peer_id),
            SwarmEvent::Behaviour(BehaviourEvent::RelayServer(event)) => self.on_relay_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Dcutr(event)) => self.on_direct_try(event),
            SwarmEvent::Behaviour(BehaviourEvent::Autonat(event)) => self.on_probe(&event),
            #[cfg(feature = "upnp")]
            SwarmEvent::Behaviour(BehaviourEvent::Upnp(event)) => on_gateway_event(&event),
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                if let Some(relay) = self.reaching.listeners.remove(&listener_id) {
                    let error = reservation_refusal(&reason);
                    self.reaching.reservations.lost(Instant::now(), relay, error, random());
                    if self.reaching.reachable && !self.reaching.named.contains_key(&relay) {
                        self.reaching.reservations.give_up(&relay);
                    }
                }
            }
            SwarmEvent::NewExternalAddrCandidate { address } => self.on_candidate(address),
            SwarmEvent::ExternalAddrConfirmed { address } => self.on_confirmed(address),
            SwarmEvent::ExternalAddrExpired { address } => self.on_address_gone(address),
            _ => {}
        }
    }

    #[expect(deprecated, reason = "libp2p wants to log some of these itself; here they are counted")]
    fn on_relay_event(&mut self, event: relay::Event) {
        let meters = &self.shared.meters;
        match event {
            relay::Event::ReservationReqAccepted { .. } => meters.relay_granted.add(1),
            relay::Event::ReservationReqDenied { .. } => meters.relay_refused.add(1),
            relay::Event::ReservationTimedOut { src_peer_id } => self.reaching.release(&src_peer_id),
            relay::Event::CircuitReqAccepted { .. } => meters.relay_circuits.add(1),
            relay::Event::CircuitReqDenied { .. }
            | relay::Event::CircuitReqDenyFailed { .. }
            | relay::Event::CircuitReqAcceptFailed { .. } => meters.relay_circuits_refused.add(1),
            relay::Event::CircuitClosed { error, .. } => {
                meters.relay_circuits.sub(1);
                if error.is_some() {
                    meters.relay_circuits_cut.add(1);
                }
            }
            _ => {}
        }
    }

    /// A peer that is met through a relay says where it listens, which may be dialed without ado: DCUtR needs both
    /// sides to know how they are seen, which takes a while. One of the two dials, or the one that can't be dialed.
    pub(super) fn try_past_relay(&mut self, peer: PeerId, listens: &[Multiaddr]) {
        let paths = self.shared.paths.of(&peer);
        let has_own = self.shared.addresses.read().iter().any(|address| !is_circuit(address));
        if paths.is_empty() || paths.iter().any(|path| !path.relayed) || (has_own && self.shared.id > peer) {
            return;
        }
        let direct: Vec<_> = listens.iter().filter(|address| !is_circuit(address)).cloned().collect();
        if direct.is_empty() {
            return;
        }
        let addresses = direct.into_iter().take(ADDRESSES_PER_PEER_MAX).collect();
        let options =
            DialOpts::peer_id(peer).addresses(addresses).condition(PeerCondition::NotDialing).build();
        // A dial that is on its way already leads there as well.
        let _ = self.swarm.dial(options);
    }

    /// DCUtR has ended; a success is seen as a connection.
    fn on_direct_try(&mut self, event: dcutr::Event) {
        let Err(error) = event.result else { return };
        let reason = error.to_string();
        let nowhere = self.reaching.candidates.is_empty();
        self.shared.paths.explain(&event.remote_peer_id, |why| {
            // What the dials ended in says more.
            if !matches!(why, NotDirect::Unreachable { .. }) {
                *why = if nowhere {
                    NotDirect::NoAddress
                } else {
                    NotDirect::NotAgreed { reason: reason.clone() }
                };
            }
        });
    }

    /// A dial has failed; beside a relayed connection it was a try to get past the relay.
    pub(super) fn on_direct_try_failed(&mut self, peer: PeerId, error: &DialError) {
        let (reason, most) = (what_failed(error), std::cell::Cell::new(0));
        let relayed = self.shared.paths.explain(&peer, |why| {
            let tries = if let NotDirect::Unreachable { tries, .. } = why { *tries } else { 0 };
            most.set(most.get().max(tries + 1));
            *why = NotDirect::Unreachable { tries: tries + 1, reason: reason.clone() };
        });
        if !relayed {
            return;
        }
        self.shared.meters.direct_tries_failed.add(1);
        if most.get() > DIRECT_TRIES_MAX {
            self.shared.meters.direct_tries_excess.add(1);
            // All its connections are relayed, or it would have no reason.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    fn on_probe(&mut self, event: &autonat::v2::client::Event) {
        if event.result.is_err() {
            self.shared.meters.addresses_unreachable.add(1);
        }
    }

    /// Somebody says where it sees this peer; anybody can say anything.
    fn on_candidate(&mut self, address: Multiaddr) {
        let numbered = matches!(address.iter().next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_)));
        if !numbered || is_circuit(&address) || self.reaching.candidates.len() >= ADDRESS_CANDIDATES_MAX {
            return;
        }
        self.reaching.candidates.insert(address);
        if self.reaching.candidates.len() >= ADDRESS_CANDIDATES_MAX {
            self.swarm.behaviour_mut().autonat = None.into();
            self.shared.meters.autonat_overflows.add(1);
            tracing::warn!("AutoNAT is off: {ADDRESS_CANDIDATES_MAX} addresses of this peer were told");
        }
    }

    /// An address at which this peer is reached: dialed from outside, mapped by a gateway, or at a relay.
    fn on_confirmed(&mut self, address: Multiaddr) {
        if !is_circuit(&address) {
            self.reaching.reachable = true;
            self.shared.meters.addresses_confirmed.add(1);
            self.shared.tell(PeerEvent::Reachable { address: address.clone() });
        }
        self.on_new_address(address);
    }

    fn on_address_gone(&mut self, address: Multiaddr) {
        let complete = self.complete(address);
        self.shared.addresses.write().retain(|known| *known != complete);
        self.advertise_myself();
    }
}

#[cfg(feature = "upnp")]
fn on_gateway_event(event: &libp2p::upnp::Event) {
    use libp2p::upnp::Event;
    match event {
        Event::NewExternalAddr { external_addr, .. } => {
            tracing::info!(address = %external_addr, "the gateway lets others in");
        }
        Event::ExpiredExternalAddr { external_addr, .. } => {
            tracing::warn!(address = %external_addr, "the gateway lets others in no more");
        }
        Event::GatewayNotFound => tracing::warn!("no gateway on the local network answers (UPnP)"),
        Event::NonRoutableGateway => {
            tracing::warn!("the gateway is itself behind another; it can't let others in (UPnP)");
        }
    }
}
