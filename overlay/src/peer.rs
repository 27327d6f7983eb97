//! The peer: the handle that everything starts from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use crate::advertisement::{DiscoveryQuery, SignedAdvertisement, Value};
use crate::core::Path;
use crate::error::{AlreadyRegistered, ConnectError, JoinError, LeaseError, QueryError, SpawnError};
use crate::event::Events;
use crate::group::{GroupPolicy, PeerGroup};
use crate::id::{Genesis, GroupId, Policy};
use crate::limits::{Limits, PUBLICATIONS_MAX};
use crate::meters::Meters;
use crate::net::{Command, Handle, PeerConfig, Queries, spawn, within};

/// What a peer is to be; [`spawn`](Self::spawn) starts it.
#[derive(Debug)]
pub struct PeerBuilder {
    config: PeerConfig,
}

impl PeerBuilder {
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
    /// [`SpawnError`] for an address that can't be listened on, or a rendezvous address without peer id.
    pub async fn spawn(self) -> Result<Peer, SpawnError> {
        spawn(self.config).await.map(|handle| Peer { handle })
    }
}

/// A running peer. Clones are the same peer; it ends at once when the last clone and all that was made of it are
/// dropped, or politely by [`shutdown`](Self::shutdown).
#[derive(Debug, Clone)]
pub struct Peer {
    handle: Handle,
}

impl Peer {
    /// A peer to be.
    pub fn builder() -> PeerBuilder {
        PeerBuilder {
            config: PeerConfig {
                keypair: Keypair::generate_ed25519(),
                listen: Vec::new(),
                rendezvous: Vec::new(),
                limits: Limits::default(),
                agent: concat!("juxta/", env!("CARGO_PKG_VERSION")).to_owned(),
                attributes: BTreeMap::new(),
                mdns: false,
            },
        }
    }

    /// This peer's id: the hash of its public key, proven to each peer it talks to.
    pub fn id(&self) -> PeerId {
        self.handle.shared.id
    }

    /// Where this peer can be dialed, complete with `/p2p/<peer id>`; loopback addresses last.
    pub fn addresses(&self) -> Vec<Multiaddr> {
        self.handle.shared.addresses.read().clone()
    }

    /// The group that every peer is in.
    pub fn net_group(&self) -> PeerGroup {
        PeerGroup::new(self.handle.clone(), Arc::new(Genesis::net()))
    }

    /// Joins an open group. Of a closed one this is a view without membership, which refuses everything, unless this
    /// peer has become a member.
    pub fn join(&self, genesis: &Genesis) -> PeerGroup {
        if genesis.policy() == Some(Policy::Open) {
            self.handle.shared.join_open(genesis.id());
        }
        PeerGroup::new(self.handle.clone(), Arc::new(genesis.clone()))
    }

    /// Creates a group and joins it. Of a closed one, each call makes a new group, whatever its label.
    ///
    /// # Errors
    /// [`JoinError`], for a label that is too long or a system without resources.
    pub async fn create_group(&self, label: &str, policy: GroupPolicy<'_>) -> Result<PeerGroup, JoinError> {
        let genesis = match policy {
            GroupPolicy::Open => return Ok(self.join(&Genesis::open(label))),
            GroupPolicy::Passphrase(passphrase) => {
                self.handle.create_by_passphrase(label, passphrase).await?
            }
            GroupPolicy::Invite => self.handle.create_by_invite(label)?,
        };
        Ok(PeerGroup::new(self.handle.clone(), genesis))
    }

    /// Joins a group by a ticket, the text of which an issuer handed over. The first issuer that it names and that is
    /// online answers. What it gives is renewed in time while an issuer can be reached.
    ///
    /// # Errors
    /// [`JoinError`].
    pub async fn join_ticket(&self, ticket: &str) -> Result<PeerGroup, JoinError> {
        let genesis = self.handle.join_ticket(ticket.parse()?).await?;
        Ok(PeerGroup::new(self.handle.clone(), genesis))
    }

    /// Comes back into a group by invitation with what [`PeerGroup::save`] gave: its creator at any time, a member
    /// while its credential is good, which is 24 h from its last renewal.
    ///
    /// # Errors
    /// [`JoinError::Credential`].
    pub fn restore_group(&self, saved: &[u8]) -> Result<PeerGroup, JoinError> {
        let genesis = self.handle.restore(saved)?;
        Ok(PeerGroup::new(self.handle.clone(), genesis))
    }

    /// Joins a passphrase group. Takes a good part of a second of computing, and nobody else.
    ///
    /// # Errors
    /// [`JoinError::Credential`] with [`CredentialError::WrongPassphrase`](crate::CredentialError::WrongPassphrase).
    pub async fn join_passphrase(&self, genesis: &Genesis, passphrase: &str) -> Result<PeerGroup, JoinError> {
        let genesis = Arc::new(genesis.clone());
        self.handle.join_passphrase(genesis.clone(), passphrase).await?;
        Ok(PeerGroup::new(self.handle.clone(), genesis))
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        Events::new(self.handle.shared.events.subscribe(), self.handle.shared.meters.clone())
    }

