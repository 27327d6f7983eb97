//! A bare libp2p peer (TCP, Noise, Yamux, raw substreams): the reference of benchmarks, and the body of hostile peers.

use std::time::Duration;

use futures::StreamExt;
use libp2p::core::upgrade::Version;
use libp2p::swarm::{Stream, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use libp2p_stream::{Behaviour, Control, IncomingStreams};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// A running swarm that speaks nothing but what a test tells it to. Ends on drop.
pub struct Bare {
    /// Its id.
    pub id: PeerId,
    /// Where it listens, with its id.
    pub address: Multiaddr,
    control: Control,
    dials: mpsc::Sender<(Multiaddr, oneshot::Sender<()>)>,
    task: JoinHandle<()>,
}

impl Bare {
    /// Starts on loopback, with the upgrade that costs no round trip when `lazy`.
    ///
    /// # Panics
    /// When the system has no port left.
    pub async fn spawn(lazy: bool) -> Self {
        let version = if lazy { Version::V1Lazy } else { Version::V1 };
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| Behaviour::new())
            .unwrap()
            .with_swarm_config(|config| {
                config
                    .with_idle_connection_timeout(Duration::from_secs(600))
                    .with_substream_upgrade_protocol_override(version)
            })
            .build();
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let (id, control) = (*swarm.local_peer_id(), swarm.behaviour().new_control());
        let (bound, address) = oneshot::channel();
        let (dials, mut wanted) = mpsc::channel::<(Multiaddr, oneshot::Sender<()>)>(8);
        let task = tokio::spawn(async move {
            let (mut bound, mut dialing) = (Some(bound), None);
            loop {
                tokio::select! {
                    event = swarm.select_next_some() => match event {
                        SwarmEvent::NewListenAddr { address, .. } => {
                            bound.take().map(|bound| bound.send(address.with_p2p(id).unwrap()));
                        }
                        SwarmEvent::ConnectionEstablished { endpoint, .. } if endpoint.is_dialer() => {
                            dialing.take().map(|connected: oneshot::Sender<()>| connected.send(()));
                        }
                        // Who waits hears that nobody will answer.
                        SwarmEvent::OutgoingConnectionError { .. } => drop(dialing.take()),
                        _ => {}
                    },
                    Some((address, connected)) = wanted.recv() => {
                        dialing = Some(connected);
                        swarm.dial(address).unwrap();
                    }
                }
            }
        });
        Self { id, address: address.await.unwrap(), control, dials, task }
    }

    /// Connects to a peer at a complete address.
    ///
    /// # Panics
    /// When nobody answers there.
    pub async fn dial(&self, address: &Multiaddr) {
        let (connected, is_connected) = oneshot::channel();
        self.dials.send((address.clone(), connected)).await.unwrap();
        is_connected.await.unwrap();
    }

    /// As [`dial`](Self::dial); whether somebody answered.
    pub async fn try_dial(&self, address: &Multiaddr) -> bool {
        let (connected, is_connected) = oneshot::channel();
        self.dials.send((address.clone(), connected)).await.is_ok() && is_connected.await.is_ok()
    }

    /// As [`open`](Self::open); `None` when the peer refuses.
    pub async fn try_open(&self, peer: PeerId, protocol: &'static str) -> Option<Stream> {
        self.control.clone().open_stream(peer, StreamProtocol::new(protocol)).await.ok()
    }

    /// Opens a substream to a peer that is connected.
    ///
    /// # Panics
    /// When the peer isn't connected or doesn't speak the protocol.
    pub async fn open(&self, peer: PeerId, protocol: &'static str) -> Stream {
        self.control.clone().open_stream(peer, StreamProtocol::new(protocol)).await.unwrap()
    }

    /// Takes the substreams that others open for `protocol`.
    ///
    /// # Panics
    /// When the protocol is taken already.
    pub fn accept(&self, protocol: &'static str) -> IncomingStreams {
        self.control.clone().accept(StreamProtocol::new(protocol)).unwrap()
    }
}

impl std::fmt::Debug for Bare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bare").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.task.abort();
    }
}
