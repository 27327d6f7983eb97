//! `rendezvous run`: serves until a signal asks it to end.

use std::net::Ipv4Addr;

use mgmt_service::cli_common::{
    CliError, DataDir, ExitCode, Settings, Signals, unmanageable, within_polite_end,
};
use mgmt_service::jmx::BeanServer;
use mgmt_service::net::{HttpError, HttpServer, ManagementAgent};
use overlay::{Limits as PeerLimits, Multiaddr, Peer, Protocol, SpawnError};
use rendezvous::config::Config;
use rendezvous::limits::{CONNECTS_QUOTA, FILES_RESERVED, Limits};
use rendezvous::net::control::ControlServer;
use rendezvous::net::http::{self, Readiness};
use rendezvous::net::node::Node;

use super::args::RunArgs;
use super::ready::Ready;
use super::run::{failed_to, print};

/// Serves; the first thing on stdout is where.
pub(super) async fn serve(
    settings: Settings,
    mut config: Config,
    args: RunArgs,
) -> Result<ExitCode, CliError> {
    config.no_relay |= args.no_relay;
    let mut signals = Signals::install().map_err(CliError::failed)?;
    let data_dir = DataDir::open(&settings.data_dir).map_err(CliError::failed)?;
    let name = data_dir.name(settings.name.as_deref()).map_err(CliError::usage)?;
    let peer = start_peer(&settings, &config, &data_dir, name.as_deref()).await?;
    let node = Node::start(&peer, &config.limits, data_dir.path()).await.map_err(failed_to)?;
    let _control = ControlServer::bind(data_dir.path(), node.clone()).map_err(failed_to)?;
    let readiness = Readiness::default();
    let http = match args.http.or(config.http) {
        Some(address) => {
            let bound = http::serve(address, std::sync::Arc::new(node.clone()), readiness.clone()).await;
            Some(bound.map_err(|error| match error {
                HttpError::NotLoopback { .. } => CliError::usage(format_args!("failed to {error}")),
                other => failed_to(other),
            })?)
        }
        None => None,
    };
    let beans = BeanServer::default();
    let _registered = node.register(&beans).map_err(CliError::failed)?;
    let _controlled = node.register_control(&beans).map_err(CliError::failed)?;
    let shown = name.unwrap_or_else(|| "rendezvous".to_owned());
    let policy = settings.manage.clone().unwrap_or_default();
    let agent = ManagementAgent::start(&peer, &shown, None, beans, &policy, data_dir.path()).await;
    let agent = agent.map_err(|error| unmanageable(&error))?;
    readiness.set(true);
    let ready = Ready::of(&peer, http.as_ref().map(HttpServer::address));
    print(if args.json { ready.json()? } else { ready.text() }.as_bytes())?;

    let signal = tokio::select! {
        signal = signals.recv() => signal,
        () = node.server().ended() => return Err(CliError::failed("the rendezvous ended by itself; see its log")),
    };
    readiness.set(false);
    let ending = async {
        agent.shutdown().await;
        node.shutdown().await;
        if let Some(http) = http {
            http.shutdown().await;
        }
    };
    if within_polite_end(ending).await.is_none() {
        tracing::warn!("the polite end was cut off");
    }
    Ok(signal.exit_code())
}

/// Where a rendezvous listens; when nobody says, at every IPv4 address.
pub(super) fn listen(settings: &Settings) -> Vec<Multiaddr> {
    if settings.listen.is_empty() {
        vec![Multiaddr::from(Ipv4Addr::UNSPECIFIED).with(Protocol::Tcp(DEFAULT_PORT))]
    } else {
        settings.listen.clone()
    }
}

/// As many connections as configured, and never so many that none of the files this process may open were left.
fn connections(limits: &Limits) -> u32 {
    let Some(files) = open_files_max() else { return limits.connections };
    let affordable = files.saturating_sub(FILES_RESERVED).max(1);
    if affordable < limits.connections {
        tracing::info!(connections = affordable, files, "connections cut to the open files allowed");
    }
    limits.connections.min(affordable)
}

/// How many files this process may have open, where the system says so (Linux).
fn open_files_max() -> Option<u32> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cannot_listen(address: &Multiaddr, reason: &dyn std::fmt::Display) -> CliError {
    CliError::failed(format_args!("failed to listen on {address}: {reason}; choose another with --listen"))
}

async fn start_peer(
    settings: &Settings,
    config: &Config,
    data_dir: &DataDir,
    name: Option<&str>,
) -> Result<Peer, CliError> {
    let keypair = overlay::identity::load_or_create(&data_dir.identity_file()).map_err(failed_to)?;
    let id = keypair.public().to_peer_id();
    let limits = PeerLimits::default().connections(connections(&config.limits)).connects(CONNECTS_QUOTA);
    let mut builder = Peer::builder()
        .keypair(keypair)
        .limits(limits)
        .agent(concat!("juxta-rendezvous/", env!("CARGO_PKG_VERSION")));
    #[cfg(feature = "reach")]
    if !config.no_relay {
        builder = builder.serve(config.limits.relay.reach());
    }
    if let Some(name) = name {
        builder = builder.peer_attribute("name", name);
    }
    for address in listen(settings) {
        builder = builder.listen(address);
    }
    // A rendezvous that is named too is one where this peer is known as well, but never this one itself.
    let own = |address: &&Multiaddr| address.iter().last() == Some(Protocol::P2p(id));
    for address in settings.rendezvous.iter().filter(|address| !own(address)) {
        builder = builder.rendezvous(address.clone());
    }
    builder.spawn().await.map_err(|error| match error {
        SpawnError::Listen { address, reason } => cannot_listen(&address, &reason),
        SpawnError::RendezvousAddress { .. } => CliError::usage(format_args!("failed to {error}")),
        other => failed_to(other),
    })
}

/// The TCP port when nobody says otherwise, as libp2p's nodes have it.
const DEFAULT_PORT: u16 = 4001;
