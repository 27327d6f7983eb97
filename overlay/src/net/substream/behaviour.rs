//! The part of the substream behaviour that lives with the swarm: which peer is connected by which connections.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::mpsc;

use super::handler::{Handler, Inbound, OpenError, OpenRequest};
use crate::core::is_circuit;
use crate::meters::Meters;

/// What the behaviour tells the event loop.
#[derive(Debug)]
pub(crate) enum Happened {
    /// A connection to `peer` is up; `dialer` says whether this side dialed it, `first`
    /// whether there was none before.
    Connected { peer: PeerId, connection: ConnectionId, dialer: bool, first: bool },
    /// A connection to `peer` is gone; `last` says whether it was the last.
    Disconnected { peer: PeerId, last: bool },
}

/// Opens substreams to connected peers and passes on those that they open.
#[derive(Debug)]
pub(crate) struct Behaviour {
    /// Of each peer, direct ones before those through a relay, the oldest first.
    connections: HashMap<PeerId, Vec<Connection>>,
    effects: VecDeque<ToSwarm<Happened, OpenRequest>>,
    accept: mpsc::Sender<Inbound>,
    meters: Arc<Meters>,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy)]
struct Connection {
    id: ConnectionId,
    relayed: bool,
}

impl Behaviour {
    /// Passes inbound substreams to `accept`.
    pub(crate) fn new(accept: mpsc::Sender<Inbound>, meters: Arc<Meters>) -> Self {
        Self { connections: HashMap::new(), effects: VecDeque::new(), accept, meters, waker: None }
    }

    /// Whether a connection to `peer` is up.
    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        self.connections.contains_key(peer)
    }

    /// Opens a substream on a connection to `peer`: the given one, else the oldest that is direct, else the oldest.
    pub(crate) fn open(&mut self, peer: PeerId, connection: Option<ConnectionId>, request: OpenRequest) {
        let best = self.connections.get(&peer).and_then(|connections| connections.first());
        let Some(connection) = connection.or(best.map(|best| best.id)) else {
            let _ = request.reply.send(Err(OpenError::Closed));
            return;
        };
        let handler = NotifyHandler::One(connection);
        self.push(ToSwarm::NotifyHandler { peer_id: peer, handler, event: request });
    }

    fn push(&mut self, effect: ToSwarm<Happened, OpenRequest>) {
        self.effects.push_back(effect);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn handler(&self, peer: PeerId, connection: ConnectionId, relayed: bool) -> Handler {
        Handler::new(peer, connection, self.accept.clone(), self.meters.clone(), relayed)
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Happened;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, connection, is_circuit(local)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, connection, is_circuit(address)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                let peer = established.peer_id;
                let connection = established.connection_id;
                let relayed = established.endpoint.is_relayed();
                let connections = self.connections.entry(peer).or_default();
                let place = connections.iter().position(|known| known.relayed && !relayed);
                connections
                    .insert(place.unwrap_or(connections.len()), Connection { id: connection, relayed });
                // Both sides dial to get past their NATs; then the one with the dialer's role is meant.
                let role = established.endpoint.to_endpoint();
                let dialer = role == Endpoint::Dialer;
                let first = established.other_established == 0;
                self.push(ToSwarm::GenerateEvent(Happened::Connected { peer, connection, dialer, first }));
            }
            FromSwarm::ConnectionClosed(closed) => {
                let peer = closed.peer_id;
                if let Some(connections) = self.connections.get_mut(&peer) {
                    connections.retain(|connection| connection.id != closed.connection_id);
                }
                let last = closed.remaining_established == 0;
                if last {
                    self.connections.remove(&peer);
                }
                self.push(ToSwarm::GenerateEvent(Happened::Disconnected { peer, last }));
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Happened, THandlerInEvent<Self>>> {
        if let Some(effect) = self.effects.pop_front() {
            return Poll::Ready(effect);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
