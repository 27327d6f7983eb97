//! What the event loop, the session tasks and the handles share: tables behind short locks, none on the data path.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use libp2p::identity::Keypair;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{broadcast, watch};

use super::bindings::Bindings;
use super::gate;
use super::groups::Groups;
use super::propagate::Propagations;
use super::resolver::Handlers;
use super::resumable::Resumables;
use super::session::SessionHandle;
use super::subscription::Subscriptions;
use super::traffic::GroupTraffics;
use crate::core::{Conduct, NotDirect, Offence, Path, PeerEvent};
use crate::id::GroupId;
use crate::limits::{EVENT_QUEUE, SESSIONS_PER_PEER_MAX};
use crate::meters::Meters;

/// The state of one peer that more than one task reads.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) keypair: Keypair,
    pub(crate) id: PeerId,
    pub(crate) meters: Arc<Meters>,
    /// What is counted of each group.
    pub(crate) traffics: GroupTraffics,
    pub(crate) sessions: Sessions,
    pub(crate) paths: Paths,
    /// Peers that mDNS told of; those with a session are asked as rendezvous are.
    pub(crate) neighbours: Table<HashSet<PeerId>>,
    pub(crate) handlers: Handlers,
    pub(crate) bindings: Bindings,
    pub(crate) resumables: Resumables,
    pub(crate) events: broadcast::Sender<PeerEvent>,
    pub(crate) leases: watch::Sender<Leases>,
    pub(crate) addresses: Table<Vec<Multiaddr>>,
    pub(crate) groups: Groups,
    pub(crate) subscriptions: Subscriptions,
    /// How often this peer has published, renewed or withdrawn something.
    pub(crate) published: watch::Sender<u64>,
    conduct: Mutex<Conduct>,
    pub(crate) propagations: Propagations,
    /// Members up to which this peer sends to each itself.
    pub(crate) propagate_direct: usize,
    /// A session has come up or gone, or a peer has proven its place in a group.
    pub(crate) met: watch::Sender<()>,
}

/// How the leases stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Leases {
    /// Rendezvous that this peer leases from.
    pub(crate) configured: usize,
    /// Rendezvous whose lease holds.
    pub(crate) held: Vec<PeerId>,
    /// How many leases each rendezvous has granted; another one means that it knows nothing of the one before.
    pub(crate) grants: HashMap<PeerId, u64>,
    /// What the last failed try ended in.
    pub(crate) last_failure: Option<String>,
}

impl Shared {
    pub(crate) fn new(keypair: Keypair, propagate_direct: usize) -> Self {
        let id = keypair.public().to_peer_id();
        let traffics = GroupTraffics::default();
        // That of the group that it is in from its start counts since then.
        drop(traffics.of(&GroupId::net()));
        Self {
            keypair,
            id,
            meters: Arc::default(),
            traffics,
            sessions: Sessions::default(),
            paths: Paths::default(),
            neighbours: Table::default(),
            handlers: Handlers::default(),
            bindings: Bindings::default(),
            resumables: Resumables::default(),
            events: broadcast::Sender::new(EVENT_QUEUE),
            leases: watch::Sender::default(),
            addresses: Table::default(),
            groups: Groups::default(),
            subscriptions: Subscriptions::default(),
            published: watch::Sender::default(),
            conduct: Mutex::default(),
            propagations: Propagations::default(),
            propagate_direct,
            met: watch::Sender::default(),
        }
    }

    /// Notes what a peer should not do; whether it is banned. Its connections are closed when the task that noticed
    /// ends.
    pub(crate) fn offends(&self, peer: PeerId, offence: Offence) -> bool {
        let address = self.paths.of(&peer).first().and_then(|path| gate::source(&path.address));
        let (mut conduct, now) = (self.conduct(), Instant::now());
        if conduct.offends(now, peer, address, offence) {
            tracing::debug!(%peer, "banned for a while");
            self.meters.peers_banned.add(1);
        }
        conduct.is_banned(now, &peer)
    }

    /// Whether a peer is refused for what it did.
    pub(crate) fn is_banned(&self, peer: &PeerId) -> bool {
        self.conduct().is_banned(Instant::now(), peer)
    }

    /// Whether nobody may newly connect from `address`, for what peers behind it did.
    pub(crate) fn is_closed_to(&self, address: &IpAddr) -> bool {
        self.conduct().is_closed_to(Instant::now(), address)
    }

    fn conduct(&self) -> MutexGuard<'_, Conduct> {
        self.conduct.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whoever listens.
    pub(crate) fn tell(&self, event: PeerEvent) {
        // Nobody listening is fine.
        let _ = self.events.send(event);
    }
}

