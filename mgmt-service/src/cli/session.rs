//! One run of a command: the data directory, the peer, its rendezvous.

use std::io;
use std::time::Duration;

use mgmt_service::cli_common::{CliError, DataDir, ManagePolicy, Settings, within_polite_end};
use mgmt_service::error::{DataDirError, GetError};
use mgmt_service::jmx::BeanServer;
use mgmt_service::net::{AgentInfo, ManagementAgent, Manager};
use overlay::{Peer, PeerId, QueryError, SpawnError};

/// A manager that is there for others to answer.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) manager: Manager,
    pub(super) data_dir: DataDir,
    pub(super) peer: Peer,
    /// The manager's own agent: it too can be managed, when it is asked to.
    agent: ManagementAgent,
}

impl Session {
    /// Locks the data directory, starts the peer and waits for its rendezvous.
    pub(super) async fn start(settings: Settings) -> Result<Self, CliError> {
        if settings.rendezvous.is_empty() {
            return Err(CliError::usage("no rendezvous given; name one with --rendezvous MULTIADDR"));
        }
        let data_dir = DataDir::open(&settings.data_dir).map_err(unusable)?;
        let name = data_dir.name(settings.name.as_deref()).map_err(unusable)?;
        let name = name.as_deref().unwrap_or("manager");
        let keypair = overlay::identity::load_or_create(&data_dir.identity_file())
            .map_err(|error| CliError::failed(format_args!("failed to {error}")))?;
        let mut builder = Peer::builder().keypair(keypair).peer_attribute("name", name);
        for address in settings.listen {
            builder = builder.listen(address);
        }
        for address in settings.rendezvous {
            builder = builder.rendezvous(address);
        }
        let peer = builder.spawn().await.map_err(|error| match error {
            SpawnError::RendezvousAddress { .. } => CliError::usage(format_args!("failed to {error}")),
            error => CliError::failed(format_args!("failed to {error}")),
        })?;
        let policy = settings.manage.unwrap_or(ManagePolicy::Off);
        let agent = ManagementAgent::spawn(&peer, name, None, BeanServer::new(), policy)
            .map_err(|error| CliError::failed(format_args!("failed to {error}")))?;
        let session = Self { manager: Manager::new(&peer), data_dir, peer, agent };
        if let Err(error) = session.peer.wait_leased(LEASE_TIMEOUT).await {
            session.end().await;
            return Err(CliError::unreachable(format_args!(
                "failed to {error}; check that it runs and that --rendezvous is the address it prints"
            )));
        }
        Ok(session)
    }

    /// The agents that are there now.
    pub(super) async fn agents(&self) -> Vec<AgentInfo> {
        self.manager.agents(AGENTS_TIMEOUT).await
    }

    /// Who `text` means: an id, the name of an agent, or `*` for all agents.
    pub(super) async fn whom(&self, text: &str) -> Result<Vec<AgentInfo>, CliError> {
        if let Ok(peer) = text.parse::<PeerId>() {
            return Ok(vec![AgentInfo { peer, name: "".into(), application: "".into() }]);
        }
        let mut agents = self.agents().await;
        if text == "*" {
            return Ok(agents);
        }
        agents.retain(|agent| &*agent.name == text);
        match agents.len() {
            0 => Err(CliError::unreachable(format_args!("no agent is called {text:?}; see `mgmt agents`"))),
            1 => Ok(agents),
            count => Err(CliError::usage(format_args!(
                "{count} agents are called {text:?}; name the one you mean by its id, see `mgmt agents`"
            ))),
        }
    }

    /// Ends politely.
    pub(super) async fn end(self) {
        let Self { peer, agent, .. } = self;
        // What takes longer is cut off when the process ends.
        let _ = within_polite_end(async {
            agent.shutdown().await;
            peer.shutdown().await;
        })
        .await;
    }
}

/// What a user is told when an agent did not answer.
pub(super) fn unanswered(agent: &AgentInfo, error: &GetError) -> CliError {
    let sentence = format!("failed to {error} ({})", agent.peer);
    match error {
        GetError::Query(QueryError::Refused(_) | QueryError::NoHandler) => {
            CliError::refused(format_args!("{sentence}; start that peer with --manage open"))
        }
        GetError::Query(QueryError::Unreachable(_) | QueryError::TimedOut { .. } | QueryError::Closed) => {
            CliError::unreachable(format_args!("{sentence}; see `mgmt agents` for who is there"))
        }
        _ => CliError::failed(sentence),
    }
}

fn unusable(error: DataDirError) -> CliError {
    match &error {
        DataDirError::Name { .. } => CliError::usage(error),
        DataDirError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            CliError::failed(format_args!("failed to use {error}; name another directory with --data-dir"))
        }
        _ => CliError::failed(format_args!("failed to use the data directory: {error}")),
    }
}

/// How long the rendezvous may take to grant a lease.
const LEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long agents are looked for.
const AGENTS_TIMEOUT: Duration = Duration::from_secs(3);
