//! Who may connect at all: not more often from one address than the quota says, and nobody who is banned.
//!
//! In: connections being made. Out: yes, or a refusal that the event loop counts. An address is refused before the
//! handshake, which costs more than all the rest. Bounds: `CONNECTORS_MAX` addresses.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use super::shared::Shared;
use crate::core::RateLimiter;
use crate::limits::{CONNECTORS_MAX, Quota};

/// Refuses connections.
#[derive(Debug)]
pub(crate) struct Gate {
    shared: Arc<Shared>,
    connects: RateLimiter<IpAddr>,
}

/// Why a connection is refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the address connects too often")]
    TooOften,
    #[error("peers behind the address have offended too often")]
    Closed,
    #[error("the peer is banned for a while")]
    Banned,
}

impl Gate {
    /// Lets in what `connects` allows to each address, but for those whom `shared` knows as banned.
    pub(crate) fn new(shared: Arc<Shared>, connects: Quota) -> Self {
        Self { shared, connects: RateLimiter::new(connects, CONNECTORS_MAX) }
    }

    fn admit(&self, peer: &PeerId) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        if self.shared.is_banned(peer) {
            return Err(ConnectionDenied::new(Refused::Banned));
        }
        Ok(dummy::ConnectionHandler)
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = std::convert::Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        // Through a relay comes no address; the relay's own connection has passed here.
        let Some(source) = source(remote) else { return Ok(()) };
        if self.shared.is_closed_to(&source) {
            return Err(ConnectionDenied::new(Refused::Closed));
        }
        let spent = self.connects.spend(Instant::now(), source, 1);
        spent.map_err(|_| ConnectionDenied::new(Refused::TooOften))
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(&peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(&peer)
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// Whom an address stands for: of IPv6 the network, since a host has all addresses of its own.
pub(super) fn source(remote: &Multiaddr) -> Option<IpAddr> {
    match remote.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into()),
        _ => None,
    }
}