/// The live sessions of each peer: direct before relayed ones, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Table<HashMap<PeerId, Vec<SessionHandle>>>);

impl Sessions {
    /// A session with `peer`, if there is one.
    pub(crate) fn of(&self, peer: &PeerId) -> Option<SessionHandle> {
        self.0.read().get(peer)?.first().cloned()
    }

    /// All sessions with `peer`.
    pub(crate) fn of_peer(&self, peer: &PeerId) -> Vec<SessionHandle> {
        self.0.read().get(peer).cloned().unwrap_or_default()
    }

    /// All sessions.
    pub(crate) fn all(&self) -> Vec<(PeerId, SessionHandle)> {
        let table = self.0.read();
        table.iter().flat_map(|(peer, sessions)| sessions.iter().map(|one| (*peer, one.clone()))).collect()
    }

    /// Takes `session` in: whether it is the first of its peer, or `None` when the peer has enough.
    pub(crate) fn add(&self, peer: PeerId, session: SessionHandle) -> Option<bool> {
        let mut table = self.0.write();
        let sessions = table.entry(peer).or_default();
        if sessions.len() >= SESSIONS_PER_PEER_MAX {
            return None;
        }
        let place = sessions.iter().position(|known| known.is_relayed() && !session.is_relayed());
        sessions.insert(place.unwrap_or(sessions.len()), session);
        Some(sessions.len() == 1)
    }

    /// Takes `session` out: whether it was the last of its peer.
    pub(crate) fn remove(&self, peer: &PeerId, session: &SessionHandle) -> bool {
        let mut table = self.0.write();
        let Some(sessions) = table.get_mut(peer) else { return false };
        sessions.retain(|known| !known.is(session));
        let last = sessions.is_empty();
        if last {
            table.remove(peer);
        }
        last
    }
}

/// The path of each connection, the oldest of a peer first; the bounds are those of connections.
#[derive(Debug, Default)]
pub(crate) struct Paths(Table<HashMap<PeerId, Vec<(ConnectionId, Path)>>>);

impl Paths {
    /// The paths to `peer`.
    pub(crate) fn of(&self, peer: &PeerId) -> Vec<Path> {
        let table = self.0.read();
        table.get(peer).into_iter().flatten().map(|(_, path)| path.clone()).collect()
    }

    /// The peers to which there are any.
    pub(crate) fn peers(&self) -> Vec<PeerId> {
        self.0.read().keys().copied().collect()
    }

    /// Whether this connection with `peer` goes through a relay.
    pub(crate) fn is_relayed(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        let table = self.0.read();
        table.get(peer).into_iter().flatten().any(|(known, path)| *known == connection && path.relayed)
    }

    /// Changes what is known of why the relayed paths to `peer` are not direct, unless a direct one stands beside
    /// them or there is none; false then.
    #[cfg(feature = "reach")]
    pub(crate) fn explain(&self, peer: &PeerId, change: impl Fn(&mut NotDirect)) -> bool {
        let mut table = self.0.write();
        let paths = table.get_mut(peer).into_iter().flatten();
        paths.filter_map(|(_, path)| path.not_direct.as_mut()).map(change).count() > 0
    }

    /// A connection with `peer` is up.
    pub(crate) fn add(&self, peer: PeerId, connection: ConnectionId, path: Path) {
        let mut table = self.0.write();
        let paths = table.entry(peer).or_default();
        paths.push((connection, path));
        explain_where_all_are_relayed(paths);
    }

    /// A connection with `peer` is gone.
    pub(crate) fn remove(&self, peer: &PeerId, connection: ConnectionId) {
        let mut table = self.0.write();
        let Some(paths) = table.get_mut(peer) else { return };
        paths.retain(|(known, _)| *known != connection);
        explain_where_all_are_relayed(paths);
        if paths.is_empty() {
            table.remove(peer);
        }
    }
}

/// A relayed path needs a reason for being so only while no direct one stands beside it.
fn explain_where_all_are_relayed(paths: &mut [(ConnectionId, Path)]) {
    let direct = paths.iter().any(|(_, path)| !path.relayed);
    for (_, path) in paths.iter_mut().filter(|(_, path)| path.relayed) {
        match direct {
            true => path.not_direct = None,
            false => drop(path.not_direct.get_or_insert(NotDirect::NotTried)),
        }
    }
}

/// A table behind a lock that is held for a look-up or a change, never while waiting.
#[derive(Debug, Default)]
pub(crate) struct Table<T>(RwLock<T>);

impl<T> Table<T> {
    pub(crate) fn new(table: T) -> Self {
        Self(RwLock::new(table))
    }

    /// To look up. A panic elsewhere while writing does not spread: each change is one step.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To change.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
