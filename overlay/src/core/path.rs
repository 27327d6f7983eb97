//! Which way the bytes of one connection go, read from its address.

use std::fmt;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// One connection with a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Path {
    /// The other end as this side sees it: what was dialed, or where the connection came from.
    pub address: Multiaddr,
    /// Whether a relay stands between.
    pub relayed: bool,
    /// What carries it; with a relay, what carries it to the relay.
    pub transport: Transport,
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
    /// The path of a connection with what is at `address`.
    pub(crate) fn to(address: Multiaddr) -> Self {
        let relayed = address.iter().any(|part| part == Protocol::P2pCircuit);
        let transport = Transport::of(&address);
        Self { address, relayed, transport }
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
        }
    }
}
