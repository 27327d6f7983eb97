//! What a peer is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use libp2p::Multiaddr;
use libp2p::identity::Keypair;

use super::Peer;
use crate::advertisement::Value;
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

    /// Starts the peer; returns when all addresses are listened on. Leases come later, see
    /// [`Peer::wait_leased`].
    ///
    /// # Errors
    /// [`SpawnError`] for an address that can't be listened on, a rendezvous address without peer id, or a directory that
    /// can't be used.
    pub async fn spawn(self) -> Result<Peer, SpawnError> {
        spawn(self.config).await.map(|handle| Peer { handle })
    }
}
