//! Everything that one `im` process runs: a peer, its messenger, its management agent and, for `--host`, a rendezvous.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mgmt_service::cli_common::{CliError, DataDir, ManagePolicy, Settings, parse_duration, unmanageable};
use mgmt_service::jmx::{BeanServer, CounterBean, DynamicBean, ObjectName, Registration};
use mgmt_service::net::ManagementAgent;
use overlay::{Multiaddr, Peer, identity};
use rendezvous::limits::Limits;
use rendezvous::net::server::Server;

use super::args::{ImArgs, ImConfig};
use crate::limits::{PING_PERIOD, PING_PERIOD_MIN};
use crate::messenger::RENDEZVOUS_KEY;
use crate::net::{Messenger, Settings as MessengerSettings};
use crate::store::Database;

/// What is to run: the settings after layering.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What every program has.
    pub settings: Settings,
    /// Be a rendezvous too.
    pub host: bool,
    /// Listen where nothing is said; not for a command that is over in a moment.
    pub listen_by_default: bool,
    /// Time between two PINGs.
    pub ping_period: Duration,
    /// After which a PING counts as unanswered.
    pub ping_timeout: Duration,
}

impl Plan {
    /// Layers flags over the file over the defaults.
    ///
    /// # Errors
    /// Wrong usage.
    pub fn layer(args: &ImArgs) -> Result<Self, CliError> {
        let (settings, config) = Settings::layer::<ImConfig>(args.common.clone(), "im", "warn")?;
        let duration = |flag: Option<Duration>, key: &str, text: Option<String>| match (flag, text) {
            (Some(flag), _) => Ok(Some(flag)),
            (None, Some(text)) => parse_duration(&text)
                .map(Some)
                .map_err(|error| CliError::usage(format_args!("configuration: {key}: {error}"))),
            (None, None) => Ok(None),
        };
        let period =
            duration(args.own.ping_period, "ping-period", config.ping_period)?.unwrap_or(PING_PERIOD);
        let timeout = duration(args.own.ping_timeout, "ping-timeout", config.ping_timeout)?.unwrap_or(period);
        if period < PING_PERIOD_MIN {
            return Err(CliError::usage(format_args!(
                "the ping period is at least {}",
                humantime::format_duration(PING_PERIOD_MIN)
            )));
        }
        Ok(Self {
            settings,
            host: args.own.host,
            listen_by_default: true,
            ping_period: period,
            ping_timeout: timeout,
        })
    }

    /// The file of the database.
    pub fn database(&self) -> PathBuf {
        self.settings.data_dir.join(DATABASE_FILE)
    }
}

/// What runs.
#[derive(Debug)]
pub struct Node {
    /// Held for its lock.
    pub data_dir: DataDir,
    /// The peer.
    pub peer: Peer,
    /// Its messenger.
    pub messenger: Messenger,
    /// What others meet through, with `--host`.
    rendezvous: Option<Server>,
    /// Whether a rendezvous was configured.
    pub has_rendezvous: bool,
    agent: ManagementAgent,
    _beans: Vec<Option<Registration>>,
}

