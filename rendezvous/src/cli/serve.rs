//! `rendezvous run`: serves until a signal asks it to end.

use std::net::SocketAddr;

use mgmt_service::cli_common::{CliError, DataDir, ExitCode, Settings, Signals, within_polite_end};
use mgmt_service::jmx::BeanServer;
use mgmt_service::net::ManagementAgent;
use overlay::{Limits as PeerLimits, Multiaddr, Peer, SpawnError};
use rendezvous::config::Config;
use rendezvous::net::control::ControlServer;
use rendezvous::net::http::{HttpServer, Readiness};
use rendezvous::net::node::Node;
use serde_json::json;

use super::args::RunArgs;
use super::run::print;

/// Serves; the first thing on stdout is where.
pub(super) async fn serve(settings: Settings, config: Config, args: RunArgs) -> Result<ExitCode, CliError> {
    let mut signals = Signals::install().map_err(CliError::failed)?;
    let data_dir = DataDir::open(&settings.data_dir).map_err(CliError::failed)?;
    let name = data_dir.name(settings.name.as_deref()).map_err(CliError::usage)?;
    let peer = start_peer(&settings, &config, &data_dir, name.as_deref()).await?;
    let node = Node::start(&peer, &config.limits, data_dir.path()).await.map_err(CliError::failed)?;
    let _control = ControlServer::bind(data_dir.path(), node.clone()).map_err(CliError::failed)?;
    let readiness = Readiness::default();
    let http = match args.http.or(config.http) {
        Some(address) => {
            let bound = HttpServer::bind(address, std::sync::Arc::new(node.clone()), readiness.clone()).await;
            Some(bound.map_err(CliError::usage)?)
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

async fn start_peer(
    settings: &Settings,
    config: &Config,
    data_dir: &DataDir,
    name: Option<&str>,
) -> Result<Peer, CliError> {
    let keypair = overlay::identity::load_or_create(&data_dir.identity_file()).map_err(CliError::failed)?;
    let connections = config.limits.lease.leases_max.saturating_mul(2).saturating_add(64);
    let limits = PeerLimits::default().connections(u32::try_from(connections).unwrap_or(u32::MAX));
    let mut builder = Peer::builder()
        .keypair(keypair)
        .limits(limits)
        .agent(concat!("juxta-rendezvous/", env!("CARGO_PKG_VERSION")));
    if let Some(name) = name {
        builder = builder.peer_attribute("name", name);
    }
    let default: Vec<Multiaddr> = DEFAULT_LISTEN.iter().filter_map(|text| text.parse().ok()).collect();
    let listen = if settings.listen.is_empty() { &default } else { &settings.listen };
    for address in listen {
        builder = builder.listen(address.clone());
    }
    builder.spawn().await.map_err(|error| match error {
        SpawnError::Listen { .. } => CliError::failed(format_args!("{error}; choose another with --listen")),
        other => CliError::failed(other),
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

/// Where a rendezvous listens when nobody says otherwise.
const DEFAULT_LISTEN: [&str; 1] = ["/ip4/0.0.0.0/tcp/4001"];
