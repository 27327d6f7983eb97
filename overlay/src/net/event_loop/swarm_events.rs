//! What libp2p tells the event loop.

use libp2p::core::ConnectedPoint;
use libp2p::swarm::{ConnectionId, ListenError, SwarmEvent};
use libp2p::{PeerId, allow_block_list, identify, ping};
use tokio::sync::oneshot;

use super::{Ended, EventLoop};
use crate::core::{Path, PeerEvent, is_circuit};
use crate::limits::{ADDRESSES_PER_PEER_MAX, NEGOTIATING_PER_PEER_MAX, PING_FAILURES_MAX};
use crate::net::behaviour::BehaviourEvent;
use crate::net::substream::{Happened, Inbound, OpenRequest, PROPAGATE, SESSION};
use crate::net::{pipe_stream, propagate, session};

impl EventLoop {
    pub(crate) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Substream(happened)) => self.on_happened(happened),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => {
                self.check_neighbour(peer_id, &info.protocol_version);
                #[cfg(feature = "reach")]
                self.try_past_relay(peer_id, &info.listen_addrs);
                for address in info.listen_addrs.into_iter().take(ADDRESSES_PER_PEER_MAX) {
                    self.learn_address(peer_id, address);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(&event),
            #[cfg(feature = "mdns")]
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)) => self.on_mdns(event),
            // A relay says what it likes; that one was reserved at is told otherwise.
            SwarmEvent::NewListenAddr { address, .. } if !is_circuit(&address) => {
                self.on_new_address(address)
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.waiting.dial_ended(&peer_id, connection_id);
                self.on_path(peer_id, connection_id, &endpoint);
                if let ConnectedPoint::Dialer { address, .. } = endpoint {
                    self.book.add(peer_id, address);
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, endpoint, .. } => {
                if endpoint.is_relayed() {
                    self.shared.meters.connections_relayed.sub(1);
                }
                self.shared.paths.remove(&peer_id, connection_id);
                self.unanswered_pings.remove(&connection_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), connection_id, error } => {
                self.on_dial_failed(peer, connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { error: ListenError::Denied { cause }, .. } => {
                let banned = cause.downcast_ref::<allow_block_list::Blocked>().is_some();
                let meters = &self.shared.meters;
                if banned { &meters.banned_refused } else { &meters.connections_refused }.add(1);
            }
            #[cfg(feature = "reach")]
            other => self.on_reach_event(other),
            #[cfg(not(feature = "reach"))]
            _ => {}
        }
    }

    /// Notes which way a connection goes that is up.
    fn on_path(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let path = Path::of(endpoint);
        if path.relayed {
            self.shared.meters.connections_relayed.add(1);
        } else if !self.shared.paths.of(&peer).iter().all(|path| path.not_direct.is_none()) {
            self.shared.meters.direct_upgrades.add(1);
            self.shared.tell(PeerEvent::Upgraded { peer });
        }
        self.shared.paths.add(peer, connection, path);
    }

    /// Keeps an address that a peer says of itself behind those where it was reached.
    fn learn_address(&mut self, peer: PeerId, address: libp2p::Multiaddr) {
        let known = self.book.of(&peer);
        if known.len() < ADDRESSES_PER_PEER_MAX && !known.contains(&address) {
            self.book.add(peer, address);
            known.into_iter().rev().for_each(|known| self.book.add(peer, known));
        }
    }

    fn on_happened(&mut self, happened: Happened) {
        let meters = &self.shared.meters;
        match happened {
            Happened::Connected { peer, connection, dialer, first } => {
                meters.connections.add(1);
                if first {
                    self.shared.tell(PeerEvent::Connected { peer });
                }
                if dialer && !self.is_dial_back(connection) {
                    self.open_session(peer, connection);
                }
            }
            Happened::Disconnected { peer, last } => {
                meters.connections.sub(1);
                if last {
                    #[cfg(feature = "reach")]
                    self.reaching.release(&peer);
                    self.shared.tell(PeerEvent::Disconnected { peer });
                    self.redial_for_waiting(peer);
                }
            }
        }
    }

    /// Whether a connection is only there to tell its peer that it can be reached.
    fn is_dial_back(&self, _connection: ConnectionId) -> bool {
        #[cfg(feature = "reach")]
        return self.swarm.behaviour().dial_back.as_ref().is_some_and(|back| back.is_dial_back(_connection));
        #[cfg(not(feature = "reach"))]
        false
    }

    /// Opens the session of a connection that this side dialed.
    fn open_session(&mut self, peer: PeerId, connection: ConnectionId) {
        let (reply, opened) = oneshot::channel();
        let request = OpenRequest { protocol: SESSION, reply };
        self.swarm.behaviour_mut().substream.open(peer, Some(connection), request);
        let shared = self.shared.clone();
        let opens = self.session_opens.clone();
        self.tasks.spawn(async move {
            let ours = match opened.await {
                Ok(Ok(stream)) => session::run(peer, connection, stream, shared, opens).await,
                _ => {
                    shared.meters.sessions_failed.add(1);
                    true
                }
            };
            if ours { Ended::Session { peer, connection } } else { Ended::Foreign { peer } }
        });
    }

    pub(super) fn on_inbound(&mut self, inbound: Inbound) {
        let (peer, connection, shared) = (inbound.peer, inbound.connection, self.shared.clone());
        if inbound.protocol == SESSION {
            let opens = self.session_opens.clone();
            self.tasks.spawn(async move {
                session::run(peer, connection, inbound.stream, shared, opens).await;
                Ended::Session { peer, connection }
            });
            return;
        }
        let negotiating = self.negotiating.entry(peer).or_default();
        let room = *negotiating < NEGOTIATING_PER_PEER_MAX;
        *negotiating += 1;
        self.tasks.spawn(async move {
            if inbound.protocol == PROPAGATE && room {
                propagate::negotiate(inbound, shared).await;
            } else if inbound.protocol == PROPAGATE {
                propagate::refuse_busy(inbound, shared).await;
            } else if room {
                pipe_stream::negotiate(inbound, shared).await;
            } else {
                pipe_stream::refuse_busy(inbound, shared).await;
            }
            Ended::Pipe { peer }
        });
    }

    /// Closes a connection that has not answered for long: its peer is gone without a word.
    fn on_ping(&mut self, event: &ping::Event) {
        let failures = self.unanswered_pings.entry(event.connection).or_default();
        match &event.result {
            Ok(_) => *failures = 0,
            Err(ping::Failure::Unsupported) => {}
            Err(_) => *failures += 1,
        }
        if *failures >= PING_FAILURES_MAX {
            self.shared.meters.connections_dead.add(1);
            self.swarm.close_connection(event.connection);
        }
    }
}
