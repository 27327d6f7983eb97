//! Dials back for peers that ask whether they can be reached (the server of AutoNAT v2).
//!
//! libp2p's server dials whatever address it is asked to, and says how that ended: whoever asks could look for open
//! ports in this peer's own network, or let it knock at a third party's door. So an address is dialed only if its IP
//! address is one that the asker is connected from, without a relay, and at most [`DIAL_BACKS_MAX`] at once. The
//! connection carries the answer alone and is closed after it.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::autonat::v2::server;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use crate::core::is_circuit;
use crate::limits::DIAL_BACKS_MAX;
use crate::meters::Meters;

/// The server of AutoNAT v2, with a say about what is dialed.
pub(crate) struct DialBack {
    inner: server::Behaviour,
    /// Where each peer's direct connections come from or go to.
    seen_at: HashMap<PeerId, HashMap<ConnectionId, IpAddr>>,
    /// Dials back that are on their way.
    dialing: HashMap<ConnectionId, PeerId>,
    /// Dials back that were answered, or are being answered.
    dialed: HashSet<ConnectionId>,
    /// Connections that have done their work.
    done: Vec<(PeerId, ConnectionId)>,
    meters: Arc<Meters>,
}

/// Why an address is not dialed.
#[derive(Debug, thiserror::Error)]
#[error("dial back: the address is not the asker's, or too many are being dialed")]
struct NotDialed;

impl DialBack {
    pub(crate) fn new(meters: Arc<Meters>) -> Self {
        Self {
            inner: server::Behaviour::default(),
            seen_at: HashMap::new(),
            dialing: HashMap::new(),
            dialed: HashSet::new(),
            done: Vec::new(),
            meters,
        }
    }

    /// Whether this connection is a dial back, which carries nothing else.
    pub(crate) fn is_dial_back(&self, connection: ConnectionId) -> bool {
        self.dialed.contains(&connection)
    }

    /// Whether `peer` is connected from the one IP address that `addresses` has.
    fn is_own(&self, peer: &PeerId, addresses: &[Multiaddr]) -> bool {
        let [address] = addresses else { return false };
        let Some(ip) = ip_of(address).filter(|_| !is_circuit(address)) else { return false };
        self.seen_at.get(peer).is_some_and(|seen| seen.values().any(|from| *from == ip))
    }
}

impl NetworkBehaviour for DialBack {
    type ConnectionHandler = THandler<server::Behaviour>;
    type ToSwarm = server::Event;

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(asker) = self.dialing.get(&connection) {
            if self.dialing.len() > DIAL_BACKS_MAX || !self.is_own(asker, addresses) {
                self.meters.dial_backs_refused.add(1);
                return Err(ConnectionDenied::new(NotDialed));
            }
            self.meters.dial_backs.add(1);
        }
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if self.dialing.remove(&connection).is_some() {
            self.dialed.insert(connection);
        }
        self.inner.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(up) if !up.endpoint.is_relayed() => {
                if let Some(ip) = ip_of(up.endpoint.get_remote_address()) {
                    self.seen_at.entry(up.peer_id).or_default().insert(up.connection_id, ip);
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.dialed.remove(&closed.connection_id);
                if let Some(seen) = self.seen_at.get_mut(&closed.peer_id) {
                    seen.remove(&closed.connection_id);
                    if seen.is_empty() {
                        self.seen_at.remove(&closed.peer_id);
                    }
                }
            }
            FromSwarm::DialFailure(failed) => {
                self.dialing.remove(&failed.connection_id);
                self.dialed.remove(&failed.connection_id);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        // The handler of a dial back says one thing: how it ended.
        if self.dialed.contains(&connection) {
            self.done.push((peer, connection));
        }
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<server::Event, THandlerInEvent<Self>>> {
        if let Some((peer_id, connection)) = self.done.pop() {
            let connection = CloseConnection::One(connection);
            return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection });
        }
        let polled = self.inner.poll(cx);
        if let Poll::Ready(ToSwarm::Dial { opts }) = &polled
            && let Some(peer) = opts.get_peer_id()
        {
            self.dialing.insert(opts.connection_id(), peer);
        }
        polled
    }
}

fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}
