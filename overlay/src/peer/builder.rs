//! What a peer is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use libp2p::Multiaddr;
use libp2p::identity::Keypair;

use super::Peer;
use crate::advertisement::Value;
#[cfg(feature = "reach")]
use crate::core::{Reach, RelayUse};
use crate::error::SpawnError;
use crate::limits::Limits;
use crate::net::{PeerConfig, spawn};

/// What a peer is to be; [`spawn`](Self::spawn) starts it.
#[derive(Debug)]
pub struct PeerBuilder {
    config: PeerConfig,
}

impl PeerBuilder {
    pub(super) fn new() -> Self {
        let config = PeerConfig {
            keypair: Keypair::generate_ed25519(),
            listen: Vec::new(),
            rendezvous: Vec::new(),
            limits: Limits::default(),
            agent: concat!("juxta/", env!("CARGO_PKG_VERSION")).to_owned(),
            attributes: BTreeMap::new(),
            cache_dir: None,
            mdns: false,
            #[cfg(feature = "reach")]
            reach: None,
            #[cfg(feature = "reach")]
            relay: RelayUse::Off,
            #[cfg(feature = "upnp")]
            upnp: false,
        };
        Self { config }
    }

    /// With this identity; without, a new one that is gone with the process.
    /// [`identity::load_or_create`](crate::identity::load_or_create) keeps one in a file.
    pub fn keypair(mut self, keypair: Keypair) -> Self {
        self.config.keypair = keypair;
        self
    }

    /// Listening at this address too; port 0 means any. Without any, others can't dial this peer.
    ///
    /// With the feature `reach`, `/…/p2p/<relay>/p2p-circuit` lets that relay take connections for this peer, as soon
    /// as it can be reached and whenever it is back; [`PeerEvent::RelayReserved`](crate::PeerEvent::RelayReserved)
    /// tells when. At most [`RELAYS_MAX`](crate::limits::RELAYS_MAX) relays.
    pub fn listen(mut self, address: Multiaddr) -> Self {
        self.config.listen.push(address);
        self
    }

    /// Leasing from this rendezvous too; the address ends in `/p2p/<peer id>`.
    pub fn rendezvous(mut self, address: Multiaddr) -> Self {
        self.config.rendezvous.push(address);
        self
    }

    /// With these limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// With this name and version of the program, told to connected peers.
    pub fn agent(mut self, agent: impl Into<String>) -> Self {
        self.config.agent = agent.into();
        self
    }

    /// With this attribute in the advertisement that the peer publishes of itself.
    pub fn peer_attribute(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.config.attributes.insert(name.into(), value.into());
        self
    }

    /// Keeping its cache in this directory, one for each peer: what was published here and found elsewhere is known
    /// again after a restart, verified anew, until its lifetime ends or newer word of it comes; so is how far the
    /// sequence of its own publications had come. What was published here is found again, but only published again by
    /// publishing it. Without, nothing is kept.
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.cache_dir = Some(dir.into());
        self
    }

    /// Looking for peers on the local network by mDNS or not, and letting them find this one; off by default. Then
    /// neighbours find what each other publishes without a rendezvous.
    #[cfg(feature = "mdns")]
    pub fn mdns(mut self, on: bool) -> Self {
        self.config.mdns = on;
        self
    }

    /// Letting rendezvous take connections for this peer as relays or not; off by default. Who comes that way moves to
    /// a direct connection where the networks between allow it (DCUtR), see [`Peer::paths`].
    #[cfg(feature = "reach")]
    pub fn relay(mut self, used: RelayUse) -> Self {
        self.config.relay = used;
        self
    }

    /// Serving peers that can't be dialed, within these limits; by default nothing is served.
    #[cfg(feature = "reach")]
    pub fn serve(mut self, reach: Reach) -> Self {
        self.config.reach = Some(reach);
        self
    }

    /// Asking the gateway of the local network to let others in (UPnP) or not; off by default. Where there is no
    /// gateway that listens, the log says so.
    #[cfg(feature = "upnp")]
    pub fn upnp(mut self, on: bool) -> Self {
        self.config.upnp = on;
        self
    }

    /// Starts the peer; returns when all addresses of this machine are listened on. Leases and reservations come later, see
    /// [`Peer::wait_leased`].
    ///
    /// # Errors
    /// [`SpawnError`] for an address that can't be listened on, a rendezvous address without peer id, or a directory that
    /// can't be used.
    pub async fn spawn(self) -> Result<Peer, SpawnError> {
        spawn(self.config).await.map(|handle| Peer { handle })
    }
}
