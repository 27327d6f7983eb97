//! Starting a peer: transport, swarm, listeners, event loop.

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{self, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::mpsc;

use super::behaviour::{Behaviour, BehaviourEvent};
use super::cache_file::{CacheFile, Restored};
use super::event_loop::EventLoop;
#[cfg(feature = "reach")]
use super::event_loop::Reaching;
use super::handle::Handle;
use super::shared::Shared;
use super::transport::transport;
use crate::advertisement::Value;
#[cfg(feature = "reach")]
use crate::core::{Reach, RelayUse};
use crate::error::SpawnError;
use crate::limits::{
    COMMAND_QUEUE, IDLE_CONNECTION_TIMEOUT, INBOUND_QUEUE, Limits, RENDEZVOUS_MAX,
    SUBSTREAMS_PER_CONNECTION_MAX,
};

/// What a peer is started with.
#[derive(Debug)]
pub(crate) struct PeerConfig {
    pub(crate) keypair: Keypair,
    pub(crate) listen: Vec<Multiaddr>,
    pub(crate) rendezvous: Vec<Multiaddr>,
    pub(crate) limits: Limits,
    pub(crate) agent: String,
    pub(crate) attributes: BTreeMap<String, Value>,
    /// Where the cache is kept over restarts.
    pub(crate) cache_dir: Option<PathBuf>,
    /// Whether peers are looked for on the local network and answered; without the feature `mdns` they are not.
    pub(crate) mdns: bool,
    /// What this peer serves to those that can't be dialed.
    #[cfg(feature = "reach")]
    pub(crate) reach: Option<Reach>,
    /// Whether relays take connections for this peer.
    #[cfg(feature = "reach")]
    pub(crate) relay: RelayUse,
    /// Whether the gateway is asked for ports.
    #[cfg(feature = "upnp")]
    pub(crate) upnp: bool,
}

/// Starts the event loop; returns when all addresses of this machine are listened on.
///
/// # Errors
/// [`SpawnError`].
pub(crate) async fn spawn(config: PeerConfig) -> Result<Handle, SpawnError> {
    #[cfg(feature = "reach")]
    let mut config = config;
    let rendezvous = rendezvous_peers(&config.rendezvous)?;
    let propagate_direct = config.limits.propagate_direct;
    let shared = Arc::new(Shared::new(config.keypair.clone(), propagate_direct));
    let (accept, inbound) = mpsc::channel(INBOUND_QUEUE);
    let id = shared.id;
    #[cfg(feature = "reach")]
    let (relay_transport, relay_client) = libp2p::relay::client::new(id);
    let mut behaviour = Behaviour::new(
        &config.keypair,
        config.agent,
        &config.limits,
        accept,
        shared.clone(),
        #[cfg(feature = "reach")]
        relay_client,
    );
    #[cfg(feature = "reach")]
    let reaching = {
        let holders = behaviour.reach(id, config.reach.as_ref(), config.relay, &shared.meters);
        Reaching::new(config.reach.is_some(), config.relay, holders, &mut config.listen)?
    };
    #[cfg(feature = "upnp")]
    if config.upnp {
        behaviour.ask_gateway();
    }
    if config.mdns {
        behaviour.look_around(id);
    }
    let asked = shared.handlers.answer_own_discovery(config.mdns);
    let swarm_config = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(IDLE_CONNECTION_TIMEOUT)
        .with_max_negotiating_inbound_streams(SUBSTREAMS_PER_CONNECTION_MAX)
        .with_substream_upgrade_protocol_override(Version::V1Lazy)
        // Near before far, QUIC before TCP, IPv6 before IPv4, each a moment after the one before (RFC 8305).
        .with_smart_dial();
    let transport = transport(
        &config.keypair,
        #[cfg(feature = "reach")]
        relay_transport,
    )?;
    let mut swarm = Swarm::new(transport, behaviour, id, swarm_config);
    let (listened, early) = listen(&mut swarm, config.listen).await?;
    let remembered = remember(&shared, config.cache_dir, config.limits.advertisements).await?;
    let (commands, queue) = mpsc::channel(COMMAND_QUEUE);
    let mut event_loop = EventLoop::new(
        swarm,
        shared.clone(),
        (queue, inbound, asked),
        rendezvous,
        config.attributes,
        &config.limits,
    );
    if let Some((file, restored)) = remembered {
        event_loop.restore(file, restored);
    }
    listened.into_iter().for_each(|address| event_loop.on_new_address(address));
    #[cfg(feature = "reach")]
    event_loop.reach(reaching);
    event_loop.keep_alive(commands.downgrade());
    early.into_iter().for_each(|event| event_loop.on_swarm_event(event));
    let ended = shared.clone();
    tokio::spawn(async move {
        Box::pin(event_loop.run()).await;
        ended.resumables.clear();
    });
    Ok(Handle { shared, commands })
}

/// What `dir` holds of the cache, if there is one, and the file that keeps it there from now on.
async fn remember(
    shared: &Shared,
    dir: Option<PathBuf>,
    max: usize,
) -> Result<Option<(CacheFile, Restored)>, SpawnError> {
    let Some(dir) = dir else { return Ok(None) };
    let opening = CacheFile::open(dir.clone(), shared.id, max, shared.meters.clone()).await;
    opening.map(Some).map_err(|error| SpawnError::CacheDir { path: dir, reason: error.to_string() })
}

/// The rendezvous by their ids, which each address must name.
fn rendezvous_peers(addresses: &[Multiaddr]) -> Result<Vec<(PeerId, Multiaddr)>, SpawnError> {
    let mut rendezvous: Vec<(PeerId, Multiaddr)> = Vec::new();
    for address in addresses {
        let Some(Protocol::P2p(peer)) = address.iter().last() else {
            return Err(SpawnError::RendezvousAddress { address: address.clone() });
        };
        let known = rendezvous.iter().any(|(known, _)| *known == peer);
        if !known && rendezvous.iter().filter(|(other, _)| *other != peer).count() >= RENDEZVOUS_MAX {
            tracing::warn!(%address, "rendezvous ignored, {RENDEZVOUS_MAX} others are configured");
            continue;
        }
        rendezvous.push((peer, address.clone()));
    }
    Ok(rendezvous)
}

/// Listens on all addresses and waits until each is bound; what else happens meanwhile comes with them.
async fn listen(
    swarm: &mut Swarm<Behaviour>,
    addresses: Vec<Multiaddr>,
) -> Result<(Vec<Multiaddr>, Vec<SwarmEvent<BehaviourEvent>>), SpawnError> {
    let mut waiting: Vec<(ListenerId, Multiaddr)> = Vec::new();
    for address in addresses {
        let failed = |reason: String| SpawnError::Listen { address: address.clone(), reason };
        check_free(&address).map_err(|error| failed(error.to_string()))?;
        let listener = swarm.listen_on(address.clone()).map_err(|error| failed(innermost(&error)))?;
        waiting.push((listener, address));
    }
    let (mut bound, mut early) = (Vec::new(), Vec::new());
    while let Some((_, first)) = waiting.first() {
        let timed_out =
            || SpawnError::Listen { address: first.clone(), reason: "not bound in time".to_owned() };
        let event = tokio::time::timeout(LISTEN_TIMEOUT, swarm.select_next_some()).await;
        match event.map_err(|_| timed_out())? {
            SwarmEvent::NewListenAddr { listener_id, address } => {
                bound.push(address);
                waiting.retain(|(listener, _)| *listener != listener_id);
            }
            SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. } => {
                if let Some((_, address)) = waiting.iter().find(|(listener, _)| *listener == listener_id) {
                    return Err(SpawnError::Listen { address: address.clone(), reason: error.to_string() });
                }
            }
            other => early.push(other),
        }
    }
    Ok((bound, early))
}

/// Refuses a port that somebody else listens on. The transport sets `SO_REUSEPORT`, by which two processes would
/// share the port, and each would get half of the peers that look for the other.
fn check_free(address: &Multiaddr) -> std::io::Result<()> {
    let mut parts = address.iter();
    let ip = match parts.next() {
        Some(Protocol::Ip4(ip)) => IpAddr::from(ip),
        Some(Protocol::Ip6(ip)) => IpAddr::from(ip),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        Some(Protocol::Udp(port)) if port != 0 => UdpSocket::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

/// What lies at the bottom of an error, which is what a person can act on.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Time in which the system binds an address.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
