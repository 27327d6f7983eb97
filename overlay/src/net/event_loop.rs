//! The event loop: the one owner of the swarm. It waits in its `select!` and nowhere else, moves what happens to
//! the rules in `core`, and does what they say. No message of a pipe passes here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use libp2p::swarm::{ConnectionId, Swarm};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::behaviour::Behaviour;
use super::cache_file::{CacheFile, Restored};
use super::command::Command;
use super::lease::{self, Way};
use super::membership;
use super::resolver::Query;
use super::session::{Opens, SessionHandle};
use super::shared::Shared;
use super::subscription;
use super::substream::{Inbound, OpenError};
use super::waiting::Waiting;
use crate::advertisement::{
    Advertisement, AdvertisementKind, Lifetime, SignedAdvertisement, Value, addresses_of, encode_addresses,
};
use crate::core::{AddressBook, AdvertisementCache, CacheLimits, Due, LeaseKeeper, Publications, is_circuit};
use crate::limits::{
    ADDRESSES_PER_PEER_MAX, ADVERTISEMENT_BYTES_MAX, INBOUND_QUEUE, Limits, PEER_ADVERTISEMENT_LIFETIME,
};
use crate::protocol::rendezvous::LeaseGrant;

mod commands;
mod leases;
mod neighbours;
#[cfg(feature = "reach")]
mod reach;
mod swarm_events;

#[cfg(feature = "reach")]
pub(crate) use reach::Reaching;

/// Owns the swarm, the rules and the tasks of one peer.
pub(crate) struct EventLoop {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    inbound: mpsc::Receiver<Inbound>,
    /// Neighbours' questions for what this peer publishes.
    asked: mpsc::Receiver<Query>,
    /// Sessions that came up, told by their tasks.
    opened: mpsc::Receiver<(PeerId, SessionHandle)>,
    session_opens: Opens,
    tasks: JoinSet<Ended>,
    waiting: Waiting,
    leases: LeaseKeeper,
    publications: Publications,
    cache: AdvertisementCache,
    book: AddressBook,
    attributes: BTreeMap<String, Value>,
    /// Pipes whose header is being read, of each peer.
    negotiating: HashMap<PeerId, usize>,
    /// Unanswered keep-alive pings in a row.
    unanswered_pings: HashMap<ConnectionId, u32>,
    #[cfg(feature = "reach")]
    reaching: Reaching,
    /// Sequence of the newest advertisement signed here.
    sequence: u64,
    cache_file: Option<CacheFile>,
    /// What was signed with smaller sequences was signed in an earlier life of this peer.
    born: u64,
}

/// What a task of the event loop ended with.
#[derive(Debug)]
pub(crate) enum Ended {
    /// A session is over, or never was; its connection is of no use.
    Session { peer: PeerId, connection: ConnectionId },
    /// The other side speaks no session. It may be a relay of another make, so its connection lives as long as
    /// something else needs it.
    Foreign { peer: PeerId },
    /// A lease request was answered, or not.
    Lease { rendezvous: PeerId, result: Result<LeaseGrant, String> },
    /// A push did not arrive, or not all of it was taken.
    NotPushed { rendezvous: PeerId },
    /// A pipe's header was read and answered, or not.
    Pipe { peer: PeerId },
    /// Something that leaves nothing to do.
    Done,
}

/// What the event loop takes from: commands, inbound substreams, neighbours' questions.
type Queues = (mpsc::Receiver<Command>, mpsc::Receiver<Inbound>, mpsc::Receiver<Query>);

