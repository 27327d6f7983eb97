//! `rendezvous run`: serves until a signal asks it to end.

use std::net::{Ipv4Addr, SocketAddr};

use mgmt_service::cli_common::{CliError, DataDir, ExitCode, Settings, Signals, within_polite_end};
use mgmt_service::jmx::BeanServer;
use mgmt_service::net::ManagementAgent;
use overlay::{Limits as PeerLimits, Multiaddr, Peer, Protocol, SpawnError};
use rendezvous::config::Config;
use rendezvous::net::control::ControlServer;
use rendezvous::net::http::{HttpError, HttpServer, Readiness};
use rendezvous::net::node::Node;
use serde_json::json;

use super::args::RunArgs;
use super::run::{failed_to, print};

/// Serves; the first thing on stdout is where.
pub(super) async fn serve(settings: Settings, config: Config, args: RunArgs) -> Result<ExitCode, CliError> {
    let mut signals = Signals::install().map_err(CliError::failed)?;
    let data_dir = DataDir::open(&settings.data_dir).map_err(CliError::failed)?;
    let name = data_dir.name(settings.name.as_deref()).map_err(CliError::usage)?;
    let peer = start_peer(&settings, &config, &data_dir, name.as_deref()).await?;
    let node = Node::start(&peer, &config.limits, data_dir.path()).await.map_err(failed_to)?;
    let _control = ControlServer::bind(data_dir.path(), node.clone()).map_err(failed_to)?;
    let readiness = Readiness::default();
    let http = match args.http.or(config.http) {
        Some(address) => {
            let bound = HttpServer::bind(address, std::sync::Arc::new(node.clone()), readiness.clone()).await;
            Some(bound.map_err(|error| match error {
                HttpError::NotLoopback { .. } => CliError::usage(format_args!("failed to {error}")),
                other => failed_to(other),
            })?)
        }
        None => None,
    };
    let beans = BeanServer::default();
    let _registered = node.register(&beans).map_err(CliError::failed)?;
    let shown = name.unwrap_or_else(|| "rendezvous".to_owned());
    let agent = ManagementAgent::spawn(&peer, &shown, None, beans, settings.manage.unwrap_or_default())
        .map_err(CliError::failed)?;
    readiness.set(true);
    say_ready(&peer, http.as_ref().map(HttpServer::address), args.json)?;

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

async fn start_peer(
    settings: &Settings,
    config: &Config,
    data_dir: &DataDir,
    name: Option<&str>,
) -> Result<Peer, CliError> {
    let keypair = overlay::identity::load_or_create(&data_dir.identity_file()).map_err(failed_to)?;
    let id = keypair.public().to_peer_id();
    let limits = PeerLimits::default().connections(config.limits.connections);
    let mut builder = Peer::builder()
        .keypair(keypair)
        .limits(limits)
        .agent(concat!("juxta-rendezvous/", env!("CARGO_PKG_VERSION")));
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
        SpawnError::Listen { .. } => {
            CliError::failed(format_args!("failed to {error}; choose another with --listen"))
        }
        SpawnError::RendezvousAddress { .. } => CliError::usage(format_args!("failed to {error}")),
        other => failed_to(other),
    })
}

fn say_ready(peer: &Peer, http: Option<SocketAddr>, as_json: bool) -> Result<(), CliError> {
    let addresses: Vec<_> = peer.addresses().iter().map(ToString::to_string).collect();
    let text = if as_json {
        let mut ready = json!({"event": "ready", "peer_id": peer.id().to_string(), "addresses": addresses});
        if let (Some(http), Some(fields)) = (http, ready.as_object_mut()) {
            fields.insert("http".to_owned(), json!(http.to_string()));
        }
        format!("{ready}\n")
    } else {
        let mut text = String::from("The rendezvous is ready. Peers reach it at:\n");
        addresses.iter().for_each(|address| text.push_str(&format!("  {address}\n")));
        if let Some(address) = addresses.first() {
            text.push_str(&format!("To chat through it:\n  im --rendezvous {address}\n"));
        }
        if let Some(http) = http {
            text.push_str(&format!("Operations: http://{http}/healthz /readyz /metrics\n"));
        }
        text
    };
    print(text.as_bytes()).map(drop)
}

/// The TCP port when nobody says otherwise, as libp2p's nodes have it.
const DEFAULT_PORT: u16 = 4001;
