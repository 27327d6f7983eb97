//! The swarm's behaviours: ours for substreams, and libp2p's for limits, identify, keep-alive pings and reach.

use std::sync::Arc;

use libp2p::allow_block_list::{self, BlockedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
#[cfg(any(feature = "mdns", feature = "reach"))]
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{PeerId, identify, ping};
#[cfg(feature = "reach")]
use libp2p::{autonat, dcutr, relay};
use tokio::sync::mpsc;

use super::gate::Gate;
#[cfg(feature = "reach")]
use super::reach::{DialBack, Holders, relay_server};
use super::shared::Shared;
use super::substream;
#[cfg(feature = "reach")]
use crate::core::{Reach, RelayUse};
use crate::limits::Limits;
#[cfg(feature = "reach")]
use crate::meters::Meters;

/// All behaviours of one peer. What refuses connections comes first: the others count on each that they are asked about.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    gate: Gate,
    limits: connection_limits::Behaviour,
    pub(crate) banned: allow_block_list::Behaviour<BlockedPeers>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    #[cfg(feature = "mdns")]
    pub(crate) mdns: Toggle<libp2p::mdns::tokio::Behaviour>,
    /// Dials through relays and listens at them.
    #[cfg(feature = "reach")]
    pub(crate) relay_client: relay::client::Behaviour,
    /// Finds the direct way past a relay.
    #[cfg(feature = "reach")]
    pub(crate) dcutr: dcutr::Behaviour,
    /// Is a relay for others.
    #[cfg(feature = "reach")]
    pub(crate) relay_server: Toggle<relay::Behaviour>,
    /// Asks others to dial this peer back.
    #[cfg(feature = "reach")]
    pub(crate) autonat: Toggle<autonat::v2::client::Behaviour>,
    /// Dials others back.
    #[cfg(feature = "reach")]
    pub(crate) dial_back: Toggle<DialBack>,
    #[cfg(feature = "upnp")]
    pub(crate) upnp: Toggle<libp2p::upnp::tokio::Behaviour>,
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
        #[cfg(feature = "reach")] relay_client: relay::client::Behaviour,
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
            banned: allow_block_list::Behaviour::default(),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new()),
            #[cfg(feature = "mdns")]
            mdns: None.into(),
            #[cfg(feature = "reach")]
            relay_client,
            #[cfg(feature = "reach")]
            dcutr: dcutr::Behaviour::new(keypair.public().to_peer_id()),
            #[cfg(feature = "reach")]
            relay_server: None.into(),
            #[cfg(feature = "reach")]
            autonat: None.into(),
            #[cfg(feature = "reach")]
            dial_back: None.into(),
            #[cfg(feature = "upnp")]
            upnp: None.into(),
            substream: substream::Behaviour::new(accept, meters),
        }
    }

    /// Looks for peers on the local network from now on; a system that doesn't let it leaves that out.
    pub(crate) fn look_around(&mut self, id: PeerId) {
        #[cfg(feature = "mdns")]
        match libp2p::mdns::Behaviour::new(libp2p::mdns::Config::default(), id) {
            Ok(mdns) => self.mdns = Some(mdns).into(),
            Err(error) => tracing::warn!(reason = %error, "the local network can't be searched for peers"),
        }
        #[cfg(not(feature = "mdns"))]
        tracing::debug!(%id, "mDNS is not built in");
    }

    /// Asks the gateway of the local network for ports from now on.
    #[cfg(feature = "upnp")]
    pub(crate) fn ask_gateway(&mut self) {
        self.upnp = Some(libp2p::upnp::tokio::Behaviour::default()).into();
    }

    /// Serves those that can't be dialed, where `reach` says so, and finds out whether this peer can be.
    #[cfg(feature = "reach")]
    pub(crate) fn reach(
        &mut self,
        id: PeerId,
        reach: Option<&Reach>,
        used: RelayUse,
        meters: &Arc<Meters>,
    ) -> Holders {
        let holders = Holders::default();
        if let Some(reach) = reach {
            self.relay_server = Some(relay_server(id, reach, holders.clone())).into();
            self.dial_back = Some(DialBack::new(meters.clone())).into();
        }
        if used == RelayUse::Auto {
            self.autonat = Some(autonat::v2::client::Behaviour::default()).into();
        }
        holders
    }
}

/// What peers of this overlay call their network in identify.
pub(crate) const IDENTIFY: &str = "/juxta/1";
