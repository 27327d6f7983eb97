//! Starting a peer: transport, swarm, listeners, event loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::mpsc;

use super::behaviour::Behaviour;
use super::event_loop::EventLoop;
use super::handle::Handle;
use super::shared::Shared;
use crate::advertisement::Value;
use crate::error::SpawnError;
use crate::limits::{
    COMMAND_QUEUE, IDLE_CONNECTION_TIMEOUT, INBOUND_QUEUE, Limits, RENDEZVOUS_MAX,
    SUBSTREAMS_PER_CONNECTION_MAX, YAMUX_STREAMS_MAX,
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
}

/// Starts the event loop; returns when all addresses are listened on.
///
/// # Errors
/// [`SpawnError`].
pub(crate) async fn spawn(config: PeerConfig) -> Result<Handle, SpawnError> {
    let rendezvous = rendezvous_peers(&config.rendezvous)?;
    let shared = Arc::new(Shared::new(config.keypair.clone()));
    let (accept, inbound) = mpsc::channel(INBOUND_QUEUE);
    let behaviour =
        Behaviour::new(&config.keypair, config.agent, &config.limits, accept, shared.meters.clone());
    let transport = |error: &dyn std::fmt::Display| SpawnError::Transport(error.to_string());
    let mut swarm = SwarmBuilder::with_existing_identity(config.keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux_config)
        .map_err(|error| transport(&error))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| transport(&error))?
        .with_swarm_config(|swarm| {
            swarm
                .with_idle_connection_timeout(IDLE_CONNECTION_TIMEOUT)
                .with_max_negotiating_inbound_streams(SUBSTREAMS_PER_CONNECTION_MAX)
                .with_substream_upgrade_protocol_override(Version::V1Lazy)
        })
        .build();
    let listened = listen(&mut swarm, config.listen).await?;
    let (commands, queue) = mpsc::channel(COMMAND_QUEUE);
    let mut event_loop = EventLoop::new(
        swarm,
        shared.clone(),
        (queue, inbound),
        rendezvous,
        config.attributes,
        &config.limits,
        listened,
    );
    event_loop.keep_memberships(commands.downgrade());
    tokio::spawn(event_loop.run());
    Ok(Handle { shared, commands })
}

fn yamux_config() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(YAMUX_STREAMS_MAX);
    config
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

/// Listens on all addresses and waits until each is bound.
async fn listen(
    swarm: &mut Swarm<Behaviour>,
    addresses: Vec<Multiaddr>,
) -> Result<Vec<Multiaddr>, SpawnError> {
    let mut waiting: Vec<(ListenerId, Multiaddr)> = Vec::new();
    for address in addresses {
        let failed = |reason: String| SpawnError::Listen { address: address.clone(), reason };
        let listener = swarm.listen_on(address.clone()).map_err(|error| failed(innermost(&error)))?;
        waiting.push((listener, address));
    }
    let mut bound = Vec::new();
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
            _ => {}
        }
    }
    Ok(bound)
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
