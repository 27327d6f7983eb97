//! The swarm's behaviours: ours for substreams, and libp2p's for limits, identify and keep-alive pings.

use std::sync::Arc;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{PeerId, identify, ping};
#[cfg(feature = "mdns")]
use libp2p::{mdns, swarm::behaviour::toggle::Toggle};
use tokio::sync::mpsc;

use super::gate::Gate;
use super::shared::Shared;
use super::substream;
use crate::limits::Limits;

/// All behaviours of one peer.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    gate: Gate,
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    #[cfg(feature = "mdns")]
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) substream: substream::Behaviour,
}

impl Behaviour {
    /// The behaviours of the peer with this key.
    pub(crate) fn new(
        keypair: &Keypair,
        agent: String,
        limits: &Limits,
        accept: mpsc::Sender<substream::Inbound>,
        shared: Arc<Shared>,
    ) -> Self {
        let connections = ConnectionLimits::default()
            .with_max_established(Some(limits.connections))
            .with_max_established_per_peer(Some(limits.connections_per_peer))
            .with_max_pending_incoming(Some(limits.connections_pending))
            .with_max_pending_outgoing(Some(limits.connections_pending));
        let identify = identify::Config::new(IDENTIFY.to_owned(), keypair.public()).with_agent_version(agent);
        let meters = shared.meters.clone();
        Self {
            gate: Gate::new(shared, limits.connects),
            limits: connection_limits::Behaviour::new(connections),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new()),
            #[cfg(feature = "mdns")]
            mdns: None.into(),
            substream: substream::Behaviour::new(accept, meters),
        }
    }

    /// Looks for peers on the local network from now on; a system that doesn't let it leaves that out.
    pub(crate) fn look_around(&mut self, id: PeerId) {
        #[cfg(feature = "mdns")]
        match mdns::Behaviour::new(mdns::Config::default(), id) {
            Ok(mdns) => self.mdns = Some(mdns).into(),
            Err(error) => tracing::warn!(reason = %error, "the local network can't be searched for peers"),
        }
        #[cfg(not(feature = "mdns"))]
        tracing::debug!(%id, "mDNS is not built in");
    }
}

/// What peers of this overlay call their network in identify.
pub(crate) const IDENTIFY: &str = "/juxta/1";
