//! Which way the bytes of one connection go, read from its address.

use std::fmt;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::core::ConnectedPoint;
use libp2p::multiaddr::Protocol;

/// One connection with a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Path {
    /// The other end as this side sees it: what was dialed, or where the connection came from; behind a relay, the
    /// relay's address and the peer's id.
    pub address: Multiaddr,
    /// Whether a relay stands between.
    pub relayed: bool,
    /// What carries it; with a relay, what carries it to the relay.
    pub transport: Transport,
    /// Why no direct connection stands beside a relayed one; `None` when one does, and on a direct path.
    pub not_direct: Option<NotDirect>,
}

/// Why peers that meet through a relay have no direct connection (DCUtR).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotDirect {
    /// No try has ended yet; the side that was reached through the relay begins them.
    NotTried,
    /// Nobody has told this peer yet where it is seen from outside, so it could not say where to find it.
    NoAddress,
    /// The two did not agree to try: the other has no address to tell, or doesn't know how.
    NotAgreed {
        /// What was said.
        reason: String,
    },
    /// It was tried, and nothing came through.
    Unreachable {
        /// Tries of this side.
        tries: u32,
        /// What the last one ended in.
        reason: String,
    },
}

/// What it took to reach a peer: nothing when a session was open already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reached {
    /// Time spent on asking the rendezvous where the peer is.
    pub lookup: Duration,
    /// Time spent on dialing, at addresses that turned out to be old included.
    pub dial: Duration,
}

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// TCP with Noise and Yamux.
    Tcp,
    /// QUIC over UDP.
    Quic,
    /// WebSocket over TCP, with Noise and Yamux.
    WebSocket,
    /// Another one, or it can't be seen from here.
    Other,
}

impl Path {
    /// The path of a connection between these ends.
    pub(crate) fn of(endpoint: &ConnectedPoint) -> Self {
        Self::to(match endpoint {
            ConnectedPoint::Listener { local_addr, send_back_addr } if endpoint.is_relayed() => {
                send_back_addr.iter().fold(local_addr.clone(), Multiaddr::with)
            }
            other => other.get_remote_address().clone(),
        })
    }

    /// The path of a connection with what is at `address`.
    fn to(address: Multiaddr) -> Self {
        let relayed = is_circuit(&address);
        let transport = Transport::of(&address);
        Self { address, relayed, transport, not_direct: relayed.then_some(NotDirect::NotTried) }
    }
}

/// Whether `address` leads through a relay.
pub(crate) fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

impl fmt::Display for NotDirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTried => f.write_str("not tried yet"),
            Self::NoAddress => f.write_str("no address of this peer is known from outside"),
            Self::NotAgreed { reason } => write!(f, "not agreed on: {reason}"),
            Self::Unreachable { tries, reason } => write!(f, "{tries} tries failed: {reason}"),
        }
    }
}

impl Transport {
    /// The last that is named before a relay.
    fn of(address: &Multiaddr) -> Self {
        let hop = address.iter().take_while(|part| *part != Protocol::P2pCircuit);
        hop.fold(Self::Other, |found, part| match part {
            Protocol::Tcp(_) => Self::Tcp,
            Protocol::QuicV1 => Self::Quic,
            Protocol::Ws(_) | Protocol::Wss(_) => Self::WebSocket,
            _ => found,
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
            Self::WebSocket => "websocket",
            Self::Other => "other",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_says_what_carries_it_and_whether_a_relay_stands_between() {
        let relay = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";
        let via_quic = format!("/ip4/192.0.2.1/udp/1/quic-v1/p2p/{relay}/p2p-circuit");
        for (address, transport, relayed) in [
            ("/ip4/192.0.2.1/tcp/1", Transport::Tcp, false),
            ("/ip6/::1/udp/1/quic-v1", Transport::Quic, false),
            ("/ip4/192.0.2.1/tcp/1/ws", Transport::WebSocket, false),
            ("/dns4/meet.example/tcp/443/tls/ws", Transport::WebSocket, false),
            ("/dns4/meet.example/tcp/443/wss", Transport::WebSocket, false),
            ("/memory/1", Transport::Other, false),
            ("/p2p-circuit", Transport::Other, true),
            (&via_quic, Transport::Quic, true),
        ] {
            let path = Path::to(address.parse().unwrap());
            assert_eq!((path.transport, path.relayed), (transport, relayed), "{address}");
            assert_eq!(path.not_direct, relayed.then_some(NotDirect::NotTried), "{address}");
        }
    }

    #[test]
    fn a_circuit_that_comes_in_shows_the_relay_and_the_peer_behind_it() {
        let (relay, peer) = (libp2p::PeerId::random(), libp2p::PeerId::random());
        let local_addr: Multiaddr = format!("/ip4/192.0.2.1/tcp/1/p2p/{relay}/p2p-circuit").parse().unwrap();
        let send_back_addr = Multiaddr::from(Protocol::P2p(peer));
        let path = Path::of(&ConnectedPoint::Listener { local_addr: local_addr.clone(), send_back_addr });
        assert_eq!((path.relayed, path.transport), (true, Transport::Tcp));
        assert_eq!(path.address, local_addr.with(Protocol::P2p(peer)));
    }
}