    /// What this peer counts.
    pub fn meters(&self) -> Arc<Meters> {
        self.handle.shared.meters.clone()
    }

    /// Rendezvous whose lease holds now.
    pub fn leased(&self) -> Vec<PeerId> {
        self.handle.shared.leases.borrow().held.clone()
    }

    /// What this peer publishes itself, in all groups, as it was last signed. Cancel-safe.
    pub async fn published(&self) -> Vec<SignedAdvertisement> {
        let query = DiscoveryQuery::new().publisher(self.id()).threshold(PUBLICATIONS_MAX);
        self.handle.find_locally(query).await
    }

    /// Waits for the first lease and says whose it is; returns at once while one holds. Cancel-safe.
    ///
    /// # Errors
    /// [`LeaseError::NoRendezvous`] at once without any configured, [`LeaseError::TimedOut`] with what the last try ended in.
    pub async fn wait_leased(&self, deadline: Duration) -> Result<PeerId, LeaseError> {
        let mut leases = self.handle.shared.leases.subscribe();
        if leases.borrow().configured == 0 {
            return Err(LeaseError::NoRendezvous);
        }
        let waiting = leases.wait_for(|leases| !leases.held.is_empty());
        if let Ok(held) = tokio::time::timeout(deadline, waiting).await {
            let held = held.map_err(|_| LeaseError::Closed)?;
            return held.held.first().copied().ok_or(LeaseError::Closed);
        }
        let last = self.handle.shared.leases.borrow().last_failure.clone();
        Err(LeaseError::TimedOut { after: deadline, last: last.unwrap_or_else(|| "no answer".to_owned()) })
    }

    /// Remembers where `peer` may be dialed.
    pub async fn add_address(&self, peer: PeerId, address: Multiaddr) {
        // A peer that has ended has nothing to remember.
        let _ = self.handle.commands.send(Command::AddAddress { peer, address }).await;
    }

    /// Makes sure that there is a session with `peer`, dialing it at `addresses` and those remembered. Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn dial(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        deadline: Duration,
    ) -> Result<(), ConnectError> {
        within(deadline, self.handle.session(peer, addresses)).await.map(drop)
    }

    /// Makes sure that there is a session with `peer`: an open one, else by dialing what is remembered, else by
    /// what the rendezvous know of it. Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn reach(&self, peer: PeerId, deadline: Duration) -> Result<(), ConnectError> {
        within(deadline, self.handle.reach_session(peer)).await.map(drop)
    }

    /// The smoothed round trip to `peer`, measured on its session every
    /// [`SESSION_PING_INTERVAL`](crate::limits::SESSION_PING_INTERVAL), first when it opens; `None` without a session
    /// or before the first answer.
    pub fn round_trip(&self, peer: PeerId) -> Option<Duration> {
        self.handle.shared.sessions.of(&peer)?.round_trip()
    }

    /// The connections with `peer`, the oldest first: which way each goes, and whether through a relay.
    pub fn paths(&self, peer: PeerId) -> Vec<Path> {
        self.handle.shared.paths.of(&peer)
    }

    /// Registers a handler for questions of the resolver (JXTA).
    ///
    /// # Errors
    /// [`AlreadyRegistered`], also for a name beyond
    /// [`HANDLER_NAME_BYTES_MAX`](crate::limits::HANDLER_NAME_BYTES_MAX).
    pub fn register_handler(&self, name: &str) -> Result<Queries, AlreadyRegistered> {
        Queries::register(self.handle.shared.clone(), name)
    }

    /// Asks the handler `name` of the peer `to`, in a group that both are in. Needs no substream of its own: the
    /// session carries question and answer. Cancel-safe.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn query(
        &self,
        to: PeerId,
        group: &GroupId,
        name: &str,
        body: impl Into<Bytes>,
        deadline: Duration,
    ) -> Result<Bytes, QueryError> {
        self.handle.shared.meters.queries_out.add(1);
        let asking = self.handle.ask(to, *group, name, body.into());
        tokio::time::timeout(deadline, asking).await.unwrap_or(Err(QueryError::TimedOut { after: deadline }))
    }

    /// Closes all connections with `peer`.
    pub async fn close(&self, peer: PeerId) {
        // A peer that has ended has none.
        let _ = self.handle.commands.send(Command::Close { peer }).await;
    }

    /// Ends politely: leases are cancelled (at most a second), then all connections are closed.
    pub async fn shutdown(&self) {
        let (reply, ended) = oneshot::channel();
        if self.handle.commands.send(Command::Shutdown { reply }).await.is_ok() {
            // An error means that it has ended, which is what was asked for.
            let _ = ended.await;
        }
    }
}