impl Node {
    /// Starts everything in a data directory that is locked already.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub async fn start(plan: &Plan, data_dir: DataDir) -> Result<Self, CliError> {
        let name = name(plan, &data_dir)?;
        let rendezvous = rendezvous(plan).await?;
        let peer = spawn_peer(plan, &data_dir, &name, &rendezvous).await?;
        let server = match plan.host {
            true => Some(Server::spawn(&peer, &Limits::default()).map_err(CliError::failed)?),
            false => None,
        };
        let mut settings = MessengerSettings::new(plan.database(), name.clone());
        settings.rendezvous = if plan.host { peer.addresses() } else { rendezvous.clone() };
        settings.ping_period = plan.ping_period;
        settings.ping_timeout = plan.ping_timeout;
        let messenger = Messenger::spawn(&peer, settings).await.map_err(CliError::failed)?;
        let beans = BeanServer::new();
        let counters = messenger.counters().clone();
        let bean =
            CounterBean::new("what the messenger did, refused and left out", move || counters.snapshot());
        let mut shown =
            vec![show(&beans, "messenger", bean), show(&beans, "messenger-settings", messenger.managed())];
        if let Some(server) = &server {
            let counters = server.status();
            let bean = CounterBean::new("what the rendezvous counts", move || counters.snapshot());
            shown.push(show(&beans, "rendezvous", bean));
        }
        let application = Some(messenger.application().clone());
        let policy = plan.settings.manage.clone().unwrap_or(ManagePolicy::Off);
        let agent = ManagementAgent::start(&peer, &name, application, beans, &policy, data_dir.path()).await;
        let agent = agent.map_err(|error| unmanageable(&error))?;
        let has_rendezvous = !rendezvous.is_empty();
        Ok(Self { data_dir, peer, messenger, rendezvous: server, has_rendezvous, agent, _beans: shown })
    }

    /// Ends everything politely; the caller bounds how long.
    ///
    /// # Errors
    /// What was wrong with the disk.
    pub async fn end(self) -> Result<(), CliError> {
        let ended = self.messenger.shutdown().await;
        self.agent.shutdown().await;
        if let Some(rendezvous) = self.rendezvous {
            rendezvous.shutdown().await;
        }
        self.peer.shutdown().await;
        ended.map_err(|error| {
            CliError::failed(format_args!(
                "{error}; see that the disk has room and can be written, then start again"
            ))
        })
    }
}

/// Registers a bean for managers; a fresh server has room for it.
fn show(beans: &BeanServer, kind: &str, bean: impl DynamicBean + 'static) -> Option<Registration> {
    let name = ObjectName::new("juxta", [("type", kind)]).ok()?;
    beans.register(name, Arc::new(bean)).ok()
}

async fn spawn_peer(
    plan: &Plan,
    data_dir: &DataDir,
    name: &str,
    rendezvous: &[Multiaddr],
) -> Result<Peer, CliError> {
    let keypair = identity::load_or_create(&data_dir.identity_file()).map_err(CliError::failed)?;
    let mut builder = Peer::builder()
        .keypair(keypair)
        .agent(concat!("juxta-im/", env!("CARGO_PKG_VERSION")))
        .peer_attribute("name", name);
    #[cfg(feature = "mdns")]
    {
        builder = builder.mdns(plan.settings.mdns);
    }
    #[cfg(feature = "reach")]
    {
        builder = builder.relay(overlay::RelayUse::Auto);
        if plan.host {
            builder = builder.serve(Limits::default().relay.reach());
        }
    }
    for address in rendezvous {
        builder = builder.rendezvous(address.clone());
    }
    let listen = match plan.settings.listen.as_slice() {
        [] if plan.listen_by_default => LISTEN.parse().into_iter().collect(),
        listen => listen.to_vec(),
    };
    for address in listen {
        builder = builder.listen(address);
    }
    builder.spawn().await.map_err(|error| match error {
        overlay::SpawnError::RendezvousAddress { .. } => CliError::usage(error),
        error => CliError::failed(error),
    })
}

/// The name that was given or kept; at the first start the user's, or one made of nothing personal.
fn name(plan: &Plan, data_dir: &DataDir) -> Result<String, CliError> {
    let kept = data_dir.name(plan.settings.name.as_deref()).map_err(CliError::usage)?;
    if let Some(name) = kept {
        return Ok(name);
    }
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_default();
    let name = data_dir.name(Some(&user)).or_else(|_| data_dir.name(Some("somebody")));
    Ok(name.map_err(CliError::failed)?.unwrap_or_default())
}

/// The rendezvous that were named, else those learned from an invite.
async fn rendezvous(plan: &Plan) -> Result<Vec<Multiaddr>, CliError> {
    if !plan.settings.rendezvous.is_empty() || plan.host {
        return Ok(plan.settings.rendezvous.clone());
    }
    let path = plan.database();
    let kept = tokio::task::block_in_place(|| Database::open(&path).and_then(|database| database.load()));
    let kept = kept.map_err(CliError::failed)?;
    let learned = kept.settings.get(RENDEZVOUS_KEY).map(String::as_str).unwrap_or_default();
    Ok(learned.split_whitespace().filter_map(|address| address.parse().ok()).collect())
}

const DATABASE_FILE: &str = "im.db";
/// Every interface, any port.
const LISTEN: &str = "/ip4/0.0.0.0/tcp/0";