impl EventLoop {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        shared: Arc<Shared>,
        (commands, inbound, asked): Queues,
        rendezvous: Vec<(PeerId, Multiaddr)>,
        attributes: BTreeMap<String, Value>,
        limits: &Limits,
    ) -> Self {
        let mut book = AddressBook::default();
        let peers: Vec<_> = rendezvous.iter().map(|(peer, _)| *peer).collect();
        rendezvous.into_iter().for_each(|(peer, address)| book.add(peer, address));
        shared.leases.send_modify(|leases| leases.configured = peers.len());
        let cache = AdvertisementCache::new(CacheLimits {
            total: limits.advertisements,
            per_publisher: limits.advertisements / 4 + 1,
            bytes: limits.advertisements.saturating_mul(ADVERTISEMENT_BYTES_MAX / 8),
        });
        let (session_opens, opened) = mpsc::channel(INBOUND_QUEUE);
        Self {
            opened,
            session_opens,
            swarm,
            shared,
            commands,
            inbound,
            asked,
            tasks: JoinSet::new(),
            waiting: Waiting::default(),
            leases: LeaseKeeper::new(Instant::now(), peers),
            publications: Publications::default(),
            cache,
            book,
            attributes,
            negotiating: HashMap::new(),
            unanswered_pings: HashMap::new(),
            #[cfg(feature = "reach")]
            reaching: Reaching::default(),
            sequence: 0,
            cache_file: None,
            born: wall_ms(),
        }
    }

    /// Takes in what this peer knew when it last ran, and keeps `file` up to date.
    pub(crate) fn restore(&mut self, file: CacheFile, restored: Restored) {
        // Also when the clock was put back meanwhile.
        self.born = self.born.max(restored.sequence.saturating_add(1));
        let now = Instant::now();
        for (signed, keep_for) in restored.advertisements {
            addresses_of(&signed)
                .into_iter()
                .rev()
                .for_each(|address| self.book.add(signed.publisher(), address));
            // It is as full as it may be with what ends later.
            let _ = self.cache.insert(now, signed, keep_for);
        }
        self.cache_file = Some(file);
    }

    /// Starts what keeps memberships and subscriptions alive; it ends with the loop.
    pub(crate) fn keep_alive(&mut self, commands: mpsc::WeakSender<Command>) {
        let (serving, keeping) =
            (membership::serve(self.shared.clone()), membership::keep(self.shared.clone(), commands.clone()));
        self.tasks.spawn(async move {
            futures::join!(serving, keeping);
            Ended::Done
        });
        let told = subscription::serve(self.shared.clone(), commands.clone());
        let kept = subscription::keep(self.shared.clone(), commands);
        self.tasks.spawn(async move {
            futures::join!(told, kept);
            Ended::Done
        });
    }

    /// Runs until it is told to end, or the last handle is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let timeout = self.next_timeout();
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                command = self.commands.recv() => match command {
                    None => return,
                    Some(Command::Shutdown { reply }) => return Box::pin(self.end(reply)).await,
                    Some(command) => self.on_command(command),
                },
                Some(inbound) = self.inbound.recv() => self.on_inbound(inbound),
                Some(query) = self.asked.recv() => self.answer_neighbour(query),
                Some((peer, session)) = self.opened.recv() => self.waiting.settle(&peer, &Ok(session)),
                Some(ended) = self.tasks.join_next() => self.on_ended(ended),
                () = sleep_until(timeout) => {}
            }
            self.let_time_pass(Instant::now());
        }
    }

    /// Tells the rendezvous, then drops everything.
    async fn end(mut self, reply: oneshot::Sender<()>) {
        let mut farewells = JoinSet::new();
        for rendezvous in self.leases.leased() {
            if let Some(session) = self.shared.sessions.of(&rendezvous) {
                farewells.spawn(lease::farewell(session));
            }
        }
        loop {
            tokio::select! {
                _ = self.swarm.select_next_some() => {}
                farewell = farewells.join_next() => if farewell.is_none() { break },
            }
        }
        let saving = self.cache_file.take();
        drop(self);
        if let Some(file) = saving {
            file.finish().await;
        }
        // Who asked may have gone away.
        let _ = reply.send(());
    }

    fn let_time_pass(&mut self, now: Instant) {
        self.shared.meters.commands_waiting.set(self.commands.len() as u64);
        self.shared.meters.inbound_waiting.set(self.inbound.len() as u64);
        self.cache.expire(now);
        self.shared.meters.advertisements_evicted.set(self.cache.evicted());
        let due = self.publications.handle_timeout(now);
        let signed: Vec<_> = due.into_iter().filter_map(|due| self.sign(due).ok()).collect();
        signed.iter().for_each(|signed| self.keep_own(now, signed));
        if !signed.is_empty() {
            self.push_to_all(&signed);
        }
        self.leases.handle_timeout(now);
        self.follow_lease_effects(now);
        #[cfg(feature = "reach")]
        self.follow_reservations(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        let timeouts = [
            self.cache.poll_timeout(),
            self.publications.poll_timeout(),
            self.leases.poll_timeout(),
            #[cfg(feature = "reach")]
            self.reaching.poll_timeout(),
        ];
        timeouts.into_iter().flatten().min()
    }

    fn on_ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(Ended::Session { peer, connection }) => {
                self.swarm.close_connection(connection);
                self.close_if_banned(peer);
                if self.shared.sessions.of(&peer).is_none() {
                    self.leases.session_lost(Instant::now(), peer);
                }
            }
            Ok(Ended::Foreign { peer }) => {
                if self.shared.sessions.of(&peer).is_none() {
                    self.waiting.settle(&peer, &Err(OpenError::Closed));
                }
            }
            Ok(Ended::Lease { rendezvous, result }) => self.on_lease_result(rendezvous, result),
            Ok(Ended::NotPushed { rendezvous }) => self.leases.push_failed(&rendezvous),
            Ok(Ended::Pipe { peer }) => {
                self.close_if_banned(peer);
                let left = self.negotiating.get(&peer).map_or(0, |count| count.saturating_sub(1));
                if left == 0 {
                    self.negotiating.remove(&peer)
                } else {
                    self.negotiating.insert(peer, left)
                };
            }
            Ok(Ended::Done) => {}
            Err(error) => {
                tracing::error!(reason = %error, "a task of the overlay ended by a panic");
                self.shared.meters.task_panics.add(1);
            }
        }
    }

    fn close_if_banned(&mut self, peer: PeerId) {
        if self.shared.is_banned(&peer) {
            // Not connected is what is wanted.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// Signs an advertisement of this peer, or its withdrawal, with the next sequence; it grows over restarts, as the
    /// clock does.
    fn sign(&mut self, due: Due) -> Result<SignedAdvertisement, crate::error::AdvertisementError> {
        self.sequence = wall_ms().max(self.born).max(self.sequence.saturating_add(1));
        let sign =
            if due.withdrawn { SignedAdvertisement::sign_withdrawal } else { SignedAdvertisement::sign };
        sign(due.advertisement, due.lifetime, self.sequence, &self.shared.keypair)
    }

    /// Keeps what this peer publishes in its own cache, until it is renewed. The cache may be full of others'; then
    /// only this peer itself misses it.
    fn keep_own(&mut self, now: Instant, signed: &SignedAdvertisement) {
        let Lifetime { local, remote } = signed.lifetime();
        let keep_for = if signed.is_withdrawn() { remote } else { local.min(remote) };
        let _ = self.cache.insert(now, signed.clone(), keep_for);
        self.shared.subscriptions.offer(now, signed, true, keep_for);
        self.save(signed);
        self.shared.published.send_modify(|count| *count += 1);
    }

    /// What is published in closed groups stays off the disk, this peer's own too.
    fn save(&self, signed: &SignedAdvertisement) {
        let way = self.shared.groups.way(&signed.advertisement().group);
        let own = signed.publisher() == self.shared.id;
        let is_open = way == Some(Way::Open) || way.is_none() && !own;
        if let Some(file) = self.cache_file.as_ref().filter(|_| is_open) {
            file.learned(signed);
        }
    }

    /// Takes a new address of ours into what this peer advertises of itself.
    pub(crate) fn on_new_address(&mut self, address: Multiaddr) {
        #[cfg(feature = "reach")]
        self.serve_at(address.clone());
        let complete = self.complete(address);
        let mut addresses = self.shared.addresses.write();
        if addresses.contains(&complete) {
            return;
        }
        addresses.push(complete);
        addresses.sort_by_key(|address| (is_circuit(address), is_loopback(address)));
        drop(addresses);
        self.advertise_myself();
    }

    /// This peer's `address` with its id.
    fn complete(&self, address: Multiaddr) -> Multiaddr {
        match address.with_p2p(self.shared.id) {
            Ok(complete) | Err(complete) => complete,
        }
    }

    fn advertise_myself(&mut self) {
        let Ok(body) = encode_addresses(&best_addresses(&self.shared.addresses.read())) else { return };
        let mut advertisement = Advertisement::new(AdvertisementKind::Peer)
            .attribute("peer", self.shared.id.to_string())
            .body(body);
        let own = self.attributes.iter().map(|(name, value)| (name.clone(), value.clone()));
        advertisement.attributes.extend(own);
        let lifetime = Lifetime::while_alive(PEER_ADVERTISEMENT_LIFETIME);
        let now = Instant::now();
        let id = advertisement.id(&self.shared.id);
        if !self.publications.keep(now, id, advertisement.clone(), lifetime) {
            return;
        }
        if let Ok(signed) = self.sign(Due { advertisement, lifetime, withdrawn: false }) {
            self.keep_own(now, &signed);
            self.push_to_all(&[signed]);
        }
    }
}

/// Milliseconds since 1970.
fn wall_ms() -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)
}

/// As many of `addresses` as an advertisement has room for: the first ones, but never without the ways through relays.
fn best_addresses(addresses: &[Multiaddr]) -> Vec<Multiaddr> {
    let (circuits, mut best): (Vec<_>, Vec<_>) = addresses.iter().cloned().partition(is_circuit);
    best.truncate(ADDRESSES_PER_PEER_MAX.saturating_sub(circuits.len()));
    best.extend(circuits);
    best
}

/// Loopback addresses come last: they help nobody on another machine.
fn is_loopback(address: &Multiaddr) -> bool {
    use libp2p::multiaddr::Protocol;
    address.iter().any(|part| match part {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback(),
        _ => false,
    })
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
